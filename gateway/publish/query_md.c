/* gateway/publish/query_md.c - our own market-data REST, and what operators and machines ask. */
#include "gateway/publish/encode.h"
#include "gateway/publish/query_priv.h"

#define READY_LISTED 20u

static const char *state_of(const struct instrument *in, const struct market_view *m)
{
    if (!in->has_book && in->seq.state == SEQ_EMPTY) {
        return "empty";
    }
    return instrument_live(in) && m->connected ? "live" : "degraded";
}

static void put_time(struct buf *out, const char *name, int64_t ns, unsigned digits)
{
    buf_puts(out, name);
    buf_rfc3339(out, ns, digits);
    buf_putc(out, '"');
}

static void put_side(struct query *q, const struct symbol *sym, const struct shown_book *b,
                     enum side side)
{
    uint32_t depth = q->depth != 0 ? q->depth : b->count[side];

    buf_puts(&q->body, side == SIDE_BID ? ",\"bids\":[" : "],\"asks\":[");
    for (uint32_t i = 0; i < b->count[side] && i < depth; i++) {
        const struct level *l = &b->v[side][b->count[side] - 1 - i];

        buf_puts(&q->body, i != 0 ? ",[" : "[");
        query_put_px(&q->body, sym, l->px);
        buf_putc(&q->body, ',');
        query_put_qty(&q->body, sym, l->qty);
        buf_putc(&q->body, ']');
    }
}

static void answer_book(struct query *q, const struct market_view *m)
{
    const struct instrument *in = &m->instruments[q->symbols[0]];
    struct shown_book b = query_shown(m, q->symbols[0]);

    if (!in->has_book || b.show == BOOK_WITHDRAWN) {
        q->err = in->has_book ? GW_EHALTED : GW_ENOTREADY;
        return;
    }
    buf_printf(&q->body,
               "{\"symbol\":\"%s\",\"state\":\"%s\",\"epoch\":\"%s\",\"seq\":%llu,\"checksum\":%u",
               in->symbol->name, b.show == BOOK_LIVE ? state_of(in, m) : book_show_names[b.show],
               in->seq.epoch, (unsigned long long)b.seq, b.crc);
    put_time(&q->body, ",\"timestamp\":\"", b.ts_ns, 6);
    put_side(q, in->symbol, &b, SIDE_BID);
    put_side(q, in->symbol, &b, SIDE_ASK);
    buf_lit(&q->body, "]}");
}

static void put_trade(struct buf *out, const struct symbol *sym, const struct trade *t)
{
    buf_printf(out, "{\"trade_id\":%llu,\"price\":", (unsigned long long)t->id);
    query_put_px(out, sym, t->px);
    buf_lit(out, ",\"qty\":");
    query_put_qty(out, sym, t->qty);
    buf_printf(out, ",\"side\":\"%s\",\"ord_type\":\"%s\"", t->taker_sells ? "sell" : "buy",
               t->market_order ? "market" : "limit");
    put_time(out, ",\"timestamp\":\"", t->ts_ns, 6);
    buf_putc(out, '}');
}

/* After an id: the oldest LIMIT after it. Without: the newest LIMIT. */
static void answer_trades(struct query *q, const struct market_view *m)
{
    const struct instrument *in = &m->instruments[q->symbols[0]];
    uint64_t from = trades_begin(&in->trades);
    uint64_t end = in->trades.end;
    uint64_t next = q->has_since ? (uint64_t)q->since : 0; /* after_id of the next call */

    if (q->has_since) {
        while (from < end && trades_at(&in->trades, from)->id <= (uint64_t)q->since) {
            from++;
        }
        end = end - from > q->limit ? from + q->limit : end;
    } else if (end - from > q->limit) {
        from = end - q->limit;
    }
    buf_printf(&q->body, "{\"symbol\":\"%s\",\"trades\":[", in->symbol->name);
    for (uint64_t i = from; i < end; i++) {
        if (i != from) {
            buf_putc(&q->body, ',');
        }
        put_trade(&q->body, in->symbol, trades_at(&in->trades, i));
        next = trades_at(&in->trades, i)->id;
    }
    buf_printf(&q->body, "],\"next\":%llu,\"more\":%s}", (unsigned long long)next,
               end < in->trades.end ? "true" : "false");
}

static void put_candle(struct buf *out, const struct symbol *sym, const struct candle *k,
                       bool closed)
{
    const struct {
        const char *name;
        struct px px;
    } prices[] = {
        {",\"open\":", k->open},
        {",\"high\":", k->high},
        {",\"low\":", k->low},
        {",\"close\":", k->close},
        {",\"vwap\":", candle_vwap(k->turnover, k->volume)},
    };

    put_time(out, "{\"begin\":\"", k->begin_s * 1000000000, 0);
    for (unsigned i = 0; i < GW_LEN(prices); i++) {
        buf_puts(out, prices[i].name);
        query_put_px(out, sym, prices[i].px);
    }
    buf_lit(out, ",\"volume\":");
    query_put_qty(out, sym, k->volume);
    buf_printf(out, ",\"trades\":%llu,\"closed\":%s}", (unsigned long long)k->trades,
               closed ? "true" : "false");
}

static void answer_candles(struct query *q, const struct market_view *m)
{
    const struct instrument *in = &m->instruments[q->symbols[0]];
    const struct candle *running = &in->candles.series[q->interval].running;
    uint32_t closed = candles_closed_count(&in->candles, q->interval);
    const char *separator = "";

    buf_printf(&q->body, "{\"symbol\":\"%s\",\"interval\":%u,\"candles\":[", in->symbol->name,
               candle_minutes[q->interval]);
    closed = closed < q->limit - 1 ? closed : q->limit - 1;
    for (uint32_t i = closed; i != 0; i--) {
        const struct candle *k = candles_closed(&in->candles, q->interval, i - 1);

        if (!q->has_since || k->begin_s >= q->since) {
            buf_puts(&q->body, separator);
            put_candle(&q->body, in->symbol, k, true);
            separator = ",";
        }
    }
    if (running->trades != 0 && (!q->has_since || running->begin_s >= q->since)) {
        buf_puts(&q->body, separator);
        put_candle(&q->body, in->symbol, running, false);
    }
    buf_lit(&q->body, "]}");
}

struct tally {
    uint32_t live;
    uint32_t degraded;
    uint32_t empty;
};

static struct tally count_states(const struct market_view *m)
{
    struct tally t = {0};

    for (uint32_t i = 0; i < symbols_count(m->symbols); i++) {
        const char *state = state_of(&m->instruments[i], m);

        t.live += state[0] == 'l';
        t.degraded += state[0] == 'd';
        t.empty += state[0] == 'e';
    }
    return t;
}

static void answer_status(struct query *q, const struct market_view *m)
{
    struct tally t = count_states(m);

    buf_printf(&q->body, "\"system\":\"%s\",\"feed\":{\"connected\":%s",
               link_system_names[m->system], m->connected ? "true" : "false");
    put_time(&q->body, ",\"since\":\"", m->connected_changed_ns, 6);
    if (m->last_entry_ns != 0) {
        buf_printf(&q->body, ",\"last_entry_age_ms\":%lld",
                   (long long)((m->now_ns - m->last_entry_ns) / 1000000));
    }
    buf_printf(&q->body, "},\"symbols\":{\"total\":%u,\"live\":%u,\"degraded\":%u,\"empty\":%u}",
               t.live + t.degraded + t.empty, t.live, t.degraded, t.empty);
}

static void put_cause(struct buf *out, bool *first, const char *code, const char *detail)
{
    buf_printf(out, "%s{\"code\":\"%s\",\"detail\":\"%s\"}", *first ? "" : ",", code, detail);
    *first = false;
}

/* Members of the /readyz object. q->depth != 0: verbose. q->err tells the verdict. */
static void answer_ready(struct query *q, const struct market_view *m)
{
    struct tally t = count_states(m);
    bool first = true;
    uint32_t listed = 0;

    q->err = m->connected && t.live != 0 ? GW_OK : GW_ENOTREADY;
    buf_lit(&q->body, "\"causes\":[");
    if (!m->connected) {
        put_cause(&q->body, &first, "FEED_LOST", "no connection to the feed");
    }
    if (t.live == 0) {
        put_cause(&q->body, &first, "NO_LIVE_SYMBOL", "no symbol has a sound book");
    }
    buf_printf(&q->body, "],\"symbols\":{\"live\":%u,\"degraded\":%u,\"empty\":%u}", t.live,
               t.degraded, t.empty);
    if (q->depth != 0) {
        buf_lit(&q->body, ",\"degraded\":[");
        for (uint32_t i = 0; i < symbols_count(m->symbols) && listed < READY_LISTED; i++) {
            if (state_of(&m->instruments[i], m)[0] == 'd') {
                buf_printf(&q->body, "%s\"%s\"", listed++ != 0 ? "," : "",
                           symbols_at(m->symbols, i)->name);
            }
        }
        buf_putc(&q->body, ']');
    }
}

static void put_metric(struct query *q, const struct market_view *m, const char *name,
                       const char *type, const char *help,
                       uint64_t (*value)(const struct instrument *in))
{
    buf_printf(&q->body, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    for (uint32_t i = 0; i < symbols_count(m->symbols); i++) {
        const struct instrument *in = &m->instruments[i];

        if (in->events != 0) {
            buf_printf(&q->body, "%s{symbol=\"%s\"} %llu\n", name, in->symbol->name,
                       (unsigned long long)value(in));
        }
    }
}

static uint64_t value_seq(const struct instrument *in)
{
    return in->seq.last;
}

static uint64_t value_events(const struct instrument *in)
{
    return in->events;
}

static uint64_t value_trades(const struct instrument *in)
{
    return in->trades.end;
}

static uint64_t value_gaps(const struct instrument *in)
{
    return in->gaps;
}

static uint64_t value_duplicates(const struct instrument *in)
{
    return in->duplicates;
}

static uint64_t value_live(const struct instrument *in)
{
    return instrument_live(in);
}

/* The one metric with two labels. */
static void put_levels(struct query *q, const struct market_view *m)
{
    buf_lit(&q->body, "# HELP md_book_levels levels of a side\n# TYPE md_book_levels gauge\n");
    for (uint32_t i = 0; i < symbols_count(m->symbols); i++) {
        const struct instrument *in = &m->instruments[i];

        for (int side = 0; in->events != 0 && side < 2; side++) {
            buf_printf(&q->body, "md_book_levels{symbol=\"%s\",side=\"%s\"} %u\n", in->symbol->name,
                       side == SIDE_BID ? "bid" : "ask", in->book.side[side].count);
        }
    }
}

static void answer_metrics(struct query *q, const struct market_view *m)
{
    put_metric(q, m, "md_seq", "gauge", "last sequence number seen", value_seq);
    put_metric(q, m, "md_events_total", "counter", "entries applied", value_events);
    put_metric(q, m, "md_trades_total", "counter", "trades seen", value_trades);
    put_levels(q, m);
    put_metric(q, m, "md_symbol_live", "gauge", "1 while the book is sound", value_live);
    put_metric(q, m, "md_seq_gap_total", "counter", "times continuity was lost", value_gaps);
    put_metric(q, m, "md_seq_duplicate_total", "counter", "entries with a number already seen",
               value_duplicates);
    if (m->last_entry_ns != 0) {
        buf_lit(&q->body,
                "# HELP upstream_last_event_age_seconds since the last entry of the feed\n"
                "# TYPE upstream_last_event_age_seconds gauge\n"
                "upstream_last_event_age_seconds ");
        buf_fixed(&q->body, m->now_ns - m->last_entry_ns, 9);
        buf_putc(&q->body, '\n');
    }
}

static void answer_pulse(struct query *q, const struct market_view *m)
{
    for (uint32_t i = 0; i < symbols_count(m->symbols); i++) {
        const struct instrument *in = &m->instruments[i];
        const struct query_pulse p = {in->events, in->gaps, in->duplicates, instrument_live(in)};

        buf_append(&q->body, &p, sizeof p);
    }
}

void query_md(struct query *q, const struct market_view *m)
{
    switch (q->kind) {
    case QUERY_BOOK:
        answer_book(q, m);
        break;
    case QUERY_TRADES:
        answer_trades(q, m);
        break;
    case QUERY_CANDLES:
        answer_candles(q, m);
        break;
    case QUERY_STATUS:
        answer_status(q, m);
        break;
    case QUERY_READY:
        answer_ready(q, m);
        break;
    case QUERY_PULSE:
        answer_pulse(q, m);
        break;
    default:
        answer_metrics(q, m);
        break;
    }
}
