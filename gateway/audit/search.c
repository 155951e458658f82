/* gateway/audit/search.c - pages of the audit log, by place in the chain: no page is skipped or seen
 * twice, whatever is entered meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/store_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/runtime/log.h"

#define PAGE_DEFAULT 50u
#define FILTER_MAX   256u
#define SEARCH_MS    5000u

struct search {
    audit_page_fn *cb;
    void *arg;
    uint32_t limit;
    bool asc;
};

struct where {
    struct buf sql;
    struct pg_param params[16];
    size_t count;
};

static void add(struct where *w, const char *before, const char *behind, struct pg_param param)
{
    w->params[w->count++] = param;
    buf_printf(&w->sql, "%s%s$%zu%s", w->count == 1 ? " WHERE " : " AND ", before, w->count,
               behind);
}

/* "a123" or "d123": the seq to go on behind, and the order it was made for. */
static bool cursor_read(const char *text, bool asc, uint64_t *seq)
{
    size_t len = strlen(text);

    return len > 1 && len < AUDIT_CURSOR_MAX && text[0] == (asc ? 'a' : 'd') &&
           u64_parse(text + 1, len - 1, seq) == GW_OK && *seq <= INT64_MAX;
}

static enum gw_err check(const struct audit_filter *f, uint64_t *behind, const char **field)
{
    const struct {
        const char *name;
        const char *value;
    } texts[] = {{"actor", f->actor},
                 {"action", f->action},
                 {"target", f->target},
                 {"result", f->outcome},
                 {"ticket", f->ticket},
                 {"incident", f->incident},
                 {"q", f->q}};

    for (size_t i = 0; i < GW_LEN(texts); i++) {
        const char *v = texts[i].value;

        if (v != NULL &&
            (strlen(v) > FILTER_MAX || v[0] == '\0' || !audit_text_valid(v, strlen(v)))) {
            *field = texts[i].name;
            return GW_EINVAL;
        }
    }
    *field = "limit";
    if (f->limit > AUDIT_PAGE_MAX) {
        return GW_EINVAL;
    }
    *field = "cursor";
    if (f->cursor != NULL && !cursor_read(f->cursor, f->asc, behind)) {
        return GW_EINVAL;
    }
    *field = NULL;
    return GW_OK;
}

static void conditions(struct where *w, const struct audit_filter *f, uint64_t behind)
{
    const struct {
        const char *sql;
        const char *value;
    } equal[] = {{"actor = ", f->actor},   {"action = ", f->action},
                 {"target = ", f->target}, {"outcome = ", f->outcome},
                 {"ticket = ", f->ticket}, {"incident = ", f->incident}};

    for (size_t i = 0; i < GW_LEN(equal); i++) {
        if (equal[i].value != NULL) {
            add(w, equal[i].sql, "", pg_text(equal[i].value));
        }
    }
    if (f->q != NULL) {
        add(w,
            "strpos(lower(concat_ws(' ', actor, action, target, reason, ticket, incident)), lower(",
            ")) > 0", pg_text(f->q));
    }
    if (f->from_ns != 0) {
        add(w, "time_ns >= ", "", pg_int8(f->from_ns));
    }
    if (f->to_ns != 0) {
        add(w, "time_ns < ", "", pg_int8(f->to_ns));
    }
    if (f->from_seq != 0) {
        add(w, "seq >= ", "", pg_int8((int64_t)f->from_seq));
    }
    if (f->cursor != NULL) {
        add(w, f->asc ? "seq > " : "seq < ", "", pg_int8((int64_t)behind));
    }
}

static void on_rows(void *arg, const struct pg_reply *r)
{
    struct search *s = arg;
    size_t rows = pg_rows(r, 0);
    size_t shown = rows < s->limit ? rows : s->limit;
    struct audit_entry *entries = gw_calloc(shown + 1, sizeof *entries);
    uint8_t(*requests)[AUDIT_HASH_BYTES] = gw_calloc(shown + 1, sizeof *requests);
    struct audit_page page = {.err = pg_err(r), .entries = entries, .next = ""};
    char next[AUDIT_CURSOR_MAX];

    while (page.err == GW_OK && page.count < shown) {
        if (!audit_row_read(r, page.count, &entries[page.count], requests[page.count])) {
            log_error("audit", "row_unreadable", "\"row\":%zu", page.count);
            page.err = GW_ESTORE;
        } else {
            page.count++;
        }
    }
    if (page.err == GW_OK && rows > shown) {
        (void)snprintf(next, sizeof next, "%c%llu", s->asc ? 'a' : 'd',
                       (unsigned long long)entries[shown - 1].seq);
        page.next = next;
    }
    s->cb(s->arg, &page);
    free(entries);
    free(requests);
    free(s);
}

enum gw_err audit_search(struct audit_store *s, const struct audit_filter *filter,
                         const char **field, audit_page_fn *cb, void *arg)
{
    uint64_t behind = 0;
    enum gw_err err = check(filter, &behind, field);
    struct where w = {0};
    struct pg_statement statement;
    struct search *search;

    if (err != GW_OK) {
        return err;
    }
    search = gw_calloc(1, sizeof *search);
    *search =
        (struct search){cb, arg, filter->limit != 0 ? filter->limit : PAGE_DEFAULT, filter->asc};
    buf_lit(&w.sql, "SELECT ");
    audit_columns(&w.sql);
    buf_lit(&w.sql, " FROM audit_entries");
    conditions(&w, filter, behind);
    w.params[w.count++] = pg_int8((int64_t)search->limit + 1);
    buf_printf(&w.sql, " ORDER BY seq %s LIMIT $%zu", filter->asc ? "ASC" : "DESC", w.count);
    statement = (struct pg_statement){buf_cstr(&w.sql), w.params, w.count};
    if (!pg_query(s->opt.pg, &statement, SEARCH_MS, on_rows, search)) {
        free(search);
        err = GW_ESTORE;
    }
    buf_fini(&w.sql);
    return err;
}

void audit_page_ndjson(const struct audit_page *page, struct buf *out)
{
    for (size_t i = 0; i < page->count; i++) {
        audit_entry_json(&page->entries[i], out);
        buf_putc(out, '\n');
    }
}
