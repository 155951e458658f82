/* gateway/paging/queue.c - the table of pages: claiming those that are next, telling what became of
 * them, and what people see and do. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/paging/paging_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define OTHERS_MS  30000 /* a gateway that was heard so lately and has paging on sends them */
#define DEAD_SHOWN 100
#define TIME_OF(p) "'epoch'::timestamptz + " p "::bigint * interval '1 microsecond'"
/* $1: microseconds of a test's clock, or NULL */
#define NOW        "coalesce(" TIME_OF("$1") ", clock_timestamp())"
#define US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"
#define OPEN(t)    t ".delivered_at IS NULL AND " t ".skipped_at IS NULL AND " t ".dead_at IS NULL"

struct pg_param queue_now(const struct paging *p)
{
    return p->opt.now_ns != NULL ? pg_int8(paging_wall_ns(p) / 1000) : pg_null();
}

/* --- claiming --------------------------------------------------------------------------------- */

/* clang-format off */
/* The oldest of each incident, when nobody else has it: so those of an incident go one by one, over
 * all gateways. */
static const char claim_sql[] =
    "WITH t AS (SELECT " NOW " AS now), c AS MATERIALIZED ("
    " SELECT p.id FROM pages p, t WHERE " OPEN("p") " AND p.next_at <= t.now"
    " AND (p.leased_until IS NULL OR p.leased_until <= t.now)"
    " AND NOT EXISTS (SELECT 1 FROM pages e WHERE e.incident = p.incident AND e.incident <> ''"
    " AND (e.place, e.id) < (p.place, p.id) AND " OPEN("e") ")"
    " ORDER BY p.place, p.id LIMIT $4::bigint FOR UPDATE OF p SKIP LOCKED)"
    " UPDATE pages p SET leased_by = $3, leased_until = t.now + $2::bigint * interval '1 ms',"
    " tries = p.tries + 1 FROM c, t WHERE p.id = c.id RETURNING p.id, p.uid, p.kind, p.incident,"
    " p.severity, p.level, p.list, p.title, p.summary, p.symbol, p.component, p.class, p.playbook,"
    " " US("p.at") ", p.tries,"
    " (SELECT " US("min(e.at)") " FROM pages e WHERE e.incident = p.incident"
    " AND (e.incident <> '' OR e.id = p.id)),"
    " EXISTS (SELECT 1 FROM pages e WHERE e.incident = p.incident AND e.delivered_at IS NOT NULL),"
    " (extract(epoch FROM t.now - coalesce(p.retried_at, p.at)) * 1000)::bigint";
static const char off_sql[] =
    "UPDATE pages p SET skipped_at = " NOW ", suppressed = true, leased_by = NULL, leased_until = NULL,"
    " last_error = '" PAGING_OFF_WHY "' || coalesce('; the last try: ' || p.last_error, '')"
    " WHERE " OPEN("p") " AND (p.leased_until IS NULL OR p.leased_until <= " NOW ")"
    " AND NOT EXISTS (SELECT 1 FROM gateways g WHERE g.paging"
    " AND g.seen_at > " NOW " - $2::bigint * interval '1 ms')";
static const char count_sql[] =
    "SELECT (SELECT count(*) FROM pages p WHERE " OPEN("p") "),"
    " (SELECT count(*) FROM pages p WHERE p.dead_at IS NOT NULL),"
    " (SELECT extract(epoch FROM " NOW " - min(p.at))::bigint FROM pages p WHERE " OPEN("p") ")";
/* clang-format on */

static int64_t number(const struct pg_reply *reply, size_t i, size_t row, size_t column)
{
    int64_t n = 0;

    (void)pg_value_i64(reply, i, row, column, &n);
    return n;
}

static struct page_row *row_of(struct paging *p, const struct pg_reply *reply, size_t i)
{
    const char *text[13];
    struct page page = {0};
    struct page_row *r;

    for (size_t c = 0; c < GW_LEN(text); c++) {
        text[c] = pg_value(reply, 0, i, c, NULL);
    }
    if (!page_kind_parse(text[2], &page.kind) ||
        !severity_parse(text[4], strlen(text[4]), &page.severity)) {
        return NULL; /* of a newer gateway, which knows more of them */
    }
    (void)snprintf(page.incident, sizeof page.incident, "%s", text[3]);
    page.level = (unsigned)number(reply, 0, i, 5);
    page.list = text[6];
    page.title = text[7];
    page.summary = text[8];
    page.symbol = text[9];
    page.component = text[10];
    page.class_ = text[11];
    page.playbook = text[12];
    page.at_ns = number(reply, 0, i, 13) * 1000;
    r = page_row_create(p, &page);
    r->id = number(reply, 0, i, 0);
    (void)snprintf(r->uid, sizeof r->uid, "%s", text[1]);
    r->tries = (uint32_t)number(reply, 0, i, 14);
    r->since_ns = number(reply, 0, i, 15) * 1000;
    (void)pg_value_bool(reply, 0, i, 16, &r->told);
    r->age_ms = number(reply, 0, i, 17);
    return r;
}

/* It goes out from memory: its failure was written down, but the answer that it was got lost. */
static bool under_way(const struct paging *p, int64_t id)
{
    const struct page_row *r;

    DL_FOREACH(p->rows, r)
    {
        if (r->id == id) {
            return true;
        }
    }
    return false;
}

static void on_claimed(void *arg, const struct pg_reply *reply)
{
    struct paging *p = arg;

    p->calls--;
    p->claiming = false;
    if (p->closing) {
        return;
    }
    if (pg_outcome(reply) == PG_OK) {
        if (p->claim_off && pg_affected(reply, 0) != 0) {
            paging_suppressed(p, (unsigned)pg_affected(reply, 0));
        }
        for (size_t i = 0; paging_on(p) && i < pg_rows(reply, 0); i++) {
            struct page_row *r = under_way(p, number(reply, 0, i, 0)) ? NULL : row_of(p, reply, i);

            if (r != NULL) {
                DL_APPEND(p->rows, r);
                paging_dispatch(r);
            }
        }
        paging_count(p, (uint64_t)number(reply, 1, 0, 0), (uint64_t)number(reply, 1, 0, 1),
                     number(reply, 1, 0, 2));
    } else if (pg_outcome(reply) == PG_FAILED) {
        log_warn("paging", "claim_refused",
                 "\"sqlstate\":\"%s\",\"next\":\"is the database migrated? portcullis --migrate\"",
                 pg_sqlstate(reply));
    }
    if (p->again) {
        paging_wake(p);
    }
}

void queue_claim(struct paging *p)
{
    const struct pg_param now = queue_now(p);
    const struct pg_param claim[] = {now, pg_int8((int64_t)(3 * p->opt.config->deadline)),
                                     pg_text(p->me), pg_int8(PAGING_IN_FLIGHT - p->flying)};
    const struct pg_param off[] = {now, pg_int8(OTHERS_MS)};
    const struct pg_statement statements[] = {
        paging_on(p) ? (struct pg_statement){claim_sql, claim, GW_LEN(claim)}
                     : (struct pg_statement){off_sql, off, GW_LEN(off)},
        {count_sql, &now, 1},
    };

    p->again = false;
    p->claim_off = !paging_on(p);
    p->claiming = pg_transaction(p->opt.pg, statements, GW_LEN(statements), 0, on_claimed, p);
    p->calls += p->claiming;
}

/* --- settling --------------------------------------------------------------------------------- */

static void on_settled(void *arg, const struct pg_reply *reply)
{
    struct page_row *r = arg;
    struct paging *p = r->paging;

    p->calls--;
    r->asking = false;
    if (p->closing) {
        return;
    }
    if (pg_outcome(reply) == PG_OK) {
        paging_drop(r);
        paging_wake(p);
    } /* else: with the next tick */
}

void queue_settle(struct page_row *r)
{
    /* whoever delivers it, it is delivered; any other result is only that of who holds the lease */
    static const struct {
        const char *sql;
        size_t params;
    } rows[PAGE_RESULT_COUNT] = {
        [PAGE_DELIVERED] = {"UPDATE pages p SET delivered_at = " NOW ", skipped_at = NULL,"
                            " dead_at = NULL, leased_by = NULL, leased_until = NULL,"
                            " last_error = nullif($3, '')"
                            " WHERE p.id = $2::bigint AND p.delivered_at IS NULL",
                            3},
        [PAGE_SKIPPED] = {"UPDATE pages p SET skipped_at = " NOW ", leased_by = NULL,"
                          " leased_until = NULL, last_error = nullif($3, '')"
                          " WHERE p.id = $2::bigint AND p.leased_by = $4 AND " OPEN("p"),
                          4},
        [PAGE_DEAD] = {"UPDATE pages p SET dead_at = " NOW ", leased_by = NULL,"
                       " leased_until = NULL, last_error = $3"
                       " WHERE p.id = $2::bigint AND p.leased_by = $4 AND " OPEN("p"),
                       4},
        [PAGE_FAILED] = {"UPDATE pages p SET leased_by = NULL, leased_until = NULL,"
                         " last_error = $3, next_at = " NOW " + $5::bigint * interval '1 ms'"
                         " WHERE p.id = $2::bigint AND p.leased_by = $4 AND " OPEN("p"),
                         5},
    };
    struct paging *p = r->paging;
    const struct pg_param params[] = {queue_now(p), pg_int8(r->id), pg_text(r->error),
                                      pg_text(p->me), pg_int8(r->delay_ms)};

    if (!r->asking) {
        r->asking = pg_query(
            p->opt.pg, &(struct pg_statement){rows[r->result].sql, params, rows[r->result].params},
            0, on_settled, r);
        p->calls += r->asking;
    }
}

/* --- hurrying ---------------------------------------------------------------------------------- */

static void on_hurried(void *arg, const struct pg_reply *reply)
{
    struct paging *p = arg;

    p->calls--;
    if (p->closing) {
        return;
    }
    if (pg_outcome(reply) == PG_OK && pg_affected(reply, 0) == 0) {
        circuit_untried(p->circuit);
    }
    paging_wake(p);
}

void queue_hurry(struct paging *p)
{
    static const char sql[] = "UPDATE pages p SET next_at = '-infinity' WHERE " OPEN("p");
    struct page_row *r;
    bool here = p->flying > 0;

    DL_FOREACH(p->rows, r)
    {
        r->next_ns = INT64_MIN;
        r->delay_ms = 0; /* where PostgreSQL has not been told of it yet */
        here = here || r->state == ROW_WAITING || r->state == ROW_SETTLING;
    }
    if (pg_query(p->opt.pg, &(struct pg_statement){.sql = sql}, 0, on_hurried, p)) {
        p->calls++;
    } else if (!here) {
        circuit_untried(p->circuit);
    }
}

/* --- what people see --------------------------------------------------------------------------- */

struct asked {
    struct paging *paging;
    paging_view_fn *view;
    paging_fn *cb;
    void *arg;
    int64_t id;
    enum paging_said said; /* without PostgreSQL */
    uv_timer_t *timer;     /* an answer without PostgreSQL, later */
};

static void put_head(const struct paging *p, struct buf *out)
{
    const struct paging_config *c = p->opt.config;

    buf_printf(out, "{\"enabled\":%s,\"format\":\"%s\",\"min_severity\":\"%s\",\"receiver\":",
               paging_on(p) ? "true" : "false", body_format_words[p->body.format], c->min_severity);
    if (p->host[0] != '\0') {
        buf_json_str(out, p->host, strlen(p->host));
    } else {
        buf_lit(out, "null");
    }
    buf_printf(out, ",\"queue\":%" PRIu64 ",\"oldest_age_s\":", p->queue);
    if (p->queue > 0) {
        buf_i64(out, p->oldest_s);
    } else {
        buf_lit(out, "null");
    }
    buf_printf(out, ",\"suppressed\":%" PRIu64, metrics_get(p->metrics, PAGING_M_SUPPRESSED, 0));
    buf_printf(out, ",\"spooled\":%zu,\"database\":%s,\"dead\":[", spool_count(p),
               pg_up(p->opt.pg) ? "true" : "false");
}

static void put_dead(const struct pg_reply *reply, struct buf *out)
{
    for (size_t i = 0; i < pg_rows(reply, 0); i++) {
        const char *error = pg_value(reply, 0, i, 4, NULL);
        int64_t at = number(reply, 0, i, 5);

        buf_printf(out, "%s{\"id\":%" PRId64 ",\"incident\":", i != 0 ? "," : "",
                   number(reply, 0, i, 0));
        buf_json_str(out, pg_value(reply, 0, i, 1, NULL), strlen(pg_value(reply, 0, i, 1, NULL)));
        buf_printf(out, ",\"kind\":\"%s\",\"tries\":%" PRId64 ",\"last_error\":",
                   pg_value(reply, 0, i, 2, NULL), number(reply, 0, i, 3));
        buf_json_str(out, error != NULL ? error : "", error != NULL ? strlen(error) : 0);
        buf_lit(out, ",\"at\":\"");
        buf_rfc3339(out, at * 1000, 6);
        buf_lit(out, "\"}");
    }
}

static void on_viewed(void *arg, const struct pg_reply *reply)
{
    struct asked *q = arg;
    struct paging *p = q->paging;
    struct buf out = {0};

    p->calls--;
    put_head(p, &out);
    put_dead(reply, &out);
    buf_lit(&out, "]}");
    q->view(q->arg, out.data, out.len);
    buf_fini(&out);
    free(q);
}

static void on_late_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_late(uv_timer_t *timer)
{
    struct asked *q = timer->data;
    struct paging *p = q->paging;
    struct buf out = {0};

    if (q->view != NULL) {
        put_head(p, &out);
        buf_lit(&out, "]}");
        q->view(q->arg, out.data, out.len);
    } else {
        q->cb(q->arg, q->said, 0, "");
    }
    buf_fini(&out);
    uv_close((uv_handle_t *)timer, on_late_closed);
    free(q);
}

/* Without PostgreSQL, and never inside the call. */
static void answer_late(struct asked *q)
{
    q->timer = gw_calloc(1, sizeof *q->timer);
    uv_timer_init(q->paging->loop, q->timer);
    q->timer->data = q;
    uv_timer_start(q->timer, on_late, 0, 0);
}

void paging_view(struct paging *p, paging_view_fn *cb, void *arg)
{
    static const char sql[] = "SELECT id, incident, kind, tries, last_error, " US(
        "dead_at") " FROM pages WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, id DESC LIMIT "
                   "$1::bigint";
    const struct pg_param limit = pg_int8(DEAD_SHOWN);
    struct asked *q = gw_calloc(1, sizeof *q);

    *q = (struct asked){.paging = p, .view = cb, .arg = arg};
    if (pg_query(p->opt.pg, &(struct pg_statement){sql, &limit, 1}, 0, on_viewed, q)) {
        p->calls++;
    } else {
        answer_late(q);
    }
}

/* --- what people do ----------------------------------------------------------------------------
 */

static void on_test_entered(void *arg, const struct pg_reply *reply)
{
    struct test_wait *w = arg;
    struct paging *p = w->paging;

    p->calls--;
    if (pg_outcome(reply) == PG_OK && pg_rows(reply, 0) == 1 && !p->closing) {
        w->id = number(reply, 0, 0, 0);
        w->until_ns = paging_mono_ns(p) + (int64_t)(2 * p->opt.config->deadline) * NS_PER_MS;
        paging_wake(p);
        return;
    }
    DL_DELETE(p->tests, w);
    w->cb(w->arg, pg_outcome(reply) == PG_OK ? PAGING_QUEUED : PAGING_AWAY, 0, "");
    free(w);
}

void paging_test(struct paging *p, const char *by, paging_fn *cb, void *arg)
{
    struct page page = {.kind = PAGE_TEST, .severity = SEV4, .level = 1, .list = "oncall"};
    struct test_wait *w = gw_calloc(1, sizeof *w);
    struct pg_param params[PAGE_PARAMS];
    struct pg_statement s;
    struct buf sql = {0};
    struct buf title = {0};
    enum paging_said said = PAGING_AWAY; /* unless it is asked */

    *w = (struct test_wait){.paging = p, .until_ns = INT64_MAX, .cb = cb, .arg = arg};
    buf_printf(&title, "Test page of %s, asked for by %s: nothing is wrong", p->opt.name, by);
    page.title = buf_cstr(&title);
    page.at_ns = paging_wall_ns(p);
    if (!paging_on(p)) {
        said = PAGING_OFF;
    }
    s = page_statement(&page, params);
    buf_printf(&sql, "%s RETURNING id", s.sql);
    s.sql = buf_cstr(&sql);
    if (said == PAGING_AWAY && pg_query(p->opt.pg, &s, 0, on_test_entered, w)) {
        p->calls++;
        DL_APPEND(p->tests, w);
    } else {
        struct asked *q = gw_calloc(1, sizeof *q);

        *q = (struct asked){.paging = p, .cb = cb, .arg = arg, .said = said};
        answer_late(q);
        free(w);
    }
    buf_fini(&sql);
    buf_fini(&title);
}

static void on_retried(void *arg, const struct pg_reply *reply)
{
    struct asked *q = arg;
    struct paging *p = q->paging;

    p->calls--;
    if (pg_outcome(reply) != PG_OK) {
        q->cb(q->arg, PAGING_AWAY, q->id, "");
    } else if (pg_affected(reply, 0) == 0) {
        q->cb(q->arg, PAGING_UNKNOWN, q->id, "");
    } else {
        q->cb(q->arg, PAGING_QUEUED, q->id, "");
        if (!p->closing) {
            paging_wake(p);
        }
    }
    free(q);
}

void paging_retry(struct paging *p, int64_t id, paging_fn *cb, void *arg)
{
    static const char sql[] =
        "UPDATE pages SET dead_at = NULL, retried_at = " NOW ", next_at = '-infinity'"
        " WHERE id = $2::bigint AND dead_at IS NOT NULL";
    const struct pg_param params[] = {queue_now(p), pg_int8(id)};
    struct asked *q = gw_calloc(1, sizeof *q);

    *q = (struct asked){.paging = p, .cb = cb, .arg = arg, .id = id, .said = PAGING_AWAY};
    if (pg_query(p->opt.pg, &(struct pg_statement){sql, params, 2}, 0, on_retried, q)) {
        p->calls++;
    } else {
        answer_late(q);
    }
}
