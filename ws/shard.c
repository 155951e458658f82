#include "ws/shard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "gateway/store/redis.h"
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
    X(GW_EFLOOD, "INBOUND_FLOOD") X(GW_EREVOKED, "KEY_REVOKED") X(GW_EKICKED, "KICKED") X(GW_ECONNS, "TOO_MANY_CONNECTIONS") X(GW_EFULL, "OVERRUN") X(GW_EINVAL, "PROTOCOL")
/* clang-format on */
#define WS_CLOSE_ERR(err, name)  err,
#define WS_CLOSE_NAME(err, name) name,
static const enum gw_err close_errs[] = {WS_CLOSES(WS_CLOSE_ERR)};
/* Behind them, the ends that are not ours: counted by the shard alone. */
static const char *const close_names[] = {WS_CLOSES(WS_CLOSE_NAME) "PEER_LEFT", "DEAD_PEER"};
#define CLOSE_LEFT GW_LEN(close_errs)
#define CLOSE_DEAD (GW_LEN(close_errs) + 1)
static const struct metric_label ws_close_label = {"reason", close_names, GW_LEN(close_errs)};
#define WS_SHARD_NUMBERS                                                                           \
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",    \
        "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31"
#define WS_RESUME_WORD(sym, text) #sym,
static const char *const resume_words[] = {LINK_RESUMES(WS_RESUME_WORD)};
static const char *const shard_numbers[LINK_SHARDS_MAX] = {WS_SHARD_NUMBERS};
static const struct metric_label ws_resume_label = {"result", resume_words, RESUME_RESULTS};
static const char *const token_words[] = {"ok", "unknown", "unavailable", "too_many", "network"};
static const struct metric_label ws_token_label = {"outcome", token_words, GW_LEN(token_words)};
static struct metric_label ws_shard_label = {"shard", shard_numbers, 1};
static const struct metric_row metric_rows[] = {WS_METRICS(METRIC_AS_ROW)};
const struct metric_table ws_metrics = {"ws", metric_rows, WS_M_COUNT};

void shard_count_set(uint32_t shards)
{
    ws_shard_label.count = shards;
}

uint64_t shard_next_id(struct shard *s)
{
    /* Below 2^53, so that JavaScript keeps it: 16 bits of shard, the rest counts. */
    return (uint64_t)s->opt.number << 40 | ++s->next_session;
}

uint32_t shard_of(uint64_t connection_id)
{
    uint64_t number = connection_id >> 40;

    return number < LINK_SHARDS_MAX ? (uint32_t)number : LINK_SHARDS_MAX;
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

static unsigned close_index(enum gw_err err)
{
    unsigned i = 0;

    while (close_errs[i] != err) {
        GW_ASSERT(++i < GW_LEN(close_errs));
    }
    return i;
}

void shard_count_close(struct shard *s, enum gw_err err)
{
    metrics_add(s->metrics, WS_M_CLOSES, close_index(err), 1);
    s->closes[close_index(err)]++;
}

void shard_count_left(const struct session *session)
{
    unsigned reason = session->dead ? CLOSE_DEAD : CLOSE_LEFT;

    session->shard->closes[reason]++;
    shard_note_closed(session, close_names[reason], 0);
}

const char *const *shard_close_reasons(unsigned *count)
{
    *count = GW_LEN(close_names);
    return close_names;
}

const char *shard_close_name(enum gw_err err)
{
    return close_names[close_index(err)];
}

void shard_name(struct shard *s, char name[WS_SESSION_NAME_MAX])
{
    uint64_t random_bits;

    /* Who knows the name of a connection learns why it was closed: not to be guessed. */
    if (getrandom(&random_bits, sizeof random_bits, 0) != (ssize_t)sizeof random_bits) {
        random_bits = s->next_session ^ (uint64_t)clock_real_ns();
    }
    (void)snprintf(name, WS_SESSION_NAME_MAX, "c-%016llx", (unsigned long long)random_bits);
}

void shard_list(struct shard *s, struct session *session)
{
    if (s->all_count == s->all_capacity) {
        s->all_capacity = s->all_capacity != 0 ? s->all_capacity * 2 : 256;
        s->all = gw_realloc(s->all, s->all_capacity * sizeof(struct session *));
    }
    session->place = s->all_count;
    s->all[s->all_count++] = session;
    metrics_set(s->metrics, WS_M_SHARD_CLIENTS, s->opt.number, s->all_count);
}

void shard_unlist(struct shard *s, struct session *session)
{
    struct session *last = s->all[--s->all_count];

    s->all[session->place] = last;
    last->place = session->place;
    metrics_set(s->metrics, WS_M_SHARD_CLIENTS, s->opt.number, s->all_count);
}

/* --- the turn ----------------------------------------------------------------------------------
 */

void shard_flush_and_reap(struct shard *s)
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
    shard_flush_and_reap(check->data);
}

static void apply_config(struct shard *s)
{
    s->control_rate = gcra_rate_per_s(s->live.control_rate, s->live.control_burst);
    s->inbound_rate = gcra_rate_per_s(s->live.inbound_rate, s->live.inbound_burst);
    s->ring = (struct stream_limits){s->live.ring_bytes, (int64_t)s->live.ring_age * 1000000};
}

/* The live keys of a configuration that was read again. */
static void take_config(struct shard *s, struct shard_live *live)
{
    const char *listen = s->live.listen; /* texts stay those of the start */

    s->live = live->ws;
    s->live.listen = (char *)(uintptr_t)listen;
    s->fanout_config = live->fanout;
    if (s->limits != NULL) {
        limits_configure(s->limits, &live->limits);
    }
    free(live);
    apply_config(s);
}

/* Takes KEYID. */
static void close_key(struct shard *s, char *keyid)
{
    for (uint32_t i = 0; i < s->all_count; i++) {
        struct session *session = s->all[i];

        if (session->auth != NULL && strcmp(session->auth->grant.keyid, keyid) == 0) {
            session_close(session, GW_EREVOKED, NULL);
        }
    }
    free(keyid);
}

/* What VERSION of the gate changed is in the rings; this turn's flush hands it to the sockets. */
static void tell_gated(struct shard *s, uint64_t version)
{
    if (s->opt.gate_inbox != NULL &&
        mailbox_post(s->opt.gate_inbox,
                     &(struct mail){.kind = LINK_GATED, .number = s->opt.number, .key = version})) {
        mailbox_wake(s->opt.gate_inbox);
    }
}

static void on_mail(void *arg, struct mail *m)
{
    struct shard *s = arg;

    switch ((enum link_kind)m->kind) {
    case LINK_FRAME:
        shard_on_frame(s, m->ref, m->payload);
        break;
    case LINK_SNAPSHOT_FRAME:
        shard_on_snapshot(m->ref, m->payload);
        break;
    case LINK_CLOSED:
        shard_on_closed(s, m->ref);
        break;
    case LINK_SYMBOL:
        shard_on_symbol(s, m->number, m->payload);
        free(m->payload);
        break;
    case LINK_NOTICE:
        shard_on_notice(s, m->number, m->payload);
        break;
    case LINK_SYSTEM:
        shard_on_system(s, (enum link_system)m->number, m->payload);
        free(m->payload);
        break;
    case LINK_GATED:
        tell_gated(s, m->key);
        break;
    case LINK_RESUMED:
        resume_answered(s, m->payload);
        break;
    case LINK_CONFIG:
        take_config(s, m->payload);
        break;
    case LINK_REVOKE:
        close_key(s, m->payload);
        break;
    case LINK_ROSTER:
        shard_on_roster(s, m->payload);
        break;
    case LINK_STOP:
        shard_start_drain(s);
        break;
    default:
        GW_UNREACHABLE("not a message to a shard");
    }
}

/* Messages of the market were lost: nobody's stream can be trusted. */
static void on_overrun(struct shard *s)
{
    metrics_inc(s->metrics, WS_M_OVERRUN);
    log_error("ws", "overrun", "\"shard\":%u,\"next\":\"all sessions of the shard reconnect\"",
              s->opt.number);
    for (uint32_t i = 0; i < s->all_count; i++) {
        session_close(s->all[i], GW_EFULL, NULL);
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
    s->opened_total++;
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
        session_wipe(&session->inbound);
    }
}

static void on_writable(void *arg)
{
    struct session *session = arg;

    session->shard->now_ns = clock_mono_ns();
    session_flush(session);
}

static void on_accept_pause(void *arg)
{
    struct shard *s = arg;

    if (metrics_get(s->metrics, WS_M_ACCEPT_PAUSES, 0) == 0) {
        log_warn("ws", "accept_pause",
                 "\"shard\":%u,\"next\":\"no file descriptors left: raise LimitNOFILE, or lower "
                 "ws.max_clients; more of these are only counted\"",
                 s->opt.number);
    }
    metrics_inc(s->metrics, WS_M_ACCEPT_PAUSES);
}

static const struct transport_handlers handlers = {
    .on_accept = on_accept,
    .on_open = on_open,
    .on_data = on_data,
    .on_writable = on_writable,
    .on_closed = on_closed,
    .on_accept_pause = on_accept_pause,
};

/* --- life --------------------------------------------------------------------------------------
 */

static void open_limits(struct shard *s)
{
    struct limits_options opt = {.endpoint = s->opt.redis, .instances = s->opt.shards};

    if (s->opt.limits != NULL) {
        opt.metrics = metrics_create(&limits_metrics);
        opt.redis_metrics = metrics_create(&redis_metrics);
        s->limits = limits_create(&s->loop, &opt, s->opt.limits);
        s->key_rates = key_rates_create(s->limits, session_on_units);
    }
}

static enum gw_err set_up(struct shard *s)
{
    struct transport_options opt = {
        .cert_file = s->opt.cert_file,
        .key_file = s->opt.key_file,
        .max_connections = (uint32_t)s->config->max_clients + WS_SEATS_MORE,
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
    uv_timer_start(&s->timer, shard_on_timer, WS_TIMER_MS, WS_TIMER_MS);
    s->causes = causes_create(&s->loop, s->opt.redis, (uint32_t)(s->config->cause_kept / 1000),
                              metrics_create(&redis_metrics));
    s->tokens = tokens_create(&s->loop, s->opt.redis, 0, metrics_create(&redis_metrics));
    open_limits(s);
    mailbox_open(s->opt.inbox, &s->loop, on_mail, on_batch, s);
    return transport_create(&s->loop, &opt, &handlers, s, &s->transport);
}

static void on_closed_one(void *arg)
{
    --*(unsigned *)arg;
}

/* What lives on the loop beside the transport. */
static void close_stores(struct shard *s)
{
    unsigned open = s->limits != NULL ? 3 : 2;

    if (s->causes == NULL) {
        return;
    }
    if (s->limits != NULL) {
        key_rates_destroy(&s->key_rates);
        limits_close(s->limits, on_closed_one, &open);
    }
    causes_close(s->causes, on_closed_one, &open);
    tokens_close(s->tokens, on_closed_one, &open);
    for (int i = 0; i < 1000 && open != 0; i++) {
        (void)uv_run(&s->loop, UV_RUN_NOWAIT);
    }
    if (open == 0) {
        causes_destroy(&s->causes);
        tokens_destroy(&s->tokens);
        if (s->limits != NULL) {
            limits_destroy(&s->limits);
        }
    }
}

static void tear_down(struct shard *s)
{
    struct stream *stream;
    struct stream *next;

    uv_close((uv_handle_t *)&s->check, NULL);
    uv_close((uv_handle_t *)&s->timer, NULL);
    mailbox_close(s->opt.inbox);
    if (s->transport != NULL) {
        transport_destroy(&s->transport);
    }
    link_drain(s->opt.inbox);
    HASH_ITER(hh, s->streams, stream, next)
    {
        HASH_DEL(s->streams, stream);
        stream_destroy(&stream);
    }
    close_stores(s);
    (void)uv_run(&s->loop, UV_RUN_NOWAIT);
    buf_fini(&s->batch);
    buf_fini(&s->text);
    free(s->all);
    free(s->gone);
}

static void thread_main(void *arg)
{
    struct shard *s = arg;

    char name[16]; /* as top -H and perf show it */

    (void)snprintf(name, sizeof name, "shard-%u", s->opt.number);
    (void)pthread_setname_np(pthread_self(), name);
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
    uint64_t first = 0;
    enum gw_err err;

    s->opt = *opt;
    s->live = *opt->config;
    s->config = &s->live;
    s->fanout_config = *opt->fanout_config;
    s->epochs = gw_calloc(symbols, sizeof *s->epochs);
    s->by_symbol = gw_calloc((size_t)symbols + 1, sizeof(struct stream *));
    s->ping_rate = gcra_rate_per_s(1, 2);
    /* Operators name connections by these ids: those of a start must not be those of the one before. */
    GW_ASSERT(getrandom(&first, sizeof first, 0) == (ssize_t)sizeof first);
    s->next_session = first & (((uint64_t)1 << 39) - 1);
    s->fanout.profile.default_depth = 10;
    apply_config(s);
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

void shard_take_live(struct shard *s, const struct ws_config *ws,
                     const struct fanout_config *fanout, const struct limits_config *limits)
{
    struct shard_live *live = gw_malloc(sizeof *live);

    *live = (struct shard_live){*ws, *fanout, *limits};
    if (!mailbox_post(s->opt.inbox, &(struct mail){.kind = LINK_CONFIG, .payload = live})) {
        log_error("ws", "config_lost", "\"shard\":%u,\"next\":\"send SIGHUP again\"",
                  s->opt.number);
        free(live);
    }
    mailbox_wake(s->opt.inbox);
}

void shard_revoke(struct shard *s, const char *keyid)
{
    char *copy = gw_strdup(keyid);

    if (!mailbox_post(s->opt.inbox, &(struct mail){.kind = LINK_REVOKE, .payload = copy})) {
        /* The overrun closes all sessions of the shard, these too. */
        free(copy);
    }
    mailbox_wake(s->opt.inbox);
}

bool shard_ask(struct shard *s, struct roster **rp)
{
    if (!mailbox_post(s->opt.inbox, &(struct mail){.kind = LINK_ROSTER, .payload = *rp})) {
        return false;
    }
    *rp = NULL;
    mailbox_wake(s->opt.inbox);
    return true;
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
