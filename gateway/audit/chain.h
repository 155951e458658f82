/* gateway/audit/chain.h - is this row of records whole, in order and as it was signed?
 * Why: one verifier for the table, for an export and for what the browser shows: it is fed records
 * in order and says at the first bad one what is wrong with it.
 * Owner: the caller; pure, no I/O.
 * Invariant: memory does not grow with the records; after the first fault nothing more is taken.
 *
 *   record:   hash matches its contents (edited), prev_hash is the hash before (inserted, replaced),
 *             seq is the next one (deleted, reordered, repeated)
 *   anchors:  signed heads from outside the database: the record at that place has that hash (whole
 *             ends rewritten, forks), and there are that many records (cut off at the end)
 *
 * What no anchor covers is only as good as the chain: who rewrites the end behind the last anchor,
 * all hashes included, is not found. Hence `anchored_to`. */
#ifndef GATEWAY_AUDIT_CHAIN_H
#define GATEWAY_AUDIT_CHAIN_H
#include <stddef.h>
#include "gateway/audit/entry.h"
#include "gateway/audit/ulid.h"

/* clang-format off */
/*    symbol                 word            text */
#define AUDIT_FAULTS(X)                                                                             \
    X(AUDIT_WHOLE,           "none",         "nothing wrong")                                       \
    X(AUDIT_UNREADABLE,      "unreadable",   "the record is not in the form it is written in")      \
    X(AUDIT_EDITED,          "edited",       "the record's contents do not match its hash")         \
    X(AUDIT_MISSING,         "missing",      "records before this one are missing")                 \
    X(AUDIT_OUT_OF_ORDER,    "out_of_order", "the record stands in the wrong place or twice")       \
    X(AUDIT_UNLINKED,        "unlinked",     "the record does not follow from the one before: one of the two was inserted or replaced") \
    X(AUDIT_REWRITTEN,       "rewritten",    "the record is not the one that was signed at this place: history was rewritten at or before it") \
    X(AUDIT_TRUNCATED,       "truncated",    "records that were signed are missing at the end")     \
    X(AUDIT_ANCHORS_FORK,    "anchors_fork", "two signed heads of the same length differ: there were two histories") \
    X(AUDIT_HEAD_DIFFERS,    "head_differs", "the last record is not the head the database names")
/* clang-format on */
#define AUDIT_FAULT_AS_ENUM(sym, word, text) sym,
enum audit_fault { AUDIT_FAULTS(AUDIT_FAULT_AS_ENUM) AUDIT_FAULT_COUNT };
const char *audit_fault_word(enum audit_fault fault);
const char *audit_fault_text(enum audit_fault fault);

/* A head that was signed. */
struct audit_mark {
    uint64_t seq;
    uint8_t hash[AUDIT_HASH_BYTES];
};

struct audit_result {
    enum audit_fault fault;
    uint64_t bad_seq; /* of the first bad record as it names itself; else where it should be */
    char bad_id[ULID_SIZE]; /* "" when it has none */
    uint64_t bad_place; /* 1, 2, ... in the order in which they were fed; 0: none in particular */
    uint64_t expected_seq;          /* what should have stood there */
    uint64_t from_seq;              /* first good record; 0: none */
    uint64_t to_seq;                /* last good one */
    uint64_t count;                 /* good records */
    uint64_t anchors;               /* that were compared */
    uint64_t anchored_to;           /* seq of the last one compared; 0: none */
    uint8_t hash[AUDIT_HASH_BYTES]; /* of the last good record */
};

struct audit_chain {
    struct audit_result result;
    uint64_t next_seq;
    uint8_t prev_hash[AUDIT_HASH_BYTES];
    bool prev_known;
    const struct audit_mark *marks;
    size_t mark_count;
    size_t mark_at;
    uint64_t fed;
    struct buf scratch;
};

/* Sorts MARKS by seq and drops repetitions. AUDIT_ANCHORS_FORK: two differ; *BAD_SEQ is where. */
GW_MUSTCHECK
enum audit_fault audit_marks_sort(struct audit_mark *marks, size_t *count, uint64_t *bad_seq);

/* Begins at FIRST_SEQ (1: the whole chain). BEFORE is the hash of the record before; NULL: it is
 * not known, so that the first record is trusted to follow from it unless a mark says otherwise
 * (for 1 it is known: zeros). MARKS, sorted, are borrowed until the end. */
void audit_chain_init(struct audit_chain *c, uint64_t first_seq, const uint8_t *before,
                      const struct audit_mark *marks, size_t mark_count);
void audit_chain_fini(struct audit_chain *c);
/* False at the first fault and ever after. */
bool audit_chain_feed(struct audit_chain *c, const struct audit_entry *e);
/* A record that could not be read, as the fault it is. */
void audit_chain_unreadable(struct audit_chain *c);
/* No more records. COMPLETE: these were all there are, so that a mark behind them is a fault. */
void audit_chain_end(struct audit_chain *c, bool complete);

/* {"ok":true,...}: for REST, portctl --json and the log. */
void audit_result_json(const struct audit_result *r, struct buf *out);
/* A sentence or two for people. */
void audit_result_text(const struct audit_result *r, struct buf *out);
#endif
