#include "gateway/playbook/playbook.h"

#define PLAYBOOK_PHASE_AS_WORD(sym, word) word,
const char *const playbook_phase_words[PHASE_COUNT] = {PLAYBOOK_PHASES(PLAYBOOK_PHASE_AS_WORD)};
