/* Nonces on a real PostgreSQL: of each is said whether it is new, also of many at once, also to two that
 * ask for the same at the same time. */
/* links: gw_auth */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/auth/keys_fixture.h"

#include "auth/key_store.h"

#define LATER_NS (INT64_C(4000000000) * 1000000000) /* not swept for long */

struct said {
    unsigned calls;
    enum key_store_err err;
    size_t count;
    enum key_store_err each[KEY_SPENT_MAX];
};

static void on_spent(void *arg, enum key_store_err err, const enum key_store_err *each)
{
    struct said *s = arg;

    s->calls++;
    s->err = err;
    assert_int_equal(each != NULL, err == KEY_STORE_OK);
    for (size_t i = 0; each != NULL && i < s->count; i++) {
        s->each[i] = each[i];
    }
}

static void begin(struct key_store *store, const struct key_nonce *nonces, size_t count,
                  struct said *out)
{
    *out = (struct said){.count = count};
    assert_int_equal(key_store_spend(store, nonces, count, 5000, on_spent, out), KEY_STORE_OK);
}

static void spend(struct cache *c, struct key_store *store, const struct key_nonce *nonces,
                  size_t count, struct said *out)
{
    begin(store, nonces, count, out);
    UNTIL(&c->w.loop, out->calls == 1, 5000);
    assert_int_equal(out->err, KEY_STORE_OK);
}

static void open_with_key(struct cache *c, struct key_store **store)
{
    clean();
    sql("INSERT INTO api_keys (id, account, label, algorithm, public_key, created_by)"
        " VALUES ('pk_spend', 'acme', 'x', 'ed25519', sha256('x'), 'me')");
    cache_open(c);
    *store = key_store_create(c->w.pg, c->keys, masters, GW_LEN(masters));
}

static void close_all(struct cache *c, struct key_store **store)
{
    key_store_forget_keys(*store);
    cache_close(c);
    key_store_destroy(store);
}

static void each_is_told(void **state)
{
    struct cache c;
    struct key_store *store;
    struct said said;
    const struct key_nonce one = {"pk_spend", "a nonce: \"quoted\", \\ {and} more", LATER_NS};
    const struct key_nonce mixed[] = {
        {"pk_spend", "n1", LATER_NS}, {"pk_spend", "n1", LATER_NS}, /* twice in one call */
        {"pk_none", "n2", LATER_NS},  one,
        {"pk_spend", "n0", LATER_NS},
    };
    const enum key_store_err expected[] = {KEY_STORE_OK, KEY_STORE_REPLAY, KEY_STORE_INVALID,
                                           KEY_STORE_REPLAY, KEY_STORE_OK};

    (void)state;
    NEEDS_SERVER();
    open_with_key(&c, &store);
    spend(&c, store, &one, 1, &said);
    assert_int_equal(said.each[0], KEY_STORE_OK);
    spend(&c, store, mixed, GW_LEN(mixed), &said);
    assert_memory_equal(said.each, expected, sizeof expected);
    spend(&c, store, mixed, GW_LEN(mixed), &said); /* nothing is new but what has no key */
    for (size_t i = 0; i < GW_LEN(mixed); i++) {
        assert_int_equal(said.each[i], i == 2 ? KEY_STORE_INVALID : KEY_STORE_REPLAY);
    }
    assert_string_equal(ask(server_dsn,
                            "SELECT string_agg(nonce, '|' ORDER BY nonce COLLATE \"C\") || "
                            "max(extract(epoch FROM expires_at))::bigint FROM admin_nonces"),
                        "a nonce: \"quoted\", \\ {and} more|n0|n14000000000");
    close_all(&c, &store);
}

/* Two gateways are shown the same requests in opposite orders: each nonce is new to one of them, and
 * neither waits for the other in a circle. */
static void two_that_ask_at_once(void **state)
{
    enum { ROUNDS = 40 };
    struct cache c;
    struct key_store *store;

    (void)state;
    NEEDS_SERVER();
    open_with_key(&c, &store);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char names[KEY_SPENT_MAX][32];
        struct key_nonce up[KEY_SPENT_MAX];
        struct key_nonce down[KEY_SPENT_MAX];
        struct said a;
        struct said b;

        for (unsigned i = 0; i < KEY_SPENT_MAX; i++) {
            (void)snprintf(names[i], sizeof names[i], "r%u-%02u", round, i);
            up[i] = down[KEY_SPENT_MAX - 1 - i] =
                (struct key_nonce){"pk_spend", names[i], LATER_NS};
        }
        begin(store, up, KEY_SPENT_MAX, &a);
        begin(store, down, KEY_SPENT_MAX, &b);
        UNTIL(&c.w.loop, a.calls == 1 && b.calls == 1, 5000);
        assert_int_equal(a.err, KEY_STORE_OK);
        assert_int_equal(b.err, KEY_STORE_OK);
        for (unsigned i = 0; i < KEY_SPENT_MAX; i++) {
            assert_int_equal(
                (a.each[i] == KEY_STORE_OK) + (b.each[KEY_SPENT_MAX - 1 - i] == KEY_STORE_OK), 1);
        }
    }
    close_all(&c, &store);
}

static void old_ones_go(void **state)
{
    struct cache c;
    struct key_store *store;
    struct said said;

    (void)state;
    NEEDS_SERVER();
    open_with_key(&c, &store);
    sql("INSERT INTO admin_nonces SELECT 'pk_spend', 'old' || i, now() - interval '2 h'"
        " FROM generate_series(1, 150) AS i");
    for (unsigned i = 0; i < 64; i++) {
        char name[16];
        const struct key_nonce one = {"pk_spend", name, LATER_NS};

        (void)snprintf(name, sizeof name, "new%u", i);
        spend(&c, store, &one, 1, &said);
    }
    UNTIL(&c.w.loop, strcmp(ask(server_dsn, "SELECT count(*) FROM admin_nonces"), "64") == 0, 5000);
    close_all(&c, &store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_told),
        cmocka_unit_test(two_that_ask_at_once),
        cmocka_unit_test(old_ones_go),
    };
    int failed = cmocka_run_group_tests(tests, keys_start, server_end);

    metrics_fini();
    return failed;
}
