/* gateway/incident/postmortem.h - the postmortem of what ever was SEV1: due 48 hours after the incident
 * was resolved (it is closed with the postmortem only), and people are reminded of it.
 * Why: what is learned from the worst is forgotten first. As with levels, what is due follows from the
 * incident alone, so that each reminder comes once whatever restarts.
 *
 *   resolved -> 24 h before it is due -> 4 h before -> overdue;  its address, or a reopening, ends that
 *
 * Owner: none, pure. */
#ifndef GATEWAY_INCIDENT_POSTMORTEM_H
#define GATEWAY_INCIDENT_POSTMORTEM_H
#include "gateway/incident/incident.h"

#define POSTMORTEM_TASK      "postmortem" /* text of its task */
#define POSTMORTEM_REMINDERS 3u

/* When the next reminder is due, which may be past; 0: none is, and WHICH is 0. */
int64_t postmortem_next(const struct incident *i, uint64_t *which);
/* It was due before NOW_NS, and has no address. */
bool postmortem_overdue(const struct incident *i, int64_t now_ns);

/* I is resolved: its clock begins. */
void postmortem_begin(struct incident *i, int64_t now_ns, struct incident_effect *e);
/* I is open again: there is nothing to be written yet. */
void postmortem_forget(struct incident *i, struct incident_effect *e);
/* URL is where it is. */
void postmortem_written(struct incident *i, const char *url, struct incident_effect *e);
/* Reminder WHICH was announced. One that a later one has overtaken, while no gateway ran, pages nobody. */
void postmortem_remind(struct incident *i, uint64_t which, int64_t now_ns,
                       struct incident_effect *e);

/* Key of its pages: receivers tell it apart from the incident, which they have heard the end of. */
void postmortem_key(uint64_t number, char out[INCIDENT_NAME_MAX]);
/* Title of the page of a reminder at NOW_NS; of its end. */
void postmortem_title(const struct incident *i, int64_t now_ns, struct buf *out);
#endif
