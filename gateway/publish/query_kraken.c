/* gateway/publish/query_kraken.c - answers in the shape of Kraken's public REST API. */
#include "gateway/publish/encode.h"
#include "gateway/publish/query_priv.h"

#define OHLC_ROWS 720u

/* Key of a pair in an answer: as the caller wrote it, else the joined name ("BTCUSD") unless
 * another pair has the same. */
static void put_key(struct buf *out, const struct query *q, const struct market_view *m,
                    uint32_t at, uint32_t number)
{
    const struct symbol *sym = symbols_at(m->symbols, number);
    struct buf joined = {0};

    buf_putc(out, '"');
    if (q->symbol_count != 0) {
        buf_puts(out, q->names[at]);
    } else {
        buf_printf(&joined, "%s%s", sym->base, sym->quote);
        if (symbols_find_rest(m->symbols, buf_cstr(&joined)) == number) {
            buf_puts(out, buf_cstr(&joined));
        } else {
            buf_puts(out, sym->name);
        }
    }
    buf_lit(out, "\":");
    buf_fini(&joined);
}

static void for_each(struct query *q, const struct market_view *m,
                     void (*put)(struct query *q, const struct market_view *m, uint32_t number))
{
    uint32_t count = q->symbol_count != 0 ? q->symbol_count : symbols_count(m->symbols);

    buf_lit(&q->body, "{\"error\":[],\"result\":{");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = q->symbol_count != 0 ? q->symbols[i] : i;

        if (i != 0) {
            buf_putc(&q->body, ',');
        }
        put_key(&q->body, q, m, i, number);
        put(q, m, number);
    }
    buf_lit(&q->body, "}}");
}

static void put_pair(struct query *q, const struct market_view *m, uint32_t number)
{
    const struct symbol *sym = symbols_at(m->symbols, number);
    struct buf *out = &q->body;

    buf_printf(out,
               "{\"altname\":\"%s%s\",\"wsname\":\"%s\",\"aclass_base\":\"currency\",\"base\":"
               "\"%s\",\"aclass_quote\":\"currency\",\"quote\":\"%s\",\"lot\":\"unit\","
               "\"cost_decimals\":%u,\"pair_decimals\":%u,\"lot_decimals\":%u,"
               "\"lot_multiplier\":1,\"leverage_buy\":[],\"leverage_sell\":[],\"fees\":[[0,0]],"
               "\"fees_maker\":[[0,0]],\"ordermin\":\"",
               sym->base, sym->quote, sym->name, sym->base, sym->quote, sym->price_decimals,
               sym->price_decimals, sym->qty_decimals);
    if (sym->qty_min[0] != '\0') {
        buf_puts(out, sym->qty_min);
    } else {
        buf_fixed(out, 1, sym->qty_decimals);
    }
    buf_printf(out, "\",\"costmin\":\"%s\",\"tick_size\":\"",
               sym->cost_min[0] != '\0' ? sym->cost_min : "0");
    buf_fixed(out, 1, sym->price_decimals);
    buf_printf(out, "\",\"status\":\"%s\"}", pair_status_names[m->status[number]]);
}

static void put_best(struct buf *out, const struct instrument *in, enum side side)
{
    const struct level *best = in->has_book ? book_best(&in->book, side) : NULL;
    const struct level none = {{0}, {0}};

    best = best != NULL ? best : &none;
    buf_puts(out, side == SIDE_ASK ? "{\"a\":[" : ",\"b\":[");
    query_put_px(out, in->symbol, best->px);
    buf_lit(out, ",\"");
    buf_i64(out, best->qty.lots / fixed_pow10[in->symbol->qty_decimals]);
    buf_lit(out, "\",");
    query_put_qty(out, in->symbol, best->qty);
    buf_putc(out, ']');
}

/* Statistics since midnight UTC of the last trade: the running day candle. */
static struct day_stats today_of(const struct instrument *in)
{
    const struct candle *k = &in->candles.series[6].running; /* 1440 minutes */

    return (struct day_stats){k->open, k->high, k->low, k->volume, k->turnover, k->trades};
}

static void put_two_px(struct buf *out, const char *name, const struct symbol *sym, struct px a,
                       struct px b)
{
    buf_puts(out, name);
    query_put_px(out, sym, a);
    buf_putc(out, ',');
    query_put_px(out, sym, b);
    buf_putc(out, ']');
}

static void put_ticker(struct query *q, const struct market_view *m, uint32_t number)
{
    struct instrument *in = &m->instruments[number];
    const struct symbol *sym = in->symbol;
    const struct trade *last = trades_last(&in->trades);
    struct day_stats today = today_of(in);
    struct day_stats day = {0};
    struct buf *out = &q->body;

    (void)candles_day(&in->candles, &day);
    put_best(out, in, SIDE_ASK);
    put_best(out, in, SIDE_BID);
    buf_lit(out, ",\"c\":[");
    query_put_px(out, sym, last != NULL ? last->px : (struct px){0});
    buf_putc(out, ',');
    query_put_qty(out, sym, last != NULL ? last->qty : (struct qty){0});
    buf_lit(out, "],\"v\":[");
    query_put_qty(out, sym, today.volume);
    buf_putc(out, ',');
    query_put_qty(out, sym, day.volume);
    buf_putc(out, ']');
    put_two_px(out, ",\"p\":[", sym, candle_vwap(today.turnover, today.volume),
               candle_vwap(day.turnover, day.volume));
    buf_printf(out, ",\"t\":[%llu,%llu]", (unsigned long long)today.trades,
               (unsigned long long)day.trades);
    put_two_px(out, ",\"l\":[", sym, today.low, day.low);
    put_two_px(out, ",\"h\":[", sym, today.high, day.high);
    buf_lit(out, ",\"o\":");
    query_put_px(out, sym, today.open);
    buf_putc(out, '}');
}

static void put_depth_side(struct query *q, const struct symbol *sym, const struct shown_book *b,
                           enum side side)
{
    buf_puts(&q->body, side == SIDE_ASK ? "{\"asks\":[" : "],\"bids\":[");
    for (uint32_t i = 0; i < b->count[side] && i < q->depth; i++) {
        const struct level *l = &b->v[side][b->count[side] - 1 - i];

        buf_puts(&q->body, i != 0 ? ",[" : "[");
        query_put_px(&q->body, sym, l->px);
        buf_putc(&q->body, ',');
        query_put_qty(&q->body, sym, l->qty);
        buf_printf(&q->body, ",%lld]", (long long)(b->ts_ns / 1000000000));
    }
}

static void put_depth(struct query *q, const struct market_view *m, uint32_t number)
{
    struct shown_book b = query_shown(m, number);
    const struct symbol *sym = m->instruments[number].symbol;

    put_depth_side(q, sym, &b, SIDE_ASK);
    put_depth_side(q, sym, &b, SIDE_BID);
    buf_lit(&q->body, "]}");
}

static void put_ohlc_row(struct buf *out, const struct symbol *sym, const struct candle *k)
{
    const struct px prices[] = {k->open, k->high, k->low, k->close,
                                candle_vwap(k->turnover, k->volume)};

    buf_printf(out, "[%lld", (long long)k->begin_s);
    for (unsigned i = 0; i < GW_LEN(prices); i++) {
        buf_putc(out, ',');
        query_put_px(out, sym, prices[i]);
    }
    buf_putc(out, ',');
    query_put_qty(out, sym, k->volume);
    buf_printf(out, ",%llu]", (unsigned long long)k->trades);
}

/* Rows of one pair, then `last` beside it: Kraken gives one pair a call. */
static void answer_ohlc(struct query *q, const struct market_view *m)
{
    struct instrument *in = &m->instruments[q->symbols[0]];
    const struct candle *running = &in->candles.series[q->interval].running;
    uint32_t closed = candles_closed_count(&in->candles, q->interval);
    const struct candle *newest = candles_closed(&in->candles, q->interval, 0);
    const char *separator = "";

    buf_lit(&q->body, "{\"error\":[],\"result\":{");
    put_key(&q->body, q, m, 0, q->symbols[0]);
    buf_putc(&q->body, '[');
    closed = closed < OHLC_ROWS - 1 ? closed : OHLC_ROWS - 1;
    for (uint32_t i = closed; i != 0; i--) {
        const struct candle *k = candles_closed(&in->candles, q->interval, i - 1);

        if (!q->has_since || k->begin_s > q->since) {
            buf_puts(&q->body, separator);
            put_ohlc_row(&q->body, in->symbol, k);
            separator = ",";
        }
    }
    if (running->trades != 0 && (!q->has_since || running->begin_s > q->since)) {
        buf_puts(&q->body, separator);
        put_ohlc_row(&q->body, in->symbol, running);
    }
    buf_printf(&q->body, "],\"last\":%lld}}", newest != NULL ? (long long)newest->begin_s : 0LL);
}

static void put_trade_row(struct buf *out, const struct symbol *sym, const struct trade *t)
{
    buf_putc(out, '[');
    query_put_px(out, sym, t->px);
    buf_putc(out, ',');
    query_put_qty(out, sym, t->qty);
    buf_putc(out, ',');
    buf_fixed(out, t->ts_ns, 9);
    buf_puts(out, t->taker_sells ? ",\"s\"" : ",\"b\"");
    buf_puts(out, t->market_order ? ",\"m\"" : ",\"l\"");
    buf_printf(out, ",\"\",%llu]", (unsigned long long)t->id);
}

/* End of a page of at most LIMIT trades from FROM. The next page is asked for by time, exclusively,
 * so trades of one instant (a sweep) stay together: the page gets shorter, or longer when the sweep
 * fills all of it. */
static uint64_t page_end(const struct trades *t, uint64_t from, uint32_t limit)
{
    uint64_t cut = from + limit;
    uint64_t end = cut;

    if (t->end - from <= limit) {
        return t->end;
    }
    while (end > from && trades_at(t, end)->ts_ns == trades_at(t, end - 1)->ts_ns) {
        end--;
    }
    if (end != from) {
        return end;
    }
    while (cut < t->end && trades_at(t, cut)->ts_ns == trades_at(t, cut - 1)->ts_ns) {
        cut++;
    }
    return cut;
}

static void answer_trades(struct query *q, const struct market_view *m)
{
    const struct instrument *in = &m->instruments[q->symbols[0]];
    uint64_t from = trades_begin(&in->trades);
    uint64_t end = in->trades.end;
    int64_t last_ns = 0;

    if (q->has_since) {
        while (from < end && trades_at(&in->trades, from)->ts_ns <= q->since) {
            from++;
        }
        end = page_end(&in->trades, from, q->limit);
    } else if (end - from > q->limit) {
        from = end - q->limit;
    }
    buf_lit(&q->body, "{\"error\":[],\"result\":{");
    put_key(&q->body, q, m, 0, q->symbols[0]);
    buf_putc(&q->body, '[');
    for (uint64_t i = from; i < end; i++) {
        const struct trade *t = trades_at(&in->trades, i);

        if (i != from) {
            buf_putc(&q->body, ',');
        }
        put_trade_row(&q->body, in->symbol, t);
        last_ns = t->ts_ns;
    }
    if (last_ns == 0) {
        last_ns = q->has_since ? q->since : m->now_ns;
    }
    buf_printf(&q->body, "],\"last\":\"%lld\"}}", (long long)last_ns);
}

void query_kraken(struct query *q, const struct market_view *m)
{
    switch (q->kind) {
    case QUERY_KRAKEN_ASSET_PAIRS:
        for_each(q, m, put_pair);
        break;
    case QUERY_KRAKEN_TICKER:
        for_each(q, m, put_ticker);
        break;
    case QUERY_KRAKEN_DEPTH:
        for_each(q, m, put_depth);
        break;
    case QUERY_KRAKEN_OHLC:
        answer_ohlc(q, m);
        break;
    case QUERY_KRAKEN_TRADES:
        answer_trades(q, m);
        break;
    default:
        buf_printf(&q->body, "{\"error\":[],\"result\":{\"status\":\"%s\",\"timestamp\":\"",
                   link_system_names[m->system]);
        buf_rfc3339(&q->body, m->now_ns, 0);
        buf_lit(&q->body, "\"}}");
        break;
    }
}
