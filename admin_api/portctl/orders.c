/* cancel-all, commands: what the core is told to do, and what it says it did. The gateway hands a
 * command over and never claims that it was carried out. */
#include "admin_api/portctl/ask.h"

#include <stdlib.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

static const struct field columns[] = {
    {"ID", "id", FIELD_PLAIN},
    {"STATE", "state", FIELD_PLAIN},
    {"ACTION", "action", FIELD_PLAIN},
    {"TARGET", "target", FIELD_PLAIN},
    {"REQUESTED", "created_at", FIELD_TIME},
    {"BY", "by", FIELD_PLAIN},
    {"COUNT", "count", FIELD_PLAIN},
};

static const struct field command_fields[] = {
    {"id", "id", FIELD_PLAIN},         {"state", "state", FIELD_PLAIN},
    {"action", "action", FIELD_PLAIN}, {"target", "target", FIELD_PLAIN},
    {"count", "count", FIELD_PLAIN},
};

static enum portctl_exit print_command(struct client *c, const struct answer *a)
{
    const json_t *command = answer_object(a, "command");

    if (command == NULL) {
        return PORTCTL_REFUSED;
    }
    if (client_settings(c)->json) {
        print_json(a);
    } else {
        fields_print(command, command_fields, GW_LEN(command_fields), NULL);
        say("the core has been asked; portctl commands shows what it answers");
    }
    return PORTCTL_DONE;
}

enum portctl_exit cancel_all(struct client *c, const struct args *a)
{
    json_t *body = json_pack("{s:s, s:s*, s:s*}", "reason", args_get(a, "reason"), "ticket",
                             args_get(a, "ticket"), "incident", args_get(a, "incident"));
    struct buf target = {0};
    struct answer answer = {0};
    char once[CALL_ONCE_MAX];
    enum portctl_exit code = PORTCTL_USAGE;

    if (body == NULL) {
        say_not_utf8();
        return code;
    }
    buf_lit(&target, "/v1/symbols/");
    put_segment(&target, a->words[0]);
    buf_lit(&target, "/cancel-all");
    if (!ask_possible(a, &code)) {
        json_decref(body);
    } else if (args_get(a, "dry-run") != NULL) {
        char *text = json_dumps(body, JSON_COMPACT);

        printf("would send: POST %s %s\n", buf_cstr(&target), text != NULL ? text : "");
        free(text);
        json_decref(body);
    } else {
        fprintf(stderr, "all open orders of %s would be cancelled by the core\n", a->words[0]);
        code = ask_confirm(a, a->words[0]) ? PORTCTL_DONE : PORTCTL_USAGE;
        if (code == PORTCTL_DONE && client_once(once)) {
            code = client_call(c,
                               &(struct call){.method = "POST",
                                              .target = buf_cstr(&target),
                                              .body = body,
                                              .once = once,
                                              .accepts = true},
                               &answer);
            if (code == PORTCTL_DONE) {
                code = print_command(c, &answer);
            }
        } else {
            json_decref(body);
        }
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}

enum portctl_exit commands_list(struct client *c, const struct args *a)
{
    struct answer answer;
    enum portctl_exit code =
        client_call(c, &(struct call){.method = "GET", .target = "/v1/commands"}, &answer);
    const json_t *list = json_object_get(answer.root, "commands");

    (void)a;
    if (code == PORTCTL_DONE && !json_is_array(list)) {
        code = answer_lacks("commands");
    } else if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE && json_array_size(list) == 0) {
        say("no commands");
    } else if (code == PORTCTL_DONE) {
        struct buf out = {0};
        struct table t;
        size_t i;
        const json_t *command;

        fields_table(&t, columns, GW_LEN(columns));
        json_array_foreach(list, i, command)
        {
            fields_row(&t, command, columns, GW_LEN(columns));
        }
        table_print(&t, &out);
        table_fini(&t);
        print_buf(&out);
    }
    answer_fini(&answer);
    return code;
}
