/* gateway/market/event.h - one decoded feed entry: fixed-point numbers, one engine batch.
 * Why: everything behind the decoder works on integers and never sees JSON.
 * Owner: the market thread; arrays are reused from entry to entry.
 * Invariant: numbers fit the symbol's decimals; quantities are >= 0, trade quantities > 0. */
#ifndef GATEWAY_MARKET_EVENT_H
#define GATEWAY_MARKET_EVENT_H
#include <stdint.h>
#include "gateway/market/book.h"
#include "gateway/market/symbols.h"

#define EPOCH_MAX 33 /* with NUL */

enum event_type { EVENT_BOOK_SNAPSHOT, EVENT_BOOK_DELTA, EVENT_TRADE, EVENT_STATUS };
#define EVENT_TYPE_COUNT 4

/* Name of the entry of the audit log behind an act of an operator; "": none. */
struct audit_id {
    char v[27];
};

struct trade {
    uint64_t id; /* per symbol, grows by one */
    struct px px;
    struct qty qty;
    int64_t ts_ns;
    uint64_t seq; /* of the entry it came with */
    bool taker_sells;
    bool market_order; /* the taker's order type */
};

struct feed_event {
    enum event_type type;
    uint32_t symbol;
    uint64_t seq;
    int64_t ts_ns;
    char epoch[EPOCH_MAX];
    enum pair_status status; /* EVENT_STATUS */
    struct level *levels[2]; /* per side */
    uint32_t level_count[2];
    uint32_t level_cap[2];
    struct trade *trades;
    uint32_t trade_count;
    uint32_t trade_cap;
};

void feed_event_fini(struct feed_event *e);
/* Room for one more; the caller fills it. */
struct level *feed_event_add_level(struct feed_event *e, enum side side);
struct trade *feed_event_add_trade(struct feed_event *e);
#endif
