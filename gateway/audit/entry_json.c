/* gateway/audit/entry_json.c - an entry as a line of an export, and back. One record has one
 * spelling: what was re-written in any way is refused before any hash is looked at. */
#include <stdio.h>
#include <string.h>
#include "gateway/audit/entry.h"
#include "gateway/base/fixed.h"

static const char digits[] = "0123456789abcdef";

void audit_hex(const uint8_t *bytes, size_t count, struct buf *out)
{
    char *at = buf_room(out, 2 * count);

    for (size_t i = 0; i < count; i++) {
        at[2 * i] = digits[bytes[i] >> 4];
        at[2 * i + 1] = digits[bytes[i] & 15];
    }
    out->len += 2 * count;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool audit_unhex(const char *text, size_t len, uint8_t *out, size_t count)
{
    if (len != 2 * count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        int high = digit_of(text[2 * i]);
        int low = digit_of(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* --- out -------------------------------------------------------------------------------------- */

static void put_name(struct buf *out, const char *name)
{
    buf_putc(out, '"');
    buf_puts(out, name);
    buf_lit(out, "\":");
}

static void put_hash(struct buf *out, const uint8_t *hash)
{
    buf_putc(out, '"');
    if (hash != NULL) {
        audit_hex(hash, AUDIT_HASH_BYTES, out);
    }
    buf_putc(out, '"');
}

static void put_value(const struct audit_entry *e, const struct audit_field *f, struct buf *out)
{
    const void *m = audit_member(e, f);
    const char *s;

    switch (f->kind) {
    case AUDIT_NUMBER:
        buf_u64(out, *(const uint64_t *)m);
        break;
    case AUDIT_TIME:
        buf_putc(out, '"');
        buf_i64(out, *(const int64_t *)m);
        buf_putc(out, '"');
        break;
    case AUDIT_SHA256:
        put_hash(out, *(const uint8_t *const *)m);
        break;
    default:
        s = audit_member_text(e, f);
        buf_json_str(out, s, strlen(s));
    }
}

static void put_entry(const struct audit_entry *e, bool view, struct buf *out)
{
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];

        buf_putc(out, i == 0 ? '{' : ',');
        put_name(out, f->name);
        if (view && f->kind == AUDIT_JSON) {
            const char *s = audit_member_text(e, f);

            buf_puts(out, s[0] != '\0' ? s : "null");
        } else {
            put_value(e, f, out);
        }
    }
    if (view) {
        buf_lit(out, ",\"time\":\"");
        buf_rfc3339(out, e->time_ns, 6);
        buf_putc(out, '"');
    }
    buf_lit(out, ",\"prev_hash\":");
    put_hash(out, e->prev_hash);
    buf_lit(out, ",\"hash\":");
    put_hash(out, e->hash);
    buf_putc(out, '}');
}

void audit_entry_json(const struct audit_entry *e, struct buf *out)
{
    put_entry(e, false, out);
}

void audit_entry_view(const struct audit_entry *e, struct buf *out)
{
    put_entry(e, true, out);
}

/* --- in --------------------------------------------------------------------------------------- */

struct scan {
    const char *at;
    const char *end;
    char *to; /* into the arena: never more bytes than were read */
};

static bool take(struct scan *s, const char *text, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0) {
        return false;
    }
    s->at += len;
    return true;
}

/* The name of a member with what stands before it. */
static bool take_name(struct scan *s, char lead, const char *name)
{
    return take(s, &lead, 1) && take(s, "\"", 1) && take(s, name, strlen(name)) &&
           take(s, "\":", 2);
}

/* The one escape of the character, as buf_json_str() writes it. */
static bool take_escape(struct scan *s)
{
    const char *p = s->at + 1;

    if (s->end - s->at >= 2 && (*p == '"' || *p == '\\')) {
        *s->to++ = *p;
        s->at += 2;
        return true;
    }
    if (s->end - s->at >= 6 && p[0] == 'u' && p[1] == '0' && p[2] == '0' &&
        (p[3] == '0' || p[3] == '1') && digit_of(p[4]) >= 0) {
        char c = (char)((p[3] - '0') << 4 | digit_of(p[4]));

        if (c != '\0') {
            *s->to++ = c;
            s->at += 6;
            return true;
        }
    }
    return false;
}

/* A string, unescaped and with a NUL; NULL when it is none. */
static const char *take_string(struct scan *s, size_t *len)
{
    char *first = s->to;

    if (!take(s, "\"", 1)) {
        return NULL;
    }
    while (s->at < s->end && *s->at != '"') {
        unsigned char c = (unsigned char)*s->at;

        if (c == '\\') {
            if (!take_escape(s)) {
                return NULL;
            }
        } else if (c < 0x20) {
            return NULL;
        } else {
            *s->to++ = *s->at++;
        }
    }
    if (!take(s, "\"", 1)) {
        return NULL;
    }
    *len = (size_t)(s->to - first);
    *s->to++ = '\0';
    return first;
}

static bool number_ok(const char *s, size_t len, uint64_t max, uint64_t *out)
{
    return len > 0 && (len == 1 || s[0] != '0') && u64_parse(s, len, out) == GW_OK && *out <= max;
}

static bool take_number(struct scan *s, uint64_t *out)
{
    const char *first = s->at;

    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return number_ok(first, (size_t)(s->at - first), INT64_MAX, out);
}

static bool take_value(struct scan *s, const struct audit_field *f, struct audit_entry *e)
{
    void *m = (char *)e + f->offset;
    size_t len = 0;
    const char *text;
    uint64_t number;

    if (f->kind == AUDIT_NUMBER) {
        return take_number(s, m);
    }
    text = take_string(s, &len);
    if (text == NULL) {
        return false;
    }
    if (f->kind == AUDIT_TIME) {
        if (!number_ok(text, len, INT64_MAX, &number)) {
            return false;
        }
        *(int64_t *)m = (int64_t)number;
    } else if (f->kind == AUDIT_SHA256) {
        /* over its own text, of which it needs half */
        uint8_t *bytes = (uint8_t *)s->to - len - 1;

        *(const uint8_t **)m = len != 0 ? bytes : NULL;
        return len == 0 || audit_unhex(text, len, bytes, AUDIT_HASH_BYTES);
    } else {
        *(const char **)m = text;
        return len <= f->max && audit_text_valid(text, len);
    }
    return true;
}

static bool take_hash(struct scan *s, const char *name, uint8_t out[AUDIT_HASH_BYTES])
{
    if (!take_name(s, ',', name) || s->end - s->at < 66 ||
        !audit_unhex(s->at + 1, 64, out, AUDIT_HASH_BYTES)) {
        return false;
    }
    if (s->at[0] != '"' || s->at[65] != '"') {
        return false;
    }
    s->at += 66;
    return true;
}

enum gw_err audit_entry_parse(const char *line, size_t len, struct buf *arena,
                              struct audit_entry *out, const char **field)
{
    struct scan s = {.at = line, .end = line + len};

    *out = (struct audit_entry){0};
    *field = "line";
    if (len > AUDIT_LINE_MAX) {
        return GW_ETOOBIG;
    }
    buf_reset(arena);
    s.to = buf_room(arena, len + 1); /* a string's NUL takes the place of a quote */
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        *field = audit_fields[i].name;
        if (!take_name(&s, i == 0 ? '{' : ',', *field) || !take_value(&s, &audit_fields[i], out)) {
            return GW_EINVAL;
        }
    }
    *field = "prev_hash";
    if (!take_hash(&s, *field, out->prev_hash)) {
        return GW_EINVAL;
    }
    *field = "hash";
    if (!take_hash(&s, *field, out->hash)) {
        return GW_EINVAL;
    }
    *field = "line";
    return take(&s, "}", 1) && s.at == s.end ? GW_OK : GW_EINVAL;
}
