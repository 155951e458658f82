/* gateway/runtime/clock.h - the two clocks, read once where it matters and passed on as numbers.
 * Why: pure modules take time as an argument; only loops read clocks.
 * Owner: any thread. */
#ifndef GATEWAY_RUNTIME_CLOCK_H
#define GATEWAY_RUNTIME_CLOCK_H
#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}
/* Never steps back; for intervals. */
static inline int64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}
/* UTC; for what people and protocols read. May step. */
static inline int64_t clock_real_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}
#endif
