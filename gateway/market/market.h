/* gateway/market/market.h - all instruments of the gateway, by symbol number.
 * Why: feed and publisher work on the same state, on one thread.
 * Owner: the market thread.
 * Invariant: `status[n]` mirrors instruments[n].status, as an array for whole-table printing. */
#ifndef GATEWAY_MARKET_MARKET_H
#define GATEWAY_MARKET_MARKET_H
#include "gateway/market/instrument.h"

struct market {
    const struct symbols *symbols; /* borrowed */
    struct instrument *instruments;
    enum pair_status *status;
    uint32_t count;
};

void market_init(struct market *m, const struct symbols *symbols);
void market_fini(struct market *m);
/* instrument_apply() on the event's symbol, with `status` kept right. */
struct apply_result market_apply(struct market *m, const struct feed_event *e, bool trades_known);
#endif
