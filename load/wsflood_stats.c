#include "load/wsflood_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_AFTER_MAX_MS 600000u
#define BACKOFF_MIN_MS     200u
#define BACKOFF_MAX_MS     2000u

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
    s->second = hist_create();
    s->returns.connect = hist_create();
    s->returns.first_data = hist_create();
    s->churn.connect = hist_create();
    s->stalls.to_close = hist_create();
    s->epochs = gw_calloc(WF_EPOCHS, sizeof *s->epochs);
    s->epoch_count = 1;
    s->told_gaps = gw_calloc(o->stream_count + 1, sizeof *s->told_gaps);
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
    hist_destroy(&s->second);
    hist_destroy(&s->returns.connect);
    hist_destroy(&s->returns.first_data);
    hist_destroy(&s->churn.connect);
    hist_destroy(&s->stalls.to_close);
    buf_fini(&s->marks);
    free(s->epochs);
    s->epochs = NULL;
    free(s->told_gaps);
    s->told_gaps = NULL;
    free(s->slots);
    s->slots = NULL;
}

/* Number of the stream a frame belongs to, -1 when nobody asked for it. */
static int64_t stream_of(const struct wf_stats *s, enum scan_channel channel, uint64_t interval,
                         const char *symbol, size_t symbol_len)
{
    size_t len = symbol != NULL ? symbol_len : 0;
    uint32_t at = hash_stream(channel, interval, symbol, len);
    uint32_t slot;

    while ((slot = s->slots[at++ & s->slot_mask]) != 0) {
        const struct wf_stream *w = &s->options->streams[slot - 1];

        if (w->channel == channel && w->interval == interval && w->symbol_len == len &&
            (len == 0 || memcmp(w->symbol, symbol, len) == 0)) {
            return slot - 1;
        }
    }
    return -1;
}

/* What was wrong first, for people: the frame and what it should have joined. */
static void note_break(struct wf_stats *s, const struct scan *m, const char *what, uint64_t got,
                       uint64_t last)
{
    char text[WF_FAILURE_MAX / 2];

    (void)snprintf(text, sizeof text, "%.*s, %s %llu after %llu", (int)m->symbol_len,
                   m->symbol != NULL ? m->symbol : "", what, (unsigned long long)got,
                   (unsigned long long)last);
    wf_note_failure(s->first_break, scan_channel_names[m->channel], text);
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
        note_break(s, m, "gw.p", m->prev, *last);
    }
    *last = m->seq;
}

/* TOLD_GAP is what the feed has lost of this stream. false: the trade does not join the last. */
static bool check_trade(struct wf_counters *c, struct wf_cursor *cursor,
                        const struct wf_told_gap *told_gap, uint64_t id)
{
    uint64_t last = cursor->trade_id;
    bool told = cursor->told;

    c->trades++;
    cursor->told = false;
    if (last != WF_SEQ_NONE && id <= last && !told) {
        c->trade_duplicates++;
        return false;
    }
    cursor->trade_id = id;
    if (last == WF_SEQ_NONE || id == last + 1) {
        return true;
    }
    if (told || (last + 1 >= told_gap->from && id <= told_gap->to + 1)) {
        c->trade_gaps_told++;
        c->trades_missing_told += id > last ? id - last - 1 : 0; /* a new epoch's may be lower */
        return true;
    }
    c->trade_gaps++;
    c->trades_missing += id - last - 1;
    return false;
}

static void check_trades(struct wf_stats *s, const struct scan *m, struct wf_cursor *cursor,
                         int64_t stream, const char *end)
{
    const char *at = m->symbol;
    uint64_t id;

    if (m->snapshot) {
        cursor->trade_id = WF_SEQ_NONE;
    }
    while (scan_trade_id(&at, end, &id)) {
        uint64_t last = cursor->trade_id;

        if (!check_trade(&s->all, cursor, &s->told_gaps[stream], id)) {
            note_break(s, m, "trade_id", id, last);
        }
    }
}

static void record_latency(struct wf_stats *s, struct wf_memory *memory, const struct scan *m,
                           int64_t now_ns)
{
    if (!m->has_time) {
        s->all.without_time++;
    } else if (m->time_ns > now_ns) {
        s->all.negative_latency++;
    } else if (m->time_ns < memory->live_from_ns) {
        s->all.behind++;
    } else {
        uint64_t latency = (uint64_t)(now_ns - m->time_ns);

        if (memory->slow) {
            memory->slow = false;
            s->stalls.caught_up++;
        }
        hist_record(s->second, latency);
        if (s->measuring) {
            hist_record(s->latency, latency);
        }
    }
}

/* Newest first: that is the one that comes. 0: there are too many. */
static uint16_t epoch_number(struct wf_stats *s, const struct scan_ref *epoch)
{
    if (epoch->len == 0 || epoch->len >= WF_TEXT_MAX) {
        return 0;
    }
    for (uint16_t i = s->epoch_count; i-- > 1;) {
        if (strncmp(s->epochs[i], epoch->text, epoch->len) == 0 &&
            s->epochs[i][epoch->len] == '\0') {
            return i;
        }
    }
    if (s->epoch_count == WF_EPOCHS) {
        return 0;
    }
    memcpy(s->epochs[s->epoch_count], epoch->text, epoch->len);
    return s->epoch_count++;
}

/* The feed is back: perhaps in a new epoch, whose trades may start anywhere, or after a gap. */
static void on_feed(struct wf_stats *s, struct wf_memory *memory, const char *text, size_t len)
{
    const char *gap = memmem(text, len, "\"gap_trades\":{", 14);
    size_t gap_len = gap != NULL ? (size_t)(text + len - gap) : 0;
    struct scan_ref symbol;
    struct scan_ref epoch;
    struct wf_told_gap told;
    uint16_t number = 0;

    if (!scan_member_text(text, len, "\"symbols\":[\"", &symbol)) {
        return;
    }
    if (scan_member_text(text, len, "\"e\":\"", &epoch)) {
        number = epoch_number(s, &epoch);
    }
    for (uint32_t i = 0; i < s->options->stream_count; i++) {
        const struct wf_stream *w = &s->options->streams[i];
        struct wf_cursor *c = &memory->cursors[i];

        if (w->symbol_len != symbol.len || memcmp(w->symbol, symbol.text, symbol.len) != 0) {
            continue;
        }
        if (number != 0 && number != c->epoch) {
            c->told = w->channel == SCAN_TRADE && c->epoch != 0;
            c->epoch = number;
        }
        if (gap != NULL && scan_member_number(gap, gap_len, "\"from\":", &told.from) &&
            scan_member_number(gap, gap_len, "\"to\":", &told.to)) {
            s->told_gaps[i] = told;
        }
    }
}

static void on_notice(struct wf_stats *s, struct wf_memory *memory, const char *text, size_t len)
{
    uint64_t retry_after_ms;

    if (memmem(text, len, "\"event\":\"slow_warning\"", 22) != NULL) {
        s->all.slow_warnings++;
    } else if (memmem(text, len, "\"event\":\"evict\"", 15) != NULL) {
        s->all.evict_notices++;
        memory->evict_read = true;
    } else if (memmem(text, len, "\"event\":\"feed\"", 14) != NULL) {
        on_feed(s, memory, text, len);
    }
    if (scan_member_number(text, len, "\"retry_after_ms\":", &retry_after_ms) &&
        retry_after_ms <= RETRY_AFTER_MAX_MS) {
        memory->retry_after_ms = (uint32_t)retry_after_ms;
    }
}

void wf_tally_add(struct wf_tally *t, const char *text, size_t len)
{
    size_t keep = len < WF_TEXT_MAX ? len : WF_TEXT_MAX - 1;
    uint32_t i = 0;

    while (i < t->used &&
           (strncmp(t->row[i].name, text, keep) != 0 || t->row[i].name[keep] != '\0')) {
        i++;
    }
    if (i == WF_TALLY_ROWS) {
        i--;
    } else if (i == t->used) {
        t->used++;
        memcpy(t->row[i].name, text, keep);
        if (i == WF_TALLY_ROWS - 1) {
            (void)strcpy(t->row[i].name, "other");
        }
    }
    t->row[i].count++;
}

static void answered(struct wf_stats *s, enum scan_channel channel, struct wf_cursor *cursor,
                     const struct scan_ack *ack)
{
    if (!cursor->asked) {
        return;
    }
    cursor->asked = false;
    if (ack->resumed) {
        s->all.resumed++;
        return;
    }
    s->all.not_resumed++;
    wf_tally_add(&s->returns.why, ack->why.len != 0 ? ack->why.text : "ABSENT",
                 ack->why.len != 0 ? ack->why.len : 6);
    cursor->seq = WF_SEQ_NONE;
    cursor->told = channel == SCAN_TRADE;
}

static void on_ack(struct wf_stats *s, struct wf_memory *memory, const char *text, size_t len)
{
    struct scan_ack ack;
    int64_t stream;

    scan_ack(text, len, &ack);
    if (ack.channel >= SCAN_STREAMS) {
        return;
    }
    s->owing -= memory->owes ? 1 : 0;
    memory->owes = false;
    memory->attempts = 0;
    if (ack.session.len != 0 && ack.session.len < WF_TEXT_MAX) {
        memcpy(memory->session, ack.session.text, ack.session.len);
        memory->session[ack.session.len] = '\0';
    }
    if (ack.last_close.len != 0 && !memory->last_close_read) {
        memory->last_close_read = true;
        wf_tally_add(&s->returns.last_close, ack.last_close.text, ack.last_close.len);
    }
    stream = stream_of(s, ack.channel, ack.interval, ack.symbol.text, ack.symbol.len);
    if (stream >= 0) {
        struct wf_cursor *cursor = &memory->cursors[stream];

        answered(s, ack.channel, cursor, &ack);
        if (ack.epoch.len != 0) {
            cursor->epoch = epoch_number(s, &ack.epoch);
        }
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

static void on_stream(struct wf_stats *s, struct wf_memory *memory, const struct scan *m,
                      const char *end, int64_t now_ns)
{
    int64_t stream = stream_of(s, m->channel, m->interval, m->symbol, m->symbol_len);

    if (memory->closed_ns != 0) {
        hist_record(s->returns.first_data,
                    now_ns > memory->closed_ns ? (uint64_t)(now_ns - memory->closed_ns) : 0);
        memory->closed_ns = 0;
    }
    if (stream < 0) {
        s->all.unknown_stream++;
    } else {
        struct wf_cursor *cursor = &memory->cursors[stream];

        check_order(s, m, &cursor->seq);
        if (m->epoch.len != 0) {
            cursor->epoch = epoch_number(s, &m->epoch);
        }
        if (m->channel == SCAN_TRADE) {
            check_trades(s, m, cursor, stream, end);
        }
    }
    if (m->snapshot) {
        s->all.snapshots++;
    } else if (m->channel != SCAN_INSTRUMENT) {
        record_latency(s, memory, m, now_ns);
    }
}

static void mark(struct wf_stats *s, const char *text, size_t len, int64_t now_ns)
{
    struct scan_ref audit;

    if (s->options->marks_path != NULL && scan_member_text(text, len, "\"audit\":\"", &audit)) {
        buf_append(&s->marks, audit.text, audit.len);
        buf_printf(&s->marks, " %lld\n", (long long)now_ns);
    }
}

void wf_stats_message(struct wf_stats *s, struct wf_memory *memory, const char *text, size_t len,
                      int64_t now_ns)
{
    struct scan m;

    scan_message(&s->clock, text, len, &m);
    s->all.messages[m.channel]++;
    if (m.channel < SCAN_STREAMS) {
        on_stream(s, memory, &m, text + len, now_ns);
    } else if (m.channel == SCAN_GATEWAY) {
        on_notice(s, memory, text, len);
        mark(s, text, len, now_ns);
    } else if (m.channel == SCAN_ACK) {
        on_ack(s, memory, text, len);
    } else if (m.channel == SCAN_REFUSED) {
        on_refusal(s, text, len);
    }
}

void wf_memory_clear(struct wf_stats *s, struct wf_memory *m)
{
    uint32_t count = s->options->stream_count;
    struct wf_cursor *cursors = m->cursors;

    if (cursors == NULL) {
        cursors = gw_malloc((count + 1) * sizeof *cursors);
    }
    for (uint32_t i = 0; i < count; i++) {
        cursors[i] = (struct wf_cursor){.seq = WF_SEQ_NONE, .trade_id = WF_SEQ_NONE};
    }
    s->owing -= m->owes ? 1 : 0;
    *m = (struct wf_memory){.cursors = cursors};
}

void wf_memory_fini(struct wf_memory *m)
{
    free(m->cursors);
    m->cursors = NULL;
}

void wf_memory_reopen(const struct wf_stats *s, struct wf_memory *m, int64_t now_ns)
{
    m->live_from_ns = now_ns;
    m->slow = false;
    m->evict_read = false;
    m->last_close_read = false;
    for (uint32_t i = 0; i < s->options->stream_count; i++) {
        struct wf_cursor *c = &m->cursors[i];

        c->told = false;
        c->asked = m->session[0] != '\0' && wf_cursor_known(s->options->streams[i].channel, c);
        if (!c->asked) {
            c->trade_id = WF_SEQ_NONE;
        }
        if (!c->asked || s->options->streams[i].channel != SCAN_BOOK) {
            c->seq = WF_SEQ_NONE;
        }
    }
}

uint32_t wf_memory_backoff_ms(struct wf_memory *m, uint64_t random)
{
    uint32_t top = m->attempts < 3 ? 2 * BACKOFF_MIN_MS << m->attempts : BACKOFF_MAX_MS;
    uint32_t wait = m->retry_after_ms;

    m->attempts++;
    if (wait != 0) {
        m->retry_after_ms = 0;
        return wait + (uint32_t)(random % (wait / 10 + 1));
    }
    return BACKOFF_MIN_MS + (uint32_t)(random % (top - BACKOFF_MIN_MS + 1));
}

bool wf_may_come_back(uint32_t close_code)
{
    return close_code != 1008 && close_code != 4003 && close_code != 4013;
}

void wf_note_failure(char text[WF_FAILURE_MAX], const char *what, const char *why)
{
    if (text[0] == '\0') {
        (void)snprintf(text, WF_FAILURE_MAX, "%s: %s", what, why);
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
    s->window.behind -= begin.behind;
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
