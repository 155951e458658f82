#include "gateway/app/reporting.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "gateway/runtime/metrics.h"

#define SETTLE_NS      ((int64_t)3 * 1000000000)
#define FEED_SILENT_NS ((int64_t)30 * 1000000000) /* a market without a trade is not so quiet */

struct reporting {
    struct reporting_options opt;
    struct reported *reported;
    uint64_t feed_entries; /* as last seen */
    int64_t feed_moved_ns; /* monotonic; 0: never */
    int64_t started_ns;
};

/* --- what the gateway measures -----------------------------------------------------------------
 */

/* 0 for one that nothing has counted yet. */
static uint64_t count_of(const char *name)
{
    uint64_t sum = 0;

    (void)metrics_sum(name, "", &sum);
    return sum;
}

static void tell_feed(struct reporting *p)
{
    uint64_t entries = count_of("feed_entries_total");
    bool connected = count_of("upstream_connected") != 0;
    uint64_t broken = count_of("md_symbols_broken");
    int64_t now = clock_mono_ns();
    char detail[128] = "";

    if (entries != p->feed_entries) {
        p->feed_entries = entries;
        p->feed_moved_ns = now;
    }
    if (!connected) {
        reported_own(p->reported, "feed", COMPONENT_DOWN, "the upstream does not answer");
    } else if (now - (p->feed_moved_ns != 0 ? p->feed_moved_ns : p->started_ns) > FEED_SILENT_NS) {
        reported_own(p->reported, "feed", COMPONENT_DOWN, "no entry for more than 30 s");
    } else if (broken != 0) {
        (void)snprintf(detail, sizeof detail, "%" PRIu64 " symbols without continuity", broken);
        reported_own(p->reported, "feed", COMPONENT_DEGRADED, detail);
    } else if (p->feed_moved_ns != 0) {
        reported_own(p->reported, "feed", COMPONENT_OK, "");
    } /* before the first entry nothing is known of it */
}

static void tell_journal(struct reporting *p, const struct gate_health *h)
{
    char detail[128];

    if (h->unaudited != 0) {
        (void)snprintf(detail, sizeof detail,
                       "%" PRIu32 " changes in memory alone: no disk took them", h->unaudited);
        reported_own(p->reported, "journal", COMPONENT_DOWN, detail);
    } else if (h->journaled != 0) {
        (void)snprintf(detail, sizeof detail, "%" PRIu32 " records wait for the chain",
                       h->journaled);
        reported_own(p->reported, "journal", COMPONENT_DEGRADED, detail);
    } else {
        reported_own(p->reported, "journal", COMPONENT_OK, "");
    }
}

static void on_tick(void *arg)
{
    struct reporting *p = arg;
    struct gate_health h = gate_health(p->opt.gate);
    bool postgres = pg_up(p->opt.pg);
    bool redis = limits_shared(p->opt.limits);

    if ((!postgres || !redis) && clock_mono_ns() - p->started_ns < SETTLE_NS) {
        return; /* connections are still being made: nothing is known yet */
    }
    reported_own(p->reported, "postgres", postgres ? COMPONENT_OK : COMPONENT_DOWN,
                 postgres ? "" : "it does not answer: halts work and are journaled");
    reported_own(p->reported, "redis", redis ? COMPONENT_OK : COMPONENT_DOWN,
                 redis ? "" : "it does not answer in time: limits are those of this gateway alone");
    tell_feed(p);
    tell_journal(p, &h);
    if (*p->opt.draining) {
        reported_own(p->reported, "edge-gateway", COMPONENT_PAUSED, "stopping");
    } else if (!postgres || !redis || !h.database) {
        reported_own(p->reported, "edge-gateway", COMPONENT_DEGRADED, "serves without a store");
    } else {
        reported_own(p->reported, "edge-gateway", COMPONENT_OK, GW_VERSION);
    }
}

/* --- told to others ----------------------------------------------------------------------------
 */

static void on_component(void *arg, const struct component *c)
{
    struct reporting *p = arg;
    struct reported_now now;
    struct buf data = {0};
    enum gw_err err;

    if (p->reported == NULL) {
        return; /* while it is made */
    }
    now = reported_now(p->reported);
    buf_lit(&data, "{\"component\":");
    component_print(&data, c, &now);
    buf_putc(&data, '}');
    err = sse_publish(p->opt.events, NULL, "component", data.data, data.len);
    if (err != GW_OK) {
        log_warn("events", "not_told", "\"event\":\"component\",\"error\":\"%s\"",
                 gw_err_row(err)->name);
    }
    buf_fini(&data);
}

static void on_signal(void *arg, const struct incident_signal *s)
{
    struct reporting *p = arg;

    if (p->opt.on_signal != NULL) {
        p->opt.on_signal(p->opt.arg, s);
    }
}

/* --- life --------------------------------------------------------------------------------------
 */

struct reporting *reporting_create(uv_loop_t *loop, const struct reporting_options *opt,
                                   struct buf *why)
{
    struct reporting *p = gw_calloc(1, sizeof *p);
    const struct reported_options reported = {
        .config = opt->config,
        .pg = opt->pg,
        .on_tick = on_tick,
        .on_component = on_component,
        .on_signal = on_signal,
        .arg = p,
    };

    p->opt = *opt;
    p->started_ns = clock_mono_ns();
    p->reported = reported_create(loop, &reported, why);
    if (p->reported == NULL) {
        free(p);
        return NULL;
    }
    metrics_set_source(reported_expose, p->reported);
    return p;
}

struct reported *reporting_reported(struct reporting *p)
{
    return p->reported;
}

void reporting_close(struct reporting *p, void (*done)(void *arg), void *arg)
{
    metrics_set_source(NULL, NULL);
    reported_close(p->reported, done, arg);
}

void reporting_destroy(struct reporting **pp)
{
    struct reporting *p = *pp;

    *pp = NULL;
    reported_destroy(&p->reported);
    free(p);
}
