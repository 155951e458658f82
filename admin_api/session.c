/* admin_api/session.c - admission of people: a cookie in place of a signature.
 * Everything is judged from memory (auth/people), so that a known session can look and tighten while
 * PostgreSQL and Redis are dead.
 *
 *   cookie -> session in memory -> a change: JSON, our own origin, token of the session
 *          -> rate of the session, without a nonce -> people_may() -> handler
 *
 * A cookie that opens nothing is as none: then the request is judged as an unsigned one, and answers
 * like one. A halt goes through the reserved lane, like a key's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "admin_api/api_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define COOKIE "__Host-sid"

/* --- the cookie --------------------------------------------------------------------------------
 */

/* The value of our cookie in the header; false: none, or more than one. */
static bool find_cookie(const char *header, struct http_text *out)
{
    const size_t name = sizeof COOKIE - 1;
    unsigned found = 0;

    while (header != NULL && *header != '\0') {
        size_t len;

        header += strspn(header, "; \t");
        len = strcspn(header, ";");
        if (len > name && memcmp(header, COOKIE, name) == 0 && header[name] == '=') {
            *out = (struct http_text){header + name + 1, len - name - 1};
            found++;
        }
        header += len;
    }
    return found == 1;
}

/* The cookie of a request that is not signed. */
static bool cookie_of(const struct http_req *req, struct http_text *out)
{
    return http_header(req, "signature") == NULL && http_header(req, "signature-input") == NULL &&
           find_cookie(http_header(req, "cookie"), out) && out->len < SESSION_TOKEN_SIZE;
}

/* --- from our own page -------------------------------------------------------------------------
 */

static bool own_origin(const struct api_call *c, const char *origin)
{
    const char *wanted = c->api->opt.people_config->origin;
    struct http_text host = http_authority(c->req);

    if (wanted[0] != '\0') {
        return strcmp(origin, wanted) == 0;
    }
    return strncmp(origin, "https://", 8) == 0 && strlen(origin + 8) == host.len &&
           strncasecmp(origin + 8, host.s, host.len) == 0;
}

static bool refuse_page(struct api_call *c, const char *detail)
{
    struct gate_problem p;

    (void)gate_fail(&p, PROBLEM_CROSS_SITE, "%s", detail);
    admit_count(c->api, API_FORBIDDEN);
    log_warn("auth", "cross_site", "\"session\":%s,\"ip\":\"%s\",\"why\":\"%s\"",
             log_json(c->session), http_peer_ip(c->req), detail);
    call_gate_problem(c, &p);
    return false;
}

bool session_from_page(struct api_call *c)
{
    const char *type = http_header(c->req, "content-type");
    const char *origin = http_header(c->req, "origin");
    const char *site = http_header(c->req, "sec-fetch-site");
    const char *sent = http_header(c->req, "x-csrf-token");

    if (type == NULL || strcmp(type, "application/json") != 0) {
        admit_count(c->api, API_FORBIDDEN);
        call_problem(c, &(struct api_problem){415, "media-type", "unsupported media type",
                                              "send content-type: application/json", NULL});
        return false;
    }
    if (origin == NULL) {
        return refuse_page(c, "a change needs the Origin header of a page of this listener");
    }
    if (!own_origin(c, origin)) {
        return refuse_page(c, "the Origin is not that of this listener (people.origin)");
    }
    if (site != NULL && strcmp(site, "same-origin") != 0) {
        return refuse_page(c, "Sec-Fetch-Site must be same-origin");
    }
    if (c->token[0] != '\0' &&
        (sent == NULL || !session_csrf_matches(c->token, strlen(c->token), sent, strlen(sent)))) {
        return refuse_page(c, "send the csrf of GET /v1/session as X-CSRF-Token");
    }
    return true;
}

/* --- who it is ---------------------------------------------------------------------------------
 */

static bool owes(const struct people_session *s)
{
    return s->must_choose || !s->enrolled;
}

static void take_session(struct api_call *c, const struct people_session *s, struct http_text token)
{
    int64_t age_ns = clock_real_ns() - s->factor_ns;

    memcpy(c->token, token.s, token.len);
    memcpy(c->session, s->id, sizeof s->id);
    memcpy(c->person, s->person, sizeof s->person);
    memcpy(c->actor, s->person, sizeof s->person);
    c->may = owes(s) ? 0 : roles_permissions(people_roles(c->api->opt.people, s));
    c->fresh = s->factor_ns != 0 && age_ns <= PERMISSION_FRESH_NS;
    for (unsigned i = 0; i < SCOPE_COUNT; i++) { /* what she could give a key */
        if ((scopes_permissions(1ull << i) & ~c->may) == 0) {
            c->scopes |= 1ull << i;
        }
    }
}

bool session_may_own(const struct api_call *c, uint64_t scopes, const char *owner)
{
    uint64_t may = scopes_permissions(scopes);

    if (strncmp(c->person, "user:", 5) != 0 ||
        (!roles_allow(may, PERM_CONTROL_LOOSEN) && !roles_allow(may, PERM_CONTROL_APPROVE) &&
         !roles_allow(may, PERM_PEOPLE_WRITE))) {
        return true;
    }
    return strcmp(c->person + 5, owner) == 0;
}

/* --- admission ---------------------------------------------------------------------------------
 */

static void on_trip(void *arg, const struct limits_answer *answer)
{
    struct api_call *c = arg;

    c->wait = NULL;
    admit_tell_limits(c, &answer->left[0]);
    if (answer->verdict != LIMITS_TAKEN) {
        c->limited(c, answer);
    } else {
        c->admitted(c);
    }
}

static void trip(struct api_call *c)
{
    struct limits_answer now;
    struct limits_ask ask = {.count = 1};

    c->class = lane_class(c) == LIMITS_HALT ? LIMITS_HALT : LIMITS_SESSION;
    ask.units[0] = (struct limits_unit){c->class, c->session, lane_cost(c, c->class, 1)};
    c->wait = limits_take(c->api->opt.limits, &ask, &now, on_trip, c);
    if (c->wait == NULL) {
        on_trip(c, &now);
    }
}

bool session_admit(struct api *a, struct http_req *req)
{
    const struct api_route *route = api_find_route(req);
    bool change = route->method != HTTP_GET;
    const struct people_session *s;
    struct http_text token = {0};
    struct api_call *c;
    enum people_err err;

    if (a->opt.people == NULL || !cookie_of(req, &token)) {
        return false;
    }
    err = people_find(a->opt.people, token.s, token.len, false, &s);
    if (err != PEOPLE_OK && err != PEOPLE_UNAVAILABLE) {
        return false;
    }
    c = call_create(a, req, route);
    if (err == PEOPLE_UNAVAILABLE) { /* "log in" would be wrong: she may have a session */
        admit_count(a, API_UNAVAILABLE);
        call_people_problem(c, err, NULL, NULL);
        return true;
    }
    admit_prepare(c);
    take_session(c, s, token);
    if (change && !session_from_page(c)) {
        return true;
    }
    /* what a page asks by itself does not put the idle end off */
    if (change || http_header(req, "x-user-active") != NULL) {
        (void)!people_find(a->opt.people, token.s, token.len, true, &s);
    }
    trip(c);
    return true;
}

bool session_allowed(struct api_call *c, enum permission permission)
{
    struct people *p = c->api->opt.people;
    const struct people_session *s;
    enum people_err err = people_find(p, c->token, strlen(c->token), false, &s);
    struct gate_problem problem;

    if (err == PEOPLE_OK) { /* also once more: it may have ended while the request waited */
        err = people_may(p, s, permission);
    }
    if (err == PEOPLE_OK) {
        return true;
    }
    admit_count(c->api, err == PEOPLE_NO_SESSION ? API_UNAUTHENTICATED
                        : err == PEOPLE_STALE    ? API_UNAVAILABLE
                                                 : API_FORBIDDEN);
    if (err != PEOPLE_FORBIDDEN) {
        if (err == PEOPLE_FACTOR || err == PEOPLE_DUTY) {
            call_audit_denied(c, people_err_row(err)->text);
        }
        call_people_problem(c, err, NULL, NULL);
        return false;
    }
    (void)gate_fail(&problem, PROBLEM_FORBIDDEN,
                    "this needs the permission %s; the roles of %s do not have it",
                    permission_rows[permission].word, c->actor);
    call_audit_denied(c, problem.detail);
    call_gate_problem(c, &problem);
    return false;
}
