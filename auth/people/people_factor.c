/* auth/people/people_factor.c - enrolling a second factor, and taking up a role for a while. */
#include <string.h>
#include <openssl/crypto.h>
#include "auth/key_make.h"
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "auth/words.h"
#include "gateway/runtime/clock.h"

/* clang-format off */
static const char show_sql[] =
    "WITH changed AS (UPDATE users u SET totp_next = $4 FROM user_sessions s WHERE u.name = $1"
    " AND s.id = $2 AND s.token_hash = $3 AND s.ended_at IS NULL AND s.user_name = u.name"
    " AND u.disabled_at IS NULL RETURNING u.name)"
    CHANGED("NULL", "NULL");
static const char enrol_sql[] =
    "WITH s AS (UPDATE user_sessions SET token_hash = $5, factor_at = " AT("$2") " WHERE id = $3"
    " AND token_hash = $4 AND user_name = $1 AND ended_at IS NULL RETURNING user_name),"
    " changed AS (UPDATE users u SET totp_sealed = totp_next, totp_next = NULL,"
    " totp_at = " AT("$2") ", totp_last_step = $6 FROM s WHERE u.name = s.user_name"
    " AND u.totp_next = $7 AND u.disabled_at IS NULL RETURNING u.name)"
    CHANGED("NULL", "json_build_object('recovery_codes', 10)");
static const char codes_sql[] =
    "INSERT INTO user_recovery_codes (user_name, code_hash, created_at)"
    " SELECT $1, decode(h, 'hex'), " AT("$2") " FROM unnest($3::text[]) h";
/* clang-format on */

static void put_new_hash(struct people_op *op)
{
    uint8_t hash[SESSION_HASH_SIZE];

    GW_ASSERT(session_token_hash(op->secrets->token, strlen(op->secrets->token), hash));
    people_bytes(op, people_keep_bytes(op, hash, sizeof hash), sizeof hash);
}

/* --- first step: the secret -------------------------------------------------------------------- */

enum people_err people_enrol(struct people *p, const char *token, people_answer_fn *cb, void *arg)
{
    enum people_err err;
    const struct people_session *s;
    struct people_op *op = people_op_of(p, ACT_FACTOR_SHOW, token, cb, arg, &err);
    int64_t age_ns;

    if (op == NULL) {
        return err;
    }
    s = &people_table_by_id(p->table, op->id)->s;
    age_ns = people_now(p) - s->factor_ns;
    if (s->must_choose) {
        return people_op_fail(op, PEOPLE_DUTY);
    }
    if (s->enrolled && (s->factor_ns == 0 || age_ns > PERMISSION_FRESH_NS)) {
        return people_op_fail(op, PEOPLE_FACTOR);
    }
    people_op_secrets(op);
    if (totp_make(op->name, key_newest_master(p->opt.masters, p->opt.master_count),
                  &op->secrets->totp) != GW_OK) {
        return people_op_fail(op, PEOPLE_NO_MASTER);
    }
    totp_uri(&op->text, p->opt.issuer != NULL ? p->opt.issuer : "Portcullis", op->name,
             op->secrets->totp.text);
    op->answer.secret = op->secrets->totp.text;
    op->answer.uri = buf_cstr(&op->text);
    op->none = PEOPLE_NO_SESSION;
    people_sql(op, show_sql);
    people_text(op, op->name);
    people_text(op, op->id);
    people_bytes(op, op->hash, SESSION_HASH_SIZE);
    people_bytes(op, op->secrets->totp.sealed, op->secrets->totp.sealed_len);
    return people_op_change(op);
}

/* --- second step: a code of it ----------------------------------------------------------------- */

/* New codes; their hashes as an array of hexadecimal texts. */
static bool make_codes(struct people_op *op, struct buf *hashes)
{
    struct people_secrets *s = op->secrets;

    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        uint8_t hash[RECOVERY_HASH_SIZE];
        char hex[2 * RECOVERY_HASH_SIZE + 1];

        if (recovery_make(s->codes[i]) != GW_OK || !recovery_hash(op->name, s->codes[i], hash)) {
            return false;
        }
        for (unsigned n = 0; n < sizeof hash; n++) {
            hex[2 * n] = "0123456789abcdef"[hash[n] >> 4];
            hex[2 * n + 1] = "0123456789abcdef"[hash[n] & 15];
        }
        hex[sizeof hex - 1] = '\0';
        pg_array_put(hashes, hex);
        s->code_list[i] = s->codes[i];
    }
    pg_array_end(hashes);
    op->answer.codes = s->code_list;
    op->answer.code_count = RECOVERY_CODES;
    return true;
}

static void enrol_change(struct people_op *op)
{
    int64_t now_ns = people_now(op->p);
    struct buf hashes = {0};

    if (!people_op_token(op) || !make_codes(op, &hashes)) {
        buf_fini(&hashes);
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    op->none = PEOPLE_REFUSED; /* another secret was shown meanwhile, or the session has ended */
    people_sql(op, enrol_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, op->id);
    people_bytes(op, op->hash, SESSION_HASH_SIZE);
    put_new_hash(op);
    people_int(op, op->step);
    people_bytes(op, op->sealed, op->sealed_len);
    people_sql(op, "DELETE FROM user_recovery_codes WHERE user_name = $1");
    people_text(op, op->name);
    people_sql(op, codes_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, people_keep(op, buf_cstr(&hashes)));
    people_sql(op, END_SESSIONS("factor", " AND id <> $3"));
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, op->id);
    buf_fini(&hashes);
    (void)people_op_change(op);
}

static void on_next(void *arg, const struct pg_reply *r)
{
    struct people_op *op = arg;
    const struct people_options *opt = &op->p->opt;
    uint8_t secret[ENVELOPE_SECRET_MAX];
    struct buf sealed = {0};
    size_t len = 0;
    bool right = false;

    if (pg_outcome(r) != PG_OK) {
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
        return;
    }
    if (pg_rows(r, 0) == 1 && pg_value_bytes(r, 0, 0, 0, &sealed)) {
        op->sealed_len = sealed.len;
        op->sealed = people_keep_bytes(op, sealed.data, sealed.len);
        right = totp_open(op->name, opt->masters, opt->master_count, op->sealed, sealed.len, secret,
                          &len) == GW_OK &&
                totp_verify(secret, len, op->secrets->sent_code, people_now(op->p), -1, &op->step);
        OPENSSL_cleanse(secret, sizeof secret);
    }
    buf_fini(&sealed);
    if (right) {
        enrol_change(op);
    } else {
        people_op_refuse(op);
    }
}

enum people_err people_enrol_confirm(struct people *p, const char *token, const char *code,
                                     people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = people_op_of(p, ACT_FACTOR, token, cb, arg, &err);
    struct pg_param param;
    const struct pg_statement s = {
        .sql = "SELECT totp_next FROM users WHERE name = $1 AND totp_next IS NOT NULL",
        .params = &param,
        .param_count = 1};

    if (op == NULL) {
        return err;
    }
    if (code == NULL || !totp_looks_like(code)) {
        return people_op_invalid(op, "code", "six digits");
    }
    people_op_secrets(op);
    memcpy(op->secrets->sent_code, code, strlen(code) + 1);
    param = pg_text(op->name);
    return pg_query(p->opt.pg, &s, 0, on_next, op) ? PEOPLE_OK
                                                   : people_op_fail(op, PEOPLE_UNAVAILABLE);
}

/* --- a role for a while ------------------------------------------------------------------------ */

/* clang-format off */
/* The row of the user is locked, so that of two at once one sees the other's grant. */
static const char elevate_sql[] =
    "WITH l AS (SELECT name FROM users WHERE name = $1 AND disabled_at IS NULL FOR UPDATE),"
    " s AS (UPDATE user_sessions SET token_hash = $5 FROM l WHERE id = $3 AND token_hash = $4"
    " AND user_name = l.name AND ended_at IS NULL RETURNING user_name),"
    " changed AS (INSERT INTO user_roles (user_name, role, kind, granted_at, granted_by, until,"
    " reason, ticket) SELECT s.user_name, e.role, 'temporary', " AT("$2") ", 'user:' || s.user_name, "
    AT("$7") ", $8, $9 FROM s JOIN user_roles e ON e.user_name = s.user_name WHERE e.role = $6"
    " AND e.kind = 'eligible' AND e.ended_at IS NULL AND (e.until IS NULL OR e.until > " AT("$2") ")"
    " AND NOT EXISTS (SELECT FROM user_roles t WHERE t.user_name = s.user_name AND t.role = $6"
    " AND t.kind = 'temporary' AND t.ended_at IS NULL AND t.until > " AT("$2") ") RETURNING *)"
    CHANGED("NULL", "json_build_object('role', role, 'kind', kind, 'until', " JSON_TIME("until") ")");
/* clang-format on */

static const char *check_elevation(uint32_t seconds, const char *reason, const char *ticket)
{
    return seconds < PEOPLE_ELEVATE_MIN_S || seconds > PEOPLE_ELEVATE_MAX_S ? "seconds"
           : !words_fit(reason, PEOPLE_REASON_MIN, PEOPLE_REASON_MAX)       ? "reason"
           : !words_fit(ticket, 1, PEOPLE_TICKET_MAX)                       ? "ticket"
                                                                            : NULL;
}

enum people_err people_elevate(struct people *p, const char *token, enum role role,
                               uint32_t seconds, const char *reason, const char *ticket,
                               people_answer_fn *cb, void *arg)
{
    enum people_err err;
    struct people_op *op = people_op_of(p, ACT_ROLE_ELEVATE, token, cb, arg, &err);
    const char *wrong = check_elevation(seconds, reason, ticket);
    int64_t now_ns = people_now(p);

    if (op == NULL) {
        return err;
    }
    if (wrong != NULL) {
        return people_op_invalid(op, wrong, NULL);
    }
    err = people_may(p, &people_table_by_id(p->table, op->id)->s, PERM_PEOPLE_ELEVATE);
    if (err == PEOPLE_OK && role == ROLE_BREAK_GLASS && !p->opt.break_glass) {
        err = PEOPLE_NOT_ELIGIBLE;
    }
    if (err == PEOPLE_OK && !people_op_token(op)) {
        err = PEOPLE_UNAVAILABLE;
    }
    if (err != PEOPLE_OK) {
        return people_op_fail(op, err);
    }
    op->change.act.reason = people_keep(op, reason);
    op->change.act.ticket = people_keep(op, ticket);
    op->none = PEOPLE_NOT_ELIGIBLE;
    people_sql(op, elevate_sql);
    people_text(op, op->name);
    people_time(op, now_ns);
    people_text(op, op->id);
    people_bytes(op, op->hash, SESSION_HASH_SIZE);
    put_new_hash(op);
    people_text(op, role_rows[role].word);
    people_time(op, now_ns + (int64_t)seconds * 1000000000);
    people_text(op, op->change.act.reason);
    people_text(op, op->change.act.ticket);
    return people_op_change(op);
}
