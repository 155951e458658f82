/* gateway/reported/reported.h - report-in: what others say of themselves, kept, aged and passed on.
 * Why: one small contract in place of an integration per system. Whoever reports is answered at once,
 * and told honestly whether it would survive this process.
 *
 *   heartbeat, signal -> memory at once -> next batch -> PostgreSQL -> answered {"durable":true}
 *                                                  \-> away, or late -> answered {"durable":false}
 *   alerts -> PostgreSQL first -> on_signal, answered; away: not taken, the sender tries again
 *   every second: newer rows of other gateways, what has fallen silent, thresholds, objectives
 *
 * Owner: the control loop.
 * Invariant: what stands in memory and is not written yet is written by a later batch; a row that is
 * read says nothing about now but through its age; an alert that was answered is in PostgreSQL. */
#ifndef GATEWAY_REPORTED_REPORTED_H
#define GATEWAY_REPORTED_REPORTED_H
#include <uv.h>
#include "gateway/incident/incidents.h"
#include "gateway/reported/alert.h"
#include "gateway/reported/component.h"
#include "gateway/reported/rules.h"
#include "gateway/reported/signal.h"
#include "gateway/reported/slo.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

/* clang-format off */
#define REPORTED_CONFIG(X) /* key, type, default, min, max, help */                                                     \
    X(max_components, UINT, "256",  1,     4096,      "components that may report in; one silent for a day makes room")  \
    X(max_series,     UINT, "1000", 1,     10000,     "series of reported signals, each also a line of /metrics; one an hour beyond its time makes room") \
    X(signal_ttl,     MSEC, "5m",   5000,  86400000,  "a signal that says no `ttl_s` counts as unknown after it")        \
    X(forget_after,   MSEC, "168h", 3600000, 31536000000, "components and signals that have been silent for so long are dropped") \
    X(expected,       TEXT, "",     0,     4096,      "ids of components that are to be there, with spaces between; one that never speaks is told as gone") \
    X(rules_file,     TEXT, "",     0,     4096,      "YAML file of thresholds that open incidents (docs/REPORTING.md); \"\": none")
#define REPORTED_METRICS(X)                                                                                              \
    X(REPORTED_M_BEATS,      "report_heartbeats_total",      COUNTER, &reported_taken_label, "heartbeats of components, by what became of them") \
    X(REPORTED_M_SIGNALS,    "report_signals_total",         COUNTER, &reported_taken_label, "values of signals, by what became of them") \
    X(REPORTED_M_ALERTS,     "report_alerts_total",          COUNTER, &reported_alert_label, "alerts of Alertmanager, by what became of them") \
    X(REPORTED_M_COMPONENTS, "report_components",            GAUGE,   &reported_state_label, "components, by their state now") \
    X(REPORTED_M_SERIES,     "report_series",                GAUGE,   &reported_age_label, "series of signals, by whether they are recent enough") \
    X(REPORTED_M_SLOS,       "slo_state",                    GAUGE,   &reported_slo_label, "0: unknown, 1: kept, 2: missed") \
    X(REPORTED_M_UNWRITTEN,  "report_unwritten",             GAUGE,   NULL, "heartbeats and signals that PostgreSQL does not hold yet") \
    X(REPORTED_M_FAILED,     "report_write_failures_total",  COUNTER, NULL, "batches that PostgreSQL did not take") \
    X(REPORTED_M_RAISED,     "report_rules_raised_total",    COUNTER, NULL, "times a rule began to hold")
/* clang-format on */
enum reported_metric { REPORTED_METRICS(METRIC_AS_ENUM) REPORTED_M_COUNT };
struct reported_config {
    REPORTED_CONFIG(CFG_FIELD)
};
extern const struct cfg_table reported_config_table;
extern const struct metric_table reported_metrics;

struct reported;

struct reported_options {
    const struct reported_config *config;
    struct pg *pg; /* borrowed; closed after this */
    /* Both clocks; NULL: the machine's. */
    struct reported_now (*clock)(void *arg);
    /* Once a second, before anything is judged: what this gateway measures is told by reported_own(). */
    void (*on_tick)(void *arg);
    /* The state of a component is another. May be NULL. */
    component_change_fn *on_component;
    /* A threshold, or an alert of Alertmanager. May be NULL. */
    rules_fn *on_signal;
    void *arg;
};

/* NULL: WHY has a line for each mistake of the rules. */
struct reported *reported_create(uv_loop_t *loop, const struct reported_options *opt,
                                 struct buf *why);
/* No callback but those that are owed after this; those come, too. DONE when all is closed. Before
 * the pool. */
void reported_close(struct reported *r, void (*done)(void *arg), void *arg);
void reported_destroy(struct reported **rp);

/* --- reports ------------------------------------------------------------------------------------
 */

/* DURABLE: PostgreSQL has it. Comes once, never inside the call. */
typedef void reported_fn(void *arg, bool durable);

/* Keeps REP. COMPONENT_TAKEN: CB comes, if *OWED; else it is in memory alone for now. */
enum component_verdict reported_heartbeat(struct reported *r, const struct component_report *rep,
                                          bool *owed, reported_fn *cb, void *arg);
/* Keeps S, until reported_commit(). False: no room for another series. */
bool reported_signal(struct reported *r, const struct signal_sample *s);
void reported_refused(struct reported *r); /* counts a signal that could not be read */
/* CB as above, for the signals so far. False: PostgreSQL is away, no callback. */
bool reported_commit(struct reported *r, reported_fn *cb, void *arg);
/* Stores A and takes it, whatever comes of it. False: PostgreSQL is away, no callback. */
bool reported_alerts(struct reported *r, struct alerts *a, const char *source, reported_fn *cb,
                     void *arg);
/* Alerts that could not be taken at all. */
void reported_alerts_refused(struct reported *r);
/* What the gateway itself measures. */
void reported_own(struct reported *r, const char *id, enum component_state state,
                  const char *detail);

/* --- looking ------------------------------------------------------------------------------------
 */

struct reported_now reported_now(const struct reported *r);
const struct components *reported_components(const struct reported *r);
const struct signals *reported_signals(const struct reported *r);
struct slo_facts reported_facts(const struct reported *r);
/* PostgreSQL has said of late what other gateways have heard. */
bool reported_complete(const struct reported *r);
uint32_t reported_signal_ttl_s(const struct reported *r);
/* Prometheus text of reported_* and report_source_last_seen_seconds. ARG is the struct reported. */
void reported_expose(void *arg, struct buf *out);

/* What PostgreSQL says of incidents and objectives; borrowed for the callback. */
struct reported_overview {
    bool known;            /* it has answered, and there are incidents */
    const char *incidents; /* JSON array, worst first, at most 5 */
    uint64_t ack_overdue;  /* incidents that nobody acknowledged in time */
    const char *breach;    /* JSON object or "null": the last objective that was missed */
    bool breach_known;
};
typedef void reported_overview_fn(void *arg, const struct reported_overview *o);
/* CB comes once, maybe inside the call. */
void reported_overview(struct reported *r, reported_overview_fn *cb, void *arg);
#endif
