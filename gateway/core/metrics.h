/* gateway/core/metrics.h - what the link to the exchange core counts. */
#ifndef GATEWAY_CORE_METRICS_H
#define GATEWAY_CORE_METRICS_H
#include "gateway/core/command.h"
#include "gateway/runtime/metrics.h"

extern const struct metric_label core_command_label;
extern const struct metric_label core_ack_label;
extern const struct metric_label core_field_label;
extern const struct metric_label core_dropped_label;

/* clang-format off */
#define CORE_METRICS(X)                                                                                              \
    X(CORE_M_COMMANDS,   "core_commands_total",         COUNTER, &core_command_label, "commands by kind and the state they came into, of all gateways") \
    X(CORE_M_OPEN,       "core_commands_open",          GAUGE,   NULL,                "commands the core has not settled, timed-out ones among them") \
    X(CORE_M_LATE,       "core_commands_late",          GAUGE,   NULL,                "of those, the ones that timed out and that nobody has cancelled") \
    X(CORE_M_ACKS,       "core_acks_total",             COUNTER, &core_ack_label,     "acks of commands, by what became of them") \
    X(CORE_M_MALFORMED,  "core_malformed_total",        COUNTER, &core_field_label,   "entries of control:acks and control:commands refused, by field") \
    X(CORE_M_VERSION,    "core_observed_version",       GAUGE,   NULL,                "control state that every core has applied") \
    X(CORE_M_AGE,        "core_last_heard_age_seconds", GAUGE,   NULL,                "since a core last said anything") \
    X(CORE_M_QUEUE,      "core_queue",                  GAUGE,   NULL,                "entries waiting for Redis") \
    X(CORE_M_SENT,       "core_sent_total",             COUNTER, NULL,                "entries that Redis took") \
    X(CORE_M_DROPPED,    "core_dropped_total",          COUNTER, &core_dropped_label, "entries given up: announcements above the bound (a snapshot follows), commands that waited past their deadline") \
    X(CORE_M_SNAPSHOTS,  "core_snapshots_total",        COUNTER, NULL,                "control state announced as a whole") \
    X(CORE_M_FAULTS,     "core_refused_total",          COUNTER, NULL,                "error replies of Redis; sent again")
/* clang-format on */
enum core_metric { CORE_METRICS(METRIC_AS_ENUM) CORE_M_COUNT };

enum core_dropped { CORE_DROPPED_ANNOUNCEMENT, CORE_DROPPED_COMMAND };

/* Label of CORE_M_COMMANDS. */
static inline unsigned core_command_label_of(enum core_kind kind, enum core_state state)
{
    return (unsigned)kind * CORE_STATE_COUNT + (unsigned)state;
}

extern const struct metric_table core_metrics;
#endif
