/* auth/key_store.c - answers of the store of keys, and its views. */
#include "auth/key_store.h"

#include <stdlib.h>
#include <string.h>
#include "auth/key_make.h"
#include "auth/key_row_sql.h"
#include "auth/key_store_priv.h"
#include "auth/keys.h"
#include "gateway/runtime/log.h"

#define ERR_AS_ROW(sym, http, text) {#sym, http, text},
static const struct key_store_err_row err_rows[KEY_STORE_ERR_COUNT] = {
    KEY_STORE_ERRORS(ERR_AS_ROW)};

const struct key_store_err_row *key_store_err_row(enum key_store_err err)
{
    GW_ASSERT((unsigned)err < KEY_STORE_ERR_COUNT);
    return &err_rows[err];
}

enum key_store_err key_refuse(const char *name, const char **field)
{
    if (field != NULL) {
        *field = name;
    }
    return KEY_STORE_INVALID;
}

/* --- answers ----------------------------------------------------------------------------------- */

struct key_op *key_op_create(struct key_store *s, key_answer_fn *cb, void *arg)
{
    struct key_op *op = gw_calloc(1, sizeof *op);

    *op = (struct key_op){.s = s,
                          .cb = cb,
                          .arg = arg,
                          .at_nonce = -1,
                          .at_account = -1,
                          .at_change = -1,
                          .at_view = -1,
                          .at_epoch = -1,
                          .at_others = -1};
    return op;
}

void key_op_destroy(struct key_op **op)
{
    key_secret_destroy(&(*op)->secret);
    key_rotate_destroy(&(*op)->rotate);
    key_op_end_tx(*op);
    free(*op);
    *op = NULL;
}

void key_op_answer(struct key_op *op, struct key_answer *answer)
{
    if (op->secret != NULL && op->secret->token && answer->err == KEY_STORE_OK) {
        answer->token = op->secret->text;
    } else if (op->secret != NULL && answer->err == KEY_STORE_OK) {
        answer->secret = op->secret->bytes;
        answer->secret_len = op->secret->len;
        answer->secret_base64 = op->secret->text;
    }
    if (answer->err == KEY_STORE_INVALID && answer->field == NULL) {
        answer->field = "";
    }
    op->cb(op->arg, answer);
    key_op_destroy(&op);
}

/* What a refused statement means. */
static enum key_store_err judge_refusal(const struct key_op *op, const struct pg_reply *r,
                                        const char **field)
{
    const char *state = pg_sqlstate(r);
    int at = (int)pg_failed_at(r);

    if (at == op->at_nonce && strcmp(state, "23505") == 0) {
        return KEY_STORE_REPLAY;
    }
    if (at == op->at_nonce && strcmp(state, "23503") == 0) {
        *field = "nonce"; /* of a key that is gone */
        return KEY_STORE_INVALID;
    }
    if (at == op->at_change && op->rotates && strcmp(state, "23505") == 0) {
        return KEY_STORE_ROTATED;
    }
    if (at == op->at_change && strcmp(state, "23503") == 0) {
        return KEY_STORE_ACCOUNT;
    }
    if (strcmp(state, "23514") == 0 || strncmp(state, "22", 2) == 0) {
        return KEY_STORE_INVALID;
    }
    log_error("auth", "key_store_refused",
              "\"sqlstate\":\"%s\",\"error\":%s,\"next\":\"look after PostgreSQL\"", state,
              log_json(pg_message(r)));
    return KEY_STORE_UNAVAILABLE;
}

enum key_store_err key_op_judge(const struct key_op *op, const struct pg_reply *r,
                                const char **field)
{
    switch (pg_outcome(r)) {
    case PG_OK:
        return KEY_STORE_OK;
    case PG_FAILED:
        return judge_refusal(op, r, field);
    case PG_UNKNOWN:
        return op->committing ? KEY_STORE_UNKNOWN : KEY_STORE_UNAVAILABLE;
    case PG_NOT_DONE:
        break;
    }
    return KEY_STORE_UNAVAILABLE;
}

void key_store_changed(struct key_store *s, const struct key_op *op)
{
    if (s->keys != NULL) {
        keys_changed(s->keys, op->epoch);
    }
    if (op->at_nonce >= 0) {
        key_store_swept(s, 1);
    }
}

/* --- views ------------------------------------------------------------------------------------- */

static void on_rows(void *arg, const struct pg_reply *r)
{
    struct key_op *op = arg;
    struct key_answer answer = {0};
    struct buf bytes = {0};
    struct key_row *rows;

    answer.err = key_op_judge(op, r, &answer.field);
    rows = key_rows_read(r, 0, &answer.count, &bytes); /* none unless OK */
    answer.rows = rows;
    if (answer.count > op->limit) {
        answer.count = op->limit;
        answer.more = true;
    }
    if (op->one && answer.err == KEY_STORE_OK && answer.count == 0) {
        answer.err = KEY_STORE_NOT_FOUND;
    }
    key_op_answer(op, &answer);
    free(rows);
    buf_fini(&bytes);
}

static void on_uses(void *arg, const struct pg_reply *r)
{
    struct key_op *op = arg;
    struct key_answer answer = {0};
    struct key_use_row *uses;
    struct key_seen_row *seen;
    struct key_refusal_row *refusals;
    struct key_usage usage = {0};

    answer.err = key_op_judge(op, r, &answer.field);
    uses = key_uses_read(r, 0, &answer.count);
    seen = key_seen_read(r, 1, &usage.seen_count);
    refusals = key_refusals_read(r, 2, &usage.refusal_count);
    usage.use = answer.count > 0 ? uses : NULL;
    usage.seen = seen;
    usage.refusals = refusals;
    answer.uses = uses;
    answer.usage = &usage;
    key_op_answer(op, &answer);
    free(uses);
    free(seen);
    free(refusals);
}

static enum key_store_err view(struct key_op *op, const char *sql, const struct pg_param *params,
                               size_t count, pg_reply_fn *cb)
{
    const struct pg_statement s = {.sql = sql, .params = params, .param_count = count};

    if (pg_query(op->s->pg, &s, 0, cb, op)) {
        return KEY_STORE_OK;
    }
    key_op_destroy(&op);
    return KEY_STORE_UNAVAILABLE;
}

enum key_store_err key_store_list(struct key_store *s, const struct key_filter *filter,
                                  const char **field, key_answer_fn *cb, void *arg)
{
    const char *wrong = key_check_filter(filter);
    struct key_op *op;
    struct pg_param params[4];

    if (wrong != NULL) {
        return key_refuse(wrong, field);
    }
    op = key_op_create(s, cb, arg);
    op->limit = filter->limit != 0 ? filter->limit : KEY_LIST_MAX;
    params[0] = pg_text(filter->account);
    params[1] = pg_text(filter->state < 0 ? NULL : key_state_word((enum key_state)filter->state));
    params[2] = pg_text(filter->after);
    params[3] = pg_int8((int64_t)op->limit + 1);
    return view(op,
                KEY_ROW_SQL " WHERE ($1::text IS NULL OR k.account = $1)"
                            " AND ($2::text IS NULL OR " KEY_STATE_SQL " = $2)"
                            " AND ($3::text IS NULL OR k.id > $3) ORDER BY k.id LIMIT $4",
                params, GW_LEN(params), on_rows);
}

enum key_store_err key_store_get(struct key_store *s, const char *id, key_answer_fn *cb, void *arg)
{
    const struct pg_param param = pg_text(id);
    struct key_op *op;

    if (!key_check_id(id)) {
        return KEY_STORE_NOT_FOUND;
    }
    op = key_op_create(s, cb, arg);
    op->limit = 1;
    op->one = true;
    return view(op, KEY_ROW_SQL " WHERE k.id = $1", &param, 1, on_rows);
}

enum key_store_err key_store_usage(struct key_store *s, const char *id, const char *account,
                                   key_answer_fn *cb, void *arg)
{
    static const char uses_sql[] = "SELECT u.key_id, " KEY_MICROS(
        "u.last_used_at") ", host(u.last_ip), u.last_route,"
                          " u.use_count FROM api_key_use u JOIN api_keys k ON k.id = u.key_id"
                          " WHERE ($1::text IS NULL OR u.key_id = $1) AND ($2::text IS NULL OR "
                          "k.account = $2)"
                          " ORDER BY u.key_id";
    static const char seen_sql[] =
        "SELECT text(network), method, route, " KEY_MICROS("first_seen_at") ", " KEY_MICROS(
            "last_seen_at") ", use_count FROM api_key_seen WHERE key_id = $1"
                            " ORDER BY last_seen_at DESC, network, route, method LIMIT $2";
    static const char refusals_sql[] =
        "SELECT cause, text(last_network), " KEY_MICROS("first_at") ", " KEY_MICROS(
            "last_at") ", count"
                       " FROM api_key_refusals WHERE key_id = $1 ORDER BY last_at DESC, cause";
    const struct pg_param params[] = {pg_text(id), pg_text(account)};
    const struct pg_param seen[] = {pg_text(id), pg_int8(KEY_SEEN_MAX)};
    const struct pg_statement all[] = {{uses_sql, params, GW_LEN(params)},
                                       {seen_sql, seen, GW_LEN(seen)},
                                       {refusals_sql, seen, 1}};
    struct key_op *op;

    if (id != NULL && !key_check_id(id)) {
        return KEY_STORE_NOT_FOUND;
    }
    op = key_op_create(s, cb, arg);
    if (pg_transaction(s->pg, all, GW_LEN(all), 0, on_uses, op)) {
        return KEY_STORE_OK;
    }
    key_op_destroy(&op);
    return KEY_STORE_UNAVAILABLE;
}

/* --- life -------------------------------------------------------------------------------------- */

struct key_store *key_store_create(struct pg *pg, struct keys *keys,
                                   const struct envelope_master *masters, size_t master_count)
{
    struct key_store *s = gw_calloc(1, sizeof *s);

    *s = (struct key_store){.pg = pg,
                            .keys = keys,
                            .masters = masters,
                            .master_count = master_count,
                            .audit_metrics = metrics_create(&audit_metrics)};
    return s;
}

void key_store_forget_keys(struct key_store *s)
{
    s->keys = NULL;
}

void key_store_destroy(struct key_store **sp)
{
    free(*sp);
    *sp = NULL;
}
