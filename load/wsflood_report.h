/* load/wsflood_report.h - the result of a run as one JSON object and as a few lines for people.
 * Owner: main(), once, at the end. */
#ifndef LOAD_WSFLOOD_REPORT_H
#define LOAD_WSFLOOD_REPORT_H
#include <stdbool.h>
#include <stdint.h>
#include "load/wsflood_session.h"
#include "load/wsflood_watch.h"

struct wf_result {
    const struct wf_flood *flood;
    const struct wf_stats *stats;
    const struct wf_watch *watch;
    const struct wf_series *series;
    int64_t start_unix_ns;
    uint32_t opened;     /* sessions that ever got open */
    uint32_t stalled;    /* sessions told to stop reading */
    int64_t connect_ns;  /* first start to last open */
    int64_t window_ns;   /* measured; 0: interrupted before */
    uint64_t own_cpu_us; /* of wsflood in the window */
    bool interrupted;
};

void wf_report_json(const struct wf_result *r, struct buf *out);
void wf_report_text(const struct wf_result *r);
/* No failed connect, no close of a reading session (with --resume: that did not come back), no
 * refusal, no break, no trade missing or twice. */
bool wf_report_ok(const struct wf_result *r);
#endif
