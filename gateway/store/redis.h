/* gateway/store/redis.h - one asynchronous Redis connection that looks after itself: the glue to
 * hiredis.
 * Why: hiredis 0.14 has no timeouts and no reconnect. Here each command has a deadline, a
 * connection that misses one is dropped, all its callers hear of it, and it is made anew with
 * full-jitter backoff.
 * Owner: the loop it was created on.
 * Invariant: each accepted command's callback runs exactly once; `up` means Redis has answered on
 * this connection (a connect alone proves nothing: the kernel accepts for a stopped process). */
#ifndef GATEWAY_STORE_REDIS_H
#define GATEWAY_STORE_REDIS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/err.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/circuit.h"

struct redis;
struct redis_reply; /* borrowed for the callback */

enum redis_kind { REDIS_STRING, REDIS_INTEGER, REDIS_LIST, REDIS_NIL, REDIS_FAULT };

struct redis_options {
    const char *endpoint; /* "unix:/path" or "host:port" */
    const char *name;     /* for logs */
    uint32_t timeout_ms;  /* of connecting, and of commands that give none */
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    struct metric_set *metrics; /* of redis_metrics */
    enum circuit_name circuit;  /* as which people see it; CIRCUIT_NONE: they do not */
};
extern const struct metric_table redis_metrics;

/* REPLY is NULL when the connection was lost before an answer. */
typedef void redis_reply_fn(void *arg, const struct redis_reply *reply);

struct redis *redis_create(uv_loop_t *loop, const struct redis_options *opt,
                           void (*on_state)(void *arg, bool up), void *arg);
/* Drops the connection: callers hear NULL, on_state is not called any more. DONE when its handles
 * are closed. */
void redis_close(struct redis *r, void (*done)(void *arg), void *arg);
void redis_destroy(struct redis **rp);
bool redis_up(const struct redis *r);
/* Commands not yet answered. */
uint32_t redis_pending(const struct redis *r);

/* TIMEOUT_MS 0: the connection's own. CB may be NULL. False, and no callback, when not up or too
 * many wait. */
bool redis_command(struct redis *r, int argc, const char **argv, const size_t *lens,
                   uint32_t timeout_ms, redis_reply_fn *cb, void *arg);

enum redis_kind redis_kind(const struct redis_reply *reply);
/* Text of a string or fault; NUL-terminated. */
const char *redis_text(const struct redis_reply *reply, size_t *len);
/* Of an integer reply. */
int64_t redis_integer(const struct redis_reply *reply);
size_t redis_count(const struct redis_reply *reply);
const struct redis_reply *redis_item(const struct redis_reply *reply, size_t i);
#endif
