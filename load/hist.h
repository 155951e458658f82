/* load/hist.h - histogram of durations with a bounded relative error.
 * Why: a tail percentile needs every sample, and a million samples a second may not cost memory.
 * Buckets are 128 to a power of two (the idea of HdrHistogram), so a reported value is at most 0.8
 * % above the true one, from 1 ns to 100 s.
 * Owner: one thread.
 * Invariant: count == sum of the buckets + over; min <= every percentile <= max. */
#ifndef LOAD_HIST_H
#define LOAD_HIST_H
#include <stdint.h>

#define HIST_MAX_NS   100000000000ull
#define HIST_PER_UNIT 100000u /* hist_at() counts in 1/100000: p99.9 is 99900 */

struct hist;

struct hist *hist_create(void);
void hist_destroy(struct hist **hp);
void hist_reset(struct hist *h);
/* Values above HIST_MAX_NS keep their place in the order and in max, not in a bucket. */
void hist_record(struct hist *h, uint64_t ns);
/* Adds all of FROM to H. */
void hist_merge(struct hist *h, const struct hist *from);
/* The value that PER_100K of 100000 samples do not exceed; 0 when there are none. */
uint64_t hist_at(const struct hist *h, uint32_t per_100k);
uint64_t hist_count(const struct hist *h);
uint64_t hist_over(const struct hist *h); /* samples above HIST_MAX_NS */
uint64_t hist_min(const struct hist *h);
uint64_t hist_max(const struct hist *h);
uint64_t hist_mean(const struct hist *h);
#endif
