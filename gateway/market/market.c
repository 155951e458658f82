#include "gateway/market/market.h"

#include <stdlib.h>

void market_init(struct market *m, const struct symbols *symbols)
{
    m->symbols = symbols;
    m->count = symbols_count(symbols);
    m->instruments = gw_calloc(m->count, sizeof *m->instruments);
    m->status = gw_calloc(m->count, sizeof *m->status);
    for (uint32_t i = 0; i < m->count; i++) {
        instrument_init(&m->instruments[i], symbols_at(symbols, i), i);
        m->status[i] = m->instruments[i].status;
    }
}

void market_fini(struct market *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        instrument_fini(&m->instruments[i]);
    }
    free(m->instruments);
    free(m->status);
    *m = (struct market){0};
}

struct apply_result market_apply(struct market *m, const struct feed_event *e, bool trades_known)
{
    struct apply_result r;

    GW_ASSERT(e->symbol < m->count);
    r = instrument_apply(&m->instruments[e->symbol], e, trades_known);
    m->status[e->symbol] = m->instruments[e->symbol].status;
    return r;
}
