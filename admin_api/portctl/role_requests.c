/* user requests, user request; user approve, reject, cancel: grants of roles that take two persons. What is
 * approved is what was shown: its hash goes along. */
#include "admin_api/portctl/ask.h"

#include <string.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/people_rows.h"
#include "admin_api/portctl/text.h"

/* clang-format off */
#define ROW_REASON {"reason", "TEXT", "why, for the audit log (that of the request)", NULL, 0, '\0'}
const struct opt role_requests_options[] = {
    {"open", NULL, "those that wait for a second person", NULL, 0, '\0'},
    {0},
};
const struct opt role_approve_options[] = {
    ROW_REASON,
    {"yes", NULL, "do not ask, for programs", NULL, 0, '\0'},
    {0},
};
const struct opt role_decide_options[] = {ROW_REASON, {0}};
/* clang-format on */

static const struct field columns[] = {
    {"ID", "id", FIELD_PLAIN},
    {"STATE", "state", FIELD_PLAIN},
    {"USER", "user", FIELD_PLAIN},
    {"ROLE", "role", FIELD_PLAIN},
    {"KIND", "kind", FIELD_PLAIN},
    {"REQUESTED BY", "requested_by", FIELD_PLAIN},
    {"EXPIRES", "expires_at", FIELD_TIME},
    {"TICKET", "ticket", FIELD_PLAIN},
    {"REASON", "reason", FIELD_PLAIN},
};

static const struct field all_fields[] = {
    {"id", "id", FIELD_PLAIN},
    {"state", "state", FIELD_PLAIN},
    {"user", "user", FIELD_PLAIN},
    {"role", "role", FIELD_PLAIN},
    {"kind", "kind", FIELD_PLAIN},
    {"until", "until", FIELD_TIME},
    {"requested by", "requested_by", FIELD_PLAIN},
    {"with", "requested_with", FIELD_PLAIN},
    {"requested", "created_at", FIELD_TIME},
    {"expires", "expires_at", FIELD_TIME},
    {"reason", "reason", FIELD_PLAIN},
    {"ticket", "ticket", FIELD_PLAIN},
    {"decided by", "decided_by", FIELD_PLAIN},
    {"decided", "decided_at", FIELD_TIME},
    {"because", "decided_why", FIELD_PLAIN},
    {"hash", "hash", FIELD_PLAIN},
};

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    struct buf out = {0};

    (void)root;
    if (json_array_size(list) == 0) {
        say(args_get(a, "open") != NULL ? "no request waits" : "no requests");
        return;
    }
    fields_list(&out, list, columns, GW_LEN(columns));
    print_buf(&out);
}

enum portctl_exit role_requests(struct client *c, const struct args *a)
{
    bool open = args_get(a, "open") != NULL;

    return show_list(c, a, open ? "/v1/role-requests?open=true" : "/v1/role-requests", "requests",
                     print_list);
}

static void put_path(struct buf *out, const char *id, const char *tail)
{
    buf_lit(out, "/v1/role-requests/");
    put_segment(out, id);
    buf_puts(out, tail);
}

/* *REQUEST: part of ANSWER. */
static enum portctl_exit fetch(struct client *c, const char *id, struct answer *answer,
                               const json_t **request)
{
    struct buf target = {0};
    enum portctl_exit code;

    put_path(&target, id, "");
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, answer);
    buf_fini(&target);
    *request = json_object_get(answer->root, "request");
    return code == PORTCTL_DONE && !json_is_object(*request) ? answer_lacks("request") : code;
}

/* What is told of REQUEST, a line each; nothing for what is not. */
static void put_request(struct buf *out, const json_t *request)
{
    fields_given(out, request, all_fields, GW_LEN(all_fields));
}

enum portctl_exit role_request_show(struct client *c, const struct args *a)
{
    struct answer answer;
    const json_t *request;
    enum portctl_exit code = fetch(c, a->words[0], &answer, &request);

    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        struct buf out = {0};

        put_request(&out, request);
        print_buf(&out);
    }
    answer_fini(&answer);
    return code;
}

/* --- deciding ---------------------------------------------------------------------------------- */

static void tell(struct client *c, const struct answer *answer)
{
    if (client_settings(c)->json) {
        print_json(answer);
    } else {
        printf("done: %s\n", text_member(json_object_get(answer->root, "request"), "state"));
    }
}

/* It was sent twice, and the first time may have got there. */
static enum portctl_exit decided_before(struct client *c, const char *id, const char *state)
{
    struct answer answer;
    const json_t *request;
    enum portctl_exit code = fetch(c, id, &answer, &request);

    if (code == PORTCTL_DONE && strcmp(text_member(request, "state"), state) == 0) {
        tell(c, &answer);
    } else if (code == PORTCTL_DONE) {
        say("it was decided meanwhile");
        say_next("portctl user request %s", id);
        code = PORTCTL_REFUSED;
    }
    answer_fini(&answer);
    return code;
}

/* TAIL: "/approve"; STATE: what the request is in afterwards. */
static enum portctl_exit decide(struct client *c, const struct args *a, const char *tail,
                                const char *state, const char *hash)
{
    json_t *body = json_pack("{s:s*, s:s*}", "hash", hash, "reason", args_get(a, "reason"));
    struct buf target = {0};
    struct answer answer = {0};
    enum portctl_exit code;
    bool again;

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    put_path(&target, a->words[0], tail);
    code = client_call(
        c, &(struct call){.method = "POST", .target = buf_cstr(&target), .body = body}, &answer);
    again = answer.repeated && answer.status == 409 &&
            strcmp(text_member(answer.root, "code"), "change-decided") == 0;
    if (code == PORTCTL_DONE) {
        tell(c, &answer);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return again ? decided_before(c, a->words[0], state) : code;
}

enum portctl_exit role_request_approve(struct client *c, const struct args *a)
{
    struct answer answer;
    const json_t *request;
    struct buf out = {0};
    struct buf word = {0};
    enum portctl_exit code;

    if (!ask_possible(a, &code)) {
        return code;
    }
    code = fetch(c, a->words[0], &answer, &request);
    if (code == PORTCTL_DONE) {
        const char *role = text_member(request, "role");

        if (!client_settings(c)->json || args_get(a, "yes") == NULL) {
            put_request(&out, request);
            (void)fwrite(out.data, 1, out.len, stderr);
        }
        table_clean(&word, role, strlen(role));
        code = ask_confirm(a, buf_cstr(&word))
                   ? decide(c, a, "/approve", "approved", text_member(request, "hash"))
                   : PORTCTL_USAGE;
    }
    answer_fini(&answer);
    buf_fini(&out);
    buf_fini(&word);
    return code;
}

enum portctl_exit role_request_reject(struct client *c, const struct args *a)
{
    return decide(c, a, "/reject", "rejected", NULL);
}

enum portctl_exit role_request_cancel(struct client *c, const struct args *a)
{
    return decide(c, a, "/cancel", "cancelled", NULL);
}
