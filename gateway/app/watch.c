#include "gateway/app/watch.h"

#include <stdlib.h>
#include "gateway/control/effective.h"
#include "gateway/runtime/log.h"
#include "gateway/runtime/metrics.h"

#define S_NS INT64_C(1000000000)

struct watch {
    struct watch_options opt;
    struct detector *detector;
    struct detect_pulse *pulses; /* by symbol number */
    bool closed;
};

/* The one way from a detector to an incident. */
static void on_signal(void *arg, const struct incident_signal *s)
{
    struct watch *w = arg;

    log_write(s->cleared ? LOG_INFO : LOG_WARN, "detect", "incident_signal",
              "\"key\":\"%s\",\"cleared\":%s,\"severity\":\"%s\",\"title\":%s,\"summary\":%s,"
              "\"playbook\":\"%s\",\"details\":%s",
              s->key, s->cleared ? "true" : "false", severity_rows[s->severity].word,
              log_json(s->title), log_json(s->summary), s->playbook, s->details);
    w->opt.on_signal(w->opt.arg, s);
}

static bool killed(const struct control *now)
{
    for (uint32_t i = 0; i < control_count(now); i++) {
        const struct control_cell *c = control_at(now, i);

        if (c->kind == CONTROL_KIND_KILL && c->value.engaged) {
            return true;
        }
    }
    return false;
}

/* 0 for one that nothing has counted yet. */
static uint64_t count_of(const char *name, const char *label)
{
    uint64_t sum = 0;

    return metrics_sum(name, label, &sum) ? sum : 0;
}

static void on_read(void *arg, struct detect_sample *out)
{
    const struct watch *w = arg;
    struct gate_health health = gate_health(w->opt.gate);

    out->slow_closes = count_of("ws_close_total", "SLOW_CONSUMER");
    out->replays = count_of("replay_detect_total", NULL);
    out->auth_failures = count_of("auth_fail_total", NULL);
    out->clock_steps = count_of("clock_step_total", NULL);
    out->reconnects = count_of("upstream_reconnects_total", NULL);
    out->redis_up = count_of("redis_connections_up", NULL) > 0;
    out->feed_up = count_of("upstream_connected", NULL) > 0;
    out->postgres_up = pg_up(w->opt.pg);
    out->journaled = health.journaled;
    out->unaudited = health.unaudited;
    out->anchoring = w->opt.anchoring;
    out->anchored_ns = (int64_t)count_of("audit_anchor_timestamp_seconds", NULL) * S_NS;
    out->chain_broken = count_of("audit_chain_broken", NULL) > 0;
    out->kill_engaged = killed(gate_now(w->opt.gate));
    out->decisions_due = count_of("gate_decisions_due", NULL);
    out->late_commands = count_of("core_commands_late", NULL);
    out->approval_wait_s = count_of("gate_approval_wait_seconds", NULL);
    out->break_glass = count_of("gate_break_glass_total", NULL);
}

static void on_pulse(void *arg, const struct query_pulse *pulses, uint32_t count)
{
    struct watch *w = arg;
    const struct control *now;

    if (w->closed) {
        return;
    }
    if (pulses == NULL || count != symbols_count(w->opt.symbols)) {
        detector_pulses(w->detector, NULL, 0);
        return;
    }
    now = gate_now(w->opt.gate);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = symbols_at(w->opt.symbols, i)->name;
        struct control_mode_now mode = control_symbol_mode(now, name, NULL, 0);

        w->pulses[i] = (struct detect_pulse){
            .name = name,
            .events = pulses[i].events,
            .gaps = pulses[i].gaps,
            .duplicates = pulses[i].duplicates,
            .live = pulses[i].live != 0,
            .halted = !control_mode_rows[mode.mode].matching,
        };
    }
    detector_pulses(w->detector, w->pulses, count);
}

static bool on_ask(void *arg)
{
    struct watch *w = arg;

    return rest_pulse(w->opt.rest, on_pulse, w);
}

struct watch *watch_create(uv_loop_t *loop, const struct watch_options *opt)
{
    struct watch *w = gw_calloc(1, sizeof *w);
    const struct detector_options detector = {
        .config = opt->config,
        .gateway = opt->name,
        .read = on_read,
        .ask = on_ask,
        .sink = on_signal,
        .arg = w,
    };

    w->opt = *opt;
    w->pulses = gw_calloc(symbols_count(opt->symbols) + 1, sizeof *w->pulses);
    w->detector = detector_create(loop, &detector);
    return w;
}

void watch_close(struct watch *w, void (*done)(void *arg), void *arg)
{
    w->closed = true;
    detector_close(w->detector, done, arg);
}

void watch_destroy(struct watch **wp)
{
    struct watch *w = *wp;

    *wp = NULL;
    detector_destroy(&w->detector);
    free(w->pulses);
    free(w);
}
