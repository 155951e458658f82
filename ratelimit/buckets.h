/* ratelimit/buckets.h - a bounded table of buckets by name, the least recently used one evicted.
 * Why: what strangers name must not grow memory. An evicted bucket starts full again, so the table
 * is sized for more names than can be exhausted at once.
 * Owner: one loop. Pure: no clock.
 * Invariant: never more than the ENTRIES it was made with; all memory is taken at the start. */
#ifndef RATELIMIT_BUCKETS_H
#define RATELIMIT_BUCKETS_H
#include <stdint.h>

struct buckets;

/* ENTRIES: at least 16. */
struct buckets *buckets_create(uint32_t entries);
void buckets_destroy(struct buckets **bp);
/* The theoretical arrival time of the bucket NAME (a siphash), 0 for a new one. Valid until 15 other
 * names have been asked for. */
int64_t *buckets_tat_ns(struct buckets *b, uint64_t name);
uint32_t buckets_count(const struct buckets *b);
#endif
