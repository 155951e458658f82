/* Commands on users, sessions and the access review. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/people_rows.h"
#include "admin_api/portctl/table.h"
#include "admin_api/portctl/text.h"
#include "gateway/runtime/clock.h"

#define ROLES "viewer responder operator approver security auditor admin break_glass"

/* clang-format off */
#define WHY                                                                                        \
    {"reason", "TEXT", "why, for the audit log: 10 to 500 characters", NULL, OPT_REQUIRED, '\0'},  \
    {"ticket", "ID",   "number of the ticket",                         NULL, 0,            '\0'}
const struct opt why_options[] = {WHY, {0}};
const struct opt create_options[] = {
    {"label", "TEXT", "her name as people say it", NULL, OPT_REQUIRED, '\0'},
    {"reason", "TEXT", "why, for the audit log", NULL, 0, '\0'},
    {"ticket", "ID", "number of the ticket", NULL, 0, '\0'},
    {0},
};
const struct opt reset_options[] = {
    {"factor", NULL, "take her second factor, too", NULL, 0, '\0'},
    WHY, {0},
};
const struct opt grant_options[] = {
    {"eligible", NULL,   "she may take it up for a while; else she holds it", NULL, 0, '\0'},
    {"until",    "TIME", "its end: RFC 3339, or 24h, 7d from now", NULL, 0, '\0'},
    WHY, {0},
};
const struct opt sessions_options[] = {
    {"user", "NAME", "only hers", NULL, 0, '\0'},
    {0},
};
const struct opt review_options[] = {
    {"sign", "NOTE", "sign off what is shown: what you found, 10 to 500 characters", NULL, 0, '\0'},
    {0},
};
/* clang-format on */

/* --- changes ------------------------------------------------------------------------------------
 */

static void put_target(struct buf *out, const char *lead, const char *name, const char *tail)
{
    buf_puts(out, lead);
    put_segment(out, name);
    buf_puts(out, tail);
}

/* Reason and ticket of the line; NULL: said. */
static json_t *why_of(const struct args *args)
{
    json_t *body = json_pack("{s:s*, s:s*}", "reason", args_get(args, "reason"), "ticket",
                             args_get(args, "ticket"));

    if (body == NULL) {
        say_not_utf8();
    }
    return body;
}

static bool put_text(json_t *body, const char *name, const char *text)
{
    if (json_object_set_new(body, name, json_string(text)) == 0) {
        return true;
    }
    say_not_utf8();
    return false;
}

static void say_waits(const json_t *request)
{
    struct buf id = {0};
    struct buf ends = {0};
    const char *text = text_member(request, "id");

    table_clean(&id, text, strlen(text));
    put_time(&ends, text_member(request, "expires_at"));
    say("requested: %s waits for a second person until %s; nothing is granted yet", buf_cstr(&id),
        buf_cstr(&ends));
    say_next("another person: portctl user approve %s; take it back: portctl user cancel %s",
             buf_cstr(&id), buf_cstr(&id));
    buf_fini(&id);
    buf_fini(&ends);
}

/* Sends and says what came of it; the temporary password on a line of its own. */
static enum portctl_exit change(struct client *c, const char *method, const char *target,
                                json_t *body)
{
    struct answer a;
    enum portctl_exit code =
        client_call(c, &(struct call){.method = method, .target = target, .body = body}, &a);
    const char *password = json_string_value(json_object_get(a.root, "password"));
    bool waiting = json_object_get(a.root, "waits_for") != NULL;

    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&a);
    } else if (code == PORTCTL_DONE && password != NULL) {
        struct buf out = {0};

        table_clean(&out, password, strlen(password));
        buf_putc(&out, '\n');
        print_buf(&out);
        say("that is her temporary password: good for three days, and only for choosing another");
    } else if (code == PORTCTL_DONE && waiting) {
        say_waits(json_object_get(a.root, "request"));
    } else if (code == PORTCTL_DONE) {
        say("done");
    }
    answer_fini(&a);
    return code == PORTCTL_DONE && waiting ? PORTCTL_WAITING : code;
}

static enum portctl_exit about(struct client *c, const struct args *args, const char *method,
                               const char *lead, const char *tail, json_t *body)
{
    struct buf target = {0};
    enum portctl_exit code = PORTCTL_USAGE;

    if (body != NULL) {
        put_target(&target, lead, args->words[0], tail);
        code = change(c, method, buf_cstr(&target), body);
    }
    buf_fini(&target);
    return code;
}

enum portctl_exit user_create(struct client *c, const struct args *args)
{
    json_t *body = why_of(args);

    if (body == NULL || !put_text(body, "name", args->words[0]) ||
        !put_text(body, "label", args_get(args, "label"))) {
        json_decref(body);
        return PORTCTL_USAGE;
    }
    return change(c, "POST", "/v1/users", body);
}

enum portctl_exit user_disable(struct client *c, const struct args *args)
{
    return about(c, args, "POST", "/v1/users/", "/disable", why_of(args));
}

enum portctl_exit user_enable(struct client *c, const struct args *args)
{
    return about(c, args, "POST", "/v1/users/", "/enable", why_of(args));
}

enum portctl_exit user_reset(struct client *c, const struct args *args)
{
    json_t *body = why_of(args);

    if (body != NULL) {
        (void)json_object_set_new(body, "second_factor",
                                  json_boolean(args_get(args, "factor") != NULL));
    }
    return about(c, args, "POST", "/v1/users/", "/reset", body);
}

/* "7d" as a time; RFC 3339 as it is. To the minute, so that two persons can type the same. */
static bool put_until(json_t *body, const char *text)
{
    struct buf out = {0};
    uint64_t seconds;
    bool ok;

    if (duration_parse(text, &seconds)) {
        int64_t s = clock_real_ns() / 1000000000 + (int64_t)seconds;

        buf_rfc3339(&out, (s - s % 60) * 1000000000, 0);
    } else {
        buf_puts(&out, text);
    }
    ok = put_text(body, "until", buf_cstr(&out));
    buf_fini(&out);
    return ok;
}

enum portctl_exit user_grant(struct client *c, const struct args *args)
{
    const char *until = args_get(args, "until");
    json_t *body = why_of(args);

    if (body == NULL || !put_text(body, "role", args->words[1]) ||
        !put_text(body, "kind", args_get(args, "eligible") != NULL ? "eligible" : "standing") ||
        (until != NULL && !put_until(body, until))) {
        json_decref(body);
        return PORTCTL_USAGE;
    }
    return about(c, args, "POST", "/v1/users/", "/roles", body);
}

enum portctl_exit user_revoke(struct client *c, const struct args *args)
{
    struct buf tail = {0};
    enum portctl_exit code;

    put_target(&tail, "/roles/", args->words[1], "");
    code = about(c, args, "DELETE", "/v1/users/", buf_cstr(&tail), why_of(args));
    buf_fini(&tail);
    return code;
}

enum portctl_exit sessions_kill(struct client *c, const struct args *args)
{
    return about(c, args, "DELETE", "/v1/sessions/", "", why_of(args));
}

/* --- views --------------------------------------------------------------------------------------
 */

enum kind { PLAIN, TIME, YES, ROLE_LIST };
struct column {
    const char *title;
    const char *member;
    enum kind kind;
};

/* "operator admin(eligible)" */
static void put_roles(struct buf *out, const json_t *list)
{
    size_t i;
    const json_t *v;

    json_array_foreach(list, i, v)
    {
        const char *role = json_string_value(json_object_get(v, "role"));
        const char *kind = json_string_value(json_object_get(v, "kind"));

        buf_printf(out, "%s%s", i != 0 ? " " : "", role != NULL ? role : "?");
        if (kind != NULL && strcmp(kind, "standing") != 0) {
            buf_printf(out, "(%s)", kind);
        }
    }
}

static void add_cell(struct table *t, const json_t *row, const struct column *column)
{
    const json_t *v = json_object_get(row, column->member);
    struct buf text = {0};

    if (column->kind == ROLE_LIST) {
        put_roles(&text, v);
    } else if (column->kind == YES) {
        buf_puts(&text, json_is_true(v) ? "yes" : "no");
    } else if (json_is_string(v) && column->kind == TIME) {
        put_time(&text, json_string_value(v));
    } else if (json_is_string(v)) {
        buf_puts(&text, json_string_value(v));
    }
    table_cell(t, buf_cstr(&text));
    buf_fini(&text);
}

static void print_rows(const json_t *rows, const struct column *columns, unsigned count)
{
    const char *titles[8];
    struct table t;
    struct buf out = {0};
    size_t i;
    const json_t *row;

    GW_ASSERT(count <= GW_LEN(titles));
    for (unsigned k = 0; k < count; k++) {
        titles[k] = columns[k].title;
    }
    table_init(&t, count, titles);
    json_array_foreach(rows, i, row)
    {
        for (unsigned k = 0; k < count; k++) {
            add_cell(&t, row, &columns[k]);
        }
    }
    table_print(&t, &out);
    table_fini(&t);
    if (out.len == 0) {
        say("there are none");
    }
    print_buf(&out);
}

static enum portctl_exit list(struct client *c, const char *target, const char *name,
                              const struct column *columns, unsigned count)
{
    struct answer a;
    enum portctl_exit code = client_call(c, &(struct call){.method = "GET", .target = target}, &a);
    const json_t *rows = json_object_get(a.root, name);

    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&a);
    } else if (code == PORTCTL_DONE && !json_is_array(rows)) {
        code = answer_lacks(name);
    } else if (code == PORTCTL_DONE) {
        print_rows(rows, columns, count);
    }
    answer_fini(&a);
    return code;
}

static const struct column user_columns[] = {
    {"NAME", "name", PLAIN},          {"LABEL", "label", PLAIN},
    {"STATE", "state", PLAIN},        {"FACTOR", "second_factor", YES},
    {"LOGIN", "last_login_at", TIME}, {"ROLES", "roles", ROLE_LIST},
};

enum portctl_exit user_list(struct client *c, const struct args *args)
{
    (void)args;
    return list(c, "/v1/users", "users", user_columns, GW_LEN(user_columns));
}

enum portctl_exit sessions_list(struct client *c, const struct args *args)
{
    static const struct column columns[] = {
        {"SESSION", "session", PLAIN}, {"USER", "user", PLAIN},        {"FROM", "ip", PLAIN},
        {"BEGAN", "created_at", TIME}, {"SEEN", "last_seen_at", TIME}, {"ENDS", "ends_at", TIME},
    };
    const char *user = args_get(args, "user");
    struct buf target = {0};
    enum portctl_exit code;

    put_target(&target, user != NULL ? "/v1/sessions?user=" : "/v1/sessions",
               user != NULL ? user : "", "");
    code = list(c, buf_cstr(&target), "sessions", columns, GW_LEN(columns));
    buf_fini(&target);
    return code;
}

/* --- the review ---------------------------------------------------------------------------------
 */

static void print_review(const json_t *root)
{
    static const struct column users[] = {
        {"USER", "name", PLAIN},
        {"STATE", "state", PLAIN},
        {"FACTOR", "second_factor", YES},
        {"ROLES", "roles", ROLE_LIST},
    };
    static const struct column keys[] = {
        {"KEY", "key", PLAIN},
        {"ACCOUNT", "account", PLAIN},
        {"OWNER", "owner", PLAIN},
        {"LABEL", "label", PLAIN},
        {"ANYWHERE", "admin_from_anywhere", YES},
        {"NOT AFTER", "not_after", TIME},
    };
    const json_t *content = json_object_get(root, "content");
    const json_t *last = json_object_get(root, "last_review");
    const char *by = json_string_value(json_object_get(last, "signed_by"));
    const char *at = json_string_value(json_object_get(last, "at"));
    struct buf out = {0};

    print_rows(json_object_get(content, "users"), users, GW_LEN(users));
    puts("");
    print_rows(json_object_get(content, "keys"), keys, GW_LEN(keys));
    buf_lit(&out, "\nlast signed off: ");
    if (by != NULL && at != NULL) {
        put_time(&out, at);
        buf_lit(&out, " by ");
        table_clean(&out, by, strlen(by));
        buf_putc(&out, '\n');
    } else {
        buf_lit(&out, "never\n");
    }
    print_buf(&out);
}

enum portctl_exit access_review(struct client *c, const struct args *args)
{
    const char *note = args_get(args, "sign");
    const char *hash;
    struct answer a;
    enum portctl_exit code =
        client_call(c, &(struct call){.method = "GET", .target = "/v1/access/review"}, &a);
    json_t *body = NULL;

    if (code == PORTCTL_DONE && client_settings(c)->json && note == NULL) {
        print_json(&a);
    } else if (code == PORTCTL_DONE && !client_settings(c)->json) {
        print_review(a.root);
    }
    if (code == PORTCTL_DONE && note != NULL) {
        hash = json_string_value(json_object_get(a.root, "hash"));
        body = json_pack("{s:s, s:s}", "hash", hash != NULL ? hash : "", "note", note);
        code = PORTCTL_USAGE;
        if (body == NULL) {
            say_not_utf8();
        } else {
            code = change(c, "POST", "/v1/access/review/sign", body);
        }
    }
    answer_fini(&a);
    return code;
}
