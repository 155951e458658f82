#include "gateway/market/instrument.h"

#include <string.h>

void instrument_init(struct instrument *in, const struct symbol *symbol, uint32_t number)
{
    *in = (struct instrument){.symbol = symbol, .number = number, .status = symbol->status};
    book_init(&in->book);
    candles_init(&in->candles);
}

void instrument_fini(struct instrument *in)
{
    book_fini(&in->book);
    history_fini(&in->history);
    trades_fini(&in->trades);
    candles_fini(&in->candles);
}

static void book_changed(struct instrument *in, int64_t ts_ns)
{
    int64_t least = in->book_ts_ns + 1000;

    in->book_version++;
    in->book_ts_ns = ts_ns > least ? ts_ns : least;
}

static void apply_snapshot(struct instrument *in, const struct feed_event *e,
                           struct apply_result *r)
{
    struct book fresh;

    book_init(&fresh);
    book_replace(&fresh, e->levels[SIDE_BID], e->level_count[SIDE_BID], e->levels[SIDE_ASK],
                 e->level_count[SIDE_ASK]);
    if (!in->has_book || !book_equal(&in->book, &fresh)) {
        struct book old = in->book;

        r->snapshot_differed = in->has_book && r->verdict == SEQ_APPLY;
        if (in->has_book) {
            history_replace(&in->history, &in->book, &fresh, e->seq, e->ts_ns);
        }
        in->book = fresh;
        fresh = old;
        book_changed(in, e->ts_ns);
        r->changed |= CHANGED_BOOK;
    }
    if (!in->has_book) { /* what came before was never shown */
        history_restart(&in->history, e->seq);
    }
    in->has_book = true;
    book_fini(&fresh);
}

static void apply_delta(struct instrument *in, const struct feed_event *e, struct apply_result *r)
{
    bool any = false;

    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < e->level_count[side]; i++) {
            const struct level *l = &e->levels[side][i];

            any =
                history_set(&in->history, &in->book, (enum side)side, *l, e->seq, e->ts_ns) || any;
        }
    }
    if (any) {
        book_changed(in, e->ts_ns);
        r->changed |= CHANGED_BOOK;
    }
}

static void apply_trades(struct instrument *in, const struct feed_event *e, bool known,
                         struct apply_result *r)
{
    for (uint32_t i = 0; i < e->trade_count; i++) {
        const struct trade *last = trades_last(&in->trades);
        bool fresh = last == NULL || (in->fresh_trade_ids && e->trades[i].id <= last->id);
        uint64_t expected = fresh ? e->trades[i].id : last->id + 1;

        if (!trades_append(&in->trades, &e->trades[i], fresh)) {
            r->duplicate_trades++;
            continue;
        }
        if (e->trades[i].id != expected) {
            r->lost_trades += e->trades[i].id - expected;
            in->gap_trade_from = expected;
            in->gap_trade_to = e->trades[i].id - 1;
        }
        if (!known) {
            r->closed_candles |= candles_add(&in->candles, &e->trades[i]);
        }
        r->changed |= CHANGED_TRADES;
    }
    in->fresh_trade_ids = false;
}

struct apply_result instrument_apply(struct instrument *in, const struct feed_event *e,
                                     bool trades_known)
{
    struct apply_result r = {0};
    bool was_live = in->seq.state == SEQ_LIVE;
    bool had_epoch = in->seq.state != SEQ_EMPTY;
    char epoch[EPOCH_MAX];

    memcpy(epoch, in->seq.epoch, sizeof epoch);
    r.verdict = sequencer_take(&in->seq, e, &r.lost);
    if (r.verdict == SEQ_DUPLICATE || r.verdict == SEQ_STALE) {
        in->duplicates += r.verdict == SEQ_DUPLICATE;
        return r;
    }
    r.epoch_changed = had_epoch && strcmp(epoch, in->seq.epoch) != 0;
    in->fresh_trade_ids = in->fresh_trade_ids || r.epoch_changed;
    if (r.epoch_changed) { /* its numbers start anew: nothing before it can be named any more */
        in->epoch_trades = in->trades.end;
        history_restart(&in->history, e->seq);
    }
    r.broken = was_live && in->seq.state == SEQ_BROKEN;
    /* A first snapshot heals nothing; a gap and its healing snapshot may be one entry. */
    r.healed = had_epoch && r.verdict == SEQ_RESYNC;
    in->events++;
    in->gaps += r.broken;
    switch (e->type) {
    case EVENT_BOOK_SNAPSHOT:
        apply_snapshot(in, e, &r);
        break;
    case EVENT_BOOK_DELTA:
        if (r.verdict != SEQ_TRADES) {
            apply_delta(in, e, &r);
        }
        break;
    case EVENT_TRADE:
        apply_trades(in, e, trades_known, &r);
        break;
    case EVENT_STATUS:
        if (in->status != e->status) {
            in->status = e->status;
            r.changed |= CHANGED_STATUS;
        }
        break;
    }
    if ((r.changed & CHANGED_BOOK) != 0 && book_crossed(&in->book)) {
        /* Never shown to anybody: as good as no book until the next snapshot. */
        r.crossed = true;
        r.broken = was_live;
        in->gaps += was_live;
        r.healed = false;
        r.changed &= ~(unsigned)CHANGED_BOOK;
        in->has_book = false;
        in->seq.state = SEQ_BROKEN;
    }
    return r;
}

uint32_t instrument_checksum(struct instrument *in)
{
    if (in->crc_version != in->book_version + 1) {
        in->crc = book_checksum(&in->book, BOOK_CHECKSUM_DEPTH);
        in->crc_version = in->book_version + 1;
    }
    return in->crc;
}
