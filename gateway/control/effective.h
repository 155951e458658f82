/* gateway/control/effective.h - what a snapshot means for a symbol, a key, an asset, an account.
 * Why: several cells bear on one order; everybody who enforces or shows must get one answer, with
 * the cell that decides it.
 * Owner: none; pure. Answers borrow their cell from the snapshot.
 * Invariant: a cell that is absent and one at its default mean the same. */
#ifndef GATEWAY_CONTROL_EFFECTIVE_H
#define GATEWAY_CONTROL_EFFECTIVE_H
#include "gateway/control/state.h"

struct control_mode_now {
    enum control_mode mode;
    const struct control_cell *cell; /* that decides; NULL in NORMAL. Of several equal ones the one
                                        that reaches furthest: it has to be lifted first */
};

/* Tightest of the kill switches, `*`, GROUPS (names without prefix) and the symbol itself. A symbol
 * is open under a kill switch as soon as the release stage names it, for however few keys: trades
 * are then to be expected. */
struct control_mode_now control_symbol_mode(const struct control *c, const char *symbol,
                                            const char *const *groups, uint32_t group_count);
/* Of what nothing special is said: `*` and the kill switches. For the `status` channel and
 * SystemStatus. */
struct control_mode_now control_system_mode(const struct control *c);
/* May at least somebody send orders for some symbol, as far as `*` and the kill switches go? False
 * with an engaged switch that releases nothing. */
bool control_accepting_orders(const struct control *c);

/* clang-format off */
/* Why an order or a cancel is refused. */
#define CONTROL_REFUSALS(X)                                                                          \
    X(NONE,      "accepted")                                                                          \
    X(MODE,      "the trading mode of the symbol does not allow it")                                  \
    X(KILL,      "the kill switch is engaged for this symbol")                                        \
    X(STAGE,     "the kill switch is being released in stages; this key is not in the stage yet")     \
    X(ACCOUNT,   "the account is paused")
/* clang-format on */
#define CONTROL_REFUSAL_AS_ENUM(sym, text) CONTROL_REFUSAL_##sym,
enum control_refusal { CONTROL_REFUSALS(CONTROL_REFUSAL_AS_ENUM) CONTROL_REFUSAL_COUNT };
extern const char *const control_refusal_texts[CONTROL_REFUSAL_COUNT];

struct control_verdict {
    enum control_refusal refusal;
    const struct control_cell *cell; /* that refuses; NULL when accepted */
};
/* Of a new order by KEY_ID of ACCOUNT. */
struct control_verdict control_order_verdict(const struct control *c, const char *symbol,
                                             const char *const *groups, uint32_t group_count,
                                             const char *account, const char *key_id);
/* Is KEY_ID among the first PERCENT of a hundred? The same keys on every replica and after every
 * restart; a higher percent only adds keys. */
bool control_key_released(uint32_t percent, const char *key_id);

/* The cell that halts withdrawals of ASSET (its own or `*`), NULL: they are open. */
const struct control_cell *control_withdrawals_halted(const struct control *c, const char *asset);
/* Orders a second, 0: no throttle. */
uint32_t control_throttle(const struct control *c, const char *symbol);
bool control_account_paused(const struct control *c, const char *account);
/* The profile in force at NOW_NS: the default from its expires_at on. */
const struct control_value *control_fanout(const struct control *c, int64_t now_ns);

/* `until` has passed and the value is still in force: a decision is due. Nothing loosens. */
bool control_decision_due(const struct control_cell *cell, int64_t now_ns);
/* Cells with a decision due, in canonical order: the index of the first at or after FROM, or
 * control_count() when there is none. */
uint32_t control_next_due(const struct control *c, int64_t now_ns, uint32_t from);
/* The earliest time after NOW_NS at which something becomes due or reverts; INT64_MAX: never. */
int64_t control_next_time(const struct control *c, int64_t now_ns);
#endif
