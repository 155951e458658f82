#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/store/pg_fixture.h"

/* --- queries -----------------------------------------------------------------------------------
 */

static const unsigned char bytes[] = {0, 1, '\'', '\\', 0xff, 0};

static void check_values(void *arg, const struct pg_reply *r)
{
    struct buf b = {0};
    int64_t number = 0;
    bool yes = false;
    size_t len = 0;

    on_answer(arg, r);
    assert_int_equal(pg_outcome(r), PG_OK);
    assert_int_equal(pg_rows(r, 0), 1);
    assert_string_equal(pg_value(r, 0, 0, 0, &len), "O'Neil; DROP");
    assert_int_equal(len, 12);
    assert_null(pg_value(r, 0, 0, 1, NULL));
    assert_true(pg_value_bytes(r, 0, 0, 2, &b));
    assert_int_equal(b.len, sizeof bytes);
    assert_memory_equal(b.data, bytes, sizeof bytes);
    assert_true(pg_value_bytes(r, 0, 0, 3, &b)); /* empty */
    assert_int_equal(b.len, sizeof bytes);
    assert_true(pg_value_i64(r, 0, 0, 4, &number));
    assert_true(number == INT64_MIN);
    assert_true(pg_value_bool(r, 0, 0, 5, &yes) && yes);
    assert_true(pg_value_bool(r, 0, 0, 6, &yes) && !yes);
    assert_string_equal(pg_value(r, 0, 0, 7, NULL), "{a,\"b \\\"\\\\,{\",NULL}");
    assert_string_equal(pg_value(r, 0, 0, 8, NULL), "3");
    assert_false(pg_value_i64(r, 0, 0, 0, &number));
    assert_false(pg_value_i64(r, 0, 0, 1, &number));
    assert_false(pg_value_bool(r, 0, 0, 0, &yes));
    assert_false(pg_value_bytes(r, 0, 0, 0, &b));
    buf_fini(&b);
}

static void values_come_back(void **state)
{
    struct world w;
    struct answer a = {0};
    struct buf list = {0};
    struct buf none = {0};
    struct pg_param params[9];
    struct pg_statement s = {
        .sql = "SELECT $1::text, $2::bytea, $3, $4, $5, $6, $7, $8::text[], "
               "cardinality($8::text[]) + cardinality($9::int[])",
        .params = params,
        .param_count = 9,
    };

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    pg_array_put(&list, "a");
    pg_array_put(&list, "b \"\\,{");
    pg_array_put(&list, NULL);
    pg_array_end(&list);
    pg_array_end(&none);
    params[0] = pg_text("O'Neil; DROP");
    params[1] = pg_text(NULL);
    params[2] = pg_bytea(bytes, sizeof bytes);
    params[3] = pg_bytea(NULL, 0);
    params[4] = pg_int8(INT64_MIN);
    params[5] = pg_bool(true);
    params[6] = pg_bool(false);
    params[7] = pg_text(buf_cstr(&list));
    params[8] = pg_text(buf_cstr(&none));
    assert_true(pg_query(w.pg, &s, 0, check_values, &a));
    assert_int_equal(a.calls, 0);     /* never inside the call */
    memset(params, 0, sizeof params); /* all was copied */
    UNTIL(&w.loop, a.calls == 1, 5000);
    world_close(&w);
    buf_fini(&list);
    buf_fini(&none);
}

static void errors_have_their_sqlstate(void **state)
{
    static const struct {
        const char *sql;
        const char *sqlstate;
    } cases[] = {
        {"SELECT 1 / 0", "22012"},
        {"INSERT INTO errors VALUES (1)", "23505"},
        {"INSERT INTO errors VALUES (NULL)", "23502"},
        {"SELECT * FROM not_there", "42P01"},
        {"SELEC", "42601"},
        {"SELECT 1; SELECT 2", "42601"},                           /* one statement a call */
        {"INSERT INTO errors (id, later) VALUES (2, 9)", "23503"}, /* found after its result */
    };
    struct world w;
    struct answer a;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    must(&w,
         "CREATE TABLE errors (id int PRIMARY KEY,"
         " later int REFERENCES errors DEFERRABLE INITIALLY DEFERRED)",
         &a);
    must(&w, "INSERT INTO errors VALUES (1)", &a);
    assert_int_equal(a.affected, 1);
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        assert_true(query(&w, cases[i].sql, 0, &a));
        UNTIL(&w.loop, a.calls == 1, 5000);
        assert_int_equal(a.outcome, PG_FAILED);
        assert_int_equal(a.err, GW_ESTORE);
        assert_string_equal(a.sqlstate, cases[i].sqlstate);
        assert_int_equal(a.failed_at == 0 || i == GW_LEN(cases) - 1, 1);
        assert_int_equal(a.rows, 0);
    }
    must(&w, "SELECT count(*) FROM errors", &a);
    assert_string_equal(a.text, "1");
    assert_int_equal(w.downs, 0); /* all on one connection */
    must(&w, "", &a);             /* nothing is not an error */
    world_close(&w);
}

/* More than a socket holds, both ways. */
static void big_values(void **state)
{
    struct world w;
    struct answer a = {0};
    size_t len = 8u << 20;
    char *data = gw_malloc(len);
    struct pg_param params[] = {pg_bytea(data, len)};
    struct pg_statement s = {.sql = "SELECT md5($1), $1", .params = params, .param_count = 1};
    char want[512];

    (void)state;
    NEEDS_SERVER();
    memset(data, 'x', len);
    (void)snprintf(want, sizeof want, "%s",
                   ask(server_dsn, "SELECT md5(repeat('x', 8 * 1024 * 1024))"));
    world_open(&w, 1, 4);
    assert_true(pg_query(w.pg, &s, 10000, on_row, &a));
    free(data);
    UNTIL(&w.loop, a.calls == 1, 10000);
    assert_int_equal(a.outcome, PG_OK);
    assert_string_equal(a.text, want);
    world_close(&w);
}

/* --- the pool ----------------------------------------------------------------------------------
 */

static void the_queue_is_bounded(void **state)
{
    struct world w;
    struct answer a[6];

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 2, 3);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(query(&w, "SELECT pg_sleep(0.2)", 0, &a[i]));
    }
    assert_false(query(&w, "SELECT 1", 0, &a[5]));
    assert_int_equal(pg_pending(w.pg), 5);
    assert_int_equal(metrics_get(w.metrics, STORE_M_IN_USE, 0), 2);
    assert_int_equal(metrics_get(w.metrics, STORE_M_WAITING, 0), 3);
    assert_int_equal(metrics_get(w.metrics, STORE_M_REFUSED, 0), 1);
    UNTIL(&w.loop, pg_pending(w.pg) == 0, 3000);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(a[i].calls, 1);
        assert_int_equal(a[i].outcome, PG_OK);
    }
    assert_int_equal(a[5].calls, 0);
    world_close(&w);
}

struct chain {
    struct world *w;
    unsigned left;
    bool close;
};

static void on_chain(void *arg, const struct pg_reply *reply)
{
    struct chain *c = arg;
    struct pg_statement s = {.sql = "SELECT 1"};

    assert_int_equal(pg_outcome(reply), PG_OK);
    if (--c->left > 0) {
        assert_true(pg_query(c->w->pg, &s, 0, on_chain, c));
    } else if (c->close) {
        world_shut(c->w);
        assert_false(pg_query(c->w->pg, &s, 0, on_chain, c));
    }
}

static void callbacks_may_ask_and_close(void **state)
{
    struct world w;
    struct chain c = {.w = &w, .left = 50, .close = true};
    struct pg_statement s = {.sql = "SELECT 1"};

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 1);
    assert_true(pg_query(w.pg, &s, 0, on_chain, &c));
    UNTIL(&w.loop, w.closed, 3000);
    assert_int_equal(c.left, 0);
    world_close(&w);
}

static void closing_answers_everybody(void **state)
{
    struct world w;
    struct answer a[3];
    struct pg_tx *tx;
    struct answer begun = {0};

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 2, 4);
    tx = pg_tx_begin(w.pg, 0, on_answer, &begun);
    UNTIL(&w.loop, begun.calls == 1, 5000);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(query(&w, "SELECT pg_sleep(5)", 0, &a[i]));
    }
    world_shut(&w);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(a[i].calls, 1);
        assert_int_equal(a[i].outcome, i == 0 ? PG_UNKNOWN : PG_NOT_DONE);
    }
    world_close(&w);
    assert_false(pg_tx_commit(&tx, on_answer, &begun)); /* outlives the pool */
    assert_null(tx);
    assert_int_equal(begun.calls, 1);
}

/* --- transactions ------------------------------------------------------------------------------
 */

static void check_transaction(void *arg, const struct pg_reply *r)
{
    int64_t sum = 0;

    on_answer(arg, r);
    assert_int_equal(pg_affected(r, 0), 1);
    assert_int_equal(pg_affected(r, 1), 2);
    assert_true(pg_value_i64(r, 2, 0, 0, &sum));
    assert_int_equal(sum, 6);
}

static void transactions_are_all_or_nothing(void **state)
{
    struct pg_param one[] = {pg_int8(1)};
    struct pg_param two[] = {pg_int8(2), pg_int8(3)};
    struct pg_statement good[] = {
        {.sql = "INSERT INTO numbers VALUES ($1)", .params = one, .param_count = 1},
        {.sql = "INSERT INTO numbers VALUES ($1), ($2)", .params = two, .param_count = 2},
        {.sql = "SELECT sum(n) FROM numbers"},
    };
    struct pg_statement bad[] = {
        {.sql = "INSERT INTO numbers VALUES (7)"},
        {.sql = "INSERT INTO numbers VALUES ($1)", .params = one, .param_count = 1},
        {.sql = "INSERT INTO numbers VALUES (8)"},
    };
    struct pg_statement late[] = {
        {.sql = "INSERT INTO numbers VALUES (9, 100)"}, /* refused by COMMIT */
    };
    struct world w;
    struct answer a = {0};

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    must(&w,
         "CREATE TABLE numbers (n int PRIMARY KEY,"
         " other int REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)",
         &a);
    a = (struct answer){0};
    assert_true(pg_transaction(w.pg, good, 3, 0, check_transaction, &a));
    UNTIL(&w.loop, a.calls == 1, 5000);
    assert_int_equal(a.outcome, PG_OK);
    a = (struct answer){0};
    assert_true(pg_transaction(w.pg, bad, 3, 0, on_row, &a));
    UNTIL(&w.loop, a.calls == 1, 5000);
    assert_int_equal(a.outcome, PG_FAILED);
    assert_string_equal(a.sqlstate, "23505");
    assert_int_equal(a.failed_at, 1);
    a = (struct answer){0};
    assert_true(pg_transaction(w.pg, late, 1, 0, on_row, &a)); /* waits for the ROLLBACK */
    UNTIL(&w.loop, a.calls == 1, 5000);
    assert_int_equal(a.outcome, PG_FAILED);
    assert_string_equal(a.sqlstate, "23503");
    assert_int_equal(a.failed_at, 1);
    must(&w, "SELECT string_agg(n::text, ',' ORDER BY n) FROM numbers", &a);
    assert_string_equal(a.text, "1,2,3");
    /* a transaction somebody left open does not reach the next */
    must(&w, "BEGIN ISOLATION LEVEL SERIALIZABLE", &a);
    must(&w, "SHOW transaction_isolation", &a);
    assert_string_equal(a.text, "read committed");
    assert_int_equal(w.downs, 0);
    world_close(&w);
}

static void steps_see_what_came_before(void **state)
{
    struct world w;
    struct answer a = {0};
    struct pg_param param;
    struct pg_statement first = {.sql = "INSERT INTO steps (text) VALUES ('a') RETURNING id"};
    struct pg_statement rest[] = {
        {.sql = "INSERT INTO steps (text) VALUES ($1)", .params = &param, .param_count = 1},
        {.sql = "SET LOCAL work_mem = '1MB'"},
    };
    struct pg_tx *tx;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    must(&w, "CREATE TABLE steps (id serial, text text)", &a);
    a = (struct answer){0};
    tx = pg_tx_begin(w.pg, 0, on_answer, &a);
    assert_non_null(tx);
    UNTIL(&w.loop, a.calls == 1, 5000);
    assert_true(pg_tx_next(tx, &first, 1, on_row, &a));
    UNTIL(&w.loop, a.calls == 2, 5000);
    assert_string_equal(a.text, "1");
    param = pg_text(a.text);
    assert_true(pg_tx_next(tx, rest, 2, on_answer, &a));
    UNTIL(&w.loop, a.calls == 3, 5000);
    assert_string_equal(ask(server_dsn, "SELECT count(*) FROM steps"), "0");
    assert_true(pg_tx_commit(&tx, on_answer, &a));
    assert_null(tx);
    UNTIL(&w.loop, a.calls == 4, 5000);
    assert_int_equal(a.outcome, PG_OK);
    assert_string_equal(ask(server_dsn, "SELECT string_agg(text, ',' ORDER BY id) FROM steps"),
                        "a,1");
    /* rolled back by its holder */
    tx = pg_tx_begin(w.pg, 0, on_answer, &a);
    UNTIL(&w.loop, a.calls == 5, 5000);
    assert_true(pg_tx_next(tx, &first, 1, on_answer, &a));
    UNTIL(&w.loop, a.calls == 6, 5000);
    pg_tx_rollback(&tx);
    must(&w, "SELECT count(*) FROM steps", &a);
    assert_string_equal(a.text, "2");
    world_close(&w);
}

static void a_failed_step_ends_the_transaction(void **state)
{
    struct world w;
    struct answer a = {0};
    struct answer other;
    struct pg_statement good = {.sql = "CREATE TABLE never ()"};
    struct pg_statement bad = {.sql = "SELECT 1 / 0"};
    struct pg_tx *tx;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    tx = pg_tx_begin(w.pg, 0, on_answer, &a);
    UNTIL(&w.loop, a.calls == 1, 5000);
    assert_true(pg_tx_next(tx, &good, 1, on_answer, &a));
    UNTIL(&w.loop, a.calls == 2, 5000);
    assert_true(pg_tx_next(tx, &bad, 1, on_answer, &a));
    UNTIL(&w.loop, a.calls == 3, 5000);
    assert_int_equal(a.outcome, PG_FAILED);
    assert_string_equal(a.sqlstate, "22012");
    /* the only connection is free again, though TX is not ended yet */
    must(&w, "SELECT to_regclass('never') IS NULL", &other);
    assert_string_equal(other.text, "t");
    assert_false(pg_tx_next(tx, &good, 1, on_answer, &a));
    assert_false(pg_tx_commit(&tx, on_answer, &a));
    assert_int_equal(a.calls, 3);
    assert_int_equal(w.downs, 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(errors_have_their_sqlstate),
        cmocka_unit_test(big_values),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(callbacks_may_ask_and_close),
        cmocka_unit_test(closing_answers_everybody),
        cmocka_unit_test(transactions_are_all_or_nothing),
        cmocka_unit_test(steps_see_what_came_before),
        cmocka_unit_test(a_failed_step_ends_the_transaction),
    };
    int failed = cmocka_run_group_tests(tests, server_start, server_end);

    metrics_fini();
    return failed;
}
