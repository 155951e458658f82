/* ws/key_rate.h - how many messages the sessions of one key may send, on all shards and gateways.
 * Why: the limits of a session multiply with the connections a key may open. The shared bucket is in
 * Redis, and a trip for each message would be too much: a shard holds a lease of units for each key
 * that it serves. A session whose message finds none left waits for the next lease, with its own
 * messages only; market data goes on meanwhile.
 * Owner: one shard loop.
 * Invariant: nothing passes that no lease has paid for; who waits is woken once, within the deadline
 * of struct limits, or leaves before. */
#ifndef WS_KEY_RATE_H
#define WS_KEY_RATE_H
#include "ratelimit/limits.h"

#define KEY_RATE_LEASE 25u

struct key_rates;
struct key_rate;

/* One session of a key. */
struct key_member {
    struct key_rate *rate; /* NULL: not joined */
    struct key_member *prev;
    struct key_member *next;
    struct key_member **list; /* that it waits in; NULL: it does not */
};

enum key_rate_verdict { KEY_RATE_TAKEN, KEY_RATE_WAIT, KEY_RATE_REFUSED };

/* LIMITS (borrowed) outlives it. WOKEN: units may have come for M, which does not wait any more; it
 * may ask again, or leave. */
struct key_rates *key_rates_create(struct limits *limits, void (*woken)(struct key_member *m));
/* Nobody may be left in it. */
void key_rates_destroy(struct key_rates **rp);
void key_rate_join(struct key_rates *r, const char *keyid, struct key_member *m);
void key_rate_leave(struct key_member *m);
/* One message. REFUSED: the key has sent too many. */
enum key_rate_verdict key_rate_take(struct key_member *m);
#endif
