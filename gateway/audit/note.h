/* gateway/audit/note.h - the head of the chain as a signed text that is kept outside the database.
 * Why: whoever rules the database can rewrite a chain of hashes to its end. A signed head on another
 * disk, in Redis, on paper or in a mirror cannot be rewritten with it.
 * Owner: none; a signer is used by one thread at a time.
 * Invariant: what is accepted was signed by that key over exactly these bytes.
 * Source: C2SP signed-note v1 (c2sp.org/signed-note) and tlog-checkpoint v1 (c2sp.org/tlog-checkpoint).
 * Ours is a linear chain and not a Merkle tree: the line of the root hash holds the hash of the last
 * record and the size its seq. Any tool for signed notes checks the signature; a witness that asks
 * for Merkle consistency proofs cannot cosign it.
 *
 *   portcullis.example/audit           origin, which is also the name of the key
 *   1042                               seq of the last record
 *   qcWE...=                           its hash, base64
 *   time 2026-11-20T23:51:47.101000Z   when it was signed
 *                                      an empty line
 *   — portcullis.example/audit x08go...=    base64 of 4 bytes of key id and the Ed25519 signature */
#ifndef GATEWAY_AUDIT_NOTE_H
#define GATEWAY_AUDIT_NOTE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/audit/chain.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

#define NOTE_NAME_MAX   128u
#define NOTE_BYTES_MAX  16384u
#define NOTE_KEY_BYTES  32u
#define NOTE_SIGNATURES 16u /* of a note, other keys' included */

/* A verifier key: "NAME+8 hex digits of the key id+base64(0x01 || public key)". */
struct note_key {
    char name[NOTE_NAME_MAX + 1];
    uint32_t id; /* first 4 bytes of SHA-256(name || 0x0a || 0x01 || public key) */
    uint8_t public_key[NOTE_KEY_BYTES];
};
struct note_signer; /* a private key with its name */

/* Not empty, no '+', nothing blank, no control bytes, UTF-8. */
bool note_name_valid(const char *name, size_t len);
GW_MUSTCHECK
bool note_key_parse(const char *text, size_t len, struct note_key *out);
void note_key_print(const struct note_key *key, struct buf *out);

/* "PRIVATE+KEY+NAME+id+base64(0x01 || seed)", as the Go tools write it; NULL when TEXT is not. */
struct note_signer *note_signer_parse(const char *text, size_t len);
struct note_signer *note_signer_create(const char *name, const uint8_t seed[NOTE_KEY_BYTES]);
void note_signer_destroy(struct note_signer **sp);
const struct note_key *note_signer_key(const struct note_signer *s);

/* Appends TEXT (which ends with a line end) signed. */
void note_sign(const struct note_signer *s, const char *text, size_t len, struct buf *out);
/* NOTE is one signed note and nothing else. Strict: any malformed line refuses all; signatures of
 * other keys are passed over, one of KEY's name and id that does not verify refuses all. TEXT_LEN:
 * how much of NOTE is the text that was signed. */
GW_MUSTCHECK
bool note_verify(const char *note, size_t len, const struct note_key *key, size_t *text_len,
                 const char **why);

struct checkpoint_note {
    struct audit_mark mark;
    int64_t time_ns; /* when it was signed; 0: not said */
};
/* The text of a checkpoint, signed. */
void checkpoint_sign(const struct note_signer *s, const struct checkpoint_note *c, struct buf *out);
/* Verifies and reads; WHY says what is wrong. The origin must be the key's name. */
GW_MUSTCHECK
bool checkpoint_verify(const char *note, size_t len, const struct note_key *key,
                       struct checkpoint_note *out, const char **why);

/* --- the key on disk -------------------------------------------------------------------------- */

/* Reads the private key from PATH; makes it there, mode 0600, with its public half in PATH.pub when
 * there is none. NULL: WHY says what is wrong and what to do next. Blocks: at start only. */
struct note_signer *note_signer_open(const char *path, const char *name, struct buf *why);
/* Reads a public key file: one line. */
GW_MUSTCHECK
bool note_key_read(const char *path, struct note_key *out, struct buf *why);
#endif
