#include "gateway/playbook/exit.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)

struct playbook_meter {
    const struct playbooks *all;
    struct playbook_reading last; /* at_ns 0: none yet */
    char why[PLAYBOOK_WHY_MAX];   /* the last reading knew nothing of the clients */
    int64_t *since_ns;            /* by slot: the run's beginning, 0: there is none */
};

struct playbook_meter *playbook_meter_create(const struct playbooks *all)
{
    struct playbook_meter *m = gw_calloc(1, sizeof *m);

    m->all = all;
    m->since_ns = gw_calloc((size_t)playbooks_slots(all) + 1, sizeof *m->since_ns);
    return m;
}

void playbook_meter_destroy(struct playbook_meter **mp)
{
    struct playbook_meter *m = *mp;

    *mp = NULL;
    free(m->since_ns);
    free(m);
}

/* Has R taken the place of a run: did something happen since the reading before? */
static bool happened(const struct playbook_exit *e, const struct playbook_reading *before,
                     const struct playbook_reading *r)
{
    switch (e->counter) {
    case COUNTER_SLOW_QUIET:
        return r->slow_closes != before->slow_closes;
    case COUNTER_TRADES_KEPT:
        return r->trades_dropped != before->trades_dropped;
    default:
        return false;
    }
}

static bool holds(const struct playbook_exit *e, const struct playbook_reading *r)
{
    switch (e->counter) {
    case COUNTER_SLOW_QUIET:
    case COUNTER_TRADES_KEPT:
        return r->edge_known;
    case COUNTER_BACKLOG_BELOW:
        return r->edge_known && r->backlog_bytes < e->below;
    case COUNTER_FANOUT_NORMAL:
        return r->control_known && r->fanout_normal;
    case COUNTER_KILL_RELEASED:
        return r->control_known && r->kill_released;
    case COUNTER_ROOT_CAUSE:
    case PLAYBOOK_COUNTER_COUNT:
        break;
    }
    return false;
}

void playbook_meter_take(struct playbook_meter *m, const struct playbook_reading *r)
{
    bool gap = m->last.at_ns == 0 || r->at_ns - m->last.at_ns > PLAYBOOK_GAP_NS;

    for (size_t i = 0; i < playbooks_count(m->all); i++) {
        const struct playbook *p = playbooks_at(m->all, i);

        for (size_t k = 0; k < p->exit_count; k++) {
            const struct playbook_exit *e = &p->exits[k];
            int64_t *since = &m->since_ns[e->slot];

            if (!holds(e, r)) {
                *since = 0;
            } else if (*since == 0 || gap || happened(e, &m->last, r)) {
                *since = r->at_ns;
            }
        }
    }
    m->last = *r;
    m->last.edge_why = m->why;
    (void)snprintf(m->why, sizeof m->why, "%s", r->edge_why != NULL ? r->edge_why : "");
}

static bool is_known(const struct playbook_meter *m, const struct playbook_exit *e,
                     const struct playbook_case *c, const char **why)
{
    if (m == NULL || m->last.at_ns == 0 || c->mono_ns - m->last.at_ns > PLAYBOOK_GAP_NS) {
        *why = "nothing has been measured for five seconds: look again";
        return false;
    }
    if (e->counter == COUNTER_FANOUT_NORMAL || e->counter == COUNTER_KILL_RELEASED) {
        return m->last.control_known;
    }
    *why = m->last.edge_known || m->why[0] == '\0' ? NULL : m->why;
    return m->last.edge_known;
}

struct playbook_verdict playbook_exit_judge(const struct playbook_meter *m,
                                            const struct playbook_exit *e,
                                            const struct playbook_case *c)
{
    struct playbook_verdict v = {0};
    int64_t run;

    if (e->counter == COUNTER_ROOT_CAUSE) {
        v = (struct playbook_verdict){.known = true, .have = c->root_cause};
    } else if (is_known(m, e, c, &v.why)) {
        v.known = true;
        run = m->since_ns[e->slot] != 0 ? m->last.at_ns - m->since_ns[e->slot] : 0;
        run = run < c->age_ns ? run : c->age_ns;
        v.have = run > 0 ? (uint64_t)(run / SECOND_NS) : 0;
    }
    v.met = v.known && v.have >= e->need;
    return v;
}
