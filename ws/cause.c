#include "ws/cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/buf.h"
#include "gateway/runtime/json.h"
#include "gateway/store/redis.h"

#define ASK_MS   200u
#define TEXT_MAX 512u

struct causes {
    struct redis *redis;
    char ttl[16];
    struct buf text;
};

struct cause_ask {
    cause_fn *cb; /* NULL: cancelled */
    void *arg;
};

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
        .timeout_ms = 1000,
        .backoff_min_ms = 100,
        .backoff_max_ms = 2000,
        .metrics = redis_metrics_set,
    };

    (void)snprintf(c->ttl, sizeof c->ttl, "%u", ttl_s);
    c->redis = redis_create(loop, &opt, on_state, c);
    return c;
}

void causes_close(struct causes *c, void (*done)(void *arg), void *arg)
{
    redis_close(c->redis, done, arg);
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
    struct cause_ask ask = *(struct cause_ask *)arg;
    const char *json = NULL;
    size_t len = 0;

    free(arg);
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

    *ask = (struct cause_ask){cb, arg};
    key_of(session, key);
    if (redis_command(c->redis, (int)GW_LEN(argv), argv, NULL, ASK_MS, on_found, ask)) {
        return ask;
    }
    free(ask);
    return NULL;
}

void cause_ask_cancel(struct cause_ask *ask)
{
    ask->cb = NULL;
}
