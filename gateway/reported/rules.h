/* gateway/reported/rules.h - when what is reported becomes an incident: thresholds from a file.
 * Why: who runs the exchange knows which number is bad for how long; no program has to be built for it.
 *
 *   rules:
 *     - name: bus_consumer_lag           # of the signal
 *       labels: {topic: trades}          # only series with these; may be left out
 *       op: ">"                          # < <= > >= == != or stale
 *       value: "5000"                    # none for stale
 *       for: 30s
 *       severity: SEV3
 *       playbook: bus_lag                # these may be left out: playbook, title, class, id
 *     - component: "ea:*"                # or group: NAME
 *       states: DOWN DISCONNECTED
 *       for: 10s
 *       severity: SEV2
 *
 * Owner: the loop that made it. Time is an argument.
 * Invariant: a rule speaks when its condition has held for its time, and again when it is known not to
 * hold; a series that is stale or gone ends nothing. */
#ifndef GATEWAY_REPORTED_RULES_H
#define GATEWAY_REPORTED_RULES_H
#include "gateway/incident/incidents.h"
#include "gateway/reported/component.h"
#include "gateway/reported/signal.h"

#define RULES_MAX 256u

struct rules;

/* "": no rules. NULL: ERRORS has a line for each mistake ("rules.yaml:7: ..."). */
struct rules *rules_read(const char *path, struct buf *errors);
void rules_destroy(struct rules **rp);
uint32_t rules_count(const struct rules *rules);

typedef void rules_fn(void *arg, const struct incident_signal *s);
/* Judges all; CB for each that begins or ends. The first judgement of what holds not is told, too: it
 * may have ended while nobody looked. */
void rules_judge(struct rules *rules, const struct signals *signals,
                 const struct components *components, const struct reported_now *now, rules_fn *cb,
                 void *arg);
#endif
