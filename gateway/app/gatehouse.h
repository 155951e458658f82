/* gateway/app/gatehouse.h - the control state put to work: gate, audit chain and anchors, and what the
 * loops of this process are told of it. Wiring only.
 *
 *   gate -> struct gate_view -> market thread -> shards -> LINK_GATED -> gate
 *                            -> REST
 *        -> fan-out profile, keys of paused accounts
 *
 *   close: before the pool of PostgreSQL (gate), and after it (audit store, anchors)
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_GATEHOUSE_H
#define GATEWAY_APP_GATEHOUSE_H
#include "gateway/app/herald.h"
#include "gateway/gate/gate.h"
#include "gateway/publish/fanout.h"
#include "gateway/rest/rest.h"

struct gatehouse;

struct gatehouse_options {
    const struct gate_config *config;
    const struct fanout_config *fanout_config;
    const struct symbols *symbols;
    struct pg *pg;
    const char *dsn;
    const char *redis;
    struct metric_set *store_metrics;
    struct metric_set *redis_metrics;
    struct mailbox *market; /* LINK_GATE goes there */
    struct mailbox *inbox;  /* LINK_GATED comes back; opened here */
    struct rest *rest;
    struct fanout *fanout;
    const char *name; /* of this gateway */
    uint32_t shards;
};

/* Who else has a say. Until it is set, nothing is loosened. */
struct gatehouse_watch {
    bool (*may_loosen)(void *arg, const struct control_diff *diff, struct gate_problem *problem);
    void (*on_head)(void *arg); /* the chain has grown, whoever wrote it */
};

/* NULL: WHY says what is wrong and what to do next. Blocks: at start only. */
struct gatehouse *gatehouse_create(uv_loop_t *loop, const struct gatehouse_options *opt,
                                   struct buf *why);
struct gate *gatehouse_gate(struct gatehouse *h);
struct audit_store *gatehouse_audit(struct gatehouse *h);
struct audit_anchor *gatehouse_anchor(struct gatehouse *h);
struct herald *gatehouse_herald(struct gatehouse *h);
/* WATCH is borrowed for good. */
void gatehouse_watch(struct gatehouse *h, const struct gatehouse_watch *watch, void *arg);
/* The chain has grown by E, which somebody else than the gate has written. */
void gatehouse_entered(struct gatehouse *h, const struct audit_entry *e);
/* Before pg_close(). DONE when the gate's handles are closed. */
void gatehouse_close_gate(struct gatehouse *h, void (*done)(void *arg), void *arg);
/* After pg_close(). DONE may come twice: COUNT says how often. */
void gatehouse_close_audit(struct gatehouse *h, void (*done)(void *arg), void *arg);
void gatehouse_destroy(struct gatehouse **hp);
#endif
