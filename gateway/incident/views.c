/* gateway/incident/views.c - lists of incidents, one of them, and what happened to it, as answers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/incident/incidents_priv.h"
#include "gateway/incident/report.h"
#include "gateway/incident/row.h"
#include "gateway/runtime/clock.h"

#define READ_MS       2000u
#define REPORT_ROWS   2000
#define WAITING_SHOWN 50u

enum view_kind { VIEW_LIST, VIEW_ONE, VIEW_TIMELINE, VIEW_REPORT };

struct view {
    struct incidents *all;
    enum view_kind kind;
    struct incidents_filter filter;
    uint64_t number;
    uint64_t after;
    uint32_t limit;
    bool json;
    incidents_text_fn *cb;
    void *arg;
    bool refused; /* by the pool: answered later */
    uv_timer_t timer;
};

static void end(struct view *v, enum incident_fault fault, struct buf *text, uint64_t version)
{
    struct incidents *all = v->all;

    v->cb(v->arg, fault, text != NULL ? buf_cstr(text) : NULL, text != NULL ? text->len : 0,
          version);
    free(v);
    incidents_release(all);
}

/* --- answers ------------------------------------------------------------------------------------
 */

/* How old it is that follows; AGE_NS 0: as PostgreSQL says it now. */
static void put_age(struct buf *out, int64_t age_ns)
{
    buf_lit(out, ",\"as_of\":\"");
    buf_rfc3339(out, clock_real_ns() - age_ns, 6);
    buf_printf(out, "\",\"age_s\":%" PRId64 ",\"stale\":%s", age_ns / 1000000000,
               age_ns != 0 ? "true" : "false");
}

struct waiting {
    struct buf *out;
    unsigned count;
};

static void put_waiting(void *arg, const struct incident_ask *a)
{
    struct waiting *w = arg;

    if (w->count++ >= WAITING_SHOWN) {
        return;
    }
    buf_printf(w->out, "%s{\"severity\":\"%s\",\"title\":", w->count != 1 ? "," : "",
               severity_rows[a->severity].word);
    buf_json_str(w->out, a->title, strlen(a->title));
    buf_lit(w->out, ",\"key\":");
    buf_json_str(w->out, a->key, strlen(a->key));
    buf_putc(w->out, '}');
}

/* The end of a list. */
static void put_end(const struct view *v, int64_t age_ns, struct buf *out)
{
    struct waiting w = {out, 0};

    put_age(out, age_ns);
    buf_printf(out, ",\"complete\":%s,\"waiting\":[",
               age_ns == 0 || !v->filter.closed ? "true" : "false");
    incidents_waiting(v->all, put_waiting, &w);
    buf_lit(out, "]}");
}

static void put_list(struct view *v, const struct pg_reply *r)
{
    size_t rows = pg_rows(r, 0);
    size_t shown = rows > v->filter.limit ? v->filter.limit : rows;
    struct buf out = {0};
    uint64_t last = 0;

    buf_lit(&out, "{\"incidents\":[");
    for (size_t row = 0; row < shown; row++) {
        struct incident *i = row_read(r, 0, row, 0);

        if (i != NULL) {
            buf_puts(&out, row != 0 ? ",{" : "{");
            incident_print(i, &out);
            buf_putc(&out, '}');
            last = i->number;
            incident_destroy(&i);
        }
    }
    buf_lit(&out, "],\"next\":");
    if (rows > shown) {
        buf_printf(&out, "\"%" PRIu64 "\"", last);
    } else {
        buf_lit(&out, "null");
    }
    put_end(v, 0, &out);
    end(v, INCIDENT_FINE, &out, 0);
    buf_fini(&out);
}

static void print_one(const struct view *v, const struct incident *i, int64_t age_ns,
                      struct buf *out)
{
    incidents_print(v->all, i, 0, out);
    out->len--; /* its brace */
    put_age(out, age_ns);
    buf_putc(out, '}');
}

static void put_one(struct view *v, const struct pg_reply *r)
{
    struct incident *i = pg_rows(r, 0) != 0 ? row_read(r, 0, 0, 0) : NULL;
    struct buf out = {0};

    if (i == NULL) {
        end(v, INCIDENT_UNKNOWN, NULL, 0);
        return;
    }
    print_one(v, i, 0, &out);
    end(v, INCIDENT_FINE, &out, i->version);
    incident_destroy(&i);
    buf_fini(&out);
}

/* Columns as timeline_sql has them. */
static void take_event(const struct pg_reply *r, size_t statement, size_t row,
                       struct incident_event *e)
{
    int64_t seq = 0;
    int64_t at = 0;
    int64_t audit = 0;

    (void)pg_value_i64(r, statement, row, 0, &seq);
    (void)pg_value_i64(r, statement, row, 1, &at);
    (void)pg_value_i64(r, statement, row, 5, &audit);
    *e = (struct incident_event){
        .seq = (uint64_t)seq,
        .at_ns = at * 1000,
        .kind = pg_value(r, statement, row, 2, NULL),
        .by = pg_value(r, statement, row, 3, NULL),
        .text = pg_value(r, statement, row, 4, NULL),
        .audit = (uint64_t)audit,
        .data = pg_value(r, statement, row, 6, NULL),
    };
}

static void put_timeline(struct view *v, const struct pg_reply *r)
{
    size_t rows = pg_rows(r, 0);
    size_t shown = rows > v->limit ? v->limit : rows;
    struct incident_event e = {0};
    struct buf out = {0};

    if (rows == 0 && v->after == 0) {
        end(v, INCIDENT_UNKNOWN, NULL, 0);
        return;
    }
    buf_lit(&out, "{\"timeline\":[");
    for (size_t row = 0; row < shown; row++) {
        take_event(r, 0, row, &e);
        buf_puts(&out, row != 0 ? "," : "");
        incident_event_print(&e, &out);
    }
    buf_lit(&out, "],\"next\":");
    if (rows > shown) {
        buf_printf(&out, "\"%" PRIu64 "\"}", e.seq);
    } else {
        buf_lit(&out, "null}");
    }
    end(v, INCIDENT_FINE, &out, 0);
    buf_fini(&out);
}

static void put_report(struct view *v, const struct pg_reply *r)
{
    struct incident *i = pg_rows(r, 0) != 0 ? row_read(r, 0, 0, 0) : NULL;
    size_t count = pg_rows(r, 1);
    struct incident_event *events = gw_calloc(count + 1, sizeof *events);
    struct buf out = {0};

    for (size_t row = 0; row < count; row++) {
        take_event(r, 1, row, &events[row]);
    }
    if (i == NULL) {
        end(v, INCIDENT_UNKNOWN, NULL, 0);
    } else {
        (v->json ? incident_report_json : incident_report_markdown)(i, events, count,
                                                                    clock_real_ns(), &out);
        end(v, INCIDENT_FINE, &out, i->version);
    }
    free(events);
    incident_destroy(&i);
    buf_fini(&out);
}

/* --- asking -------------------------------------------------------------------------------------
 */

struct open_list {
    const struct incidents_filter *f;
    struct buf out;
    uint32_t count;
    uint64_t last;
    bool more;
};

static void put_known(void *arg, const struct incident *i)
{
    struct open_list *l = arg;
    const struct incidents_filter *f = l->f;

    if ((f->severity != SEVERITY_COUNT && f->severity != i->severity) ||
        (f->class_ != INCIDENT_CLASS_COUNT && f->class_ != i->class_) ||
        (f->before != 0 && i->number >= f->before)) {
        return;
    }
    if (l->count == f->limit) {
        l->more = true;
        return;
    }
    buf_puts(&l->out, l->count++ != 0 ? ",{" : "{");
    incident_print(i, &l->out);
    buf_putc(&l->out, '}');
    l->last = i->number;
}

/* At least a moment old: it is not what PostgreSQL says now. */
static int64_t known_age_ns(const struct view *v)
{
    int64_t age_ns = incidents_age_ns(v->all);

    return age_ns > 0 ? age_ns : 1;
}

static void answer_known_list(struct view *v)
{
    struct open_list l = {.f = &v->filter};

    buf_lit(&l.out, "{\"incidents\":[");
    (void)incidents_each(v->all, put_known, &l);
    buf_lit(&l.out, "],\"next\":");
    if (l.more) {
        buf_printf(&l.out, "\"%" PRIu64 "\"", l.last);
    } else {
        buf_lit(&l.out, "null");
    }
    put_end(v, known_age_ns(v), &l.out);
    end(v, INCIDENT_FINE, &l.out, 0);
    buf_fini(&l.out);
}

static void answer_known_one(struct view *v, const struct incident *i)
{
    uint64_t version = i->version;
    struct buf out = {0};

    print_one(v, i, known_age_ns(v), &out);
    end(v, INCIDENT_FINE, &out, version);
    buf_fini(&out);
}

/* PostgreSQL does not answer: what is open, as it was last read. What is closed, what happened to an
 * incident, only PostgreSQL has. */
static void answer_known(struct view *v)
{
    const struct incident *i = v->kind == VIEW_ONE ? incidents_find(v->all, v->number) : NULL;

    if (v->kind == VIEW_LIST && v->filter.open && v->all->known) {
        answer_known_list(v);
    } else if (i != NULL) {
        answer_known_one(v, i);
    } else {
        end(v, INCIDENT_AWAY, NULL, 0);
    }
}

static void on_reply(void *arg, const struct pg_reply *r)
{
    struct view *v = arg;

    if (pg_outcome(r) != PG_OK) {
        answer_known(v);
        return;
    }
    switch (v->kind) {
    case VIEW_LIST:
        put_list(v, r);
        break;
    case VIEW_ONE:
        put_one(v, r);
        break;
    case VIEW_TIMELINE:
        put_timeline(v, r);
        break;
    case VIEW_REPORT:
        put_report(v, r);
        break;
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    answer_known(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

static struct view *view_create(struct incidents *all, enum view_kind kind, incidents_text_fn *cb,
                                void *arg)
{
    struct view *v = gw_calloc(1, sizeof *v);

    v->all = all;
    v->kind = kind;
    v->cb = cb;
    v->arg = arg;
    incidents_hold(all);
    return v;
}

static void view_ask(struct view *v, const struct pg_statement *statements, size_t count)
{
    bool asked =
        !v->all->closing &&
        (count == 1 ? pg_query(v->all->opt.pg, statements, READ_MS, on_reply, v)
                    : pg_transaction(v->all->opt.pg, statements, count, READ_MS, on_reply, v));

    if (!asked) { /* not inside the call */
        GW_ASSERT(uv_timer_init(v->all->loop, &v->timer) == 0);
        v->timer.data = v;
        GW_ASSERT(uv_timer_start(&v->timer, on_timer, 0, 0) == 0);
    }
}

void incidents_list(struct incidents *all, const struct incidents_filter *f, incidents_text_fn *cb,
                    void *arg)
{
    struct view *v = view_create(all, VIEW_LIST, cb, arg);
    const struct pg_param params[] = {
        pg_bool(f->open),
        pg_bool(f->closed),
        pg_text(f->severity < SEVERITY_COUNT ? severity_rows[f->severity].word : NULL),
        pg_text(f->class_ < INCIDENT_CLASS_COUNT ? incident_class_words[f->class_] : NULL),
        pg_int8((int64_t)f->before),
        pg_int8((int64_t)f->limit + 1)};
    struct buf sql = {0};

    v->filter = *f;
    buf_lit(&sql, "SELECT ");
    row_columns(&sql);
    buf_lit(&sql, " FROM incidents i WHERE ((i.state <> 'closed' AND $1) OR"
                  " (i.state = 'closed' AND $2)) AND ($3::text IS NULL OR i.severity = $3)"
                  " AND ($4::text IS NULL OR i.class = $4) AND ($5::bigint = 0 OR i.number < $5)"
                  " ORDER BY i.number DESC LIMIT $6");
    view_ask(v, &(struct pg_statement){buf_cstr(&sql), params, GW_LEN(params)}, 1);
    buf_fini(&sql);
}

static void one_sql(struct buf *sql)
{
    buf_lit(sql, "SELECT ");
    row_columns(sql);
    buf_lit(sql, " FROM incidents i WHERE i.number = $1");
    (void)buf_cstr(sql);
}

void incidents_get(struct incidents *all, uint64_t number, incidents_text_fn *cb, void *arg)
{
    struct view *v = view_create(all, VIEW_ONE, cb, arg);
    const struct pg_param param = pg_int8((int64_t)number);
    struct buf sql = {0};

    v->number = number;
    one_sql(&sql);
    view_ask(v, &(struct pg_statement){buf_cstr(&sql), &param, 1}, 1);
    buf_fini(&sql);
}

/* clang-format off */
/* Its own rows, entries of the audit log that name it or changed the control state while it was open,
 * and pages that were suppressed later than they were written, in the order of time. $1: number, $2: after which row, $3: how many. */
static const char timeline_sql[] =
    "SELECT q.n, q.at, q.kind, q.by, q.text, q.audit, q.data FROM ("
    " SELECT row_number() OVER (ORDER BY u.at, u.src, u.seq) AS n, u.* FROM ("
    "  SELECT (extract(epoch FROM t.at) * 1000000)::bigint AS at, 0 AS src, t.seq, t.kind, t.by, t.text,"
    "   t.audit, t.data FROM incident_timeline t WHERE t.incident = $1"
    "  UNION ALL"
    "  SELECT a.time_ns / 1000, 1, a.seq, 'audit', a.actor, concat_ws(' ', a.action, a.target, a.outcome,"
    "   nullif('(' || a.reason || ')', '()')), a.seq,"
    "   json_build_object('action', a.action, 'target', a.target, 'outcome', a.outcome, 'reason', a.reason,"
    "    'ticket', a.ticket)::text"
    "  FROM incidents i JOIN audit_entries a ON"
    "   a.incident = 'INC-' || i.number OR (a.time_ns BETWEEN (extract(epoch FROM i.opened_at) * 1000000000)::bigint"
    "    AND (extract(epoch FROM coalesce(i.closed_at, 'infinity')) * 1000000000)::numeric"
    "    AND (a.action LIKE 'kill.%' OR a.action LIKE 'withdrawals.%' OR a.action LIKE 'fanout.%'"
    "     OR a.action LIKE 'upstream.%' OR a.action LIKE 'global.%' OR a.action LIKE 'group.%'"
    "     OR a.action LIKE 'account.%' OR (a.action LIKE 'symbol.%'"
    "      AND (i.symbol IS NULL OR a.target IN (i.symbol, '*') OR a.target LIKE '% targets'))))"
    "  WHERE i.number = $1 AND a.action NOT LIKE 'incident.%'"
    "  UNION ALL"
    "  SELECT (extract(epoch FROM p.skipped_at) * 1000000)::bigint, 2, p.id, 'page', 'system',"
    "   'the page ' || p.kind || ' was not sent: ' || p.last_error, 0,"
    "   json_build_object('page', p.kind, 'paged', false)::text FROM pages p"
    "  WHERE p.incident IN ('INC-' || $1, 'INC-' || $1 || '/pm') AND p.suppressed AND NOT p.in_timeline"
    " ) u) q WHERE q.n > $2 ORDER BY q.n LIMIT $3";
/* clang-format on */

void incidents_timeline(struct incidents *all, uint64_t number, uint64_t after, uint32_t limit,
                        incidents_text_fn *cb, void *arg)
{
    struct view *v = view_create(all, VIEW_TIMELINE, cb, arg);
    const struct pg_param params[] = {pg_int8((int64_t)number), pg_int8((int64_t)after),
                                      pg_int8((int64_t)limit + 1)};

    v->after = after;
    v->limit = limit;
    view_ask(v, &(struct pg_statement){timeline_sql, params, GW_LEN(params)}, 1);
}

void incidents_report(struct incidents *all, uint64_t number, bool json, incidents_text_fn *cb,
                      void *arg)
{
    struct view *v = view_create(all, VIEW_REPORT, cb, arg);
    const struct pg_param params[] = {pg_int8((int64_t)number), pg_int8(0), pg_int8(REPORT_ROWS)};
    struct buf sql = {0};
    struct pg_statement both[2];

    v->json = json;
    one_sql(&sql);
    both[0] = (struct pg_statement){buf_cstr(&sql), params, 1};
    both[1] = (struct pg_statement){timeline_sql, params, GW_LEN(params)};
    view_ask(v, both, 2);
    buf_fini(&sql);
}
