/* gateway/market/book.h - L2 book of one symbol: two sides of aggregated price levels.
 * Why: changes cluster at the best price, views are the best N levels. Each side is one sorted
 * array with the best level LAST, so that a change near the top moves few bytes and a view is one
 * memcpy.
 *
 *     bids: 99.0  99.5 [100.0]      asks: 102.0  101.0 [100.5]
 *           worst ----> best              worst -----> best
 *
 * Owner: the market thread (pure: no I/O, no clock).
 * Invariant: prices strictly improve towards the end; every qty > 0. */
#ifndef GATEWAY_MARKET_BOOK_H
#define GATEWAY_MARKET_BOOK_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/fixed.h"

struct level {
    struct px px;
    struct qty qty;
};

enum side { SIDE_BID, SIDE_ASK };

struct book_side {
    struct level *v; /* worst ... best */
    uint32_t count;
    uint32_t cap;
    enum side side;
};
struct book {
    struct book_side side[2];
};

/* Is A a better price than B on SIDE? */
static inline bool px_better(enum side side, struct px a, struct px b)
{
    return side == SIDE_BID ? a.ticks > b.ticks : a.ticks < b.ticks;
}

void book_init(struct book *b);
void book_fini(struct book *b);
void book_clear(struct book *b);
/* Sets the absolute quantity at PX; 0 removes. Returns false when nothing changed
 * (same quantity, or removal of a level that is not there). */
bool book_set(struct book *b, enum side side, struct px px, struct qty qty);
/* The same; *BEFORE receives the quantity that was there, 0 for none. */
bool book_swap(struct book *b, enum side side, struct px px, struct qty qty, struct qty *before);
void book_copy(struct book *to, const struct book *from);
/* Replaces everything by LEVELS in any order (later entries of one price win; qty 0 ignored). */
void book_replace(struct book *b, const struct level *bids, uint32_t bid_count,
                  const struct level *asks, uint32_t ask_count);
/* Quantity at PX, 0 when there is none. */
struct qty book_qty(const struct book *b, enum side side, struct px px);
/* The best level, NULL when the side is empty. */
static inline const struct level *book_best(const struct book *b, enum side side)
{
    const struct book_side *s = &b->side[side];

    return s->count != 0 ? &s->v[s->count - 1] : NULL;
}
/* True when best bid >= best ask. */
bool book_crossed(const struct book *b);
bool book_equal(const struct book *a, const struct book *b);

/* CRC-32 (IEEE, as in zlib) over the DEPTH best asks, then bids, as Kraken's v2 book checksum
 * defines it for depth 10: each level's price and quantity with all decimals, without the point and
 * leading zeros, which are just the digits of the two integers. 0 for an empty book. */
#define BOOK_CHECKSUM_DEPTH 10
uint32_t book_checksum(const struct book *b, uint32_t depth);
/* One side of it: continues CRC (0 to begin; asks come first) over LEVELS, worst ... best. */
uint32_t book_side_checksum(uint32_t crc, const struct level *levels, uint32_t count,
                            uint32_t depth);
#endif
