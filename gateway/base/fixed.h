/* gateway/base/fixed.h - prices and quantities as fixed-point integers.
 * Why: money is never a double. A price is a count of 10^-price_decimals, a quantity of
 * 10^-qty_decimals; one-field structs so that the compiler refuses to mix them.
 * Invariant: decimals 0..FIXED_MAX_DECIMALS; values fit in int64_t or the parser says so. */
#ifndef GATEWAY_BASE_FIXED_H
#define GATEWAY_BASE_FIXED_H
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/err.h"

#define FIXED_MAX_DECIMALS 18

struct px {
    int64_t ticks; /* 10^-price_decimals of the quote asset */
};
struct qty {
    int64_t lots; /* 10^-qty_decimals of the base asset */
};

extern const int64_t fixed_pow10[FIXED_MAX_DECIMALS + 1];

/* Parses "123.4500" strictly: optional '-', at least one digit, at most one point with a digit on
 * both sides, nothing else. Digits beyond DECIMALS must be zeros. GW_EINVAL: not a number;
 * GW_EPRECISION: too many decimals; GW_ERANGE: does not fit. */
GW_MUSTCHECK
enum gw_err fixed_parse(const char *s, size_t len, unsigned decimals, int64_t *out);
/* Strict unsigned decimal integer, no sign, no leading '+'. GW_EINVAL or GW_ERANGE. */
GW_MUSTCHECK
enum gw_err u64_parse(const char *s, size_t len, uint64_t *out);
/* "2026-11-20T23:51:47.201337Z" (RFC 3339, UTC, up to nine decimals) to nanoseconds since 1970. */
GW_MUSTCHECK
enum gw_err rfc3339_parse(const char *text, size_t len, int64_t *unix_ns);
#endif
