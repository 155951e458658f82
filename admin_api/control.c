/* admin_api/control.c - changes of the control state: one handler for all rows of API_MUTATIONS.
 *
 *   admitted -> order of the row -> preview (direction, diff; a dry run ends here) -> permission of the
 *   direction -> gate (journal or transaction, loops) -> reply
 *
 * 200: in force in every loop and in the chain; 202: in force, but somebody has not confirmed or the
 * chain does not have it yet; 202 with Location: it waits for a second person. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/base/json_put.h"
#include "gateway/control/word.h"
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
        .account = c->account,
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

bool call_once(struct api_call *c, bool required, struct gate_problem *p)
{
    const char *once = http_header(c->req, "idempotency-key");

    c->once[0] = '\0';
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
    if (once[0] == '\0' || strlen(once) >= sizeof c->once) {
        return gate_fail(p, PROBLEM_VALIDATION, "Idempotency-Key: 1 to 255 characters");
    }
    memcpy(c->once, once, strlen(once) + 1);
    return true;
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
    };
    order->text = http_body(c->req, &order->len);
    if (c->nonce[0] != '\0') {
        *nonce = (struct gate_nonce){c->keyid, c->nonce, c->expires_ns};
        order->nonce = nonce;
    }
    if (type == NULL || strcmp(type, "application/json") != 0) {
        return gate_fail(p, PROBLEM_VALIDATION, "send content-type: application/json");
    }
    if (!read_match(http_header(c->req, "if-match"), post, order, p) || !call_once(c, post, p)) {
        return false;
    }
    order->once = c->once[0] != '\0' ? c->once : NULL;
    return true;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static const char *const loop_names[] = {"market", "rest"}; /* then the shards */

static void put_missing(struct buf *out, uint64_t mask)
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

/* The resource as it is now, for answers about one target. */
static void put_resource(const struct api_call *c, struct buf *out, const struct control *state)
{
    if (c->target[0] != '\0') {
        buf_lit(out, ",\"resource\":");
        control_cell_print(out, state, c->route->mutation->kind, c->target, clock_real_ns());
    }
}

#define RESOURCES_MOST 200u

/* All that set-mode names, changed or not; more than RESOURCES_MOST are read with GET /v1/symbols. */
static void put_resources(const struct api_call *c, struct buf *out, const struct control *state)
{
    if (c->many == NULL) {
        return;
    }
    if (c->many->count > RESOURCES_MOST) {
        buf_lit(out, ",\"resources\":null");
        return;
    }
    buf_lit(out, ",\"resources\":[");
    for (uint32_t i = 0; i < c->many->count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        control_cell_print(out, state, c->many->items[i].kind, c->many->items[i].target,
                           clock_real_ns());
    }
    buf_putc(out, ']');
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
    const struct control_cell *cell = control_find(state, c->route->mutation->kind, c->target);
    char etag[24];

    if (cell != NULL) {
        (void)snprintf(etag, sizeof etag, "\"%" PRIu64 "\"", cell->version);
        http_set_header(c->req, "etag", etag);
    }
}

static void keep_answer(struct api_call *c, unsigned status, const struct buf *body)
{
    if (c->once[0] != '\0') {
        gate_answered(c->api->opt.gate, c->actor, c->once, status, body->data, body->len);
    }
}

static void answer(struct api_call *c, const struct gate_result *r)
{
    struct buf body = {0};
    unsigned status = status_of(r);

    buf_printf(&body, "{\"outcome\":\"%s\"", gate_outcome_words[r->outcome]);
    buf_printf(&body, ",\"version\":%" PRIu64, r->version);
    put_number(&body, "audit", r->audit);
    json_put_given(&body, "journal", r->journal_id);
    json_put_given(&body, "change", r->change_id);
    put_number(&body, "effect_us", (uint64_t)(r->effect_ns / 1000));
    put_missing(&body, r->missing);
    if (c->route->mutation != NULL) {
        put_resource(c, &body, r->state);
        put_resources(c, &body, r->state);
    }
    buf_putc(&body, '}');
    keep_answer(c, status, &body);
    if (c->req == NULL) { /* it was done all the same */
        call_end(c);
        buf_fini(&body);
        return;
    }
    if (c->route->mutation != NULL) {
        set_etag(c, r->state);
    }
    if (r->outcome == GATE_REQUESTED) {
        char location[64];

        (void)snprintf(location, sizeof location, "/v1/changes/%s", r->change_id);
        http_set_header(c->req, "location", location);
    }
    call_reply(c, status, &body);
    buf_fini(&body);
}

/* 409 and 412 say what it is now. */
static void answer_conflict(struct api_call *c, const struct gate_problem *p,
                            const struct control *state)
{
    struct buf current = {0};

    if ((p->kind == PROBLEM_VERSION || p->kind == PROBLEM_ILLEGAL) && c->route->mutation != NULL &&
        c->target[0] != '\0') {
        set_etag(c, state);
        control_cell_print(&current, state, c->route->mutation->kind, c->target, clock_real_ns());
        c->current = buf_cstr(&current);
    }
    call_gate_problem(c, p);
    buf_fini(&current);
}

static void answer_failed(struct api_call *c, const struct gate_result *r)
{
    if (c->once[0] != '\0' && r->problem.kind != PROBLEM_IN_PROGRESS &&
        r->problem.kind != PROBLEM_ONCE_MISMATCH) {
        gate_answered(c->api->opt.gate, c->actor, c->once, 503, "", 0); /* may be tried again */
    }
    if (gate_problem_rows[r->problem.kind].http_status == 403) {
        call_audit_denied(c, r->problem.detail);
    }
    if (c->req == NULL) {
        call_end(c);
        return;
    }
    answer_conflict(c, &r->problem, r->state);
}

static void answer_again(struct api_call *c, const struct gate_result *r)
{
    struct buf body = {0};

    if (c->req == NULL) {
        call_end(c);
        return;
    }
    http_set_header(c->req, "idempotency-replayed", "true");
    buf_puts(&body, r->stored);
    call_reply(c, r->stored_status, &body);
    buf_fini(&body);
}

void control_on_result(void *arg, const struct gate_result *r)
{
    struct api_call *c = arg;

    c->gate_wait = NULL;
    if (r->outcome == GATE_FAILED) {
        answer_failed(c, r);
    } else if (r->outcome == GATE_REPLAYED) {
        answer_again(c, r);
    } else {
        answer(c, r);
    }
}

void control_on_repeated(void *arg, const struct gate_result *r, void (*go)(struct api_call *c))
{
    struct api_call *c = arg;

    c->gate_wait = NULL;
    c->asking = false;
    if (r->outcome == GATE_FAILED) {
        answer_conflict(c, &r->problem, r->state);
    } else if (r->outcome == GATE_REPLAYED) {
        answer_again(c, r);
    } else {
        go(c);
    }
}

/* --- the handler -------------------------------------------------------------------------------
 */

static void dry_run(struct api_call *c, const struct gate_order *order,
                    const struct control_diff *diff)
{
    struct control_change change = {0};
    struct control_error e;
    char word[CONTROL_WORD_SIZE] = "";
    struct buf body = {0};

    if (control_body_parse(order->body, order->target, order->text, order->len, NULL, &change,
                           &e) == CONTROL_FINE) {
        control_word(&change, word);
    }
    control_change_fini(&change);

    buf_lit(&body, "{\"dry_run\":true,\"diff\":");
    control_diff_print(&body, diff);
    buf_printf(&body, ",\"needs\":\"%s\"",
               diff->direction == CONTROL_LOOSEN ? "a second person" : "one person");
    buf_lit(&body, ",\"blast_radius\":");
    control_blast_radius(c->api, &body, diff);
    json_put_text(&body, "confirm", word);
    buf_putc(&body, '}');
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* The one target, where the body named it: for the answer's resource. */
static void note_target(struct api_call *c, const struct control_diff *diff)
{
    if (c->target[0] == '\0' && diff->count == 1) {
        (void)snprintf(c->target, sizeof c->target, "%s", diff->items[0].target);
    }
}

/* The one target that the body names, of an order that was refused before its effect was known. */
static void read_target(struct api_call *c, const struct gate_order *order)
{
    struct control_change change = {0};
    struct control_error e;

    if (c->target[0] == '\0' &&
        control_body_parse(order->body, order->target, order->text, order->len, NULL, &change,
                           &e) == CONTROL_FINE &&
        change.count == 1) {
        (void)snprintf(c->target, sizeof c->target, "%s", change.items[0].target);
    }
    control_change_fini(&change);
}

/* For the answer, which the request may not live to see. */
static void note_many(struct api_call *c, const struct gate_order *order)
{
    struct control_error e;

    if (order->body == CONTROL_BODY_SET_MODE && c->many == NULL) {
        c->many = gw_calloc(1, sizeof *c->many);
        if (control_body_parse(order->body, order->target, order->text, order->len, NULL, c->many,
                               &e) != CONTROL_FINE) {
            free(c->many);
            c->many = NULL;
        }
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
    if (!call_ticket_fits(c, ticket)) {
        (void)gate_fail(p, PROBLEM_VALIDATION, "a ticket looks like %s (gate.ticket_pattern)",
                        c->api->opt.gate_config->ticket_pattern);
        (void)snprintf(p->pointer, sizeof p->pointer, "/ticket");
        return false;
    }
    return true;
}

bool control_is_dry(const struct api_call *c)
{
    const char *dry = http_query(c->req, "dry_run");

    return dry != NULL && strcmp(dry, "true") == 0;
}

/* Only a loosening is asked for with the right to loosen alone: all else may tighten, if not here
 * then where a loosening has not been heard of yet. */
static bool may_go(struct api_call *c, enum control_direction direction)
{
    if (direction != CONTROL_TIGHTEN && direction != CONTROL_NONE && !confirm_call(c)) {
        return false;
    }
    if (direction == CONTROL_LOOSEN) {
        return call_allowed(c, PERM_CONTROL_LOOSEN);
    }
    return !api_by_direction(c->route) || call_allowed(c, PERM_CONTROL_TIGHTEN);
}

static void mutate_new(struct api_call *c);

static void on_halt_spent(struct api_call *c, enum spend_end end)
{
    if (!admit_spent(c, end)) {
        return;
    }
    if (end == SPEND_NEW) {
        c->nonce[0] = '\0'; /* spent: its transaction does not bring it once more */
    }
    mutate_new(c);
}

/* What tightens takes effect before its transaction, so a captured one could halt once more where
 * Redis has forgotten it: then, and only then, PostgreSQL is asked first, for a moment. Without its
 * answer the halt goes on. */
static bool asks_first(struct api_call *c, const struct control_diff *diff)
{
    if (!c->nonce_unsure || diff->direction == CONTROL_LOOSEN || c->nonce[0] == '\0' ||
        c->nonce_sent) {
        return false;
    }
    c->nonce_sent = true;
    return spend_nonce(c, SPEND_HALT, on_halt_spent);
}

/* Carries out ORDER, whose effect is DIFF. */
static void give(struct api_call *c, struct gate_order *order, const struct control_diff *diff)
{
    struct gate_problem p = {0};
    struct buf radius = {0};

    note_target(c, diff);
    if (!ticket_ok(c, diff, &p)) {
        call_gate_problem(c, &p);
    } else if (control_is_dry(c)) {
        dry_run(c, order, diff);
    } else if (may_go(c, diff->direction) && !asks_first(c, diff)) {
        note_many(c, order);
        if (diff->direction == CONTROL_LOOSEN) { /* for who approves it */
            control_blast_radius(c->api, &radius, diff);
            order->radius = buf_cstr(&radius);
        }
        c->gate_wait = gate_order(c->api->opt.gate, order, control_on_result, c);
    }
    buf_fini(&radius);
}

static void mutate_new(struct api_call *c)
{
    struct gate_order order;
    struct gate_nonce nonce;
    struct gate_problem p = {0};
    struct control_diff diff;
    bool read = read_order(c, &order, &nonce, &p);

    if (read && gate_preview(c->api->opt.gate, &order, &diff, &p)) {
        give(c, &order, &diff);
        control_diff_fini(&diff);
    } else {
        if (read) {
            read_target(c, &order);
        }
        answer_conflict(c, &p, gate_now(c->api->opt.gate));
    }
}

static void on_repeated(void *arg, const struct gate_result *r)
{
    control_on_repeated(arg, r, mutate_new);
}

/* What halts goes ahead; of all else with an Idempotency-Key it is asked first whether it is a
 * repetition: its answer may be one that would not be given again. */
void control_mutate(struct api_call *c)
{
    const struct mutation *m = c->route->mutation;
    struct gate *g = c->api->opt.gate;
    struct gate_order order;
    struct gate_nonce nonce;
    struct gate_problem p = {0};
    struct control_diff diff;
    enum control_direction direction = CONTROL_NONE;

    if (g == NULL) {
        (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "this gateway has no control state");
        call_gate_problem(c, &p);
        return;
    }
    if (m->param != NULL) {
        (void)snprintf(c->target, sizeof c->target, "%s", http_param(c->req, m->param));
    }
    if (!read_order(c, &order, &nonce, &p)) {
        call_gate_problem(c, &p);
        return;
    }
    if (gate_preview(g, &order, &diff, &p)) {
        direction = diff.direction;
        control_diff_fini(&diff);
    }
    if (order.once == NULL || control_is_dry(c) ||
        (direction == CONTROL_TIGHTEN && gate_remembers(g))) {
        mutate_new(c);
        return;
    }
    c->asking = true;
    c->gate_wait = gate_repeated(g, &order, direction == CONTROL_LOOSEN, on_repeated, c);
}
