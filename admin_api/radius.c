/* admin_api/radius.c - whom a change reaches: symbols, subscriptions of clients on this gateway, accounts. The
 * same count for a dry run, for a request when it is made, and for who approves it, as it is by then. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "admin_api/connections.h"
#include "gateway/runtime/json.h"

struct reach {
    const struct api *api;
    uint32_t count; /* of symbols */
    bool *felt;     /* by number */
    uint64_t accounts;
};

static struct reach reach_begin(const struct api *a)
{
    uint32_t count = symbols_count(a->opt.symbols);

    return (struct reach){.api = a, .count = count, .felt = gw_calloc(count + 1u, sizeof(bool))};
}

static void reach_group(struct reach *r, const char *group)
{
    for (uint32_t number = 0; number < r->count; number++) {
        uint32_t count;
        const char *const *groups = symbols_groups(r->api->opt.symbols, number, &count);

        for (uint32_t i = 0; i < count; i++) {
            r->felt[number] = r->felt[number] || strcmp(groups[i], group) == 0;
        }
    }
}

static void reach_add(struct reach *r, enum control_kind kind, const char *target)
{
    bool of_symbol = kind == CONTROL_KIND_MODE || kind == CONTROL_KIND_THROTTLE;
    uint32_t number;

    if (kind == CONTROL_KIND_KILL || kind == CONTROL_KIND_FANOUT || kind == CONTROL_KIND_UPSTREAM ||
        (of_symbol && strcmp(target, "*") == 0)) {
        memset(r->felt, true, r->count);
    } else if (of_symbol && strncmp(target, "group:", 6) == 0) {
        reach_group(r, target + 6);
    } else if (of_symbol) {
        number = symbols_find(r->api->opt.symbols, target);
        r->felt[number != SYMBOL_NONE ? number : r->count] = true;
    } else if (kind == CONTROL_KIND_ACCOUNT || kind == CONTROL_KIND_ACCESS) {
        r->accounts++;
    }
}

uint64_t control_followers(const struct api *a, uint32_t symbol)
{
    const struct connections_view *v = a->opt.connections;

    return v != NULL ? v->followers(v->arg, symbol) : 0;
}

static void reach_end(struct reach *r, struct buf *out, uint64_t version)
{
    uint64_t symbols = 0;
    uint64_t followers = 0;

    for (uint32_t number = 0; number < r->count; number++) {
        symbols += r->felt[number];
        followers += r->felt[number] ? control_followers(r->api, number) : 0;
    }
    if (symbols == r->count && r->count != 0) {
        followers = control_followers(r->api, SYMBOL_NONE);
    }
    buf_printf(out,
               "{\"symbols\":%" PRIu64 ",\"subscriptions\":%" PRIu64 ",\"accounts\":%" PRIu64
               ",\"version\":%" PRIu64 "}",
               symbols, followers, r->accounts, version);
    free(r->felt);
}

void control_blast_radius(const struct api *a, struct buf *out, const struct control_diff *diff)
{
    struct reach r = reach_begin(a);

    for (uint32_t i = 0; i < diff->count; i++) {
        reach_add(&r, diff->items[i].kind, diff->items[i].target);
    }
    reach_end(&r, out, control_version(diff->before));
}

/* The kind with WORD; false: none of ours. */
static bool kind_of(const char *word, enum control_kind *out)
{
    for (unsigned i = 0; word != NULL && i < CONTROL_KIND_COUNT; i++) {
        if (strcmp(control_kind_rows[i].word, word) == 0) {
            *out = (enum control_kind)i;
            return true;
        }
    }
    return false;
}

void control_radius_now(const struct api *a, struct buf *out, const char *cells)
{
    json_t *list = json_parse_strict(cells, strlen(cells), 2);
    struct reach r = reach_begin(a);
    size_t i;
    const json_t *cell;

    json_array_foreach(list, i, cell)
    {
        const char *target = json_string_value(json_array_get(cell, 1));
        enum control_kind kind;

        if (kind_of(json_string_value(json_array_get(cell, 0)), &kind) && target != NULL) {
            reach_add(&r, kind, target);
        }
    }
    reach_end(&r, out, control_version(gate_now(a->opt.gate)));
    json_decref(list);
}
