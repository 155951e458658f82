#include "gateway/market/event.h"

#include <stdlib.h>

void feed_event_fini(struct feed_event *e)
{
    free(e->levels[0]);
    free(e->levels[1]);
    free(e->trades);
    *e = (struct feed_event){0};
}

struct level *feed_event_add_level(struct feed_event *e, enum side side)
{
    if (e->level_count[side] == e->level_cap[side]) {
        e->level_cap[side] = e->level_cap[side] != 0 ? e->level_cap[side] * 2 : 64;
        e->levels[side] = gw_realloc(e->levels[side], e->level_cap[side] * sizeof *e->levels[side]);
    }
    return &e->levels[side][e->level_count[side]++];
}

struct trade *feed_event_add_trade(struct feed_event *e)
{
    if (e->trade_count == e->trade_cap) {
        e->trade_cap = e->trade_cap != 0 ? e->trade_cap * 2 : 16;
        e->trades = gw_realloc(e->trades, e->trade_cap * sizeof *e->trades);
    }
    return &e->trades[e->trade_count++];
}
