#include "load/standin_state.h"

#include <stdio.h>
#include <string.h>
#include "gateway/base/err.h"
#include "gateway/base/fixed.h"

const char *const standin_modes[4] = {"NORMAL", "CANCEL_ONLY", "SOFT_HALT", "HARD_HALT"};

bool standin_mode_parse(const char *word, enum standin_mode *out)
{
    for (unsigned i = 0; word != NULL && i < GW_LEN(standin_modes); i++) {
        if (strcmp(standin_modes[i], word) == 0) {
            *out = (enum standin_mode)i;
            return true;
        }
    }
    return false;
}

void standin_fini(struct standin *s)
{
    for (uint32_t i = 0; i < s->cell_count; i++) {
        json_decref(s->cells[i].value);
    }
    s->cell_count = 0;
}

int standin_find(const struct standin *s, const char *symbol)
{
    for (uint32_t i = 0; i < s->symbol_count; i++) {
        if (strcmp(s->symbols[i].name, symbol) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* The next name of a list; NULL at its end or when it is too long. */
static const char *next_name(const char *list, char out[STANDIN_NAME_MAX])
{
    size_t len = strcspn(list, ",");

    if (len == 0 || len >= STANDIN_NAME_MAX) {
        return NULL;
    }
    memcpy(out, list, len);
    out[len] = '\0';
    return list + len + (list[len] == ',');
}

bool standin_add_symbols(struct standin *s, const char *list)
{
    while (list != NULL && *list != '\0') {
        struct standin_symbol *symbol = &s->symbols[s->symbol_count];

        if (s->symbol_count == STANDIN_SYMBOLS_MAX) {
            return false;
        }
        *symbol = (struct standin_symbol){.orders = s->orders};
        list = next_name(list, symbol->name);
        s->symbol_count += list != NULL;
    }
    return list != NULL && s->symbol_count != 0;
}

bool standin_add_circuits(struct standin *s, const char *list)
{
    while (list != NULL && *list != '\0') {
        struct standin_circuit *c = &s->circuits[s->circuit_count];

        if (s->circuit_count == STANDIN_CIRCUITS_MAX) {
            return false;
        }
        *c = (struct standin_circuit){.open = true};
        list = next_name(list, c->name);
        s->circuit_count += list != NULL;
    }
    return list != NULL && s->circuit_count != 0;
}

int standin_find_circuit(const struct standin *s, const char *name)
{
    for (uint32_t i = 0; i < s->circuit_count; i++) {
        if (strcmp(s->circuits[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool standin_add_group(struct standin *s, const char *text)
{
    struct standin_group *g = &s->groups[s->group_count];
    size_t len = strcspn(text, "=");
    const char *list = text + len + 1;

    if (text[len] != '=' || len == 0 || len > 32 || s->group_count == STANDIN_GROUPS_MAX) {
        return false;
    }
    *g = (struct standin_group){.has = {false}};
    (void)snprintf(g->name, sizeof g->name, "group:%.*s", (int)len, text);
    while (list != NULL && *list != '\0') {
        char name[STANDIN_NAME_MAX];
        int symbol;

        list = next_name(list, name);
        symbol = list != NULL ? standin_find(s, name) : -1;
        if (symbol < 0) {
            return false;
        }
        g->has[symbol] = true;
    }
    s->group_count++;
    return true;
}

/* --- cells -------------------------------------------------------------------------------------
 */

static struct standin_cell *cell_of(struct standin *s, const char *kind, const char *target)
{
    for (uint32_t i = 0; i < s->cell_count; i++) {
        if (strcmp(s->cells[i].kind, kind) == 0 && strcmp(s->cells[i].target, target) == 0) {
            return &s->cells[i];
        }
    }
    return NULL;
}

static bool set_cell(struct standin *s, const json_t *cell, const char **why)
{
    const char *kind = json_string_value(json_object_get(cell, "kind"));
    const char *target = json_string_value(json_object_get(cell, "target"));
    const json_t *version = json_object_get(cell, "version");
    json_t *value = json_object_get(cell, "value");
    struct standin_cell *c;

    *why = "a cell needs kind, target, value and version";
    if (kind == NULL || strlen(kind) >= sizeof c->kind || target == NULL ||
        strlen(target) >= sizeof c->target || !json_is_object(value) || !json_is_integer(version)) {
        return false;
    }
    c = cell_of(s, kind, target);
    if (c == NULL) {
        *why = "too many cells for a stand-in";
        if (s->cell_count == STANDIN_CELLS_MAX) {
            return false;
        }
        c = &s->cells[s->cell_count++];
        *c = (struct standin_cell){.value = NULL};
        (void)snprintf(c->kind, sizeof c->kind, "%s", kind);
        (void)snprintf(c->target, sizeof c->target, "%s", target);
    }
    if (c->value == NULL || (uint64_t)json_integer_value(version) >= c->version) {
        json_decref(c->value);
        c->value = json_incref(value);
        c->version = (uint64_t)json_integer_value(version);
    }
    return true;
}

static bool array_has(const json_t *array, const char *text)
{
    size_t i;
    const json_t *v;

    json_array_foreach(array, i, v)
    {
        const char *s = json_string_value(v);

        if (s != NULL && (strcmp(s, text) == 0 || strcmp(s, "*") == 0)) {
            return true;
        }
    }
    return false;
}

/* The mode that CELL puts symbol I into. */
static enum standin_mode mode_by(const struct standin *s, const struct standin_cell *cell,
                                 uint32_t i)
{
    const char *name = s->symbols[i].name;
    enum standin_mode mode = STANDIN_NORMAL;
    bool hit = strcmp(cell->target, "*") == 0 || strcmp(cell->target, name) == 0;

    if (strcmp(cell->kind, "kill") == 0) {
        bool engaged = json_is_true(json_object_get(cell->value, "engaged"));

        hit = strcmp(cell->target, "global") == 0 || strcmp(cell->target, "order_entry") == 0;
        return hit && engaged && !array_has(json_object_get(cell->value, "released_symbols"), name)
                   ? STANDIN_CANCEL_ONLY
                   : STANDIN_NORMAL;
    }
    for (uint32_t g = 0; g < s->group_count; g++) {
        hit = hit || (strcmp(cell->target, s->groups[g].name) == 0 && s->groups[g].has[i]);
    }
    if (hit && strcmp(cell->kind, "mode") == 0) {
        (void)standin_mode_parse(json_string_value(json_object_get(cell->value, "mode")), &mode);
    }
    return mode;
}

static void derive_modes(struct standin *s)
{
    for (uint32_t i = 0; i < s->symbol_count; i++) {
        enum standin_mode tightest = STANDIN_NORMAL;

        for (uint32_t k = 0; k < s->cell_count; k++) {
            enum standin_mode mode = mode_by(s, &s->cells[k], i);

            tightest = mode > tightest ? mode : tightest;
        }
        s->symbols[i].mode = tightest;
    }
}

/* Cells that a snapshot of VERSION does not name are at their default. */
static void forget_up_to(struct standin *s, uint64_t version)
{
    for (uint32_t i = s->cell_count; i > 0; i--) {
        if (s->cells[i - 1].version <= version) {
            json_decref(s->cells[i - 1].value);
            s->cells[i - 1] = s->cells[--s->cell_count];
        }
    }
}

bool standin_apply(struct standin *s, const json_t *entry, const char **why)
{
    const char *type = json_string_value(json_object_get(entry, "type"));
    const json_t *version = json_object_get(entry, "version");
    const json_t *cells = json_object_get(entry, "cells");
    bool snapshot = type != NULL && strcmp(type, "snapshot") == 0;
    const json_t *cell;
    size_t i;

    *why = "type must be change or snapshot, version an integer";
    if (type == NULL || (!snapshot && strcmp(type, "change") != 0) || !json_is_integer(version)) {
        return false;
    }
    if (snapshot) {
        cells = json_object_get(json_object_get(entry, "state"), "cells");
    }
    *why = "cells must be an array";
    if (!json_is_array(cells)) {
        return false;
    }
    if (snapshot) {
        forget_up_to(s, (uint64_t)json_integer_value(version));
    }
    json_array_foreach(cells, i, cell)
    {
        if (!set_cell(s, cell, why)) {
            return false;
        }
    }
    if ((uint64_t)json_integer_value(version) > s->version) {
        s->version = (uint64_t)json_integer_value(version);
    }
    derive_modes(s);
    return true;
}

bool standin_set_mode(struct standin *s, const char *target, json_t *args, const char **why)
{
    json_t *entry = json_pack("{s:s,s:I,s:[{s:s,s:s,s:I,s:O}]}", "type", "change", "version",
                              (json_int_t)s->version, "cells", "kind", "mode", "target", target,
                              "version", (json_int_t)s->version, "value", args);
    bool ok = entry != NULL && standin_apply(s, entry, why);

    json_decref(entry);
    return ok;
}

void standin_print_circuit(const struct standin_circuit *c, const char *core, struct buf *out)
{
    buf_printf(out, "{\"core\":\"%s\",\"circuit\":\"%s\",\"state\":\"%s\"%s}", core, c->name,
               c->open ? "open" : "closed", c->open ? ",\"detail\":\"never reset yet\"" : "");
}

/* --- orders ------------------------------------------------------------------------------------
 */

void standin_grow(struct standin *s, double seconds)
{
    for (uint32_t i = 0; i < s->symbol_count; i++) {
        struct standin_symbol *symbol = &s->symbols[i];

        if (symbol->mode == STANDIN_NORMAL && symbol->orders < s->orders) {
            symbol->orders += seconds * s->orders / 10; /* all back in ten seconds */
            symbol->orders = symbol->orders > s->orders ? s->orders : symbol->orders;
        }
    }
}

uint64_t standin_cancel(struct standin *s, const char *target)
{
    uint64_t cancelled = 0;

    for (uint32_t i = 0; i < s->symbol_count; i++) {
        if (strcmp(target, "*") == 0 || strcmp(target, s->symbols[i].name) == 0) {
            cancelled += (uint64_t)s->symbols[i].orders;
            s->symbols[i].orders = 0;
        }
    }
    return cancelled;
}
