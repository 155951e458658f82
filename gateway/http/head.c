#include "gateway/http/head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define HEAD_AS_ROW(sym, status, text) [sym] = {status, text},
const struct head_row head_rows[HEAD_VERDICT_COUNT] = {HEAD_VERDICTS(HEAD_AS_ROW)};

/* RFC 9110 5.6.2 */
static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return false;
        }
    }
    return len != 0;
}

static enum head_verdict check_line(const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    const char *target = space != NULL ? space + 1 : line + len;
    const char *end = memchr(target, ' ', (size_t)(line + len - target));

    if (space == NULL || end == NULL || end == target || !is_token(line, (size_t)(space - line))) {
        return HEAD_BAD_LINE;
    }
    for (const char *p = line; p < space; p++) {
        if (*p < 'A' || *p > 'Z') {
            return HEAD_BAD_LINE;
        }
    }
    for (const char *p = target; p < end; p++) {
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f) {
            return HEAD_BAD_LINE;
        }
    }
    len = (size_t)(line + len - end - 1);
    if (len != 8 || memcmp(end + 1, "HTTP/1.", 7) != 0) {
        return HEAD_BAD_LINE;
    }
    return end[8] == '1' || end[8] == '0' ? HEAD_OK : HEAD_VERSION;
}

struct seen {
    unsigned fields;
    unsigned hosts;
    unsigned lengths;
};

static bool is_name(const char *name, size_t len, const char *wanted)
{
    return strlen(wanted) == len && strncasecmp(name, wanted, len) == 0;
}

static bool digits_only(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
    }
    return len != 0;
}

static enum head_verdict check_field(const char *line, size_t len, struct seen *seen)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - line) : 0;
    const char *value = colon != NULL ? colon + 1 : line + len;
    const char *end = line + len;

    if (line[0] == ' ' || line[0] == '\t' || name_len == 0) {
        return HEAD_FOLDED;
    }
    if (!is_token(line, name_len)) {
        return HEAD_BAD_FIELD;
    }
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    for (const char *p = value; p < end; p++) {
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f) {
            return HEAD_BAD_FIELD;
        }
    }
    if (++seen->fields > HEAD_MAX_FIELDS) {
        return HEAD_TOO_LONG;
    }
    if (is_name(line, name_len, "transfer-encoding")) {
        return HEAD_TRANSFER_ENCODING;
    }
    if (is_name(line, name_len, "host") && (++seen->hosts > 1 || value == end)) {
        return HEAD_HOST;
    }
    if (is_name(line, name_len, "content-length") &&
        (++seen->lengths > 1 || !digits_only(value, (size_t)(end - value)))) {
        return HEAD_LENGTH;
    }
    return HEAD_OK;
}

enum head_verdict head_check(const char *bytes, size_t len)
{
    struct seen seen = {0};
    enum head_verdict verdict = HEAD_OK;
    const char *p = bytes;
    const char *end = bytes + len;

    for (bool first = true; verdict == HEAD_OK; first = false) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));

        if ((size_t)((lf != NULL ? lf : end) - bytes) > HEAD_MAX_BYTES) {
            return HEAD_TOO_LONG;
        }
        if (lf == NULL) {
            return HEAD_INCOMPLETE;
        }
        if (lf == p || lf[-1] != '\r') {
            return HEAD_BARE_LF;
        }
        if (!first && lf - 1 == p) {
            return seen.hosts == 1 ? HEAD_OK : HEAD_HOST;
        }
        verdict = first ? check_line(p, (size_t)(lf - 1 - p))
                        : check_field(p, (size_t)(lf - 1 - p), &seen);
        p = lf + 1;
    }
    return verdict;
}
