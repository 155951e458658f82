/* cancel-all, commands, command cancel: what the core is told to do, and what it says it did. The
 * gateway hands a command over and never claims that it was carried out. */
#include "admin_api/portctl/ask.h"

#include <stdlib.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

static const struct field columns[] = {
    {"ID", "id", FIELD_PLAIN},         {"KIND", "kind", FIELD_PLAIN},
    {"TARGET", "target", FIELD_PLAIN}, {"STATE", "state", FIELD_PLAIN},
    {"COUNT", "count", FIELD_PLAIN},   {"ASKED", "asked_at", FIELD_TIME},
    {"BY", "by", FIELD_PLAIN},         {"DETAIL", "detail", FIELD_PLAIN},
};

static enum portctl_exit print_command(struct client *c, const struct answer *a)
{
    const json_t *command = answer_object(a, "command");
    static const struct field shown[] = {
        {"id", "id", FIELD_PLAIN},
        {"kind", "kind", FIELD_PLAIN},
        {"target", "target", FIELD_PLAIN},
        {"state", "state", FIELD_PLAIN},
    };

    if (command == NULL) {
        return PORTCTL_REFUSED;
    }
    if (client_settings(c)->json) {
        print_json(a);
    } else {
        fields_print(command, shown, GW_LEN(shown), NULL);
        say("the core has been asked; portctl commands shows what it answers");
    }
    return PORTCTL_DONE;
}

/* Takes BODY. */
static enum portctl_exit post(struct client *c, const char *target, json_t *body)
{
    struct answer answer;
    enum portctl_exit code;

    code = client_call(
        c,
        &(struct call){
            .method = "POST", .target = target, .body = body, .repeatable = true, .accepts = true},
        &answer);
    if (code == PORTCTL_DONE) {
        code = print_command(c, &answer);
    }
    answer_fini(&answer);
    return code;
}

static json_t *body_of(const struct args *a)
{
    json_t *body = json_pack("{s:s, s:s*, s:s*}", "reason", args_get(a, "reason"), "ticket",
                             args_get(a, "ticket"), "incident", args_get(a, "incident"));

    if (body == NULL) {
        say_not_utf8();
    }
    return body;
}

static void show_dry(const char *target, const json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);

    printf("would send: POST %s %s\n", target, text != NULL ? text : "");
    free(text);
}

enum portctl_exit cancel_all(struct client *c, const struct args *a)
{
    bool all = args_get(a, "all") != NULL;
    const char *symbol = all ? "*" : a->words[0];
    struct buf target = {0};
    enum portctl_exit code;
    json_t *body;

    if (a->word_count + all != 1) {
        say("cancel-all of what? SYMBOL, or --all");
        say_next("portctl help cancel-all");
        return PORTCTL_USAGE;
    }
    if (!ask_possible(a, &code) || (body = body_of(a)) == NULL) {
        return PORTCTL_USAGE;
    }
    buf_lit(&target, "/v1/symbols/");
    put_segment(&target, symbol);
    buf_lit(&target, "/cancel-all");
    if (args_get(a, "dry-run") != NULL) {
        show_dry(buf_cstr(&target), body);
        json_decref(body);
    } else {
        fprintf(stderr, "the core would cancel all open orders of %s\n",
                all ? "all symbols" : symbol);
        if (ask_confirm(a, body, all ? "ALL" : symbol)) {
            code = post(c, buf_cstr(&target), body);
        } else {
            json_decref(body);
            code = PORTCTL_USAGE;
        }
    }
    buf_fini(&target);
    return code;
}

enum portctl_exit command_cancel(struct client *c, const struct args *a)
{
    struct buf target = {0};
    json_t *body = body_of(a);
    enum portctl_exit code = PORTCTL_USAGE;

    if (body != NULL) {
        buf_lit(&target, "/v1/commands/");
        put_segment(&target, a->words[0]);
        buf_lit(&target, "/cancel");
        code = post(c, buf_cstr(&target), body);
    }
    buf_fini(&target);
    return code;
}

static void put_core(struct buf *out, const json_t *core)
{
    json_int_t version = json_integer_value(json_object_get(core, "version"));
    json_int_t silent = json_integer_value(json_object_get(core, "silent_s"));
    json_int_t queued = json_integer_value(json_object_get(core, "queued"));

    if (version == 0) {
        buf_printf(out, "core       has not spoken for %" JSON_INTEGER_FORMAT " s, or ever\n",
                   silent);
    } else {
        buf_printf(out,
                   "core       spoke %" JSON_INTEGER_FORMAT
                   " s ago, has applied version %" JSON_INTEGER_FORMAT "\n",
                   silent, version);
    }
    buf_printf(out, "Redis      %s, %" JSON_INTEGER_FORMAT " to be sent\n\n",
               json_is_true(json_object_get(core, "linked")) ? "answers" : "IS AWAY", queued);
}

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    struct buf out = {0};

    (void)a;
    put_core(&out, json_object_get(root, "core"));
    fields_list(&out, list, columns, GW_LEN(columns));
    print_buf(&out);
    if (json_array_size(list) == 0) {
        say("no commands");
    }
}

enum portctl_exit commands_list(struct client *c, const struct args *a)
{
    const char *symbol = args_get(a, "symbol");
    struct buf target = {0};
    enum portctl_exit code;

    buf_lit(&target, "/v1/commands");
    if (symbol != NULL) {
        buf_lit(&target, "?symbol=");
        put_segment(&target, symbol);
    }
    code = show_list(c, a, buf_cstr(&target), "commands", print_list);
    buf_fini(&target);
    return code;
}
