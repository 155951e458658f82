/* admin_api/portctl/sign.h - signs a request to the admin API (RFC 9421, RFC 9530). Pure.
 * Why: whatever portctl sends is bound to its method, host, target and body; the clock, the nonce
 * and the key are arguments, so that a test can repeat every signature.
 * Owner: the caller; nothing is borrowed after the call.
 * Invariant: what sign_request() signs, signature_parse() and signature_verify() accept. */
#ifndef ADMIN_API_PORTCTL_SIGN_H
#define ADMIN_API_PORTCTL_SIGN_H
#include <stddef.h>
#include <stdint.h>
#include "auth/signature.h"

struct sign_key {
    enum signature_alg alg;
    uint8_t bytes[SIGNATURE_SECRET_MAX]; /* Ed25519: the seed; HMAC: the secret */
    size_t len;
};

struct sign_request {
    struct auth_text method;
    struct auth_text authority; /* host, and port if it is not 443 */
    struct auth_text target;    /* path and query */
    struct auth_text type;      /* Content-Type; only with a body */
    struct auth_text body;      /* len 0: none */
    struct auth_text match;     /* If-Match; len 0: none */
    struct auth_text once;      /* Idempotency-Key; len 0: none */
};

struct sign_stamp {
    const char *keyid;
    const char *nonce;
    int64_t created_s; /* Unix time */
};

/* Values of the header fields of the same names. */
struct sign_fields {
    char content_digest[64]; /* "" without a body */
    char signature_input[512];
    char signature[104];
};

/* NULL, or why this cannot be signed. */
GW_MUSTCHECK
const char *sign_request(const struct sign_key *key, const struct sign_request *r,
                         const struct sign_stamp *stamp, struct sign_fields *out);
/* A new pair: the seed into KEY, the public half into PUB. */
GW_MUSTCHECK
bool sign_generate(struct sign_key *key, uint8_t pub[SIGNATURE_ED_KEY_SIZE]);
/* Random text of 128 bits, as a nonce. */
GW_MUSTCHECK
bool sign_nonce(char out[25]);
#endif
