/* gateway/app/market_thread.h - the thread that owns the market: feed in, frames out. Wiring only.
 * Owner: created and joined by the main thread. */
#ifndef GATEWAY_APP_MARKET_THREAD_H
#define GATEWAY_APP_MARKET_THREAD_H
#include "gateway/feed/feed.h"
#include "gateway/runtime/mailbox.h"

struct market_thread;

struct market_thread_options {
    const struct feed_config *feed;
    const struct symbols *symbols;
    struct mailbox *inbox;
    struct mailbox *const *shards;
    uint32_t shard_count;
    struct mailbox *rest;
    struct mailbox *gate; /* confirmations of what is halted */
    struct fanout *fanout;
};

struct market_thread *market_thread_start(const struct market_thread_options *opt);
/* Stores what must survive, then ends. Any thread. */
void market_thread_stop(struct market_thread *t);
void market_thread_join(struct market_thread **tp);
#endif
