/* gateway/app/watch.h - this gateway's own detectors put to work: where their counters come from, and who
 * hears of a signal. Wiring only.
 *
 *   metrics of all threads, gate, pool, market -> detector -> on_signal (the incidents)
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_WATCH_H
#define GATEWAY_APP_WATCH_H
#include "gateway/gate/gate.h"
#include "gateway/incident/detector.h"
#include "gateway/market/symbols.h"
#include "gateway/rest/rest.h"

struct watch;

struct watch_options {
    const struct detect_config *config;
    const struct symbols *symbols;
    const struct pg *pg;
    const struct gate *gate;
    struct rest *rest;
    const char *name; /* of this gateway */
    bool anchoring;   /* the audit log is signed here */
    void (*on_signal)(void *arg, const struct incident_signal *s);
    void *arg;
};

struct watch *watch_create(uv_loop_t *loop, const struct watch_options *opt);
/* Before the gate closes. An answer of the market that comes later is dropped: destroy only after the
 * REST part has closed. */
void watch_close(struct watch *w, void (*done)(void *arg), void *arg);
void watch_destroy(struct watch **wp);
#endif
