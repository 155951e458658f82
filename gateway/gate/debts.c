#include "gateway/gate/debts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/ulid.h"
#include "gateway/base/json_put.h"
#include "gateway/gate/transact.h"
#include "gateway/runtime/clock.h"

#define COUNT_NS ((int64_t)3000000000)
#define COUNT_MS 2000u
#define LIST_MS  5000u

/* --- a debt -------------------------------------------------------------------------------------
 */

static void put_number(struct buf *out, const char *name, uint64_t number)
{
    json_put_name(out, name);
    if (number != 0) {
        buf_u64(out, number);
    } else {
        buf_lit(out, "null");
    }
}

void gate_debt_print(struct buf *out, const struct gate_debt *d)
{
    buf_printf(out, "{\"audit\":%" PRIu64, d->audit);
    json_put_time(out, "at", d->time_ns);
    json_put_text(out, "actor", d->actor);
    json_put_text(out, "person", d->person);
    json_put_text(out, "action", d->action);
    json_put_text(out, "target", d->target);
    json_put_text(out, "reason", d->reason);
    json_put_given(out, "incident", d->incident);
    json_put_text(out, "ticket", d->ticket);
    json_put_time(out, "paid_at", d->paid_ns);
    json_put_text(out, "paid_by", d->paid_by);
    put_number(out, "paid_audit", d->paid_audit);
    buf_putc(out, '}');
}

enum gate_debt_verdict gate_debt_judge(const struct gate_debt *d, const struct gate_debt_payer *by,
                                       const char *ticket)
{
    if (!by->anybodys && strcmp(d->actor, by->actor) != 0 && strcmp(d->person, by->person) != 0) {
        return DEBT_ANOTHERS;
    }
    if (d->ticket == NULL) {
        return DEBT_TO_PAY;
    }
    return strcmp(d->ticket, ticket) == 0 ? DEBT_PAID_SO : DEBT_PAID_OTHERWISE;
}

/* clang-format off */
#define DEBT_COLUMNS                                                                               \
    "audit, time_ns, actor, person, action, target, reason, incident, ticket,"          \
    " (extract(epoch FROM paid_at) * 1000000)::bigint, paid_by, paid_audit"
/* clang-format on */
enum debt_column {
    D_AUDIT,
    D_TIME,
    D_ACTOR,
    D_PERSON,
    D_ACTION,
    D_TARGET,
    D_REASON,
    D_INCIDENT,
    D_TICKET,
    D_PAID_AT,
    D_PAID_BY,
    D_PAID_AUDIT,
};
const char job_debt_sql[] = "SELECT " DEBT_COLUMNS " FROM ticket_debts WHERE audit = $1";
/* $1 actor or person, $2 before, $3 paid, $4 limit */
static const char list_sql[] =
    "SELECT " DEBT_COLUMNS
    " FROM ticket_debts WHERE ($1::text IS NULL OR actor = $1 OR person = $1)"
    " AND ($2::bigint = 0 OR audit < $2) AND (ticket IS NOT NULL) = $3"
    " ORDER BY audit DESC LIMIT $4";
static const char count_sql[] =
    "SELECT count(*), coalesce(min(time_ns), 0) FROM ticket_debts WHERE ticket IS NULL";

/* Row ROW of statement I. */
static struct gate_debt read_debt(const struct pg_reply *r, size_t i, size_t row)
{
    struct gate_debt d = {0};
    const struct {
        enum debt_column column;
        const char **to;
    } texts[] = {{D_ACTOR, &d.actor},   {D_PERSON, &d.person},  {D_ACTION, &d.action},
                 {D_TARGET, &d.target}, {D_REASON, &d.reason},  {D_INCIDENT, &d.incident},
                 {D_TICKET, &d.ticket}, {D_PAID_BY, &d.paid_by}};
    int64_t number = 0;

    for (size_t t = 0; t < GW_LEN(texts); t++) {
        *texts[t].to = pg_value(r, i, row, texts[t].column, NULL);
    }
    (void)pg_value_i64(r, i, row, D_TIME, &d.time_ns);
    if (pg_value_i64(r, i, row, D_AUDIT, &number)) {
        d.audit = (uint64_t)number;
    }
    if (pg_value_i64(r, i, row, D_PAID_AUDIT, &number)) {
        d.paid_audit = (uint64_t)number;
    }
    if (pg_value_i64(r, i, row, D_PAID_AT, &number)) {
        d.paid_ns = number * 1000;
    }
    return d;
}

/* --- looking ------------------------------------------------------------------------------------
 */

struct debt_list {
    gate_debts_fn *cb;
    void *arg;
    uint32_t limit;
};

static void on_list(void *arg, const struct pg_reply *r)
{
    struct debt_list *l = arg;
    size_t rows = pg_rows(r, 0);
    size_t count = rows < l->limit ? rows : l->limit;
    struct gate_debt *debts = gw_calloc(count + 1, sizeof *debts);

    for (size_t i = 0; i < count; i++) {
        debts[i] = read_debt(r, 0, i);
    }
    l->cb(l->arg, pg_outcome(r) == PG_OK ? debts : NULL, count, rows > count);
    free(debts);
    free(l);
}

bool gate_debts(struct gate *g, const struct gate_debt_filter *f, gate_debts_fn *cb, void *arg)
{
    const struct pg_param params[] = {pg_text(f->actor), pg_int8((int64_t)f->before),
                                      pg_bool(f->paid), pg_int8((int64_t)f->limit + 1)};
    const struct pg_statement ask = {list_sql, params, GW_LEN(params)};
    struct debt_list *l = gw_malloc(sizeof *l);

    GW_ASSERT(f->limit >= 1 && f->limit <= GATE_DEBTS_MAX);
    *l = (struct debt_list){cb, arg, f->limit};
    if (!pg_query(g->opt.pg, &ask, LIST_MS, on_list, l)) {
        free(l);
        return false;
    }
    return true;
}

static void on_counted(void *arg, const struct pg_reply *r)
{
    struct gate *g = arg;
    int64_t count;
    int64_t oldest_ns;
    int64_t now_ns = clock_real_ns();
    int64_t age_ns;

    g->counting_debts = false;
    if (pg_outcome(r) != PG_OK || !pg_value_i64(r, 0, 0, 0, &count) ||
        !pg_value_i64(r, 0, 0, 1, &oldest_ns)) {
        return; /* PostgreSQL is away: what it said last stands, with its time */
    }
    g->debts = (struct gate_debts_now){true, (uint64_t)count, oldest_ns, now_ns};
    age_ns = oldest_ns != 0 && now_ns > oldest_ns ? now_ns - oldest_ns : 0;
    metrics_set(g->metrics, GATE_M_DEBTS, 0, count);
    metrics_set(g->metrics, GATE_M_DEBT_AGE, 0, age_ns / 1000000000);
}

void debts_tick(struct gate *g)
{
    const struct pg_statement ask = {count_sql, NULL, 0};
    int64_t now = clock_mono_ns();

    if (!g->counting_debts && !g->closing && now >= g->debts_due_ns && pg_up(g->opt.pg)) {
        g->debts_due_ns = now + COUNT_NS;
        g->counting_debts = pg_query(g->opt.pg, &ask, COUNT_MS, on_counted, g);
    }
}

struct gate_debts_now gate_debts_now(const struct gate *g)
{
    return g->debts;
}

/* --- naming the ticket --------------------------------------------------------------------------
 */

/* False: J has ended. */
static bool may_write(struct job *j, const struct gate_debt *d, bool found)
{
    const struct gate_debt_payer by = {j->actor, j->person, j->anybodys};
    struct gate_problem p;

    if (!found) {
        (void)gate_fail(&p, PROBLEM_UNKNOWN,
                        "entry %" PRIu64 " of the audit log owes no ticket: see GET "
                        "/v1/tickets-owed",
                        j->debt);
        job_refuse(j, &p);
        return false;
    }
    switch (gate_debt_judge(d, &by, j->ticket)) {
    case DEBT_TO_PAY:
        return true;
    case DEBT_PAID_SO:
        gate_debt_print(&j->wait->stored, d);
        (void)buf_cstr(&j->wait->stored);
        j->wait->result.audit = d->paid_audit;
        wait_ready(j->wait, GATE_NOTHING, 0);
        job_leave(j);
        return false;
    case DEBT_PAID_OTHERWISE:
        (void)gate_fail(&p, PROBLEM_ILLEGAL,
                        "its ticket is %s, as %s said (audit entry %" PRIu64 ")", d->ticket,
                        d->paid_by, d->paid_audit);
        break;
    case DEBT_ANOTHERS:
        (void)gate_fail(&p, PROBLEM_FORBIDDEN,
                        "only %s, who did it, or an operator names its ticket", d->person);
        break;
    }
    job_refuse(j, &p);
    return false;
}

static void add_payment(struct job *j)
{
    const struct pg_param params[] = {pg_int8((int64_t)j->debt), pg_text(j->ticket),
                                      pg_int8(j->now_ns / 1000), pg_text(j->actor),
                                      pg_int8((int64_t)j->head.seq + 1)};

    job_add(j,
            "INSERT INTO ticket_payments (audit, ticket, paid_at, paid_by, paid_audit)"
            " VALUES ($1, $2, to_timestamp($3::bigint / 1000000.0), $4, $5)",
            params, GW_LEN(params));
}

static void judge_pay(struct job *j, const struct pg_reply *r)
{
    bool found = pg_rows(r, 1) == 1;
    struct gate_debt d = found ? read_debt(r, 1, 0) : (struct gate_debt){0};

    if (!may_write(j, &d, found)) {
        return;
    }
    d.ticket = j->ticket;
    d.paid_ns = j->now_ns / 1000 * 1000; /* as the table keeps it */
    d.paid_by = j->actor;
    d.paid_audit = j->head.seq + 1;
    gate_debt_print(&j->answer, &d);
    buf_printf(&j->target, "audit:%" PRIu64, j->debt);
    buf_printf(&j->after, "{\"audit\":%" PRIu64 ",\"ticket\":", j->debt);
    buf_json_str(&j->after, j->ticket, strlen(j->ticket));
    buf_putc(&j->after, '}');
    buf_puts(&j->text, d.incident);
    add_payment(j);
    ulid_make(j->made_id, j->now_ns);
    job_write(j, &(struct audit_entry){
                     .id = j->made_id,
                     .time_ns = j->now_ns,
                     .actor = j->actor,
                     .session = j->session,
                     .ip = j->ip,
                     .action = "ticket.attach",
                     .target = buf_cstr(&j->target),
                     .outcome = "done",
                     .ticket = j->ticket,
                     .incident = buf_cstr(&j->text),
                     .after = buf_cstr(&j->after),
                     .trace = j->trace,
                 });
}

static void ended_pay(struct job *j, bool done)
{
    struct gate_wait *w = j->wait;

    if (done) {
        buf_puts(&w->stored, buf_cstr(&j->answer));
        (void)buf_cstr(&w->stored);
        w->result.audit = j->seq;
        j->gate->debts_due_ns = 0;
        wait_ready(w, GATE_DONE, 0);
    }
}

static const struct job_row pay_row = {"ticket", judge_pay, ended_pay, false};

struct gate_wait *gate_debt_pay(struct gate *g, const struct gate_debt_pay *pay, gate_result_fn *cb,
                                void *arg)
{
    struct gate_wait *w = wait_create(g, cb, arg);
    struct job *j = job_create(g, &pay_row, w);

    w->question = true; /* no order of the gate */
    j->debt = pay->audit;
    j->ticket = gw_strdup(pay->ticket);
    j->anybodys = pay->anybodys;
    job_take_actor(j, &pay->actor);
    job_take_nonce(j, pay->nonce);
    job_start(j);
    return w;
}
