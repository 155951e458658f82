#include "gateway/market/candles.h"

#include <stdlib.h>
#include <string.h>

const uint32_t candle_minutes[CANDLE_INTERVALS] = {1, 5, 15, 30, 60, 240, 1440, 10080, 21600};

int candle_interval_index(uint64_t minutes)
{
    for (int i = 0; i < CANDLE_INTERVALS; i++) {
        if (candle_minutes[i] == minutes) {
            return i;
        }
    }
    return -1;
}

void candles_init(struct candles *c)
{
    *c = (struct candles){0};
    for (int i = 0; i < CANDLE_INTERVALS; i++) {
        c->series[i].keep = i == 0 ? 1440 : 720;
    }
}

void candles_fini(struct candles *c)
{
    for (int i = 0; i < CANDLE_INTERVALS; i++) {
        free(c->series[i].closed);
    }
    *c = (struct candles){0};
}

static struct candle *series_newest(struct candle_series *s)
{
    return s->end != 0 ? &s->closed[(s->end - 1) % s->keep] : NULL;
}

static void series_close(struct candle_series *s, const struct candle *k)
{
    struct candle *newest = series_newest(s);

    if (newest != NULL && newest->begin_s >= k->begin_s) {
        /* Replay after a restart closes a stored candle again: same trades, same candle. */
        if (newest->begin_s == k->begin_s) {
            *newest = *k;
        }
        return;
    }
    if (s->end == s->cap && s->cap < s->keep) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2 < s->keep ? s->cap * 2 : s->keep;
        s->closed = gw_realloc(s->closed, s->cap * sizeof *s->closed);
    }
    s->closed[s->end % s->keep] = *k;
    s->end++;
}

static void candle_add(struct candle *k, const struct trade *t)
{
    if (k->trades == 0) {
        k->open = k->high = k->low = t->px;
    }
    if (t->px.ticks > k->high.ticks) {
        k->high = t->px;
    }
    if (t->px.ticks < k->low.ticks) {
        k->low = t->px;
    }
    k->close = t->px;
    k->volume.lots += t->qty.lots;
    k->turnover += (__int128)t->px.ticks * t->qty.lots;
    k->trades++;
    k->last_ts_ns = t->ts_ns;
}

uint32_t candles_add(struct candles *c, const struct trade *t)
{
    uint32_t closed = 0;

    for (int i = 0; i < CANDLE_INTERVALS; i++) {
        struct candle_series *s = &c->series[i];
        int64_t span = (int64_t)candle_minutes[i] * 60;
        int64_t begin = t->ts_ns / 1000000000 / span * span;

        if (s->running.trades != 0 && begin > s->running.begin_s) {
            series_close(s, &s->running);
            s->running = (struct candle){0};
            closed |= 1u << i;
        }
        if (s->running.trades == 0) {
            s->running.begin_s = begin;
        }
        candle_add(&s->running, t);
    }
    return closed;
}

bool candles_restore(struct candles *c, int interval, const struct candle *candle)
{
    const struct candle *newest = candles_closed(c, interval, 0);

    if (newest != NULL && candle->begin_s <= newest->begin_s) {
        return false;
    }
    series_close(&c->series[interval], candle);
    c->closed_day_of = 0;
    return true;
}

uint32_t candles_closed_count(const struct candles *c, int interval)
{
    const struct candle_series *s = &c->series[interval];

    return s->end < s->keep ? (uint32_t)s->end : s->keep;
}

const struct candle *candles_closed(const struct candles *c, int interval, uint32_t i)
{
    const struct candle_series *s = &c->series[interval];

    return i < candles_closed_count(c, interval) ? &s->closed[(s->end - 1 - i) % s->keep] : NULL;
}

/* OLDER is a candle before everything in D. */
static void day_add_older(struct day_stats *d, const struct candle *older)
{
    if (d->trades == 0) {
        d->high = older->high;
        d->low = older->low;
    }
    d->open = older->open;
    if (older->high.ticks > d->high.ticks) {
        d->high = older->high;
    }
    if (older->low.ticks < d->low.ticks) {
        d->low = older->low;
    }
    d->volume.lots += older->volume.lots;
    d->turnover += older->turnover;
    d->trades += older->trades;
}

bool candles_day(struct candles *c, struct day_stats *out)
{
    const struct candle *running = &c->series[0].running;

    if (running->trades == 0) {
        return false;
    }
    if (c->closed_day_of != running->begin_s) {
        struct day_stats day = {0};
        const struct candle *k;

        for (uint32_t i = 0; (k = candles_closed(c, 0, i)) != NULL; i++) {
            if (k->begin_s <= running->begin_s - 86400) {
                break;
            }
            day_add_older(&day, k);
        }
        c->closed_day = day;
        c->closed_day_of = running->begin_s;
    }
    *out = c->closed_day;
    if (out->trades == 0) {
        day_add_older(out, running);
        return true;
    }
    out->high = running->high.ticks > out->high.ticks ? running->high : out->high;
    out->low = running->low.ticks < out->low.ticks ? running->low : out->low;
    out->volume.lots += running->volume.lots;
    out->turnover += running->turnover;
    out->trades += running->trades;
    return true;
}

struct px candle_vwap(__int128 turnover, struct qty volume)
{
    if (volume.lots == 0) {
        return (struct px){0};
    }
    return (struct px){(int64_t)((turnover + volume.lots / 2) / volume.lots)};
}

/* Decimal text of a non-negative 128-bit integer. */
static void put_u128(struct buf *out, unsigned __int128 v)
{
    const uint64_t chunk = 1000000000000000000u;

    if (v >= chunk) {
        put_u128(out, v / chunk);
        buf_printf(out, "%018llu", (unsigned long long)(v % chunk));
    } else {
        buf_u64(out, (uint64_t)v);
    }
}

void candle_print(const struct candle *k, struct buf *out)
{
    buf_printf(out, "{\"b\":%lld,\"o\":%lld,\"h\":%lld,\"l\":%lld,\"c\":%lld,\"v\":%lld,\"t\":\"",
               (long long)k->begin_s, (long long)k->open.ticks, (long long)k->high.ticks,
               (long long)k->low.ticks, (long long)k->close.ticks, (long long)k->volume.lots);
    put_u128(out, k->turnover >= 0 ? (unsigned __int128)k->turnover : 0);
    buf_printf(out, "\",\"n\":%llu,\"ts\":%lld}", (unsigned long long)k->trades,
               (long long)k->last_ts_ns);
}
