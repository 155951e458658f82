#include "gateway/http/shape.h"

#include <stdlib.h>
#include <string.h>

const char *const http_method_names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};

/* --- types -------------------------------------------------------------------------------------
 */

struct scan {
    const char *at;
};

static void put_union(struct scan *s, struct buf *out);

static void expect(struct scan *s, char c)
{
    GW_ASSERT(*s->at == c);
    s->at++;
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* `(1..500)`: the two numbers into keywords; nothing when there are none. */
static void put_range(struct scan *s, struct buf *out, const char *least, const char *most)
{
    char *end;
    long long low;
    long long high;

    if (*s->at != '(') {
        return;
    }
    low = strtoll(s->at + 1, &end, 10);
    GW_ASSERT(end[0] == '.' && end[1] == '.');
    high = strtoll(end + 2, &end, 10);
    s->at = end;
    expect(s, ')');
    buf_printf(out, ",\"%s\":%lld,\"%s\":%lld", least, low, most, high);
}

static const struct {
    const char *word;
    const char *schema;
    const char *least;
    const char *most;
} bases[] = {
    {"string", "\"type\":\"string\"", "minLength", "maxLength"},
    {"integer", "\"type\":\"integer\"", "minimum", "maximum"},
    {"number", "\"type\":\"number\"", "minimum", "maximum"},
    {"boolean", "\"type\":\"boolean\"", NULL, NULL},
    {"null", "\"type\":\"null\"", NULL, NULL},
    {"object", "\"type\":\"object\"", NULL, NULL},
    {"time", "\"type\":\"string\",\"format\":\"date-time\"", NULL, NULL},
    {"decimal", "\"type\":\"string\",\"pattern\":\"^-?[0-9]+(\\\\.[0-9]+)?$\"", NULL, NULL},
    {"uri", "\"type\":\"string\",\"format\":\"uri-reference\"", NULL, NULL},
};

static void put_base(struct scan *s, struct buf *out)
{
    const char *word = s->at;
    size_t len;

    while (word_char(*s->at)) {
        s->at++;
    }
    len = (size_t)(s->at - word);
    GW_ASSERT(len != 0);
    if (len == 3 && memcmp(word, "any", 3) == 0) {
        buf_lit(out, "{}");
        return;
    }
    for (unsigned i = 0; i < GW_LEN(bases); i++) {
        if (strlen(bases[i].word) == len && memcmp(bases[i].word, word, len) == 0) {
            buf_printf(out, "{%s", bases[i].schema);
            if (bases[i].least != NULL) {
                put_range(s, out, bases[i].least, bases[i].most);
            }
            buf_putc(out, '}');
            return;
        }
    }
    GW_ASSERT(word[0] >= 'A' && word[0] <= 'Z');
    buf_printf(out, "{\"$ref\":\"#/components/schemas/%.*s\"}", (int)len, word);
}

static void put_tuple(struct scan *s, struct buf *out)
{
    unsigned count = 0;

    buf_lit(out, "{\"type\":\"array\",\"prefixItems\":[");
    do {
        s->at++;
        buf_puts(out, count++ != 0 ? "," : "");
        put_union(s, out);
    } while (*s->at == ',');
    expect(s, ']');
    buf_printf(out, "],\"items\":false,\"minItems\":%u,\"maxItems\":%u}", count, count);
}

/* 'a'|'b' */
static void put_words(struct scan *s, struct buf *out)
{
    const char *comma = "";

    buf_lit(out, "{\"type\":\"string\",\"enum\":[");
    for (;;) {
        const char *end = strchr(s->at + 1, '\'');

        GW_ASSERT(end != NULL);
        buf_puts(out, comma);
        buf_json_str(out, s->at + 1, (size_t)(end - s->at - 1));
        comma = ",";
        s->at = end + 1;
        if (strncmp(s->at, "|'", 2) != 0) {
            break;
        }
        s->at++;
    }
    buf_lit(out, "]}");
}

/* One alternative with the `[]` behind it. */
static void put_one(struct scan *s, struct buf *out)
{
    struct buf inner = {0};

    if (*s->at == '[') {
        put_tuple(s, &inner);
    } else if (*s->at == '{') {
        s->at++;
        buf_lit(&inner, "{\"type\":\"object\",\"additionalProperties\":");
        put_union(s, &inner);
        buf_putc(&inner, '}');
        expect(s, '}');
    } else if (*s->at == '(') {
        s->at++;
        put_union(s, &inner);
        expect(s, ')');
    } else if (*s->at == '\'') {
        put_words(s, &inner);
    } else {
        put_base(s, &inner);
    }
    while (strncmp(s->at, "[]", 2) == 0) {
        struct buf list = {0};

        s->at += 2;
        buf_printf(&list, "{\"type\":\"array\",\"items\":%s}", buf_cstr(&inner));
        buf_fini(&inner);
        inner = list;
    }
    buf_append(out, inner.data, inner.len);
    buf_fini(&inner);
}

static void put_union(struct scan *s, struct buf *out)
{
    struct buf all = {0};
    unsigned count = 0;

    s->at += *s->at == '|';
    for (;;) {
        buf_puts(&all, count++ != 0 ? "," : "");
        put_one(s, &all);
        if (*s->at != '|') {
            break;
        }
        s->at++;
    }
    if (count == 1) {
        buf_append(out, all.data, all.len);
    } else {
        buf_printf(out, "{\"anyOf\":[%s]}", buf_cstr(&all));
    }
    buf_fini(&all);
}

void shape_type(struct buf *out, const char *type)
{
    struct scan s = {type};

    put_union(&s, out);
    GW_ASSERT(*s.at == '\0');
}

/* --- schemas -----------------------------------------------------------------------------------
 */

static bool optional(const char *name)
{
    return name[strlen(name) - 1] == '?';
}

static void put_name(struct buf *out, const char *name)
{
    buf_json_str(out, name, strlen(name) - optional(name));
}

static void put_required(struct buf *out, const struct shape_member *rows, size_t count)
{
    const char *comma = "";

    buf_lit(out, ",\"required\":[");
    for (size_t i = 0; i < count; i++) {
        if (!optional(rows[i].name)) {
            buf_puts(out, comma);
            put_name(out, rows[i].name);
            comma = ",";
        }
    }
    buf_putc(out, ']');
}

/* TYPE with its help: beside a reference, too (JSON Schema 2020-12). */
static void put_described(struct buf *out, const char *type, const char *help)
{
    shape_type(out, type);
    if (help[0] != '\0') {
        bool empty = out->data[out->len - 2] == '{';

        out->len--;
        buf_puts(out, empty ? "\"description\":" : ",\"description\":");
        buf_json_str(out, help, strlen(help));
        buf_putc(out, '}');
    }
}

static void put_object(struct buf *out, const struct shape_member *rows, size_t count, bool closed)
{
    buf_lit(out, "{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        put_name(out, rows[i].name);
        buf_putc(out, ':');
        put_described(out, rows[i].type, rows[i].help);
    }
    buf_putc(out, '}');
    put_required(out, rows, count);
    buf_puts(out, closed ? ",\"additionalProperties\":false}" : "}");
}

void shape_schemas(struct buf *out, const struct shape_member *rows, size_t count,
                   const char **comma)
{
    for (size_t i = 0; i < count;) {
        bool closed = rows[i].schema[0] == '+';
        size_t n = 1;

        while (i + n < count && strcmp(rows[i + n].schema, rows[i].schema) == 0) {
            n++;
        }
        buf_printf(out, "%s\"%s\":", *comma, rows[i].schema + closed);
        *comma = ",";
        if (strcmp(rows[i].name, "=") == 0) {
            put_described(out, rows[i].type, rows[i].help);
            if (closed) { /* an object without members */
                out->len--;
                buf_lit(out, ",\"additionalProperties\":false}");
            }
        } else {
            put_object(out, &rows[i], n, closed);
        }
        i += n;
    }
}

/* --- operations --------------------------------------------------------------------------------
 */

static void put_parameter(struct buf *out, const char *in, const char *name, size_t len,
                          bool required, const char *type)
{
    buf_printf(out, "{\"name\":\"%.*s\",\"in\":\"%s\",\"required\":%s,\"schema\":", (int)len, name,
               in, required ? "true" : "false");
    shape_type(out, type);
    buf_putc(out, '}');
}

/* "name=type name=type!" */
static void put_list(struct buf *out, const char *in, const char *list, const char **comma)
{
    while (*list != '\0') {
        size_t len = strcspn(list, " ");
        const char *equals = memchr(list, '=', len);
        bool required = list[len - 1] == '!';
        char type[256];

        GW_ASSERT(equals != NULL);
        (void)snprintf(type, sizeof type, "%.*s", (int)(list + len - equals - 1) - required,
                       equals + 1);
        buf_puts(out, *comma);
        put_parameter(out, in, list, (size_t)(equals - list), required, type);
        *comma = ",";
        list += len + (list[len] == ' ');
    }
}

static void put_parameters(struct buf *out, const struct shape_op *op)
{
    const char *comma = "";

    buf_lit(out, ",\"parameters\":[");
    for (const char *at = strchr(op->path, '{'); at != NULL; at = strchr(at + 1, '{')) {
        size_t len = strcspn(at + 1, "}");

        buf_puts(out, comma);
        put_parameter(out, "path", at + 1, len, true, "string");
        comma = ",";
    }
    if (op->route != NULL) {
        put_list(out, "query", op->route->query, &comma);
        put_list(out, "header", op->route->headers, &comma);
    }
    buf_putc(out, ']');
}

static void put_medium(struct buf *out, const char *what, size_t len)
{
    const char *space = memchr(what, ' ', len);
    const char *slash = memchr(what, '/', len);
    char type[128];

    if (slash == NULL) { /* a schema, as JSON */
        (void)snprintf(type, sizeof type, "%.*s", (int)len, what);
        buf_lit(out, "\"application/json\":{\"schema\":");
    } else {
        size_t media = space != NULL ? (size_t)(space - what) : len;

        (void)snprintf(type, sizeof type, "%.*s", space != NULL ? (int)(len - media - 1) : 6,
                       space != NULL ? space + 1 : "string");
        buf_printf(out, "\"%.*s\":{\"schema\":", (int)media, what);
    }
    shape_type(out, type);
    buf_putc(out, '}');
}

/* One of several media, `&` between: "Report&text/markdown". */
static void put_content(struct buf *out, const char *what, size_t len)
{
    const char *comma = "";

    buf_lit(out, "\"content\":{");
    for (const char *end = what + len; what < end;) {
        const char *next = memchr(what, '&', (size_t)(end - what));
        const char *stop = next != NULL ? next : end;

        buf_puts(out, comma);
        put_medium(out, what, (size_t)(stop - what));
        comma = ",";
        what = stop + 1;
    }
    buf_putc(out, '}');
}

static const char *reason_of(const char *status)
{
    return strncmp(status, "201", 3) == 0   ? "made"
           : strncmp(status, "202", 3) == 0 ? "taken; not finished, see the body"
           : strncmp(status, "503", 3) == 0 ? "not now; the body says why"
                                            : "as asked";
}

/* "200 Keys; 202 Answer" */
static void put_answers(struct buf *out, const char *answers)
{
    bool unavailable = false;

    buf_lit(out, ",\"responses\":{");
    while (*answers != '\0') {
        size_t len = strcspn(answers, ";");

        unavailable = unavailable || strncmp(answers, "503", 3) == 0;
        buf_printf(out, "\"%.3s\":{\"description\":\"%s\",", answers, reason_of(answers));
        put_content(out, answers + 4, len - 4);
        buf_lit(out, "},");
        answers += len;
        answers += strspn(answers, "; ");
    }
    buf_lit(out, "\"4XX\":{\"$ref\":\"#/components/responses/Problem\"},");
    buf_puts(out, unavailable ? "\"500\":{\"$ref\":\"#/components/responses/Problem\"}}"
                              : "\"5XX\":{\"$ref\":\"#/components/responses/Problem\"}}");
}

/* get_v1_keys_id_usage */
static void put_id(struct buf *out, const struct shape_op *op)
{
    buf_printf(out, "\"%s_%s", op->listener, http_method_names[op->method]);
    for (const char *p = op->path; *p != '\0'; p++) {
        if (word_char(*p)) {
            buf_putc(out, *p);
        } else if (out->data[out->len - 1] != '_') {
            buf_putc(out, '_');
        }
    }
    out->len -= out->data[out->len - 1] == '_';
    buf_putc(out, '"');
}

/* The first word of the path that tells something. */
static void put_tag(struct buf *out, const char *path)
{
    if (strncmp(path, "/0/", 3) == 0) {
        buf_lit(out, "\"kraken\"");
    } else if (strncmp(path, "/v1/", 4) == 0) {
        buf_printf(out, "\"%.*s\"", (int)strcspn(path + 4, "/:"), path + 4);
    } else {
        buf_lit(out, "\"about\"");
    }
}

void shape_operation(struct buf *out, const struct shape_op *op)
{
    buf_lit(out, "{\"operationId\":");
    put_id(out, op);
    buf_lit(out, ",\"tags\":[");
    put_tag(out, op->path);
    buf_lit(out, "],\"summary\":");
    buf_json_str(out, op->summary, strlen(op->summary));
    buf_printf(out,
               ",\"servers\":[{\"url\":\"https://{host}:%s\",\"description\":\"the %s listener\","
               "\"variables\":{\"host\":{\"default\":\"localhost\"}}}]",
               strcmp(op->listener, "public") == 0 ? "8444" : "8445", op->listener);
    if (op->permission != NULL) {
        buf_printf(out, ",\"x-permission\":\"%s\"", op->permission);
        buf_lit(out, ",\"security\":[{\"signature\":[]},{\"session\":[]}");
        buf_puts(out, op->bearer ? ",{\"bearer\":[]}]" : "]");
    } else {
        buf_puts(out, op->own ? ",\"security\":[{\"session\":[]}]" : ",\"security\":[]");
    }
    if (op->rate_class != NULL) {
        buf_printf(out, ",\"x-rate-class\":\"%s\"", op->rate_class);
    }
    if (op->route == NULL) {
        buf_lit(out, ",\"x-undocumented\":true");
    }
    put_parameters(out, op);
    if (op->route != NULL && op->route->body[0] != '\0') {
        buf_lit(out, ",\"requestBody\":{\"required\":true,");
        put_content(out, op->route->body, strlen(op->route->body));
        buf_putc(out, '}');
    }
    put_answers(out, op->route != NULL ? op->route->answers : "200 object");
    buf_putc(out, '}');
}

const struct shape_route *shape_find(const struct shape_route *rows, size_t count,
                                     enum http_method method, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].method == method && strcmp(rows[i].path, path) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}
