/* gateway/paging/spool.c - pages that PostgreSQL could not be told of: on this machine's disk, sent from
 * there, entered when it is back. The file is a journal (gateway/audit/journal.h): a page is a record,
 * and so is the note that one was sent, `{"sent":ID,...}`. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/paging/paging_priv.h"
#include "gateway/runtime/json.h"
#include "gateway/runtime/log.h"

#define NAME      "paging.spool"
#define ENTER_MAX 64u

#define ROWS(X) JOURNAL_METRICS(X, "paging_spool", "the spool of pages")
static const struct metric_row rows[] = {ROWS(METRIC_AS_ROW)};
const struct metric_table spool_metrics = {"Spool of pages", rows, GW_LEN(rows)};

/* --- reading it ------------------------------------------------------------------------------- */

static struct page_row *find(struct paging *p, const char *id)
{
    struct page_row *r;

    DL_FOREACH(p->rows, r)
    {
        if (r->id == 0 && strcmp(r->journal_id, id) == 0) {
            return r;
        }
    }
    return NULL;
}

/* A record that says what became of another. False: it is none. */
static bool read_mark(struct paging *p, const struct journal_record *j)
{
    json_t *root = json_parse_strict(j->payload, j->len, 2);
    const char *sent = json_string_value(json_object_get(root, "sent"));
    const char *dead = json_string_value(json_object_get(root, "dead"));
    const char *error = json_string_value(json_object_get(root, "error"));
    const char *suppressed = json_string_value(json_object_get(root, "suppressed"));
    const char *of = sent != NULL ? sent : dead != NULL ? dead : suppressed;
    struct page_row *r = of != NULL ? find(p, of) : NULL;

    if (r != NULL) {
        r->state = sent != NULL ? ROW_SENT : dead != NULL ? ROW_DEAD : ROW_SUPPRESSED;
        r->settled_ns = j->time_ns;
        (void)snprintf(r->error, sizeof r->error, "%s", error != NULL ? error : "");
        memcpy(r->mark_id, j->id, sizeof r->mark_id);
    } else if (of != NULL) { /* its page is in PostgreSQL: only the mark was left */
        (void)!journal_retire(p->journal, j->id, NULL, NULL);
    }
    json_decref(root);
    return of != NULL;
}

static void read_record(struct paging *p, const struct journal_record *j)
{
    struct page_row *r = page_parse(p, j->payload, j->len);

    if (r != NULL) {
        r->state = ROW_WAITING;
        r->on_disk = true;
        memcpy(r->journal_id, j->id, sizeof r->journal_id);
        (void)snprintf(r->uid, sizeof r->uid, "%s", j->id);
        DL_APPEND(p->rows, r);
    } else if (!read_mark(p, j)) {
        log_error("paging", "spool_record",
                  "\"id\":\"%s\",\"next\":\"a newer gateway wrote it: start that one on this "
                  "folder\"",
                  j->id);
    }
}

bool spool_open(struct paging *p, struct buf *why)
{
    if (p->opt.state_dir[0] == '\0') {
        return true;
    }
    p->journal =
        journal_open_as(p->loop, p->opt.state_dir, NAME, metrics_create(&spool_metrics), why);
    if (p->journal == NULL) {
        return false;
    }
    for (size_t i = 0; i < journal_count(p->journal); i++) {
        read_record(p, journal_at(p->journal, i));
    }
    return true;
}

size_t spool_count(const struct paging *p)
{
    const struct page_row *r;
    size_t n = 0;

    DL_FOREACH(p->rows, r)
    {
        n += r->id == 0;
    }
    return n;
}

/* --- writing it ------------------------------------------------------------------------------- */

/* Its page may be in PostgreSQL meanwhile: so it is looked up by its id. */
static void on_kept(void *arg, enum gw_err err, const char *id)
{
    struct paging *p = arg;
    struct page_row *r = find(p, id);

    if (err != GW_OK) {
        metrics_inc(p->metrics, PAGING_M_MEMORY);
    } else if (r == NULL) {
        (void)!journal_retire(p->journal, id, NULL, NULL);
    }
    if (r != NULL) {
        r->on_disk = err == GW_OK;
    }
}

static void on_marked(void *arg, enum gw_err err, const char *id)
{
    struct paging *p = arg;
    const struct page_row *r;

    DL_FOREACH(p->rows, r)
    {
        if (strcmp(r->mark_id, id) == 0) {
            return;
        }
    }
    if (err == GW_OK) {
        (void)!journal_retire(p->journal, id, NULL, NULL);
    }
}

bool paging_spool(struct paging *p, const struct page *page)
{
    struct page_row *r = page_row_create(p, page);
    struct buf text = {0};
    enum gw_err err = GW_ESTORE;

    page_print(page, &text);
    if (p->journal != NULL && !p->closing) {
        err = journal_append(p->journal, text.data, text.len, on_kept, p, r->journal_id);
    }
    buf_fini(&text);
    metrics_inc(p->metrics, PAGING_M_SPOOLED);
    if (err != GW_OK) {
        ulid_make(r->journal_id, page->at_ns);
        metrics_inc(p->metrics, PAGING_M_MEMORY);
        log_error("paging", "not_kept",
                  "\"incident\":%s,\"next\":\"set gate.state_dir, check its disk: until PostgreSQL "
                  "is back this page lives in memory alone\"",
                  log_json(page->incident));
    }
    (void)snprintf(r->uid, sizeof r->uid, "%s", r->journal_id);
    r->on_disk = err == GW_OK;
    r->state = ROW_WAITING;
    DL_APPEND(p->rows, r);
    paging_wake(p);
    return err == GW_OK;
}

void spool_mark(struct page_row *r, enum row_state state)
{
    static const char *const words[] = {
        [ROW_SENT] = "sent", [ROW_DEAD] = "dead", [ROW_SUPPRESSED] = "suppressed"};
    struct paging *p = r->paging;
    struct buf text = {0};

    r->state = state;
    r->settled_ns = paging_wall_ns(p);
    if (p->journal != NULL && r->on_disk) {
        buf_printf(&text, "{\"%s\":\"%s\",\"error\":", words[state], r->journal_id);
        buf_json_str(&text, r->error, strlen(r->error));
        buf_putc(&text, '}');
        if (journal_append(p->journal, text.data, text.len, on_marked, p, r->mark_id) != GW_OK) {
            r->mark_id[0] = '\0';
        }
        buf_fini(&text);
    }
}

void spool_suppress(struct paging *p)
{
    struct page_row *r;
    unsigned count = 0;

    DL_FOREACH(p->rows, r)
    {
        if (r->id == 0 && r->state == ROW_WAITING) {
            (void)snprintf(r->error, sizeof r->error, "%s", PAGING_OFF_WHY);
            spool_mark(r, ROW_SUPPRESSED);
            count++;
        }
    }
    if (count != 0) {
        paging_suppressed(p, count);
    }
}

/* --- sending from it --------------------------------------------------------------------------- */

void spool_send(struct paging *p)
{
    int64_t now = paging_mono_ns(p);
    struct page_row *r;
    struct page_row *next;

    DL_FOREACH_SAFE(p->rows, r, next)
    {
        if (p->flying >= PAGING_IN_FLIGHT) {
            return;
        }
        if (r->state == ROW_WAITING && r->next_ns <= now && !paging_busy(p, r)) {
            int64_t age_ns = paging_wall_ns(p) - r->page.at_ns;

            r->tries++;
            r->age_ms = age_ns / NS_PER_MS;
            paging_dispatch(r);
        }
    }
}

/* --- into PostgreSQL --------------------------------------------------------------------------- */

static const char enter_sql[] =
    "INSERT INTO pages (uid, kind, incident, severity, level, list, title, summary, symbol,"
    " component, class, playbook, at, place, tries, last_error, delivered_at, dead_at, skipped_at,"
    " suppressed)"
    " VALUES ($1, $2, $3, $4, $5::bigint, $6, $7, $8, $9, $10, $11, $12,"
    " 'epoch'::timestamptz + $13::bigint * interval '1 microsecond',"
    " 'epoch'::timestamptz + $13::bigint * interval '1 microsecond', $14::bigint, $15,"
    " 'epoch'::timestamptz + $16::bigint * interval '1 microsecond',"
    " 'epoch'::timestamptz + $17::bigint * interval '1 microsecond',"
    " 'epoch'::timestamptz + $18::bigint * interval '1 microsecond', $18::bigint IS NOT NULL)"
    " ON CONFLICT (uid) DO NOTHING";
#define ENTER_PARAMS 18u
#define ENTER_PAGE   12u /* of those, what page_statement() has first */

static void enter_params(const struct page_row *r, struct pg_param *v)
{
    struct pg_param page[PAGE_PARAMS];

    (void)page_statement(&r->page, page);
    v[0] = pg_text(r->uid);
    memcpy(v + 1, page, ENTER_PAGE * sizeof *v);
    v[13] = pg_int8(r->tries);
    v[14] = r->error[0] != '\0' ? pg_text(r->error) : pg_null();
    v[15] = r->state == ROW_SENT ? pg_int8(r->settled_ns / 1000) : pg_null();
    v[17] = r->state == ROW_SUPPRESSED ? pg_int8(r->settled_ns / 1000) : pg_null();
    v[16] = r->state == ROW_DEAD ? pg_int8(r->settled_ns / 1000) : pg_null();
}

static void retire(struct paging *p, const char *id)
{
    if (id[0] != '\0' && p->journal != NULL) {
        (void)!journal_retire(p->journal, id, NULL, NULL);
    }
}

/* Which ones: nothing is sent from the spool meanwhile, and what is added is marked WAITING. */
static void on_entered(void *arg, const struct pg_reply *reply)
{
    struct paging *p = arg;
    struct page_row *r;
    struct page_row *next;

    p->calls--;
    p->entering = false;
    if (p->closing) {
        return;
    }
    p->enter_refused = pg_outcome(reply) == PG_FAILED;
    if (p->enter_refused) {
        log_warn("paging", "enter_refused",
                 "\"sqlstate\":\"%s\",\"next\":\"pages are sent from the spool; look at "
                 "PostgreSQL\"",
                 pg_sqlstate(reply));
    }
    DL_FOREACH_SAFE(p->rows, r, next)
    {
        if (r->id == 0 && r->asking) {
            r->asking = false;
            if (pg_outcome(reply) == PG_OK) {
                retire(p, r->journal_id);
                retire(p, r->mark_id);
                paging_drop(r);
            }
        }
    }
    paging_wake(p);
}

bool spool_enter(struct paging *p)
{
    struct pg_param params[ENTER_MAX][ENTER_PARAMS];
    struct pg_statement statements[ENTER_MAX];
    struct page_row *r;
    size_t n = 0;

    DL_FOREACH(p->rows, r)
    {
        if (r->id != 0 || n == ENTER_MAX) {
            continue;
        }
        if (r->state == ROW_FLYING) { /* wait for its answer: it may not have to be sent again */
            return false;
        }
        enter_params(r, params[n]);
        statements[n] = (struct pg_statement){enter_sql, params[n], ENTER_PARAMS};
        n++;
    }
    if (n == 0) {
        return false;
    }
    p->entering = pg_transaction(p->opt.pg, statements, n, 0, on_entered, p);
    p->calls += p->entering;
    DL_FOREACH(p->rows, r)
    {
        if (p->entering && r->id == 0 && n > 0) {
            r->asking = true;
            n--;
        }
    }
    return p->entering;
}
