#include "gateway/feed/symbol_file.h"

#include <fnmatch.h>
#include <string.h>
#include "gateway/runtime/yaml.h"

struct reading {
    const char *path;
    struct buf *errors;
};

static void bad(struct reading *r, const struct yaml_node *at, const char *key, const char *what)
{
    buf_printf(r->errors, "%s:%u: %s: %s\n", r->path, yaml_line(at), key, what);
}

static bool read_decimals(struct reading *r, const struct yaml_node *v, const char *key,
                          unsigned *out)
{
    uint64_t value;

    if (yaml_kind(v) != YAML_SCALAR ||
        u64_parse(yaml_text(v), strlen(yaml_text(v)), &value) != GW_OK ||
        value > FIXED_MAX_DECIMALS) {
        bad(r, v, key, "expected a number from 0 to 18");
        return false;
    }
    *out = (unsigned)value;
    return true;
}

/* Decimal text of at most DECIMALS decimals, kept as text. */
static bool read_amount(struct reading *r, const struct yaml_node *v, const char *key, char out[24])
{
    int64_t value;

    if (yaml_kind(v) != YAML_SCALAR || strlen(yaml_text(v)) >= 24 ||
        fixed_parse(yaml_text(v), strlen(yaml_text(v)), FIXED_MAX_DECIMALS, &value) == GW_EINVAL ||
        yaml_text(v)[0] == '-') {
        bad(r, v, key, "expected a decimal number such as 0.0001");
        return false;
    }
    memcpy(out, yaml_text(v), strlen(yaml_text(v)) + 1);
    return true;
}

static bool read_key(struct reading *r, const char *key, const struct yaml_node *v,
                     struct symbol *row)
{
    if (strcmp(key, "symbol") == 0) {
        if (yaml_kind(v) != YAML_SCALAR || strlen(yaml_text(v)) >= SYMBOL_NAME_MAX) {
            bad(r, v, key, "expected BASE/QUOTE of at most 31 bytes");
            return false;
        }
        memcpy(row->name, yaml_text(v), strlen(yaml_text(v)) + 1);
        return true;
    }
    if (strcmp(key, "price_decimals") == 0) {
        return read_decimals(r, v, key, &row->price_decimals);
    }
    if (strcmp(key, "qty_decimals") == 0) {
        return read_decimals(r, v, key, &row->qty_decimals);
    }
    if (strcmp(key, "qty_min") == 0) {
        return read_amount(r, v, key, row->qty_min);
    }
    if (strcmp(key, "cost_min") == 0) {
        return read_amount(r, v, key, row->cost_min);
    }
    if (strcmp(key, "status") == 0) {
        if (yaml_kind(v) == YAML_SCALAR &&
            pair_status_parse(yaml_text(v), strlen(yaml_text(v)), &row->status)) {
            return true;
        }
        bad(r, v, key,
            "expected online, cancel_only, post_only, limit_only, reduce_only or maintenance");
        return false;
    }
    bad(r, v, key,
        "no such key; known: symbol, price_decimals, qty_decimals, status, qty_min, cost_min");
    return false;
}

static void read_row(struct reading *r, const struct yaml_node *map, struct symbols *out)
{
    struct symbol row = {.price_decimals = UINT32_MAX, .qty_decimals = UINT32_MAX};
    bool ok = true;
    enum gw_err err;

    if (yaml_kind(map) != YAML_MAP) {
        bad(r, map, "symbols", "each entry is a map with symbol, price_decimals, qty_decimals");
        return;
    }
    for (size_t i = 0; i < yaml_count(map); i++) {
        ok = read_key(r, yaml_text(yaml_key(map, i)), yaml_value(map, i), &row) && ok;
    }
    if (!ok) {
        return;
    }
    if (row.name[0] == '\0' || row.price_decimals == UINT32_MAX || row.qty_decimals == UINT32_MAX) {
        bad(r, map, "symbols", "symbol, price_decimals and qty_decimals are needed");
        return;
    }
    err = symbols_add(out, &row);
    if (err != GW_OK) {
        bad(r, map, row.name,
            err == GW_EDUP ? "listed twice" : "not a symbol name; expected BASE/QUOTE in capitals");
    }
}

/* Every symbol that PATTERN, a symbol or a glob as "*"/USD, means. */
static void read_member(struct reading *r, const char *group, const struct yaml_node *v,
                        struct symbols *out)
{
    bool any = false;

    if (yaml_kind(v) != YAML_SCALAR) {
        bad(r, v, group, "expected a symbol as BTC/USD, or a pattern as '*/USD'");
        return;
    }
    for (uint32_t i = 0; i < symbols_count(out); i++) {
        enum gw_err err = GW_OK;

        if (fnmatch(yaml_text(v), symbols_at(out, i)->name, 0) == 0) {
            any = true;
            err = symbols_group_add(out, group, i);
        }
        if (err == GW_EINVAL || err == GW_ERANGE) {
            bad(r, v, group,
                err == GW_EINVAL ? "the name of a group is 1 to 32 of a-z 0-9 _ -"
                                 : "a symbol is in more than 16 groups");
            return;
        }
    }
    if (!any) {
        bad(r, v, group, "no symbol of this file is meant by it");
    }
}

/* `groups:` NAME: [symbols or patterns]; absent: none. */
static void read_groups(struct reading *r, const struct yaml_node *map, struct symbols *out)
{
    if (map == NULL) {
        return;
    }
    if (yaml_kind(map) != YAML_MAP) {
        bad(r, map, "groups", "expected names, each with a list of symbols or patterns");
        return;
    }
    for (size_t i = 0; i < yaml_count(map); i++) {
        const char *name = yaml_text(yaml_key(map, i));
        const struct yaml_node *list = yaml_value(map, i);

        if (yaml_kind(list) != YAML_LIST || yaml_count(list) == 0) {
            bad(r, list, name, "expected a list of at least one symbol or pattern");
            continue;
        }
        for (size_t k = 0; k < yaml_count(list); k++) {
            read_member(r, name, yaml_item(list, k), out);
        }
    }
}

enum gw_err symbol_file_load(const char *path, struct symbols *out, struct buf *errors)
{
    struct reading r = {path, errors};
    size_t before = errors->len;
    struct yaml_doc *doc;
    const struct yaml_node *root;
    const struct yaml_node *list = NULL;

    if (yaml_open(path, &doc, &root, errors) != GW_OK) {
        return GW_ECONFIG;
    }
    if (root != NULL && yaml_kind(root) == YAML_MAP) {
        list = yaml_get(root, "symbols");
    }
    if (list == NULL || yaml_kind(list) != YAML_LIST || yaml_count(list) == 0) {
        buf_printf(errors, "%s:1: expected `symbols:` with a list of at least one symbol\n", path);
    } else {
        for (size_t i = 0; i < yaml_count(list); i++) {
            read_row(&r, yaml_item(list, i), out);
        }
        read_groups(&r, yaml_get(root, "groups"), out);
    }
    yaml_close(&doc);
    return errors->len == before ? GW_OK : GW_ECONFIG;
}
