#include "gateway/audit/ulid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "gateway/base/err.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ulid_write(char out[ULID_SIZE], uint64_t ms, const uint8_t random[10])
{
    uint8_t bytes[17]; /* a byte more: 26 * 5 = 130 bits, the first two of them zero */
    unsigned bit = 6;  /* of BYTES, where the 130 bits begin */

    memset(bytes, 0, sizeof bytes);
    for (unsigned i = 0; i < 6; i++) {
        bytes[1 + i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    memcpy(bytes + 7, random, 10);
    for (unsigned i = 0; i < ULID_LENGTH; i++, bit += 5) {
        unsigned two = (unsigned)bytes[bit / 8] << 8 | (bit / 8 < 16 ? bytes[bit / 8 + 1] : 0);

        out[i] = alphabet[two >> (11 - bit % 8) & 31];
    }
    out[ULID_LENGTH] = '\0';
}

void ulid_make(char out[ULID_SIZE], int64_t now_ns)
{
    static _Thread_local uint64_t last_ms;
    static _Thread_local uint8_t last[10];
    uint64_t ms = (uint64_t)(now_ns / 1000000) & 0xffffffffffffu;

    if (ms > last_ms) {
        size_t got = 0;

        while (got < sizeof last) {
            ssize_t n = getrandom(last + got, sizeof last - got, 0);

            GW_ASSERT(n > 0 || errno == EINTR);
            got += n > 0 ? (size_t)n : 0;
        }
        last[0] &= 0x7f; /* room to count up */
        last_ms = ms;
    } else {
        unsigned i = sizeof last;

        while (i > 0 && ++last[--i] == 0) {
        }
    }
    ulid_write(out, last_ms, last);
}

bool ulid_valid(const char *text, size_t len)
{
    if (len != ULID_LENGTH || text[0] > '7') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}
