#include "load/feed_symbols.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>

/* Decimals of an increment such as "0.00100000". */
static unsigned increment_decimals(const char *text)
{
    const char *point = text != NULL ? strchr(text, '.') : NULL;
    const char *one = text != NULL ? strpbrk(text, "123456789") : NULL;

    return point != NULL && one != NULL && one > point ? (unsigned)(one - point) : 0;
}

static const char *filter_text(const json_t *symbol, const char *type, const char *key)
{
    size_t i;
    json_t *filter;

    json_array_foreach(json_object_get(symbol, "filters"), i, filter)
    {
        const char *name = json_string_value(json_object_get(filter, "filterType"));

        if (name != NULL && strcmp(name, type) == 0) {
            return json_string_value(json_object_get(filter, key));
        }
    }
    return NULL;
}

static bool add_symbol(struct tape *t, const json_t *row)
{
    const char *base = json_string_value(json_object_get(row, "baseAsset"));
    const char *quote = json_string_value(json_object_get(row, "quoteAsset"));
    const char *status = json_string_value(json_object_get(row, "status"));
    const char *min_qty = filter_text(row, "LOT_SIZE", "minQty");
    char name[SYMBOL_NAME_MAX];
    uint32_t before = t->symbol_count;
    struct symbol *info;

    if (base == NULL || quote == NULL || status == NULL) {
        return false;
    }
    (void)snprintf(name, sizeof name, "%s/%s", base, quote);
    (void)tape_symbol(t, name, false); /* may move them all */
    if (t->symbol_count != before) {
        info = &t->symbols[before].info;
        info->price_decimals = increment_decimals(filter_text(row, "PRICE_FILTER", "tickSize"));
        info->qty_decimals = increment_decimals(filter_text(row, "LOT_SIZE", "stepSize"));
        info->status = strcmp(status, "TRADING") == 0 ? PAIR_ONLINE : PAIR_MAINTENANCE;
        (void)snprintf(info->qty_min, sizeof info->qty_min, "%s", min_qty != NULL ? min_qty : "");
    }
    return true;
}

static bool on_line(void *arg, char *line, size_t len)
{
    struct tape *t = arg;
    const char *body = strstr(line, ": {");
    json_t *root;
    size_t i;
    json_t *row;
    bool ok = true;

    if (body == NULL) {
        return true;
    }
    root = json_loadb(body + 2, len - (size_t)(body + 2 - line), 0, NULL);
    json_array_foreach(json_object_get(root, "symbols"), i, row)
    {
        ok = ok && add_symbol(t, row);
    }
    ok = ok && root != NULL;
    json_decref(root);
    return ok;
}

bool symbols_read_exchange_info(struct tape *t, const char *path)
{
    return tape_lines(path, on_line, t);
}

bool symbols_write(const struct tape *t, const char *path)
{
    FILE *f = fopen(path, "we");

    if (f == NULL) {
        fprintf(stderr, "feeder: cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    fprintf(f, "# Symbol table, written by the feeder from what it plays.\nsymbols:\n");
    for (uint32_t i = 0; i < t->symbol_count; i++) {
        const struct symbol *s = &t->symbols[i].info;

        fprintf(f, "  - {symbol: %s, price_decimals: %u, qty_decimals: %u, status: %s", s->name,
                s->price_decimals, s->qty_decimals, pair_status_names[s->status]);
        if (s->qty_min[0] != '\0') {
            fprintf(f, ", qty_min: \"%s\"", s->qty_min);
        }
        fprintf(f, "}\n");
    }
    return fclose(f) == 0;
}
