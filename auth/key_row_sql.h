/* auth/key_row_sql.h - how a struct key_row is read from PostgreSQL. */
#ifndef AUTH_KEY_ROW_SQL_H
#define AUTH_KEY_ROW_SQL_H
#include "auth/key_row.h"
#include "gateway/store/pg.h"

/* Microseconds. Infinite and absurd times are brought to where they fit. */
#define KEY_MICROS(time)                                                                           \
    "(extract(epoch FROM least(greatest(" time                                                     \
    ", '1970-01-02 00:00+00'), '2200-01-01 00:00+00')) * 1000000)::bigint"
/* As key_state() has it; of api_keys k, accounts a and users u. */
#define KEY_STATE_SQL                                                                              \
    "CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'"                                            \
    " WHEN a.disabled_at IS NOT NULL OR u.disabled_at IS NOT NULL THEN 'disabled'"                 \
    " WHEN k.not_after <= now() THEN 'expired'"                                                    \
    " WHEN k.not_before > now() THEN 'pending' ELSE 'active' END"
/* clang-format off */
#define KEY_ROW_SQL                                                                                \
    "SELECT k.id, k.account, k.label, k.algorithm, " KEY_STATE_SQL ", k.scopes, k.flags,"          \
    " array_to_string(k.ip_allow, ' '), k.rate_class, " KEY_MICROS("k.not_before") ","             \
    " CASE WHEN k.not_after IS NOT NULL THEN " KEY_MICROS("k.not_after") " END,"                   \
    " CASE WHEN k.revoked_at IS NOT NULL THEN " KEY_MICROS("k.revoked_at") " END,"                 \
    " k.revoked_by, k.revoke_reason, " KEY_MICROS("k.created_at") ", k.created_by,"                \
    " k.rotated_from, k.public_key, k.owner FROM api_keys k JOIN accounts a ON a.id = k.account"   \
    " LEFT JOIN users u ON u.name = k.owner"
/* clang-format on */
/* A time parameter in microseconds; NULL stays NULL. */
#define KEY_TIME_PARAM(n) "'epoch'::timestamptz + " n "::bigint * interval '1 microsecond'"

/* Rows of statement I, or NULL when they make no sense or there are none. They borrow REPLY; free()
 * them. PUBLIC_KEYS receives the bytes. */
struct key_row *key_rows_read(const struct pg_reply *reply, size_t i, size_t *count,
                              struct buf *public_keys);
struct key_use_row *key_uses_read(const struct pg_reply *reply, size_t i, size_t *count);
struct key_seen_row *key_seen_read(const struct pg_reply *reply, size_t i, size_t *count);
struct key_refusal_row *key_refusals_read(const struct pg_reply *reply, size_t i, size_t *count);
#endif
