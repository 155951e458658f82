#include "load/feed_tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LINE_MAX_BYTES (4u << 20)

void tape_fini(struct tape *t)
{
    for (size_t i = 0; i < t->count; i++) {
        feed_event_fini(&t->steps[i].e);
    }
    free(t->steps);
    free(t->symbols);
    *t = (struct tape){0};
}

uint32_t tape_symbol(struct tape *t, const char *name, bool exact_decimals)
{
    struct tape_symbol *s;

    for (uint32_t i = 0; i < t->symbol_count; i++) {
        if (strcmp(t->symbols[i].info.name, name) == 0) {
            return i;
        }
    }
    t->symbols = gw_realloc(t->symbols, (t->symbol_count + 1) * sizeof *t->symbols);
    s = &t->symbols[t->symbol_count];
    *s = (struct tape_symbol){.exact_decimals = exact_decimals};
    (void)snprintf(s->info.name, sizeof s->info.name, "%s", name);
    return t->symbol_count++;
}

struct tape_step *tape_add(struct tape *t, enum event_type type, uint32_t symbol, int64_t recv_ns,
                           int64_t ts_ns)
{
    struct tape_step *s;

    if (t->count == t->cap) {
        t->cap = t->cap != 0 ? t->cap * 2 : 1024;
        t->steps = gw_realloc(t->steps, t->cap * sizeof *t->steps);
    }
    s = &t->steps[t->count++];
    *s = (struct tape_step){.recv_ns = recv_ns};
    s->e.type = type;
    s->e.symbol = symbol;
    s->e.ts_ns = ts_ns;
    return s;
}

/* Decimals of TEXT: all that are written, or without the trailing zeros. */
static unsigned decimals_of(const char *text, bool exact)
{
    const char *point = strchr(text, '.');
    size_t len = strlen(text);

    if (point == NULL) {
        return 0;
    }
    while (!exact && text[len - 1] == '0') {
        len--;
    }
    return (unsigned)(text + len - point - 1);
}

/* Where the text's decimals are the symbol's, numbers are read with them at once: a venue's book
 * may hold a price of 9999999997.00000 that has no room for more. */
static bool read_pair(struct tape_symbol *s, const char *px, const char *qty, struct level *out)
{
    unsigned px_decimals = decimals_of(px, s->exact_decimals);
    unsigned qty_decimals = decimals_of(qty, s->exact_decimals);

    if (s->exact_decimals && s->seen &&
        (px_decimals != s->px_decimals || qty_decimals != s->qty_decimals)) {
        return false;
    }
    s->seen = true;
    s->px_decimals = px_decimals > s->px_decimals ? px_decimals : s->px_decimals;
    s->qty_decimals = qty_decimals > s->qty_decimals ? qty_decimals : s->qty_decimals;
    px_decimals = s->exact_decimals ? px_decimals : TAPE_PX_DECIMALS;
    qty_decimals = s->exact_decimals ? qty_decimals : TAPE_QTY_DECIMALS;
    return fixed_parse(px, strlen(px), px_decimals, &out->px.ticks) == GW_OK &&
           fixed_parse(qty, strlen(qty), qty_decimals, &out->qty.lots) == GW_OK;
}

bool tape_level(struct tape *t, struct tape_step *s, enum side side, const char *px,
                const char *qty)
{
    struct level l;

    if (!read_pair(&t->symbols[s->e.symbol], px, qty, &l)) {
        return false;
    }
    *feed_event_add_level(&s->e, side) = l;
    return true;
}

bool tape_levels(struct tape *t, struct tape_step *s, enum side side, const json_t *list)
{
    size_t i;
    json_t *row;

    json_array_foreach(list, i, row)
    {
        const char *px = json_string_value(json_array_get(row, 0));
        const char *qty = json_string_value(json_array_get(row, 1));

        if (px == NULL || qty == NULL || !tape_level(t, s, side, px, qty)) {
            return false;
        }
    }
    return true;
}

bool tape_trade(struct tape *t, struct tape_step *s, uint64_t id, const char *px, const char *qty,
                bool taker_sells, bool market_order, int64_t ts_ns)
{
    struct level l;

    if (!read_pair(&t->symbols[s->e.symbol], px, qty, &l)) {
        return false;
    }
    *feed_event_add_trade(&s->e) = (struct trade){.id = id,
                                                  .px = l.px,
                                                  .qty = l.qty,
                                                  .ts_ns = ts_ns,
                                                  .taker_sells = taker_sells,
                                                  .market_order = market_order};
    return true;
}

static int compare_steps(const void *a, const void *b)
{
    const struct tape_step *x = a;
    const struct tape_step *y = b;

    return (x->recv_ns > y->recv_ns) - (x->recv_ns < y->recv_ns);
}

/* A merge sort keeps steps of equal time in the order they were read; qsort does not promise that.
 */
static void stable_sort(struct tape_step *v, size_t n, struct tape_step *scratch)
{
    size_t half = n / 2;
    size_t i = 0;
    size_t k = half;

    if (n < 2) {
        return;
    }
    stable_sort(v, half, scratch);
    stable_sort(v + half, n - half, scratch);
    for (size_t o = 0; o < n; o++) {
        bool left = k == n || (i < half && compare_steps(&v[i], &v[k]) <= 0);

        scratch[o] = left ? v[i++] : v[k++];
    }
    memcpy(v, scratch, n * sizeof *v);
}

/* The snapshot of a symbol takes the time of the symbol's first step, before it. */
static void snapshots_first(struct tape *t)
{
    for (uint32_t s = 0; s < t->symbol_count; s++) {
        const struct tape_step *first = NULL;

        for (size_t i = 0; i < t->count; i++) {
            struct tape_step *step = &t->steps[i];

            if (step->e.symbol != s) {
                continue;
            }
            first = first != NULL ? first : step;
            if (step->e.type == EVENT_BOOK_SNAPSHOT) {
                step->recv_ns = first->recv_ns - 1;
                step->e.ts_ns = first->e.ts_ns - 1000;
                break;
            }
        }
    }
}

static void scale(const struct tape_symbol *s, struct tape_step *step)
{
    int64_t px = fixed_pow10[TAPE_PX_DECIMALS - s->info.price_decimals];
    int64_t qty = fixed_pow10[TAPE_QTY_DECIMALS - s->info.qty_decimals];

    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < step->e.level_count[side]; i++) {
            step->e.levels[side][i].px.ticks /= px;
            step->e.levels[side][i].qty.lots /= qty;
        }
    }
    for (uint32_t i = 0; i < step->e.trade_count; i++) {
        step->e.trades[i].px.ticks /= px;
        step->e.trades[i].qty.lots /= qty;
    }
}

void tape_finish(struct tape *t)
{
    struct tape_step *scratch = gw_calloc(t->count, sizeof *scratch);

    stable_sort(t->steps, t->count, scratch);
    snapshots_first(t);
    stable_sort(t->steps, t->count, scratch);
    free(scratch);
    for (uint32_t i = 0; i < t->symbol_count; i++) {
        t->symbols[i].info.price_decimals = t->symbols[i].px_decimals;
        t->symbols[i].info.qty_decimals = t->symbols[i].qty_decimals;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (!t->symbols[t->steps[i].e.symbol].exact_decimals) {
            scale(&t->symbols[t->steps[i].e.symbol], &t->steps[i]);
        }
    }
}

bool tape_lines(const char *path, bool (*on_line)(void *arg, char *line, size_t len), void *arg)
{
    gzFile file = gzopen(path, "rb");
    char *line;
    bool ok = true;

    if (file == NULL) {
        fprintf(stderr, "feeder: %s cannot be opened; see docs/RECORDINGS.md\n", path);
        return false;
    }
    (void)gzbuffer(file, 1u << 18);
    line = gw_malloc(LINE_MAX_BYTES);
    while (ok && gzgets(file, line, (int)LINE_MAX_BYTES) != NULL) {
        size_t len = strlen(line);

        while (len != 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
            line[--len] = '\0';
        }
        ok = on_line(arg, line, len);
    }
    if (!ok) {
        fprintf(stderr, "feeder: %s: not of the expected shape near: %.80s\n", path, line);
    }
    free(line);
    (void)gzclose(file);
    return ok;
}

int64_t tape_seconds_ns(const char *text)
{
    int64_t ns = 0;
    size_t digits = strspn(text, "0123456789.");

    /* More than nine decimals do not occur. */
    return fixed_parse(text, digits, 9, &ns) == GW_OK ? ns : -1;
}
