/* auth/people/people_requests.c - grants of roles that take two persons: asked for, kept in PostgreSQL, made
 * in the transaction in which another person approves.
 * Owner: the loop of people.
 * Invariant: a grant is made once, in time, of what was asked for to the letter, and by another person
 * than who asked; the rules stand in the statement that makes it, and again in the table.
 *
 *   first person:  role_requests + entry "requested"
 *   second person: request locked, judged, user_roles, request decided + entry "approved"
 *   nobody:        found by the poll of the epoch; request decided + entry "expired" */
#include <stdio.h>
#include <string.h>
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "auth/words.h"

#define OPEN_MAX "100" /* so many may wait at once */
#define LIST_MAX "200"
#define ID_CHARS "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/* --- the statements ---------------------------------------------------------------------------- */

/* clang-format off */
#define HASH(user, role, kind, until, reason, ticket)                                              \
    "sha256(convert_to(json_build_array('role.grant', " user ", " role ", " kind ", "              \
    JSON_TIME(until) ", " reason ", " ticket ")::text, 'UTF8'))"
#define REQUEST_JSON                                                                               \
    "json_build_object('id', id, 'state', CASE WHEN state = 'pending' AND expires_at <= now()"     \
    " THEN 'expired' ELSE state END, 'created_at', " JSON_TIME("created_at") ","                   \
    " 'expires_at', " JSON_TIME("expires_at") ", 'requested_by', person, 'requested_with', actor," \
    " 'user', user_name, 'role', role, 'kind', kind, 'until', " JSON_TIME("until") ","             \
    " 'reason', reason, 'ticket', ticket, 'hash', encode(sha256, 'hex'),"                          \
    " 'decided_at', " JSON_TIME("decided_at") ", 'decided_by', decided_by,"                        \
    " 'decided_why', decided_why)"
#define ENTRY_JSON                                                                                 \
    "json_build_object('request', id, 'role', role, 'kind', kind, 'until', " JSON_TIME("until") ","\
    " 'sha256', encode(sha256, 'hex'))"
#define APPROVALS_JSON(row)                                                                        \
    "json_build_array(json_build_object('request', id, 'requested_by', person,"                    \
    " 'requested_with', actor, 'requested_at', " JSON_TIME("created_at") ","                       \
    " 'request_audit', (SELECT e.seq FROM audit_entries e WHERE e.id = " row ".id), 'role', role," \
    " 'kind', kind, 'until', " JSON_TIME("until") ", 'sha256', encode(sha256, 'hex')))"
/* The person NAME, with a key of ACCOUNT, counts as who asked. */
#define SAME_PERSON(name, account)                                                                 \
    "(person = " name " OR (account <> '' AND account = " account                                  \
    " AND (person LIKE 'account:%' OR " name " LIKE 'account:%')))"

/* Columns after those of CHANGED. */
enum told { TOLD_WHY = 4, TOLD_JSON, TOLD_ID, TOLD_USER, TOLD_PERSON, TOLD_STATE, TOLD_BY, TOLD_HASH,
            TOLD_REASON, TOLD_TICKET, TOLD_APPROVALS };
#define TOLD(row, why)                                                                              \
    ", " why ", " REQUEST_JSON "::text, id, user_name, person, state, decided_by,"                     \
    " encode(sha256, 'hex'), reason, ticket, " APPROVALS_JSON(row) "::text"

/* $1 user, $2 role, $3 kind, $4 until, $5 person, $6 account, $7 reason, $8 ticket: what waits of just
 * that, another's first, or her own in the same words. */
#define ASKED_HASH HASH("$1::text", "$2::text", "$3::text", AT("$4"), "$7::text", "$8::text")
static const char same_sql[] =
    "SELECT id, encode(sha256, 'hex'), " SAME_PERSON("$5::text", "$6::text") " AS mine, "
    REQUEST_JSON "::text FROM role_requests WHERE state = 'pending' AND expires_at > now()"
    " AND user_name = $1 AND role = $2 AND kind = $3 AND until IS NOT DISTINCT FROM " AT("$4")
    " AND (NOT " SAME_PERSON("$5::text", "$6::text") " OR sha256 = " ASKED_HASH ")"
    " ORDER BY mine, id LIMIT 1";
/* As above, then $9 actor, $10 id, $11 how long, ms. */
static const char make_sql[] =
    "WITH u AS (SELECT name FROM users WHERE name = $1 AND disabled_at IS NULL FOR SHARE),"
    " held AS (SELECT FROM user_roles WHERE user_name = $1 AND role = $2 AND kind = $3"
    " AND ended_at IS NULL),"
    " many AS (SELECT FROM role_requests WHERE state = 'pending' AND expires_at > now()"
    " HAVING count(*) >= " OPEN_MAX "),"
    " changed AS (INSERT INTO role_requests (id, expires_at, person, actor, account, user_name,"
    " role, kind, until, reason, ticket, sha256) SELECT $10, now() + $11::bigint * interval '1 ms',"
    " $5, $9, $6, u.name, $2, $3, " AT("$4") ", $7, $8, " ASKED_HASH
    " FROM u WHERE NOT EXISTS (SELECT FROM held) AND NOT EXISTS (SELECT FROM many) RETURNING *)"
    " SELECT EXISTS (SELECT FROM users WHERE name = $1), id IS NOT NULL, NULL, " ENTRY_JSON "::text"
    TOLD("changed", "CASE WHEN id IS NOT NULL THEN NULL WHEN NOT EXISTS (SELECT FROM u) THEN 'gone'"
         " WHEN EXISTS (SELECT FROM held) THEN 'held' ELSE 'many' END")
    " FROM (SELECT) one LEFT JOIN changed ON true";

/* `r`: the request $1, locked; `v`: and WHY it cannot be decided so, else NULL. */
#define JUDGED(why)                                                                                \
    "WITH r AS (SELECT * FROM role_requests WHERE id = $1 FOR UPDATE),"                            \
    " u AS (SELECT u.name FROM users u JOIN r ON u.name = r.user_name"                             \
    " WHERE u.disabled_at IS NULL FOR SHARE OF u),"                                                \
    " v AS (SELECT *, CASE WHEN state = 'expired' OR (state = 'pending'"                           \
    " AND expires_at <= clock_timestamp()) THEN 'late' WHEN state <> 'pending' THEN 'decided'"     \
    why " END AS why FROM r)"
/* `done`: the request, decided; else what it is, and WHY. */
#define DECIDED(after, why)                                                                        \
    ", now_is AS (SELECT true AS ok, * FROM done UNION ALL SELECT false, * FROM r"                 \
    " WHERE NOT EXISTS (SELECT FROM done))"                                                        \
    " SELECT EXISTS (SELECT FROM r), EXISTS (SELECT FROM done), NULL, " after                      \
    TOLD("now_is", why) " FROM (SELECT) one LEFT JOIN now_is ON true"
/* $1 id, $2 person, $3 account, $4 her words, $5 hash, $6 now. */
static const char approve_sql[] =
    JUDGED(
    " WHEN " SAME_PERSON("$2::text", "$3::text") " OR 'user:' || user_name = $2 THEN 'self'"
    " WHEN encode(sha256, 'hex') <> $5 THEN 'hash' WHEN sha256 <> "
    HASH("user_name", "role", "kind", "until", "reason", "ticket") " THEN 'altered'"
    " WHEN NOT EXISTS (SELECT FROM u) THEN 'gone'"
    " WHEN EXISTS (SELECT FROM users WHERE 'user:' || name = person AND disabled_at IS NOT NULL)"
    " THEN 'asker' WHEN until <= " AT("$6") " THEN 'over'")
    ", granted AS (INSERT INTO user_roles (user_name, granted_at, role, kind, granted_by,"
    " approved_by, until, reason, ticket) SELECT user_name, " AT("$6") ", role, kind, person, $2,"
    " until, reason, ticket FROM v WHERE why IS NULL ON CONFLICT DO NOTHING RETURNING id),"
    " done AS (UPDATE role_requests q SET state = 'approved', decided_at = clock_timestamp(),"
    " decided_by = $2, decided_why = $4, grant_id = granted.id FROM granted WHERE q.id = $1"
    " RETURNING q.*)"
    DECIDED(ENTRY_JSON "::text", "coalesce((SELECT why FROM v), CASE WHEN NOT ok THEN 'held' END)");
/* $5 is the state it is in then. */
static const char refuse_sql[] =
    JUDGED(" WHEN $5 = 'cancelled' AND NOT " SAME_PERSON("$2::text", "$3::text") " THEN 'anothers'")
    ", done AS (UPDATE role_requests q SET state = $5, decided_at = clock_timestamp(),"
    " decided_by = $2, decided_why = $4 FROM v WHERE q.id = $1 AND v.why IS NULL RETURNING q.*)"
    DECIDED("NULL", "(SELECT why FROM v)");
/* Of several gateways one enters it. */
static const char expire_sql[] =
    "WITH r AS (SELECT * FROM role_requests WHERE state = 'pending' AND expires_at <= now()"
    " ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED),"
    " done AS (UPDATE role_requests q SET state = 'expired', decided_at = clock_timestamp(),"
    " decided_by = 'system' FROM r WHERE q.id = r.id RETURNING q.*)"
    DECIDED("NULL", "NULL::text");
/* $1: only those that wait. */
static const char list_sql[] =
    "SELECT json_build_object('requests', coalesce(json_agg(one.j ORDER BY one.id DESC), '[]'::json))"
    "::text FROM (SELECT id, " REQUEST_JSON " AS j FROM role_requests"
    " WHERE NOT $1 OR (state = 'pending' AND expires_at > now()) ORDER BY id DESC LIMIT " LIST_MAX
    ") one";
static const char one_sql[] =
    "SELECT (SELECT json_build_object('request', " REQUEST_JSON ")::text FROM role_requests"
    " WHERE id = $1)";
/* clang-format on */

/* --- what the statement told ------------------------------------------------------------------- */

static const struct {
    const char *word;
    enum people_err err;
    const char *next;
} verdicts[] = {
    {"late", PEOPLE_LATE, "ask for it again"},
    {"hash", PEOPLE_ALTERED, "`hash` is not that of the request: look at it again"},
    {"altered", PEOPLE_ALTERED, "it was altered after it was asked for: ask for it again"},
    {"gone", PEOPLE_CONFLICT, "who is to have the role is disabled"},
    {"asker", PEOPLE_CONFLICT, "who asked is disabled meanwhile: ask for it again"},
    {"over", PEOPLE_CONFLICT, "the end of the grant has passed meanwhile: ask for it again"},
    {"held", PEOPLE_CONFLICT, "she has the role already (GET /v1/users)"},
    {"many", PEOPLE_CONFLICT,
     "100 requests wait: decide some, or take some back (GET /v1/role-requests?open=true)"},
};

static const char *told(const struct pg_reply *r, enum told column)
{
    const char *text = pg_value(r, 0, 0, (size_t)column, NULL);

    return text != NULL ? text : "";
}

/* Why nothing was changed, and what to do, from the word of the statement. */
static void hear_refusal(struct people_op *op, const struct pg_reply *r)
{
    const char *word = told(r, TOLD_WHY);
    char text[256];

    if (op->state == PEOPLE_NOT_FOUND) {
        return; /* no such user or request; nothing to expire */
    }
    for (size_t i = 0; i < GW_LEN(verdicts); i++) {
        if (strcmp(word, verdicts[i].word) == 0) {
            op->state = verdicts[i].err;
            op->answer.why = verdicts[i].next;
            return;
        }
    }
    if (strcmp(word, "decided") == 0) {
        op->state = PEOPLE_DECIDED;
        (void)snprintf(text, sizeof text, "it was %s by %s", told(r, TOLD_STATE), told(r, TOLD_BY));
    } else if (strcmp(word, "self") == 0) {
        op->state = PEOPLE_SAME_PERSON;
        (void)snprintf(text, sizeof text,
                       "%s asked for it: another person approves, and never user:%s herself",
                       told(r, TOLD_PERSON), told(r, TOLD_USER));
    } else {
        op->state = PEOPLE_FORBIDDEN;
        (void)snprintf(text, sizeof text, "only %s can take it back; reject it instead",
                       told(r, TOLD_PERSON));
    }
    op->answer.why = people_keep(op, text);
}

static const char *keep_told(struct people_op *op, const struct pg_reply *r, enum told column)
{
    return people_keep(op, pg_value(r, 0, 0, (size_t)column, NULL));
}

static void on_heard(struct people_op *op, const struct pg_reply *r, bool changed)
{
    struct people_act *act = &op->change.act;
    char target[PEOPLE_NAME_MAX + 6];

    if (!changed) {
        hear_refusal(op, r);
        return;
    }
    op->answer.json = keep_told(op, r, TOLD_JSON);
    op->answer.json_len = strlen(op->answer.json);
    op->answer.request_id = keep_told(op, r, TOLD_ID);
    op->answer.waits = strcmp(told(r, TOLD_STATE), "pending") == 0;
    (void)snprintf(target, sizeof target, "user:%s", told(r, TOLD_USER));
    act->target = people_keep(op, target);
    act->ticket = keep_told(op, r, TOLD_TICKET);
    act->reason = act->reason != NULL ? act->reason : keep_told(op, r, TOLD_REASON);
    if (!op->answer.waits) {
        act->approvals = keep_told(op, r, TOLD_APPROVALS);
    }
}

/* --- deciding ---------------------------------------------------------------------------------- */

static bool is_id(const char *id)
{
    return id != NULL && strlen(id) == 26 && strspn(id, ID_CHARS) == 26;
}

static bool is_hash(const char *hash)
{
    return hash != NULL && strlen(hash) == 64 && strspn(hash, "0123456789abcdef") == 64;
}

static enum people_err decide(struct people_op *op, const struct people_decide *d)
{
    static const char *const states[PEOPLE_DECISION_COUNT] = {"approved", "rejected", "cancelled"};
    bool approve = d->decision == PEOPLE_APPROVE;

    op->change.act.outcome = states[d->decision];
    op->heard = on_heard;
    people_sql(op, approve ? approve_sql : refuse_sql);
    people_text(op, people_keep(op, d->id));
    people_text(op, people_keep(op, d->person.name));
    people_text(op, people_keep(op, d->person.account));
    people_text(op, op->change.act.reason);
    people_text(op, approve ? people_keep(op, d->hash) : states[d->decision]);
    if (approve) {
        people_time(op, people_now(op->p));
    }
    return people_op_change(op);
}

enum people_err people_decide(struct people *p, const struct people_by *by,
                              const struct people_decide *d, people_answer_fn *cb, void *arg)
{
    const char *wrong = people_wrong_by(by, false);
    struct people_op *op;

    if (p->closing) {
        return PEOPLE_UNAVAILABLE;
    }
    op = people_op_create(p, ACT_ROLE_GRANT, cb, arg);
    if (wrong != NULL) {
        return people_op_invalid(op, wrong, NULL);
    }
    if (d->decision == PEOPLE_APPROVE && !is_hash(d->hash)) {
        return people_op_invalid(op, "hash",
                                 "that of the request, as GET /v1/role-requests has it");
    }
    if (!is_id(d->id)) {
        return people_op_fail(op, PEOPLE_NOT_FOUND);
    }
    people_op_by(op, by);
    return decide(op, d);
}

/* --- asking ------------------------------------------------------------------------------------ */

static void put_ask(struct people_op *op, const char *sql)
{
    const struct people_ask *a = op->asking;

    people_sql(op, sql);
    people_text(op, a->name);
    people_text(op, role_rows[a->role].word);
    people_text(op, a->eligible ? "eligible" : "standing");
    people_time(op, a->until_ns);
    people_text(op, a->person.name);
    people_text(op, a->person.account);
    people_text(op, op->change.act.reason);
    people_text(op, op->change.act.ticket);
}

static void make(struct people_op *op)
{
    const struct people_ask *a = op->asking;

    op->change.act.outcome = "requested";
    op->change.act.id = a->id;
    op->heard = on_heard;
    put_ask(op, make_sql);
    people_text(op, op->change.act.actor);
    people_text(op, a->id);
    people_int(op, a->ttl_ms);
    (void)people_op_change(op);
}

/* What waits of just that is another's, her own, or there is none. */
static void on_same(void *arg, const struct pg_reply *r)
{
    struct people_op *op = arg;
    struct people_decide d = {.person = op->asking->person, .decision = PEOPLE_APPROVE};
    bool mine = false;

    op->change.count = 0;
    op->param_count = 0;
    if (pg_outcome(r) != PG_OK) {
        (void)people_op_fail(op, PEOPLE_UNAVAILABLE);
    } else if (pg_rows(r, 0) == 0) {
        make(op);
    } else if (pg_value_bool(r, 0, 0, 2, &mine) && mine) {
        op->answer.json = people_keep(op, pg_value(r, 0, 0, 3, NULL));
        op->answer.json_len = strlen(op->answer.json);
        op->answer.request_id = people_keep(op, pg_value(r, 0, 0, 0, NULL));
        op->answer.waits = true;
        people_op_answer(op);
    } else {
        d.id = pg_value(r, 0, 0, 0, NULL);
        d.hash = pg_value(r, 0, 0, 1, NULL);
        (void)decide(op, &d);
    }
}

static void keep_ask(struct people_op *op, const struct people_ask *ask)
{
    struct people_ask a = *ask;

    a.person.name = people_keep(op, ask->person.name);
    a.person.account = people_keep(op, ask->person.account);
    a.id = people_keep(op, ask->id);
    a.name = people_keep(op, ask->name);
    op->asking = (const struct people_ask *)(const void *)people_keep_bytes(op, &a, sizeof a);
}

enum people_err people_ask(struct people *p, const struct people_by *by,
                           const struct people_ask *ask, people_answer_fn *cb, void *arg)
{
    const char *wrong = people_wrong_by(by, true);
    struct people_op *op;

    if (p->closing) {
        return PEOPLE_UNAVAILABLE;
    }
    GW_ASSERT(is_id(ask->id) && ask->ttl_ms != 0);
    op = people_op_create(p, ACT_ROLE_GRANT, cb, arg);
    if (wrong == NULL && !people_is_name(ask->name)) {
        wrong = "name";
    }
    if (wrong == NULL) {
        wrong = people_wrong_grant(p, ask->role, ask->eligible, ask->until_ns);
    }
    if (wrong != NULL) {
        return people_op_invalid(op, wrong, NULL);
    }
    if (people_is_self(ask->person.name, ask->name) || people_is_self(by->actor, ask->name)) {
        return people_op_fail(op, PEOPLE_SELF);
    }
    people_op_by(op, by);
    keep_ask(op, ask);
    put_ask(op, same_sql);
    return pg_query(p->opt.pg, op->statements, 0, on_same, op)
               ? PEOPLE_OK
               : people_op_fail(op, PEOPLE_UNAVAILABLE);
}

/* --- time -------------------------------------------------------------------------------------- */

static void on_expired(void *arg, const struct people_answer *a)
{
    (void)a; /* another gateway's, or the poll comes back to it */
    ((struct people *)arg)->ending_request = false;
}

void people_end_requests(struct people *p)
{
    struct people_op *op;

    if (p->ending_request || p->closing) {
        return;
    }
    op = people_op_create(p, ACT_ROLE_GRANT, on_expired, p);
    p->ending_request = true;
    op->change.act.actor = "system";
    op->change.act.outcome = "expired";
    op->heard = on_heard;
    people_sql(op, expire_sql);
    (void)people_op_change(op);
}

/* --- looking ----------------------------------------------------------------------------------- */

enum people_err people_requests(struct people *p, bool open, people_answer_fn *cb, void *arg)
{
    const struct pg_param only = pg_bool(open);

    return people_view(p, &(struct pg_statement){list_sql, &only, 1}, cb, arg);
}

enum people_err people_request(struct people *p, const char *id, people_answer_fn *cb, void *arg)
{
    const struct pg_param which = pg_text(id);

    return people_view(p, &(struct pg_statement){one_sql, &which, 1}, cb, arg);
}
