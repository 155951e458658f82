/* gateway/store/pg_listen.c - the connection that does nothing but listen. It asks a query now and
 * then, since a server that has stopped looks just like one with nothing to say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/runtime/clock.h"
#include "gateway/store/pg_priv.h"

struct pg_listen {
    struct pg_listen_options opt;
    char *dsn;
    char *lookup;
    uv_timer_t timer;
    struct pg_conn conn;
    bool up; /* the channels are heard */
    bool closed;
    int64_t probe_ns; /* when to ask */
    uint32_t to_close;
    const struct pg_listen_sink *sink;
    void *arg;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

static void run(struct pg_listen *l, const struct pg_statement *statements, size_t count,
                pg_reply_fn *cb)
{
    struct pg_job *job = pg_job_create(PG_JOB_BATCH, statements, count, cb, l);

    job->deadline_ns = job->made_ns + (int64_t)l->opt.timeout_ms * 1000000;
    pg_conn_run(&l->conn, &job);
}

static void on_listening(void *arg, const struct pg_reply *reply)
{
    struct pg_listen *l = arg;

    if (l->closed || reply->outcome != PG_OK) {
        return; /* on_idle() tries again, or the connection is remade */
    }
    l->up = true;
    l->probe_ns = clock_mono_ns() + (int64_t)l->opt.probe_ms * 1000000;
    metrics_inc(l->opt.metrics, STORE_M_MISSED);
    l->sink->on_missed(l->arg);
}

static void on_up(struct pg_conn *c)
{
    struct pg_listen *l = c->arg;
    struct pg_statement *statements = gw_calloc(l->opt.channel_count, sizeof *statements);
    char(*sql)[80] = gw_calloc(l->opt.channel_count, sizeof *sql);

    for (size_t i = 0; i < l->opt.channel_count; i++) {
        (void)snprintf(sql[i], sizeof sql[i], "LISTEN %s", l->opt.channels[i]);
        statements[i].sql = sql[i];
    }
    run(l, statements, l->opt.channel_count, on_listening);
    free(sql);
    free(statements);
}

static void on_down(struct pg_conn *c)
{
    struct pg_listen *l = c->arg;

    if (l->up) {
        l->up = false;
        l->sink->on_lost(l->arg);
    }
}

static void on_idle(struct pg_conn *c)
{
    const struct pg_listen *l = c->arg;

    if (!l->up) {
        pg_conn_drop(c, "LISTEN was refused");
    }
}

static void on_notify(struct pg_conn *c, const char *channel, const char *payload)
{
    struct pg_listen *l = c->arg;

    if (l->up) {
        l->sink->on_notify(l->arg, channel, payload);
    }
}

static void on_part_closed(struct pg_listen *l)
{
    if (--l->to_close == 0) {
        l->on_closed(l->on_closed_arg);
    }
}

static void on_conn_closed(struct pg_conn *c)
{
    on_part_closed(c->arg);
}

static const struct pg_conn_sink conn_sink = {
    .on_up = on_up,
    .on_down = on_down,
    .on_idle = on_idle,
    .on_notify = on_notify,
    .on_closed = on_conn_closed,
};

static void on_timer(uv_timer_t *timer)
{
    static const struct pg_statement ask = {.sql = "SELECT 1"};
    struct pg_listen *l = timer->data;
    int64_t now_ns = clock_mono_ns();

    pg_conn_tick(&l->conn, now_ns);
    if (l->conn.state == PG_CONN_IDLE && now_ns >= l->probe_ns) {
        l->probe_ns = now_ns + (int64_t)l->opt.probe_ms * 1000000;
        run(l, &ask, 1, NULL);
    }
}

struct pg_listen *pg_listen_create(uv_loop_t *loop, const struct pg_listen_options *opt,
                                   const struct pg_listen_sink *sink, void *arg)
{
    struct pg_listen *l = gw_calloc(1, sizeof *l);
    struct pg_conn_options conn = {
        .name = opt->name,
        .timeout_ms = opt->timeout_ms,
        .backoff_min_ms = opt->backoff_min_ms,
        .backoff_max_ms = opt->backoff_max_ms,
        .metrics = opt->metrics,
        .circuit = CIRCUIT_LISTEN,
    };

    GW_ASSERT(opt->channel_count > 0 && opt->channel_count <= PG_STATEMENTS_MAX);
    for (size_t i = 0; i < opt->channel_count; i++) {
        const char *name = opt->channels[i];
        size_t len = strlen(name);

        /* they are names in our source, and go into the statement unquoted */
        GW_ASSERT(len > 0 && len < 64 && (name[0] < '0' || name[0] > '9'));
        GW_ASSERT(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len);
    }
    l->opt = *opt;
    l->sink = sink;
    l->arg = arg;
    conn.dsn = l->dsn = gw_strdup(opt->dsn);
    conn.lookup = l->lookup = pg_dsn_lookup(opt->dsn);
    pg_conn_init(&l->conn, loop, &conn, &conn_sink, l);
    GW_ASSERT(uv_timer_init(loop, &l->timer) == 0);
    l->timer.data = l;
    GW_ASSERT(uv_timer_start(&l->timer, on_timer, 0, PG_TICK_MS) == 0);
    return l;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void pg_listen_close(struct pg_listen *l, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!l->closed);
    l->closed = true;
    l->up = false;
    l->on_closed = done;
    l->on_closed_arg = arg;
    l->to_close = 2;
    pg_conn_close(&l->conn);
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

void pg_listen_destroy(struct pg_listen **lp)
{
    struct pg_listen *l = *lp;

    *lp = NULL;
    GW_ASSERT(l->closed && l->to_close == 0);
    free(l->lookup);
    free(l->dsn);
    free(l);
}

bool pg_listen_up(const struct pg_listen *l)
{
    return l->up;
}
