#include "ws/cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/base/buf.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"
#include "gateway/store/redis.h"

#define ASK_NS  INT64_C(1000000000)
#define TURNS   4u /* of a busy loop: one to send, one to read, and some for Redis */
#define TICK_MS 20u
/* An answer that late means a lost Redis; what is to be kept must not go with one that is merely late. */
#define LINK_MS  5000u
#define TEXT_MAX 512u

struct causes {
    struct redis *redis;
    uv_timer_t timer;
    struct cause_ask *asks; /* oldest first */
    char ttl[16];
    struct buf text;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

struct cause_ask {
    struct causes *causes;
    struct cause_ask *prev;
    struct cause_ask *next;
    int64_t asked_ns;
    unsigned turns;
    cause_fn *cb; /* NULL: cancelled, or told that there is none */
    void *arg;
};

/* Nobody waits for long; the answer may still come, and is then thrown away. */
static void on_timer(uv_timer_t *timer)
{
    struct causes *c = timer->data;
    int64_t now = clock_mono_ns();
    struct cause_ask *ask;

    DL_FOREACH(c->asks, ask)
    {
        if (++ask->turns >= TURNS && now - ask->asked_ns >= ASK_NS && ask->cb != NULL) {
            cause_fn *cb = ask->cb;

            ask->cb = NULL;
            cb(ask->arg, NULL);
        }
    }
}

static void on_state(void *arg, bool up)
{
    (void)arg;
    (void)up;
}

struct causes *causes_create(uv_loop_t *loop, const char *endpoint, uint32_t ttl_s,
                             struct metric_set *redis_metrics_set)
{
    struct causes *c = gw_calloc(1, sizeof *c);
    struct redis_options opt = {
        .endpoint = endpoint,
        .name = "causes",
        .circuit = CIRCUIT_CAUSES,
        .timeout_ms = LINK_MS,
        .backoff_min_ms = 100,
        .backoff_max_ms = 2000,
        .metrics = redis_metrics_set,
    };

    (void)snprintf(c->ttl, sizeof c->ttl, "%u", ttl_s);
    c->redis = redis_create(loop, &opt, on_state, c);
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    uv_timer_start(&c->timer, on_timer, TICK_MS, TICK_MS);
    return c;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct causes *c = handle->data;

    redis_close(c->redis, c->on_closed, c->on_closed_arg);
}

void causes_close(struct causes *c, void (*done)(void *arg), void *arg)
{
    c->on_closed = done;
    c->on_closed_arg = arg;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

void causes_destroy(struct causes **cp)
{
    struct causes *c = *cp;

    *cp = NULL;
    redis_destroy(&c->redis);
    buf_fini(&c->text);
    free(c);
}

static void key_of(const char *session, char key[64])
{
    (void)snprintf(key, 64, "ws:cause:%s", session);
}

void causes_keep(struct causes *c, const char *session, const struct cause *cause)
{
    char key[64];
    const char *argv[] = {"SET", key, NULL, "EX", c->ttl};

    key_of(session, key);
    buf_reset(&c->text);
    buf_printf(&c->text,
               "{\"code\":%u,\"reason\":\"%s\",\"lag_ms\":%lld,\"queued_bytes\":%llu,\"at\":\"",
               cause->code, cause->reason, (long long)cause->lag_ms,
               (unsigned long long)cause->queued_bytes);
    buf_rfc3339(&c->text, cause->at_ns, 6);
    buf_lit(&c->text, "\"}");
    argv[2] = buf_cstr(&c->text);
    (void)redis_command(c->redis, (int)GW_LEN(argv), argv, NULL, 0, NULL, NULL);
}

/* What comes out of Redis goes into an answer as it is: only a small, sound object may. */
static bool sound(const char *json, size_t len)
{
    json_t *parsed;

    if (len > TEXT_MAX || len < 2 || json[0] != '{') {
        return false;
    }
    parsed = json_parse_strict(json, len, 4);
    json_decref(parsed);
    return parsed != NULL;
}

static void on_found(void *arg, const struct redis_reply *reply)
{
    struct cause_ask *found = arg;
    struct cause_ask ask = *found;
    const char *json = NULL;
    size_t len = 0;

    DL_DELETE(ask.causes->asks, found);
    free(found);
    if (reply != NULL && redis_kind(reply) == REDIS_STRING) {
        json = redis_text(reply, &len);
    }
    if (ask.cb != NULL) {
        ask.cb(ask.arg, json != NULL && sound(json, len) ? json : NULL);
    }
}

struct cause_ask *causes_find(struct causes *c, const char *session, cause_fn *cb, void *arg)
{
    struct cause_ask *ask = gw_malloc(sizeof *ask);
    char key[64];
    const char *argv[] = {"GET", key};

    *ask = (struct cause_ask){.causes = c, .asked_ns = clock_mono_ns(), .cb = cb, .arg = arg};
    key_of(session, key);
    if (redis_command(c->redis, (int)GW_LEN(argv), argv, NULL, 0, on_found, ask)) {
        DL_APPEND(c->asks, ask);
        return ask;
    }
    free(ask);
    return NULL;
}

void cause_ask_cancel(struct cause_ask *ask)
{
    ask->cb = NULL;
}
