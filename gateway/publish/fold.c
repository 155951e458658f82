#include "gateway/publish/fold.h"

#include <stdlib.h>
#include <string.h>

static struct fold *create(const struct gw_mark *gw, uint32_t levels, uint32_t candles)
{
    /* Candles first: they hold 128-bit numbers. */
    size_t head = (sizeof(struct fold) + 15) / 16 * 16;
    struct fold *f =
        gw_malloc(head + candles * sizeof(struct candle) + levels * sizeof(struct fold_level));

    *f = (struct fold){.gw = *gw, .level_count = levels, .candle_count = candles};
    f->candles = (struct candle *)(void *)((char *)f + head);
    f->levels = (struct fold_level *)(void *)(f->candles + candles);
    return f;
}

struct fold *fold_book(const struct view_diff *diff, uint32_t checksum, int64_t ts_ns,
                       const struct gw_mark *gw)
{
    struct fold *f = create(gw, diff->side[0].count + diff->side[1].count, 0);
    struct fold_level *to = f->levels;

    f->checksum = checksum;
    f->ts_ns = ts_ns;
    for (uint8_t side = 0; side < 2; side++) {
        const struct side_diff *d = &diff->side[side];

        for (uint32_t i = 0; i < d->count; i++) {
            *to++ = (struct fold_level){d->v[i].level, side, (uint8_t)d->v[i].tag};
        }
    }
    return f;
}

struct fold *fold_candles(const struct candle *const *candles, uint32_t count,
                          const struct gw_mark *gw)
{
    struct fold *f = create(gw, 0, count);

    for (uint32_t i = 0; i < count; i++) {
        f->candles[i] = *candles[i];
    }
    return f;
}

struct fold *fold_trades(uint64_t first_id, uint64_t last_id, const struct gw_mark *gw)
{
    struct fold *f = create(gw, 0, 0);

    f->trade_first = first_id;
    f->trade_last = last_id;
    return f;
}

struct fold *fold_plain(const struct gw_mark *gw)
{
    return create(gw, 0, 0);
}

/* --- folding -----------------------------------------------------------------------------------
 */

struct touched {
    struct fold_level l;
    uint32_t order;
};

/* By side, from the best price on, then in the order of the frames. */
static int compare(const void *a, const void *b)
{
    const struct touched *x = a;
    const struct touched *y = b;

    if (x->l.side != y->l.side) {
        return x->l.side < y->l.side ? -1 : 1;
    }
    if (x->l.level.px.ticks != y->l.level.px.ticks) {
        return px_better((enum side)x->l.side, x->l.level.px, y->l.level.px) ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

static struct touched *gather(struct frame *const *frames, uint32_t count, uint32_t *total)
{
    struct touched *list;
    uint32_t n = 0;

    for (uint32_t i = 0; i < count; i++) {
        n += frames[i]->fold->level_count;
    }
    list = gw_malloc((n + 1) * sizeof *list);
    *total = n;
    n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct fold *f = frames[i]->fold;

        for (uint32_t k = 0; k < f->level_count; k++) {
            list[n] = (struct touched){f->levels[k], n};
            n++;
        }
    }
    qsort(list, n, sizeof *list, compare);
    return list;
}

/* One side needs two passes: deletes come first. */
static void push_folded(const struct touched *list, uint32_t total, bool deletes,
                        struct view_diff *out)
{
    for (uint32_t i = 0; i < total;) {
        const struct fold_level *first = &list[i].l;
        const struct fold_level *last;
        bool held = first->tag != LEVEL_INSERT;
        bool shown;

        while (i + 1 < total && list[i + 1].l.side == first->side &&
               list[i + 1].l.level.px.ticks == first->level.px.ticks) {
            i++;
        }
        last = &list[i++].l;
        shown = last->tag == LEVEL_INSERT || last->tag == LEVEL_CHANGE;
        if (deletes && held && !shown) {
            view_diff_push(out, (enum side)first->side, (struct level){first->level.px, {0}},
                           LEVEL_DELETE);
        } else if (!deletes && shown) {
            view_diff_push(out, (enum side)first->side, last->level,
                           held ? LEVEL_CHANGE : LEVEL_INSERT);
        }
    }
}

static struct fold *book(const struct symbol *sym, struct frame *const *frames, uint32_t count,
                         const struct gw_mark *gw, struct buf *text)
{
    const struct fold *last = frames[count - 1]->fold;
    struct view_diff diff = {0};
    uint32_t total;
    struct touched *list = gather(frames, count, &total);
    struct fold *f;

    push_folded(list, total, true, &diff);
    push_folded(list, total, false, &diff);
    encode_book_update(text, sym, &diff, last->checksum, last->ts_ns, gw);
    f = fold_book(&diff, last->checksum, last->ts_ns, gw);
    view_diff_fini(&diff);
    free(list);
    return f;
}

/* The newest state of each candle, oldest candle first: frames hold them in that order. */
static struct fold *candles(const struct stream_key *key, const struct symbol *sym,
                            struct frame *const *frames, uint32_t count, const struct gw_mark *gw,
                            struct buf *text)
{
    const struct candle **list;
    uint32_t n = 0;
    struct fold *f;

    for (uint32_t i = 0; i < count; i++) {
        n += frames[i]->fold->candle_count;
    }
    list = gw_malloc((n + 1) * sizeof *list);
    n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct fold *from = frames[i]->fold;

        for (uint32_t k = 0; k < from->candle_count; k++) {
            if (n != 0 && list[n - 1]->begin_s == from->candles[k].begin_s) {
                n--;
            }
            list[n++] = &from->candles[k];
        }
    }
    encode_ohlc(text, sym, key->param, list, n, gw);
    f = fold_candles(list, n, gw);
    free(list);
    return f;
}

/* The newest frame with its `gw` printed anew. */
static struct fold *newest(const struct frame *last, const struct gw_mark *gw, struct buf *text)
{
    static const char mark[] = ",\"gw\":{";
    const uint8_t *payload = last->bytes + (last->bytes[1] < 126 ? 2 : 4);
    size_t len = last->len - (size_t)(payload - last->bytes);
    size_t at = len - (sizeof mark - 1);

    GW_ASSERT(len > sizeof mark && len <= FRAME_PIECE); /* one piece */
    while (memcmp(payload + at, mark, sizeof mark - 1) != 0) {
        GW_ASSERT(at != 0);
        at--;
    }
    buf_append(text, payload, at);
    encode_gw(text, gw);
    return fold_plain(gw);
}

struct frame *fold_frames(const struct stream_key *key, const struct symbol *sym,
                          struct frame *const *frames, uint32_t count)
{
    const struct frame *last = frames[count - 1];
    struct gw_mark gw = last->fold->gw;
    struct buf text = {0};
    struct fold *fold = NULL;
    struct frame *f;

    GW_ASSERT(count > 1 && fold_allowed(key->channel));
    gw.prev = frames[0]->fold->gw.prev;
    gw.folded = 0;
    for (uint32_t i = 0; i < count; i++) {
        gw.folded += frames[i]->fold->gw.folded;
    }
    if (key->channel == CHANNEL_BOOK) {
        fold = book(sym, frames, count, &gw, &text);
    } else if (key->channel == CHANNEL_OHLC) {
        fold = candles(key, sym, frames, count, &gw, &text);
    } else {
        fold = newest(last, &gw, &text);
    }
    f = frame_create_fold(text.data, text.len, last->seq, last->created_ns, &fold);
    buf_fini(&text);
    return f;
}
