/* The signature base of RFC 9421 section 2.5: one line a component, then the parameters. */
#include "auth/signature_priv.h"

#include <stdarg.h>
#include <stdio.h>

#define SHOWN_MAX 64u /* bytes of a component's name in a reason */

enum auth_fault signature_refuse(char *why, enum auth_fault fault, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(why, SIGNATURE_WHY_MAX, fmt, args);
    va_end(args);
    return fault;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 9110 5.6.2; LOWER: no capitals, as 2.1 wants names of fields */
static bool is_token(struct auth_text t, bool lower)
{
    for (size_t i = 0; i < t.len; i++) {
        char c = t.s[i];

        if (!is_alnum(c) && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
        if (lower && c >= 'A' && c <= 'Z') {
            return false;
        }
    }
    return t.len != 0;
}

unsigned signature_field(const struct signature_message *m, struct auth_text name,
                         struct auth_text *value)
{
    unsigned count = 0;

    for (size_t i = 0; i < m->field_count; i++) {
        struct auth_text v = m->fields[i].value;

        if (!auth_text_is_name(m->fields[i].name, name.s, name.len) || count++ != 0) {
            continue;
        }
        while (v.len != 0 && is_space(v.s[0])) {
            v.s++;
            v.len--;
        }
        while (v.len != 0 && is_space(v.s[v.len - 1])) {
            v.len--;
        }
        *value = v;
    }
    return count;
}

/* A line of the base must stay one line, and one reading. */
static bool printable(struct auth_text t, char lowest)
{
    for (size_t i = 0; i < t.len; i++) {
        if ((t.s[i] < lowest || t.s[i] > '~') && (lowest != ' ' || t.s[i] != '\t')) {
            return false;
        }
    }
    return true;
}

static bool put_method(const struct signature_message *m, struct auth_out *out)
{
    auth_put_text(out, m->method);
    return is_token(m->method, false);
}

/* Host and port, RFC 3986 3.2: a name or IPv4 with no colon, or an IPv6 literal in brackets. *HOST
 * is the length before the port. */
static bool split_authority(struct auth_text a, size_t *host)
{
    const char *allowed = "-._~%!$&'()*+,;=";
    size_t i = 0;

    if (a.len != 0 && a.s[0] == '[') {
        allowed = ":.";
        i = 1;
    }
    while (i < a.len && (is_alnum(a.s[i]) || (a.s[i] != '\0' && strchr(allowed, a.s[i]) != NULL))) {
        i++;
    }
    if (a.len != 0 && a.s[0] == '[' && (i >= a.len || a.s[i++] != ']')) {
        return false;
    }
    *host = i;
    if (i == 0 || i == a.len) {
        return i != 0;
    }
    if (a.s[i++] != ':' || i == a.len || a.len - i > 5) {
        return false;
    }
    while (i < a.len && a.s[i] >= '0' && a.s[i] <= '9') {
        i++;
    }
    return i == a.len;
}

/* 2.2.3: lower case, without the default port of https */
static bool put_authority(const struct signature_message *m, struct auth_out *out)
{
    struct auth_text a = m->authority;
    size_t host = 0;

    if (!split_authority(a, &host)) {
        return false;
    }
    if (a.len == host + 4 && memcmp(a.s + host, ":443", 4) == 0) {
        a.len = host;
    }
    for (size_t i = 0; i < a.len; i++) {
        char c = a.s[i];

        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        auth_put(out, &c, 1);
    }
    return true;
}

/* Of a target in origin form; a fragment has no place in a request. */
static bool split_target(struct auth_text t, struct auth_text *path, struct auth_text *query)
{
    const char *mark;

    if (t.len == 0 || t.s[0] != '/' || !printable(t, '!') || memchr(t.s, '#', t.len) != NULL) {
        return false;
    }
    mark = memchr(t.s, '?', t.len);
    path->s = t.s;
    path->len = mark != NULL ? (size_t)(mark - t.s) : t.len;
    *query = AUTH_TEXT("?"); /* 2.2.7: so when there is none */
    if (mark != NULL) {
        query->s = mark;
        query->len = t.len - path->len;
    }
    return true;
}

/* 2.2.6, as it came: not decoded, not normalised */
static bool put_path(const struct signature_message *m, struct auth_out *out)
{
    struct auth_text path = {0};
    struct auth_text query;
    bool ok = split_target(m->target, &path, &query);

    auth_put_text(out, path);
    return ok;
}

/* 2.2.7, with the question mark */
static bool put_query(const struct signature_message *m, struct auth_out *out)
{
    struct auth_text path;
    struct auth_text query = {0};
    bool ok = split_target(m->target, &path, &query);

    auth_put_text(out, query);
    return ok;
}

static const struct derived {
    const char *name;
    bool (*put)(const struct signature_message *m, struct auth_out *out);
} derived[] = {
    {"@method", put_method},
    {"@authority", put_authority},
    {"@path", put_path},
    {"@query", put_query},
};

/* 2.1, but a field that came twice has more than one reading and is refused. */
static enum auth_fault put_field(const struct signature_message *m, struct auth_text name,
                                 struct auth_out *out, char *why)
{
    struct auth_text value = {0};
    unsigned count = signature_field(m, name, &value);

    if (count != 1) {
        return signature_refuse(why, count == 0 ? AUTH_COMPONENT_ABSENT : AUTH_REPEATED_HEADER,
                                count == 0
                                    ? "the signature covers \"%.*s\", which is not in the request"
                                    : "the covered header \"%.*s\" is in the request twice",
                                AUTH_TEXT_ARG(name, SHOWN_MAX));
    }
    if (!printable(value, ' ')) {
        return signature_refuse(why, AUTH_REQUEST, "\"%.*s\" holds bytes that cannot be signed",
                                AUTH_TEXT_ARG(name, SHOWN_MAX));
    }
    auth_put_text(out, value);
    return AUTH_OK;
}

static enum auth_fault put_value(const struct signature_message *m, struct auth_text name,
                                 struct auth_out *out, char *why)
{
    for (size_t i = 0; i < GW_LEN(derived); i++) {
        if (auth_text_is(name, derived[i].name)) {
            return derived[i].put(m, out)
                       ? AUTH_OK
                       : signature_refuse(why, AUTH_REQUEST, "\"%s\" of this request is malformed",
                                          derived[i].name);
        }
    }
    if (!is_token(name, true)) {
        return signature_refuse(
            why, AUTH_COMPONENT_UNKNOWN,
            "\"%.*s\" is neither a header in lower case nor a derived component known here",
            AUTH_TEXT_ARG(name, SHOWN_MAX));
    }
    return put_field(m, name, out, why);
}

/* Its name alone: a string, without parameters, not covered before. */
static enum auth_fault check_component(const struct sfv_dict *input, const struct sfv_member *list,
                                       unsigned at, char *why)
{
    const struct sfv_item *items = &input->items[list->items.first];
    struct auth_text name = items[at].value.text;

    if (items[at].value.type != SFV_STRING) {
        return signature_refuse(why, AUTH_SYNTAX, "Signature-Input: component %u is not a string",
                                at + 1);
    }
    if (items[at].params.count != 0) {
        return signature_refuse(why, AUTH_COMPONENT_FLAG,
                                "parameters of a component are not accepted: \"%.*s\"",
                                AUTH_TEXT_ARG(name, SHOWN_MAX));
    }
    for (unsigned i = 0; i < at; i++) {
        if (auth_text_equal(items[i].value.text, name)) {
            return signature_refuse(why, AUTH_COMPONENT_REPEATED, "\"%.*s\" is covered twice",
                                    AUTH_TEXT_ARG(name, SHOWN_MAX));
        }
    }
    return AUTH_OK;
}

enum auth_fault signature_base(const struct signature_message *m, const struct sfv_dict *input,
                               const struct sfv_member *list, struct auth_out *out, char *why)
{
    enum auth_fault fault = AUTH_OK;

    why[0] = '\0';
    if (!list->is_list) {
        return signature_refuse(why, AUTH_SYNTAX, "Signature-Input is not a list of components");
    }
    for (unsigned i = 0; i < list->items.count && fault == AUTH_OK; i++) {
        struct auth_text name = input->items[list->items.first + i].value.text;

        fault = check_component(input, list, i, why);
        if (fault == AUTH_OK) {
            auth_put_lit(out, "\"");
            auth_put_text(out, name);
            auth_put_lit(out, "\": ");
            fault = put_value(m, name, out, why);
            auth_put_lit(out, "\n");
        }
    }
    if (fault != AUTH_OK) {
        return fault;
    }
    auth_put_lit(out, "\"@signature-params\": ");
    sfv_write(input, list, out);
    if (out->full) {
        return signature_refuse(why, AUTH_TOO_LONG, "what is signed is longer than %zu bytes",
                                out->cap);
    }
    return AUTH_OK;
}
