/* tests/unit/store/pg_fixture.h - a private PostgreSQL for a test program, which ends with it, also
 * when it crashes: tests/env/postgres.sh holds the other end of a pipe. Include after cmocka.h. */
#ifndef TESTS_UNIT_STORE_PG_FIXTURE_H
#define TESTS_UNIT_STORE_PG_FIXTURE_H
#include <fcntl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include "gateway/runtime/clock.h"
#include "gateway/store/pg_priv.h"

static char server_dir[64];
static char server_dsn[256]; /* "" when PostgreSQL is not installed */
static pid_t server_script;
static int server_pipe = -1;

#define NEEDS_SERVER()                                                                             \
    do {                                                                                           \
        if (server_dsn[0] == '\0') {                                                               \
            print_message("skipped: PostgreSQL is not installed; next: apt-get install "           \
                          "postgresql\n");                                                         \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* Runs LOOP until CONDITION, at most MS. */
#define UNTIL(loop, condition, ms)                                                                 \
    do {                                                                                           \
        int64_t until_ns = clock_mono_ns() + (int64_t)(ms)*1000000;                                \
        while (!(condition) && clock_mono_ns() < until_ns) {                                       \
            (void)uv_run((loop), UV_RUN_ONCE);                                                     \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static inline int server_start(void **state)
{
    int in[2];
    int out[2];
    ssize_t got;
    int code;

    (void)state;
    strcpy(server_dir, "/tmp/gwpg.XXXXXX");
    if (mkdtemp(server_dir) == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
        return -1;
    }
    server_script = fork();
    if (server_script == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        execl(GW_ROOT "/tests/env/postgres.sh", "postgres.sh", "serve", server_dir, NULL);
        _exit(126);
    }
    close(in[0]);
    close(out[1]);
    server_pipe = in[1];
    got = read(out[0], server_dsn, sizeof server_dsn - 1); /* one short line: one piece */
    close(out[0]);
    if (got > 0) {
        server_dsn[strcspn(server_dsn, "\n")] = '\0';
        return 0;
    }
    close(server_pipe);
    (void)waitpid(server_script, &code, 0);
    (void)rmdir(server_dir);
    return WIFEXITED(code) && WEXITSTATUS(code) == 77 ? 0 : -1;
}

static inline int server_end(void **state)
{
    (void)state;
    if (server_dsn[0] != '\0') {
        close(server_pipe);
        (void)waitpid(server_script, NULL, 0);
    }
    return 0;
}

/* COMMAND in a shell that knows postgres.sh; $1 is the server's folder, $pid its first process. */
static inline void server_sh(const char *command)
{
    char line[1024];

    (void)snprintf(line, sizeof line,
                   "bash -c '. %s/tests/env/postgres.sh; "
                   "pid=$(head -n 1 \"$1\"/data/postmaster.pid); %s' - %s >/dev/null",
                   GW_ROOT, command, server_dir);
    assert_int_equal(system(line), 0);
}

/* Blocks. SQL's first value, or its SQLSTATE after '!'. Valid until the next call. */
static inline const char *ask(const char *dsn, const char *sql)
{
    static char value[512];
    PGconn *pg = PQconnectdb(dsn);
    PGresult *res;
    const char *code;

    if (PQstatus(pg) != CONNECTION_OK) {
        fail_msg("%s", PQerrorMessage(pg));
    }
    res = PQexec(pg, sql);
    code = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (code != NULL) {
        (void)snprintf(value, sizeof value, "!%s", code);
    } else {
        (void)snprintf(value, sizeof value, "%s", PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    }
    PQclear(res);
    PQfinish(pg);
    return value;
}

/* A pool on a loop of its own, and what it said. */
struct world {
    uv_loop_t loop;
    struct pg *pg;
    struct metric_set *metrics;
    unsigned ups;
    unsigned downs;
    bool closing;
    bool closed;
};

static inline void world_on_state(void *arg, bool up)
{
    struct world *w = arg;

    w->ups += up;
    w->downs += !up;
}

static inline void world_on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static inline void world_dial(struct world *w, const char *dsn, uint32_t connections,
                              uint32_t queue_max)
{
    struct pg_options opt = {
        .dsn = dsn,
        .name = "test",
        .connections = connections,
        .queue_max = queue_max,
        .timeout_ms = 2000,
        .backoff_min_ms = 10,
        .backoff_max_ms = 200,
    };

    *w = (struct world){.metrics = metrics_create(&store_metrics)};
    opt.metrics = w->metrics;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->pg = pg_create(&w->loop, &opt, world_on_state, w);
}

/* All connections are up: on_state speaks of the first only. */
static inline void world_open(struct world *w, uint32_t connections, uint32_t queue_max)
{
    world_dial(w, server_dsn, connections, queue_max);
    UNTIL(&w->loop, metrics_get(w->metrics, STORE_M_UP, 0) == connections, 5000);
    assert_true(pg_up(w->pg));
    assert_int_equal(w->ups, 1);
}

static inline void world_shut(struct world *w)
{
    w->closing = true;
    pg_close(w->pg, world_on_closed, w);
}

static inline void world_close(struct world *w)
{
    if (!w->closing) {
        world_shut(w);
    }
    UNTIL(&w->loop, w->closed, 5000);
    pg_destroy(&w->pg);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    for (unsigned id = STORE_M_UP; id <= STORE_M_WAITING;
         id++) { /* the gauges are back at nothing */
        assert_int_equal(metrics_get(w->metrics, id, 0), 0);
    }
}

/* What a callback was told; TEXT is the first value of the first row. */
struct answer {
    unsigned calls;
    enum pg_outcome outcome;
    enum gw_err err;
    char sqlstate[6];
    size_t failed_at;
    size_t rows;
    uint64_t affected;
    char text[64];
};

static inline void on_answer(void *arg, const struct pg_reply *reply)
{
    struct answer *a = arg;

    a->calls++;
    a->outcome = pg_outcome(reply);
    a->err = pg_err(reply);
    (void)snprintf(a->sqlstate, sizeof a->sqlstate, "%s", pg_sqlstate(reply));
    a->failed_at = pg_failed_at(reply);
}

static inline void on_row(void *arg, const struct pg_reply *reply)
{
    struct answer *a = arg;

    on_answer(arg, reply);
    a->rows = pg_rows(reply, 0);
    a->affected = pg_affected(reply, 0);
    if (a->rows > 0) {
        const char *text = pg_value(reply, 0, 0, 0, NULL);

        (void)snprintf(a->text, sizeof a->text, "%s", text != NULL ? text : "NULL");
    }
}

static inline bool query(struct world *w, const char *sql, uint32_t timeout_ms, struct answer *a)
{
    *a = (struct answer){0};
    return pg_query(w->pg, &(struct pg_statement){.sql = sql}, timeout_ms, on_row, a);
}

/* SQL must do. */
static inline void must(struct world *w, const char *sql, struct answer *a)
{
    assert_true(query(w, sql, 0, a));
    UNTIL(&w->loop, a->calls == 1, 5000);
    assert_string_equal(a->sqlstate, "");
    assert_int_equal(a->outcome, PG_OK);
}
#endif
