/* The base is put together here a second time, not by auth/: the tests hold the two together. */
#include "admin_api/portctl/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "gateway/base/buf.h"

#define COVER "\"@method\" \"@authority\" \"@path\" \"@query\""

static bool all_in(struct auth_text t, const char *allowed)
{
    for (size_t i = 0; i < t.len; i++) {
        if (t.s[i] == '\0' || strchr(allowed, t.s[i]) == NULL) {
            return false;
        }
    }
    return t.len != 0;
}

static bool printable(struct auth_text t, char lowest)
{
    for (size_t i = 0; i < t.len; i++) {
        if (t.s[i] < lowest || t.s[i] > '~') {
            return false;
        }
    }
    return t.len != 0;
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

static const char *unfit(const struct sign_request *r, const struct sign_stamp *stamp)
{
    struct auth_text keyid = {stamp->keyid, strlen(stamp->keyid)};

    if (keyid.len > SIGNATURE_KEYID_MAX || !all_in(keyid, LETTERS DIGITS "._:@/+=-")) {
        return "a key id is 1 to 64 of A-Z a-z 0-9 . _ : @ / + = -";
    }
    if (!all_in(r->method, LETTERS)) {
        return "the method is not a word";
    }
    if (!all_in(r->authority, LETTERS DIGITS "-._~%!$&'()*+,;=:[]")) {
        return "the host cannot be signed";
    }
    if (!printable(r->target, '!') || r->target.s[0] != '/' ||
        memchr(r->target.s, '#', r->target.len) != NULL) {
        return "the path cannot be signed";
    }
    if (r->body.len != 0 && !printable(r->type, ' ')) {
        return "a body needs its type";
    }
    if ((r->match.len != 0 && !printable(r->match, ' ')) ||
        (r->once.len != 0 && !printable(r->once, ' '))) {
        return "If-Match and Idempotency-Key are visible ASCII";
    }
    return NULL;
}

static void put_base64(char *out, const uint8_t *bytes, size_t len)
{
    (void)EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
}

/* RFC 9530: of the bytes that go over the wire */
static bool digest(struct auth_text body, struct sign_fields *out)
{
    uint8_t hash[32];
    char text[48];

    out->content_digest[0] = '\0';
    if (body.len == 0) {
        return true;
    }
    if (EVP_Digest(body.s, body.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    put_base64(text, hash, sizeof hash);
    (void)snprintf(out->content_digest, sizeof out->content_digest, "sha-256=:%s:", text);
    return true;
}

/* 2.2.3: lower case, without the default port */
static void put_authority(struct buf *base, struct auth_text a)
{
    if (a.len > 4 && memcmp(a.s + a.len - 4, ":443", 4) == 0) {
        a.len -= 4;
    }
    for (size_t i = 0; i < a.len; i++) {
        char c = a.s[i];

        buf_putc(base, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
}

static void put_base(struct buf *base, const struct sign_request *r, const struct sign_fields *f)
{
    const char *mark = memchr(r->target.s, '?', r->target.len);
    size_t path = mark != NULL ? (size_t)(mark - r->target.s) : r->target.len;

    buf_lit(base, "\"@method\": ");
    buf_append(base, r->method.s, r->method.len);
    buf_lit(base, "\n\"@authority\": ");
    put_authority(base, r->authority);
    buf_lit(base, "\n\"@path\": ");
    buf_append(base, r->target.s, path);
    buf_lit(base, "\n\"@query\": ");
    if (mark == NULL) {
        buf_putc(base, '?'); /* 2.2.7: so when there is none */
    }
    buf_append(base, r->target.s + path, r->target.len - path);
    if (r->body.len != 0) {
        buf_lit(base, "\n\"content-type\": ");
        buf_append(base, r->type.s, r->type.len);
        buf_lit(base, "\n\"content-digest\": ");
        buf_puts(base, f->content_digest);
    }
    if (r->match.len != 0) {
        buf_lit(base, "\n\"if-match\": ");
        buf_append(base, r->match.s, r->match.len);
    }
    if (r->once.len != 0) {
        buf_lit(base, "\n\"idempotency-key\": ");
        buf_append(base, r->once.s, r->once.len);
    }
    buf_lit(base, "\n\"@signature-params\": ");
    buf_puts(base, f->signature_input + strlen("sig1="));
}

static bool sign_ed25519(const struct sign_key *key, const struct buf *base, uint8_t *value,
                         size_t *len)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->bytes, key->len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = pkey != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
              EVP_DigestSign(ctx, value, len, (const uint8_t *)base->data, base->len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok;
}

static bool sign_bytes(const struct sign_key *key, const struct buf *base, uint8_t *value,
                       size_t *len)
{
    if (key->alg == SIGNATURE_ED25519) {
        return sign_ed25519(key, base, value, len);
    }
    *len = SIGNATURE_HMAC_BYTES;
    return HMAC(EVP_sha256(), key->bytes, (int)key->len, (const uint8_t *)base->data, base->len,
                value, NULL) != NULL;
}

const char *sign_request(const struct sign_key *key, const struct sign_request *r,
                         const struct sign_stamp *stamp, struct sign_fields *out)
{
    struct buf base = {0};
    uint8_t value[SIGNATURE_ED_BYTES];
    size_t len = sizeof value;
    char text[96];
    const char *why = unfit(r, stamp);
    int n;

    if (why != NULL) {
        return why;
    }
    if (!digest(r->body, out)) {
        return "the body could not be hashed";
    }
    n = snprintf(
        out->signature_input, sizeof out->signature_input,
        "sig1=(" COVER "%s%s%s);created=%" PRId64 ";expires=%" PRId64 ";nonce=\"%s\";keyid=\"%s\""
        ";tag=\"" SIGNATURE_TAG "\"",
        r->body.len != 0 ? " \"content-type\" \"content-digest\"" : "",
        r->match.len != 0 ? " \"if-match\"" : "", r->once.len != 0 ? " \"idempotency-key\"" : "",
        stamp->created_s, stamp->created_s + SIGNATURE_SPAN_MAX_S, stamp->nonce, stamp->keyid);
    GW_ASSERT(n > 0 && (size_t)n < sizeof out->signature_input);
    put_base(&base, r, out);
    if (sign_bytes(key, &base, value, &len)) {
        put_base64(text, value, len);
        (void)snprintf(out->signature, sizeof out->signature, "sig1=:%s:", text);
    } else {
        why = "the key does not sign";
    }
    buf_fini(&base);
    return why;
}

bool sign_generate(struct sign_key *key, uint8_t pub[SIGNATURE_ED_KEY_SIZE])
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    size_t pub_len = SIGNATURE_ED_KEY_SIZE;
    bool ok;

    key->alg = SIGNATURE_ED25519;
    key->len = sizeof key->bytes;
    ok = pkey != NULL && EVP_PKEY_get_raw_private_key(pkey, key->bytes, &key->len) == 1 &&
         EVP_PKEY_get_raw_public_key(pkey, pub, &pub_len) == 1;
    EVP_PKEY_free(pkey);
    return ok;
}

bool sign_nonce(char out[25])
{
    uint8_t bytes[16];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return false;
    }
    put_base64(out, bytes, sizeof bytes);
    return true;
}
