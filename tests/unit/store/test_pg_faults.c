/* What PostgreSQL and the network do to us: each call is answered once, whatever happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/store/pg_fixture.h"

/* Both: a stopped server accepts connections all the same. */
#define STOP  "pkill -STOP -P $pid; kill -STOP $pid"
#define GO_ON "kill -CONT $pid; pkill -CONT -P $pid"

static void a_late_query_is_cancelled(void **state)
{
    struct world w;
    struct answer a;
    struct answer waiting;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    assert_true(query(&w, "SELECT pg_sleep(30), 'late'", 300, &a));
    assert_true(query(&w, "SELECT 1", 100, &waiting));
    UNTIL(&w.loop, waiting.calls == 1, 3000);
    assert_int_equal(waiting.outcome, PG_NOT_DONE);
    assert_int_equal(waiting.err, GW_ETIMEOUT);
    UNTIL(&w.loop, a.calls == 1, 3000);
    assert_int_equal(a.outcome, PG_UNKNOWN);
    assert_int_equal(a.err, GW_ETIMEOUT);
    assert_int_equal(w.downs, 1);
    assert_false(pg_up(w.pg));
    assert_false(query(&w, "SELECT 1", 0, &waiting)); /* not up: refused, not queued */
    UNTIL(&w.loop, w.ups == 2, 5000);
    must(&w, "SELECT 1", &a);
    assert_int_equal(metrics_get(w.metrics, STORE_M_TIMEOUTS, 0), 2);
    assert_int_equal(metrics_get(w.metrics, STORE_M_LOST, 0), 1);
    /* and it does not go on in the server */
    for (unsigned i = 0; i < 30; i++) {
        must(&w,
             "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%late%'"
             " AND pid <> pg_backend_pid()",
             &a);
        if (strcmp(a.text, "0") == 0) {
            break;
        }
        usleep(100000);
    }
    assert_string_equal(a.text, "0");
    world_close(&w);
}

static void what_waits_outlives_a_connection(void **state)
{
    struct world w;
    struct answer a;
    struct answer waiting;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    assert_true(query(&w, "SELECT pg_sleep(30)", 200, &a));
    assert_true(query(&w, "SELECT 'waited'", 3000, &waiting));
    UNTIL(&w.loop, waiting.calls == 1, 2500);
    assert_int_equal(a.outcome, PG_UNKNOWN);
    assert_int_equal(waiting.outcome, PG_OK);
    assert_string_equal(waiting.text, "waited");
    world_close(&w);
}

#define KILL_OTHERS                                                                                \
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"                                \
    " WHERE application_name = 'portcullis'"

static void killed_connections(void **state)
{
    struct pg_statement writes[] = {{.sql = "SELECT 1"}, {.sql = "SELECT pg_sleep(30)"}};
    struct world w;
    struct answer a[4] = {0};
    struct pg_tx *tx;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 3, 4);
    tx = pg_tx_begin(w.pg, 10000, on_answer, &a[0]);
    UNTIL(&w.loop, a[0].calls == 1, 5000);
    assert_true(query(&w, "SELECT pg_sleep(30)", 10000, &a[1]));
    assert_true(pg_transaction(w.pg, writes, 2, 10000, on_answer, &a[2]));
    assert_true(query(&w, "SELECT 'waited'", 10000, &a[3]));
    UNTIL(&w.loop,
          strcmp(ask(server_dsn, "SELECT count(*) FROM pg_stat_activity"
                                 " WHERE query LIKE 'SELECT pg_sleep(30)'"),
                 "2") == 0,
          2000);
    assert_string_equal(ask(server_dsn, KILL_OTHERS), "3");
    UNTIL(&w.loop, a[3].calls == 1, 3000);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(a[i].calls, 1);
        assert_int_equal(a[i].outcome, PG_UNKNOWN);
        assert_int_equal(a[i].err, GW_ESTORE);
        assert_string_equal(a[i].sqlstate, "57P01");
    }
    assert_int_equal(a[3].outcome, PG_OK);
    assert_false(pg_tx_next(tx, writes, 1, on_answer, &a[0]));
    pg_tx_rollback(&tx);
    assert_int_equal(a[0].calls, 1);
    UNTIL(&w.loop, metrics_get(w.metrics, STORE_M_UP, 0) == 3, 3000);
    world_close(&w);
}

static void a_step_that_is_killed_took_no_effect(void **state)
{
    struct pg_statement step = {.sql = "SELECT pg_sleep(30)"};
    struct world w;
    struct answer a = {0};
    struct pg_tx *tx;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 1, 4);
    tx = pg_tx_begin(w.pg, 1000, on_answer, &a);
    UNTIL(&w.loop, a.calls == 1, 5000);
    assert_true(pg_tx_next(tx, &step, 1, on_answer, &a));
    UNTIL(&w.loop, a.calls == 2, 3000);
    assert_int_equal(a.outcome, PG_NOT_DONE);
    assert_int_equal(a.err, GW_ETIMEOUT);
    assert_false(pg_tx_commit(&tx, on_answer, &a));
    /* one whose holder sleeps */
    UNTIL(&w.loop, pg_up(w.pg), 5000);
    tx = pg_tx_begin(w.pg, 1000, on_answer, &a);
    UNTIL(&w.loop, a.calls == 3, 5000);
    assert_int_equal(a.outcome, PG_OK);
    UNTIL(&w.loop, w.downs == 2, 3000);
    pg_tx_rollback(&tx);
    /* one that gets no connection in time */
    UNTIL(&w.loop, pg_up(w.pg), 5000);
    assert_true(query(&w, "SELECT pg_sleep(0.5)", 0, &(struct answer){0}));
    tx = pg_tx_begin(w.pg, 100, on_answer, &a);
    UNTIL(&w.loop, a.calls == 4, 5000);
    assert_int_equal(a.outcome, PG_NOT_DONE);
    pg_tx_rollback(&tx);
    UNTIL(&w.loop, pg_pending(w.pg) == 0, 5000);
    world_close(&w);
}

static void a_stopped_server(void **state)
{
    struct world w;
    struct answer a;
    unsigned ups;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 2, 4);
    server_sh(STOP);
    assert_true(query(&w, "SELECT 1", 300, &a));
    UNTIL(&w.loop, a.calls == 1, 3000);
    assert_int_equal(a.outcome, PG_UNKNOWN);
    assert_int_equal(a.err, GW_ETIMEOUT);
    assert_true(query(&w, "SELECT 1", 300, &a)); /* on the other connection */
    UNTIL(&w.loop, a.calls == 1, 3000);
    assert_false(pg_up(w.pg));
    ups = w.ups;
    UNTIL(&w.loop, metrics_get(w.metrics, STORE_M_TIMEOUTS, 0) >= 4, 5000); /* of connecting */
    assert_int_equal(w.ups, ups); /* a connect proves nothing */
    server_sh(GO_ON);
    UNTIL(&w.loop, metrics_get(w.metrics, STORE_M_UP, 0) == 2, 5000);
    must(&w, "SELECT 1", &a);
    world_close(&w);
    /* and one may be closed against it */
    world_open(&w, 2, 4);
    server_sh(STOP);
    assert_true(query(&w, "SELECT 1", 0, &a));
    world_close(&w);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.outcome, PG_UNKNOWN);
    server_sh(GO_ON);
}

static void a_crashed_server(void **state)
{
    struct world w;
    struct answer a;

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 2, 4);
    must(&w, "CREATE TABLE kept AS SELECT 1 AS n", &a);
    server_sh("kill -KILL $pid; while kill -0 $pid && ! grep -q Z /proc/$pid/stat; do sleep 0.05; "
              "done 2>/dev/null; true");
    UNTIL(&w.loop, !pg_up(w.pg), 3000);
    assert_int_equal(w.downs, 1);
    server_sh("for i in $(seq 50); do pg_start \"$1\" 2>/dev/null && break; sleep 0.2; done");
    UNTIL(&w.loop, metrics_get(w.metrics, STORE_M_UP, 0) == 2, 5000);
    must(&w, "SELECT n FROM kept", &a);
    assert_string_equal(a.text, "1");
    world_close(&w);
}

static unsigned open_files(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

static void servers_that_are_not_there(void **state)
{
    static const struct {
        const char *dsn;
        bool valid;
    } cases[] = {
        {"postgresql:///x?host=/nowhere&user=x", true},
        {"host=/nowhere dbname=x user=x", true},
        {"postgresql://x@127.0.0.1:1/x", true},
        {"postgresql://x@localhost:1/x", true}, /* looked up */
        {"postgresql://x@does-not-exist.invalid:1/x", true},
        {"postgresql://x@[::1]:1,127.0.0.1:1/x", true},
        {"host=x password='secret", false},
        {"postgresql:///x?colour=red", false},
        {"not a dsn", false},
        {"", false},
    };
    struct world w;
    struct answer a;
    unsigned files = open_files();

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        assert_int_equal(pg_dsn_valid(cases[i].dsn), cases[i].valid);
        world_dial(&w, cases[i].dsn, 2, 4);
        (void)uv_run(&w.loop, UV_RUN_ONCE);
        assert_false(query(&w, "SELECT 1", 0, &a));
        if (i != 4) { /* a resolver that asks the network has its own time */
            UNTIL(&w.loop, metrics_get(w.metrics, STORE_M_LOST, 0) >= 4, 5000);
        }
        assert_int_equal(w.ups, 0);
        world_shut(&w);
        UNTIL(&w.loop, w.closed, 20000);
        world_close(&w);
    }
    assert_int_equal(open_files(), files);
}

static void the_second_host_of_a_list(void **state)
{
    struct world w;
    struct answer a;
    char dsn[300];

    (void)state;
    NEEDS_SERVER();
    (void)snprintf(dsn, sizeof dsn, "host=/nowhere,%s user=portcullis dbname=portcullis",
                   server_dir);
    world_dial(&w, dsn, 1, 4);
    UNTIL(&w.loop, pg_up(w.pg), 3000);
    must(&w, "SELECT current_setting('client_connection_check_interval')", &a);
    assert_string_equal(a.text, "1s");
    world_close(&w);
}

/* --- LISTEN ------------------------------------------------------------------------------------
 */

struct ears {
    uv_loop_t loop;
    struct pg_listen *listen;
    struct metric_set *metrics;
    unsigned notified;
    unsigned missed;
    unsigned lost;
    char last[64];
    bool closed;
};

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct ears *e = arg;

    e->notified++;
    (void)snprintf(e->last, sizeof e->last, "%s:%s", channel, payload);
}

static void on_missed(void *arg)
{
    ((struct ears *)arg)->missed++;
}

static void on_lost(void *arg)
{
    ((struct ears *)arg)->lost++;
}

static void on_ears_closed(void *arg)
{
    ((struct ears *)arg)->closed = true;
}

static void notifications(void **state)
{
    static const struct pg_listen_sink sink = {on_notify, on_missed, on_lost};
    static const char *const channels[] = {"portcullis_keys", "other_2"};
    struct ears e = {.metrics = metrics_create(&store_metrics)};
    struct pg_listen_options opt = {
        .dsn = server_dsn,
        .name = "ears",
        .channels = channels,
        .channel_count = 2,
        .timeout_ms = 500,
        .probe_ms = 200,
        .backoff_min_ms = 10,
        .backoff_max_ms = 100,
        .metrics = e.metrics,
    };

    (void)state;
    NEEDS_SERVER();
    assert_int_equal(uv_loop_init(&e.loop), 0);
    e.listen = pg_listen_create(&e.loop, &opt, &sink, &e);
    UNTIL(&e.loop, e.missed == 1, 3000); /* the first time, too */
    assert_true(pg_listen_up(e.listen));
    (void)ask(server_dsn, "NOTIFY portcullis_keys, '7'; NOTIFY other_2; NOTIFY elsewhere");
    UNTIL(&e.loop, e.notified == 2, 5000);
    assert_string_equal(e.last, "other_2:");
    assert_string_equal(ask(server_dsn, KILL_OTHERS), "1");
    UNTIL(&e.loop, e.lost == 1, 5000);
    assert_false(pg_listen_up(e.listen));
    (void)ask(server_dsn, "NOTIFY portcullis_keys, '8'"); /* nobody hears it */
    UNTIL(&e.loop, e.missed == 2, 5000);
    (void)ask(server_dsn, "NOTIFY portcullis_keys, '9'");
    UNTIL(&e.loop, e.notified == 3, 5000);
    assert_string_equal(e.last, "portcullis_keys:9");
    server_sh(STOP);
    UNTIL(&e.loop, e.lost == 2, 3000); /* by its own query */
    server_sh(GO_ON);
    UNTIL(&e.loop, e.missed == 3, 3000);
    assert_int_equal(metrics_get(e.metrics, STORE_M_MISSED, 0), 3);
    assert_int_equal(metrics_get(e.metrics, STORE_M_NOTIFIED, 0), 3);
    pg_listen_close(e.listen, on_ears_closed, &e);
    UNTIL(&e.loop, e.closed, 5000);
    pg_listen_destroy(&e.listen);
    assert_int_equal(uv_loop_close(&e.loop), 0);
    assert_int_equal(e.lost, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_query_is_cancelled),
        cmocka_unit_test(what_waits_outlives_a_connection),
        cmocka_unit_test(killed_connections),
        cmocka_unit_test(a_step_that_is_killed_took_no_effect),
        cmocka_unit_test(a_stopped_server),
        cmocka_unit_test(a_crashed_server),
        cmocka_unit_test(servers_that_are_not_there),
        cmocka_unit_test(the_second_host_of_a_list),
        cmocka_unit_test(notifications),
    };
    int failed = cmocka_run_group_tests(tests, server_start, server_end);

    metrics_fini();
    return failed;
}
