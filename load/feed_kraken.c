/* load/feed_kraken.c - Kraken WebSocket v1 recordings: book-1000 with a checksum on every update,
 * and trades.
 * Source: Kraken WebSocket v1 documentation, "book" and "trade". */
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "load/feed_tape.h"

static const char *plain_asset(const char *asset)
{
    if (strcmp(asset, "XBT") == 0) {
        return "BTC";
    }
    return strcmp(asset, "XDG") == 0 ? "DOGE" : asset;
}

static uint32_t symbol_of(struct tape *t, const char *pair)
{
    char base[SYMBOL_NAME_MAX];
    char name[2 * SYMBOL_NAME_MAX];
    const char *slash = strchr(pair, '/');

    (void)snprintf(base, sizeof base, "%.*s", (int)(slash != NULL ? slash - pair : 0), pair);
    (void)snprintf(name, sizeof name, "%s/%s", plain_asset(base),
                   plain_asset(slash != NULL ? slash + 1 : pair));
    return tape_symbol(t, name, true);
}

static bool add_object(struct tape *t, struct tape_step *s, const json_t *o)
{
    const char *checksum = json_string_value(json_object_get(o, "c"));

    if (checksum != NULL) {
        s->has_checksum = true;
        s->checksum = (uint32_t)strtoul(checksum, NULL, 10);
    }
    return tape_levels(t, s, SIDE_ASK, json_object_get(o, "as")) &&
           tape_levels(t, s, SIDE_BID, json_object_get(o, "bs")) &&
           tape_levels(t, s, SIDE_ASK, json_object_get(o, "a")) &&
           tape_levels(t, s, SIDE_BID, json_object_get(o, "b"));
}

/* [channelID, {...}, ({...},) "book-1000", pair] */
static bool on_book(struct tape *t, const json_t *root, int64_t recv_ns)
{
    size_t n = json_array_size(root);
    const char *pair = json_string_value(json_array_get(root, n - 1));
    const json_t *first = json_array_get(root, 1);
    bool snapshot = json_object_get(first, "as") != NULL || json_object_get(first, "bs") != NULL;
    struct tape_step *s;
    bool ok = pair != NULL && n >= 4;

    if (!ok) {
        return false;
    }
    s = tape_add(t, snapshot ? EVENT_BOOK_SNAPSHOT : EVENT_BOOK_DELTA, symbol_of(t, pair), recv_ns,
                 recv_ns);
    for (size_t i = 1; ok && i < n - 2; i++) {
        ok = add_object(t, s, json_array_get(root, i));
    }
    return ok;
}

static bool on_trades(struct tape *t, const json_t *root, int64_t recv_ns)
{
    const json_t *list = json_array_get(root, 1);
    const char *pair = json_string_value(json_array_get(root, json_array_size(root) - 1));
    struct tape_step *s;
    size_t i;
    json_t *row;

    if (pair == NULL) {
        return false;
    }
    s = tape_add(t, EVENT_TRADE, symbol_of(t, pair), recv_ns, recv_ns);
    json_array_foreach(list, i, row)
    {
        const char *px = json_string_value(json_array_get(row, 0));
        const char *qty = json_string_value(json_array_get(row, 1));
        const char *time = json_string_value(json_array_get(row, 2));
        const char *side = json_string_value(json_array_get(row, 3));
        const char *kind = json_string_value(json_array_get(row, 4));

        /* v1 trades have no id: numbered in feed_writer.c from 1. */
        if (px == NULL || qty == NULL || time == NULL || side == NULL || kind == NULL ||
            !tape_trade(t, s, 0, px, qty, side[0] == 's', kind[0] == 'm', tape_seconds_ns(time))) {
            return false;
        }
    }
    return s->e.trade_count != 0;
}

struct reader {
    struct tape *tape;
    bool (*on_array)(struct tape *t, const json_t *root, int64_t recv_ns);
};

static bool on_line(void *arg, char *line, size_t len)
{
    struct reader *r = arg;
    int64_t recv_ns = tape_seconds_ns(line);
    const char *body = strstr(line, ": ");
    json_t *root;
    bool ok = true;

    if (strncmp(line, "wss:", 4) == 0 || body == NULL) {
        return true; /* what the recorder did */
    }
    root = json_loadb(body + 2, len - (size_t)(body + 2 - line), 0, NULL);
    if (json_is_array(root)) {
        ok = recv_ns > 0 && r->on_array(r->tape, root, recv_ns);
    }
    json_decref(root);
    return ok;
}

bool tape_read_kraken_book(struct tape *t, const char *path)
{
    struct reader r = {t, on_book};

    return tape_lines(path, on_line, &r);
}

bool tape_read_kraken_trades(struct tape *t, const char *path)
{
    struct reader r = {t, on_trades};

    return tape_lines(path, on_line, &r);
}
