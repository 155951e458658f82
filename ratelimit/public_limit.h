/* ratelimit/public_limit.h - the class LIMITS_PUBLIC: calls that nobody signs, by address.
 * Why: such calls are many and cheap, so that a trip to Redis would cost more than most of them. Each
 * gateway admits the whole rate by itself.
 * Owner: one loop. The clock is an argument.
 * Invariant: an IPv6 client is its /64, an IPv4-mapped one its IPv4 address; of more addresses than
 * limits.bucket_entries the least recently seen is forgotten. */
#ifndef RATELIMIT_PUBLIC_LIMIT_H
#define RATELIMIT_PUBLIC_LIMIT_H
#include "ratelimit/limits.h"

struct public_limit;

/* CONFIG is borrowed for the call alone. */
struct public_limit *public_limit_create(const struct limits_config *config);
void public_limit_destroy(struct public_limit **lp);
/* Live keys have changed. */
void public_limit_configure(struct public_limit *l, const struct limits_config *config);
/* A call of COST units (at most the burst counts) from IP. ROW is for headers.h either way. False: not
 * now, but after *RETRY_AFTER_NS. */
bool public_limit_take(struct public_limit *l, const char *ip, uint32_t cost, int64_t now_ns,
                       struct headers_row *row, int64_t *retry_after_ns);
#endif
