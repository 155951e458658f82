#include "gateway/incident/incident.h"

#define INCIDENT_STATE_AS_WORD(sym, word) word,
const char *const incident_state_words[INCIDENT_STATE_COUNT] = {
    INCIDENT_STATES(INCIDENT_STATE_AS_WORD)};
