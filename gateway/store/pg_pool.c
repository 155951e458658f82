/* gateway/store/pg_pool.c - the queue, and the connections that empty it. */
#include <stdlib.h>
#include <utlist.h>
#include "gateway/runtime/clock.h"
#include "gateway/store/pg_priv.h"

static const struct metric_row metric_rows[] = {STORE_METRICS(METRIC_AS_ROW)};
const struct metric_table store_metrics = {"store", metric_rows, STORE_M_COUNT};

struct pg {
    struct pg_options opt;
    char *dsn;
    char *lookup;
    uv_timer_t timer;
    struct pg_conn *conns;
    uint32_t up; /* connections that answer */
    struct pg_job *queue;
    uint32_t waiting;
    bool closed;
    uint32_t to_close; /* connections, and the timer */
    void (*on_state)(void *arg, bool up);
    void *arg;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* --- the queue ---------------------------------------------------------------------------------
 */

static struct pg_conn *idle_conn(struct pg *p)
{
    for (uint32_t i = 0; i < p->opt.connections; i++) {
        if (p->conns[i].state == PG_CONN_IDLE) {
            return &p->conns[i];
        }
    }
    return NULL;
}

static struct pg_job *take_first(struct pg *p)
{
    struct pg_job *job = p->queue;

    if (job != NULL) {
        DL_DELETE(p->queue, job);
        p->waiting--;
        metrics_add(p->opt.metrics, STORE_M_WAITING, 0, UINT64_MAX);
    }
    return job;
}

static void dispatch(struct pg *p)
{
    struct pg_conn *c;

    while (p->queue != NULL && (c = idle_conn(p)) != NULL) {
        struct pg_job *job = take_first(p);

        metrics_observe_ns(p->opt.metrics, STORE_M_WAIT, 0, clock_mono_ns() - job->made_ns);
        pg_conn_run(c, &job);
    }
}

bool pg_submit(struct pg *p, struct pg_job **jobp, uint32_t timeout_ms, int64_t *deadline_ns)
{
    struct pg_job *job = *jobp;

    *jobp = NULL;
    if (p->closed || p->up == 0 || (p->waiting >= p->opt.queue_max && idle_conn(p) == NULL)) {
        metrics_inc(p->opt.metrics, STORE_M_REFUSED);
        free(job);
        return false;
    }
    timeout_ms = timeout_ms != 0 ? timeout_ms : p->opt.timeout_ms;
    job->deadline_ns = job->made_ns + (int64_t)timeout_ms * 1000000;
    if (deadline_ns != NULL) {
        *deadline_ns = job->deadline_ns;
    }
    DL_APPEND(p->queue, job);
    p->waiting++;
    metrics_inc(p->opt.metrics, STORE_M_WAITING);
    dispatch(p);
    return true;
}

bool pg_query(struct pg *p, const struct pg_statement *statement, uint32_t timeout_ms,
              pg_reply_fn *cb, void *arg)
{
    struct pg_job *job = pg_job_create(PG_JOB_BATCH, statement, 1, cb, arg);

    return pg_submit(p, &job, timeout_ms, NULL);
}

bool pg_transaction(struct pg *p, const struct pg_statement *statements, size_t count,
                    uint32_t timeout_ms, pg_reply_fn *cb, void *arg)
{
    struct pg_job *job = pg_job_create(PG_JOB_TRANSACTION, statements, count, cb, arg);

    return pg_submit(p, &job, timeout_ms, NULL);
}

/* A callback may add to the queue, or close the pool: the first that is due is looked for anew. */
static void expire(struct pg *p, int64_t now_ns)
{
    struct pg_job *job = p->queue;

    while (job != NULL) {
        if (now_ns < job->deadline_ns) {
            job = job->next;
            continue;
        }
        DL_DELETE(p->queue, job);
        p->waiting--;
        metrics_add(p->opt.metrics, STORE_M_WAITING, 0, UINT64_MAX);
        metrics_inc(p->opt.metrics, STORE_M_TIMEOUTS);
        job->reply.timed_out = true;
        pg_job_finish(&job, false, false, "no connection was free in time");
        job = p->queue;
    }
}

/* --- connections -------------------------------------------------------------------------------
 */

static void on_up(struct pg_conn *c)
{
    struct pg *p = c->arg;

    if (++p->up == 1) {
        p->on_state(p->arg, true);
    }
}

static void on_down(struct pg_conn *c)
{
    struct pg *p = c->arg;

    if (--p->up == 0) {
        p->on_state(p->arg, false);
    }
}

static void on_idle(struct pg_conn *c)
{
    dispatch(c->arg);
}

static void on_part_closed(struct pg *p)
{
    if (--p->to_close == 0) {
        p->on_closed(p->on_closed_arg);
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
    .on_closed = on_conn_closed,
};

static void on_timer(uv_timer_t *timer)
{
    struct pg *p = timer->data;
    int64_t now_ns = clock_mono_ns();

    for (uint32_t i = 0; i < p->opt.connections; i++) {
        pg_conn_tick(&p->conns[i], now_ns);
    }
    expire(p, now_ns);
}

/* --- life --------------------------------------------------------------------------------------
 */

struct pg *pg_create(uv_loop_t *loop, const struct pg_options *opt,
                     void (*on_state)(void *arg, bool up), void *arg)
{
    struct pg *p = gw_calloc(1, sizeof *p);
    struct pg_conn_options conn = {
        .name = opt->name,
        .timeout_ms = opt->timeout_ms,
        .backoff_min_ms = opt->backoff_min_ms,
        .backoff_max_ms = opt->backoff_max_ms,
        .metrics = opt->metrics,
        .circuit = opt->circuit,
    };

    GW_ASSERT(opt->connections > 0);
    p->opt = *opt;
    p->on_state = on_state;
    p->arg = arg;
    conn.dsn = p->dsn = gw_strdup(opt->dsn);
    conn.lookup = p->lookup = pg_dsn_lookup(opt->dsn);
    p->conns = gw_calloc(opt->connections, sizeof *p->conns);
    for (uint32_t i = 0; i < opt->connections; i++) {
        pg_conn_init(&p->conns[i], loop, &conn, &conn_sink, p);
    }
    GW_ASSERT(uv_timer_init(loop, &p->timer) == 0);
    p->timer.data = p;
    GW_ASSERT(uv_timer_start(&p->timer, on_timer, 0, PG_TICK_MS) == 0);
    return p;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void pg_close(struct pg *p, void (*done)(void *arg), void *arg)
{
    struct pg_job *job;

    GW_ASSERT(!p->closed);
    p->closed = true;
    p->on_closed = done;
    p->on_closed_arg = arg;
    p->to_close = p->opt.connections + 1;
    for (uint32_t i = 0; i < p->opt.connections; i++) {
        pg_conn_close(&p->conns[i]);
    }
    while ((job = take_first(p)) != NULL) {
        pg_job_finish(&job, false, false, "closed");
    }
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

void pg_destroy(struct pg **pp)
{
    struct pg *p = *pp;

    *pp = NULL;
    GW_ASSERT(p->closed && p->to_close == 0);
    free(p->conns);
    free(p->lookup);
    free(p->dsn);
    free(p);
}

bool pg_up(const struct pg *p)
{
    return p->up > 0 && !p->closed;
}

uint32_t pg_pending(const struct pg *p)
{
    uint32_t running = 0;

    for (uint32_t i = 0; i < p->opt.connections; i++) {
        running += p->conns[i].job != NULL;
    }
    return p->waiting + running;
}
