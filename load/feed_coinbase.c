/* load/feed_coinbase.c - Coinbase exchange feed recordings: level2, matches. `side` of a match is
 * the maker's: the taker is the other one (Coinbase Exchange documentation).
 * */
#include <string.h>
#include <time.h>
#include <jansson.h>
#include "load/feed_tape.h"

static uint32_t symbol_of(struct tape *t, const json_t *root)
{
    const char *product = json_string_value(json_object_get(root, "product_id"));
    char name[SYMBOL_NAME_MAX] = "";
    char *dash;

    (void)snprintf(name, sizeof name, "%s", product != NULL ? product : "?");
    dash = strchr(name, '-');
    if (dash != NULL) {
        *dash = '/';
    }
    return tape_symbol(t, name, false);
}

/* "2021-04-17T16:43:37.093357Z", FALLBACK when absent. */
static int64_t time_of(const json_t *root, int64_t fallback)
{
    const char *text = json_string_value(json_object_get(root, "time"));
    struct tm tm = {0};
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    int64_t micros = 0;

    if (rest == NULL) {
        return fallback;
    }
    if (*rest == '.') {
        char frac[24];

        (void)snprintf(frac, sizeof frac, "0%.*s", (int)strspn(rest, ".0123456789"), rest);
        if (fixed_parse(frac, strlen(frac), 9, &micros) != GW_OK) {
            micros = 0;
        }
    }
    return (int64_t)timegm(&tm) * 1000000000 + micros;
}

static bool on_snapshot(struct tape *t, const json_t *root, int64_t recv_ns)
{
    struct tape_step *s = tape_add(t, EVENT_BOOK_SNAPSHOT, symbol_of(t, root), recv_ns, recv_ns);

    return tape_levels(t, s, SIDE_BID, json_object_get(root, "bids")) &&
           tape_levels(t, s, SIDE_ASK, json_object_get(root, "asks"));
}

static bool on_update(struct tape *t, const json_t *root, int64_t recv_ns)
{
    struct tape_step *s =
        tape_add(t, EVENT_BOOK_DELTA, symbol_of(t, root), recv_ns, time_of(root, recv_ns));
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(root, "changes"), i, row)
    {
        const char *side = json_string_value(json_array_get(row, 0));
        const char *px = json_string_value(json_array_get(row, 1));
        const char *qty = json_string_value(json_array_get(row, 2));

        if (side == NULL || px == NULL || qty == NULL ||
            !tape_level(t, s, side[0] == 'b' ? SIDE_BID : SIDE_ASK, px, qty)) {
            return false;
        }
    }
    return true;
}

static bool on_match(struct tape *t, const json_t *root, int64_t recv_ns)
{
    int64_t ts_ns = time_of(root, recv_ns);
    struct tape_step *s = tape_add(t, EVENT_TRADE, symbol_of(t, root), recv_ns, ts_ns);
    const char *maker = json_string_value(json_object_get(root, "side"));
    const char *px = json_string_value(json_object_get(root, "price"));
    const char *qty = json_string_value(json_object_get(root, "size"));
    json_int_t id = json_integer_value(json_object_get(root, "trade_id"));

    return maker != NULL && px != NULL && qty != NULL &&
           tape_trade(t, s, (uint64_t)id, px, qty, maker[0] == 'b', true, ts_ns);
}

static bool on_line(void *arg, char *line, size_t len)
{
    struct tape *t = arg;
    int64_t recv_ns = tape_seconds_ns(line);
    const char *body = strstr(line, ": ");
    json_t *root;
    const char *type;
    bool ok = true;

    if (strncmp(line, "wss:", 4) == 0 || body == NULL) {
        return true;
    }
    root = json_loadb(body + 2, len - (size_t)(body + 2 - line), 0, NULL);
    type = json_string_value(json_object_get(root, "type"));
    if (type != NULL && strcmp(type, "snapshot") == 0) {
        ok = on_snapshot(t, root, recv_ns);
    } else if (type != NULL && strcmp(type, "l2update") == 0) {
        ok = on_update(t, root, recv_ns);
    } else if (type != NULL && strcmp(type, "match") == 0) {
        ok = on_match(t, root, recv_ns);
    }
    json_decref(root);
    return ok;
}

bool tape_read_coinbase(struct tape *t, const char *path)
{
    return tape_lines(path, on_line, t);
}
