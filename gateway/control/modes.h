/* gateway/control/modes.h - what the trading modes mean and which may follow which.
 * Why: every enforcement point (order answers, market data, the words on the wire) reads one truth
 * table; "tighter" is a comparison of ranks, and a forbidden step is a row, not an if.
 * Owner: none, immutable.
 * Invariant: a mode's number is its rank; a tighter step is always allowed. */
#ifndef GATEWAY_CONTROL_MODES_H
#define GATEWAY_CONTROL_MODES_H
#include "gateway/base/err.h"

/* clang-format off */
#define CONTROL_CANCELS(X) X(YES, "yes") X(BEST_EFFORT, "best effort") X(NO, "no")
/* Of what clients see: live; frozen: the last book, marked stale, no deltas; withdrawn: the book is
 * invalidated and a new snapshot follows after the resumption. */
#define CONTROL_DATA(X) X(LIVE, "live") X(FROZEN, "frozen") X(WITHDRAWN, "withdrawn")

/* `wire` is the status of the pair on the `instrument` channel and in AssetPairs, and of the whole
 * exchange on the `status` channel and in SystemStatus. Kraken has no word for a soft halt; cancels
 * are still taken, so it is told as cancel_only.
 *    symbol        orders  cancels      matching  data       wire           help */
#define CONTROL_MODES(X)                                                                             \
    X(NORMAL,       true,   YES,         true,     LIVE,      "online",      "everything")            \
    X(CANCEL_ONLY,  false,  YES,         false,    LIVE,      "cancel_only", "orders may only be cancelled; the book shrinks, no trades") \
    X(SOFT_HALT,    false,  BEST_EFFORT, false,    FROZEN,    "cancel_only", "matching stands; the last book is shown as stale") \
    X(HARD_HALT,    false,  NO,          false,    WITHDRAWN, "maintenance", "the state is not trusted; nothing is shown")

/* What a step from one mode to another asks for. */
#define CONTROL_STEPS(X)                                                                             \
    X(STAY,        "nothing")                                                                         \
    X(TIGHTEN,     "one person, at once")                                                             \
    X(LOOSEN,      "a second person")                                                                 \
    X(LOOSEN_NOTE, "a second person, and a note on how the state was validated as the reason")        \
    X(FORBIDDEN,   "forbidden")

/* Where a kill switch stands, and the mode that an engaged one puts symbols into which its release
 * stage does not name. An adapter asks for its own switch; no symbol hangs on it.
 *    symbol        word           prefix  mode */
#define CONTROL_SCOPES(X)                                                                            \
    X(GLOBAL,       "global",      false,  CANCEL_ONLY)                                               \
    X(ORDER_ENTRY,  "order_entry", false,  CANCEL_ONLY)                                               \
    X(ADAPTER,      "adapter:",    true,   NORMAL)

/* How an asset is shown (`instrument` channel, REST Assets): halted or not.
 *    halted  channel        REST */
#define CONTROL_ASSET_STATES(X)                                                                      \
    X(false,  "enabled",     "enabled")                                                               \
    X(true,   "depositonly", "deposit_only")
/* clang-format on */

#define CONTROL_CANCELS_AS_ENUM(sym, word) CONTROL_CANCELS_##sym,
enum control_cancels { CONTROL_CANCELS(CONTROL_CANCELS_AS_ENUM) CONTROL_CANCELS_COUNT };
extern const char *const control_cancels_words[CONTROL_CANCELS_COUNT];

#define CONTROL_DATA_AS_ENUM(sym, word) CONTROL_DATA_##sym,
enum control_data { CONTROL_DATA(CONTROL_DATA_AS_ENUM) CONTROL_DATA_COUNT };
extern const char *const control_data_words[CONTROL_DATA_COUNT];

#define CONTROL_MODE_AS_ENUM(sym, orders, cancels, matching, data, wire, help) CONTROL_##sym,
enum control_mode { CONTROL_MODES(CONTROL_MODE_AS_ENUM) CONTROL_MODE_COUNT };

struct control_mode_row {
    bool orders; /* new ones are taken */
    enum control_cancels cancels;
    bool matching; /* trades are to be expected */
    enum control_data data;
    const char *wire;
    const char *help;
};
extern const struct control_mode_row control_mode_rows[CONTROL_MODE_COUNT];
extern const char *const control_mode_words[CONTROL_MODE_COUNT]; /* "SOFT_HALT" */

#define CONTROL_STEP_AS_ENUM(sym, needs) CONTROL_STEP_##sym,
enum control_step { CONTROL_STEPS(CONTROL_STEP_AS_ENUM) CONTROL_STEP_COUNT };
extern const char *const control_step_needs[CONTROL_STEP_COUNT];
/* [from][to] */
extern const enum control_step control_mode_steps[CONTROL_MODE_COUNT][CONTROL_MODE_COUNT];

#define CONTROL_SCOPE_AS_ENUM(sym, word, prefix, mode) CONTROL_SCOPE_##sym,
enum control_scope { CONTROL_SCOPES(CONTROL_SCOPE_AS_ENUM) CONTROL_SCOPE_COUNT };
struct control_scope_row {
    const char *word;
    bool prefix; /* an id follows the word */
    enum control_mode mode;
};
extern const struct control_scope_row control_scope_rows[CONTROL_SCOPE_COUNT];

struct control_asset_row {
    const char *channel;
    const char *rest;
};
extern const struct control_asset_row control_asset_rows[2]; /* by halted */
#endif
