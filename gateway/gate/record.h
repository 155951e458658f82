/* gateway/gate/record.h - an order as it is kept: in the journal, in Redis, in a request to loosen.
 * Why: the text of the request is the order. It is kept as it came and read again where it takes
 * effect, so what was approved, journaled and hashed is the same thing.
 * Owner: the caller.
 * Invariant: record_parse(record_print(r)) equals r; a record that was read has a change. */
#ifndef GATEWAY_GATE_RECORD_H
#define GATEWAY_GATE_RECORD_H
#include "gateway/gate/gate.h"

#define RECORD_BYTES_MAX (2u * CONTROL_BODY_MAX + 4096u)

struct record {
    char id[GATE_ID_SIZE];
    int64_t time_ns; /* wall: when it was ordered */
    char *person;
    char *actor;
    char *account; /* "" none */
    char *session;
    char *ip;
    char *trace;
    char *action;
    enum control_body body;
    char *target; /* NULL: in the text */
    char *text;
    size_t len;
    char *once;         /* Idempotency-Key, NULL: none */
    uint8_t sha256[32]; /* of body, target and text */
    struct control_change change;
};

/* A new record of ORDER at NOW_NS; NULL: PROBLEM says what is wrong with the text. */
struct record *record_create(const struct gate_order *order, int64_t now_ns,
                             struct gate_problem *problem);
void record_destroy(struct record **rp);
/* One line of JSON, without its end. */
void record_print(const struct record *r, struct buf *out);
/* NULL: TEXT is not a record. */
struct record *record_parse(const char *text, size_t len);

/* SHA-256 of what is asked for: WHAT (a word), of TARGET (NULL: none), in these words. */
void record_hash(const char *what, const char *target, const char *text, size_t len,
                 uint8_t out[32]);
/* Of an order, as in its record. */
void record_order_hash(const struct gate_order *order, uint8_t out[32]);

/* What the change is about, for the audit log: the one target, or their number. */
void record_target(const struct record *r, struct buf *out);
/* Those assignments of R that tighten STATE (or are neutral), as a change of their own: an order that
 * comes late never loosens what others have tightened meanwhile. */
void record_tightening(const struct record *r, const struct control *state,
                       struct control_change *out);
#endif
