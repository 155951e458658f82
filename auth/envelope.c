#include "auth/envelope.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define FORMAT      1u
#define NONCE_BYTES 12u
#define TAG_BYTES   16u
#define AT_VERSION  1u
#define AT_WRAP     5u /* nonce, data key, tag */
#define AT_DATA     (AT_WRAP + NONCE_BYTES + ENVELOPE_KEY_BYTES + TAG_BYTES)

/* What both layers authenticate besides their bytes: whose and which they are. */
struct aad {
    uint8_t bytes[24 + ENVELOPE_KEYID_MAX];
    size_t len;
};

static struct aad make_aad(char layer, uint32_t version, struct auth_text keyid)
{
    static const char label[] = "portcullis secret ";
    struct aad a = {.len = sizeof label - 1};

    memcpy(a.bytes, label, a.len);
    a.bytes[a.len++] = (uint8_t)layer;
    for (int shift = 24; shift >= 0; shift -= 8) {
        a.bytes[a.len++] = (uint8_t)(version >> shift);
    }
    memcpy(a.bytes + a.len, keyid.s, keyid.len);
    a.len += keyid.len;
    return a;
}

/* The data layer does not name the master key: it stays when that changes. */
static struct aad data_aad(struct auth_text keyid)
{
    return make_aad('d', 0, keyid);
}

static struct aad wrap_aad(uint32_t version, struct auth_text keyid)
{
    return make_aad('w', version, keyid);
}

/* BOX is nonce, LEN bytes, tag; its nonce is there already. */
static bool encrypt(const uint8_t *key, const struct aad *aad, const uint8_t *plain, size_t len,
                    uint8_t *box)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *out = box + NONCE_BYTES;
    int n = 0;
    bool ok = ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &n, aad->bytes, (int)aad->len) == 1 &&
              EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) == 1 && (size_t)n == len &&
              EVP_EncryptFinal_ex(ctx, out + n, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, out + len) == 1;

    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error(); /* else this thread's next TLS read would take it for its own */
    return ok;
}

static bool decrypt(const uint8_t *key, const struct aad *aad, const uint8_t *box, size_t len,
                    uint8_t *plain)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t *in = box + NONCE_BYTES;
    uint8_t tag[TAG_BYTES];
    uint8_t none[16];
    int n = 0;
    bool ok;

    memcpy(tag, in + len, sizeof tag);
    ok = ctx != NULL && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) == 1 &&
         EVP_DecryptUpdate(ctx, NULL, &n, aad->bytes, (int)aad->len) == 1 &&
         EVP_DecryptUpdate(ctx, plain, &n, in, (int)len) == 1 && (size_t)n == len &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, sizeof tag, tag) == 1 &&
         EVP_DecryptFinal_ex(ctx, none, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    if (!ok) {
        OPENSSL_cleanse(plain, len);
    }
    return ok;
}

static bool wrap(const struct envelope_master *master, struct auth_text keyid,
                 const uint8_t *data_key, uint8_t *sealed)
{
    struct aad aad = wrap_aad(master->version, keyid);

    for (unsigned i = 0; i < 4; i++) {
        sealed[AT_VERSION + i] = (uint8_t)(master->version >> (24 - 8 * i));
    }
    return encrypt(master->key, &aad, data_key, ENVELOPE_KEY_BYTES, sealed + AT_WRAP);
}

static bool keyid_fits(struct auth_text keyid)
{
    return keyid.len != 0 && keyid.len <= ENVELOPE_KEYID_MAX;
}

enum gw_err envelope_seal(const struct envelope_master *master, struct auth_text keyid,
                          const uint8_t *secret, size_t secret_len,
                          const struct envelope_random *random, uint8_t *out, size_t *out_len)
{
    uint8_t data_key[ENVELOPE_KEY_BYTES];
    struct aad aad;
    bool ok;

    if (!keyid_fits(keyid) || secret_len == 0 || secret_len > ENVELOPE_SECRET_MAX) {
        return GW_ERANGE;
    }
    aad = data_aad(keyid);
    out[0] = FORMAT;
    ok = random->fn(random->arg, data_key, sizeof data_key) &&
         random->fn(random->arg, out + AT_WRAP, NONCE_BYTES) &&
         random->fn(random->arg, out + AT_DATA, NONCE_BYTES) &&
         wrap(master, keyid, data_key, out) &&
         encrypt(data_key, &aad, secret, secret_len, out + AT_DATA);
    OPENSSL_cleanse(data_key, sizeof data_key);
    *out_len = ok ? ENVELOPE_OVERHEAD + secret_len : 0;
    return ok ? GW_OK : GW_ESYS;
}

enum gw_err envelope_version(const uint8_t *sealed, size_t sealed_len, uint32_t *version)
{
    if (sealed_len <= ENVELOPE_OVERHEAD || sealed_len > ENVELOPE_MAX || sealed[0] != FORMAT) {
        return GW_EINVAL;
    }
    *version = 0;
    for (unsigned i = 0; i < 4; i++) {
        *version = *version << 8 | sealed[AT_VERSION + i];
    }
    return GW_OK;
}

static enum gw_err unwrap(const struct envelope_master *master, struct auth_text keyid,
                          const uint8_t *sealed, size_t sealed_len, uint8_t *data_key)
{
    uint32_t version = 0;
    enum gw_err err = envelope_version(sealed, sealed_len, &version);
    struct aad aad;

    if (err != GW_OK) {
        return err;
    }
    if (!keyid_fits(keyid)) {
        return GW_ERANGE;
    }
    if (version != master->version) {
        return GW_ENOTFOUND;
    }
    aad = wrap_aad(version, keyid);
    return decrypt(master->key, &aad, sealed + AT_WRAP, ENVELOPE_KEY_BYTES, data_key) ? GW_OK
                                                                                      : GW_ECONFIG;
}

enum gw_err envelope_open(const struct envelope_master *master, struct auth_text keyid,
                          const uint8_t *sealed, size_t sealed_len, uint8_t *secret,
                          size_t *secret_len)
{
    uint8_t data_key[ENVELOPE_KEY_BYTES];
    enum gw_err err = unwrap(master, keyid, sealed, sealed_len, data_key);

    memset(secret, 0, ENVELOPE_SECRET_MAX);
    *secret_len = 0;
    if (err == GW_OK) {
        size_t len = sealed_len - ENVELOPE_OVERHEAD;
        struct aad aad = data_aad(keyid);

        if (decrypt(data_key, &aad, sealed + AT_DATA, len, secret)) {
            *secret_len = len;
        } else {
            err = GW_ECONFIG;
        }
    }
    OPENSSL_cleanse(data_key, sizeof data_key);
    return err;
}

enum gw_err envelope_rewrap(const struct envelope_master *master,
                            const struct envelope_master *next, struct auth_text keyid,
                            const struct envelope_random *random, uint8_t *sealed,
                            size_t sealed_len)
{
    uint8_t data_key[ENVELOPE_KEY_BYTES];
    uint8_t head[AT_DATA];
    enum gw_err err = unwrap(master, keyid, sealed, sealed_len, data_key);

    if (err == GW_OK) {
        head[0] = FORMAT;
        if (random->fn(random->arg, head + AT_WRAP, NONCE_BYTES) &&
            wrap(next, keyid, data_key, head)) {
            memcpy(sealed, head, sizeof head);
        } else {
            err = GW_ESYS;
        }
    }
    OPENSSL_cleanse(data_key, sizeof data_key);
    return err;
}
