/* gateway/feed/source_past.c - entries behind the present: pages for those who were away, and how many
 * are left while this replica catches up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/feed/source_priv.h"

#define PAGE_ENTRIES 500

struct page_ask {
    source_page_fn *cb;
    void *arg;
};

static void on_past(void *arg, const struct redis_reply *reply)
{
    struct page_ask ask = *(struct page_ask *)arg;
    struct source_entry entries[PAGE_ENTRIES];
    size_t count = 0;
    bool ok = reply != NULL && redis_kind(reply) == REDIS_LIST;

    free(arg);
    for (size_t i = 0; ok && i < redis_count(reply) && count < PAGE_ENTRIES; i++) {
        struct source_entry *e = &entries[count];

        if (source_entry(redis_item(reply, i), &e->id, &e->json, &e->len)) {
            count++;
        }
    }
    ask.cb(ask.arg, ok, entries, count);
}

bool source_read_page(struct source *s, uint32_t symbol, const char *before, source_page_fn *cb,
                      void *arg)
{
    char from[FEED_ID_MAX + 1] = "+";
    const char *argv[] = {"XREVRANGE", s->symbols[symbol].key, from, "-", "COUNT", "500"};
    struct page_ask *ask = gw_malloc(sizeof *ask);

    if (before[0] != '\0') { /* "(" excludes the id itself */
        (void)snprintf(from, sizeof from, "(%s", before);
    }
    *ask = (struct page_ask){cb, arg};
    if (redis_command(s->commands, (int)GW_LEN(argv), argv, NULL, 0, on_past, ask)) {
        return true;
    }
    free(ask);
    return false;
}

/* --- catching up -------------------------------------------------------------------------------
 */

#define COUNT_MAX "100000"

struct count_ask {
    struct source *source;
    uint32_t symbol;
};

static void on_counted(void *arg, const struct redis_reply *reply)
{
    struct count_ask ask = *(struct count_ask *)arg;
    struct source_symbol *sym = &ask.source->symbols[ask.symbol];

    free(arg);
    sym->measuring = false;
    if (reply != NULL && redis_kind(reply) == REDIS_INTEGER && sym->behind) {
        sym->remaining = (uint64_t)redis_integer(reply);
    }
}

/* Counted by Redis: the entries themselves are read soon enough. */
static void count_remaining(struct source *s, uint32_t symbol)
{
    struct source_symbol *sym = &s->symbols[symbol];
    char from[FEED_ID_MAX + 1];
    const char *argv[] = {"EVAL",
                          "return #redis.call('XRANGE',KEYS[1],ARGV[1],'+','COUNT'," COUNT_MAX ")",
                          "1", sym->key, from};
    struct count_ask *ask = gw_malloc(sizeof *ask);

    *ask = (struct count_ask){s, symbol};
    (void)snprintf(from, sizeof from, "(%s", sym->last_id);
    sym->measuring = redis_command(s->commands, (int)GW_LEN(argv), argv, NULL, 0, on_counted, ask);
    if (!sym->measuring) {
        free(ask);
    }
}

void source_note_read(struct source *s, uint32_t symbol, bool full)
{
    s->symbols[symbol].behind = full;
    if (!full) {
        s->symbols[symbol].remaining = 0;
    }
}

uint64_t source_remaining(struct source *s)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < s->opt.symbol_count; i++) {
        struct source_symbol *sym = &s->symbols[i];

        if (sym->behind && !sym->measuring) {
            count_remaining(s, i);
        }
        total += sym->remaining;
    }
    return total;
}
