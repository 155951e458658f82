/* gateway/app/playbook_wiring.h - playbooks put to work: read at the start, their exit conditions
 * measured once a second. Wiring only.
 *
 *   playbooks.dir -> playbooks_read() (each action against the table of routes)
 *   counters of all gateways (fleet), control state in force -> once a second -> struct playbook_meter
 *   incident with a playbook: may this step be done, what is missing, how far -> here
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_PLAYBOOK_WIRING_H
#define GATEWAY_APP_PLAYBOOK_WIRING_H
#include "gateway/fleet/fleet.h"
#include "gateway/gate/gate.h"
#include "gateway/incident/incidents.h"
#include "gateway/playbook/exit.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"

/* clang-format off */
#define PLAYBOOKS_CONFIG(X) /* key, type, default, min, max, help */                                                    \
    X(dir,          TEXT, "", 0, 4096, "folder of playbooks (docs/PLAYBOOKS.md), read at start; \"\": there are none")     \
    X(forget_after, MSEC, "1h", 6000, 604800000, "a gateway that ended without a word is forgotten after this: until then exit conditions are unknown")
#define PLAYBOOK_METRICS(X)                                                                                            \
    X(PLAYBOOK_M_LOADED,  "playbooks",                GAUGE, NULL, "playbooks that were read")                          \
    X(PLAYBOOK_M_OVERDUE, "playbook_reviews_overdue", GAUGE, NULL, "of those, the ones whose review is overdue")
/* clang-format on */
enum playbook_metric { PLAYBOOK_METRICS(METRIC_AS_ENUM) PLAYBOOK_M_COUNT };
extern const struct metric_table playbook_metrics;
struct playbooks_config {
    PLAYBOOKS_CONFIG(CFG_FIELD)
};
extern const struct cfg_table playbooks_config_table;

struct playbook_wiring;

/* Reads the folder and forgets it again: for the check of a configuration. */
void playbook_wiring_check(const struct playbooks_config *config, struct buf *errors);
/* NULL: WHY has a line for each mistake. GATE may be NULL: of the control state nothing is known. */
struct playbook_wiring *playbook_wiring_create(const struct playbooks_config *config,
                                               struct gate *gate, struct buf *why);
const struct playbooks *playbook_wiring_all(const struct playbook_wiring *w);
/* What all gateways have counted; not known: WHY. Once a second, known or not. */
void playbook_wiring_take(struct playbook_wiring *w, const struct fleet_counts *sum,
                          const char *why);
/* From now on incidents ask these playbooks. */
void playbook_wiring_serve(struct playbook_wiring *w, struct incidents *incidents);
/* Does the answer of a guard in an incident that is not closed forbid to loosen what DIFF loosens?
 * True: WHY says which. */
bool playbook_wiring_locks(const struct playbook_wiring *w, const struct control_diff *diff,
                           char *why, size_t size);
void playbook_wiring_destroy(struct playbook_wiring **wp);
#endif
