/* auth/bootstrap.h - the first key, made from the command line by whoever may write the database.
 * Why: keys are issued by signed requests, and the first one has nobody to sign for it.
 * Owner: the caller's thread. Blocks: for the command line, never on a loop.
 * Invariant: the private key is in one file with mode 0600 and nowhere else; no key without its
 * event and its entry of the audit chain; no second one while there are keys that could issue it. */
#ifndef AUTH_BOOTSTRAP_H
#define AUTH_BOOTSTRAP_H
#include <stdint.h>
#include <stdio.h>
#include "auth/key.h"

struct master_keys;

struct bootstrap_options {
    const char *account; /* made when there is none */
    const char *label;
    uint64_t scopes;
    const char *const *ip_allow; /* networks it may be used from */
    size_t ip_allow_count;
    enum key_alg
        algorithm; /* HMAC: the file has the secret in base64, and a master key is needed */
    bool
        keys_lost; /* make it although there are active keys that administer, and say so in the log */
    const char *actor; /* NULL: the user of the system who runs this, with uid */
};

/* Writes KEY_FILE_PATH, which must not exist (Ed25519: PEM, PKCS #8), and tells OUT the id. 0, or 1
 * after an error, which OUT was told with what to do next; then there is no file, unless OUT says
 * so. MASTERS may be NULL for Ed25519. */
int bootstrap_key(const char *dsn, const struct master_keys *masters,
                  const struct bootstrap_options *opt, FILE *out, const char *key_file_path);
#endif
