/* gateway/core/core_id.h - names of commands: ULIDs, 48 bits of milliseconds and 80 random bits as
 * 26 characters of Crockford's base 32 (github.com/ulid/spec).
 * Why: any gateway names a command before anybody has stored it, and the names sort by time.
 * Owner: any thread. */
#ifndef GATEWAY_CORE_CORE_ID_H
#define GATEWAY_CORE_CORE_ID_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_ID_LENGTH 26u
#define CORE_ID_SIZE   (CORE_ID_LENGTH + 1)

/* Pure: NOW_NS (wall) and RANDOM as text. */
void core_id_write(char out[CORE_ID_SIZE], int64_t now_ns, const uint8_t random[10]);
/* A new one, of the time NOW_NS. */
void core_id_make(char out[CORE_ID_SIZE], int64_t now_ns);
/* 26 characters of the alphabet, upper case, that fit 128 bits. */
bool core_id_valid(const char *text, size_t len);
#endif
