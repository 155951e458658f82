#include "gateway/base/decimal.h"

#include <string.h>

static size_t digits(const char *s, size_t len)
{
    size_t n = 0;

    while (n < len && s[n] >= '0' && s[n] <= '9') {
        n++;
    }
    return n;
}

bool decimal_valid(const char *s, size_t len)
{
    size_t n;

    if (len > 0 && s[0] == '-') {
        s++;
        len--;
    }
    n = digits(s, len);
    if (n == 0 || n > DECIMAL_DIGITS_MAX) {
        return false;
    }
    if (n == len) {
        return true;
    }
    if (s[n] != '.') {
        return false;
    }
    s += n + 1;
    len -= n + 1;
    n = digits(s, len);
    return n == len && n > 0 && n <= DECIMAL_DIGITS_MAX;
}

struct parts {
    bool negative;
    const char *whole; /* without leading zeros */
    size_t whole_len;
    const char *rest; /* without trailing zeros */
    size_t rest_len;
};

static struct parts split(const char *s)
{
    struct parts p = {.negative = s[0] == '-'};

    s += p.negative;
    s += strspn(s, "0");
    p.whole = s;
    p.whole_len = strspn(s, "0123456789");
    s += p.whole_len;
    p.rest = *s == '.' ? s + 1 : s;
    p.rest_len = strlen(p.rest);
    while (p.rest_len > 0 && p.rest[p.rest_len - 1] == '0') {
        p.rest_len--;
    }
    p.negative = p.negative && (p.whole_len != 0 || p.rest_len != 0);
    return p;
}

static int magnitude(const struct parts *a, const struct parts *b)
{
    size_t shared = a->rest_len < b->rest_len ? a->rest_len : b->rest_len;
    int order;

    if (a->whole_len != b->whole_len) {
        return a->whole_len < b->whole_len ? -1 : 1;
    }
    order = memcmp(a->whole, b->whole, a->whole_len);
    if (order == 0) {
        order = memcmp(a->rest, b->rest, shared);
    }
    if (order == 0) {
        order = (a->rest_len > b->rest_len) - (a->rest_len < b->rest_len);
    }
    return order;
}

int decimal_compare(const char *a, const char *b)
{
    struct parts x = split(a);
    struct parts y = split(b);

    if (x.negative != y.negative) {
        return x.negative ? -1 : 1;
    }
    return x.negative ? magnitude(&y, &x) : magnitude(&x, &y);
}
