/* gateway/market/candles.h - candles of one symbol, built from its trades: nine intervals, 1 minute
 * to 15 days.
 * Why: the gateway is the only place that has every trade in order. A candle exists when it has a
 * trade; buckets are aligned to the Unix epoch, so any number of replicas agree on them.
 * Owner: the market thread (pure).
 * Invariant: begins of the closed candles of an interval grow; the running one begins after
 * them. */
#ifndef GATEWAY_MARKET_CANDLES_H
#define GATEWAY_MARKET_CANDLES_H
#include "gateway/base/buf.h"
#include "gateway/market/event.h"

#define CANDLE_INTERVALS 9
extern const uint32_t candle_minutes[CANDLE_INTERVALS]; /* 1 5 15 30 60 240 1440 10080 21600 */
/* Index of MINUTES, -1 when there is no such interval. */
int candle_interval_index(uint64_t minutes);

struct candle {
    int64_t begin_s; /* 0: no trade yet */
    struct px open;
    struct px high;
    struct px low;
    struct px close;
    struct qty volume;
    __int128 turnover; /* sum of price ticks x quantity lots */
    uint64_t trades;
    int64_t last_ts_ns; /* of the last trade in it */
};

struct candle_series {
    struct candle running;
    struct candle *closed; /* ring of `keep` */
    uint32_t cap;
    uint32_t keep; /* 1440 for one minute (the 24 h statistics need a day), else 720 */
    uint64_t end;  /* closed candles ever appended */
};

/* 24 hours up to the last trade. */
struct day_stats {
    struct px open; /* first price in the window */
    struct px high;
    struct px low;
    struct qty volume;
    __int128 turnover;
    uint64_t trades;
};

struct candles {
    struct candle_series series[CANDLE_INTERVALS];
    struct day_stats closed_day; /* over the closed minutes; refreshed when a minute closes */
    int64_t closed_day_of;       /* begin of the running minute it was made for */
};

void candles_init(struct candles *c);
void candles_fini(struct candles *c);
/* Adds a trade. Returns a bit mask of intervals whose running candle was closed by it. A trade
 * older than the running candle (a clock that stepped back) is counted into the running one:
 * candles never go back. */
uint32_t candles_add(struct candles *c, const struct trade *t);
/* Puts a closed candle, oldest first (restore). False when it is out of order. */
bool candles_restore(struct candles *c, int interval, const struct candle *candle);
/* The I-th newest closed candle (0 = newest), NULL when there is none. */
const struct candle *candles_closed(const struct candles *c, int interval, uint32_t i);
uint32_t candles_closed_count(const struct candles *c, int interval);
/* False when there has been no trade. */
bool candles_day(struct candles *c, struct day_stats *out);
/* Volume-weighted average price in ticks, rounded half up; 0 for an empty candle. */
struct px candle_vwap(__int128 turnover, struct qty volume);

/* One candle as the JSON that Redis keeps: integers only,
 * {"b":begin_s,"o":..,"h":..,"l":..,"c":..,"v":.., "t":"turnover","n":trades,"ts":last_ts_ns}. */
void candle_print(const struct candle *k, struct buf *out);
#endif
