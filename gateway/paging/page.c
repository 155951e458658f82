#include <stdlib.h>
#include <string.h>
#include "gateway/paging/paging_priv.h"
#include "gateway/runtime/json.h"

#define PAGE_KIND_AS_WORD(sym, word) word,
const char *const page_kind_words[PAGE_KIND_COUNT] = {PAGE_KINDS(PAGE_KIND_AS_WORD)};

bool page_kind_parse(const char *word, enum page_kind *out)
{
    for (unsigned i = 0; i < PAGE_KIND_COUNT; i++) {
        if (strcmp(word, page_kind_words[i]) == 0) {
            *out = (enum page_kind)i;
            return true;
        }
    }
    return false;
}

static const char *text_or(const char *s)
{
    return s != NULL ? s : "";
}

struct pg_statement page_statement(const struct page *p, struct pg_param params[PAGE_PARAMS])
{
    static const char sql[] =
        "INSERT INTO pages (kind, incident, severity, level, list, title, summary, symbol,"
        " component, class, playbook, at, skipped_at, last_error, suppressed, in_timeline)"
        " VALUES ($1, $2, $3, $4::bigint, $5, $6, $7, $8, $9, $10,"
        " $11, 'epoch'::timestamptz + $12::bigint * interval '1 microsecond',"
        " CASE WHEN $13::text IS NOT NULL THEN clock_timestamp() END, $13, $13 IS NOT NULL,"
        " $13 IS NOT NULL)";

    GW_ASSERT(p->level >= 1 && p->level <= 3);
    params[0] = pg_text(page_kind_words[p->kind]);
    params[1] = pg_text(p->incident);
    params[2] = pg_text(severity_rows[p->severity].word);
    params[3] = pg_int8(p->level);
    params[4] = pg_text(text_or(p->list));
    params[5] = pg_text(text_or(p->title));
    params[6] = pg_text(text_or(p->summary));
    params[7] = pg_text(text_or(p->symbol));
    params[8] = pg_text(text_or(p->component));
    params[9] = pg_text(text_or(p->class_));
    params[10] = pg_text(text_or(p->playbook));
    params[11] = pg_int8(p->at_ns / 1000);
    params[12] = pg_text(p->suppressed);
    return (struct pg_statement){.sql = sql, .params = params, .param_count = PAGE_PARAMS};
}

/* --- rows ------------------------------------------------------------------------------------- */

struct page_row *page_row_create(struct paging *p, const struct page *page)
{
    const char *const from[] = {page->list,      page->title,  page->summary, page->symbol,
                                page->component, page->class_, page->playbook};
    struct page_row *r = gw_calloc(1, sizeof *r);
    const char **const to[] = {&r->page.list,    &r->page.title,     &r->page.summary,
                               &r->page.symbol,  &r->page.component, &r->page.class_,
                               &r->page.playbook};
    size_t bytes = 0;
    char *at;

    r->paging = p;
    r->page = *page;
    r->since_ns = page->at_ns;
    for (unsigned i = 0; i < GW_LEN(from); i++) {
        bytes += strlen(text_or(from[i])) + 1;
    }
    at = r->texts = gw_malloc(bytes);
    for (unsigned i = 0; i < GW_LEN(from); i++) {
        size_t len = strlen(text_or(from[i])) + 1;

        memcpy(at, text_or(from[i]), len);
        *to[i] = at;
        at += len;
    }
    return r;
}

void page_row_destroy(struct page_row **rp)
{
    struct page_row *r = *rp;

    *rp = NULL;
    free(r->texts);
    free(r);
}

/* --- a line of the spool ----------------------------------------------------------------------- */

void page_print(const struct page *page, struct buf *out)
{
    const struct {
        const char *name;
        const char *value;
    } members[] = {{"kind", page_kind_words[page->kind]},
                   {"incident", page->incident},
                   {"severity", severity_rows[page->severity].word},
                   {"list", page->list},
                   {"title", page->title},
                   {"summary", page->summary},
                   {"symbol", page->symbol},
                   {"component", page->component},
                   {"class", page->class_},
                   {"playbook", page->playbook}};

    buf_printf(out, "{\"level\":%u,\"at_ns\":%lld", page->level, (long long)page->at_ns);
    for (unsigned i = 0; i < GW_LEN(members); i++) {
        const char *value = text_or(members[i].value);

        buf_printf(out, ",\"%s\":", members[i].name);
        buf_json_str(out, value, strlen(value));
    }
    buf_putc(out, '}');
}

static const char *member(const json_t *root, const char *name)
{
    return json_string_value(json_object_get(root, name));
}

struct page_row *page_parse(struct paging *p, const char *text, size_t len)
{
    json_t *root = json_parse_strict(text, len, 2);
    const char *kind = member(root, "kind");
    const char *incident = member(root, "incident");
    const char *severity = member(root, "severity");
    struct page page = {.level = (unsigned)json_integer_value(json_object_get(root, "level")),
                        .at_ns = json_integer_value(json_object_get(root, "at_ns")),
                        .list = member(root, "list"),
                        .title = member(root, "title"),
                        .summary = member(root, "summary"),
                        .symbol = member(root, "symbol"),
                        .component = member(root, "component"),
                        .class_ = member(root, "class"),
                        .playbook = member(root, "playbook")};
    struct page_row *r = NULL;

    if (kind != NULL && incident != NULL && severity != NULL && page_kind_parse(kind, &page.kind) &&
        severity_parse(severity, strlen(severity), &page.severity) &&
        strlen(incident) < sizeof page.incident && page.level >= 1 && page.level <= 3) {
        (void)snprintf(page.incident, sizeof page.incident, "%s", incident);
        r = page_row_create(p, &page);
    }
    json_decref(root);
    return r;
}
