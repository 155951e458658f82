/* ws/follow.h - how many subscriptions each symbol has, and which connections they are of, over all
 * shards.
 * Why: before a symbol is halted an operator is told how many will feel it, without asking anybody. A
 * connection that follows several of the symbols is one client: so each connection has a seat of its
 * shard, and each symbol the bits of the seats that follow it, in pages made when first needed.
 * Owner: process-wide; atomics, touched per subscribe and unsubscribe, never on the data path. Seats and
 * bits of a shard are written by its thread alone, read by any.
 * Invariant: every +1 of a subscription meets its -1; a seat that is free has no bit. */
#ifndef WS_FOLLOW_H
#define WS_FOLLOW_H
#include <stdbool.h>
#include <stdint.h>

#define FOLLOW_GONE     UINT32_MAX        /* has no seat any more, or not yet */
#define FOLLOW_STANDING (UINT32_MAX - 1u) /* connected, but all seats were taken */

struct follow;

/* SEATS: of each shard. */
struct follow *follow_create(uint32_t symbols, uint32_t shards, uint32_t seats);
void follow_destroy(struct follow **fp);
/* SYMBOL_NONE: a subscription to `instrument`. STEP: 1 or -1. */
void follow_count(struct follow *f, uint32_t symbol, int step);
/* Of SYMBOL; SYMBOL_NONE: of all together. Any thread. */
uint64_t follow_of(const struct follow *f, uint32_t symbol);

/* A connection of SHARD: its seat. */
uint32_t follow_join(struct follow *f, uint32_t shard);
/* It is gone; none of its bits is set any more. *SEAT becomes FOLLOW_GONE. */
void follow_leave(struct follow *f, uint32_t shard, uint32_t *seat);
/* The connection on SEAT follows SYMBOL (not SYMBOL_NONE), or none of its subscriptions does any more. */
void follow_mark(struct follow *f, uint32_t shard, uint32_t seat, uint32_t symbol, bool follows);
/* Open connections: of those symbols whose FELT is set (by number), NULL: all of them. Any thread; bounded:
 * false: it cannot be told, since a connection has no seat or there is too much to look at. */
bool follow_clients(const struct follow *f, const bool *felt, uint64_t *out);
#endif
