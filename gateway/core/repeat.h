/* gateway/core/repeat.h - what was asked under which Idempotency-Key, and what was answered.
 * Why: a command that is asked twice is done once and answered the same, at any gateway and after a
 * restart, without a database: the entries in `control:commands` carry the key, and every gateway
 * reads them all.
 * Owner: the loop of the link. No I/O.
 * Invariant: at most `most` are kept, the oldest makes room. */
#ifndef GATEWAY_CORE_REPEAT_H
#define GATEWAY_CORE_REPEAT_H
#include <stdint.h>
#include "gateway/core/entry.h"

struct core_repeat {
    char request[CORE_HASH_SIZE]; /* what was asked */
    char id[CORE_ID_SIZE];        /* of the command */
    const char *answer;           /* JSON: the command as the request left it */
};

struct repeats;
struct repeats *repeats_create(uint32_t most);
void repeats_destroy(struct repeats **tp);
/* Replaces what is kept under the same key. ANSWER is copied. */
void repeats_add(struct repeats *t, const struct core_once *once, const char *id,
                 const char *answer);
/* NULL: none. Borrowed until the table changes. */
const struct core_repeat *repeats_find(const struct repeats *t, const char *key);
#endif
