/* gateway/incident/clock.h - the clocks of an incident: when somebody has to answer, when the next
 * level of escalation is due.
 * Why: a level must be reached once whatever restarts; so it follows from the incident alone, and is
 * a function of it.
 *
 *   L1 from the beginning    L2 after 15 min (SEV3: 4 h)    L3 after 30 min (SEV1, SEV2)
 *   acknowledged: L2 and L3 are off, but L3 of SEV1 runs until it is mitigated; SEV4: none
 *
 * Owner: none, pure. */
#ifndef GATEWAY_INCIDENT_CLOCK_H
#define GATEWAY_INCIDENT_CLOCK_H
#include "gateway/incident/incident.h"

/* When the next level is due, which may be past; 0: none is, and LEVEL is 0. */
int64_t incident_next(const struct incident *i, uint64_t *level);
/* Somebody has to answer by then; 0: nobody has to. */
int64_t incident_ack_due(const struct incident *i);
/* Sets both in I, and when the next reminder of its postmortem is due. */
void incident_wind(struct incident *i);
/* Its clocks begin anew. */
void incident_restart(struct incident *i, int64_t now_ns);
#endif
