/* ratelimit/clock_guard.h - notices that the wall clock was set back. Pure: clocks are arguments.
 * Why: the window of `created` is judged by the wall clock, nonces are forgotten after real time. A
 * clock set back brings old requests into the window again whose nonces nobody knows any more.
 * Owner: whoever embeds it; one loop. */
#ifndef RATELIMIT_CLOCK_GUARD_H
#define RATELIMIT_CLOCK_GUARD_H
#include <stdbool.h>
#include <stdint.h>

/* Starts zeroed. */
struct clock_guard {
    int64_t high_ns;  /* wall minus monotonic clock, the most that still counts */
    int64_t low_ns;   /* the least since then */
    int64_t since_ns; /* monotonic, when low_ns was first seen */
    bool seen;
};

/* By how much the wall clock was set against the monotonic one between two looks; 0: by less than
 * SLACK_NS, which is what slewing and reading two clocks come to. MONO_NS was read before REAL_NS and
 * AFTER_NS behind it: when they are far apart the reading says nothing. */
struct clock_steps {
    int64_t offset_ns;
    bool seen;
};
int64_t clock_steps_look(struct clock_steps *s, int64_t mono_ns, int64_t real_ns, int64_t after_ns,
                         int64_t slack_ns);

/* True once for each step back of more than SLACK_NS (steps add up until the clock has caught up):
 * *WAS_NS is what the clock would show now without them. */
bool clock_guard_look(struct clock_guard *g, int64_t real_ns, int64_t mono_ns, int64_t slack_ns,
                      int64_t *was_ns);
#endif
