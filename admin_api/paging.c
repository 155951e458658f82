/* admin_api/paging.c - pages: what waits, what was given up; a test page, and dead letters sent again. */
#include "gateway/paging/paging.h"

#include <inttypes.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"

#define NOTE_MAX 500u

static void away(struct api_call *c, const char *detail)
{
    http_set_header(c->req, "retry-after", "2");
    call_problem(c, &(struct api_problem){503, "unavailable", "a store or a thread does not answer",
                                          detail, NULL});
}

static void on_view(void *arg, const char *json, size_t len)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (call_back(c)) {
        buf_append(&body, json, len);
        call_reply(c, 200, &body);
        buf_fini(&body);
    }
}

void paging_get(struct api_call *c)
{
    if (c->api->opt.paging == NULL) {
        away(c, "this gateway has no queue of pages");
        return;
    }
    c->owed = true;
    paging_view(c->api->opt.paging, on_view, c);
}

/* {"note":...}, or {}. False: answered. */
static bool read_note(struct api_call *c)
{
    static const char *const names[] = {"note", NULL};
    json_t *root = body_read(c, names);
    const json_t *note = json_object_get(root, "note");
    const char *text = json_string_value(note);
    bool ok = note == NULL || json_is_null(note) ||
              (text != NULL && strlen(text) == json_string_length(note) &&
               strlen(text) <= NOTE_MAX && strlen(text) < sizeof c->why);

    if (root != NULL && !ok) {
        call_invalid(c, "note", "a text of at most 500 bytes");
    } else if (root != NULL) {
        (void)snprintf(c->why, sizeof c->why, "%s", text != NULL ? text : "");
    }
    json_decref(root);
    return root != NULL && ok;
}

static void enter(struct api_call *c, const char *action, const char *outcome, const char *after)
{
    (void)call_audit(c,
                     &(struct call_act){.action = action,
                                        .target = c->target,
                                        .outcome = outcome,
                                        .reason = c->why,
                                        .after = after},
                     NULL, NULL);
}

static void put_answer(struct buf *body, const char *result, int64_t id, const char *detail)
{
    buf_printf(body, "{\"result\":\"%s\",\"page\":%" PRId64 ",\"detail\":", result, id);
    if (detail[0] != '\0') {
        buf_json_str(body, detail, strlen(detail));
    } else {
        buf_lit(body, "null");
    }
    buf_putc(body, '}');
}

static void on_tested(void *arg, enum paging_said said, int64_t id, const char *detail)
{
    static const char *const results[] = {
        [PAGING_DELIVERED] = "delivered", [PAGING_QUEUED] = "queued", [PAGING_REFUSED] = "refused"};
    struct api_call *c = arg;
    struct buf body = {0};

    if (said <= PAGING_REFUSED) {
        put_answer(&body, results[said], id, detail);
        enter(c, "paging.test", said == PAGING_REFUSED ? "failed" : "done", buf_cstr(&body));
    }
    if (call_back(c)) {
        if (said <= PAGING_REFUSED) {
            call_reply(c, 200, &body);
        } else if (said == PAGING_OFF) {
            call_problem(c, &(struct api_problem){409, "conflict", "its state does not allow that",
                                                  "paging is off: set slo_paging.enabled and "
                                                  "slo_paging.webhook_url",
                                                  NULL});
        } else {
            away(c, "PostgreSQL does not answer, so nothing was sent; try again when /readyz is "
                    "well");
        }
    }
    buf_fini(&body);
}

void paging_test_post(struct api_call *c)
{
    if (c->api->opt.paging == NULL) {
        away(c, "this gateway has no queue of pages");
    } else if (read_note(c)) {
        c->owed = true;
        paging_test(c->api->opt.paging, c->actor, on_tested, c);
    }
}

static void on_retried(void *arg, enum paging_said said, int64_t id, const char *detail)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (said == PAGING_QUEUED) {
        enter(c, "paging.retry", "done", NULL);
    }
    if (!call_back(c)) {
        return;
    }
    if (said == PAGING_QUEUED) {
        put_answer(&body, "queued", id, detail);
        call_reply(c, 200, &body);
        buf_fini(&body);
    } else if (said == PAGING_UNKNOWN) {
        call_problem(c, &(struct api_problem){404, "not-found", "there is no such thing",
                                              "no dead letter has that number (any more): see GET "
                                              "/v1/paging",
                                              NULL});
    } else {
        away(c, "PostgreSQL does not answer; nothing was changed");
    }
}

void paging_retry_post(struct api_call *c)
{
    const char *id = http_param(c->req, "id");
    uint64_t n;

    if (u64_parse(id, strlen(id), &n) != GW_OK || n == 0 || n > INT64_MAX) {
        call_invalid(c, "id", "the number of a dead letter");
    } else if (c->api->opt.paging == NULL) {
        away(c, "this gateway has no queue of pages");
    } else if (read_note(c)) {
        (void)snprintf(c->target, sizeof c->target, "%" PRIu64, n);
        c->owed = true;
        paging_retry(c->api->opt.paging, (int64_t)n, on_retried, c);
    }
}
