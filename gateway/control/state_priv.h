/* gateway/control/state_priv.h - how snapshots are built, for this folder only.
 * Why: a change, a merge and a parsed text all end in a snapshot; one way to make it.
 * Owner: a snapshot under construction belongs to one thread until it is given out. */
#ifndef GATEWAY_CONTROL_STATE_PRIV_H
#define GATEWAY_CONTROL_STATE_PRIV_H
#include "gateway/control/state.h"

/* Room for CAPACITY cells; the one reference is the caller's. */
struct control *control_begin(uint64_t version, uint32_t capacity);
/* Appends a copy of CELL, which must come after the last one. */
void control_push_copy(struct control *c, const struct control_cell *cell);
/* Appends cell I of FROM, shared. */
void control_push_shared(struct control *c, const struct control *from, uint32_t i);
/* Order of the keys (kind, target). */
int control_key_order(enum control_kind kind_a, const char *target_a, enum control_kind kind_b,
                      const char *target_b);

/* Checks of texts that people write; POINTER names the member. */
enum control_fault control_check_text(const char *text, size_t least, size_t most,
                                      const char *pointer, struct control_error *e);
/* until: within time, and never of a default value, nor of a fan-out profile. */
enum control_fault control_check_until(enum control_kind kind, const struct control_value *v,
                                       int64_t until_ns, struct control_error *e);
#endif
