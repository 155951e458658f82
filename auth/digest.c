#include "auth/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include "auth/sfv.h"

static const struct known {
    const char *name;
    const EVP_MD *(*md)(void);
    size_t bytes;
} algorithms[] = {
    {"sha-256", EVP_sha256, 32},
    {"sha-512", EVP_sha512, 64},
};

static enum auth_fault check(const struct known *k, const struct sfv_member *m,
                             struct auth_text body)
{
    uint8_t want[EVP_MAX_MD_SIZE];
    uint8_t have[EVP_MAX_MD_SIZE];
    size_t len = 0;

    if (m->is_list || m->params.count != 0 || !sfv_bytes(&m->value, want, sizeof want, &len) ||
        len != k->bytes) {
        return AUTH_DIGEST_SYNTAX;
    }
    if (EVP_Digest(body.len != 0 ? body.s : "", body.len, have, NULL, k->md(), NULL) != 1 ||
        CRYPTO_memcmp(want, have, len) != 0) {
        return AUTH_DIGEST_MISMATCH;
    }
    return AUTH_OK;
}

enum auth_fault digest_verify(struct auth_text field, struct auth_text body)
{
    struct sfv_dict d;
    enum auth_fault fault = AUTH_OK;
    unsigned known = 0;

    if (sfv_parse(field, &d) != SFV_OK) {
        return AUTH_DIGEST_SYNTAX;
    }
    for (unsigned i = 0; i < d.member_count && fault == AUTH_OK; i++) {
        for (size_t k = 0; k < GW_LEN(algorithms) && fault == AUTH_OK; k++) {
            if (auth_text_is(d.members[i].key, algorithms[k].name)) {
                fault = check(&algorithms[k], &d.members[i], body);
                known++;
            }
        }
    }
    return fault == AUTH_OK && known == 0 ? AUTH_DIGEST_UNKNOWN : fault;
}
