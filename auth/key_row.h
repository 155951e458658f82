/* auth/key_row.h - a key as people see it: never its secret.
 * Owner: whoever made the row; a callback's rows are borrowed.
 * Invariant: nothing in it can sign. */
#ifndef AUTH_KEY_ROW_H
#define AUTH_KEY_ROW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/key.h"
#include "gateway/base/buf.h"

struct key_row {
    const char *id;
    const char *account;
    const char *label;
    enum key_alg alg;
    enum key_state state; /* by PostgreSQL's clock */
    uint64_t scopes;
    uint64_t flags;
    const char *ip_allow; /* networks between spaces; "": any */
    const char *rate_class;
    int64_t not_before_ns;
    int64_t not_after_ns;      /* 0: none */
    int64_t revoked_at_ns;     /* 0: it was not */
    const char *revoked_by;    /* NULL: it was not */
    const char *revoke_reason; /* NULL: it was not */
    int64_t created_at_ns;
    const char *created_by;
    const char *rotated_from;  /* NULL: none */
    const char *owner;         /* NULL: a program's */
    const uint8_t *public_key; /* 32 bytes; NULL unless ed25519 */
};
struct key_use_row {
    const char *key_id;
    int64_t last_used_ns;
    const char *last_ip;
    const char *last_route;
    uint64_t count;
};

/* In one block: free() it. */
struct key_row *key_rows_copy(const struct key_row *rows, size_t count);
/* Uses from one network for one route. */
struct key_seen_row {
    const char *network;
    const char *method;
    const char *route;
    int64_t first_ns;
    int64_t last_ns;
    uint64_t count;
};
struct key_refusal_row {
    const char *cause; /* words of auth/keys.h */
    const char *last_network;
    int64_t first_ns;
    int64_t last_ns;
    uint64_t count;
};
/* All that is known of the use of one key. */
struct key_usage {
    const struct key_use_row *use; /* NULL: never used */
    const struct key_seen_row *seen;
    size_t seen_count;
    const struct key_refusal_row *refusals;
    size_t refusal_count;
};

/* One object. Times are RFC 3339 in UTC or null. */
void key_row_json(struct buf *out, const struct key_row *row);
/* ID is the key's. */
void key_usage_json(struct buf *out, const char *id, const struct key_usage *u);
#endif
