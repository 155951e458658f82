/* gateway/incident/report.h - what happened, ready to be pasted into a ticket: Markdown, or JSON.
 * Owner: none, pure. */
#ifndef GATEWAY_INCIDENT_REPORT_H
#define GATEWAY_INCIDENT_REPORT_H
#include "gateway/incident/incident.h"

/* One row of the timeline; texts are borrowed. */
struct incident_event {
    uint64_t seq;
    int64_t at_ns;
    const char *kind;
    const char *by;
    const char *text;
    uint64_t audit;   /* 0: none */
    const char *data; /* a JSON object */
};
void incident_event_print(const struct incident_event *e, struct buf *out);

void incident_report_markdown(const struct incident *i, const struct incident_event *events,
                              size_t count, int64_t now_ns, struct buf *out);
void incident_report_json(const struct incident *i, const struct incident_event *events,
                          size_t count, int64_t now_ns, struct buf *out);
#endif
