#include "auth/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include "gateway/base/fixed.h"
#include "gateway/store/redis.h"

#define ASK_MS      200u
#define KEY_PREFIX  "ws:token:"
#define KEY_SIZE    (sizeof KEY_PREFIX + 2 * TOKEN_HASH_BYTES)
#define RANDOM_SIZE 32u

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct tokens {
    struct redis *redis;
    char ttl[16];
};

struct issue_wait {
    token_issued_fn *cb;
    void *arg;
    char token[TOKEN_TEXT_SIZE];
};

struct token_wait {
    token_taken_fn *cb; /* NULL: cancelled */
    void *arg;
};

static void on_state(void *arg, bool up)
{
    (void)arg;
    (void)up;
}

struct tokens *tokens_create(uv_loop_t *loop, const char *endpoint, uint32_t ttl_s,
                             struct metric_set *redis_metrics_set)
{
    struct tokens *t = gw_calloc(1, sizeof *t);
    struct redis_options opt = {
        .endpoint = endpoint,
        .name = "tokens",
        .circuit = CIRCUIT_TOKENS,
        .timeout_ms = 1000,
        .backoff_min_ms = 100,
        .backoff_max_ms = 2000,
        .metrics = redis_metrics_set,
    };

    (void)snprintf(t->ttl, sizeof t->ttl, "%u", ttl_s);
    t->redis = redis_create(loop, &opt, on_state, t);
    return t;
}

void tokens_close(struct tokens *t, void (*done)(void *arg), void *arg)
{
    redis_close(t->redis, done, arg);
}

void tokens_destroy(struct tokens **tp)
{
    struct tokens *t = *tp;

    *tp = NULL;
    redis_destroy(&t->redis);
    free(t);
}

bool token_plausible(const char *text, size_t len)
{
    return len == TOKEN_TEXT_SIZE - 1 && strspn(text, letters) == len;
}

void token_hash(const char *token, uint8_t hash[TOKEN_HASH_BYTES])
{
    (void)SHA256((const unsigned char *)token, strlen(token), hash);
}

static void key_of(const char *token, char key[KEY_SIZE])
{
    uint8_t hash[TOKEN_HASH_BYTES];
    char *to = key + sizeof KEY_PREFIX - 1;

    token_hash(token, hash);
    memcpy(key, KEY_PREFIX, sizeof KEY_PREFIX - 1);
    for (unsigned i = 0; i < TOKEN_HASH_BYTES; i++) {
        to += snprintf(to, 3, "%02x", hash[i]);
    }
}

/* 256 bits, six at a time. */
static bool make_token(char token[TOKEN_TEXT_SIZE])
{
    uint8_t raw[RANDOM_SIZE + 1] = {0};
    bool ok = getrandom(raw, RANDOM_SIZE, 0) == (ssize_t)RANDOM_SIZE;

    for (unsigned i = 0; i < TOKEN_TEXT_SIZE - 1; i++) {
        unsigned bit = i * 6;
        unsigned pair = (unsigned)raw[bit / 8] << 8 | raw[bit / 8 + 1];

        token[i] = letters[pair >> (10 - bit % 8) & 63];
    }
    token[TOKEN_TEXT_SIZE - 1] = '\0';
    OPENSSL_cleanse(raw, sizeof raw);
    return ok;
}

static void on_issued(void *arg, const struct redis_reply *reply)
{
    struct issue_wait *w = arg;

    w->cb(w->arg, reply != NULL && redis_kind(reply) == REDIS_STRING ? w->token : NULL);
    OPENSSL_cleanse(w, sizeof *w);
    free(w);
}

bool tokens_issue(struct tokens *t, const struct token_grant *grant, token_issued_fn *cb, void *arg)
{
    struct issue_wait *w = gw_calloc(1, sizeof *w);
    char key[KEY_SIZE];
    char value[TOKEN_KEYID_SIZE + 24];
    const char *argv[] = {"SET", key, value, "EX", t->ttl, "NX"};

    w->cb = cb;
    w->arg = arg;
    if (make_token(w->token)) {
        key_of(w->token, key);
        (void)snprintf(value, sizeof value, "%" PRIu64 " %s", grant->scopes, grant->keyid);
        if (redis_command(t->redis, (int)GW_LEN(argv), argv, NULL, ASK_MS, on_issued, w)) {
            return true;
        }
    }
    OPENSSL_cleanse(w, sizeof *w);
    free(w);
    return false;
}

/* "SCOPES KEYID" */
static bool read_grant(const char *text, size_t len, struct token_grant *grant)
{
    const char *space = memchr(text, ' ', len);
    size_t left;

    if (space == NULL || u64_parse(text, (size_t)(space - text), &grant->scopes) != GW_OK) {
        return false;
    }
    left = len - (size_t)(space + 1 - text);
    if (left == 0 || left >= TOKEN_KEYID_SIZE) {
        return false;
    }
    memcpy(grant->keyid, space + 1, left);
    grant->keyid[left] = '\0';
    return true;
}

static void on_taken(void *arg, const struct redis_reply *reply)
{
    struct token_wait w = *(struct token_wait *)arg;
    struct token_grant grant = {0};
    enum gw_err err = GW_ESTORE;

    free(arg);
    if (w.cb == NULL) {
        return;
    }
    if (reply != NULL && redis_kind(reply) == REDIS_NIL) {
        err = GW_ENOTFOUND;
    } else if (reply != NULL && redis_kind(reply) == REDIS_STRING) {
        size_t len;
        const char *text = redis_text(reply, &len);

        err = read_grant(text, len, &grant) ? GW_OK : GW_ENOTFOUND;
    }
    w.cb(w.arg, err, &grant);
}

struct token_wait *tokens_take(struct tokens *t, const char *token, token_taken_fn *cb, void *arg)
{
    struct token_wait *w = gw_malloc(sizeof *w);
    char key[KEY_SIZE];
    const char *argv[] = {"GETDEL", key};

    *w = (struct token_wait){cb, arg};
    key_of(token, key);
    if (redis_command(t->redis, (int)GW_LEN(argv), argv, NULL, ASK_MS, on_taken, w)) {
        return w;
    }
    free(w);
    return NULL;
}

void token_wait_cancel(struct token_wait *w)
{
    w->cb = NULL;
}
