/* ws/ip_limit.h - connections per address (or per key: a name of at most 64 characters): how many sessions at once, how many attempts per ten
 * minutes.
 * Why: shards share one port, so the count must be theirs together to be exact. Owner:
 * process-wide, behind a mutex: taken once per connect and once per close, never on the data path.
 * Invariant: each opened session is released once. */
#ifndef WS_IP_LIMIT_H
#define WS_IP_LIMIT_H
#include <stdbool.h>
#include <stdint.h>

struct ip_limit;

/* 0 switches the respective limit off. */
struct ip_limit *ip_limit_create(uint32_t max_open, uint32_t max_per_10min);
void ip_limit_destroy(struct ip_limit **lp);
/* A connection attempt, before TLS: counts against the ten minutes. */
bool ip_limit_attempt(struct ip_limit *l, const char *ip, int64_t now_ns);
/* A session that opens; pair with ip_limit_release() when it was accepted. */
bool ip_limit_open(struct ip_limit *l, const char *ip);
void ip_limit_release(struct ip_limit *l, const char *ip);
/* Sessions it has open. */
uint32_t ip_limit_count(struct ip_limit *l, const char *ip);
/* Forgets addresses without connections whose ten minutes are over; call now and then. */
void ip_limit_sweep(struct ip_limit *l, int64_t now_ns);
#endif
