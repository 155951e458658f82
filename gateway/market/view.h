/* gateway/market/view.h - the best N levels as last published on one stream, and the exact
 * difference to the book of now.
 * Why: forwarding engine deltas filtered by the view breaks 74..91 % of client books; the
 * difference between the last published view and the present one breaks none, for clients that
 * truncate after each level or after each message alike. Rules: a delete only for levels gone from
 * the engine (levels pushed out of range fall to the client's own truncation); deletes before
 * inserts and changes on each side.
 * Owner: the market thread (pure). Invariant: after view_diff() or view_take() the view equals the
 * book's best N. */
#ifndef GATEWAY_MARKET_VIEW_H
#define GATEWAY_MARKET_VIEW_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/market/book.h"

struct view {
    struct level *v[2]; /* per side, worst ... best, as in the book */
    uint32_t count[2];
    uint32_t depth;
};

/* How a level changed against the client's view: what an exact merge of several frames needs.
 * LEVEL_OUT was pushed out of the view but lives on in the engine: no client is told (its own
 * truncation drops the level), but a client that skips the frame must lose it too. */
enum level_tag { LEVEL_DELETE, LEVEL_CHANGE, LEVEL_INSERT, LEVEL_OUT };
struct level_diff {
    struct level level; /* qty 0 for LEVEL_DELETE and LEVEL_OUT */
    enum level_tag tag;
};
struct side_diff {
    struct level_diff *v; /* deletes (and outs) first, then inserts and changes, best price first */
    uint32_t count;
    uint32_t cap;
};
struct view_diff {
    struct side_diff side[2];
};

void view_init(struct view *w, uint32_t depth);
void view_fini(struct view *w);
void view_diff_fini(struct view_diff *d);
/* Empties D, keeping its memory. */
void view_diff_reset(struct view_diff *d);
void view_diff_push(struct view_diff *d, enum side side, struct level level, enum level_tag tag);
/* Makes the view the book's best N without a difference (before a snapshot). */
void view_take(struct view *w, const struct book *b);
/* Makes W the best levels of the deeper view FROM. */
void view_copy(struct view *w, const struct view *from);
/* Checksum over the whole view, in the way of book_checksum(). */
uint32_t view_checksum(const struct view *w);
/* Fills D with the difference and makes the view current. False when there is none. */
bool view_diff(struct view *w, const struct book *b, struct view_diff *d);
#endif
