/* ws/shard_timers.c - what a shard does by the clock: heartbeats, slow and idle and flooding clients,
 * its own load, the drain. */
#include <stdlib.h>
#include <time.h>
#include <utlist.h>
#include "gateway/publish/fold.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "ws/shard_priv.h"

#define TIMER_MS        WS_TIMER_MS
#define CLOSE_WAIT_NS   (2 * (int64_t)1000000000) /* then abort */
#define DRAIN_MARGIN_NS (3 * (int64_t)1000000000)

/* A fifth of the sessions each time, so that each is looked at four times a second: keeping them in
 * the order of their last write would cost every flush two cache misses. */
static void send_heartbeats(struct shard *s)
{
    static const char text[] = "{\"channel\":\"heartbeat\"}";
    int64_t quiet = (int64_t)s->config->heartbeat * 1000000;
    uint32_t share = (s->all_count + 4) / 5;

    for (uint32_t i = 0; i < share; i++) {
        struct session *session = s->all[s->heartbeat_at++ % s->all_count];

        if (session->heartbeat && s->now_ns - session->sent_ns >= quiet && !session->choked &&
            session->state == WS_LIVE) {
            session_say(session, text, sizeof text - 1);
            metrics_inc(s->metrics, WS_M_HEARTBEAT);
        }
    }
}

static void warn(struct shard *s, struct session *session, uint64_t bytes, int64_t lag_ns)
{
    int64_t left_ms = (int64_t)(s->config->lag + s->config->lag_grace) - lag_ns / 1000000;

    session->warned = true;
    metrics_inc(s->metrics, WS_M_WARNED);
    buf_reset(&s->text);
    buf_printf(&s->text,
               "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":"
               "\"slow_warning\",\"lag_ms\":%lld,\"queued_bytes\":%llu,"
               "\"budget_bytes\":%llu,\"evict_in_ms\":%lld}]}",
               (long long)(lag_ns / 1000000), (unsigned long long)bytes,
               (unsigned long long)s->config->lag_bytes, (long long)(left_ms > 0 ? left_ms : 0));
    session_say(session, s->text.data, s->text.len);
}

/* A trade that the ring no longer holds can never be sent. */
static bool lost_trades(const struct session *session)
{
    const struct sub *sub;

    DL_FOREACH2(session->due, sub, due_next)
    {
        if (sub->first == NULL && sub->cursor < sub->stream->oldest &&
            !fold_allowed(sub->stream->key.channel)) {
            return true;
        }
    }
    return false;
}

/* 1. half of a budget: a warning. 2. over it: when the socket moves within the grace period, a
 * merged update brings the client up (ws/flush.c). 3. still over: evicted. */
static void judge(struct shard *s, struct session *session, uint64_t bytes, int64_t lag_ns)
{
    uint64_t most = s->config->lag_bytes;
    int64_t most_ns = (int64_t)s->config->lag * 1000000;

    if (lost_trades(session)) {
        metrics_inc(s->metrics, WS_M_LOST_PLACE);
        session_evict(session);
        return;
    }
    if (bytes <= most && lag_ns <= most_ns) {
        session->over_ns = 0;
    } else if (session->over_ns == 0) {
        session->over_ns = s->now_ns;
    } else if (s->now_ns - session->over_ns >= (int64_t)s->config->lag_grace * 1000000) {
        session_evict(session);
        return;
    }
    if (!session->warned && (bytes > most / 2 || lag_ns > most_ns / 2)) {
        warn(s, session, bytes, lag_ns);
    }
}

static void check_slow(struct shard *s)
{
    struct session *session;
    struct session *next;
    uint64_t total = 0;
    uint64_t worst = 0;
    int64_t count = 0;

    DL_FOREACH_SAFE2(s->choked, session, next, choked_next)
    {
        uint64_t bytes;
        int64_t lag_ns;

        session_lag(session, &bytes, &lag_ns);
        total += bytes;
        worst = bytes > worst ? bytes : worst;
        count++;
        judge(s, session, bytes, lag_ns);
    }
    metrics_set(s->metrics, WS_M_BACKLOG, 0, (int64_t)total);
    metrics_set(s->metrics, WS_M_SHARD_BACKLOG, s->opt.number, (int64_t)total);
    metrics_set(s->metrics, WS_M_BACKLOG_MAX, s->opt.number, (int64_t)worst);
    metrics_set(s->metrics, WS_M_CHOKED, 0, count);
}

/* Bytes from the client, pings and empty fragments included: the library takes those without asking
 * us (RFC 6455 5.5.2 sets no limit), so they are counted at the socket. */
static void note_received(struct shard *s, struct session *session)
{
    uint64_t received = transport_received(session->conn);
    uint64_t fresh = received - session->received_bytes;
    int64_t retry_ns;

    if (received == 0 || fresh != 0) { /* 0: the kernel does not tell */
        session->alive_ns = s->now_ns;
        session->pinged = false;
    }
    session->received_bytes = received;
    if (fresh != 0 && !gcra_take(&session->inbound_tat_ns, &s->inbound_rate, s->now_ns,
                                 (uint32_t)(fresh < UINT32_MAX ? fresh : UINT32_MAX), &retry_ns)) {
        session_close(session, GW_EFLOOD, NULL);
    }
}

/* A silent peer is pinged, and dead when it stays silent. */
static void check_alive(struct shard *s, struct session *session)
{
    int64_t silent_ns = s->now_ns - session->alive_ns;

    if (silent_ns > (int64_t)s->config->hangup_after * 1000000) {
        metrics_inc(s->metrics, WS_M_DEAD);
        session->dead = true;
        shard_doom(s, session);
    } else if (!session->pinged && silent_ns > (int64_t)s->config->ping_after * 1000000) {
        session->pinged = true;
        metrics_inc(s->metrics, WS_M_PINGS);
        if (!transport_ping(session->conn)) {
            shard_doom(s, session);
        }
    }
}

/* A part of the sessions each time, so that each is looked at once a second. */
static void check_sessions(struct shard *s)
{
    uint32_t share = s->all_count / (1000 / TIMER_MS) + 1;

    for (uint32_t i = 0; i < share && s->all_count != 0; i++) {
        struct session *session = s->all[s->sweep_at++ % s->all_count];

        if (session->state == WS_CLOSING) {
            continue;
        }
        if (session->state == WS_GREETING && !session->heartbeat &&
            s->now_ns - session->opened_ns > (int64_t)s->config->idle_subscribe * 1000000) {
            session_close(session, GW_EIDLE, NULL);
            continue;
        }
        note_received(s, session);
        if (session->state != WS_CLOSING) {
            check_alive(s, session);
        }
    }
}

/* --- load --------------------------------------------------------------------------------------
 */

#define BUSY_S 3u
#define CALM_S 10u

static int64_t thread_cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Once a second: a shard that is busy for long asks for wider intervals, one that is calm for longer
 * gives back a step. */
static void measure_load(struct shard *s, int64_t wall_ns)
{
    const struct fanout_config *c = &s->fanout_config;
    int64_t cpu_ns = thread_cpu_ns();
    int64_t busy = (cpu_ns - s->cpu_ns) * 100 / wall_ns;

    metrics_add(s->metrics, WS_M_SHARD_CPU, s->opt.number, (uint64_t)(cpu_ns - s->cpu_ns) / 1000);
    s->cpu_ns = cpu_ns;
    s->busy_s = c->widen && busy >= (int64_t)c->widen_above ? s->busy_s + 1 : 0;
    s->calm_s = !c->widen || busy < (int64_t)c->widen_below ? s->calm_s + 1 : 0;
    if (s->busy_s >= BUSY_S && s->load_ms < interval_class_ms[INTERVAL_CLASSES - 1]) {
        s->busy_s = 0;
        s->load_ms = fanout_wider(s->load_ms);
        fanout_load(s->opt.fanout, s->opt.number, s->load_ms);
    } else if (s->calm_s >= CALM_S && s->load_ms != 0) {
        s->calm_s = 0;
        s->load_ms = fanout_narrower(s->load_ms);
        fanout_load(s->opt.fanout, s->opt.number, s->load_ms);
    }
}

/* --- drain -------------------------------------------------------------------------------------
 */

void shard_start_drain(struct shard *s)
{
    if (s->draining) {
        return;
    }
    s->draining = true;
    s->drain_ns = s->now_ns;
    s->drain_total = s->all_count;
    transport_stop_listening(s->transport);
    buf_reset(&s->text);
    buf_printf(&s->text,
               "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":"
               "\"shutdown\",\"drain_ms\":%llu,\"resume\":true}]}",
               (unsigned long long)s->config->drain);
    for (uint32_t i = 0; i < s->all_count; i++) {
        if (s->all[i]->uses_gw) {
            session_say(s->all[i], s->text.data, s->text.len);
        }
    }
}

static void drain_one(struct shard *s, struct session *session)
{
    struct buf notice = {0};

    /* Spread the return as well: the replicas that stay, or the next start, take them all. */
    buf_printf(&notice,
               "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":"
               "\"shutdown\",\"drain_ms\":0,\"resume\":true,\"retry_after_ms\":%lld}]}",
               (long long)(200 + random() % (long)(s->config->drain / 2 + 1)));
    session_close(session, GW_EDRAIN, &notice);
    buf_fini(&notice);
}

/* Closes so many that all are gone when the time is. */
static void drain_some(struct shard *s)
{
    int64_t all_ns = (int64_t)s->config->drain * 1000000;
    int64_t passed = s->now_ns - s->drain_ns;
    uint32_t due =
        passed >= all_ns ? s->drain_total : (uint32_t)((int64_t)s->drain_total * passed / all_ns);

    for (uint32_t i = 0; i < s->all_count && s->drained < due; i++) {
        if (s->all[i]->state != WS_CLOSING) {
            drain_one(s, s->all[i]);
            s->drained++;
        }
    }
    if (s->all_count == 0 || passed > all_ns + DRAIN_MARGIN_NS) {
        uv_stop(&s->loop);
    }
}

/* --- the timer ---------------------------------------------------------------------------------
 */

static void every_second(struct shard *s)
{
    measure_load(s, s->now_ns - s->swept_ns);
    s->swept_ns = s->now_ns;
    shard_close_idle_streams(s);
    ip_limit_sweep(s->opt.ips, s->now_ns);
}

void shard_on_timer(uv_timer_t *timer)
{
    struct shard *s = timer->data;
    struct session *session;

    s->now_ns = clock_mono_ns();
    shard_take_fanout(s);
    send_heartbeats(s);
    check_slow(s);
    check_sessions(s);
    for (session = s->closing; session != NULL; session = session->choked_next) {
        if (s->now_ns - session->close_ns < CLOSE_WAIT_NS) {
            break;
        }
        shard_doom(s, session);
    }
    if (s->now_ns - s->swept_ns > 1000000000) {
        every_second(s);
    }
    if (s->draining) {
        drain_some(s);
    }
    shard_flush_and_reap(s);
}
