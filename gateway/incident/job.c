/* gateway/incident/job.c - the transaction of every change of an incident. The head of the audit chain
 * is locked first, so that changes of all gateways have one order and each is judged by what is.
 *
 *   BEGIN -> head FOR UPDATE, row, earlier answer -> judge -> row, timeline, pages, entry -> answer kept
 *         -> COMMIT -> in memory, told */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/store.h"
#include "gateway/audit/ulid.h"
#include "gateway/incident/job_priv.h"
#include "gateway/incident/row.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

/* --- the end ------------------------------------------------------------------------------------
 */

static void job_destroy(struct job *j)
{
    if (j->tx != NULL) {
        pg_tx_rollback(&j->tx);
    }
    if (j->batch != NULL) {
        audit_batch_destroy(&j->batch);
    }
    incident_destroy(&j->i);
    incident_destroy(&j->written);
    incident_ask_destroy(&j->ask);
    incident_effect_fini(&j->effect);
    buf_fini(&j->before);
    buf_fini(&j->after);
    buf_fini(&j->data);
    buf_fini(&j->answer);
    buf_fini(&j->title);
    buf_fini(&j->repeated);
    free(j);
}

/* With what j->problem says. */
static void end(struct job *j)
{
    struct incidents *all = j->all;
    struct incident_answer answer = {.problem = j->problem, .status = j->status};

    if (j->problem.fault == INCIDENT_FINE) {
        answer.audit = j->written->audit;
        answer.incident = incidents_adopt(all, &j->written);
        answer.body = buf_cstr(&j->answer);
    } else if (j->problem.fault == INCIDENT_REPEATED) {
        answer.body = buf_cstr(&j->repeated);
    } else if (j->i != NULL && j->i->number != 0) {
        answer.incident = j->i;
    }
    if (j->cb != NULL) {
        j->cb(j->arg, &answer);
    }
    job_destroy(j);
    incidents_release(all);
}

static void refuse(struct job *j, enum incident_fault fault, const char *detail)
{
    (void)incident_fail(&j->problem, fault, "", "%s", detail);
    end(j);
}

static void away(struct job *j, const struct pg_reply *r)
{
    if (r != NULL) {
        log_warn("incident", "transaction", "\"act\":\"%s\",\"sqlstate\":\"%s\",\"error\":%s",
                 incident_act_rows[j->ask->act].action, pg_sqlstate(r), log_json(pg_message(r)));
    }
    if (r != NULL && pg_outcome(r) == PG_UNKNOWN) {
        refuse(j, INCIDENT_DOUBT,
               "PostgreSQL did not say whether it was done: look before asking again");
    } else {
        refuse(j, INCIDENT_AWAY, "try again when PostgreSQL answers (see /readyz)");
    }
}

static void count(const struct job *j)
{
    struct metric_set *m = j->all->opt.metrics;
    const struct incident *i = j->written;

    metrics_add(m, INCIDENT_M_ACTS, j->effect.shown, 1);
    if (j->effect.acked) {
        metrics_observe_ns(m, INCIDENT_M_ACK, i->severity, i->acked_ns - i->clock_ns);
    }
    if (j->effect.escalate) {
        metrics_add(m, INCIDENT_M_LEVELS, (unsigned)i->level - 1, 1);
    }
}

static void on_committed(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;
    const struct incidents_sink *sink = &j->all->opt.sink;

    if (pg_outcome(r) != PG_OK) {
        away(j, r);
        return;
    }
    count(j);
    log_info("incident", "changed",
             "\"incident\":\"%s\",\"act\":\"%s\",\"state\":\"%s\",\"severity\":\"%s\",\"by\":%s,"
             "\"audit\":%" PRIu64,
             j->name, incident_act_rows[j->effect.shown].action,
             incident_state_words[j->written->state], severity_rows[j->written->severity].word,
             log_json(j->ask->person != NULL ? j->ask->person : "system"), j->written->audit);
    if (sink->on_entry != NULL) {
        sink->on_entry(j->all->opt.arg, audit_batch_entry(j->batch, 0));
    }
    if (j->pages != 0 && sink->paged != NULL) {
        sink->paged(j->all->opt.arg, j->page_off != NULL ? j->pages : 0);
    }
    end(j);
}

static void commit(struct job *j)
{
    if (!pg_tx_commit(&j->tx, on_committed, j)) {
        away(j, NULL);
    }
}

static void on_kept(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;

    if (pg_outcome(r) != PG_OK || pg_affected(r, 0) != 1) {
        away(j, r);
    } else {
        commit(j);
    }
}

/* The answer is kept in the same transaction: a repetition gets it, also after a crash. */
static void keep_answer(struct job *j)
{
    const struct incident_ask *a = j->ask;
    const struct pg_param params[] = {pg_text(a->actor), pg_text(a->once),
                                      pg_bytea(j->sha256, sizeof j->sha256), pg_int8(j->status),
                                      pg_text(buf_cstr(&j->answer))};
    const struct pg_statement keep = {
        "INSERT INTO request_answers (actor, once, sha256, status, body)"
        " VALUES ($1, $2, $3, $4, $5)",
        params, GW_LEN(params)};

    if (a->once == NULL) {
        commit(j);
    } else if (!pg_tx_next(j->tx, &keep, 1, on_kept, j)) {
        away(j, NULL);
    }
}

static void on_written(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;

    if (pg_outcome(r) != PG_OK) {
        away(j, r);
        return;
    }
    if (j->ask->act == ACT_TICK && pg_affected(r, j->at_tick) != 1) {
        refuse(j, INCIDENT_UNKNOWN, "no such task, or it is done");
        return;
    }
    j->written = pg_rows(r, j->at_row) == 1 ? row_read(r, j->at_row, 0, 0) : NULL;
    if (j->written == NULL || !audit_batch_done(j->batch, r, j->at_chain)) {
        log_error("incident", "not_written", "\"incident\":\"%s\",\"next\":\"nothing was changed\"",
                  j->name);
        away(j, NULL);
        return;
    }
    j->status = j->ask->act == ACT_OPEN ? 201 : 200;
    incidents_print(j->all, j->written, j->written->audit, &j->answer);
    keep_answer(j);
}

/* --- what is written ----------------------------------------------------------------------------
 */

/* False: the audit log does not take it. */
static bool add_chain(struct job *j)
{
    const struct incident_ask *a = j->ask;
    const struct audit_entry e = {
        .id = j->id,
        .time_ns = clock_real_ns(),
        .mono_ns = clock_mono_ns(),
        .actor = a->actor != NULL ? a->actor : "system",
        .session = a->session,
        .ip = a->ip,
        .action = incident_act_rows[j->effect.shown].action,
        .target = j->name,
        .outcome = "done",
        .reason = a->words != NULL ? a->words : buf_cstr(&j->effect.text),
        .ticket = a->ticket,
        .incident = j->name,
        .before = j->before.len != 0 ? buf_cstr(&j->before) : NULL,
        .after = buf_cstr(&j->after),
        .trace = a->trace,
    };
    const struct pg_statement *chain;
    const char *field = "";
    size_t bad;
    size_t n;

    ulid_make(j->id, e.time_ns);
    j->batch = audit_batch_create(&j->head, &e, 1, NULL, j->head.version, &bad, &field);
    if (j->batch == NULL) {
        log_error("incident", "bad_entry", "\"act\":\"%s\",\"field\":\"%s\"", e.action, field);
        return false;
    }
    chain = audit_batch_statements(j->batch, &n);
    GW_ASSERT(j->statement_count + n <= STATEMENTS);
    j->at_chain = j->statement_count;
    memcpy(&j->statements[j->statement_count], chain, n * sizeof *chain);
    j->statement_count += n;
    return true;
}

static void write_all(struct job *j, bool new_one)
{
    j->i->audit = j->head.seq + 1;
    incident_name(j->i->number, j->name);
    incident_print_state(j->i, &j->after);
    j->statement_count = 0;
    j->param_count = 0;
    j->page_off =
        j->all->opt.sink.page_off != NULL ? j->all->opt.sink.page_off(j->all->opt.arg) : NULL;
    job_put_parts(j);
    job_put_row(j, new_one);
    job_put_timeline(j);
    job_put_pages(j);
    if (!add_chain(j)) {
        refuse(j, INCIDENT_AWAY, "the audit log does not take the entry: see the log");
    } else if (!pg_tx_next(j->tx, j->statements, j->statement_count, on_written, j)) {
        away(j, NULL);
    }
}

/* --- judging ------------------------------------------------------------------------------------
 */

/* An earlier answer under the same Idempotency-Key: true, and J is told. */
static bool is_repeated(struct job *j, const struct pg_reply *r)
{
    bool same = false;
    int64_t status = 0;
    const char *body;

    if (j->ask->once == NULL || pg_rows(r, j->at_answer) == 0) {
        return false;
    }
    body = pg_value(r, j->at_answer, 0, 2, NULL);
    if (!pg_value_bool(r, j->at_answer, 0, 0, &same) || !same) {
        return !incident_fail(&j->problem, INCIDENT_MISMATCH, "",
                              "take a fresh Idempotency-Key for a different request");
    }
    if (!pg_value_i64(r, j->at_answer, 0, 1, &status) || body == NULL) {
        return !incident_fail(&j->problem, INCIDENT_DOUBT, "",
                              "it was carried out, its answer was not kept: look at the incident");
    }
    j->status = (unsigned)status;
    buf_puts(&j->repeated, body);
    return !incident_fail(&j->problem, INCIDENT_REPEATED, "", "%s", "");
}

/* What a playbook has to say. */
static bool playbook_agrees(struct job *j)
{
    const struct incident_playbooks *books = &j->all->playbooks;
    const struct incident_ask *a = j->ask;
    struct buf missing = {0};
    bool ok = true;

    if (a->act == ACT_STEP && j->i->playbook == NULL) {
        return incident_fail(&j->problem, INCIDENT_UNKNOWN, "step", "it has no playbook");
    }
    if (a->act == ACT_STEP && books->step_allowed != NULL) {
        return books->step_allowed(j->all->playbooks_arg, j->i, a, &j->problem);
    }
    if (a->act == ACT_CLOSE && j->i->state == INCIDENT_RESOLVED && j->i->playbook != NULL &&
        books->may_close != NULL) {
        incident_missing(j->i, a->url, &missing);
        if (missing.len == 0) {
            books->may_close(j->all->playbooks_arg, j->i, &missing);
            ok = missing.len == 0 ||
                 incident_fail(&j->problem, INCIDENT_UNMET, "", "before it is closed it needs %s",
                               buf_cstr(&missing));
        }
        buf_fini(&missing);
    }
    return ok;
}

/* Takes what the transaction has read. False: J has ended. */
static bool take(struct job *j, const struct pg_reply *r, uint64_t *next)
{
    int64_t number = 0;
    int64_t now = 0;

    if (!audit_head_read(r, 0, &j->head) || pg_rows(r, 1) != 1 ||
        !pg_value_i64(r, 1, 0, 0, &number) || !pg_value_i64(r, 1, 0, 1, &now)) {
        away(j, NULL);
        return false;
    }
    j->head.state = NULL; /* the reply's */
    j->now_ns = now * 1000;
    *next = (uint64_t)number;
    if (pg_value(r, 1, 0, 2, NULL) != NULL) {
        j->i = row_read(r, 1, 0, 2);
        if (j->i == NULL) {
            log_error("incident", "bad_row", "\"next\":\"%s\"",
                      "was the database migrated by a later version?");
            away(j, NULL);
            return false;
        }
    }
    return true;
}

/* A signal whose incident is closed and whose last occurrence is over begins anew. */
static void begin_anew(struct job *j)
{
    if (j->i == NULL || (j->ask->act == ACT_FIRE && j->i->state == INCIDENT_CLOSED &&
                         j->i->signal == SIGNAL_CLEARED)) {
        incident_destroy(&j->i);
        j->i = gw_calloc(1, sizeof *j->i);
    }
}

static void on_read(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;
    uint64_t next;
    bool new_one;

    if (pg_outcome(r) != PG_OK) {
        away(j, r);
        return;
    }
    if (!take(j, r, &next)) {
        return;
    }
    if (is_repeated(j, r)) {
        end(j);
        return;
    }
    if (j->ask->signal_id != NULL && pg_rows(r, j->at_seen) != 0) {
        refuse(j, INCIDENT_NOTHING, "it was entered before");
        return;
    }
    begin_anew(j);
    new_one = j->i->number == 0;
    if (!new_one) {
        incident_print_state(j->i, &j->before);
        if (!playbook_agrees(j)) {
            end(j);
            return;
        }
    }
    if (!incident_apply(j->i, j->ask, next, j->now_ns, &j->effect, &j->problem)) {
        end(j);
        return;
    }
    write_all(j, new_one);
}

/* --- the beginning ------------------------------------------------------------------------------
 */

static void on_begun(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;
    const struct incident_ask *a = j->ask;
    const struct pg_param which[] = {pg_int8((int64_t)a->number),
                                     pg_text(a->number == 0 ? a->key : NULL)};
    const struct pg_param once[] = {pg_text(a->actor), pg_text(a->once),
                                    pg_bytea(j->sha256, sizeof j->sha256)};
    const struct pg_param signal = pg_text(a->signal_id);

    if (pg_outcome(r) != PG_OK) {
        away(j, r);
        return;
    }
    job_put(j, audit_head_lock.sql, NULL, 0);
    job_put(j, buf_cstr(&j->all->sql_read), which, GW_LEN(which));
    if (a->once != NULL) {
        j->at_answer = j->statement_count;
        job_put(j,
                "SELECT sha256 = $3, status, body FROM request_answers"
                " WHERE actor = $1 AND once = $2",
                once, GW_LEN(once));
    }
    if (a->signal_id != NULL) {
        j->at_seen = j->statement_count;
        job_put(j, "SELECT 1 FROM incident_timeline WHERE signal_id = $1", &signal, 1);
    }
    if (!pg_tx_next(j->tx, j->statements, j->statement_count, on_read, j)) {
        away(j, NULL);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    end(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

/* Not inside the call. */
static void end_later(struct job *j)
{
    GW_ASSERT(uv_timer_init(j->all->loop, &j->timer) == 0);
    j->timer.data = j;
    GW_ASSERT(uv_timer_start(&j->timer, on_timer, 0, 0) == 0);
}

void change_start(struct incidents *all, const struct incident_ask *ask, const uint8_t *sha256,
                  incident_answer_fn *cb, void *arg)
{
    struct job *j = gw_calloc(1, sizeof *j);

    j->all = all;
    j->ask = incident_ask_copy(ask);
    j->cb = cb;
    j->arg = arg;
    if (sha256 != NULL) {
        memcpy(j->sha256, sha256, sizeof j->sha256);
    }
    incidents_hold(all);
    if (!incident_ask_check(j->ask, &j->problem)) {
        end_later(j);
        return;
    }
    j->tx = all->closing ? NULL : pg_tx_begin(all->opt.pg, INCIDENTS_TX_MS, on_begun, j);
    if (j->tx == NULL) {
        (void)incident_fail(&j->problem, INCIDENT_AWAY, "",
                            "try again when PostgreSQL answers (see /readyz)");
        end_later(j);
    }
}

void incidents_act(struct incidents *all, const struct incident_ask *ask, const uint8_t *sha256,
                   incident_answer_fn *cb, void *arg)
{
    GW_ASSERT(ask->once == NULL || (sha256 != NULL && ask->actor != NULL));
    change_start(all, ask, sha256, cb, arg);
}
