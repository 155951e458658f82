#include "admin_api/portctl/decide.h"

#include <string.h>
#include "admin_api/portctl/ask.h"
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

static void put_path(struct buf *out, const struct decide_kind *k, const char *id, const char *tail)
{
    buf_puts(out, k->path);
    put_segment(out, id);
    buf_puts(out, tail);
}

/* *REQUEST: part of ANSWER. */
static enum portctl_exit fetch(struct client *c, const struct decide_kind *k, const char *id,
                               struct answer *answer, const json_t **request)
{
    struct buf target = {0};
    enum portctl_exit code;

    put_path(&target, k, id, "");
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, answer);
    buf_fini(&target);
    *request = json_object_get(answer->root, k->member);
    return code == PORTCTL_DONE && !json_is_object(*request) ? answer_lacks(k->member) : code;
}

enum portctl_exit decide_show(struct client *c, const struct args *a, const struct decide_kind *k)
{
    struct answer answer;
    const json_t *request;
    enum portctl_exit code = fetch(c, k, a->words[0], &answer, &request);

    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        struct buf out = {0};

        k->put(&out, request);
        print_buf(&out);
    }
    answer_fini(&answer);
    return code;
}

static enum portctl_exit tell_state(struct client *c, const struct decide_kind *k,
                                    const struct answer *a)
{
    if (client_settings(c)->json) {
        print_json(a);
    } else {
        printf("done: %s\n", text_member(json_object_get(a->root, k->member), "state"));
    }
    return PORTCTL_DONE;
}

/* It was sent twice, and the first time may have got there. */
static enum portctl_exit decided_before(struct client *c, const struct decide_kind *k,
                                        const char *id, const char *wanted)
{
    struct answer answer;
    const json_t *request;
    enum portctl_exit code = fetch(c, k, id, &answer, &request);
    const char *state = text_member(request, "state");

    if (code == PORTCTL_DONE && strcmp(state, wanted) == 0) {
        code = tell_state(c, k, &answer);
    } else if (code == PORTCTL_DONE) {
        say("it was decided meanwhile: %s", state);
        say_next("portctl %s %s", k->show, id);
        code = PORTCTL_REFUSED;
    }
    answer_fini(&answer);
    return code;
}

/* TAIL: "/approve"; STATE: what the request is in afterwards; BODY is taken (NULL: no UTF-8). */
static enum portctl_exit decide(struct client *c, const struct args *a, const struct decide_kind *k,
                                const char *tail, const char *state, json_t *body)
{
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code;
    bool again;

    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    put_path(&target, k, a->words[0], tail);
    code = client_call(c,
                       &(struct call){.method = "POST",
                                      .target = buf_cstr(&target),
                                      .body = body,
                                      .repeatable = k->repeatable,
                                      .accepts = k->tell != NULL},
                       &answer);
    again = answer.repeated && answer.status == 409 &&
            strcmp(text_member(answer.root, "code"), "change-decided") == 0;
    if (code == PORTCTL_DONE) {
        code = k->tell != NULL ? k->tell(c, &answer) : tell_state(c, k, &answer);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return again ? decided_before(c, k, a->words[0], state) : code;
}

static json_t *body_of(const struct args *a, const char *hash)
{
    return json_pack("{s:s*, s:s*}", "hash", hash, "reason", args_get(a, "reason"));
}

/* What was typed goes along where the gateway compares it: it tells the word then. */
static enum portctl_exit approve(struct client *c, const struct args *a,
                                 const struct decide_kind *k, const json_t *request)
{
    bool compared = text_member(request, "confirm")[0] != '\0';
    json_t *body = body_of(a, text_member(request, "hash"));
    struct buf word = {0};
    enum portctl_exit code = PORTCTL_USAGE;

    k->put_word(&word, request);
    /* one that waits no more has no word: the gateway says what became of it */
    if (json_is_null(json_object_get(request, "confirm")) ||
        ask_confirm(a, compared ? body : NULL, buf_cstr(&word))) {
        code = decide(c, a, k, "/approve", "approved", body);
    } else {
        json_decref(body);
    }
    buf_fini(&word);
    return code;
}

enum portctl_exit decide_approve(struct client *c, const struct args *a,
                                 const struct decide_kind *k)
{
    struct answer answer;
    const json_t *request;
    struct buf out = {0};
    enum portctl_exit code;

    if (!ask_possible(a, &code)) {
        return code;
    }
    code = fetch(c, k, a->words[0], &answer, &request);
    if (code == PORTCTL_DONE) {
        if (!client_settings(c)->json || args_get(a, "yes") == NULL) {
            k->put(&out, request);
            (void)fwrite(out.data, 1, out.len, stderr);
        }
        code = approve(c, a, k, request);
    }
    answer_fini(&answer);
    buf_fini(&out);
    return code;
}

enum portctl_exit decide_reject(struct client *c, const struct args *a, const struct decide_kind *k)
{
    return decide(c, a, k, "/reject", "rejected", body_of(a, NULL));
}

enum portctl_exit decide_cancel(struct client *c, const struct args *a, const struct decide_kind *k)
{
    return decide(c, a, k, "/cancel", "cancelled", body_of(a, NULL));
}
