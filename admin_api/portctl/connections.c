/* connections list, connections kick: who is connected, how far behind, and out with one of them. */
#include "admin_api/portctl/ask.h"

#include <stdlib.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

static const struct field open_columns[] = {
    {"ID", "id", FIELD_PLAIN},
    {"ADDRESS", "ip", FIELD_PLAIN},
    {"KEY", "key", FIELD_PLAIN},
    {"SINCE", "opened_at", FIELD_TIME},
    {"STATE", "state", FIELD_PLAIN},
    {"STREAMS", "subscriptions", FIELD_PLAIN},
    {"BEHIND", "backlog_bytes", FIELD_PLAIN},
    {"LAG MS", "lag_ms", FIELD_PLAIN},
    {"SENT", "sent_bytes", FIELD_PLAIN},
};
static const struct field closed_columns[] = {
    {"ID", "id", FIELD_PLAIN},         {"ADDRESS", "ip", FIELD_PLAIN},
    {"KEY", "key", FIELD_PLAIN},       {"CLOSED", "closed_at", FIELD_TIME},
    {"REASON", "reason", FIELD_PLAIN}, {"CODE", "code", FIELD_PLAIN},
};

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    bool closed = args_get(a, "closed") != NULL;
    struct buf out = {0};

    (void)root;
    if (json_array_size(list) == 0) {
        say(closed ? "none was closed" : "nobody is connected");
        return;
    }
    fields_list(&out, list, closed ? closed_columns : open_columns,
                closed ? GW_LEN(closed_columns) : GW_LEN(open_columns));
    print_buf(&out);
}

enum portctl_exit connections_list(struct client *c, const struct args *a)
{
    static const char *const filters[][2] = {
        {"key", "key"}, {"ip", "ip"}, {"min-backlog", "min_backlog"}, {"limit", "limit"}};
    struct buf target = {0};
    enum portctl_exit code;
    char lead = '?';

    buf_lit(&target, "/v1/connections");
    for (size_t i = 0; i < GW_LEN(filters); i++) {
        const char *value = args_get(a, filters[i][0]);

        if (value != NULL) {
            buf_printf(&target, "%c%s=", lead, filters[i][1]);
            put_segment(&target, value);
            lead = '&';
        }
    }
    code = show_list(c, a, buf_cstr(&target),
                     args_get(a, "closed") != NULL ? "closed" : "connections", print_list);
    buf_fini(&target);
    return code;
}

enum portctl_exit connections_kick(struct client *c, const struct args *a)
{
    json_t *body =
        json_pack("{s:s, s:s*}", "reason", args_get(a, "reason"), "ticket", args_get(a, "ticket"));
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code;

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    buf_lit(&target, "/v1/connections/");
    put_segment(&target, a->words[0]);
    code = client_call(
        c, &(struct call){.method = "DELETE", .target = buf_cstr(&target), .body = body}, &answer);
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        say("connection %s is closed; its next connection is told why", a->words[0]);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}
