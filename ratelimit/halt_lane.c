#include "ratelimit/halt_lane.h"

#include <stdlib.h>
#include "gateway/base/err.h"

struct halt_lane {
    struct preauth *addresses;
    struct preauth *keys;
    struct gcra_rate all_rate;
    int64_t all_tat_ns;
};

struct halt_lane *halt_lane_create(const struct gcra_rate *rate, uint32_t entries,
                                   const struct siphash_key *seed)
{
    struct halt_lane *l = gw_calloc(1, sizeof *l);

    l->addresses = preauth_create(rate, entries, seed);
    l->keys = preauth_create(rate, entries, seed);
    l->all_rate = gcra_rate_per_s(HALT_LANE_ALL_PER_S, HALT_LANE_ALL_PER_S);
    return l;
}

void halt_lane_destroy(struct halt_lane **lp)
{
    struct halt_lane *l = *lp;

    *lp = NULL;
    preauth_destroy(&l->addresses);
    preauth_destroy(&l->keys);
    free(l);
}

void halt_lane_set_rate(struct halt_lane *l, const struct gcra_rate *rate)
{
    preauth_set_rate(l->addresses, rate);
    preauth_set_rate(l->keys, rate);
}

bool halt_lane_admit(struct halt_lane *l, const char *ip, int64_t now_ns, int64_t *retry_after_ns)
{
    return preauth_admit(l->addresses, ip, now_ns, retry_after_ns);
}

bool halt_lane_admit_key(struct halt_lane *l, const char *ip, const char *keyid, int64_t now_ns)
{
    int64_t retry_ns;

    return preauth_admit_named(l->keys, ip, keyid, now_ns, &retry_ns) &&
           gcra_take(&l->all_tat_ns, &l->all_rate, now_ns, 1, &retry_ns);
}

void halt_lane_failed(struct halt_lane *l, const char *ip, int64_t now_ns)
{
    preauth_failed(l->addresses, ip, now_ns);
}
