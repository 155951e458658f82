#include "gateway/base/utf8.h"

#include <stdint.h>

/* Bytes of the character that begins with C, 0: none does. */
static unsigned width(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
}

static bool acceptable(uint32_t point, unsigned bytes)
{
    static const uint32_t least[] = {0, 0x20, 0xA0, 0x800, 0x10000};

    return point >= least[bytes] && point != 0x7F && point <= 0x10FFFF &&
           (point < 0xD800 || point > 0xDFFF);
}

bool utf8_plain(const char *s, size_t len, size_t *chars)
{
    size_t count = 0;

    for (size_t i = 0; i < len; count++) {
        unsigned char c = (unsigned char)s[i];
        unsigned bytes = width(c);
        uint32_t point;

        if (bytes == 0 || len - i < bytes) {
            return false;
        }
        point = bytes == 1 ? c : c & (0x7Fu >> bytes);
        for (unsigned k = 1; k < bytes; k++) {
            unsigned char next = (unsigned char)s[i + k];

            if ((next & 0xC0) != 0x80) {
                return false;
            }
            point = point << 6 | (next & 0x3Fu);
        }
        if (!acceptable(point, bytes)) {
            return false;
        }
        i += bytes;
    }
    if (chars != NULL) {
        *chars = count;
    }
    return true;
}
