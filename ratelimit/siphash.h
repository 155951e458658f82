/* ratelimit/siphash.h - SipHash-2-4: a 64-bit name for a text that nobody outside can predict.
 * Why: tables keyed by what clients send must not be floodable with chosen collisions, and a fixed
 * width keeps their entries small.
 * Owner: none.
 * Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF" (2012). */
#ifndef RATELIMIT_SIPHASH_H
#define RATELIMIT_SIPHASH_H
#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k[2];
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);
#endif
