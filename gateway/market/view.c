#include "gateway/market/view.h"

#include <stdlib.h>
#include <string.h>

void view_init(struct view *w, uint32_t depth)
{
    *w = (struct view){.depth = depth};
    for (int i = 0; i < 2; i++) {
        w->v[i] = gw_calloc(depth, sizeof *w->v[i]);
    }
}

void view_fini(struct view *w)
{
    free(w->v[0]);
    free(w->v[1]);
    *w = (struct view){0};
}

void view_diff_fini(struct view_diff *d)
{
    free(d->side[0].v);
    free(d->side[1].v);
    *d = (struct view_diff){0};
}

/* The best levels of a side that fit the view: a pointer into the book, worst first. */
static const struct level *best_of(const struct book_side *s, uint32_t depth, uint32_t *count)
{
    *count = s->count < depth ? s->count : depth;
    return *count != 0 ? s->v + (s->count - *count) : NULL;
}

static void take_side(struct view *w, const struct book_side *s)
{
    uint32_t count;
    const struct level *now = best_of(s, w->depth, &count);

    if (count != 0) {
        memcpy(w->v[s->side], now, count * sizeof *now);
    }
    w->count[s->side] = count;
}

void view_take(struct view *w, const struct book *b)
{
    take_side(w, &b->side[SIDE_BID]);
    take_side(w, &b->side[SIDE_ASK]);
}

void view_copy(struct view *w, const struct view *from)
{
    for (int i = 0; i < 2; i++) {
        uint32_t count = from->count[i] < w->depth ? from->count[i] : w->depth;

        memcpy(w->v[i], from->v[i] + (from->count[i] - count), count * sizeof *w->v[i]);
        w->count[i] = count;
    }
}

static void push(struct side_diff *d, struct level level, enum level_tag tag)
{
    if (d->count == d->cap) {
        d->cap = d->cap != 0 ? d->cap * 2 : 32;
        d->v = gw_realloc(d->v, d->cap * sizeof *d->v);
    }
    d->v[d->count++] = (struct level_diff){level, tag};
}

void view_diff_reset(struct view_diff *d)
{
    d->side[SIDE_BID].count = 0;
    d->side[SIDE_ASK].count = 0;
}

void view_diff_push(struct view_diff *d, enum side side, struct level level, enum level_tag tag)
{
    push(&d->side[side], level, tag);
}

/* Levels of the view that the engine no longer has, or that others have pushed out of range. Walks both arrays from the best end; levels
 * beyond the present view are looked up in the rest of the side by walking on. */
static void push_deletes(const struct view *w, const struct book_side *s, struct side_diff *d)
{
    const struct level *old = w->v[s->side];
    uint32_t out = s->count > w->depth ? s->count - w->depth : 0; /* below: out of range */
    uint32_t i = w->count[s->side];
    uint32_t k = s->count;

    while (i != 0) {
        while (k != 0 && px_better(s->side, s->v[k - 1].px, old[i - 1].px)) {
            k--;
        }
        if (k == 0 || s->v[k - 1].px.ticks != old[i - 1].px.ticks) {
            push(d, (struct level){old[i - 1].px, {0}}, LEVEL_DELETE);
        } else if (k <= out) {
            push(d, (struct level){old[i - 1].px, {0}}, LEVEL_OUT);
        }
        i--;
    }
}

static void push_upserts(const struct view *w, const struct book_side *s, struct side_diff *d)
{
    const struct level *old = w->v[s->side];
    uint32_t i = w->count[s->side];
    uint32_t k;
    const struct level *now = best_of(s, w->depth, &k);

    while (k != 0) {
        const struct level *l = &now[k - 1];

        while (i != 0 && px_better(s->side, old[i - 1].px, l->px)) {
            i--;
        }
        if (i == 0 || old[i - 1].px.ticks != l->px.ticks) {
            push(d, *l, LEVEL_INSERT);
        } else if (old[i - 1].qty.lots != l->qty.lots) {
            push(d, *l, LEVEL_CHANGE);
        }
        k--;
    }
}

static bool same_side(const struct view *w, const struct book_side *s)
{
    uint32_t count;
    const struct level *now = best_of(s, w->depth, &count);

    return count == w->count[s->side] &&
           (count == 0 || memcmp(now, w->v[s->side], count * sizeof *now) == 0);
}

uint32_t view_checksum(const struct view *w)
{
    uint32_t crc = book_side_checksum(0, w->v[SIDE_ASK], w->count[SIDE_ASK], w->depth);

    return book_side_checksum(crc, w->v[SIDE_BID], w->count[SIDE_BID], w->depth);
}

bool view_diff(struct view *w, const struct book *b, struct view_diff *d)
{
    bool any = false;

    for (int i = 0; i < 2; i++) {
        const struct book_side *s = &b->side[i];

        d->side[i].count = 0;
        if (!same_side(w, s)) {
            push_deletes(w, s, &d->side[i]);
            push_upserts(w, s, &d->side[i]);
            take_side(w, s);
            any = any || d->side[i].count != 0;
        }
    }
    return any;
}
