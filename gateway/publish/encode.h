/* gateway/publish/encode.h - the text of every market-data message: Kraken v2 plus the `gw` object.
 * Why: encoded once per stream and tick, by integer printers: fixed decimals, compact, `channel`
 * first.
 * Source: Kraken WebSocket v2 documentation; docs/PROTOCOL.md for `gw`.
 * Owner: the market thread (pure).
 * Invariant: each function appends one complete JSON object. */
#ifndef GATEWAY_PUBLISH_ENCODE_H
#define GATEWAY_PUBLISH_ENCODE_H
#include "gateway/base/buf.h"
#include "gateway/market/instrument.h"
#include "gateway/market/view.h"

/* The `gw` object of a frame: s and p, and either the epoch (snapshots; p is null) or n (updates).
 */
struct gw_mark {
    const char *epoch; /* NULL: an update */
    uint64_t seq;
    uint64_t prev;
    uint64_t folded; /* engine events in the frame, 0: not printed */
    bool update;     /* EPOCH is given, but what follows is no snapshot (resumed candles) */
    bool has_digest;
    uint32_t digest;       /* gw.d: checksum over the whole subscribed depth */
    struct audit_id audit; /* gw.audit */
};

void encode_book_snapshot(struct buf *out, const struct symbol *sym, const struct view *view,
                          uint32_t checksum, int64_t ts_ns, const struct gw_mark *gw);
void encode_book_update(struct buf *out, const struct symbol *sym, const struct view_diff *diff,
                        uint32_t checksum, int64_t ts_ns, const struct gw_mark *gw);
void encode_trades(struct buf *out, const struct symbol *sym, const struct trade *const *trades,
                   uint32_t count, const struct gw_mark *gw);
/* Candles oldest first, one interval. */
void encode_ohlc(struct buf *out, const struct symbol *sym, uint32_t minutes,
                 const struct candle *const *candles, uint32_t count, const struct gw_mark *gw);
void encode_ticker(struct buf *out, struct instrument *in, const struct gw_mark *gw);
/* All pairs and assets (snapshot), or the one pair ONLY. STATUS by symbol number, NO_WITHDRAWALS by
 * asset number. */
void encode_instruments(struct buf *out, const struct symbols *symbols,
                        const enum pair_status *status, const bool *no_withdrawals, uint32_t only,
                        const struct gw_mark *gw);
/* An update with all assets and no pair. */
void encode_assets(struct buf *out, const struct symbols *symbols, const bool *no_withdrawals,
                   const struct gw_mark *gw);

/* `gateway` channel: the mode of one symbol and what it does to the book (docs/PROTOCOL.md). */
void encode_symbol_mode(struct buf *out, const struct symbol *sym, const char *mode,
                        const char *book, int64_t since_ns, struct audit_id audit);
/* `gateway` channel: feed state of one symbol, or of all when SYM is NULL (docs/PROTOCOL.md). */
void encode_feed_degraded(struct buf *out, const struct symbol *sym, const char *cause,
                          int64_t since_ns, uint64_t last_seq, int64_t stale_ms);
void encode_feed_ok(struct buf *out, const struct symbol *sym, const char *epoch,
                    uint64_t gap_trade_from, uint64_t gap_trade_to);

/* `,"gw":{...}}`: the end of every frame. */
void encode_gw(struct buf *out, const struct gw_mark *gw);
/* {"price":..,"qty":..} without braces of anything else: shared with REST. */
void encode_level(struct buf *out, const struct symbol *sym, const struct level *l);
/* The members of a candle / ticker as numbers: shared with REST. */
void encode_px(struct buf *out, const struct symbol *sym, struct px px);
void encode_qty(struct buf *out, const struct symbol *sym, struct qty qty);
#endif
