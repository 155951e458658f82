#include "gateway/feed/feed.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/feed/checkpoint.h"
#include "gateway/feed/decode.h"
#include "gateway/feed/feed_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define FEED_ROW(...) CFG_ROW_OF(struct feed_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {FEED_CONFIG(FEED_ROW)};
const struct cfg_table feed_config_table = {"feed", config_rows, GW_LEN(config_rows)};

static const struct metric_label fault_label = {"kind", decode_fault_names, DECODE_FAULT_COUNT};

/* clang-format off */
#define FEED_METRICS(X)                                                                                           \
    X(FEED_M_ENTRIES,    "feed_entries_total",              COUNTER, NULL, "entries read from the feed")              \
    X(FEED_M_LEVELS,     "feed_level_changes_total",        COUNTER, NULL, "book levels set by applied entries")      \
    X(FEED_M_TRADES,     "feed_trades_total",               COUNTER, NULL, "trades in applied entries")               \
    X(FEED_M_MALFORMED,  "md_malformed_total",              COUNTER, &fault_label, "entries refused by the decoder")  \
    X(FEED_M_DUPLICATE,  "md_seq_duplicate_all_total",      COUNTER, NULL, "entries dropped: sequence number already seen") \
    X(FEED_M_STALE,      "md_epoch_stale_total",            COUNTER, NULL, "entries dropped: of an epoch that was replaced") \
    X(FEED_M_GAPS,       "md_seq_gap_all_total",            COUNTER, NULL, "times a symbol lost continuity")          \
    X(FEED_M_LOST,       "md_seq_lost_all_total",           COUNTER, NULL, "entries missing in gaps")                 \
    X(FEED_M_TRADE_DUP,  "md_trade_duplicate_total",        COUNTER, NULL, "trades dropped: id already seen")         \
    X(FEED_M_TRADE_LOST, "md_trade_lost_total",             COUNTER, NULL, "trade ids never seen")                    \
    X(FEED_M_CROSSED,    "md_crossed_total",                COUNTER, NULL, "batches that left a book crossed (withheld)") \
    X(FEED_M_DIFFERED,   "md_snapshot_mismatch_total",      COUNTER, NULL, "snapshots in sequence that did not match the book") \
    X(FEED_M_HEALED,     "md_healed_total",                 COUNTER, NULL, "times a symbol regained continuity")      \
    X(FEED_M_ASKED,      "md_resnapshot_total",             COUNTER, NULL, "snapshots asked of the core")             \
    X(FEED_M_BROKEN,     "md_symbols_broken",               GAUGE,   NULL, "symbols without continuity now")          \
    X(FEED_M_REFUSED,    "md_streams_refused_total",        COUNTER, NULL, "times the key of a symbol was found to be no stream") \
    X(FEED_M_UNREADABLE, "md_symbols_unreadable",           GAUGE,   NULL, "symbols whose key is no stream now: they stand still, the others go on") \
    X(FEED_M_CONNECTED,  "upstream_connected",              GAUGE,   NULL, "1 while every reader of the feed answers")\
    X(FEED_M_RECONNECTS, "upstream_reconnects_total",       COUNTER, NULL, "times the feed came back after it was lost")      \
    X(FEED_M_CATCHUP,    "md_catchup_remaining",            GAUGE,   NULL, "entries still to be read while catching up (100,000 a symbol at most)") \
    X(FEED_M_LOSSES,     "upstream_lost_total",             COUNTER, NULL, "times the feed was lost")
/* clang-format on */
enum feed_metric { FEED_METRICS(METRIC_AS_ENUM) FEED_M_COUNT };
static const struct metric_row metric_rows[] = {FEED_METRICS(METRIC_AS_ROW)};
const struct metric_table feed_metrics = {"feed", metric_rows, FEED_M_COUNT};

/* Redis stream ids "ms-n" by number. */
static int id_compare(const char *a, const char *b)
{
    char *rest_a;
    char *rest_b;
    unsigned long long x = strtoull(a, &rest_a, 10);
    unsigned long long y = strtoull(b, &rest_b, 10);

    if (x == y) {
        x = *rest_a == '-' ? strtoull(rest_a + 1, NULL, 10) : 0;
        y = *rest_b == '-' ? strtoull(rest_b + 1, NULL, 10) : 0;
    }
    return (x > y) - (x < y);
}

static void on_checkpoint(void *arg, uint32_t symbol, const char *json, size_t len,
                          char id[FEED_ID_MAX])
{
    struct feed *f = arg;

    id[0] = '\0';
    if (!checkpoint_restore(&f->market->instruments[symbol], json, len, id)) {
        log_warn("feed", "checkpoint_refused", "\"symbol\":\"%s\",\"next\":\"candles start anew\"",
                 symbols_at(f->market->symbols, symbol)->name);
        id[0] = '\0';
    }
    memcpy(f->symbols[symbol].known_id, id, FEED_ID_MAX);
}

static void on_candle(void *arg, uint32_t symbol, uint32_t minutes, int64_t begin_s,
                      const char *json, size_t len)
{
    struct feed *f = arg;
    struct candle k = {0};
    int interval = candle_interval_index(minutes);

    if (interval < 0 || !checkpoint_candle(json, len, &k) || k.begin_s != begin_s ||
        !candles_restore(&f->market->instruments[symbol].candles, interval, &k)) {
        log_warn("feed", "candle_refused", "\"symbol\":\"%s\",\"interval\":%u,\"begin_s\":%lld",
                 symbols_at(f->market->symbols, symbol)->name, minutes, (long long)begin_s);
    }
}

static void refuse(struct feed *f, uint32_t symbol, const char *id, enum decode_fault fault)
{
    metrics_add(f->metrics, FEED_M_MALFORMED, (unsigned)fault, 1);
    if ((f->logged_faults >> fault & 1) == 0) {
        f->logged_faults |= 1u << fault;
        log_warn("feed", "malformed",
                 "\"symbol\":\"%s\",\"id\":%s,\"kind\":\"%s\","
                 "\"next\":\"see docs/FEED.md; more of this kind are only counted\"",
                 symbols_at(f->market->symbols, symbol)->name, log_json(id),
                 decode_fault_names[fault]);
    }
}

static void ask_snapshot(struct feed *f, uint32_t symbol, const char *why)
{
    f->symbols[symbol].asked_ns = clock_mono_ns();
    metrics_inc(f->metrics, FEED_M_ASKED);
    source_request_snapshot(f->source, symbol, why);
}

static void note_continuity(struct feed *f, uint32_t symbol, const struct apply_result *r)
{
    struct feed_symbol *s = &f->symbols[symbol];
    bool broken = f->market->instruments[symbol].seq.state == SEQ_BROKEN;
    const char *name = symbols_at(f->market->symbols, symbol)->name;

    if (broken != s->broken) {
        s->broken = broken;
        f->broken += broken ? 1 : UINT32_MAX;
        metrics_set(f->metrics, FEED_M_BROKEN, 0, f->broken);
    }
    if (r->broken) {
        metrics_inc(f->metrics, FEED_M_GAPS);
        log_warn("feed", r->crossed ? "crossed" : "gap", "\"symbol\":\"%s\",\"lost\":%llu", name,
                 (unsigned long long)r->lost);
    }
    if (broken && s->live && (r->broken || r->epoch_changed)) {
        ask_snapshot(f, symbol, r->crossed ? "crossed" : "gap");
    }
    if (r->healed && s->live) {
        metrics_inc(f->metrics, FEED_M_HEALED);
        log_info("feed", "healed", "\"symbol\":\"%s\"", name);
    }
}

static void count(struct feed *f, const struct apply_result *r)
{
    switch (r->verdict) {
    case SEQ_DUPLICATE:
        metrics_inc(f->metrics, FEED_M_DUPLICATE);
        return;
    case SEQ_STALE:
        metrics_inc(f->metrics, FEED_M_STALE);
        return;
    case SEQ_APPLY:
    case SEQ_RESYNC:
        metrics_add(f->metrics, FEED_M_LEVELS, 0,
                    f->event.level_count[0] + f->event.level_count[1]);
        break;
    case SEQ_TRADES:
        break;
    }
    metrics_add(f->metrics, FEED_M_LOST, 0, r->lost);
    metrics_add(f->metrics, FEED_M_TRADES, 0, f->event.trade_count - r->duplicate_trades);
    metrics_add(f->metrics, FEED_M_TRADE_DUP, 0, r->duplicate_trades);
    metrics_add(f->metrics, FEED_M_TRADE_LOST, 0, r->lost_trades);
    metrics_add(f->metrics, FEED_M_CROSSED, 0, r->crossed);
    metrics_add(f->metrics, FEED_M_DIFFERED, 0, r->snapshot_differed);
}

static void save_closed(struct feed *f, uint32_t symbol, uint32_t closed)
{
    const struct candles *c = &f->market->instruments[symbol].candles;

    for (int i = 0; closed >> i != 0; i++) {
        const struct candle *k = candles_closed(c, i, 0);
        int64_t kept_s = (int64_t)c->series[i].keep * candle_minutes[i] * 60;

        if ((closed >> i & 1) != 0 && k != NULL) {
            buf_reset(&f->text);
            candle_print(k, &f->text);
            source_save_candle(f->source, symbol, candle_minutes[i], k->begin_s, f->text.data,
                               f->text.len, k->begin_s - kept_s);
        }
    }
}

static void on_entry(void *arg, uint32_t symbol, const char *id, const char *json, size_t len)
{
    struct feed *f = arg;
    struct feed_symbol *s = &f->symbols[symbol];
    struct apply_result r;
    enum decode_fault fault;
    bool known = s->known_id[0] != '\0' && !s->live && id_compare(id, s->known_id) <= 0;

    metrics_inc(f->metrics, FEED_M_ENTRIES);
    memcpy(s->last_id, id, strlen(id) + 1);
    fault = decode_entry(json, len, symbols_at(f->market->symbols, symbol), symbol, &f->event);
    if (fault != DECODE_NONE) {
        refuse(f, symbol, id, fault);
        return;
    }
    r = market_apply(f->market, &f->event, known);
    count(f, &r);
    if (r.verdict == SEQ_DUPLICATE || r.verdict == SEQ_STALE) {
        return;
    }
    note_continuity(f, symbol, &r);
    if ((r.changed & CHANGED_TRADES) != 0 && !known) {
        save_closed(f, symbol, r.closed_candles);
        if (!s->dirty) {
            s->dirty = true;
            f->dirty[f->dirty_count++] = symbol;
        }
    }
    f->listener.on_event(f->arg, symbol, &r);
}

static void on_live(void *arg, uint32_t symbol, bool has_snapshot)
{
    struct feed *f = arg;
    struct feed_symbol *s = &f->symbols[symbol];

    s->live = true;
    if (f->market->instruments[symbol].seq.state == SEQ_BROKEN) {
        ask_snapshot(f, symbol, has_snapshot ? "gap" : "no_snapshot");
    }
}

static void on_refused(void *arg, uint32_t symbol, const char *why)
{
    struct feed *f = arg;
    struct instrument *in = &f->market->instruments[symbol];
    const char *name = symbols_at(f->market->symbols, symbol)->name;

    in->unread = why != NULL;
    f->unreadable += in->unread ? 1 : UINT32_MAX;
    metrics_set(f->metrics, FEED_M_UNREADABLE, 0, f->unreadable);
    if (in->unread) {
        metrics_inc(f->metrics, FEED_M_REFUSED);
        log_error(
            "feed", "stream_refused",
            "\"symbol\":\"%s\",\"key\":\"md:{%s}\",\"why\":%s,\"next\":\"the core must write a "
            "stream there: remove what is there now; all other symbols go on\"",
            name, name, log_json(why));
    } else {
        log_info("feed", "stream_readable", "\"symbol\":\"%s\"", name);
    }
    f->listener.on_readable(f->arg, symbol);
}

static void on_connected(void *arg, bool connected, int64_t since_ns)
{
    struct feed *f = arg;

    (void)since_ns;
    f->connected = connected;
    metrics_set(f->metrics, FEED_M_CONNECTED, 0, connected);
    if (!connected) {
        metrics_inc(f->metrics, FEED_M_LOSSES);
    } else if (metrics_get(f->metrics, FEED_M_LOSSES, 0) != 0) {
        metrics_inc(f->metrics, FEED_M_RECONNECTS);
    }
    f->listener.on_connected(f->arg, connected);
}

static void on_turn(void *arg)
{
    struct feed *f = arg;

    f->listener.on_turn(f->arg);
}

static const struct feed_sink sink = {
    .on_checkpoint = on_checkpoint,
    .on_candle = on_candle,
    .on_entry = on_entry,
    .on_live = on_live,
    .on_connected = on_connected,
    .on_refused = on_refused,
    .on_turn = on_turn,
};

static void save_checkpoints(struct feed *f)
{
    for (uint32_t i = 0; i < f->dirty_count; i++) {
        uint32_t symbol = f->dirty[i];

        f->symbols[symbol].dirty = false;
        buf_reset(&f->text);
        checkpoint_print(&f->market->instruments[symbol], f->symbols[symbol].last_id, &f->text);
        source_save_checkpoint(f->source, symbol, f->text.data, f->text.len);
    }
    f->dirty_count = 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct feed *f = timer->data;
    int64_t now = clock_mono_ns();

    if (f->connected) {
        metrics_set(f->metrics, FEED_M_CATCHUP, 0, (int64_t)source_remaining(f->source));
    }
    if (f->connected && source_pending(f->source) < 4096) {
        save_checkpoints(f);
    }
    for (uint32_t i = 0; f->broken != 0 && f->connected && i < f->market->count; i++) {
        const struct feed_symbol *s = &f->symbols[i];

        if (s->broken && s->live &&
            now - s->asked_ns >= (int64_t)f->config->resnapshot_every * 1000000) {
            ask_snapshot(f, i, "still_broken");
        }
    }
}

struct feed *feed_create(uv_loop_t *loop, const struct feed_config *config, struct market *market,
                         const struct feed_listener *listener, void *arg)
{
    struct feed *f = gw_calloc(1, sizeof *f);
    struct source_options opt = {
        .endpoint = config->redis,
        .symbol_count = market->count,
        .intervals = candle_minutes,
        .interval_count = CANDLE_INTERVALS,
        .window_entries = (uint32_t)config->window_entries,
        .command_timeout_ms = (uint32_t)config->command_timeout,
        .backoff_min_ms = (uint32_t)config->backoff_min,
        .backoff_max_ms = (uint32_t)config->backoff_max,
    };

    f->config = config;
    f->market = market;
    f->listener = *listener;
    f->arg = arg;
    f->metrics = metrics_create(&feed_metrics);
    f->symbols = gw_calloc(market->count, sizeof *f->symbols);
    f->dirty = gw_calloc(market->count, sizeof *f->dirty);
    f->names = gw_calloc(market->count, sizeof *f->names);
    for (uint32_t i = 0; i < market->count; i++) {
        f->names[i] = symbols_at(market->symbols, i)->name;
    }
    opt.symbols = f->names;
    uv_timer_init(loop, &f->timer);
    f->timer.data = f;
    uv_timer_start(&f->timer, on_timer, config->checkpoint_every, config->checkpoint_every);
    f->source = source_create(loop, &opt, &sink, f);
    return f;
}

static void part_closed(struct feed *f)
{
    if (--f->to_close == 0) {
        f->on_closed(f->on_closed_arg);
    }
}

static void on_source_closed(void *arg)
{
    part_closed(arg);
}

static void on_timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void feed_save(struct feed *f)
{
    if (f->connected) {
        save_checkpoints(f);
    }
}

void feed_close(struct feed *f, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!f->closing);
    f->closing = true;
    f->to_close = 2;
    f->on_closed = done;
    f->on_closed_arg = arg;
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
    source_close(f->source, on_source_closed, f);
}

void feed_destroy(struct feed **fp)
{
    struct feed *f = *fp;

    *fp = NULL;
    source_destroy(&f->source);
    feed_event_fini(&f->event);
    buf_fini(&f->text);
    free(f->names);
    free(f->dirty);
    free(f->symbols);
    free(f);
}
