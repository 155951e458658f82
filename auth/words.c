#include "auth/words.h"

#include <string.h>

long words_length(const char *s)
{
    long count = 0;

    for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; count++) {
        unsigned more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
        unsigned char first = *p++;

        if (first < 0x20 || first == 0x7f || (first >= 0x80 && first < 0xc2) || first > 0xf4 ||
            (first == 0xe0 && *p < 0xa0) || (first == 0xed && *p > 0x9f) ||
            (first == 0xf0 && *p < 0x90) || (first == 0xf4 && *p > 0x8f)) {
            return -1;
        }
        for (; more > 0; more--, p++) {
            if ((*p & 0xc0) != 0x80) {
                return -1;
            }
        }
    }
    return count;
}

bool words_fit(const char *s, size_t min, size_t max)
{
    long count = s != NULL ? words_length(s) : -1;

    return count >= 0 && (size_t)count >= min && (size_t)count <= max;
}

bool words_name(const char *s, const char *more, size_t max)
{
    size_t len = s != NULL ? strlen(s) : 0;

    if (len == 0 || len > max) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');

        if (!plain && (i == 0 || strchr(more, s[i]) == NULL)) {
            return false;
        }
    }
    return true;
}
