/* gateway/control/word.h - the word a person types to confirm a change.
 * Why: whoever acts by hand says once more what is reached. The rule stands here alone: dry runs and
 * requests tell the word, and what was typed is compared with it before anything is done.
 * Owner: none; pure.
 * Invariant: the word follows from what is asked for, never from the state it meets, so it is the same
 * in the dry run and in the act. */
#ifndef GATEWAY_CONTROL_WORD_H
#define GATEWAY_CONTROL_WORD_H
#include "gateway/control/change.h"

#define CONTROL_WORD_SIZE CONTROL_TARGET_MAX

/* KILL or RELEASE of the kill switch, "3 SYMBOLS" of several, ALL of everything, else the target:
 * "BTC/USD", "group:stable", "BTC", "desk". "" of an empty change. */
void control_word(const struct control_change *change, char word[CONTROL_WORD_SIZE]);
/* A change that says it is confirmed (its `confirm`) says it in that word, exactly. What names none is
 * fine: programs type nothing. */
GW_MUSTCHECK
enum control_fault control_word_check(const struct control_change *change, struct control_error *e);
#endif
