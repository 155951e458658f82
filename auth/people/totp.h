/* auth/people/totp.h - one-time codes of a second factor, recovery codes, and tokens of sessions.
 * Pure but for the kernel's randomness; the time is an argument.
 * Why: what is known to a phone and to us (RFC 6238, SHA-1, six digits, 30 s: what every
 * authenticator does) beside a password. A code is good for one step before and after its own, and
 * only once: the caller keeps the last step that was used, and raises it in one statement.
 * Owner: none.
 * Invariant: no code is compared in a time that depends on it. */
#ifndef AUTH_PEOPLE_TOTP_H
#define AUTH_PEOPLE_TOTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/envelope.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

#define TOTP_STEP_S       30
#define TOTP_DIGITS       6u
#define TOTP_SECRET_BYTES 20u
#define TOTP_SECRET_TEXT  33u /* base32 with NUL */

/* DIGITS (6..8) of the step, as number. */
uint32_t totp_code(const uint8_t *secret, size_t len, uint64_t step, unsigned digits);
/* Is CODE (six digits) that of a step around NOW_NS (wall clock) which is greater than LAST (-1:
 * none)? STEP says which. */
bool totp_verify(const uint8_t *secret, size_t len, const char *code, int64_t now_ns, int64_t last,
                 int64_t *step);
/* Six digits and nothing else. */
bool totp_looks_like(const char *code);

struct totp_secret {
    uint8_t bytes[TOTP_SECRET_BYTES];
    char text[TOTP_SECRET_TEXT]; /* base32, for typing */
    uint8_t sealed[ENVELOPE_MAX];
    size_t sealed_len;
};
/* A new secret of the user NAME, sealed by MASTER. GW_ECONFIG: MASTER is NULL; GW_ESYS. The caller
 * wipes it. */
GW_MUSTCHECK
enum gw_err totp_make(const char *name, const struct envelope_master *master,
                      struct totp_secret *out);
/* SECRET (ENVELOPE_SECRET_MAX bytes) as in envelope.h; GW_ENOTFOUND: none of MASTERS sealed it. */
GW_MUSTCHECK
enum gw_err totp_open(const char *name, const struct envelope_master *masters, size_t count,
                      const void *sealed, size_t sealed_len, uint8_t *secret, size_t *secret_len);
/* "otpauth://totp/ISSUER:NAME?secret=..." */
void totp_uri(struct buf *out, const char *issuer, const char *name, const char *secret_text);

/* --- recovery codes: 80 bits each, so a plain hash is enough ----------------------------------- */

#define RECOVERY_CODES     10u
#define RECOVERY_CODE_SIZE 20u /* "xxxx-xxxx-xxxx-xxxx" with NUL */
#define RECOVERY_HASH_SIZE 32u

GW_MUSTCHECK
enum gw_err recovery_make(char out[RECOVERY_CODE_SIZE]);
/* What is kept of CODE of NAME; case, spaces and '-' do not count. False: it cannot be one. */
bool recovery_hash(const char *name, const char *code, uint8_t out[RECOVERY_HASH_SIZE]);

/* --- tokens of sessions ------------------------------------------------------------------------ */

#define SESSION_TOKEN_BYTES 32u
#define SESSION_TOKEN_SIZE  44u /* base64url without padding, with NUL */
#define SESSION_HASH_SIZE   32u

GW_MUSTCHECK
enum gw_err session_token_make(char out[SESSION_TOKEN_SIZE]);
/* What is kept of TOKEN; false: it cannot be one. */
bool session_token_hash(const char *token, size_t len, uint8_t out[SESSION_HASH_SIZE]);
/* What a page must send back with each change; of the same form, follows from the token alone. */
bool session_csrf(const char *token, size_t len, char out[SESSION_TOKEN_SIZE]);
/* Is SENT that, in constant time? */
bool session_csrf_matches(const char *token, size_t len, const char *sent, size_t sent_len);
#endif
