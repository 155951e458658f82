/* tests/unit/core/linked.h - gateways' links to the core in one process, and a core played by hand
 * over a real Redis.
 * Owner: the test. */
#ifndef TESTS_UNIT_CORE_LINKED_H
#define TESTS_UNIT_CORE_LINKED_H
#include "tests/unit/ratelimit/redis_fixture.h"
#include "gateway/base/buf.h"
#include "gateway/core/core.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)

static uv_loop_t loop;

struct linked {
    struct core *core;
    struct metric_set *metrics;
    uint64_t version; /* of the state its snapshot tells; 0: not loaded */
    unsigned command_changes;
    unsigned observed_changes;
    char observed[64]; /* the last symbol, "-" for none */
};

static inline bool linked_snapshot(void *arg, struct buf *state, uint64_t *version, uint64_t *audit)
{
    const struct linked *l = arg;

    buf_printf(state, "{\"v\":1,\"version\":%llu,\"cells\":[]}", (unsigned long long)l->version);
    *version = l->version;
    *audit = l->version + 1000;
    return l->version != 0;
}

static inline void linked_on_command(void *arg, const struct core_command_view *c)
{
    (void)c;
    ((struct linked *)arg)->command_changes++;
}

static inline void linked_on_observed(void *arg, const char *symbol)
{
    struct linked *l = arg;

    l->observed_changes++;
    snprintf(l->observed, sizeof l->observed, "%s", symbol != NULL ? symbol : "-");
}

static inline void linked_open_bounded(struct linked *l, const struct redis_fixture *f,
                                       const char *name, uint64_t version, uint32_t queue_most)
{
    struct core_options opt = {
        .endpoint = f->endpoint,
        .gateway = name,
        .timeout_ms = 500,
        .backoff_min_ms = 10,
        .backoff_max_ms = 50,
        .commands_most = 1000,
        .read_back = 200,
        .queue_most = queue_most,
        .queue_bytes = 1 << 20,
        .metrics = metrics_create(&core_metrics),
        .redis_metrics = metrics_create(&redis_metrics),
        .snapshot = linked_snapshot,
        .on_command = linked_on_command,
        .on_observed = linked_on_observed,
        .arg = l,
    };

    *l = (struct linked){.version = version, .metrics = opt.metrics};
    l->core = core_create(&loop, &opt);
}

static inline void linked_open(struct linked *l, const struct redis_fixture *f, const char *name,
                               uint64_t version)
{
    linked_open_bounded(l, f, name, version, 100);
}

static inline void linked_on_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void linked_close(struct linked *l)
{
    bool closed = false;

    core_close(l->core, linked_on_closed, &closed);
    while (!closed) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    core_destroy(&l->core);
}

static inline uint64_t linked_count(const struct linked *l, unsigned metric, unsigned label)
{
    return metrics_get(l->metrics, metric, label);
}

static inline void linked_on_wake(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until CONDITION holds, 5 s at most. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until_since = clock_mono_ns();                                                     \
        while (!(condition)) {                                                                     \
            if (clock_mono_ns() - until_since > 5 * SECOND) {                                      \
                fail_msg("not within 5 s: %s", #condition);                                        \
            }                                                                                      \
            uv_run(&loop, UV_RUN_ONCE); /* links tick every 50 ms, so it wakes */                  \
        }                                                                                          \
    } while (0)

static inline void run_for(int64_t ns)
{
    int64_t since = clock_mono_ns();

    while (clock_mono_ns() - since < ns) {
        uv_run(&loop, UV_RUN_ONCE);
    }
}

/* --- the core's side --------------------------------------------------------------------------- */

static inline void core_says(struct redis_fixture *f, const char *json)
{
    const char *argv[] = {"XADD", "control:acks", "*", "e", json};

    freeReplyObject(fixture_call(f, (int)GW_LEN(argv), argv));
}

static inline void core_answers(struct redis_fixture *f, const char *id, const char *state,
                                const char *more)
{
    struct buf json = {0};

    buf_printf(&json, "{\"id\":\"%s\",\"state\":\"%s\",\"core\":\"engine-1\"%s}", id, state, more);
    core_says(f, buf_cstr(&json));
    buf_fini(&json);
}

/* The values of the entries of KEY, oldest first; the caller frees the reply. */
static inline redisReply *stream(struct redis_fixture *f, const char *key)
{
    const char *argv[] = {"XRANGE", key, "-", "+"};

    return fixture_call(f, (int)GW_LEN(argv), argv);
}

static inline json_t *stream_entry(const redisReply *all, size_t i)
{
    const redisReply *fields;
    json_t *root;

    assert_true(i < all->elements);
    fields = all->element[i]->element[1];
    assert_int_equal(fields->elements, 2);
    assert_string_equal(fields->element[0]->str, "e");
    root = json_parse_strict(fields->element[1]->str, fields->element[1]->len, 8);
    assert_non_null(root);
    return root;
}

static inline size_t stream_len(struct redis_fixture *f, const char *key)
{
    redisReply *all = stream(f, key);
    size_t len = all->elements;

    freeReplyObject(all);
    return len;
}

static inline struct redis_fixture *fresh(void **state)
{
    struct redis_fixture *f = *state;

    if (f->pid == 0 && f->dir[0] != '\0' && access(f->dir, W_OK) == 0 && !fixture_start(f)) {
        skip();
    }
    fixture_flush(f);
    return f;
}
#endif
