/* tests/unit/ratelimit/gate.h - gateways in one process: a loop with instances of limits.
 * Why: asks are asynchronous; tests want to say them in a line.
 * Owner: the test. */
#ifndef TESTS_UNIT_RATELIMIT_GATE_H
#define TESTS_UNIT_RATELIMIT_GATE_H
#include "redis_fixture.h"
#include "gateway/base/err.h"
#include "gateway/runtime/clock.h"
#include "ratelimit/limits.h"
#include "ratelimit/limits_priv.h"

#define MS     ((int64_t)1000000)
#define SECOND (1000 * MS)

struct gate {
    uv_loop_t *loop;
    struct limits *limits;
    struct limits_config config;
};

struct asked {
    struct limits_answer answer;
    struct limits_wait *wait;
    int64_t sent_ns;
    int64_t took_ns; /* -1: not yet */
};

static inline void gate_config(struct limits_config *config)
{
    const struct cfg_binding binding = {&limits_config_table, config};
    char *const environment[] = {NULL};
    struct buf errors = {0};

    assert_int_equal(config_load(NULL, environment, &binding, 1, &errors), GW_OK);
    buf_fini(&errors);
}

static inline void gate_open(struct gate *g, uv_loop_t *loop, const struct redis_fixture *f)
{
    struct limits_options opt = {
        .endpoint = f->endpoint,
        .instances = 1,
        .ahead_ns = SECOND,
        .metrics = metrics_create(&limits_metrics),
        .redis_metrics = metrics_create(&redis_metrics),
    };

    g->loop = loop;
    g->limits = limits_create(loop, &opt, &g->config);
}

static inline void gate_on_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void gate_close(struct gate *g)
{
    bool closed = false;

    limits_close(g->limits, gate_on_closed, &closed);
    while (!closed) {
        uv_run(g->loop, UV_RUN_ONCE);
    }
    limits_destroy(&g->limits);
}

static inline void gate_on_answer(void *arg, const struct limits_answer *answer)
{
    struct asked *a = arg;

    assert_int_equal(a->took_ns, -1); /* exactly once */
    a->answer = *answer;
    a->wait = NULL;
    a->took_ns = clock_mono_ns() - a->sent_ns;
}

static inline void gate_ask(struct gate *g, const struct limits_ask *ask, struct asked *a)
{
    *a = (struct asked){.sent_ns = clock_mono_ns(), .took_ns = -1};
    a->wait = limits_take(g->limits, ask, &a->answer, gate_on_answer, a);
    if (a->wait == NULL) {
        a->took_ns = clock_mono_ns() - a->sent_ns;
    }
}

static inline void gate_until(struct gate *g, const struct asked *a)
{
    while (a->took_ns < 0) {
        uv_run(g->loop, UV_RUN_ONCE);
    }
}

static inline struct limits_answer gate_take(struct gate *g, const struct limits_ask *ask)
{
    struct asked a;

    gate_ask(g, ask, &a);
    gate_until(g, &a);
    return a.answer;
}

static inline void gate_on_pause(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Lets the loop run for MSEC. */
static inline void gate_pause(struct gate *g, uint64_t msec)
{
    uv_timer_t timer;
    bool over = false;

    uv_timer_init(g->loop, &timer);
    timer.data = &over;
    uv_timer_start(&timer, gate_on_pause, msec, 0);
    while (!over) {
        uv_run(g->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(g->loop, UV_RUN_NOWAIT);
}

static inline struct limits_ask gate_unit(enum limits_class class, const char *id, uint32_t cost)
{
    return (struct limits_ask){.units = {{class, id, cost}}, .count = 1};
}

static inline struct limits_nonce gate_nonce(const char *text, bool read)
{
    return (struct limits_nonce){.kind = LIMITS_ONCE,
                                 .keyid = "key",
                                 .text = text,
                                 .keep_ms = 61000,
                                 .created_ns = clock_real_ns() + 10 * SECOND,
                                 .read = read};
}

/* Until Redis is asked again. How long that took; fails after 5 s. */
static inline int64_t gate_until_shared(struct gate *g)
{
    struct limits_nonce nonce = gate_nonce("", true);
    struct limits_ask ask = {.nonce = &nonce};
    int64_t since = clock_mono_ns();
    static unsigned count;
    char text[24];

    nonce.text = text;
    nonce.created_ns = INT64_MAX;
    for (;;) {
        snprintf(text, sizeof text, "probe-%u", count++);
        (void)gate_take(g, &ask);
        if (limits_shared(g->limits)) {
            return clock_mono_ns() - since;
        }
        assert_true(clock_mono_ns() - since < 5 * SECOND);
        gate_pause(g, 5);
    }
}

/* For tests that are not about time: noise of the machine opens no breaker. */
static inline void gate_patient(struct limits_config *config)
{
    config->slow = 5000;
    config->deadline = 5000;
}

static inline uint64_t gate_count(const struct gate *g, unsigned metric, unsigned label)
{
    return metrics_get(g->limits->opt.metrics, metric, label);
}
#endif
