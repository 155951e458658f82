/* gateway/app/incident_wiring.h - incidents put to work: what others hear of them, the halt of level 3,
 * and their say in what may be loosened. Wiring only.
 *
 *   incident changed -> event `incident`, pages;  level 3 -> gate: SOFT_HALT of all symbols
 *   gate: may this be loosened? the chain has grown -> incidents
 *
 *   close: before the pager and the pool of PostgreSQL
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_INCIDENT_WIRING_H
#define GATEWAY_APP_INCIDENT_WIRING_H
#include "gateway/app/gatehouse.h"
#include "gateway/app/playbook_wiring.h"
#include "gateway/incident/incidents.h"

struct incident_wiring;

/* CONFIG with what the environment says instead (ESCALATION_L3_ACTION); ERRORS: it is no such word. */
void incident_wiring_environment(struct incidents_config *config, struct buf *errors);
/* NULL: WHY says what is wrong and what to do next. */
struct incident_wiring *incident_wiring_create(uv_loop_t *loop, struct gatehouse *gatehouse,
                                               const struct incidents_config *config,
                                               const struct gatehouse_options *gate,
                                               struct paging *paging, struct buf *why);
/* What playbooks say counts from now on. */
void incident_wiring_playbooks(struct incident_wiring *w, struct playbook_wiring *playbooks);
struct incidents *incident_wiring_incidents(struct incident_wiring *w);
void incident_wiring_close(struct incident_wiring *w, void (*done)(void *arg), void *arg);
/* After pg_close(). */
void incident_wiring_destroy(struct incident_wiring **wp);
#endif
