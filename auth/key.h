/* auth/key.h - one API key as requests are judged by it.
 * Why: the signature needs its material, the routes its scopes, the limits its class; all of it in
 * memory, so that no request waits for PostgreSQL.
 * Owner: the table that made it (auth/keys.h); others borrow.
 * Invariant: material is never in a log, an answer or a core dump. */
#ifndef AUTH_KEY_H
#define AUTH_KEY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/key_net.h"
#include "gateway/base/err.h"

#define KEY_ID_MAX         64u
#define KEY_ACCOUNT_MAX    63u
#define KEY_RATE_CLASS_MAX 32u
#define KEY_LABEL_MAX      100u /* characters */
#define KEY_OWNER_MAX      32u
#define KEY_PERSON_SIZE    72u

/* clang-format off */
/*    symbol           word                   secret bytes (0: what is kept signs nothing) */
#define KEY_ALGS(X)                                                              \
    X(KEY_ED25519,     "ed25519",             0)                                 \
    X(KEY_HMAC_SHA256, "hmac-sha256",         32)                                \
    X(KEY_KRAKEN,      "hmac-sha512-kraken",  64)                             \
    X(KEY_BEARER,      "bearer",              0) /* SHA-256 of a token */
/*    symbol           word         when, the first that holds */
#define KEY_STATES(X)                                                            \
    X(KEY_REVOKED,     "revoked")   /* for good */                               \
    X(KEY_DISABLED,    "disabled")  /* its account or its owner is */            \
    X(KEY_EXPIRED,     "expired")   /* not_after is over */                      \
    X(KEY_PENDING,     "pending")   /* not_before is to come */                  \
    X(KEY_ACTIVE,      "active")
/* clang-format on */
#define KEY_ALG_AS_ENUM(sym, word, secret) sym,
#define KEY_STATE_AS_ENUM(sym, word)       sym,
enum key_alg { KEY_ALGS(KEY_ALG_AS_ENUM) KEY_ALG_COUNT };
enum key_state { KEY_STATES(KEY_STATE_AS_ENUM) KEY_STATE_COUNT };

/* Bits of api_keys.flags; a bit is for ever. */
#define KEY_FLAGGED 1u /* people watch it: each network it was never seen from is news */

struct key {
    char id[KEY_ID_MAX + 1];
    char account[KEY_ACCOUNT_MAX + 1];
    char rate_class[KEY_RATE_CLASS_MAX + 1];
    char owner[KEY_OWNER_MAX + 1]; /* user whose key it is; "": a program's */
    const char *label;
    enum key_alg alg;
    const uint8_t
        *material; /* public key, secret or hash of a token; NULL: its envelope does not open */
    size_t material_len;
    uint64_t scopes; /* bits of auth/scopes.h */
    uint64_t flags;
    const struct key_net *nets; /* only from these */
    size_t net_count;
    bool any_ip;           /* from anywhere; NETS is empty */
    int64_t not_before_ns; /* wall clock */
    int64_t not_after_ns;  /* 0: no end */
    bool revoked;
    bool account_disabled; /* or its owner is */
};

const char *key_alg_word(enum key_alg alg);
bool key_alg_parse(const char *word, enum key_alg *out);
/* Bytes of a secret we make; 0 for a public key. */
size_t key_alg_secret_bytes(enum key_alg alg);
const char *key_state_word(enum key_state state);
bool key_state_parse(const char *word, enum key_state *out);

/* Who acts with it: "user:ana" for each key of Ana and for her sessions, else "key:pk_...". Two
 * persons are two when these differ. */
void key_person(const struct key *key, char out[KEY_PERSON_SIZE]);
/* NOW_NS: wall clock. */
enum key_state key_state(const struct key *key, int64_t now_ns);
/* IP as text: "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1" (which is the first). What is no address
 * is allowed only with any_ip. */
bool key_allows_ip(const struct key *key, const char *ip);
#endif
