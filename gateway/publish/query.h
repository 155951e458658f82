/* gateway/publish/query.h - questions REST asks the market thread, and their answers.
 * Why: market state belongs to the market thread; a REST handler sends a question by mailbox and
 * gets finished text back. Answering is pure: state in, JSON out.
 * Owner: a query belongs to whoever holds it: REST until posted (LINK_QUERY), market until answered
 * (LINK_ANSWER), then REST again.
 * Invariant: an answered query has err == GW_OK and a complete body, or err and no body
 * (QUERY_READY has both). */
#ifndef GATEWAY_PUBLISH_QUERY_H
#define GATEWAY_PUBLISH_QUERY_H
#include "gateway/base/buf.h"
#include "gateway/market/instrument.h"
#include "gateway/publish/gate_view.h"
#include "gateway/publish/link.h"

enum query_kind {
    QUERY_KRAKEN_SYSTEM_STATUS,
    QUERY_KRAKEN_ASSET_PAIRS,
    QUERY_KRAKEN_TICKER,
    QUERY_KRAKEN_DEPTH,
    QUERY_KRAKEN_OHLC,
    QUERY_KRAKEN_TRADES,
    QUERY_BOOK,    /* /v1/md/{symbol}/book */
    QUERY_TRADES,  /* /v1/md/{symbol}/trades */
    QUERY_CANDLES, /* /v1/md/{symbol}/candles */
    QUERY_STATUS,  /* market part of /v1/status */
    QUERY_READY,   /* market part of /readyz */
    QUERY_METRICS, /* per-symbol metrics, Prometheus text */
    QUERY_PULSE,   /* struct query_pulse of each symbol, as bytes: for this process alone */
};
struct query_pulse {
    uint64_t events;
    uint64_t gaps;
    uint64_t duplicates;
    uint64_t live; /* 0 or 1 */
};

#define QUERY_SYMBOLS_MAX 64

struct query {
    enum query_kind kind;
    uint32_t symbols[QUERY_SYMBOLS_MAX]; /* numbers; count 0: all, where that makes sense */
    char names[QUERY_SYMBOLS_MAX]
              [SYMBOL_NAME_MAX]; /* as the caller wrote them: keys of Kraken answers */
    uint32_t symbol_count;
    uint32_t depth; /* levels a side, 0: full */
    int interval;   /* index in candle_minutes */
    uint32_t limit; /* most rows */
    bool has_since;
    int64_t since; /* OHLC: s; Kraken trades: ns; /v1 trades: after this id; /v1 candles: s */
    enum gw_err err;
    struct buf body;
    uint64_t id; /* REST's own: which request it belongs to */
};

/* What the market thread shows of itself. */
struct market_view {
    const struct symbols *symbols;
    struct instrument *instruments; /* by symbol number */
    const enum pair_status *status; /* by symbol number */
    const struct gate_view *gate;
    const struct held *const *held; /* by symbol number; NULL: live */
    enum link_system system;
    bool connected;               /* to the feed */
    int64_t connected_changed_ns; /* wall clock of the last change */
    int64_t last_entry_ns;        /* wall clock of the last entry read, 0: none */
    int64_t now_ns;               /* wall clock */
};

/* Fills err and body. */
void query_answer(struct query *q, const struct market_view *m);
void query_destroy(struct query **qp);
#endif
