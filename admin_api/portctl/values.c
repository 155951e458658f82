#include "admin_api/portctl/values.h"

#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/text.h"

#define LINES_MAX 20u /* of a change of many symbols */

/* The list, or how many there are. */
static void put_list(struct buf *out, const json_t *list)
{
    size_t i;
    const json_t *v;

    if (json_array_size(list) > LINES_MAX) {
        buf_printf(out, " (%zu)", json_array_size(list));
        return;
    }
    json_array_foreach(list, i, v)
    {
        buf_printf(out, " %s", json_is_string(v) ? json_string_value(v) : "?");
    }
}

static bool is_nothing(const json_t *v)
{
    return json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_integer(v) && json_integer_value(v) == 0);
}

static void put_member(struct buf *out, const char *name, const json_t *v)
{
    static const char *const bare[] = {"mode", "profile", "active"};

    if (json_is_boolean(v)) {
        buf_printf(out, "%s%s", json_is_true(v) ? "" : "not ", name);
        return;
    }
    for (size_t i = 0; i < GW_LEN(bare); i++) {
        if (strcmp(bare[i], name) == 0 && json_is_string(v)) {
            buf_puts(out, json_string_value(v));
            return;
        }
    }
    buf_puts(out, name);
    if (json_is_array(v)) {
        put_list(out, v);
    } else if (json_is_integer(v)) {
        buf_printf(out, " %" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_string(v)) {
        buf_putc(out, ' ');
        put_time(out, json_string_value(v));
    }
}

void value_put(struct buf *out, const json_t *value)
{
    const char *name;
    const json_t *v;
    const char *comma = "";
    json_t *members = (json_t *)(uintptr_t)value; /* jansson's loop takes no const */

    json_object_foreach(members, name, v)
    {
        if (!is_nothing(v)) {
            buf_puts(out, comma);
            put_member(out, name, v);
            comma = ", ";
        }
    }
    if (comma[0] == '\0') {
        buf_lit(out, "none");
    }
}

static void value_cell(struct table *t, const json_t *value)
{
    struct buf text = {0};

    value_put(&text, value);
    table_cell(t, buf_cstr(&text));
    buf_fini(&text);
}

static void diff_row(struct table *t, const json_t *change)
{
    static const struct field until = {"", "until", FIELD_TIME};

    table_cell(t, text_member(change, "kind"));
    table_cell(t, text_member(change, "target"));
    value_cell(t, json_object_get(change, "before"));
    table_cell(t, "->");
    value_cell(t, json_object_get(change, "after"));
    table_cell(t, text_member(change, "direction"));
    field_cell(t, change, &until);
}

void diff_put(struct buf *out, const json_t *diff)
{
    static const char *const titles[] = {"KIND",  "TARGET",    "BEFORE", "  ",
                                         "AFTER", "DIRECTION", "UNTIL"};
    const json_t *changes = json_object_get(diff, "changes");
    struct table t;
    size_t i;
    const json_t *change;

    table_init(&t, GW_LEN(titles), titles);
    json_array_foreach(changes, i, change)
    {
        if (i < LINES_MAX) {
            diff_row(&t, change);
        }
    }
    table_print(&t, out);
    table_fini(&t);
    if (json_array_size(changes) > LINES_MAX) {
        buf_printf(out, "... and %zu more\n", json_array_size(changes) - LINES_MAX);
    }
}

/* What the gateway could not count, or did not when it was asked for, is not known. */
static void radius_count(struct buf *out, const json_t *radius, const char *name)
{
    const json_t *v = json_object_get(radius, name);

    if (json_is_integer(v)) {
        buf_printf(out, "%s %" JSON_INTEGER_FORMAT ", ", name, json_integer_value(v));
    } else {
        buf_printf(out, "%s not known, ", name);
    }
}

void radius_put(struct buf *out, const char *label, const json_t *radius)
{
    static const char *const names[] = {"symbols", "clients", "subscriptions", "keys"};

    buf_printf(out, "%-14s", label);
    for (size_t i = 0; i < GW_LEN(names); i++) {
        radius_count(out, radius, names[i]);
    }
    if (json_integer_value(json_object_get(radius, "accounts")) != 0) {
        radius_count(out, radius, "accounts");
    }
    buf_printf(out, "at version %" JSON_INTEGER_FORMAT "\n",
               json_integer_value(json_object_get(radius, "version")));
}
