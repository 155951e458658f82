/* gateway/reported/reported_overview.c - what PostgreSQL knows of incidents and of objectives that were
 * missed. Another part of the program makes the incidents; where there are none yet, that is unknown. */
#include <stdlib.h>
#include <string.h>
#include "gateway/reported/reported_priv.h"
#include "gateway/runtime/log.h"

#define ASK_MS     1000u
#define RFC3339(t) "to_char(" t " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* clang-format off */
static const char incidents_sql[] =
    "SELECT coalesce(json_agg(json_build_object('id', 'INC-' || number, 'number', number,"
    " 'severity', severity, 'state', state, 'title', title, 'opened_at', " RFC3339("opened_at") ","
    " 'ack_due_at', " RFC3339("ack_due_at") ", 'acked_at', " RFC3339("acked_at") ", 'level', level,"
    " 'symbol', symbol, 'component', component, 'playbook', playbook) ORDER BY severity, number),"
    " '[]')::text FROM (SELECT * FROM incidents WHERE state <> 'closed'"
    " ORDER BY severity, number LIMIT 5) AS worst";
/* Also one that is still waited for: it is as late as it is now. */
static const char acks_sql[] =
    "SELECT count(*) FILTER (WHERE state = 'open' AND ack_due_at < now()),"
    " coalesce(max(greatest(0, extract(epoch FROM coalesce(acked_at, now()) - clock_at)))"
    " FILTER (WHERE severity IN ('SEV1', 'SEV2') AND clock_at > now() - interval '30 days'), 0)::bigint"
    " FROM incidents";
static const char breach_sql[] =
    "SELECT json_build_object('slo', slo, 'value', value, 'since', " RFC3339("since") ", 'ended_at', "
    RFC3339("ended_at") ")::text FROM slo_breaches ORDER BY since DESC, id DESC LIMIT 1";
static const char there_sql[] = "SELECT to_regclass('incidents') IS NOT NULL";
/* clang-format on */

struct asking {
    struct reported *r;
    reported_overview_fn *cb; /* NULL: for our own objectives */
    void *arg;
};

static void finish(struct asking *a, const struct reported_overview *o)
{
    if (a->cb != NULL) {
        a->cb(a->arg, o);
    }
    free(a);
}

static const struct reported_overview nothing = {.breach = "null", .incidents = "[]"};

static void on_answer(void *arg, const struct pg_reply *reply)
{
    struct asking *a = arg;
    struct reported *r = a->r;
    struct reported_overview o = nothing;
    int64_t overdue = 0;
    int64_t worst = 0;

    if (pg_outcome(reply) == PG_OK) {
        o.breach_known = true;
        o.breach = pg_rows(reply, 0) > 0 ? pg_value(reply, 0, 0, 0, NULL) : "null";
        if (r->incidents_there && pg_rows(reply, 1) == 1 &&
            pg_value_i64(reply, 2, 0, 0, &overdue) && pg_value_i64(reply, 2, 0, 1, &worst)) {
            o.known = true;
            o.incidents = pg_value(reply, 1, 0, 0, NULL);
            o.ack_overdue = (uint64_t)overdue;
            r->facts.ack_known = true;
            r->facts.ack_worst_s = worst;
            r->facts.ack_read_mono_ns = reported_now(r).mono_ns;
        }
    } else if (pg_outcome(reply) == PG_FAILED) {
        r->incidents_there = false; /* as it is looked for again */
        log_warn("reported", "overview", "\"error\":%s,\"next\":\"run portcullis --migrate\"",
                 log_json(pg_message(reply)));
    }
    finish(a, &o);
    reported_answered(r);
}

static void ask(struct asking *a)
{
    static const struct pg_statement statements[] = {
        {breach_sql, NULL, 0}, {incidents_sql, NULL, 0}, {acks_sql, NULL, 0}};
    size_t count = a->r->incidents_there ? GW_LEN(statements) : 1;

    if (pg_transaction(a->r->opt.pg, statements, count, ASK_MS, on_answer, a)) {
        reported_owes(a->r);
    } else {
        finish(a, &nothing);
    }
}

static void on_there(void *arg, const struct pg_reply *reply)
{
    struct asking *a = arg;
    struct reported *r = a->r;
    bool there = false;

    if (pg_outcome(reply) == PG_OK && pg_value_bool(reply, 0, 0, 0, &there)) {
        r->incidents_there = there;
        ask(a);
    } else {
        finish(a, &nothing);
    }
    reported_answered(r);
}

void reported_overview(struct reported *r, reported_overview_fn *cb, void *arg)
{
    struct asking *a = gw_malloc(sizeof *a);
    const struct pg_statement there = {there_sql, NULL, 0};

    *a = (struct asking){r, cb, arg};
    if (r->closing || !pg_up(r->opt.pg)) {
        finish(a, &nothing);
    } else if (r->incidents_there) {
        ask(a);
    } else if (pg_query(r->opt.pg, &there, ASK_MS, on_there, a)) {
        reported_owes(r);
    } else {
        finish(a, &nothing);
    }
}

/* --- objectives that are missed, and met again -------------------------------------------------
 */

struct recording {
    struct reported *r;
    enum slo slo;
    enum slo_state state;
};

static void on_recorded(void *arg, const struct pg_reply *reply)
{
    struct recording *rec = arg;
    struct reported *r = rec->r;

    r->recording[rec->slo] = false;
    if (pg_outcome(reply) == PG_OK) {
        r->recorded[rec->slo] = rec->state;
    }
    free(rec);
    reported_answered(r);
}

static void record(struct reported *r, enum slo slo, const struct slo_result *result)
{
    struct recording *rec = gw_malloc(sizeof *rec);
    const struct pg_param params[] = {pg_text(slo_rows[slo].id), pg_text(result->value)};
    const struct pg_statement begin = {"INSERT INTO slo_breaches (slo, value) VALUES ($1, $2)"
                                       " ON CONFLICT (slo) WHERE ended_at IS NULL DO NOTHING",
                                       params, 2};
    const struct pg_statement end = {
        "UPDATE slo_breaches SET ended_at = now() WHERE slo = $1 AND ended_at IS NULL", params, 1};

    *rec = (struct recording){r, slo, result->state};
    if (pg_up(r->opt.pg) && pg_query(r->opt.pg, result->state == SLO_BREACHED ? &begin : &end,
                                     ASK_MS, on_recorded, rec)) {
        r->recording[slo] = true;
        reported_owes(r);
    } else {
        free(rec);
    }
}

void reported_judge_slos(struct reported *r)
{
    struct slo_facts facts = reported_facts(r);
    struct reported_now now = reported_now(r);

    for (unsigned i = 0; i < SLO_COUNT; i++) {
        struct slo_result result;

        slo_judge((enum slo)i, r->signals, &facts, &now, &result);
        metrics_set(r->metrics, REPORTED_M_SLOS, i, result.state);
        if (result.state != SLO_UNKNOWN && result.state != r->recorded[i] && !r->recording[i]) {
            record(r, (enum slo)i, &result);
        }
    }
}
