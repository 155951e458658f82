/* admin_api/role_requests.c - grants of roles that take two persons over REST: what waits, what the second
 * person says. auth/people makes the grant, its request and its audit entry in one transaction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/audit/ulid.h"
#include "gateway/runtime/clock.h"

static struct people_person person_of(const struct api_call *c)
{
    return (struct people_person){.name = c->person, .account = c->account};
}

/* --- looking -----------------------------------------------------------------------------------
 */

static void on_view(void *arg, const struct people_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != PEOPLE_OK) {
        call_people_problem(c, a->err, a->field,
                            a->err == PEOPLE_NOT_FOUND ? "see GET /v1/role-requests" : a->why);
        return;
    }
    buf_append(&body, a->json, a->json_len);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

void role_requests_list(struct api_call *c)
{
    const char *open = http_query(c->req, "open");

    if (call_people(c) != NULL) {
        people_started(c, people_requests(c->api->opt.people,
                                          open != NULL && strcmp(open, "true") == 0, on_view, c));
    }
}

void role_request_get(struct api_call *c)
{
    if (call_people(c) != NULL) {
        people_started(c, people_request(c->api->opt.people, http_param(c->req, "id"), on_view, c));
    }
}

/* --- what was refused --------------------------------------------------------------------------
 */

/* Who asked, or is to have the role, has tried to approve. */
static void refuse(struct api_call *c, const struct people_answer *a)
{
    if (a->err == PEOPLE_SAME_PERSON || a->err == PEOPLE_FORBIDDEN) {
        (void)call_audit(
            c,
            &(struct call_act){
                .action = "role.grant", .target = c->target, .outcome = "denied", .reason = a->why},
            NULL, NULL);
    }
    call_people_problem(c, a->err, a->field, a->why);
}

/* --- asking ------------------------------------------------------------------------------------
 */

/* {"done":false,..,"request":{..}} with Location, or what a grant answers. */
static void on_asked(void *arg, const struct people_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};
    char location[64];

    if (!call_back(c)) {
        return;
    }
    if (a->err != PEOPLE_OK) {
        refuse(c, a);
        return;
    }
    buf_printf(&body, "{\"done\":%s,\"user\":", a->waits ? "false" : "true");
    buf_json_str(&body, c->target, strlen(c->target));
    if (a->waits) {
        buf_printf(&body,
                   ",\"waits_for\":\"another person with people.write, who approves it\","
                   "\"within_s\":%llu",
                   (unsigned long long)c->api->opt.people_config->grant_ttl / 1000);
        (void)snprintf(location, sizeof location, "/v1/role-requests/%s", a->request_id);
        http_set_header(c->req, "location", location);
    }
    buf_lit(&body, ",\"request\":");
    buf_append(&body, a->json, a->json_len);
    buf_putc(&body, '}');
    call_reply(c, a->waits ? 202 : 200, &body);
    buf_fini(&body);
}

void role_request_ask(struct api_call *c, const struct people_by *by, struct people_ask *ask)
{
    char id[ULID_SIZE];

    ulid_make(id, clock_real_ns());
    (void)snprintf(c->target, sizeof c->target, "%s", ask->name);
    ask->id = id;
    ask->person = person_of(c);
    ask->ttl_ms = (uint32_t)c->api->opt.people_config->grant_ttl;
    people_started(c, people_ask(c->api->opt.people, by, ask, on_asked, c));
}

/* --- deciding ----------------------------------------------------------------------------------
 */

static void on_decided(void *arg, const struct people_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != PEOPLE_OK) {
        refuse(c, a);
        return;
    }
    buf_lit(&body, "{\"done\":true,\"request\":");
    buf_append(&body, a->json, a->json_len);
    buf_putc(&body, '}');
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* Where only people may approve, a key without an owner does not. False: answered. */
static bool is_person(struct api_call *c)
{
    struct gate_problem p;

    if (!c->api->opt.gate_config->people_approve || strncmp(c->person, "user:", 5) == 0) {
        return true;
    }
    (void)gate_fail(&p, PROBLEM_APPROVAL,
                    "%s is no person: sign in, or use a key that has an owner", c->person);
    call_gate_problem(c, &p);
    return false;
}

static void decide(struct api_call *c, enum people_decision decision)
{
    static const char *const names[] = {"hash", "reason", NULL};
    struct people_by by = {.actor = c->actor, .session = c->session, .ip = http_peer_ip(c->req)};
    struct people_decide d = {
        .person = person_of(c), .id = http_param(c->req, "id"), .decision = decision};
    json_t *root;

    if (call_people(c) == NULL || (decision == PEOPLE_APPROVE && !is_person(c))) {
        return;
    }
    root = body_read(c, names);
    if (root != NULL && people_text_of(c, root, "hash", false, &d.hash) &&
        people_text_of(c, root, "reason", false, &by.reason)) {
        (void)snprintf(c->target, sizeof c->target, "%s", d.id);
        people_started(c, people_decide(c->api->opt.people, &by, &d, on_decided, c));
    }
    json_decref(root);
}

void role_request_approve(struct api_call *c)
{
    decide(c, PEOPLE_APPROVE);
}

void role_request_reject(struct api_call *c)
{
    decide(c, PEOPLE_REJECT);
}

void role_request_cancel(struct api_call *c)
{
    decide(c, PEOPLE_CANCEL);
}
