/* admin_api/tickets.c - tickets that are owed: what tightened without one, and its ticket named later. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/gate/debts.h"

#define LIMIT_DEFAULT 50u

static void fail(struct api_call *c, enum gate_problem_kind kind, const char *detail)
{
    struct gate_problem p;

    (void)gate_fail(&p, kind, "%s", detail);
    call_gate_problem(c, &p);
}

static void unavailable(struct api_call *c)
{
    fail(c, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers (see /readyz)");
}

/* --- what is owed ------------------------------------------------------------------------------
 */

static void on_list(void *arg, const struct gate_debt *debts, size_t count, bool more)
{
    struct api_call *c = arg;
    struct buf body = {0};
    char next[24];

    if (!call_back(c)) {
        return;
    }
    if (debts == NULL) {
        unavailable(c);
        return;
    }
    buf_lit(&body, "{\"tickets_owed\":[");
    for (size_t i = 0; i < count; i++) {
        buf_puts(&body, i != 0 ? "," : "");
        gate_debt_print(&body, &debts[i]);
    }
    buf_lit(&body, "],\"next\":");
    if (more) {
        (void)snprintf(next, sizeof next, "%" PRIu64, debts[count - 1].audit);
        call_link_next(c, next);
        buf_printf(&body, "\"%s\"}", next);
    } else {
        buf_lit(&body, "null}");
    }
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static bool read_filter(struct api_call *c, struct gate_debt_filter *f)
{
    const char *paid = http_query(c->req, "paid");
    uint64_t limit = LIMIT_DEFAULT;

    *f = (struct gate_debt_filter){.actor = http_query(c->req, "actor")};
    if (f->actor != NULL && (f->actor[0] == '\0' || strlen(f->actor) > 256 ||
                             !audit_text_valid(f->actor, strlen(f->actor)))) {
        call_invalid(c, "actor", "who did it, as user:ana or key:pk_...");
        return false;
    }
    if (paid != NULL && strcmp(paid, "true") != 0 && strcmp(paid, "false") != 0) {
        call_invalid(c, "paid", "true or false");
        return false;
    }
    f->paid = paid != NULL && strcmp(paid, "true") == 0;
    if (!call_query_number(c, "limit", 1, GATE_DEBTS_MAX, "1 to 1000", &limit) ||
        !call_query_number(c, "cursor", 1, INT64_MAX, "as `next` of the page before has it",
                           &f->before)) {
        return false;
    }
    f->limit = (uint32_t)limit;
    return true;
}

static bool gate_here(struct api_call *c)
{
    if (c->api->opt.gate == NULL) {
        fail(c, PROBLEM_UNAVAILABLE, "this gateway has no control state");
        return false;
    }
    return true;
}

void tickets_owed_list(struct api_call *c)
{
    struct gate_debt_filter f;

    if (!gate_here(c) || !read_filter(c, &f)) {
        return;
    }
    c->owed = gate_debts(c->api->opt.gate, &f, on_list, c);
    if (!c->owed) {
        unavailable(c);
    }
}

/* --- its ticket --------------------------------------------------------------------------------
 */

static void on_paid(void *arg, const struct gate_result *r)
{
    struct api_call *c = arg;
    struct buf body = {0};

    c->gate_wait = NULL;
    if (r->outcome == GATE_FAILED) {
        if (r->problem.kind == PROBLEM_FORBIDDEN) {
            (void)call_audit(c,
                             &(struct call_act){.action = "ticket.attach",
                                                .target = c->target,
                                                .outcome = "denied",
                                                .reason = r->problem.detail},
                             NULL, NULL);
        }
        call_gate_problem(c, &r->problem);
        return;
    }
    buf_printf(&body, "{\"outcome\":\"%s\",\"ticket_owed\":%s}", gate_outcome_words[r->outcome],
               r->stored);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* Into c->ticket. False: answered. */
static bool read_ticket(struct api_call *c)
{
    static const char *const names[] = {"ticket", NULL};
    json_t *root = body_read(c, names);
    const char *ticket = json_string_value(json_object_get(root, "ticket"));
    size_t len = json_string_length(json_object_get(root, "ticket"));
    char wanted[256];
    bool ok;

    if (root == NULL) {
        return false;
    }
    ok = ticket != NULL && len >= 1 && len <= 100 && audit_text_valid(ticket, len) &&
         call_ticket_fits(c, ticket);
    if (ok) {
        (void)snprintf(c->ticket, sizeof c->ticket, "%s", ticket);
    } else if (c->api->ticket_set) {
        (void)snprintf(wanted, sizeof wanted, "a ticket looks like %s (gate.ticket_pattern)",
                       c->api->opt.gate_config->ticket_pattern);
        call_invalid(c, "ticket", wanted);
    } else {
        call_invalid(c, "ticket", "1 to 100 characters");
    }
    json_decref(root);
    return ok;
}

void ticket_owed_put(struct api_call *c)
{
    const struct gate_nonce nonce = {c->keyid, c->nonce, c->expires_ns};
    const char *number = http_param(c->req, "audit");
    struct gate_debt_pay pay = {
        .ticket = c->ticket,
        .anybodys = roles_allow(c->may, PERM_CONTROL_LOOSEN), /* an operator */
        .nonce = c->nonce[0] != '\0' ? &nonce : NULL,
    };

    if (!gate_here(c)) {
        return;
    }
    if (u64_parse(number, strlen(number), &pay.audit) != GW_OK || pay.audit == 0 ||
        pay.audit > INT64_MAX) {
        fail(c, PROBLEM_UNKNOWN, "name the number of an audit entry: see GET /v1/tickets-owed");
        return;
    }
    if (read_ticket(c)) {
        (void)snprintf(c->target, sizeof c->target, "audit:%" PRIu64, pay.audit);
        pay.actor = call_actor(c);
        c->gate_wait = gate_debt_pay(c->api->opt.gate, &pay, on_paid, c);
    }
}
