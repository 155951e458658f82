#include "gateway/control/modes.h"

#define AS_WORD(sym, word) word,
const char *const control_cancels_words[CONTROL_CANCELS_COUNT] = {CONTROL_CANCELS(AS_WORD)};
const char *const control_data_words[CONTROL_DATA_COUNT] = {CONTROL_DATA(AS_WORD)};
const char *const control_step_needs[CONTROL_STEP_COUNT] = {CONTROL_STEPS(AS_WORD)};

#define MODE_AS_ROW(sym, orders, cancels, matching, data, wire, help)                              \
    {orders, CONTROL_CANCELS_##cancels, matching, CONTROL_DATA_##data, wire, help},
const struct control_mode_row control_mode_rows[CONTROL_MODE_COUNT] = {CONTROL_MODES(MODE_AS_ROW)};

#define MODE_AS_WORD(sym, orders, cancels, matching, data, wire, help) #sym,
const char *const control_mode_words[CONTROL_MODE_COUNT] = {CONTROL_MODES(MODE_AS_WORD)};

/* clang-format off */
#define S(sym) CONTROL_STEP_##sym
const enum control_step control_mode_steps[CONTROL_MODE_COUNT][CONTROL_MODE_COUNT] = {
    /* to:                    NORMAL          CANCEL_ONLY  SOFT_HALT     HARD_HALT */
    [CONTROL_NORMAL]      = { S(STAY),        S(TIGHTEN),  S(TIGHTEN),   S(TIGHTEN) },
    [CONTROL_CANCEL_ONLY] = { S(LOOSEN_NOTE), S(STAY),     S(TIGHTEN),   S(TIGHTEN) },
    [CONTROL_SOFT_HALT]   = { S(LOOSEN),      S(LOOSEN),   S(STAY),      S(TIGHTEN) },
    [CONTROL_HARD_HALT]   = { S(FORBIDDEN),   S(LOOSEN),   S(FORBIDDEN), S(STAY)    },
};
#undef S
/* clang-format on */

#define SCOPE_AS_ROW(sym, word, prefix, mode) {word, prefix, CONTROL_##mode},
const struct control_scope_row control_scope_rows[CONTROL_SCOPE_COUNT] = {
    CONTROL_SCOPES(SCOPE_AS_ROW)};

#define ASSET_AS_ROW(halted, channel, rest) [halted] = {channel, rest},
const struct control_asset_row control_asset_rows[2] = {CONTROL_ASSET_STATES(ASSET_AS_ROW)};
