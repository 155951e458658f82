#include "gateway/reported/component.h"

#define COMPONENT_STATE_AS_WORD(sym, word) word,
const char *const component_state_words[COMPONENT_STATE_COUNT] = {
    COMPONENT_STATES(COMPONENT_STATE_AS_WORD)};
