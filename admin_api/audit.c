/* admin_api/audit.c - the audit log over REST: search, export, verification; and entries of what is done
 * or refused here and changes no control state. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/audit/anchor.h"
#include "gateway/audit/ulid.h"
#include "gateway/base/fixed.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

/* --- what is entered ---------------------------------------------------------------------------
 */

static void on_entered(void *arg, enum gw_err err, uint64_t seq)
{
    (void)arg;
    (void)seq;
    if (err != GW_OK) {
        log_warn("api", "not_audited", "\"error\":\"%s\"", gw_err_row(err)->name);
    }
}

struct audit_entry call_entry(const struct api_call *c, const struct call_act *act, const char *id)
{
    return (struct audit_entry){
        .id = id,
        .time_ns = clock_real_ns(),
        .mono_ns = clock_mono_ns(),
        .actor = c->actor,
        .session = c->session,
        .ip = c->req != NULL ? http_peer_ip(c->req) : "",
        .action = act->action,
        .target = act->target,
        .outcome = act->outcome,
        .reason = act->reason,
        .ticket = act->ticket,
        .after = act->after,
        .trace = c->trace,
    };
}

bool call_audit(struct api_call *c, const struct call_act *act, audit_append_fn *cb, void *arg)
{
    struct audit_store *store = c->api->opt.audit;
    char id[ULID_SIZE];
    struct audit_entry e;
    const char *field = NULL;
    enum gw_err err;

    if (store == NULL || c->actor[0] == '\0') {
        return false;
    }
    ulid_make(id, clock_real_ns());
    e = call_entry(c, act, id);
    err = audit_append(store, &e, &field, cb != NULL ? cb : on_entered, arg);
    if (err != GW_OK) {
        log_warn("api", "not_audited", "\"action\":\"%s\",\"error\":\"%s\",\"field\":\"%s\"",
                 act->action, gw_err_row(err)->name, field != NULL ? field : "");
    }
    return err == GW_OK;
}

void call_audit_denied(struct api_call *c, const char *why)
{
    const struct mutation *m = c->route != NULL ? c->route->mutation : NULL;

    (void)call_audit(c,
                     &(struct call_act){.action = m != NULL ? m->action : "request",
                                        .target = c->route != NULL ? c->route->path : "",
                                        .outcome = "denied",
                                        .reason = why},
                     NULL, NULL);
}

/* --- filters -----------------------------------------------------------------------------------
 */

/* RFC 3339; absent: 0. */
static bool read_time(struct api_call *c, const char *name, int64_t *out)
{
    const char *text = http_query(c->req, name);

    if (text == NULL || rfc3339_parse(text, strlen(text), out) == GW_OK) {
        return true;
    }
    call_invalid(c, name, "a time in UTC as 2026-11-20T23:51:47Z");
    return false;
}

static bool read_filter(struct api_call *c, struct audit_filter *f)
{
    const char *order = http_query(c->req, "order");
    uint64_t limit = 0;
    uint64_t from_seq = 0;

    *f = (struct audit_filter){
        .actor = http_query(c->req, "actor"),
        .action = http_query(c->req, "action"),
        .target = http_query(c->req, "target"),
        .outcome = http_query(c->req, "outcome"),
        .ticket = http_query(c->req, "ticket"),
        .incident = http_query(c->req, "incident"),
        .q = http_query(c->req, "q"),
        .cursor = http_query(c->req, "cursor"),
        .asc = order != NULL && strcmp(order, "asc") == 0,
    };
    if (order != NULL && !f->asc && strcmp(order, "desc") != 0) {
        call_invalid(c, "order", "asc or desc");
        return false;
    }
    if (!read_time(c, "from", &f->from_ns) || !read_time(c, "to", &f->to_ns) ||
        !call_query_number(c, "limit", 1, AUDIT_PAGE_MAX, "a whole number within bounds", &limit) ||
        !call_query_number(c, "from_seq", 1, INT64_MAX, "a whole number within bounds",
                           &from_seq)) {
        return false;
    }
    f->limit = (uint32_t)limit;
    f->from_seq = from_seq;
    return true;
}

/* --- pages -------------------------------------------------------------------------------------
 */

static void unavailable(struct api_call *c)
{
    struct gate_problem p;

    (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers (see /readyz)");
    call_gate_problem(c, &p);
}

void call_link_next(struct api_call *c, const char *cursor)
{
    struct http_text target = http_target(c->req);
    const char *query = memchr(target.s, '?', target.len);
    size_t path_len = query != NULL ? (size_t)(query - target.s) : target.len;
    struct buf link = {0};

    buf_putc(&link, '<');
    buf_append(&link, target.s, path_len);
    buf_printf(&link, "?cursor=%s", cursor);
    while (query != NULL) {
        const char *start = query + 1;
        size_t left = (size_t)(target.s + target.len - start);
        const char *end = memchr(start, '&', left);
        size_t len = end != NULL ? (size_t)(end - start) : left;

        if (len != 0 && !(len > 7 && memcmp(start, "cursor=", 7) == 0)) {
            buf_putc(&link, '&');
            buf_append(&link, start, len);
        }
        query = end;
    }
    buf_lit(&link, ">; rel=\"next\"");
    http_set_header(c->req, "link", buf_cstr(&link));
    buf_fini(&link);
}

static void on_page(void *arg, const struct audit_page *page)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (page->err != GW_OK) {
        unavailable(c);
        return;
    }
    if (page->next[0] != '\0') {
        call_link_next(c, page->next);
    }
    buf_lit(&body, "{\"entries\":[");
    for (size_t i = 0; i < page->count; i++) {
        buf_puts(&body, i != 0 ? "," : "");
        audit_entry_view(&page->entries[i], &body);
    }
    buf_lit(&body, "],\"next\":");
    if (page->next[0] != '\0') {
        buf_printf(&body, "\"%s\"}", page->next);
    } else {
        buf_lit(&body, "null}");
    }
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static void on_export(void *arg, const struct audit_page *page)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (page->err != GW_OK) {
        unavailable(c);
        return;
    }
    if (page->next[0] != '\0') {
        call_link_next(c, page->next);
    }
    audit_page_ndjson(page, &body);
    call_reply_as(c, 200, "application/x-ndjson", &body);
    buf_fini(&body);
}

static void search(struct api_call *c, struct audit_filter *f, audit_page_fn *cb)
{
    const char *field = NULL;
    enum gw_err err = audit_search(c->api->opt.audit, f, &field, cb, c);

    if (err == GW_OK) {
        c->owed = true;
    } else if (err == GW_EINVAL) {
        call_invalid(c, field, "not acceptable as a filter");
    } else {
        unavailable(c);
    }
}

void audit_list(struct api_call *c)
{
    struct audit_filter f;

    if (read_filter(c, &f)) {
        search(c, &f, on_page);
    }
}

/* Oldest first: what a verifier reads. */
void audit_export(struct api_call *c)
{
    struct audit_filter f;

    if (read_filter(c, &f)) {
        f.asc = http_query(c->req, "order") == NULL || f.asc;
        f.limit = f.limit != 0 ? f.limit : AUDIT_PAGE_MAX;
        search(c, &f, on_export);
    }
}

/* --- verification ------------------------------------------------------------------------------
 */

struct verification {
    struct api_call *call;
    struct audit_mark mark;
};

static void on_verified(void *arg, enum gw_err err, const struct audit_result *result)
{
    struct verification *v = arg;
    struct api_call *c = v->call;
    struct audit_anchor_status anchor = {0};
    struct buf body = {0};

    free(v);
    if (!call_back(c)) {
        return;
    }
    if (err != GW_OK) {
        unavailable(c);
        return;
    }
    if (c->api->opt.anchor != NULL) {
        audit_anchor_status(c->api->opt.anchor, &anchor);
    }
    buf_lit(&body, "{\"result\":");
    audit_result_json(result, &body);
    buf_lit(&body, ",\"text\":");
    {
        struct buf text = {0};

        audit_result_text(result, &text);
        buf_json_str(&body, buf_cstr(&text), text.len);
        buf_fini(&text);
    }
    buf_printf(&body, ",\"last_anchor\":%" PRIu64 "}", anchor.last.seq);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* What a verifier elsewhere compares with: a browser, or whoever keeps the public key. */
void audit_anchor_get(struct api_call *c)
{
    const struct audit_anchor *anchor = c->api->opt.anchor;
    struct audit_anchor_status status = {0};
    struct buf body = {0};
    struct buf note = {0};
    struct buf key = {0};

    if (anchor == NULL || !audit_anchor_note(anchor, &note, &key)) {
        call_problem(c, &(struct api_problem){404, "not-found", "there is no such thing",
                                              "no head of the log has been signed yet (state_dir)",
                                              NULL});
        return;
    }
    audit_anchor_status(anchor, &status);
    buf_printf(&body, "{\"seq\":%" PRIu64 ",\"hash\":\"", status.last.seq);
    audit_hex(status.last.hash, AUDIT_HASH_BYTES, &body);
    buf_lit(&body, "\",\"note\":");
    buf_json_str(&body, note.data, note.len);
    buf_lit(&body, ",\"key\":");
    buf_json_str(&body, key.data, key.len);
    buf_lit(&body, ",\"broken\":");
    if (status.broken != AUDIT_WHOLE) {
        buf_printf(&body, "\"%s\"", audit_fault_word(status.broken));
    } else {
        buf_lit(&body, "null");
    }
    buf_putc(&body, '}');
    call_reply(c, 200, &body);
    buf_fini(&body);
    buf_fini(&note);
    buf_fini(&key);
}

void audit_check(struct api_call *c)
{
    struct verification *v = gw_calloc(1, sizeof *v);
    struct audit_verify_options opt = {0};
    struct audit_anchor_status anchor = {0};

    v->call = c;
    if (c->api->opt.anchor != NULL) {
        audit_anchor_status(c->api->opt.anchor, &anchor);
        v->mark = anchor.last;
    }
    if (v->mark.seq != 0) { /* an end that was rewritten since it was signed is found */
        opt.marks = &v->mark;
        opt.mark_count = 1;
    }
    c->owed = audit_verify(c->api->opt.audit, &opt, on_verified, v) == GW_OK;
    if (!c->owed) {
        free(v);
        unavailable(c);
    }
}
