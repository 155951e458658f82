/* gateway/reported/alert.h - what Alertmanager sends (webhook version 4), read leniently.
 * Why: a sender takes a 4xx as "never again": an alert that is refused for its form is an alert nobody
 * hears of. So whatever is JSON is read as far as it can be.
 * Owner: the caller. Pure; the clock is an argument.
 * Invariant: one alert a key; a key is "alert:FINGERPRINT:STARTSAT". */
#ifndef GATEWAY_REPORTED_ALERT_H
#define GATEWAY_REPORTED_ALERT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/incident/incidents.h"

#define ALERTS_MAX 2000u

struct alert {
    char key[128];
    char fingerprint[65];
    int64_t starts_ns;
    int64_t ends_ns; /* 0: it has not ended */
    bool firing;
    enum incident_severity severity;
    char title[4 * 200 + 1];
    char *summary;      /* "" none */
    char class_[32];    /* "" not known */
    char playbook[65];  /* "" none */
    char symbol[33];    /* "" none */
    char component[65]; /* "" none */
    char *content;      /* JSON object: labels, annotations, links */
};
struct alerts {
    struct alert *v; /* by key */
    size_t count;
    size_t skipped; /* members of `alerts` that are none */
};

enum alerts_verdict {
    ALERTS_READ,
    ALERTS_UNREADABLE, /* no JSON */
    ALERTS_TOO_MANY,   /* more than ALERTS_MAX: none is taken */
};
/* End OUT with alerts_fini() whatever comes of it. */
enum alerts_verdict alerts_decode(const char *text, size_t len, int64_t now_ns, struct alerts *out);
void alerts_fini(struct alerts *a);
/* What the incidents are told. Borrows A. */
struct incident_signal alert_signal(const struct alert *a);
#endif
