/* gateway/market/instrument.h - state of one symbol on the market thread, and applying events to
 * it.
 * Why: book, trades, candles, sequence and status change together, in one function (flow A:
 * market_apply).
 * Owner: the market thread (pure: time comes with the events).
 * Invariant: book_ts_ns grows by at least 1 us with every book change, so published timestamps of a
 * symbol strictly increase (docs/PROTOCOL.md). */
#ifndef GATEWAY_MARKET_INSTRUMENT_H
#define GATEWAY_MARKET_INSTRUMENT_H
#include "gateway/market/candles.h"
#include "gateway/market/history.h"
#include "gateway/market/sequencer.h"
#include "gateway/market/trades.h"

struct instrument {
    const struct symbol *symbol; /* borrowed */
    uint32_t number;
    enum pair_status status;
    struct sequencer seq;
    struct book book;
    struct history history; /* of this epoch's book */
    bool unread;            /* its entries cannot be read: what is here may be old */
    bool has_book;          /* a snapshot has been applied in this process */
    uint64_t events;        /* applied entries: what `gw.n` counts */
    uint64_t book_version;  /* changes when the book does */
    int64_t book_ts_ns;
    uint64_t crc_version; /* book_version + 1 of `crc` */
    uint32_t crc;
    struct trades trades;
    bool fresh_trade_ids;  /* no trade of this epoch yet */
    uint64_t epoch_trades; /* position of this epoch's first trade: ids grow from there */
    struct candles candles;
    uint64_t gap_trade_from; /* first trade id missing since the last gap, 0: none */
    uint64_t gap_trade_to;
    uint64_t gaps;       /* times continuity was lost */
    uint64_t duplicates; /* entries dropped: sequence number already seen */
};

/* What an event changed. */
enum {
    CHANGED_BOOK = 1,
    CHANGED_TRADES = 2,
    CHANGED_STATUS = 4,
};
struct apply_result {
    enum seq_verdict verdict;
    unsigned changed;          /* CHANGED_* */
    uint64_t lost;             /* entries missing before this one */
    uint32_t duplicate_trades; /* trade ids already seen */
    uint64_t lost_trades;      /* trade ids skipped */
    uint32_t closed_candles;   /* bit mask of intervals */
    bool broken;               /* continuity was lost by this event */
    bool healed;               /* continuity was (re)gained by this event */
    bool snapshot_differed;    /* a snapshot in sequence did not match our book */
    bool epoch_changed;
    bool crossed; /* the batch left bid >= ask: the book is withheld until a snapshot */
};

void instrument_init(struct instrument *in, const struct symbol *symbol, uint32_t number);
void instrument_fini(struct instrument *in);
/* Applies E. TRADES_KNOWN: trades of this entry are in the candles already (restored checkpoint)
 * and only refill the ring. */
struct apply_result instrument_apply(struct instrument *in, const struct feed_event *e,
                                     bool trades_known);
/* Checksum of the ten best levels, computed once per book version. */
uint32_t instrument_checksum(struct instrument *in);
static inline bool instrument_live(const struct instrument *in)
{
    return in->has_book && in->seq.state == SEQ_LIVE && !in->unread;
}
#endif
