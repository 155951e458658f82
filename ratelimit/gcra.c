#include "ratelimit/gcra.h"

#include "gateway/base/err.h"

struct gcra_rate gcra_rate_per_s(uint64_t rate, uint64_t burst)
{
    struct gcra_rate r;

    GW_ASSERT(rate != 0 && rate <= 1000000000 && burst != 0 && burst <= 1000000000);
    r.emission_ns = (int64_t)(1000000000 / rate);
    r.tolerance_ns = r.emission_ns * (int64_t)(burst - 1);
    return r;
}

bool gcra_take(int64_t *tat_ns, const struct gcra_rate *rate, int64_t now_ns, uint32_t cost,
               int64_t *retry_after_ns)
{
    int64_t start = *tat_ns > now_ns ? *tat_ns : now_ns;
    int64_t take;
    int64_t tat;

    *retry_after_ns = 0;
    if (__builtin_mul_overflow(rate->emission_ns, (int64_t)cost, &take) ||
        take - rate->emission_ns > rate->tolerance_ns ||
        __builtin_add_overflow(start, take, &tat)) {
        *retry_after_ns = INT64_MAX;
        return false;
    }
    /* The last unit of COST may start `tolerance` ahead of now. */
    if (tat - rate->emission_ns - rate->tolerance_ns > now_ns) {
        *retry_after_ns = tat - rate->emission_ns - rate->tolerance_ns - now_ns;
        return false;
    }
    *tat_ns = tat;
    return true;
}

void gcra_give_back(int64_t *tat_ns, const struct gcra_rate *rate, int64_t since_ns, int64_t now_ns,
                    uint32_t cost)
{
    int64_t back = rate->emission_ns * (int64_t)cost;

    if (now_ns > since_ns) {
        back -= now_ns - since_ns;
    }
    if (back > 0) {
        *tat_ns -= back;
    }
}

uint64_t gcra_remaining(int64_t tat_ns, const struct gcra_rate *rate, int64_t now_ns)
{
    int64_t ahead = tat_ns > now_ns ? tat_ns - now_ns : 0;
    int64_t room = rate->tolerance_ns + rate->emission_ns - ahead;

    return room > 0 ? (uint64_t)(room / rate->emission_ns) : 0;
}
