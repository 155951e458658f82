#include "gateway/base/fixed.h"

const int64_t fixed_pow10[FIXED_MAX_DECIMALS + 1] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* value = value * 10 + digit; false when it no longer fits. */
static bool push_digit(int64_t *value, char c)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, c - '0', value);
}

enum gw_err fixed_parse(const char *s, size_t len, unsigned decimals, int64_t *out)
{
    const char *end = s + len;
    bool negative = len != 0 && *s == '-';
    int64_t value = 0;
    unsigned frac = 0;

    GW_ASSERT(decimals <= FIXED_MAX_DECIMALS);
    s += negative;
    if (s == end || !is_digit(*s)) {
        return GW_EINVAL;
    }
    for (; s < end && is_digit(*s); s++) {
        if (!push_digit(&value, *s)) {
            return GW_ERANGE;
        }
    }
    if (s < end) {
        if (*s++ != '.' || s == end) {
            return GW_EINVAL;
        }
        for (; s < end; s++) {
            if (!is_digit(*s)) {
                return GW_EINVAL;
            }
            if (frac == decimals) {
                if (*s != '0') {
                    return GW_EPRECISION;
                }
            } else if (!push_digit(&value, *s)) {
                return GW_ERANGE;
            } else {
                frac++;
            }
        }
    }
    if (__builtin_mul_overflow(value, fixed_pow10[decimals - frac], &value)) {
        return GW_ERANGE;
    }
    *out = negative ? -value : value;
    return GW_OK;
}

enum gw_err u64_parse(const char *s, size_t len, uint64_t *out)
{
    uint64_t value = 0;

    if (len == 0) {
        return GW_EINVAL;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(s[i])) {
            return GW_EINVAL;
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s[i] - '0'), &value)) {
            return GW_ERANGE;
        }
    }
    *out = value;
    return GW_OK;
}
