/* auth/envelope.h - secrets at rest: AES-256-GCM under a data key of their own, which a master key
 * wraps. Pure; randomness and the master key are arguments.
 * Why: a stolen database must not sign requests. The id of the key is authenticated with both
 * layers, so that one row's secret cannot be put into another row; the master key's version is
 * written down, so that it can be changed without touching the secrets (envelope_rewrap()).
 * Owner: the caller owns all memory and wipes what envelope_open() gave it (OPENSSL_cleanse).
 * Invariant: no secret or data key is left on the stack.
 *
 *   format 1 | master version 4, big-endian | wrap nonce 12 | data key 32 | tag 16
 *            | data nonce 12 | secret 1..256 | tag 16
 *
 * Source: NIST SP 800-38D (GCM with random 96-bit nonces; a data key encrypts one secret). */
#ifndef AUTH_ENVELOPE_H
#define AUTH_ENVELOPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/text.h"
#include "gateway/base/err.h"

#define ENVELOPE_SECRET_MAX 256u
#define ENVELOPE_OVERHEAD   93u
#define ENVELOPE_MAX        (ENVELOPE_OVERHEAD + ENVELOPE_SECRET_MAX)
#define ENVELOPE_KEYID_MAX  64u
#define ENVELOPE_KEY_BYTES  32u

struct envelope_master {
    uint32_t version;
    uint8_t key[ENVELOPE_KEY_BYTES];
};
/* Fills OUT with LEN unpredictable bytes; false when it cannot. */
typedef bool (*envelope_random_fn)(void *arg, uint8_t *out, size_t len);
struct envelope_random {
    envelope_random_fn fn;
    void *arg;
};

/* Seals SECRET of key KEYID into OUT (ENVELOPE_MAX bytes). GW_ERANGE: an empty or too long secret
 * or key id; GW_ESYS: no randomness, or the library failed. */
GW_MUSTCHECK
enum gw_err envelope_seal(const struct envelope_master *master, struct auth_text keyid,
                          const uint8_t *secret, size_t secret_len,
                          const struct envelope_random *random, uint8_t *out, size_t *out_len);
/* Version of the master key that wraps SEALED. GW_EINVAL: not an envelope. */
GW_MUSTCHECK
enum gw_err envelope_version(const uint8_t *sealed, size_t sealed_len, uint32_t *version);
/* Opens SEALED into SECRET (ENVELOPE_SECRET_MAX bytes, all zero unless GW_OK). GW_EINVAL: not an
 * envelope; GW_ENOTFOUND: wrapped by another version; GW_ECONFIG: altered, of another key id, or
 * not the master key of that version. */
GW_MUSTCHECK
enum gw_err envelope_open(const struct envelope_master *master, struct auth_text keyid,
                          const uint8_t *sealed, size_t sealed_len, uint8_t *secret,
                          size_t *secret_len);
/* Wraps the data key of SEALED by NEXT instead of MASTER, in place; on an error nothing is changed.
 * Errors of both functions above. */
GW_MUSTCHECK
enum gw_err envelope_rewrap(const struct envelope_master *master,
                            const struct envelope_master *next, struct auth_text keyid,
                            const struct envelope_random *random, uint8_t *sealed,
                            size_t sealed_len);
#endif
