#include "auth/base64.h"

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, the last PAD of them '='; false when they are not one group. */
static bool group(const char *s, unsigned pad, uint8_t out[3])
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 4; i++) {
        int v = i < 4 - pad ? value_of(s[i]) : 0;

        if (v < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)v;
    }
    if ((bits & ((1u << (8 * pad)) - 1)) != 0) {
        return false;
    }
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
    return true;
}

bool base64_decode(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len)
{
    unsigned pad = 0;
    size_t n;

    if (text_len % 4 != 0) {
        return false;
    }
    if (text_len != 0 && text[text_len - 1] == '=') {
        pad = text[text_len - 2] == '=' ? 2 : 1;
    }
    n = text_len / 4 * 3 - pad;
    if (out != NULL && n > cap) {
        return false;
    }
    for (size_t i = 0, at = 0; i < text_len; i += 4, at += 3) {
        unsigned here = i + 4 == text_len ? pad : 0;
        uint8_t bytes[3];

        if (!group(text + i, here, bytes)) {
            return false;
        }
        for (unsigned k = 0; out != NULL && k < 3 - here; k++) {
            out[at + k] = bytes[k];
        }
    }
    *len = n;
    return true;
}
