#include "gateway/paging/severity.h"

#include <strings.h>
#include <string.h>
#include "gateway/base/err.h"

#define SEVERITY_AS_ROW(sym, word, other, paging, ack_ns) {word, other, paging, ack_ns},
const struct severity_row severity_rows[SEVERITY_COUNT] = {INCIDENT_SEVERITIES(SEVERITY_AS_ROW)};

static bool same(const char *word, size_t len, const char *expected)
{
    return strlen(expected) == len && strncasecmp(word, expected, len) == 0;
}

bool severity_parse(const char *word, size_t len, enum incident_severity *out)
{
    static const struct {
        const char *word;
        enum incident_severity severity;
    } labels[] = {
        {"critical", SEV1}, {"error", SEV2}, {"warning", SEV3}, {"info", SEV4}, {"none", SEV4}};

    for (unsigned i = 0; i < SEVERITY_COUNT; i++) {
        if (same(word, len, severity_rows[i].word) || same(word, len, severity_rows[i].other)) {
            *out = (enum incident_severity)i;
            return true;
        }
    }
    for (unsigned i = 0; i < GW_LEN(labels); i++) {
        if (same(word, len, labels[i].word)) {
            *out = labels[i].severity;
            return true;
        }
    }
    return false;
}
