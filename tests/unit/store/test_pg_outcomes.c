/* What a reply says is what PostgreSQL holds: thousands of writes in all three forms, with deadlines
 * that some of them miss, while connections are killed under them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/store/pg_fixture.h"

#define WRITES    4000u
#define AT_ONCE   24u
#define KILL_EACH 60u /* writes */

struct write {
    struct storm *storm;
    unsigned id;
    unsigned calls; /* of its last callback */
    enum pg_outcome outcome;
    struct pg_tx *tx;
    unsigned step;
};

struct storm {
    struct world w;
    struct world killer;
    unsigned next;
    unsigned open;
    unsigned counts[PG_UNKNOWN + 1];
    struct write writes[WRITES];
};

#define INSERT "INSERT INTO storm VALUES ($1::int)"

static void finished(struct write *w, enum pg_outcome outcome)
{
    w->calls++;
    w->outcome = outcome;
    w->storm->counts[outcome]++;
    w->storm->open--;
}

static void on_written(void *arg, const struct pg_reply *reply)
{
    finished(arg, pg_outcome(reply));
}

/* Two steps and a commit; each seventh is rolled back instead. */
static void on_step(void *arg, const struct pg_reply *reply)
{
    struct write *w = arg;
    struct pg_param id = pg_int8(w->id);
    struct pg_statement insert = {.sql = INSERT, .params = &id, .param_count = 1};
    struct pg_statement look = {
        .sql = "SELECT 1 / count(*) FROM storm WHERE id = $1", .params = &id, .param_count = 1};

    assert_int_not_equal(pg_outcome(reply), PG_UNKNOWN);
    if (pg_outcome(reply) != PG_OK) {
        pg_tx_rollback(&w->tx);
        finished(w, pg_outcome(reply));
    } else if (w->step < 2) {
        assert_true(pg_tx_next(w->tx, w->step++ == 0 ? &insert : &look, 1, on_step, w));
    } else if (w->id % 7 == 0) {
        pg_tx_rollback(&w->tx);
        finished(w, PG_NOT_DONE);
    } else {
        assert_true(pg_tx_commit(&w->tx, on_written, w));
    }
}

/* False: refused. */
static bool start(struct write *w)
{
    struct pg *pg = w->storm->w.pg;
    uint32_t timeout_ms = w->id % 11 == 0 ? 1 + w->id % 25 : 5000;
    struct pg_param id = pg_int8(w->id);
    struct pg_statement insert = {.sql = INSERT, .params = &id, .param_count = 1};
    struct pg_statement slow = {.sql = "SELECT pg_sleep(0.0005)"};
    struct pg_statement broken = {.sql = "SELECT 1 / 0"};
    struct pg_statement list[] = {slow, insert, w->id % 5 == 0 ? broken : slow};

    switch (w->id % 3) {
    case 0:
        return pg_query(pg, &insert, timeout_ms, on_written, w);
    case 1:
        return pg_transaction(pg, list, 3, timeout_ms, on_written, w);
    default:
        w->tx = pg_tx_begin(pg, timeout_ms, on_step, w);
        return w->tx != NULL;
    }
}

static void refill(struct storm *s, struct answer *killed)
{
    while (s->next < WRITES && s->open < AT_ONCE) {
        struct write *w = &s->writes[s->next];

        *w = (struct write){.storm = s, .id = s->next};
        s->open++;
        if (!start(w)) {
            s->open--;
            return; /* later: it is down */
        }
        if (s->next++ % KILL_EACH == KILL_EACH - 1) {
            (void)query(&s->killer,
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'portcullis' ORDER BY random() LIMIT 1",
                        0, killed);
        }
    }
}

static void check(const struct storm *s, const char *rows)
{
    static bool there[WRITES];

    for (const char *at = rows; *at != '\0'; at += *at == ',') {
        unsigned long id = strtoul(at, (char **)&at, 10);

        assert_true(id < WRITES && !there[id]);
        there[id] = true;
    }
    for (unsigned id = 0; id < WRITES; id++) {
        assert_int_equal(s->writes[id].calls, 1);
        if (s->writes[id].outcome != PG_UNKNOWN && there[id] != (s->writes[id].outcome == PG_OK)) {
            fail_msg("write %u, form %u: outcome %d, but it is %sthere", id, id % 3,
                     s->writes[id].outcome, there[id] ? "" : "not ");
        }
    }
}

static void outcomes_are_true(void **state)
{
    static struct storm s;
    struct answer a;
    struct answer killed = {0};
    char dsn[300];
    PGconn *pg;
    PGresult *rows;

    (void)state;
    NEEDS_SERVER();
    (void)snprintf(dsn, sizeof dsn, "%s&application_name=killer", server_dsn);
    world_dial(&s.killer, dsn, 1, 100);
    UNTIL(&s.killer.loop, pg_up(s.killer.pg), 3000);
    world_open(&s.w, 4, AT_ONCE);
    must(&s.w, "CREATE TABLE storm (id int PRIMARY KEY)", &a);
    while (s.next < WRITES || s.open > 0) {
        refill(&s, &killed);
        (void)uv_run(&s.killer.loop, UV_RUN_NOWAIT);
        (void)uv_run(&s.w.loop, UV_RUN_ONCE);
    }
    print_message("ok %u, failed %u, not done %u, unknown %u\n", s.counts[PG_OK],
                  s.counts[PG_FAILED], s.counts[PG_NOT_DONE], s.counts[PG_UNKNOWN]);
    UNTIL(&s.w.loop, metrics_get(s.w.metrics, STORE_M_UP, 0) == 4, 3000);
    world_close(&s.w);
    world_close(&s.killer);
    /* what was abandoned may still be about to commit: the server looks once a second */
    for (unsigned i = 0; i < 50 && strcmp(ask(server_dsn, "SELECT count(*) FROM pg_stat_activity"
                                                          " WHERE application_name = 'portcullis'"),
                                          "0") != 0;
         i++) {
        usleep(100000);
    }
    pg = PQconnectdb(server_dsn);
    rows = PQexec(pg, "SELECT string_agg(id::text, ',') FROM storm");
    check(&s, PQgetvalue(rows, 0, 0));
    PQclear(rows);
    PQfinish(pg);
    assert_true(s.counts[PG_OK] > WRITES / 3 && s.counts[PG_UNKNOWN] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_are_true),
    };
    int failed = cmocka_run_group_tests(tests, server_start, server_end);

    metrics_fini();
    return failed;
}
