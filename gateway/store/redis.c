#include "gateway/store/redis.h"

#include <stdlib.h>
#include <string.h>
#include <hiredis/async.h>
#include <hiredis/adapters/libuv.h>
#include <utlist.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/log.h"

#define REDIS_PENDING_MAX 65536u
#define REDIS_TICK_MS     20u
#define REDIS_SPARED_MAX  3u /* a turn of the loop to send it, one to read, one for luck */

/* clang-format off */
#define REDIS_METRICS(X)                                                                              \
    X(REDIS_M_COMMANDS, "redis_commands_total",   COUNTER, NULL, "commands sent")                         \
    X(REDIS_M_FAULTS,   "redis_errors_total",     COUNTER, NULL, "error replies")                         \
    X(REDIS_M_TIMEOUTS, "redis_timeouts_total",   COUNTER, NULL, "connections dropped: no answer in time") \
    X(REDIS_M_LOST,     "redis_lost_total",       COUNTER, NULL, "connections lost")                      \
    X(REDIS_M_UP,       "redis_connections_up",   GAUGE,   NULL, "connections that answer")               \
    X(REDIS_M_REFUSED,  "redis_refused_total",    COUNTER, NULL, "commands not sent: not connected or too many pending")
/* clang-format on */
enum redis_metric { REDIS_METRICS(METRIC_AS_ENUM) REDIS_M_COUNT };
static const struct metric_row metric_rows[] = {REDIS_METRICS(METRIC_AS_ROW)};
const struct metric_table redis_metrics = {"redis", metric_rows, REDIS_M_COUNT};

enum redis_state { REDIS_WAITING, REDIS_CONNECTING, REDIS_PROBING, REDIS_UP, REDIS_CLOSED };

struct call {
    struct redis *redis;
    struct call *prev;
    struct call *next;
    int64_t deadline_ns;
    redis_reply_fn *cb;
    void *arg;
};

struct redis {
    struct redis_options opt;
    uv_loop_t *loop;
    uv_timer_t timer;
    enum redis_state state;
    redisAsyncContext *context;
    struct call *calls;
    uint32_t call_count;
    int64_t deadline_ns; /* of connecting, or when to connect */
    int64_t ticked_ns;
    unsigned spared;   /* times in a row: the loop came late, the answer may be here, unread */
    unsigned failures; /* in a row */
    bool lost_logged;
    struct circuit *circuit;
    void (*on_state)(void *arg, bool up);
    void *arg;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

static int64_t random_below(int64_t limit)
{
    uint64_t wide =
        (uint64_t)random() << 31 | (uint64_t)random(); /* one has 31 bits: two seconds */

    return limit > 0 ? (int64_t)(wide % (uint64_t)limit) : 0;
}

/* The connection is gone, its callers have been told. */
static void lost(struct redis *r, const char *why)
{
    bool was_up = r->state == REDIS_UP;
    int64_t most = r->opt.backoff_min_ms;
    int64_t wait;

    r->context = NULL;
    if (r->state == REDIS_CLOSED) {
        return;
    }
    r->state = REDIS_WAITING;
    metrics_inc(r->opt.metrics, REDIS_M_LOST);
    if (!r->lost_logged) {
        r->lost_logged = true;
        log_warn("redis", "lost", "\"name\":\"%s\",\"why\":%s,\"next\":\"reconnecting\"",
                 r->opt.name, log_json(why));
    }
    for (unsigned i = 0; i < r->failures && most < r->opt.backoff_max_ms; i++) {
        most *= 2;
    }
    most = most < r->opt.backoff_max_ms ? most : r->opt.backoff_max_ms;
    r->failures++;
    wait = random_below(most * 1000000);
    r->deadline_ns = clock_mono_ns() + wait;
    circuit_failed(r->circuit, why, wait);
    if (was_up) {
        metrics_add(r->opt.metrics, REDIS_M_UP, 0, UINT64_MAX);
        r->on_state(r->arg, false);
    }
}

static void drop(struct redis *r, const char *why)
{
    redisAsyncContext *context = r->context;

    r->context = NULL; /* so that on_disconnect() leaves the rest to us */
    if (context != NULL) {
        context->data = NULL;
        redisAsyncFree(context); /* runs the callbacks of all pending calls with NULL */
    }
    lost(r, why);
}

static void on_reply(redisAsyncContext *context, void *reply, void *privdata)
{
    struct call *call = privdata;
    struct redis *r = call->redis;
    const redisReply *answer = reply;

    (void)context;
    DL_DELETE(r->calls, call);
    r->call_count--;
    if (answer != NULL && answer->type == REDIS_REPLY_ERROR) {
        metrics_inc(r->opt.metrics, REDIS_M_FAULTS);
    }
    if (call->cb != NULL) {
        call->cb(call->arg, reply);
    }
    free(call);
}

static bool send_command(struct redis *r, int argc, const char **argv, const size_t *lens,
                         uint32_t timeout_ms, redis_reply_fn *cb, void *arg)
{
    struct call *call = gw_calloc(1, sizeof *call);

    timeout_ms = timeout_ms != 0 ? timeout_ms : r->opt.timeout_ms;
    *call = (struct call){.redis = r, .cb = cb, .arg = arg};
    call->deadline_ns = clock_mono_ns() + (int64_t)timeout_ms * 1000000;
    if (redisAsyncCommandArgv(r->context, on_reply, call, argc, argv, lens) != REDIS_OK) {
        free(call);
        return false;
    }
    DL_APPEND(r->calls, call);
    r->call_count++;
    metrics_inc(r->opt.metrics, REDIS_M_COMMANDS);
    return true;
}

bool redis_command(struct redis *r, int argc, const char **argv, const size_t *lens,
                   uint32_t timeout_ms, redis_reply_fn *cb, void *arg)
{
    if (r->state != REDIS_UP || r->call_count >= REDIS_PENDING_MAX ||
        !send_command(r, argc, argv, lens, timeout_ms, cb, arg)) {
        metrics_inc(r->opt.metrics, REDIS_M_REFUSED);
        return false;
    }
    return true;
}

static void on_probe(void *arg, const struct redis_reply *reply)
{
    struct redis *r = arg;

    if (reply == NULL || r->state != REDIS_PROBING) {
        return; /* lost() follows */
    }
    r->state = REDIS_UP;
    r->failures = 0;
    circuit_closed(r->circuit);
    if (r->lost_logged) {
        r->lost_logged = false;
        log_info("redis", "up", "\"name\":\"%s\"", r->opt.name);
    }
    metrics_add(r->opt.metrics, REDIS_M_UP, 0, 1);
    r->on_state(r->arg, true);
}

static void on_connect(const redisAsyncContext *context, int status)
{
    static const char *ping[] = {"PING"};
    struct redis *r = context->data;

    if (r == NULL) {
        return;
    }
    if (status != REDIS_OK) { /* hiredis frees the context when this returns */
        lost(r, context->errstr);
        return;
    }
    r->state = REDIS_PROBING;
    if (!send_command(r, 1, ping, NULL, 0, on_probe, r)) {
        r->deadline_ns = 0; /* the timer drops it */
    }
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
    struct redis *r = context->data;

    (void)status;
    if (r != NULL) {
        lost(r, context->errstr[0] != '\0' ? context->errstr : "closed by Redis");
    }
}

static redisAsyncContext *dial(const char *endpoint)
{
    char host[64];
    uint16_t port;

    if (strncmp(endpoint, "unix:", 5) == 0) {
        return redisAsyncConnectUnix(endpoint + 5);
    }
    return config_endpoint(endpoint, host, &port) ? redisAsyncConnect(host, port) : NULL;
}

static void connect_now(struct redis *r)
{
    redisAsyncContext *context = dial(r->opt.endpoint);

    r->state = REDIS_CONNECTING;
    circuit_trying(r->circuit);
    r->deadline_ns = clock_mono_ns() + (int64_t)r->opt.timeout_ms * 1000000;
    if (context == NULL) {
        lost(r, "not an endpoint: expected unix:/path or host:port");
        return;
    }
    if (context->err != 0) {
        lost(r, context->errstr);
        redisAsyncFree(context);
        return;
    }
    context->data = r;
    r->context = context;
    GW_ASSERT(redisLibuvAttach(context, r->loop) == REDIS_OK);
    redisAsyncSetConnectCallback(context, on_connect);
    redisAsyncSetDisconnectCallback(context, on_disconnect);
}

/* Time is up. But timers run before what has arrived is read: when it was this loop that came late,
 * it looks again, having read. */
static bool overdue(struct redis *r, int64_t now, int64_t before)
{
    bool late = now - before > 2 * (int64_t)REDIS_TICK_MS * 1000000;

    if (late && r->spared < REDIS_SPARED_MAX) {
        r->spared++;
        return false;
    }
    r->spared = 0;
    metrics_inc(r->opt.metrics, REDIS_M_TIMEOUTS);
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    struct redis *r = timer->data;
    int64_t now = clock_mono_ns();
    int64_t before = r->ticked_ns;
    const struct call *call;

    r->ticked_ns = now;
    if (r->state == REDIS_WAITING && (now >= r->deadline_ns || circuit_asked(r->circuit))) {
        connect_now(r);
        return;
    }
    if (r->state == REDIS_CONNECTING && now >= r->deadline_ns) {
        if (overdue(r, now, before)) {
            drop(r, "no connection in time");
        }
        return;
    }
    DL_FOREACH(r->calls, call)
    {
        if (now >= call->deadline_ns) {
            if (overdue(r, now, before)) {
                drop(r, "no answer in time");
            }
            return;
        }
    }
    r->spared = 0;
}

struct redis *redis_create(uv_loop_t *loop, const struct redis_options *opt,
                           void (*on_state)(void *arg, bool up), void *arg)
{
    struct redis *r = gw_calloc(1, sizeof *r);

    r->opt = *opt;
    r->loop = loop;
    r->on_state = on_state;
    r->arg = arg;
    r->circuit = circuit_create(opt->circuit);
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, on_timer, 0, REDIS_TICK_MS);
    return r;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct redis *r = handle->data;

    r->on_closed(r->on_closed_arg);
}

void redis_close(struct redis *r, void (*done)(void *arg), void *arg)
{
    bool was_up = r->state == REDIS_UP;

    GW_ASSERT(r->state != REDIS_CLOSED);
    r->state = REDIS_CLOSED;
    r->on_closed = done;
    r->on_closed_arg = arg;
    if (was_up) {
        metrics_add(r->opt.metrics, REDIS_M_UP, 0, UINT64_MAX);
    }
    circuit_destroy(&r->circuit);
    drop(r, "closed");
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

void redis_destroy(struct redis **rp)
{
    struct redis *r = *rp;

    *rp = NULL;
    GW_ASSERT(r->calls == NULL && r->context == NULL);
    free(r);
}

bool redis_up(const struct redis *r)
{
    return r->state == REDIS_UP;
}

uint32_t redis_pending(const struct redis *r)
{
    return r->call_count;
}

static const redisReply *raw(const struct redis_reply *reply)
{
    return (const redisReply *)(const void *)reply;
}

enum redis_kind redis_kind(const struct redis_reply *reply)
{
    switch (raw(reply)->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return REDIS_STRING;
    case REDIS_REPLY_INTEGER:
        return REDIS_INTEGER;
    case REDIS_REPLY_ARRAY:
        return REDIS_LIST;
    case REDIS_REPLY_NIL:
        return REDIS_NIL;
    default:
        return REDIS_FAULT;
    }
}

const char *redis_text(const struct redis_reply *reply, size_t *len)
{
    *len = (size_t)raw(reply)->len;
    return raw(reply)->str;
}

int64_t redis_integer(const struct redis_reply *reply)
{
    GW_ASSERT(raw(reply)->type == REDIS_REPLY_INTEGER);
    return raw(reply)->integer;
}

size_t redis_count(const struct redis_reply *reply)
{
    return raw(reply)->type == REDIS_REPLY_ARRAY ? raw(reply)->elements : 0;
}

const struct redis_reply *redis_item(const struct redis_reply *reply, size_t i)
{
    GW_ASSERT(i < redis_count(reply));
    return (const struct redis_reply *)(const void *)raw(reply)->element[i];
}
