/* auth/people/people_op.c - a call under way: what it keeps, its statements, its answer. */
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "auth/secret_mem.h"
#include "auth/words.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define GRID_NS 250000000LL /* refusals leave at multiples of it: they all look alike */

#define ERR_AS_ROW(sym, http, text)         {#sym, http, text},
#define ACT_AS_ROW(sym, word, target, text) {word, target, text},
static const struct people_err_row err_rows[PEOPLE_ERR_COUNT] = {PEOPLE_ERRORS(ERR_AS_ROW)};
const struct people_act_row people_act_rows[PEOPLE_ACT_COUNT] = {PEOPLE_ACTS(ACT_AS_ROW)};

const struct people_err_row *people_err_row(enum people_err err)
{
    GW_ASSERT((unsigned)err < PEOPLE_ERR_COUNT);
    return &err_rows[err];
}

void people_describe(struct buf *out)
{
    roles_describe(out);
    buf_lit(out,
            "\n## What is entered in the audit log\n\n| action | target | what |\n|---|---|---|\n");
    for (unsigned i = 0; i < PEOPLE_ACT_COUNT; i++) {
        buf_printf(out, "| `%s` | `%s` | %s |\n", people_act_rows[i].word,
                   people_act_rows[i].target, people_act_rows[i].text);
    }
    buf_lit(out, "\n## What is refused\n\n| name | HTTP | text |\n|---|---|---|\n");
    for (unsigned i = 1; i < PEOPLE_ERR_COUNT; i++) {
        buf_printf(out, "| `%s` | %u | %s |\n", err_rows[i].name, err_rows[i].http_status,
                   err_rows[i].text);
    }
}

/* --- what it keeps ----------------------------------------------------------------------------- */

struct people_op *people_op_create(struct people *p, enum people_act_kind kind,
                                   people_answer_fn *cb, void *arg)
{
    struct people_op *op = gw_calloc(1, sizeof *op);

    op->p = p;
    op->cb = cb;
    op->arg = arg;
    op->none = PEOPLE_CONFLICT;
    op->begun_ns = clock_mono_ns();
    op->change.act.kind = kind;
    op->change.act.outcome = "done";
    op->last_step = -1;
    op->step = -1;
    people_hold(p);
    return op;
}

static void destroy(struct people_op *op)
{
    void *secrets = op->secrets;

    secret_mem_put(&secrets, sizeof *op->secrets);
    for (size_t i = 0; i < op->kept_count; i++) {
        OPENSSL_cleanse(op->kept[i], op->kept_len[i]);
        free(op->kept[i]);
    }
    OPENSSL_cleanse(op->text.data, op->text.len); /* may be the URI of a secret */
    buf_fini(&op->text);
    free(op);
}

const uint8_t *people_keep_bytes(struct people_op *op, const void *bytes, size_t len)
{
    uint8_t *copy = gw_malloc(len + 1);

    GW_ASSERT(op->kept_count < OP_KEPT);
    memcpy(copy, bytes, len);
    copy[len] = 0;
    op->kept_len[op->kept_count] = len;
    op->kept[op->kept_count++] = copy;
    return copy;
}

const char *people_keep(struct people_op *op, const char *s)
{
    return s != NULL ? (const char *)people_keep_bytes(op, s, strlen(s)) : NULL;
}

void people_op_by(struct people_op *op, const struct people_by *by)
{
    struct people_act *act = &op->change.act;

    act->actor = people_keep(op, by->actor);
    act->session = people_keep(op, by->session);
    act->ip = people_keep(op, by->ip);
    act->reason = people_keep(op, by->reason);
    act->ticket = people_keep(op, by->ticket);
}

void people_op_secrets(struct people_op *op)
{
    if (op->secrets == NULL) {
        op->secrets = secret_mem_get(sizeof *op->secrets);
    }
}

bool people_op_token(struct people_op *op)
{
    people_op_secrets(op);
    if (session_token_make(op->secrets->token) != GW_OK) {
        return false;
    }
    GW_ASSERT(session_csrf(op->secrets->token, strlen(op->secrets->token), op->secrets->csrf));
    op->answer.token = op->secrets->token;
    op->answer.csrf = op->secrets->csrf;
    return true;
}

/* --- statements -------------------------------------------------------------------------------- */

void people_sql(struct people_op *op, const char *sql)
{
    struct people_change *c = &op->change;

    GW_ASSERT(c->count < OP_STATEMENTS);
    op->statements[c->count++] =
        (struct pg_statement){.sql = sql, .params = &op->params[op->param_count]};
    c->statements = op->statements;
}

static void put(struct people_op *op, struct pg_param param)
{
    GW_ASSERT(op->param_count < OP_PARAMS);
    op->params[op->param_count++] = param;
    op->statements[op->change.count - 1].param_count++;
}

void people_text(struct people_op *op, const char *s)
{
    put(op, pg_text(s));
}

void people_int(struct people_op *op, int64_t n)
{
    put(op, pg_int8(n));
}

void people_time(struct people_op *op, int64_t ns)
{
    put(op, ns != 0 ? pg_int8(ns / 1000) : pg_null());
}

void people_bool(struct people_op *op, bool yes)
{
    put(op, pg_bool(yes));
}

void people_bytes(struct people_op *op, const void *bytes, size_t len)
{
    put(op, pg_bytea(bytes, len));
}

/* --- the change, as its writer does it --------------------------------------------------------- */

bool people_change_rows(struct people_change *change, const struct pg_reply *reply)
{
    struct people_op *op = (struct people_op *)(void *)change; /* its first member */
    size_t last = change->count - 1;
    bool found = false;
    bool changed = false;
    int64_t epoch = 0;

    if (pg_rows(reply, 0) != 1 || pg_rows(reply, last) != 1 ||
        !pg_value_bool(reply, 0, 0, 0, &found) || !pg_value_bool(reply, 0, 0, 1, &changed) ||
        !pg_value_i64(reply, last, 0, 0, &epoch)) {
        op->state = PEOPLE_UNAVAILABLE;
        return false;
    }
    if (!changed) {
        op->state = found || op->none == PEOPLE_REFUSED ? op->none : PEOPLE_NOT_FOUND;
    } else {
        change->act.before = people_keep(op, pg_value(reply, 0, 0, 2, NULL));
        change->act.after = people_keep(op, pg_value(reply, 0, 0, 3, NULL));
        op->epoch = (uint64_t)epoch;
    }
    if (op->heard != NULL) {
        op->heard(op, reply, changed);
    }
    return changed;
}

static enum people_err judge(const struct people_op *op, const struct pg_reply *r)
{
    switch (pg_outcome(r)) {
    case PG_OK:
        return PEOPLE_OK;
    case PG_UNKNOWN:
        return PEOPLE_UNKNOWN;
    case PG_NOT_DONE:
        return PEOPLE_UNAVAILABLE;
    case PG_FAILED:
        break;
    }
    if (strcmp(pg_sqlstate(r), "23505") == 0 || strcmp(pg_sqlstate(r), "23001") == 0) {
        return op->none; /* another was quicker */
    }
    log_error("people", "store_refused",
              "\"act\":\"%s\",\"sqlstate\":\"%s\",\"error\":%s,\"next\":\"look after PostgreSQL\"",
              people_act_rows[op->change.act.kind].word, pg_sqlstate(r), log_json(pg_message(r)));
    return PEOPLE_UNAVAILABLE;
}

void people_change_end(struct people_change *change, const struct pg_reply *reply)
{
    struct people_op *op = (struct people_op *)(void *)change;

    if (op->state == PEOPLE_OK) {
        op->state = judge(op, reply);
    }
    if (op->state == PEOPLE_OK) {
        people_op_settle(op);
    } else {
        (void)people_op_fail(op, op->state);
    }
}

void people_change_undone(struct people_change *change)
{
    struct people_op *op = (struct people_op *)(void *)change;

    (void)people_op_fail(op, op->state == PEOPLE_OK ? PEOPLE_UNAVAILABLE : op->state);
}

/* The writer that keeps no audit log. */
struct plain {
    struct people_change *change;
    struct pg_tx *tx;
};

/* REPLY NULL: rolled back without one. */
static void plain_end(struct plain *w, const struct pg_reply *reply)
{
    struct people_change *change = w->change;

    if (w->tx != NULL) {
        pg_tx_rollback(&w->tx);
    }
    free(w);
    if (reply != NULL) {
        people_change_end(change, reply);
    } else {
        people_change_undone(change);
    }
}

static void on_committed(void *arg, const struct pg_reply *reply)
{
    plain_end(arg, reply);
}

static void on_done(void *arg, const struct pg_reply *reply)
{
    struct plain *w = arg;

    if (pg_outcome(reply) != PG_OK || !people_change_rows(w->change, reply)) {
        plain_end(w, reply);
    } else if (!pg_tx_commit(&w->tx, on_committed, w)) {
        plain_end(w, NULL);
    }
}

static void on_begun(void *arg, const struct pg_reply *reply)
{
    struct plain *w = arg;

    if (pg_outcome(reply) != PG_OK) {
        plain_end(w, reply);
    } else if (!pg_tx_next(w->tx, w->change->statements, w->change->count, on_done, w)) {
        plain_end(w, NULL);
    }
}

static bool write_plain(struct pg *pg, struct people_change *change)
{
    struct plain *w = gw_calloc(1, sizeof *w);

    w->change = change;
    w->tx = pg_tx_begin(pg, 0, on_begun, w);
    if (w->tx == NULL) {
        free(w);
        return false;
    }
    return true;
}

enum people_err people_op_change(struct people_op *op)
{
    const struct people_options *opt = &op->p->opt;

    people_sql(op, EPOCH_SQL);
    if (opt->writer != NULL ? opt->writer->write(opt->writer_arg, &op->change)
                            : write_plain(opt->pg, &op->change)) {
        return PEOPLE_OK;
    }
    return people_op_fail(op, PEOPLE_UNAVAILABLE);
}

/* --- answers ----------------------------------------------------------------------------------- */

void people_op_answer(struct people_op *op)
{
    struct people *p = op->p;
    struct people_answer *a = &op->answer;

    a->err = op->state;
    if (op->state != PEOPLE_OK) {
        *a = (struct people_answer){.err = op->state, .field = a->field, .why = a->why};
    } else if (a->token != NULL && op->id != NULL) {
        const struct people_slot *slot = people_table_by_id(p->table, op->id);

        a->session = slot != NULL ? &slot->s : NULL;
        if (op->rehash && op->change.act.kind == ACT_LOGIN) {
            people_rehash(op); /* not before: the change wants the hash that was judged */
        }
        if (slot == NULL) { /* committed, and ended again meanwhile; or it could not be read */
            *a = (struct people_answer){.err = PEOPLE_UNKNOWN};
        }
    }
    if (op->cb != NULL) {
        op->cb(op->arg, a);
    }
    destroy(op);
    people_release(p);
}

void people_op_settle(struct people_op *op)
{
    struct people *p = op->p;

    if (p->closing || (p->table != NULL && p->table->epoch == op->epoch)) {
        people_op_answer(op);
        return;
    }
    op->next = p->waiting;
    p->waiting = op;
    people_reload(p);
}

static void on_timer_closed(uv_handle_t *handle)
{
    people_op_answer(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

static void tell_refused(struct people_op *op)
{
    const struct people_options *opt = &op->p->opt;

    metrics_inc(opt->metrics, PEOPLE_M_REFUSED);
    op->change.act.outcome = "denied";
    op->change.act.before = NULL;
    op->change.act.after = NULL;
    if (opt->writer != NULL && opt->writer->refused != NULL) {
        opt->writer->refused(opt->writer_arg, &op->change.act);
    }
}

static void on_given_back(void *arg, const struct pg_reply *reply)
{
    struct people_op *op = arg;

    (void)reply; /* at worst it counts as a wrong one */
    (void)people_op_fail(op, op->state);
}

/* False: it cannot be, or need not. */
static bool give_back(struct people_op *op)
{
    const struct pg_param params[] = {pg_text(op->name), pg_int8(op->answer.failures)};
    const struct pg_statement s = {.sql = TRY_BACK_SQL, .params = params, .param_count = 2};
    bool due = op->counted && op->state != PEOPLE_REFUSED;

    op->counted = false;
    return due && pg_query(op->p->opt.pg, &s, 0, on_given_back, op);
}

enum people_err people_op_fail(struct people_op *op, enum people_err err)
{
    int64_t wait_ns = 0;

    GW_ASSERT(err != PEOPLE_OK);
    op->state = err;
    if (give_back(op)) {
        return PEOPLE_OK;
    }
    if (err == PEOPLE_REFUSED) {
        tell_refused(op);
        wait_ns = GRID_NS - (clock_mono_ns() - op->begun_ns) % GRID_NS;
    }
    GW_ASSERT(uv_timer_init(op->p->loop, &op->timer) == 0);
    op->timer.data = op;
    GW_ASSERT(uv_timer_start(&op->timer, on_timer, (uint64_t)(wait_ns + 999999) / 1000000, 0) == 0);
    return PEOPLE_OK;
}

enum people_err people_op_invalid(struct people_op *op, const char *field, const char *why)
{
    op->answer.field = field;
    op->answer.why = why;
    return people_op_fail(op, PEOPLE_INVALID);
}

bool people_is_name(const char *name)
{
    return words_name(name, "_.-", PEOPLE_NAME_MAX) && strlen(name) >= 2 && name[0] >= 'a';
}
