#include "gateway/publish/encode.h"

void encode_px(struct buf *out, const struct symbol *sym, struct px px)
{
    buf_fixed(out, px.ticks, sym->price_decimals);
}

void encode_qty(struct buf *out, const struct symbol *sym, struct qty qty)
{
    buf_fixed(out, qty.lots, sym->qty_decimals);
}

/* Symbol names are [A-Z0-9.-/]: nothing to escape. */
static void put_symbol(struct buf *out, const struct symbol *sym)
{
    buf_lit(out, "\"symbol\":\"");
    buf_puts(out, sym->name);
    buf_putc(out, '"');
}

static void put_head(struct buf *out, const char *channel, bool snapshot)
{
    buf_lit(out, "{\"channel\":\"");
    buf_puts(out, channel);
    if (snapshot) {
        buf_lit(out, "\",\"type\":\"snapshot\"");
    } else {
        buf_lit(out, "\",\"type\":\"update\"");
    }
}

static void put_time(struct buf *out, const char *name, int64_t ts_ns, unsigned digits)
{
    buf_puts(out, name);
    buf_rfc3339(out, ts_ns, digits);
    buf_putc(out, '"');
}

void encode_gw(struct buf *out, const struct gw_mark *gw)
{
    buf_lit(out, ",\"gw\":{");
    if (gw->epoch != NULL) {
        buf_lit(out, "\"e\":\"");
        buf_puts(out, gw->epoch); /* [A-Za-z0-9_-] */
        buf_lit(out, "\",");
    }
    buf_lit(out, "\"s\":");
    buf_u64(out, gw->seq);
    buf_lit(out, ",\"p\":");
    if (gw->epoch != NULL) {
        buf_lit(out, "null");
    } else {
        buf_u64(out, gw->prev);
    }
    if (gw->folded != 0) {
        buf_lit(out, ",\"n\":");
        buf_u64(out, gw->folded);
    }
    if (gw->has_digest) {
        buf_lit(out, ",\"d\":");
        buf_u64(out, gw->digest);
    }
    if (gw->audit.v[0] != '\0') {
        buf_lit(out, ",\"audit\":\"");
        buf_puts(out, gw->audit.v);
        buf_putc(out, '"');
    }
    buf_lit(out, "}}");
}

static bool is_snapshot(const struct gw_mark *gw)
{
    return gw->epoch != NULL && !gw->update;
}

void encode_level(struct buf *out, const struct symbol *sym, const struct level *l)
{
    buf_lit(out, "{\"price\":");
    encode_px(out, sym, l->px);
    buf_lit(out, ",\"qty\":");
    encode_qty(out, sym, l->qty);
    buf_putc(out, '}');
}

static void put_book_tail(struct buf *out, uint32_t checksum, int64_t ts_ns,
                          const struct gw_mark *gw)
{
    buf_lit(out, "],\"checksum\":");
    buf_u64(out, checksum);
    put_time(out, ",\"timestamp\":\"", ts_ns, 6);
    buf_lit(out, "}]");
    encode_gw(out, gw);
}

static void put_view_side(struct buf *out, const struct symbol *sym, const struct view *w,
                          enum side side)
{
    for (uint32_t i = w->count[side]; i != 0; i--) {
        encode_level(out, sym, &w->v[side][i - 1]);
        if (i != 1) {
            buf_putc(out, ',');
        }
    }
}

void encode_book_snapshot(struct buf *out, const struct symbol *sym, const struct view *view,
                          uint32_t checksum, int64_t ts_ns, const struct gw_mark *gw)
{
    put_head(out, "book", true);
    buf_lit(out, ",\"data\":[{");
    put_symbol(out, sym);
    buf_lit(out, ",\"bids\":[");
    put_view_side(out, sym, view, SIDE_BID);
    buf_lit(out, "],\"asks\":[");
    put_view_side(out, sym, view, SIDE_ASK);
    put_book_tail(out, checksum, ts_ns, gw);
}

static void put_diff_side(struct buf *out, const struct symbol *sym, const struct side_diff *d)
{
    bool first = true;

    for (uint32_t i = 0; i < d->count; i++) {
        if (d->v[i].tag == LEVEL_OUT) {
            continue;
        }
        if (!first) {
            buf_putc(out, ',');
        }
        first = false;
        encode_level(out, sym, &d->v[i].level);
    }
}

void encode_book_update(struct buf *out, const struct symbol *sym, const struct view_diff *diff,
                        uint32_t checksum, int64_t ts_ns, const struct gw_mark *gw)
{
    put_head(out, "book", false);
    buf_lit(out, ",\"data\":[{");
    put_symbol(out, sym);
    buf_lit(out, ",\"bids\":[");
    put_diff_side(out, sym, &diff->side[SIDE_BID]);
    buf_lit(out, "],\"asks\":[");
    put_diff_side(out, sym, &diff->side[SIDE_ASK]);
    put_book_tail(out, checksum, ts_ns, gw);
}

void encode_trades(struct buf *out, const struct symbol *sym, const struct trade *const *trades,
                   uint32_t count, const struct gw_mark *gw)
{
    put_head(out, "trade", is_snapshot(gw));
    buf_lit(out, ",\"data\":[");
    for (uint32_t i = 0; i < count; i++) {
        const struct trade *t = trades[i];

        buf_puts(out, i == 0 ? "{" : ",{");
        put_symbol(out, sym);
        buf_puts(out, t->taker_sells ? ",\"side\":\"sell\"" : ",\"side\":\"buy\"");
        buf_lit(out, ",\"price\":");
        encode_px(out, sym, t->px);
        buf_lit(out, ",\"qty\":");
        encode_qty(out, sym, t->qty);
        buf_puts(out, t->market_order ? ",\"ord_type\":\"market\"" : ",\"ord_type\":\"limit\"");
        buf_lit(out, ",\"trade_id\":");
        buf_u64(out, t->id);
        put_time(out, ",\"timestamp\":\"", t->ts_ns, 6);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    encode_gw(out, gw);
}

static void put_candle(struct buf *out, const struct symbol *sym, uint32_t minutes,
                       const struct candle *k)
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

    buf_putc(out, '{');
    put_symbol(out, sym);
    for (unsigned i = 0; i < GW_LEN(prices); i++) {
        buf_puts(out, prices[i].name);
        encode_px(out, sym, prices[i].px);
    }
    buf_lit(out, ",\"trades\":");
    buf_u64(out, k->trades);
    buf_lit(out, ",\"volume\":");
    encode_qty(out, sym, k->volume);
    put_time(out, ",\"interval_begin\":\"", k->begin_s * 1000000000, 9);
    buf_lit(out, ",\"interval\":");
    buf_u64(out, minutes);
    put_time(out, ",\"timestamp\":\"", (k->begin_s + (int64_t)minutes * 60) * 1000000000, 6);
    buf_putc(out, '}');
}

void encode_ohlc(struct buf *out, const struct symbol *sym, uint32_t minutes,
                 const struct candle *const *candles, uint32_t count, const struct gw_mark *gw)
{
    put_head(out, "ohlc", is_snapshot(gw));
    put_time(out, ",\"timestamp\":\"", count != 0 ? candles[count - 1]->last_ts_ns : 0, 9);
    buf_lit(out, ",\"data\":[");
    for (uint32_t i = 0; i < count; i++) {
        if (i != 0) {
            buf_putc(out, ',');
        }
        put_candle(out, sym, minutes, candles[i]);
    }
    buf_putc(out, ']');
    encode_gw(out, gw);
}

/* 100 * part / whole with two decimals, rounded half away from zero. */
static void put_percent(struct buf *out, int64_t part, int64_t whole)
{
    __int128 scaled = (__int128)part * 10000;
    int64_t half = whole / 2;

    if (whole == 0) {
        buf_lit(out, "0.00");
        return;
    }
    scaled += part < 0 ? -half : half;
    buf_fixed(out, (int64_t)(scaled / whole), 2);
}

static void put_best(struct buf *out, const struct instrument *in, enum side side)
{
    const struct level *best = in->has_book ? book_best(&in->book, side) : NULL;
    const struct level none = {{0}, {0}};

    best = best != NULL ? best : &none;
    buf_puts(out, side == SIDE_BID ? ",\"bid\":" : ",\"ask\":");
    encode_px(out, in->symbol, best->px);
    buf_puts(out, side == SIDE_BID ? ",\"bid_qty\":" : ",\"ask_qty\":");
    encode_qty(out, in->symbol, best->qty);
}

void encode_ticker(struct buf *out, struct instrument *in, const struct gw_mark *gw)
{
    const struct symbol *sym = in->symbol;
    const struct trade *last = trades_last(&in->trades);
    struct day_stats day = {0};
    struct px price = last != NULL ? last->px : (struct px){0};
    int64_t ts_ns = in->book_ts_ns;

    (void)candles_day(&in->candles, &day);
    if (last != NULL && last->ts_ns > ts_ns) {
        ts_ns = last->ts_ns;
    }
    put_head(out, "ticker", gw->epoch != NULL);
    buf_lit(out, ",\"data\":[{");
    put_symbol(out, sym);
    put_best(out, in, SIDE_BID);
    put_best(out, in, SIDE_ASK);
    buf_lit(out, ",\"last\":");
    encode_px(out, sym, price);
    buf_lit(out, ",\"volume\":");
    encode_qty(out, sym, day.volume);
    buf_lit(out, ",\"vwap\":");
    encode_px(out, sym, candle_vwap(day.turnover, day.volume));
    buf_lit(out, ",\"low\":");
    encode_px(out, sym, day.low);
    buf_lit(out, ",\"high\":");
    encode_px(out, sym, day.high);
    buf_lit(out, ",\"change\":");
    encode_px(out, sym, (struct px){price.ticks - (day.trades != 0 ? day.open.ticks : 0)});
    buf_lit(out, ",\"change_pct\":");
    put_percent(out, day.trades != 0 ? price.ticks - day.open.ticks : 0, day.open.ticks);
    put_time(out, ",\"timestamp\":\"", ts_ns, 6);
    buf_lit(out, "}]");
    encode_gw(out, gw);
}

static void put_increment(struct buf *out, unsigned decimals)
{
    buf_fixed(out, 1, decimals);
}

static void put_pair(struct buf *out, const struct symbol *sym, enum pair_status status)
{
    buf_putc(out, '{');
    put_symbol(out, sym);
    buf_printf(out, ",\"base\":\"%s\",\"quote\":\"%s\",\"status\":\"%s\"", sym->base, sym->quote,
               pair_status_names[status]);
    buf_printf(out, ",\"qty_precision\":%u,\"qty_increment\":", sym->qty_decimals);
    put_increment(out, sym->qty_decimals);
    buf_lit(out, ",\"qty_min\":");
    if (sym->qty_min[0] != '\0') {
        buf_puts(out, sym->qty_min);
    } else {
        put_increment(out, sym->qty_decimals);
    }
    buf_printf(out, ",\"price_precision\":%u,\"price_increment\":", sym->price_decimals);
    put_increment(out, sym->price_decimals);
    buf_printf(out, ",\"cost_precision\":%u,\"cost_min\":%s", sym->price_decimals,
               sym->cost_min[0] != '\0' ? sym->cost_min : "0");
    buf_lit(out, ",\"marginable\":false,\"has_index\":false}");
}

static void put_assets(struct buf *out, const struct symbols *symbols, const bool *no_withdrawals)
{
    for (uint32_t i = 0; i < symbols_asset_count(symbols); i++) {
        const struct asset *a = symbols_asset_at(symbols, i);

        buf_printf(out,
                   "%s{\"id\":\"%s\",\"status\":\"%s\",\"precision\":%u,"
                   "\"precision_display\":%u,\"borrowable\":false,\"collateral_value\":0.0,"
                   "\"multiplier\":1}",
                   i != 0 ? "," : "", a->id, no_withdrawals[i] ? "depositonly" : "enabled",
                   a->precision, a->precision);
    }
}

void encode_assets(struct buf *out, const struct symbols *symbols, const bool *no_withdrawals,
                   const struct gw_mark *gw)
{
    put_head(out, "instrument", false);
    buf_lit(out, ",\"data\":{\"assets\":[");
    put_assets(out, symbols, no_withdrawals);
    buf_lit(out, "],\"pairs\":[]}");
    encode_gw(out, gw);
}

void encode_instruments(struct buf *out, const struct symbols *symbols,
                        const enum pair_status *status, const bool *no_withdrawals, uint32_t only,
                        const struct gw_mark *gw)
{
    put_head(out, "instrument", only == SYMBOL_NONE);
    buf_lit(out, ",\"data\":{\"assets\":[");
    if (only == SYMBOL_NONE) {
        put_assets(out, symbols, no_withdrawals);
    }
    buf_lit(out, "],\"pairs\":[");
    if (only != SYMBOL_NONE) {
        put_pair(out, symbols_at(symbols, only), status[only]);
    } else {
        for (uint32_t i = 0; i < symbols_count(symbols); i++) {
            if (i != 0) {
                buf_putc(out, ',');
            }
            put_pair(out, symbols_at(symbols, i), status[i]);
        }
    }
    buf_lit(out, "]}");
    encode_gw(out, gw);
}

void encode_symbol_mode(struct buf *out, const struct symbol *sym, const char *mode,
                        const char *book, int64_t since_ns, struct audit_id audit)
{
    put_head(out, "gateway", false);
    buf_printf(
        out,
        ",\"data\":[{\"event\":\"symbol\",\"symbols\":[\"%s\"],\"mode\":\"%s\",\"book\":\"%s\"",
        sym->name, mode, book);
    put_time(out, ",\"since\":\"", since_ns, 6);
    buf_lit(out, "}],\"gw\":{\"audit\":\"");
    buf_puts(out, audit.v);
    buf_lit(out, "\"}}");
}

static void put_feed_symbols(struct buf *out, const struct symbol *sym)
{
    if (sym != NULL) {
        buf_printf(out, ",\"symbols\":[\"%s\"]", sym->name);
    }
}

void encode_feed_degraded(struct buf *out, const struct symbol *sym, const char *cause,
                          int64_t since_ns, uint64_t last_seq, int64_t stale_ms)
{
    put_head(out, "gateway", false);
    buf_printf(out, ",\"data\":[{\"event\":\"feed\",\"state\":\"degraded\",\"cause\":\"%s\"",
               cause);
    buf_lit(out, ",\"channels\":[\"book\",\"trade\",\"ohlc\",\"ticker\"]");
    put_feed_symbols(out, sym);
    put_time(out, ",\"since\":\"", since_ns, 6);
    if (sym != NULL) {
        buf_printf(out, ",\"last_s\":%llu", (unsigned long long)last_seq);
    }
    buf_printf(out, ",\"stale_ms\":%lld}]}", (long long)(stale_ms > 0 ? stale_ms : 0));
}

void encode_feed_ok(struct buf *out, const struct symbol *sym, const char *epoch,
                    uint64_t gap_trade_from, uint64_t gap_trade_to)
{
    put_head(out, "gateway", false);
    buf_lit(out, ",\"data\":[{\"event\":\"feed\",\"state\":\"ok\"");
    put_feed_symbols(out, sym);
    if (epoch != NULL) {
        buf_printf(out, ",\"e\":\"%s\"", epoch);
    }
    buf_lit(out, ",\"heal\":\"diff\"");
    if (gap_trade_from != 0) {
        buf_printf(out, ",\"gap_trades\":{\"from\":%llu,\"to\":%llu}",
                   (unsigned long long)gap_trade_from, (unsigned long long)gap_trade_to);
    }
    buf_lit(out, "}]}");
}
