#include "gateway/runtime/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/runtime/yaml.h"

#define ENV_PREFIX "PORTCULLIS_"

static const char *const type_names[] = {
    [CFG_BOOL] = "bool",     [CFG_UINT] = "number", [CFG_SIZE] = "size",
    [CFG_MSEC] = "duration", [CFG_TEXT] = "text",   [CFG_ENDPOINT] = "host:port",
};

struct unit {
    const char *suffix;
    uint64_t factor;
};
static const struct unit size_units[] = {
    {"", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}};
static const struct unit msec_units[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

/* Number with one of COUNT unit suffixes. */
static bool parse_number(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t value;

    if (u64_parse(text, digits, &value) != GW_OK) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text + digits, units[i].suffix) == 0) {
            return !__builtin_mul_overflow(value, units[i].factor, out);
        }
    }
    return false;
}

bool config_endpoint(const char *endpoint, char host[64], uint16_t *port)
{
    const char *colon = strrchr(endpoint, ':');
    const char *first = endpoint;
    size_t len;
    uint64_t value;

    if (colon == NULL || u64_parse(colon + 1, strlen(colon + 1), &value) != GW_OK ||
        value > UINT16_MAX) {
        return false;
    }
    len = (size_t)(colon - endpoint);
    if (len >= 2 && endpoint[0] == '[' && endpoint[len - 1] == ']') {
        first++;
        len -= 2;
    } else if (memchr(endpoint, ':', len) != NULL) {
        return false;
    }
    if (len == 0 || len > 63) {
        return false;
    }
    memcpy(host, first, len);
    host[len] = '\0';
    *port = (uint16_t)value;
    return true;
}

static void put_range(struct buf *out, const struct cfg_row *row)
{
    switch (row->type) {
    case CFG_BOOL:
        buf_lit(out, "true or false");
        break;
    case CFG_UINT:
        buf_printf(out, "%llu to %llu", (unsigned long long)row->min, (unsigned long long)row->max);
        break;
    case CFG_SIZE:
        buf_printf(out, "%llu to %llu bytes, also KiB, MiB, GiB", (unsigned long long)row->min,
                   (unsigned long long)row->max);
        break;
    case CFG_MSEC:
        buf_printf(out, "%llums to %llums, also s, m, h", (unsigned long long)row->min,
                   (unsigned long long)row->max);
        break;
    case CFG_TEXT:
        buf_printf(out, "text of %llu to %llu bytes", (unsigned long long)row->min,
                   (unsigned long long)row->max);
        break;
    case CFG_ENDPOINT:
        buf_puts(out, row->min == 0 ? "host:port, [v6]:port, or \"\" for off"
                                    : "host:port or [v6]:port");
        break;
    }
}

/* Stores TEXT into the row's field of TARGET; false when it is not acceptable. */
static bool store(const struct cfg_row *row, void *target, const char *text)
{
    void *field = (char *)target + row->offset;
    uint64_t value = 0;
    char host[64];
    uint16_t port;

    switch (row->type) {
    case CFG_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
            return false;
        }
        *(bool *)field = text[0] == 't';
        return true;
    case CFG_UINT:
    case CFG_SIZE:
    case CFG_MSEC:
        if (!parse_number(text, row->type == CFG_MSEC ? msec_units : size_units,
                          row->type == CFG_MSEC   ? GW_LEN(msec_units)
                          : row->type == CFG_SIZE ? GW_LEN(size_units)
                                                  : 1,
                          &value) ||
            value < row->min || value > row->max) {
            return false;
        }
        *(uint64_t *)field = value;
        return true;
    case CFG_TEXT:
        if (strlen(text) < row->min || strlen(text) > row->max) {
            return false;
        }
        break;
    case CFG_ENDPOINT:
        if (!(text[0] == '\0' && row->min == 0) && !config_endpoint(text, host, &port)) {
            return false;
        }
        break;
    }
    free(*(char **)field);
    *(char **)field = gw_strdup(text);
    return true;
}

static void refuse(struct buf *errors, const char *where, const struct cfg_binding *b,
                   const struct cfg_row *row, const char *text)
{
    buf_printf(errors, "%s: %s.%s: \"%s\" is not acceptable; accepted: ", where, b->table->section,
               row->key, text);
    put_range(errors, row);
    buf_putc(errors, '\n');
}

/* Levenshtein distance of two short words: what was probably meant. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t n = strlen(b);

    if (n >= GW_LEN(row)) {
        return UINT32_MAX;
    }
    for (unsigned k = 0; k <= n; k++) {
        row[k] = k;
    }
    for (unsigned i = 1; *a != '\0'; a++, i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (size_t k = 1; k <= n; k++) {
            unsigned above = row[k];
            unsigned best = diagonal + (*a != b[k - 1]);

            best = above + 1 < best ? above + 1 : best;
            best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            row[k] = best;
            diagonal = above;
        }
    }
    return row[n];
}

struct target {
    const struct cfg_binding *binding;
    const struct cfg_row *row;
};

static bool find_row(const struct cfg_binding *bindings, size_t count, const char *section,
                     const char *key, struct target *out)
{
    for (size_t b = 0; b < count; b++) {
        for (size_t r = 0;
             strcmp(bindings[b].table->section, section) == 0 && r < bindings[b].table->count;
             r++) {
            if (strcmp(bindings[b].table->rows[r].key, key) == 0) {
                *out = (struct target){&bindings[b], &bindings[b].table->rows[r]};
                return true;
            }
        }
    }
    return false;
}

static void unknown_key(struct buf *errors, const char *where, const char *section, const char *key,
                        const struct cfg_binding *bindings, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = 4;

    for (size_t b = 0; b < count; b++) {
        for (size_t r = 0;
             strcmp(bindings[b].table->section, section) == 0 && r < bindings[b].table->count;
             r++) {
            unsigned d = distance(key, bindings[b].table->rows[r].key);

            if (d < best_distance) {
                best_distance = d;
                best = bindings[b].table->rows[r].key;
            }
        }
    }
    buf_printf(errors, "%s: %s.%s: no such key", where, section, key);
    if (best != NULL) {
        buf_printf(errors, "; did you mean %s.%s?\n", section, best);
    } else {
        buf_lit(errors, "; portcullis --describe config lists all\n");
    }
}

static void read_section(const char *path, const char *section, const struct yaml_node *map,
                         const struct cfg_binding *bindings, size_t count, struct buf *errors)
{
    struct buf where = {0};

    for (size_t i = 0; i < yaml_count(map); i++) {
        const struct yaml_node *value = yaml_value(map, i);
        const char *key = yaml_text(yaml_key(map, i));
        struct target t;

        buf_reset(&where);
        buf_printf(&where, "%s:%u", path, yaml_line(yaml_key(map, i)));
        if (!find_row(bindings, count, section, key, &t)) {
            unknown_key(errors, buf_cstr(&where), section, key, bindings, count);
        } else if (yaml_kind(value) != YAML_SCALAR) {
            refuse(errors, buf_cstr(&where), t.binding, t.row, "(a list or map)");
        } else if (!store(t.row, t.binding->target, yaml_text(value))) {
            refuse(errors, buf_cstr(&where), t.binding, t.row, yaml_text(value));
        }
    }
    buf_fini(&where);
}

static bool section_known(const struct cfg_binding *bindings, size_t count, const char *section)
{
    for (size_t b = 0; b < count; b++) {
        if (strcmp(bindings[b].table->section, section) == 0) {
            return true;
        }
    }
    return false;
}

static void read_file(const char *path, const struct cfg_binding *bindings, size_t count,
                      struct buf *errors)
{
    struct yaml_doc *doc;
    const struct yaml_node *root;

    if (yaml_open(path, &doc, &root, errors) != GW_OK) {
        return;
    }
    if (root != NULL && yaml_kind(root) != YAML_MAP) {
        buf_printf(errors, "%s:%u: expected sections, for example `ws:`\n", path, yaml_line(root));
    }
    for (size_t i = 0; root != NULL && yaml_kind(root) == YAML_MAP && i < yaml_count(root); i++) {
        const char *section = yaml_text(yaml_key(root, i));
        const struct yaml_node *map = yaml_value(root, i);

        if (!section_known(bindings, count, section)) {
            buf_printf(errors, "%s:%u: %s: no such section\n", path, yaml_line(yaml_key(root, i)),
                       section);
        } else if (yaml_kind(map) != YAML_MAP) {
            buf_printf(errors, "%s:%u: %s: expected `key: value` lines\n", path, yaml_line(map),
                       section);
        } else {
            read_section(path, section, map, bindings, count, errors);
        }
    }
    yaml_close(&doc);
}

static void put_env_name(struct buf *out, const char *section, const char *key)
{
    size_t first = out->len;

    buf_printf(out, ENV_PREFIX "%s_%s", section, key);
    for (size_t i = first; i < out->len; i++) {
        out->data[i] = (char)toupper((unsigned char)out->data[i]);
    }
}

/* Finds the row whose environment name is NAME (LEN bytes). */
static bool find_env(const struct cfg_binding *bindings, size_t count, const char *name, size_t len,
                     struct target *out)
{
    struct buf wanted = {0};
    bool found = false;

    for (size_t b = 0; !found && b < count; b++) {
        for (size_t r = 0; !found && r < bindings[b].table->count; r++) {
            buf_reset(&wanted);
            put_env_name(&wanted, bindings[b].table->section, bindings[b].table->rows[r].key);
            found = wanted.len == len && memcmp(wanted.data, name, len) == 0;
            *out = (struct target){&bindings[b], &bindings[b].table->rows[r]};
        }
    }
    buf_fini(&wanted);
    return found;
}

static const struct {
    const char *name;
    const char *section;
    const char *key;
} env_names[] = {
#define ENV_NAME(name, section, key) {name, section, key},
    CFG_ENV_NAMES(ENV_NAME)};

/* The name the runbooks give a key; NULL: none. */
static const char *env_name_of(const char *section, const char *key)
{
    for (size_t i = 0; i < GW_LEN(env_names); i++) {
        if (strcmp(env_names[i].section, section) == 0 && strcmp(env_names[i].key, key) == 0) {
            return env_names[i].name;
        }
    }
    return NULL;
}

static void read_env_names(char *const *envp, const struct cfg_binding *bindings, size_t count,
                           struct buf *errors)
{
    for (; envp != NULL && *envp != NULL; envp++) {
        for (size_t i = 0; i < GW_LEN(env_names); i++) {
            size_t len = strlen(env_names[i].name);
            struct target t;

            if (strncmp(*envp, env_names[i].name, len) == 0 && (*envp)[len] == '=' &&
                find_row(bindings, count, env_names[i].section, env_names[i].key, &t) &&
                !store(t.row, t.binding->target, *envp + len + 1)) {
                struct buf where = {0};

                buf_printf(&where, "environment %s", env_names[i].name);
                refuse(errors, buf_cstr(&where), t.binding, t.row, *envp + len + 1);
                buf_fini(&where);
            }
        }
    }
}

/* Variables of that prefix that are not configuration of the daemon. */
static bool env_foreign(const char *name, size_t len)
{
    return (len == strlen(ENV_PREFIX "DATA") && memcmp(name, ENV_PREFIX "DATA", len) == 0) ||
           strncmp(name, ENV_PREFIX "TEST_", strlen(ENV_PREFIX "TEST_")) == 0 ||
           strncmp(name, ENV_PREFIX "BUILD", strlen(ENV_PREFIX "BUILD")) == 0;
}

static void read_env(char *const *envp, const struct cfg_binding *bindings, size_t count,
                     struct buf *errors)
{
    for (; envp != NULL && *envp != NULL; envp++) {
        const char *equals = strchr(*envp, '=');
        size_t len = equals != NULL ? (size_t)(equals - *envp) : 0;
        struct buf where = {0};
        struct target t;

        if (len == 0 || strncmp(*envp, ENV_PREFIX, strlen(ENV_PREFIX)) != 0 ||
            env_foreign(*envp, len)) {
            continue;
        }
        buf_printf(&where, "environment %.*s", (int)len, *envp);
        if (!find_env(bindings, count, *envp, len, &t)) {
            buf_printf(errors, "%s: no such key; portcullis --describe config lists all\n",
                       buf_cstr(&where));
        } else if (!store(t.row, t.binding->target, equals + 1)) {
            refuse(errors, buf_cstr(&where), t.binding, t.row, equals + 1);
        }
        buf_fini(&where);
    }
}

enum gw_err config_load(const char *path, char *const *envp, const struct cfg_binding *bindings,
                        size_t count, struct buf *errors)
{
    size_t before = errors->len;

    for (size_t b = 0; b < count; b++) {
        for (size_t r = 0; r < bindings[b].table->count; r++) {
            const struct cfg_row *row = &bindings[b].table->rows[r];

            GW_ASSERT(store(row, bindings[b].target, row->fallback));
        }
    }
    if (path != NULL) {
        read_file(path, bindings, count, errors);
    }
    read_env(envp, bindings, count, errors);
    read_env_names(envp, bindings, count, errors);
    return errors->len == before ? GW_OK : GW_ECONFIG;
}

static bool is_text(const struct cfg_row *row)
{
    return row->type == CFG_TEXT || row->type == CFG_ENDPOINT;
}

void config_fini(const struct cfg_binding *bindings, size_t count)
{
    for (size_t b = 0; b < count; b++) {
        for (size_t r = 0; r < bindings[b].table->count; r++) {
            const struct cfg_row *row = &bindings[b].table->rows[r];

            if (is_text(row)) {
                char **field = (char **)(void *)((char *)bindings[b].target + row->offset);

                free(*field);
                *field = NULL;
            }
        }
    }
}

static bool same(const struct cfg_row *row, const void *a, const void *b)
{
    if (is_text(row)) {
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    }
    return row->type == CFG_BOOL ? *(const bool *)a == *(const bool *)b
                                 : *(const uint64_t *)a == *(const uint64_t *)b;
}

static void take(const struct cfg_row *row, void *to, const void *from)
{
    if (is_text(row)) {
        free(*(char **)to);
        *(char **)to = gw_strdup(*(char *const *)from);
    } else if (row->type == CFG_BOOL) {
        *(bool *)to = *(const bool *)from;
    } else {
        *(uint64_t *)to = *(const uint64_t *)from;
    }
}

void config_take_live(const struct cfg_binding *to, const struct cfg_binding *from, size_t count,
                      struct buf *changed)
{
    for (size_t b = 0; b < count; b++) {
        for (size_t r = 0; r < to[b].table->count; r++) {
            const struct cfg_row *row = &to[b].table->rows[r];
            void *field = (char *)to[b].target + row->offset;
            const void *fresh = (const char *)from[b].target + row->offset;

            if (same(row, field, fresh)) {
                continue;
            }
            buf_printf(changed, "%s.%s: %s\n", to[b].table->section, row->key,
                       row->live ? "taken over" : "needs a restart");
            if (row->live) {
                take(row, field, fresh);
            }
        }
    }
}

void config_describe(const struct cfg_table *const *tables, size_t count, struct buf *out)
{
    for (size_t t = 0; t < count; t++) {
        buf_printf(out,
                   "\n## %s\n\n| key | type | default | accepted | what |\n|---|---|---|---|---|\n",
                   tables[t]->section);
        for (size_t r = 0; r < tables[t]->count; r++) {
            const struct cfg_row *row = &tables[t]->rows[r];

            buf_printf(out, "| `%s.%s`<br>`", tables[t]->section, row->key);
            put_env_name(out, tables[t]->section, row->key);
            if (env_name_of(tables[t]->section, row->key) != NULL) {
                buf_printf(out, "`<br>`%s", env_name_of(tables[t]->section, row->key));
            }
            buf_printf(out, "` | %s%s | `%s` | ", type_names[row->type], row->live ? ", live" : "",
                       row->fallback);
            put_range(out, row);
            buf_printf(out, " | %s |\n", row->help);
        }
    }
}
