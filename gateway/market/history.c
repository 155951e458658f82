#include "gateway/market/history.h"

#include <stdlib.h>
#include <string.h>

void history_fini(struct history *h)
{
    free(h->v);
    *h = (struct history){0};
}

void history_restart(struct history *h, uint64_t seq)
{
    h->begin = h->end;
    h->lost_seq = seq;
    h->started = true;
}

static struct change *at(const struct history *h, uint64_t position)
{
    return &h->v[position & (h->cap - 1)];
}

static void drop_oldest(struct history *h)
{
    uint64_t seq = at(h, h->begin++)->seq;

    /* The state after SEQ - 1 needs this change, the state after SEQ does not. */
    h->lost_seq = seq > h->lost_seq ? seq : h->lost_seq;
}

static void grow(struct history *h)
{
    uint32_t cap = h->cap != 0 ? h->cap * 2 : 256;
    struct change *v = gw_malloc(cap * sizeof *v);

    for (uint64_t p = h->begin; p != h->end; p++) {
        v[p & (cap - 1)] = *at(h, p);
    }
    free(h->v);
    h->v = v;
    h->cap = cap;
}

static void add(struct history *h, const struct change *c)
{
    if (h->end - h->begin == h->cap) {
        if (h->cap == HISTORY_MAX ||
            (h->cap != 0 && c->ts_ns - at(h, h->begin)->ts_ns > HISTORY_AGE_NS)) {
            drop_oldest(h);
        } else {
            grow(h);
        }
    }
    *at(h, h->end++) = *c;
}

bool history_set(struct history *h, struct book *b, enum side side, struct level level,
                 uint64_t seq, int64_t ts_ns)
{
    struct change c = {level.px, {0}, seq, ts_ns, side};
    bool changed = book_swap(b, side, level.px, level.qty, &c.before);

    if (changed) {
        add(h, &c);
    }
    return changed;
}

void history_replace(struct history *h, const struct book *before, const struct book *after,
                     uint64_t seq, int64_t ts_ns)
{
    for (int i = 0; i < 2; i++) {
        const struct book_side *a = &before->side[i];
        const struct book_side *b = &after->side[i];
        uint32_t x = 0;
        uint32_t y = 0;

        while (x < a->count || y < b->count) { /* both from the worst level on */
            struct change c = {.seq = seq, .ts_ns = ts_ns, .side = (enum side)i};

            if (y == b->count || (x < a->count && px_better(c.side, b->v[y].px, a->v[x].px))) {
                c.px = a->v[x].px;
                c.before = a->v[x++].qty;
            } else if (x == a->count || px_better(c.side, a->v[x].px, b->v[y].px)) {
                c.px = b->v[y++].px;
            } else {
                c.px = a->v[x].px;
                c.before = a->v[x++].qty;
                if (c.before.lots == b->v[y++].qty.lots) {
                    continue;
                }
            }
            add(h, &c);
        }
    }
}

bool history_book_at(const struct history *h, const struct book *now, uint64_t seq,
                     struct book *out)
{
    if (!h->started || seq < h->lost_seq) {
        return false;
    }
    book_copy(out, now);
    for (uint64_t p = h->end; p != h->begin && at(h, p - 1)->seq > seq; p--) {
        const struct change *c = at(h, p - 1);

        (void)book_set(out, c->side, c->px, c->before);
    }
    return true;
}
