#include "ratelimit/public_limit.h"

#include <stdlib.h>
#include <sys/random.h>
#include "gateway/base/err.h"
#include "ratelimit/limits_priv.h"
#include "ratelimit/preauth.h"

struct public_limit {
    struct gcra_rate rate;
    uint64_t burst;
    struct buckets *buckets;
    struct siphash_key seed;
    struct metric_set *metrics;
};

void public_limit_configure(struct public_limit *l, const struct limits_config *config)
{
    l->burst = config->public_burst;
    l->rate = limits_rate_per_minute(config->public_per_minute, config->public_burst);
}

struct public_limit *public_limit_create(const struct limits_config *config)
{
    struct public_limit *l = gw_calloc(1, sizeof *l);

    GW_ASSERT(getrandom(&l->seed, sizeof l->seed, 0) == (ssize_t)sizeof l->seed);
    l->metrics = metrics_create(&limits_metrics);
    l->buckets = buckets_create((uint32_t)config->bucket_entries);
    public_limit_configure(l, config);
    return l;
}

void public_limit_destroy(struct public_limit **lp)
{
    struct public_limit *l = *lp;

    *lp = NULL;
    buckets_destroy(&l->buckets);
    free(l);
}

bool public_limit_take(struct public_limit *l, const char *ip, uint32_t cost, int64_t now_ns,
                       struct headers_row *row, int64_t *retry_after_ns)
{
    unsigned char network[16];
    uint32_t units = cost < l->burst ? cost : (uint32_t)l->burst;
    int64_t most_ns = now_ns + l->rate.tolerance_ns + l->rate.emission_ns;
    int64_t *tat_ns;
    bool taken;

    preauth_network(ip, network);
    tat_ns = buckets_tat_ns(l->buckets, siphash(&l->seed, network, sizeof network));
    if (*tat_ns > most_ns) { /* of a rate that was lower: it is forgiven */
        *tat_ns = most_ns;
    }
    taken = gcra_take(tat_ns, &l->rate, now_ns, units, retry_after_ns);
    metrics_add(l->metrics, taken ? LIMITS_M_TAKEN : LIMITS_M_DROP, LIMITS_PUBLIC,
                taken ? units : 1);
    *row = (struct headers_row){
        .name = limits_classes[LIMITS_PUBLIC].name,
        .quota = l->burst,
        .window_ns = l->rate.tolerance_ns + l->rate.emission_ns,
        .remaining = gcra_remaining(*tat_ns, &l->rate, now_ns),
        .reset_ns = !taken             ? *retry_after_ns
                    : *tat_ns > now_ns ? *tat_ns - now_ns
                                       : 0,
    };
    return taken;
}
