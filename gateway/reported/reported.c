#include "gateway/reported/reported.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/reported/reported_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define TICK_MS     1000u
#define COMPLETE_NS (5 * S_NS)
#define SWEEP_NS    (3600 * S_NS)
#define FACTS_NS    (5 * S_NS)
#define OWN_TTL_S   30u

#define REPORTED_ROW(...) CFG_ROW_OF(struct reported_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {REPORTED_CONFIG(REPORTED_ROW)};
const struct cfg_table reported_config_table = {"reported", config_rows, GW_LEN(config_rows)};

enum taken { TAKEN, REFUSED };
static const char *const taken_words[] = {"taken", "refused"};
static const char *const alert_words[] = {"firing", "resolved", "not_stored", "refused"};
static const char *const age_words[] = {"fresh", "stale"};
#define SLO_AS_ID(sym, id, signal, op, limit, target, window, title) id,
static const char *const slo_ids[] = {SLOS(SLO_AS_ID)};
static const struct metric_label reported_taken_label = {"result", taken_words,
                                                         GW_LEN(taken_words)};
static const struct metric_label reported_alert_label = {"result", alert_words,
                                                         GW_LEN(alert_words)};
static const struct metric_label reported_state_label = {"state", component_state_words,
                                                         COMPONENT_STATE_COUNT};
static const struct metric_label reported_age_label = {"age", age_words, GW_LEN(age_words)};
static const struct metric_label reported_slo_label = {"slo", slo_ids, SLO_COUNT};
static const struct metric_row metric_rows[] = {REPORTED_METRICS(METRIC_AS_ROW)};
const struct metric_table reported_metrics = {"reported", metric_rows, REPORTED_M_COUNT};

struct reported_now reported_now(const struct reported *r)
{
    if (r->opt.clock != NULL) {
        return r->opt.clock(r->opt.arg);
    }
    return (struct reported_now){.mono_ns = clock_mono_ns(), .real_ns = clock_real_ns()};
}

const struct components *reported_components(const struct reported *r)
{
    return r->components;
}

const struct signals *reported_signals(const struct reported *r)
{
    return r->signals;
}

uint32_t reported_signal_ttl_s(const struct reported *r)
{
    return (uint32_t)(r->opt.config->signal_ttl / 1000);
}

struct slo_facts reported_facts(const struct reported *r)
{
    struct slo_facts f = r->facts;

    f.feed = components_find(r->components, "feed");
    return f;
}

bool reported_complete(const struct reported *r)
{
    return r->loaded && reported_now(r).mono_ns - r->polled_mono_ns <= COMPLETE_NS;
}

/* --- reports -----------------------------------------------------------------------------------
 */

enum component_verdict reported_heartbeat(struct reported *r, const struct component_report *rep,
                                          bool *owed, reported_fn *cb, void *arg)
{
    struct reported_now now = reported_now(r);
    enum component_verdict verdict = components_hear(r->components, rep, &now);

    *owed = false;
    metrics_add(r->metrics, REPORTED_M_BEATS, verdict == COMPONENT_TAKEN ? TAKEN : REFUSED, 1);
    if (verdict == COMPONENT_TAKEN) {
        *owed = reported_commit(r, cb, arg);
    }
    return verdict;
}

bool reported_signal(struct reported *r, const struct signal_sample *s)
{
    struct reported_now now = reported_now(r);
    bool ok = signals_put(r->signals, s, true, &now);

    metrics_add(r->metrics, REPORTED_M_SIGNALS, ok ? TAKEN : REFUSED, 1);
    return ok;
}

void reported_refused(struct reported *r)
{
    metrics_add(r->metrics, REPORTED_M_SIGNALS, REFUSED, 1);
}

bool reported_commit(struct reported *r, reported_fn *cb, void *arg)
{
    if (!pg_up(r->opt.pg) || r->closing) {
        return false;
    }
    reported_wait(r, cb, arg);
    reported_flush(r, false);
    return true;
}

void reported_own(struct reported *r, const char *id, enum component_state state,
                  const char *detail)
{
    struct reported_now now = reported_now(r);
    struct component_report rep = {.state = state, .ttl_s = OWN_TTL_S};

    (void)snprintf(rep.id, sizeof rep.id, "%s", id);
    (void)snprintf(rep.detail, sizeof rep.detail, "%s", detail);
    (void)snprintf(rep.source, sizeof rep.source, "gateway");
    components_own(r->components, &rep, &now);
}

/* --- every second ------------------------------------------------------------------------------
 */

static void on_change(void *arg, const struct component *c)
{
    struct reported *r = arg;

    log_info("reported", "component", "\"id\":\"%s\",\"state\":\"%s\",\"source\":%s", c->said.id,
             component_state_words[c->state], log_json(c->said.source));
    if (r->opt.on_component != NULL && !r->closing) {
        r->opt.on_component(r->opt.arg, c);
    }
}

static void on_rule(void *arg, const struct incident_signal *s)
{
    struct reported *r = arg;

    if (!s->cleared) {
        metrics_inc(r->metrics, REPORTED_M_RAISED);
        log_warn("reported", "rule", "\"key\":%s,\"title\":%s", log_json(s->key),
                 log_json(s->title));
    }
    if (r->opt.on_signal != NULL) {
        r->opt.on_signal(r->opt.arg, s);
    }
}

static void count_all(struct reported *r, const struct reported_now *now)
{
    uint32_t states[COMPONENT_STATE_COUNT] = {0};
    uint32_t stale = 0;

    for (uint32_t i = 0; i < components_count(r->components); i++) {
        states[components_at(r->components, i)->state]++;
    }
    for (unsigned i = 0; i < COMPONENT_STATE_COUNT; i++) {
        metrics_set(r->metrics, REPORTED_M_COMPONENTS, i, states[i]);
    }
    for (uint32_t i = 0; i < signals_count(r->signals); i++) {
        stale += signal_stale(signals_at(r->signals, i), now);
    }
    metrics_set(r->metrics, REPORTED_M_SERIES, 0, signals_count(r->signals) - stale);
    metrics_set(r->metrics, REPORTED_M_SERIES, 1, stale);
    metrics_set(r->metrics, REPORTED_M_UNWRITTEN, 0, reported_unwritten(r));
}

static void on_tick(uv_timer_t *timer)
{
    struct reported *r = timer->data;
    struct reported_now now = reported_now(r);

    if (r->opt.on_tick != NULL) {
        r->opt.on_tick(r->opt.arg);
    }
    components_tick(r->components, &now);
    reported_poll(r);
    reported_flush(r, true);
    if (now.mono_ns - r->swept_mono_ns > SWEEP_NS) {
        r->swept_mono_ns = now.mono_ns;
        reported_sweep(r);
    }
    if (now.mono_ns - r->facts_mono_ns >= FACTS_NS) {
        r->facts_mono_ns = now.mono_ns;
        reported_overview(r, NULL, NULL);
    }
    /* before others' rows are read, what is silent here may be heard there */
    if (r->loaded || now.mono_ns - r->polled_mono_ns > 3 * COMPLETE_NS) {
        rules_judge(r->rules, r->signals, r->components, &now, on_rule, r);
    }
    reported_judge_slos(r);
    count_all(r, &now);
}

/* --- /metrics ----------------------------------------------------------------------------------
 */

void reported_expose(void *arg, struct buf *out)
{
    struct reported *r = arg;
    struct reported_now now = reported_now(r);

    if (components_count(r->components) != 0) {
        buf_lit(out, "# HELP report_source_last_seen_seconds since a component was last heard\n"
                     "# TYPE report_source_last_seen_seconds gauge\n");
    }
    for (uint32_t i = 0; i < components_count(r->components); i++) {
        const struct component *c = components_at(r->components, i);
        int64_t age = component_age_ns(c, &now);

        if (age >= 0 && c->heard_ns != 0) {
            buf_printf(out, "report_source_last_seen_seconds{component=\"%s\"} ", c->said.id);
            buf_fixed(out, age / 1000000, 3);
            buf_putc(out, '\n');
        }
    }
    signals_expose(out, r->signals, &now);
}

/* --- life --------------------------------------------------------------------------------------
 */

/* The ids of TEXT, one after the other, into CS (NULL: they are only looked at). */
static bool expect(struct components *cs, const char *text, const struct reported_now *now,
                   struct buf *why)
{
    char id[COMPONENT_ID_MAX + 1];

    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");

        (void)snprintf(id, sizeof id, "%.*s", (int)len, text);
        if (len > COMPONENT_ID_MAX || !component_id_valid(id)) {
            buf_printf(why,
                       "reported.expected: \"%s\" is no id of a component: letters, digits and "
                       ":_.@- after the first, up to %u; spaces between",
                       id, COMPONENT_ID_MAX);
            return false;
        }
        if (cs != NULL) {
            components_expect(cs, id, now);
        }
        text += len;
    }
    return true;
}

struct reported *reported_create(uv_loop_t *loop, const struct reported_options *opt,
                                 struct buf *why)
{
    struct rules *rules = NULL;
    struct reported_now now;
    struct reported *r;

    if (!expect(NULL, opt->config->expected, NULL, why) ||
        (rules = rules_read(opt->config->rules_file, why)) == NULL) {
        return NULL;
    }
    r = gw_calloc(1, sizeof *r);
    r->loop = loop;
    r->opt = *opt;
    r->rules = rules;
    r->metrics = metrics_create(&reported_metrics);
    r->components = components_create((uint32_t)opt->config->max_components, on_change, r);
    r->signals = signals_create((uint32_t)opt->config->max_series);
    now = reported_now(r);
    (void)expect(r->components, opt->config->expected, &now, why);
    r->polled_mono_ns = now.mono_ns;
    r->swept_mono_ns = r->polled_mono_ns;
    GW_ASSERT(uv_timer_init(loop, &r->timer) == 0);
    r->timer.data = r;
    GW_ASSERT(uv_timer_start(&r->timer, on_tick, 0, TICK_MS) == 0);
    log_info("reported", "started", "\"rules\":%" PRIu32, rules_count(rules));
    return r;
}

static void end_close(struct reported *r)
{
    if (r->closing && r->timer_closed && r->waiting == 0 && r->on_closed != NULL) {
        void (*done)(void *arg) = r->on_closed;

        r->on_closed = NULL;
        done(r->on_closed_arg);
    }
}

void reported_owes(struct reported *r)
{
    r->waiting++;
}

void reported_answered(struct reported *r)
{
    GW_ASSERT(r->waiting > 0);
    r->waiting--;
    end_close(r);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct reported *r = handle->data;

    r->timer_closed = true;
    end_close(r);
}

void reported_close(struct reported *r, void (*done)(void *arg), void *arg)
{
    reported_flush(r, true);
    r->closing = true;
    r->on_closed = done;
    r->on_closed_arg = arg;
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

void reported_destroy(struct reported **rp)
{
    struct reported *r = *rp;

    *rp = NULL;
    GW_ASSERT(r->next == NULL && r->sent == NULL);
    rules_destroy(&r->rules);
    components_destroy(&r->components);
    signals_destroy(&r->signals);
    free(r);
}
