/* gateway/rest/rest_md.c - /v1/md/... and the pages that tell what this server is. */
#include <string.h>
#include "gateway/rest/rest_priv.h"
#include "gateway/runtime/clock.h"

#define JSON "application/json"

static void on_answer(struct rest_call *c, struct query *q)
{
    if (q == NULL) {
        http_reply_problem(c->req, GW_ETIMEOUT, "the market thread did not answer in 2 s");
    } else if (q->err != GW_OK) {
        http_reply_problem(c->req, q->err,
                           q->err == GW_EHALTED
                               ? "its status is in /0/public/AssetPairs; try again when it trades"
                               : "no snapshot of this symbol yet; try again");
    } else {
        http_reply(c->req, 200, JSON, q->body.data, q->body.len);
    }
}

/* The symbol of the path into Q; false after the reply. */
static bool read_symbol(struct rest *r, struct http_req *req, struct query *q)
{
    q->symbols[0] = symbols_find_rest(r->opt.symbols, http_param(req, "symbol"));
    q->symbol_count = 1;
    if (q->symbols[0] == SYMBOL_NONE) {
        http_reply_problem(req, GW_ESYMBOL,
                           "symbol: write it as BTC-USD, BTCUSD or BTC%2FUSD; "
                           "/0/public/AssetPairs lists all");
        return false;
    }
    return true;
}

void md_book(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_BOOK);
    const char *text = http_query(req, "depth");
    uint64_t depth = 0;
    bool full = text != NULL && strcmp(text, "full") == 0;

    if (!full && !rest_number(req, "depth", 1, 100000, 100, &depth)) {
        http_reply_problem(req, GW_ERANGE, "depth: 1 to 100000, or full");
    } else if (read_symbol(arg, req, q)) {
        q->depth = (uint32_t)depth;
        rest_ask(arg, req, &q, on_answer);
        return;
    }
    query_destroy(&q);
}

void md_trades(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_TRADES);
    uint64_t limit;
    uint64_t after;

    if (!rest_number(req, "limit", 1, 10000, 100, &limit)) {
        http_reply_problem(req, GW_ERANGE, "limit: 1 to 10000");
    } else if (!rest_number(req, "after_id", 0, INT64_MAX, 0, &after)) {
        http_reply_problem(req, GW_ERANGE, "after_id: a trade id");
    } else if (read_symbol(arg, req, q)) {
        q->limit = (uint32_t)limit;
        q->has_since = http_query(req, "after_id") != NULL;
        q->since = (int64_t)after;
        rest_ask(arg, req, &q, on_answer);
        return;
    }
    query_destroy(&q);
}

void md_candles(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_CANDLES);
    uint64_t minutes;
    uint64_t limit;
    uint64_t since;

    q->interval =
        rest_number(req, "interval", 1, 21600, 1, &minutes) ? candle_interval_index(minutes) : -1;
    if (q->interval < 0) {
        http_reply_problem(req, GW_ERANGE,
                           "interval: 1, 5, 15, 30, 60, 240, 1440, 10080 or 21600 (minutes)");
    } else if (!rest_number(req, "limit", 1, 1441, 120, &limit)) {
        http_reply_problem(req, GW_ERANGE, "limit: 1 to 1441");
    } else if (!rest_number(req, "since", 0, INT64_MAX, 0, &since)) {
        http_reply_problem(req, GW_ERANGE, "since: unix seconds");
    } else if (read_symbol(arg, req, q)) {
        q->limit = (uint32_t)limit;
        q->has_since = http_query(req, "since") != NULL;
        q->since = (int64_t)since;
        rest_ask(arg, req, &q, on_answer);
        return;
    }
    query_destroy(&q);
}

static void on_status(struct rest_call *c, struct query *q)
{
    struct buf body = {0};

    if (q == NULL) {
        http_reply_problem(c->req, GW_ETIMEOUT, "the market thread did not answer in 2 s");
        return;
    }
    buf_printf(&body, "{\"name\":\"portcullis\",\"version\":\"%s\",\"time\":\"", GW_VERSION);
    buf_rfc3339(&body, clock_real_ns(), 6);
    buf_lit(&body, "\",");
    buf_append(&body, q->body.data, q->body.len);
    buf_printf(&body, "%s%s,\"limits\":%s}", c->rest->control[0] != '\0' ? "," : "",
               c->rest->control, c->rest->opt.limits);
    http_reply(c->req, 200, JSON, body.data, body.len);
    buf_fini(&body);
}

void md_status(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_STATUS);

    rest_ask(arg, req, &q, on_status);
}

void md_limits(struct http_req *req, void *arg)
{
    const struct rest *r = arg;

    http_reply(req, 200, JSON, r->opt.limits, strlen(r->opt.limits));
}

void rest_root(struct http_req *req, void *arg)
{
    static const char text[] =
        "Portcullis: market data of this exchange, in Kraken's API v2.\n\n"
        "WebSocket   /v2 on the WebSocket port (channels book, trade, ohlc, ticker, instrument)\n"
        "REST        /0/public/{Time,SystemStatus,Assets,AssetPairs,Ticker,Depth,OHLC,Trades}\n"
        "            /v1/md/{symbol}/{book,trades,candles}\n"
        "            /v1/status  /v1/limits\n";

    (void)arg;
    http_reply(req, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}
