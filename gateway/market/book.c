#include "gateway/market/book.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void book_init(struct book *b)
{
    *b = (struct book){.side = {{.side = SIDE_BID}, {.side = SIDE_ASK}}};
}

void book_fini(struct book *b)
{
    free(b->side[SIDE_BID].v);
    free(b->side[SIDE_ASK].v);
    book_init(b);
}

void book_clear(struct book *b)
{
    b->side[SIDE_BID].count = 0;
    b->side[SIDE_ASK].count = 0;
}

/* Index of the first level from the worst end that is not worse than PX; count when all are worse.
 * Tries the best few first: that is where most changes are. */
static uint32_t side_seek(const struct book_side *s, struct px px)
{
    uint32_t low = 0;
    uint32_t high = s->count;
    uint32_t step = 8;

    while (high > step && !px_better(s->side, px, s->v[high - step].px)) {
        high -= step;
        step *= 2;
    }
    low = high > step ? high - step : 0;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (px_better(s->side, px, s->v[mid].px)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void side_reserve(struct book_side *s, uint32_t count)
{
    if (count > s->cap) {
        s->cap = s->cap != 0 ? s->cap : 64;
        while (s->cap < count) {
            s->cap *= 2;
        }
        s->v = gw_realloc(s->v, s->cap * sizeof *s->v);
    }
}

bool book_swap(struct book *b, enum side side, struct px px, struct qty qty, struct qty *before)
{
    struct book_side *s = &b->side[side];
    uint32_t at = side_seek(s, px);
    bool found = at < s->count && s->v[at].px.ticks == px.ticks;

    GW_ASSERT(qty.lots >= 0);
    *before = found ? s->v[at].qty : (struct qty){0};
    if (found && qty.lots != 0) {
        bool changed = s->v[at].qty.lots != qty.lots;

        s->v[at].qty = qty;
        return changed;
    }
    if (found) {
        s->count--;
        memmove(&s->v[at], &s->v[at + 1], (s->count - at) * sizeof *s->v);
        return true;
    }
    if (qty.lots == 0) {
        return false;
    }
    side_reserve(s, s->count + 1);
    memmove(&s->v[at + 1], &s->v[at], (s->count - at) * sizeof *s->v);
    s->v[at] = (struct level){px, qty};
    s->count++;
    return true;
}

bool book_set(struct book *b, enum side side, struct px px, struct qty qty)
{
    struct qty before;

    return book_swap(b, side, px, qty, &before);
}

void book_copy(struct book *to, const struct book *from)
{
    for (int i = 0; i < 2; i++) {
        const struct book_side *s = &from->side[i];

        side_reserve(&to->side[i], s->count);
        to->side[i].count = s->count;
        if (s->count != 0) {
            memcpy(to->side[i].v, s->v, s->count * sizeof *s->v);
        }
    }
}

static int compare_bids(const void *a, const void *b)
{
    const struct level *x = a;
    const struct level *y = b;

    return (x->px.ticks > y->px.ticks) - (x->px.ticks < y->px.ticks);
}

static int compare_asks(const void *a, const void *b)
{
    return compare_bids(b, a);
}

static bool is_sorted(const struct book_side *s)
{
    for (uint32_t i = 1; i < s->count; i++) {
        if (!px_better(s->side, s->v[i].px, s->v[i - 1].px)) {
            return false;
        }
    }
    return true;
}

static void side_replace(struct book *b, enum side side, const struct level *levels, uint32_t count)
{
    struct book_side *s = &b->side[side];

    side_reserve(s, count);
    s->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (levels[i].qty.lots != 0) {
            s->v[s->count++] = levels[i];
        }
    }
    if (s->count != 0) {
        qsort(s->v, s->count, sizeof *s->v, side == SIDE_BID ? compare_bids : compare_asks);
    }
    if (!is_sorted(s)) { /* a price occurs twice: rare enough to go the slow way */
        s->count = 0;
        for (uint32_t i = 0; i < count; i++) {
            (void)book_set(b, side, levels[i].px, levels[i].qty);
        }
    }
}

void book_replace(struct book *b, const struct level *bids, uint32_t bid_count,
                  const struct level *asks, uint32_t ask_count)
{
    side_replace(b, SIDE_BID, bids, bid_count);
    side_replace(b, SIDE_ASK, asks, ask_count);
}

struct qty book_qty(const struct book *b, enum side side, struct px px)
{
    const struct book_side *s = &b->side[side];
    uint32_t at = side_seek(s, px);

    return at < s->count && s->v[at].px.ticks == px.ticks ? s->v[at].qty : (struct qty){0};
}

bool book_crossed(const struct book *b)
{
    const struct level *bid = book_best(b, SIDE_BID);
    const struct level *ask = book_best(b, SIDE_ASK);

    return bid != NULL && ask != NULL && bid->px.ticks >= ask->px.ticks;
}

static bool side_equal(const struct book_side *a, const struct book_side *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->v, b->v, a->count * sizeof *a->v) == 0);
}

bool book_equal(const struct book *a, const struct book *b)
{
    return side_equal(&a->side[SIDE_BID], &b->side[SIDE_BID]) &&
           side_equal(&a->side[SIDE_ASK], &b->side[SIDE_ASK]);
}

/* Printing a fixed-point number with all its decimals, dropping the point and the leading zeros, is
 * printing the integer itself. */
static uint32_t crc_level(uint32_t crc, const struct level *l)
{
    char text[40];
    char *end = text + sizeof text;
    char *p = end;
    const int64_t parts[2] = {l->qty.lots, l->px.ticks};

    for (int i = 0; i < 2; i++) {
        uint64_t v = (uint64_t)parts[i];

        for (; v != 0; v /= 10) {
            *--p = (char)('0' + v % 10);
        }
    }
    return (uint32_t)crc32(crc, (const Bytef *)p, (uInt)(end - p));
}

uint32_t book_side_checksum(uint32_t crc, const struct level *levels, uint32_t count,
                            uint32_t depth)
{
    for (uint32_t k = 0; k < count && k < depth; k++) {
        crc = crc_level(crc, &levels[count - 1 - k]);
    }
    return crc;
}

uint32_t book_checksum(const struct book *b, uint32_t depth)
{
    const struct book_side *asks = &b->side[SIDE_ASK];
    const struct book_side *bids = &b->side[SIDE_BID];

    return book_side_checksum(book_side_checksum(0, asks->v, asks->count, depth), bids->v,
                              bids->count, depth);
}
