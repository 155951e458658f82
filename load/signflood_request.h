/* load/signflood_request.h - the text of one HTTP/1.1 request, signed (RFC 9421) or not.
 * Why: signing is the client's cost, not the gateway's: it happens before the clock starts.
 * Owner: one thread; struct signer is ended with signer_fini(). */
#ifndef LOAD_SIGNFLOOD_REQUEST_H
#define LOAD_SIGNFLOOD_REQUEST_H
#include <openssl/evp.h>
#include "gateway/base/buf.h"

struct signer {
    const char *authority; /* "localhost:8445", as it is sent */
    const char *path;      /* "/v1/keys?limit=1" */
    const char *key_id;    /* NULL: unsigned */
    EVP_PKEY *key;         /* Ed25519, or HMAC as a key of OpenSSL */
    bool is_hmac;
    bool spoil; /* a bit of the signature is wrong */
};

/* FILE: a PEM (Ed25519), or a line hmac-sha256:BASE64. False: WHY says what is wrong with it. */
GW_MUSTCHECK
bool signer_load(struct signer *s, const char *file, struct buf *why);
void signer_fini(struct signer *s);
/* A GET with a fresh nonce into OUT, which is emptied first. */
void signer_request(const struct signer *s, struct buf *out);
#endif
