/* ratelimit/limits_lease.c - leases fetched by limits_take(). */
#include <stdlib.h>
#include <string.h>
#include "gateway/runtime/clock.h"
#include "ratelimit/limits_priv.h"

#define LEASE_LIFE_NS ((int64_t)2000000000)

struct limits_lease {
    struct limits *limits;
    struct lease core;
    enum limits_class class;
    char id[LIMITS_ID_MAX + 1];
    uint32_t asked;
    struct limits_wait *wait; /* NULL: nothing is on its way */
    void (*cb)(void *arg);    /* NULL: nobody listens */
    void *arg;
};

struct limits_lease *limits_lease_create(struct limits *l, enum limits_class class, const char *id,
                                         uint32_t size)
{
    struct limits_lease *lease = gw_calloc(1, sizeof *lease);

    GW_ASSERT(strlen(id) <= LIMITS_ID_MAX);
    lease->limits = l;
    lease->class = class;
    memcpy(lease->id, id, strlen(id) + 1);
    lease_init(&lease->core, size, LEASE_LIFE_NS);
    return lease;
}

void limits_lease_destroy(struct limits_lease **lp)
{
    struct limits_lease *lease = *lp;

    *lp = NULL;
    if (lease->wait != NULL) {
        limits_cancel(lease->wait);
    }
    free(lease);
}

static void on_answer(void *arg, const struct limits_answer *answer)
{
    struct limits_lease *lease = arg;
    const struct limits_left *left = &answer->left[0];
    uint64_t most = lease->limits->rates[lease->class].local_burst;
    uint32_t units = lease->asked;

    lease->wait = NULL;
    if (answer->verdict != LIMITS_TAKEN) {
        lease_refused(&lease->core, clock_mono_ns(), left->remaining, left->retry_after_ns);
        return;
    }
    if (answer->local && units > most) { /* a cost above a part of the burst is let off */
        units = (uint32_t)most;
    }
    lease_granted(&lease->core, clock_mono_ns(), units);
}

static void on_late_answer(void *arg, const struct limits_answer *answer)
{
    struct limits_lease *lease = arg;

    on_answer(lease, answer);
    if (lease->cb != NULL) {
        lease->cb(lease->arg);
    }
}

void limits_lease_on_answer(struct limits_lease *lease, void (*cb)(void *arg), void *arg)
{
    lease->cb = cb;
    lease->arg = arg;
}

bool limits_lease_asked(const struct limits_lease *lease)
{
    return lease->wait != NULL;
}

/* True when the answer is there already. */
static bool fetch(struct limits_lease *lease, int64_t now_ns)
{
    struct limits_ask ask = {.count = 1};
    struct limits_answer answer;

    if (lease->wait != NULL) {
        return false;
    }
    lease->asked = lease_want(&lease->core, now_ns);
    if (lease->asked == 0) {
        return false;
    }
    ask.units[0] = (struct limits_unit){lease->class, lease->id, lease->asked};
    lease->wait = limits_take(lease->limits, &ask, &answer, on_late_answer, lease);
    if (lease->wait == NULL) {
        on_answer(lease, &answer);
    }
    return lease->wait == NULL;
}

bool limits_lease_spend(struct limits_lease *lease, uint32_t cost, int64_t *retry_after_ns)
{
    int64_t now = clock_mono_ns();
    bool spent = lease_spend(&lease->core, now, cost, retry_after_ns);

    if (fetch(lease, now) && !spent) {
        spent = lease_spend(&lease->core, now, cost, retry_after_ns);
    }
    return spent;
}
