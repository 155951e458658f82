/* auth/master_key.h - the master keys, from a file beside the database, never in it.
 * Why: what is sealed in PostgreSQL opens only with these. One line a key, `version:base64` of 32
 * bytes; the newest version seals, the older ones still open. Empty lines and lines that begin with
 * '#' are skipped.
 * Owner: read once at the start; the holder destroys it last.
 * Invariant: no copy of a key outside of memory that is locked and left out of core dumps. */
#ifndef AUTH_MASTER_KEY_H
#define AUTH_MASTER_KEY_H
#include <stddef.h>
#include "auth/envelope.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

#define MASTER_KEYS_MAX 64u

struct master_keys;

/* GW_ECONFIG, and WHY says what is wrong and what to do: not a file, open to others than its owner
 * (mode beyond 0600), of another user, or not as above. */
GW_MUSTCHECK
enum gw_err master_keys_read(const char *path, struct master_keys **out, struct buf *why);
/* Makes PATH, which must not exist, mode 0600, with one new key of version 1. For development. */
GW_MUSTCHECK
enum gw_err master_keys_make(const char *path, struct buf *why);
/* Wipes. */
void master_keys_destroy(struct master_keys **mp);
/* By version, the newest last. */
const struct envelope_master *master_keys_all(const struct master_keys *m, size_t *count);
#endif
