/* paging, paging test, paging retry: what waits for the receiver of pages, and whether it is reached. */
#include <stdlib.h>
#include <string.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

static const struct field shown[] = {
    {"enabled", "enabled", FIELD_PLAIN},       {"format", "format", FIELD_PLAIN},
    {"from", "min_severity", FIELD_PLAIN},     {"receiver", "receiver", FIELD_PLAIN},
    {"waiting", "queue", FIELD_PLAIN},         {"oldest, s", "oldest_age_s", FIELD_PLAIN},
    {"suppressed", "suppressed", FIELD_PLAIN}, {"on disk", "spooled", FIELD_PLAIN},
    {"database", "database", FIELD_PLAIN},
};
static const struct field dead_columns[] = {
    {"ID", "id", FIELD_PLAIN},      {"INCIDENT", "incident", FIELD_PLAIN},
    {"KIND", "kind", FIELD_PLAIN},  {"TRIES", "tries", FIELD_PLAIN},
    {"GIVEN UP", "at", FIELD_TIME}, {"LAST ERROR", "last_error", FIELD_PLAIN},
};

static void print_dead(const json_t *list)
{
    struct buf out = {0};

    fields_list(&out, list, dead_columns, GW_LEN(dead_columns));
    print_buf(&out);
    say("given up: once the cause is corrected, portctl paging retry ID");
}

static void print_queue(const json_t *root, const json_t *dead, const struct args *a)
{
    (void)a;
    fields_print(root, shown, GW_LEN(shown), NULL);
    if (json_array_size(dead) > 0) {
        print_dead(dead);
    }
}

enum portctl_exit paging_show(struct client *c, const struct args *a)
{
    return show_list(c, a, "/v1/paging", "dead", print_queue);
}

static enum portctl_exit say_result(const struct answer *a)
{
    const char *result = text_member(a->root, "result");

    if (strcmp(result, "delivered") == 0) {
        say("the receiver took it");
        return PORTCTL_DONE;
    }
    if (strcmp(result, "queued") == 0) {
        say("it waits for its turn; portctl paging shows what becomes of it");
        return PORTCTL_DONE;
    }
    say("not delivered: %s", text_member(a->root, "detail"));
    say_next("check slo_paging.* of the gateway and the receiver, then try again");
    return PORTCTL_REFUSED;
}

static enum portctl_exit post(struct client *c, const struct args *a, const char *target)
{
    json_t *body = json_pack("{s:s*}", "note", args_get(a, "note"));
    struct answer answer;
    enum portctl_exit code;

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    code =
        client_call(c, &(struct call){.method = "POST", .target = target, .body = body}, &answer);
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
        code = strcmp(text_member(answer.root, "result"), "refused") == 0 ? PORTCTL_REFUSED
                                                                          : PORTCTL_DONE;
    } else if (code == PORTCTL_DONE) {
        code = say_result(&answer);
    }
    answer_fini(&answer);
    return code;
}

enum portctl_exit paging_send_test(struct client *c, const struct args *a)
{
    return post(c, a, "/v1/paging/test");
}

enum portctl_exit paging_send_again(struct client *c, const struct args *a)
{
    struct buf target = {0};
    enum portctl_exit code;

    buf_lit(&target, "/v1/paging/dead/");
    put_segment(&target, a->words[0]);
    buf_lit(&target, "/retry");
    code = post(c, a, buf_cstr(&target));
    buf_fini(&target);
    return code;
}
