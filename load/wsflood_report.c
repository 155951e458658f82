#include "load/wsflood_report.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t at;
} percentiles[] = {{"p50", 50000}, {"p90", 90000}, {"p99", 99000}, {"p99_9", 99900}};

static uint64_t per_second(uint64_t count, int64_t window_ns)
{
    return window_ns > 0 ? (uint64_t)((unsigned __int128)count * 1000000000 / (uint64_t)window_ns)
                         : 0;
}

static void put_u64(struct buf *out, const char *name, uint64_t v)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)v);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (text[0] != '\0') {
        buf_printf(out, ",\"%s\":", name);
        buf_json_str(out, text, strlen(text));
    }
}

/* Microseconds with three decimals. */
static void put_us(struct buf *out, const char *name, uint64_t ns)
{
    buf_printf(out, ",\"%s\":", name);
    buf_fixed(out, (int64_t)(ns < INT64_MAX ? ns : INT64_MAX), 3);
}

static void put_hist(struct buf *out, const char *name, const struct hist *h)
{
    buf_printf(out, ",\"%s\":{\"count\":%llu", name, (unsigned long long)hist_count(h));
    put_us(out, "min", hist_min(h));
    put_us(out, "mean", hist_mean(h));
    for (unsigned i = 0; i < GW_LEN(percentiles); i++) {
        put_us(out, percentiles[i].name, hist_at(h, percentiles[i].at));
    }
    put_us(out, "max", hist_max(h));
    put_u64(out, "over_100s", hist_over(h));
    buf_putc(out, '}');
}

static void put_config(struct buf *out, const struct wf_options *o)
{
    buf_lit(out, "{\"config\":{\"url\":");
    buf_printf(out, "\"wss://%s:%s%s\"", o->host, o->port, o->path);
    put_u64(out, "sessions", o->sessions);
    put_u64(out, "connect_rate", o->connect_rate);
    put_u64(out, "warmup_s", o->warmup_s);
    put_u64(out, "duration_s", o->duration_s);
    put_u64(out, "stall_percent", o->stall_percent);
    put_u64(out, "stall_for_s", o->stall_for_s);
    put_u64(out, "churn", o->churn);
    put_u64(out, "rcvbuf_bytes", o->rcvbuf_bytes);
    put_u64(out, "sources", o->sources);
    buf_puts(out, o->resume ? ",\"resume\":true" : ",\"resume\":false");
    buf_puts(out, o->spread ? ",\"spread\":true" : ",\"spread\":false");
    if (o->has_interval_ms) {
        put_u64(out, "interval_ms", o->interval_ms);
    }
    buf_lit(out, ",\"subscribe\":[");
    for (uint32_t i = 0; i < o->spec_count; i++) {
        if (i != 0) {
            buf_putc(out, ',');
        }
        buf_json_str(out, o->specs[i].text, strlen(o->specs[i].text));
    }
    buf_lit(out, "]}");
}

static void put_closes(struct buf *out, const char *name, const uint32_t *closes)
{
    bool first = true;

    buf_printf(out, ",\"%s\":{", name);
    for (uint32_t i = 0; i < WF_CLOSE_CODES; i++) {
        if (closes[i] != 0) {
            buf_printf(out, "%s\"%u\":%u", first ? "" : ",", i, closes[i]);
            first = false;
        }
    }
    buf_putc(out, '}');
}

static uint64_t sum_closes(const uint32_t *closes)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < WF_CLOSE_CODES; i++) {
        sum += closes[i];
    }
    return sum;
}

static void put_channels(struct buf *out, const char *name, const uint64_t *v, unsigned count)
{
    bool first = true;

    buf_printf(out, ",\"%s\":{", name);
    for (unsigned i = 0; i < count; i++) {
        if (v[i] != 0) {
            buf_printf(out, "%s\"%s\":%llu", first ? "" : ",", scan_channel_names[i],
                       (unsigned long long)v[i]);
            first = false;
        }
    }
    buf_putc(out, '}');
}

static void put_window(struct buf *out, const struct wf_result *r)
{
    const struct wf_counters *c = &r->stats->window;
    uint64_t total = r->window_ns > 0 ? wf_counters_total(c) : 0;

    put_us(out, "window_us", (uint64_t)r->window_ns);
    if (r->window_ns <= 0) {
        return;
    }
    put_u64(out, "messages", total);
    put_u64(out, "data_messages", wf_counters_data(c));
    put_u64(out, "messages_per_s", per_second(total, r->window_ns));
    put_u64(out, "bytes", c->bytes);
    put_u64(out, "bytes_per_s", per_second(c->bytes, r->window_ns));
    put_u64(out, "reads", c->reads);
    put_u64(out, "snapshots", c->snapshots);
    put_channels(out, "channels", c->messages, SCAN_CHANNEL_COUNT);
    put_hist(out, "latency_us", r->stats->latency);
    put_u64(out, "negative_latency", c->negative_latency);
    put_u64(out, "without_timestamp", c->without_time);
    put_u64(out, "without_gw", c->without_seq);
    put_us(out, "client_cpu_us", r->own_cpu_us * 1000);
}

static void put_whole_run(struct buf *out, const struct wf_result *r)
{
    const struct wf_counters *c = &r->stats->all;

    put_u64(out, "refused", c->messages[SCAN_REFUSED]);
    put_text(out, "first_refusal", r->stats->first_refusal);
    put_u64(out, "breaks", wf_counters_breaks(c));
    put_text(out, "first_break", r->stats->first_break);
    put_channels(out, "breaks_by_channel", c->breaks, SCAN_STREAMS);
    put_u64(out, "book_updates_before_snapshot", c->before_snapshot);
    put_u64(out, "unknown_stream", c->unknown_stream);
    put_u64(out, "slow_warnings", c->slow_warnings);
    put_u64(out, "evict_notices", c->evict_notices);
    put_closes(out, "closes", r->stats->closes);
    buf_printf(out, ",\"stalled\":{\"sessions\":%u,\"closed\":%llu", r->stalled,
               (unsigned long long)sum_closes(r->stats->closes_stalled));
    put_closes(out, "closes", r->stats->closes_stalled);
    buf_putc(out, '}');
}

static void put_tally(struct buf *out, const char *name, const struct wf_tally *t)
{
    buf_printf(out, ",\"%s\":{", name);
    for (uint32_t i = 0; i < t->used; i++) {
        if (i != 0) {
            buf_putc(out, ',');
        }
        buf_json_str(out, t->row[i].name, strlen(t->row[i].name));
        buf_printf(out, ":%llu", (unsigned long long)t->row[i].count);
    }
    buf_putc(out, '}');
}

static void put_returns(struct buf *out, const struct wf_result *r)
{
    const struct wf_stats *s = r->stats;

    buf_printf(out, ",\"resume\":{\"enabled\":%s", r->flood->options->resume ? "true" : "false");
    put_u64(out, "reconnects", s->all.reconnects);
    put_u64(out, "attempts", s->returns.attempts);
    put_u64(out, "attempts_failed", s->returns.attempts_failed);
    put_text(out, "first_failure", s->returns.first_failure);
    put_u64(out, "given_up", s->returns.given_up);
    put_u64(out, "not_back", s->owing);
    put_u64(out, "resumed", s->all.resumed);
    put_u64(out, "not_resumed", s->all.not_resumed);
    put_tally(out, "why", &s->returns.why);
    put_tally(out, "last_close", &s->returns.last_close);
    put_u64(out, "behind", s->all.behind);
    put_hist(out, "connect_us", s->returns.connect);
    put_hist(out, "first_data_us", s->returns.first_data);
    buf_putc(out, '}');
}

static void put_trades(struct buf *out, const struct wf_counters *c)
{
    buf_printf(out, ",\"trades\":{\"received\":%llu", (unsigned long long)c->trades);
    put_u64(out, "trade_gaps", c->trade_gaps);
    put_u64(out, "missing", c->trades_missing);
    put_u64(out, "trade_gaps_told", c->trade_gaps_told);
    put_u64(out, "missing_told", c->trades_missing_told);
    put_u64(out, "duplicates", c->trade_duplicates);
    buf_putc(out, '}');
}

static void put_churn(struct buf *out, const struct wf_result *r)
{
    const struct wf_churn *c = &r->stats->churn;

    buf_printf(out, ",\"churn\":{\"per_s\":%u", r->flood->options->churn);
    put_u64(out, "closed", c->closed);
    put_u64(out, "unanswered", c->unanswered);
    put_u64(out, "opened", c->opened);
    put_u64(out, "failed", c->failed);
    put_hist(out, "connect_us", c->connect);
    buf_putc(out, '}');
}

static void put_stall(struct buf *out, const struct wf_result *r)
{
    const struct wf_stalls *s = &r->stats->stalls;

    buf_printf(out, ",\"stall\":{\"sessions\":%u", r->stalled);
    put_u64(out, "for_s", r->flood->options->stall_for_s);
    put_u64(out, "woken", s->woken);
    put_u64(out, "caught_up", s->caught_up);
    put_u64(out, "closed", sum_closes(r->stats->closes_stalled));
    put_closes(out, "closes", r->stats->closes_stalled);
    put_u64(out, "evict_notices", s->evict_notices);
    put_hist(out, "to_close_us", s->to_close);
    buf_putc(out, '}');
}

static void put_sample(struct buf *out, const struct wf_sample *p)
{
    buf_lit(out, "{\"t\":");
    buf_fixed(out, p->at_ns / 1000000, 3);
    buf_printf(out, ",\"phase\":\"%s\"", p->phase);
    put_u64(out, "open", p->open);
    put_u64(out, "stalled", p->stalled);
    put_u64(out, "waiting", p->waiting);
    put_u64(out, "messages_per_s", per_second(p->messages, p->passed_ns));
    put_u64(out, "bytes_per_s", per_second(p->bytes, p->passed_ns));
    put_us(out, "p50_us", p->p50_ns);
    put_us(out, "p99_us", p->p99_ns);
    put_us(out, "max_us", p->max_ns);
    if (p->has_server && p->passed_ns > 0) {
        buf_lit(out, ",\"cpu_percent\":");
        buf_fixed(out, (int64_t)(p->cpu_us * 10000000 / (uint64_t)p->passed_ns), 2);
        put_u64(out, "rss_bytes", p->rss_bytes);
    }
    put_u64(out, "closes", p->closes);
    put_u64(out, "reconnects", p->reconnects);
    put_u64(out, "resumed", p->resumed);
    put_u64(out, "breaks", p->breaks);
    put_u64(out, "trade_gaps", p->trade_gaps);
    buf_putc(out, '}');
}

static void put_series(struct buf *out, const struct wf_result *r)
{
    put_u64(out, "start_unix_ms", (uint64_t)(r->start_unix_ns / 1000000));
    put_u64(out, "series_lost", r->series->lost);
    buf_lit(out, ",\"series\":[");
    for (uint32_t i = 0; i < r->series->count; i++) {
        buf_puts(out, i == 0 ? "" : ",");
        put_sample(out, &r->series->samples[i]);
    }
    buf_putc(out, ']');
}

static void put_watch(struct buf *out, const struct wf_result *r)
{
    const struct wf_watch *w = r->watch;
    uint64_t cpu_us = wf_watch_cpu_us(w);
    uint64_t messages = r->window_ns > 0 ? wf_counters_total(&r->stats->window) : 0;

    if (w->pid == 0) {
        return;
    }
    buf_printf(out, ",\"server\":{\"pid\":%u,\"ended\":%s,\"cpu_seconds\":", w->pid,
               w->ended ? "true" : "false");
    buf_fixed(out, (int64_t)cpu_us, 6);
    if (r->window_ns > 0) {
        buf_lit(out, ",\"cpu_percent\":");
        buf_fixed(out, (int64_t)(cpu_us * 10000000 / (uint64_t)r->window_ns), 2);
    }
    if (messages != 0) {
        put_us(out, "cpu_us_per_message", cpu_us * 1000 / messages);
    }
    put_u64(out, "rss_begin_bytes", w->rss_begin_bytes);
    put_u64(out, "rss_end_bytes", w->rss_bytes);
    put_u64(out, "rss_peak_bytes", w->rss_peak_bytes);
    buf_putc(out, '}');
}

void wf_report_json(const struct wf_result *r, struct buf *out)
{
    put_config(out, r->flood->options);
    put_text(out, "tls", r->flood->tls_name);
    buf_puts(out, wf_report_ok(r) ? ",\"ok\":true" : ",\"ok\":false");
    buf_puts(out, r->interrupted ? ",\"interrupted\":true" : ",\"interrupted\":false");
    put_u64(out, "opened", r->opened);
    put_u64(out, "failed", r->stats->failed);
    put_text(out, "first_failure", r->stats->first_failure);
    put_us(out, "connect_all_us", (uint64_t)r->connect_ns);
    put_hist(out, "connect_us", r->stats->connect);
    put_window(out, r);
    put_whole_run(out, r);
    put_returns(out, r);
    put_trades(out, &r->stats->all);
    put_churn(out, r);
    put_stall(out, r);
    put_watch(out, r);
    put_series(out, r);
    buf_lit(out, "}\n");
}

static void say_problems(const struct wf_result *r)
{
    const struct wf_stats *s = r->stats;

    if (s->failed != 0) {
        fprintf(stderr,
                "  %u sessions could not connect; the first: %s\n"
                "  check that the server runs at --url, its limits per address (--sources), or use "
                "a lower --connect-rate\n",
                s->failed, s->first_failure);
    }
    if (s->all.messages[SCAN_REFUSED] != 0) {
        fprintf(stderr, "  %llu requests were refused; the first: %s\n",
                (unsigned long long)s->all.messages[SCAN_REFUSED], s->first_refusal);
    }
    if (wf_counters_breaks(&s->all) != 0 || s->all.before_snapshot != 0) {
        fprintf(stderr, "  order: %llu breaks, %llu book updates before a snapshot\n",
                (unsigned long long)wf_counters_breaks(&s->all),
                (unsigned long long)s->all.before_snapshot);
    }
    if (s->first_break[0] != '\0') {
        fprintf(stderr, "  the first that did not join: %s\n", s->first_break);
    }
    if (s->all.trade_gaps != 0 || s->all.trade_duplicates != 0) {
        fprintf(stderr, "  trades: %llu gaps that nobody told of (%llu trades), %llu twice\n",
                (unsigned long long)s->all.trade_gaps, (unsigned long long)s->all.trades_missing,
                (unsigned long long)s->all.trade_duplicates);
    }
    if (s->all.reconnects + s->owing != 0 && r->flood->options->resume) {
        fprintf(stderr, "  back again: %llu, streams resumed %llu, not %llu; not back: %u\n",
                (unsigned long long)s->all.reconnects, (unsigned long long)s->all.resumed,
                (unsigned long long)s->all.not_resumed, s->owing);
    }
    for (uint32_t i = 0; i < WF_CLOSE_CODES; i++) {
        if (s->closes[i] != 0 || s->closes_stalled[i] != 0) {
            fprintf(stderr, "  closed with %u: %u (and %u stalled)\n", i, s->closes[i],
                    s->closes_stalled[i]);
        }
    }
}

void wf_report_text(const struct wf_result *r)
{
    const struct wf_counters *c = &r->stats->window;
    const struct hist *h = r->stats->latency;
    struct buf line = {0};

    buf_printf(&line, "wsflood: %u of %u sessions open", r->opened, r->flood->options->sessions);
    if (r->window_ns > 0) {
        buf_printf(&line, ", %llu messages/s, %llu bytes/s",
                   (unsigned long long)per_second(wf_counters_total(c), r->window_ns),
                   (unsigned long long)per_second(c->bytes, r->window_ns));
    }
    if (hist_count(h) != 0) {
        for (unsigned i = 0; i < GW_LEN(percentiles); i++) {
            buf_printf(&line, ", %s ", percentiles[i].name);
            buf_fixed(&line, (int64_t)(hist_at(h, percentiles[i].at) / 1000), 3);
        }
        buf_lit(&line, " ms");
    }
    fprintf(stderr, "%s\n", buf_cstr(&line));
    buf_fini(&line);
    say_problems(r);
}

bool wf_report_ok(const struct wf_result *r)
{
    const struct wf_stats *s = r->stats;
    bool back = r->flood->options->resume ? s->owing == 0 : sum_closes(s->closes) == 0;

    return s->failed == 0 && back && s->all.messages[SCAN_REFUSED] == 0 &&
           wf_counters_breaks(&s->all) == 0 && s->all.before_snapshot == 0 &&
           s->all.trade_gaps == 0 && s->all.trade_duplicates == 0;
}
