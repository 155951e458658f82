/* key new, key rotate: commands after which there is a new secret somewhere.
 * The file is made, and an Ed25519 key is in it and on the disk, before the server hears of the
 * key: a key that was registered but never saved would be lost. */
#include "admin_api/portctl/handlers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "admin_api/portctl/keyfile.h"
#include "admin_api/portctl/text.h"
#include "gateway/base/fixed.h"
#include "gateway/runtime/clock.h"

#define OVERLAP_S 3600u

struct issue {
    const char *algorithm;
    const char *path;    /* NULL: the secret is shown */
    int fd;              /* an HMAC secret is still to come; else -1 */
    char public_key[48]; /* base64, "" for HMAC */
};

static bool bearer(const struct issue *s)
{
    return strcmp(s->algorithm, "bearer") == 0;
}

/* The member of the answer that is shown once. */
static const char *secret_name(const struct issue *s)
{
    return bearer(s) ? "token" : "secret";
}

/* Ed25519: makes the pair and saves it. */
static bool save_pair(struct issue *s, int fd)
{
    struct sign_key key;
    uint8_t pub[SIGNATURE_ED_KEY_SIZE];
    bool ok = false;

    if (!sign_generate(&key, pub)) {
        (void)close(fd);
    } else {
        ok = keyfile_write(fd, &key);
        (void)EVP_EncodeBlock((unsigned char *)s->public_key, pub, sizeof pub);
    }
    keyfile_wipe(&key);
    if (!ok) {
        say("the new key could not be saved in %s; nothing was sent", s->path);
        say_next("check the disk, or give another --out");
        (void)unlink(s->path);
    }
    return ok;
}

static bool issue_begin(struct issue *s, const char *algorithm, const char *path)
{
    struct buf why = {0};
    bool local = strcmp(algorithm, "ed25519") == 0;
    int fd = -1;

    *s = (struct issue){.algorithm = algorithm, .path = path, .fd = -1};
    if (path == NULL) {
        if (local) {
            say("the new private key needs a file");
            say_next("add --out FILE");
        }
        return !local;
    }
    fd = keyfile_create(path, &why);
    if (fd < 0) {
        say("%s", buf_cstr(&why));
    }
    buf_fini(&why);
    if (fd < 0) {
        return false;
    }
    if (local) {
        return save_pair(s, fd);
    }
    s->fd = fd;
    return true;
}

/* The call failed, with CODE. */
static void issue_drop(struct issue *s, bool doubtful)
{
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    if (s->path == NULL) {
        return;
    }
    if (doubtful && s->public_key[0] != '\0') {
        say("%s is kept: if the server made the key, it is the only copy", s->path);
        say_next("portctl key list shows whether there is a key with the public key %s",
                 s->public_key);
    } else {
        (void)unlink(s->path);
    }
}

/* Saves the secret of the answer, if there is one. Returns what must be shown instead, or NULL. */
static const char *issue_save(struct issue *s, const json_t *root, enum portctl_exit *code)
{
    const char *secret = json_string_value(json_object_get(root, secret_name(s)));
    bool ok;

    if (s->fd < 0) {
        return secret;
    }
    if (secret == NULL) {
        (void)close(s->fd);
        (void)unlink(s->path);
        s->path = NULL;
        *code = answer_lacks(secret_name(s));
        return NULL;
    }
    ok = keyfile_write_secret(s->fd, s->algorithm, secret);
    s->fd = -1;
    if (!ok) {
        say("the secret could not be saved in %s; it is shown here, once", s->path);
        (void)unlink(s->path);
        s->path = NULL;
        *code = PORTCTL_REFUSED;
        return secret;
    }
    return NULL;
}

static void print_saved_json(const struct issue *s, struct answer *a, const char *shown)
{
    char *text;

    if (shown != NULL || json_object_del(a->root, secret_name(s)) != 0) {
        print_json(a);
        return;
    }
    text = json_dumps(a->root, JSON_COMPACT); /* what is in the file is not shown as well */
    if (text != NULL) {
        puts(text);
    }
    free(text);
}

static enum portctl_exit issue_end(struct client *c, struct issue *s, struct answer *a)
{
    enum portctl_exit code = PORTCTL_DONE;
    const char *shown = issue_save(s, a->root, &code);
    const json_t *key = json_object_get(a->root, "key");
    const char *id = json_string_value(json_object_get(key, "id"));

    if (client_settings(c)->json) {
        print_saved_json(s, a, shown);
    } else if (answer_object(a, "key") != NULL || shown != NULL) {
        key_print(key, shown);
    } else {
        code = PORTCTL_REFUSED;
    }
    if (shown != NULL) {
        say("the secret is shown once and kept nowhere: save it now");
    }
    if (s->path != NULL) {
        say("%s holds the %s", s->path,
            s->public_key[0] != '\0' ? "private key"
            : bearer(s)              ? "token"
                                     : "secret");
        if (bearer(s)) {
            say_next("send it as Authorization: Bearer; Alertmanager: credentials_file");
        } else if (id != NULL && strcmp(s->algorithm, "hmac-sha512-kraken") != 0) {
            say_next("to sign with it: ADMIN_KEY_FILE=%s ADMIN_KEY_ID=%s", s->path, id);
        }
    }
    return code;
}

/* Takes BODY, which is complete but for the public key. */
static enum portctl_exit issue_send(struct client *c, struct issue *s, const char *target,
                                    json_t *body, struct answer *a)
{
    enum portctl_exit code;

    if (s->public_key[0] != '\0') {
        (void)json_object_set_new(body, "public_key", json_string(s->public_key));
    }
    code = client_call(c, &(struct call){.method = "POST", .target = target, .body = body}, a);
    if (code != PORTCTL_DONE) {
        issue_drop(s, a->doubtful);
        return code;
    }
    return issue_end(c, s, a);
}

json_t *time_value(const char *option, const char *text)
{
    struct buf out = {0};
    uint64_t seconds;
    int64_t ns;
    json_t *v = NULL;

    if (duration_parse(text, &seconds)) {
        buf_rfc3339(&out, clock_real_ns() + (int64_t)seconds * 1000000000, 0);
        v = json_stringn(out.data, out.len);
    } else if (rfc3339_parse(text, strlen(text), &ns) == GW_OK) {
        v = json_string(text);
    } else {
        say("--%s %s is no time", option, text);
        say_next("give 2026-11-20T00:00:00Z, or 24h, 7d from now");
    }
    buf_fini(&out);
    return v;
}

static json_t *list_value(const struct args *args, const char *option)
{
    json_t *list = json_array();
    unsigned at = 0;
    const char *value;

    while ((value = args_each(args, option, &at)) != NULL) {
        if (json_array_append_new(list, json_string(value)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Option NAME, if it was given, as MEMBER of BODY; false: said on stderr. */
static bool add_time(json_t *body, const struct args *args, const char *name, const char *member)
{
    const char *text = args_get(args, name);
    json_t *v = text != NULL ? time_value(name, text) : NULL;

    return text == NULL || (v != NULL && json_object_set_new(body, member, v) == 0);
}

/* What `key new` says; NULL: said on stderr. */
static json_t *new_body(const struct args *args, const char *algorithm)
{
    json_t *body = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:s*, s:s, s:s*}", "account", args_get(args, "account"), "label",
        args_get(args, "label"), "algorithm", algorithm, "scopes", list_value(args, "scope"),
        "ip_allow", list_value(args, "ip"), "rate_class", args_get(args, "rate-class"), "reason",
        args_get(args, "reason"), "ticket", args_get(args, "ticket"));

    if (body == NULL) {
        say_not_utf8();
    } else if (!add_time(body, args, "not-before", "not_before") ||
               !add_time(body, args, "not-after", "not_after")) {
        json_decref(body);
        body = NULL;
    }
    return body;
}

enum portctl_exit key_new(struct client *c, const struct args *args)
{
    const char *given = args_get(args, "algorithm");
    const char *algorithm = given != NULL ? given : "ed25519";
    json_t *body = new_body(args, algorithm);
    struct issue issue;
    struct answer a;
    enum portctl_exit code;

    if (body == NULL || !issue_begin(&issue, algorithm, args_get(args, "out"))) {
        json_decref(body);
        return PORTCTL_USAGE;
    }
    code = issue_send(c, &issue, "/v1/keys", body, &a);
    answer_fini(&a);
    return code;
}

/* Which half makes the new key follows from the old one. The caller ends ANSWER. */
static enum portctl_exit find_algorithm(struct client *c, const char *id, struct answer *a,
                                        const char **algorithm)
{
    struct buf target = {0};
    enum portctl_exit code;

    key_target(&target, id, "");
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, a);
    buf_fini(&target);
    if (code == PORTCTL_DONE) {
        const json_t *key = answer_object(a, "key");

        *algorithm = json_string_value(json_object_get(key, "algorithm"));
        code = *algorithm != NULL ? PORTCTL_DONE : PORTCTL_REFUSED;
    }
    return code;
}

static void say_old(struct client *c, const struct answer *a)
{
    const json_t *old = json_object_get(a->root, "old");
    const char *id = json_string_value(json_object_get(old, "id"));
    const char *end = json_string_value(json_object_get(old, "not_after"));
    struct buf line = {0};

    if (id != NULL && end != NULL && !client_settings(c)->json) {
        put_time(&line, end);
        say("the old key %s is good until %s", id, buf_cstr(&line));
    }
    buf_fini(&line);
}

enum portctl_exit key_rotate(struct client *c, const struct args *args)
{
    const char *overlap = args_get(args, "overlap");
    uint64_t overlap_s = OVERLAP_S;
    const char *algorithm = NULL;
    struct buf target = {0};
    struct issue issue;
    struct answer old;
    struct answer a = {0};
    enum portctl_exit code;
    json_t *body;

    if (overlap != NULL && !duration_parse(overlap, &overlap_s)) {
        say("--overlap %s is no duration", overlap);
        say_next("give 90s, 15m, 24h or 7d");
        return PORTCTL_USAGE;
    }
    body = json_pack("{s:I, s:s, s:s*}", "overlap_s", (json_int_t)overlap_s, "reason",
                     args_get(args, "reason"), "ticket", args_get(args, "ticket"));
    if (body == NULL) {
        say_not_utf8();
        return PORTCTL_USAGE;
    }
    if (args_get(args, "ip") != NULL) {
        (void)json_object_set_new(body, "ip_allow", list_value(args, "ip"));
    }
    if (!add_time(body, args, "not-after", "not_after")) {
        json_decref(body);
        return PORTCTL_USAGE;
    }
    code = find_algorithm(c, args->words[0], &old, &algorithm);
    if (code == PORTCTL_DONE && !issue_begin(&issue, algorithm, args_get(args, "out"))) {
        code = PORTCTL_USAGE;
    }
    if (code == PORTCTL_DONE) {
        key_target(&target, args->words[0], "/rotate");
        code = issue_send(c, &issue, buf_cstr(&target), json_incref(body), &a);
        say_old(c, &a);
    }
    json_decref(body);
    answer_fini(&old);
    answer_fini(&a);
    buf_fini(&target);
    return code;
}
