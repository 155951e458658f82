/* gateway/gate/answers.c - repetitions: the same Idempotency-Key of the same actor gets the answer that
 * was given, from memory or from PostgreSQL, and has no second effect
 * (draft-ietf-httpapi-idempotency-key-header). A halt does not wait for the database to find out: it
 * is looked for in memory alone, into which the answers of the last day are read at the start. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "gateway/gate/gate_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define KEPT     4096u
#define SEND_MS  2000u
#define READ_NS  ((int64_t)200000000)
#define SWEEP_NS (3600 * (int64_t)1000000000)

struct answer {
    char *name; /* actor, a line end, key */
    uint8_t sha256[32];
    unsigned status; /* 0: not answered yet */
    bool alone;      /* nobody will answer it: it is of before the start */
    struct buf body;
    UT_hash_handle hh; /* in the order of their arrival */
};

static char *name_of(const char *actor, const char *once)
{
    struct buf b = {0};

    buf_puts(&b, actor);
    buf_putc(&b, '\n');
    buf_puts(&b, once);
    return (char *)buf_cstr(&b); /* the buffer's memory, handed over */
}

static void forget(struct gate *g, struct answer *a)
{
    HASH_DEL(g->answers, a);
    free(a->name);
    buf_fini(&a->body);
    free(a);
}

void answers_forget_all(struct gate *g)
{
    while (g->answers != NULL) {
        forget(g, g->answers);
    }
}

static struct answer *find(struct gate *g, const char *actor, const char *once)
{
    char *name = name_of(actor, once);
    struct answer *a;

    HASH_FIND_STR(g->answers, name, a);
    free(name);
    return a;
}

static struct answer *add(struct gate *g, const struct asked *q)
{
    struct answer *a = gw_calloc(1, sizeof *a);

    a->name = name_of(q->actor, q->once);
    memcpy(a->sha256, q->sha256, sizeof a->sha256);
    HASH_ADD_KEYPTR(hh, g->answers, a->name, strlen(a->name), a);
    if (HASH_COUNT(g->answers) > KEPT) {
        forget(g, g->answers); /* the oldest; PostgreSQL has it */
    }
    return a;
}

void answers_begin(struct gate *g, const struct asked *q, bool alone)
{
    if (q->once != NULL) {
        struct answer *a = find(g, q->actor, q->once);

        a = a != NULL ? a : add(g, q);
        a->alone = alone;
    }
}

void answers_forget(struct gate *g, const struct asked *q)
{
    struct answer *a = q->once != NULL ? find(g, q->actor, q->once) : NULL;

    if (a != NULL) {
        forget(g, a);
    }
}

bool answers_given(struct gate *g, const struct asked *q, unsigned *status, const char **body)
{
    struct answer *a = find(g, q->actor, q->once);

    if (a == NULL || a->status == 0) {
        return false;
    }
    *status = a->status;
    *body = buf_cstr(&a->body);
    return true;
}

/* Tells W what was found. */
static void replay(struct gate_wait *w, unsigned status, const char *body, size_t len)
{
    buf_append(&w->stored, body, len);
    (void)buf_cstr(&w->stored);
    w->result.stored_status = status;
    wait_ready(w, GATE_REPLAYED, 0);
}

bool answers_known(struct gate *g, const struct asked *q, struct gate_wait *w)
{
    struct answer *a = q->once != NULL ? find(g, q->actor, q->once) : NULL;
    struct gate_problem problem;

    if (a == NULL) {
        return false;
    }
    if (memcmp(a->sha256, q->sha256, sizeof a->sha256) != 0) {
        (void)gate_fail(&problem, PROBLEM_ONCE_MISMATCH,
                        "take a fresh Idempotency-Key for a different request");
        wait_fail(w, &problem);
    } else if (a->status != 0) {
        replay(w, a->status, a->body.data, a->body.len);
    } else if (a->alone) {
        return false; /* in force since the start: the state answers */
    } else {
        (void)gate_fail(&problem, PROBLEM_IN_PROGRESS, "wait for its answer, then look");
        wait_fail(w, &problem);
    }
    return true;
}

void gate_answered(struct gate *g, const char *actor, const char *once, unsigned status,
                   const char *body, size_t len)
{
    struct answer *a = find(g, actor, once);
    struct buf text = {0};
    struct pg_param params[4];
    struct pg_statement keep = {
        "UPDATE request_answers SET status = $3, body = $4 WHERE actor = $1 AND once = $2"
        " AND status IS NULL",
        params, GW_LEN(params)};

    if (a != NULL && status >= 500) {
        forget(g, a); /* it may be tried again */
        return;
    }
    if (a != NULL) {
        a->status = status;
        buf_reset(&a->body);
        buf_append(&a->body, body, len);
    }
    buf_append(&text, body, len);
    params[0] = pg_text(actor);
    params[1] = pg_text(once);
    params[2] = pg_int8(status);
    params[3] = pg_text(buf_cstr(&text));
    if (!pg_query(g->opt.pg, &keep, SEND_MS, NULL, NULL)) {
        log_info("gate", "answer_not_kept", "\"next\":\"a repetition is told that it was done\"%s",
                 "");
    }
    buf_fini(&text);
}

/* --- from PostgreSQL ----------------------------------------------------------------------------
 */

struct lookup {
    struct gate *gate;
    struct gate_wait *wait;
};

/* Columns: the same request, status, body. */
static void on_looked_up(void *arg, const struct pg_reply *r)
{
    struct lookup l = *(struct lookup *)arg;
    struct gate_problem problem;
    bool same = false;
    int64_t status;

    free(arg);
    l.gate->lookups--;
    if (pg_outcome(r) != PG_OK || pg_rows(r, 0) == 0) {
        wait_ready(l.wait, GATE_NOTHING, 0);
    } else if (!pg_value_bool(r, 0, 0, 0, &same) || !same) {
        (void)gate_fail(&problem, PROBLEM_ONCE_MISMATCH,
                        "take a fresh Idempotency-Key for a different request");
        wait_fail(l.wait, &problem);
    } else if (!pg_value_i64(r, 0, 0, 1, &status)) {
        (void)gate_fail(&problem, PROBLEM_IN_PROGRESS,
                        "it was carried out, its answer was not kept: look at the state");
        wait_fail(l.wait, &problem);
    } else {
        size_t len;
        const char *body = pg_value(r, 0, 0, 2, &len);

        replay(l.wait, (unsigned)status, body != NULL ? body : "", body != NULL ? len : 0);
    }
}

void answers_look_up(struct gate *g, const struct asked *q, uint32_t timeout_ms,
                     struct gate_wait *w)
{
    const struct pg_param params[] = {pg_text(q->actor), pg_text(q->once), pg_bytea(q->sha256, 32)};
    const struct pg_statement ask = {
        "SELECT sha256 = $3, status, body FROM request_answers WHERE actor = $1 AND once = $2",
        params, GW_LEN(params)};
    struct lookup *l;

    w->question = true;
    if (answers_known(g, q, w)) {
        return;
    }
    l = gw_malloc(sizeof *l);
    *l = (struct lookup){g, w};
    g->lookups++;
    if (!pg_query(g->opt.pg, &ask, timeout_ms, on_looked_up, l)) {
        g->lookups--;
        free(l);
        wait_ready(w, GATE_NOTHING, 0);
    }
}

bool gate_remembers(const struct gate *g)
{
    return g->answers_read;
}

/* Columns: actor, key, hash, status, body; newest first. */
static void on_read(void *arg, const struct pg_reply *r)
{
    struct gate *g = arg;
    struct buf sha256 = {0};
    int64_t status;

    for (size_t i = pg_rows(r, 0); i-- != 0;) {
        const char *actor = pg_value(r, 0, i, 0, NULL);
        const char *once = pg_value(r, 0, i, 1, NULL);
        const char *body = pg_value(r, 0, i, 4, NULL);
        struct answer *a;

        buf_reset(&sha256);
        if (find(g, actor, once) != NULL || !pg_value_bytes(r, 0, i, 2, &sha256) ||
            sha256.len != sizeof a->sha256) {
            continue;
        }
        a = add(g, &(struct asked){actor, once, (const uint8_t *)sha256.data});
        a->alone = true;
        if (pg_value_i64(r, 0, i, 3, &status) && body != NULL) {
            a->status = (unsigned)status;
            buf_puts(&a->body, body);
        }
    }
    buf_fini(&sha256);
    g->answers_read = g->answers_read || pg_outcome(r) == PG_OK;
}

void answers_tick(struct gate *g)
{
    static const struct pg_statement read_last = {
        "SELECT actor, once, sha256, status, body FROM request_answers"
        " WHERE created_at > now() - interval '1 day' ORDER BY created_at DESC LIMIT 4096",
        NULL, 0};
    static const struct pg_statement sweep = {
        "DELETE FROM request_answers WHERE created_at < now() - interval '1 day'", NULL, 0};
    int64_t now = clock_mono_ns();

    if (now < g->answers_due_ns || !pg_up(g->opt.pg)) {
        return;
    }
    g->answers_due_ns = now + (g->answers_read ? SWEEP_NS : READ_NS);
    if (!pg_query(g->opt.pg, g->answers_read ? &sweep : &read_last, SEND_MS,
                  g->answers_read ? NULL : on_read, g)) {
        log_info("gate", "answers_not_read", "\"next\":\"tried again\"%s", "");
    }
}

/* --- the list of requests -----------------------------------------------------------------------
 */

struct listing {
    gate_list_fn *cb;
    void *arg;
};

/* What is typed to decide a request is told by what it holds, as when it is compared. */
static void read_word(const char *text, char word[CONTROL_WORD_SIZE])
{
    struct record *r = text != NULL ? record_parse(text, strlen(text)) : NULL;

    word[0] = '\0';
    if (r != NULL) {
        control_word(&r->change, word);
    }
    record_destroy(&r);
}

static void on_list(void *arg, const struct pg_reply *r)
{
    struct listing l = *(struct listing *)arg;
    size_t count = pg_rows(r, 0);
    struct gate_change *list = gw_calloc(count + 1, sizeof *list);

    free(arg);
    for (size_t i = 0; i < count; i++) {
        list[i].json = pg_value(r, 0, i, 0, &list[i].len);
        list[i].radius = pg_value(r, 0, i, 1, NULL);
        list[i].cells = pg_value(r, 0, i, 2, NULL);
        read_word(pg_value(r, 0, i, 3, NULL), list[i].confirm);
    }
    l.cb(l.arg, pg_outcome(r) == PG_OK ? list : NULL, count);
    free(list);
}

/* clang-format off */
#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
/* $1: those still open alone; $2: an id, or NULL; $3: how many */
static const char list_sql[] =
    "SELECT json_build_object('id', id,"
    " 'state', CASE WHEN state = 'pending' AND expires_at <= now() THEN 'expired' ELSE state END,"
    " 'created_at', " UTC("created_at") ", 'expires_at', " UTC("expires_at") ","
    " 'requested_by', person, 'action', action, 'target', target,"
    " 'reason', (record::json->>'text')::json->>'reason',"
    " 'ticket', (record::json->>'text')::json->>'ticket', 'hash', encode(sha256, 'hex'),"
    " 'base_version', base_version, 'diff', diff::json, 'audit', audit,"
    " 'decided_at', " UTC("decided_at") ", 'decided_by', decided_by,"
    " 'decided_why', decided_why, 'result_audit', result_audit)::text, radius,"
    " CASE WHEN state = 'pending' AND expires_at > now() THEN"
    " (SELECT json_agg(json_build_array(c->>'kind', c->>'target'))"
    " FROM json_array_elements(diff::json->'changes') c)::text END,"
    " CASE WHEN state = 'pending' AND expires_at > now() THEN record::text END"
    " FROM change_requests WHERE (NOT $1 OR (state = 'pending' AND expires_at > now()))"
    " AND ($2::text IS NULL OR id = $2) ORDER BY id DESC LIMIT $3";
/* clang-format on */

bool gate_changes(struct gate *g, bool open, const char *id, uint32_t limit, gate_list_fn *cb,
                  void *arg)
{
    struct listing *l = gw_malloc(sizeof *l);
    const struct pg_param params[] = {pg_bool(open), pg_text(id), pg_int8(limit)};
    const struct pg_statement ask = {list_sql, params, GW_LEN(params)};

    *l = (struct listing){cb, arg};
    if (!pg_query(g->opt.pg, &ask, 0, on_list, l)) {
        free(l);
        return false;
    }
    return true;
}
