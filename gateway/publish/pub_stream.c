#include "gateway/publish/pub_stream.h"

#include <string.h>

/* Is there anything to show at all? */
static bool has_data(const struct pub_stream *s)
{
    switch (s->key.channel) {
    case CHANNEL_BOOK:
        return s->in->has_book;
    case CHANNEL_TRADE:
        return s->in->trades.end != 0;
    case CHANNEL_OHLC:
        return s->in->candles.series[0].running.trades != 0;
    case CHANNEL_TICKER:
        return s->in->has_book || s->in->trades.end != 0;
    case CHANNEL_INSTRUMENT:
        break;
    }
    return true;
}

static int interval_of(const struct pub_stream *s)
{
    int i = candle_interval_index(s->key.param);

    GW_ASSERT(i >= 0);
    return i;
}

static const struct candle *running(const struct pub_stream *s)
{
    return &s->in->candles.series[interval_of(s)].running;
}

static void take_best(struct pub_stream *s)
{
    for (int side = 0; side < 2; side++) {
        const struct level *best =
            s->in->has_book ? book_best(&s->in->book, (enum side)side) : NULL;

        s->best[side] = best != NULL ? *best : (struct level){{0}, {0}};
    }
    s->ticker_trades = s->in->trades.end;
}

/* Remembers the present as published. */
static void take_now(struct pub_stream *s)
{
    s->last_seq = s->in->seq.last;
    s->last_events = s->in->events;
    switch (s->key.channel) {
    case CHANNEL_BOOK:
        view_take(&s->view, &s->in->book);
        s->view_crc = instrument_checksum(s->in);
        s->view_ts_ns = s->in->book_ts_ns;
        break;
    case CHANNEL_TRADE: /* gw.s is that of the last trade, so that replicas and restarts agree */
        s->trade_pos = s->in->trades.end;
        if (s->trade_pos != 0) {
            s->last_seq = trades_last(&s->in->trades)->seq;
        }
        break;
    case CHANNEL_OHLC:
        s->candle_begin_s = running(s)->begin_s;
        s->candle_trades = running(s)->trades;
        break;
    case CHANNEL_TICKER:
        take_best(s);
        break;
    case CHANNEL_INSTRUMENT:
        break;
    }
}

void pub_stream_init(struct pub_stream *s, const struct stream_key *key, struct instrument *in)
{
    *s = (struct pub_stream){.id = stream_key_pack(key), .key = *key, .in = in};
    if (key->channel == CHANNEL_BOOK) {
        view_init(&s->view, key->param);
    }
    if (in != NULL && has_data(s)) {
        take_now(s);
        s->primed = true;
    }
    s->primed = s->primed || in == NULL;
}

void pub_stream_fini(struct pub_stream *s)
{
    if (s->key.channel == CHANNEL_BOOK) {
        view_fini(&s->view);
    }
}

static struct gw_mark mark_update(struct pub_stream *s, uint64_t seq, bool count_events)
{
    struct gw_mark gw = {.seq = seq, .prev = s->last_seq};

    if (count_events) {
        gw.folded = s->in->events - s->last_events;
    }
    gw.audit = s->audit;
    s->audit.v[0] = '\0';
    s->last_seq = seq;
    s->last_events = s->in->events;
    return gw;
}

/* The checksum covers ten levels a side: deeper views get one over all of theirs now and then. */
static void add_digest(struct pub_stream *s, struct gw_mark *gw, int64_t now_ns)
{
    if (s->key.param > BOOK_CHECKSUM_DEPTH && now_ns - s->digest_ns >= PUB_DIGEST_NS) {
        s->digest_ns = now_ns;
        gw->has_digest = true;
        gw->digest = view_checksum(&s->view);
    }
}

static bool update_book(struct pub_stream *s, int64_t now_ns, struct view_diff *diff,
                        struct buf *out, struct fold **fold)
{
    struct gw_mark gw;

    if (!s->in->has_book || (!view_diff(&s->view, &s->in->book, diff) && !s->fresh)) {
        return false;
    }
    gw = mark_update(s, s->in->seq.last, true);
    s->view_crc = instrument_checksum(s->in);
    s->view_ts_ns = s->in->book_ts_ns;
    add_digest(s, &gw, now_ns);
    *fold = fold_book(diff, s->view_crc, s->view_ts_ns, &gw);
    if (s->fresh) { /* the book before it was empty: to those who merge it is an update */
        s->fresh = false;
        gw.epoch = s->in->seq.epoch;
        encode_book_snapshot(out, s->in->symbol, &s->view, s->view_crc, s->view_ts_ns, &gw);
    } else {
        encode_book_update(out, s->in->symbol, diff, s->view_crc, s->view_ts_ns, &gw);
    }
    return true;
}

/* Pointers to trades FROM..TO (positions); returns how many. */
static uint32_t list_trades(const struct trades *t, uint64_t from, uint64_t to,
                            const struct trade *list[PUB_TRADES_A_FRAME])
{
    uint32_t count = 0;

    while (from < to) {
        list[count++] = trades_at(t, from++);
    }
    return count;
}

static bool update_trades(struct pub_stream *s, struct buf *out, struct fold **fold)
{
    const struct trades *t = &s->in->trades;
    const struct trade *list[PUB_TRADES_A_FRAME];
    uint64_t from = s->trade_pos;
    uint64_t to;
    struct gw_mark gw;

    if (from < trades_begin(t)) {
        s->skipped_trades += trades_begin(t) - from;
        from = trades_begin(t);
    }
    if (from == t->end) {
        return false;
    }
    to = t->end - from > PUB_TRADES_A_FRAME ? from + PUB_TRADES_A_FRAME : t->end;
    gw = mark_update(s, trades_at(t, to - 1)->seq, false);
    encode_trades(out, s->in->symbol, list, list_trades(t, from, to, list), &gw);
    *fold = fold_trades(trades_at(t, from)->id, trades_at(t, to - 1)->id, &gw);
    s->trade_pos = to;
    return true;
}

/* The last state of a candle that has closed goes out before the first of the next: both in one
 * message, oldest first. */
static bool update_ohlc(struct pub_stream *s, struct buf *out, struct fold **fold)
{
    const struct candle *list[8];
    const struct candle *now = running(s);
    int interval = interval_of(s);
    uint32_t count = 0;
    uint32_t back = 0;
    const struct candle *k;
    struct gw_mark gw;

    if (now->begin_s == s->candle_begin_s && now->trades == s->candle_trades) {
        return false;
    }
    while (back < GW_LEN(list) - 1 &&
           (k = candles_closed(&s->in->candles, interval, back)) != NULL &&
           k->begin_s >= s->candle_begin_s &&
           !(k->begin_s == s->candle_begin_s && k->trades == s->candle_trades)) {
        back++;
    }
    while (back != 0) {
        list[count++] = candles_closed(&s->in->candles, interval, --back);
    }
    list[count++] = now;
    s->candle_begin_s = now->begin_s;
    s->candle_trades = now->trades;
    gw = mark_update(s, s->in->seq.last, true);
    encode_ohlc(out, s->in->symbol, s->key.param, list, count, &gw);
    *fold = fold_candles(list, count, &gw);
    return true;
}

static bool update_ticker(struct pub_stream *s, struct buf *out, struct fold **fold)
{
    struct level before[2] = {s->best[0], s->best[1]};
    uint64_t trades_before = s->ticker_trades;
    struct gw_mark gw;

    take_best(s);
    if (s->ticker_trades == trades_before &&
        (s->key.param == 0 || memcmp(before, s->best, sizeof before) == 0)) {
        return false;
    }
    gw = mark_update(s, s->in->seq.last, true);
    encode_ticker(out, s->in, &gw);
    *fold = fold_plain(&gw);
    return true;
}

bool pub_stream_update(struct pub_stream *s, int64_t now_ns, struct view_diff *diff,
                       struct buf *out, struct fold **fold)
{
    s->primed = s->primed || has_data(s);
    if (!s->primed) {
        return false;
    }
    switch (s->key.channel) {
    case CHANNEL_BOOK:
        return update_book(s, now_ns, diff, out, fold);
    case CHANNEL_TRADE:
        return update_trades(s, out, fold);
    case CHANNEL_OHLC:
        return update_ohlc(s, out, fold);
    case CHANNEL_TICKER:
        return update_ticker(s, out, fold);
    case CHANNEL_INSTRUMENT:
        break;
    }
    return false;
}

void pub_stream_touch(struct pub_stream *s, struct view_diff *diff, struct buf *out,
                      struct fold **fold)
{
    struct gw_mark gw;

    GW_ASSERT(s->key.channel == CHANNEL_BOOK && s->primed);
    view_diff_reset(diff);
    gw = mark_update(s, s->in->seq.last, true);
    encode_book_update(out, s->in->symbol, diff, s->view_crc, s->view_ts_ns, &gw);
    *fold = fold_book(diff, s->view_crc, s->view_ts_ns, &gw);
}

bool pub_stream_withdraw(struct pub_stream *s, struct view_diff *diff, struct buf *out,
                         struct fold **fold)
{
    static const struct book none = {.side = {{.side = SIDE_BID}, {.side = SIDE_ASK}}};
    struct gw_mark gw;

    GW_ASSERT(s->key.channel == CHANNEL_BOOK);
    if (!s->primed || !view_diff(&s->view, &none, diff)) {
        return false;
    }
    gw = mark_update(s, s->in->seq.last, true);
    s->view_crc = view_checksum(&s->view);
    encode_book_update(out, s->in->symbol, diff, s->view_crc, s->view_ts_ns, &gw);
    *fold = fold_book(diff, s->view_crc, s->view_ts_ns, &gw);
    return true;
}

void pub_stream_hold(struct pub_stream *s, const struct view *view, uint32_t crc, int64_t ts_ns,
                     uint64_t seq)
{
    GW_ASSERT(s->key.channel == CHANNEL_BOOK && view->depth >= s->view.depth);
    view_copy(&s->view, view);
    s->view_crc = crc;
    s->view_ts_ns = ts_ns;
    s->last_seq = seq;
    s->last_events = s->in->events;
    s->primed = s->in->has_book;
}

static void snapshot_ohlc(struct pub_stream *s, const struct gw_mark *gw, struct buf *out)
{
    const struct candle *list[PUB_OHLC_SNAPSHOT];
    int interval = interval_of(s);
    uint32_t closed = candles_closed_count(&s->in->candles, interval);
    uint32_t count = 0;

    closed = closed < PUB_OHLC_SNAPSHOT - 1 ? closed : PUB_OHLC_SNAPSHOT - 1;
    while (closed != 0) {
        list[count++] = candles_closed(&s->in->candles, interval, --closed);
    }
    list[count++] = running(s);
    encode_ohlc(out, s->in->symbol, s->key.param, list, count, gw);
}

static void snapshot_trades(struct pub_stream *s, const struct gw_mark *gw, struct buf *out)
{
    const struct trade *list[PUB_TRADES_A_FRAME];
    uint64_t from = s->trade_pos > PUB_TRADE_SNAPSHOT ? s->trade_pos - PUB_TRADE_SNAPSHOT : 0;
    uint64_t begin = trades_begin(&s->in->trades);

    from = from > begin ? from : begin;
    encode_trades(out, s->in->symbol, list, list_trades(&s->in->trades, from, s->trade_pos, list),
                  gw);
}

void pub_stream_snapshot(struct pub_stream *s, struct buf *out)
{
    struct gw_mark gw = {.epoch = s->in->seq.epoch, .seq = s->last_seq};

    GW_ASSERT(s->primed);
    switch (s->key.channel) {
    case CHANNEL_BOOK:
        gw.has_digest = s->key.param > BOOK_CHECKSUM_DEPTH;
        gw.digest = gw.has_digest ? view_checksum(&s->view) : 0;
        encode_book_snapshot(out, s->in->symbol, &s->view, s->view_crc, s->view_ts_ns, &gw);
        break;
    case CHANNEL_TRADE:
        snapshot_trades(s, &gw, out);
        break;
    case CHANNEL_OHLC:
        snapshot_ohlc(s, &gw, out);
        break;
    case CHANNEL_TICKER:
        encode_ticker(out, s->in, &gw);
        break;
    case CHANNEL_INSTRUMENT:
        GW_UNREACHABLE("instrument snapshots are the publisher's");
    }
}
