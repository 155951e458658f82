#include "ratelimit/lease.h"

#include "gateway/base/err.h"

#define SECOND_NS ((int64_t)1000000000)

void lease_init(struct lease *l, uint32_t size, int64_t life_ns)
{
    GW_ASSERT(size != 0 && life_ns > 0);
    *l = (struct lease){.size = size, .life_ns = life_ns, .next = size, .retry_ns = INT64_MIN};
}

bool lease_spend(struct lease *l, int64_t now_ns, uint32_t cost, int64_t *retry_after_ns)
{
    *retry_after_ns = 0;
    if (now_ns >= l->ends_ns) {
        l->left = 0;
    }
    if (cost <= l->left) {
        l->left -= cost;
        return true;
    }
    l->hungry = cost <= l->size;
    if (!l->hungry) {
        *retry_after_ns = INT64_MAX;
    } else if (!l->asked && l->retry_ns > now_ns) {
        *retry_after_ns = l->retry_ns - now_ns;
    }
    return false;
}

uint32_t lease_want(struct lease *l, int64_t now_ns)
{
    uint32_t left = now_ns < l->ends_ns ? l->left : 0;

    if (l->asked || now_ns < l->retry_ns || (left > l->size / 4 && !l->hungry)) {
        return 0;
    }
    l->asked = true;
    return l->next;
}

void lease_granted(struct lease *l, int64_t now_ns, uint32_t units)
{
    GW_ASSERT(l->asked);
    l->asked = false;
    l->hungry = false;
    l->left = (now_ns < l->ends_ns ? l->left : 0) + units;
    l->ends_ns = now_ns + l->life_ns;
    l->next = l->size;
}

void lease_refused(struct lease *l, int64_t now_ns, uint64_t remaining, int64_t retry_after_ns)
{
    GW_ASSERT(l->asked);
    l->asked = false;
    if (remaining != 0) {
        l->next = remaining < l->size ? (uint32_t)remaining : l->size;
        l->retry_ns = now_ns;
        return;
    }
    l->next = 1;
    l->retry_ns = now_ns + (retry_after_ns < SECOND_NS ? retry_after_ns : SECOND_NS);
}
