/* gateway/feed/feed.h - from a source's entries to the market: decode, sequence, apply, keep.
 * Why: flow A's first half in one place: feed_on_entry -> decode -> market_apply -> listener. Also
 * asks for snapshots while a symbol is broken, and stores checkpoints and closed candles.
 * Owner: the market thread.
 * Invariant: a refused entry changes nothing but a counter; the listener hears of every applied
 * one. */
#ifndef GATEWAY_FEED_FEED_H
#define GATEWAY_FEED_FEED_H
#include <uv.h>
#include "gateway/feed/source.h"
#include "gateway/market/market.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"

/* clang-format off */
#define FEED_CONFIG(X) /* key, type, default, min, max, help */                                                              \
    X(redis,              TEXT, "unix:/run/redis/redis-server.sock", 1, 200, "Redis with the feed: `unix:/path` or `host:port`")         \
    X(symbols_file,       TEXT, "symbols.yaml", 1, 4096,        "YAML table of symbols")                                     \
    X(window_entries,     UINT, "2000",  0, 50000,              "entries a symbol replays at start at least (where Redis has them), to refill its recent trades") \
    X(command_timeout,    MSEC, "1s",    50, 60000,             "a Redis command without an answer for so long loses the connection") \
    X(backoff_min,        MSEC, "50ms",  1, 60000,              "first reconnect delay")                                     \
    X(backoff_max,        MSEC, "2s",    1, 60000,              "longest reconnect delay (full jitter)")                     \
    X(checkpoint_every,   MSEC, "1s",    100, 60000,            "running candles of a changed symbol are stored so often")   \
    X(resnapshot_every,   MSEC, "5s",    100, 600000,           "a broken symbol asks the core for a snapshot so often")     \
    X(maintenance_after,  MSEC, "10s",   0, 3600000,            "feed lost for so long: `status` says maintenance")
/* clang-format on */
struct feed_config {
    FEED_CONFIG(CFG_FIELD)
};
extern const struct cfg_table feed_config_table;
extern const struct metric_table feed_metrics;

struct feed_listener {
    void (*on_event)(void *arg, uint32_t symbol, const struct apply_result *r);
    /* Whether SYMBOL's entries can be read has changed: see instrument->unread. */
    void (*on_readable)(void *arg, uint32_t symbol);
    void (*on_turn)(void *arg);
    void (*on_connected)(void *arg, bool connected);
};

struct feed;
struct feed *feed_create(uv_loop_t *loop, const struct feed_config *config, struct market *market,
                         const struct feed_listener *listener, void *arg);
/* TRADES in order; NULL when they could not be had. Borrowed for the callback. */
typedef void feed_trades_fn(void *arg, const struct trade *trades, uint32_t count);
/* Reads past trades of SYMBOL's present epoch out of the feed, from the one with FROM_ID (included)
 * to the newest. CB comes once. False, and no callback: not now. */
bool feed_read_trades(struct feed *f, uint32_t symbol, uint64_t from_id, feed_trades_fn *cb,
                      void *arg);
/* Stores the checkpoints that are due, now. Best effort. */
void feed_save(struct feed *f);
/* Closes the source, then calls DONE. Nothing more is delivered. */
void feed_close(struct feed *f, void (*done)(void *arg), void *arg);
void feed_destroy(struct feed **fp);
#endif
