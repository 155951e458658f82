/* load/feed_binance.c - Binance spot: diff depth, trades and one REST snapshot a file. Rule for
 * joining (Binance's public API documentation, "how to manage a local order book"): drop deltas
 * with u <= lastUpdateId; the first one applied has U <= lastUpdateId+1 <= u; then U == previous u
 * + 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "load/feed_tape.h"

struct reader {
    struct tape *tape;
    uint32_t symbol;
    bool known;             /* symbol has been seen in this file */
    json_int_t last_update; /* u of the last delta taken, or lastUpdateId */
    bool joined;
    json_t *early[4096]; /* deltas before the snapshot */
    int64_t early_ns[4096];
    size_t early_count;
};

/* "BTCUSDT" to "BTC/USDT": the quotes that occur in these recordings. */
static void symbol_name(const char *joined, char out[SYMBOL_NAME_MAX])
{
    static const char *const quotes[] = {"USDT", "USDC", "BTC", "ETH", "EUR"};
    size_t len = strlen(joined);

    for (unsigned i = 0; i < GW_LEN(quotes); i++) {
        size_t q = strlen(quotes[i]);

        if (len > q && strcmp(joined + len - q, quotes[i]) == 0) {
            (void)snprintf(out, SYMBOL_NAME_MAX, "%.*s/%s", (int)(len - q), joined, quotes[i]);
            return;
        }
    }
    (void)snprintf(out, SYMBOL_NAME_MAX, "%s", joined);
}

static json_int_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static bool add_delta(struct reader *r, const json_t *data, int64_t recv_ns)
{
    json_int_t first = number(data, "U");
    json_int_t last = number(data, "u");
    struct tape_step *s;

    if (last <= r->last_update) {
        return true;
    }
    if (r->joined ? first != r->last_update + 1 : first > r->last_update + 1) {
        fprintf(stderr, "feeder: gap in the recording at U=%lld\n", (long long)first);
        return false;
    }
    r->joined = true;
    r->last_update = last;
    s = tape_add(r->tape, EVENT_BOOK_DELTA, r->symbol, recv_ns, number(data, "E") * 1000000);
    s->venue_seq = (uint64_t)last;
    return tape_levels(r->tape, s, SIDE_BID, json_object_get(data, "b")) &&
           tape_levels(r->tape, s, SIDE_ASK, json_object_get(data, "a"));
}

static bool on_delta(struct reader *r, json_t *data, int64_t recv_ns)
{
    if (r->last_update != 0) {
        return add_delta(r, data, recv_ns);
    }
    if (r->early_count == GW_LEN(r->early)) {
        return false;
    }
    r->early_ns[r->early_count] = recv_ns;
    r->early[r->early_count++] = json_incref(data);
    return true;
}

static bool on_snapshot(struct reader *r, const json_t *root, int64_t recv_ns)
{
    struct tape_step *s;
    bool ok = r->known;

    if (!ok) {
        fprintf(stderr, "feeder: snapshot before any stream line: whose is it?\n");
        return false;
    }
    s = tape_add(r->tape, EVENT_BOOK_SNAPSHOT, r->symbol, recv_ns, recv_ns);
    ok = tape_levels(r->tape, s, SIDE_BID, json_object_get(root, "bids")) &&
         tape_levels(r->tape, s, SIDE_ASK, json_object_get(root, "asks"));
    r->last_update = number(root, "lastUpdateId");
    r->tape->symbols[r->symbol].has_snapshot = true;
    for (size_t i = 0; i < r->early_count; i++) {
        /* The first step of the symbol comes right after its snapshot, whenever that was taken. */
        ok = ok && add_delta(r, r->early[i], recv_ns);
        json_decref(r->early[i]);
    }
    r->early_count = 0;
    return ok;
}

static bool on_trade(struct reader *r, const json_t *data, int64_t recv_ns)
{
    int64_t ts_ns = number(data, "T") * 1000000;
    struct tape_step *s = tape_add(r->tape, EVENT_TRADE, r->symbol, recv_ns, ts_ns);
    const char *px = json_string_value(json_object_get(data, "p"));
    const char *qty = json_string_value(json_object_get(data, "q"));

    return px != NULL && qty != NULL &&
           tape_trade(r->tape, s, (uint64_t)number(data, "t"), px, qty,
                      json_is_true(json_object_get(data, "m")), true, ts_ns);
}

static bool on_stream(struct reader *r, const json_t *root, int64_t recv_ns)
{
    json_t *data = json_object_get(root, "data");
    const char *event = json_string_value(json_object_get(data, "e"));
    const char *joined = json_string_value(json_object_get(data, "s"));

    if (event == NULL || joined == NULL) {
        return false;
    }
    if (!r->known) {
        char name[SYMBOL_NAME_MAX];

        symbol_name(joined, name);
        r->symbol = tape_symbol(r->tape, name, false);
        r->known = true;
    }
    return strcmp(event, "trade") == 0 ? on_trade(r, data, recv_ns) : on_delta(r, data, recv_ns);
}

static bool on_line(void *arg, char *line, size_t len)
{
    struct reader *r = arg;
    const char *space = strchr(line, ' ');
    int64_t recv_ns = strtoll(line, NULL, 10);
    json_t *root;
    bool ok;

    if (space == NULL || strstr(line, "@bookTicker") != NULL) {
        return space != NULL; /* best prices are for checking, not input */
    }
    root = json_loadb(space + 1, len - (size_t)(space + 1 - line), JSON_REJECT_DUPLICATES, NULL);
    ok = json_object_get(root, "stream") != NULL ? on_stream(r, root, recv_ns)
                                                 : on_snapshot(r, root, recv_ns);
    json_decref(root);
    return ok;
}

bool tape_read_binance(struct tape *t, const char *path)
{
    /* u of the last delta of each symbol, so that a second file can continue the first. */
    static json_int_t last_of[64];
    struct reader *r = gw_calloc(1, sizeof *r);
    bool ok;

    r->tape = t;
    for (uint32_t i = 0; i < t->symbol_count && i < GW_LEN(last_of); i++) {
        const char *base = t->symbols[i].info.name;
        char lower[SYMBOL_NAME_MAX] = "";
        size_t n = 0;

        for (const char *p = base; *p != '\0'; p++) {
            if (*p != '/') {
                lower[n++] = (char)(*p | 0x20);
            }
        }
        if (strstr(path, lower) != NULL) {
            r->last_update = last_of[i];
            r->joined = last_of[i] != 0;
        }
    }
    ok = tape_lines(path, on_line, r);
    for (size_t i = 0; i < r->early_count; i++) {
        json_decref(r->early[i]);
    }
    if (ok && r->known && r->symbol < GW_LEN(last_of)) {
        last_of[r->symbol] = r->last_update;
    }
    free(r);
    return ok;
}
