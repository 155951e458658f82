/* gateway/gate/transact.c - the transaction that everything durable goes through: lock the head of the
 * chain, look at the state it holds, write what follows from it, move the head. One row is locked, so
 * that entries and states have one order over all gateways.
 *
 *   BEGIN -> head (and the request that is decided) FOR UPDATE -> judge -> writes -> COMMIT -> adopt */
#include "gateway/gate/transact.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/control/merge.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define TX_MS    2000u
#define RETRY_NS ((int64_t)200000000)
/* of a batch with one entry */
#define BATCH_STATEMENTS 4u

static char *copy_text(const char *s)
{
    return s != NULL ? gw_strdup(s) : NULL;
}

struct job *job_create(struct gate *g, const struct job_row *row, struct gate_wait *w)
{
    struct job *j = gw_calloc(1, sizeof *j);

    j->gate = g;
    j->row = row;
    j->wait = w;
    j->now_ns = clock_real_ns();
    g->jobs++;
    return j;
}

void job_take_actor(struct job *j, const struct gate_actor *by)
{
    j->person = copy_text(by->person);
    j->actor = copy_text(by->actor);
    j->session = copy_text(by->session);
    j->ip = copy_text(by->ip);
    j->trace = copy_text(by->trace);
}

void job_take_nonce(struct job *j, const struct gate_nonce *n)
{
    if (n != NULL && n->key_id != NULL) {
        j->nonce = (struct gate_nonce){copy_text(n->key_id), copy_text(n->text), n->expires_ns};
    }
}

static void job_destroy(struct job **jp)
{
    struct job *j = *jp;

    *jp = NULL;
    j->gate->jobs--;
    if (j->tx != NULL) {
        pg_tx_rollback(&j->tx);
    }
    if (j->base != NULL) {
        control_unref(&j->base);
    }
    if (j->next != NULL) {
        control_unref(&j->next);
    }
    record_destroy(&j->record);
    free((char *)j->nonce.key_id);
    free((char *)j->nonce.text);
    free(j->person);
    free(j->actor);
    free(j->session);
    free(j->ip);
    free(j->trace);
    free(j->why);
    free(j->change_id);
    free(j->hash);
    free(j->confirm);
    free(j->account);
    free(j->once);
    free(j->radius);
    free(j->ticket);
    if (j->batch != NULL) {
        audit_batch_destroy(&j->batch);
    }
    buf_fini(&j->target);
    buf_fini(&j->before);
    buf_fini(&j->after);
    buf_fini(&j->approvals);
    buf_fini(&j->text);
    buf_fini(&j->extra);
    buf_fini(&j->answer);
    free(j);
}

void job_fail(struct job *j, enum gate_problem_kind kind, const char *detail)
{
    struct gate_problem problem;

    (void)gate_fail(&problem, kind, "%s", detail);
    job_refuse(j, &problem);
}

void job_refuse(struct job *j, const struct gate_problem *problem)
{
    if (j->wait != NULL) {
        wait_fail(j->wait, problem);
    }
    job_leave(j);
}

void job_leave(struct job *j)
{
    if (j->row->ended != NULL) {
        j->row->ended(j, false);
    }
    job_destroy(&j);
}

/* What J carries out, and under which Idempotency-Key. */
static struct asked job_asked(const struct job *j)
{
    const struct record *r = j->pending != NULL ? j->pending->record : j->record;

    if (j->once != NULL || r == NULL) {
        return (struct asked){j->actor, j->once, j->sha256};
    }
    return (struct asked){r->actor, r->once, r->sha256};
}

/* What a failure of PostgreSQL means for who asked. */
static void refuse_reply(struct job *j, const struct pg_reply *r)
{
    if (strcmp(pg_sqlstate(r), "23505") == 0) { /* unique_violation: a nonce, or a repetition */
        j->repeated = true;
        if (strstr(pg_message(r), "admin_nonces") != NULL) {
            job_fail(j, PROBLEM_REPLAY, "sign the request anew");
            return;
        }
        if (strstr(pg_message(r), "request_answers") != NULL) { /* another gateway has it */
            struct asked asked = job_asked(j);

            answers_forget(j->gate, &asked);
        }
        job_fail(j, PROBLEM_IN_PROGRESS, "the request was taken before: look at the state");
        return;
    }
    log_warn("gate", "transaction", "\"job\":\"%s\",\"sqlstate\":\"%s\",\"error\":%s", j->row->name,
             pg_sqlstate(r), log_json(pg_message(r)));
    j->unknown = pg_outcome(r) == PG_UNKNOWN;
    job_fail(j, PROBLEM_UNAVAILABLE,
             pg_outcome(r) == PG_UNKNOWN
                 ? "PostgreSQL did not say whether it was done: look before asking again"
                 : "try again when PostgreSQL answers (see /readyz)");
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void tell_moved(const struct job *j)
{
    const struct audit_entry *e = audit_batch_entry(j->batch, 0);

    if (j->gate->opt.sink.on_head != NULL) {
        j->gate->opt.sink.on_head(j->gate->opt.arg, e->seq);
    }
    if (j->gate->opt.sink.on_entry != NULL) {
        j->gate->opt.sink.on_entry(j->gate->opt.arg, e);
    }
}

static void on_committed(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;
    struct gate *g = j->gate;

    if (pg_outcome(r) != PG_OK) {
        refuse_reply(j, r);
        return;
    }
    if (j->next != NULL && control_version(j->next) >= control_version(g->base)) {
        gate_set_base(g, control_ref(j->next), j->seq);
    } else if (j->seq > g->base_seq) {
        g->base_seq = j->seq;
    }
    tell_moved(j);
    j->row->ended(j, true);
    job_destroy(&j);
}

static void on_written(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;

    if (pg_outcome(r) != PG_OK || !audit_batch_done(j->batch, r, 0)) {
        refuse_reply(j, r);
    } else if (!pg_tx_commit(&j->tx, on_committed, j)) {
        job_fail(j, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers (see /readyz)");
    }
}

void job_add(struct job *j, const char *sql, const struct pg_param *params, size_t count)
{
    struct pg_statement *s = &j->statements[j->statement_count++];

    GW_ASSERT(j->statement_count <= GW_LEN(j->statements) &&
              j->param_count + count <= GW_LEN(j->params));
    memcpy(&j->params[j->param_count], params, count * sizeof *params);
    *s = (struct pg_statement){sql, &j->params[j->param_count], count};
    j->param_count += count;
}

static void add_nonce(struct job *j)
{
    if (j->nonce.key_id != NULL) {
        const struct pg_param params[] = {pg_text(j->nonce.key_id), pg_text(j->nonce.text),
                                          pg_int8(j->nonce.expires_ns / 1000)};

        /* what is in force already is entered whatever its nonce */
        job_add(
            j,
            j->pending != NULL
                ? "INSERT INTO admin_nonces (key_id, nonce, expires_at)"
                  " VALUES ($1, $2, to_timestamp($3::bigint / 1000000.0)) ON CONFLICT DO NOTHING"
                : "INSERT INTO admin_nonces (key_id, nonce, expires_at)"
                  " VALUES ($1, $2, to_timestamp($3::bigint / 1000000.0))",
            params, 3);
    }
}

/* The effect is in the chain: a repetition is told so even if the answer is not kept. The answer of
 * a halt may have been given before PostgreSQL came back. */
static void add_once(struct job *j)
{
    struct asked asked = job_asked(j);
    unsigned status;
    const char *body;

    if (asked.once != NULL) {
        bool given = answers_given(j->gate, &asked, &status, &body);
        struct pg_param params[] = {pg_text(asked.actor), pg_text(asked.once),
                                    pg_bytea(asked.sha256, 32), pg_text(NULL), pg_text(NULL)};

        if (given) {
            buf_reset(&j->answer);
            buf_puts(&j->answer, body);
            params[3] = pg_int8(status);
            params[4] = pg_text(buf_cstr(&j->answer));
        }
        job_add(j,
                j->pending != NULL
                    ? "INSERT INTO request_answers (actor, once, sha256, status, body)"
                      " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (actor, once) DO NOTHING"
                    : "INSERT INTO request_answers (actor, once, sha256, status, body)"
                      " VALUES ($1, $2, $3, $4, $5)",
                params, GW_LEN(params));
    }
}

/* Values of one side of D, for the audit log: what a replay of the chain needs. */
static void print_side(struct buf *out, const struct control_diff *d, bool after)
{
    buf_reset(out);
    buf_putc(out, '[');
    for (uint32_t i = 0; i < d->count; i++) {
        const struct control_diff_item *it = &d->items[i];
        const struct control_cell *cell = after ? it->after : it->before;

        buf_printf(out, "%s{\"kind\":\"%s\",\"target\":\"%s\",", i != 0 ? "," : "",
                   control_kind_rows[it->kind].word, it->target);
        control_value_print(out, it->kind, cell != NULL ? &cell->value : &control_default, 9);
        buf_printf(out, ",\"version\":%" PRIu64 "}", cell != NULL ? cell->version : 0);
    }
    buf_putc(out, ']');
}

void job_describe(struct job *j, const struct control *before, const struct control *after)
{
    struct control_diff d;

    control_diff_init(&d, before, after);
    print_side(&j->before, &d, false);
    print_side(&j->after, &d, true);
    control_diff_fini(&d);
}

/* Which accounts are disabled stands with them as well: there it is a new epoch of the keys, which every
 * gateway reads, and there it outlives this state. */
static void add_access(struct job *j, const struct audit_entry *entry)
{
    const struct pg_param params[] = {pg_text(buf_cstr(&j->after)), pg_text(entry->actor),
                                      pg_text(entry->reason)};

    if (j->next != NULL && strstr(buf_cstr(&j->after), "{\"kind\":\"access\"") != NULL) {
        job_add(
            j,
            "UPDATE accounts a SET"
            " disabled_at = CASE WHEN x.disabled THEN coalesce(a.disabled_at, now()) END,"
            " disabled_by = CASE WHEN x.disabled THEN left($2::text, 128) END,"
            " disabled_reason = CASE WHEN x.disabled THEN left($3::text, 500) END"
            " FROM jsonb_to_recordset($1::jsonb) AS x (kind text, target text, disabled boolean)"
            " WHERE x.kind = 'access' AND a.id = x.target",
            params, GW_LEN(params));
    }
}

void job_write(struct job *j, struct audit_entry *entry)
{
    struct pg_statement all[JOB_STATEMENTS + BATCH_STATEMENTS];
    const struct pg_statement *chain;
    const char *field;
    size_t bad;
    size_t count;

    if (j->next != NULL) {
        buf_reset(&j->text);
        control_print(&j->text, j->next);
    }
    j->batch = audit_batch_create(&j->head, entry, 1, j->next != NULL ? buf_cstr(&j->text) : NULL,
                                  j->next != NULL ? control_version(j->next) : j->head.version,
                                  &bad, &field);
    if (j->batch == NULL) {
        log_error("gate", "bad_entry", "\"job\":\"%s\",\"field\":\"%s\"", j->row->name, field);
        job_fail(j, PROBLEM_UNAVAILABLE, "the audit log does not take the entry: see the log");
        return;
    }
    j->seq = j->head.seq + 1;
    add_nonce(j);
    add_once(j);
    add_access(j, entry);
    chain = audit_batch_statements(j->batch, &count);
    GW_ASSERT(count <= BATCH_STATEMENTS);
    memcpy(all, chain, count * sizeof *all);
    memcpy(all + count, j->statements, j->statement_count * sizeof *all);
    count += j->statement_count;
    if (!pg_tx_next(j->tx, all, count, on_written, j)) {
        job_fail(j, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers (see /readyz)");
    }
}

/* --- the beginning ------------------------------------------------------------------------------
 */

/* The state the head holds: ours when it is the same version. */
static bool take_state(struct job *j, const struct pg_reply *r)
{
    struct gate *g = j->gate;
    struct control_error e = {0};
    const char *text;

    if (!audit_head_read(r, 0, &j->head)) {
        return false;
    }
    text = j->head.state;
    j->head.state = NULL; /* the reply's */
    if (g->base_known && control_version(g->base) == j->head.version) {
        j->base = control_ref(g->base);
        return true;
    }
    if (g->base_known && control_version(g->base) > j->head.version) {
        replicas_read_head(g); /* set back: nothing is decided on what it has forgotten */
        return false;
    }
    if (text[0] == '\0') {
        j->base = control_create();
        return true;
    }
    if (control_parse(text, strlen(text), &j->base, &e) != CONTROL_FINE) {
        log_error("gate", "bad_state", "\"error\":%s", log_json(e.text));
        return false;
    }
    return true;
}

static void on_head(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;

    if (pg_outcome(r) != PG_OK) {
        refuse_reply(j, r);
    } else if (!take_state(j, r)) {
        job_fail(j, PROBLEM_UNAVAILABLE,
                 "the state in the database cannot be taken: see the log, then try again");
    } else {
        j->row->judge(j, r);
    }
}

static void on_begun(void *arg, const struct pg_reply *r)
{
    struct job *j = arg;
    const struct pg_param change = pg_text(j->change_id);
    const struct pg_param debt = pg_int8((int64_t)j->debt);
    struct pg_statement ask[3] = {audit_head_lock};
    size_t count = 1;

    if (j->change_id != NULL) {
        ask[count++] = (struct pg_statement){job_change_sql, &change, 1};
    } else if (j->debt != 0) {
        ask[count++] = (struct pg_statement){job_debt_sql, &debt, 1};
    }
    if (j->row->guarded && j->gate->opt.guard != NULL) {
        j->guard_at = count;
        ask[count++] = *j->gate->opt.guard;
    }
    if (pg_outcome(r) != PG_OK) {
        refuse_reply(j, r);
    } else if (!pg_tx_next(j->tx, ask, count, on_head, j)) {
        job_fail(j, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers (see /readyz)");
    }
}

void job_start(struct job *j)
{
    j->tx = pg_tx_begin(j->gate->opt.pg, TX_MS, on_begun, j);
    if (j->tx == NULL) {
        job_fail(j, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers (see /readyz)");
    }
}

/* --- entering what is in force already ----------------------------------------------------------
 */

static void judge_enter(struct job *j, const struct pg_reply *r)
{
    const struct pending *p = j->pending;
    const struct record *record = p->record;
    struct control_change change;
    struct control_stamp stamp = {
        .by = record->person, .now_ns = record->time_ns, .audit = j->head.seq + 1};
    struct control_error e;

    (void)r;
    record_tightening(record, j->base, &change);
    if (change.count == 0 ||
        control_apply(j->base, &change, &stamp, j->gate->opt.names, &j->next, &e) != CONTROL_FINE) {
        j->next = NULL; /* others have done as much meanwhile */
    }
    job_describe(j, j->base, j->next != NULL ? j->next : j->base);
    record_target(record, &j->target);
    job_write(j, &(struct audit_entry){
                     .id = record->id,
                     .time_ns = record->time_ns,
                     .actor = record->actor,
                     .session = record->session,
                     .ip = record->ip,
                     .action = record->action,
                     .target = buf_cstr(&j->target),
                     .outcome = "done",
                     .reason = change.reason,
                     .ticket = change.ticket,
                     .incident = change.incident,
                     .request_sha256 = record->sha256,
                     .before = buf_cstr(&j->before),
                     .after = buf_cstr(&j->after),
                     .trace = record->trace,
                     .journal_id = p->own && p->disk == DISK_HOLDS ? record->id : NULL,
                 });
    control_change_fini(&change);
}

static void ended_enter(struct job *j, bool done)
{
    struct gate *g = j->gate;
    struct pending *p = j->pending;

    g->entering = NULL;
    g->entering_fails = !done && !j->repeated;
    if (j->repeated && j->base != NULL && control_version(j->base) > control_version(g->base)) {
        gate_set_base(g, control_ref(j->base), j->head.seq); /* it holds the effect of P */
    }
    if (done || j->repeated) {
        tighten_entered(p, done ? j->seq : 0);
        gate_adopt(g, g->base_id);
        g->enter_after_ns = 0;
    } else {
        g->enter_after_ns = clock_mono_ns() + RETRY_NS;
    }
}

static const struct job_row enter_row = {"enter", judge_enter, ended_enter, false};

void transact_enter(struct gate *g, struct pending *p)
{
    struct job *j = job_create(g, &enter_row, NULL);

    j->pending = p;
    job_take_nonce(j, &p->nonce);
    g->entering = j;
    job_start(j);
}

bool transact_enters(const struct gate *g, const struct pending *p)
{
    return g->entering != NULL && g->entering->pending == p;
}

/* --- entering what PostgreSQL has forgotten ------------------------------------------------------
 */

static void judge_restore(struct job *j, const struct pg_reply *r)
{
    struct gate *g = j->gate;
    const struct control *both;

    (void)r;
    if (g->older == NULL) {
        job_fail(j, PROBLEM_NONE, "");
        return;
    }
    both = control_tightest(j->base, g->older);
    if (control_equal(both, j->base)) { /* another gateway remembered it, too */
        control_unref(&both);
        gate_restored(g);
        job_fail(j, PROBLEM_NONE, "");
        return;
    }
    j->next =
        control_renumber(both, 1 + (control_version(both) > j->head.version ? control_version(both)
                                                                            : j->head.version));
    control_unref(&both);
    job_describe(j, j->base, j->next);
    ulid_make(j->made_id, j->now_ns);
    job_write(j, &(struct audit_entry){
                     .id = j->made_id,
                     .time_ns = j->now_ns,
                     .actor = "system",
                     .action = "state.restore",
                     .target = "state",
                     .outcome = "done",
                     .reason = "the database was set back; what this gateway remembers as halted "
                               "stays halted",
                     .before = buf_cstr(&j->before),
                     .after = buf_cstr(&j->after),
                 });
}

static void ended_restore(struct job *j, bool done)
{
    struct gate *g = j->gate;

    g->entering = NULL;
    g->enter_after_ns = done ? 0 : clock_mono_ns() + RETRY_NS;
    if (done) {
        gate_restored(g);
        state_file_keep(g->file, g->base);
    }
    gate_adopt(g, done ? j->made_id : g->base_id);
}

static const struct job_row restore_row = {"restore", judge_restore, ended_restore, false};

void transact_restore(struct gate *g)
{
    g->entering = job_create(g, &restore_row, NULL);
    job_start(g->entering);
}
