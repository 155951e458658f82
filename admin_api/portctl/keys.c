/* Commands on keys that make no key material. */
#include "admin_api/portctl/handlers.h"

#include <unistd.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/text.h"

#define PAGES_MAX 1000u /* of an answer that never ends */

void key_target(struct buf *out, const char *id, const char *tail)
{
    buf_lit(out, "/v1/keys/");
    put_segment(out, id);
    buf_puts(out, tail);
}

static const struct field key_fields[] = {
    {"id", "id", FIELD_PLAIN},
    {"account", "account", FIELD_PLAIN},
    {"label", "label", FIELD_PLAIN},
    {"state", "state", FIELD_PLAIN},
    {"flagged", "flagged", FIELD_PLAIN},
    {"algorithm", "algorithm", FIELD_PLAIN},
    {"public key", "public_key", FIELD_PLAIN},
    {"scopes", "scopes", FIELD_WORDS},
    {"addresses", "ip_allow", FIELD_WORDS},
    {"admin from anywhere", "admin_from_anywhere", FIELD_PLAIN},
    {"rate class", "rate_class", FIELD_PLAIN},
    {"not before", "not_before", FIELD_TIME},
    {"not after", "not_after", FIELD_TIME},
    {"created", "created_at", FIELD_TIME},
    {"created by", "created_by", FIELD_PLAIN},
    {"rotated from", "rotated_from", FIELD_PLAIN},
    {"revoked", "revoked_at", FIELD_TIME},
    {"because", "revoke_reason", FIELD_PLAIN},
};

void key_print(const json_t *key, const char *secret)
{
    fields_print(key, key_fields, GW_LEN(key_fields), secret);
}

static const struct field columns[] = {
    {"ID", "id", FIELD_PLAIN},
    {"ACCOUNT", "account", FIELD_PLAIN},
    {"LABEL", "label", FIELD_PLAIN},
    {"STATE", "state", FIELD_PLAIN},
    {"ALGORITHM", "algorithm", FIELD_PLAIN},
    {"CLASS", "rate_class", FIELD_PLAIN},
    {"ANYWHERE", "admin_from_anywhere", FIELD_PLAIN},
    {"NOT AFTER", "not_after", FIELD_TIME},
    {"SCOPES", "scopes", FIELD_WORDS},
};

/* Keys behind the one called AFTER, or from the first. */
static void list_target(struct buf *out, const struct args *args, const char *after)
{
    const char *const filters[][2] = {{"account", args_get(args, "account")},
                                      {"state", args_get(args, "state")},
                                      {"after", after}};
    char lead = '?';

    buf_reset(out);
    buf_lit(out, "/v1/keys");
    for (size_t i = 0; i < GW_LEN(filters); i++) {
        if (filters[i][1] != NULL) {
            buf_printf(out, "%c%s=", lead, filters[i][0]);
            put_segment(out, filters[i][1]);
            lead = '&';
        }
    }
}

/* The rows of one answer. *LAST is the id to go on behind, NULL at the end. */
static enum portctl_exit take_page(const struct answer *a, struct table *t, const char **last)
{
    const json_t *keys = json_object_get(a->root, "keys");
    size_t i;
    const json_t *key;

    *last = NULL;
    if (!json_is_array(keys)) {
        return answer_lacks("keys");
    }
    json_array_foreach(keys, i, key)
    {
        fields_row(t, key, columns, GW_LEN(columns));
        if (json_is_true(json_object_get(a->root, "more"))) {
            *last = json_string_value(json_object_get(key, "id"));
        }
    }
    return PORTCTL_DONE;
}

static enum portctl_exit list_table(struct client *c, const struct args *args, struct table *t)
{
    struct buf target = {0};
    struct answer a;
    const char *last = NULL;
    enum portctl_exit code;

    list_target(&target, args, args_get(args, "after"));
    for (unsigned page = 0; page < PAGES_MAX; page++) {
        code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, &a);
        if (code == PORTCTL_DONE) {
            code = take_page(&a, t, &last);
        }
        if (code == PORTCTL_DONE && last != NULL) {
            list_target(&target, args, last);
        }
        answer_fini(&a);
        if (code != PORTCTL_DONE || last == NULL) {
            break;
        }
    }
    buf_fini(&target);
    return code;
}

/* A script gets one page as it came; more of them is its own affair. */
static enum portctl_exit list_json(struct client *c, const struct args *args)
{
    struct buf target = {0};
    struct answer a;
    enum portctl_exit code;

    list_target(&target, args, args_get(args, "after"));
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, &a);
    if (code == PORTCTL_DONE) {
        print_json(&a);
    }
    if (code == PORTCTL_DONE && json_is_true(json_object_get(a.root, "more"))) {
        say("there are more keys: go on with --after and the last id");
    }
    answer_fini(&a);
    buf_fini(&target);
    return code;
}

enum portctl_exit key_list(struct client *c, const struct args *args)
{
    struct table t;
    struct buf out = {0};
    enum portctl_exit code;

    if (client_settings(c)->json) {
        return list_json(c, args);
    }
    fields_table(&t, columns, GW_LEN(columns));
    code = list_table(c, args, &t);
    if (code == PORTCTL_DONE) {
        table_print(&t, &out);
    }
    table_fini(&t);
    if (code == PORTCTL_DONE && out.len == 0) {
        say("no such keys");
    }
    print_buf(&out);
    return code;
}

/* Below the last use: from where and for what, and what was refused. */
static void print_usage(const json_t *usage)
{
    static const struct field last[] = {
        {"last used", "last_used_at", FIELD_TIME},
        {"from", "last_ip", FIELD_PLAIN},
        {"for", "last_route", FIELD_PLAIN},
        {"times", "use_count", FIELD_PLAIN},
    };
    static const struct field seen[] = {
        {"NETWORK", "network", FIELD_PLAIN},  {"METHOD", "method", FIELD_PLAIN},
        {"ROUTE", "route", FIELD_PLAIN},      {"FIRST", "first_seen_at", FIELD_TIME},
        {"LAST", "last_seen_at", FIELD_TIME}, {"TIMES", "count", FIELD_PLAIN},
    };
    static const struct field refused[] = {
        {"REFUSED", "cause", FIELD_PLAIN},     {"TIMES", "count", FIELD_PLAIN},
        {"FIRST", "first_at", FIELD_TIME},     {"LAST", "last_at", FIELD_TIME},
        {"FROM", "last_network", FIELD_PLAIN},
    };
    const json_t *lists[] = {json_object_get(usage, "seen"), json_object_get(usage, "refusals")};
    struct buf out = {0};

    fields_print(usage, last, GW_LEN(last), NULL);
    if (json_array_size(lists[0]) > 0) {
        buf_putc(&out, '\n');
        fields_list(&out, lists[0], seen, GW_LEN(seen));
    }
    if (json_array_size(lists[1]) > 0) {
        buf_putc(&out, '\n');
        fields_list(&out, lists[1], refused, GW_LEN(refused));
    }
    print_buf(&out);
}

/* A call about the key that the line names; prints the object NAME of the answer. */
static enum portctl_exit about_key(struct client *c, const struct args *args, const char *method,
                                   const char *tail, json_t *body, const char *name)
{
    struct buf target = {0};
    struct answer a;
    enum portctl_exit code;
    const json_t *object;
    bool usage = strcmp(name, "usage") == 0;

    key_target(&target, args->words[0], tail);
    code = client_call(
        c, &(struct call){.method = method, .target = buf_cstr(&target), .body = body}, &a);
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&a);
    } else if (code == PORTCTL_DONE && usage && json_is_null(json_object_get(a.root, name))) {
        say("never used");
    } else if (code == PORTCTL_DONE && (object = answer_object(&a, name)) == NULL) {
        code = PORTCTL_REFUSED;
    } else if (code == PORTCTL_DONE && usage) {
        print_usage(object);
    } else if (code == PORTCTL_DONE) {
        key_print(object, NULL);
    }
    answer_fini(&a);
    buf_fini(&target);
    return code;
}

enum portctl_exit key_show(struct client *c, const struct args *args)
{
    return about_key(c, args, "GET", "", NULL, "key");
}

enum portctl_exit key_usage(struct client *c, const struct args *args)
{
    return about_key(c, args, "GET", "/usage", NULL, "usage");
}

enum portctl_exit key_limits(struct client *c, const struct args *args)
{
    json_t *body =
        json_pack("{s:s, s:s, s:s*}", "rate_class", args_get(args, "rate-class"), "reason",
                  args_get(args, "reason"), "ticket", args_get(args, "ticket"));

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    return about_key(c, args, "PUT", "/limits", body, "key");
}

static enum portctl_exit set_flag(struct client *c, const struct args *args, bool flagged)
{
    json_t *body = json_pack("{s:b, s:s, s:s*}", "flagged", (int)flagged, "reason",
                             args_get(args, "reason"), "ticket", args_get(args, "ticket"));

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    return about_key(c, args, "PUT", "/flag", body, "key");
}

enum portctl_exit key_flag(struct client *c, const struct args *args)
{
    return set_flag(c, args, true);
}

enum portctl_exit key_unflag(struct client *c, const struct args *args)
{
    return set_flag(c, args, false);
}

/* Shows on stderr what will be gone, as far as the caller may see it. */
static enum portctl_exit preview(struct client *c, const char *id)
{
    struct buf target = {0};
    struct buf line = {0};
    struct answer a;
    enum portctl_exit code;
    const json_t *key;

    key_target(&target, id, "");
    code = client_call(
        c, &(struct call){.method = "GET", .target = buf_cstr(&target), .quiet = 403}, &a);
    key = json_object_get(a.root, "key");
    if (code == PORTCTL_DONE && json_is_object(key)) {
        static const struct field shown[] = {{"account", "account", FIELD_PLAIN},
                                             {"label", "label", FIELD_PLAIN},
                                             {"state", "state", FIELD_PLAIN}};

        for (size_t i = 0; i < GW_LEN(shown); i++) {
            struct buf text = {0};

            field_put(&text, key, &shown[i]);
            buf_printf(&line, "%s%s ", i != 0 ? ", " : "", shown[i].title);
            table_clean(&line, text.data, text.len);
            buf_fini(&text);
        }
        fprintf(stderr, "%s\n", buf_cstr(&line));
    }
    if (a.status == 403) {
        code = PORTCTL_DONE;
    }
    answer_fini(&a);
    buf_fini(&line);
    buf_fini(&target);
    return code;
}

/* What was typed goes into BODY, for the gateway to compare. */
static enum portctl_exit confirm(struct client *c, const char *id, json_t *body)
{
    const char *own = client_settings(c)->key_id;
    enum portctl_exit code;

    if (isatty(STDIN_FILENO) == 0) {
        say("a key is revoked for good, and there is no terminal to confirm it on");
        say_next("add --yes when you are sure");
        return PORTCTL_USAGE;
    }
    code = preview(c, id);
    if (code != PORTCTL_DONE) {
        return code;
    }
    if (own != NULL && strcmp(own, id) == 0) {
        fputs("This is the key that you sign with.\n", stderr);
    }
    fprintf(stderr, "Revoking is for good. Type the id %s to go on: ", id);
    if (!typed(stdin, id)) {
        say("that is not the id: nothing was done");
        return PORTCTL_USAGE;
    }
    return json_object_set_new(body, "confirm", json_string(id)) == 0 ? PORTCTL_DONE
                                                                      : PORTCTL_USAGE;
}

enum portctl_exit key_revoke(struct client *c, const struct args *args)
{
    const char *ticket = args_get(args, "ticket");
    json_t *body = json_pack("{s:s, s:s*}", "reason", args_get(args, "reason"), "ticket", ticket);
    enum portctl_exit code = PORTCTL_DONE;

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    if (args_get(args, "yes") == NULL) {
        code = confirm(c, args->words[0], body);
    }
    if (code != PORTCTL_DONE) {
        json_decref(body);
        return code;
    }
    return about_key(c, args, "POST", "/revoke", body, "key");
}
