/* changes, change show; approve, reject, cancel: requests to loosen, and what the second person
 * says. */
#include "admin_api/portctl/changes.h"

#include "admin_api/portctl/ask.h"
#include "admin_api/portctl/decide.h"
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"
#include "admin_api/portctl/values.h"

static const struct field columns[] = {
    {"ID", "id", FIELD_PLAIN},
    {"STATE", "state", FIELD_PLAIN},
    {"ACTION", "action", FIELD_PLAIN},
    {"TARGET", "target", FIELD_PLAIN},
    {"REQUESTED BY", "requested_by", FIELD_PLAIN},
    {"EXPIRES", "expires_at", FIELD_TIME},
    {"SYMBOLS", "blast_radius.now.symbols", FIELD_PLAIN},
    {"CLIENTS", "blast_radius.now.clients", FIELD_PLAIN},
    {"SUBSCRIPTIONS", "blast_radius.now.subscriptions", FIELD_PLAIN},
    {"TICKET", "ticket", FIELD_PLAIN},
    {"REASON", "reason", FIELD_PLAIN},
};

static const struct field all_fields[] = {
    {"id", "id", FIELD_PLAIN},
    {"state", "state", FIELD_PLAIN},
    {"action", "action", FIELD_PLAIN},
    {"target", "target", FIELD_PLAIN},
    {"requested by", "requested_by", FIELD_PLAIN},
    {"requested", "created_at", FIELD_TIME},
    {"expires", "expires_at", FIELD_TIME},
    {"reason", "reason", FIELD_PLAIN},
    {"ticket", "ticket", FIELD_PLAIN},
    {"at version", "base_version", FIELD_PLAIN},
    {"audit", "audit", FIELD_PLAIN},
    {"decided by", "decided_by", FIELD_PLAIN},
    {"decided", "decided_at", FIELD_TIME},
    {"because", "decided_why", FIELD_PLAIN},
    {"result audit", "result_audit", FIELD_PLAIN},
    {"hash", "hash", FIELD_PLAIN},
};

void changes_put(struct buf *out, const json_t *list)
{
    fields_list(out, list, columns, GW_LEN(columns));
}

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    struct buf out = {0};

    (void)root;
    if (json_array_size(list) == 0) {
        say(args_get(a, "open") != NULL ? "no request waits" : "no requests");
        return;
    }
    changes_put(&out, list);
    print_buf(&out);
}

enum portctl_exit changes_list(struct client *c, const struct args *a)
{
    bool open = args_get(a, "open") != NULL;

    return show_list(c, a, open ? "/v1/changes?open=true" : "/v1/changes", "changes", print_list);
}

static void put_change(struct buf *out, const json_t *change)
{
    const json_t *radius = json_object_get(change, "blast_radius");
    const json_t *asked = json_object_get(radius, "asked");
    const json_t *now = json_object_get(radius, "now");

    fields_given(out, change, all_fields, GW_LEN(all_fields));
    diff_put(out, json_object_get(change, "diff"));
    if (json_is_object(asked)) {
        radius_put(out, "reached then", asked);
    }
    if (json_is_object(now)) {
        radius_put(out, "reaches now", now);
    }
}

static void put_word(struct buf *out, const json_t *change)
{
    const char *word = text_member(change, "confirm");

    table_clean(out, word, strlen(word));
}

static const struct decide_kind kind = {
    .path = "/v1/changes/",
    .member = "change",
    .show = "change show",
    .put = put_change,
    .put_word = put_word,
    .tell = ask_outcome,
    .repeatable = true,
};

enum portctl_exit change_show(struct client *c, const struct args *a)
{
    return decide_show(c, a, &kind);
}

enum portctl_exit change_approve(struct client *c, const struct args *a)
{
    return decide_approve(c, a, &kind);
}

enum portctl_exit change_reject(struct client *c, const struct args *a)
{
    return decide_reject(c, a, &kind);
}

enum portctl_exit change_cancel(struct client *c, const struct args *a)
{
    return decide_cancel(c, a, &kind);
}
