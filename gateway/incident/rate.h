/* gateway/incident/rate.h - how much a counter has grown within the last WINDOW, in sixty steps.
 * Owner: whoever embeds it; pure.
 * Invariant: what is counted is forgotten after the window, at most a sixtieth of it late. */
#ifndef GATEWAY_INCIDENT_RATE_H
#define GATEWAY_INCIDENT_RATE_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RATE_STEPS 60u

struct rate {
    bool begun;
    uint64_t last; /* the counter */
    int64_t step;  /* number of the newest */
    int64_t step_ns;
    uint64_t grown[RATE_STEPS];
};

/* The counter stands at VALUE at MONO_NS; its growth within WINDOW_NS. */
static inline uint64_t rate_step(struct rate *r, int64_t mono_ns, int64_t window_ns, uint64_t value)
{
    int64_t step_ns = window_ns / RATE_STEPS > 0 ? window_ns / RATE_STEPS : 1;
    int64_t step = mono_ns / step_ns;
    uint64_t sum = 0;

    if (!r->begun || r->step_ns != step_ns) { /* the window is another: counted anew */
        *r = (struct rate){.begun = true, .last = value, .step = step, .step_ns = step_ns};
    }
    if (step - r->step >= (int64_t)RATE_STEPS) {
        memset(r->grown, 0, sizeof r->grown);
        r->step = step;
    }
    while (r->step < step) {
        r->grown[(uint64_t)++r->step % RATE_STEPS] = 0;
    }
    if (value > r->last) {
        r->grown[(uint64_t)step % RATE_STEPS] += value - r->last;
    }
    r->last = value;
    for (unsigned i = 0; i < RATE_STEPS; i++) {
        sum += r->grown[i];
    }
    return sum;
}
#endif
