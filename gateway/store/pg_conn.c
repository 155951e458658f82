/* gateway/store/pg_conn.c - one connection to PostgreSQL: libpq's own steps on libuv's polls.
 * It is always in pipeline mode: a job is its statements and one sync, and is over when the sync is
 * answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "gateway/store/pg_priv.h"

/* Asks the server to look once a second (14 and newer know the setting) whether we still listen: so
 * a query whose connection was dropped ends, and gives up its locks. Nor may a gateway that hangs in
 * the middle of a transaction keep its locks from the others. */
#define PROBE                                                                                      \
    "SELECT set_config(name, value, false) FROM pg_settings JOIN (VALUES"                          \
    " ('client_connection_check_interval', '1s'), ('idle_in_transaction_session_timeout', '10s'))" \
    " AS ours (name, value) USING (name)"

#define UP_STATES                                                                                  \
    (1u << PG_CONN_IDLE | 1u << PG_CONN_BUSY | 1u << PG_CONN_HELD | 1u << PG_CONN_CLEANING)
#define IN_USE_STATES (1u << PG_CONN_BUSY | 1u << PG_CONN_HELD | 1u << PG_CONN_CLEANING)
#define LOST          (1u << PG_CONN_WAITING | 1u << PG_CONN_CLOSED)

#define AS_STRING(s) #s,
static const char *const state_names[] = {PG_CONN_STATES(AS_STRING)};
static const unsigned next_states[PG_CONN_STATE_COUNT] = {
    [PG_CONN_WAITING] = 1u << PG_CONN_RESOLVING | 1u << PG_CONN_CONNECTING | 1u << PG_CONN_CLOSED,
    [PG_CONN_RESOLVING] = 1u << PG_CONN_CONNECTING | LOST,
    [PG_CONN_CONNECTING] = 1u << PG_CONN_PROBING | LOST,
    [PG_CONN_PROBING] = 1u << PG_CONN_IDLE | LOST,
    [PG_CONN_IDLE] = 1u << PG_CONN_BUSY | LOST,
    [PG_CONN_BUSY] = 1u << PG_CONN_IDLE | 1u << PG_CONN_HELD | 1u << PG_CONN_CLEANING | LOST,
    [PG_CONN_HELD] = 1u << PG_CONN_BUSY | 1u << PG_CONN_CLEANING | LOST,
    [PG_CONN_CLEANING] = 1u << PG_CONN_IDLE | LOST,
};

static void count_states(struct pg_conn *c, unsigned id, unsigned states, enum pg_conn_state next)
{
    bool was = (states & 1u << c->state) != 0;
    bool is = (states & 1u << next) != 0;

    if (was != is) {
        metrics_add(c->opt.metrics, id, 0, is ? 1 : UINT64_MAX);
    }
}

static void set_state(struct pg_conn *c, enum pg_conn_state next)
{
    GW_ASSERT(next_states[c->state] & 1u << next);
    log_debug("pg", "state", "\"name\":\"%s\",\"from\":\"%s\",\"to\":\"%s\"", c->opt.name,
              state_names[c->state], state_names[next]);
    count_states(c, STORE_M_UP, UP_STATES, next);
    count_states(c, STORE_M_IN_USE, IN_USE_STATES, next);
    c->state = next;
}

bool pg_conn_up(const struct pg_conn *c)
{
    return (UP_STATES & 1u << c->state) != 0;
}

static int64_t deadline(const struct pg_conn *c)
{
    return clock_mono_ns() + (int64_t)c->opt.timeout_ms * 1000000;
}

/* --- the socket --------------------------------------------------------------------------------
 */

static void on_poll(uv_poll_t *poll, int status, int events);

static void give_back(struct pg_conn *c)
{
    if (--c->handles == 0 && c->state == PG_CONN_CLOSED) {
        c->sink->on_closed(c);
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct pg_conn *c = handle->data;

    free(handle);
    give_back(c);
}

static void close_poll(struct pg_conn *c)
{
    if (c->poll != NULL) {
        uv_close((uv_handle_t *)c->poll, on_poll_closed);
        c->poll = NULL;
    }
}

/* While connecting, libpq may have closed its socket and opened another. */
static void watch(struct pg_conn *c, int events)
{
    int fd = PQsocket(c->pg);

    if (c->poll != NULL && c->fd != fd) {
        close_poll(c);
    }
    if (c->poll == NULL) {
        c->poll = gw_malloc(sizeof *c->poll);
        GW_ASSERT(uv_poll_init(c->loop, c->poll, fd) == 0);
        c->poll->data = c;
        c->fd = fd;
        c->handles++;
    }
    GW_ASSERT(uv_poll_start(c->poll, events, on_poll) == 0);
}

/* Sends what the socket takes. False: the connection is broken. */
static bool push(struct pg_conn *c)
{
    int left = PQflush(c->pg);

    if (left < 0) {
        return false;
    }
    watch(c, left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    return true;
}

static void flush(struct pg_conn *c)
{
    if (!push(c)) {
        pg_conn_drop(c, PQerrorMessage(c->pg));
    }
}

/* --- losing it ---------------------------------------------------------------------------------
 */

static void plan_reconnect(struct pg_conn *c, const char *why)
{
    int64_t most = c->opt.backoff_min_ms;
    int64_t wait;

    metrics_inc(c->opt.metrics, STORE_M_LOST);
    if (!c->lost_logged) {
        c->lost_logged = true;
        log_warn("pg", "lost", "\"name\":\"%s\",\"why\":%s,\"next\":\"reconnecting\"", c->opt.name,
                 log_json(why));
    }
    for (unsigned i = 0; i < c->failures && most < c->opt.backoff_max_ms; i++) {
        most *= 2;
    }
    most = most < c->opt.backoff_max_ms ? most : c->opt.backoff_max_ms;
    c->failures++;
    wait = (int64_t)arc4random_uniform((uint32_t)most * 1000 + 1) * 1000;
    c->deadline_ns = clock_mono_ns() + wait;
    circuit_failed(c->circuit, why, wait);
}

void pg_conn_drop(struct pg_conn *c, const char *why)
{
    bool was_up = pg_conn_up(c);
    struct pg_job *job = c->job;
    struct pg_tx *tx = c->tx;
    char text[200];

    (void)snprintf(text, sizeof text, "%s", why); /* may be libpq's, which goes now */
    text[strcspn(text, "\n")] = '\0';
    c->job = NULL;
    c->tx = NULL;
    close_poll(c); /* before its socket */
    PQfinish(c->pg);
    c->pg = NULL;
    set_state(c, PG_CONN_WAITING);
    plan_reconnect(c, text);
    if (tx != NULL) {
        pg_tx_lose(tx);
    }
    if (was_up) {
        c->sink->on_down(c);
    }
    if (job != NULL) {
        pg_job_finish(&job, true, false, text);
    }
}

static void timed_out(struct pg_conn *c, int64_t deadline_ns, const char *why)
{
    if (deadline_ns == 0) {
        pg_conn_drop(c, PQerrorMessage(c->pg));
        return;
    }
    metrics_inc(c->opt.metrics, STORE_M_TIMEOUTS);
    if (c->job != NULL) {
        c->job->reply.timed_out = true;
    }
    pg_conn_drop(c, why);
}

/* --- jobs --------------------------------------------------------------------------------------
 */

static bool send_plain(struct pg_conn *c, const char *sql)
{
    return PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 1 &&
           PQpipelineSync(c->pg) == 1;
}

/* Becomes IDLE, by way of ROLLBACK if a transaction is open. */
static void tidy(struct pg_conn *c)
{
    if (PQtransactionStatus(c->pg) == PQTRANS_IDLE) {
        set_state(c, PG_CONN_IDLE);
        return;
    }
    set_state(c, PG_CONN_CLEANING);
    c->deadline_ns = deadline(c);
    if (!send_plain(c, "ROLLBACK") || !push(c)) {
        c->deadline_ns = 0; /* left to the timer: no callback runs inside a caller's call */
    }
}

void pg_conn_release(struct pg_conn *c)
{
    GW_ASSERT(c->state == PG_CONN_HELD);
    c->tx = NULL;
    tidy(c);
    if (c->state == PG_CONN_IDLE) {
        c->sink->on_idle(c);
    }
}

void pg_conn_run(struct pg_conn *c, struct pg_job **jobp)
{
    struct pg_job *job = *jobp;
    bool sent = true;

    *jobp = NULL;
    GW_ASSERT(c->job == NULL);
    GW_ASSERT(c->state == PG_CONN_IDLE || (c->state == PG_CONN_HELD && c->tx == job->tx));
    set_state(c, PG_CONN_BUSY);
    c->job = job;
    c->at = 0;
    c->answered = false;
    job->sent_ns = clock_mono_ns();
    metrics_inc(c->opt.metrics, STORE_M_QUERIES);
    for (size_t i = 0; sent && i < pg_job_wire_count(job); i++) {
        sent = pg_job_send(job, i, c->pg);
    }
    if (!sent || PQpipelineSync(c->pg) != 1 || !push(c)) {
        job->deadline_ns = 0; /* left to the timer, as above */
    }
}

static void finish_job(struct pg_conn *c)
{
    struct pg_job *job = c->job;
    struct pg_tx *tx = job->tx;

    c->job = NULL;
    metrics_observe_ns(c->opt.metrics, STORE_M_TOOK, 0, clock_mono_ns() - job->sent_ns);
    if (job->reply.outcome == PG_FAILED) {
        metrics_inc(c->opt.metrics, STORE_M_ERRORS);
    }
    if (tx != NULL && job->kind != PG_JOB_COMMIT && PQtransactionStatus(c->pg) == PQTRANS_INTRANS) {
        c->tx = tx;
        tx->conn = c;
        set_state(c, PG_CONN_HELD);
    } else {
        c->tx = NULL;
        if (tx != NULL) {
            pg_tx_lose(tx);
        }
        tidy(c);
    }
    pg_job_finish(&job, true, true, NULL);
    if (c->state == PG_CONN_IDLE) {
        c->sink->on_idle(c);
    }
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void answered_probe(struct pg_conn *c)
{
    set_state(c, PG_CONN_IDLE);
    c->failures = 0;
    circuit_closed(c->circuit);
    if (c->lost_logged) {
        c->lost_logged = false;
        log_info("pg", "up", "\"name\":\"%s\"", c->opt.name);
    }
    c->sink->on_up(c);
    if (c->state == PG_CONN_IDLE) {
        c->sink->on_idle(c);
    }
}

static void on_sync(struct pg_conn *c)
{
    switch (c->state) {
    case PG_CONN_PROBING:
        if (c->probe_failed) {
            pg_conn_drop(c, "the first query was refused");
            return;
        }
        answered_probe(c);
        return;
    case PG_CONN_CLEANING:
        if (PQtransactionStatus(c->pg) != PQTRANS_IDLE) {
            pg_conn_drop(c, "a transaction was left open");
            return;
        }
        set_state(c, PG_CONN_IDLE);
        c->sink->on_idle(c);
        return;
    default:
        finish_job(c);
    }
}

/* Takes RES. */
static void on_result(struct pg_conn *c, PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(res);
        on_sync(c);
        return;
    }
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        PQclear(res);
        pg_conn_drop(c, "COPY is not spoken here");
        return;
    }
    c->answered = true;
    if (c->job != NULL) {
        pg_job_result(c->job, c->at, res);
        return;
    }
    c->probe_failed = c->probe_failed || status == PGRES_FATAL_ERROR;
    PQclear(res);
}

static bool awaits(const struct pg_conn *c)
{
    return c->state == PG_CONN_PROBING || c->state == PG_CONN_BUSY || c->state == PG_CONN_CLEANING;
}

static void read_results(struct pg_conn *c, const PGconn *pg)
{
    while (c->pg == pg && awaits(c) && !PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);

        if (res != NULL) {
            on_result(c, res);
        } else if (c->answered) {
            c->answered = false;
            c->at++;
        } else {
            return;
        }
    }
}

static void read_notifications(struct pg_conn *c, const PGconn *pg)
{
    while (c->pg == pg && c->sink->on_notify != NULL) {
        PGnotify *n = PQnotifies(c->pg);

        if (n == NULL) {
            return;
        }
        metrics_inc(c->opt.metrics, STORE_M_NOTIFIED);
        c->sink->on_notify(c, n->relname, n->extra);
        PQfreemem(n);
    }
}

static void read_some(struct pg_conn *c)
{
    PGconn *pg = c->pg;
    bool ended = PQconsumeInput(pg) == 0;

    read_results(c, pg); /* also what came before the end */
    read_notifications(c, pg);
    if (c->pg != pg) {
        return;
    }
    if (ended || PQstatus(pg) == CONNECTION_BAD) {
        pg_conn_drop(c, PQerrorMessage(pg));
        return;
    }
    flush(c);
}

/* --- connecting --------------------------------------------------------------------------------
 */

static void probe(struct pg_conn *c)
{
    set_state(c, PG_CONN_PROBING);
    c->deadline_ns = deadline(c);
    c->probe_failed = false;
    c->answered = false;
    if (PQsetnonblocking(c->pg, 1) != 0 || PQenterPipelineMode(c->pg) != 1 ||
        !send_plain(c, PROBE)) {
        pg_conn_drop(c, PQerrorMessage(c->pg));
        return;
    }
    flush(c);
}

static void step_connect(struct pg_conn *c)
{
    PostgresPollingStatusType status;

    if (c->poll != NULL) {
        (void)uv_poll_stop(c->poll); /* its number may come back as another socket */
    }
    status = PQconnectPoll(c->pg);
    switch (status) {
    case PGRES_POLLING_READING:
        watch(c, UV_READABLE);
        return;
    case PGRES_POLLING_WRITING:
        watch(c, UV_WRITABLE);
        return;
    case PGRES_POLLING_OK:
        probe(c);
        return;
    default:
        pg_conn_drop(c, PQerrorMessage(c->pg));
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pg_conn *c = poll->data;

    (void)status; /* an error of the socket is found, and named, by libpq */
    (void)events;
    if (c->state == PG_CONN_CONNECTING) {
        step_connect(c);
    } else {
        read_some(c);
    }
}

static void on_notice(void *arg, const PGresult *res)
{
    const struct pg_conn *c = arg;
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    log_debug("pg", "notice", "\"name\":\"%s\",\"text\":%s", c->opt.name,
              log_json(message != NULL ? message : ""));
}

/* ADDRESS: of the host's name, NULL when it had not to be looked up. */
static void dial(struct pg_conn *c, const char *address)
{
    /* the DSN overrules what stands before dbname */
    static const char *const keywords[] = {"gssencmode",
                                           "fallback_application_name",
                                           "keepalives_idle",
                                           "keepalives_interval",
                                           "keepalives_count",
                                           "dbname",
                                           "client_encoding",
                                           "hostaddr",
                                           NULL};
    const char *values[] = {"disable",  "portcullis", "10",    "5", "3",
                            c->opt.dsn, "UTF8",       address, NULL};

    set_state(c, PG_CONN_CONNECTING);
    c->deadline_ns = deadline(c);
    if (!pg_dsn_valid(c->opt.dsn)) { /* libpq's text might quote a password */
        pg_conn_drop(c, "not a DSN: expected postgresql://...");
        return;
    }
    c->pg = PQconnectStartParams(keywords, values, 1);
    GW_ASSERT(c->pg != NULL);
    if (PQstatus(c->pg) == CONNECTION_BAD || PQsocket(c->pg) < 0) {
        pg_conn_drop(c, PQerrorMessage(c->pg));
        return;
    }
    (void)PQsetNoticeReceiver(c->pg, on_notice, c);
    watch(c, UV_WRITABLE);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct pg_conn *c = req->data;
    char address[64];

    free(req);
    if (c->state == PG_CONN_RESOLVING) {
        if (status == 0) {
            status = found->ai_family == AF_INET6
                         ? uv_ip6_name((const struct sockaddr_in6 *)(const void *)found->ai_addr,
                                       address, sizeof address)
                         : uv_ip4_name((const struct sockaddr_in *)(const void *)found->ai_addr,
                                       address, sizeof address);
        }
        if (status == 0) {
            dial(c, address);
        } else {
            pg_conn_drop(c, uv_strerror(status));
        }
    }
    uv_freeaddrinfo(found);
    give_back(c);
}

static void connect_now(struct pg_conn *c)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t *req;

    circuit_trying(c->circuit);
    if (c->opt.lookup == NULL) {
        dial(c, NULL);
        return;
    }
    set_state(c, PG_CONN_RESOLVING); /* has its own end: the resolver's */
    req = gw_malloc(sizeof *req);
    req->data = c;
    c->handles++;
    if (uv_getaddrinfo(c->loop, req, on_resolved, c->opt.lookup, NULL, &hints) != 0) {
        c->handles--;
        free(req);
        pg_conn_drop(c, "the name of the host cannot be looked up");
    }
}

/* --- life --------------------------------------------------------------------------------------
 */

void pg_conn_tick(struct pg_conn *c, int64_t now_ns)
{
    switch (c->state) {
    case PG_CONN_WAITING:
        if (now_ns >= c->deadline_ns || circuit_asked(c->circuit)) {
            connect_now(c);
        }
        return;
    case PG_CONN_CONNECTING:
    case PG_CONN_PROBING:
    case PG_CONN_CLEANING:
        if (now_ns >= c->deadline_ns) {
            timed_out(c, c->deadline_ns, "no connection in time");
        }
        return;
    case PG_CONN_BUSY:
        if (now_ns >= c->job->deadline_ns) {
            timed_out(c, c->job->deadline_ns, "no answer in time");
        }
        return;
    case PG_CONN_HELD:
        if (now_ns >= c->tx->deadline_ns) {
            timed_out(c, c->tx->deadline_ns, "a transaction was not ended in time");
        }
        return;
    default:
        return;
    }
}

void pg_conn_init(struct pg_conn *c, uv_loop_t *loop, const struct pg_conn_options *opt,
                  const struct pg_conn_sink *sink, void *arg)
{
    *c = (struct pg_conn){.opt = *opt, .sink = sink, .arg = arg, .loop = loop};
    c->circuit = circuit_create(opt->circuit);
}

void pg_conn_close(struct pg_conn *c)
{
    struct pg_job *job = c->job;
    struct pg_tx *tx = c->tx;

    c->job = NULL;
    c->tx = NULL;
    circuit_destroy(&c->circuit);
    close_poll(c);
    PQfinish(c->pg);
    c->pg = NULL;
    set_state(c, PG_CONN_CLOSED);
    if (tx != NULL) {
        pg_tx_lose(tx);
    }
    if (job != NULL) {
        pg_job_finish(&job, true, false, "closed");
    }
    if (c->handles == 0) {
        c->sink->on_closed(c);
    }
}
