/* gateway/feed/read_back.c - trades that the ring no longer holds, read from the feed, newest first,
 * for a client that was away longer. */
#include <stdlib.h>
#include <string.h>
#include "gateway/feed/decode.h"
#include "gateway/feed/feed_priv.h"

#define READS_MAX       32u
#define ENTRIES_MAX     100000u
#define TRADES_READ_MAX 100000u

struct read_back {
    struct feed *feed;
    uint32_t symbol;
    uint64_t from_id;
    feed_trades_fn *cb;
    void *arg;
    struct trade *v; /* newest first */
    uint32_t count;
    uint32_t cap;
    uint32_t entries;
    bool found;
    char before[FEED_ID_MAX];
};

static void finish(struct read_back *w)
{
    w->feed->reading_back--;
    for (uint32_t i = 0; i < w->count / 2; i++) { /* oldest first */
        struct trade t = w->v[i];

        w->v[i] = w->v[w->count - 1 - i];
        w->v[w->count - 1 - i] = t;
    }
    w->cb(w->arg, w->found ? w->v : NULL, w->found ? w->count : 0);
    free(w->v);
    free(w);
}

static void keep(struct read_back *w, const struct trade *t)
{
    if (w->count != 0 && t->id >= w->v[w->count - 1].id) {
        return; /* a duplicate in the feed */
    }
    if (w->count == w->cap) {
        w->cap = w->cap != 0 ? w->cap * 2 : 1024;
        w->v = gw_realloc(w->v, w->cap * sizeof *w->v);
    }
    w->v[w->count++] = *t;
}

/* False: nothing before this entry is of use. */
static bool take_entry(struct read_back *w, const struct source_entry *entry)
{
    struct feed *f = w->feed;
    const struct feed_event *e = &f->event;

    w->entries++;
    memcpy(w->before, entry->id, strlen(entry->id) + 1);
    if (entry->json == NULL ||
        decode_entry(entry->json, entry->len, symbols_at(f->market->symbols, w->symbol), w->symbol,
                     &f->event) != DECODE_NONE) {
        return true; /* counted when it was live */
    }
    if (strcmp(e->epoch, f->market->instruments[w->symbol].seq.epoch) != 0) {
        return false; /* ids of another epoch mean other trades */
    }
    for (uint32_t i = e->trade_count; i != 0 && !w->found; i--) {
        keep(w, &e->trades[i - 1]);
        w->found = e->trades[i - 1].id <= w->from_id;
    }
    return !w->found;
}

static void on_page(void *arg, bool ok, const struct source_entry *entries, size_t count)
{
    struct read_back *w = arg;
    bool more = ok && count != 0 && !w->feed->closing;

    for (size_t i = 0; more && i < count; i++) {
        more = take_entry(w, &entries[i]);
    }
    if (!more || w->entries >= ENTRIES_MAX || w->count >= TRADES_READ_MAX ||
        !source_read_page(w->feed->source, w->symbol, w->before, on_page, w)) {
        finish(w);
    }
}

bool feed_read_trades(struct feed *f, uint32_t symbol, uint64_t from_id, feed_trades_fn *cb,
                      void *arg)
{
    struct read_back *w;

    if (f->reading_back >= READS_MAX || f->closing) {
        return false;
    }
    w = gw_calloc(1, sizeof *w);
    *w = (struct read_back){.feed = f, .symbol = symbol, .from_id = from_id, .cb = cb, .arg = arg};
    if (!source_read_page(f->source, symbol, "", on_page, w)) {
        free(w);
        return false;
    }
    f->reading_back++;
    return true;
}
