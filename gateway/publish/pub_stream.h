/* gateway/publish/pub_stream.h - the market side of one stream: what its subscribers have been
 * told.
 * Why: a stream is (symbol, channel, depth or interval, conflation interval); its next message is
 * the difference between what was last published and what is true now. Made once, whatever the
 * number of clients.
 * Owner: the market thread (pure).
 * Invariant: `last_seq` is gw.s of the last message; a snapshot made now equals what a client that
 * followed every message holds. */
#ifndef GATEWAY_PUBLISH_PUB_STREAM_H
#define GATEWAY_PUBLISH_PUB_STREAM_H
#include <uthash.h>
#include "gateway/publish/fold.h"
#include "gateway/publish/link.h"

#define PUB_TRADE_SNAPSHOT 50u /* Kraken v2 `trade` */
#define PUB_OHLC_SNAPSHOT  50u /* candles, the running one included */
#define PUB_TRADES_A_FRAME 500u
#define PUB_DIGEST_NS      ((int64_t)1000000000) /* gw.d so often */

struct pub_stream {
    uint64_t id; /* stream_key_pack() */
    struct stream_key key;
    struct instrument *in;
    bool primed; /* there was data: a snapshot can be made */
    uint64_t last_seq;
    uint64_t last_events;
    struct view view; /* book */
    uint32_t view_crc;
    int64_t view_ts_ns;
    uint64_t trade_pos;     /* trade: next position to publish */
    int64_t candle_begin_s; /* ohlc: of the last candle published */
    uint64_t candle_trades;
    struct level best[2]; /* ticker, bbo trigger */
    uint64_t ticker_trades;
    uint64_t skipped_trades;     /* fell off the ring before they were published */
    uint32_t shards;             /* bit mask of shards that follow */
    uint32_t waiting;            /* bit mask of shards that want a snapshot when primed */
    void *refs[LINK_SHARDS_MAX]; /* each shard's own name of the stream */
    int64_t digest_ns;           /* when gw.d was last sent */
    struct audit_id audit;       /* gw.audit of the next message */
    bool fresh;                  /* book: the next message is a snapshot for all */
    struct pub_stream *next;     /* streams of the symbol */
    UT_hash_handle hh;
};

void pub_stream_init(struct pub_stream *s, const struct stream_key *key, struct instrument *in);
void pub_stream_fini(struct pub_stream *s);
/* Appends the next message to OUT and hands over its FOLD; false when there is no news. Call again
 * after true: trades may need several messages. DIFF is scratch; NOW_NS is monotonic. */
bool pub_stream_update(struct pub_stream *s, int64_t now_ns, struct view_diff *diff,
                       struct buf *out, struct fold **fold);
/* Book: an update without levels, whose gw.s is the present. Requires primed and nothing unpublished
 * in the view. */
void pub_stream_touch(struct pub_stream *s, struct view_diff *diff, struct buf *out,
                      struct fold **fold);
/* Book: an update that leaves an empty book behind; false when it is empty already. */
bool pub_stream_withdraw(struct pub_stream *s, struct view_diff *diff, struct buf *out,
                         struct fold **fold);
/* Book, just initialised: what it has published is VIEW (at least as deep), not the present. */
void pub_stream_hold(struct pub_stream *s, const struct view *view, uint32_t crc, int64_t ts_ns,
                     uint64_t seq);
/* Appends the snapshot of what was last published. Requires primed. */
void pub_stream_snapshot(struct pub_stream *s, struct buf *out);
#endif
