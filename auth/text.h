/* auth/text.h - slices of a request and a bounded writer.
 * Why: what is signed stays as it came; nothing here is copied, ended by NUL or allocated.
 * Owner: whoever owns the bytes a slice borrows.
 * Invariant of the writer: len <= cap; once `full`, nothing more is put and the text is void. */
#ifndef AUTH_TEXT_H
#define AUTH_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct auth_text {
    const char *s; /* NULL: not there at all */
    size_t len;
};
#define AUTH_TEXT(literal)   ((struct auth_text){"" literal, sizeof(literal) - 1})
#define AUTH_TEXT_FMT        "%.*s"
#define AUTH_TEXT_ARG(t, up) (int)((t).len < (up) ? (t).len : (up)), (t).s

static inline bool auth_text_equal(struct auth_text a, struct auth_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}
static inline bool auth_text_is(struct auth_text t, const char *word)
{
    return t.len == strlen(word) && memcmp(t.s, word, t.len) == 0;
}
/* Case of ASCII letters ignored: names of header fields. */
static inline bool auth_text_is_name(struct auth_text t, const char *name, size_t len)
{
    return t.len == len && strncasecmp(t.s, name, len) == 0;
}

struct auth_out {
    char *s;
    size_t cap;
    size_t len;
    bool full;
};

static inline void auth_put(struct auth_out *o, const char *s, size_t len)
{
    if (o->full || len > o->cap - o->len) {
        o->full = true;
        return;
    }
    if (len != 0) {
        memcpy(o->s + o->len, s, len);
        o->len += len;
    }
}
static inline void auth_put_text(struct auth_out *o, struct auth_text t)
{
    auth_put(o, t.s, t.len);
}
#define auth_put_lit(o, literal) auth_put((o), "" literal, sizeof(literal) - 1)
#endif
