/* ratelimit/lease.h - units taken from a shared bucket in advance, to be spent without a trip.
 * Why: a shard that limits each message cannot ask Redis for each. It takes SIZE units at once and
 * asks for more when a quarter is left.
 * Owner: one loop. Pure: the clock is an argument; who fetches is not its business.
 * Invariant: nothing is spent that was not granted, at most 2 * SIZE units are held, and all end
 * LIFE_NS after the last grant: spenders together are ahead of the shared bucket by no more than
 * what they hold. */
#ifndef RATELIMIT_LEASE_H
#define RATELIMIT_LEASE_H
#include <stdbool.h>
#include <stdint.h>

struct lease {
    uint32_t size;
    int64_t life_ns;
    uint32_t left;
    int64_t ends_ns;
    int64_t retry_ns; /* not to be asked for before */
    uint32_t next;    /* how many to ask for: fewer after a refusal */
    bool asked;
    bool hungry; /* a cost did not fit */
};

void lease_init(struct lease *l, uint32_t size, int64_t life_ns);
/* Spends COST units if there are. When false, *RETRY_AFTER_NS: when to try again (0: as soon as what
 * is asked for has come). */
bool lease_spend(struct lease *l, int64_t now_ns, uint32_t cost, int64_t *retry_after_ns);
/* How many to ask the shared bucket for now; 0: none. Tell what came of it with one of the next. */
uint32_t lease_want(struct lease *l, int64_t now_ns);
void lease_granted(struct lease *l, int64_t now_ns, uint32_t units);
/* REMAINING: what the bucket would have given. */
void lease_refused(struct lease *l, int64_t now_ns, uint64_t remaining, int64_t retry_after_ns);
#endif
