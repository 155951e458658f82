/* ratelimit/preauth.h - what an address may try before it has proven who it is.
 * Why: verifying a signature costs a core 0.1 ms; strangers must not have it for nothing. A failure
 * costs ten times an attempt that succeeds.
 * Owner: one loop. Pure: the clock is an argument.
 * Invariant: at most ENTRIES addresses are known, the least recently used one is forgotten; an IPv6
 * client is its /64, an IPv4-mapped one is its IPv4 address. */
#ifndef RATELIMIT_PREAUTH_H
#define RATELIMIT_PREAUTH_H
#include <stdbool.h>
#include <stdint.h>
#include "ratelimit/gcra.h"
#include "ratelimit/siphash.h"

#define PREAUTH_FAILURE_COST 10u
#define PREAUTH_NAME_MAX     64u

/* The network of IP, as it is counted: an IPv4 address, the /64 of an IPv6 one, all zero for neither. */
void preauth_network(const char *ip, unsigned char out[16]);

struct preauth;

struct preauth *preauth_create(const struct gcra_rate *rate, uint32_t entries,
                               const struct siphash_key *seed);
void preauth_destroy(struct preauth **pp);
void preauth_set_rate(struct preauth *p, const struct gcra_rate *rate);
/* One attempt from IP ("192.0.2.1", "2001:db8::1"; what is neither has one bucket for all). False:
 * not now, and the attempt must not be looked at. */
bool preauth_admit(struct preauth *p, const char *ip, int64_t now_ns, int64_t *retry_after_ns);
/* The same of the bucket of IP together with NAME, at most PREAUTH_NAME_MAX bytes of which count. */
bool preauth_admit_named(struct preauth *p, const char *ip, const char *name, int64_t now_ns,
                         int64_t *retry_after_ns);
/* The attempt has failed: it costs the rest. An address is never put off for longer than its bucket
 * takes to fill once and one failure. */
void preauth_failed(struct preauth *p, const char *ip, int64_t now_ns);
uint32_t preauth_count(const struct preauth *p);
#endif
