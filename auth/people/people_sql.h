/* auth/people/people_sql.h - pieces of the statements about people.
 * A change is a statement whose part `changed` has a row when there was something to change; it ends
 * with CHANGED, which tells: is there such a user ($1), was there a change, before, after. */
#ifndef AUTH_PEOPLE_PEOPLE_SQL_H
#define AUTH_PEOPLE_PEOPLE_SQL_H
#include "auth/key_row_sql.h"

/* A time parameter in microseconds. */
#define AT(n) "('epoch'::timestamptz + " n "::bigint * interval '1 microsecond')"
/* RFC 3339; null for none. */
#define JSON_TIME(t) "to_char(" t " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

#define CHANGED(before, after)                                                                     \
    " SELECT EXISTS (SELECT FROM users WHERE name = $1), EXISTS (SELECT FROM changed),"            \
    " (SELECT " before "::text FROM changed), (SELECT " after "::text FROM changed)"
#define EPOCH_SQL "SELECT epoch FROM people_epoch"

/* clang-format off */
/* One try more, of the user $1 at $2. No row: nobody may try (unknown, disabled, locked). Counted
 * before it is judged: so of many at once only five are. */
#define TRIES "(CASE WHEN locked_until < " AT("$2") " - interval '1 day' THEN 1 ELSE failures + 1 END)"
#define TRY_SQL                                                                                    \
    "UPDATE users SET failures = " TRIES ", locked_until = CASE WHEN " TRIES " >= 5 THEN "         \
    AT("$2") " + interval '1 s' * least(900, 30 * 2 ^ least(" TRIES " - 5, 10))"                   \
    " ELSE locked_until END"                                                                       \
    " WHERE name = $1 AND disabled_at IS NULL AND (locked_until IS NULL OR locked_until <= "       \
    AT("$2") ") RETURNING password_hash, password_until IS NULL OR password_until > " AT("$2")     \
    ", totp_sealed, coalesce(totp_last_step, -1), failures - 1"

/* That try undone, $2 being the failures before it; not when others have tried since. */
#define TRY_BACK_SQL                                                                               \
    "UPDATE users SET failures = $2::bigint, locked_until = NULL"                                  \
    " WHERE name = $1 AND failures = $2::bigint + 1"

/* `f`: the user $1 at $2, whose try was right, with the factor it was judged by used up; of two at
 * once with one code only one has a row. HASH: her password must still be that one. */
#define FACTOR_SET "UPDATE users SET failures = 0, locked_until = NULL"
#define FACTOR_WHO(hash) " WHERE name = $1 AND disabled_at IS NULL AND password_hash = coalesce(" hash "::text, password_hash)"
#define FACTOR_TOTP(hash, step, sealed)                                                            \
    "WITH f AS (" FACTOR_SET ", totp_last_step = " step "::bigint" FACTOR_WHO(hash)                \
    " AND totp_sealed = " sealed "::bytea AND coalesce(totp_last_step, -1) < " step "::bigint"     \
    " RETURNING name)"
#define FACTOR_CODE(hash, code)                                                                    \
    "WITH r AS (UPDATE user_recovery_codes SET used_at = " AT("$2") " WHERE user_name = $1"        \
    " AND code_hash = " code "::bytea AND used_at IS NULL RETURNING user_name),"                   \
    " f AS (" FACTOR_SET FACTOR_WHO(hash) " AND EXISTS (SELECT FROM r) RETURNING name)"
#define FACTOR_NONE(hash)                                                                          \
    "WITH f AS (" FACTOR_SET FACTOR_WHO(hash) " AND totp_sealed IS NULL RETURNING name)"

/* What she has of roles, u being the user. */
#define ROLES_JSON(now)                                                                            \
    "(SELECT coalesce(json_agg(json_build_object('role', r.role, 'kind', r.kind, 'until', "        \
    JSON_TIME("r.until") ", 'granted_at', " JSON_TIME("r.granted_at") ", 'granted_by', r.granted_by,"  \
    " 'approved_by', r.approved_by, 'reason', r.reason, 'ticket', r.ticket)"                       \
    " ORDER BY r.role, r.kind, r.id), '[]'::json) FROM user_roles r WHERE r.user_name = u.name"    \
    " AND r.ended_at IS NULL AND (r.until IS NULL OR r.until > " now "))"
#define USER_STATE "CASE WHEN u.disabled_at IS NULL THEN 'active' ELSE 'disabled' END"

/* Ends sessions of $1 at $2, for REASON, but the one with id EXCEPT. */
#define END_SESSIONS(reason, where)                                                                \
    "UPDATE user_sessions SET ended_at = " AT("$2") ", end_reason = '" reason "'"                  \
    " WHERE user_name = $1 AND ended_at IS NULL" where
/* clang-format on */
#endif
