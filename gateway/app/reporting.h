/* gateway/app/reporting.h - report-in put to work: what this gateway measures itself is told once a second,
 * changes of components go to those who watch. Wiring only.
 *
 *   pool, Redis, feed, gate -> components edge-gateway, postgres, redis, feed, journal
 *   component changed -> event `component` (no id)
 *   threshold, alert -> on_signal of the options (the incidents)
 *
 *   close: before the pool of PostgreSQL
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_REPORTING_H
#define GATEWAY_APP_REPORTING_H
#include "gateway/gate/gate.h"
#include "gateway/http/sse.h"
#include "gateway/reported/reported.h"
#include "ratelimit/limits.h"

struct reporting;

struct reporting_options {
    const struct reported_config *config;
    struct pg *pg;
    struct gate *gate;
    struct limits *limits; /* knows if Redis answers */
    struct sse *events;
    const bool *draining; /* the daemon is stopping */
    rules_fn *on_signal;  /* NULL: nobody makes incidents */
    void *arg;            /* of on_signal */
};

/* NULL: WHY has a line for each mistake of the rules. */
struct reporting *reporting_create(uv_loop_t *loop, const struct reporting_options *opt,
                                   struct buf *why);
struct reported *reporting_reported(struct reporting *p);
void reporting_close(struct reporting *p, void (*done)(void *arg), void *arg);
void reporting_destroy(struct reporting **pp);
#endif
