/* ws/cause.h - why a connection was closed, kept for the next one of the same client.
 * Why: a socket that is full cannot carry the reason. It is kept in Redis under the name of the
 * connection, so that whichever replica the client comes back to can tell it (`last_close`).
 * Owner: one shard loop, each with a connection of its own.
 * Invariant: best effort: no answer is ever waited for longer than the deadline, and nothing but
 * the telling depends on it. */
#ifndef WS_CAUSE_H
#define WS_CAUSE_H
#include <uv.h>
#include "gateway/runtime/metrics.h"

struct causes;
struct cause_ask;

struct cause {
    uint16_t code;      /* of the close */
    const char *reason; /* [A-Z_] */
    int64_t lag_ms;
    uint64_t queued_bytes;
    int64_t at_ns; /* wall clock */
};

/* ENDPOINT as in store/redis.h; causes live TTL_S seconds. */
struct causes *causes_create(uv_loop_t *loop, const char *endpoint, uint32_t ttl_s,
                             struct metric_set *redis_metrics_set);
/* DONE when its handles are closed; asks are answered first, with NULL. */
void causes_close(struct causes *c, void (*done)(void *arg), void *arg);
void causes_destroy(struct causes **cp);

/* SESSION: "c-" and hexadecimal digits. */
void causes_keep(struct causes *c, const char *session, const struct cause *cause);
/* JSON object of the cause kept for SESSION, NULL for none; borrowed. */
typedef void cause_fn(void *arg, const char *json);
/* CB comes once, later. NULL, and no callback: cannot be had now. */
struct cause_ask *causes_find(struct causes *c, const char *session, cause_fn *cb, void *arg);
/* The asker has gone: no callback. */
void cause_ask_cancel(struct cause_ask *ask);
#endif
