#include "gateway/app/people_wiring.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/audit/ulid.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define TX_MS      3000u
#define STATEMENTS 16u /* of a change, and the head's */

struct people_wiring {
    struct people_wiring_options opt;
    struct people *people;
    struct metric_set *audit_metrics;
};

/* A change on its way into the database. */
struct writing {
    struct people_wiring *w;
    struct people_change *change;
    struct pg_tx *tx;
    struct audit_batch *batch;
};

static void fill_entry(struct audit_entry *e, const struct people_act *act, const char *id)
{
    int64_t now_ns = clock_real_ns();

    *e = (struct audit_entry){
        .id = id,
        .time_ns = now_ns,
        .mono_ns = clock_mono_ns(),
        .actor = act->actor,
        .session = act->session,
        .ip = act->ip,
        .action = people_act_rows[act->kind].word,
        .target = act->target,
        .outcome = act->outcome,
        .reason = act->reason,
        .ticket = act->ticket,
        .before = act->before,
        .after = act->after,
        .approvals = act->approvals,
    };
}

static void end(struct writing *x, const struct pg_reply *reply)
{
    struct people_change *change = x->change;

    if (x->tx != NULL) {
        pg_tx_rollback(&x->tx);
    }
    if (x->batch != NULL) {
        audit_batch_destroy(&x->batch);
    }
    free(x);
    people_change_end(change, reply);
}

static void on_committed(void *arg, const struct pg_reply *reply)
{
    struct writing *x = arg;

    if (pg_outcome(reply) == PG_OK) {
        audit_count(x->w->audit_metrics, audit_batch_entry(x->batch, 0));
    }
    end(x, reply);
}

/* The transaction came to nothing although each statement was answered. */
static void end_undone(struct writing *x, const char *why)
{
    struct people_change *change = x->change;

    log_error("people", "not_entered",
              "\"act\":\"%s\",\"why\":\"%s\",\"next\":\"nothing was changed\"",
              people_act_rows[change->act.kind].word, why);
    if (x->tx != NULL) {
        pg_tx_rollback(&x->tx);
    }
    if (x->batch != NULL) {
        audit_batch_destroy(&x->batch);
    }
    free(x);
    people_change_undone(change);
}

static void on_entered(void *arg, const struct pg_reply *reply)
{
    struct writing *x = arg;

    if (pg_outcome(reply) != PG_OK) {
        end(x, reply);
    } else if (!audit_batch_done(x->batch, reply, 0)) {
        end_undone(x, "the head of the chain did not move");
    } else if (!pg_tx_commit(&x->tx, on_committed, x)) {
        end_undone(x, "the connection was lost");
    }
}

/* The change is made and the head is locked: the entry. */
static void enter(struct writing *x, const struct pg_reply *reply)
{
    struct audit_head head;
    struct audit_entry e;
    char id[ULID_SIZE];
    const struct pg_statement *all;
    const char *field = "head";
    size_t count;
    size_t bad;

    ulid_make(id, clock_real_ns());
    fill_entry(&e, &x->change->act, x->change->act.id != NULL ? x->change->act.id : id);
    if (audit_head_read(reply, x->change->count, &head)) {
        x->batch = audit_batch_create(&head, &e, 1, NULL, head.version, &bad, &field);
    }
    if (x->batch == NULL) {
        end_undone(x, field);
    } else {
        all = audit_batch_statements(x->batch, &count);
        if (!pg_tx_next(x->tx, all, count, on_entered, x)) {
            end_undone(x, "the connection was lost");
        }
    }
}

static void on_changed(void *arg, const struct pg_reply *reply)
{
    struct writing *x = arg;

    if (pg_outcome(reply) != PG_OK || !people_change_rows(x->change, reply)) {
        end(x, reply);
    } else {
        enter(x, reply);
    }
}

static void on_begun(void *arg, const struct pg_reply *reply)
{
    struct writing *x = arg;
    struct pg_statement all[STATEMENTS];
    size_t count = x->change->count;

    GW_ASSERT(count < STATEMENTS);
    memcpy(all, x->change->statements, count * sizeof *all);
    all[count] = audit_head_lock; /* last: it is held for the shortest time */
    if (pg_outcome(reply) != PG_OK) {
        end(x, reply);
    } else if (!pg_tx_next(x->tx, all, count + 1, on_changed, x)) {
        end_undone(x, "the connection was lost");
    }
}

static bool write_change(void *arg, struct people_change *change)
{
    struct people_wiring *w = arg;
    struct writing *x = gw_calloc(1, sizeof *x);

    x->w = w;
    x->change = change;
    x->tx = pg_tx_begin(w->opt.pg, TX_MS, on_begun, x);
    if (x->tx == NULL) {
        free(x);
        return false;
    }
    return true;
}

/* Nothing was changed, so an entry of its own will do. */
static void tell_refused(void *arg, const struct people_act *act)
{
    struct people_wiring *w = arg;
    struct audit_entry e;
    char id[ULID_SIZE];
    const char *field = NULL;
    enum gw_err err;

    ulid_make(id, clock_real_ns());
    fill_entry(&e, act, id);
    err = audit_append(w->opt.audit, &e, &field, NULL, NULL);
    if (err != GW_OK) {
        log_warn("people", "refusal_not_entered",
                 "\"act\":\"%s\",\"target\":%s,\"error\":\"%s\",\"field\":\"%s\"", e.action,
                 log_json(e.target), gw_err_row(err)->name, field != NULL ? field : "");
    }
}

/* --- life --------------------------------------------------------------------------------------
 */

struct people_wiring *people_wiring_create(uv_loop_t *loop, const struct people_wiring_options *opt)
{
    static const struct people_writer writer = {write_change, tell_refused};
    struct people_wiring *w = gw_calloc(1, sizeof *w);
    struct people_options people = {
        .pg = opt->pg,
        .dsn = opt->dsn,
        .masters = opt->masters,
        .master_count = opt->master_count,
        .issuer = opt->config->issuer,
        .two_persons = opt->config->two_persons,
        .break_glass = opt->break_glass,
        .writer = &writer,
        .writer_arg = w,
        .on_ended = opt->on_ended,
        .on_begun = opt->on_begun,
        .on_ended_arg = opt->arg,
        .metrics = metrics_create(&people_metrics),
        .store_metrics = opt->store_metrics,
    };

    w->opt = *opt;
    w->audit_metrics = metrics_create(&audit_metrics);
    w->people = people_create(loop, &people);
    return w;
}

struct people *people_wiring_people(struct people_wiring *w)
{
    return w->people;
}

void people_wiring_close(struct people_wiring *w, void (*done)(void *arg), void *arg)
{
    people_close(w->people, done, arg);
}

void people_wiring_destroy(struct people_wiring **wp)
{
    struct people_wiring *w = *wp;

    *wp = NULL;
    people_destroy(&w->people);
    free(w);
}
