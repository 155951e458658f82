/* gateway/incident/detector.h - the rules of detect.h at work: a sample once a second, to whoever opens
 * incidents.
 *
 *   timer -> read() of the counters -> ask() the market -> detector_pulses() -> detect_step() -> sink
 *                                        | no answer within a second: judged without the symbols
 *
 * Owner: the loop it was created on.
 * Invariant: each second is judged once, with the answer that came or without. */
#ifndef GATEWAY_INCIDENT_DETECTOR_H
#define GATEWAY_INCIDENT_DETECTOR_H
#include <uv.h>
#include "gateway/incident/detect.h"

struct detector;

struct detector_options {
    const struct detect_config *config;
    const char *gateway; /* its name */
    /* Fills all but the clocks and the symbols. */
    void (*read)(void *arg, struct detect_sample *out);
    /* Has detector_pulses() called, later. False: it cannot be asked now. */
    bool (*ask)(void *arg);
    detect_fn *sink;
    void *arg;
};

struct detector *detector_create(uv_loop_t *loop, const struct detector_options *opt);
/* What the market says; NULL: nothing. PULSES are borrowed for the call. */
void detector_pulses(struct detector *d, const struct detect_pulse *pulses, uint32_t count);
void detector_close(struct detector *d, void (*done)(void *arg), void *arg);
void detector_destroy(struct detector **dp);
#endif
