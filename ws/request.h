/* ws/request.h - one client message, parsed strictly: Kraken v2 plus the `gw` object.
 * Why: bytes from strangers stop being bytes here; every refusal has the text clients know.
 * Source: Kraken WebSocket v2 documentation; docs/PROTOCOL.md for `gw`.
 * Owner: any thread (pure).
 * Invariant: on GW_OK every member holds an accepted value; on error `error` is set, and method and
 * req_id hold what could be read, for the answer. */
#ifndef WS_REQUEST_H
#define WS_REQUEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/err.h"

#define WS_REQUEST_SYMBOLS_MAX 1024u
#define WS_SYMBOL_MAX          32u /* with NUL */
#define WS_JSON_MAX_DEPTH      32u

enum ws_method { WS_UNKNOWN, WS_SUBSCRIBE, WS_UNSUBSCRIBE, WS_PING };

/* The first five are streams, in the order of enum channel. */
/* clang-format off */
#define WS_CHANNELS(X) \
    X(BOOK, "book") X(TRADE, "trade") X(OHLC, "ohlc") X(TICKER, "ticker") \
    X(INSTRUMENT, "instrument") X(HEARTBEAT, "heartbeat") X(GATEWAY, "gateway")
/* clang-format on */
#define WS_CHANNEL_AS_ENUM(sym, text) WS_CH_##sym,
enum ws_channel { WS_CHANNELS(WS_CHANNEL_AS_ENUM) WS_CHANNEL_COUNT };
extern const char *const ws_channel_names[WS_CHANNEL_COUNT];

enum ws_on_lag { WS_LAG_DIFF, WS_LAG_SNAPSHOT, WS_LAG_EVICT };
extern const char *const ws_on_lag_names[3];

#define WS_SESSION_MAX 40u        /* "c-" and hexadecimal digits, with NUL */
#define WS_EPOCH_MAX   33u        /* with NUL */
#define WS_TOKEN_MAX   65u        /* with NUL */
#define WS_NO_PLACE    UINT64_MAX /* resume does not name the symbol */

struct ws_request {
    enum ws_method method;
    bool has_req_id;
    int64_t req_id;
    enum ws_channel channel;
    char (*symbols)[WS_SYMBOL_MAX]; /* owned; without repetitions */
    uint32_t symbol_count;
    bool has_depth;
    uint32_t depth;    /* book, default 10 */
    uint32_t interval; /* ohlc, minutes, default 1 */
    bool bbo;          /* ticker: event_trigger */
    bool snapshot;     /* default true, for trade false */
    bool has_gw;
    uint32_t interval_ms; /* default 50 */
    enum ws_on_lag on_lag;
    char token[WS_TOKEN_MAX]; /* "" when not given */
    bool has_resume;
    char session[WS_SESSION_MAX]; /* of the connection that was lost, "" when not given */
    char epoch[WS_EPOCH_MAX];
    uint64_t *places; /* by symbol: gw.s, trade_id, or begin of the candle in seconds; owned */
    char error[160];
};

/* Fills OUT; ws_request_fini() afterwards in either case. */
GW_MUSTCHECK
enum gw_err ws_request_parse(const char *text, size_t len, struct ws_request *out);
void ws_request_fini(struct ws_request *r);
#endif
