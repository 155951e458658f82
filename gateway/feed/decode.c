#include "gateway/feed/decode.h"

#include <string.h>
#include <jansson.h>
#include "gateway/runtime/json.h"

#define DECODE_FAULT_AS_TEXT(sym, text) text,
const char *const decode_fault_names[DECODE_FAULT_COUNT] = {DECODE_FAULTS(DECODE_FAULT_AS_TEXT)};

static const char *const type_names[EVENT_TYPE_COUNT] = {"book_snapshot", "book_delta", "trade",
                                                         "status"};

static bool epoch_valid(const char *s, size_t len)
{
    if (len == 0 || len >= EPOCH_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

static bool read_type(const json_t *v, enum event_type *out)
{
    for (unsigned i = 0; json_is_string(v) && i < EVENT_TYPE_COUNT; i++) {
        if (strcmp(json_string_value(v), type_names[i]) == 0) {
            *out = (enum event_type)i;
            return true;
        }
    }
    return false;
}

/* A decimal string with at most DECIMALS decimals. */
static bool read_fixed(const json_t *v, unsigned decimals, int64_t *out)
{
    return json_is_string(v) &&
           fixed_parse(json_string_value(v), json_string_length(v), decimals, out) == GW_OK;
}

static bool read_time(const json_t *v, int64_t *out)
{
    uint64_t ns;

    if (!json_read_u64(v, &ns) || ns > INT64_MAX) {
        return false;
    }
    *out = (int64_t)ns;
    return true;
}

static enum decode_fault read_levels(const json_t *list, enum side side, const struct symbol *sym,
                                     struct feed_event *e)
{
    size_t i;
    json_t *pair;

    if (list == NULL) {
        return DECODE_NONE; /* a side without changes may be left out */
    }
    if (!json_is_array(list)) {
        return DECODE_LEVELS;
    }
    json_array_foreach(list, i, pair)
    {
        struct level level;

        if (!json_is_array(pair) || json_array_size(pair) != 2) {
            return DECODE_LEVELS;
        }
        if (!read_fixed(json_array_get(pair, 0), sym->price_decimals, &level.px.ticks) ||
            level.px.ticks <= 0) {
            return DECODE_PRICE;
        }
        if (!read_fixed(json_array_get(pair, 1), sym->qty_decimals, &level.qty.lots) ||
            level.qty.lots < 0) {
            return DECODE_QTY;
        }
        *feed_event_add_level(e, side) = level;
    }
    return DECODE_NONE;
}

static bool read_choice(const json_t *v, const char *no, const char *yes, bool *out)
{
    const char *text = json_string_value(v);

    if (text == NULL || (strcmp(text, no) != 0 && strcmp(text, yes) != 0)) {
        return false;
    }
    *out = strcmp(text, yes) == 0;
    return true;
}

static enum decode_fault read_trade(const json_t *v, const struct symbol *sym, struct feed_event *e)
{
    const json_t *ts = json_object_get(v, "ts_ns");
    struct trade t = {.ts_ns = e->ts_ns, .seq = e->seq};

    if (!json_is_object(v) || !json_read_u64(json_object_get(v, "id"), &t.id) || t.id == 0 ||
        !read_choice(json_object_get(v, "side"), "buy", "sell", &t.taker_sells) ||
        !read_choice(json_object_get(v, "ord_type"), "limit", "market", &t.market_order)) {
        return DECODE_TRADES;
    }
    if (!read_fixed(json_object_get(v, "price"), sym->price_decimals, &t.px.ticks) ||
        t.px.ticks <= 0) {
        return DECODE_PRICE;
    }
    if (!read_fixed(json_object_get(v, "qty"), sym->qty_decimals, &t.qty.lots) || t.qty.lots <= 0) {
        return DECODE_QTY;
    }
    if (ts != NULL && !read_time(ts, &t.ts_ns)) {
        return DECODE_TIME;
    }
    *feed_event_add_trade(e) = t;
    return DECODE_NONE;
}

static enum decode_fault read_trades(const json_t *list, const struct symbol *sym,
                                     struct feed_event *e)
{
    enum decode_fault fault = DECODE_NONE;

    if (!json_is_array(list) || json_array_size(list) == 0) {
        return DECODE_TRADES;
    }
    for (size_t i = 0; fault == DECODE_NONE && i < json_array_size(list); i++) {
        fault = read_trade(json_array_get(list, i), sym, e);
    }
    return fault;
}

static enum decode_fault read_head(const json_t *root, const struct symbol *sym,
                                   struct feed_event *e)
{
    const json_t *epoch = json_object_get(root, "epoch");
    const char *name = json_string_value(json_object_get(root, "symbol"));

    if (!read_type(json_object_get(root, "type"), &e->type)) {
        return DECODE_TYPE;
    }
    if (name == NULL || strcmp(name, sym->name) != 0) {
        return DECODE_SYMBOL;
    }
    if (!json_read_u64(json_object_get(root, "seq"), &e->seq)) {
        return DECODE_SEQ;
    }
    if (!json_is_string(epoch) ||
        !epoch_valid(json_string_value(epoch), json_string_length(epoch))) {
        return DECODE_EPOCH;
    }
    memset(e->epoch, 0, sizeof e->epoch);
    memcpy(e->epoch, json_string_value(epoch), json_string_length(epoch));
    return read_time(json_object_get(root, "ts_ns"), &e->ts_ns) ? DECODE_NONE : DECODE_TIME;
}

static enum decode_fault read_body(const json_t *root, const struct symbol *sym,
                                   struct feed_event *e)
{
    const json_t *status = json_object_get(root, "status");
    enum decode_fault fault;

    switch (e->type) {
    case EVENT_BOOK_SNAPSHOT:
    case EVENT_BOOK_DELTA:
        fault = read_levels(json_object_get(root, "bids"), SIDE_BID, sym, e);
        return fault != DECODE_NONE ? fault
                                    : read_levels(json_object_get(root, "asks"), SIDE_ASK, sym, e);
    case EVENT_TRADE:
        return read_trades(json_object_get(root, "trades"), sym, e);
    case EVENT_STATUS:
        break;
    }
    return json_is_string(status) && pair_status_parse(json_string_value(status),
                                                       json_string_length(status), &e->status)
               ? DECODE_NONE
               : DECODE_STATUS;
}

enum decode_fault decode_entry(const char *json, size_t len, const struct symbol *sym,
                               uint32_t number, struct feed_event *e)
{
    enum decode_fault fault;
    json_t *root;

    e->level_count[0] = 0;
    e->level_count[1] = 0;
    e->trade_count = 0;
    e->symbol = number;
    if (len > FEED_ENTRY_MAX_BYTES) {
        return DECODE_TOO_BIG;
    }
    root = json != NULL ? json_parse_strict(json, len, FEED_JSON_MAX_DEPTH) : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        return DECODE_JSON;
    }
    fault = read_head(root, sym, e);
    fault = fault != DECODE_NONE ? fault : read_body(root, sym, e);
    json_decref(root);
    return fault;
}
