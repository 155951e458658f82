/* admin_api/people_session.c - one's own session: log-in, renewal, password, second factor, elevation.
 * Each new token goes into the cookie and nowhere else; what a page must send back follows from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "admin_api/api_priv.h"
#include "gateway/runtime/clock.h"

#define COOKIE_FORM "__Host-sid=%s; Secure; HttpOnly; SameSite=Strict; Path=/"

/* --- answers -----------------------------------------------------------------------------------
 */

const char *people_problem_code(enum people_err err)
{
    static const char *const codes[PEOPLE_ERR_COUNT] = {
        [PEOPLE_INVALID] = "validation",
        [PEOPLE_REFUSED] = "unauthenticated",
        [PEOPLE_NO_SESSION] = "unauthenticated",
        [PEOPLE_FORBIDDEN] = "forbidden-role",
        [PEOPLE_FACTOR] = "second-factor-required",
        [PEOPLE_DUTY] = "enrolment-required",
        [PEOPLE_SELF] = "not-for-oneself",
        [PEOPLE_TWO] = "approval-required",
        [PEOPLE_NOT_ELIGIBLE] = "not-eligible",
        [PEOPLE_NOT_FOUND] = "not-found",
        [PEOPLE_CONFLICT] = "conflict",
        [PEOPLE_MOVED] = "version-conflict",
        [PEOPLE_SAME_PERSON] = "self-approval",
        [PEOPLE_LATE] = "approval-expired",
        [PEOPLE_DECIDED] = "change-decided",
        [PEOPLE_ALTERED] = "payload-differs",
        [PEOPLE_BUSY] = "busy",
        [PEOPLE_NO_MASTER] = "no-master-key",
        [PEOPLE_STALE] = "sessions-stale",
        [PEOPLE_UNAVAILABLE] = "unavailable",
        [PEOPLE_UNKNOWN] = "outcome-unknown",
    };

    GW_ASSERT(codes[err] != NULL);
    return codes[err];
}

const char *people_problem_next(enum people_err err)
{
    switch (err) {
    case PEOPLE_NO_SESSION:
        return "POST /v1/session with name, password and code";
    case PEOPLE_FACTOR:
        return "enter a code of the second factor (POST /v1/session/factor), then repeat";
    case PEOPLE_DUTY:
        return "POST /v1/session/password, then /v1/session/enrol and its confirm";
    case PEOPLE_STALE:
    case PEOPLE_UNAVAILABLE:
    case PEOPLE_UNKNOWN:
        return "try again when PostgreSQL answers (see /readyz)";
    case PEOPLE_SAME_PERSON:
        return "another person approves it";
    case PEOPLE_LATE:
        return "ask for it again";
    case PEOPLE_DECIDED:
        return "look at what became of it (GET /v1/role-requests/{id})";
    case PEOPLE_ALTERED:
        return "look at it again, and approve what it says now";
    case PEOPLE_NO_MASTER:
        return "set auth.master_key_file (portcullis --make-master-key FILE)";
    default:
        return NULL;
    }
}

void call_people_problem(struct api_call *c, enum people_err err, const char *field,
                         const char *why)
{
    const struct people_err_row *row = people_err_row(err);

    if (err == PEOPLE_BUSY || err == PEOPLE_STALE || err == PEOPLE_UNAVAILABLE) {
        http_set_header(c->req, "retry-after", "1");
    }
    call_problem(c, &(struct api_problem){row->http_status, people_problem_code(err), row->text,
                                          why != NULL             ? why
                                          : err != PEOPLE_INVALID ? people_problem_next(err)
                                                                  : "this field is missing or not "
                                                                    "acceptable",
                                          err == PEOPLE_INVALID ? field : NULL});
}

void people_started(struct api_call *c, enum people_err err)
{
    if (err == PEOPLE_OK) {
        c->owed = true;
    } else {
        call_people_problem(c, err, NULL, NULL);
    }
}

bool people_text_of(struct api_call *c, const json_t *root, const char *name, bool required,
                    const char **out)
{
    const json_t *v = json_object_get(root, name);

    *out = json_string_value(v);
    if (*out != NULL ? strlen(*out) != json_string_length(v) : v != NULL || required) {
        call_invalid(c, name, v == NULL ? "it is missing" : "a text without NUL");
        return false;
    }
    return true;
}

static void set_cookie(struct api_call *c, const char *token)
{
    char text[128];

    (void)snprintf(text, sizeof text, COOKIE_FORM, token);
    http_set_header(c->req, "set-cookie", text);
    explicit_bzero(text, sizeof text);
}

/* Who it is now, and what the page must send back with changes. */
static void put_session(const struct api_call *c, const struct people_session *s, const char *csrf,
                        struct buf *out)
{
    people_session_json(c->api->opt.people, s, out);
    out->len--; /* its brace */
    buf_printf(out, ",\"csrf\":\"%s\"", csrf);
}

static void finish(struct api_call *c, struct buf *body)
{
    call_reply(c, 200, body);
    explicit_bzero(body->data, body->len);
    buf_fini(body);
}

static void on_session(void *arg, const struct people_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != PEOPLE_OK) {
        call_people_problem(c, a->err, a->field, a->why);
        return;
    }
    set_cookie(c, a->token);
    put_session(c, a->session, a->csrf, &body);
    if (c->route->access == ACCESS_ANYBODY) {
        buf_printf(&body, ",\"failed_before\":%u", a->failures);
    }
    if (a->code_count != 0) {
        buf_lit(&body, ",\"recovery_codes\":[");
        for (size_t i = 0; i < a->code_count; i++) {
            buf_printf(&body, "%s\"%s\"", i != 0 ? "," : "", a->codes[i]);
        }
        buf_putc(&body, ']');
    }
    buf_putc(&body, '}');
    finish(c, &body);
}

/* --- log-in ------------------------------------------------------------------------------------
 */

static void log_in(struct api_call *c)
{
    static const char *const names[] = {"name", "password", "code", NULL};
    struct people_login login = {.ip = http_peer_ip(c->req),
                                 .user_agent = http_header(c->req, "user-agent")};
    json_t *root = body_read(c, names);

    if (root == NULL) {
        return;
    }
    if (people_text_of(c, root, "name", true, &login.name) &&
        people_text_of(c, root, "password", true, &login.password) &&
        people_text_of(c, root, "code", false, &login.code)) {
        login.code = login.code != NULL ? login.code : "";
        people_started(c, people_login(c->api->opt.people, &login, on_session, c));
    }
    json_decref(root);
}

static void on_trip(void *arg, const struct limits_answer *answer)
{
    struct api_call *c = arg;

    c->wait = NULL;
    admit_tell_limits(c, &answer->left[0]);
    if (answer->verdict != LIMITS_TAKEN) {
        c->limited(c, answer);
    } else {
        log_in(c);
    }
}

/* Without Redis this gateway admits its part of an address's tries: those of a user are counted by
 * PostgreSQL, without which nobody logs in. */
void session_log_in(struct api *a, struct http_req *req)
{
    struct api_call *c = call_create(a, req, api_find_route(req));
    struct limits_ask ask = {.count = 1};
    struct limits_answer now;

    admit_prepare(c);
    if (a->opt.people == NULL) {
        call_people_problem(c, PEOPLE_UNAVAILABLE, NULL, NULL);
        return;
    }
    if (!session_from_page(c)) {
        return;
    }
    c->class = LIMITS_LOGIN;
    ask.units[0] = (struct limits_unit){.class = LIMITS_LOGIN, .id = http_peer_ip(req), .cost = 1};
    c->wait = limits_take(a->opt.limits, &ask, &now, on_trip, c);
    if (c->wait == NULL) {
        on_trip(c, &now);
    }
}

/* --- of a session ------------------------------------------------------------------------------
 */

/* Keys have no session of their own. */
static bool has_session(struct api_call *c)
{
    struct gate_problem p;

    if (c->token[0] != '\0') {
        return true;
    }
    (void)gate_fail(&p, PROBLEM_FORBIDDEN, "this is for people who have logged in, not for keys");
    call_gate_problem(c, &p);
    return false;
}

/* A key may ask who it is. */
static void tell_key(struct api_call *c)
{
    struct buf body = {0};
    const char *comma = "";

    buf_printf(&body, "{\"key\":\"%s\",\"person\":", c->keyid);
    buf_json_str(&body, c->person, strlen(c->person));
    buf_lit(&body, ",\"permissions\":[");
    for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
        if (roles_allow(c->may, (enum permission)i)) {
            buf_printf(&body, "%s\"%s\"", comma, permission_rows[i].word);
            comma = ",";
        }
    }
    buf_lit(&body, "]}");
    finish(c, &body);
}

void session_get(struct api_call *c)
{
    const struct people_session *s;
    char csrf[SESSION_TOKEN_SIZE];
    struct buf body = {0};
    enum people_err err;

    if (c->token[0] == '\0') {
        tell_key(c);
        return;
    }
    err = people_find(c->api->opt.people, c->token, strlen(c->token), false, &s);
    if (err != PEOPLE_OK) {
        call_people_problem(c, err, NULL, NULL);
        return;
    }
    GW_ASSERT(session_csrf(c->token, strlen(c->token), csrf));
    put_session(c, s, csrf, &body);
    buf_putc(&body, '}');
    finish(c, &body);
}

static void on_ended(void *arg, const struct people_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != PEOPLE_OK) {
        call_people_problem(c, a->err, a->field, a->why);
        return;
    }
    set_cookie(c, "; Max-Age=0");
    buf_lit(&body, "{\"ended\":true}");
    finish(c, &body);
}

void session_end(struct api_call *c)
{
    if (has_session(c)) {
        people_started(c, people_logout(c->api->opt.people, c->token, on_ended, c));
    }
}

typedef enum people_err code_fn(struct people *p, const char *token, const char *code,
                                people_answer_fn *cb, void *arg);

static void with_code(struct api_call *c, code_fn *run)
{
    static const char *const names[] = {"code", NULL};
    const char *code;
    json_t *root = has_session(c) ? body_read(c, names) : NULL;

    if (root != NULL && people_text_of(c, root, "code", true, &code)) {
        people_started(c, run(c->api->opt.people, c->token, code, on_session, c));
    }
    json_decref(root);
}

void session_factor(struct api_call *c)
{
    with_code(c, people_renew);
}

void session_confirm(struct api_call *c)
{
    with_code(c, people_enrol_confirm);
}

void session_password(struct api_call *c)
{
    static const char *const names[] = {"old", "password", NULL};
    const char *old;
    const char *password;
    json_t *root = has_session(c) ? body_read(c, names) : NULL;

    if (root != NULL && people_text_of(c, root, "old", true, &old) &&
        people_text_of(c, root, "password", true, &password)) {
        people_started(
            c, people_choose_password(c->api->opt.people, c->token, old, password, on_session, c));
    }
    json_decref(root);
}

static void on_shown(void *arg, const struct people_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != PEOPLE_OK) {
        call_people_problem(c, a->err, a->field, a->why);
        return;
    }
    buf_printf(&body, "{\"secret\":\"%s\",\"uri\":", a->secret);
    buf_json_str(&body, a->uri, strlen(a->uri));
    buf_putc(&body, '}');
    finish(c, &body);
}

void session_enrol(struct api_call *c)
{
    static const char *const names[] = {NULL};
    size_t len;
    json_t *root = NULL;

    if (!has_session(c)) {
        return;
    }
    (void)http_body(c->req, &len);
    if (len != 0 && (root = body_read(c, names)) == NULL) {
        return;
    }
    json_decref(root);
    people_started(c, people_enrol(c->api->opt.people, c->token, on_shown, c));
}

void session_elevate(struct api_call *c)
{
    static const char *const names[] = {"role", "seconds", "reason", "ticket", NULL};
    json_t *root;
    const char *word;
    const char *reason;
    const char *ticket;
    json_int_t seconds;
    enum role role;

    if (!has_session(c) || !session_allowed(c, PERM_PEOPLE_ELEVATE) ||
        (root = body_read(c, names)) == NULL) {
        return;
    }
    seconds = json_integer_value(json_object_get(root, "seconds"));
    if (!people_text_of(c, root, "role", true, &word) ||
        !people_text_of(c, root, "reason", true, &reason) ||
        !people_text_of(c, root, "ticket", true, &ticket)) {
        /* answered */
    } else if (!role_parse(word, strlen(word), &role)) {
        call_invalid(c, "role", "one of the roles of docs/reference/ROLES.md");
    } else if (seconds < PEOPLE_ELEVATE_MIN_S || seconds > PEOPLE_ELEVATE_MAX_S) {
        call_invalid(c, "seconds", "900 to 3600");
    } else {
        people_started(c, people_elevate(c->api->opt.people, c->token, role, (uint32_t)seconds,
                                         reason, ticket, on_session, c));
    }
    json_decref(root);
}
