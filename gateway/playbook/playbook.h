/* gateway/playbook/playbook.h - what to do when: playbooks as data.
 * Why: at three in the morning nobody should invent the order of steps. A playbook is a file of YAML:
 * immediate actions, diagnosis, recovery; guards that must be answered first; exit conditions that are
 * counted from events, not ticked by hand.
 * Owner: none; immutable after playbooks_read(). */
#ifndef GATEWAY_PLAYBOOK_PLAYBOOK_H
#define GATEWAY_PLAYBOOK_PLAYBOOK_H
#include <stddef.h>

/* clang-format off */
#define PLAYBOOK_PHASES(X)      \
    X(IMMEDIATE, "immediate")   \
    X(DIAGNOSIS, "diagnosis")   \
    X(RECOVERY,  "recovery")
/* clang-format on */
#define PLAYBOOK_PHASE_AS_ENUM(sym, word) PHASE_##sym,
enum playbook_phase { PLAYBOOK_PHASES(PLAYBOOK_PHASE_AS_ENUM) PHASE_COUNT };
extern const char *const playbook_phase_words[PHASE_COUNT];
#endif
