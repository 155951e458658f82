#include "gateway/market/trades.h"

#include <stdlib.h>

void trades_fini(struct trades *t)
{
    free(t->v);
    *t = (struct trades){0};
}

bool trades_append(struct trades *t, const struct trade *trade, bool fresh_ids)
{
    const struct trade *last = trades_last(t);

    if (!fresh_ids && last != NULL && trade->id <= last->id) {
        return false;
    }
    if (t->end == t->cap && t->cap < TRADES_MAX) {
        t->cap = t->cap == 0 ? 64 : t->cap * 4 < TRADES_MAX ? t->cap * 4 : TRADES_MAX;
        t->v = gw_realloc(t->v, t->cap * sizeof *t->v);
    }
    t->v[t->end % TRADES_MAX] = *trade;
    t->end++;
    return true;
}

const struct trade *trades_at(const struct trades *t, uint64_t position)
{
    GW_ASSERT(position >= trades_begin(t) && position < t->end);
    return &t->v[position % TRADES_MAX];
}
