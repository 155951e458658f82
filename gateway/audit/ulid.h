/* gateway/audit/ulid.h - names of records that sort by time: 26 characters, 48 bits of milliseconds
 * and 80 random bits, in Crockford's base 32 (github.com/ulid/spec).
 * Why: a record is named before it is stored anywhere, by whoever stores it first.
 * Owner: any thread.
 * Invariant: names made by one thread grow, also within a millisecond and when the clock steps
 * back. */
#ifndef GATEWAY_AUDIT_ULID_H
#define GATEWAY_AUDIT_ULID_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ULID_SIZE   27u /* with the NUL */
#define ULID_LENGTH 26u

/* Pure: MS (48 bits) and RANDOM as text. */
void ulid_write(char out[ULID_SIZE], uint64_t ms, const uint8_t random[10]);
/* A new one, of the time NOW_NS. */
void ulid_make(char out[ULID_SIZE], int64_t now_ns);
/* 26 characters of the alphabet, upper case, that fit 128 bits. */
bool ulid_valid(const char *text, size_t len);
#endif
