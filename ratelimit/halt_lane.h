/* ratelimit/halt_lane.h - may the signature of a halt be verified now?
 * Why: a halt must not wait because others behind its address were refused or were many; and a
 * verification costs a core 0.1 ms, which a flood of "halts" must not have for nothing either.
 *
 *   halt -> bucket of its address, for halts alone -> verified, and told what is wrong with it
 *                 \-> empty: is its key known and good from there? -> bucket of (key, address)
 *                           -> bound of all together -> verified; unless good, as if it had not been
 *
 * Promised:
 * - Nothing but requests on routes of halts takes from these buckets.
 * - Bad halts of others, however many, do not keep a halt of a good key from being verified, as long
 *   as they do not name that very key from that very address (IPv6: /64) faster than RATE, and do not
 *   name known keys from addresses where these may be used faster than HALT_LANE_ALL_PER_S in all.
 * - An address has at most RATE of the first kind verified, a (key, address) as much of the second, and
 *   all together HALT_LANE_ALL_PER_S of the second: a tenth of a core.
 * - Who guesses key ids learns nothing: the second kind is answered like what is not verified, unless
 *   its signature is good.
 * Owner: one loop. Pure: the clock is an argument. */
#ifndef RATELIMIT_HALT_LANE_H
#define RATELIMIT_HALT_LANE_H
#include "ratelimit/preauth.h"

#define HALT_LANE_ALL_PER_S 1000u

struct halt_lane;

struct halt_lane *halt_lane_create(const struct gcra_rate *rate, uint32_t entries,
                                   const struct siphash_key *seed);
void halt_lane_destroy(struct halt_lane **lp);
void halt_lane_set_rate(struct halt_lane *l, const struct gcra_rate *rate);
/* The bucket of the address. False: only halt_lane_admit_key() may still let it in. */
bool halt_lane_admit(struct halt_lane *l, const char *ip, int64_t now_ns, int64_t *retry_after_ns);
/* KEYID is known, and good from IP. */
bool halt_lane_admit_key(struct halt_lane *l, const char *ip, const char *keyid, int64_t now_ns);
/* What halt_lane_admit() let in has failed. */
void halt_lane_failed(struct halt_lane *l, const char *ip, int64_t now_ns);
#endif
