#include "admin_api/portctl/ask.h"

#include <inttypes.h>
#include <unistd.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/http.h"
#include "admin_api/portctl/text.h"
#include "admin_api/portctl/values.h"

static bool given(const struct args *a, const char *option)
{
    return args_get(a, option) != NULL;
}

void ask_init(struct ask *k, const char *method, const struct args *a)
{
    const char *until = args_get(a, "until");

    *k = (struct ask){.method = method};
    k->body = json_pack("{s:s, s:s*, s:s*}", "reason", args_get(a, "reason"), "ticket",
                        args_get(a, "ticket"), "incident", args_get(a, "incident"));
    if (k->body == NULL) {
        say_not_utf8();
    } else if (until != NULL) {
        ask_set_time(k, "until", "until", until);
    }
}

void ask_set_time(struct ask *k, const char *name, const char *option, const char *text)
{
    json_t *v = time_value(option, text);

    if (v != NULL) {
        ask_set(k, name, v);
    } else {
        json_decref(k->body);
        k->body = NULL;
    }
}

void ask_set(struct ask *k, const char *name, json_t *v)
{
    if (k->body != NULL && v == NULL) {
        say_not_utf8();
    }
    if (k->body == NULL || v == NULL || json_object_set_new(k->body, name, v) != 0) {
        if (k->body == NULL) {
            json_decref(v);
        }
        json_decref(k->body);
        k->body = NULL;
    }
}

json_t *ask_list(const char *text)
{
    json_t *list = json_array();
    bool failed = list == NULL;

    while (!failed) {
        size_t len = strcspn(text, ",");

        failed = json_array_append_new(list, json_stringn(text, len)) != 0;
        if (text[len] == '\0') {
            break;
        }
        text += len + 1;
    }
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static void ask_fini(struct ask *k)
{
    buf_fini(&k->target);
    buf_fini(&k->look);
    json_decref(k->body);
    k->body = NULL;
}

/* --- confirmation ------------------------------------------------------------------------------ */

bool ask_possible(const struct args *a, enum portctl_exit *code)
{
    *code = PORTCTL_DONE;
    if (given(a, "yes") || given(a, "dry-run") || isatty(STDIN_FILENO) != 0) {
        return true;
    }
    say("there is no terminal to confirm it on; nothing was sent");
    say_next("look with --dry-run; add --yes when you are sure");
    *code = PORTCTL_USAGE;
    return false;
}

bool ask_confirm(const struct args *a, json_t *body, const char *word)
{
    if (given(a, "yes")) {
        return true;
    }
    fprintf(stderr, "Type %s to go on: ", word);
    if (typed(stdin, word)) {
        return body == NULL || json_object_set_new(body, "confirm", json_string(word)) == 0;
    }
    say("that is not %s: nothing was done", word);
    say_next("give the command again when you are sure");
    return false;
}

/* --- the dry run ------------------------------------------------------------------------------- */

/* ETag of the resource as it is now. */
static enum portctl_exit look(struct client *c, const struct ask *k, struct buf *etag)
{
    struct buf path = {0};
    struct answer a;
    enum portctl_exit code;

    buf_append(&path, k->look.data, k->look.len);
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&path)}, &a);
    if (code == PORTCTL_DONE && !http_field(&a.head, "etag", etag)) {
        code = answer_lacks("ETag");
    }
    answer_fini(&a);
    buf_fini(&path);
    return code;
}

static enum portctl_exit try_dry(struct client *c, const struct ask *k, const char *match,
                                 struct answer *a)
{
    struct buf target = {0};
    enum portctl_exit code;

    buf_append(&target, k->target.data, k->target.len);
    buf_lit(&target, "?dry_run=true");
    code = client_call(c,
                       &(struct call){.method = k->method,
                                      .target = buf_cstr(&target),
                                      .body = json_incref(k->body),
                                      .match = match,
                                      .repeatable = strcmp(k->method, "POST") == 0,
                                      .quiet = match != NULL && match[0] == '*' ? 428 : 0},
                       a);
    buf_fini(&target);
    return code;
}

/* ETAG gets the version that is loosened, and stays empty for what tightens. */
static enum portctl_exit dry_run(struct client *c, const struct ask *k, struct answer *a,
                                 struct buf *etag)
{
    bool put = strcmp(k->method, "PUT") == 0;
    enum portctl_exit code = PORTCTL_DONE;
    const char *direction;

    *a = (struct answer){0};
    if (!put && k->look.len != 0) {
        code = look(c, k, etag);
    }
    if (code == PORTCTL_DONE) {
        code = try_dry(c, k, put ? "*" : etag->len != 0 ? buf_cstr(etag) : NULL, a);
    }
    if (put && a->status == 428) {
        answer_fini(a);
        code = look(c, k, etag);
        if (code == PORTCTL_DONE) {
            code = try_dry(c, k, buf_cstr(etag), a);
        }
    }
    direction = text_member(json_object_get(a->root, "diff"), "direction");
    if (code == PORTCTL_DONE && put && etag->len == 0 && strcmp(direction, "NEUTRAL") == 0) {
        code = look(c, k, etag);
    }
    return code;
}

static void show(FILE *to, const struct answer *dry)
{
    const json_t *diff = json_object_get(dry->root, "diff");
    const char *direction = text_member(diff, "direction");
    struct buf out = {0};

    if (strcmp(direction, "NONE") == 0) {
        buf_lit(&out, "nothing would change\n");
    } else {
        diff_put(&out, diff);
        buf_lit(&out, "direction     ");
        table_clean(&out, direction, strlen(direction));
        buf_printf(&out, "\nneeds         %s\n",
                   strcmp(direction, "LOOSEN") == 0
                       ? "a second person, who approves it (portctl approve)"
                       : "one person: it takes effect at once");
        radius_put(&out, "reaches", json_object_get(dry->root, "blast_radius"));
    }
    (void)fwrite(out.data, 1, out.len, to);
    buf_fini(&out);
}

/* --- the outcome ------------------------------------------------------------------------------- */

static void put_effect(struct buf *out, const json_t *root)
{
    const json_t *us = json_object_get(root, "effect_us");
    const json_t *audit = json_object_get(root, "audit");
    const char *journal = text_member(root, "journal");

    if (json_is_integer(us)) {
        buf_lit(out, " after ");
        buf_fixed(out, json_integer_value(us), 3);
        buf_lit(out, " ms");
    }
    if (json_is_integer(audit)) {
        buf_printf(out, "; audit %" JSON_INTEGER_FORMAT, json_integer_value(audit));
    } else if (journal[0] != '\0') {
        buf_lit(out, "; journaled as ");
        table_clean(out, journal, strlen(journal));
    }
    buf_putc(out, '\n');
}

/* Loops that have not said that they follow. */
static bool say_missing(const json_t *root)
{
    static const struct field f = {"", "unconfirmed", FIELD_WORDS};
    struct buf names = {0};
    struct buf clean = {0};
    bool some = json_array_size(json_object_get(root, "unconfirmed")) != 0;

    if (some) {
        field_put(&names, root, &f);
        table_clean(&clean, names.data, names.len);
        say("not confirmed by: %s", buf_cstr(&clean));
        say_next("portctl status, and /readyz?verbose of the admin address; repeat it if in doubt");
    }
    buf_fini(&names);
    buf_fini(&clean);
    return some;
}

static enum portctl_exit say_requested(struct buf *out, const json_t *root)
{
    const char *id = text_member(root, "change");
    struct buf clean = {0};

    table_clean(&clean, id, strlen(id));
    buf_printf(out, "requested: change %s waits for a second person", buf_cstr(&clean));
    put_effect(out, root);
    say("nothing is in force yet");
    say_next("another person: portctl approve %s; take it back: portctl cancel %s",
             buf_cstr(&clean), buf_cstr(&clean));
    buf_fini(&clean);
    return PORTCTL_WAITING;
}

/* The words of GATE_OUTCOMES, in words for people. */
static enum portctl_exit tell(struct buf *out, const json_t *root)
{
    const char *outcome = text_member(root, "outcome");

    if (strcmp(outcome, "requested") == 0) {
        return say_requested(out, root);
    }
    if (strcmp(outcome, "nothing") == 0) {
        buf_lit(out, "nothing to do: it is so already\n");
        return PORTCTL_DONE;
    }
    if (strcmp(outcome, "decided") == 0) {
        buf_lit(out, "decided");
        put_effect(out, root);
        return PORTCTL_DONE;
    }
    buf_lit(out, "done: in force");
    put_effect(out, root);
    if (strcmp(outcome, "journaled") == 0) {
        say("PostgreSQL has not taken it: the journal of the gateway keeps it and enters it into "
            "the audit log by itself");
    } else if (strcmp(outcome, "unaudited") == 0) {
        say("it is in force in memory alone: neither PostgreSQL nor a disk took it, and a restart "
            "loses it");
        say_next("repair PostgreSQL or the disk of gate.state_dir, then give the command again");
        return PORTCTL_PARTLY;
    }
    return PORTCTL_DONE;
}

enum portctl_exit ask_outcome(struct client *c, const struct answer *a)
{
    struct buf out = {0};
    enum portctl_exit code;

    if (text_member(a->root, "outcome")[0] == '\0') {
        return answer_lacks("outcome");
    }
    code = tell(&out, a->root);
    if (say_missing(a->root) && code == PORTCTL_DONE) {
        code = PORTCTL_PARTLY;
    }
    if (client_settings(c)->json) {
        buf_fini(&out);
        print_json(a);
    } else {
        print_buf(&out);
    }
    return code;
}

/* --- all of it --------------------------------------------------------------------------------- */

/* What took effect without a ticket owes one: whoever has the number at hand need not look for it. */
static void say_owed(const struct ask *k, const json_t *root)
{
    const char *outcome = text_member(root, "outcome");
    const json_t *audit = json_object_get(root, "audit");

    if (text_member(k->body, "ticket")[0] != '\0' ||
        (strcmp(outcome, "done") != 0 && strcmp(outcome, "journaled") != 0)) {
        return;
    }
    say("its ticket is owed");
    if (json_is_integer(audit)) {
        say_next("portctl tickets pay %" JSON_INTEGER_FORMAT " TICKET", json_integer_value(audit));
    } else {
        say_next("portctl tickets owed, once it is in the audit log");
    }
}

static enum portctl_exit send_it(struct client *c, const struct ask *k, const char *match)
{
    struct buf target = {0};
    struct answer a;
    enum portctl_exit code;

    buf_append(&target, k->target.data, k->target.len);
    code = client_call(c,
                       &(struct call){.method = k->method,
                                      .target = buf_cstr(&target),
                                      .body = json_incref(k->body),
                                      .match = match,
                                      .repeatable = true,
                                      .accepts = true},
                       &a);
    if (code == PORTCTL_DONE) {
        code = ask_outcome(c, &a);
        if (!client_settings(c)->json) {
            say_owed(k, a.root);
        }
    }
    answer_fini(&a);
    buf_fini(&target);
    return code;
}

/* The gateway has told the word, and compares what is sent. */
static enum portctl_exit confirm(const struct args *a, const struct ask *k,
                                 const struct answer *dry)
{
    const char *told = text_member(dry->root, "confirm");
    struct buf word = {0};
    enum portctl_exit code = PORTCTL_DONE;

    if (strcmp(text_member(json_object_get(dry->root, "diff"), "direction"), "NONE") == 0) {
        return PORTCTL_DONE;
    }
    if (told[0] == '\0') {
        return answer_lacks("confirm");
    }
    table_clean(&word, told, strlen(told));
    if (!ask_confirm(a, k->body, buf_cstr(&word))) {
        code = PORTCTL_USAGE;
    }
    buf_fini(&word);
    return code;
}

static enum portctl_exit go(struct client *c, const struct args *a, const struct ask *k)
{
    bool json = client_settings(c)->json;
    struct buf etag = {0};
    struct answer dry;
    enum portctl_exit code = dry_run(c, k, &dry, &etag);
    const char *match = strcmp(k->method, "PUT") == 0 ? "*" : NULL;

    if (code == PORTCTL_DONE && !json_is_object(json_object_get(dry.root, "diff"))) {
        code = answer_lacks("diff");
    } else if (code == PORTCTL_DONE && given(a, "dry-run")) {
        if (json) {
            print_json(&dry);
        } else {
            show(stdout, &dry);
        }
    } else if (code == PORTCTL_DONE) {
        if (!json || !given(a, "yes")) {
            show(stderr, &dry);
        }
        code = confirm(a, k, &dry);
        if (code == PORTCTL_DONE) {
            code = send_it(c, k, etag.len != 0 ? buf_cstr(&etag) : match);
        }
    }
    answer_fini(&dry);
    buf_fini(&etag);
    return code;
}

enum portctl_exit ask_run(struct client *c, const struct args *a, struct ask *k)
{
    enum portctl_exit code = PORTCTL_USAGE;

    if (k->body != NULL && ask_possible(a, &code)) {
        code = go(c, a, k);
    }
    ask_fini(k);
    return code;
}
