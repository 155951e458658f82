/* gateway/audit/text.c - texts from outside: UTF-8, and JSON without its secrets. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/entry.h"
#include "gateway/runtime/json.h"

#define BODY_DEEP 32u

/* Bytes of the character at S, 0 when it is none (Unicode 15, table 3-7). */
static size_t char_at(const unsigned char *s, size_t left)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t more;

    if (s[0] < 0x80) {
        return s[0] != 0;
    }
    more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : 1;
    if (s[0] < 0xc2 || s[0] > 0xf4 || left <= more) {
        return 0;
    }
    low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : low;
    high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : high;
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return more + 1;
}

bool audit_text_valid(const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t n = char_at((const unsigned char *)s + i, len - i);

        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

size_t audit_text_clean(struct buf *out, const char *s, size_t len, size_t max)
{
    size_t start = out->len;
    size_t i = 0;

    while (i < len) {
        size_t n = char_at((const unsigned char *)s + i, len - i);
        const char *from = n != 0 ? s + i : "\xef\xbf\xbd";
        size_t add = n != 0 ? n : 3;

        if (out->len - start + add > max) {
            break;
        }
        buf_append(out, from, add);
        i += n != 0 ? n : 1;
    }
    buf_putc(out, '\0');
    return start;
}

/* --- secrets ---------------------------------------------------------------------------------- */

bool audit_is_secret(const char *name, size_t len)
{
    /* in lower case, without _ and -, without a plural's s; a name that ends so is one too */
    static const char *const words[] = {
        "secret",     "password",   "passwd",       "passphrase",    "privatekey", "totp",
        "otp",        "token",      "cookie",       "authorization", "signature",  "recoverycode",
        "credential", "sessionkey", "secretsealed", "secretbase64",  "pin",        "totpcode"};
    char plain[64];
    size_t n = 0;

    for (size_t i = 0; i < len && n < sizeof plain; i++) {
        if (name[i] != '_' && name[i] != '-' && name[i] != ' ') {
            plain[n++] = (char)tolower((unsigned char)name[i]);
        }
    }
    n -= n > 1 && plain[n - 1] == 's';
    for (size_t i = 0; i < GW_LEN(words); i++) {
        size_t want = strlen(words[i]);
        bool whole = want < 4; /* "pin", "otp": only by themselves */

        if (n >= want && memcmp(plain + n - want, words[i], want) == 0 && (!whole || n == want)) {
            return true;
        }
    }
    return false;
}

/* Behind the string that begins at I. TEXT is valid JSON from here on. */
static size_t skip_string(const char *text, size_t i)
{
    for (i++; text[i] != '"'; i++) {
        i += text[i] == '\\';
    }
    return i + 1;
}

static size_t skip_space(const char *text, size_t len, size_t i)
{
    while (i < len && strchr(" \t\r\n", text[i]) != NULL) {
        i++;
    }
    return i;
}

static size_t skip_value(const char *text, size_t len, size_t i)
{
    unsigned depth = 0;

    do {
        if (text[i] == '"') {
            i = skip_string(text, i);
        } else if (text[i] == '{' || text[i] == '[') {
            depth++;
            i++;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
            i++;
        } else {
            i++;
        }
        /* a number or a word ends where something else begins */
    } while (i < len && (depth > 0 || strchr(",}] \t\r\n", text[i]) == NULL));
    return i;
}

static bool key_is_secret(const char *quoted, size_t len)
{
    bool yes;
    json_t *v;

    if (memchr(quoted, '\\', len) == NULL) {
        return audit_is_secret(quoted + 1, len - 2);
    }
    v = json_loadb(quoted, len, JSON_DECODE_ANY, NULL);
    yes = v == NULL || audit_is_secret(json_string_value(v), json_string_length(v));
    json_decref(v);
    return yes;
}

void audit_redact(const char *body, size_t len, struct buf *out)
{
    json_t *root = json_parse_strict(body, len, BODY_DEEP);
    size_t i = 0;

    if (root == NULL) {
        buf_printf(out, "{\"unreadable_bytes\":%zu}", len);
        return;
    }
    json_decref(root);
    while (i < len) {
        size_t from = i;
        size_t colon;

        if (body[i] != '"') {
            buf_putc(out, body[i++]);
            continue;
        }
        i = skip_string(body, i);
        buf_append(out, body + from, i - from);
        colon = skip_space(body, len, i);
        if (colon < len && body[colon] == ':' && key_is_secret(body + from, i - from)) {
            buf_lit(out, ":\"[redacted]\"");
            i = skip_value(body, len, skip_space(body, len, colon + 1));
        }
    }
}
