#include "gateway/core/metrics.h"

/* A metric has one label here, which is printed as it stands: these values carry the second one. */
#define STATES_OF_KIND(sym, word, help)                                                            \
    word "\",state=\"requested", word "\",state=\"accepted", word "\",state=\"done",               \
        word "\",state=\"failed", word "\",state=\"timed_out", word "\",state=\"cancelled",
static const char *const kinds_and_states[] = {CORE_KINDS(STATES_OF_KIND)};
_Static_assert(GW_LEN(kinds_and_states) == CORE_KIND_COUNT * CORE_STATE_COUNT,
               "STATES_OF_KIND lists the states in the order of CORE_STATES");
const struct metric_label core_command_label = {"kind", kinds_and_states, GW_LEN(kinds_and_states)};

#define AS_WORD(sym, word, ...) word,
static const char *const results[] = {CORE_ACK_RESULTS(AS_WORD)};
const struct metric_label core_ack_label = {"result", results, GW_LEN(results)};
static const char *const fields[] = {CORE_ENTRY_VERDICTS(AS_WORD)};
const struct metric_label core_field_label = {"field", fields, GW_LEN(fields)};
static const char *const dropped[] = {"announcement", "command"};
const struct metric_label core_dropped_label = {"what", dropped, GW_LEN(dropped)};

static const struct metric_row rows[] = {CORE_METRICS(METRIC_AS_ROW)};
const struct metric_table core_metrics = {"core", rows, CORE_M_COUNT};
