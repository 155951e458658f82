#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/auth/keys_fixture.h"
#include "tests/unit/ratelimit/redis_fixture.h"

#define SECRET "thirty-two bytes of a secret...."

static double ms_since(int64_t mono_ns)
{
    return (double)(clock_mono_ns() - mono_ns) / 1e6;
}

/* --- loading -----------------------------------------------------------------------------------
 */

/* A key of each kind and state. */
static void fill(void)
{
    clean();
    put_key("plain", ", scopes, rate_class, flags, ip_allow",
            ", 5, 'gold', 3, '{10.0.0.0/8,2001:db8::/32,::ffff:192.0.2.0/120}'");
    put_secret("hmac", "hmac", &masters[0], SECRET);
    put_secret("hmac2", "hmac2", &masters[1], SECRET "!");
    put_key("pending", ", not_before", ", now() + interval '1 h'");
    put_key("expired", ", not_before, not_after",
            ", now() - interval '2 h', now() - interval '1 h'");
    put_key("gone", "", "");
    revoke_key("gone");
    put_key("ever", ", not_before, not_after", ", '-infinity', 'infinity'");
    put_key("never", ", not_before", ", 'infinity'");
    sql("INSERT INTO accounts (id, label, created_by, disabled_at, disabled_by, disabled_reason)"
        " VALUES ('off', 'Off', 'me', now(), 'me', 'unpaid')");
    put_key("disabled", "", "");
    sql("ALTER TABLE api_keys DISABLE TRIGGER api_keys_guard;"
        "UPDATE api_keys SET account = 'off' WHERE id = 'disabled';"
        "ALTER TABLE api_keys ENABLE TRIGGER api_keys_guard");
}

static void all_keys_are_loaded(void **state)
{
    struct cache c;
    const struct key *key;

    (void)state;
    NEEDS_SERVER();
    fill();
    cache_open(&c);
    assert_int_equal(keys_count(c.keys), 9);
    assert_true(keys_fresh(c.keys, clock_mono_ns()));
    assert_int_equal(keys_epoch(c.keys),
                     strtoull(ask(server_dsn, "SELECT epoch FROM revocation_epoch"), NULL, 10));
    key = cache_find(&c, "plain");
    assert_non_null(key);
    assert_string_equal(key->id, "plain");
    assert_string_equal(key->account, "acme");
    assert_string_equal(key->label, "a label");
    assert_string_equal(key->rate_class, "gold");
    assert_int_equal(key->alg, KEY_ED25519);
    assert_int_equal(key->material_len, 32);
    assert_int_equal(key->material[0], 0xa1); /* sha256('plain') */
    assert_int_equal(key->scopes, 5);
    assert_int_equal(key->flags, 3);
    assert_false(key->any_ip);
    assert_int_equal(key->net_count, 3);
    assert_true(key_allows_ip(key, "10.9.9.9"));
    assert_true(key_allows_ip(key, "::ffff:10.9.9.9"));
    assert_true(key_allows_ip(key, "192.0.2.7"));
    assert_false(key_allows_ip(key, "192.0.3.7"));
    assert_true(key_allows_ip(key, "2001:db8::1"));
    key = cache_find(&c, "hmac");
    assert_int_equal(key->material_len, 32);
    assert_memory_equal(key->material, SECRET, 32);
    assert_true(key->any_ip);
    key = cache_find(&c, "hmac2");
    assert_int_equal(key->material_len, 33);
    assert_memory_equal(key->material, SECRET "!", 33);
    assert_int_equal(cache_state(&c, "pending"), KEY_PENDING);
    assert_int_equal(cache_state(&c, "expired"), KEY_EXPIRED);
    assert_int_equal(cache_state(&c, "gone"), KEY_REVOKED);
    assert_int_equal(cache_state(&c, "disabled"), KEY_DISABLED);
    assert_int_equal(cache_state(&c, "ever"), KEY_ACTIVE);
    assert_int_equal(cache_state(&c, "never"), KEY_PENDING);
    assert_null(cache_find(&c, "plai"));
    assert_null(cache_find(&c, "plain2"));
    assert_null(cache_find(&c, ""));
    assert_int_equal(c.count, 4); /* the active ones */
    assert_int_equal(told(&c, "plain", "active"), 1);
    assert_int_equal(metrics_get(c.metrics, KEYS_M_COUNT, KEY_ACTIVE), 4);
    assert_int_equal(metrics_get(c.metrics, KEYS_M_COUNT, KEY_PENDING), 2);
    cache_close(&c);
}

static void no_key_at_all(void **state)
{
    struct cache c;

    (void)state;
    NEEDS_SERVER();
    clean();
    cache_open(&c);
    assert_int_equal(keys_count(c.keys), 0);
    assert_null(cache_find(&c, "plain"));
    assert_true(keys_epoch(c.keys) > 0);
    cache_close(&c);
}

static void many_keys_are_found(void **state)
{
    struct cache c;
    char id[16];
    int64_t from_ns;

    (void)state;
    NEEDS_SERVER();
    clean();
    sql("INSERT INTO api_keys (id, account, label, algorithm, public_key, created_by)"
        " SELECT 'k' || n, 'acme', 'x', 'ed25519', sha256(n::text::bytea), 'me'"
        " FROM generate_series(1, 200) n");
    cache_open(&c);
    assert_int_equal(keys_count(c.keys), 200);
    from_ns = clock_mono_ns();
    for (unsigned i = 1; i <= 200; i++) {
        (void)snprintf(id, sizeof id, "k%u", i);
        assert_string_equal(cache_find(&c, id)->id, id);
    }
    print_message("200 finds in %.3f ms\n", ms_since(from_ns));
    cache_close(&c);
}

/* Flags of the mapping that ADDRESS is in, as /proc/self/smaps has them. */
static void flags_of(const void *address, char *out, size_t size)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false;

    out[0] = '\0';
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        unsigned long long from;
        unsigned long long to;

        if (sscanf(line, "%llx-%llx ", &from, &to) == 2) {
            here = (uintptr_t)address >= from && (uintptr_t)address < to;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            (void)snprintf(out, size, "%s", line);
        }
    }
    (void)fclose(f);
}

static void secrets_are_not_dumped(void **state)
{
    struct cache c;
    char flags[512];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_secret("hmac", "hmac", &masters[0], SECRET);
    cache_open(&c);
    flags_of(cache_find(&c, "hmac")->material, flags, sizeof flags);
    assert_non_null(strstr(flags, " dd"));
    cache_close(&c);
}

/* --- hearing of changes ------------------------------------------------------------------------
 */

static void a_notification_is_enough(void **state)
{
    struct cache c;
    int64_t from_ns;

    (void)state;
    NEEDS_SERVER();
    clean();
    cache_open(&c);
    put_key("new", "", "");
    from_ns = clock_mono_ns();
    UNTIL(&c.w.loop, cache_find(&c, "new") != NULL, 5000);
    print_message("known %.1f ms after the commit\n", ms_since(from_ns));
    assert_true(metrics_get(c.metrics, KEYS_M_NOTIFIED, 0) >= 1);
    revoke_key("new");
    from_ns = clock_mono_ns();
    UNTIL(&c.w.loop, told(&c, "new", "revoked") == 1, 5000);
    print_message("revoked %.1f ms after the commit\n", ms_since(from_ns));
    cache_run(&c, 700);
    assert_int_equal(told(&c, "new", "active"), 1);
    assert_int_equal(c.count, 2); /* once each */
    cache_close(&c);
}

static void the_poll_is_enough(void **state)
{
    struct cache c;
    int64_t from_ns;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_key("old", "", "");
    cache_open_with(&c, NULL, ""); /* nobody listens */
    revoke_key("old");
    from_ns = clock_mono_ns();
    UNTIL(&c.w.loop, told(&c, "old", "revoked") == 1, 5000);
    print_message("revoked %.1f ms after the commit\n", ms_since(from_ns));
    assert_int_equal(metrics_get(c.metrics, KEYS_M_NOTIFIED, 0), 0);
    /* also when the epoch goes back: a restored database */
    sql("UPDATE revocation_epoch SET epoch = 1");
    UNTIL(&c.w.loop, keys_epoch(c.keys) == 1, 5000);
    cache_close(&c);
}

static void redis_is_a_hint(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct cache c;
    redisReply *reply;
    const char *set[] = {"SET", KEYS_REDIS_KEY, "someone was here"};
    const char *get[] = {"GET", KEYS_REDIS_KEY};
    uint64_t hints;

    NEEDS_SERVER();
    clean();
    cache_open_with(&c, NULL, f->endpoint);
    cache_run(&c, 600);
    hints = metrics_get(c.metrics, KEYS_M_HINTED, 0);
    freeReplyObject(fixture_call(f, 3, set));
    UNTIL(&c.w.loop, metrics_get(c.metrics, KEYS_M_HINTED, 0) == hints + 1, 5000);
    keys_changed(c.keys, keys_epoch(c.keys));
    UNTIL(&c.w.loop, metrics_get(c.metrics, KEYS_M_HINTED, 0) == hints + 2, 5000);
    reply = fixture_call(f, 2, get);
    assert_int_equal(strtoull(reply->str, NULL, 10), keys_epoch(c.keys));
    freeReplyObject(reply);
    fixture_flush(f); /* forgotten: also a change */
    UNTIL(&c.w.loop, metrics_get(c.metrics, KEYS_M_HINTED, 0) == hints + 3, 5000);
    cache_close(&c);
}

/* --- ending ------------------------------------------------------------------------------------
 */

static void time_ends_keys_without_a_reload(void **state)
{
    struct cache c;
    uint64_t reloads;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_key("short", ", not_after", ", now() + interval '1500 ms'");
    put_key("soon", ", not_before", ", now() + interval '1500 ms'");
    put_key("blink", ", not_before, not_after",
            ", now() + interval '1500 ms', now() + interval '1510 ms'");
    cache_open(&c);
    assert_int_equal(cache_state(&c, "short"), KEY_ACTIVE);
    assert_int_equal(c.count, 1);
    cache_run(&c, 600);
    reloads = metrics_get(c.metrics, KEYS_M_RELOADS, 0);
    UNTIL(&c.w.loop, told(&c, "short", "expired") == 1, 2500);
    UNTIL(&c.w.loop, told(&c, "soon", "active") == 1, 600);
    cache_run(&c, 600);
    assert_int_equal(told(&c, "short", "expired"), 1);
    assert_int_equal(told(&c, "blink", "expired"), 1); /* whether or not it was seen active */
    assert_int_equal(cache_state(&c, "short"), KEY_EXPIRED);
    assert_int_equal(metrics_get(c.metrics, KEYS_M_RELOADS, 0), reloads);
    cache_close(&c);
}

static void every_end_has_its_reason(void **state)
{
    struct cache c;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_key("a", "", "");
    put_key("b", "", "");
    put_key("c", "", "");
    put_secret("h", "h", &masters[0], SECRET);
    cache_open(&c);
    assert_int_equal(c.count, 4);
    sql("DELETE FROM api_keys WHERE id = 'a'");
    UNTIL(&c.w.loop, told(&c, "a", "deleted") == 1, 5000);
    sql("UPDATE api_keys SET not_after = now() WHERE id = 'b'");
    UNTIL(&c.w.loop, told(&c, "b", "expired") == 1, 5000);
    sql("UPDATE api_keys SET secret_sealed = set_byte(secret_sealed, 100,"
        " 255 - get_byte(secret_sealed, 100)) WHERE id = 'h'");
    UNTIL(&c.w.loop, told(&c, "h", "unusable") == 1, 5000);
    sql("UPDATE accounts SET disabled_at = now(), disabled_by = 'me', disabled_reason = 'x'");
    UNTIL(&c.w.loop, told(&c, "c", "disabled") == 1, 5000);
    cache_run(&c, 600);
    assert_int_equal(c.count, 8); /* each once */
    sql("UPDATE accounts SET disabled_at = NULL, disabled_by = NULL, disabled_reason = NULL");
    UNTIL(&c.w.loop, told(&c, "c", "active") == 2, 5000);
    assert_int_equal(metrics_get(c.metrics, KEYS_M_ENDED, 0), 4);
    cache_close(&c);
}

static void an_envelope_that_does_not_open(void **state)
{
    static const struct envelope_master lost = {.version = 9, .key = "lost"};
    struct cache c;
    const struct key *key;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_secret("lost", "lost", &lost, SECRET);
    put_secret("moved", "fine", &masters[0], SECRET); /* put into another row */
    put_secret("fine", "fine", &masters[0], SECRET);
    cache_open(&c);
    assert_int_equal(c.count, 1);
    for (unsigned i = 0; i < 2; i++) {
        key = cache_find(&c, i == 0 ? "lost" : "moved");
        assert_non_null(key);
        assert_null(key->material);
        assert_int_equal(key->material_len, 0);
    }
    assert_non_null(cache_find(&c, "fine")->material);
    put_key("other", "", "");
    UNTIL(&c.w.loop, cache_find(&c, "other") != NULL, 5000);
    assert_int_equal(metrics_get(c.metrics, KEYS_M_BROKEN, 0), 2); /* not again */
    assert_int_equal(metrics_get(c.metrics, KEYS_M_UNUSABLE, 0), 2);
    cache_close(&c);
}

/* --- PostgreSQL away ---------------------------------------------------------------------------
 */

static void a_restart_loses_no_revocation(void **state)
{
    struct cache c;
    int64_t from_ns;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_key("before", "", "");
    put_key("after", "", "");
    put_key("stays", "", "");
    cache_open(&c);
    assert_int_equal(c.count, 3);
    revoke_key("before"); /* and the loop has not turned yet */
    server_sh("pg_stop \"$1\"");
    UNTIL(&c.w.loop, !pg_up(c.w.pg), 3000);
    cache_run(&c, 3500);
    assert_false(keys_fresh(c.keys, clock_mono_ns()));
    assert_int_equal(metrics_get(c.metrics, KEYS_M_FRESH, 0), 0);
    assert_int_equal(cache_state(&c, "stays"), KEY_ACTIVE); /* goes on serving */
    server_sh("pg_start \"$1\"");
    revoke_key("after");
    from_ns = clock_mono_ns();
    UNTIL(&c.w.loop, told(&c, "after", "revoked") == 1, 5000);
    print_message("known %.1f ms after the restart and the commit\n", ms_since(from_ns));
    UNTIL(&c.w.loop, keys_fresh(c.keys, clock_mono_ns()), 5000);
    cache_run(&c, 1500);
    assert_int_equal(told(&c, "before", "revoked"), 1);
    assert_int_equal(told(&c, "after", "revoked"), 1);
    assert_int_equal(c.count, 5);
    cache_close(&c);
}

static void a_silent_server_is_noticed(void **state)
{
    struct cache c;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_key("stays", "", "");
    cache_open(&c);
    server_sh("kill -STOP $pid $(pgrep -P $pid)");
    UNTIL(&c.w.loop, !keys_fresh(c.keys, clock_mono_ns()), 3600);
    assert_int_equal(cache_state(&c, "stays"), KEY_ACTIVE);
    server_sh("kill -CONT $pid $(pgrep -P $pid)");
    UNTIL(&c.w.loop, keys_fresh(c.keys, clock_mono_ns()), 5000);
    assert_int_equal(c.count, 1);
    cache_close(&c);
}

/* --- use ---------------------------------------------------------------------------------------
 */

static void uses_are_written_in_batches(void **state)
{
    static const int64_t at_ns = 1900000000123456000;
    struct cache c;
    uint64_t sent;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_key("a", "", "");
    put_key("b", "", "");
    put_key("c", "", "");
    sql("INSERT INTO api_key_use VALUES ('b', '2100-01-01', '::1', '/v1/later', 10)");
    cache_open(&c);
    UNTIL(&c.w.loop, c.keys->batch_ns > 0, 5000);
    sent = metrics_get(c.w.metrics, STORE_M_QUERIES, 0);
    for (unsigned i = 0; i < 1000; i++) {
        keys_used(c.keys, cache_find(&c, "a"), i == 700 ? "192.0.2.7" : "10.0.0.1", "GET",
                  i == 700 ? "/v1/newest" : "/v1/older", at_ns - (i == 700 ? 0 : 1000000));
    }
    keys_used(c.keys, cache_find(&c, "b"), "fe80::1%eth0", "GET", "/v1/sooner", at_ns);
    put_key("d", "", ""); /* a new table in between */
    UNTIL(&c.w.loop, cache_find(&c, "d") != NULL, 5000);
    keys_used(c.keys, cache_find(&c, "d"), "not an address", "", "", at_ns);
    UNTIL(&c.w.loop, atoi(ask(server_dsn, "SELECT count(*) FROM api_key_use")) == 3, 3000);
    assert_string_equal(
        ask(server_dsn,
            "SELECT concat_ws(' ', host(last_ip), last_route, use_count, extract(epoch FROM"
            " last_used_at)::text) FROM api_key_use WHERE key_id = 'a'"),
        "192.0.2.7 /v1/newest 1000 1900000000.123456");
    assert_string_equal(ask(server_dsn,
                            "SELECT concat_ws(' ', host(last_ip), last_route, use_count)"
                            " FROM api_key_use WHERE key_id = 'b'"),
                        "::1 /v1/later 11");
    assert_string_equal(ask(server_dsn,
                            "SELECT concat_ws(' ', host(last_ip), last_route, use_count)"
                            " FROM api_key_use WHERE key_id = 'd'"),
                        ":: - 1");
    assert_true(metrics_get(c.w.metrics, STORE_M_QUERIES, 0) - sent < 30); /* not one a use */
    keys_used(c.keys, cache_find(&c, "c"), "192.0.2.1", "GET", "/v1/last", at_ns);
    cache_close(&c); /* which still writes */
    assert_string_equal(ask(server_dsn, "SELECT use_count FROM api_key_use WHERE key_id = 'c'"),
                        "1");
}

static void uses_wait_for_postgresql(void **state)
{
    struct cache c;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_key("a", "", "");
    cache_open(&c);
    server_sh("pg_stop \"$1\"");
    UNTIL(&c.w.loop, !pg_up(c.w.pg), 3000);
    for (unsigned i = 0; i < 3; i++) {
        keys_used(c.keys, cache_find(&c, "a"), "192.0.2.1", "GET", "/v1/x", clock_real_ns());
        cache_run(&c, 900);
    }
    server_sh("pg_start \"$1\"");
    UNTIL(&c.w.loop, atoi(ask(server_dsn, "SELECT sum(use_count) FROM api_key_use")) == 3, 5000);
    assert_int_equal(metrics_get(c.metrics, KEYS_M_USE_LOST, 0), 0);
    cache_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_are_loaded),
        cmocka_unit_test(no_key_at_all),
        cmocka_unit_test(many_keys_are_found),
        cmocka_unit_test(secrets_are_not_dumped),
        cmocka_unit_test(a_notification_is_enough),
        cmocka_unit_test(the_poll_is_enough),
        cmocka_unit_test_setup_teardown(redis_is_a_hint, fixture_setup, fixture_teardown),
        cmocka_unit_test(time_ends_keys_without_a_reload),
        cmocka_unit_test(every_end_has_its_reason),
        cmocka_unit_test(an_envelope_that_does_not_open),
        cmocka_unit_test(a_restart_loses_no_revocation),
        cmocka_unit_test(a_silent_server_is_noticed),
        cmocka_unit_test(uses_are_written_in_batches),
        cmocka_unit_test(uses_wait_for_postgresql),
    };
    int failed = cmocka_run_group_tests(tests, keys_start, server_end);

    metrics_fini();
    return failed;
}
