/* user requests, user request; user approve, reject, cancel: grants of roles that take two persons. */
#include "admin_api/portctl/decide.h"

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

/* What is told of REQUEST, a line each; nothing for what is not. */
static void put_request(struct buf *out, const json_t *request)
{
    fields_given(out, request, all_fields, GW_LEN(all_fields));
}

static void put_word(struct buf *out, const json_t *request)
{
    const char *role = text_member(request, "role");

    table_clean(out, role, strlen(role));
}

static const struct decide_kind kind = {
    .path = "/v1/role-requests/",
    .member = "request",
    .show = "user request",
    .put = put_request,
    .put_word = put_word,
};

enum portctl_exit role_request_show(struct client *c, const struct args *a)
{
    return decide_show(c, a, &kind);
}

enum portctl_exit role_request_approve(struct client *c, const struct args *a)
{
    return decide_approve(c, a, &kind);
}

enum portctl_exit role_request_reject(struct client *c, const struct args *a)
{
    return decide_reject(c, a, &kind);
}

enum portctl_exit role_request_cancel(struct client *c, const struct args *a)
{
    return decide_cancel(c, a, &kind);
}
