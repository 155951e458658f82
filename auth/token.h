/* auth/token.h - WebSocket tokens: opaque, short-lived, good for one connection.
 * Why: a browser or a library cannot sign a WebSocket upgrade; it obtains a token over signed REST
 * and names it on the socket. Redis holds only the hash of a token, so that reading Redis opens no
 * session; taking a token deletes it, so that it opens one.
 * Owner: the loop it was created on; each loop has its own.
 * Invariant: of all who take a token, on any replica, at most one gets its grant. */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/err.h"
#include "gateway/runtime/metrics.h"

#define TOKEN_TEXT_SIZE  44u /* 32 random bytes in base64url, with NUL */
#define TOKEN_HASH_BYTES 32u
#define TOKEN_KEYID_SIZE 65u

/* What the token's key may do; lives on with the session. */
struct token_grant {
    char keyid[TOKEN_KEYID_SIZE];
    uint64_t scopes;
};

struct tokens;
struct token_wait;

/* ENDPOINT as in store/redis.h; tokens live TTL_S seconds. */
struct tokens *tokens_create(uv_loop_t *loop, const char *endpoint, uint32_t ttl_s,
                             struct metric_set *redis_metrics_set);
/* Who waits is answered first. DONE when its handles are closed. */
void tokens_close(struct tokens *t, void (*done)(void *arg), void *arg);
void tokens_destroy(struct tokens **tp);

/* TOKEN is NULL when it could not be kept. CB comes once, later. False, and no callback: Redis is
 * away. */
typedef void token_issued_fn(void *arg, const char *token);
bool tokens_issue(struct tokens *t, const struct token_grant *grant, token_issued_fn *cb,
                  void *arg);
/* GW_OK with GRANT; GW_ENOTFOUND: no such token, used, or too old; GW_ESTORE: Redis did not answer.
 */
typedef void token_taken_fn(void *arg, enum gw_err err, const struct token_grant *grant);
/* CB comes once, later. NULL, and no callback: Redis is away. */
struct token_wait *tokens_take(struct tokens *t, const char *token, token_taken_fn *cb, void *arg);
/* The asker has gone: no callback. The token is used up all the same. */
void token_wait_cancel(struct token_wait *w);
/* Could TEXT be a token at all? */
bool token_plausible(const char *text, size_t len);
/* The name under which a token is remembered. */
void token_hash(const char *token, uint8_t hash[TOKEN_HASH_BYTES]);
#endif
