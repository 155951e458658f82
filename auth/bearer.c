#include "auth/bearer.h"

#include <string.h>
#include <strings.h>
#include <openssl/evp.h>
#include "auth/key_make.h"

#define PREFIX_LEN (sizeof BEARER_PREFIX - 1)

void bearer_make(char text[BEARER_TEXT_SIZE], uint8_t hash[BEARER_HASH_BYTES])
{
    uint8_t bytes[BEARER_BYTES];
    char coded[45]; /* 44 of base64 */

    GW_ASSERT(key_random(NULL, bytes, sizeof bytes));
    key_base64(bytes, sizeof bytes, coded);
    memcpy(text, BEARER_PREFIX, PREFIX_LEN);
    for (unsigned i = 0; i < BEARER_TEXT_SIZE - 1 - PREFIX_LEN; i++) {
        text[PREFIX_LEN + i] = coded[i] == '+' ? '-' : coded[i] == '/' ? '_' : coded[i];
    }
    text[BEARER_TEXT_SIZE - 1] = '\0';
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(coded, sizeof coded);
    GW_ASSERT(bearer_hash(text, BEARER_TEXT_SIZE - 1, hash));
}

bool bearer_hash(const char *text, size_t len, uint8_t hash[BEARER_HASH_BYTES])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    if (len != BEARER_TEXT_SIZE - 1 || memcmp(text, BEARER_PREFIX, PREFIX_LEN) != 0) {
        return false;
    }
    for (size_t i = PREFIX_LEN; i < len; i++) {
        if (memchr(alphabet, text[i], sizeof alphabet - 1) == NULL) {
            return false;
        }
    }
    return EVP_Digest(text, len, hash, NULL, EVP_sha256(), NULL) == 1;
}

const char *bearer_of_header(const char *header)
{
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0) {
        return NULL;
    }
    header += 7;
    return header + strspn(header, " ");
}
