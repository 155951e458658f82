/* gateway/incident/incident.h - one incident: its states, and what leads from one to the next.
 * Owner: none, pure.
 * Invariant: closed only by a person; a signal that is over closes nothing. */
#ifndef GATEWAY_INCIDENT_INCIDENT_H
#define GATEWAY_INCIDENT_INCIDENT_H
#include "gateway/paging/severity.h"

/* clang-format off */
#define INCIDENT_STATES(X)      \
    X(OPEN,         "open")         \
    X(ACKNOWLEDGED, "acknowledged") \
    X(MITIGATED,    "mitigated")    \
    X(RESOLVED,     "resolved")     \
    X(CLOSED,       "closed")
/* clang-format on */
#define INCIDENT_STATE_AS_ENUM(sym, word) INCIDENT_##sym,
enum incident_state { INCIDENT_STATES(INCIDENT_STATE_AS_ENUM) INCIDENT_STATE_COUNT };
extern const char *const incident_state_words[INCIDENT_STATE_COUNT];
#endif
