/* gateway/publish/fold.h - several consecutive frames of one stream folded into one.
 * Why: a client that is behind needs what is true now, not every step to it. Last write wins would
 * be wrong for books (ghost levels: one that entered, was pushed out and then vanished). It is exact
 * if each frame says of each touched level what happened to it in the view:
 *
 *   held by the client at the start   <=>  its first tag is not INSERT
 *   in the view at the end            <=>  its last tag is INSERT or CHANGE
 *   send: in the view -> its quantity; held and not in the view -> a delete; else nothing
 *
 * so the client ends with exactly the view, and never grows beyond its depth on the way. Candles:
 * the newest state of each. Ticker: the newest. Trades are never folded.
 * Owner: made on the market thread, then read by any.
 * Invariant: one block of memory, immutable; frees with its frame. */
#ifndef GATEWAY_PUBLISH_FOLD_H
#define GATEWAY_PUBLISH_FOLD_H
#include "gateway/market/candles.h"
#include "gateway/market/view.h"
#include "gateway/publish/encode.h"
#include "gateway/publish/frame.h"
#include "gateway/publish/link.h"

struct fold_level {
    struct level level;
    uint8_t side;
    uint8_t tag;
};

struct fold {
    struct gw_mark gw; /* of the frame; epoch NULL */
    uint32_t checksum; /* book */
    int64_t ts_ns;     /* book */
    uint32_t level_count;
    uint32_t candle_count;
    struct fold_level *levels; /* behind this struct, like candles */
    struct candle *candles;
    uint64_t trade_first; /* trade ids of the frame */
    uint64_t trade_last;
};

struct fold *fold_book(const struct view_diff *diff, uint32_t checksum, int64_t ts_ns,
                       const struct gw_mark *gw);
struct fold *fold_candles(const struct candle *const *candles, uint32_t count,
                          const struct gw_mark *gw);
struct fold *fold_trades(uint64_t first_id, uint64_t last_id, const struct gw_mark *gw);
struct fold *fold_plain(const struct gw_mark *gw);

/* May frames of CHANNEL be folded? */
static inline bool fold_allowed(enum channel channel)
{
    return channel == CHANNEL_BOOK || channel == CHANNEL_OHLC || channel == CHANNEL_TICKER;
}
/* One frame that says what the COUNT (> 1) consecutive FRAMES of stream KEY say; the caller's. */
struct frame *fold_frames(const struct stream_key *key, const struct symbol *sym,
                          struct frame *const *frames, uint32_t count);
#endif
