/* gateway/playbook/fields.c - fields of a playbook's file, strictly: each mistake with file and line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/playbook/playbook_priv.h"

#define LIST_MOST 64u

void reading_bad(struct reading *r, const struct yaml_node *at, const char *where, const char *what)
{
    buf_printf(r->errors, "%s:%u: %s: %s\n", r->path, at != NULL ? yaml_line(at) : 1, where, what);
}

static void bad_key(struct reading *r, const struct yaml_node *at, const char *where,
                    const char *key, const char *what)
{
    struct buf place = {0};

    buf_printf(&place, "%s%s%s", where, where[0] != '\0' ? "." : "", key);
    reading_bad(r, at, buf_cstr(&place), what);
    buf_fini(&place);
}

bool reading_keys(struct reading *r, const struct yaml_node *map, const char *where,
                  const char *const *keys)
{
    struct buf known = {0};
    bool ok = true;

    if (yaml_kind(map) != YAML_MAP) {
        reading_bad(r, map, where, "expected `key: value` lines");
        return false;
    }
    for (size_t k = 0; keys[k] != NULL; k++) {
        buf_printf(&known, "%s%s", k != 0 ? ", " : "no such key; known: ", keys[k]);
    }
    for (size_t i = 0; i < yaml_count(map); i++) {
        const char *key = yaml_text(yaml_key(map, i));
        bool found = false;

        for (size_t k = 0; keys[k] != NULL; k++) {
            found = found || strcmp(keys[k], key) == 0;
        }
        if (!found) {
            bad_key(r, yaml_key(map, i), where, key, buf_cstr(&known));
            ok = false;
        }
    }
    buf_fini(&known);
    return ok;
}

/* A line end is fine, other control bytes would reach terminals. */
static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text < 0x20 && *text != '\n') || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool fits(struct reading *r, const struct yaml_node *v, const char *where, const char *key,
                 struct field_rule rule)
{
    char wanted[96];

    if (yaml_kind(v) == YAML_SCALAR && is_clean(yaml_text(v)) &&
        strlen(yaml_text(v)) >= rule.least && strlen(yaml_text(v)) <= rule.most) {
        return true;
    }
    (void)snprintf(wanted, sizeof wanted, "expected a text of %zu to %zu bytes, no control bytes",
                   rule.least, rule.most);
    bad_key(r, v, where, key, wanted);
    return false;
}

const char *reading_text(struct reading *r, const struct yaml_node *map, const char *where,
                         const char *key, struct field_rule rule)
{
    const struct yaml_node *v = yaml_get(map, key);

    if (v == NULL) {
        if (!rule.optional) {
            bad_key(r, map, where, key, "is missing: give it");
        }
        return NULL;
    }
    return fits(r, v, where, key, rule) ? yaml_text(v) : NULL;
}

const char *reading_id(struct reading *r, const struct yaml_node *map, const char *where)
{
    const char *id =
        reading_text(r, map, where, "id", (struct field_rule){1, PLAYBOOK_ID_MAX, false});

    if (id != NULL && id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0') {
        bad_key(r, yaml_get(map, "id"), where, "id", "expected letters a-z, digits and _");
        return NULL;
    }
    return id;
}

/* Days since 1970 of a day of the Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era;
    int64_t yoe;
    int64_t doy;

    y -= m <= 2;
    era = y / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

bool playbook_day(const char *text, int64_t *out)
{
    static const char form[] = "dddd-dd-dd";
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y;
    int m;
    int d;
    bool leap;

    if (strlen(text) != strlen(form)) {
        return false;
    }
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != '-') {
            return false;
        }
    }
    y = atoi(text);
    m = atoi(text + 5);
    d = atoi(text + 8);
    leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (y < 1970 || m < 1 || m > 12 || d < 1 || d > lengths[m - 1] + (m == 2 && leap)) {
        return false;
    }
    *out = days_of(y, m, d);
    return true;
}

const char *reading_date(struct reading *r, const struct yaml_node *map, const char *key)
{
    const char *text = reading_text(r, map, "playbook", key, (struct field_rule){1, 40, false});
    int64_t day;

    if (text != NULL && !playbook_day(text, &day)) {
        bad_key(r, yaml_get(map, key), "playbook", key, "expected a day as 2026-11-21");
        return NULL;
    }
    return text;
}

bool reading_bool(struct reading *r, const struct yaml_node *map, const char *where,
                  const char *key, bool fallback)
{
    const struct yaml_node *v = yaml_get(map, key);
    const char *text = v != NULL && yaml_kind(v) == YAML_SCALAR ? yaml_text(v) : "";

    if (v == NULL || strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return v == NULL ? fallback : text[0] == 't';
    }
    bad_key(r, v, where, key, "expected true or false");
    return fallback;
}

uint64_t reading_number(struct reading *r, const struct yaml_node *map, const char *where,
                        const char *key, uint64_t most, bool optional)
{
    const struct yaml_node *v = yaml_get(map, key);
    uint64_t n = 0;
    char wanted[64];

    if (v == NULL) {
        if (!optional) {
            bad_key(r, map, where, key, "is missing: give it");
        }
        return 0;
    }
    if (yaml_kind(v) == YAML_SCALAR && u64_parse(yaml_text(v), strlen(yaml_text(v)), &n) == GW_OK &&
        n >= 1 && n <= most) {
        return n;
    }
    (void)snprintf(wanted, sizeof wanted, "expected a whole number from 1 to %llu",
                   (unsigned long long)most);
    bad_key(r, v, where, key, wanted);
    return 0;
}

const struct yaml_node *reading_list(struct reading *r, const struct yaml_node *map,
                                     const char *where, const char *key, size_t most, bool required)
{
    const struct yaml_node *v = yaml_get(map, key);
    char wanted[64];

    if (v == NULL && !required) {
        return NULL;
    }
    if (v != NULL && yaml_kind(v) == YAML_LIST && yaml_count(v) >= 1 && yaml_count(v) <= most) {
        return v;
    }
    (void)snprintf(wanted, sizeof wanted, "expected a list of 1 to %zu items", most);
    bad_key(r, v != NULL ? v : map, where, key, wanted);
    return NULL;
}

void reading_texts(struct reading *r, const struct yaml_node *map, const char *where,
                   const char *key, size_t most, struct playbook_texts *out)
{
    const struct yaml_node *list = reading_list(r, map, where, key, LIST_MOST, false);
    struct field_rule rule = {1, most, false};

    *out = (struct playbook_texts){0};
    if (list == NULL) {
        return;
    }
    out->items = gw_calloc(yaml_count(list), sizeof *out->items);
    for (size_t i = 0; i < yaml_count(list); i++) {
        if (fits(r, yaml_item(list, i), where, key, rule)) {
            out->items[out->count++] = yaml_text(yaml_item(list, i));
        }
    }
}

void reading_place(struct buf *out, const char *where, const struct yaml_node *map, size_t i)
{
    const struct yaml_node *id = yaml_kind(map) == YAML_MAP ? yaml_get(map, "id") : NULL;

    buf_reset(out);
    if (id != NULL && yaml_kind(id) == YAML_SCALAR && is_clean(yaml_text(id))) {
        buf_printf(out, "%s.%.*s", where, (int)PLAYBOOK_ID_MAX, yaml_text(id));
    } else {
        buf_printf(out, "%s[%zu]", where, i);
    }
    (void)buf_cstr(out);
}
