/* gateway/store/pg_priv.h - what the files of the PostgreSQL glue share.
 *
 *   pg_job.c     a copy of the caller's statements, its reply, its callback
 *   pg_conn.c    one connection: connects, sends one job at a time, reads, reconnects
 *   pg_pool.c    queue and connections     pg_tx.c  transactions in steps
 *   pg_listen.c  the connection that listens */
#ifndef GATEWAY_STORE_PG_PRIV_H
#define GATEWAY_STORE_PG_PRIV_H
#include <libpq-fe.h>
#include "gateway/store/pg.h"

#define PG_TICK_MS 20u

/* clang-format off */
#define STORE_METRICS(X)                                                                                        \
    X(STORE_M_QUERIES,  "store_queries_total",       COUNTER,   NULL, "queries and transactions sent to PostgreSQL") \
    X(STORE_M_ERRORS,   "store_errors_total",        COUNTER,   NULL, "queries and transactions that PostgreSQL refused") \
    X(STORE_M_TIMEOUTS, "store_timeouts_total",      COUNTER,   NULL, "deadlines that passed: of connecting, waiting, or an answer") \
    X(STORE_M_LOST,     "store_lost_total",          COUNTER,   NULL, "connections to PostgreSQL lost or not made") \
    X(STORE_M_REFUSED,  "store_refused_total",       COUNTER,   NULL, "queries not accepted: not connected or too many waiting") \
    X(STORE_M_UP,       "store_up",                  GAUGE,     NULL, "connections to PostgreSQL that answer")      \
    X(STORE_M_IN_USE,   "store_pool_in_use",         GAUGE,     NULL, "connections with a query or a transaction")  \
    X(STORE_M_WAITING,  "store_pool_waiting",        GAUGE,     NULL, "queries waiting for a connection")           \
    X(STORE_M_WAIT,     "store_pool_wait_seconds",   HISTOGRAM, NULL, "time a query waited for a connection")       \
    X(STORE_M_TOOK,     "store_query_seconds",       HISTOGRAM, NULL, "time from sending a query to its reply")     \
    X(STORE_M_NOTIFIED, "store_notifications_total", COUNTER,   NULL, "notifications received")                     \
    X(STORE_M_MISSED,   "store_listen_missed_total", COUNTER,   NULL, "times notifications may have been missed: all was read again")
/* clang-format on */
enum store_metric { STORE_METRICS(METRIC_AS_ENUM) STORE_M_COUNT };

/* --- jobs -------------------------------------------------------------------------------------- */

enum pg_job_kind {
    PG_JOB_BATCH,       /* statements, each committed or all: one implicit transaction */
    PG_JOB_TRANSACTION, /* wrapped in BEGIN and COMMIT */
    PG_JOB_BEGIN,       /* of a pg_tx */
    PG_JOB_STEP,
    PG_JOB_COMMIT,
};

struct pg_reply {
    enum pg_outcome outcome;
    bool timed_out;
    bool faulted;   /* some statement was not answered well */
    bool committed; /* a COMMIT of ours was confirmed */
    char sqlstate[6];
    char message[200];
    size_t failed_at;
    size_t count;
    PGresult **results; /* of the caller's statements; NULL where there was none */
};

struct pg_job {
    struct pg_job *prev;
    struct pg_job *next;
    enum pg_job_kind kind;
    struct pg_tx *tx;
    int64_t made_ns;
    int64_t sent_ns;
    int64_t deadline_ns;
    pg_reply_fn *cb;
    void *arg;
    struct pg_statement *statements; /* copies, in one piece of memory with the job */
    struct pg_reply reply;
};

struct pg_job *pg_job_create(enum pg_job_kind kind, const struct pg_statement *statements,
                             size_t count, pg_reply_fn *cb, void *arg);
/* Sends statement AT of those that go over the wire, BEGIN and COMMIT included. */
bool pg_job_send(const struct pg_job *job, size_t at, PGconn *pg);
size_t pg_job_wire_count(const struct pg_job *job);
/* Takes RES, the answer to statement AT of the wire. */
void pg_job_result(struct pg_job *job, size_t at, PGresult *res);
/* Decides the outcome, calls back, frees; also the pg_tx of a COMMIT. SYNCED: the server has
 * answered to the end. */
void pg_job_finish(struct pg_job **jobp, bool sent, bool synced, const char *why);

/* --- one connection ---------------------------------------------------------------------------- */

struct pg_conn;
struct pg_conn_sink {
    void (*on_up)(struct pg_conn *c);
    void (*on_down)(struct pg_conn *c); /* before its job hears of it */
    void (*on_idle)(struct pg_conn *c); /* ready for the next job */
    void (*on_notify)(struct pg_conn *c, const char *channel, const char *payload);
    void (*on_closed)(struct pg_conn *c);
};
struct pg_conn_options {
    const char *dsn;
    const char *lookup; /* a host name to look up, or NULL */
    const char *name;
    uint32_t timeout_ms;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    struct metric_set *metrics;
    enum circuit_name circuit;
};

#define PG_CONN_STATES(X)                                                                          \
    X(WAITING)   /* for the time to connect */                                                     \
    X(RESOLVING) /* the host's name */                                                             \
    X(CONNECTING)                                                                                  \
    X(PROBING) /* connected; nothing answered yet */                                               \
    X(IDLE)                                                                                        \
    X(BUSY)     /* a job is sent */                                                                \
    X(HELD)     /* by a pg_tx, between two steps */                                                \
    X(CLEANING) /* ROLLBACK of what a job left open is sent */                                     \
    X(CLOSED)
#define PG_CONN_AS_ENUM(s) PG_CONN_##s,
enum pg_conn_state { PG_CONN_STATES(PG_CONN_AS_ENUM) PG_CONN_STATE_COUNT };

struct pg_conn {
    struct pg_conn_options opt;
    const struct pg_conn_sink *sink;
    void *arg;
    uv_loop_t *loop;
    enum pg_conn_state state;
    PGconn *pg;
    uv_poll_t *poll;
    int fd;              /* that `poll` watches */
    uint32_t handles;    /* libuv has not given back */
    int64_t deadline_ns; /* when to connect, or by when */
    struct pg_job *job;
    struct pg_tx *tx;
    size_t at;     /* statement of the wire whose answer is awaited */
    bool answered; /* its result has come, its end has not */
    bool probe_failed;
    unsigned failures; /* in a row */
    bool lost_logged;
    struct circuit *circuit;
};

void pg_conn_init(struct pg_conn *c, uv_loop_t *loop, const struct pg_conn_options *opt,
                  const struct pg_conn_sink *sink, void *arg);
/* on_closed() when libuv has given everything back, maybe at once. */
void pg_conn_close(struct pg_conn *c);
/* Deadlines; every PG_TICK_MS. */
void pg_conn_tick(struct pg_conn *c, int64_t now_ns);
/* Takes the job of a connection that is IDLE, or HELD by the job's transaction. */
void pg_conn_run(struct pg_conn *c, struct pg_job **jobp);
/* Of a HELD connection: rolls back and becomes IDLE. */
void pg_conn_release(struct pg_conn *c);
void pg_conn_drop(struct pg_conn *c, const char *why);
bool pg_conn_up(const struct pg_conn *c);
/* The host name in DSN that must be looked up, or NULL; the caller frees. */
char *pg_dsn_lookup(const char *dsn);

/* --- transactions in steps --------------------------------------------------------------------- */

struct pg_tx {
    struct pg_conn *conn; /* NULL before BEGIN was answered and after a failure */
    int64_t deadline_ns;
    bool waiting; /* for a callback */
    bool failed;
};

/* The connection TX held is no longer its own. */
void pg_tx_lose(struct pg_tx *tx);

/* In pg_pool.c: takes JOB into the queue; false when it is refused. DEADLINE_NS may be NULL. */
bool pg_submit(struct pg *p, struct pg_job **jobp, uint32_t timeout_ms, int64_t *deadline_ns);
#endif
