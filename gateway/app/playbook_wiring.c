#include "gateway/app/playbook_wiring.h"

#include <stdlib.h>
#include <string.h>
#include "admin_api/playbooks.h"
#include "gateway/control/effective.h"
#include "gateway/playbook/progress.h"
#include "gateway/runtime/clock.h"

#define PLAYBOOKS_ROW(...) CFG_ROW_OF(struct playbooks_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {PLAYBOOKS_CONFIG(PLAYBOOKS_ROW)};
const struct cfg_table playbooks_config_table = {"playbooks", config_rows, GW_LEN(config_rows)};
static const struct metric_row metric_rows[] = {PLAYBOOK_METRICS(METRIC_AS_ROW)};
const struct metric_table playbook_metrics = {"playbooks", metric_rows, PLAYBOOK_M_COUNT};

struct playbook_wiring {
    struct playbooks *all;
    struct playbook_meter *meter;
    struct gate *gate;
    struct incidents *incidents; /* NULL: none */
    struct metric_set *metrics;
};

void playbook_wiring_check(const struct playbooks_config *config, struct buf *errors)
{
    struct playbooks *all;

    if (playbooks_read(config->dir, &api_playbook_rules, &all, errors) == GW_OK) {
        playbooks_destroy(&all);
    }
}

static bool kill_released(const struct control *now)
{
    uint32_t count;
    uint32_t first = control_range(now, CONTROL_KIND_KILL, &count);

    for (uint32_t i = first; i < first + count; i++) {
        if (control_at(now, i)->value.engaged) {
            return false;
        }
    }
    return true;
}

void playbook_wiring_take(struct playbook_wiring *w, const struct fleet_counts *sum,
                          const char *why)
{
    struct playbook_reading r = {
        .at_ns = clock_mono_ns(),
        .edge_known = sum->known,
        .edge_why = why,
        .slow_closes = sum->slow_closes,
        .backlog_bytes = sum->backlog_bytes,
        .trades_dropped = sum->trades_dropped,
    };

    if (w->gate != NULL) {
        const struct control *now = gate_now(w->gate);

        r.control_known = true;
        r.fanout_normal = control_fanout(now, clock_real_ns())->profile == CONTROL_PROFILE_NORMAL;
        r.kill_released = kill_released(now);
    }
    playbook_meter_take(w->meter, &r);
    metrics_set(w->metrics, PLAYBOOK_M_OVERDUE, 0,
                (int64_t)playbooks_overdue(w->all, clock_real_ns()));
}

struct playbook_wiring *playbook_wiring_create(const struct playbooks_config *config,
                                               struct gate *gate, struct buf *why)
{
    struct playbook_wiring *w = gw_calloc(1, sizeof *w);

    if (playbooks_read(config->dir, &api_playbook_rules, &w->all, why) != GW_OK) {
        free(w);
        return NULL;
    }
    w->meter = playbook_meter_create(w->all);
    w->gate = gate;
    w->metrics = metrics_create(&playbook_metrics);
    metrics_set(w->metrics, PLAYBOOK_M_LOADED, 0, (int64_t)playbooks_count(w->all));
    return w;
}

const struct playbooks *playbook_wiring_all(const struct playbook_wiring *w)
{
    return w->all;
}

/* --- incidents ---------------------------------------------------------------------------------
 */

/* Of an incident. ROWS has room for STEPS_MOST. */
#define STEPS_MOST (2u * PLAYBOOK_STEPS_MAX)
static struct playbook_view view_of(const struct incident *i, struct playbook_row *rows)
{
    struct playbook_view v = {
        .playbook = i->playbook != NULL ? i->playbook : "",
        .rows = rows,
        .root_cause = i->root_cause != NULL,
        .classified = i->class_ != INCIDENT_CLASS_COUNT,
        .opened_ns = i->clock_ns != 0 ? i->clock_ns : i->opened_ns,
        .now_ns = clock_real_ns(),
        .mono_ns = clock_mono_ns(),
    };

    for (size_t k = 0; k < i->step_count && v.row_count < STEPS_MOST; k++) {
        const struct incident_step *s = &i->steps[k];

        rows[v.row_count++] =
            (struct playbook_row){s->id, !s->skipped, s->by, s->at_ns, s->notes, s->answer};
    }
    return v;
}

static bool step_allowed(void *arg, const struct incident *i, const struct incident_ask *a,
                         struct incident_problem *p)
{
    struct playbook_wiring *w = arg;
    struct playbook_row rows[STEPS_MOST];
    const struct playbook_view v = view_of(i, rows);
    const struct playbook_row row = {
        .step = a->step, .done = !a->skipped, .notes = a->words, .answer = a->answer};
    struct playbook_problem problem;

    if (playbook_step_allowed(w->all, &v, &row, &problem)) {
        return true;
    }
    return incident_fail(
        p, strcmp(problem.code, "step-locked") == 0 ? INCIDENT_LOCKED : INCIDENT_FIELD,
        problem.field != NULL ? problem.field : "", "%s", problem.detail);
}

static void may_close(void *arg, const struct incident *i, struct buf *missing)
{
    struct playbook_wiring *w = arg;
    struct playbook_row rows[STEPS_MOST];
    const struct playbook_view v = view_of(i, rows);

    (void)playbook_missing(w->all, w->meter, &v, missing);
}

static void describe(void *arg, const struct incident *i, struct buf *out)
{
    struct playbook_wiring *w = arg;
    struct playbook_row rows[STEPS_MOST];
    const struct playbook_view v = view_of(i, rows);

    if (playbooks_find(w->all, v.playbook) != NULL) {
        buf_putc(out, ',');
        playbook_progress_print(w->all, w->meter, &v, out);
    }
}

void playbook_wiring_serve(struct playbook_wiring *w, struct incidents *incidents)
{
    static const struct incident_playbooks books = {step_allowed, may_close, describe};

    w->incidents = incidents;
    incidents_playbooks(incidents, &books, w);
}

/* --- what an answer forbids --------------------------------------------------------------------
 */

/* The call that loosens a kind. */
static const struct {
    const char *method;
    const char *path;
} loosening[CONTROL_KIND_COUNT] = {
    [CONTROL_KIND_MODE] = {"PUT", "/v1/symbols/{symbol}/mode"},
    [CONTROL_KIND_KILL] = {"POST", "/v1/kill-switch/release-requests"},
    [CONTROL_KIND_WITHDRAWALS] = {"PUT", "/v1/withdrawals"},
    [CONTROL_KIND_THROTTLE] = {"PUT", "/v1/symbols/{symbol}/throttle"},
    [CONTROL_KIND_ACCOUNT] = {"PUT", "/v1/accounts/{id}/trading"},
    [CONTROL_KIND_ACCESS] = {"PUT", "/v1/accounts/{id}/access"},
};

struct looking {
    const struct playbook_wiring *w;
    const struct control_diff *diff;
    char *why;
    size_t size;
    bool locked;
};

static void look(void *arg, const struct incident *i)
{
    struct looking *l = arg;
    struct playbook_row rows[STEPS_MOST];
    const struct playbook_view v = view_of(i, rows);
    struct playbook_problem problem;

    for (uint32_t k = 0; k < l->diff->count && !l->locked; k++) {
        const struct control_diff_item *it = &l->diff->items[k];

        if (it->direction == CONTROL_LOOSEN && loosening[it->kind].method != NULL &&
            playbook_locks_call(l->w->all, &v, loosening[it->kind].method, loosening[it->kind].path,
                                &problem)) {
            l->locked = true;
            (void)snprintf(l->why, l->size, "INC-%llu: %s", (unsigned long long)i->number,
                           problem.detail);
        }
    }
}

bool playbook_wiring_locks(const struct playbook_wiring *w, const struct control_diff *diff,
                           char *why, size_t size)
{
    struct looking l = {w, diff, why, size, false};

    if (w->incidents != NULL) {
        (void)incidents_each(w->incidents, look, &l);
    }
    return l.locked;
}

void playbook_wiring_destroy(struct playbook_wiring **wp)
{
    struct playbook_wiring *w = *wp;

    *wp = NULL;
    playbook_meter_destroy(&w->meter);
    playbooks_destroy(&w->all);
    free(w);
}
