/* gateway/market/trades.h - ring of the last trades of one symbol.
 * Why: trade streams, snapshots, REST and resume all read from one place; streams keep a position.
 * Owner: the market thread.
 * Invariant: positions count every trade ever appended; ids grow within an epoch; the ring holds
 * the last TRADES_MAX. */
#ifndef GATEWAY_MARKET_TRADES_H
#define GATEWAY_MARKET_TRADES_H
#include "gateway/market/event.h"

#define TRADES_MAX 10000u

struct trades {
    struct trade *v;
    uint32_t cap; /* grows to TRADES_MAX, then the ring turns */
    uint64_t end; /* position after the newest */
};

void trades_fini(struct trades *t);
/* False when the id is not above the newest: a duplicate, dropped. FRESH_IDS: the first trade of an
 * epoch, whose ids may start anywhere. */
bool trades_append(struct trades *t, const struct trade *trade, bool fresh_ids);
/* Oldest position still held. */
static inline uint64_t trades_begin(const struct trades *t)
{
    return t->end > TRADES_MAX ? t->end - TRADES_MAX : 0;
}
/* POSITION in [trades_begin, end). */
const struct trade *trades_at(const struct trades *t, uint64_t position);
static inline const struct trade *trades_last(const struct trades *t)
{
    return t->end != 0 ? trades_at(t, t->end - 1) : NULL;
}
#endif
