/* auth/key_make.h - what a new key is made of, from the kernel's randomness.
 * Owner: none. */
#ifndef AUTH_KEY_MAKE_H
#define AUTH_KEY_MAKE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/envelope.h"
#include "auth/key.h"
#include "gateway/base/err.h"

#define KEY_MADE_ID_SIZE     24u /* "pk_", 20 of a-z 2-7, NUL */
#define KEY_SECRET_BYTES_MAX 64u
#define KEY_SECRET_TEXT_SIZE 89u /* the same in base64, with NUL */

/* A secret and what is kept of it. Lives in memory of secret_mem.h. */
struct key_secret {
    uint8_t bytes[KEY_SECRET_BYTES_MAX];
    size_t len;
    char text[KEY_SECRET_TEXT_SIZE]; /* base64, or the token */
    bool token;                      /* TEXT is a bearer token, BYTES its hash; nothing is sealed */
    uint8_t sealed[ENVELOPE_MAX];
    size_t sealed_len;
    uint32_t master_version;
};

/* For envelope_seal(); ARG is not used. */
bool key_random(void *arg, uint8_t *out, size_t len);
/* 100 bits. */
void key_make_id(char id[KEY_MADE_ID_SIZE]);
/* A new secret of key ID, sealed. NULL: MASTER is NULL, or it cannot be sealed. */
struct key_secret *key_make_secret(const char *id, enum key_alg alg,
                                   const struct envelope_master *master);
/* A new bearer token. */
struct key_secret *key_make_token(void);
/* Wipes; NULL is fine. */
void key_secret_destroy(struct key_secret **sp);
/* The newest of MASTERS, NULL of none. */
const struct envelope_master *key_newest_master(const struct envelope_master *masters,
                                                size_t count);
/* TEXT has room for 4 * ((len + 2) / 3) + 1. */
void key_base64(const uint8_t *bytes, size_t len, char *text);
#endif
