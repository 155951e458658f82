#include "auth/key_make.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <openssl/evp.h>
#include "auth/bearer.h"
#include "auth/secret_mem.h"
#include "auth/text.h"

#define ID_CHARS 20u

bool key_random(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);

        if (got < 0 && errno != EINTR) {
            return false;
        }
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        }
    }
    return true;
}

void key_make_id(char id[KEY_MADE_ID_SIZE])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t bytes[ID_CHARS];

    GW_ASSERT(key_random(NULL, bytes, sizeof bytes));
    memcpy(id, "pk_", 3);
    for (unsigned i = 0; i < ID_CHARS; i++) {
        id[3 + i] = alphabet[bytes[i] & 31];
    }
    id[3 + ID_CHARS] = '\0';
}

struct key_secret *key_make_secret(const char *id, enum key_alg alg,
                                   const struct envelope_master *master)
{
    static const struct envelope_random kernel = {.fn = key_random};
    struct key_secret *s;

    if (master == NULL) {
        return NULL;
    }
    s = secret_mem_get(sizeof *s);
    s->len = key_alg_secret_bytes(alg);
    GW_ASSERT(s->len > 0 && s->len <= sizeof s->bytes);
    s->master_version = master->version;
    if (!key_random(NULL, s->bytes, s->len) ||
        envelope_seal(master, (struct auth_text){id, strlen(id)}, s->bytes, s->len, &kernel,
                      s->sealed, &s->sealed_len) != GW_OK) {
        key_secret_destroy(&s);
        return NULL;
    }
    key_base64(s->bytes, s->len, s->text);
    return s;
}

struct key_secret *key_make_token(void)
{
    struct key_secret *s = secret_mem_get(sizeof *s);

    s->token = true;
    s->len = BEARER_HASH_BYTES;
    bearer_make(s->text, s->bytes);
    return s;
}

void key_secret_destroy(struct key_secret **sp)
{
    void *p = *sp;

    *sp = NULL;
    secret_mem_put(&p, sizeof **sp);
}

const struct envelope_master *key_newest_master(const struct envelope_master *masters, size_t count)
{
    const struct envelope_master *newest = NULL;

    for (size_t i = 0; i < count; i++) {
        if (newest == NULL || masters[i].version > newest->version) {
            newest = &masters[i];
        }
    }
    return newest;
}

void key_base64(const uint8_t *bytes, size_t len, char *text)
{
    (void)EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
}
