/* gateway/feed/source_restore.c - what a symbol starts from: checkpoint, closed candles, the window
 * of entries back to the newest snapshot. Everything is collected first and delivered at once, so
 * that a connection lost half-way leaves no trace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/feed/source_priv.h"
#include "gateway/runtime/log.h"

#define PAGE_ENTRIES "500"
#define WINDOW_MAX   50000u

struct kept_entry {
    char id[FEED_ID_MAX];
    char *json; /* NULL: the entry had no readable field `e` */
    size_t len;
};

struct kept_candle {
    uint32_t interval;
    int64_t begin_s;
    char *json;
    size_t len;
};

struct restore {
    struct source *source;
    uint32_t symbol;
    uint32_t outstanding; /* replies */
    bool failed;
    char *checkpoint;
    size_t checkpoint_len;
    char known_id[FEED_ID_MAX]; /* the checkpoint's */
    struct kept_candle *candles;
    size_t candle_count;
    struct kept_entry *entries; /* newest first */
    size_t entry_count;
    size_t entry_cap;
    bool has_snapshot;
    bool at_beginning;
};

struct candle_ask {
    struct restore *restore;
    uint32_t interval;
};

static void step(struct restore *w);

static void restore_free(struct restore *w)
{
    for (size_t i = 0; i < w->candle_count; i++) {
        free(w->candles[i].json);
    }
    for (size_t i = 0; i < w->entry_count; i++) {
        free(w->entries[i].json);
    }
    free(w->candles);
    free(w->entries);
    free(w->checkpoint);
    free(w);
}

static char *copy(const char *text, size_t len)
{
    char *p = gw_malloc(len + 1);

    memcpy(p, text, len);
    p[len] = '\0';
    return p;
}

/* Milliseconds and counter of a stream id, for comparing. */
static void id_parts(const char *id, unsigned long long *ms, unsigned long long *n)
{
    char *rest;

    *ms = strtoull(id, &rest, 10);
    *n = *rest == '-' ? strtoull(rest + 1, NULL, 10) : 0;
}

static bool id_not_above(const char *a, const char *b)
{
    unsigned long long ms_a;
    unsigned long long n_a;
    unsigned long long ms_b;
    unsigned long long n_b;

    id_parts(a, &ms_a, &n_a);
    id_parts(b, &ms_b, &n_b);
    return ms_a < ms_b || (ms_a == ms_b && n_a <= n_b);
}

static void replied(struct restore *w, const struct redis_reply *reply)
{
    w->outstanding--;
    w->failed = w->failed || reply == NULL || w->source->closing;
}

/* A checkpoint begins {"id":"...": the window must reach back to that id. */
static void note_known_id(struct restore *w)
{
    static const char head[] = "{\"id\":\"";
    const char *id = w->checkpoint + sizeof head - 1;
    const char *end;

    if (w->checkpoint_len > sizeof head && memcmp(w->checkpoint, head, sizeof head - 1) == 0 &&
        (end = strchr(id, '"')) != NULL && end - id < FEED_ID_MAX) {
        memcpy(w->known_id, id, (size_t)(end - id));
    }
}

static void on_checkpoint(void *arg, const struct redis_reply *reply)
{
    struct restore *w = arg;

    replied(w, reply);
    if (!w->failed && redis_kind(reply) == REDIS_STRING) {
        size_t len;
        const char *text = redis_text(reply, &len);

        w->checkpoint = copy(text, len);
        w->checkpoint_len = len;
        note_known_id(w);
    }
    step(w);
}

static void on_candles(void *arg, const struct redis_reply *reply)
{
    struct candle_ask *ask = arg;
    struct restore *w = ask->restore;

    replied(w, reply);
    for (size_t i = 0; !w->failed && i + 1 < redis_count(reply); i += 2) {
        size_t len;
        const char *begin = redis_text(redis_item(reply, i), &len);
        const char *json = redis_text(redis_item(reply, i + 1), &len);

        w->candles = gw_realloc(w->candles, (w->candle_count + 1) * sizeof *w->candles);
        w->candles[w->candle_count++] =
            (struct kept_candle){ask->interval, strtoll(begin, NULL, 10), copy(json, len), len};
    }
    free(ask);
    step(w);
}

static bool is_snapshot(const char *json, size_t len)
{
    static const char *const marks[] = {"\"type\":\"book_snapshot\"",
                                        "\"type\": \"book_snapshot\""};

    return memmem(json, len, marks[0], strlen(marks[0])) != NULL ||
           memmem(json, len, marks[1], strlen(marks[1])) != NULL;
}

static void keep_entry(struct restore *w, const char *id, const char *json, size_t len)
{
    struct kept_entry *e;

    if (w->entry_count == w->entry_cap) {
        w->entry_cap = w->entry_cap != 0 ? w->entry_cap * 2 : 512;
        w->entries = gw_realloc(w->entries, w->entry_cap * sizeof *w->entries);
    }
    e = &w->entries[w->entry_count++];
    *e = (struct kept_entry){.json = json != NULL ? copy(json, len) : NULL, .len = len};
    memcpy(e->id, id, strlen(id) + 1);
    w->has_snapshot = w->has_snapshot || (json != NULL && is_snapshot(json, len));
}

static void on_page(void *arg, const struct redis_reply *reply)
{
    struct restore *w = arg;

    replied(w, reply);
    if (!w->failed) {
        w->at_beginning = redis_count(reply) < (size_t)atoi(PAGE_ENTRIES);
        for (size_t i = 0; i < redis_count(reply); i++) {
            const char *id;
            const char *json;
            size_t len;

            if (source_entry(redis_item(reply, i), &id, &json, &len)) {
                keep_entry(w, id, json, len);
            }
        }
    }
    step(w);
}

static void ask(struct restore *w, int argc, const char **argv, redis_reply_fn *cb, void *arg)
{
    if (redis_command(w->source->commands, argc, argv, NULL, 0, cb, arg)) {
        w->outstanding++;
    } else {
        w->failed = true;
        if (cb == on_candles) {
            free(arg);
        }
    }
}

static void ask_page(struct restore *w)
{
    const char *key = w->source->symbols[w->symbol].key;
    const char *argv[] = {"XREVRANGE", key, "+", "-", "COUNT", PAGE_ENTRIES};
    char before[FEED_ID_MAX + 1];

    if (w->entry_count != 0) { /* "(" excludes the id itself */
        (void)snprintf(before, sizeof before, "(%s", w->entries[w->entry_count - 1].id);
        argv[2] = before;
    }
    ask(w, (int)GW_LEN(argv), argv, on_page, w);
}

static bool window_complete(const struct restore *w)
{
    const char *oldest = w->entry_count != 0 ? w->entries[w->entry_count - 1].id : NULL;

    if (w->at_beginning || w->entry_count >= WINDOW_MAX) {
        return true;
    }
    return oldest != NULL && w->has_snapshot && w->entry_count >= w->source->opt.window_entries &&
           (w->known_id[0] == '\0' || id_not_above(oldest, w->known_id));
}

static int compare_candles(const void *a, const void *b)
{
    const struct kept_candle *x = a;
    const struct kept_candle *y = b;

    if (x->interval != y->interval) {
        return x->interval < y->interval ? -1 : 1;
    }
    return (x->begin_s > y->begin_s) - (x->begin_s < y->begin_s);
}

static void deliver(struct restore *w)
{
    struct source *s = w->source;
    char id[FEED_ID_MAX];

    if (w->checkpoint != NULL) {
        s->sink->on_checkpoint(s->arg, w->symbol, w->checkpoint, w->checkpoint_len, id);
    }
    if (w->candle_count != 0) {
        qsort(w->candles, w->candle_count, sizeof *w->candles, compare_candles);
    }
    for (size_t i = 0; i < w->candle_count; i++) {
        s->sink->on_candle(s->arg, w->symbol, w->candles[i].interval, w->candles[i].begin_s,
                           w->candles[i].json, w->candles[i].len);
    }
    for (size_t i = w->entry_count; i != 0; i--) {
        const struct kept_entry *e = &w->entries[i - 1];

        source_deliver(s, w->symbol, e->id, e->json, e->len);
    }
    s->sink->on_live(s->arg, w->symbol, w->has_snapshot);
    s->sink->on_turn(s->arg);
}

/* A symbol whose restore failed is tried again when commands are up again. */
static void step(struct restore *w)
{
    struct source *s = w->source;

    if (w->outstanding != 0) {
        return;
    }
    if (!w->failed && !window_complete(w)) {
        ask_page(w);
        if (!w->failed) {
            return;
        }
    }
    s->restoring--;
    if (w->failed) {
        s->restore_next = w->symbol < s->restore_next ? w->symbol : s->restore_next;
        s->restore_busy[w->symbol] = false;
        restore_free(w);
        return;
    }
    deliver(w);
    source_symbol_restored(s, w->symbol);
    restore_free(w);
    source_restore_some(s);
}

static void restore_one(struct source *s, uint32_t symbol)
{
    struct restore *w = gw_calloc(1, sizeof *w);
    char key[SOURCE_KEY_MAX + 16];
    const char *get[] = {"GET", key};
    const char *all[] = {"HGETALL", key};

    w->source = s;
    w->symbol = symbol;
    w->outstanding = 1; /* held until everything is asked */
    s->restoring++;
    (void)snprintf(key, sizeof key, "md:checkpoint:{%s}", s->opt.symbols[symbol]);
    ask(w, 2, get, on_checkpoint, w);
    for (uint32_t i = 0; !w->failed && i < s->opt.interval_count; i++) {
        struct candle_ask *a = gw_calloc(1, sizeof *a);

        *a = (struct candle_ask){w, s->opt.intervals[i]};
        (void)snprintf(key, sizeof key, "md:candles:{%s}:%u", s->opt.symbols[symbol], a->interval);
        ask(w, 2, all, on_candles, a);
    }
    w->outstanding--;
    step(w);
}

void source_restore_some(struct source *s)
{
    while (redis_up(s->commands) && !s->closing && s->restoring < SOURCE_RESTORES &&
           s->restore_next < s->opt.symbol_count) {
        uint32_t symbol = s->restore_next++;

        if (!s->symbols[symbol].restored && !s->restore_busy[symbol]) {
            s->restore_busy[symbol] = true;
            restore_one(s, symbol);
        }
    }
}
