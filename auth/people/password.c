#include "auth/people/password.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <argon2.h>
#include <openssl/crypto.h>
#include "auth/key_make.h"
#include "auth/words.h"

#define SALT_BYTES 16u
#define HASH_BYTES 32u
#define MEMORY_MIN 8192u
#define MEMORY_MAX 262144u
#define PASSES_MAX 10u
#define LANES_MAX  4u
#define PERIOD_MAX 4u /* "abcdabcdabcd" is four characters */

/* --- what may be one --------------------------------------------------------------------------- */

/* The commonest of at least PASSWORD_MIN characters in published lists of leaked ones. */
/* clang-format off */
static const char *const common[] = {
    "123456789012", "1234567890123", "12345678901234", "123456789123", "1234567891011", "0123456789012",
    "012345678910", "098765432112", "987654321987", "147258369147", "123412341234", "123123123123",
    "1234567890qwe", "1234567890abc", "123456789abc", "123456789qwe", "abcdefghijkl", "abcdefghijklm",
    "abcdefghijklmnop", "abcdefghijklmnopqrstuvwxyz", "abcd12345678", "abc123abc123", "abc123456789",
    "a1b2c3d4e5f6", "a123456789012", "aa123456789012", "qwertyuiopas", "qwertyuiopasdf", "qwertyuiop12",
    "qwertyuiop123", "qwertyuiop[]", "qwertyuiopasdfghjkl", "qwertyuiopasdfghjklzxcvbnm", "qwerty123456",
    "qwerty1234567", "qwerty12345678", "qwerty123qwerty", "qwertyqwerty", "qwerty654321", "qwertyuiopqwertyuiop",
    "qwer1234qwer", "qwerasdfzxcv", "qweasdzxc123", "qazwsxedcrfv", "qazwsxedc123", "qazwsx123456",
    "1qaz2wsx3edc", "1qaz2wsx3edc4rfv", "1qazxsw23edc", "1q2w3e4r5t6y", "1q2w3e4r5t6y7u", "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6", "zaq12wsxcde3", "!qaz2wsx#edc", "asdfghjkl123", "asdfghjkl;'\\", "asdfghjklzxcvbnm",
    "asdfasdfasdf", "zxcvbnm12345", "zxcvbnmasdfghjkl", "password1234", "password12345", "password123456",
    "password123!", "password1234!", "password@123", "passwordpassword", "password2024", "password2025",
    "password2026", "passw0rd1234", "p@ssw0rd1234", "p@ssword1234", "p@ssw0rd123!", "mypassword12", "mypassword123",
    "newpassword1", "newpassword123", "thisismypassword", "changeme1234", "changemenow1", "changemeplease",
    "letmein12345", "letmeinplease", "iloveyou1234", "iloveyou12345", "iloveyouforever", "iloveyousomuch",
    "iloveyoubaby", "welcome12345", "welcome123456", "welcome@1234", "administrator", "administrator1",
    "administrator123", "admin1234567", "admin12345678", "adminadminadmin", "admin123admin", "rootrootroot",
    "superman1234", "princess1234", "football1234", "baseball1234", "liverpool123", "manchesterunited",
    "chelseafc123", "juventus1897", "barcelona123", "realmadrid123", "dragonballz1", "pokemon12345",
    "starwars1234", "harrypotter1", "spiderman123", "michaeljordan", "computer1234", "internet1234",
    "trustno1trustno1", "correcthorsebatterystaple", "opensesame123", "blink182blink182", "sunshine1234",
    "summer202512", "winter202512", "1111111111111", "bitcoin12345", "ethereum1234", "cryptocurrency",
    "portcullis12", "portcullis123", "exchange1234", "trading12345",
};
/* clang-format on */

/* A few bytes over and over again. */
static bool is_repeated(const char *s, size_t len)
{
    for (size_t period = 1; period <= PERIOD_MAX; period++) {
        if (memcmp(s, s + period, len - period) == 0) {
            return true;
        }
    }
    return false;
}

const char *password_refused(const char *password, const char *name)
{
    size_t len = strlen(password);
    long count = len <= PASSWORD_BYTES_MAX ? words_length(password) : (long)PASSWORD_MAX + 1;

    if (count < 0) {
        return "not UTF-8, or with control characters";
    }
    if (count < (long)PASSWORD_MIN) {
        return "shorter than 12 characters";
    }
    if (count > (long)PASSWORD_MAX) {
        return "longer than 128 characters";
    }
    if (strcasecmp(password, name) == 0 ||
        (strlen(name) >= 4 && strcasestr(password, name) != NULL && len < strlen(name) + 8)) {
        return "little more than the user's name";
    }
    if (is_repeated(password, len)) {
        return "a few characters repeated";
    }
    for (size_t i = 0; i < GW_LEN(common); i++) {
        if (strcasecmp(common[i], password) == 0) {
            return "one of the commonest passwords";
        }
    }
    return NULL;
}

enum gw_err password_make(char out[PASSWORD_MADE_SIZE])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t bytes[20];
    char *at = out;

    if (!key_random(NULL, bytes, sizeof bytes)) {
        return GW_ESYS;
    }
    for (unsigned i = 0; i < sizeof bytes; i++) {
        if (i > 0 && i % 5 == 0) {
            *at++ = '-';
        }
        *at++ = alphabet[bytes[i] & 31];
    }
    *at = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
    return GW_OK;
}

/* --- Argon2id ---------------------------------------------------------------------------------- */

struct cost {
    unsigned memory_kb;
    unsigned passes;
    unsigned lanes;
};

static bool read_number(const char **at, const char *before, unsigned max, unsigned *out)
{
    size_t len = strlen(before);
    const char *s = *at + len;
    unsigned value = 0;

    if (strncmp(*at, before, len) != 0 || *s < '1' || *s > '9') {
        return false;
    }
    for (; *s >= '0' && *s <= '9'; s++) {
        value = value * 10 + (unsigned)(*s - '0');
        if (value > max) {
            return false;
        }
    }
    *at = s;
    *out = value;
    return true;
}

/* The library reads salt and hash itself; the cost is bounded here, before it. */
static bool read_cost(const char *phc, struct cost *out)
{
    const char *at = phc;

    return strlen(phc) < PASSWORD_HASH_SIZE &&
           read_number(&at, "$argon2id$v=19$m=", MEMORY_MAX, &out->memory_kb) &&
           read_number(&at, ",t=", PASSES_MAX, &out->passes) &&
           read_number(&at, ",p=", LANES_MAX, &out->lanes) && *at == '$' &&
           out->memory_kb >= MEMORY_MIN;
}

enum gw_err password_hash(const char *password, size_t len, char out[PASSWORD_HASH_SIZE])
{
    uint8_t salt[SALT_BYTES];

    if (len > PASSWORD_BYTES_MAX || !key_random(NULL, salt, sizeof salt) ||
        argon2id_hash_encoded(PASSWORD_PASSES, PASSWORD_MEMORY_KB, PASSWORD_LANES, password, len,
                              salt, sizeof salt, HASH_BYTES, out,
                              PASSWORD_HASH_SIZE) != ARGON2_OK) {
        out[0] = '\0';
        return GW_ESYS;
    }
    return GW_OK;
}

enum gw_err password_verify(const char *phc, const char *password, size_t len)
{
    struct cost cost;

    if (!read_cost(phc, &cost) || len > PASSWORD_BYTES_MAX) {
        return GW_EINVAL;
    }
    switch (argon2id_verify(phc, password, len)) {
    case ARGON2_OK:
        return GW_OK;
    case ARGON2_VERIFY_MISMATCH:
        return GW_ENOTFOUND;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
    case ARGON2_THREAD_FAIL:
        return GW_ESYS;
    default:
        return GW_EINVAL;
    }
}

bool password_weak(const char *phc)
{
    struct cost cost;

    return !read_cost(phc, &cost) || cost.memory_kb < PASSWORD_MEMORY_KB ||
           (uint64_t)cost.memory_kb * cost.passes < (uint64_t)PASSWORD_MEMORY_KB * PASSWORD_PASSES;
}
