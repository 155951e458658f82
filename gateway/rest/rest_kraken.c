/* gateway/rest/rest_kraken.c - /0/public/...: arguments in, Kraken's envelope out. Errors are HTTP
 * 200 with an `error` array, as Kraken's clients expect. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "gateway/base/fixed.h"
#include "gateway/rest/rest_priv.h"
#include "gateway/runtime/clock.h"

#define JSON "application/json"

static void reply_error(struct http_req *req, const char *error)
{
    struct buf body = {0};

    buf_printf(&body, "{\"error\":[\"%s\"]}", error);
    http_reply(req, 200, JSON, body.data, body.len);
    buf_fini(&body);
}

void kraken_limited(struct http_req *req)
{
    reply_error(req, "EAPI:Rate limit exceeded");
}

static void reply_argument(struct http_req *req, const char *name)
{
    char text[64];

    (void)snprintf(text, sizeof text, "EGeneral:Invalid arguments:%s", name);
    reply_error(req, text);
}

static void on_answer(struct rest_call *c, struct query *q)
{
    if (q == NULL || q->err != GW_OK) {
        reply_error(c->req, "EService:Unavailable");
    } else {
        http_reply(c->req, 200, JSON, q->body.data, q->body.len);
    }
}

/* Adds the pair that starts at TEXT to Q; the same name again changes nothing (a key of JSON occurs
 * once). Returns Kraken's text of what is wrong, NULL when all is well. */
static const char *add_pair(const struct symbols *symbols, struct query *q, uint32_t most,
                            const char *text, size_t len)
{
    char name[SYMBOL_NAME_MAX] = "";
    uint32_t number;

    if (len >= sizeof name) {
        return "EGeneral:Invalid arguments:pair";
    }
    memcpy(name, text, len);
    number = symbols_find_rest(symbols, name);
    if (number == SYMBOL_NONE) {
        return "EQuery:Unknown asset pair";
    }
    for (uint32_t i = 0; i < q->symbol_count; i++) {
        if (strcmp(q->names[i], name) == 0) {
            return NULL;
        }
    }
    if (q->symbol_count == most) {
        return "EGeneral:Invalid arguments:pair";
    }
    memcpy(q->names[q->symbol_count], name, sizeof name);
    q->symbols[q->symbol_count++] = number;
    return NULL;
}

/* Parameter `pair` into Q: up to MOST, separated by commas. Absent means all, unless NEEDED. False
 * after the reply. */
static bool read_pairs(struct rest *r, struct http_req *req, struct query *q, uint32_t most,
                       bool needed)
{
    const char *text = http_query(req, "pair");

    if (text == NULL) {
        if (needed) {
            reply_argument(req, "pair");
        }
        return !needed;
    }
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        const char *wrong = add_pair(r->opt.symbols, q, most, text, len);

        if (wrong != NULL) {
            reply_error(req, wrong);
            return false;
        }
        text += len + (text[len] == ',');
    }
    if (q->symbol_count == 0) {
        reply_argument(req, "pair");
    }
    return q->symbol_count != 0;
}

static void ask(struct http_req *req, struct rest *r, struct query *q, uint32_t most, bool needed)
{
    if (read_pairs(r, req, q, most, needed)) {
        rest_ask(r, req, &q, on_answer);
    } else {
        query_destroy(&q);
    }
}

/* Calls that take several pairs, or none for all. */
static void ask_pairs(struct http_req *req, struct rest *r, struct query *q)
{
    ask(req, r, q, QUERY_SYMBOLS_MAX, false);
}

/* Calls about exactly one pair. */
static void ask_pair(struct http_req *req, struct rest *r, struct query *q)
{
    ask(req, r, q, 1, true);
}

void kraken_time(struct http_req *req, void *arg)
{
    struct buf body = {0};
    time_t now = (time_t)(clock_real_ns() / 1000000000);
    char text[64];
    struct tm tm;

    (void)arg;
    gmtime_r(&now, &tm);
    (void)strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    buf_printf(&body, "{\"error\":[],\"result\":{\"unixtime\":%lld,\"rfc1123\":\"%s\"}}",
               (long long)now, text);
    http_reply(req, 200, JSON, body.data, body.len);
    buf_fini(&body);
}

void kraken_system_status(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_KRAKEN_SYSTEM_STATUS);

    rest_ask(arg, req, &q, on_answer);
}

/* Is ID among the comma-separated names of LIST? */
static bool listed(const char *list, const char *id)
{
    size_t id_len = strlen(id);

    for (;;) {
        size_t len = strcspn(list, ",");

        if (len == id_len && memcmp(list, id, len) == 0) {
            return true;
        }
        if (list[len] == '\0') {
            return false;
        }
        list += len + 1;
    }
}

/* Is each of the comma-separated names of LIST an asset of ours? */
static bool all_known(const struct symbols *symbols, const char *list)
{
    for (;;) {
        size_t len = strcspn(list, ",");
        uint32_t i = 0;

        while (i < symbols_asset_count(symbols) &&
               (strlen(symbols_asset_at(symbols, i)->id) != len ||
                memcmp(symbols_asset_at(symbols, i)->id, list, len) != 0)) {
            i++;
        }
        if (i == symbols_asset_count(symbols)) {
            return false;
        }
        if (list[len] == '\0') {
            return true;
        }
        list += len + 1;
    }
}

/* Assets do not change while the daemon runs: no need to ask the market. */
void kraken_assets(struct http_req *req, void *arg)
{
    const struct rest *r = arg;
    const char *wanted = http_query(req, "asset");
    struct buf body = {0};
    const char *separator = "";

    if (wanted != NULL && !all_known(r->opt.symbols, wanted)) {
        reply_error(req, "EQuery:Unknown asset");
        return;
    }
    buf_lit(&body, "{\"error\":[],\"result\":{");
    for (uint32_t i = 0; i < symbols_asset_count(r->opt.symbols); i++) {
        const struct asset *a = symbols_asset_at(r->opt.symbols, i);

        if (wanted == NULL || listed(wanted, a->id)) {
            buf_printf(&body,
                       "%s\"%s\":{\"aclass\":\"currency\",\"altname\":\"%s\",\"decimals\":%u,"
                       "\"display_decimals\":%u,\"status\":\"%s\"}",
                       separator, a->id, a->id, a->precision, a->precision,
                       r->gate->no_withdrawals[i] ? "deposit_only" : "enabled");
            separator = ",";
        }
    }
    buf_lit(&body, "}}");
    http_reply(req, 200, JSON, body.data, body.len);
    buf_fini(&body);
}

void kraken_asset_pairs(struct http_req *req, void *arg)
{
    ask_pairs(req, arg, rest_query(QUERY_KRAKEN_ASSET_PAIRS));
}

void kraken_ticker(struct http_req *req, void *arg)
{
    ask_pairs(req, arg, rest_query(QUERY_KRAKEN_TICKER));
}

void kraken_depth(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_KRAKEN_DEPTH);
    uint64_t count;

    if (!rest_number(req, "count", 1, 500, 100, &count)) {
        reply_argument(req, "count");
        query_destroy(&q);
        return;
    }
    q->depth = (uint32_t)count;
    ask_pair(req, arg, q);
}

/* Parameter `since`, at most MAX. False after the reply. */
static bool read_since(struct http_req *req, struct query *q)
{
    uint64_t since;

    if (!rest_number(req, "since", 0, INT64_MAX, 0, &since)) {
        reply_argument(req, "since");
        return false;
    }
    q->has_since = http_query(req, "since") != NULL;
    q->since = (int64_t)since;
    return true;
}

void kraken_ohlc(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_KRAKEN_OHLC);
    uint64_t minutes;

    q->interval =
        rest_number(req, "interval", 1, 21600, 1, &minutes) ? candle_interval_index(minutes) : -1;
    if (q->interval < 0) {
        reply_argument(req, "interval");
    } else if (read_since(req, q)) {
        ask_pair(req, arg, q);
        return;
    }
    query_destroy(&q);
}

void kraken_trades(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_KRAKEN_TRADES);
    uint64_t count;

    if (!rest_number(req, "count", 1, 1000, 1000, &count)) {
        reply_argument(req, "count");
    } else if (read_since(req, q)) {
        q->limit = (uint32_t)count;
        ask_pair(req, arg, q);
        return;
    }
    query_destroy(&q);
}
