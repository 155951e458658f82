#include "auth/people/totp.h"

#include <stdio.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include "auth/key_make.h"

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const struct envelope_random kernel = {.fn = key_random};

/* --- RFC 4226, RFC 6238 ------------------------------------------------------------------------ */

uint32_t totp_code(const uint8_t *secret, size_t len, uint64_t step, unsigned digits)
{
    static const uint32_t limits[] = {1000000, 10000000, 100000000};
    uint8_t counter[8];
    uint8_t mac[20] = {0};
    uint32_t value;
    unsigned at;

    GW_ASSERT(digits >= 6 && digits <= 8);
    for (unsigned i = 0; i < 8; i++) {
        counter[i] = (uint8_t)(step >> (56 - 8 * i));
    }
    GW_ASSERT(HMAC(EVP_sha1(), secret, (int)len, counter, sizeof counter, mac, NULL) != NULL);
    at = mac[19] & 15;
    value = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
            (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    OPENSSL_cleanse(mac, sizeof mac);
    return value % limits[digits - 6];
}

bool totp_looks_like(const char *code)
{
    return strlen(code) == TOTP_DIGITS && strspn(code, "0123456789") == TOTP_DIGITS;
}

bool totp_verify(const uint8_t *secret, size_t len, const char *code, int64_t now_ns, int64_t last,
                 int64_t *step)
{
    int64_t now = now_ns / (TOTP_STEP_S * 1000000000LL);
    bool found = false;

    if (!totp_looks_like(code) || now < 1) {
        return false;
    }
    for (int64_t s = now - 1; s <= now + 1; s++) { /* all three, whichever it is */
        char want[16];

        (void)snprintf(want, sizeof want, "%06u", totp_code(secret, len, (uint64_t)s, TOTP_DIGITS));
        if (CRYPTO_memcmp(want, code, TOTP_DIGITS) == 0 && s > last && !found) {
            *step = s;
            found = true;
        }
        OPENSSL_cleanse(want, sizeof want);
    }
    return found;
}

/* --- secrets ----------------------------------------------------------------------------------- */

/* LEN bytes, a multiple of five, as base32 with NUL. */
static void put_base32(const uint8_t *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i += 5) {
        uint64_t group = 0;

        for (unsigned n = 0; n < 5; n++) {
            group = group << 8 | bytes[i + n];
        }
        for (unsigned n = 0; n < 8; n++) {
            *out++ = base32[group >> (35 - 5 * n) & 31];
        }
    }
    *out = '\0';
}

/* "totp:NAME": another row's secret does not open here. */
static struct auth_text seal_id(const char *name, char id[ENVELOPE_KEYID_MAX + 1])
{
    int len = snprintf(id, ENVELOPE_KEYID_MAX + 1, "totp:%s", name);

    return (struct auth_text){id, len > 0 ? (size_t)len : 0};
}

enum gw_err totp_make(const char *name, const struct envelope_master *master,
                      struct totp_secret *out)
{
    char id[ENVELOPE_KEYID_MAX + 1];
    enum gw_err err;

    memset(out, 0, sizeof *out);
    if (master == NULL) {
        return GW_ECONFIG;
    }
    if (!key_random(NULL, out->bytes, sizeof out->bytes)) {
        return GW_ESYS;
    }
    put_base32(out->bytes, sizeof out->bytes, out->text);
    for (char *c = out->text; *c != '\0'; c++) { /* as authenticators show it */
        *c = *c >= 'a' ? (char)(*c - 'a' + 'A') : *c;
    }
    err = envelope_seal(master, seal_id(name, id), out->bytes, sizeof out->bytes, &kernel,
                        out->sealed, &out->sealed_len);
    if (err != GW_OK) {
        OPENSSL_cleanse(out, sizeof *out);
    }
    return err;
}

enum gw_err totp_open(const char *name, const struct envelope_master *masters, size_t count,
                      const void *sealed, size_t sealed_len, uint8_t *secret, size_t *secret_len)
{
    char id[ENVELOPE_KEYID_MAX + 1];
    uint32_t version = 0;
    enum gw_err err = envelope_version(sealed, sealed_len, &version);

    if (err != GW_OK) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        if (masters[i].version == version) {
            return envelope_open(&masters[i], seal_id(name, id), sealed, sealed_len, secret,
                                 secret_len);
        }
    }
    return GW_ENOTFOUND;
}

static void put_escaped(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c) != NULL) {
            buf_putc(out, *s);
        } else {
            buf_printf(out, "%%%02X", c);
        }
    }
}

void totp_uri(struct buf *out, const char *issuer, const char *name, const char *secret_text)
{
    buf_lit(out, "otpauth://totp/");
    put_escaped(out, issuer);
    buf_putc(out, ':');
    put_escaped(out, name);
    buf_printf(out, "?secret=%s&issuer=", secret_text);
    put_escaped(out, issuer);
    buf_lit(out, "&algorithm=SHA1&digits=6&period=30");
}

/* --- recovery codes ---------------------------------------------------------------------------- */

enum gw_err recovery_make(char out[RECOVERY_CODE_SIZE])
{
    uint8_t bytes[10];
    char plain[17];

    if (!key_random(NULL, bytes, sizeof bytes)) {
        return GW_ESYS;
    }
    put_base32(bytes, sizeof bytes, plain);
    (void)snprintf(out, RECOVERY_CODE_SIZE, "%.4s-%.4s-%.4s-%.4s", plain, plain + 4, plain + 8,
                   plain + 12);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(plain, sizeof plain);
    return GW_OK;
}

bool recovery_hash(const char *name, const char *code, uint8_t out[RECOVERY_HASH_SIZE])
{
    char text[128];
    size_t len = (size_t)snprintf(text, sizeof text, "portcullis-recovery-v1:%.32s:", name);
    size_t from = len;

    for (; *code != '\0'; code++) {
        char c = *code >= 'A' && *code <= 'Z' ? (char)(*code - 'A' + 'a') : *code;

        if (c == '-' || c == ' ') {
            continue;
        }
        if (strchr(base32, c) == NULL || len - from == 16) {
            return false;
        }
        text[len++] = c;
    }
    if (len - from != 16) {
        return false;
    }
    (void)SHA256((const unsigned char *)text, len, out);
    OPENSSL_cleanse(text, sizeof text);
    return true;
}

/* --- tokens ------------------------------------------------------------------------------------ */

static void put_base64url(const uint8_t bytes[SESSION_TOKEN_BYTES], char out[SESSION_TOKEN_SIZE])
{
    char text[4 * ((SESSION_TOKEN_BYTES + 2) / 3) + 1];

    key_base64(bytes, SESSION_TOKEN_BYTES, text);
    for (unsigned i = 0; i < SESSION_TOKEN_SIZE - 1; i++) {
        out[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    out[SESSION_TOKEN_SIZE - 1] = '\0';
    OPENSSL_cleanse(text, sizeof text);
}

enum gw_err session_token_make(char out[SESSION_TOKEN_SIZE])
{
    uint8_t bytes[SESSION_TOKEN_BYTES];

    if (!key_random(NULL, bytes, sizeof bytes)) {
        return GW_ESYS;
    }
    put_base64url(bytes, out);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return GW_OK;
}

static bool looks_like_token(const char *token, size_t len)
{
    if (len != SESSION_TOKEN_SIZE - 1) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = token[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return true;
}

/* The text is hashed, not its bytes: so there is one spelling. */
bool session_token_hash(const char *token, size_t len, uint8_t out[SESSION_HASH_SIZE])
{
    if (!looks_like_token(token, len)) {
        return false;
    }
    (void)SHA256((const unsigned char *)token, len, out);
    return true;
}

bool session_csrf(const char *token, size_t len, char out[SESSION_TOKEN_SIZE])
{
    static const char label[] = "portcullis-csrf-v1";
    uint8_t mac[SESSION_TOKEN_BYTES];

    if (!looks_like_token(token, len) ||
        HMAC(EVP_sha256(), token, (int)len, (const unsigned char *)label, sizeof label - 1, mac,
             NULL) == NULL) {
        return false;
    }
    put_base64url(mac, out);
    return true;
}

bool session_csrf_matches(const char *token, size_t len, const char *sent, size_t sent_len)
{
    char want[SESSION_TOKEN_SIZE];

    return session_csrf(token, len, want) && sent_len == SESSION_TOKEN_SIZE - 1 &&
           CRYPTO_memcmp(want, sent, sent_len) == 0;
}
