/* gateway/market/symbols.h - the table of symbols: names, decimals, what the exchange says of each.
 * Why: every fixed-point number is read and printed with the decimals of its row.
 * Owner: built on the main thread, then shared read-only by all threads.
 * Invariant: a symbol's number is its index and never changes; names are unique "BASE/QUOTE". */
#ifndef GATEWAY_MARKET_SYMBOLS_H
#define GATEWAY_MARKET_SYMBOLS_H
#include <stdint.h>
#include "gateway/base/err.h"
#include "gateway/base/fixed.h"

#define SYMBOL_NAME_MAX 32 /* with NUL */
#define SYMBOL_NONE     UINT32_MAX

#define SYMBOL_GROUPS_MAX 16u
#define SYMBOL_GROUP_MAX  33u /* of a name, with NUL */

/* clang-format off */
/* States of a pair (Kraken v2) on the `instrument` channel and in AssetPairs */
#define PAIR_STATUSES(X)                                                                         \
    X(ONLINE, "online") X(CANCEL_ONLY, "cancel_only") X(POST_ONLY, "post_only")                  \
    X(LIMIT_ONLY, "limit_only") X(REDUCE_ONLY, "reduce_only") X(MAINTENANCE, "maintenance")
/* clang-format on */
#define PAIR_STATUS_AS_ENUM(sym, text) PAIR_##sym,
enum pair_status { PAIR_STATUSES(PAIR_STATUS_AS_ENUM) PAIR_STATUS_COUNT };
extern const char *const pair_status_names[PAIR_STATUS_COUNT];
/* False when TEXT is none of the names. */
bool pair_status_parse(const char *text, size_t len, enum pair_status *out);

struct symbol {
    char name[SYMBOL_NAME_MAX]; /* "BTC/USD" */
    char base[SYMBOL_NAME_MAX];
    char quote[SYMBOL_NAME_MAX];
    unsigned price_decimals;
    unsigned qty_decimals;
    enum pair_status status; /* as configured; the feed may change it at run time elsewhere */
    char qty_min[24];        /* decimal text, "" when not given */
    char cost_min[24];
};

/* A coin or currency that occurs as base or quote; the most decimals any pair gives it. */
struct asset {
    char id[SYMBOL_NAME_MAX];
    unsigned precision;
};

struct symbols;

struct symbols *symbols_create(void);
void symbols_destroy(struct symbols **sp);
/* Copies ROW (base and quote are derived from the name). GW_EINVAL: name is not BASE/QUOTE of
 * [A-Z0-9.-]; GW_ERANGE: decimals above FIXED_MAX_DECIMALS; GW_EDUP: name is there already. */
GW_MUSTCHECK
enum gw_err symbols_add(struct symbols *s, const struct symbol *row);
uint32_t symbols_count(const struct symbols *s);
const struct symbol *symbols_at(const struct symbols *s, uint32_t number);
/* SYMBOL_NONE when unknown. */
uint32_t symbols_find(const struct symbols *s, const char *name);
/* A group of symbols, for modes of `group:NAME`. GW_EINVAL: NAME is not 1 to 32 of a-z 0-9 _ -;
 * GW_EDUP: that symbol is in it; GW_ERANGE: it is in SYMBOL_GROUPS_MAX others. */
GW_MUSTCHECK
enum gw_err symbols_group_add(struct symbols *s, const char *name, uint32_t number);
bool symbols_has_group(const struct symbols *s, const char *name);
/* Names of the groups symbol NUMBER is in. */
const char *const *symbols_groups(const struct symbols *s, uint32_t number, uint32_t *count);
/* "BTC/USD", or its REST forms "BTCUSD" and "BTC-USD"; SYMBOL_NONE when unknown. */
uint32_t symbols_find_rest(const struct symbols *s, const char *name);
uint32_t symbols_asset_count(const struct symbols *s);
const struct asset *symbols_asset_at(const struct symbols *s, uint32_t i);
#endif
