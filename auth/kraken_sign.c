#include "auth/kraken_sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include "auth/base64.h"
#include "gateway/base/fixed.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Would a form decoder read NAME as "nonce"? */
static bool reads_nonce(struct auth_text name)
{
    static const char word[] = "nonce";
    size_t at = 0;

    for (size_t i = 0; i < name.len; i++, at++) {
        char c = name.s[i];

        if (c == '%' && name.len - i > 2 && hex_value(name.s[i + 1]) >= 0 &&
            hex_value(name.s[i + 2]) >= 0) {
            c = (char)(hex_value(name.s[i + 1]) << 4 | hex_value(name.s[i + 2]));
            i += 2;
        }
        if (at >= sizeof word - 1 || c != word[at]) {
            return false;
        }
    }
    return at == sizeof word - 1;
}

static enum auth_fault read_nonce(struct auth_text name, struct auth_text value,
                                  struct kraken_nonce *nonce)
{
    if (nonce->text.s != NULL) {
        return AUTH_DUPLICATE;
    }
    if (!auth_text_is(name, "nonce") || value.len == 0 || value.s[0] == '0' ||
        u64_parse(value.s, value.len, &nonce->value) != GW_OK) {
        return AUTH_NONCE;
    }
    nonce->text = value;
    return AUTH_OK;
}

enum auth_fault kraken_nonce(struct auth_text body, struct kraken_nonce *nonce)
{
    enum auth_fault fault = AUTH_OK;

    *nonce = (struct kraken_nonce){0};
    if (body.len > KRAKEN_BODY_MAX) {
        return AUTH_TOO_LONG;
    }
    while (body.len != 0 && fault == AUTH_OK) {
        const char *amp = memchr(body.s, '&', body.len);
        size_t len = amp != NULL ? (size_t)(amp - body.s) : body.len;
        const char *equals = memchr(body.s, '=', len);
        struct auth_text name = {body.s, equals != NULL ? (size_t)(equals - body.s) : len};
        struct auth_text value = {body.s + name.len, len - name.len};

        if (equals != NULL) {
            value.s++;
            value.len--;
        }
        if (reads_nonce(name)) {
            fault = read_nonce(name, value, nonce);
        }
        len += amp != NULL;
        body.s += len;
        body.len -= len;
    }
    return fault == AUTH_OK && nonce->text.s == NULL ? AUTH_PARAM_MISSING : fault;
}

static bool hash_post(struct auth_text nonce, struct auth_text body, char *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, nonce.s, nonce.len) == 1 &&
              EVP_DigestUpdate(ctx, body.s, body.len) == 1 &&
              EVP_DigestFinal_ex(ctx, (uint8_t *)out, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

bool kraken_mac(struct auth_text secret, struct auth_text path, struct auth_text nonce,
                struct auth_text body, uint8_t mac[KRAKEN_MAC_BYTES])
{
    char signed_text[KRAKEN_PATH_MAX + SHA256_DIGEST_LENGTH];

    if (path.len == 0 || path.len > KRAKEN_PATH_MAX || secret.len > KRAKEN_SECRET_MAX ||
        !hash_post(nonce, body, signed_text + path.len)) {
        return false;
    }
    memcpy(signed_text, path.s, path.len);
    return HMAC(EVP_sha512(), secret.s, (int)secret.len, (uint8_t *)signed_text,
                path.len + SHA256_DIGEST_LENGTH, mac, NULL) != NULL;
}

enum auth_fault kraken_verify(struct auth_text secret, struct auth_text path, struct auth_text body,
                              struct auth_text sent, struct kraken_nonce *nonce)
{
    static const char no_secret[64] = {0};
    uint8_t want[KRAKEN_MAC_BYTES];
    uint8_t have[KRAKEN_MAC_BYTES];
    size_t len = 0;
    bool known = secret.s != NULL;
    bool usable = known && secret.len >= KRAKEN_SECRET_MIN && secret.len <= KRAKEN_SECRET_MAX;
    bool genuine;
    enum auth_fault fault = kraken_nonce(body, nonce);

    if (fault != AUTH_OK) {
        return fault;
    }
    if (path.len == 0 || path.len > KRAKEN_PATH_MAX) {
        return AUTH_TOO_LONG;
    }
    if (!base64_decode(sent.s, sent.len, want, sizeof want, &len) || len != sizeof want) {
        return AUTH_SIGNATURE_FORM;
    }
    if (!usable) {
        secret = (struct auth_text){no_secret, sizeof no_secret};
    }
    genuine = kraken_mac(secret, path, nonce->text, body, have) &&
              CRYPTO_memcmp(want, have, sizeof want) == 0;
    OPENSSL_cleanse(have, sizeof have);
    if (!known) {
        return AUTH_UNKNOWN_KEY;
    }
    if (!usable) {
        return AUTH_KEY_UNUSABLE;
    }
    return genuine ? AUTH_OK : AUTH_BAD_SIGNATURE;
}
