/* tickets owed, tickets pay: what was halted without a ticket, and its ticket named later. */
#include "admin_api/portctl/ticket_rows.h"

#include <string.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

/* clang-format off */
const struct opt tickets_options[] = {
    {"actor",  "WHO",  "who did it: user:ana, account:desk, key:pk_...", NULL, 0, '\0'},
    {"paid",   NULL,   "those whose ticket was named since",           NULL, 0, '\0'},
    {"limit",  "N",    "so many at once",                              NULL, 0, '\0'},
    {"cursor", "TEXT", "go on where an answer ended",                  NULL, 0, '\0'},
    {0},
};
/* clang-format on */

static const struct field owed_columns[] = {
    {"AUDIT", "audit", FIELD_PLAIN},   {"WHEN", "at", FIELD_TIME},
    {"WHO", "person", FIELD_PLAIN},    {"ACTION", "action", FIELD_PLAIN},
    {"TARGET", "target", FIELD_PLAIN}, {"REASON", "reason", FIELD_PLAIN},
};
static const struct field paid_columns[] = {
    {"AUDIT", "audit", FIELD_PLAIN},   {"WHEN", "at", FIELD_TIME},
    {"WHO", "person", FIELD_PLAIN},    {"ACTION", "action", FIELD_PLAIN},
    {"TARGET", "target", FIELD_PLAIN}, {"TICKET", "ticket", FIELD_PLAIN},
    {"NAMED", "paid_at", FIELD_TIME},  {"BY", "paid_by", FIELD_PLAIN},
};

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    bool paid = args_get(a, "paid") != NULL;
    const char *next = text_member(root, "next");
    struct buf out = {0};

    if (json_array_size(list) == 0) {
        say(paid ? "no ticket was named late" : "no ticket is owed");
        return;
    }
    if (paid) {
        fields_list(&out, list, paid_columns, GW_LEN(paid_columns));
    } else {
        fields_list(&out, list, owed_columns, GW_LEN(owed_columns));
    }
    print_buf(&out);
    if (next[0] != '\0') {
        table_clean(&out, next, strlen(next));
        say("there is more: the same again with --cursor %s", buf_cstr(&out));
        buf_fini(&out);
    }
}

enum portctl_exit tickets_owed(struct client *c, const struct args *a)
{
    static const char *const filters[] = {"actor", "limit", "cursor"};
    struct buf target = {0};
    char lead = '?';
    enum portctl_exit code;

    buf_lit(&target, "/v1/tickets-owed");
    for (size_t i = 0; i < GW_LEN(filters); i++) {
        const char *value = args_get(a, filters[i]);

        if (value != NULL) {
            buf_printf(&target, "%c%s=", lead, filters[i]);
            put_segment(&target, value);
            lead = '&';
        }
    }
    if (args_get(a, "paid") != NULL) {
        buf_printf(&target, "%cpaid=true", lead);
    }
    code = show_list(c, a, buf_cstr(&target), "tickets_owed", print_list);
    buf_fini(&target);
    return code;
}

static void tell(const struct answer *a)
{
    const json_t *debt = json_object_get(a->root, "ticket_owed");
    const char *ticket = text_member(debt, "ticket");
    bool before = strcmp(text_member(a->root, "outcome"), "nothing") == 0;
    struct buf out = {0};

    table_clean(&out, ticket, strlen(ticket));
    buf_printf(&out, " is the ticket of audit %lld%s\n",
               (long long)json_integer_value(json_object_get(debt, "audit")),
               before ? "; it was named before" : "");
    print_buf(&out);
}

enum portctl_exit ticket_pay(struct client *c, const struct args *a)
{
    json_t *body = json_pack("{s:s}", "ticket", a->words[1]);
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code;

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    buf_lit(&target, "/v1/tickets-owed/");
    put_segment(&target, a->words[0]);
    code = client_call(
        c,
        &(struct call){
            .method = "PUT", .target = buf_cstr(&target), .body = body, .repeatable = true},
        &answer);
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        tell(&answer);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}
