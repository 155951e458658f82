#include "load/hist.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/base/err.h"

#define SUB_BITS 7u
#define SUBS     (1u << SUB_BITS)
#define TOP_BIT  36u /* of HIST_MAX_NS */
#define BUCKETS  ((TOP_BIT - SUB_BITS + 2) * SUBS)

struct hist {
    uint64_t count;
    uint64_t over;
    uint64_t min;
    uint64_t max;
    unsigned __int128 sum;
    uint64_t bucket[BUCKETS];
};

struct hist *hist_create(void)
{
    struct hist *h = gw_malloc(sizeof *h);

    hist_reset(h);
    return h;
}

void hist_destroy(struct hist **hp)
{
    free(*hp);
    *hp = NULL;
}

void hist_reset(struct hist *h)
{
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

/* Below 2 * SUBS every value has its own bucket; above, the highest SUB_BITS + 1 bits choose it. */
static uint32_t bucket_of(uint64_t ns)
{
    uint32_t shift;

    if (ns < SUBS) {
        return (uint32_t)ns;
    }
    shift = 63u - (uint32_t)__builtin_clzll(ns) - SUB_BITS;
    return (shift << SUB_BITS) + (uint32_t)(ns >> shift);
}

static uint64_t bucket_end(uint32_t i)
{
    uint32_t shift;

    if (i < 2 * SUBS) {
        return i;
    }
    shift = (i >> SUB_BITS) - 1;
    return (((uint64_t)i - ((uint64_t)shift << SUB_BITS) + 1) << shift) - 1;
}

void hist_record(struct hist *h, uint64_t ns)
{
    h->count++;
    h->sum += ns;
    if (ns < h->min) {
        h->min = ns;
    }
    if (ns > h->max) {
        h->max = ns;
    }
    if (ns > HIST_MAX_NS) {
        h->over++;
    } else {
        h->bucket[bucket_of(ns)]++;
    }
}

void hist_merge(struct hist *h, const struct hist *from)
{
    h->count += from->count;
    h->over += from->over;
    h->sum += from->sum;
    h->min = from->min < h->min ? from->min : h->min;
    h->max = from->max > h->max ? from->max : h->max;
    for (uint32_t i = 0; i < BUCKETS; i++) {
        h->bucket[i] += from->bucket[i];
    }
}

uint64_t hist_at(const struct hist *h, uint32_t per_100k)
{
    uint64_t rank;
    uint64_t seen = 0;

    GW_ASSERT(per_100k <= HIST_PER_UNIT);
    if (h->count == 0) {
        return 0;
    }
    rank = (uint64_t)(((unsigned __int128)h->count * per_100k + HIST_PER_UNIT - 1) / HIST_PER_UNIT);
    if (rank <= 1) {
        return h->min;
    }
    for (uint32_t i = 0; i < BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen >= rank) {
            uint64_t end = bucket_end(i);

            return end < h->max ? end : h->max;
        }
    }
    return h->max;
}

uint64_t hist_count(const struct hist *h)
{
    return h->count;
}

uint64_t hist_over(const struct hist *h)
{
    return h->over;
}

uint64_t hist_min(const struct hist *h)
{
    return h->count != 0 ? h->min : 0;
}

uint64_t hist_max(const struct hist *h)
{
    return h->max;
}

uint64_t hist_mean(const struct hist *h)
{
    return h->count != 0 ? (uint64_t)(h->sum / h->count) : 0;
}
