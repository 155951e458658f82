/* auth/key_store_change.c - changes of keys, each a transaction: nonce, account, the change with its
 * event, then the key as it is now and the epoch; key_store_tx.c carries it out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/key_make.h"
#include "auth/key_row_sql.h"
#include "auth/key_store_priv.h"
#include "auth/scopes.h"
#include "gateway/runtime/clock.h"

struct plan {
    struct pg_statement statements[KEY_STATEMENTS_MAX - 1];
    size_t count;
    struct pg_param nonce[3];
    struct pg_param account[2];
    struct pg_param view[2];
    struct pg_param admin;
};

#define EVENT_SQL " INSERT INTO key_events (actor, action, key_id, reason, ticket, detail)"

static void add(struct plan *p, int *at, const char *sql, const struct pg_param *params,
                size_t count)
{
    *at = (int)p->count;
    p->statements[p->count++] =
        (struct pg_statement){.sql = sql, .params = params, .param_count = count};
}

/* Who asks: the nonce of the request, and the entry of the audit log. */
static void add_request(struct plan *p, struct key_op *op, const struct key_change *change)
{
    const struct key_nonce *n = change->nonce;

    if (change->entry != NULL) {
        op->entry = audit_entry_copy(change->entry);
    }

    if (n != NULL) {
        p->nonce[0] = pg_text(n->key_id);
        p->nonce[1] = pg_text(n->nonce);
        p->nonce[2] = pg_int8(n->expires_ns / 1000);
        add(p, &op->at_nonce, KEY_NONCE_SQL, p->nonce, 3);
    }
}

/* And what is to be seen of it: ID, and behind it OLD_ID unless NULL. */
static bool transact(struct plan *p, struct key_op *op, const char *id, const char *old_id)
{
    p->view[0] = pg_text(id);
    p->view[1] = pg_text(old_id);
    add(p, &op->at_view,
        KEY_ROW_SQL " WHERE k.id IN ($1::text, $2::text) ORDER BY k.id = $1::text DESC", p->view,
        2);
    add(p, &op->at_epoch, "SELECT epoch FROM revocation_epoch", NULL, 0);
    return key_op_transact(op, p->statements, p->count);
}

/* SENT or not, as the caller hears it. */
static enum key_store_err finish(struct key_op *op, bool sent)
{
    if (sent) {
        return KEY_STORE_OK;
    }
    key_op_destroy(&op);
    return KEY_STORE_UNAVAILABLE;
}

static struct pg_param time_param(int64_t ns)
{
    return ns != 0 ? pg_int8(ns / 1000) : pg_null();
}

static struct pg_param reason_param(const struct key_change *change)
{
    return pg_text(change->reason != NULL ? change->reason : "");
}

/* The three columns of what a key signs with, from PARAMS on; HASH is that of a token. */
static void material_params(struct pg_param *params, struct pg_param *hash,
                            const uint8_t *public_key, const struct key_secret *secret)
{
    bool sealed = secret != NULL && !secret->token;

    params[0] = public_key != NULL ? pg_bytea(public_key, KEY_PUBLIC_BYTES) : pg_null();
    params[1] = sealed ? pg_bytea(secret->sealed, secret->sealed_len) : pg_null();
    params[2] = sealed ? pg_int8(secret->master_version) : pg_null();
    *hash = secret != NULL && secret->token ? pg_bytea(secret->bytes, secret->len) : pg_null();
}

/* A secret for OP when ALG wants one; false when there is nothing to seal it with. */
static bool make_secret(struct key_op *op, const char *id, enum key_alg alg)
{
    if (alg == KEY_BEARER) {
        op->secret = key_make_token();
    } else if (key_alg_secret_bytes(alg) > 0) {
        op->secret =
            key_make_secret(id, alg, key_newest_master(op->s->masters, op->s->master_count));
        return op->secret != NULL;
    }
    return true;
}

/* clang-format off */
static const char issue_sql[] =
    "WITH made AS (INSERT INTO api_keys (id, account, label, algorithm, public_key, secret_sealed,"
    " master_version, scopes, flags, ip_allow, rate_class, not_before, not_after, created_by,"
    " owner, token_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::cidr[], $11,"
    " coalesce(" KEY_TIME_PARAM("$12") ", now()), " KEY_TIME_PARAM("$13") ", $14, $18, $19)"
    " RETURNING *)"
    EVENT_SQL
    " SELECT $14, $15::text, id, $16::text, $17::text, jsonb_build_object('account', account,"
    " 'owner', owner, 'label', label, 'algorithm', algorithm, 'scopes', scopes, 'ip_allow', ip_allow,"
    " 'rate_class', rate_class, 'not_before', not_before, 'not_after', not_after) FROM made";
/* What a key has, its successor gets, and networks where it has none; the old one's end may only come nearer. */
static const char rotate_sql[] =
    "WITH old AS (SELECT * FROM api_keys WHERE id = $1 AND revoked_at IS NULL"
    " AND not_before <= now() AND (not_after IS NULL OR not_after > now()) FOR UPDATE),"
    " made AS (INSERT INTO api_keys (id, account, label, algorithm, public_key, secret_sealed,"
    " master_version, scopes, flags, ip_allow, rate_class, not_before, not_after, created_by,"
    " rotated_from, owner, token_hash)"
    " SELECT $2, account, label, algorithm, $3, $4, $5, scopes, flags,"
    " CASE WHEN cardinality(ip_allow) = 0 THEN $12::cidr[] ELSE ip_allow END,"
    " rate_class, now(), coalesce(" KEY_TIME_PARAM("$6") ", now() + (not_after - not_before)),"
    " $7, id, owner, $11 FROM old RETURNING id),"
    " ended AS (UPDATE api_keys k SET not_after ="
    " least(k.not_after, now() + $8::bigint * interval '1 second')"
    " FROM old WHERE k.id = old.id RETURNING k.id, k.not_after)"
    EVENT_SQL
    " SELECT $7, 'rotate', ended.id, $9::text, $10::text, jsonb_build_object('successor', made.id,"
    " 'overlap_s', $8::bigint, 'not_after', ended.not_after) FROM made, ended";
/* clang-format on */

static void add_account(struct plan *p, struct key_op *op, const struct key_change *change,
                        const struct key_spec *spec)
{
    if (spec->create_account) {
        p->account[0] = pg_text(spec->account);
        p->account[1] = pg_text(change->actor);
        add(p, &op->at_account,
            "INSERT INTO accounts (id, label, created_by) VALUES ($1, $1, $2)"
            " ON CONFLICT DO NOTHING",
            p->account, 2);
    }
}

static void put_nets(struct buf *out, const char *const *nets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pg_array_put(out, nets[i]);
    }
    pg_array_end(out);
}

static void issue_params(struct pg_param params[19], const char *id, const struct key_spec *spec,
                         struct buf *nets, const struct key_secret *secret)
{
    put_nets(nets, spec->ip_allow, spec->ip_allow_count);
    params[0] = pg_text(id);
    params[1] = pg_text(spec->account);
    params[2] = pg_text(spec->label);
    params[3] = pg_text(key_alg_word(spec->alg));
    material_params(&params[4], &params[18], spec->public_key, secret);
    params[7] = pg_int8((int64_t)spec->scopes);
    params[8] = pg_int8((int64_t)spec->flags);
    params[9] = pg_text(buf_cstr(nets));
    params[10] = pg_text(spec->rate_class != NULL ? spec->rate_class : "default");
    params[11] = time_param(spec->not_before_ns);
    params[12] = time_param(spec->not_after_ns);
}

/* One at a time, so that the second sees the first. */
static void add_alone(struct plan *p, struct key_op *op)
{
    int ignored;

    p->admin = pg_int8((int64_t)scopes_admin());
    add(p, &ignored, "SELECT pg_advisory_xact_lock(hashtext('portcullis first key'))", NULL, 0);
    add(p, &op->at_others,
        "SELECT count(*) FROM api_keys k JOIN accounts a ON a.id = k.account LEFT JOIN users u"
        " ON u.name = k.owner WHERE k.scopes & $1::bigint <> 0 AND " KEY_STATE_SQL " = 'active'",
        &p->admin, 1);
}

enum key_store_err key_store_issue_as(struct key_store *s, const char *action, bool alone,
                                      const struct key_change *change, const struct key_spec *spec,
                                      const char **field, key_answer_fn *cb, void *arg)
{
    const char *wrong = key_check_change(change, false);
    struct pg_param params[19];
    struct plan p = {0};
    struct buf nets = {0};
    char id[KEY_MADE_ID_SIZE];
    enum key_store_err err;
    struct key_op *op;

    wrong = wrong != NULL ? wrong : key_check_spec(spec, clock_real_ns());
    if (wrong != NULL) {
        return key_refuse(wrong, field);
    }
    if (!key_check_bound(spec->scopes, spec->ip_allow_count)) {
        (void)key_refuse("ip_allow", field);
        return KEY_STORE_NO_NETS;
    }
    op = key_op_create(s, cb, arg);
    key_make_id(id);
    if (!make_secret(op, id, spec->alg)) {
        key_op_destroy(&op);
        return KEY_STORE_NO_MASTER;
    }
    issue_params(params, id, spec, &nets, op->secret);
    params[13] = pg_text(change->actor);
    params[14] = pg_text(action);
    params[15] = reason_param(change);
    params[16] = pg_text(change->ticket);
    params[17] = pg_text(spec->owner);
    add_request(&p, op, change);
    if (alone) {
        add_alone(&p, op);
    }
    add_account(&p, op, change, spec);
    add(&p, &op->at_change, issue_sql, params, GW_LEN(params));
    err = finish(op, transact(&p, op, id, NULL));
    buf_fini(&nets);
    return err;
}

enum key_store_err key_store_issue(struct key_store *s, const struct key_change *change,
                                   const struct key_spec *spec, const char **field,
                                   key_answer_fn *cb, void *arg)
{
    return key_store_issue_as(s, "issue", false, change, spec, field, cb, arg);
}

/* --- rotate: the old key's algorithm and scopes first, which never change, then all at once ---- */

struct key_rotate {
    char id[KEY_ID_MAX + 1];
    uint64_t scopes;
    uint32_t overlap_s;
    int64_t not_after_ns;
    bool has_public_key;
    size_t net_count;
    struct buf nets; /* as an array */
    uint8_t public_key[KEY_PUBLIC_BYTES];
    struct key_change change; /* its texts are behind this struct */
    struct key_nonce nonce;
    struct audit_entry *entry;
};

/* *S moves to AT. */
static void keep(const char **s, char **at)
{
    if (*s != NULL) {
        size_t size = strlen(*s) + 1;

        memcpy(*at, *s, size);
        *s = *at;
        *at += size;
    }
}

static size_t room(const char *s)
{
    return s != NULL ? strlen(s) + 1 : 0;
}

void key_rotate_destroy(struct key_rotate **rp)
{
    if (*rp != NULL) {
        buf_fini(&(*rp)->nets);
        free((*rp)->entry);
        free(*rp);
        *rp = NULL;
    }
}

static struct key_rotate *rotate_copy(const struct key_change *change,
                                      const struct key_rotation *rotation)
{
    struct key_nonce nonce = change->nonce != NULL ? *change->nonce : (struct key_nonce){0};
    struct key_rotate *r =
        gw_calloc(1, sizeof *r + room(change->actor) + room(change->reason) + room(change->ticket) +
                         room(nonce.key_id) + room(nonce.nonce));
    char *at = (char *)(r + 1);

    (void)snprintf(r->id, sizeof r->id, "%s", rotation->id);
    put_nets(&r->nets, rotation->ip_allow, rotation->ip_allow_count);
    r->net_count = rotation->ip_allow_count;
    r->scopes = rotation->scopes;
    r->overlap_s = rotation->overlap_s;
    r->not_after_ns = rotation->not_after_ns;
    r->has_public_key = rotation->public_key != NULL;
    if (r->has_public_key) {
        memcpy(r->public_key, rotation->public_key, sizeof r->public_key);
    }
    r->change = *change;
    r->nonce = nonce;
    keep(&r->change.actor, &at);
    keep(&r->change.reason, &at);
    keep(&r->change.ticket, &at);
    keep(&r->nonce.key_id, &at);
    keep(&r->nonce.nonce, &at);
    r->change.nonce = change->nonce != NULL ? &r->nonce : NULL;
    r->change.entry = r->entry = change->entry != NULL ? audit_entry_copy(change->entry) : NULL;
    return r;
}

/* May what REPLY says of the old key be taken over as OP asks? */
static enum key_store_err judge_rotation(struct key_op *op, const struct pg_reply *reply,
                                         enum key_alg *alg, const char **field)
{
    const struct key_rotate *r = op->rotate;
    const char *word = pg_rows(reply, 0) > 0 ? pg_value(reply, 0, 0, 0, NULL) : NULL;
    const uint8_t *public_key = r->has_public_key ? r->public_key : NULL;
    enum key_store_err err = key_op_judge(op, reply, field);
    int64_t scopes;
    int64_t nets;

    if (err != KEY_STORE_OK) {
        return err;
    }
    if (word == NULL || !key_alg_parse(word, alg)) {
        return KEY_STORE_NOT_FOUND;
    }
    if (!pg_value_i64(reply, 0, 0, 1, &scopes) || ((uint64_t)scopes & ~r->scopes) != 0) {
        return KEY_STORE_SCOPES;
    }
    if (!pg_value_i64(reply, 0, 0, 2, &nets) || (nets > 0 && r->net_count > 0)) {
        (void)key_refuse("ip_allow", field);
        return KEY_STORE_HAS_NETS;
    }
    if (!key_check_bound((uint64_t)scopes, (size_t)nets + r->net_count)) {
        (void)key_refuse("ip_allow", field);
        return KEY_STORE_NO_NETS;
    }
    return key_check_public_key(*alg, public_key) ? KEY_STORE_OK : key_refuse("public_key", field);
}

static void on_algorithm(void *arg, const struct pg_reply *reply)
{
    struct key_op *op = arg;
    struct key_rotate *r = op->rotate;
    struct key_answer answer = {0};
    enum key_alg alg = KEY_ED25519;
    char id[KEY_MADE_ID_SIZE];
    struct pg_param params[12];
    struct plan p = {0};

    key_make_id(id);
    answer.err = judge_rotation(op, reply, &alg, &answer.field);
    if (answer.err == KEY_STORE_OK && !make_secret(op, id, alg)) {
        answer.err = KEY_STORE_NO_MASTER;
    }
    if (answer.err == KEY_STORE_OK) {
        params[0] = pg_text(r->id);
        params[1] = pg_text(id);
        material_params(&params[2], &params[10], r->has_public_key ? r->public_key : NULL,
                        op->secret);
        params[5] = time_param(r->not_after_ns);
        params[6] = pg_text(r->change.actor);
        params[7] = pg_int8(r->overlap_s);
        params[8] = reason_param(&r->change);
        params[9] = pg_text(r->change.ticket);
        params[11] = pg_text(buf_cstr(&r->nets));
        op->rotates = true;
        add_request(&p, op, &r->change);
        add(&p, &op->at_change, rotate_sql, params, GW_LEN(params));
        if (transact(&p, op, id, r->id)) {
            return;
        }
        answer.err = KEY_STORE_UNAVAILABLE;
    }
    key_op_answer(op, &answer);
}

enum key_store_err key_store_rotate(struct key_store *s, const struct key_change *change,
                                    const struct key_rotation *rotation, const char **field,
                                    key_answer_fn *cb, void *arg)
{
    const char *wrong = key_check_change(change, false);
    const struct pg_param param = pg_text(rotation->id);
    const struct pg_statement ask = {.sql = "SELECT algorithm, scopes, cardinality(ip_allow)"
                                            " FROM api_keys WHERE id = $1",
                                     .params = &param,
                                     .param_count = 1};
    struct key_op *op;

    wrong = wrong != NULL ? wrong : key_check_rotation(rotation, clock_real_ns());
    if (wrong != NULL) {
        return key_refuse(wrong, field);
    }
    if (!key_check_id(rotation->id)) {
        return KEY_STORE_NOT_FOUND;
    }
    op = key_op_create(s, cb, arg);
    op->rotate = rotate_copy(change, rotation);
    return finish(op, pg_query(s->pg, &ask, 0, on_algorithm, op));
}

/* --- revoke, rate class ------------------------------------------------------------------------ */

static enum key_store_err change_one(struct key_op *op, const struct key_change *change,
                                     const char *id, const char *sql, const struct pg_param *params,
                                     size_t count)
{
    struct plan p = {0};

    add_request(&p, op, change);
    add(&p, &op->at_change, sql, params, count);
    return finish(op, transact(&p, op, id, NULL));
}

enum key_store_err key_store_revoke(struct key_store *s, const struct key_change *change,
                                    const char *id, const char **field, key_answer_fn *cb,
                                    void *arg)
{
    static const char sql[] =
        "WITH changed AS (UPDATE api_keys SET revoked_at = now(), revoked_by = $2,"
        " revoke_reason = $3 WHERE id = $1 AND revoked_at IS NULL RETURNING id)" EVENT_SQL
        " SELECT $2, 'revoke', id, $3, $4::text, '{}' FROM changed";
    const char *wrong = key_check_change(change, true);
    const struct pg_param params[] = {pg_text(id), pg_text(change->actor), reason_param(change),
                                      pg_text(change->ticket)};

    if (wrong != NULL) {
        return key_refuse(wrong, field);
    }
    if (!key_check_id(id)) {
        return KEY_STORE_NOT_FOUND;
    }
    return change_one(key_op_create(s, cb, arg), change, id, sql, params, GW_LEN(params));
}

enum key_store_err key_store_set_rate_class(struct key_store *s, const struct key_change *change,
                                            const char *id, const char *rate_class,
                                            const char **field, key_answer_fn *cb, void *arg)
{
    static const char sql[] =
        "WITH old AS (SELECT id, rate_class FROM api_keys WHERE id = $1 AND revoked_at IS NULL"
        " FOR UPDATE), changed AS (UPDATE api_keys k SET rate_class = $5 FROM old"
        " WHERE k.id = old.id RETURNING k.id, k.rate_class, old.rate_class AS before)" EVENT_SQL
        " SELECT $2::text, 'set_rate_class', id, $3::text, $4::text,"
        " jsonb_build_object('rate_class', rate_class, 'before', before) FROM changed";
    const char *wrong = key_check_change(change, false);
    const struct pg_param params[] = {pg_text(id), pg_text(change->actor), reason_param(change),
                                      pg_text(change->ticket), pg_text(rate_class)};

    wrong = wrong != NULL ? wrong : key_check_rate_class(rate_class);
    if (wrong != NULL) {
        return key_refuse(wrong, field);
    }
    if (!key_check_id(id)) {
        return KEY_STORE_NOT_FOUND;
    }
    return change_one(key_op_create(s, cb, arg), change, id, sql, params, GW_LEN(params));
}

enum key_store_err key_store_set_flagged(struct key_store *s, const struct key_change *change,
                                         const char *id, bool flagged, const char **field,
                                         key_answer_fn *cb, void *arg)
{
    static const char sql[] =
        "WITH changed AS (UPDATE api_keys SET flags = flags & ~1::bigint | $5::bigint"
        " WHERE id = $1 AND revoked_at IS NULL RETURNING id)" EVENT_SQL
        " SELECT $2::text, 'flag', id, $3::text, $4::text,"
        " jsonb_build_object('flagged', $5::bigint = 1) FROM changed";
    const char *wrong = key_check_change(change, true);
    const struct pg_param params[] = {pg_text(id), pg_text(change->actor), reason_param(change),
                                      pg_text(change->ticket), pg_int8(flagged ? KEY_FLAGGED : 0)};

    if (wrong != NULL) {
        return key_refuse(wrong, field);
    }
    if (!key_check_id(id)) {
        return KEY_STORE_NOT_FOUND;
    }
    return change_one(key_op_create(s, cb, arg), change, id, sql, params, GW_LEN(params));
}
