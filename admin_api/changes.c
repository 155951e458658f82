/* admin_api/changes.c - requests to loosen: what waits, and what the second person says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/json_put.h"

#define LIST_MAX 200u

/* The object, whom it reaches (as it was asked for, and now), and what is typed to decide it. */
static void put_change(const struct api *a, struct buf *out, const struct gate_change *change)
{
    buf_append(out, change->json, change->len - 1); /* its brace */
    buf_lit(out, ",\"blast_radius\":{\"asked\":");
    control_radius_asked(out, change->radius);
    buf_lit(out, ",\"now\":");
    if (change->cells != NULL) {
        control_radius_now(a, out, change->cells);
    } else {
        buf_lit(out, "null");
    }
    buf_putc(out, '}');
    json_put_given(out, "confirm", change->confirm);
    buf_putc(out, '}');
}

static void on_list(void *arg, const struct gate_change *changes, size_t count)
{
    struct api_call *c = arg;
    bool one = c->route->handler == change_get;
    struct buf body = {0};
    struct gate_problem p;

    if (!call_back(c)) {
        return;
    }
    if (changes == NULL) {
        (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers");
        call_gate_problem(c, &p);
        return;
    }
    if (one && count == 0) {
        (void)gate_fail(&p, PROBLEM_UNKNOWN, "no request has this id: see GET /v1/changes");
        call_gate_problem(c, &p);
        return;
    }
    buf_puts(&body, one ? "{\"change\":" : "{\"changes\":[");
    for (size_t i = 0; i < count; i++) {
        buf_puts(&body, i != 0 ? "," : "");
        put_change(c->api, &body, &changes[i]);
    }
    buf_puts(&body, one ? "}" : "]}");
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static void list(struct api_call *c, bool open, const char *id)
{
    struct gate_problem p;

    c->owed = gate_changes(c->api->opt.gate, open, id, LIST_MAX, on_list, c);
    if (!c->owed) {
        (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "try again when PostgreSQL answers");
        call_gate_problem(c, &p);
    }
}

void changes_list(struct api_call *c)
{
    const char *open = http_query(c->req, "open");

    list(c, open != NULL && strcmp(open, "true") == 0, NULL);
}

void change_get(struct api_call *c)
{
    list(c, false, http_param(c->req, "id"));
}

/* A text member, at most MAX bytes; NULL when absent. False: answered. */
static bool member(struct api_call *c, const json_t *root, const char *name, size_t max,
                   const char **out)
{
    const json_t *v = json_object_get(root, name);

    *out = json_string_value(v);
    if (v != NULL && !json_is_null(v) && (*out == NULL || json_string_length(v) > max)) {
        char detail[48];

        (void)snprintf(detail, sizeof detail, "a text of at most %zu bytes", max);
        call_invalid(c, name, detail);
        return false;
    }
    return true;
}

/* The body is read twice: before it is known whether this is a repetition, and after. NULL: answered. */
static json_t *read_decision(struct api_call *c, struct gate_decide *d)
{
    static const char *const names[] = {"hash", "reason", "confirm", NULL};
    json_t *root;

    d->actor = call_actor(c);
    d->change_id = http_param(c->req, "id");
    d->once = c->once[0] != '\0' ? c->once : NULL;
    root = body_read(c, names);
    if (root != NULL &&
        (!member(c, root, "hash", 64, &d->hash) || !member(c, root, "reason", 500, &d->reason) ||
         !member(c, root, "confirm", CONTROL_WORD_SIZE - 1, &d->confirm))) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

static enum gate_decision decision_of(const struct api_call *c)
{
    return c->route->handler == change_approve  ? GATE_APPROVE
           : c->route->handler == change_reject ? GATE_REJECT
                                                : GATE_CANCEL;
}

static void decide_new(struct api_call *c)
{
    struct gate_nonce nonce = {c->keyid, c->nonce, c->expires_ns};
    struct gate_decide d = {.decision = decision_of(c),
                            .nonce = c->nonce[0] != '\0' ? &nonce : NULL};
    json_t *root = read_decision(c, &d);

    if (root != NULL) {
        c->gate_wait = gate_decide(c->api->opt.gate, &d, control_on_result, c);
        json_decref(root);
    }
}

static void on_repeated(void *arg, const struct gate_result *r)
{
    control_on_repeated(arg, r, decide_new);
}

static void decide(struct api_call *c)
{
    struct gate_decide d = {.decision = decision_of(c)};
    struct gate_problem p;
    json_t *root;

    if (!call_once(c, true, &p)) {
        call_gate_problem(c, &p);
        return;
    }
    root = read_decision(c, &d);
    if (root != NULL) {
        c->asking = true;
        c->gate_wait = gate_decide_repeated(c->api->opt.gate, &d, on_repeated, c);
        json_decref(root);
    }
}

void change_approve(struct api_call *c)
{
    decide(c);
}

void change_reject(struct api_call *c)
{
    decide(c);
}

void change_cancel(struct api_call *c)
{
    decide(c);
}
