/* request, sign: any route, signed; for programs of one's own, for curl, and for what has no command
 * yet. */
#include <errno.h>
#include <stdlib.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

#define BODY_MAX (1u << 20)

struct wish {
    struct call call;
    const char *lines[CALL_LINES_MAX];
    struct buf body;
};

/* False: said why. */
static bool read_body(const char *path, struct buf *out)
{
    bool in = strcmp(path, "-") == 0;
    FILE *f = in ? stdin : fopen(path, "re");
    char *room = buf_room(out, BODY_MAX + 1);
    bool ok = f != NULL;

    if (ok) {
        out->len = fread(room, 1, BODY_MAX + 1, f);
        ok = ferror(f) == 0 && out->len <= BODY_MAX;
    }
    if (!ok) {
        say("cannot read --body %s: %s", path,
            out->len > BODY_MAX ? "longer than 1 MiB" : strerror(errno));
        say_next("give a file, or - for stdin");
    }
    if (f != NULL && !in) {
        (void)fclose(f);
    }
    return ok;
}

static bool is_method(const char *text)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < GW_LEN(known); i++) {
        if (strcmp(known[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < 0x20 || *text > 0x7e) {
            return false;
        }
    }
    return true;
}

static bool is_named(const char *line, const char *name)
{
    size_t len = strlen(name);

    return strlen(line) > len && line[len] == ':' &&
           auth_text_is_name((struct auth_text){line, len}, name, len);
}

static const char *value_of(const char *line)
{
    const char *value = strchr(line, ':') + 1;

    return value + strspn(value, " ");
}

/* Fields that have a place of their own in the call. False: said why. */
static bool take_line(struct wish *w, const char *line, size_t *count)
{
    static const char *const own[] = {"host", "signature", "signature-input", "content-digest",
                                      "content-length"};

    for (size_t i = 0; i < GW_LEN(own); i++) {
        if (is_named(line, own[i])) {
            say("--header %s: portctl makes that one itself", line);
            say_next("leave it out");
            return false;
        }
    }
    if (strchr(line, ':') == NULL || line[0] == ':' || !is_printable(line)) {
        say("--header %s is not \"Name: value\"", line);
        say_next("as in --header 'If-Match: *'");
        return false;
    }
    if (is_named(line, "content-type")) {
        w->call.type = value_of(line);
    } else if (is_named(line, "accept")) {
        w->call.accept = value_of(line);
    } else if (is_named(line, "idempotency-key")) {
        w->call.once = value_of(line);
    } else if (is_named(line, "if-match")) {
        w->call.match = value_of(line);
    } else if (*count + 1 < CALL_LINES_MAX) {
        w->lines[(*count)++] = line;
    } else {
        say("more than %u --header", CALL_LINES_MAX - 1);
        say_next("leave some out");
        return false;
    }
    return true;
}

static bool wish_read(struct wish *w, const struct args *a)
{
    const char *body = args_get(a, "body");
    const char *target = a->words[1];
    const char *line;
    unsigned at = 0;
    size_t count = 0;

    *w = (struct wish){.call = {.method = a->words[0], .target = target}};
    w->call.lines = w->lines;
    if (!is_method(a->words[0])) {
        say("%s is no method", a->words[0]);
        say_next("GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in capitals");
        return false;
    }
    if (target[0] != '/' || !is_printable(target) || strpbrk(target, " #") != NULL) {
        say("%s is not a path", target);
        say_next("as in /v1/symbols/BTC%%2FUSD/mode?dry_run=true, percent-encoded");
        return false;
    }
    while ((line = args_each(a, "header", &at)) != NULL) {
        if (!take_line(w, line, &count)) {
            return false;
        }
    }
    if (body != NULL && !read_body(body, &w->body)) {
        return false;
    }
    w->call.text = (struct auth_text){w->body.data, w->body.len};
    return true;
}

enum portctl_exit request_send(struct client *c, const struct args *a)
{
    struct wish w;
    struct answer answer = {0};
    enum portctl_exit code = PORTCTL_USAGE;

    if (wish_read(&w, a)) {
        w.call.as_is = true;
        code = client_call(c, &w.call, &answer);
        if (args_get(a, "include") != NULL) {
            (void)fwrite(answer.head.data, 1, answer.head.len, stdout);
        }
        if (answer.text.len != 0) {
            print_json(&answer);
        }
    }
    answer_fini(&answer);
    buf_fini(&w.body);
    return code;
}

enum portctl_exit request_sign(struct client *c, const struct args *a)
{
    struct wish w;
    struct buf out = {0};
    enum portctl_exit code = PORTCTL_USAGE;

    if (wish_read(&w, a)) {
        code = client_sign(c, &w.call, &out);
        if (code == PORTCTL_DONE) {
            print_buf(&out);
        }
    }
    buf_fini(&out);
    buf_fini(&w.body);
    return code;
}
