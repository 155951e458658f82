/* gateway/market/sequencer.h - decides what an entry's epoch and sequence number mean. Pure.
 * Why: duplicates, gaps and stale leaders must be told apart in one place, before anything is
 * applied.
 * Owner: the market thread, one per symbol.
 * Invariant: LIVE means every entry up to `last` of `epoch` has been seen; entries of a retired
 * epoch are never applied again (fencing: a leader that was replaced must not be believed
 * again). */
#ifndef GATEWAY_MARKET_SEQUENCER_H
#define GATEWAY_MARKET_SEQUENCER_H
#include <stdint.h>
#include "gateway/market/event.h"

enum seq_state { SEQ_EMPTY, SEQ_LIVE, SEQ_BROKEN };
#define SEQ_RETIRED_MAX 8

struct sequencer {
    enum seq_state state;
    char epoch[EPOCH_MAX];
    uint64_t last; /* highest sequence number seen in this epoch */
    char retired[SEQ_RETIRED_MAX][EPOCH_MAX];
    unsigned retired_next;
};

/* What to do with the entry. */
enum seq_verdict {
    SEQ_APPLY,  /* in order */
    SEQ_RESYNC, /* a snapshot that (re)starts continuity: apply it, the book is sound again */
    SEQ_TRADES, /* continuity is broken: deltas are useless until a snapshot, trades and status are
                   not */
    SEQ_DUPLICATE, /* drop, count */
    SEQ_STALE,     /* of a retired epoch: drop, count */
};

/* Takes the entry's place in the sequence. LOST is how many entries are missing right before it, 0
 * when none or not knowable. */
enum seq_verdict sequencer_take(struct sequencer *s, const struct feed_event *e, uint64_t *lost);
#endif
