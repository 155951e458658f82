/* gateway/gate/loosen.c - orders that loosen: written down as a request, carried out when another
 * person approves it. The text that was asked for is read again and applied to the state of that
 * moment; if a cell it touches has moved, the request has to be made anew. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/gate/transact.h"
#include "gateway/runtime/clock.h"

#define MS_NS ((int64_t)1000000)

enum job_change_column {
    C_PERSON,
    C_ACTION,
    C_TARGET,
    C_RECORD,
    C_SHA256,
    C_STATE,
    C_LATE,
    C_BASE,
    C_AUDIT,
    C_CREATED,
};
const char job_change_sql[] =
    "SELECT person, action, target, record, encode(sha256, 'hex'), state,"
    " expires_at <= now(), base_version, audit,"
    " to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    " FROM change_requests WHERE id = $1 FOR UPDATE";

/* --- what both need -----------------------------------------------------------------------------
 */

/* What R would make of the state in the database; NULL: PROBLEM says why not. */
static const struct control *apply(struct job *j, const struct record *r,
                                   const struct control_stamp *stamp, struct gate_problem *problem)
{
    const struct control *next = NULL;
    struct control_error e;
    enum control_fault fault =
        control_apply(j->base, &r->change, stamp, j->gate->opt.names, &next, &e);

    if (fault != CONTROL_FINE) {
        (void)gate_fail(problem,
                        fault == CONTROL_ILLEGAL || fault == CONTROL_NOTHING ? PROBLEM_ILLEGAL
                        : fault == CONTROL_UNKNOWN                           ? PROBLEM_UNKNOWN
                                                                             : PROBLEM_VALIDATION,
                        "%s", e.text);
        return NULL;
    }
    return next;
}

/* A stage of a kill switch's release has to be looked at before the next. */
static bool stage_held(const struct job *j, const struct control_diff *d,
                       struct gate_problem *problem)
{
    int64_t hold_ns = (int64_t)j->gate->opt.config->stage_hold * MS_NS;

    for (uint32_t i = 0; i < d->count; i++) {
        const struct control_diff_item *it = &d->items[i];

        if (it->kind == CONTROL_KIND_KILL && it->direction == CONTROL_LOOSEN &&
            it->before != NULL && it->before->value.engaged && it->before->approved_by[0] != '\0' &&
            j->now_ns - it->before->since_ns < hold_ns) {
            return gate_fail(problem, PROBLEM_STAGE_HOLD,
                             "the present stage began %" PRId64 " s ago and holds for %" PRId64
                             " s",
                             (j->now_ns - it->before->since_ns) / 1000000000, hold_ns / 1000000000);
        }
    }
    return true;
}

/* R: what was read behind the lock of the head, so that no gateway can open an incident in between. */
static bool guard_agrees(const struct job *j, const struct pg_reply *r,
                         struct gate_problem *problem)
{
    const char *why = j->guard_at != 0 && pg_rows(r, j->guard_at) != 0
                          ? pg_value(r, j->guard_at, 0, 0, NULL)
                          : NULL;

    return why == NULL || gate_fail(problem, PROBLEM_ROOT_CAUSE, "%s", why);
}

static bool may_loosen(struct job *j, const struct pg_reply *r, const struct control *next,
                       struct gate_problem *problem)
{
    struct gate *g = j->gate;
    struct control_diff d;
    bool ok;

    control_diff_init(&d, j->base, next);
    ok = stage_held(j, &d, problem) && guard_agrees(j, r, problem) &&
         (g->opt.sink.may_loosen == NULL || g->opt.sink.may_loosen(g->opt.arg, &d, problem));
    control_diff_fini(&d);
    return ok;
}

/* Halts that the chain does not hold (yet) could be what is about to be loosened. */
static bool journal_empty(const struct gate *g, struct gate_problem *problem)
{
    if (g->pending != NULL || g->older != NULL) {
        return gate_fail(problem, PROBLEM_JOURNAL_OPEN,
                         "they are entered by themselves within moments; try again");
    }
    return true;
}

/* --- asking -------------------------------------------------------------------------------------
 */

static void write_request(struct job *j, const struct control *next)
{
    const struct record *r = j->record;
    struct control_diff d;
    struct pg_param params[11];

    memcpy(j->made_id, r->id, sizeof j->made_id);
    control_diff_init(&d, j->base, next);
    control_diff_print(&j->extra, &d);
    control_diff_fini(&d);
    record_print(r, &j->approvals);
    params[0] = pg_text(r->id);
    params[1] = pg_int8((int64_t)j->gate->opt.config->change_ttl);
    params[2] = pg_text(r->person);
    params[3] = pg_text(r->action);
    params[4] = pg_text(buf_cstr(&j->target));
    params[5] = pg_text(buf_cstr(&j->approvals));
    params[6] = pg_bytea(r->sha256, sizeof r->sha256);
    params[7] = pg_int8((int64_t)control_version(j->base));
    params[8] = pg_text(buf_cstr(&j->extra));
    params[9] = pg_int8((int64_t)j->head.seq + 1);
    params[10] = pg_text(j->radius);
    job_add(j,
            "INSERT INTO change_requests (id, expires_at, person, action, target, record, sha256,"
            " base_version, diff, audit, radius) VALUES ($1, now() + $2::bigint * interval '1 ms',"
            " $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            params, GW_LEN(params));
}

static void write_entry(struct job *j, const char *outcome, const char *approvals)
{
    const struct record *r = j->record;

    job_write(j, &(struct audit_entry){
                     .id = r->id,
                     .time_ns = r->time_ns,
                     .actor = r->actor,
                     .session = r->session,
                     .ip = r->ip,
                     .action = r->action,
                     .target = buf_cstr(&j->target),
                     .outcome = outcome,
                     .reason = r->change.reason,
                     .ticket = r->change.ticket,
                     .incident = r->change.incident,
                     .request_sha256 = r->sha256,
                     .before = buf_cstr(&j->before),
                     .after = buf_cstr(&j->after),
                     .approvals = approvals,
                     .trace = r->trace,
                 });
}

static void judge_request(struct job *j, const struct pg_reply *reply)
{
    const struct record *r = j->record;
    struct control_stamp stamp = {.by = r->person, .now_ns = r->time_ns, .audit = j->head.seq + 1};
    struct gate_problem problem = {0};
    const struct control *next = NULL;

    if (!gate_match_ok(j->base, r, j->match, j->version, &problem) ||
        (next = apply(j, r, &stamp, &problem)) == NULL || !may_loosen(j, reply, next, &problem)) {
        if (next != NULL) {
            control_unref(&next);
        }
        job_refuse(j, &problem);
        return;
    }
    job_describe(j, j->base, next);
    record_target(r, &j->target);
    if (j->alone) {
        j->next = next;
        write_entry(j, "done", "[{\"by\":\"break_glass\"}]");
        return;
    }
    write_request(j, next);
    control_unref(&next);
    write_entry(j, "requested", NULL);
}

static void ended_request(struct job *j, bool done)
{
    struct gate *g = j->gate;
    struct gate_wait *w = j->wait;

    if (!done) {
        return;
    }
    w->result.audit = j->seq;
    if (j->alone) {
        metrics_inc(g->metrics, GATE_M_ALONE);
        gate_adopt(g, j->record->id);
        wait_ready(w, GATE_DONE, g->generation);
        return;
    }
    memcpy(w->result.change_id, j->made_id, sizeof w->result.change_id);
    wait_ready(w, GATE_REQUESTED, 0);
}

static const struct job_row request_row = {"request", judge_request, ended_request, true};

void transact_loosen(struct gate *g, struct record **record, const struct gate_order *order,
                     struct gate_wait *w)
{
    struct gate_problem problem;
    struct job *j;

    if (!journal_empty(g, &problem)) {
        wait_fail(w, &problem);
        return;
    }
    j = job_create(g, &request_row, w);
    j->record = *record;
    *record = NULL;
    j->match = order->match;
    j->version = order->version;
    j->alone = order->actor.alone && g->opt.config->break_glass;
    j->radius = order->radius != NULL ? gw_strdup(order->radius) : NULL;
    job_take_nonce(j, order->nonce);
    job_start(j);
}

/* --- deciding -----------------------------------------------------------------------------------
 */

static const char *column(const struct pg_reply *r, enum job_change_column c)
{
    const char *text = pg_value(r, 1, 0, (size_t)c, NULL);

    return text != NULL ? text : "";
}

static const char *const decision_words[] = {"approved", "rejected", "cancelled"};

/* Is who decides who asked? A key without a person may be anybody's of its account. */
static bool same_person(const struct job *j, const char *asked_by, const struct record *r)
{
    static const char anybody[] = "account:";
    bool unnamed = strncmp(asked_by, anybody, sizeof anybody - 1) == 0 ||
                   strncmp(j->person, anybody, sizeof anybody - 1) == 0;

    return strcmp(asked_by, j->person) == 0 ||
           (unnamed && r->account[0] != '\0' && strcmp(r->account, j->account) == 0);
}

/* Is the request what was asked for, and what the second person saw? */
static bool check_payload(const struct job *j, const struct pg_reply *r,
                          struct gate_problem *problem)
{
    uint8_t seen[32];

    if (j->hash == NULL || strcmp(j->hash, column(r, C_SHA256)) != 0) {
        return gate_fail(problem, PROBLEM_PAYLOAD,
                         "`hash` is not that of the request, which is %s: look at it again",
                         column(r, C_SHA256));
    }
    return (audit_unhex(j->hash, strlen(j->hash), seen, sizeof seen) &&
            memcmp(seen, j->record->sha256, sizeof seen) == 0) ||
           gate_fail(problem, PROBLEM_PAYLOAD,
                     "the request was altered after it was asked for: ask for it again");
}

/* Whoever typed something typed what the request demands. */
static bool check_word(const struct job *j, struct gate_problem *problem)
{
    char word[CONTROL_WORD_SIZE];

    control_word(&j->record->change, word);
    if (j->confirm == NULL || strcmp(j->confirm, word) == 0) {
        return true;
    }
    (void)gate_fail(problem, PROBLEM_VALIDATION,
                    "must be `%s`, exactly; nothing was done: look at the request again, then "
                    "type that",
                    word);
    (void)snprintf(problem->pointer, sizeof problem->pointer, "/confirm");
    return false;
}

/* May this person decide this request so, now? */
static bool check_decision(const struct job *j, const struct pg_reply *r,
                           struct gate_problem *problem)
{
    const char *asked_by;
    bool late = false;

    if (pg_rows(r, 1) != 1) {
        return gate_fail(problem, PROBLEM_UNKNOWN, "no request has this id: see GET /v1/changes");
    }
    if (j->record == NULL) {
        return gate_fail(problem, PROBLEM_PAYLOAD, "the request cannot be read: ask for it again");
    }
    asked_by = column(r, C_PERSON);
    (void)pg_value_bool(r, 1, 0, C_LATE, &late);
    if (strcmp(column(r, C_STATE), "pending") != 0) {
        return gate_fail(problem, PROBLEM_DECIDED_ALREADY, "it was %s", column(r, C_STATE));
    }
    if (!check_word(j, problem)) {
        return false;
    }
    if (j->decision == GATE_CANCEL) {
        return strcmp(asked_by, j->person) == 0 ||
               gate_fail(problem, PROBLEM_FORBIDDEN, "only %s can cancel it; reject it instead",
                         asked_by);
    }
    if (j->decision == GATE_APPROVE && same_person(j, asked_by, j->record)) {
        return gate_fail(problem, PROBLEM_SELF_APPROVAL, "%s asked for it: another person approves",
                         asked_by);
    }
    if (j->decision == GATE_APPROVE && j->gate->opt.config->people_approve &&
        strncmp(j->person, "user:", 5) != 0) {
        return gate_fail(problem, PROBLEM_APPROVAL,
                         "%s is no person: sign in, or use a key that has an owner", j->person);
    }
    if (j->decision == GATE_APPROVE && late) {
        return gate_fail(problem, PROBLEM_EXPIRED, "ask for it again");
    }
    return j->decision != GATE_APPROVE || check_payload(j, r, problem);
}

/* The cells it touches stand where they stood when it was asked for. */
static bool cells_unmoved(const struct job *j, int64_t base, struct gate_problem *problem)
{
    const struct control_change *c = &j->record->change;

    for (uint32_t i = 0; i < c->count; i++) {
        const struct control_cell *cell =
            control_find(j->base, c->items[i].kind, c->items[i].target);

        if (cell != NULL && cell->version > (uint64_t)base) {
            return gate_fail(problem, PROBLEM_VERSION,
                             "%s has changed since it was asked for (version %" PRIu64
                             " by %s): ask for it again",
                             c->items[i].target, cell->version, cell->by);
        }
    }
    return true;
}

static void add_decision(struct job *j)
{
    const struct pg_param params[] = {pg_text(j->change_id), pg_text(decision_words[j->decision]),
                                      pg_text(j->person), pg_text(j->why),
                                      pg_int8((int64_t)j->head.seq + 1)};

    job_add(j,
            "UPDATE change_requests SET state = $2, decided_at = now(), decided_by = $3,"
            " decided_why = $4, result_audit = $5 WHERE id = $1",
            params, GW_LEN(params));
}

static bool judge_approval(struct job *j, const struct pg_reply *r, struct gate_problem *problem)
{
    struct control_stamp stamp = {.by = j->record->person,
                                  .approved_by = j->person,
                                  .now_ns = j->now_ns,
                                  .audit = j->head.seq + 1};
    int64_t base = 0;
    const struct control *next;

    (void)pg_value_i64(r, 1, 0, C_BASE, &base);
    if (!cells_unmoved(j, base, problem) || (next = apply(j, j->record, &stamp, problem)) == NULL) {
        return false;
    }
    if (!may_loosen(j, r, next, problem)) {
        control_unref(&next);
        return false;
    }
    j->next = next;
    job_describe(j, j->base, next);
    return true;
}

static void judge_decision(struct job *j, const struct pg_reply *r)
{
    struct gate_problem problem = {0};
    struct record *record = NULL;

    if (pg_rows(r, 1) == 1) {
        record = record_parse(column(r, C_RECORD), strlen(column(r, C_RECORD)));
    }
    if (record != NULL) {
        free(record->once); /* was the requester's */
        record->once = NULL;
    }
    j->record = record;
    if (!check_decision(j, r, &problem)) {
        job_refuse(j, &problem);
        return;
    }
    if (j->decision == GATE_APPROVE && !judge_approval(j, r, &problem)) {
        job_refuse(j, &problem);
        return;
    }
    buf_puts(&j->target, column(r, C_TARGET));
    buf_printf(&j->approvals,
               "[{\"change\":\"%s\",\"requested_by\":\"%s\",\"requested_at\":\"%s\","
               "\"request_audit\":%s,\"sha256\":\"%s\"}]",
               j->change_id, column(r, C_PERSON), column(r, C_CREATED), column(r, C_AUDIT),
               column(r, C_SHA256));
    add_decision(j);
    ulid_make(j->made_id, j->now_ns);
    job_write(j, &(struct audit_entry){
                     .id = j->made_id,
                     .time_ns = j->now_ns,
                     .actor = j->actor,
                     .session = j->session,
                     .ip = j->ip,
                     .action = record->action,
                     .target = buf_cstr(&j->target),
                     .outcome = decision_words[j->decision],
                     .reason = j->why != NULL ? j->why : record->change.reason,
                     .ticket = record->change.ticket,
                     .incident = record->change.incident,
                     .request_sha256 = record->sha256,
                     .before = j->decision == GATE_APPROVE ? buf_cstr(&j->before) : NULL,
                     .after = j->decision == GATE_APPROVE ? buf_cstr(&j->after) : NULL,
                     .approvals = buf_cstr(&j->approvals),
                     .trace = j->trace,
                 });
}

static void ended_decision(struct job *j, bool done)
{
    struct gate *g = j->gate;
    struct gate_wait *w = j->wait;
    struct control_diff diff;

    if (!done) {
        return;
    }
    w->result.audit = j->seq;
    (void)snprintf(w->result.change_id, sizeof w->result.change_id, "%s", j->change_id);
    if (j->next == NULL) {
        wait_ready(w, GATE_DECIDED, 0);
        return;
    }
    gate_adopt(g, j->made_id);
    control_diff_init(&diff, j->base, j->next);
    g->opt.sink.on_change(g->opt.arg, &diff, j->seq, j->made_id);
    control_diff_fini(&diff);
    wait_ready(w, GATE_DONE, g->generation);
}

static const struct job_row decide_row = {"decide", judge_decision, ended_decision, true};

static char *copy_text(const char *s)
{
    return s != NULL ? gw_strdup(s) : NULL;
}

static void decide_hash(const struct gate_decide *d, uint8_t sha256[32])
{
    struct buf text = {0};

    buf_puts(&text, d->hash != NULL ? d->hash : "");
    buf_putc(&text, '\n');
    buf_puts(&text, d->reason != NULL ? d->reason : "");
    if (d->confirm != NULL) {
        buf_putc(&text, '\n');
        buf_puts(&text, d->confirm);
    }
    record_hash(decision_words[d->decision], d->change_id, text.data, text.len, sha256);
    buf_fini(&text);
}

struct gate_wait *gate_decide_repeated(struct gate *g, const struct gate_decide *d,
                                       gate_result_fn *cb, void *arg)
{
    struct gate_wait *w = wait_create(g, cb, arg);
    uint8_t sha256[32];

    decide_hash(d, sha256);
    answers_look_up(g, &(struct asked){d->actor.actor, d->once, sha256}, 0, w);
    return w;
}

void transact_decide(struct gate *g, const struct gate_decide *d, struct gate_wait *w)
{
    struct gate_problem problem;
    struct asked asked = {d->actor.actor, d->once, NULL};
    uint8_t sha256[32];
    struct job *j;

    decide_hash(d, sha256);
    asked.sha256 = sha256;
    if (answers_known(g, &asked, w)) {
        return;
    }
    if (d->decision == GATE_APPROVE && !journal_empty(g, &problem)) {
        wait_fail(w, &problem);
        return;
    }
    answers_begin(g, &asked, false);
    j = job_create(g, &decide_row, w);
    j->decision = d->decision;
    job_take_actor(j, &d->actor);
    j->change_id = copy_text(d->change_id);
    j->hash = copy_text(d->hash);
    j->confirm = copy_text(d->confirm);
    j->why = copy_text(d->reason);
    j->account = copy_text(d->actor.account);
    j->once = copy_text(d->once);
    memcpy(j->sha256, sha256, sizeof sha256);
    job_take_nonce(j, d->nonce);
    job_start(j);
}
