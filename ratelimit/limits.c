#include "ratelimit/limits.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "ratelimit/limits_priv.h"

#define CLOCK_STEP_NS ((int64_t)500000000)

#define LIMITS_ROW(...) CFG_ROW_OF(struct limits_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {LIMITS_CONFIG(LIMITS_ROW)};
const struct cfg_table limits_config_table = {"limits", config_rows, GW_LEN(config_rows)};

#define CLASS_AS_NAME(c, id, key, name, scope, lane, rate, burst, help) name,
static const char *const class_names[] = {LIMITS_CLASSES(CLASS_AS_NAME, )};
const struct metric_label limits_class_label = {"class", class_names, LIMITS_CLASS_COUNT};
static const char *const step_names[] = {"back", "forward"};
const struct metric_label limits_step_label = {"direction", step_names, GW_LEN(step_names)};
static const struct metric_row metric_rows[] = {LIMITS_METRICS(METRIC_AS_ROW)};
const struct metric_table limits_metrics = {"ratelimit", metric_rows, LIMITS_M_COUNT};

#define CLASS_AS_ROW(c, id, key, name, scope, lane, rate, burst, help)                             \
    {name, LIMITS_BY_##scope, LIMITS_##lane},
const struct limits_class_row limits_classes[] = {LIMITS_CLASSES(CLASS_AS_ROW, )};

/* --- rates ------------------------------------------------------------------------------------ */

struct gcra_rate limits_rate_per_minute(uint64_t rate, uint64_t burst)
{
    struct gcra_rate r;

    GW_ASSERT(rate != 0 && rate <= 600000 && burst != 0 && burst <= 1000000);
    r.emission_ns = (int64_t)((60000000 + rate - 1) / rate) * 1000;
    r.tolerance_ns = r.emission_ns * (int64_t)(burst - 1);
    return r;
}

static void set_rates(struct limits_rates *r, uint64_t rate, uint64_t burst, uint64_t parts)
{
    r->burst = burst;
    r->local_burst = burst / parts != 0 ? burst / parts : 1;
    r->shared = limits_rate_per_minute(rate, burst);
    r->l1.emission_ns = r->shared.emission_ns / 2;
    r->l1.tolerance_ns = r->l1.emission_ns * (int64_t)(2 * burst - 1);
    r->local.emission_ns = r->shared.emission_ns * (int64_t)parts;
    r->local.tolerance_ns = r->local.emission_ns * (int64_t)(r->local_burst - 1);
}

void limits_configure(struct limits *l, const struct limits_config *config)
{
    uint64_t parts = config->gateways * (l->opt.instances != 0 ? l->opt.instances : 1);

    l->config = *config;
    l->breaker.failure_max = (uint32_t)config->failures;
    l->breaker.slow_ns = (int64_t)config->slow * 1000000;
    l->breaker.probe_ns = (int64_t)config->probe * 1000000;
#define CLASS_SET_RATES(c, id, key, name, scope, lane, rate, burst, help)                          \
    set_rates(&l->rates[LIMITS_##id], config->key##_per_minute, config->key##_burst, parts);
    LIMITS_CLASSES(CLASS_SET_RATES, )
#undef CLASS_SET_RATES
}

uint32_t limits_burst(const struct limits *l, enum limits_class class)
{
    return (uint32_t)l->rates[class].burst;
}

struct headers_row limits_headers_row(const struct limits *l, enum limits_class class,
                                      const struct limits_left *left)
{
    const struct limits_rates *r = &l->rates[class];

    return (struct headers_row){
        .name = limits_classes[class].name,
        .quota = r->burst,
        .window_ns = r->shared.tolerance_ns + r->shared.emission_ns,
        .remaining = left->remaining,
        .reset_ns = left->retry_after_ns != 0 && left->retry_after_ns != INT64_MAX
                        ? left->retry_after_ns
                        : left->reset_ns,
    };
}

/* --- local buckets ---------------------------------------------------------------------------- */

enum local_rate { RATE_L1, RATE_PART, RATE_FULL };

static bool reserved(const struct limits_ask *ask)
{
    return ask->count != 0 && limits_classes[ask->units[0].class].lane == LIMITS_RESERVED;
}

static uint64_t name_of(const struct limits *l, unsigned tag, const char *id, const void *more,
                        size_t more_len)
{
    unsigned char text[1 + LIMITS_ID_MAX + 1 + LIMITS_NONCE_MAX];
    size_t len = strlen(id);

    GW_ASSERT(len <= LIMITS_ID_MAX && more_len <= LIMITS_NONCE_MAX);
    text[0] = (unsigned char)tag;
    memcpy(text + 1, id, len + 1);
    memcpy(text + 2 + len, more, more_len);
    return siphash(&l->seed, text, 2 + len + more_len);
}

static const struct gcra_rate *rate_of(const struct limits *l, enum limits_class class,
                                       enum local_rate which)
{
    const struct limits_rates *r = &l->rates[class];

    return which == RATE_L1 ? &r->l1 : which == RATE_PART ? &r->local : &r->shared;
}

/* All units or none, from TABLE. */
static bool take_locally(struct limits *l, struct buckets *table, enum local_rate which,
                         const struct limits_ask *ask, struct limits_answer *answer)
{
    int64_t now = clock_mono_ns();
    int64_t *tats[LIMITS_UNITS_MAX];
    int64_t after[LIMITS_UNITS_MAX];

    answer->refused = -1;
    answer->count = ask->count;
    for (unsigned i = 0; i < ask->count; i++) {
        const struct limits_unit *u = &ask->units[i];
        const struct limits_rates *r = &l->rates[u->class];
        uint32_t cost = u->cost;

        /* a part of a burst may be smaller than one request, which is then all of it */
        if (which == RATE_PART && cost <= r->burst && cost > r->local_burst) {
            cost = (uint32_t)r->local_burst;
        }
        tats[i] = buckets_tat_ns(table, name_of(l, u->class, u->id, "", 0));
        after[i] = *tats[i];
        if (!gcra_take(&after[i], rate_of(l, u->class, which), now, cost,
                       &answer->left[i].retry_after_ns) &&
            answer->refused < 0) {
            answer->refused = (int)i;
        }
    }
    for (unsigned i = 0; i < ask->count; i++) {
        const struct gcra_rate *rate = rate_of(l, ask->units[i].class, which);

        if (answer->refused < 0) {
            *tats[i] = after[i];
        }
        answer->left[i].remaining = gcra_remaining(*tats[i], rate, now);
        answer->left[i].reset_ns = *tats[i] > now ? *tats[i] - now : 0;
    }
    answer->verdict = answer->refused < 0 ? LIMITS_TAKEN : LIMITS_REFUSED;
    return answer->refused < 0;
}

void limits_give_back(struct limits *l, const struct limits_ask *ask, int64_t since_ns)
{
    bool own = reserved(ask);

    for (unsigned i = 0; i < ask->count; i++) {
        const struct limits_unit *u = &ask->units[i];

        gcra_give_back(
            buckets_tat_ns(own ? l->reserved : l->l1, name_of(l, u->class, u->id, "", 0)),
            rate_of(l, u->class, own ? RATE_FULL : RATE_L1), since_ns, clock_mono_ns(), u->cost);
    }
}

/* --- nonces ----------------------------------------------------------------------------------- */

static uint64_t nonce_name(const struct limits *l, const struct limits_nonce *nonce)
{
    if (nonce->kind == LIMITS_RISING) {
        return name_of(l, 'r', nonce->keyid, &nonce->value, sizeof nonce->value);
    }
    return name_of(l, 'o', nonce->keyid, nonce->text, strlen(nonce->text));
}

/* Under which the highest of a rising one is kept. */
static uint64_t highest_name(const struct limits *l, const struct limits_nonce *nonce)
{
    return name_of(l, 'h', nonce->keyid, "", 0);
}

/* As far as this gateway knows. */
static enum nonces_answer find_nonce(const struct limits *l, const struct limits_nonce *nonce)
{
    int64_t now = clock_mono_ns();
    uint64_t highest;

    if (nonce->kind == LIMITS_RISING &&
        nonces_value(l->nonces, highest_name(l, nonce), now, &highest) && nonce->value < highest &&
        highest - nonce->value > nonce->window) {
        return NONCES_KNOWN;
    }
    return nonces_find(l->nonces, nonce_name(l, nonce), now);
}

static void keep_nonce(struct limits *l, const struct limits_nonce *nonce)
{
    int64_t now = clock_mono_ns();
    int64_t until = now + ((int64_t)nonce->keep_ms + LIMITS_CLOCK_SLACK_MS) * 1000000;
    uint64_t highest = 0;

    nonces_put(l->nonces, nonce_name(l, nonce), nonce->value, now, until);
    if (nonce->kind == LIMITS_RISING) {
        (void)nonces_value(l->nonces, highest_name(l, nonce), now, &highest);
        nonces_put(l->nonces, highest_name(l, nonce),
                   nonce->value > highest ? nonce->value : highest, now, until);
    }
}

/* Whatever its size and direction: windows, ends and times in the log were judged by another clock. */
static void look_for_steps(struct limits *l, int64_t mono, int64_t real)
{
    int64_t step = clock_steps_look(&l->steps, mono, real, clock_mono_ns(), CLOCK_STEP_NS);

    if (step == 0 || !l->opt.watches_clock) {
        return;
    }
    metrics_add(l->opt.metrics, LIMITS_M_STEP, step > 0, 1);
    log_warn("ratelimit", "clock_set",
             "\"by_ms\":%lld,\"next\":\"see what sets this host's clock; nothing is accepted for "
             "longer\"",
             (long long)(step / 1000000));
}

void limits_look_at_clock(struct limits *l)
{
    int64_t mono = clock_mono_ns();
    int64_t real = clock_real_ns();
    int64_t was;

    look_for_steps(l, mono, real);
    if (!clock_guard_look(&l->clock, real, mono, LIMITS_CLOCK_SLACK_MS * (int64_t)1000000, &was)) {
        return;
    }
    l->unsure_until_ns = mono + (was - real);
    if (was - real > LIMITS_CLOCK_MOST_NS && was + l->opt.ahead_ns > l->clock_fence_ns) {
        l->clock_fence_ns = was + l->opt.ahead_ns;
    }
    metrics_inc(l->opt.metrics, LIMITS_M_CLOCK);
    log_error("ratelimit", "clock_set_back", "\"by_s\":%lld,\"next\":\"%s\"",
              (long long)((was - real) / 1000000000),
              l->clock_fence_ns > real
                  ? "signed requests are refused until the clock is where it was; set "
                    "it right, then restart this gateway"
                  : "set it right; the database alone judges nonces until then");
}

void limits_doubt_nonce(const struct limits *l, const struct limits_ask *ask,
                        struct limits_answer *answer)
{
    if (answer->verdict == LIMITS_TAKEN && ask->nonce != NULL &&
        (clock_mono_ns() < l->unsure_until_ns || ask->nonce->created_ns < l->fence_ns)) {
        answer->verdict = LIMITS_NONCE_UNSURE;
    }
}

/* --- verdicts --------------------------------------------------------------------------------- */

void limits_settle(struct limits *l, const struct limits_ask *ask,
                   const struct limits_answer *answer)
{
    struct metric_set *m = l->opt.metrics;

    switch (answer->verdict) {
    case LIMITS_NONCE_UNSURE:
        metrics_inc(m, LIMITS_M_UNSURE);
        /* fallthrough */
    case LIMITS_TAKEN:
        for (unsigned i = 0; i < ask->count; i++) {
            metrics_add(m, LIMITS_M_TAKEN, ask->units[i].class, ask->units[i].cost);
        }
        if (ask->nonce != NULL) {
            keep_nonce(l, ask->nonce);
        }
        break;
    case LIMITS_REFUSED:
        metrics_add(m, LIMITS_M_DROP, ask->units[answer->refused].class, 1);
        break;
    case LIMITS_REPLAY:
        metrics_inc(m, LIMITS_M_REPLAY);
        keep_nonce(l, ask->nonce); /* once more, it is told here and takes nothing */
        break;
    case LIMITS_FENCED:
        metrics_inc(m, LIMITS_M_FENCED);
        break;
    default:
        GW_UNREACHABLE("not a verdict");
    }
}

void limits_show_reserved(struct limits *l, const struct limits_ask *ask,
                          struct limits_answer *answer)
{
    int64_t now = clock_mono_ns();

    for (unsigned i = 0; reserved(ask) && i < ask->count; i++) {
        const struct limits_unit *u = &ask->units[i];
        int64_t tat = *buckets_tat_ns(l->reserved, name_of(l, u->class, u->id, "", 0));

        answer->left[i].remaining = gcra_remaining(tat, &l->rates[u->class].shared, now);
        answer->left[i].reset_ns = tat > now ? tat - now : 0;
    }
}

void limits_answer_locally(struct limits *l, const struct limits_ask *ask, int64_t since_ns,
                           struct limits_answer *answer)
{
    enum nonces_answer known = ask->nonce != NULL ? find_nonce(l, ask->nonce) : NONCES_NEW;

    metrics_inc(l->opt.metrics, LIMITS_M_LOCAL);
    *answer = (struct limits_answer){.refused = -1, .local = true, .count = ask->count};
    if (known == NONCES_KNOWN) { /* again: it may have passed while this one waited */
        answer->verdict = LIMITS_REPLAY;
        limits_give_back(l, ask, since_ns);
    } else if ((reserved(ask) || take_locally(l, l->local, RATE_PART, ask, answer)) &&
               ask->nonce != NULL && (!ask->nonce->read || known == NONCES_UNSURE)) {
        answer->verdict = LIMITS_NONCE_UNSURE;
    }
    limits_doubt_nonce(l, ask, answer);
    limits_show_reserved(l, ask, answer);
    limits_settle(l, ask, answer);
}

static void check(const struct limits_ask *ask)
{
    GW_ASSERT(ask->count <= LIMITS_UNITS_MAX && (ask->count != 0 || ask->nonce != NULL));
    for (unsigned i = 0; i < ask->count; i++) {
        const struct limits_unit *u = &ask->units[i];

        GW_ASSERT((unsigned)u->class < LIMITS_CLASS_COUNT && u->cost != 0 && u->cost <= 1000000);
        GW_ASSERT((limits_classes[u->class].lane == LIMITS_RESERVED) == reserved(ask));
    }
}

/* What is decided without Redis whatever its state. */
static bool decided(struct limits *l, const struct limits_ask *ask, struct limits_answer *answer)
{
    limits_look_at_clock(l);
    *answer = (struct limits_answer){.refused = -1, .local = true, .count = ask->count};
    if (ask->nonce != NULL &&
        ask->nonce->created_ns < (ask->nonce->kept ? l->clock_fence_ns : limits_fence_ns(l))) {
        answer->verdict = LIMITS_FENCED;
        return true;
    }
    if (ask->nonce != NULL && find_nonce(l, ask->nonce) == NONCES_KNOWN) {
        answer->verdict = LIMITS_REPLAY;
        return true;
    }
    if (reserved(ask)) {
        return !take_locally(l, l->reserved, RATE_FULL, ask, answer) || ask->nonce == NULL;
    }
    if (!take_locally(l, l->l1, RATE_L1, ask, answer)) {
        metrics_inc(l->opt.metrics, LIMITS_M_L1_DROP);
        return true;
    }
    return false;
}

struct limits_wait *limits_take(struct limits *l, const struct limits_ask *ask,
                                struct limits_answer *now, limits_answer_fn *cb, void *arg)
{
    struct limits_wait *wait;

    check(ask);
    if (decided(l, ask, now)) {
        limits_settle(l, ask, now);
        return NULL;
    }
    wait = trip_send(l, ask, cb, arg);
    if (wait == NULL) {
        limits_answer_locally(l, ask, clock_mono_ns(), now);
    }
    return wait;
}

void limits_cancel(struct limits_wait *wait)
{
    wait->cb = NULL;
}

int64_t limits_fence_ns(const struct limits *l)
{
    return l->fence_ns > l->clock_fence_ns ? l->fence_ns : l->clock_fence_ns;
}

bool limits_shared(const struct limits *l)
{
    return l->ready && l->breaker.state == BREAKER_CLOSED;
}

/* --- life ------------------------------------------------------------------------------------- */

struct limits *limits_create(uv_loop_t *loop, const struct limits_options *opt,
                             const struct limits_config *config)
{
    struct limits *l = gw_calloc(1, sizeof *l);
    uint32_t entries = (uint32_t)config->bucket_entries;

    l->opt = *opt;
    l->fence_ns = INT64_MIN;
    l->clock_fence_ns = INT64_MIN;
    limits_look_at_clock(l);
    GW_ASSERT(getrandom(&l->seed, sizeof l->seed, 0) == (ssize_t)sizeof l->seed);
    limits_configure(l, config);
    l->l1 = buckets_create(entries);
    l->local = buckets_create(entries);
    l->reserved = buckets_create(entries);
    l->nonces = nonces_create((uint32_t)config->nonce_entries);
    trip_open(l, loop);
    return l;
}

void limits_destroy(struct limits **lp)
{
    struct limits *l = *lp;

    *lp = NULL;
    GW_ASSERT(l->closing && l->to_close == 0 && l->waits == NULL);
    redis_destroy(&l->redis);
    buckets_destroy(&l->l1);
    buckets_destroy(&l->local);
    buckets_destroy(&l->reserved);
    nonces_destroy(&l->nonces);
    free(l);
}
