#include "gateway/http/route.h"

#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes LEN bytes into *OUT (there is room: decoding never grows) and ends them with NUL. */
static bool decode(const char *s, size_t len, bool plus, char **out)
{
    char *o = *out;

    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (c == '%') {
            int value = i + 2 < len ? hex(s[i + 1]) * 16 + hex(s[i + 2]) : -1;

            if (i + 2 >= len || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0 || value == 0) {
                return false;
            }
            c = (char)value;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0') {
            return false;
        }
        *o++ = c;
    }
    *o++ = '\0';
    *out = o;
    return true;
}

static const char *segment_end(const char *s, const char *end)
{
    const char *slash = memchr(s, '/', (size_t)(end - s));

    return slash != NULL ? slash : end;
}

/* Does PATTERN match the raw path? Parameters are decoded into M at TEXT. */
static enum gw_err match_path(const char *pattern, const char *path, const char *end,
                              struct route_match *m, char **text)
{
    const char *pattern_end = pattern + strlen(pattern);

    m->param_count = 0;
    while (pattern < pattern_end && path < end) {
        const char *p_end;
        const char *s_end;

        if (*pattern++ != '/' || *path++ != '/') {
            return GW_ENOTFOUND;
        }
        p_end = segment_end(pattern, pattern_end);
        s_end = segment_end(path, end);
        if (*pattern == '{') {
            if (path == s_end || m->param_count == ROUTE_PAIRS_MAX) {
                return GW_ENOTFOUND;
            }
            m->params[m->param_count++] = (struct route_pair){pattern, *text};
            if (!decode(path, (size_t)(s_end - path), false, text)) {
                return GW_EINVAL;
            }
        } else if (p_end - pattern != s_end - path ||
                   memcmp(pattern, path, (size_t)(s_end - path)) != 0) {
            return GW_ENOTFOUND;
        }
        pattern = p_end;
        path = s_end;
    }
    return pattern == pattern_end && path == end ? GW_OK : GW_ENOTFOUND;
}

static enum gw_err read_query(const char *s, const char *end, struct route_match *m, char **text)
{
    while (s < end) {
        const char *amp = memchr(s, '&', (size_t)(end - s));
        const char *stop = amp != NULL ? amp : end;
        const char *equals = memchr(s, '=', (size_t)(stop - s));
        const char *name_end = equals != NULL ? equals : stop;
        struct route_pair *pair = &m->query[m->query_count];

        if (m->query_count == ROUTE_PAIRS_MAX) {
            return GW_EINVAL;
        }
        pair->name = *text;
        if (!decode(s, (size_t)(name_end - s), true, text)) {
            return GW_EINVAL;
        }
        pair->value = *text;
        if (!decode(equals != NULL ? equals + 1 : stop,
                    equals != NULL ? (size_t)(stop - equals - 1) : 0, true, text)) {
            return GW_EINVAL;
        }
        for (unsigned i = 0; i < m->query_count; i++) {
            if (strcmp(m->query[i].name, pair->name) == 0) {
                return GW_EINVAL;
            }
        }
        m->query_count++;
        s = amp != NULL ? amp + 1 : end;
    }
    return GW_OK;
}

enum gw_err route_find(const struct http_route *routes, size_t count, enum http_method method,
                       const char *target, size_t len, struct route_match *m)
{
    const char *end = target + len;
    const char *mark;
    enum gw_err result = GW_ENOTFOUND;

    *m = (struct route_match){0};
    /* A pair takes two NULs where the target has `=` and `&`; the last one needs room of its own.
     */
    if (len + 2 > ROUTE_TARGET_MAX / 2 || len == 0 || target[0] != '/') {
        return GW_EINVAL;
    }
    mark = memchr(target, '?', len);
    method = method == HTTP_HEAD ? HTTP_GET : method;
    for (size_t i = 0; i < count; i++) {
        char *text = m->text;
        enum gw_err err = match_path(routes[i].path, target, mark != NULL ? mark : end, m, &text);

        if (err == GW_EINVAL) {
            return err;
        }
        if (err != GW_OK) {
            continue;
        }
        if (routes[i].method != method) {
            m->path_known = true;
            result = GW_EMETHOD;
            continue;
        }
        m->route = &routes[i];
        return mark != NULL ? read_query(mark + 1, end, m, &text) : GW_OK;
    }
    return result;
}
