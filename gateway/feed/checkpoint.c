#include "gateway/feed/checkpoint.h"

#include <string.h>
#include <jansson.h>
#include "gateway/runtime/json.h"

#define CHECKPOINT_DEPTH 6u

void checkpoint_print(const struct instrument *in, const char *id, struct buf *out)
{
    const char *separator = "";

    buf_printf(out, "{\"id\":\"%s\",\"price_decimals\":%u,\"qty_decimals\":%u,\"running\":[", id,
               in->symbol->price_decimals, in->symbol->qty_decimals);
    for (int i = 0; i < CANDLE_INTERVALS; i++) {
        const struct candle *k = &in->candles.series[i].running;

        if (k->trades != 0) {
            buf_printf(out, "%s{\"i\":%u,\"k\":", separator, candle_minutes[i]);
            candle_print(k, out);
            buf_putc(out, '}');
            separator = ",";
        }
    }
    buf_lit(out, "]}");
}

static bool read_i64(const json_t *root, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(root, key);

    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= 0;
}

/* A non-negative decimal integer below 2^127. */
static bool read_i128(const json_t *v, __int128 *out)
{
    const char *text = json_string_value(v);
    size_t len = json_string_length(v);

    if (text == NULL || len == 0 || len > 38) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

static bool read_candle(const json_t *v, struct candle *out)
{
    int64_t trades;

    if (!read_i64(v, "b", &out->begin_s) || !read_i64(v, "o", &out->open.ticks) ||
        !read_i64(v, "h", &out->high.ticks) || !read_i64(v, "l", &out->low.ticks) ||
        !read_i64(v, "c", &out->close.ticks) || !read_i64(v, "v", &out->volume.lots) ||
        !read_i64(v, "n", &trades) || !read_i64(v, "ts", &out->last_ts_ns) ||
        !read_i128(json_object_get(v, "t"), &out->turnover)) {
        return false;
    }
    out->trades = (uint64_t)trades;
    return trades != 0;
}

bool checkpoint_candle(const char *text, size_t len, struct candle *out)
{
    json_t *root = json_parse_strict(text, len, CHECKPOINT_DEPTH);
    bool ok = json_is_object(root) && read_candle(root, out);

    json_decref(root);
    return ok;
}

static bool read_running(const json_t *list, struct candle running[CANDLE_INTERVALS])
{
    size_t i;
    json_t *row;

    if (!json_is_array(list)) {
        return false;
    }
    json_array_foreach(list, i, row)
    {
        uint64_t minutes = 0;
        int interval;

        if (!json_read_u64(json_object_get(row, "i"), &minutes)) {
            return false;
        }
        interval = candle_interval_index(minutes);
        if (interval < 0 || !read_candle(json_object_get(row, "k"), &running[interval])) {
            return false;
        }
    }
    return true;
}

bool checkpoint_restore(struct instrument *in, const char *text, size_t len, char id[FEED_ID_MAX])
{
    struct candle running[CANDLE_INTERVALS] = {0};
    json_t *root = json_parse_strict(text, len, CHECKPOINT_DEPTH);
    const json_t *name = json_object_get(root, "id");
    int64_t price_decimals;
    int64_t qty_decimals;
    bool ok = json_is_object(root) && json_is_string(name) &&
              json_string_length(name) < FEED_ID_MAX &&
              read_i64(root, "price_decimals", &price_decimals) &&
              read_i64(root, "qty_decimals", &qty_decimals) &&
              price_decimals == (int64_t)in->symbol->price_decimals &&
              qty_decimals == (int64_t)in->symbol->qty_decimals &&
              read_running(json_object_get(root, "running"), running);

    if (ok) {
        memcpy(id, json_string_value(name), json_string_length(name) + 1);
        for (int i = 0; i < CANDLE_INTERVALS; i++) {
            in->candles.series[i].running = running[i];
        }
    }
    json_decref(root);
    return ok;
}
