/* gateway/audit/store.h - the audit chain in PostgreSQL.
 * Why: a change and its record are one transaction, and records have one order: that of the lock of
 * gate_head, the row that holds the end of the chain and the control state. Here are the pieces of
 * such a transaction, a queue for records that come alone, and views.
 * Owner: the loop of its struct pg.
 * Invariant: a record that was acknowledged is in the chain, and once; each accepted call is answered
 * exactly once, never inside the call. */
#ifndef GATEWAY_AUDIT_STORE_H
#define GATEWAY_AUDIT_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/audit/chain.h"
#include "gateway/audit/entry.h"
#include "gateway/audit/words.h"
#include "gateway/store/pg.h"

#define AUDIT_BATCH_MAX  200u /* records of one transaction */
#define AUDIT_PAGE_MAX   1000u
#define AUDIT_CHANNEL    "gate" /* NOTIFY: payload "SEQ VERSION" */
#define AUDIT_CURSOR_MAX 32u

/* --- pieces of a transaction ------------------------------------------------------------------ */

struct audit_head {
    uint64_t seq;
    uint8_t hash[AUDIT_HASH_BYTES];
    uint64_t version;
    const char *state; /* borrowed from the reply; "" when there is none */
};
extern const struct pg_statement audit_head_lock; /* SELECT ... FOR UPDATE */
extern const struct pg_statement audit_head_peek; /* without a lock */
/* Of statement I of R; false when there is none. */
GW_MUSTCHECK
bool audit_head_read(const struct pg_reply *r, size_t i, struct audit_head *out);

struct audit_batch;
/* 1 to AUDIT_BATCH_MAX ENTRIES behind HEAD, which the transaction has locked. STATE: the new control
 * state under VERSION; NULL: it stays. All is borrowed until the statements were sent. NULL: entry
 * *BAD is not acceptable, FIELD says why. */
struct audit_batch *audit_batch_create(const struct audit_head *head,
                                       const struct audit_entry *entries, size_t count,
                                       const char *state, uint64_t version, size_t *bad,
                                       const char **field);
void audit_batch_destroy(struct audit_batch **bp);
/* An INSERT for each entry, the UPDATE of the head, the NOTIFY: for one pg_tx_next(). */
const struct pg_statement *audit_batch_statements(const struct audit_batch *b, size_t *count);
/* Sealed: with seq and hash. */
const struct audit_entry *audit_batch_entry(const struct audit_batch *b, size_t i);
/* Did each of them do what it should? FIRST is where they begin in R. Else roll back. */
GW_MUSTCHECK
bool audit_batch_done(const struct audit_batch *b, const struct pg_reply *r, size_t first);

/* --- records that come alone ------------------------------------------------------------------ */

struct audit_store_options {
    uv_loop_t *loop;
    struct pg *pg;
    uint32_t queue_max;         /* records that may wait */
    uint32_t queue_bytes;       /* and their bytes */
    uint32_t timeout_ms;        /* of a record, with all tries */
    struct metric_set *metrics; /* of audit_metrics */
};
struct audit_store;
struct audit_store *audit_store_create(const struct audit_store_options *opt);
/* After pg_close() and before pg_destroy(): what waits hears GW_EDRAIN. */
void audit_store_close(struct audit_store *s, void (*done)(void *arg), void *arg);
void audit_store_destroy(struct audit_store **sp);

/* GW_OK: in the chain as SEQ. GW_ETIMEOUT: no answer in time, it may be in the chain. Else it is not:
 * GW_ESTORE, GW_EDRAIN, GW_EINVAL. */
typedef void audit_append_fn(void *arg, enum gw_err err, uint64_t seq);
/* Enters a record of something that changes no state: a denied attempt, a log-in. Records that wait
 * go in one transaction; a transaction that fails is tried again until the record's time is over. E
 * is copied; its id must be set. GW_OK: CB comes. GW_EFULL, GW_EINVAL (FIELD): refused, counted. */
GW_MUSTCHECK
enum gw_err audit_append(struct audit_store *s, const struct audit_entry *e, const char **field,
                         audit_append_fn *cb, void *arg);

/* --- views ------------------------------------------------------------------------------------ */

struct audit_filter {
    const char *actor; /* NULL: any; so are the others */
    const char *action;
    const char *target;
    const char *outcome;
    const char *ticket;
    const char *incident;
    const char *q;      /* part of actor, action, target, reason, ticket, incident; any case */
    int64_t from_ns;    /* 0: none */
    int64_t to_ns;      /* before it; 0: none */
    uint64_t from_seq;  /* 0: none */
    const char *cursor; /* of a page before */
    bool asc;           /* else newest first */
    uint32_t limit;     /* 1..AUDIT_PAGE_MAX; 0: 50 */
};
struct audit_page {
    enum gw_err err;
    const struct audit_entry *entries; /* borrowed for the callback */
    size_t count;
    const char *next; /* cursor; "" when there is no more */
};
typedef void audit_page_fn(void *arg, const struct audit_page *page);
/* GW_EINVAL: FIELD is not acceptable; GW_ESTORE: PostgreSQL is away. */
GW_MUSTCHECK
enum gw_err audit_search(struct audit_store *s, const struct audit_filter *filter,
                         const char **field, audit_page_fn *cb, void *arg);
/* The page as lines of an export. */
void audit_page_ndjson(const struct audit_page *page, struct buf *out);

/* --- verification ----------------------------------------------------------------------------- */

struct audit_verify_options {
    uint64_t first_seq;    /* 0 or 1: from the beginning */
    const uint8_t *before; /* hash of the record before, AUDIT_HASH_BYTES; NULL: not known */
    const struct audit_mark *marks; /* sorted; borrowed until the answer */
    size_t mark_count;
    void (*progress)(void *arg, uint64_t done, uint64_t of); /* may be NULL */
};
/* ERR: the walk could not be ended; RESULT is of what was read until then. */
typedef void audit_verify_fn(void *arg, enum gw_err err, const struct audit_result *result);
/* Walks the table page by page up to the head it has now; the loop is never held for long. */
GW_MUSTCHECK
enum gw_err audit_verify(struct audit_store *s, const struct audit_verify_options *opt,
                         audit_verify_fn *cb, void *arg);
#endif
