#include "gateway/publish/gate_view.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/base/buf.h"

#define BOOK_SHOW_AS_TEXT(sym, text) text,
const char *const book_show_names[BOOK_SHOW_COUNT] = {BOOK_SHOWS(BOOK_SHOW_AS_TEXT)};

static struct gate_view *create(uint32_t symbol_count, uint32_t asset_count)
{
    struct gate_view *g = gw_calloc(1, sizeof *g);

    g->symbol_count = symbol_count;
    g->asset_count = asset_count;
    g->symbols = gw_calloc(symbol_count + 1, sizeof *g->symbols);
    g->no_withdrawals = gw_calloc(asset_count + 1, sizeof *g->no_withdrawals);
    return g;
}

struct gate_view *gate_view_create(const struct symbols *symbols)
{
    struct gate_view *g = create(symbols_count(symbols), symbols_asset_count(symbols));

    for (uint32_t i = 0; i < g->symbol_count; i++) {
        g->symbols[i] = (struct gate_symbol){.status = PAIR_ONLINE, .mode = "NORMAL"};
    }
    return g;
}

struct gate_view *gate_view_copy(const struct gate_view *from)
{
    struct gate_view *g = create(from->symbol_count, from->asset_count);
    struct gate_symbol *symbols = g->symbols;
    bool *no_withdrawals = g->no_withdrawals;

    *g = *from;
    g->symbols = symbols;
    g->no_withdrawals = no_withdrawals;
    memcpy(symbols, from->symbols, from->symbol_count * sizeof *symbols);
    memcpy(no_withdrawals, from->no_withdrawals, from->asset_count * sizeof *no_withdrawals);
    return g;
}

void gate_view_destroy(struct gate_view **gp)
{
    struct gate_view *g = *gp;

    *gp = NULL;
    if (g != NULL) {
        free(g->symbols);
        free(g->no_withdrawals);
        free(g);
    }
}

enum pair_status gate_status(enum pair_status feed, enum pair_status gate)
{
    return gate == PAIR_ONLINE || feed == PAIR_MAINTENANCE ? feed : gate;
}
