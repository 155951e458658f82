#include "gateway/rest/shapes.h"

#include <string.h>
#include "gateway/rest/dashboard.h"
#include "gateway/rest/rest.h"

/* clang-format off */
static const struct shape_member members[] = {
    {"KrakenErrors", "=", "string[]", "empty, or why it was refused; the status is 200 all the same"},
    {"KrakenTime", "error", "KrakenErrors", ""},
    {"KrakenTime", "result?", "KrakenTimeResult", ""},
    {"KrakenTimeResult", "unixtime", "integer", ""},
    {"KrakenTimeResult", "rfc1123", "string", ""},
    {"KrakenSystemStatus", "error", "KrakenErrors", ""},
    {"KrakenSystemStatus", "result?", "KrakenSystem", ""},
    {"KrakenSystem", "status", "'online'|'cancel_only'|'post_only'|'maintenance'", ""},
    {"KrakenSystem", "timestamp", "time", ""},
    {"KrakenAssets", "error", "KrakenErrors", ""},
    {"KrakenAssets", "result?", "{KrakenAsset}", ""},
    {"KrakenAsset", "aclass", "string", ""},
    {"KrakenAsset", "altname", "string", ""},
    {"KrakenAsset", "decimals", "integer", ""},
    {"KrakenAsset", "display_decimals", "integer", ""},
    {"KrakenAsset", "status", "string", ""},
    {"KrakenAssetPairs", "error", "KrakenErrors", ""},
    {"KrakenAssetPairs", "result?", "{KrakenAssetPair}", "by the name that was asked for"},
    {"KrakenAssetPair", "altname", "string", ""},
    {"KrakenAssetPair", "wsname", "string", ""},
    {"KrakenAssetPair", "aclass_base", "string", ""},
    {"KrakenAssetPair", "base", "string", ""},
    {"KrakenAssetPair", "aclass_quote", "string", ""},
    {"KrakenAssetPair", "quote", "string", ""},
    {"KrakenAssetPair", "lot", "string", ""},
    {"KrakenAssetPair", "cost_decimals", "integer", ""},
    {"KrakenAssetPair", "pair_decimals", "integer", ""},
    {"KrakenAssetPair", "lot_decimals", "integer", ""},
    {"KrakenAssetPair", "lot_multiplier", "integer", ""},
    {"KrakenAssetPair", "leverage_buy", "integer[]", ""},
    {"KrakenAssetPair", "leverage_sell", "integer[]", ""},
    {"KrakenAssetPair", "fees", "number[][]", ""},
    {"KrakenAssetPair", "fees_maker", "number[][]", ""},
    {"KrakenAssetPair", "ordermin", "decimal", ""},
    {"KrakenAssetPair", "costmin", "decimal", ""},
    {"KrakenAssetPair", "tick_size", "decimal", ""},
    {"KrakenAssetPair", "status", "string", ""},
    {"KrakenTickers", "error", "KrakenErrors", ""},
    {"KrakenTickers", "result?", "{KrakenTicker}", ""},
    {"KrakenTicker", "a", "[decimal,string,decimal]", "best ask, whole lots, volume"},
    {"KrakenTicker", "b", "[decimal,string,decimal]", "best bid"},
    {"KrakenTicker", "c", "[decimal,decimal]", "last trade"},
    {"KrakenTicker", "v", "[decimal,decimal]", "volume today, and over the last 24 hours"},
    {"KrakenTicker", "p", "[decimal,decimal]", "volume-weighted average price"},
    {"KrakenTicker", "t", "[integer,integer]", "trades"},
    {"KrakenTicker", "l", "[decimal,decimal]", "low"},
    {"KrakenTicker", "h", "[decimal,decimal]", "high"},
    {"KrakenTicker", "o", "decimal", "open"},
    {"KrakenDepth", "error", "KrakenErrors", ""},
    {"KrakenDepth", "result?", "{KrakenBook}", ""},
    {"KrakenBook", "asks", "[decimal,decimal,integer][]", "price, quantity, time"},
    {"KrakenBook", "bids", "[decimal,decimal,integer][]", ""},
    {"KrakenOHLC", "error", "KrakenErrors", ""},
    {"KrakenOHLC", "result?", "{KrakenCandle[]|integer}", "rows by the name of the pair, and `last`"},
    {"KrakenCandle", "=", "[integer,decimal,decimal,decimal,decimal,decimal,decimal,integer]", "begin, open, high, low, close, vwap, volume, trades"},
    {"KrakenTrades", "error", "KrakenErrors", ""},
    {"KrakenTrades", "result?", "{KrakenTrade[]|string}", "rows by the name of the pair, and `last`"},
    {"KrakenTrade", "=", "[decimal,decimal,number,'b'|'s','m'|'l',string,integer]", "price, volume, time, side, order type, remarks, id"},
    {"KrakenToken", "error", "KrakenErrors", ""},
    {"KrakenToken", "result?", "KrakenTokenResult", ""},
    {"KrakenTokenResult", "token", "string", ""},
    {"KrakenTokenResult", "expires", "integer", "seconds"},
    {"KrakenRefusal", "error", "KrakenErrors", ""},
    {"KrakenNonce", "nonce", "string", ""},

    {"Level", "=", "[decimal,decimal]", "price, quantity"},
    {"Book", "symbol", "string", ""},
    {"Book", "state", "string", ""},
    {"Book", "epoch", "string", ""},
    {"Book", "seq", "integer", ""},
    {"Book", "checksum", "integer", "of the ten best levels, as on the wire"},
    {"Book", "timestamp", "time", ""},
    {"Book", "bids", "Level[]", ""},
    {"Book", "asks", "Level[]", ""},
    {"Trade", "trade_id", "integer", ""},
    {"Trade", "price", "decimal", ""},
    {"Trade", "qty", "decimal", ""},
    {"Trade", "side", "'buy'|'sell'", "of the taker"},
    {"Trade", "ord_type", "'market'|'limit'", ""},
    {"Trade", "timestamp", "time", ""},
    {"Trades", "symbol", "string", ""},
    {"Trades", "trades", "Trade[]", ""},
    {"Trades", "next", "integer", "`after_id` of the next page"},
    {"Trades", "more", "boolean", ""},
    {"Candle", "begin", "time", ""},
    {"Candle", "open", "decimal", ""},
    {"Candle", "high", "decimal", ""},
    {"Candle", "low", "decimal", ""},
    {"Candle", "close", "decimal", ""},
    {"Candle", "vwap", "decimal", ""},
    {"Candle", "volume", "decimal", ""},
    {"Candle", "trades", "integer", ""},
    {"Candle", "closed", "boolean", ""},
    {"Candles", "symbol", "string", ""},
    {"Candles", "interval", "integer", "minutes"},
    {"Candles", "candles", "Candle[]", ""},
    {"Limits", "connections_per_10min_per_ip", "integer", "0: no limit"},
    {"Limits", "connections_per_ip", "integer", "0: no limit"},
    {"Limits", "control_messages_per_s", "integer", ""},
    {"Limits", "control_burst", "integer", ""},
    {"Limits", "ping_per_s", "integer", ""},
    {"Limits", "symbols_per_channel", "integer", ""},
    {"Limits", "message_bytes", "integer", ""},
    {"Limits", "subscribe_within_ms", "integer", ""},
    {"Limits", "depths", "integer[]", ""},
    {"Limits", "intervals_ms", "integer[]", ""},
    {"Limits", "default_interval_ms", "integer", ""},
    {"Limits", "lag_ms", "integer", ""},
    {"Limits", "lag_bytes", "integer", ""},
    {"Status", "name", "string", ""},
    {"Status", "version", "string", ""},
    {"Status", "time", "time", ""},
    {"Status", "system", "'online'|'cancel_only'|'post_only'|'maintenance'", ""},
    {"Status", "feed", "StatusFeed", ""},
    {"Status", "symbols", "SymbolCounts", ""},
    {"Status", "limits", "Limits", ""},
    {"Status", "accepting_orders?", "boolean", "this and the next: where there is control state"},
    {"Status", "system_mode?", "Mode", ""},
    {"Status", "kill_switch?", "boolean", ""},
    {"Status", "withdrawals_halted?", "boolean", ""},
    {"Status", "trading_halted_since?", "time|null", ""},
    {"Status", "trading_halted_until?", "time|null", ""},
    {"Status", "modes_set?", "{integer}", ""},
    {"Status", "control_version?", "integer", ""},
    {"StatusFeed", "connected", "boolean", ""},
    {"StatusFeed", "since?", "time", ""},
    {"StatusFeed", "last_entry_age_ms?", "integer", ""},
    {"SymbolCounts", "total?", "integer", ""},
    {"SymbolCounts", "live", "integer", ""},
    {"SymbolCounts", "degraded", "integer", ""},
    {"SymbolCounts", "empty", "integer", ""},
    {"Live", "status", "'live'", ""},
    {"ReadyCause", "code", "string", ""},
    {"ReadyCause", "detail", "string", ""},
    {"Ready", "status", "'ready'|'not ready'", ""},
    {"Ready", "draining", "boolean", ""},
    {"Ready", "control_known", "boolean", "what is halted was read from PostgreSQL or the disk"},
    {"Ready", "causes", "ReadyCause[]", ""},
    {"Ready", "symbols?", "SymbolCounts", ""},
    {"Ready", "degraded?", "string[]", "with ?verbose"},
    {"Dashboard", "name", "string", ""},
    {"Dashboard", "version", "string", ""},
    {"Dashboard", "build", "string", ""},
    {"Dashboard", "time", "time", ""},
    {"Dashboard", "websocket", "string", "where market data is"},
    {"Dashboard", "rest", "string", "the public listener"},
};

static const struct {
    struct shape_route route;
    const char *summary;
} rows[] = {
    {{HTTP_GET, "/",                        "", "", "", "200 text/plain"}, "what this server is"},
    {{HTTP_GET, "/0/public/Time",           "", "", "", "200 KrakenTime"}, "the clock"},
    {{HTTP_GET, "/0/public/SystemStatus",   "", "", "", "200 KrakenSystemStatus"}, "is the exchange open"},
    {{HTTP_GET, "/0/public/Assets",         "asset=string aclass=string", "", "", "200 KrakenAssets"}, "assets"},
    {{HTTP_GET, "/0/public/AssetPairs",     "pair=string info=string", "", "", "200 KrakenAssetPairs"}, "symbols"},
    {{HTTP_GET, "/0/public/Ticker",         "pair=string", "", "", "200 KrakenTickers"}, "statistics of the last day"},
    {{HTTP_GET, "/0/public/Depth",          "pair=string! count=integer(1..500)", "", "", "200 KrakenDepth"}, "a book"},
    {{HTTP_GET, "/0/public/OHLC",           "pair=string! interval=integer since=integer", "", "", "200 KrakenOHLC"}, "candles"},
    {{HTTP_GET, "/0/public/Trades",         "pair=string! since=string count=integer(1..1000)", "", "", "200 KrakenTrades"}, "trades"},
    {{HTTP_GET, "/v1/md/{symbol}/book",     "depth=integer(1..100000)|'full'", "", "", "200 Book"}, "a book"},
    {{HTTP_GET, "/v1/md/{symbol}/trades",   "limit=integer(1..10000) after_id=integer", "", "", "200 Trades"}, "trades"},
    {{HTTP_GET, "/v1/md/{symbol}/candles",  "interval=integer limit=integer(1..1441) since=integer", "", "", "200 Candles"}, "candles"},
    {{HTTP_GET, "/v1/status",               "", "", "", "200 Status"}, "state of the exchange and of this gateway"},
    {{HTTP_GET, "/v1/limits",               "", "", "", "200 Limits"}, "what a WebSocket client may do"},
    {{HTTP_GET, "/livez",                   "", "", "", "200 Live"}, "does the process turn"},
    {{HTTP_GET, "/readyz",                  "verbose=string", "", "", "200 Ready; 503 Ready"}, "can it serve"},
    {{HTTP_GET, "/metrics",                 "", "", "", "200 text/plain"}, "metrics for Prometheus"},
    {{HTTP_GET, "/assets/{file}",           "", "", "", "200 */*"}, "a file of the dashboard"},
    {{HTTP_GET, "/v1/dashboard",            "", "", "", "200 Dashboard"}, "what the dashboard connects to"},
};
/* clang-format on */

static const struct shape_route page = {HTTP_GET, "", "", "", "", "200 text/html"};

static size_t add(struct shape_op *out, size_t max, const char *listener,
                  const struct http_route *routes, size_t count)
{
    for (size_t i = 0; i < count && i < max; i++) {
        out[i] = (struct shape_op){.listener = listener,
                                   .method = routes[i].method,
                                   .path = routes[i].path,
                                   .summary = ""};
        if (routes == dashboard_routes) { /* pages, unless there is a row */
            out[i].route = &page;
            out[i].summary = "a page of the dashboard";
        }
        for (size_t k = 0; k < GW_LEN(rows); k++) {
            if (rows[k].route.method == routes[i].method &&
                strcmp(rows[k].route.path, routes[i].path) == 0) {
                out[i].route = &rows[k].route;
                out[i].summary = rows[k].summary;
            }
        }
    }
    return count;
}

size_t rest_operations(struct shape_op *out, size_t max)
{
    size_t n = add(out, max, "public", rest_public_routes, rest_public_route_count);

    n += add(&out[n], max > n ? max - n : 0, "admin", rest_ops_routes, rest_ops_route_count);
    return n +
           add(&out[n], max > n ? max - n : 0, "admin", dashboard_routes, dashboard_route_count);
}

void rest_schemas(struct buf *out, const char **comma)
{
    shape_schemas(out, members, GW_LEN(members), comma);
}
