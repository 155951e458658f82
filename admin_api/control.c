/* admin_api/control.c - changes of the control state: one handler for all rows of API_MUTATIONS.
 *
 *   admitted -> order of the row -> preview (direction, diff; a dry run ends here) -> permission of the
 *   direction -> gate (journal or transaction, loops) -> reply
 *
 * 200: in force in every loop and in the chain; 202: in force, but somebody has not confirmed or the
 * chain does not have it yet; 202 with Location: it waits for a second person. */
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/runtime/clock.h"

void call_gate_problem(struct api_call *c, const struct gate_problem *p)
{
    const struct gate_problem_row *row = &gate_problem_rows[p->kind];
    const char *pointer = p->pointer[0] == '/' ? p->pointer + 1 : NULL;

    call_problem(c, &(struct api_problem){row->http_status, row->word, row->title,
                                          p->detail[0] != '\0' ? p->detail : NULL, pointer});
}

struct gate_actor call_actor(const struct api_call *c)
{
    return (struct gate_actor){
        .person = c->person,
        .actor = c->actor,
        .session = c->session,
        .ip = http_peer_ip(c->req),
        .trace = c->trace,
        .alone = roles_allow(c->may, PERM_CONTROL_OVERRIDE),
    };
}

/* --- the request -------------------------------------------------------------------------------
 */

/* If-Match: `*` or one strong ETag ("7"). */
static bool read_match(const char *text, bool post, struct gate_order *order,
                       struct gate_problem *p)
{
    size_t len = text != NULL ? strlen(text) : 0;

    order->match = post ? GATE_MATCH_FREE : GATE_MATCH_NONE;
    if (text == NULL) {
        return true;
    }
    if (strcmp(text, "*") == 0) {
        order->match = GATE_MATCH_ANY;
        return true;
    }
    order->match = GATE_MATCH_VERSION;
    if (len >= 3 && text[0] == '"' && text[len - 1] == '"' &&
        u64_parse(text + 1, len - 2, &order->version) == GW_OK) {
        return true;
    }
    return gate_fail(p, PROBLEM_VALIDATION, "If-Match is * or one ETag as given, as \"7\"");
}

static bool read_once(const char *once, bool required, struct gate_problem *p)
{
    if (once == NULL) {
        return !required ||
               gate_fail(p, PROBLEM_KEY_MISSING,
                         "send Idempotency-Key: a fresh name for this request, the same when it "
                         "is repeated");
    }
    for (const char *at = once; *at != '\0'; at++) {
        if (*at < 0x21 || *at > 0x7e) {
            return gate_fail(p, PROBLEM_VALIDATION, "Idempotency-Key: visible ASCII");
        }
    }
    return (once[0] != '\0' && strlen(once) <= 255) ||
           gate_fail(p, PROBLEM_VALIDATION, "Idempotency-Key: 1 to 255 characters");
}

static bool read_order(struct api_call *c, struct gate_order *order, struct gate_nonce *nonce,
                       struct gate_problem *p)
{
    const struct mutation *m = c->route->mutation;
    const char *type = http_header(c->req, "content-type");
    bool post = c->route->method == HTTP_POST;

    *order = (struct gate_order){
        .actor = call_actor(c),
        .action = m->action,
        .body = m->body,
        .target = m->param != NULL ? http_param(c->req, m->param) : NULL,
        .once = http_header(c->req, "idempotency-key"),
    };
    order->text = http_body(c->req, &order->len);
    if (c->nonce[0] != '\0') {
        *nonce = (struct gate_nonce){c->keyid, c->nonce, c->expires_ns};
        order->nonce = nonce;
    }
    if (type == NULL || strcmp(type, "application/json") != 0) {
        return gate_fail(p, PROBLEM_VALIDATION, "send content-type: application/json");
    }
    return read_match(http_header(c->req, "if-match"), post, order, p) &&
           read_once(order->once, post, p);
}

/* --- answers -----------------------------------------------------------------------------------
 */

static const char *const loop_names[] = {"market", "rest"}; /* then the shards */

static void put_missing(struct buf *out, uint32_t mask)
{
    const char *comma = "";

    buf_lit(out, ",\"unconfirmed\":[");
    for (unsigned i = 0; mask >> i != 0; i++) {
        if ((mask >> i & 1) == 0) {
            continue;
        }
        if (i < GW_LEN(loop_names)) {
            buf_printf(out, "%s\"%s\"", comma, loop_names[i]);
        } else {
            buf_printf(out, "%s\"shard-%u\"", comma, i - (unsigned)GW_LEN(loop_names));
        }
        comma = ",";
    }
    buf_putc(out, ']');
}

static void put_number(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":", name);
    if (value != 0) {
        buf_printf(out, "%" PRIu64, value);
    } else {
        buf_lit(out, "null");
    }
}

static void put_text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    if (value[0] != '\0') {
        buf_json_str(out, value, strlen(value));
    } else {
        buf_lit(out, "null");
    }
}

/* The resource as it is now, for answers about one target. */
static void put_resource(const struct api_call *c, struct buf *out, const struct control *state)
{
    const struct mutation *m = c->route->mutation;
    const char *target = m->param != NULL ? http_param(c->req, m->param) : c->target;

    if (target != NULL && target[0] != '\0') {
        buf_lit(out, ",\"resource\":");
        control_cell_print(out, state, m->kind, target, clock_real_ns());
    }
}

static unsigned status_of(const struct gate_result *r)
{
    return r->outcome == GATE_REQUESTED || r->outcome == GATE_JOURNALED ||
                   r->outcome == GATE_UNAUDITED || r->missing != 0
               ? 202
               : 200;
}

static void set_etag(struct api_call *c, const struct control *state)
{
    const struct mutation *m = c->route->mutation;
    const char *target = m->param != NULL ? http_param(c->req, m->param) : c->target;
    const struct control_cell *cell = target != NULL ? control_find(state, m->kind, target) : NULL;
    char etag[24];

    if (cell != NULL) {
        (void)snprintf(etag, sizeof etag, "\"%" PRIu64 "\"", cell->version);
        http_set_header(c->req, "etag", etag);
    }
}

static void keep_answer(struct api_call *c, unsigned status, const struct buf *body)
{
    const char *once = http_header(c->req, "idempotency-key");

    if (once != NULL) {
        gate_answered(c->api->opt.gate, c->actor, once, status, body->data, body->len);
    }
}

static void answer(struct api_call *c, const struct gate_result *r)
{
    struct buf body = {0};
    unsigned status = status_of(r);

    buf_printf(&body, "{\"outcome\":\"%s\"", gate_outcome_words[r->outcome]);
    buf_printf(&body, ",\"version\":%" PRIu64, r->version);
    put_number(&body, "audit", r->audit);
    put_text(&body, "journal", r->journal_id);
    put_text(&body, "change", r->change_id);
    put_number(&body, "effect_us", (uint64_t)(r->effect_ns / 1000));
    put_missing(&body, r->missing);
    if (c->route->mutation != NULL) {
        put_resource(c, &body, r->state);
        set_etag(c, r->state);
    }
    buf_putc(&body, '}');
    if (r->outcome == GATE_REQUESTED) {
        char location[64];

        (void)snprintf(location, sizeof location, "/v1/changes/%s", r->change_id);
        http_set_header(c->req, "location", location);
    }
    keep_answer(c, status, &body);
    call_reply(c, status, &body);
    buf_fini(&body);
}

/* 412 says what it is now. */
static void answer_conflict(struct api_call *c, const struct gate_result *r)
{
    if (r->problem.kind == PROBLEM_VERSION && c->route->mutation != NULL) {
        set_etag(c, r->state);
    }
    call_gate_problem(c, &r->problem);
}

void control_on_result(void *arg, const struct gate_result *r)
{
    struct api_call *c = arg;

    c->gate_wait = NULL;
    if (r->outcome == GATE_FAILED) {
        if (gate_problem_rows[r->problem.kind].http_status == 403) {
            call_audit_denied(c, r->problem.detail);
        }
        const char *once = http_header(c->req, "idempotency-key");

        if (once != NULL && r->problem.kind != PROBLEM_IN_PROGRESS &&
            r->problem.kind != PROBLEM_ONCE_MISMATCH) {
            gate_answered(c->api->opt.gate, c->actor, once, 503, "", 0); /* may be tried again */
        }
        answer_conflict(c, r);
        return;
    }
    if (r->outcome == GATE_REPLAYED) {
        struct buf body = {0};

        http_set_header(c->req, "idempotency-replayed", "true");
        buf_puts(&body, r->stored);
        call_reply(c, r->stored_status, &body);
        buf_fini(&body);
        return;
    }
    answer(c, r);
}

/* --- the handler -------------------------------------------------------------------------------
 */

static void dry_run(struct api_call *c, const struct control_diff *diff)
{
    struct buf body = {0};

    buf_lit(&body, "{\"dry_run\":true,\"diff\":");
    control_diff_print(&body, diff);
    buf_printf(&body, ",\"needs\":\"%s\"",
               diff->direction == CONTROL_LOOSEN ? "a second person" : "one person");
    buf_lit(&body, ",\"blast_radius\":");
    control_blast_radius(c->api, &body, diff);
    buf_putc(&body, '}');
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* The one target, where the body named it: for the answer's resource. */
static void note_target(struct api_call *c, const struct control_diff *diff)
{
    if (diff->count == 1) {
        (void)snprintf(c->target, sizeof c->target, "%s", diff->items[0].target);
    }
}

static bool ticket_ok(struct api_call *c, const struct control_diff *diff, struct gate_problem *p)
{
    const char *ticket = NULL;
    size_t i;

    for (i = 0; i < diff->count && ticket == NULL; i++) {
        const struct control_cell *after = diff->items[i].after;

        ticket = after != NULL ? after->ticket : NULL;
    }
    if (ticket == NULL || ticket[0] == '\0') {
        if (diff->direction == CONTROL_TIGHTEN || diff->direction == CONTROL_NONE) {
            return true; /* owed: a halt does not wait for one */
        }
        (void)gate_fail(p, PROBLEM_VALIDATION, "name the ticket it was decided in");
        (void)snprintf(p->pointer, sizeof p->pointer, "/ticket");
        return false;
    }
    if (c->api->ticket_set && regexec(&c->api->ticket, ticket, 0, NULL, 0) != 0) {
        (void)gate_fail(p, PROBLEM_VALIDATION, "a ticket looks like %s (gate.ticket_pattern)",
                        c->api->opt.gate_config->ticket_pattern);
        (void)snprintf(p->pointer, sizeof p->pointer, "/ticket");
        return false;
    }
    return true;
}

void control_mutate(struct api_call *c)
{
    const char *dry = http_query(c->req, "dry_run");
    struct gate *g = c->api->opt.gate;
    struct gate_order order;
    struct gate_nonce nonce;
    struct gate_problem p = {0};
    struct control_diff diff;
    bool ok;

    if (g == NULL) {
        (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "this gateway has no control state");
        call_gate_problem(c, &p);
        return;
    }
    if (!read_order(c, &order, &nonce, &p) || !gate_preview(g, &order, &diff, &p)) {
        if (p.kind == PROBLEM_VERSION) {
            set_etag(c, gate_now(g));
        }
        call_gate_problem(c, &p);
        return;
    }
    note_target(c, &diff);
    ok = ticket_ok(c, &diff, &p);
    if (!ok) {
        call_gate_problem(c, &p);
    } else if (dry != NULL && strcmp(dry, "true") == 0) {
        dry_run(c, &diff);
    } else if (diff.direction != CONTROL_LOOSEN || call_allowed(c, PERM_CONTROL_LOOSEN)) {
        c->gate_wait = gate_order(g, &order, control_on_result, c);
    }
    control_diff_fini(&diff);
}
