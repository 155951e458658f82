/* ws-token and time: what a client asks before it starts. */
#include "admin_api/portctl/handlers.h"

#include <inttypes.h>
#include "admin_api/portctl/problem.h"
#include "admin_api/portctl/table.h"
#include "admin_api/portctl/text.h"
#include "auth/signature.h"

enum portctl_exit ws_token(struct client *c, const struct args *args)
{
    struct answer a;
    enum portctl_exit code =
        client_call(c, &(struct call){.method = "POST", .target = "/v1/ws-token"}, &a);
    const char *token = json_string_value(json_object_get(a.root, "token"));
    const json_t *expires = json_object_get(a.root, "expires_s");

    (void)args;
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&a);
    } else if (code == PORTCTL_DONE && token == NULL) {
        code = answer_lacks("token");
    } else if (code == PORTCTL_DONE) {
        struct buf out = {0};

        table_clean(&out, token, strlen(token));
        buf_putc(&out, '\n');
        print_buf(&out);
        if (json_is_integer(expires)) {
            say("good for %" JSON_INTEGER_FORMAT " s", json_integer_value(expires));
        }
    }
    answer_fini(&a);
    return code;
}

static void print_times(const struct answer *a, int64_t server_ns)
{
    /* the server read its clock somewhere between the two */
    int64_t here_ns = a->sent_ns + a->took_ns / 2;
    int64_t skew_ns = here_ns - server_ns;
    int64_t skew_s = (skew_ns + (skew_ns < 0 ? -500000000 : 500000000)) / 1000000000;
    struct buf out = {0};

    buf_lit(&out, "server        ");
    buf_rfc3339(&out, server_ns, 3);
    buf_lit(&out, "\nthis machine  ");
    buf_rfc3339(&out, here_ns, 3);
    buf_lit(&out, "\nskew          ");
    buf_fixed(&out, skew_ns / 1000000, 3);
    buf_lit(&out, " s, within ");
    buf_fixed(&out, (a->took_ns / 2 + 999999) / 1000000, 3);
    buf_lit(&out, " s\n");
    print_buf(&out);
    if (skew_s > SIGNATURE_WINDOW_S / 2 || skew_s < -SIGNATURE_WINDOW_S / 2) {
        put_skew(&out, skew_s);
        say("%s; requests are refused from %d s on", buf_cstr(&out), SIGNATURE_WINDOW_S);
        say_next(SKEW_NEXT);
        buf_fini(&out);
    }
}

enum portctl_exit server_time(struct client *c, const struct args *args)
{
    struct answer a;
    enum portctl_exit code = client_call(
        c, &(struct call){.method = "GET", .target = "/v1/time", .is_unsigned = true}, &a);
    int64_t ns = (int64_t)json_integer_value(json_object_get(a.root, "unix_ns"));

    (void)args;
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&a);
    } else if (code == PORTCTL_DONE && ns <= 0) {
        code = answer_lacks("unix_ns");
    } else if (code == PORTCTL_DONE) {
        print_times(&a, ns);
    }
    answer_fini(&a);
    return code;
}
