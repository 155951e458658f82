#include "gateway/core/core_id.h"

#include <string.h>
#include <sys/random.h>
#include "gateway/base/err.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void core_id_write(char out[CORE_ID_SIZE], int64_t now_ns, const uint8_t random[10])
{
    uint64_t ms = (uint64_t)(now_ns / 1000000);
    uint8_t bytes[16];
    unsigned held = 0;
    unsigned bits = 2; /* 128 bits are 26 digits of 5, the first of them with 2 bits too many */
    size_t at = 0;

    for (unsigned i = 0; i < 6; i++) {
        bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    }
    memcpy(bytes + 6, random, 10);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        held = held << 8 | bytes[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            out[at++] = alphabet[held >> bits & 31];
        }
        held &= (1u << bits) - 1;
    }
    GW_ASSERT(at == CORE_ID_LENGTH && bits == 0);
    out[at] = '\0';
}

void core_id_make(char out[CORE_ID_SIZE], int64_t now_ns)
{
    uint8_t random[10];

    GW_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    core_id_write(out, now_ns, random);
}

bool core_id_valid(const char *text, size_t len)
{
    if (len != CORE_ID_LENGTH || text[0] > '7') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}
