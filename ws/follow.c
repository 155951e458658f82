#include "ws/follow.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "gateway/base/err.h"
#include "gateway/market/symbols.h"

struct follow {
    uint32_t symbols;
    _Atomic int64_t total;
    _Atomic int64_t by_symbol[];
};

struct follow *follow_create(uint32_t symbols)
{
    struct follow *f = gw_calloc(1, sizeof *f + symbols * sizeof f->by_symbol[0]);

    f->symbols = symbols;
    return f;
}

void follow_destroy(struct follow **fp)
{
    free(*fp);
    *fp = NULL;
}

void follow_count(struct follow *f, uint32_t symbol, int step)
{
    atomic_fetch_add_explicit(&f->total, step, memory_order_relaxed);
    if (symbol != SYMBOL_NONE) {
        GW_ASSERT(symbol < f->symbols);
        atomic_fetch_add_explicit(&f->by_symbol[symbol], step, memory_order_relaxed);
    }
}

uint64_t follow_of(const struct follow *f, uint32_t symbol)
{
    const _Atomic int64_t *at = symbol == SYMBOL_NONE ? &f->total : &f->by_symbol[symbol];

    GW_ASSERT(symbol == SYMBOL_NONE || symbol < f->symbols);
    return (uint64_t)atomic_load_explicit(at, memory_order_relaxed);
}
