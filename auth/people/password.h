/* auth/people/password.h - passwords: what may be one, and Argon2id. The glue to libargon2.
 * Why: a stolen table of hashes must not give passwords away: each guess costs 19 MiB and tens of
 * milliseconds. What was stored with more is checked with more; what was stored with less is checked
 * and should be stored anew.
 * Owner: none; blocks for tens of milliseconds: on password_worker.h's thread, never on a loop.
 * Invariant: a stored text cannot ask for more memory or time than the limits below.
 * Source: RFC 9106; OWASP (m = 19 MiB, t = 2, p = 1); NIST SP 800-63B 5.1.1.2 for what is refused. */
#ifndef AUTH_PEOPLE_PASSWORD_H
#define AUTH_PEOPLE_PASSWORD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/err.h"

#define PASSWORD_MIN       12u /* characters */
#define PASSWORD_MAX       128u
#define PASSWORD_BYTES_MAX 512u
#define PASSWORD_HASH_SIZE 128u /* PHC text with NUL */
#define PASSWORD_MEMORY_KB 19456u
#define PASSWORD_PASSES    2u
#define PASSWORD_LANES     1u

/* NULL when PASSWORD may be one of the user NAME, else why not, in words for her. */
const char *password_refused(const char *password, const char *name);

/* "$argon2id$v=19$m=19456,t=2,p=1$salt$hash" of LEN bytes, with a new salt. GW_ESYS: no memory, no
 * randomness. */
GW_MUSTCHECK
enum gw_err password_hash(const char *password, size_t len, char out[PASSWORD_HASH_SIZE]);
/* GW_OK: it is that; GW_ENOTFOUND: it is not; GW_EINVAL: PHC is no Argon2id text of version 19
 * within 8 MiB..256 MiB, 1..10 passes, 1..4 lanes; GW_ESYS: no memory. */
GW_MUSTCHECK
enum gw_err password_verify(const char *phc, const char *password, size_t len);
/* PHC was made with less than a new hash would be. */
bool password_weak(const char *phc);
/* 20 characters of a-z 2-7: 100 bits. OUT has 24 bytes: four groups with '-' between. */
#define PASSWORD_MADE_SIZE 24u
GW_MUSTCHECK
enum gw_err password_make(char out[PASSWORD_MADE_SIZE]);
#endif
