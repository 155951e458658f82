#include "ws/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "gateway/base/fixed.h"
#include "gateway/market/candles.h"
#include "gateway/publish/link.h"
#include "gateway/runtime/json.h"

#define WS_CHANNEL_AS_TEXT(sym, text) text,
const char *const ws_channel_names[WS_CHANNEL_COUNT] = {WS_CHANNELS(WS_CHANNEL_AS_TEXT)};
const char *const ws_on_lag_names[3] = {"diff", "snapshot", "evict"};

static const char *const method_names[] = {
    [WS_SUBSCRIBE] = "subscribe", [WS_UNSUBSCRIBE] = "unsubscribe", [WS_PING] = "ping"};

#define ON(ch) (1u << WS_CH_##ch)
#define ON_ALL ((1u << WS_CHANNEL_COUNT) - 1)

typedef bool param_fn(const json_t *v, struct ws_request *r);

/* The text of the refusal, WHAT appended. */
static bool refuse(struct ws_request *r, const char *text, const char *what)
{
    (void)snprintf(r->error, sizeof r->error, "%s%s", text, what);
    return false;
}

static bool invalid(struct ws_request *r, const char *field)
{
    return refuse(r, "EGeneral:Invalid arguments:", field);
}

static bool unsupported(struct ws_request *r, const char *prefix, const char *field)
{
    (void)snprintf(r->error, sizeof r->error,
                   "Unsupported field: '%s%.64s' for the given msg type: %s", prefix, field,
                   method_names[r->method]);
    return false;
}

/* --- params ------------------------------------------------------------------------------------
 */

static bool name_ok(const char *s, size_t len)
{
    const char *slash = memchr(s, '/', len);

    if (len >= WS_SYMBOL_MAX || strlen(s) != len || slash == NULL || slash == s ||
        slash == s + len - 1) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-' || s + i == slash)) {
            return false;
        }
    }
    return true;
}

static bool add_symbol(struct ws_request *r, const json_t *v)
{
    const char *name = json_string_value(v);

    if (name == NULL) {
        return refuse(r, "Symbol field must be an array", "");
    }
    if (!name_ok(name, json_string_length(v))) {
        char shown[WS_SYMBOL_MAX];

        (void)snprintf(shown, sizeof shown, "%s", name);
        return refuse(r, "Currency pair not in ISO 4217-A3 format ", shown);
    }
    for (uint32_t i = 0; i < r->symbol_count; i++) {
        if (strcmp(r->symbols[i], name) == 0) {
            return true;
        }
    }
    memcpy(r->symbols[r->symbol_count++], name, strlen(name) + 1);
    return true;
}

static bool read_symbol(const json_t *v, struct ws_request *r)
{
    size_t count = json_array_size(v);

    if (!json_is_array(v)) {
        return refuse(r, "Symbol field must be an array", "");
    }
    if (count == 0 || count > WS_REQUEST_SYMBOLS_MAX) {
        return invalid(r, "symbol");
    }
    r->symbols = gw_calloc(count, sizeof *r->symbols);
    for (size_t i = 0; i < count; i++) {
        if (!add_symbol(r, json_array_get(v, i))) {
            return false;
        }
    }
    return true;
}

static bool read_depth(const json_t *v, struct ws_request *r)
{
    static const json_int_t depths[] = {10, 25, 100, 500, 1000};

    for (unsigned i = 0; json_is_integer(v) && i < GW_LEN(depths); i++) {
        if (json_integer_value(v) == depths[i]) {
            r->has_depth = true;
            r->depth = (uint32_t)depths[i];
            return true;
        }
    }
    return refuse(r, "Subscription depth not supported", "");
}

static bool read_interval(const json_t *v, struct ws_request *r)
{
    uint64_t minutes;

    if (!json_is_integer(v) || !json_read_u64(v, &minutes) || candle_interval_index(minutes) < 0) {
        return refuse(r, "Subscription ohlc interval not supported", "");
    }
    r->interval = (uint32_t)minutes;
    return true;
}

static bool read_snapshot(const json_t *v, struct ws_request *r)
{
    r->snapshot = json_is_true(v);
    return json_is_boolean(v) || invalid(r, "snapshot");
}

static bool read_trigger(const json_t *v, struct ws_request *r)
{
    const char *text = json_string_value(v);

    if (text == NULL || (strcmp(text, "bbo") != 0 && strcmp(text, "trades") != 0)) {
        return invalid(r, "event_trigger");
    }
    r->bbo = strcmp(text, "bbo") == 0;
    return true;
}

static bool read_token(const json_t *v, struct ws_request *r)
{
    size_t len = json_string_length(v);

    if (!json_is_string(v) || len >= WS_TOKEN_MAX || strlen(json_string_value(v)) != len) {
        return invalid(r, "token");
    }
    memcpy(r->token, json_string_value(v), len + 1);
    return true;
}

static bool read_on_lag(const json_t *v, struct ws_request *r)
{
    for (unsigned i = 0; json_is_string(v) && i < GW_LEN(ws_on_lag_names); i++) {
        if (strcmp(json_string_value(v), ws_on_lag_names[i]) == 0) {
            r->on_lag = (enum ws_on_lag)i;
            return true;
        }
    }
    return invalid(r, "gw.on_lag");
}

static bool read_interval_ms(const json_t *v, struct ws_request *r)
{
    uint64_t ms;

    if (!json_is_integer(v) || !json_read_u64(v, &ms) || interval_class(ms) < 0) {
        return invalid(r, "gw.interval_ms");
    }
    r->interval_ms = (uint32_t)ms;
    return true;
}

/* --- gw.resume ---------------------------------------------------------------------------------
 */

static bool is_word(const char *text, size_t len, const char *alphabet, size_t max)
{
    return len != 0 && len < max && strlen(text) == len && strspn(text, alphabet) == len;
}

static bool read_session(const json_t *v, struct ws_request *r)
{
    const char *text = json_string_value(v);

    if (text == NULL || strncmp(text, "c-", 2) != 0 ||
        !is_word(text + 2, json_string_length(v) - 2, "0123456789abcdef", WS_SESSION_MAX - 2)) {
        return invalid(r, "gw.resume.session");
    }
    memcpy(r->session, text, json_string_length(v) + 1);
    return true;
}

static bool read_epoch(const json_t *v, struct ws_request *r)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *text = json_string_value(v);

    if (text == NULL || !is_word(text, json_string_length(v), letters, WS_EPOCH_MAX)) {
        return invalid(r, "gw.resume.e");
    }
    memcpy(r->epoch, text, json_string_length(v) + 1);
    return true;
}

static bool read_place(const json_t *v, const struct ws_request *r, uint64_t *out)
{
    int64_t ns;

    if (r->channel == WS_CH_OHLC) {
        if (!json_is_string(v) ||
            rfc3339_parse(json_string_value(v), json_string_length(v), &ns) != GW_OK || ns <= 0) {
            return false;
        }
        *out = (uint64_t)(ns / 1000000000);
        return true;
    }
    return json_is_integer(v) && json_read_u64(v, out) && *out != WS_NO_PLACE;
}

/* {"BTC/USD": place, ...}: only symbols of the request. */
static bool read_places(const json_t *v, const char *field, struct ws_request *r)
{
    const char *name;
    json_t *member;

    if (!json_is_object(v)) {
        return invalid(r, field);
    }
    json_object_foreach((json_t *)(uintptr_t)v, name, member)
    {
        uint32_t i = 0;

        while (i < r->symbol_count && strcmp(r->symbols[i], name) != 0) {
            i++;
        }
        if (i == r->symbol_count || !read_place(member, r, &r->places[i])) {
            return invalid(r, field);
        }
    }
    return true;
}

/* After all of params, since it speaks of their symbols. */
static bool read_resume(const json_t *v, struct ws_request *r)
{
    static const char *const fields[] = {
        [WS_CH_BOOK] = "s", [WS_CH_TRADE] = "trade_id", [WS_CH_OHLC] = "interval_begin"};
    const char *name;
    json_t *member;
    char field[32];

    if (!json_is_object(v) || r->channel > WS_CH_OHLC) {
        return invalid(r, "gw.resume");
    }
    r->has_resume = true;
    r->places = gw_malloc(r->symbol_count * sizeof *r->places);
    for (uint32_t i = 0; i < r->symbol_count; i++) {
        r->places[i] = WS_NO_PLACE;
    }
    (void)snprintf(field, sizeof field, "gw.resume.%s", fields[r->channel]);
    json_object_foreach((json_t *)(uintptr_t)v, name, member)
    {
        bool ok = strcmp(name, "session") == 0            ? read_session(member, r)
                  : strcmp(name, "e") == 0                ? read_epoch(member, r)
                  : strcmp(name, fields[r->channel]) == 0 ? read_places(member, field, r)
                                                          : unsupported(r, "gw.resume.", name);

        if (!ok) {
            return false;
        }
    }
    return r->epoch[0] != '\0' || invalid(r, "gw.resume.e");
}

/* Members of our own acks, which python-kraken-sdk sends back as params (docs/PROTOCOL.md). */
static bool ignore(const json_t *v, struct ws_request *r)
{
    (void)v;
    (void)r;
    return true;
}

struct param {
    const char *name;
    param_fn *read;
    unsigned channels; /* where it may stand */
};

static const struct param gw_params[] = {
    {"interval_ms", read_interval_ms, ON_ALL},
    {"on_lag", read_on_lag, ON_ALL},
    {"resume", ignore, ON_ALL}, /* read last: read_resume() */
    {"session", ignore, ON_ALL},
    {"e", ignore, ON_ALL},
    {"resumed", ignore, ON_ALL},
    {"why", ignore, ON_ALL},
    {"from", ignore, ON_ALL},
    {"to", ignore, ON_ALL},
    {"frames", ignore, ON_ALL},
    {"effective_ms", ignore, ON_ALL},
    {"missing", ignore, ON_ALL},
    {"backfill", ignore, ON_ALL},
    {"last_close", ignore, ON_ALL},
};

static const struct param *find_param(const struct param *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static bool read_gw(const json_t *v, struct ws_request *r)
{
    const char *name;
    json_t *member;

    if (!json_is_object(v)) {
        return invalid(r, "gw");
    }
    r->has_gw = true;
    json_object_foreach((json_t *)(uintptr_t)v, name, member)
    {
        const struct param *p = find_param(gw_params, GW_LEN(gw_params), name);

        if (p == NULL) {
            return unsupported(r, "gw.", name);
        }
        if (!p->read(member, r)) {
            return false;
        }
    }
    return true;
}

#define ON_SYMBOLS (ON(BOOK) | ON(TRADE) | ON(OHLC) | ON(TICKER))

static const struct param params[] = {
    {"channel", ignore, ON_ALL},
    {"symbol", read_symbol, ON_SYMBOLS},
    {"depth", read_depth, ON(BOOK)},
    {"interval", read_interval, ON(OHLC)},
    {"event_trigger", read_trigger, ON(TICKER)},
    {"snapshot", read_snapshot, ON_SYMBOLS | ON(INSTRUMENT)},
    {"include_tokenized_assets", ignore, ON(INSTRUMENT)},
    {"execution_venue", ignore, ON(INSTRUMENT)},
    {"token", read_token, ON_ALL},
    {"warnings", ignore, ON_ALL},
    {"gw", read_gw, ON_ALL},
};

static bool read_channel(const json_t *v, struct ws_request *r)
{
    for (unsigned i = 0; json_is_string(v) && i < WS_CHANNEL_COUNT; i++) {
        if (strcmp(json_string_value(v), ws_channel_names[i]) == 0) {
            r->channel = (enum ws_channel)i;
            return true;
        }
    }
    return invalid(r, "channel");
}

/* The ack of one symbol, sent back as params, names it as plain text. */
static bool read_params(const json_t *v, struct ws_request *r)
{
    const json_t *resume = json_object_get(json_object_get(v, "gw"), "resume");
    const char *name;
    json_t *member;

    if (!json_is_object(v)) {
        return refuse(r, "Malformed request", "");
    }
    if (!read_channel(json_object_get(v, "channel"), r)) {
        return false;
    }
    r->snapshot = r->channel != WS_CH_TRADE;
    json_object_foreach((json_t *)(uintptr_t)v, name, member)
    {
        const struct param *p = find_param(params, GW_LEN(params), name);

        if (p == NULL || (p->channels >> r->channel & 1) == 0) {
            return unsupported(r, "", name);
        }
        if (!p->read(member, r)) {
            return false;
        }
    }
    if ((ON_SYMBOLS >> r->channel & 1) != 0 && r->symbol_count == 0) {
        return invalid(r, "symbol");
    }
    return resume == NULL || r->method != WS_SUBSCRIBE || read_resume(resume, r);
}

/* --- envelope ----------------------------------------------------------------------------------
 */

static bool read_method(const json_t *v, struct ws_request *r)
{
    for (unsigned i = WS_SUBSCRIBE; json_is_string(v) && i < GW_LEN(method_names); i++) {
        if (strcmp(json_string_value(v), method_names[i]) == 0) {
            r->method = (enum ws_method)i;
            return true;
        }
    }
    return refuse(r, json_is_string(v) ? "Event(s) not found" : "Malformed request", "");
}

static bool read_envelope(const json_t *root, struct ws_request *r)
{
    const json_t *req_id = json_object_get(root, "req_id");
    const json_t *body = json_object_get(root, "params");
    const char *name;
    json_t *member;

    if (!json_is_object(root)) {
        return refuse(r, "Malformed request", "");
    }
    if (json_is_integer(req_id)) {
        r->has_req_id = true;
        r->req_id = json_integer_value(req_id);
    }
    if (!read_method(json_object_get(root, "method"), r)) {
        return false;
    }
    if (req_id != NULL && !r->has_req_id) {
        return invalid(r, "req_id");
    }
    json_object_foreach((json_t *)(uintptr_t)root, name, member)
    {
        if (strcmp(name, "method") != 0 && strcmp(name, "req_id") != 0 &&
            strcmp(name, "params") != 0) {
            return unsupported(r, "", name);
        }
    }
    return r->method == WS_PING || read_params(body, r);
}

enum gw_err ws_request_parse(const char *text, size_t len, struct ws_request *out)
{
    json_t *root = json_parse_strict(text, len, WS_JSON_MAX_DEPTH);
    bool ok;

    *out = (struct ws_request){.depth = 10, .interval = 1, .interval_ms = 50};
    if (root == NULL) {
        (void)refuse(out, "Malformed request", "");
        return GW_EINVAL;
    }
    ok = read_envelope(root, out);
    json_decref(root);
    return ok ? GW_OK : GW_EFIELD;
}

void ws_request_fini(struct ws_request *r)
{
    explicit_bzero(r->token, sizeof r->token);
    free(r->symbols);
    free(r->places);
    r->symbols = NULL;
    r->places = NULL;
    r->symbol_count = 0;
}
