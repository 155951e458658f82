/* admin_api/people.c - users, roles, sessions and the access review over REST: what the body says
 * becomes a call of auth/people, which makes the change and its audit entry in one transaction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "admin_api/api_priv.h"
#include "auth/words.h"
#include "gateway/base/fixed.h"

/* --- answers -----------------------------------------------------------------------------------
 */

/* A view, as it is. */
static void on_view(void *arg, const struct people_answer *a)
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
    buf_append(&body, a->json, a->json_len);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* {"user":..} with the temporary password, shown once; {"done":true} where no user is named. */
static void on_change(void *arg, const struct people_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};
    const char *name;

    if (!call_back(c)) {
        return;
    }
    if (a->err != PEOPLE_OK) {
        call_people_problem(c, a->err, a->field, a->why);
        return;
    }
    name = http_param(c->req, "name");
    name = name != NULL ? name : c->target[0] != '\0' ? c->target : NULL;
    buf_lit(&body, "{\"done\":true");
    if (name != NULL) {
        buf_lit(&body, ",\"user\":");
        buf_json_str(&body, name, strlen(name));
    }
    if (a->password != NULL) {
        buf_printf(&body, ",\"password\":\"%s\",\"password_good_s\":%u", a->password,
                   PEOPLE_TEMPORARY_S);
    }
    buf_putc(&body, '}');
    call_reply(c, c->route->handler == people_create_user ? 201 : 200, &body);
    explicit_bzero(body.data, body.len);
    buf_fini(&body);
}

/* --- what is asked -----------------------------------------------------------------------------
 */

struct people *call_people(struct api_call *c)
{
    struct people *p = c->api->opt.people;

    if (p == NULL) {
        call_people_problem(c, PEOPLE_UNAVAILABLE, NULL, NULL);
    }
    return p;
}

/* The body with NAMES, and who asks with reason and ticket; NULL: answered. */
static json_t *read_change(struct api_call *c, const char *const *names, struct people_by *by)
{
    json_t *root = call_people(c) != NULL ? body_read(c, names) : NULL;

    if (root == NULL) {
        return NULL; /* and C is gone */
    }
    *by = (struct people_by){.actor = c->actor, .session = c->session, .ip = http_peer_ip(c->req)};
    if (!people_text_of(c, root, "reason", false, &by->reason) ||
        !people_text_of(c, root, "ticket", false, &by->ticket)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static const char *const by_names[] = {"reason", "ticket", NULL};

/* Nobody does this for herself, be it by a key of hers. False: answered. */
static bool for_another(struct api_call *c, const char *name)
{
    if (strncmp(c->person, "user:", 5) == 0 && strcmp(c->person + 5, name) == 0) {
        call_people_problem(c, PEOPLE_SELF, NULL, NULL);
        return false;
    }
    return true;
}

/* --- users -------------------------------------------------------------------------------------
 */

void people_users_list(struct api_call *c)
{
    if (call_people(c) != NULL) {
        people_started(c, people_users(c->api->opt.people, on_view, c));
    }
}

void people_create_user(struct api_call *c)
{
    static const char *const names[] = {"name", "label", "reason", "ticket", NULL};
    struct people_by by;
    const char *name;
    const char *label;
    json_t *root = read_change(c, names, &by);

    if (root != NULL && people_text_of(c, root, "name", true, &name) &&
        people_text_of(c, root, "label", true, &label)) {
        (void)snprintf(c->target, sizeof c->target, "%s", name);
        people_started(c, people_user_create(c->api->opt.people, &by, name, label, on_change, c));
    }
    json_decref(root);
}

static void set_enabled(struct api_call *c, bool enable)
{
    const char *name = http_param(c->req, "name");
    struct people_by by;
    json_t *root;

    c->word = name;
    root = read_change(c, by_names, &by);
    if (root != NULL && for_another(c, name)) {
        people_started(c, people_user_enable(c->api->opt.people, &by, name, enable, on_change, c));
    }
    json_decref(root);
}

void people_enable(struct api_call *c)
{
    set_enabled(c, true);
}

void people_disable(struct api_call *c)
{
    set_enabled(c, false);
}

void people_reset(struct api_call *c)
{
    static const char *const names[] = {"second_factor", "reason", "ticket", NULL};
    const char *name = http_param(c->req, "name");
    struct people_by by;
    const json_t *factor;
    json_t *root;

    c->word = name;
    root = read_change(c, names, &by);
    factor = json_object_get(root, "second_factor");
    if (root == NULL) {
        return;
    }
    if (factor != NULL && !json_is_boolean(factor)) {
        call_invalid(c, "second_factor", "true or false");
    } else if (for_another(c, name)) {
        people_started(c, people_user_reset(c->api->opt.people, &by, name, json_is_true(factor),
                                            on_change, c));
    }
    json_decref(root);
}

/* --- roles -------------------------------------------------------------------------------------
 */

static void grant(struct api_call *c, const struct people_by *by, struct people_ask *ask)
{
    if (c->api->opt.people_config->two_persons && role_rows[ask->role].two) {
        role_request_ask(c, by, ask);
    } else {
        people_started(c, people_grant(c->api->opt.people, by, ask->name, ask->role, ask->eligible,
                                       ask->until_ns, on_change, c));
    }
}

static bool read_kind(struct api_call *c, const json_t *root, bool *eligible)
{
    const char *kind;

    if (!people_text_of(c, root, "kind", false, &kind)) {
        return false;
    }
    *eligible = kind != NULL && strcmp(kind, "eligible") == 0;
    if (kind != NULL && !*eligible && strcmp(kind, "standing") != 0) {
        call_invalid(c, "kind", "standing, or eligible (she may take it up for a while)");
        return false;
    }
    return true;
}

static bool read_until(struct api_call *c, const json_t *root, int64_t *until_ns)
{
    const char *until;

    if (!people_text_of(c, root, "until", false, &until)) {
        return false;
    }
    if (until != NULL && rfc3339_parse(until, strlen(until), until_ns) != GW_OK) {
        call_invalid(c, "until", "a time in UTC as 2026-11-20T23:51:47Z");
        return false;
    }
    return true;
}

static bool read_role(struct api_call *c, const char *word, enum role *out)
{
    if (role_parse(word, strlen(word), out)) {
        return true;
    }
    call_invalid(c, "role", "one of the roles of docs/reference/ROLES.md");
    return false;
}

void people_role_grant(struct api_call *c)
{
    static const char *const names[] = {"role",   "kind",    "until", "reason",
                                        "ticket", "confirm", NULL};
    const char *word;
    struct people_by by;
    struct people_ask ask = {.name = http_param(c->req, "name")};
    json_t *root = read_change(c, names, &by);

    if (root == NULL) {
        return;
    }
    if (people_text_of(c, root, "role", true, &word) && read_role(c, word, &ask.role) &&
        body_confirmed(c, root, word) && read_kind(c, root, &ask.eligible) &&
        read_until(c, root, &ask.until_ns) && for_another(c, ask.name)) {
        if (by.reason == NULL || !words_fit(by.reason, PEOPLE_REASON_MIN, PEOPLE_REASON_MAX)) {
            call_invalid(c, "reason", "10 to 500 characters");
        } else if (by.ticket != NULL && !words_fit(by.ticket, 1, PEOPLE_TICKET_MAX)) {
            call_invalid(c, "ticket", "1 to 100 characters");
        } else {
            grant(c, &by, &ask);
        }
    }
    json_decref(root);
}

void people_role_end(struct api_call *c)
{
    struct people_by by;
    enum role role;
    json_t *root;

    c->word = http_param(c->req, "role");
    root = read_change(c, by_names, &by);
    if (root != NULL && read_role(c, http_param(c->req, "role"), &role)) {
        people_started(c, people_revoke(c->api->opt.people, &by, http_param(c->req, "name"), role,
                                        on_change, c));
    }
    json_decref(root);
}

/* --- sessions ----------------------------------------------------------------------------------
 */

void people_sessions_list(struct api_call *c)
{
    if (call_people(c) != NULL) {
        people_started(c,
                       people_sessions(c->api->opt.people, http_query(c->req, "user"), on_view, c));
    }
}

static void kill_sessions(struct api_call *c, const char *id, const char *name)
{
    struct people_by by;
    json_t *root;

    c->word = name; /* of one session nobody here knows whose it is */
    root = read_change(c, by_names, &by);
    if (root != NULL) {
        people_started(c, people_kill(c->api->opt.people, &by, id, name, on_change, c));
    }
    json_decref(root);
}

void people_session_kill(struct api_call *c)
{
    kill_sessions(c, http_param(c->req, "id"), NULL);
}

void people_user_log_out(struct api_call *c)
{
    kill_sessions(c, NULL, http_param(c->req, "name"));
}

/* --- the access review -------------------------------------------------------------------------
 */

void people_review_get(struct api_call *c)
{
    if (call_people(c) != NULL) {
        people_started(c, people_review(c->api->opt.people, on_view, c));
    }
}

void people_review_put(struct api_call *c)
{
    static const char *const names[] = {"hash", "note", "reason", "ticket", NULL};
    struct people_by by;
    const char *hash;
    const char *note;
    json_t *root;

    c->word = "SIGN";
    root = read_change(c, names, &by);
    if (root != NULL && people_text_of(c, root, "hash", true, &hash) &&
        people_text_of(c, root, "note", true, &note)) {
        people_started(c, people_review_sign(c->api->opt.people, &by, hash, note, on_change, c));
    }
    json_decref(root);
}
