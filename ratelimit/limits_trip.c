/* ratelimit/limits_trip.c - asks at Redis: the script's arguments and answer, deadlines, breaker,
 * and whether it is still the same Redis. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "ratelimit/limits_priv.h"
#include "ratelimit/script.h"

#define MS_NS         1000000
#define GLUE_MS       250u /* until a connection that does not answer is made anew */
#define ARGS_MAX      (3 + LIMITS_UNITS_MAX + 1 + 1 + 3 * LIMITS_UNITS_MAX + 5)
#define TIMER_NS      (2 * MS_NS) /* what a timer is late by, so that the deadline is kept */
#define LATE_NS       (2 * MS_NS)
#define RISING_MOST   "1000" /* nonces remembered of one key, whatever its window */
#define CLOCK_LOOK_MS 1000u
#define KEY_MAX       (LIMITS_ID_MAX + LIMITS_NONCE_MAX + 16)

static void on_timer(uv_timer_t *timer);
static void on_reply(void *arg, const struct redis_reply *reply);

/* --- breaker and timer ------------------------------------------------------------------------ */

/* The breaker as people see it: once Redis has answered the probe nothing is held back any more, and
 * a loop that nobody asks stays there. */
static void show_circuit(struct limits *l)
{
    const struct breaker *b = &l->breaker;

    if (b->state == l->shown_state) {
        return;
    }
    l->shown_state = b->state;
    if (b->state == BREAKER_PROBING) {
        circuit_trying(l->circuit);
    } else if (b->state == BREAKER_OPEN) {
        circuit_failed(l->circuit,
                       l->ready ? "an answer of Redis was late, missing or an error"
                                : "no connection to Redis",
                       l->ready ? b->due_ns - clock_mono_ns() : -1);
    } else {
        circuit_closed(l->circuit);
    }
}

static void show_breaker(struct limits *l)
{
    enum breaker_state state = l->breaker.state;
    bool open = state != BREAKER_CLOSED;

    if (l->closing) {
        return;
    }
    show_circuit(l);
    /* half open: the next request is sent, and a loop that nobody asks stays there */
    metrics_set(l->opt.metrics, LIMITS_M_OPEN, 0,
                state == BREAKER_OPEN || state == BREAKER_PROBING);
    if (open == l->shown_open) {
        return;
    }
    l->shown_open = open;
    if (open) {
        metrics_inc(l->opt.metrics, LIMITS_M_OPENED);
        log_warn("ratelimit", "breaker_open", "\"next\":\"local limits until Redis answers\"");
    } else {
        log_info("ratelimit", "breaker_closed", "\"limits\":\"shared\"");
    }
}

/* When the next thing falls due. */
static int64_t next_due(const struct limits *l)
{
    int64_t due = l->waits != NULL ? l->waits->deadline_ns : INT64_MAX;
    int64_t other = INT64_MAX;

    if (l->breaker.state == BREAKER_CLOSED && l->waits != NULL) {
        other = l->waits->sent_ns + l->breaker.slow_ns;
    } else if (l->breaker.state == BREAKER_TRYING || l->breaker.state == BREAKER_PROBING) {
        other = l->breaker.since_ns + l->breaker.slow_ns;
    } else if (l->breaker.state == BREAKER_OPEN && l->ready) {
        other = l->breaker.due_ns;
    }
    return other < due ? other : due;
}

static void arm(struct limits *l)
{
    int64_t due = next_due(l);
    int64_t wait = due - clock_mono_ns();

    show_breaker(l);
    if (l->closing || due >= l->armed_ns) {
        return; /* an early timer looks again */
    }
    l->armed_ns = due;
    uv_timer_start(&l->timer, on_timer, wait > 0 ? (uint64_t)((wait + MS_NS - 1) / MS_NS) : 0, 0);
}

static void answer_wait(struct limits_wait *w, const struct limits_answer *answer)
{
    w->answered = true;
    DL_DELETE(w->limits->waits, w);
    if (w->cb != NULL) {
        w->cb(w->arg, answer);
    }
}

static void answer_wait_locally(struct limits_wait *w)
{
    struct limits_answer answer;

    limits_answer_locally(w->limits, &w->ask, w->sent_ns, &answer);
    answer_wait(w, &answer);
}

static void on_pong(void *arg, const struct redis_reply *reply)
{
    struct limits *l = arg;

    breaker_probed(&l->breaker, reply != NULL && redis_kind(reply) == REDIS_STRING,
                   clock_mono_ns());
    arm(l);
}

static void on_timer(uv_timer_t *timer)
{
    static const char *ping[] = {"PING"};
    struct limits *l = timer->data;
    struct breaker *b = &l->breaker;
    int64_t now = clock_mono_ns();

    if (!l->grace && now - l->armed_ns > LATE_NS) {
        /* timers run before sockets are read: our own lateness is not Redis's */
        l->grace = true;
        uv_timer_start(&l->timer, on_timer, 1, 0);
        return;
    }
    l->grace = false;
    l->armed_ns = INT64_MAX;
    if (b->state != BREAKER_OPEN && b->state != BREAKER_HALF_OPEN &&
        next_due(l) <= now) { /* slow, whatever it is */
        breaker_open(b, now);
    }
    while (l->waits != NULL && l->waits->deadline_ns <= now) {
        metrics_inc(l->opt.metrics, LIMITS_M_DEADLINE);
        answer_wait_locally(l->waits);
    }
    if (l->ready && breaker_probe_due(b, now)) {
        breaker_probe(b, now);
        if (!redis_command(l->redis, 1, ping, NULL, GLUE_MS, on_pong, l)) {
            breaker_open(b, now);
        }
    }
    arm(l);
}

/* --- the script ------------------------------------------------------------------------------- */

struct trip_args {
    const char *argv[ARGS_MAX];
    int argc;
    char keys[LIMITS_UNITS_MAX + 1][KEY_MAX];
    char numbers[3 * LIMITS_UNITS_MAX + 6][24];
    unsigned number_count;
};

static void put(struct trip_args *a, const char *text)
{
    GW_ASSERT(a->argc < (int)ARGS_MAX);
    a->argv[a->argc++] = text;
}

static void put_number(struct trip_args *a, int digits, uint64_t value)
{
    char *text = a->numbers[a->number_count++];

    GW_ASSERT(a->number_count <= GW_LEN(a->numbers));
    (void)snprintf(text, sizeof a->numbers[0], "%0*" PRIu64, digits, value);
    put(a, text);
}

static void put_nonce_args(struct trip_args *a, const struct limits_nonce *nonce)
{
    if (nonce == NULL) {
        put(a, "0");
    } else if (nonce->kind == LIMITS_ONCE) {
        put(a, "1");
        put_number(a, 1, (uint64_t)nonce->keep_ms + LIMITS_CLOCK_SLACK_MS);
    } else {
        put(a, "2");
        put_number(a, 20, nonce->value);
        put_number(a, 20, nonce->window);
        put(a, RISING_MOST);
        put(a, "0");
    }
}

/* A reserved class is not shared: only its nonce is asked for. */
static unsigned shared_units(const struct limits_ask *ask)
{
    return ask->count != 0 && limits_classes[ask->units[0].class].lane == LIMITS_RESERVED
               ? 0
               : ask->count;
}

static void put_keys(struct trip_args *a, const struct limits_ask *ask, unsigned units)
{
    const struct limits_nonce *nonce = ask->nonce;
    char *key = a->keys[units];

    for (unsigned i = 0; i < units; i++) {
        (void)snprintf(a->keys[i], KEY_MAX, "rl:{%s}:%s", ask->units[i].id,
                       limits_classes[ask->units[i].class].name);
        put(a, a->keys[i]);
    }
    if (nonce == NULL) {
        return;
    }
    if (nonce->kind == LIMITS_ONCE) {
        (void)snprintf(key, KEY_MAX, "rl:{%s}:n:%s", nonce->keyid, nonce->text);
    } else {
        (void)snprintf(key, KEY_MAX, "rl:{%s}:r", nonce->keyid);
    }
    put(a, key);
}

static bool send_script(struct limits_wait *w, bool whole)
{
    struct limits *l = w->limits;
    unsigned units = shared_units(&w->ask);
    struct trip_args a = {.argc = 0};

    put(&a, whole ? "EVAL" : "EVALSHA");
    put(&a, whole ? limits_script : limits_script_sha1);
    put_number(&a, 1, units + (w->ask.nonce != NULL));
    put_keys(&a, &w->ask, units);
    put_number(&a, 1, units);
    for (unsigned i = 0; i < units; i++) {
        const struct gcra_rate *rate = &l->rates[w->ask.units[i].class].shared;

        put_number(&a, 1, (uint64_t)rate->emission_ns / 1000);
        put_number(&a, 1, (uint64_t)rate->tolerance_ns / 1000);
        put_number(&a, 1, w->ask.units[i].cost);
    }
    put_nonce_args(&a, w->ask.nonce);
    return redis_command(l->redis, a.argc, a.argv, NULL, GLUE_MS, on_reply, w);
}

/* The numbers of an answer; false when it is none. */
static bool read_answer(const struct redis_reply *reply, const struct limits_ask *ask,
                        struct limits_answer *answer)
{
    static const enum limits_verdict verdicts[] = {LIMITS_TAKEN, LIMITS_REFUSED, LIMITS_REPLAY};
    long long n[1 + 3 * LIMITS_UNITS_MAX];
    unsigned units = shared_units(ask);
    const char *at;
    size_t len;

    if (reply == NULL || redis_kind(reply) != REDIS_STRING) {
        return false;
    }
    at = redis_text(reply, &len);
    for (unsigned i = 0; i < 1 + 3 * units; i++) {
        char *end;

        n[i] = strtoll(at, &end, 10);
        if (end == at || n[i] < -1 || n[i] > INT64_MAX / 1000) {
            return false;
        }
        at = end;
    }
    if (*at != '\0' || n[0] < 0 || n[0] >= (long long)GW_LEN(verdicts)) {
        return false;
    }
    *answer = (struct limits_answer){.refused = -1, .count = ask->count};
    answer->verdict = verdicts[n[0]];
    for (unsigned i = 0; i < units; i++) {
        long long retry = n[3 + 3 * i];

        answer->left[i].remaining = (uint64_t)n[1 + 3 * i];
        answer->left[i].reset_ns = n[2 + 3 * i] * 1000;
        answer->left[i].retry_after_ns = retry < 0 ? INT64_MAX : retry * 1000;
        if (retry != 0 && answer->refused < 0) {
            answer->refused = (int)i;
        }
    }
    return (answer->verdict == LIMITS_REFUSED) == (answer->refused >= 0);
}

static bool no_script(const struct redis_reply *reply)
{
    size_t len;

    return reply != NULL && redis_kind(reply) == REDIS_FAULT &&
           strncmp(redis_text(reply, &len), "NOSCRIPT", 8) == 0;
}

static void on_fault(const struct limits_wait *w, const struct redis_reply *reply)
{
    size_t len;

    metrics_inc(w->limits->opt.metrics, LIMITS_M_FAULT);
    if (w->trial) {
        return; /* it was said when the breaker opened, and is tried often */
    }
    log_warn(
        "ratelimit", "fault", "\"error\":%s,\"next\":\"local limits for this request\"",
        log_json(redis_kind(reply) == REDIS_FAULT ? redis_text(reply, &len) : "not an answer"));
}

static void on_reply(void *arg, const struct redis_reply *reply)
{
    struct limits_wait *w = arg;
    struct limits *l = w->limits;
    int64_t now = clock_mono_ns();
    struct limits_answer answer;
    bool ok;

    if (no_script(reply) && !w->retried && !w->answered) { /* nothing was taken */
        metrics_inc(l->opt.metrics, LIMITS_M_NOSCRIPT);
        w->retried = true;
        if (send_script(w, true)) {
            return;
        }
    }
    ok = read_answer(reply, &w->ask, &answer);
    if (ok) {
        metrics_observe_ns(l->opt.metrics, LIMITS_M_TRIP, 0, now - w->sent_ns);
        breaker_answered(&l->breaker, w->trial, now);
    } else {
        if (reply != NULL) {
            on_fault(w, reply);
        }
        breaker_failed(&l->breaker, w->trial, now);
    }
    if (!w->answered && ok) {
        if (answer.verdict == LIMITS_REPLAY) {
            limits_give_back(l, &w->ask, w->sent_ns);
        }
        limits_doubt_nonce(l, &w->ask, &answer);
        limits_show_reserved(l, &w->ask, &answer);
        limits_settle(l, &w->ask, &answer);
        answer_wait(w, &answer);
    } else if (!w->answered) {
        answer_wait_locally(w);
    }
    free(w);
    arm(l);
}

static void copy_text(char *to, size_t cap, const char *from)
{
    size_t len = strlen(from);

    GW_ASSERT(len < cap);
    memcpy(to, from, len + 1);
}

struct limits_wait *trip_send(struct limits *l, const struct limits_ask *ask, limits_answer_fn *cb,
                              void *arg)
{
    int64_t now = clock_mono_ns();
    struct limits_wait *w;
    bool trial;

    if (!l->ready || !breaker_admit(&l->breaker, now, &trial)) {
        return NULL;
    }
    w = gw_calloc(1, sizeof *w);
    w->limits = l;
    w->ask = *ask;
    for (unsigned i = 0; i < ask->count; i++) {
        copy_text(w->ids[i], sizeof w->ids[i], ask->units[i].id);
        w->ask.units[i].id = w->ids[i];
    }
    if (ask->nonce != NULL) {
        w->nonce = *ask->nonce;
        w->ask.nonce = &w->nonce;
        copy_text(w->keyid, sizeof w->keyid, ask->nonce->keyid);
        copy_text(w->text, sizeof w->text, ask->nonce->text != NULL ? ask->nonce->text : "");
        w->nonce.keyid = w->keyid;
        w->nonce.text = w->text;
    }
    w->trial = trial;
    w->sent_ns = now;
    w->deadline_ns = now + (int64_t)l->config.deadline * MS_NS - TIMER_NS;
    w->cb = cb;
    w->arg = arg;
    if (!send_script(w, false)) {
        breaker_failed(&l->breaker, trial, now);
        free(w);
        arm(l);
        return NULL;
    }
    DL_APPEND(l->waits, w);
    arm(l);
    return w;
}

/* --- who Redis is ----------------------------------------------------------------------------- */

/* The value of FIELD in the text of INFO; "" when it is not there. */
static void info_field(const char *info, const char *field, char *out, size_t cap)
{
    size_t field_len = strlen(field);
    const char *line = info;

    out[0] = '\0';
    while (line != NULL && (strncmp(line, field, field_len) != 0 || line[field_len] != ':')) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line != NULL) {
        (void)snprintf(out, cap, "%.*s", (int)strcspn(line + field_len + 1, "\r\n"),
                       line + field_len + 1);
    }
}

/* A Redis that is not the one we knew may have forgotten nonces: nothing signed before now may be
 * new to it. Of the first one we know when it started, and whether it took over since. */
static void move_fence(struct limits *l, const char *info)
{
    char run[48];
    char data[48];
    char before[48];
    char up[24];
    char identity[LIMITS_IDENTITY_MAX];
    int64_t from = clock_real_ns();
    bool first = l->identity[0] == '\0';

    info_field(info, "run_id", run, sizeof run);
    info_field(info, "master_replid", data, sizeof data);
    info_field(info, "master_replid2", before, sizeof before);
    info_field(info, "uptime_in_seconds", up, sizeof up);
    (void)snprintf(identity, sizeof identity, "%.47s/%.47s", run, data);
    if (strcmp(identity, l->identity) == 0) {
        return;
    }
    memcpy(l->identity, identity, sizeof identity);
    if (first && up[0] != '\0' && strspn(before, "0") == strlen(before)) {
        from -= (int64_t)strtoull(up, NULL, 10) * 1000 * MS_NS;
    }
    if (from + l->opt.ahead_ns > l->fence_ns) {
        l->fence_ns = from + l->opt.ahead_ns;
    }
    if (!first) {
        metrics_inc(l->opt.metrics, LIMITS_M_FENCE);
        log_warn("ratelimit", "fence_moved",
                 "\"run_id\":%s,\"next\":\"requests signed earlier are refused\"", log_json(run));
    }
}

static void on_info(void *arg, const struct redis_reply *reply)
{
    struct limits *l = arg;
    char policy[32];
    size_t len;

    if (reply == NULL || l->closing) {
        return;
    }
    if (redis_kind(reply) != REDIS_STRING) {
        log_error("ratelimit", "no_info",
                  "\"next\":\"let this user of Redis run INFO; limits stay local\"");
        return;
    }
    move_fence(l, redis_text(reply, &len));
    info_field(redis_text(reply, &len), "maxmemory_policy", policy, sizeof policy);
    if (policy[0] != '\0' && strcmp(policy, "noeviction") != 0) {
        log_warn("ratelimit", "eviction",
                 "\"maxmemory_policy\":%s,\"next\":\"set noeviction: it may evict nonces\"",
                 log_json(policy));
    }
    l->ready = true;
    l->breaker.due_ns = 0; /* probe at once */
    arm(l);
}

static void on_state(void *arg, bool up)
{
    static const char *info[] = {"INFO"};
    const char *load[] = {"SCRIPT", "LOAD", limits_script};
    struct limits *l = arg;

    if (!up) {
        l->ready = false;
        breaker_open(&l->breaker, clock_mono_ns());
        arm(l);
        return;
    }
    (void)redis_command(l->redis, GW_LEN(load), load, NULL, GLUE_MS, NULL, NULL);
    (void)redis_command(l->redis, GW_LEN(info), info, NULL, GLUE_MS, on_info, l);
}

/* --- life ------------------------------------------------------------------------------------- */

/* A person wants Redis asked: the probe comes now. Without a connection, that is what is tried, by
 * the circuit of the connection. */
static void hurry(struct limits *l)
{
    if (l->breaker.state == BREAKER_OPEN && l->ready) {
        l->breaker.due_ns = clock_mono_ns();
        arm(l);
    } else if (l->breaker.state == BREAKER_OPEN) {
        circuit_failed(l->circuit, "no connection to Redis", -1);
    }
}

static void on_clock_timer(uv_timer_t *timer)
{
    struct limits *l = timer->data;

    limits_look_at_clock(l);
    if (circuit_asked(l->circuit)) {
        hurry(l);
    }
}

void trip_open(struct limits *l, uv_loop_t *loop)
{
    struct redis_options opt = {
        .endpoint = l->opt.endpoint,
        .name = "limits",
        .circuit = CIRCUIT_LIMITS,
        .timeout_ms = GLUE_MS,
        .backoff_min_ms = 20,
        .backoff_max_ms = 200,
        .metrics = l->opt.redis_metrics,
    };

    GW_ASSERT(uv_timer_init(loop, &l->timer) == 0);
    l->timer.data = l;
    GW_ASSERT(uv_timer_init(loop, &l->clock_timer) == 0);
    l->clock_timer.data = l;
    uv_timer_start(&l->clock_timer, on_clock_timer, CLOCK_LOOK_MS, CLOCK_LOOK_MS);
    uv_unref((uv_handle_t *)&l->clock_timer);
    l->armed_ns = INT64_MAX;
    l->shown_open = true; /* until Redis has been met; nothing to warn of yet */
    l->shown_state = l->breaker.state;
    l->circuit = circuit_create(CIRCUIT_LIMITS);
    metrics_set(l->opt.metrics, LIMITS_M_OPEN, 0, 1);
    l->redis = redis_create(loop, &opt, on_state, l);
}

static void closed_one(struct limits *l)
{
    if (--l->to_close == 0) {
        l->on_closed(l->on_closed_arg);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    closed_one(handle->data);
}

static void on_redis_closed(void *arg)
{
    closed_one(arg);
}

void limits_close(struct limits *l, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!l->closing);
    l->closing = true;
    l->ready = false;
    circuit_destroy(&l->circuit);
    metrics_set(l->opt.metrics, LIMITS_M_OPEN, 0, 0);
    l->on_closed = done;
    l->on_closed_arg = arg;
    l->to_close = 3;
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
    uv_close((uv_handle_t *)&l->clock_timer, on_timer_closed);
    redis_close(l->redis, on_redis_closed, l);
}
