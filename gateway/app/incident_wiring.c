#include "gateway/app/incident_wiring.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/words.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

struct incident_wiring {
    struct incidents *all;
    struct gatehouse *gatehouse;
    struct paging *paging;
    struct playbook_wiring *playbooks; /* NULL: none */
    bool closing;
};

/* --- what others hear ---------------------------------------------------------------------------
 */

static void on_change(void *arg, const struct incident *i)
{
    struct incident_wiring *w = arg;
    struct buf data = {0};
    enum gw_err err;

    buf_lit(&data, "{\"incident\":{");
    incident_print(i, &data);
    buf_lit(&data, "}}");
    err = sse_publish(herald_events(gatehouse_herald(w->gatehouse)), NULL, "incident", data.data,
                      data.len);
    if (err != GW_OK) {
        log_warn("incident", "not_told", "\"incident\":%" PRIu64 ",\"error\":\"%s\"", i->number,
                 gw_err_row(err)->name);
    }
    buf_fini(&data);
}

static void on_entry(void *arg, const struct audit_entry *e)
{
    struct incident_wiring *w = arg;

    gatehouse_entered(w->gatehouse, e);
}

static const char *page_off(void *arg)
{
    const struct incident_wiring *w = arg;

    return paging_off(w->paging);
}

static void paged(void *arg, unsigned suppressed)
{
    struct incident_wiring *w = arg;

    if (suppressed != 0) {
        paging_suppressed(w->paging, suppressed);
    } else if (!w->closing) {
        paging_wake(w->paging);
    }
}

static bool spool(void *arg, const struct page *p)
{
    struct incident_wiring *w = arg;

    return paging_spool(w->paging, p);
}

/* --- the halt of level 3 ------------------------------------------------------------------------
 */

struct halt {
    struct incident_wiring *w;
    uint64_t number;
};

static void on_halted(void *arg, const struct gate_result *r)
{
    struct halt h = *(struct halt *)arg;

    free(arg);
    log_info("incident", "halt", "\"incident\":%" PRIu64 ",\"outcome\":\"%s\",\"detail\":%s",
             h.number, gate_outcome_words[r->outcome], log_json(r->problem.detail));
    if (r->outcome != GATE_FAILED && !h.w->closing) {
        incidents_halted(h.w->all, h.number);
    }
}

/* One that is in force already is given again: the gate says that nothing was to be done. */
static void halt(void *arg, const struct incident *i)
{
    struct incident_wiring *w = arg;
    struct halt *h = gw_malloc(sizeof *h);
    struct buf body = {0};
    const struct gate_actor actor = {
        .person = "system", .actor = "system", .account = "", .session = "", .ip = "", .trace = ""};
    struct gate_order order = {.actor = actor,
                               .action = "symbol.mode",
                               .body = CONTROL_BODY_SET_MODE,
                               .match = GATE_MATCH_FREE};

    *h = (struct halt){w, i->number};
    buf_printf(&body,
               "{\"mode\":\"SOFT_HALT\",\"scope\":\"all\",\"incident\":\"INC-%" PRIu64
               "\",\"reason\":\"level 3 of INC-%" PRIu64 ": %s for 30 minutes\"}",
               i->number, i->number, i->acked_ns != 0 ? "not mitigated" : "not acknowledged");
    order.text = buf_cstr(&body);
    order.len = body.len;
    (void)gate_order(gatehouse_gate(w->gatehouse), &order, on_halted, h);
    buf_fini(&body);
}

/* --- what the gate asks -------------------------------------------------------------------------
 */

static bool may_loosen(void *arg, const struct control_diff *diff, struct gate_problem *problem)
{
    struct incident_wiring *w = arg;
    char why[sizeof problem->detail];

    if (w->playbooks != NULL && playbook_wiring_locks(w->playbooks, diff, why, sizeof why)) {
        return gate_fail(problem, PROBLEM_LOCKED, "%s", why);
    }
    return incidents_may_loosen(w->all, why, sizeof why) ||
           gate_fail(problem, PROBLEM_ROOT_CAUSE, "%s", why);
}

static void on_head(void *arg)
{
    struct incident_wiring *w = arg;

    if (!w->closing) {
        incidents_look(w->all);
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

void incident_wiring_environment(struct incidents_config *config, struct buf *errors)
{
    const char *action = getenv("ESCALATION_L3_ACTION");
    bool halts;

    if (action != NULL && strcmp(action, config->l3_action) != 0) {
        free(config->l3_action);
        config->l3_action = gw_strdup(action);
    }
    if (!incidents_action_parse(config->l3_action, &halts)) {
        buf_lit(errors, "incidents.l3_action (ESCALATION_L3_ACTION): expected propose or halt\n");
    }
}

struct incident_wiring *incident_wiring_create(uv_loop_t *loop, struct gatehouse *gatehouse,
                                               const struct incidents_config *config,
                                               const struct gatehouse_options *gate,
                                               struct paging *paging, struct buf *why)
{
    static const struct gatehouse_watch watch = {may_loosen, on_head};
    struct incident_wiring *w = gw_calloc(1, sizeof *w);
    const struct incidents_options opt = {
        .config = config,
        .pg = gate->pg,
        .state_dir = gate->config->state_dir,
        .metrics = metrics_create(&incident_metrics),
        .sink = {.on_change = on_change,
                 .on_entry = on_entry,
                 .halt = halt,
                 .page = page_statement,
                 .page_off = page_off,
                 .paged = paged,
                 .spool = spool},
        .arg = w,
    };

    w->gatehouse = gatehouse;
    w->paging = paging;
    w->all = incidents_create(loop, &opt, why);
    if (w->all == NULL) {
        free(w);
        return NULL;
    }
    gatehouse_watch(gatehouse, &watch, w);
    return w;
}

void incident_wiring_playbooks(struct incident_wiring *w, struct playbook_wiring *playbooks)
{
    w->playbooks = playbooks;
    playbook_wiring_serve(playbooks, w->all);
}

struct incidents *incident_wiring_incidents(struct incident_wiring *w)
{
    return w->all;
}

void incident_wiring_close(struct incident_wiring *w, void (*done)(void *arg), void *arg)
{
    w->closing = true;
    incidents_close(w->all, done, arg);
}

void incident_wiring_destroy(struct incident_wiring **wp)
{
    struct incident_wiring *w = *wp;

    *wp = NULL;
    incidents_destroy(&w->all);
    free(w);
}
