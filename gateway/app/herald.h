/* gateway/app/herald.h - who hears of changes: the exchange core, and those who watch
 * GET /v1/admin/events. Wiring only.
 *
 *   change in force -> core_announce(); event `state` (no id)
 *   chain has grown -> entries read from it -> event `audit` (id: its number), whoever wrote them
 *   the core spoke  -> events `command`, `observed` (no id)
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_HERALD_H
#define GATEWAY_APP_HERALD_H
#include "gateway/audit/store.h"
#include "gateway/core/core.h"
#include "gateway/gate/gate.h"
#include "gateway/http/sse.h"

struct herald;

struct herald_options {
    const char *redis;
    const char *name; /* of this gateway, for the core */
    struct audit_store *audit;
    struct metric_set *redis_metrics;
};

struct herald *herald_create(uv_loop_t *loop, const struct herald_options *opt);
/* The gate exists now: what it holds is announced. */
void herald_start(struct herald *h, struct gate *gate);
void herald_state(struct herald *h, const struct control *now);
void herald_change(struct herald *h, const struct control_diff *diff, uint64_t audit,
                   const char *id);
/* The chain reaches to SEQ. */
void herald_head(struct herald *h, uint64_t seq);
struct core *herald_core(struct herald *h);
struct sse *herald_events(struct herald *h);
/* Before the audit store closes. */
void herald_close(struct herald *h, void (*done)(void *arg), void *arg);
void herald_destroy(struct herald **hp);
#endif
