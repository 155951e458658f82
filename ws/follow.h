/* ws/follow.h - how many subscriptions each symbol has, over all shards.
 * Why: before a symbol is halted an operator is told how many will feel it, without asking anybody.
 * Owner: process-wide; atomic counters, touched per subscribe and unsubscribe, never on the data path.
 * Invariant: every +1 of a subscription meets its -1. */
#ifndef WS_FOLLOW_H
#define WS_FOLLOW_H
#include <stdint.h>

struct follow;

struct follow *follow_create(uint32_t symbols);
void follow_destroy(struct follow **fp);
/* SYMBOL_NONE: a subscription to `instrument`. STEP: 1 or -1. */
void follow_count(struct follow *f, uint32_t symbol, int step);
/* Of SYMBOL; SYMBOL_NONE: of all together. Any thread. */
uint64_t follow_of(const struct follow *f, uint32_t symbol);
#endif
