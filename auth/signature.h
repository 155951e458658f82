/* auth/signature.h - HTTP Message Signatures in the one profile that /v1 accepts. Pure, fuzzed.
 * Why: a request that changes something is bound to its method, authority, path, query and body, to
 * a time and to a nonce. Two steps, so that the caller can look the key up between them:
 *
 *   signature_parse()   syntax, cover, times; gives keyid, nonce -> the caller finds the key
 *   signature_verify()  crypto, then the digest of the body      -> the caller stores the nonce
 *
 * The profile, which is stricter than the RFC:
 *   exactly one label, the same in Signature-Input and Signature;
 *   covered: "@method" "@authority" "@path" "@query", with a body also "content-type"
 *   "content-digest", and "if-match" and "idempotency-key" where the request has them: what a change
 *   is based on and what names it are part of it; more header fields may be covered (each must be in the request once), other
 *   derived components, component parameters and repetitions are refused;
 *   parameters: created, expires, nonce, keyid, tag="gw-admin-v1", maybe alg, and no other;
 *   expires is 1..60 s behind created; created is within the window; expires is not over;
 *   keyid: 1..64 of A-Z a-z 0-9 . _ : @ / + = - ;
 *   nonce: 16..128 of A-Z a-z 0-9 + / _ - and at the end '=', with room for 96 bits: 4 bits a
 *   character when all are hexadecimal digits of one case (so at least 24), else 6 (at least 16).
 *
 * A nonce must be remembered under its keyid until `expires`, inclusive, plus one second.
 * Owner: the caller; struct signature borrows nothing.
 * Invariant: AUTH_OK from both steps means that the key's owner signed this method, target,
 * authority and body.
 * Source: RFC 9421; section numbers are with the functions. */
#ifndef AUTH_SIGNATURE_H
#define AUTH_SIGNATURE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/fault.h"
#include "auth/sfv.h"
#include "auth/text.h"
#include "gateway/base/err.h"

#define SIGNATURE_TAG         "gw-admin-v1"
#define SIGNATURE_WINDOW_S    30
#define SIGNATURE_SPAN_MAX_S  60
#define SIGNATURE_KEYID_MAX   64u
#define SIGNATURE_NONCE_MIN   96u /* bits */
#define SIGNATURE_NONCE_MAX   128u
#define SIGNATURE_BASE_MAX    17408u /* a request head of 16 KiB and what the base adds to it */
#define SIGNATURE_WHY_MAX     192u
#define SIGNATURE_HMAC_BYTES  32u
#define SIGNATURE_ED_BYTES    64u
#define SIGNATURE_SECRET_MIN  32u /* bytes of an HMAC secret */
#define SIGNATURE_SECRET_MAX  128u
#define SIGNATURE_ED_KEY_SIZE 32u

enum signature_alg { SIGNATURE_ED25519, SIGNATURE_HMAC_SHA256, SIGNATURE_ALG_COUNT };

struct auth_field {
    struct auth_text name; /* any case */
    struct auth_text value;
};

/* The request as it came off the wire, in the words of RFC 9110. Borrows everything. */
struct signature_message {
    struct auth_text method;
    struct auth_text authority; /* the Host field */
    struct auth_text target;    /* origin form: path, and query if there is one */
    const struct auth_field *fields;
    size_t field_count;
    struct auth_text body; /* len 0: no body */
};

struct signature_clock {
    int64_t now_s;   /* Unix time */
    int64_t back_s;  /* created may be that much in the past */
    int64_t ahead_s; /* and that much in the future */
};

struct signature {
    int64_t created_s;
    int64_t expires_s;
    char keyid[SIGNATURE_KEYID_MAX + 1];
    char nonce[SIGNATURE_NONCE_MAX + 1];
    enum signature_alg alg; /* as the length of the signature says */
    uint8_t value[SIGNATURE_ED_BYTES];
    size_t base_len;
    char why[SIGNATURE_WHY_MAX]; /* for the sender; printable ASCII; "" when all is well */
    char base[SIGNATURE_BASE_MAX];
};

struct signature_key {
    enum signature_alg alg;
    const uint8_t *bytes; /* Ed25519: public key; HMAC: the secret */
    size_t len;
};

/* Reads and judges what needs no key (3.2 steps 1 to 5, 2.5). SIG is filled by and by: keyid is ""
 * until it is known. SIG->why names what is missing, or our time. */
GW_MUSTCHECK
enum auth_fault signature_parse(const struct signature_message *m,
                                const struct signature_clock *clock, struct signature *sig);
/* Judges SIG, which came out of signature_parse() with AUTH_OK for the same M, by KEY (3.2 steps 6,
 * 7; 3.3.3, 3.3.6) and then the digest of the body. KEY NULL (nobody has that keyid) and a KEY of
 * the other algorithm take as long as a real one. The fault is for the log and the metric; the
 * sender sees auth_fault_shown() of it, or SIG->why. */
GW_MUSTCHECK
enum auth_fault signature_verify(struct signature *sig, const struct signature_message *m,
                                 const struct signature_key *key);
/* May KEY be put on record: its length, and for Ed25519 not a point of small order, by which anyone
 * could sign. */
bool signature_key_usable(const struct signature_key *key);

/* The parts, for other profiles and for test vectors. */

/* Signature base (2.5) of the inner list LIST of INPUT, any cover of header fields, @method,
 * @authority, @path and @query; a header that came twice is refused, not joined. WHY has
 * SIGNATURE_WHY_MAX bytes and is "" with AUTH_OK. OUT is not NUL-terminated. */
GW_MUSTCHECK
enum auth_fault signature_base(const struct signature_message *m, const struct sfv_dict *input,
                               const struct sfv_member *list, struct auth_out *out, char *why);
/* Does VALUE sign BASE? 3.3.3 (hmac-sha256, constant time), 3.3.6 (ed25519). */
bool signature_check(const struct signature_key *key, struct auth_text base, const uint8_t *value,
                     size_t value_len);
#endif
