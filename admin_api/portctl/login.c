/* Commands on one's own session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/people_rows.h"
#include "admin_api/portctl/table.h"
#include "admin_api/portctl/text.h"

#define LINE_MAX_BYTES 600u

const struct opt elevate_options[] = {
    {"minutes", "N", "15 to 60 (15)", NULL, 0, '\0'},
    {"reason", "TEXT", "why, for the audit log: 10 to 500 characters", NULL, OPT_REQUIRED, '\0'},
    {"ticket", "ID", "number of the ticket", NULL, OPT_REQUIRED, '\0'},
    {0},
};

/* One line of stdin, without echo on a terminal. False: said. */
static bool ask(const char *prompt, char out[LINE_MAX_BYTES])
{
    struct termios before;
    struct termios quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    bool ok;

    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        fprintf(stderr, "%s: ", prompt);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ok = fgets(out, LINE_MAX_BYTES, stdin) != NULL;
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    if (!ok || (strchr(out, '\n') == NULL && strlen(out) + 1 == LINE_MAX_BYTES)) {
        OPENSSL_cleanse(out, LINE_MAX_BYTES);
        say("%s: no line, or too long a one", prompt);
        say_next("type it on the terminal, or give a line each on stdin");
        return false;
    }
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

static bool is_true(const struct answer *a, const char *name)
{
    return json_is_true(json_object_get(a->root, name));
}

static enum portctl_exit post(struct client *c, const char *target, json_t *body, struct answer *a)
{
    if (body == NULL) {
        say_not_utf8();
        *a = (struct answer){0};
        return PORTCTL_USAGE;
    }
    return client_call(
        c, &(struct call){.method = "POST", .target = target, .body = body, .is_person = true}, a);
}

/* The words of NAME, an array of the answer. */
static void put_list(struct buf *out, const json_t *root, const char *name)
{
    const json_t *list = json_object_get(root, name);
    size_t i;
    const json_t *v;

    json_array_foreach(list, i, v)
    {
        const char *word = json_is_string(v) ? json_string_value(v) : "?";

        if (i != 0) {
            buf_putc(out, ' ');
        }
        table_clean(out, word, strlen(word));
    }
}

static void put_line(struct buf *out, const struct answer *a, const char *title, const char *name)
{
    const json_t *v = json_object_get(a->root, name);
    const char *text = json_string_value(v);

    if (json_array_size(v) == 0 && text == NULL) {
        return;
    }
    buf_printf(out, "%-14s", title);
    if (json_is_array(v)) {
        put_list(out, a->root, name);
    } else if (strlen(name) > 3 && strstr(name, "_at") != NULL) {
        put_time(out, text);
    } else {
        table_clean(out, text, strlen(text));
    }
    buf_putc(out, '\n');
}

static void print_session(struct client *c, const struct answer *a)
{
    struct buf out = {0};

    if (client_settings(c)->json) {
        print_json(a);
        return;
    }
    put_line(&out, a, "user", "user");
    put_line(&out, a, "key", "key");
    put_line(&out, a, "person", "person");
    put_line(&out, a, "session", "session");
    put_line(&out, a, "roles", "roles");
    put_line(&out, a, "permissions", "permissions");
    put_line(&out, a, "factor proved", "factor_at");
    put_line(&out, a, "ends idle", "idle_at");
    put_line(&out, a, "ends", "ends_at");
    print_buf(&out);
}

/* --- log-in -------------------------------------------------------------------------------------
 */

/* A password of her own, in place of the temporary one. */
static enum portctl_exit choose_password(struct client *c, const char *old, struct answer *a)
{
    char first[LINE_MAX_BYTES];
    char again[LINE_MAX_BYTES];
    enum portctl_exit code = PORTCTL_USAGE;

    say("the password is a temporary one: choose another, 12 to 128 characters");
    if (ask("new password", first) && ask("again", again)) {
        if (strcmp(first, again) != 0) {
            say("the two differ: nothing was changed");
            say_next("portctl login, and choose again");
        } else {
            answer_fini(a);
            code = post(c, "/v1/session/password",
                        json_pack("{s:s, s:s}", "old", old, "password", first), a);
        }
    }
    OPENSSL_cleanse(first, sizeof first);
    OPENSSL_cleanse(again, sizeof again);
    return code;
}

static void print_codes(const struct answer *a)
{
    const json_t *list = json_object_get(a->root, "recovery_codes");
    size_t i;
    const json_t *v;

    if (json_array_size(list) != 0) {
        puts("recovery codes, each once in place of a code; keep them, they are not shown again:");
    }
    json_array_foreach(list, i, v)
    {
        struct buf line = {0};
        const char *text = json_is_string(v) ? json_string_value(v) : "?";

        buf_lit(&line, "  ");
        table_clean(&line, text, strlen(text));
        buf_putc(&line, '\n');
        print_buf(&line);
    }
}

static enum portctl_exit enrol(struct client *c, struct answer *a)
{
    char text[LINE_MAX_BYTES];
    enum portctl_exit code;
    const char *secret;
    const char *uri;

    answer_fini(a);
    code = post(c, "/v1/session/enrol", json_object(), a);
    secret = json_string_value(json_object_get(a->root, "secret"));
    uri = json_string_value(json_object_get(a->root, "uri"));
    if (code != PORTCTL_DONE || secret == NULL || uri == NULL) {
        return code != PORTCTL_DONE ? code : answer_lacks("secret");
    }
    printf("second factor, for an authenticator:\n  %s\n  %s\n", secret, uri);
    (void)fflush(stdout);
    if (!ask("code it shows", text)) {
        return PORTCTL_USAGE;
    }
    answer_fini(a);
    code = post(c, "/v1/session/enrol/confirm", json_pack("{s:s}", "code", text), a);
    if (code == PORTCTL_DONE) {
        print_codes(a);
    }
    return code;
}

static enum portctl_exit log_in(struct client *c, const char *name, char *password,
                                struct answer *a)
{
    char text[LINE_MAX_BYTES];
    enum portctl_exit code;
    json_t *body;

    *a = (struct answer){0};
    if (!ask("password", password) || !ask("code (empty: no second factor yet)", text)) {
        return PORTCTL_USAGE;
    }
    body = json_pack("{s:s, s:s, s:s}", "name", name, "password", password, "code", text);
    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    code = client_call(c,
                       &(struct call){.method = "POST",
                                      .target = "/v1/session",
                                      .body = body,
                                      .is_unsigned = true,
                                      .is_person = true},
                       a);
    if (code == PORTCTL_DONE && is_true(a, "must_choose_password")) {
        code = choose_password(c, password, a);
    }
    if (code == PORTCTL_DONE && is_true(a, "must_enrol")) {
        code = enrol(c, a);
    }
    return code;
}

enum portctl_exit person_login(struct client *c, const struct args *args)
{
    char password[LINE_MAX_BYTES];
    struct answer a;
    enum portctl_exit code = log_in(c, args->words[0], password, &a);

    OPENSSL_cleanse(password, sizeof password);
    if (code == PORTCTL_DONE) {
        print_session(c, &a);
    }
    answer_fini(&a);
    return code;
}

/* --- of the session ------------------------------------------------------------------------------
 */

enum portctl_exit person_logout(struct client *c, const struct args *args)
{
    struct answer a;
    enum portctl_exit code = client_call(
        c, &(struct call){.method = "DELETE", .target = "/v1/session", .is_person = true}, &a);

    (void)args;
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&a);
    }
    if (code == PORTCTL_DONE || a.status == 401) {
        client_forget_session(c);
    }
    answer_fini(&a);
    return code;
}

enum portctl_exit person_whoami(struct client *c, const struct args *args)
{
    struct answer a;
    enum portctl_exit code =
        client_call(c, &(struct call){.method = "GET", .target = "/v1/session"}, &a);

    (void)args;
    if (code == PORTCTL_DONE) {
        print_session(c, &a);
    }
    answer_fini(&a);
    return code;
}

enum portctl_exit person_renew(struct client *c, const struct args *args)
{
    char text[LINE_MAX_BYTES];
    struct answer a;
    enum portctl_exit code;

    (void)args;
    if (!ask("code", text)) {
        return PORTCTL_USAGE;
    }
    code = post(c, "/v1/session/factor", json_pack("{s:s}", "code", text), &a);
    if (code == PORTCTL_DONE) {
        print_session(c, &a);
    }
    answer_fini(&a);
    return code;
}

enum portctl_exit person_elevate(struct client *c, const struct args *args)
{
    const char *minutes = args_get(args, "minutes");
    uint64_t n = 15;
    struct answer a;
    enum portctl_exit code;

    if (minutes != NULL && !number_parse(minutes, 15, 60, &n)) {
        say("--minutes %s: give 15 to 60", minutes);
        say_next("portctl help elevate");
        return PORTCTL_USAGE;
    }
    code = post(c, "/v1/session/elevate",
                json_pack("{s:s, s:I, s:s, s:s}", "role", args->words[0], "seconds",
                          (json_int_t)(n * 60), "reason", args_get(args, "reason"), "ticket",
                          args_get(args, "ticket")),
                &a);
    if (code == PORTCTL_DONE) {
        print_session(c, &a);
    }
    answer_fini(&a);
    return code;
}
