#include "gateway/market/symbols.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define PAIR_STATUS_AS_TEXT(sym, text) text,
const char *const pair_status_names[PAIR_STATUS_COUNT] = {PAIR_STATUSES(PAIR_STATUS_AS_TEXT)};

struct alias {
    char key[SYMBOL_NAME_MAX];
    uint32_t number;
    UT_hash_handle hh;
};

struct group {
    char name[SYMBOL_GROUP_MAX];
    UT_hash_handle hh;
};

struct memberships {
    const char *names[SYMBOL_GROUPS_MAX]; /* of struct group */
    uint32_t count;
};

struct symbols {
    struct symbol *rows;
    struct memberships **groups; /* by number; NULL where a symbol is in none */
    struct group *by_group;
    uint32_t count;
    uint32_t cap;
    struct alias *by_name;
    struct alias *by_joined; /* "BTCUSD"; a joined name two pairs share finds the first */
    struct asset *assets;
    uint32_t asset_count;
    struct alias *by_asset;
};

bool pair_status_parse(const char *text, size_t len, enum pair_status *out)
{
    for (unsigned i = 0; i < PAIR_STATUS_COUNT; i++) {
        if (strlen(pair_status_names[i]) == len && memcmp(pair_status_names[i], text, len) == 0) {
            *out = (enum pair_status)i;
            return true;
        }
    }
    return false;
}

struct symbols *symbols_create(void)
{
    return gw_calloc(1, sizeof(struct symbols));
}

static void aliases_destroy(struct alias **head)
{
    struct alias *a;
    struct alias *next;

    HASH_ITER(hh, *head, a, next)
    {
        HASH_DEL(*head, a);
        free(a);
    }
}

static void groups_destroy(struct group **head)
{
    struct group *g;
    struct group *next;

    HASH_ITER(hh, *head, g, next)
    {
        HASH_DEL(*head, g);
        free(g);
    }
}

void symbols_destroy(struct symbols **sp)
{
    struct symbols *s = *sp;

    *sp = NULL;
    if (s != NULL) {
        aliases_destroy(&s->by_name);
        aliases_destroy(&s->by_joined);
        aliases_destroy(&s->by_asset);
        for (uint32_t i = 0; i < s->count; i++) {
            free(s->groups[i]);
        }
        groups_destroy(&s->by_group);
        free(s->assets);
        free(s->groups);
        free(s->rows);
        free(s);
    }
}

static uint32_t alias_find(const struct alias *head, const char *key)
{
    struct alias *a;

    HASH_FIND_STR(head, key, a);
    return a != NULL ? a->number : SYMBOL_NONE;
}

static void alias_add(struct alias **head, const char *key, uint32_t number)
{
    struct alias *a;

    if (alias_find(*head, key) == SYMBOL_NONE) {
        a = gw_calloc(1, sizeof *a);
        memcpy(a->key, key, strlen(key));
        a->number = number;
        HASH_ADD_STR(*head, key, a);
    }
}

/* Splits "BASE/QUOTE" into ROW; false when NAME has another shape. */
static bool split_name(struct symbol *row)
{
    size_t len = strlen(row->name);
    const char *slash = strchr(row->name, '/');

    if (slash == NULL || slash == row->name || slash[1] == '\0') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = row->name[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';

        if (!plain && row->name + i != slash) {
            return false;
        }
    }
    memset(row->base, 0, sizeof row->base);
    memcpy(row->base, row->name, (size_t)(slash - row->name));
    memset(row->quote, 0, sizeof row->quote);
    memcpy(row->quote, slash + 1, len - (size_t)(slash - row->name) - 1);
    return true;
}

static void asset_add(struct symbols *s, const char *id, unsigned precision)
{
    uint32_t at = alias_find(s->by_asset, id);

    if (at == SYMBOL_NONE) {
        at = s->asset_count++;
        s->assets = gw_realloc(s->assets, s->asset_count * sizeof *s->assets);
        s->assets[at] = (struct asset){0};
        memcpy(s->assets[at].id, id, strlen(id));
        alias_add(&s->by_asset, id, at);
    }
    if (precision > s->assets[at].precision) {
        s->assets[at].precision = precision;
    }
}

enum gw_err symbols_add(struct symbols *s, const struct symbol *row)
{
    struct symbol copy = *row;
    char joined[SYMBOL_NAME_MAX] = "";

    copy.name[sizeof copy.name - 1] = '\0';
    if (!split_name(&copy)) {
        return GW_EINVAL;
    }
    if (copy.price_decimals > FIXED_MAX_DECIMALS || copy.qty_decimals > FIXED_MAX_DECIMALS) {
        return GW_ERANGE;
    }
    if (symbols_find(s, copy.name) != SYMBOL_NONE) {
        return GW_EDUP;
    }
    if (s->count == s->cap) {
        s->cap = s->cap != 0 ? s->cap * 2 : 64;
        s->rows = gw_realloc(s->rows, s->cap * sizeof *s->rows);
        s->groups = gw_realloc(s->groups, s->cap * sizeof(void *));
    }
    s->rows[s->count] = copy;
    s->groups[s->count] = NULL;
    alias_add(&s->by_name, copy.name, s->count);
    memcpy(joined, copy.base, strlen(copy.base));
    memcpy(joined + strlen(joined), copy.quote, strlen(copy.quote));
    alias_add(&s->by_joined, joined, s->count);
    asset_add(s, copy.base, copy.qty_decimals);
    asset_add(s, copy.quote, copy.price_decimals);
    s->count++;
    return GW_OK;
}

uint32_t symbols_count(const struct symbols *s)
{
    return s->count;
}

const struct symbol *symbols_at(const struct symbols *s, uint32_t number)
{
    GW_ASSERT(number < s->count);
    return &s->rows[number];
}

static struct group *group_find(const struct symbols *s, const char *name)
{
    struct group *g;

    HASH_FIND_STR(s->by_group, name, g);
    return g;
}

enum gw_err symbols_group_add(struct symbols *s, const char *name, uint32_t number)
{
    size_t len = strlen(name);
    struct group *g = group_find(s, name);
    struct memberships *m;

    GW_ASSERT(number < s->count);
    if (len == 0 || len >= SYMBOL_GROUP_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len) {
        return GW_EINVAL;
    }
    if (g == NULL) {
        g = gw_calloc(1, sizeof *g);
        memcpy(g->name, name, len + 1);
        HASH_ADD_STR(s->by_group, name, g);
    }
    m = s->groups[number] != NULL ? s->groups[number] : gw_calloc(1, sizeof *m);
    s->groups[number] = m;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->names[i] == g->name) {
            return GW_EDUP;
        }
    }
    if (m->count == SYMBOL_GROUPS_MAX) {
        return GW_ERANGE;
    }
    m->names[m->count++] = g->name;
    return GW_OK;
}

bool symbols_has_group(const struct symbols *s, const char *name)
{
    return group_find(s, name) != NULL;
}

const char *const *symbols_groups(const struct symbols *s, uint32_t number, uint32_t *count)
{
    const struct memberships *m;

    GW_ASSERT(number < s->count);
    m = s->groups[number];
    *count = m != NULL ? m->count : 0;
    return m != NULL ? m->names : NULL;
}

uint32_t symbols_find(const struct symbols *s, const char *name)
{
    return alias_find(s->by_name, name);
}

uint32_t symbols_find_rest(const struct symbols *s, const char *name)
{
    char dashed[SYMBOL_NAME_MAX];
    uint32_t number = symbols_find(s, name);

    if (number != SYMBOL_NONE || strlen(name) >= sizeof dashed) {
        return number;
    }
    number = alias_find(s->by_joined, name);
    memcpy(dashed, name, strlen(name) + 1);
    /* Any dash may be the one between base and quote: "BTC-PERP-USD". */
    for (char *dash = dashed; number == SYMBOL_NONE && (dash = strchr(dash, '-')) != NULL; dash++) {
        *dash = '/';
        number = symbols_find(s, dashed);
        *dash = '-';
    }
    return number;
}

uint32_t symbols_asset_count(const struct symbols *s)
{
    return s->asset_count;
}

const struct asset *symbols_asset_at(const struct symbols *s, uint32_t i)
{
    GW_ASSERT(i < s->asset_count);
    return &s->assets[i];
}
