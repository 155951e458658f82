/* auth/bearer.h - tokens of machines that report in and cannot sign (Alertmanager, curl in a cron job).
 * Why: they know `Authorization: Bearer` and nothing else. Such a token opens report-in alone, where a
 * replay does no harm; only its SHA-256 is kept, so that a copy of the database reports nothing.
 * Owner: none, pure but for the kernel's randomness. */
#ifndef AUTH_BEARER_H
#define AUTH_BEARER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BEARER_PREFIX     "pcr_"
#define BEARER_BYTES      32u /* of randomness, and of SHA-256 */
#define BEARER_TEXT_SIZE  48u /* prefix, 43 of base64url, NUL */
#define BEARER_HASH_BYTES 32u

/* A new token, and what is kept of it. */
void bearer_make(char text[BEARER_TEXT_SIZE], uint8_t hash[BEARER_HASH_BYTES]);
/* False: no token has this form. */
bool bearer_hash(const char *text, size_t len, uint8_t hash[BEARER_HASH_BYTES]);
/* The credentials of a field `Authorization: Bearer ...`, to its end; NULL: another scheme, or none.
 * HEADER may be NULL. */
const char *bearer_of_header(const char *header);
#endif
