#include "gateway/control/word.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *word_of(const struct control_assignment *a)
{
    const struct control_value *v = &a->value;

    if (a->kind == CONTROL_KIND_KILL) {
        return v->engaged && v->released_percent == 0 ? "KILL" : "RELEASE";
    }
    return strcmp(a->target, "*") == 0 ? "ALL" : a->target;
}

void control_word(const struct control_change *change, char word[CONTROL_WORD_SIZE])
{
    if (change->count == 1) {
        (void)snprintf(word, CONTROL_WORD_SIZE, "%s", word_of(&change->items[0]));
    } else if (change->count == 0) {
        word[0] = '\0';
    } else { /* only modes are set for several at once */
        (void)snprintf(word, CONTROL_WORD_SIZE, "%" PRIu32 " SYMBOLS", change->count);
    }
}

enum control_fault control_word_check(const struct control_change *change, struct control_error *e)
{
    char word[CONTROL_WORD_SIZE];

    control_word(change, word);
    if (change->confirm == NULL || strcmp(change->confirm, word) == 0) {
        return CONTROL_FINE;
    }
    return control_fail(e, CONTROL_INVALID, "/confirm",
                        "must be `%s`, exactly; nothing was done: look again at what it reaches, "
                        "then type that",
                        word);
}
