/* ratelimit/gcra.h - the generic cell rate algorithm as one pure function.
 * Why: one integer per bucket (the theoretical arrival time, TAT), exact retry time, no windows to
 * burst over.
 * Owner: whoever owns the integer.
 * Invariant: within any t seconds at most burst + rate * t units pass.
 * Source: ITU-T I.371 annex A. */
#ifndef RATELIMIT_GCRA_H
#define RATELIMIT_GCRA_H
#include <stdbool.h>
#include <stdint.h>

struct gcra_rate {
    int64_t emission_ns;  /* time one unit takes */
    int64_t tolerance_ns; /* how far TAT may run ahead: (burst - 1) units */
};

/* RATE units a second, BURST at once; both >= 1. */
struct gcra_rate gcra_rate_per_s(uint64_t rate, uint64_t burst);
/* Takes COST units at NOW if they fit. *TAT starts as 0. When false, nothing is taken and
 * *RETRY_AFTER_NS says when COST would fit (INT64_MAX: never, it exceeds the burst). A clock that
 * steps back refuses at most as long as it stepped. */
bool gcra_take(int64_t *tat_ns, const struct gcra_rate *rate, int64_t now_ns, uint32_t cost,
               int64_t *retry_after_ns);
/* Takes back what gcra_take() took of COST at SINCE and was not used: less the time since then, in
 * which it may have been refilled already. The invariant holds whatever was taken in between. */
void gcra_give_back(int64_t *tat_ns, const struct gcra_rate *rate, int64_t since_ns, int64_t now_ns,
                    uint32_t cost);
/* Units that would fit at NOW. */
uint64_t gcra_remaining(int64_t tat_ns, const struct gcra_rate *rate, int64_t now_ns);
#endif
