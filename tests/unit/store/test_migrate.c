#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "gateway/store/migrate.h"
#include "tests/unit/store/pg_fixture.h"

/* A new, empty database; its DSN. */
static const char *database(const char *name)
{
    static char dsn[300];
    char sql[100];

    (void)snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    assert_string_equal(ask(server_dsn, sql), "");
    (void)snprintf(dsn, sizeof dsn, "postgresql:///%s?%s", name, strchr(server_dsn, '?') + 1);
    return dsn;
}

/* What migrate_apply() said; valid until the next call. */
static char said[2000];

static int apply(const char *dsn, const struct migration *list, size_t count)
{
    FILE *out = fmemopen(said, sizeof said, "w");
    int code = migrate_apply(dsn, list, count, NULL, out);

    (void)fclose(out);
    return code;
}

static int migrate(const char *dsn)
{
    FILE *out = fmemopen(said, sizeof said, "w");
    int code = migrate_run(dsn, out);

    (void)fclose(out);
    return code;
}

static void twice_is_once(void **state)
{
    const char *dsn;
    char count[16];

    (void)state;
    NEEDS_SERVER();
    dsn = database("twice");
    (void)snprintf(count, sizeof count, "%zu", migration_count);
    assert_int_equal(migrate(dsn), 0);
    assert_non_null(strstr(said, "applied 0001_keys\n"));
    assert_string_equal(ask(dsn, "SELECT count(*) FROM schema_migrations"), count);
    assert_string_equal(ask(dsn, "SELECT epoch FROM revocation_epoch"), "1");
    assert_int_equal(migrate(dsn), 0);
    assert_null(strstr(said, "applied"));
    assert_non_null(strstr(said, "the schema is at version"));
    assert_string_equal(ask(dsn, "SELECT count(*) FROM schema_migrations"), count);
}

/* Each table, column, index that we named, function and trigger says what it is for. */
static void everything_has_a_comment(void **state)
{
    static const char *const bare[] = {
        "SELECT string_agg(c.relname || '.' || a.attname, ' ') FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        " AND col_description(c.oid, a.attnum) IS NULL",
        "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace AND obj_description(oid, 'pg_class') IS NULL",
        "SELECT string_agg(c.relname, ' ') FROM pg_class c WHERE relkind = 'i'"
        " AND relnamespace = 'public'::regnamespace AND obj_description(oid, 'pg_class') IS NULL"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)",
        "SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND obj_description(oid, 'pg_proc') IS NULL",
        "SELECT string_agg(tgname, ' ') FROM pg_trigger WHERE NOT tgisinternal"
        " AND obj_description(oid, 'pg_trigger') IS NULL",
    };
    const char *dsn;

    (void)state;
    NEEDS_SERVER();
    dsn = database("comments");
    assert_int_equal(migrate(dsn), 0);
    for (unsigned i = 0; i < GW_LEN(bare); i++) {
        assert_string_equal(ask(dsn, bare[i]), "");
    }
}

#define HASH(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
static const struct migration first[] = {
    {1, "0001_one", HASH("a1"), "CREATE TABLE one ()"},
    {2, "0002_two", HASH("b2"), "CREATE TABLE two ();\nINSERT INTO two DEFAULT VALUES"},
};

static void a_changed_file_is_refused(void **state)
{
    struct migration list[] = {
        first[0], first[1], {3, "0003_three", HASH("c3"), "CREATE TABLE three ()"}};
    const char *dsn;

    (void)state;
    NEEDS_SERVER();
    dsn = database("changed");
    assert_int_equal(apply(dsn, first, 2), 0);
    list[0].sha256 = HASH("00");
    assert_int_equal(apply(dsn, list, 3), 1);
    assert_non_null(strstr(said, "0001_one was applied on "));
    assert_non_null(strstr(said, "UTC and has been changed since\n  applied: sha256 a1a1"));
    assert_non_null(strstr(said, "here:    sha256 0000"));
    assert_non_null(strstr(said, "next: restore gateway/store/migrations/0001_one.sql as it was"));
    assert_string_equal(ask(dsn, "SELECT to_regclass('three') IS NULL"), "t");
    list[0].sha256 = first[0].sha256;
    assert_int_equal(apply(dsn, list, 3), 0);
    /* an older program */
    assert_int_equal(apply(dsn, list, 2), 1);
    assert_non_null(strstr(said, "migration 3_0003_three, which this program does not know"));
    assert_non_null(strstr(said, "next: use the newer program"));
}

static void a_failing_file_leaves_nothing(void **state)
{
    struct migration list[] = {
        first[0], {2, "0002_bad", HASH("b2"), "CREATE TABLE two ();\n-- \xc3\xa9\nSELECT nine;\n"}};
    const char *dsn;

    (void)state;
    NEEDS_SERVER();
    dsn = database("failing");
    assert_int_equal(apply(dsn, list, 2), 1);
    assert_non_null(strstr(said, "applied 0001_one"));
    assert_non_null(strstr(said, "0002_bad.sql:3: column \"nine\" does not exist, SQLSTATE 42703"));
    assert_non_null(strstr(said, "next: "));
    assert_string_equal(ask(dsn, "SELECT max(version) FROM schema_migrations"), "1");
    assert_string_equal(ask(dsn, "SELECT to_regclass('two') IS NULL"), "t");
    list[1].sql = "COMMIT"; /* which would tear file and record apart */
    assert_int_equal(apply(dsn, list, 2), 1);
    assert_non_null(strstr(said, "it ends its transaction itself"));
    assert_int_equal(apply(dsn, first, 2), 0);
    assert_int_equal(apply("postgresql:///x?host=/nowhere", first, 2), 1);
    assert_non_null(strstr(said, "next: check the DSN"));
    assert_int_equal(apply("host=x password='secret", first, 2), 1);
    assert_non_null(strstr(said, "next: give one like"));
    assert_null(strstr(said, "secret"));
}

static void runs_at_once_take_turns(void **state)
{
    static const struct migration slow[] = {
        {1, "0001_slow", HASH("d4"), "CREATE TABLE slow (); SELECT pg_sleep(0.3)"}};
    const char *dsn;
    pid_t children[3];

    (void)state;
    NEEDS_SERVER();
    dsn = database("turns");
    for (unsigned i = 0; i < GW_LEN(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            _exit(apply(dsn, slow, 1));
        }
    }
    for (unsigned i = 0; i < GW_LEN(children); i++) {
        int code = -1;

        assert_int_equal(waitpid(children[i], &code, 0), children[i]);
        assert_int_equal(code, 0);
    }
    assert_string_equal(ask(dsn, "SELECT count(*) FROM schema_migrations"), "1");
}

#define KEY "INSERT INTO api_keys (id, account, label, created_by, algorithm, "

/* Run in order on one database; ! is what it is refused with. */
static const struct {
    const char *sql;
    const char *want;
} rules[] = {
    {"INSERT INTO accounts (id, label, created_by) VALUES ('acme', 'Acme', 'me')", ""},
    {"INSERT INTO accounts (id, label, created_by) VALUES ('Acme', 'Acme', 'me')", "!23514"},
    {"UPDATE accounts SET disabled_at = now()", "!23514"},
    {KEY "public_key) VALUES ('k1', 'acme', 'x', 'me', 'ed25519', sha256('a'))", ""},
    {KEY "public_key) VALUES ('k1', 'acme', 'x', 'me', 'ed25519', sha256('a'))", "!23505"},
    {KEY "public_key) VALUES ('k9', 'nobody', 'x', 'me', 'ed25519', sha256('a'))", "!23503"},
    {KEY "public_key) VALUES ('k9', 'acme', 'x', 'me', 'ed25519', '\\x00')", "!23514"},
    {KEY "public_key) VALUES ('k9', 'acme', 'x', 'me', 'ed25519', NULL)", "!23514"},
    {KEY "public_key) VALUES ('k9', 'acme', 'x', 'me', 'md5', sha256('a'))", "!23514"},
    {KEY "public_key) VALUES ('k 9', 'acme', 'x', 'me', 'ed25519', sha256('a'))", "!23514"},
    {KEY "secret_sealed, master_version) VALUES"
         " ('k2', 'acme', 'x', 'me', 'hmac-sha256', decode(repeat('00', 94), 'hex'), 1)",
     ""},
    {KEY "secret_sealed, master_version) VALUES"
         " ('k9', 'acme', 'x', 'me', 'hmac-sha256', decode(repeat('00', 93), 'hex'), 1)",
     "!23514"},
    {KEY "secret_sealed, master_version) VALUES"
         " ('k9', 'acme', 'x', 'me', 'hmac-sha256', decode(repeat('00', 94), 'hex'), NULL)",
     "!23514"},
    {KEY "secret_sealed, master_version, public_key) VALUES ('k9', 'acme', 'x', 'me',"
         " 'hmac-sha512-kraken', decode(repeat('00', 94), 'hex'), 1, sha256('a'))",
     "!23514"},
    {"UPDATE api_keys SET scopes = -1", "!23514"},
    {"UPDATE api_keys SET rate_class = 'A B'", "!23514"},
    {"UPDATE api_keys SET ip_allow = '{10.0.0.0/8,::1}' WHERE id = 'k1'", ""},
    {"UPDATE api_keys SET ip_allow = '{10.0.0.0/8,NULL}'", "!23514"},
    {"UPDATE api_keys SET ip_allow = '{10.0.0.1/8}'", "!22P02"},
    {"UPDATE api_keys SET not_after = not_before", "!23514"},
    {"UPDATE api_keys SET revoked_at = now() WHERE id = 'k1'", "!23514"},
    {"UPDATE api_keys SET algorithm = 'hmac-sha256' WHERE id = 'k1'", "!23001"},
    {"UPDATE api_keys SET public_key = sha256('b') WHERE id = 'k1'", "!23001"},
    {"UPDATE api_keys SET account = 'other' WHERE id = 'k1'", "!23001"},
    {"UPDATE api_keys SET master_version = 2 WHERE id = 'k2'", ""},
    {KEY "rotated_from, public_key) VALUES ('k3', 'acme', 'x', 'me', 'ed25519', 'k1', sha256('c'))",
     ""},
    {KEY "rotated_from, public_key) VALUES ('k4', 'acme', 'x', 'me', 'ed25519', 'k1', sha256('c'))",
     "!23505"},
    {"UPDATE api_keys SET revoked_at = now(), revoked_by = 'me', revoke_reason = 'lost'"
     " WHERE id = 'k3'",
     ""},
    {"UPDATE api_keys SET revoked_at = NULL, revoked_by = NULL, revoke_reason = NULL"
     " WHERE id = 'k3'",
     "!23001"},
    {KEY "rotated_from, public_key) VALUES ('k4', 'acme', 'x', 'me', 'ed25519', 'k1', sha256('c'))",
     ""},
    {KEY "rotated_from, public_key) VALUES ('k5', 'acme', 'x', 'me', 'ed25519', 'k5', sha256('c'))",
     "!23514"},
    {"INSERT INTO admin_nonces VALUES ('k1', 'n', now())", ""},
    {"INSERT INTO admin_nonces VALUES ('k1', 'n', now())", "!23505"},
    {"INSERT INTO admin_nonces VALUES ('k2', 'n', now())", ""},
    {"INSERT INTO admin_nonces VALUES ('k2', '', now())", "!23514"},
    {"INSERT INTO api_key_use VALUES ('k1', now(), '::1', '/v1/x', 0)", "!23514"},
    {"INSERT INTO api_key_use VALUES ('k1', now(), '::1', '/v1/x', 3)", ""},
    {"INSERT INTO revocation_epoch VALUES (true, 5)", "!23505"},
    {"INSERT INTO revocation_epoch VALUES (false, 5)", "!23514"},
    {"SELECT epoch FROM revocation_epoch", "9"}, /* one for each change of keys and accounts */
    {"DELETE FROM api_keys WHERE id = 'k2'", ""},
    {"SELECT epoch FROM revocation_epoch", "10"},
    {"SELECT count(*) FROM admin_nonces", "1"},
    {"UPDATE accounts SET label = 'A'", ""},
    {"TRUNCATE api_keys CASCADE", ""},
    {"SELECT epoch FROM revocation_epoch", "12"},
};

static void the_tables_keep_their_rules(void **state)
{
    const char *dsn;

    (void)state;
    NEEDS_SERVER();
    dsn = database("rules");
    assert_int_equal(migrate(dsn), 0);
    for (unsigned i = 0; i < GW_LEN(rules); i++) {
        const char *got = ask(dsn, rules[i].sql);

        if (strcmp(got, rules[i].want) != 0) {
            fail_msg("%s\n  gave \"%s\", not \"%s\"", rules[i].sql, got, rules[i].want);
        }
    }
}

static void the_writer_may_not_do_all(void **state)
{
    static const struct {
        const char *sql;
        const char *want;
    } cases[] = {
        {"SELECT max(version) >= 1 FROM schema_migrations", "t"},
        {"INSERT INTO accounts (id, label, created_by) VALUES ('acme', 'Acme', 'me')", ""},
        {"UPDATE accounts SET label = 'B'", ""}, /* also raises the epoch */
        {"SELECT epoch FROM revocation_epoch", "3"},
        {"DELETE FROM accounts", "!42501"},
        {"DELETE FROM api_keys", "!42501"},
        {"TRUNCATE api_keys CASCADE", "!42501"},
        {"DELETE FROM admin_nonces", ""},
        {"INSERT INTO schema_migrations VALUES (99, 'x', 'x')", "!42501"},
        {"ALTER TABLE api_keys DISABLE TRIGGER ALL", "!42501"},
        {"CREATE TABLE mine ()", "!42501"},
    };
    const char *dsn;
    char as_writer[300];

    (void)state;
    NEEDS_SERVER();
    dsn = database("granted");
    assert_string_equal(ask(dsn, "CREATE ROLE \"the writer\" LOGIN"), "");
    assert_int_equal(migrate(dsn), 0);
    assert_null(strstr(said, "granted"));
    (void)snprintf(as_writer, sizeof as_writer, "%.*s&user=the%%20writer",
                   (int)(strstr(dsn, "&user=") - dsn), dsn);
    assert_string_equal(ask(as_writer, cases[0].sql), "!42501");
    assert_string_equal(
        ask(dsn, "ALTER DATABASE granted SET portcullis.writer_role = 'the writer'"), "");
    assert_int_equal(migrate(dsn), 0);
    assert_non_null(strstr(said, "granted the gateway's rights to the writer"));
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        const char *got = ask(as_writer, cases[i].sql);

        if (strcmp(got, cases[i].want) != 0) {
            fail_msg("%s\n  gave \"%s\", not \"%s\"", cases[i].sql, got, cases[i].want);
        }
    }
    (void)ask(dsn, "ALTER DATABASE granted SET portcullis.writer_role = 'nobody here'");
    assert_int_equal(migrate(dsn), 1);
    assert_non_null(strstr(said, "next: "));
}

/* The whole way: a key is entered on the pool, and the listener hears the new epoch. */
static void on_epoch(void *arg, const char *channel, const char *payload)
{
    assert_string_equal(channel, "portcullis_keys");
    (void)snprintf(arg, 16, "%s", payload);
}

static void ignore(void *arg)
{
    (void)arg;
}

static void a_change_is_heard(void **state)
{
    static const struct pg_listen_sink sink = {on_epoch, ignore, ignore};
    static const char *const channels[] = {"portcullis_keys"};
    struct pg_param params[] = {pg_text("acme"), pg_text("Acme"), pg_text("me")};
    struct pg_statement insert = {
        .sql = "INSERT INTO accounts (id, label, created_by) VALUES ($1, $2, $3)",
        .params = params,
        .param_count = 3,
    };
    struct pg_listen_options opt = {.name = "keys",
                                    .channels = channels,
                                    .channel_count = 1,
                                    .timeout_ms = 1000,
                                    .probe_ms = 1000,
                                    .backoff_min_ms = 10,
                                    .backoff_max_ms = 100};
    struct world w;
    struct answer a = {0};
    struct pg_listen *listen;
    char heard[16] = "";

    (void)state;
    NEEDS_SERVER();
    opt.dsn = database("heard");
    assert_int_equal(migrate(opt.dsn), 0);
    world_dial(&w, opt.dsn, 1, 4);
    opt.metrics = metrics_create(&store_metrics);
    listen = pg_listen_create(&w.loop, &opt, &sink, heard);
    UNTIL(&w.loop, pg_up(w.pg) && pg_listen_up(listen), 3000);
    assert_true(pg_transaction(w.pg, &insert, 1, 0, on_row, &a));
    UNTIL(&w.loop, a.calls == 1 && heard[0] != '\0', 5000);
    assert_int_equal(a.outcome, PG_OK);
    assert_string_equal(heard, "2");
    pg_listen_close(listen, ignore, NULL);
    world_close(&w);
    pg_listen_destroy(&listen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twice_is_once),
        cmocka_unit_test(everything_has_a_comment),
        cmocka_unit_test(a_changed_file_is_refused),
        cmocka_unit_test(a_failing_file_leaves_nothing),
        cmocka_unit_test(runs_at_once_take_turns),
        cmocka_unit_test(the_tables_keep_their_rules),
        cmocka_unit_test(the_writer_may_not_do_all),
        cmocka_unit_test(a_change_is_heard),
    };
    int failed = cmocka_run_group_tests(tests, server_start, server_end);

    metrics_fini();
    return failed;
}
