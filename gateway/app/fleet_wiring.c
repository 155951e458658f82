#include "gateway/app/fleet_wiring.h"

#include <stdlib.h>
#include "gateway/runtime/log.h"

struct fleet_wiring {
    struct fleet *fleet;
    struct playbook_wiring *playbooks;
    struct paging *paging;
    const struct limits_config *limits;
    bool told; /* that there are more than configured */
    void (*on_died)(void *arg);
    void *arg;
};

static void on_count(void *arg, struct fleet_counts *out)
{
    (void)arg;
    out->known = metrics_sum("ws_close_total", "SLOW_CONSUMER", &out->slow_closes) &&
                 metrics_sum("ws_backlog_bytes", "", &out->backlog_bytes) &&
                 metrics_sum("ws_dropped_total", "trade", &out->trades_dropped);
}

static bool on_pages(void *arg)
{
    const struct fleet_wiring *w = arg;

    return paging_on(w->paging);
}

/* Too small a number lets each gateway admit too much while Redis is away. */
static void compare_count(struct fleet_wiring *w)
{
    bool known;
    unsigned count = fleet_others(w->fleet, &known) + 1;
    bool more = known && count > w->limits->gateways;

    if (more && !w->told) {
        log_warn("fleet", "more_than_configured",
                 "\"gateways\":%u,\"configured\":%u,\"next\":\"set limits.gateways\"", count,
                 (unsigned)w->limits->gateways);
    }
    w->told = more || (w->told && !known);
}

static void on_read(void *arg, const struct fleet_counts *sum, const char *why)
{
    struct fleet_wiring *w = arg;
    bool known;
    bool others = fleet_pages(w->fleet, &known);

    paging_others(w->paging, known, others);
    compare_count(w);
    playbook_wiring_take(w->playbooks, sum, why);
}

static void on_died(void *arg)
{
    const struct fleet_wiring *w = arg;

    w->on_died(w->arg);
}

struct fleet_wiring *fleet_wiring_create(uv_loop_t *loop, const struct fleet_wiring_options *opt)
{
    struct fleet_wiring *w = gw_calloc(1, sizeof *w);
    char name[FLEET_NAME_MAX];
    const struct fleet_options fleet = {
        .pg = opt->pg,
        .name = name,
        .forget_ms = opt->config->forget_after,
        .count = on_count,
        .pages = on_pages,
        .on_read = on_read,
        .on_died = on_died,
        .arg = w,
    };

    fleet_name(opt->listen, name);
    w->playbooks = opt->playbooks;
    w->paging = opt->paging;
    w->limits = opt->limits;
    w->on_died = opt->on_died;
    w->arg = opt->arg;
    w->fleet = fleet_create(loop, &fleet);
    return w;
}

bool fleet_wiring_alone(const struct fleet_wiring *w)
{
    bool known;
    unsigned others = fleet_others(w->fleet, &known);

    return known && others == 0;
}

void fleet_wiring_close(struct fleet_wiring *w, void (*done)(void *arg), void *arg)
{
    fleet_close(w->fleet, done, arg);
}

void fleet_wiring_destroy(struct fleet_wiring **wp)
{
    struct fleet_wiring *w = *wp;

    *wp = NULL;
    fleet_destroy(&w->fleet);
    free(w);
}
