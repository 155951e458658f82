#include "admin_api/portctl/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include "admin_api/portctl/http.h"
#include "admin_api/portctl/keyfile.h"
#include "admin_api/portctl/problem.h"
#include "admin_api/portctl/session_file.h"
#include "admin_api/portctl/table.h"
#include "admin_api/portctl/text.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"

#define DEPTH_MAX 16u
#define TYPE      "application/json"
#define ONCE_MAX  40u

struct client {
    const struct settings *settings;
    const char *command;
    struct buf authority;
    struct sign_key key;
    bool loaded;
    struct buf session_path;
    struct session_file session;
    bool has_session; /* it speaks, and no key */
};

struct client *client_create(const struct settings *s, const char *command, enum portctl_exit *code)
{
    struct client *c = gw_calloc(1, sizeof *c);
    struct buf why = {0};

    c->settings = s;
    c->command = command;
    *code = PORTCTL_DONE;
    if (s->url == NULL) {
        say("where is the admin API?");
        say_next("give --url https://HOST:PORT, ADMIN_URL, or --env var/up.env");
        *code = PORTCTL_USAGE;
    } else if (!http_authority(s->url, &c->authority, &why)) {
        say("%s", buf_cstr(&why));
        say_next("correct --url or ADMIN_URL");
        *code = PORTCTL_USAGE;
    }
    buf_fini(&why);
    if (*code != PORTCTL_DONE) {
        client_destroy(&c);
    }
    return c;
}

void client_destroy(struct client **cp)
{
    struct client *c = *cp;

    *cp = NULL;
    keyfile_wipe(&c->key);
    session_file_wipe(&c->session);
    buf_fini(&c->session_path);
    buf_fini(&c->authority);
    free(c);
}

const struct settings *client_settings(const struct client *c)
{
    return c->settings;
}

/* The session of this address; a key that the line names wins. */
static enum portctl_exit load_session(struct client *c, const struct call *call)
{
    struct buf why = {0};
    enum portctl_exit code = PORTCTL_DONE;

    if (c->session_path.len == 0) {
        session_file_path(&c->session_path, c->settings->session_file, buf_cstr(&c->authority));
    }
    if (c->has_session || call->is_unsigned || (c->settings->key_named && !call->is_person)) {
        return PORTCTL_DONE;
    }
    c->has_session =
        session_file_load(buf_cstr(&c->session_path), buf_cstr(&c->authority), &c->session, &why);
    if (!c->has_session && (why.len != 0 || call->is_person)) {
        say("%s", why.len != 0 ? buf_cstr(&why) : "nobody has logged in at this address");
        if (why.len == 0) {
            say_next("portctl login NAME");
        }
        code = PORTCTL_AUTH;
    }
    buf_fini(&why);
    return code;
}

void client_forget_session(struct client *c)
{
    c->has_session = false;
    session_file_wipe(&c->session);
    session_file_remove(buf_cstr(&c->session_path));
}

/* A new token has come: the old one is void. */
static enum portctl_exit keep_session(struct client *c, const char *cookie, const json_t *root)
{
    const char *csrf = json_string_value(json_object_get(root, "csrf"));
    struct buf why = {0};
    enum portctl_exit code = PORTCTL_DONE;

    if (cookie[0] == '\0' || csrf == NULL || strlen(csrf) >= sizeof c->session.csrf) {
        return PORTCTL_DONE;
    }
    (void)snprintf(c->session.token, sizeof c->session.token, "%s", cookie);
    (void)snprintf(c->session.csrf, sizeof c->session.csrf, "%s", csrf);
    c->has_session = true;
    if (!session_file_save(buf_cstr(&c->session_path), buf_cstr(&c->authority), &c->session,
                           &why)) {
        say("%s", buf_cstr(&why));
        code = PORTCTL_AUTH;
    }
    buf_fini(&why);
    return code;
}

/* Not before it is needed: `time` asks unsigned. */
static enum portctl_exit load_key(struct client *c)
{
    const struct settings *s = c->settings;
    struct buf why = {0};

    if (c->loaded) {
        return PORTCTL_DONE;
    }
    if (s->key_file == NULL || s->key_id == NULL) {
        say("%s is missing, and nobody has logged in: every request but time needs a key or a "
            "person",
            s->key_file == NULL ? "--key-file (ADMIN_KEY_FILE)" : "--key-id (ADMIN_KEY_ID)");
        say_next("portctl login NAME; or give a key, which an administrator issues with: portctl "
                 "key new");
        return PORTCTL_USAGE;
    }
    c->loaded = keyfile_load(s->key_file, &c->key, &why);
    if (!c->loaded) {
        say("%s", buf_cstr(&why));
    }
    buf_fini(&why);
    return c->loaded ? PORTCTL_DONE : PORTCTL_AUTH;
}

/* Lines of the head, and the memory they lie in. */
struct head {
    struct buf host;
    struct buf accept;
    struct buf type;
    struct buf match;
    struct buf once;
    struct sign_fields fields;
    char digest[128];
    char input[600];
    char value[160];
    struct buf origin;
    char cookie[96];
    char csrf[96];
};

static struct auth_text text_of(const char *s)
{
    return (struct auth_text){s, strlen(s)};
}

static enum portctl_exit sign_head(struct client *c, const struct call *call, struct auth_text body,
                                   struct head *h)
{
    char nonce[25];
    const struct sign_request request = {
        .method = text_of(call->method),
        .authority = {c->authority.data, c->authority.len},
        .target = text_of(call->target),
        .type = text_of(call->type != NULL ? call->type : TYPE),
        .body = body,
        .match = text_of(call->match != NULL ? call->match : ""),
        .once = text_of(call->once != NULL ? call->once : ""),
    };
    const struct sign_stamp stamp = {c->settings->key_id, nonce, clock_real_ns() / 1000000000};
    const char *why = sign_nonce(nonce) ? sign_request(&c->key, &request, &stamp, &h->fields)
                                        : "the system gives no random bytes";

    if (why != NULL) {
        say("cannot sign the request: %s", why);
        say_next("check --key-id and --key-file");
        return PORTCTL_AUTH;
    }
    (void)snprintf(h->digest, sizeof h->digest, "Content-Digest: %s", h->fields.content_digest);
    (void)snprintf(h->input, sizeof h->input, "Signature-Input: %s", h->fields.signature_input);
    (void)snprintf(h->value, sizeof h->value, "Signature: %s", h->fields.signature);
    return PORTCTL_DONE;
}

static void list_head(struct client *c, const struct call *call, struct auth_text body,
                      struct head *h, struct http_call *http)
{
    bool as_person = c->has_session || call->is_person;
    size_t n = 0;

    buf_printf(&h->host, "Host: %.*s", (int)c->authority.len, c->authority.data);
    buf_printf(&h->accept, "Accept: %s", call->accept != NULL ? call->accept : TYPE);
    buf_printf(&h->type, "Content-Type: %s", call->type != NULL ? call->type : TYPE);
    http->lines[n++] = buf_cstr(&h->host);
    http->lines[n++] = buf_cstr(&h->accept);
    http->lines[n++] = "Expect:"; /* no 100-continue */
    http->lines[n++] = body.len != 0 || as_person ? buf_cstr(&h->type) : "Content-Type:";
    if (call->match != NULL) {
        buf_printf(&h->match, "If-Match: %s", call->match);
        http->lines[n++] = buf_cstr(&h->match);
    }
    if (call->once != NULL) {
        buf_printf(&h->once, "Idempotency-Key: %s", call->once);
        http->lines[n++] = buf_cstr(&h->once);
    }
    for (size_t i = 0; call->lines != NULL && call->lines[i] != NULL; i++) {
        GW_ASSERT(i < CALL_LINES_MAX);
        http->lines[n++] = call->lines[i];
    }
    if (as_person) { /* as a page of the gateway's would */
        buf_printf(&h->origin, "Origin: https://%.*s", (int)c->authority.len, c->authority.data);
        http->lines[n++] = buf_cstr(&h->origin);
    }
    if (as_person && !call->is_unsigned) {
        (void)snprintf(h->cookie, sizeof h->cookie, "Cookie: " HTTP_COOKIE "=%s", c->session.token);
        (void)snprintf(h->csrf, sizeof h->csrf, "X-CSRF-Token: %s", c->session.csrf);
        http->lines[n++] = h->cookie;
        http->lines[n++] = h->csrf;
        http->lines[n++] = "X-User-Active: 1";
    } else if (!call->is_unsigned) {
        http->lines[n++] = h->input;
        http->lines[n++] = h->value;
        if (body.len != 0) {
            http->lines[n++] = h->digest;
        }
    }
    GW_ASSERT(n < HTTP_LINES_MAX);
}

static void head_fini(struct head *h)
{
    buf_fini(&h->host);
    buf_fini(&h->accept);
    buf_fini(&h->type);
    buf_fini(&h->match);
    buf_fini(&h->once);
    buf_fini(&h->origin);
}

static enum portctl_exit unreachable(struct client *c, const struct call *call,
                                     enum http_result result, const char *why, struct answer *a)
{
    bool change = strcmp(call->method, "GET") != 0;

    if (result == HTTP_TLS) {
        say("no trusted TLS connection to %s: %s", c->settings->url, why);
        say_next("give the CA that signed its certificate: --ca FILE or PORTCTL_CA "
                 "(of ./up: var/tls/ca.pem)");
    } else if (result == HTTP_LOST && change) {
        a->doubtful = true;
        say("no whole answer from %s: %s", c->settings->url, why);
        say_next(
            "the change may have been made: look before you repeat it (portctl status, key list)");
    } else {
        say("cannot reach %s: %s", c->settings->url, why);
        say_next("check that the gateway runs and that --url is its admin address");
    }
    return PORTCTL_UNREACHABLE;
}

static enum portctl_exit judge(struct client *c, const struct call *call,
                               const struct http_reply *reply, struct answer *a)
{
    struct buf text = {0};
    enum portctl_exit code = PORTCTL_DONE;
    struct problem p = {.status = reply->status,
                        .command = c->command,
                        .key_id = call->is_unsigned ? NULL : c->settings->key_id,
                        .person = c->has_session || call->is_person,
                        .now_s = clock_real_ns() / 1000000000,
                        .date_s = reply->date_s,
                        .retry_after_s = reply->retry_after_s};

    a->status = reply->status;
    a->root = json_parse_strict(a->text.data, a->text.len, DEPTH_MAX);
    if (call->as_is && reply->status >= 200 && reply->status < 400) {
        return PORTCTL_DONE;
    }
    if (reply->status >= 200 && reply->status < 300 && json_is_object(a->root)) {
        if (reply->status == 202 && !call->accepts &&
            json_object_get(a->root, "waits_for") == NULL) {
            say("accepted, but not yet in force everywhere");
        }
        return keep_session(c, reply->cookie, a->root);
    }
    a->doubtful = strcmp(call->method, "GET") != 0 && (reply->status < 300 || reply->status >= 500);
    if (call->quiet != 0 && reply->status == call->quiet) {
        return PORTCTL_REFUSED;
    }
    p.root = json_is_object(a->root) ? a->root : NULL;
    code = problem_put(&p, &text);
    fputs(buf_cstr(&text), stderr);
    buf_fini(&text);
    /* a script that asked for JSON gets the problem too */
    if (c->settings->json && p.root != NULL && !call->as_is) {
        (void)fwrite(a->text.data, 1, a->text.len, stdout);
        fputc('\n', stdout);
    }
    return code;
}

/* One try. FAILED: it was the network, and the call may be sent again. */
static enum portctl_exit perform(struct client *c, const struct call *call, struct auth_text body,
                                 struct answer *a, bool last, bool *failed)
{
    struct head h = {0};
    struct buf url = {0};
    char why[HTTP_WHY_MAX];
    struct http_call http = {.method = call->method,
                             .body = body,
                             .ca = c->settings->ca,
                             .timeout_s = c->settings->timeout_s};
    struct http_reply reply = {0};
    enum http_result result;
    enum portctl_exit code =
        call->is_unsigned || c->has_session ? PORTCTL_DONE : sign_head(c, call, body, &h);

    *failed = false;
    if (code != PORTCTL_DONE) {
        return code;
    }
    list_head(c, call, body, &h, &http);
    buf_printf(&url, "https://%.*s%s", (int)c->authority.len, c->authority.data, call->target);
    http.url = buf_cstr(&url);
    if (c->settings->verbose) {
        fprintf(stderr, "> %s %s%s%s\n", call->method, http.url,
                call->is_unsigned ? ""
                : c->has_session  ? " by the session of login"
                                  : " signed by ",
                call->is_unsigned || c->has_session ? "" : c->settings->key_id);
    }
    a->sent_ns = clock_real_ns();
    result = http_send(&http, &reply, why);
    a->took_ns = clock_real_ns() - a->sent_ns;
    a->text = reply.body;
    a->head = reply.head;
    if (c->settings->verbose) {
        fprintf(stderr, "< %ld, %zu bytes after %" PRId64 " ms\n", reply.status, reply.body.len,
                reply.took_us / 1000);
    }
    *failed = call->once != NULL && (result == HTTP_LOST || result == HTTP_NOT_SENT);
    if (result == HTTP_ANSWERED) {
        code = judge(c, call, &reply, a);
    } else if (*failed && !last) {
        say("no answer from %s: %s; asking again under the same Idempotency-Key", c->settings->url,
            why);
        code = PORTCTL_UNREACHABLE;
    } else {
        code = unreachable(c, call, result, why, a);
    }
    OPENSSL_cleanse(&h.cookie, sizeof h.cookie);
    OPENSSL_cleanse(&reply.cookie, sizeof reply.cookie);
    head_fini(&h);
    buf_fini(&url);
    return code;
}

/* A change that has a name of its own is made once, however often it is sent. */
static enum portctl_exit repeat(struct client *c, const struct call *call, struct auth_text body,
                                struct answer *a)
{
    static const unsigned wait_s[] = {1, 2};
    bool failed = false;
    enum portctl_exit code = PORTCTL_DONE;

    for (unsigned i = 0; i <= GW_LEN(wait_s); i++) {
        code = perform(c, call, body, a, i == GW_LEN(wait_s), &failed);
        if (!failed || i == GW_LEN(wait_s)) {
            break;
        }
        answer_fini(a);
        (void)sleep(wait_s[i]);
        a->repeated = true;
    }
    return code;
}

/* CALL gets an Idempotency-Key of its own, which lies in OUT. */
static enum portctl_exit make_once(struct call *call, char out[ONCE_MAX])
{
    char nonce[25];

    if (!sign_nonce(nonce)) {
        say("the system gives no random bytes");
        say_next("look at this machine");
        return PORTCTL_AUTH;
    }
    (void)snprintf(out, ONCE_MAX, "portctl-%s", nonce);
    call->once = out;
    return PORTCTL_DONE;
}

enum portctl_exit client_call(struct client *c, const struct call *asked, struct answer *a)
{
    struct call call = *asked;
    char once[ONCE_MAX];
    char *body = call.body != NULL ? json_dumps(call.body, JSON_COMPACT) : NULL;
    enum portctl_exit code = call.repeatable ? make_once(&call, once) : PORTCTL_DONE;

    if (code == PORTCTL_DONE) {
        code = load_session(c, &call);
    }
    if (code == PORTCTL_DONE && !call.is_unsigned && !c->has_session) {
        code = load_key(c);
    }
    *a = (struct answer){0};
    GW_ASSERT(call.body == NULL || body != NULL);
    json_decref(call.body);
    if (code == PORTCTL_DONE) {
        code = repeat(c, &call, body != NULL ? text_of(body) : call.text, a);
    }
    free(body);
    return code;
}

void answer_fini(struct answer *a)
{
    json_decref(a->root);
    if (a->text.data != NULL) {
        OPENSSL_cleanse(a->text.data, a->text.cap); /* it may hold a secret */
    }
    buf_fini(&a->text);
    buf_fini(&a->head);
    *a = (struct answer){0};
}

enum portctl_exit client_sign(struct client *c, const struct call *call, struct buf *out)
{
    struct head h = {0};
    enum portctl_exit code = load_key(c);

    if (code == PORTCTL_DONE) {
        code = sign_head(c, call, call->text, &h);
    }
    if (code == PORTCTL_DONE && call->text.len != 0) {
        buf_printf(out, "Content-Type: %s\n%s\n", call->type != NULL ? call->type : TYPE, h.digest);
    }
    if (code == PORTCTL_DONE && call->match != NULL) {
        buf_printf(out, "If-Match: %s\n", call->match);
    }
    if (code == PORTCTL_DONE && call->once != NULL) {
        buf_printf(out, "Idempotency-Key: %s\n", call->once);
    }
    if (code == PORTCTL_DONE) {
        buf_printf(out, "%s\n%s\n", h.input, h.value);
    }
    return code;
}

enum portctl_exit answer_lacks(const char *name)
{
    say("the answer has no \"%s\"", name);
    say_next("check that portctl (" GW_VERSION ") and the gateway are of the same version");
    return PORTCTL_REFUSED;
}

json_t *answer_object(const struct answer *a, const char *name)
{
    json_t *o = json_object_get(a->root, name);

    if (!json_is_object(o)) {
        (void)answer_lacks(name);
        return NULL;
    }
    return o;
}
