/* auth/people/people_login.c - tries: log-in, renewal, own password.
 * All go one way: the try is counted, then password and code are judged, whoever it is; an unknown,
 * disabled or locked user is judged by the hash of nobody and the secret of nobody. A refusal says
 * the same for each cause, and leaves on a grid of 250 ms, which hides what the steps took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include "auth/key_make.h"
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "auth/words.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define AGENT_MAX 200u

/* --- the try ----------------------------------------------------------------------------------- */

void people_op_refuse(struct people_op *op)
{
    (void)people_op_fail(op, PEOPLE_REFUSED);
}

/* The code in the secrets, against the user's factor. A recovery code is looked up by the change. */
static bool judge_code(struct people_op *op)
{
    static const uint8_t nobody[TOTP_SECRET_BYTES] = {0x5a};
    const struct people_options *opt = &op->p->opt;
    const char *code = op->secrets->sent_code;
    uint8_t secret[ENVELOPE_SECRET_MAX];
    size_t len = sizeof nobody;
    bool have = false;
    bool right;

    memcpy(secret, nobody, sizeof nobody);
    if (op->sealed != NULL) {
        have = totp_open(op->name, opt->masters, opt->master_count, op->sealed, op->sealed_len,
                         secret, &len) == GW_OK;
        if (!have) {
            log_error("people", "factor_unusable",
                      "\"user\":%s,\"next\":\"the secret does not open: is the master key file the "
                      "one it was sealed with?\"",
                      log_json(op->name));
            len = sizeof nobody;
        }
    }
    right = totp_verify(secret, len, code, op->asked_ns, op->last_step, &op->step) && have;
    OPENSSL_cleanse(secret, sizeof secret);
    if (!right) {
        op->step = -1;
        right = recovery_hash(op->name, code, op->code_hash) && op->sealed != NULL;
    }
    return right;
}

static void judge(struct people_op *op, bool password_right)
{
    bool code_right = judge_code(op);

    if (op->known && password_right && (code_right || !op->needs_code || op->sealed == NULL)) {
        op->judged(op);
    } else {
        people_op_refuse(op);
    }
}

static void on_verified(void *arg, const struct password_result *r)
{
    struct people_op *op = arg;

    if (r->err == GW_EINVAL) {
        log_error("people", "hash_unusable", "\"user\":%s,\"next\":\"reset her password\"",
                  log_json(op->name));
    }
    if (r->err == GW_ESYS) {
        log_error(
            "people", "not_judged",
            "\"user\":%s,\"next\":\"there is no memory to check a password with: give the gateway "
            "more\"",
            log_json(op->name));
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    op->rehash = r->weak;
    judge(op, r->err == GW_OK);
}

static void read_user(struct people_op *op, const struct pg_reply *r)
{
    struct buf sealed = {0};
    const char *phc = pg_value(r, 0, 0, 0, NULL);
    bool usable = false;
    int64_t failures = 0;

    op->phc = people_keep(op, phc);
    op->known = phc != NULL && pg_value_bool(r, 0, 0, 1, &usable) && usable;
    if (pg_value_bytes(r, 0, 0, 2, &sealed)) {
        op->sealed_len = sealed.len;
        op->sealed = people_keep_bytes(op, sealed.data, sealed.len);
    }
    (void)pg_value_i64(r, 0, 0, 3, &op->last_step);
    (void)pg_value_i64(r, 0, 0, 4, &failures);
    op->answer.failures = (uint32_t)failures;
    buf_fini(&sealed);
}

struct trying {
    struct people_op *op;
    bool password;
};

static void on_counted(void *arg, const struct pg_reply *r)
{
    struct trying *t = arg;
    struct people_op *op = t->op;
    bool password = t->password;

    free(t);
    if (pg_outcome(r) != PG_OK) {
        if (password) {
            password_worker_give(op->p->worker);
        }
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    if (pg_rows(r, 0) == 1) {
        op->counted = true;
        read_user(op, r);
    }
    if (password) {
        password_worker_verify(op->p->worker, op->phc, op->secrets->sent_password, on_verified, op);
    } else {
        judge(op, true);
    }
}

enum people_err people_try(struct people_op *op, const char *password)
{
    struct people *p = op->p;
    const struct pg_param params[] = {pg_text(op->name), pg_int8(people_now(p) / 1000)};
    const struct pg_statement s = {.sql = TRY_SQL, .params = params, .param_count = 2};
    struct trying *t;

    op->asked_ns = people_now(p); /* what she waits for makes her code no older */
    if (password != NULL) {
        if (!password_worker_take(p->worker)) {
            metrics_inc(p->opt.metrics, PEOPLE_M_BUSY);
            return people_op_fail(op, PEOPLE_BUSY);
        }
        (void)snprintf(op->secrets->sent_password, sizeof op->secrets->sent_password, "%s",
                       password);
    }
    t = gw_calloc(1, sizeof *t);
    *t = (struct trying){op, password != NULL};
    if (pg_query(p->opt.pg, &s, 0, on_counted, t)) {
        return PEOPLE_OK;
    }
    free(t);
    if (password != NULL) {
        password_worker_give(p->worker);
    }
    return people_op_fail(op, PEOPLE_UNAVAILABLE);
}

enum people_err people_hash(struct people_op *op, const char *password, password_result_fn *go)
{
    if (!password_worker_take(op->p->worker)) {
        metrics_inc(op->p->opt.metrics, PEOPLE_M_BUSY);
        return people_op_fail(op, PEOPLE_BUSY);
    }
    password_worker_hash(op->p->worker, password, go, op);
    return PEOPLE_OK;
}

/* --- a hash that is weaker than today's is made anew, quietly ----------------------------------- */

static void on_rehashed(void *arg, const struct people_answer *answer)
{
    (void)arg;
    if (answer->err != PEOPLE_OK) {
        log_warn("people", "rehash_failed", "\"next\":\"nothing: the next log-in does it\"");
    }
}

static void on_stored(void *arg, const struct pg_reply *r)
{
    struct people_op *op = arg;

    op->state = pg_outcome(r) == PG_OK ? PEOPLE_OK : PEOPLE_UNAVAILABLE;
    people_op_answer(op);
}

static void store_hash(void *arg, const struct password_result *r)
{
    struct people_op *op = arg;
    const struct pg_param params[] = {pg_text(op->name), pg_text(op->phc), pg_text(r->hash)};
    const struct pg_statement s = {
        .sql = "UPDATE users SET password_hash = $3 WHERE name = $1 AND password_hash = $2",
        .params = params,
        .param_count = 3};

    if (r->err != GW_OK || !pg_query(op->p->opt.pg, &s, 0, on_stored, op)) {
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
    }
}

void people_rehash(const struct people_op *from)
{
    struct people_op *op;

    if (from->p->closing) {
        return;
    }
    op = people_op_create(from->p, ACT_PASSWORD, on_rehashed, NULL);
    op->name = people_keep(op, from->name);
    op->phc = people_keep(op, from->phc);
    (void)people_hash(op, from->secrets->sent_password, store_hash);
}

/* --- log-in ------------------------------------------------------------------------------------ */

/* clang-format off */
#define LOGIN_SQL                                                                                  \
    ", changed AS (INSERT INTO user_sessions (id, token_hash, user_name, created_at, last_seen_at,"\
    " factor_at, ends_at, ip, user_agent) SELECT $4, $5, f.name, " AT("$2") ", " AT("$2") ", "     \
    AT("$6") ", " AT("$7") ", $8::inet, $9 FROM f RETURNING *)"                                    \
    CHANGED("NULL", "json_build_object('session', id, 'ip', host(ip), 'failed_before', $10::bigint)")
static const char login_totp_sql[] = FACTOR_TOTP("$3", "$11", "$12") LOGIN_SQL;
static const char login_code_sql[] = FACTOR_CODE("$3", "$11") LOGIN_SQL;
static const char login_none_sql[] = FACTOR_NONE("$3") LOGIN_SQL;
static const char seen_sql[] =
    "UPDATE users SET last_login_at = " AT("$2") ", last_login_ip = $3::inet WHERE name = $1";
static const char replace_sql[] =
    "UPDATE user_sessions SET ended_at = " AT("$2") ", end_reason = 'replaced' WHERE id IN"
    " (SELECT id FROM user_sessions WHERE user_name = $1 AND ended_at IS NULL"
    " ORDER BY created_at DESC, id OFFSET $3)";
/* clang-format on */

/* The parameters of the factor that was right. */
static void put_factor(struct people_op *op)
{
    if (op->sealed != NULL && op->step >= 0) {
        people_int(op, op->step);
        people_bytes(op, op->sealed, op->sealed_len);
    } else if (op->sealed != NULL) {
        people_bytes(op, op->code_hash, sizeof op->code_hash);
    }
}

static void put_hash(struct people_op *op)
{
    uint8_t hash[SESSION_HASH_SIZE];

    GW_ASSERT(session_token_hash(op->secrets->token, strlen(op->secrets->token), hash));
    people_bytes(op, people_keep_bytes(op, hash, sizeof hash), sizeof hash);
}

static void login_judged(struct people_op *op)
{
    int64_t now_ns = people_now(op->p);
    char id[KEY_MADE_ID_SIZE];

    key_make_id(id); /* "pk_..." */
    op->id = people_keep(op, id + 1);
    memcpy((char *)(uintptr_t)op->id, "s_", 2);
    op->change.act.session = op->id;
    op->none = PEOPLE_REFUSED; /* another used the same code, or changed the password */
    if (!people_op_token(op)) {
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    people_sql(op, op->sealed == NULL ? login_none_sql
                   : op->step >= 0    ? login_totp_sql
                                      : login_code_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, op->phc);
    people_text(op, op->id);
    put_hash(op);
    people_time(op, op->sealed != NULL ? now_ns : 0);
    people_time(op, now_ns + PEOPLE_ABSOLUTE_NS);
    people_text(op, op->change.act.ip);
    people_text(op, op->agent);
    people_int(op, op->answer.failures);
    put_factor(op);
    people_sql(op, seen_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, op->change.act.ip);
    people_sql(op, replace_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    people_int(op, PEOPLE_SESSIONS_MAX);
    (void)people_op_change(op);
}

/* What of a stranger's words may be kept: printable ASCII. */
static const char *keep_agent(struct people_op *op, const char *s)
{
    char clean[AGENT_MAX + 1];
    size_t len = 0;

    for (; s != NULL && *s != '\0' && len < AGENT_MAX; s++) {
        clean[len++] = *s >= 0x20 && *s < 0x7f ? *s : '?';
    }
    clean[len] = '\0';
    return people_keep(op, clean);
}

static const char *clean_ip(const char *ip)
{
    uint8_t bytes[16];

    return ip != NULL && (inet_pton(AF_INET, ip, bytes) == 1 || inet_pton(AF_INET6, ip, bytes) == 1)
               ? ip
               : "0.0.0.0";
}

static bool keep_code(struct people_op *op, const char *code)
{
    people_op_secrets(op);
    if (code == NULL || strlen(code) >= sizeof op->secrets->sent_code) {
        return false;
    }
    memcpy(op->secrets->sent_code, code, strlen(code) + 1);
    return true;
}

static void on_login_answer(void *arg, const struct people_answer *a);

struct login {
    struct people *p;
    people_answer_fn *cb;
    void *arg;
};

enum people_err people_login(struct people *p, const struct people_login *login,
                             people_answer_fn *cb, void *arg)
{
    bool known_form = people_is_name(login->name);
    struct people_op *op;
    struct people_act *act;
    struct login *l;
    char text[PEOPLE_NAME_MAX + 6];

    if (p->closing) {
        return PEOPLE_UNAVAILABLE;
    }
    l = gw_calloc(1, sizeof *l);
    *l = (struct login){p, cb, arg};
    op = people_op_create(p, ACT_LOGIN, on_login_answer, l);
    act = &op->change.act;
    op->name = people_keep(op, known_form ? login->name : ""); /* which nobody is called */
    (void)snprintf(text, sizeof text, "user:%s", known_form ? login->name : "?");
    act->actor = people_keep(op, text);
    act->target = act->actor;
    act->ip = people_keep(op, clean_ip(login->ip));
    op->agent = keep_agent(op, login->user_agent);
    op->needs_code = true;
    op->judged = login_judged;
    if (login->password == NULL || strlen(login->password) > PASSWORD_BYTES_MAX) {
        return people_op_invalid(op, "password", "at most 512 bytes");
    }
    if (!keep_code(op, login->code != NULL ? login->code : "")) {
        return people_op_invalid(op, "code", "six digits, or a recovery code");
    }
    return people_try(op, login->password);
}

static void on_login_answer(void *arg, const struct people_answer *a)
{
    struct login *l = arg;

    if (a->err == PEOPLE_OK) {
        metrics_inc(l->p->opt.metrics, PEOPLE_M_LOGINS);
    }
    l->cb(l->arg, a);
    free(l);
}

/* --- of a session ------------------------------------------------------------------------------ */

struct people_op *people_op_of(struct people *p, enum people_act_kind kind, const char *token,
                               people_answer_fn *cb, void *arg, enum people_err *err)
{
    const struct people_session *s = NULL;
    uint8_t hash[SESSION_HASH_SIZE];
    struct people_op *op;
    struct people_act *act;

    if (p->closing) {
        *err = PEOPLE_UNAVAILABLE;
        return NULL;
    }
    op = people_op_create(p, kind, cb, arg);
    *err = people_find(p, token, strlen(token), true, &s);
    if (*err != PEOPLE_OK) {
        *err = people_op_fail(op, *err);
        return NULL;
    }
    GW_ASSERT(session_token_hash(token, strlen(token), hash));
    op->name = people_keep(op, s->user);
    op->id = people_keep(op, s->id);
    op->hash = people_keep_bytes(op, hash, sizeof hash);
    act = &op->change.act;
    act->actor = people_keep(op, s->person);
    act->target = act->actor;
    act->session = op->id;
    act->ip = people_keep(op, s->ip);
    return op;
}

/* clang-format off */
/* $4 id, $5 new token, $6 old token; f.name is the user */
#define RENEW_SQL                                                                                  \
    ", changed AS (UPDATE user_sessions s SET token_hash = $5, factor_at = " AT("$2") ","          \
    " last_seen_at = greatest(s.last_seen_at, " AT("$2") ") FROM f WHERE s.id = $4"                \
    " AND s.token_hash = $6 AND s.user_name = f.name AND s.ended_at IS NULL RETURNING s.*)"        \
    CHANGED("NULL", "json_build_object('session', id)")
static const char renew_totp_sql[] = FACTOR_TOTP("$3", "$7", "$8") RENEW_SQL;
static const char renew_code_sql[] = FACTOR_CODE("$3", "$7") RENEW_SQL;
static const char logout_sql[] =
    "WITH changed AS (UPDATE user_sessions SET ended_at = " AT("$2") ", end_reason = 'logout'"
    " WHERE user_name = $1 AND id = $3 AND token_hash = $4 AND ended_at IS NULL RETURNING id)"
    CHANGED("NULL", "json_build_object('session', id)");
static const char password_sql[] =
    "WITH s AS (UPDATE user_sessions SET token_hash = $5 WHERE id = $3 AND token_hash = $4"
    " AND user_name = $1 AND ended_at IS NULL RETURNING user_name),"
    " changed AS (UPDATE users u SET password_hash = $6, password_at = " AT("$2") ","
    " password_until = NULL, failures = 0, locked_until = NULL FROM s WHERE u.name = s.user_name"
    " AND u.password_hash = $7 AND u.disabled_at IS NULL RETURNING u.name)"
    CHANGED("NULL", "json_build_object('other_sessions', 'ended')");
/* clang-format on */

static void renew_judged(struct people_op *op)
{
    op->none = PEOPLE_REFUSED;
    if (op->sealed == NULL || !people_op_token(op)) {
        people_op_refuse(op);
        return;
    }
    people_sql(op, op->step >= 0 ? renew_totp_sql : renew_code_sql);
    people_text(op, op->name);
    people_time(op, people_now(op->p));
    people_text(op, NULL);
    people_text(op, op->id);
    put_hash(op);
    people_bytes(op, op->hash, SESSION_HASH_SIZE);
    put_factor(op);
    (void)people_op_change(op);
}

enum people_err people_renew(struct people *p, const char *token, const char *code,
                             people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = people_op_of(p, ACT_RENEW, token, cb, arg, &err);

    if (op == NULL) {
        return err;
    }
    op->needs_code = true;
    op->judged = renew_judged;
    return keep_code(op, code) ? people_try(op, NULL)
                               : people_op_invalid(op, "code", "six digits, or a recovery code");
}

enum people_err people_logout(struct people *p, const char *token, people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = people_op_of(p, ACT_LOGOUT, token, cb, arg, &err);

    if (op == NULL) {
        return err;
    }
    op->none = PEOPLE_NO_SESSION;
    people_sql(op, logout_sql);
    people_text(op, op->name);
    people_time(op, people_now(p));
    people_text(op, op->id);
    people_bytes(op, op->hash, SESSION_HASH_SIZE);
    return people_op_change(op);
}

/* --- own password ------------------------------------------------------------------------------ */

static void on_password_hashed(void *arg, const struct password_result *r)
{
    struct people_op *op = arg;
    int64_t now_ns = people_now(op->p);

    if (r->err != GW_OK || !people_op_token(op)) {
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    people_sql(op, password_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, op->id);
    people_bytes(op, op->hash, SESSION_HASH_SIZE);
    put_hash(op);
    people_text(op, people_keep(op, r->hash));
    people_text(op, op->phc);
    people_sql(op, END_SESSIONS("password", " AND id <> $3"));
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, op->id);
    (void)people_op_change(op);
}

static void old_judged(struct people_op *op)
{
    (void)people_hash(op, op->next_password, on_password_hashed);
}

enum people_err people_choose_password(struct people *p, const char *token, const char *old,
                                       const char *password, people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = people_op_of(p, ACT_PASSWORD, token, cb, arg, &err);
    const char *why;

    if (op == NULL) {
        return err;
    }
    people_op_secrets(op);
    if (old == NULL || strlen(old) > PASSWORD_BYTES_MAX) {
        return people_op_invalid(op, "old", "at most 512 bytes");
    }
    why = password == NULL             ? "missing"
          : strcmp(old, password) == 0 ? "the same as before"
                                       : password_refused(password, op->name);
    if (why != NULL) {
        return people_op_invalid(op, "password", why);
    }
    op->next_password = people_keep(op, password);
    op->judged = old_judged;
    return people_try(op, old);
}
