#include "load/wsflood_stats.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_stream(enum scan_channel channel, uint64_t interval, const char *symbol,
                            size_t len)
{
    uint32_t h = 2166136261u ^ (uint32_t)channel ^ (uint32_t)(interval << 3);

    for (size_t i = 0; i < len; i++) { /* FNV-1a */
        h = (h ^ (unsigned char)symbol[i]) * 16777619u;
    }
    return h ^ h >> 15;
}

void wf_stats_init(struct wf_stats *s, const struct wf_options *o)
{
    uint32_t size = 16;

    *s = (struct wf_stats){.options = o, .latency = hist_create(), .connect = hist_create()};
    while (size < 2 * o->stream_count) {
        size *= 2;
    }
    s->slots = gw_calloc(size, sizeof *s->slots);
    s->slot_mask = size - 1;
    for (uint32_t i = 0; i < o->stream_count; i++) {
        const struct wf_stream *w = &o->streams[i];
        uint32_t at = hash_stream(w->channel, w->interval, w->symbol, w->symbol_len);

        while (s->slots[at & s->slot_mask] != 0) {
            at++;
        }
        s->slots[at & s->slot_mask] = i + 1;
    }
}

void wf_stats_fini(struct wf_stats *s)
{
    hist_destroy(&s->latency);
    hist_destroy(&s->connect);
    free(s->slots);
    s->slots = NULL;
}

/* Number of the stream a frame belongs to, -1 when nobody asked for it. */
static int64_t stream_of(const struct wf_stats *s, const struct scan *m)
{
    size_t len = m->symbol != NULL ? m->symbol_len : 0;
    uint32_t at = hash_stream(m->channel, m->interval, m->symbol, len);
    uint32_t slot;

    while ((slot = s->slots[at++ & s->slot_mask]) != 0) {
        const struct wf_stream *w = &s->options->streams[slot - 1];

        if (w->channel == m->channel && w->interval == m->interval && w->symbol_len == len &&
            (len == 0 || memcmp(w->symbol, m->symbol, len) == 0)) {
            return slot - 1;
        }
    }
    return -1;
}

static void check_order(struct wf_stats *s, const struct scan *m, uint64_t *last)
{
    if (m->channel == SCAN_BOOK && !m->snapshot && *last == WF_SEQ_NONE) {
        s->all.before_snapshot++;
    }
    if (!m->has_seq) {
        s->all.without_seq++;
        return;
    }
    if (!m->snapshot && m->has_prev && *last != WF_SEQ_NONE && m->prev != *last) {
        s->all.breaks[m->channel]++;
    }
    *last = m->seq;
}

static void record_latency(struct wf_stats *s, const struct scan *m, int64_t now_ns)
{
    if (!m->has_time) {
        s->all.without_time++;
    } else if (m->time_ns > now_ns) {
        s->all.negative_latency++;
    } else if (s->measuring) {
        hist_record(s->latency, (uint64_t)(now_ns - m->time_ns));
    }
}

static void on_notice(struct wf_stats *s, const char *text, size_t len)
{
    if (memmem(text, len, "\"event\":\"slow_warning\"", 22) != NULL) {
        s->all.slow_warnings++;
    } else if (memmem(text, len, "\"event\":\"evict\"", 15) != NULL) {
        s->all.evict_notices++;
    }
}

static void on_refusal(struct wf_stats *s, const char *text, size_t len)
{
    if (s->first_refusal[0] == '\0' && len != 0) {
        size_t keep = len < sizeof s->first_refusal ? len : sizeof s->first_refusal - 1;

        memcpy(s->first_refusal, text, keep);
        s->first_refusal[keep] = '\0';
    }
}

void wf_stats_message(struct wf_stats *s, uint64_t *last_seq, const char *text, size_t len,
                      int64_t now_ns)
{
    struct scan m;
    int64_t stream;

    scan_message(&s->clock, text, len, &m);
    s->all.messages[m.channel]++;
    if (m.channel < SCAN_STREAMS) {
        stream = stream_of(s, &m);
        if (stream < 0) {
            s->all.unknown_stream++;
        } else {
            check_order(s, &m, &last_seq[stream]);
        }
        if (m.snapshot) {
            s->all.snapshots++;
        } else if (m.channel != SCAN_INSTRUMENT) {
            record_latency(s, &m, now_ns);
        }
    } else if (m.channel == SCAN_GATEWAY) {
        on_notice(s, text, len);
    } else if (m.channel == SCAN_REFUSED) {
        on_refusal(s, text, len);
    }
}

void wf_stats_begin(struct wf_stats *s)
{
    s->window = s->all;
    s->measuring = true;
}

void wf_stats_end(struct wf_stats *s)
{
    struct wf_counters begin = s->window;

    if (!s->measuring) {
        return;
    }
    s->measuring = false;
    s->window = s->all;
    for (unsigned i = 0; i < SCAN_CHANNEL_COUNT; i++) {
        s->window.messages[i] -= begin.messages[i];
    }
    for (unsigned i = 0; i < SCAN_STREAMS; i++) {
        s->window.breaks[i] -= begin.breaks[i];
    }
    s->window.snapshots -= begin.snapshots;
    s->window.bytes -= begin.bytes;
    s->window.reads -= begin.reads;
    s->window.negative_latency -= begin.negative_latency;
    s->window.without_time -= begin.without_time;
    s->window.without_seq -= begin.without_seq;
}

uint64_t wf_counters_data(const struct wf_counters *c)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SCAN_STREAMS; i++) {
        sum += c->messages[i];
    }
    return sum;
}

uint64_t wf_counters_total(const struct wf_counters *c)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SCAN_CHANNEL_COUNT; i++) {
        sum += c->messages[i];
    }
    return sum;
}

uint64_t wf_counters_breaks(const struct wf_counters *c)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SCAN_STREAMS; i++) {
        sum += c->breaks[i];
    }
    return sum;
}
