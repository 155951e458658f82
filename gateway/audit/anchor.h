/* gateway/audit/anchor.h - the head of the chain, signed and taken outside the database, every minute.
 * Why: see note.h. Before a head is signed, all records since the last signed one are read and
 * verified: so the chain is checked all the time, and nothing that does not follow is ever signed.
 * Owner: the loop of its store. Files are written on libuv's thread pool.
 * Invariant: signed heads only go forward; with PostgreSQL, Redis or the disk away nothing waits for
 * them: what could not be done is counted and done next time. */
#ifndef GATEWAY_AUDIT_ANCHOR_H
#define GATEWAY_AUDIT_ANCHOR_H
#include "gateway/audit/note.h"
#include "gateway/audit/store.h"
#include "gateway/store/redis.h"

#define ANCHOR_STREAM "audit:anchors"

struct audit_anchor_options {
    uv_loop_t *loop;
    struct audit_store *store;
    const struct note_signer *signer; /* borrowed */
    const char *path;                 /* the anchors file; copied */
    struct redis *redis;              /* NULL: none */
    uint32_t interval_ms;
    struct metric_set *metrics; /* of audit_metrics */
};
struct audit_anchor;

/* Reads the last anchor of the file. NULL: WHY says what is wrong and what to do next. Blocks: at
 * start only. */
struct audit_anchor *audit_anchor_open(const struct audit_anchor_options *opt, struct buf *why);
/* Something critical was entered: sign now, or as soon as the signature under way is done. */
void audit_anchor_now(struct audit_anchor *a);
/* Redis is about to go away. */
void audit_anchor_forget_redis(struct audit_anchor *a);
/* After pg_close() and redis_close(), or when both are done. */
void audit_anchor_close(struct audit_anchor *a, void (*done)(void *arg), void *arg);
void audit_anchor_destroy(struct audit_anchor **ap);

struct audit_anchor_status {
    struct audit_mark last; /* signed; seq 0: none yet */
    int64_t
        time_ns; /* wall clock: when the chain was last seen whole and signed to its head; 0: never */
    enum audit_fault broken; /* what the last walk found */
    uint64_t bad_seq;
};
void audit_anchor_status(const struct audit_anchor *a, struct audit_anchor_status *out);
/* Appends the last signed head as it was written, and the public key it is signed with; false: none
 * was signed yet. */
bool audit_anchor_note(const struct audit_anchor *a, struct buf *note, struct buf *key);
#endif
