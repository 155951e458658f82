/* gateway/playbook/exit.h - exit conditions, counted from what all gateways measure. Pure.
 * Why: "it is over" is what tired people believe first. Each condition needs so many seconds without
 * a break; nobody can tick it.
 *
 *   readings (once a second) -> playbook_meter_take(): a run of good seconds for each condition
 *   playbook_exit_have(): how long the run is, at most the age of the incident; met when >= need
 *
 * Owner: the loop that takes the readings.
 * Invariant: unknown counts as not met: without a reading for PLAYBOOK_GAP_NS nothing is known, and
 * a run begins anew after it. */
#ifndef GATEWAY_PLAYBOOK_EXIT_H
#define GATEWAY_PLAYBOOK_EXIT_H
#include "gateway/playbook/playbook.h"

#define PLAYBOOK_GAP_NS  (5 * INT64_C(1000000000))
#define PLAYBOOK_WHY_MAX 400u

/* What was measured at AT_NS (monotonic). */
struct playbook_reading {
    int64_t at_ns;
    bool edge_known; /* of the WebSocket clients of all gateways: the next three */
    uint64_t slow_closes;
    uint64_t backlog_bytes;
    uint64_t trades_dropped;
    const char *edge_why; /* not known: what to do; copied; NULL: nothing to say */
    bool control_known;   /* of the control state: the next two */
    bool fanout_normal;
    bool kill_released;
};

struct playbook_meter;
/* Borrows ALL. */
struct playbook_meter *playbook_meter_create(const struct playbooks *all);
void playbook_meter_destroy(struct playbook_meter **mp);
void playbook_meter_take(struct playbook_meter *m, const struct playbook_reading *r);

/* The incident whose conditions are judged. */
struct playbook_case {
    int64_t age_ns;  /* since it was opened */
    int64_t mono_ns; /* now */
    bool root_cause; /* it has a note of that kind */
};
struct playbook_verdict {
    const char
        *why; /* it is not known, of one that is; borrowed from the meter; NULL: nothing to say */
    bool known;
    bool met;
    uint64_t have;
};
/* M NULL: nobody measures. */
struct playbook_verdict playbook_exit_judge(const struct playbook_meter *m,
                                            const struct playbook_exit *e,
                                            const struct playbook_case *c);
#endif
