#include "ratelimit/clock_guard.h"

#define NOISE_NS 1000000   /* between the readings of two clocks */
#define TORN_NS  100000000 /* too far apart */

int64_t clock_steps_look(struct clock_steps *s, int64_t mono_ns, int64_t real_ns, int64_t after_ns,
                         int64_t slack_ns)
{
    int64_t offset = real_ns - mono_ns;
    int64_t step = offset - s->offset_ns;

    if (after_ns - mono_ns > TORN_NS) {
        return 0;
    }
    if (!s->seen) {
        step = 0;
    }
    *s = (struct clock_steps){.offset_ns = offset, .seen = true};
    return step > slack_ns || step < -slack_ns ? step : 0;
}

bool clock_guard_look(struct clock_guard *g, int64_t real_ns, int64_t mono_ns, int64_t slack_ns,
                      int64_t *was_ns)
{
    int64_t now = real_ns - mono_ns;
    int64_t behind = g->high_ns - g->low_ns;
    bool caught_up = behind > 0 && mono_ns - g->since_ns > behind;

    if (!g->seen || now >= g->high_ns || (caught_up && now > g->low_ns - NOISE_NS)) {
        *g = (struct clock_guard){.high_ns = now, .low_ns = now, .since_ns = mono_ns, .seen = true};
        return false;
    }
    if (now > g->low_ns - NOISE_NS) {
        return false;
    }
    g->low_ns = now;
    g->since_ns = mono_ns;
    *was_ns = mono_ns + g->high_ns;
    return g->high_ns - now > slack_ns;
}
