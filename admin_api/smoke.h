/* admin_api/smoke.h - the smoke test G0: one trade through everything that a real one goes through.
 * Why: "is it up" is answered by doing what it is there for: an order is accepted, its settlement is
 * durable, and trade and candle reach a WebSocket client by the same way as any others.
 *
 *   POST /v1/smoke/trades -> control state: may this order be sent? -> PostgreSQL: ledger row and the
 *   numbers of the feed, one transaction -> XADD md:{SMOKE/USD}: snapshot, trade (docs/FEED.md)
 *   -> market thread -> book, trade, candle -> clients
 *
 * Owner: the control loop.
 * Invariant: `settled` is said of rows that are committed; the symbol is nobody else's; in the mode
 * live nothing is ever written. */
#ifndef ADMIN_API_SMOKE_H
#define ADMIN_API_SMOKE_H
#include <uv.h>
#include "gateway/market/symbols.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

#define SMOKE_SYMBOL "SMOKE/USD"

/* clang-format off */
#define SMOKE_MODES(X) X(LAB, "lab") X(PAPER, "paper") X(LIVE, "live")
#define SMOKE_CONFIG(X) /* key, type, default, min, max, help */                                                        \
    X(enabled, BOOL, "false", 0, 0, "POST /v1/smoke/trades works, on the symbol " SMOKE_SYMBOL " that is then kept for it") \
    X(mode,    TEXT, "paper", 3, 5, "what this installation is: lab, paper or live; live is production: no smoke trades, whatever smoke.enabled says")
/* clang-format on */
#define SMOKE_MODE_AS_ENUM(sym, word) SMOKE_##sym,
enum smoke_mode { SMOKE_MODES(SMOKE_MODE_AS_ENUM) SMOKE_MODE_COUNT };
struct smoke_config {
    SMOKE_CONFIG(CFG_FIELD)
};
extern const struct cfg_table smoke_config_table;

/* Checks what the table cannot. */
void smoke_check(const struct smoke_config *c, struct buf *errors);
/* Enabled, and not in the mode live. */
bool smoke_allowed(const struct smoke_config *c);
/* Keeps the symbol for smoke trades, when they are allowed; it may not be listed already. */
void smoke_reserve(const struct smoke_config *c, struct symbols *symbols, struct buf *errors);

struct smoke;
struct smoke_options {
    struct pg *pg;
    const char *redis; /* of the feed */
    struct metric_set *redis_metrics;
};
struct smoke *smoke_create(uv_loop_t *loop, const struct smoke_options *opt);
/* After pg_close(). */
void smoke_close(struct smoke *s, void (*done)(void *arg), void *arg);
void smoke_destroy(struct smoke **sp);

struct smoke_trade {
    char price[32]; /* decimal, as the symbol's decimals allow */
    char qty[32];
    const char *side; /* "buy", "sell" */
    const char *actor;
    const char *once; /* Idempotency-Key */
    const char *trace;
};
enum smoke_outcome {
    SMOKE_SETTLED,
    SMOKE_REPEATED,  /* settled before, under the same key */
    SMOKE_DIFFERENT, /* the key was used for another trade */
    SMOKE_BUSY,      /* the same is under way */
    SMOKE_AWAY,      /* PostgreSQL did not take it; nothing was settled, or nobody knows */
};
struct smoke_result {
    enum smoke_outcome outcome;
    int64_t id;
    int64_t trade_id;
    const char *settled_at; /* RFC 3339 */
    bool published;         /* Redis has taken the entries of the feed */
};
/* Borrowed for the callback. */
typedef void smoke_result_fn(void *arg, const struct smoke_result *r);
/* False, and no callback: PostgreSQL is away. */
GW_MUSTCHECK
bool smoke_settle(struct smoke *s, const struct smoke_trade *t, smoke_result_fn *cb, void *arg);
/* TEXT: a JSON array, newest first; NULL: PostgreSQL is away. False: the same, and no callback. */
typedef void smoke_list_fn(void *arg, const char *text);
GW_MUSTCHECK
bool smoke_list(struct smoke *s, uint32_t limit, smoke_list_fn *cb, void *arg);
#endif
