/* auth/key_store_tx.c - the transaction of a change, with its entry of the audit log: both or neither.
 *
 *   BEGIN -> nonce, account, change, view, epoch; lock the head of the chain -> entry, head -> COMMIT
 *
 * The head is locked last, so that it is held for the shortest time. */
#include <stdlib.h>
#include <string.h>
#include "auth/key_row_sql.h"
#include "auth/key_store_priv.h"
#include "gateway/audit/ulid.h"
#include "gateway/runtime/log.h"

/* --- statements, until there is a connection --------------------------------------------------- */

struct key_plan {
    size_t count;
    struct pg_statement statements[KEY_STATEMENTS_MAX];
    struct pg_param *params;
    char *bytes;
};

static void plan_destroy(struct key_plan **pp)
{
    if (*pp != NULL) {
        free((*pp)->params);
        free((*pp)->bytes);
        free(*pp);
        *pp = NULL;
    }
}

static struct key_plan *plan_copy(const struct pg_statement *statements, size_t count)
{
    struct key_plan *p = gw_calloc(1, sizeof *p);
    size_t params = 0;
    size_t bytes = 0;
    size_t at = 0;
    char *to;

    GW_ASSERT(count < KEY_STATEMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        params += statements[i].param_count;
        for (size_t k = 0; k < statements[i].param_count; k++) {
            bytes += statements[i].params[k].len + 1;
        }
    }
    p->params = gw_calloc(params + 1, sizeof *p->params);
    p->bytes = to = gw_calloc(1, bytes + 1);
    for (size_t i = 0; i < count; i++) {
        p->statements[i] = (struct pg_statement){.sql = statements[i].sql,
                                                 .params = &p->params[at],
                                                 .param_count = statements[i].param_count};
        for (size_t k = 0; k < statements[i].param_count; k++, at++) {
            p->params[at] = statements[i].params[k];
            if (p->params[at].data != NULL) {
                memcpy(to, p->params[at].data, p->params[at].len);
                p->params[at].data = to;
                to += p->params[at].len + 1;
            }
        }
    }
    p->count = count;
    return p;
}

/* --- the end ----------------------------------------------------------------------------------- */

void key_op_end_tx(struct key_op *op)
{
    if (op->tx != NULL) {
        pg_tx_rollback(&op->tx);
    }
    audit_batch_destroy(&op->batch);
    plan_destroy(&op->plan);
    free(op->entry);
    free(op->rows);
    buf_fini(&op->after);
}

/* What was answered so far, when ERR is KEY_STORE_OK; takes OP. */
static void end(struct key_op *op, enum key_store_err err, const char *field)
{
    struct key_store *s = op->s;
    struct key_answer answer = {.err = err, .field = field};

    if (err == KEY_STORE_OK) {
        answer = (struct key_answer){
            .err = op->verdict, .rows = op->rows, .count = op->count, .epoch = op->epoch};
        if (op->batch != NULL) {
            audit_count(s->audit_metrics, audit_batch_entry(op->batch, 0));
        }
        key_store_changed(s, op);
    }
    key_op_answer(op, &answer);
}

/* Nothing was changed, although each statement was answered. */
static void undone(struct key_op *op, const char *why)
{
    log_error("auth", "key_not_changed", "\"why\":\"%s\",\"next\":\"look after PostgreSQL\"", why);
    end(op, KEY_STORE_UNAVAILABLE, NULL);
}

static void on_committed(void *arg, const struct pg_reply *r)
{
    struct key_op *op = arg;
    const char *field = NULL;
    enum key_store_err err;

    op->committing = true;
    err = key_op_judge(op, r, &field);
    end(op, err, field);
}

static void commit(struct key_op *op)
{
    if (!pg_tx_commit(&op->tx, on_committed, op)) {
        undone(op, "the connection was lost");
    }
}

/* --- the entry --------------------------------------------------------------------------------- */

static void on_entered(void *arg, const struct pg_reply *r)
{
    struct key_op *op = arg;

    if (!audit_batch_done(op->batch, r, 0)) {
        undone(op, "the audit log did not take the entry");
    } else {
        commit(op);
    }
}

static void enter(struct key_op *op, const struct pg_reply *r)
{
    struct audit_head head;
    const struct pg_statement *all;
    const char *field = "head";
    size_t count;
    size_t bad;

    key_row_json(&op->after, &op->rows[0]);
    op->entry->target = op->rows[0].id;
    op->entry->after = buf_cstr(&op->after);
    if (audit_head_read(r, op->plan->count, &head)) {
        op->batch = audit_batch_create(&head, op->entry, 1, NULL, head.version, &bad, &field);
    }
    if (op->batch == NULL) {
        undone(op, field);
        return;
    }
    all = audit_batch_statements(op->batch, &count);
    if (!pg_tx_next(op->tx, all, count, on_entered, op)) {
        undone(op, "the connection was lost");
    }
}

/* --- the change -------------------------------------------------------------------------------- */

/* Keeps what is answered later; false: refused, and answered. */
static bool take(struct key_op *op, const struct pg_reply *r)
{
    const char *field = NULL;
    enum key_store_err err = key_op_judge(op, r, &field);
    struct key_row *rows;
    struct buf bytes = {0};
    int64_t others = 0;
    int64_t epoch = 0;

    if (err == KEY_STORE_OK && op->at_others >= 0 &&
        (!pg_value_i64(r, (size_t)op->at_others, 0, 0, &others) || others > 0)) {
        err = KEY_STORE_NOT_FIRST;
    }
    if (err != KEY_STORE_OK) {
        end(op, err, field);
        return false;
    }
    rows = key_rows_read(r, (size_t)op->at_view, &op->count, &bytes);
    op->rows = key_rows_copy(rows, op->count);
    free(rows);
    buf_fini(&bytes);
    if (pg_value_i64(r, (size_t)op->at_epoch, 0, 0, &epoch)) {
        op->epoch = (uint64_t)epoch;
    }
    return true;
}

static void on_changed(void *arg, const struct pg_reply *r)
{
    struct key_op *op = arg;

    if (!take(op, r)) {
        return;
    }
    if (pg_affected(r, (size_t)op->at_change) == 0) { /* its nonce is spent all the same */
        op->verdict = op->count == 0                     ? KEY_STORE_NOT_FOUND
                      : op->rows[0].state == KEY_REVOKED ? KEY_STORE_REVOKED
                                                         : KEY_STORE_INACTIVE;
        commit(op);
    } else if (op->entry == NULL) {
        commit(op);
    } else if (op->count == 0) {
        undone(op, "the changed key cannot be read");
    } else {
        enter(op, r);
    }
}

static void on_begun(void *arg, const struct pg_reply *r)
{
    struct key_op *op = arg;
    struct pg_statement all[KEY_STATEMENTS_MAX];
    size_t count = op->plan->count;

    if (pg_outcome(r) != PG_OK) {
        end(op, KEY_STORE_UNAVAILABLE, NULL);
        return;
    }
    memcpy(all, op->plan->statements, count * sizeof *all);
    if (op->entry != NULL) {
        all[count++] = audit_head_lock;
    }
    if (!pg_tx_next(op->tx, all, count, on_changed, op)) {
        undone(op, "the connection was lost");
    }
}

bool key_op_transact(struct key_op *op, const struct pg_statement *statements, size_t count)
{
    op->plan = plan_copy(statements, count);
    op->tx = pg_tx_begin(op->s->pg, 0, on_begun, op);
    return op->tx != NULL;
}
