/* ratelimit/nonces.h - the nonces this gateway has let pass, in a bounded table.
 * Why: while Redis is away it is all there is to tell a replay by, and after Redis has lost its
 * data it still knows what passed here.
 * Owner: one loop. Pure: the clock is an argument.
 * Invariant: "new" is said only when nothing that could have been this nonce has been forgotten:
 * after an entry was evicted before its end, the answer is "unsure" until that end. */
#ifndef RATELIMIT_NONCES_H
#define RATELIMIT_NONCES_H
#include <stdbool.h>
#include <stdint.h>

struct nonces;

enum nonces_answer { NONCES_NEW, NONCES_KNOWN, NONCES_UNSURE };

struct nonces *nonces_create(uint32_t entries);
void nonces_destroy(struct nonces **np);
/* NAME: a siphash of key id and nonce. */
enum nonces_answer nonces_find(const struct nonces *n, uint64_t name, int64_t now_ns);
/* Keeps VALUE (a number for the caller) under NAME until UNTIL_NS at least; again: both are replaced. */
void nonces_put(struct nonces *n, uint64_t name, uint64_t value, int64_t now_ns, int64_t until_ns);
/* The value kept under NAME. */
bool nonces_value(const struct nonces *n, uint64_t name, int64_t now_ns, uint64_t *value);
#endif
