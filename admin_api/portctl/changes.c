/* changes, change show; approve, reject, cancel: requests to loosen, and what the second person
 * says. What is approved is what was shown: its hash goes along. */
#include "admin_api/portctl/ask.h"

#include "admin_api/portctl/changes.h"
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

static void put_path(struct buf *out, const char *id, const char *tail)
{
    buf_lit(out, "/v1/changes/");
    put_segment(out, id);
    buf_puts(out, tail);
}

/* *CHANGE: part of ANSWER. */
static enum portctl_exit fetch(struct client *c, const char *id, struct answer *answer,
                               const json_t **change)
{
    struct buf target = {0};
    enum portctl_exit code;

    put_path(&target, id, "");
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, answer);
    buf_fini(&target);
    *change = json_object_get(answer->root, "change");
    return code == PORTCTL_DONE && !json_is_object(*change) ? answer_lacks("change") : code;
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

enum portctl_exit change_show(struct client *c, const struct args *a)
{
    struct answer answer;
    const json_t *change;
    enum portctl_exit code = fetch(c, a->words[0], &answer, &change);

    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        struct buf out = {0};

        put_change(&out, change);
        print_buf(&out);
    }
    answer_fini(&answer);
    return code;
}

/* --- deciding ---------------------------------------------------------------------------------- */

/* It was sent twice, and the first time may have got there. */
static enum portctl_exit decided_before(struct client *c, const char *id, const char *word)
{
    struct answer answer;
    const json_t *change;
    enum portctl_exit code = fetch(c, id, &answer, &change);
    const char *state = text_member(change, "state");

    if (code == PORTCTL_DONE && strcmp(state, word) == 0) {
        if (client_settings(c)->json) {
            print_json(&answer);
        } else {
            printf("done: %s\n", word);
        }
    } else if (code == PORTCTL_DONE) {
        say("it was decided meanwhile: %s", state);
        say_next("portctl change show %s", id);
        code = PORTCTL_REFUSED;
    }
    answer_fini(&answer);
    return code;
}

/* TAIL: "/approve"; STATE: what the request is in afterwards. */
static enum portctl_exit decide(struct client *c, const struct args *a, const char *tail,
                                const char *state, const char *hash)
{
    json_t *body = json_pack("{s:s*, s:s*}", "hash", hash, "reason", args_get(a, "reason"));
    struct buf target = {0};
    struct answer answer = {0};
    enum portctl_exit code = PORTCTL_USAGE;
    bool again;

    if (body == NULL) {
        say_not_utf8();
        return code;
    }
    put_path(&target, a->words[0], tail);
    code = client_call(c,
                       &(struct call){.method = "POST",
                                      .target = buf_cstr(&target),
                                      .body = body,
                                      .repeatable = true,
                                      .accepts = true},
                       &answer);
    again = answer.repeated && answer.status == 409 &&
            strcmp(text_member(answer.root, "code"), "change-decided") == 0;
    if (code == PORTCTL_DONE) {
        code = ask_outcome(c, &answer);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return again ? decided_before(c, a->words[0], state) : code;
}

enum portctl_exit change_approve(struct client *c, const struct args *a)
{
    struct answer answer;
    const json_t *change;
    struct buf out = {0};
    struct buf word = {0};
    enum portctl_exit code;

    if (!ask_possible(a, &code)) {
        return code;
    }
    code = fetch(c, a->words[0], &answer, &change);
    if (code == PORTCTL_DONE) {
        if (!client_settings(c)->json || args_get(a, "yes") == NULL) {
            put_change(&out, change);
            (void)fwrite(out.data, 1, out.len, stderr);
        }
        diff_word(&word, json_object_get(change, "diff"));
        code = ask_confirm(a, buf_cstr(&word))
                   ? decide(c, a, "/approve", "approved", text_member(change, "hash"))
                   : PORTCTL_USAGE;
    }
    answer_fini(&answer);
    buf_fini(&out);
    buf_fini(&word);
    return code;
}

enum portctl_exit change_reject(struct client *c, const struct args *a)
{
    return decide(c, a, "/reject", "rejected", NULL);
}

enum portctl_exit change_cancel(struct client *c, const struct args *a)
{
    return decide(c, a, "/cancel", "cancelled", NULL);
}
