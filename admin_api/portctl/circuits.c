/* circuits, circuit reset: what waits before it tries again, and having it tried now. */
#include "admin_api/portctl/circuit_rows.h"

#include <string.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

/* clang-format off */
const struct opt circuits_options[] = {
    {"open", NULL, "only those that are not closed", NULL, 0, '\0'},
    {0},
};
const struct opt circuit_options[] = {
    {"reason",   "TEXT", "why, for the audit log", NULL, OPT_REQUIRED, '\0'},
    {"ticket",   "ID",   "number of the ticket, for the audit log; of the core's it is needed", NULL, 0, '\0'},
    {"incident", "ID",   "the incident it belongs to", NULL, 0, '\0'},
    {0},
};
/* clang-format on */

static const struct field columns[] = {
    {"NAME", "name", FIELD_PLAIN},
    {"STATE", "state", FIELD_PLAIN},
    {"SINCE", "since", FIELD_TIME},
    {"WAITING", "waiting", FIELD_PLAIN},
    {"OF", "members", FIELD_PLAIN},
    {"FAILURES", "failures", FIELD_PLAIN},
    {"NEXT TRY", "retry_at", FIELD_TIME},
    {"ASKED BY", "asked_by", FIELD_PLAIN},
    {"LAST ERROR", "last_error", FIELD_PLAIN},
};

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    bool open = args_get(a, "open") != NULL;
    struct buf out = {0};
    struct table t;
    size_t shown = 0;
    size_t i;
    const json_t *circuit;

    (void)root;
    fields_table(&t, columns, GW_LEN(columns));
    json_array_foreach(list, i, circuit)
    {
        if (!open || strcmp(text_member(circuit, "state"), "closed") != 0) {
            fields_row(&t, circuit, columns, GW_LEN(columns));
            shown++;
        }
    }
    table_print(&t, &out);
    table_fini(&t);
    if (shown > 0) {
        print_buf(&out);
    } else {
        buf_fini(&out);
        say("all are closed: nothing waits");
    }
}

enum portctl_exit circuits_show(struct client *c, const struct args *a)
{
    return show_list(c, a, "/v1/circuits", "circuits", print_list);
}

/* --- reset ------------------------------------------------------------------------------------- */

struct told {
    const char *result;
    enum portctl_exit code;
    const char *text;
    const char *next; /* NULL: none */
};
static const struct told results[] = {
    {"closed", PORTCTL_DONE, "tried now: it answers", NULL},
    {"was_closed", PORTCTL_DONE, "it was closed: nothing waited", NULL},
    {"failed", PORTCTL_REFUSED, "tried now, and it failed",
     "correct the cause (portctl circuits shows the last error), then reset it again"},
    {"trying", PORTCTL_PARTLY, "it is being tried; there is no verdict yet", "portctl circuits"},
    {"nothing_to_try", PORTCTL_DONE, "there is nothing to send, so nothing was tried",
     "portctl paging test"},
};

static enum portctl_exit tell_result(const struct answer *a, bool quiet)
{
    const char *result = text_member(a->root, "result");
    const json_t *circuit = json_object_get(a->root, "circuit");

    for (size_t i = 0; i < GW_LEN(results); i++) {
        const struct told *t = &results[i];

        if (strcmp(t->result, result) == 0) {
            if (!quiet) {
                const char *why = text_member(circuit, "last_error");

                say("%s%s%s", t->text, why[0] != '\0' ? ": " : "", why);
            }
            if (!quiet && t->next != NULL) {
                say_next("%s", t->next);
            }
            return t->code;
        }
    }
    return answer_lacks("result");
}

static enum portctl_exit tell(const struct answer *a, bool quiet)
{
    const json_t *command = json_object_get(a->root, "command");

    if (quiet) {
        print_json(a);
    }
    if (strcmp(text_member(a->root, "outcome"), "requested") == 0) {
        if (!quiet) {
            say("asked for; it waits for another person, until %s",
                text_member(a->root, "expires_at"));
            say_next("the other gives the same command, at this gateway");
        }
        return PORTCTL_WAITING;
    }
    if (!json_is_object(command)) {
        return tell_result(a, quiet);
    }
    if (!quiet) {
        say("the core has been asked (%s); portctl commands shows what it answers",
            text_member(command, "id"));
    }
    return PORTCTL_DONE;
}

enum portctl_exit circuit_reset(struct client *c, const struct args *a)
{
    json_t *body = json_pack("{s:s, s:s*, s:s*}", "reason", args_get(a, "reason"), "ticket",
                             args_get(a, "ticket"), "incident", args_get(a, "incident"));
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code;

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    buf_lit(&target, "/v1/circuits/");
    put_segment(&target, a->words[0]);
    buf_lit(&target, "/reset");
    code = client_call(c,
                       &(struct call){.method = "POST",
                                      .target = buf_cstr(&target),
                                      .body = body,
                                      .repeatable = true,
                                      .accepts = true},
                       &answer);
    if (code == PORTCTL_DONE) {
        code = tell(&answer, client_settings(c)->json);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}
