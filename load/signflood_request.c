#include "load/signflood_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#define NONCE_BYTES 18
#define LIFE_S      30
#define FILE_MAX    4096u

static bool load_hmac(struct signer *s, const char *text, struct buf *why)
{
    unsigned char secret[FILE_MAX];
    size_t len = strcspn(text, "\r\n");
    int got = len > 0 && len % 4 == 0
                  ? EVP_DecodeBlock(secret, (const unsigned char *)text, (int)len)
                  : -1;

    for (size_t i = 1; got > 0 && i <= 2 && text[len - i] == '='; i++) {
        got--;
    }
    if (got <= 0) {
        buf_lit(why, "no base64 behind hmac-sha256:");
        return false;
    }
    s->is_hmac = true;
    s->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, secret, (size_t)got);
    return s->key != NULL;
}

bool signer_load(struct signer *s, const char *file, struct buf *why)
{
    static const char hmac[] = "hmac-sha256:";
    char text[FILE_MAX + 1] = "";
    FILE *in = fopen(file, "re");
    bool ok = false;

    if (in == NULL) {
        buf_printf(why, "%s: %s", file, strerror(errno));
        return false;
    }
    text[fread(text, 1, FILE_MAX, in)] = '\0';
    if (strncmp(text, hmac, sizeof hmac - 1) == 0) {
        ok = load_hmac(s, text + sizeof hmac - 1, why);
    } else {
        rewind(in);
        s->key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
        ok = s->key != NULL && EVP_PKEY_id(s->key) == EVP_PKEY_ED25519;
        if (!ok) {
            buf_printf(why, "%s: neither a PEM of an Ed25519 key nor hmac-sha256:BASE64", file);
        }
    }
    (void)fclose(in);
    return ok;
}

void signer_fini(struct signer *s)
{
    EVP_PKEY_free(s->key);
    s->key = NULL;
}

static size_t sign_base(const struct signer *s, const struct buf *base, unsigned char out[64])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = 64;

    GW_ASSERT(ctx != NULL);
    GW_ASSERT(EVP_DigestSignInit(ctx, NULL, s->is_hmac ? EVP_sha256() : NULL, NULL, s->key) == 1);
    GW_ASSERT(EVP_DigestSign(ctx, out, &len, (const unsigned char *)base->data, base->len) == 1);
    EVP_MD_CTX_free(ctx);
    if (s->spoil) {
        out[0] ^= 1;
    }
    return len;
}

static void put_signature(const struct signer *s, struct buf *out)
{
    const char *query = strchr(s->path, '?');
    int path_len = (int)(query != NULL ? query - s->path : (long)strlen(s->path));
    unsigned char nonce[NONCE_BYTES];
    char nonce_text[NONCE_BYTES * 4 / 3 + 4];
    unsigned char signature[64];
    char text[96];
    struct buf params = {0};
    struct buf base = {0};
    size_t len;
    long long now = (long long)time(NULL);

    GW_ASSERT(RAND_bytes(nonce, sizeof nonce) == 1);
    (void)EVP_EncodeBlock((unsigned char *)nonce_text, nonce, sizeof nonce);
    buf_printf(&params,
               "(\"@method\" \"@authority\" \"@path\" \"@query\");created=%lld;expires=%lld;"
               "nonce=\"%s\";keyid=\"%s\";tag=\"gw-admin-v1\"",
               now, now + LIFE_S, nonce_text, s->key_id);
    buf_printf(&base,
               "\"@method\": GET\n\"@authority\": %s\n\"@path\": %.*s\n\"@query\": %s\n"
               "\"@signature-params\": %s",
               s->authority, path_len, s->path, query != NULL ? query : "?", buf_cstr(&params));
    len = sign_base(s, &base, signature);
    (void)EVP_EncodeBlock((unsigned char *)text, signature, (int)len);
    buf_printf(out, "signature-input: sig1=%s\r\nsignature: sig1=:%s:\r\n", buf_cstr(&params),
               text);
    buf_fini(&params);
    buf_fini(&base);
}

void signer_request(const struct signer *s, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, "GET %s HTTP/1.1\r\nhost: %s\r\naccept: application/json\r\n", s->path,
               s->authority);
    if (s->key_id != NULL) {
        put_signature(s, out);
    }
    buf_lit(out, "\r\n");
}
