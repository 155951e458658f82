#include "ws/shard.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "ws/shard_priv.h"

#define WS_ROW(...) CFG_ROW_OF(struct ws_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {WS_CONFIG(WS_ROW)};
const struct cfg_table ws_config_table = {"ws", config_rows, GW_LEN(config_rows)};

static const struct metric_label ws_channel_label = {"channel", channel_names, CHANNEL_STREAMS};
/* Why the gateway closed: values of ws_close_total{reason}. */
/* clang-format off */
#define WS_CLOSES(X) \
    X(GW_ESLOW, "SLOW_CONSUMER") X(GW_EIDLE, "IDLE") X(GW_ERATE, "RATE_LIMITED") \
    X(GW_ETOOBIG, "MESSAGE_TOO_BIG") X(GW_EDRAIN, "RESTART") \
    X(GW_ECONNS, "TOO_MANY_CONNECTIONS") X(GW_EFULL, "OVERRUN") X(GW_EINVAL, "PROTOCOL")
/* clang-format on */
#define WS_CLOSE_ERR(err, name)  err,
#define WS_CLOSE_NAME(err, name) name,
static const enum gw_err close_errs[] = {WS_CLOSES(WS_CLOSE_ERR)};
static const char *const close_names[] = {WS_CLOSES(WS_CLOSE_NAME)};
static const struct metric_label ws_close_label = {"reason", close_names, GW_LEN(close_names)};
static const struct metric_row metric_rows[] = {WS_METRICS(METRIC_AS_ROW)};
const struct metric_table ws_metrics = {"ws", metric_rows, WS_M_COUNT};

#define TIMER_MS       50
#define CLOSE_WAIT_NS  (2 * (int64_t)1000000000) /* then abort */
#define STREAM_IDLE_NS (30 * (int64_t)1000000000)
#define DRAIN_NS       (5 * (int64_t)1000000000)

uint64_t shard_next_id(struct shard *s)
{
    /* Below 2^53, so that JavaScript keeps it: 16 bits of shard, the rest counts. */
    return (uint64_t)s->opt.number << 40 | ++s->next_session;
}

const char *shard_epoch(const struct shard *s, uint32_t symbol)
{
    return s->epochs[symbol].epoch;
}

void shard_doom(struct shard *s, struct session *session)
{
    if (!session->doomed) {
        session->doomed = true;
        LL_PREPEND2(s->doomed, session, reap_next);
    }
}

void shard_count_close(struct shard *s, enum gw_err err)
{
    unsigned i = 0;

    while (close_errs[i] != err) {
        GW_ASSERT(++i < GW_LEN(close_errs));
    }
    metrics_add(s->metrics, WS_M_CLOSES, i, 1);
}

/* --- streams -----------------------------------------------------------------------------------
 */

static struct stream **symbol_list(struct shard *s, const struct stream *stream)
{
    uint32_t symbol = stream->key.symbol;

    return &s->by_symbol[symbol == SYMBOL_NONE ? symbols_count(s->opt.symbols) : symbol];
}

static void post(struct shard *s, enum link_kind kind, struct stream *stream)
{
    struct mail mail = {.kind = kind, .number = s->opt.number, .key = stream->id, .ref = stream};

    /* The market's inbox holds requests only; it is full when the market thread hangs. */
    if (!mailbox_post(s->opt.market, &mail)) {
        log_error("ws", "market_inbox_full", "\"next\":\"the market thread does not answer\"");
    }
    mailbox_wake(s->opt.market);
}

struct stream *shard_stream(struct shard *s, const struct stream_key *key)
{
    uint64_t id = stream_key_pack(key);
    struct stream *stream;

    HASH_FIND(hh, s->streams, &id, sizeof id, stream);
    if (stream == NULL) {
        stream = stream_create(id);
        HASH_ADD(hh, s->streams, id, sizeof stream->id, stream);
        LL_PREPEND2(*symbol_list(s, stream), stream, next_of_symbol);
        post(s, LINK_OPEN, stream);
        metrics_set(s->metrics, WS_M_STREAMS, 0, HASH_COUNT(s->streams));
    }
    return stream;
}

void shard_want_snapshot(struct shard *s, struct sub *sub)
{
    struct stream *stream = sub->stream;
    struct frame *snapshot = stream_snapshot(stream);

    if (snapshot != NULL && !stream->snapshot_asked) {
        sub_start(sub, snapshot);
    } else if (!stream->snapshot_asked && !stream->closing) {
        stream->snapshot_asked = true;
        post(s, LINK_SNAPSHOT, stream);
    }
}

void shard_stream_left(struct shard *s, struct stream *stream)
{
    if (stream->sub_count == 0) {
        stream->idle_since_ns = s->now_ns;
    }
}

/* After its linger a stream nobody follows is given back to the market. */
static void close_idle_streams(struct shard *s)
{
    struct stream *stream;
    struct stream *next;
    uint64_t bytes = 0;

    HASH_ITER(hh, s->streams, stream, next)
    {
        bytes += stream_backlog(stream, stream->oldest);
        if (stream->sub_count == 0 && !stream->closing &&
            s->now_ns - stream->idle_since_ns > STREAM_IDLE_NS) {
            stream->closing = true;
            post(s, LINK_CLOSE, stream);
        }
    }
    metrics_set(s->metrics, WS_M_RING, 0, (int64_t)bytes);
}

static void on_stream_closed(struct shard *s, struct stream *stream)
{
    stream->closing = false;
    stream->snapshot_asked = false;
    if (stream->sub_count != 0) { /* somebody came meanwhile: open it again, from a snapshot */
        post(s, LINK_OPEN, stream);
        stream->snapshot_asked = true;
        post(s, LINK_SNAPSHOT, stream);
        return;
    }
    HASH_DEL(s->streams, stream);
    LL_DELETE2(*symbol_list(s, stream), stream, next_of_symbol);
    stream_destroy(&stream);
    metrics_set(s->metrics, WS_M_STREAMS, 0, HASH_COUNT(s->streams));
}

static void on_frame(struct shard *s, struct stream *stream, struct frame *f)
{
    stream_append(stream, &f, &s->ring);
    for (uint32_t i = 0; i < stream->sub_count; i++) {
        if (stream->subs[i]->state == SUB_LIVE) {
            session_mark_due(stream->subs[i]);
        }
    }
}

static void on_snapshot(struct shard *s, struct stream *stream, struct frame *f)
{
    (void)s;
    stream->snapshot_asked = false;
    stream_set_snapshot(stream, &f);
    for (uint32_t i = 0; i < stream->sub_count; i++) {
        if (stream->subs[i]->state == SUB_WAITING) {
            sub_start(stream->subs[i], stream->snapshot);
        }
    }
}

/* --- notices -----------------------------------------------------------------------------------
 */

static void on_notice(struct shard *s, uint32_t symbol, struct frame *f)
{
    struct stream *stream;

    s->notice_mark++;
    LL_FOREACH2(s->by_symbol[symbol], stream, next_of_symbol)
    {
        for (uint32_t i = 0; i < stream->sub_count; i++) {
            struct session *session = stream->subs[i]->session;

            if (session->uses_gw && session->notice_mark != s->notice_mark) {
                session->notice_mark = s->notice_mark;
                session_say_frame(session, f);
            }
        }
    }
    frame_unref(&f);
}

void shard_say_status(struct shard *s, struct session *session)
{
    buf_reset(&s->text);
    buf_printf(&s->text,
               "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"api_version\":\"v2\","
               "\"connection_id\":%llu,\"system\":\"%s\",\"version\":\"%s\"}]}",
               (unsigned long long)session->id, link_system_names[s->system], GW_VERSION);
    session_say(session, s->text.data, s->text.len);
}

static void on_system(struct shard *s, enum link_system system)
{
    struct session *session;
    struct session *next;

    s->system = system;
    DL_FOREACH_SAFE(s->sessions, session, next)
    {
        shard_say_status(s, session);
    }
}

/* --- the turn ----------------------------------------------------------------------------------
 */

static void flush_and_reap(struct shard *s)
{
    struct session *session;
    int64_t start;

    s->now_ns = clock_mono_ns();
    start = s->now_ns;
    if (s->dirty != NULL) {
        metrics_inc(s->metrics, WS_M_FLUSHES);
        while ((session = s->dirty) != NULL) {
            LL_DELETE2(s->dirty, session, dirty_next);
            session->dirty = false;
            session_flush(session);
        }
        metrics_observe_ns(s->metrics, WS_M_TURN, 0, clock_mono_ns() - start);
    }
    while ((session = s->doomed) != NULL) {
        LL_DELETE2(s->doomed, session, reap_next);
        session->doomed = false;
        transport_kill(session->conn);
    }
}

static void on_check(uv_check_t *check)
{
    flush_and_reap(check->data);
}

static void start_drain(struct shard *s);

static void on_mail(void *arg, struct mail *m)
{
    struct shard *s = arg;

    switch ((enum link_kind)m->kind) {
    case LINK_FRAME:
        on_frame(s, m->ref, m->payload);
        break;
    case LINK_SNAPSHOT_FRAME:
        on_snapshot(s, m->ref, m->payload);
        break;
    case LINK_CLOSED:
        on_stream_closed(s, m->ref);
        break;
    case LINK_SYMBOL:
        s->epochs[m->number] = *(struct link_symbol *)m->payload;
        free(m->payload);
        break;
    case LINK_NOTICE:
        on_notice(s, m->number, m->payload);
        break;
    case LINK_SYSTEM:
        on_system(s, (enum link_system)m->number);
        break;
    case LINK_STOP:
        start_drain(s);
        break;
    default:
        GW_UNREACHABLE("not a message to a shard");
    }
}

/* Messages of the market were lost: nobody's stream can be trusted. */
static void on_overrun(struct shard *s)
{
    struct session *session;
    struct session *next;

    metrics_inc(s->metrics, WS_M_OVERRUN);
    log_error("ws", "overrun", "\"shard\":%u,\"next\":\"all sessions of the shard reconnect\"",
              s->opt.number);
    DL_FOREACH_SAFE(s->sessions, session, next)
    {
        session_close(session, GW_EFULL, NULL);
    }
}

static void on_batch(void *arg)
{
    struct shard *s = arg;

    s->now_ns = clock_mono_ns();
    if (mailbox_overrun(s->opt.inbox)) {
        on_overrun(s);
    }
}

/* --- timers ------------------------------------------------------------------------------------
 */

static void send_heartbeats(struct shard *s)
{
    static const char text[] = "{\"channel\":\"heartbeat\"}";
    int64_t quiet = (int64_t)s->config->heartbeat * 1000000;
    struct session *session;

    DL_FOREACH(s->sessions, session)
    {
        if (s->now_ns - session->sent_ns < quiet) {
            break;
        }
        if (session->heartbeat && !session->choked && session->state == WS_LIVE) {
            session_say(session, text, sizeof text - 1);
            metrics_inc(s->metrics, WS_M_HEARTBEAT);
        }
    }
}

static void check_slow(struct shard *s)
{
    struct session *session;
    struct session *next;
    uint64_t total = 0;
    int64_t count = 0;

    DL_FOREACH_SAFE2(s->choked, session, next, choked_next)
    {
        uint64_t bytes;
        int64_t lag_ns;

        session_lag(session, &bytes, &lag_ns);
        total += bytes;
        count++;
        if (bytes > s->config->lag_bytes || lag_ns > (int64_t)s->config->lag * 1000000) {
            session_evict(session);
        } else if (!session->warned && (bytes > s->config->lag_bytes / 2 ||
                                        lag_ns > (int64_t)s->config->lag * 500000)) {
            session->warned = true;
            buf_reset(&s->text);
            buf_printf(&s->text,
                       "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":"
                       "\"slow_warning\",\"lag_ms\":%lld,\"queued_bytes\":%llu,"
                       "\"budget_bytes\":%llu,\"evict_in_ms\":%lld}]}",
                       (long long)(lag_ns / 1000000), (unsigned long long)bytes,
                       (unsigned long long)s->config->lag_bytes,
                       (long long)((int64_t)s->config->lag - lag_ns / 1000000));
            session_say(session, s->text.data, s->text.len);
        }
    }
    metrics_set(s->metrics, WS_M_BACKLOG, 0, (int64_t)total);
    metrics_set(s->metrics, WS_M_CHOKED, 0, count);
}

/* Sessions are listed by their last write, so all are looked at, once a second. */
static void close_idle_sessions(struct shard *s)
{
    struct session *session;
    struct session *next;

    DL_FOREACH_SAFE(s->sessions, session, next)
    {
        if (session->state == WS_GREETING && !session->heartbeat &&
            s->now_ns - session->opened_ns > (int64_t)s->config->idle_subscribe * 1000000) {
            session_close(session, GW_EIDLE, NULL);
        }
    }
}

static void stop_loop(struct shard *s)
{
    uv_stop(&s->loop);
}

static void on_timer(uv_timer_t *timer)
{
    struct shard *s = timer->data;
    struct session *session;

    s->now_ns = clock_mono_ns();
    send_heartbeats(s);
    check_slow(s);
    for (session = s->closing; session != NULL; session = session->choked_next) {
        if (s->now_ns - session->close_ns < CLOSE_WAIT_NS) {
            break;
        }
        shard_doom(s, session);
    }
    if (s->now_ns - s->swept_ns > 1000000000) {
        s->swept_ns = s->now_ns;
        close_idle_sessions(s);
        close_idle_streams(s);
        ip_limit_sweep(s->opt.ips, s->now_ns);
    }
    flush_and_reap(s);
    if (s->draining && (s->sessions == NULL || s->now_ns - s->drain_ns > DRAIN_NS)) {
        stop_loop(s);
    }
}

/* --- connections -------------------------------------------------------------------------------
 */

static bool on_accept(void *arg, const char *ip)
{
    struct shard *s = arg;

    if (s->draining || !ip_limit_attempt(s->opt.ips, ip, clock_mono_ns())) {
        metrics_inc(s->metrics, WS_M_REFUSED);
        return false;
    }
    return true;
}

static void *on_open(void *arg, struct transport_conn *c, const char *ip, const char *path)
{
    struct shard *s = arg;
    struct session *session;
    uint32_t open = 0;

    for (int i = 0; i < WS_STATE_COUNT; i++) {
        open += s->in_state[i];
    }
    s->now_ns = clock_mono_ns();
    session = session_create(s, c, ip, strcmp(path, "/v2/private") == 0);
    session->counted = ip_limit_open(s->opt.ips, ip);
    metrics_set(s->metrics, WS_M_CLIENTS, 0, open + 1);
    metrics_inc(s->metrics, WS_M_OPENED);
    if (!session->counted || open >= s->config->max_clients) {
        metrics_inc(s->metrics, WS_M_REFUSED);
        session_close(session, GW_ECONNS, NULL);
    } else {
        shard_say_status(s, session);
    }
    return session;
}

static void on_closed(void *arg)
{
    struct session *session = arg;
    struct shard *s = session->shard;
    uint32_t open = 0;

    if (session->counted) {
        ip_limit_release(s->opt.ips, session->ip);
    }
    session_destroy(&session);
    for (int i = 0; i < WS_STATE_COUNT; i++) {
        open += s->in_state[i];
    }
    metrics_set(s->metrics, WS_M_CLIENTS, 0, open);
}

static void on_data(void *arg, const char *data, size_t len, bool first, bool last, bool binary)
{
    struct session *session = arg;
    struct shard *s = session->shard;

    s->now_ns = clock_mono_ns();
    if (binary) {
        session_close(session, GW_EINVAL, NULL);
        return;
    }
    if (first && session->inbound.len == 0 && last) {
        session_on_message(session, data, len);
        return;
    }
    if (session->inbound.len + len > s->config->message_bytes) {
        session_close(session, GW_ETOOBIG, NULL);
        return;
    }
    buf_append(&session->inbound, data, len);
    if (last) {
        session_on_message(session, session->inbound.data, session->inbound.len);
        buf_fini(&session->inbound);
    }
}

static void on_writable(void *arg)
{
    struct session *session = arg;

    session->shard->now_ns = clock_mono_ns();
    session_flush(session);
}

static const struct transport_handlers handlers = {
    .on_accept = on_accept,
    .on_open = on_open,
    .on_data = on_data,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

/* --- life --------------------------------------------------------------------------------------
 */

static void start_drain(struct shard *s)
{
    static const char text[] = "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":"
                               "\"shutdown\",\"drain_ms\":5000,\"resume\":true}]}";
    struct buf notice = {0};
    struct session *session;
    struct session *next;

    s->draining = true;
    s->drain_ns = s->now_ns;
    transport_stop_listening(s->transport);
    buf_puts(&notice, text);
    DL_FOREACH_SAFE(s->sessions, session, next)
    {
        session_close(session, GW_EDRAIN, &notice);
    }
    buf_fini(&notice);
}

static enum gw_err set_up(struct shard *s)
{
    struct transport_options opt = {
        .cert_file = s->opt.cert_file,
        .key_file = s->opt.key_file,
        .max_connections = (uint32_t)s->config->max_clients + 64,
        .ping_after_s = (uint16_t)(s->config->ping_after / 1000),
        .hangup_after_s = (uint16_t)(s->config->hangup_after / 1000),
        .unsent_bytes = (uint32_t)s->config->unsent_bytes,
        .release_buffers = s->config->release_buffers,
    };
    char host[64];

    GW_ASSERT(config_endpoint(s->config->listen, host, &opt.port));
    opt.host = host;
    s->metrics = metrics_create(&ws_metrics);
    uv_check_init(&s->loop, &s->check);
    s->check.data = s;
    uv_check_start(&s->check, on_check);
    uv_timer_init(&s->loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_timer, TIMER_MS, TIMER_MS);
    mailbox_open(s->opt.inbox, &s->loop, on_mail, on_batch, s);
    return transport_create(&s->loop, &opt, &handlers, s, &s->transport);
}

static void tear_down(struct shard *s)
{
    struct stream *stream;
    struct stream *next;
    struct mail mail;

    uv_close((uv_handle_t *)&s->check, NULL);
    uv_close((uv_handle_t *)&s->timer, NULL);
    mailbox_close(s->opt.inbox);
    if (s->transport != NULL) {
        transport_destroy(&s->transport);
    }
    while (mailbox_take(s->opt.inbox, &mail)) {
        struct frame *f = mail.payload;

        if (mail.kind == LINK_SYMBOL) {
            free(mail.payload);
        } else if (f != NULL) {
            frame_unref(&f);
        }
    }
    HASH_ITER(hh, s->streams, stream, next)
    {
        HASH_DEL(s->streams, stream);
        stream_destroy(&stream);
    }
    (void)uv_run(&s->loop, UV_RUN_NOWAIT);
    buf_fini(&s->batch);
    buf_fini(&s->text);
}

static void thread_main(void *arg)
{
    struct shard *s = arg;

    GW_ASSERT(uv_loop_init(&s->loop) == 0);
    s->now_ns = clock_mono_ns();
    s->start_err = set_up(s);
    (void)uv_barrier_wait(&s->started);
    if (s->start_err == GW_OK) {
        (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    }
    tear_down(s);
    if (uv_loop_close(&s->loop) != 0) {
        log_warn("ws", "loop_busy", "\"shard\":%u", s->opt.number);
    }
}

enum gw_err shard_start(const struct shard_options *opt, struct shard **out)
{
    struct shard *s = gw_calloc(1, sizeof *s);
    uint32_t symbols = symbols_count(opt->symbols);
    enum gw_err err;

    s->opt = *opt;
    s->config = opt->config;
    s->epochs = gw_calloc(symbols, sizeof *s->epochs);
    s->by_symbol = gw_calloc((size_t)symbols + 1, sizeof(struct stream *));
    s->control_rate = gcra_rate_per_s(s->config->control_rate, s->config->control_burst);
    s->ping_rate = gcra_rate_per_s(1, 2);
    s->ring = (struct stream_limits){s->config->ring_bytes, (int64_t)s->config->ring_age * 1000000};
    GW_ASSERT(uv_barrier_init(&s->started, 2) == 0);
    GW_ASSERT(uv_thread_create(&s->thread, thread_main, s) == 0);
    (void)uv_barrier_wait(&s->started);
    uv_barrier_destroy(&s->started);
    err = s->start_err;
    *out = s;
    if (err != GW_OK) {
        shard_join(out);
    }
    return err;
}

void shard_stop(struct shard *s)
{
    if (!mailbox_post(s->opt.inbox, &(struct mail){.kind = LINK_STOP})) {
        log_error("ws", "stop_lost", "\"shard\":%u", s->opt.number);
    }
    mailbox_wake(s->opt.inbox);
}

void shard_join(struct shard **sp)
{
    struct shard *s = *sp;

    *sp = NULL;
    uv_thread_join(&s->thread);
    free(s->epochs);
    free(s->by_symbol);
    free(s);
}
