#include "admin_api/portctl/fields.h"

#include <stdlib.h>
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

#define COLUMNS_MAX 16u

void print_buf(struct buf *out)
{
    (void)fwrite(out->data, 1, out->len, stdout);
    buf_fini(out);
}

void print_json(const struct answer *a)
{
    (void)fwrite(a->text.data, 1, a->text.len, stdout);
    if (a->text.len == 0 || a->text.data[a->text.len - 1] != '\n') {
        fputc('\n', stdout);
    }
}

bool typed(FILE *in, const char *word)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, in);
    bool same;

    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) {
        n--;
    }
    same = n > 0 && (size_t)n == strlen(word) && memcmp(line, word, (size_t)n) == 0;
    free(line);
    return same;
}

const char *text_member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static void put_words(struct buf *out, const json_t *list)
{
    size_t i;
    const json_t *v;

    json_array_foreach(list, i, v)
    {
        if (i != 0) {
            buf_putc(out, ' ');
        }
        buf_puts(out, json_is_string(v) ? json_string_value(v) : "?");
    }
}

static const json_t *member_of(const json_t *object, const char *name)
{
    const char *dot = strchr(name, '.');
    char first[32];

    if (dot == NULL) {
        return json_object_get(object, name);
    }
    (void)snprintf(first, sizeof first, "%.*s", (int)(dot - name), name);
    return member_of(json_object_get(object, first), dot + 1);
}

void field_put(struct buf *out, const json_t *object, const struct field *f)
{
    const json_t *v = member_of(object, f->member);

    if (json_is_array(v)) {
        put_words(out, v);
    } else if (json_is_string(v) && f->kind == FIELD_TIME) {
        put_time(out, json_string_value(v));
    } else if (json_is_string(v)) {
        buf_puts(out, json_string_value(v));
    } else if (json_is_integer(v)) {
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_boolean(v)) {
        buf_puts(out, json_is_true(v) ? "yes" : "no");
    }
}

void field_cell(struct table *t, const json_t *object, const struct field *f)
{
    struct buf text = {0};

    field_put(&text, object, f);
    table_cell(t, buf_cstr(&text));
    buf_fini(&text);
}

void fields_table(struct table *t, const struct field *fields, size_t count)
{
    const char *titles[COLUMNS_MAX];

    GW_ASSERT(count <= COLUMNS_MAX);
    for (size_t i = 0; i < count; i++) {
        titles[i] = fields[i].title;
    }
    table_init(t, (unsigned)count, titles);
}

void fields_row(struct table *t, const json_t *object, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        field_cell(t, object, &fields[i]);
    }
}

void fields_list(struct buf *out, const json_t *list, const struct field *fields, size_t count)
{
    struct table t;
    size_t i;
    const json_t *row;

    fields_table(&t, fields, count);
    json_array_foreach(list, i, row)
    {
        fields_row(&t, row, fields, count);
    }
    table_print(&t, out);
    table_fini(&t);
}

void fields_given(struct buf *out, const json_t *object, const struct field *fields, size_t count)
{
    struct table t;

    table_init(&t, 2, NULL);
    for (size_t i = 0; i < count; i++) {
        struct buf text = {0};

        field_put(&text, object, &fields[i]);
        if (text.len != 0) {
            table_cell(&t, fields[i].title);
            table_cell(&t, buf_cstr(&text));
        }
        buf_fini(&text);
    }
    table_print(&t, out);
    table_fini(&t);
}

enum portctl_exit show_list(struct client *c, const struct args *a, const char *target,
                            const char *member, show_fn print)
{
    struct answer answer;
    enum portctl_exit code =
        client_call(c, &(struct call){.method = "GET", .target = target}, &answer);
    const json_t *list = json_object_get(answer.root, member);

    if (code == PORTCTL_DONE && !json_is_array(list)) {
        code = answer_lacks(member);
    } else if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        print(answer.root, list, a);
    }
    answer_fini(&answer);
    return code;
}

void fields_print(const json_t *object, const struct field *fields, size_t count,
                  const char *secret)
{
    struct table t;
    struct buf out = {0};

    table_init(&t, 2, NULL);
    for (size_t i = 0; i < count; i++) {
        table_cell(&t, fields[i].title);
        field_cell(&t, object, &fields[i]);
    }
    if (secret != NULL) {
        table_cell(&t, "secret");
        table_cell(&t, secret);
    }
    table_print(&t, &out);
    table_fini(&t);
    print_buf(&out);
}
