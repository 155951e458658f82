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

/* The N digits at *AT, moved on; -1 when they are not digits. */
static int64_t digits(const char **at, const char *end, unsigned n)
{
    int64_t value = 0;

    for (unsigned i = 0; i < n; i++, (*at)++) {
        if (*at >= end || **at < '0' || **at > '9') {
            return -1;
        }
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool skip(const char **at, const char *end, char c)
{
    return *at < end && *(*at)++ == c;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t year = y - (m <= 2);
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

enum gw_err rfc3339_parse(const char *text, size_t len, int64_t *unix_ns)
{
    static const char marks[] = "--T::";
    static const unsigned widths[] = {4, 2, 2, 2, 2, 2};
    static const int64_t most[] = {2200, 12, 31, 23, 59, 59};
    static const int64_t least[] = {1970, 1, 1, 0, 0, 0};
    const char *at = text;
    const char *end = text + len;
    int64_t v[6];
    int64_t ns = 0;
    unsigned decimals = 0;

    for (unsigned i = 0; i < 6; i++) {
        v[i] = digits(&at, end, widths[i]);
        if (v[i] < least[i] || v[i] > most[i] || (i < 5 && !skip(&at, end, marks[i]))) {
            return GW_EINVAL;
        }
    }
    if (at < end && *at == '.') {
        at++;
        while (decimals < 9 && at < end && *at >= '0' && *at <= '9') {
            ns = ns * 10 + (*at++ - '0');
            decimals++;
        }
        if (decimals == 0) {
            return GW_EINVAL;
        }
    }
    for (; decimals < 9; decimals++) {
        ns *= 10;
    }
    if (!skip(&at, end, 'Z') || at != end) {
        return GW_EINVAL;
    }
    *unix_ns =
        (((days_of(v[0], v[1], v[2]) * 24 + v[3]) * 60 + v[4]) * 60 + v[5]) * 1000000000 + ns;
    return GW_OK;
}
