/* auth/keys.h - this process's copy of all keys, kept up to date.
 * Why: a request is judged in microseconds and without PostgreSQL, yet a revoked key ends within a
 * second everywhere. Whatever announces a change (NOTIFY, Redis, the poll of the epoch) only makes
 * us read PostgreSQL, which alone decides; so a lost, late or forged announcement does no harm.
 *
 *   NOTIFY portcullis_keys --+
 *   missed notifications ----+--> epoch differs? --> all keys in one query --> new table, swapped in
 *   poll of the epoch -------+                                                  |
 *   poll of auth:epoch ------+         old table wiped <-- who has ended? <-----+
 *
 * Owner: the loop it was created on. No call blocks.
 * Invariant: the table is what PostgreSQL held at one epoch; a key that was active and is not any
 * more is reported once; without PostgreSQL the last table goes on serving and keys_doubt() says what
 * it is still good for. */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/envelope.h"
#include "auth/key.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

#define KEYS_FRESH_NS  3000000000LL /* older news of the epoch is none */
#define KEYS_REDIS_KEY "auth:epoch"

/* clang-format off */
/*    symbol                word               what */
#define KEY_REFUSALS(X)                                                                             \
    X(KEY_RATE_LIMITED,     "rate_limited",    "more than its rate")                                \
    X(KEY_REPLAYED,         "replay",          "the nonce was used before")                         \
    X(KEY_FORBIDDEN_SCOPE,  "forbidden_scope", "it has not got the scope")                          \
    X(KEY_WRONG_NETWORK,    "wrong_network",   "signed well, but from where it may not be used")
/* clang-format on */
#define KEY_REFUSAL_AS_ENUM(sym, word, what) sym,
enum key_refusal { KEY_REFUSALS(KEY_REFUSAL_AS_ENUM) KEY_REFUSAL_COUNT };
extern const char *const key_refusal_words[KEY_REFUSAL_COUNT];

struct keys;

struct keys_options {
    struct pg *pg;                         /* borrowed; closed after this */
    const char *dsn;                       /* for LISTEN; copied; NULL: no LISTEN */
    const char *redis_endpoint;            /* "": none; copied */
    const struct envelope_master *masters; /* borrowed; may be none */
    size_t master_count;
    uint32_t poll_ms;                 /* 0: 250 */
    struct metric_set *metrics;       /* of keys_metrics */
    struct metric_set *store_metrics; /* of store_metrics */
    struct metric_set *redis_metrics; /* of redis_metrics */
};
extern const struct metric_table keys_metrics;

/* Called from the loop, never inside a call of this module; may call keys_find(). */
struct keys_sink {
    /* The key may be used from now on: also for each at the first load, and again when its networks
     * have changed. May be NULL. */
    void (*on_active)(void *arg, const struct key *key);
    /* It was active and is not any more: "revoked", "disabled", "expired", "pending", "deleted" or
     * "unusable" (its envelope does not open any more). */
    void (*on_ended)(void *arg, const char *key_id, const char *reason);
};

struct keys *keys_create(uv_loop_t *loop, const struct keys_options *opt,
                         const struct keys_sink *sink, void *arg);
/* No callback of the sink after this. What has been used is still written, as far as PG lives. DONE
 * when the handles are closed and nothing is under way. */
void keys_close(struct keys *k, void (*done)(void *arg), void *arg);
/* Wipes the secrets. */
void keys_destroy(struct keys **kp);

/* Borrowed until the loop turns; NULL: nobody has it. Of any state: see key_state(). */
const struct key *keys_find(const struct keys *k, const char *id, size_t len);
/* The bearer key whose token has this SHA-256 (BEARER_HASH_BYTES); compared in constant time. */
const struct key *keys_find_token(const struct keys *k, const uint8_t *hash);
/* The keys have been read once. */
bool keys_ready(const struct keys *k);
/* PostgreSQL confirmed the epoch within KEYS_FRESH_NS. MONO_NS: clock_mono_ns(). */
bool keys_fresh(const struct keys *k, int64_t mono_ns);
/* May a key have been revoked without our knowing? While PostgreSQL is silent, auth:epoch in Redis
 * stands in for it as long as it is the epoch of the table: gateways that reach PostgreSQL keep it right.
 * An epoch there that is newer is believed at once, and until PostgreSQL was read. */
enum keys_doubt {
    KEYS_SURE,
    KEYS_SILENT, /* neither has confirmed the table within KEYS_FRESH_NS */
    KEYS_BEHIND, /* Redis names a newer epoch, and PostgreSQL cannot be read */
};
enum keys_doubt keys_doubt(const struct keys *k, int64_t mono_ns);
/* Of the table; 0 until keys_ready(). */
uint64_t keys_epoch(const struct keys *k);
size_t keys_count(const struct keys *k);
/* Active keys of ACCOUNT (NULL: of all) that have any of SCOPES (bits; 0: whatever they have). EACH (may
 * be NULL) is called with each. NOW_NS: wall clock. */
size_t keys_active(const struct keys *k, const char *account, uint64_t scopes, int64_t now_ns,
                   void (*each)(void *arg, const struct key *key), void *arg);
/* KEY was used from IP for METHOD and ROUTE (1..200 bytes, as in the table of routes); NOW_NS: wall clock.
 * Written in batches, and so is what was refused to whoever had signed with it. */
void keys_used(struct keys *k, const struct key *key, const char *ip, const char *method,
               const char *route, int64_t now_ns);
void keys_refused(struct keys *k, const struct key *key, enum key_refusal cause, const char *ip,
                  int64_t now_ns);
/* FN is called once for each network that a key with admin scopes, or one that is flagged, was used from and never before; its
 * first network is no news. It comes again, later and from any gateway, until keys_told() was heard. */
typedef void keys_network_fn(void *arg, const char *key_id, const char *account,
                             const char *network);
/* Accounts that REFUSES are disabled, whatever PostgreSQL says of them: asked at each look at the keys, four
 * times a second. */
void keys_refuse_accounts(struct keys *k, bool (*refuses)(void *arg, const char *account),
                          void *arg);
void keys_on_new_network(struct keys *k, keys_network_fn *fn, void *arg);
void keys_told(struct keys *k, const char *key_id, const char *network);
/* This process has changed keys, and PostgreSQL was at EPOCH then: read them, and tell the others
 * through Redis. */
void keys_changed(struct keys *k, uint64_t epoch);
#endif
