/* admin_api/radius.c - whom a change reaches: symbols, subscriptions and connections of clients on this
 * gateway, keys, accounts. The same count for a dry run, for a request when it is made, and for who
 * approves it, as it is by then. What nobody here can know is null, never 0. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "admin_api/connections.h"
#include "auth/scopes.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"

/* Keys that clients use. None is bound to a symbol: what is done to one symbol reaches them all. */
#define CLIENT_SCOPES                                                                              \
    ((uint64_t)1 << SCOPE_MARKET | (uint64_t)1 << SCOPE_WS_TOKEN | (uint64_t)1 << SCOPE_WS_FAST)

/* What is known of a number. */
struct tally {
    uint64_t count;
    bool unknown;
};

struct reach {
    const struct api *api;
    uint32_t count; /* of symbols */
    bool *felt;     /* by number */
    bool everybody; /* whoever is connected, whatever it follows */
    bool of_symbols;
    bool withdrawals;
    uint64_t accounts;
    struct tally account_keys;
    struct tally account_clients;
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

static bool keys_known(const struct reach *r)
{
    return r->api->opt.keys != NULL && keys_ready(r->api->opt.keys);
}

static void add_clients(void *arg, const struct key *key)
{
    struct reach *r = arg;
    const struct connections_view *v = r->api->opt.connections;

    r->account_clients.count += v != NULL ? v->of_key(v->arg, key->id) : 0;
}

/* Its active keys, and the connections that named a token of one: a connection has one key at most. */
static void reach_account(struct reach *r, const char *account)
{
    r->accounts++;
    if (keys_known(r)) {
        r->account_keys.count +=
            keys_active(r->api->opt.keys, account, 0, clock_real_ns(), add_clients, r);
    } else {
        r->account_keys.unknown = true;
    }
    r->account_clients.unknown = r->account_keys.unknown || r->api->opt.connections == NULL;
}

static void reach_add(struct reach *r, enum control_kind kind, const char *target)
{
    bool of_symbol = kind == CONTROL_KIND_MODE || kind == CONTROL_KIND_THROTTLE;
    uint32_t number;

    r->of_symbols = r->of_symbols || of_symbol || kind == CONTROL_KIND_KILL ||
                    kind == CONTROL_KIND_FANOUT || kind == CONTROL_KIND_UPSTREAM;
    if (kind == CONTROL_KIND_KILL || kind == CONTROL_KIND_FANOUT || kind == CONTROL_KIND_UPSTREAM ||
        (of_symbol && strcmp(target, "*") == 0)) {
        memset(r->felt, true, r->count);
        r->everybody = true;
    } else if (of_symbol && strncmp(target, "group:", 6) == 0) {
        reach_group(r, target + 6);
    } else if (of_symbol) {
        number = symbols_find(r->api->opt.symbols, target);
        r->felt[number != SYMBOL_NONE ? number : r->count] = true;
    } else if (kind == CONTROL_KIND_ACCOUNT || kind == CONTROL_KIND_ACCESS) {
        reach_account(r, target);
    } else {
        r->withdrawals = true;
    }
}

uint64_t control_followers(const struct api *a, uint32_t symbol)
{
    const struct connections_view *v = a->opt.connections;

    return v != NULL ? v->followers(v->arg, symbol) : 0;
}

/* Of symbols and of accounts: nobody knows who is in both. */
static struct tally clients_of(const struct reach *r)
{
    const struct connections_view *v = r->api->opt.connections;
    struct tally t = r->account_clients;

    if (r->of_symbols) {
        t.unknown = r->accounts != 0 || v == NULL ||
                    !v->clients(v->arg, r->everybody ? NULL : r->felt, &t.count);
    }
    return t;
}

/* Who takes something out does so at the exchange: with which keys is not known here. */
static struct tally keys_of(const struct reach *r)
{
    struct tally t = r->account_keys;

    if (r->of_symbols) {
        t.unknown = r->accounts != 0 || !keys_known(r);
        t.count = t.unknown ? 0
                            : keys_active(r->api->opt.keys, NULL, CLIENT_SCOPES, clock_real_ns(),
                                          NULL, NULL);
    }
    t.unknown = t.unknown || r->withdrawals;
    return t;
}

static void put_tally(struct buf *out, bool first, const char *name, struct tally t)
{
    buf_printf(out, "%c\"%s\":", first ? '{' : ',', name);
    if (t.unknown) {
        buf_lit(out, "null");
    } else {
        buf_u64(out, t.count);
    }
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
    buf_printf(out, "{\"symbols\":%" PRIu64 ",\"subscriptions\":%" PRIu64, symbols, followers);
    put_tally(out, false, "clients", clients_of(r));
    put_tally(out, false, "keys", keys_of(r));
    buf_printf(out, ",\"accounts\":%" PRIu64 ",\"version\":%" PRIu64 "}", r->accounts, version);
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

void control_radius_asked(struct buf *out, const char *text)
{
    static const char *const names[] = {"symbols", "subscriptions", "clients",
                                        "keys",    "accounts",      "version"};
    json_t *root = text != NULL ? json_parse_strict(text, strlen(text), 2) : NULL;

    if (!json_is_object(root)) {
        buf_lit(out, "null");
        json_decref(root);
        return;
    }
    for (unsigned i = 0; i < GW_LEN(names); i++) {
        const json_t *v = json_object_get(root, names[i]);

        put_tally(out, i == 0, names[i],
                  (struct tally){(uint64_t)json_integer_value(v), !json_is_integer(v)});
    }
    buf_putc(out, '}');
    json_decref(root);
}
