/* auth/kraken_sign.h - the signature of Kraken's private REST calls. Pure.
 * Why: ccxt and Kraken's own clients sign like this and nothing else.
 *   API-Sign = base64(HMAC-SHA512(secret, path + SHA256(nonce + body)))
 * It covers neither method, authority nor query: it is never enough for administration. Whether a
 * nonce is new is for whoever stores nonces.
 * Owner: none.
 * Source: Kraken's public API documentation, "Authentication". */
#ifndef AUTH_KRAKEN_SIGN_H
#define AUTH_KRAKEN_SIGN_H
#include <stddef.h>
#include <stdint.h>
#include "auth/fault.h"
#include "auth/text.h"
#include "gateway/base/err.h"

#define KRAKEN_MAC_BYTES  64u
#define KRAKEN_PATH_MAX   512u
#define KRAKEN_BODY_MAX   65536u
#define KRAKEN_SECRET_MIN 16u
#define KRAKEN_SECRET_MAX 128u

struct kraken_nonce {
    struct auth_text text; /* borrows the body */
    uint64_t value;
};

/* The one `nonce` of a form body: decimal digits without a leading zero, fits in 64 bits. A second
 * one, also in percent-encoded spelling, is refused. AUTH_NONCE, AUTH_PARAM_MISSING,
 * AUTH_DUPLICATE, AUTH_TOO_LONG. */
GW_MUSTCHECK
enum auth_fault kraken_nonce(struct auth_text body, struct kraken_nonce *nonce);
/* The MAC over what was sent; false when PATH or SECRET is out of bounds. PATH is the target
 * without its query. */
GW_MUSTCHECK
bool kraken_mac(struct auth_text secret, struct auth_text path, struct auth_text nonce,
                struct auth_text body, uint8_t mac[KRAKEN_MAC_BYTES]);
/* Judges SENT, the API-Sign header, in constant time. SECRET is decoded already; its s is NULL when
 * nobody has that key, which takes as long. AUTH_SIGNATURE_FORM, AUTH_TOO_LONG, AUTH_UNKNOWN_KEY,
 * AUTH_KEY_UNUSABLE, AUTH_BAD_SIGNATURE, or what kraken_nonce() says. */
GW_MUSTCHECK
enum auth_fault kraken_verify(struct auth_text secret, struct auth_text path, struct auth_text body,
                              struct auth_text sent, struct kraken_nonce *nonce);
#endif
