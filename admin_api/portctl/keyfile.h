/* admin_api/portctl/keyfile.h - private keys on disk: an Ed25519 key as PKCS #8 PEM, or one line
 * `hmac-sha256:BASE64`.
 * Why: a key that others on the machine can read is not a key; such files are refused.
 * Owner: the caller; a struct sign_key is wiped with keyfile_wipe(). */
#ifndef ADMIN_API_PORTCTL_KEYFILE_H
#define ADMIN_API_PORTCTL_KEYFILE_H
#include "admin_api/portctl/sign.h"
#include "gateway/base/buf.h"

/* False: WHY says what is wrong and, on a second line, what to do. */
GW_MUSTCHECK
bool keyfile_load(const char *path, struct sign_key *key, struct buf *why);
void keyfile_wipe(struct sign_key *key);

/* A new file of mode 0600, or -1: WHY as above. A file that is there is never touched. */
GW_MUSTCHECK
int keyfile_create(const char *path, struct buf *why);
/* Takes FD, which keyfile_create() gave. False when the key did not get to the disk. */
GW_MUSTCHECK
bool keyfile_write(int fd, const struct sign_key *key);
GW_MUSTCHECK
bool keyfile_write_secret(int fd, const char *algorithm, const char *base64);
#endif
