/* gateway/paging/severity.h - one scale of severity, and how other scales map onto it.
 * Why: runbooks say SEV1, P0 or critical; one word must decide who is paged and by when somebody has
 * to answer. docs/INCIDENTS.md prints the table.
 * Owner: none, immutable. */
#ifndef GATEWAY_INCIDENT_SEVERITY_H
#define GATEWAY_INCIDENT_SEVERITY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MINUTES_NS (60 * INT64_C(1000000000))
/* clang-format off */
/*    symbol word    others   paging      acknowledge within
 * paging: least SLO_PAGING_MIN_SEVERITY that pages it; "": never */
#define INCIDENT_SEVERITIES(X)                             \
    X(SEV1, "SEV1", "P0", "critical", 15 * MINUTES_NS)     \
    X(SEV2, "SEV2", "P1", "critical", 15 * MINUTES_NS)     \
    X(SEV3, "SEV3", "P2", "warning",  240 * MINUTES_NS)    \
    X(SEV4, "SEV4", "P3", "",         0)
/* clang-format on */
#define SEVERITY_AS_ENUM(sym, word, other, paging, ack_ns) sym,
enum incident_severity { INCIDENT_SEVERITIES(SEVERITY_AS_ENUM) SEVERITY_COUNT };

struct severity_row {
    const char *word;
    const char *other;
    const char *paging;
    int64_t ack_ns; /* 0: nobody has to */
};
extern const struct severity_row severity_rows[SEVERITY_COUNT];

/* SEV1..SEV4, P0..P3 and Prometheus' critical, error, warning, info, none; any case. */
bool severity_parse(const char *word, size_t len, enum incident_severity *out);
/* SEV1 and SEV2: loosening waits for a root cause. */
static inline bool severity_critical(enum incident_severity s)
{
    return s <= SEV2;
}
#endif
