/* gateway/store/pg.h - PostgreSQL on a loop: a pool of connections, transactions, notifications.
 * The glue to libpq.
 * Why: libpq has no deadlines, no reconnect and no queue. Here each query has a deadline, which
 * counts its wait; a connection that misses one is dropped, which also cancels the query, and is
 * made anew with full-jitter backoff. Statements go with parameters only, never with text pasted
 * in.
 * Owner: the loop it was created on. No call blocks: host names are looked up on libuv's thread
 * pool (a list of hosts should hold addresses), and libpq reads only small files (password, TLS).
 * Invariant: each accepted call's callback runs exactly once, never inside the call; `up` means
 * PostgreSQL has answered a query on at least one connection (a connect alone proves nothing: the
 * kernel accepts for a stopped process).
 * Overflow rule: a query that finds queue_max others waiting for a connection is refused (false,
 * no callback) and counted; so is every query while not up. What already waits when the last
 * connection is lost goes on waiting until its deadline.
 *
 *   pg_query() -> [queue] -> idle connection -> statements, one sync -> reply -> callback
 *                    |             ^  ROLLBACK when a transaction is left open  |
 *                 deadline         +--------------------------------------------+ */
#ifndef GATEWAY_STORE_PG_H
#define GATEWAY_STORE_PG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/circuit.h"

#define PG_PARAMS_MAX     64u
#define PG_STATEMENTS_MAX 256u /* of one transaction or step */

struct pg;
struct pg_tx;
struct pg_listen;
struct pg_reply; /* borrowed for the callback */

/* --- parameters and statements ---------------------------------------------------------------- */

enum pg_type { PG_NULL, PG_TEXT, PG_BYTEA, PG_INT8, PG_BOOL };

struct pg_param {
    enum pg_type type;
    const void *data;
    size_t len;
    int64_t number;
};
struct pg_statement {
    const char *sql; /* with $1, $2, ... */
    const struct pg_param *params;
    size_t param_count;
};

static inline struct pg_param pg_null(void)
{
    return (struct pg_param){.type = PG_NULL};
}
/* As PostgreSQL would read it; its type follows from the statement. NULL is NULL. */
static inline struct pg_param pg_text(const char *s)
{
    return (struct pg_param){
        .type = s != NULL ? PG_TEXT : PG_NULL, .data = s, .len = s != NULL ? strlen(s) : 0};
}
static inline struct pg_param pg_bytea(const void *data, size_t len)
{
    return (struct pg_param){.type = PG_BYTEA, .data = data, .len = len};
}
static inline struct pg_param pg_int8(int64_t number)
{
    return (struct pg_param){.type = PG_INT8, .number = number};
}
static inline struct pg_param pg_bool(bool yes)
{
    return (struct pg_param){.type = PG_BOOL, .number = yes};
}
/* An array as text, for $1::text[] and the like: items, quoted, and then the end. NULL is NULL. */
void pg_array_put(struct buf *b, const char *item);
void pg_array_end(struct buf *b);

/* --- replies ---------------------------------------------------------------------------------- */

enum pg_outcome {
    PG_OK,       /* done and, unless inside a struct pg_tx, committed */
    PG_FAILED,   /* PostgreSQL refused a statement: see pg_sqlstate(); nothing took effect */
    PG_NOT_DONE, /* the connection or the time ran out first; nothing took effect */
    PG_UNKNOWN,  /* sent, but no answer came: it may have taken effect */
};

enum pg_outcome pg_outcome(const struct pg_reply *r);
/* GW_OK; GW_ETIMEOUT: the deadline passed; GW_ESTORE: all else. */
enum gw_err pg_err(const struct pg_reply *r);
/* Of the first failure, "" when PostgreSQL named none. */
const char *pg_sqlstate(const struct pg_reply *r);
const char *pg_message(const struct pg_reply *r);
/* Which of the caller's statements failed; their number when none or when it was the commit. */
size_t pg_failed_at(const struct pg_reply *r);

/* Of statement I (0 for pg_query): 0 rows unless PG_OK. */
size_t pg_rows(const struct pg_reply *r, size_t i);
uint64_t pg_affected(const struct pg_reply *r, size_t i);
/* As text, NUL-terminated; NULL for NULL. LEN may be NULL. */
const char *pg_value(const struct pg_reply *r, size_t i, size_t row, size_t column, size_t *len);
/* False for NULL and for what is not of the type. */
bool pg_value_i64(const struct pg_reply *r, size_t i, size_t row, size_t column, int64_t *out);
bool pg_value_bool(const struct pg_reply *r, size_t i, size_t row, size_t column, bool *out);
/* Appends a bytea. */
bool pg_value_bytes(const struct pg_reply *r, size_t i, size_t row, size_t column, struct buf *out);

typedef void pg_reply_fn(void *arg, const struct pg_reply *reply);

/* --- the pool --------------------------------------------------------------------------------- */

struct pg_options {
    const char *dsn;  /* "postgresql:///db?host=/path" or "host=... dbname=..."; copied */
    const char *name; /* for logs; borrowed */
    uint32_t connections;
    uint32_t queue_max;
    uint32_t timeout_ms; /* of connecting, and of queries that give none */
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    struct metric_set *metrics; /* of store_metrics */
    enum circuit_name circuit;  /* as which people see it; CIRCUIT_NONE: they do not */
};
extern const struct metric_table store_metrics;

/* For the check of a configuration: the text can be read as a DSN. */
bool pg_dsn_valid(const char *dsn);

struct pg *pg_create(uv_loop_t *loop, const struct pg_options *opt,
                     void (*on_state)(void *arg, bool up), void *arg);
/* Drops the connections: what is waiting hears PG_NOT_DONE, what was sent PG_UNKNOWN; on_state is
 * not called any more. DONE when the handles are closed. */
void pg_close(struct pg *p, void (*done)(void *arg), void *arg);
void pg_destroy(struct pg **pp);
bool pg_up(const struct pg *p);
/* Calls not yet answered. */
uint32_t pg_pending(const struct pg *p);

/* Everything is copied. TIMEOUT_MS 0: the pool's own. CB may be NULL. */
GW_MUSTCHECK
bool pg_query(struct pg *p, const struct pg_statement *statement, uint32_t timeout_ms,
              pg_reply_fn *cb, void *arg);
/* BEGIN, the statements and COMMIT in one trip: all or nothing. For another isolation level the
 * first statement is SET TRANSACTION. */
GW_MUSTCHECK
bool pg_transaction(struct pg *p, const struct pg_statement *statements, size_t count,
                    uint32_t timeout_ms, pg_reply_fn *cb, void *arg);

/* --- transactions whose next statement depends on earlier results ------------------------------
 * A pg_tx holds one connection from the answer to BEGIN on. Its deadline is that of the whole
 * transaction. At the first failure it is rolled back and its connection goes back to the pool;
 * whatever happened, the holder ends it with pg_tx_commit() or pg_tx_rollback(), one call at a
 * time: none while a callback is awaited. It may outlive the pool. */

/* NULL: refused, no callback. CB: BEGIN was answered. TIMEOUT_MS 0: the pool's own. */
struct pg_tx *pg_tx_begin(struct pg *p, uint32_t timeout_ms, pg_reply_fn *cb, void *arg);
/* Sends the statements in one trip. False, no callback: the transaction has failed. */
GW_MUSTCHECK
bool pg_tx_next(struct pg_tx *tx, const struct pg_statement *statements, size_t count,
                pg_reply_fn *cb, void *arg);
/* Takes TX. False, no callback: it had failed, nothing took effect. */
GW_MUSTCHECK
bool pg_tx_commit(struct pg_tx **txp, pg_reply_fn *cb, void *arg);
/* Takes TX. */
void pg_tx_rollback(struct pg_tx **txp);

/* --- LISTEN ----------------------------------------------------------------------------------- */

struct pg_listen_options {
    const char *dsn;             /* copied */
    const char *name;            /* for logs; borrowed */
    const char *const *channels; /* of a-z 0-9 _; borrowed */
    size_t channel_count;
    uint32_t timeout_ms;
    uint32_t probe_ms; /* a query this often: a silent server is noticed in probe_ms + timeout_ms */
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    struct metric_set *metrics; /* of store_metrics */
};
struct pg_listen_sink {
    void (*on_notify)(void *arg, const char *channel, const char *payload);
    /* The channels are heard from now on, after a time in which they were not: read again what
     * they speak of. Also the first time. */
    void (*on_missed)(void *arg);
    /* The connection was lost; on_missed() comes when it is back. */
    void (*on_lost)(void *arg);
};

struct pg_listen *pg_listen_create(uv_loop_t *loop, const struct pg_listen_options *opt,
                                   const struct pg_listen_sink *sink, void *arg);
/* No callback of the sink after this. */
void pg_listen_close(struct pg_listen *l, void (*done)(void *arg), void *arg);
void pg_listen_destroy(struct pg_listen **lp);
bool pg_listen_up(const struct pg_listen *l);
#endif
