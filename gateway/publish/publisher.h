/* gateway/publish/publisher.h - streams of the market thread: who follows what, when it is
 * published.
 * Why: encoding is once per stream and tick; work per event with no subscriber is nearly nothing:
 * an event only marks its symbol dirty in the conflation classes that have streams on it.
 *
 *   market_apply -> publisher_event -> (class 0: publish now)  -> frames -> shard mailboxes
 *                                   -> dirty list of the class -> timer of the class ---^
 *
 * Owner: the market thread.
 * Invariant: frames of a stream reach a shard in order; a snapshot frame is valid right after the
 * frames posted before it. */
#ifndef GATEWAY_PUBLISH_PUBLISHER_H
#define GATEWAY_PUBLISH_PUBLISHER_H
#include <uv.h>
#include "gateway/market/market.h"
#include "gateway/publish/fanout.h"
#include "gateway/publish/link.h"
#include "gateway/runtime/mailbox.h"
#include "gateway/runtime/metrics.h"

struct publisher;

struct publisher_options {
    struct market *market;
    struct mailbox *inbox; /* from shards and REST */
    struct mailbox *const *shards;
    uint32_t shard_count;
    struct mailbox *rest;          /* answers go there */
    struct mailbox *gate;          /* LINK_GATED, number GATE_MARKET; NULL: nobody asks */
    uint64_t maintenance_after_ms; /* feed lost for all symbols for so long: status `maintenance` */
    struct fanout *fanout;
    void (*on_stop)(void *arg); /* LINK_STOP came in */
    /* Wants the trades of SYMBOL from FROM_ID on, as far as the ring does not hold them:
     * publisher_read_back() with TOKEN brings them. False: cannot be done now. */
    bool (*read_back)(void *arg, uint32_t symbol, uint64_t from_id, void *token);
    void *arg;
};

struct publisher *publisher_create(uv_loop_t *loop, const struct publisher_options *opt);
/* Closes timers and the inbox; the loop must run once more before publisher_destroy(). */
void publisher_close(struct publisher *p);
void publisher_destroy(struct publisher **pp);

/* After market_apply(). */
void publisher_event(struct publisher *p, uint32_t symbol, const struct apply_result *r);
/* Whether the entries of SYMBOL can be read has changed: those who follow it are told. */
void publisher_readable(struct publisher *p, uint32_t symbol);
/* After a batch of events: wakes the shards. */
void publisher_turn(struct publisher *p);
/* The trades asked for by read_back, oldest first; NULL when they could not be had. */
void publisher_read_back(struct publisher *p, void *token, const struct trade *trades,
                         uint32_t count);
/* The feed was lost or is back. */
void publisher_connected(struct publisher *p, bool connected);

extern const struct metric_table publisher_metrics;
#endif
