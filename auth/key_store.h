/* auth/key_store.h - changes of keys, and views of them, in PostgreSQL.
 * Why: a change, its event, its entry of the audit chain and the nonce of the request that asked for
 * it are one transaction: no change without its record, and no request counts twice, whatever Redis
 * remembers.
 * Owner: the loop of its struct pg.
 * Invariant: an accepted call (KEY_STORE_OK) is answered exactly once, never inside the call; a
 * secret is shown once, in that answer, and wiped after it. */
#ifndef AUTH_KEY_STORE_H
#define AUTH_KEY_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/envelope.h"
#include "auth/key_row.h"
#include "gateway/base/err.h"
#include "gateway/store/pg.h"

#define KEY_OVERLAP_MAX_S (7 * 86400)
#define KEY_REASON_MIN    10u /* characters, where one is required */
#define KEY_REASON_MAX    500u
#define KEY_LIST_MAX      1000u
#define KEY_PUBLIC_BYTES  32u
#define KEY_SEEN_MAX      500u

/* clang-format off */
/*    symbol                 http  text */
#define KEY_STORE_ERRORS(X)                                                                             \
    X(KEY_STORE_OK,          200,  "ok")                                                                \
    X(KEY_STORE_INVALID,     422,  "a field is missing or not acceptable")                              \
    X(KEY_STORE_NOT_FOUND,   404,  "no such key")                                                       \
    X(KEY_STORE_REVOKED,     409,  "the key is revoked already")                                        \
    X(KEY_STORE_ROTATED,     409,  "the key has a successor already")                                   \
    X(KEY_STORE_INACTIVE,    409,  "the key is not active")                                             \
    X(KEY_STORE_SCOPES,      403,  "more than the key itself has")                                      \
    X(KEY_STORE_NO_NETS,     422,  "a key with a scope that administers needs networks it may be used from")  \
    X(KEY_STORE_HAS_NETS,    422,  "the key has networks, and its successor keeps them")                \
    X(KEY_STORE_ACCOUNT,     422,  "no such account or owner")                                              \
    X(KEY_STORE_REPLAY,      401,  "the nonce was used before")                                         \
    X(KEY_STORE_NOT_FIRST,   409,  "there are active keys with scopes that administer")                 \
    X(KEY_STORE_NO_MASTER,   503,  "no master key to seal a secret with")                               \
    X(KEY_STORE_UNAVAILABLE, 503,  "storage unavailable; nothing was changed")                          \
    X(KEY_STORE_UNKNOWN,     503,  "storage did not answer; look whether it was changed, then try again")
/* clang-format on */
#define KEY_STORE_AS_ENUM(sym, http, text) sym,
enum key_store_err { KEY_STORE_ERRORS(KEY_STORE_AS_ENUM) KEY_STORE_ERR_COUNT };

struct key_store_err_row {
    const char *name; /* "KEY_STORE_REPLAY" */
    uint16_t http_status;
    const char *text;
};
const struct key_store_err_row *key_store_err_row(enum key_store_err err);

struct audit_entry;
struct keys;
struct key_store;

/* MASTERS (borrowed): the newest seals. KEYS hears of each change; may be NULL. */
struct key_store *key_store_create(struct pg *pg, struct keys *keys,
                                   const struct envelope_master *masters, size_t master_count);
/* KEYS are about to go away. */
void key_store_forget_keys(struct key_store *s);
/* What waits is still answered by PG, so that goes first: pg_close(), then this. */
void key_store_destroy(struct key_store **sp);

struct key_answer {
    enum key_store_err err;
    const char *field; /* INVALID: which, "" when that is not known; else NULL */
    /* issue: the key; rotate: the new one and the old one; revoke and the rate class: the key */
    const struct key_row *rows;
    const struct key_use_row *uses; /* of a usage view */
    const struct key_usage *usage;  /* of a usage view of one key */
    size_t count;
    bool more;             /* of a list: go on behind the last id */
    const uint8_t *secret; /* HMAC, issue and rotate: raw, and the same in base64; else NULL */
    size_t secret_len;
    const char *secret_base64;
    const char *token; /* of a bearer key, issue and rotate; else NULL */
    uint64_t epoch;    /* of a change */
};
typedef void key_answer_fn(void *arg, const struct key_answer *answer);

/* --- views ------------------------------------------------------------------------------------ */

struct key_filter {
    const char *account; /* NULL: all */
    int state;           /* enum key_state, or -1: all */
    const char *after;   /* ids greater than this; NULL: from the beginning */
    uint32_t limit;      /* 0: KEY_LIST_MAX */
};
/* All calls: KEY_STORE_OK, and the answer comes; any other: refused now, no answer. They copy what
 * they need. FIELD may be NULL; KEY_STORE_INVALID tells it. */
GW_MUSTCHECK
enum key_store_err key_store_list(struct key_store *s, const struct key_filter *filter,
                                  const char **field, key_answer_fn *cb, void *arg);
GW_MUSTCHECK
enum key_store_err key_store_get(struct key_store *s, const char *id, key_answer_fn *cb, void *arg);
/* Of the key ID, or of all keys of ACCOUNT when ID is NULL (then without networks, routes and refusals);
 * a key never used has no row. Networks and routes: the KEY_SEEN_MAX that were seen last. */
GW_MUSTCHECK
enum key_store_err key_store_usage(struct key_store *s, const char *id, const char *account,
                                   key_answer_fn *cb, void *arg);

/* --- nonces ----------------------------------------------------------------------------------- */

/* The signed request that asks. */
struct key_nonce {
    const char *key_id;
    const char *nonce;
    int64_t expires_ns; /* wall clock: from then on the signature is refused anyway */
};
#define KEY_SPENT_MAX 64u
/* PostgreSQL answers. */
bool key_store_up(const struct key_store *s);

/* ERR: KEY_STORE_OK, and of each nonce KEY_STORE_OK, KEY_STORE_REPLAY or KEY_STORE_INVALID (no such
 * key); or that PostgreSQL could not tell in time, and nothing of each. */
typedef void key_spent_fn(void *arg, enum key_store_err err, const enum key_store_err *each);
/* Of signed requests that change nothing, at most KEY_SPENT_MAX; copied. Any but KEY_STORE_OK: refused
 * now, no answer. */
GW_MUSTCHECK
enum key_store_err key_store_spend(struct key_store *s, const struct key_nonce *nonces,
                                   size_t count, uint32_t timeout_ms, key_spent_fn *cb, void *arg);

/* --- changes ---------------------------------------------------------------------------------- */

struct key_change {
    const char *actor;             /* 1..128 characters */
    const char *reason;            /* at most 500 characters; NULL: "" */
    const char *ticket;            /* at most 100 characters; NULL: none */
    const struct key_nonce *nonce; /* NULL: none */
    /* Entered into the audit chain in the same transaction, with the key as target and what it is then
     * as `after`; copied. NULL: none. */
    const struct audit_entry *entry;
};
struct key_spec {
    const char *account;
    bool create_account; /* when there is none */
    const char *owner;   /* user whose key it is, for good; NULL: a program's */
    const char *label;
    enum key_alg alg;
    const uint8_t *public_key; /* ed25519: KEY_PUBLIC_BYTES; else NULL */
    uint64_t scopes;
    uint64_t flags;
    const char *const *ip_allow; /* networks; none: any, which no admin scope allows */
    size_t ip_allow_count;
    const char *rate_class; /* NULL: "default" */
    int64_t not_before_ns;  /* 0: now */
    int64_t not_after_ns;   /* 0: none */
};
GW_MUSTCHECK
enum key_store_err key_store_issue(struct key_store *s, const struct key_change *change,
                                   const struct key_spec *spec, const char **field,
                                   key_answer_fn *cb, void *arg);

struct key_rotation {
    const char *id;
    uint64_t scopes;           /* of who asks: nobody takes over a key that may do more */
    uint32_t overlap_s;        /* 0..KEY_OVERLAP_MAX_S: the old key ends so much later */
    const uint8_t *public_key; /* of the new key, as in struct key_spec */
    int64_t not_after_ns;      /* of the new key; 0: it lives as long as the old was to */
    /* networks of the new key, when the old has none: a key from before they were required */
    const char *const *ip_allow;
    size_t ip_allow_count;
};
/* The new key has the account, owner, label, algorithm, scopes, networks, class and flags of the old. */
GW_MUSTCHECK
enum key_store_err key_store_rotate(struct key_store *s, const struct key_change *change,
                                    const struct key_rotation *rotation, const char **field,
                                    key_answer_fn *cb, void *arg);
/* The reason is required: KEY_REASON_MIN..KEY_REASON_MAX characters. */
GW_MUSTCHECK
enum key_store_err key_store_revoke(struct key_store *s, const struct key_change *change,
                                    const char *id, const char **field, key_answer_fn *cb,
                                    void *arg);
GW_MUSTCHECK
enum key_store_err key_store_set_rate_class(struct key_store *s, const struct key_change *change,
                                            const char *id, const char *rate_class,
                                            const char **field, key_answer_fn *cb, void *arg);
/* The reason is required, as above. */
GW_MUSTCHECK
enum key_store_err key_store_set_flagged(struct key_store *s, const struct key_change *change,
                                         const char *id, bool flagged, const char **field,
                                         key_answer_fn *cb, void *arg);
#endif
