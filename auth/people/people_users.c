/* auth/people/people_users.c - users, their roles and sessions, as those see them who look after
 * them; the review of who may do what. */
#include <stdio.h>
#include <string.h>
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "auth/scopes.h"
#include "auth/words.h"
#include "gateway/runtime/clock.h"

#define TIME_MAX 7258118400000000000LL /* the year 2200 */

/* --- the statements ---------------------------------------------------------------------------- */

/* clang-format off */
#define GRANT_JSON "json_build_object('role', role, 'kind', kind, 'until', " JSON_TIME("until") ")"
static const char create_sql[] =
    "WITH changed AS (INSERT INTO users (name, created_at, password_at, password_hash,"
    " password_until, label, created_by) VALUES ($1, " AT("$2") ", " AT("$2") ", $3, " AT("$4") ","
    " $5, $6) ON CONFLICT DO NOTHING RETURNING label)"
    CHANGED("NULL", "json_build_object('label', label)");
static const char enable_sql[] =
    "WITH changed AS (UPDATE users SET disabled_at = NULL, disabled_by = NULL,"
    " disabled_reason = NULL WHERE name = $1 AND disabled_at IS NOT NULL RETURNING name)"
    CHANGED("'{\"state\":\"disabled\"}'", "'{\"state\":\"active\"}'");
static const char disable_sql[] =
    "WITH changed AS (UPDATE users SET disabled_at = " AT("$2") ", disabled_by = $3,"
    " disabled_reason = $4 WHERE name = $1 AND disabled_at IS NULL RETURNING name)"
    CHANGED("'{\"state\":\"active\"}'", "'{\"state\":\"disabled\"}'");
static const char reset_sql[] =
    "WITH old AS (SELECT totp_at FROM users WHERE name = $1 FOR UPDATE),"
    " changed AS (UPDATE users u SET password_hash = $3, password_at = " AT("$2") ","
    " password_until = " AT("$4") ", failures = 0, locked_until = NULL, totp_next = NULL,"
    " totp_sealed = CASE WHEN $5 THEN NULL ELSE u.totp_sealed END,"
    " totp_at = CASE WHEN $5 THEN NULL ELSE u.totp_at END,"
    " totp_last_step = CASE WHEN $5 AND u.totp_sealed IS NOT NULL THEN NULL"
    " ELSE u.totp_last_step END FROM old WHERE u.name = $1"
    " RETURNING old.totp_at AS had, u.totp_at AS has)"
    CHANGED("json_build_object('second_factor', had IS NOT NULL)",
            "json_build_object('second_factor', has IS NOT NULL)");
static const char grant_sql[] =
    "WITH l AS (SELECT name FROM users WHERE name = $1 AND disabled_at IS NULL FOR UPDATE),"
    " changed AS (INSERT INTO user_roles (user_name, granted_at, role, kind, granted_by, until,"
    " reason, ticket) SELECT l.name, " AT("$2") ", $3, $4, $5, " AT("$6") ", $7, $8 FROM l"
    " ON CONFLICT DO NOTHING RETURNING *)"
    CHANGED("NULL", GRANT_JSON);
static const char end_role_sql[] =
    "WITH ended AS (UPDATE user_roles SET ended_at = " AT("$2") ", ended_by = $4, end_reason = $5"
    " WHERE user_name = $1 AND role = $3 AND ended_at IS NULL RETURNING *),"
    " changed AS (SELECT json_agg(" GRANT_JSON ") AS list FROM ended HAVING count(*) > 0)"
    CHANGED("list", "'[]'");
static const char kill_sql[] =
    "WITH ended AS (UPDATE user_sessions SET ended_at = " AT("$2") ", end_reason = 'killed'"
    " WHERE (user_name = $1 OR id = $3) AND ended_at IS NULL RETURNING id, user_name),"
    " changed AS (SELECT json_agg(json_build_object('session', id, 'user', user_name)) AS list"
    " FROM ended HAVING count(*) > 0)"
    CHANGED("list", "'[]'");
static const char users_sql[] =
    "SELECT json_build_object('users', coalesce(json_agg(json_build_object('name', u.name,"
    " 'label', u.label, 'state', " USER_STATE ", 'created_at', " JSON_TIME("u.created_at") ","
    " 'created_by', u.created_by, 'second_factor', u.totp_at IS NOT NULL,"
    " 'password_temporary', u.password_until IS NOT NULL, 'failures', u.failures,"
    " 'locked_until', CASE WHEN u.locked_until > " AT("$1") " THEN " JSON_TIME("u.locked_until")
    " END, 'last_login_at', " JSON_TIME("u.last_login_at") ", 'roles', " ROLES_JSON(AT("$1")) ")"
    " ORDER BY u.name), '[]'::json))::text FROM users u WHERE $2::text IS NULL OR u.name = $2";
static const char sessions_sql[] =
    "SELECT json_build_object('sessions', coalesce(json_agg(json_build_object('session', s.id,"
    " 'user', s.user_name, 'created_at', " JSON_TIME("s.created_at") ","
    " 'last_seen_at', " JSON_TIME("s.last_seen_at") ", 'factor_at', " JSON_TIME("s.factor_at") ","
    " 'ends_at', " JSON_TIME("s.ends_at") ", 'ip', host(s.ip), 'user_agent', s.user_agent)"
    " ORDER BY s.user_name, s.created_at, s.id), '[]'::json))::text FROM user_sessions s"
    " WHERE s.ended_at IS NULL AND s.ends_at > " AT("$1") " AND s.last_seen_at > " AT("$1")
    " - interval '930 s' AND ($2::text IS NULL OR s.user_name = $2)";
#define SCOPE_SQL(sym, bit, word, admin, help) "CASE WHEN k.scopes >> " #bit " & 1 = 1 THEN '" word "' END,"
#define ADMIN_SQL(sym, bit, word, admin, help) " | " #admin "::int::bigint << " #bit
/* As key_row_json() has it. */
#define ANYWHERE_SQL                                                                               \
    "k.scopes & (0::bigint" AUTH_SCOPES(ADMIN_SQL) ") <> 0 AND (cardinality(k.ip_allow) = 0"       \
    " OR EXISTS (SELECT FROM unnest(k.ip_allow) n WHERE masklen(n) = 0))"
/* What is signed: nothing in it moves by itself but temporary roles, which end. */
#define CONTENT_SQL(now)                                                                           \
    "json_build_object('users', (SELECT coalesce(json_agg(json_build_object('name', u.name,"       \
    " 'label', u.label, 'state', " USER_STATE ", 'second_factor', u.totp_at IS NOT NULL, 'roles', "\
    ROLES_JSON(now) ") ORDER BY u.name), '[]'::json) FROM users u),"                               \
    " 'keys', (SELECT coalesce(json_agg(json_build_object('key', k.id, 'account', k.account,"      \
    " 'owner', k.owner, 'label', k.label, 'scopes', array_remove(ARRAY["                           \
    AUTH_SCOPES(SCOPE_SQL) " NULL], NULL), 'ip_allow', k.ip_allow, 'admin_from_anywhere', "        \
    ANYWHERE_SQL ", 'not_after', " JSON_TIME("k.not_after") ")"             \
    " ORDER BY k.id), '[]'::json) FROM api_keys k WHERE k.revoked_at IS NULL"                      \
    " AND (k.not_after IS NULL OR k.not_after > " now ")))::text"
#define HASH_SQL(t) "encode(sha256(convert_to(" t ", 'UTF8')), 'hex')"

static const char review_sql[] =
    "WITH c AS (SELECT " CONTENT_SQL(AT("$1")) " AS text)"
    " SELECT json_build_object('at', " JSON_TIME(AT("$1")) ", 'hash', " HASH_SQL("c.text") ","
    " 'content', c.text::json, 'use', json_build_object("
    "'users', (SELECT coalesce(json_agg(json_build_object('name', u.name, 'last_login_at', "
    JSON_TIME("u.last_login_at") ", 'last_seen_at', " JSON_TIME("(SELECT max(s.last_seen_at)"
    " FROM user_sessions s WHERE s.user_name = u.name)") ") ORDER BY u.name), '[]'::json)"
    " FROM users u WHERE $2::text IS NULL OR u.name = $2),"
    " 'keys', (SELECT coalesce(json_agg(json_build_object('key', x.key_id, 'last_used_at', "
    JSON_TIME("x.last_used_at") ") ORDER BY x.key_id), '[]'::json) FROM api_key_use x)),"
    " 'last_review', (SELECT json_build_object('at', " JSON_TIME("a.at") ", 'signed_by', a.signed_by,"
    " 'note', a.note, 'hash', a.content_hash) FROM access_reviews a ORDER BY a.id DESC LIMIT 1))"
    "::text FROM c";
static const char sign_sql[] =
    "WITH c AS (SELECT " CONTENT_SQL(AT("$2")) " AS text), changed AS (INSERT INTO access_reviews"
    " (at, signed_by, note, content, content_hash) SELECT " AT("$2") ", $3, $4, c.text, $5 FROM c"
    " WHERE " HASH_SQL("c.text") " = $5 RETURNING *) SELECT $1::text IS NULL,"
    " EXISTS (SELECT FROM changed), NULL,"
    " (SELECT json_build_object('hash', content_hash, 'note', note)::text FROM changed)";
/* clang-format on */

/* --- what may be asked ------------------------------------------------------------------------- */

const char *people_wrong_by(const struct people_by *by, bool reason)
{
    return !words_fit(by->actor, 1, 128) ? "actor"
           : !words_fit(by->reason != NULL ? by->reason : "", reason ? PEOPLE_REASON_MIN : 0,
                        PEOPLE_REASON_MAX)
               ? "reason"
           : by->ticket != NULL && !words_fit(by->ticket, 1, PEOPLE_TICKET_MAX) ? "ticket"
                                                                                : NULL;
}

bool people_is_self(const char *person, const char *name)
{
    return person != NULL && strncmp(person, "user:", 5) == 0 && strcmp(person + 5, name) == 0;
}

/* A change of the user NAME by BY; NULL: *ERR is what to return. */
static struct people_op *op_on(struct people *p, enum people_act_kind kind,
                               const struct people_by *by, const char *name, bool reason,
                               people_answer_fn *cb, void *arg, enum people_err *err)
{
    const char *wrong = people_wrong_by(by, reason);
    struct people_op *op;
    char target[PEOPLE_NAME_MAX + 6];

    if (p->closing) {
        *err = PEOPLE_UNAVAILABLE;
        return NULL;
    }
    op = people_op_create(p, kind, cb, arg);
    if (wrong == NULL && !people_is_name(name)) {
        wrong = "name";
    }
    if (wrong != NULL) {
        *err = people_op_invalid(op, wrong, NULL);
        return NULL;
    }
    people_op_by(op, by);
    op->name = people_keep(op, name);
    (void)snprintf(target, sizeof target, "user:%s", name);
    op->change.act.target = people_keep(op, target);
    return op;
}

/* --- users ------------------------------------------------------------------------------------- */

/* The temporary password is made, then hashed, then GO. */
static enum people_err with_password(struct people_op *op, password_result_fn *go)
{
    people_op_secrets(op);
    if (password_make(op->secrets->password) != GW_OK) {
        return people_op_fail(op, PEOPLE_UNAVAILABLE);
    }
    op->answer.password = op->secrets->password;
    return people_hash(op, op->secrets->password, go);
}

static void put_password(struct people_op *op, const struct password_result *r, int64_t now_ns)
{
    people_text(op, people_keep(op, r->hash));
    people_time(op, now_ns + (int64_t)PEOPLE_TEMPORARY_S * 1000000000);
}

static void on_create(void *arg, const struct password_result *r)
{
    struct people_op *op = arg;
    int64_t now_ns = people_now(op->p);

    if (r->err != GW_OK) {
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    op->none = PEOPLE_CONFLICT;
    people_sql(op, create_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    put_password(op, r, now_ns);
    people_text(op, op->label);
    people_text(op, op->change.act.actor);
    (void)people_op_change(op);
}

enum people_err people_user_create(struct people *p, const struct people_by *by, const char *name,
                                   const char *label, people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = op_on(p, ACT_USER_CREATE, by, name, false, cb, arg, &err);

    if (op == NULL) {
        return err;
    }
    if (!words_fit(label, 1, PEOPLE_LABEL_MAX)) {
        return people_op_invalid(op, "label", "1 to 100 characters");
    }
    op->label = people_keep(op, label);
    return with_password(op, on_create);
}

enum people_err people_user_enable(struct people *p, const struct people_by *by, const char *name,
                                   bool enable, people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op =
        op_on(p, enable ? ACT_USER_ENABLE : ACT_USER_DISABLE, by, name, true, cb, arg, &err);

    if (op == NULL) {
        return err;
    }
    if (people_is_self(by->actor, name)) {
        return people_op_fail(op, PEOPLE_SELF);
    }
    if (enable) {
        people_sql(op, enable_sql);
        people_text(op, op->name);
        return people_op_change(op);
    }
    people_sql(op, disable_sql);
    people_text(op, op->name);
    people_time(op, people_now(p));
    people_text(op, op->change.act.actor);
    people_text(op, op->change.act.reason);
    people_sql(op, END_SESSIONS("disabled", ""));
    people_text(op, op->name);
    people_time(op, people_now(p));
    return people_op_change(op);
}

static void on_reset(void *arg, const struct password_result *r)
{
    struct people_op *op = arg;
    int64_t now_ns = people_now(op->p);

    if (r->err != GW_OK) {
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    people_sql(op, reset_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    put_password(op, r, now_ns);
    people_bool(op, op->forget_factor);
    people_sql(op, "DELETE FROM user_recovery_codes WHERE user_name = $1 AND $2");
    people_text(op, op->name);
    people_bool(op, op->forget_factor);
    people_sql(op, END_SESSIONS("password", ""));
    people_text(op, op->name);
    people_time(op, now_ns);
    (void)people_op_change(op);
}

enum people_err people_user_reset(struct people *p, const struct people_by *by, const char *name,
                                  bool factor, people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = op_on(p, ACT_USER_RESET, by, name, true, cb, arg, &err);

    if (op == NULL) {
        return err;
    }
    if (people_is_self(by->actor, name)) {
        return people_op_fail(op, PEOPLE_SELF);
    }
    op->forget_factor = factor;
    return with_password(op, on_reset);
}

/* --- roles ------------------------------------------------------------------------------------- */

const char *people_wrong_grant(const struct people *p, enum role role, bool eligible,
                               int64_t until_ns)
{
    return (unsigned)role >= ROLE_COUNT                                          ? "role"
           : !eligible && !role_rows[role].standing                              ? "kind"
           : until_ns != 0 && (until_ns <= people_now(p) || until_ns > TIME_MAX) ? "until"
                                                                                 : NULL;
}

enum people_err people_grant(struct people *p, const struct people_by *by, const char *name,
                             enum role role, bool eligible, int64_t until_ns, people_answer_fn *cb,
                             void *arg)
{
    enum people_err err;
    struct people_op *op = op_on(p, ACT_ROLE_GRANT, by, name, true, cb, arg, &err);
    const char *wrong = people_wrong_grant(p, role, eligible, until_ns);

    if (op == NULL) {
        return err;
    }
    if (wrong != NULL) {
        return people_op_invalid(op, wrong, NULL);
    }
    if (people_is_self(by->actor, name)) {
        return people_op_fail(op, PEOPLE_SELF);
    }
    if (p->opt.two_persons && role_rows[role].two) {
        return people_op_fail(op, PEOPLE_TWO);
    }
    people_sql(op, grant_sql);
    people_text(op, op->name);
    people_time(op, people_now(p));
    people_text(op, role_rows[role].word);
    people_text(op, eligible ? "eligible" : "standing");
    people_text(op, op->change.act.actor);
    people_time(op, until_ns);
    people_text(op, op->change.act.reason);
    people_text(op, op->change.act.ticket);
    return people_op_change(op);
}

enum people_err people_revoke(struct people *p, const struct people_by *by, const char *name,
                              enum role role, people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = op_on(p, ACT_ROLE_END, by, name, true, cb, arg, &err);

    if (op == NULL) {
        return err;
    }
    if ((unsigned)role >= ROLE_COUNT) {
        return people_op_invalid(op, "role", NULL);
    }
    op->none = PEOPLE_NOT_FOUND;
    people_sql(op, end_role_sql);
    people_text(op, op->name);
    people_time(op, people_now(p));
    people_text(op, role_rows[role].word);
    people_text(op, op->change.act.actor);
    people_text(op, op->change.act.reason);
    return people_op_change(op);
}

/* --- sessions of others ------------------------------------------------------------------------ */

enum people_err people_kill(struct people *p, const struct people_by *by, const char *id,
                            const char *name, people_answer_fn *cb, void *arg)
{
    const char *wrong = people_wrong_by(by, false);
    char target[64];
    struct people_op *op;

    if (p->closing) {
        return PEOPLE_UNAVAILABLE;
    }
    op = people_op_create(p, ACT_KILL, cb, arg);
    if (wrong == NULL &&
        (id != NULL ? strlen(id) >= PEOPLE_SESSION_ID || id[0] != 's' : !people_is_name(name))) {
        wrong = id != NULL ? "session" : "name";
    }
    if (wrong != NULL) {
        return people_op_invalid(op, wrong, NULL);
    }
    people_op_by(op, by);
    (void)snprintf(target, sizeof target, "%s:%s", id != NULL ? "session" : "user",
                   id != NULL ? id : name);
    op->change.act.target = people_keep(op, target);
    op->none = PEOPLE_NOT_FOUND;
    people_sql(op, kill_sql);
    people_text(op, id != NULL ? NULL : people_keep(op, name));
    people_time(op, people_now(p));
    people_text(op, people_keep(op, id));
    return people_op_change(op);
}

/* --- views ------------------------------------------------------------------------------------- */

static void on_view(void *arg, const struct pg_reply *r)
{
    struct people_op *op = arg;
    size_t len = 0;
    const char *json = pg_rows(r, 0) > 0 ? pg_value(r, 0, 0, 0, &len) : NULL;

    op->state = pg_outcome(r) != PG_OK || pg_rows(r, 0) == 0 ? PEOPLE_UNAVAILABLE
                : json == NULL                               ? PEOPLE_NOT_FOUND
                                                             : PEOPLE_OK;
    op->answer.json = json;
    op->answer.json_len = len;
    people_op_answer(op);
}

enum people_err people_view(struct people *p, const struct pg_statement *statement,
                            people_answer_fn *cb, void *arg)
{
    struct people_op *op;

    if (p->closing) {
        return PEOPLE_UNAVAILABLE;
    }
    op = people_op_create(p, ACT_KILL, cb, arg); /* no act: nothing is changed */
    return pg_query(p->opt.pg, statement, 0, on_view, op) ? PEOPLE_OK
                                                          : people_op_fail(op, PEOPLE_UNAVAILABLE);
}

static enum people_err view(struct people *p, const char *sql, const char *name,
                            people_answer_fn *cb, void *arg)
{
    const struct pg_param params[] = {pg_int8(people_now(p) / 1000), pg_text(name)};

    return people_view(p, &(struct pg_statement){sql, params, GW_LEN(params)}, cb, arg);
}

enum people_err people_users(struct people *p, people_answer_fn *cb, void *arg)
{
    return view(p, users_sql, NULL, cb, arg);
}

enum people_err people_sessions(struct people *p, const char *name, people_answer_fn *cb, void *arg)
{
    return view(p, sessions_sql, name, cb, arg);
}

enum people_err people_review(struct people *p, people_answer_fn *cb, void *arg)
{
    return view(p, review_sql, NULL, cb, arg);
}

enum people_err people_review_sign(struct people *p, const struct people_by *by, const char *hash,
                                   const char *note, people_answer_fn *cb, void *arg)
{
    const char *wrong = people_wrong_by(by, false);
    struct people_op *op;

    if (p->closing) {
        return PEOPLE_UNAVAILABLE;
    }
    op = people_op_create(p, ACT_REVIEW_SIGN, cb, arg);
    if (wrong == NULL && !words_fit(note, PEOPLE_REASON_MIN, PEOPLE_REASON_MAX)) {
        wrong = "note";
    }
    if (wrong == NULL &&
        (hash == NULL || strlen(hash) != 64 || strspn(hash, "0123456789abcdef") != 64)) {
        wrong = "hash";
    }
    if (wrong != NULL) {
        return people_op_invalid(op, wrong, NULL);
    }
    people_op_by(op, by);
    op->change.act.target = "access";
    op->none = PEOPLE_MOVED;
    people_sql(op, sign_sql);
    people_text(op, NULL);
    people_time(op, people_now(p));
    people_text(op, op->change.act.actor);
    people_text(op, people_keep(op, note));
    people_text(op, people_keep(op, hash));
    return people_op_change(op);
}
