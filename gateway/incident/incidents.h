/* gateway/incident/incidents.h - what is wrong, since when, who has it: open incidents and their clocks.
 * Why: a person's attention is what runs out first. An incident has one severity, one owner and clocks
 * that a restart neither loses nor repeats.
 *
 *   person (REST, portctl) ---\
 *   alert, silent component ---> incidents_signal() / incidents_act() -> transaction: row, timeline,
 *   the gateway's detectors --/      audit entry, pages -> in memory -> on_change (SSE), wake of paging
 *   clock (due times in PostgreSQL) -> a replica claims the level once -> the same transaction
 *   PostgreSQL away: a signal is kept on this disk and in memory, paged from there, entered when it is back
 *
 * Owner: the control loop.
 * Invariant: the same signal opens one incident, whoever sees it and how often; each level of an
 * incident is announced once over all replicas; what was acknowledged to a caller is in PostgreSQL. */
#ifndef GATEWAY_INCIDENT_INCIDENTS_H
#define GATEWAY_INCIDENT_INCIDENTS_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/paging/severity.h"

struct incidents;

/* Something says that a thing is wrong, or that it is no more. Texts are borrowed for the call. */
struct incident_signal {
    const char
        *key; /* what it is about, for ever: "alert:FINGERPRINT:STARTSAT", "gateway:redis_away" */
    const char *source; /* "alert", "gateway", "component" */
    bool cleared;       /* it is over: the incident is told so, and stays open */
    enum incident_severity severity;
    const char *title;   /* 1..200 characters */
    const char *summary; /* "" none */
    const char *class_;  /* "data_quality", "reconciliation", "broker_connectivity", "" not known */
    const char *playbook;  /* id, "" none */
    const char *symbol;    /* "" none */
    const char *component; /* "" none */
    const char *details;   /* JSON object, "" none */
    int64_t at_ns;         /* wall clock: since when; 0: now */
};

/* STORED: it is durable (in PostgreSQL, or on this disk while that is away); NUMBER is that of the
 * incident it opened or belongs to, 0 while not known (or cleared and never open). */
typedef void incident_signal_fn(void *arg, bool stored, uint64_t number);
/* CB may be NULL; else it comes exactly once, never inside the call. */
void incidents_signal(struct incidents *all, const struct incident_signal *s,
                      incident_signal_fn *cb, void *arg);
#endif
