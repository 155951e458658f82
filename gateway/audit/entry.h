/* gateway/audit/entry.h - one record of the audit log: fields, bytes that are hashed, JSON.
 * Why: the fields are declared once; the hash, a line of an export, the columns of the table and
 * docs/AUDIT.md follow from that table, so no two places can disagree on what was hashed.
 * Owner: the caller; an entry borrows all its texts.
 * Invariant: hash = SHA-256("portcullis-audit-v1" || prev_hash || for each field in the order of the
 * table: its length in 4 bytes, big-endian, and its bytes). Numbers are 8 bytes, big-endian; an
 * absent text or hash has length 0; a NULL text is the same as "".
 *
 * No secret enters: an entry is kept for ever and read by many. Whoever makes one passes bodies
 * through audit_redact() and never puts a password, a TOTP code, a token, a cookie, a private key or
 * a signature into a text. */
#ifndef GATEWAY_AUDIT_ENTRY_H
#define GATEWAY_AUDIT_ENTRY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

#define AUDIT_HASH_BYTES 32u
#define AUDIT_JSON_MAX   (1u << 20) /* bytes of before, after and approvals */
#define AUDIT_LINE_MAX   (20u << 20)

/* clang-format off */
/*    member          kind    min  max  what it is */
#define AUDIT_FIELDS(X)                                                                                           \
    X(seq,            NUMBER,  1,   0,   "Place in the chain: 1, 2, 3, without gaps.")                            \
    X(id,             ULID,    26,  26,  "Name of the record, given when the act was done.")                      \
    X(time_ns,        TIME,    1,   0,   "Wall clock of the act, nanoseconds since 1970, UTC.")                   \
    X(mono_ns,        TIME,    0,   0,   "Monotonic clock of that machine, nanoseconds; 0: not known.")           \
    X(actor,          TEXT,    1,   256, "Who: user:NAME, key:ID, or system.")                                    \
    X(session,        TEXT,    0,   128, "Session or key the request came with, never its secret.")               \
    X(ip,             TEXT,    0,   64,  "Address the request came from.")                                        \
    X(action,         WORD,    1,   64,  "What was asked for: a word such as symbol.mode.")                       \
    X(target,         TEXT,    0,   256, "What it was asked of: a symbol, a key, an incident.")                   \
    X(outcome,        WORD,    1,   32,  "done, denied, failed, requested, approved, rejected and the like.")     \
    X(reason,         TEXT,    0,   2000, "Why, in the words of who asked.")                                      \
    X(ticket,         TEXT,    0,   400, "Where it was decided.")                                                 \
    X(incident,       TEXT,    0,   256, "Incident it belongs to.")                                               \
    X(request_sha256, SHA256,  0,   32,  "Hash of the canonical request, so that a request can be proven.")       \
    X(before,         JSON,    0,   AUDIT_JSON_MAX, "State before, JSON text without secrets.")                   \
    X(after,          JSON,    0,   AUDIT_JSON_MAX, "State after, JSON text without secrets.")                    \
    X(approvals,      JSON,    0,   AUDIT_JSON_MAX, "Who approved it and when, JSON text.")                       \
    X(trace,          HEX,     0,   32,  "W3C trace id of the request, 32 hex digits.")                           \
    X(journal_id,     ULID,    0,   26,  "Record of the emergency journal it came through; empty: none.")
/* clang-format on */

enum audit_kind {
    AUDIT_NUMBER, /* uint64_t; a JSON number */
    AUDIT_TIME,   /* int64_t; a JSON string, since it is above 2^53 */
    AUDIT_TEXT,   /* UTF-8 without NUL */
    AUDIT_WORD,   /* of a-z 0-9 _ . - */
    AUDIT_ULID,
    AUDIT_HEX, /* lower case, as many digits as its max, or none */
    AUDIT_JSON,
    AUDIT_SHA256, /* 32 bytes or NULL; hex in JSON */
};
#define AUDIT_MEMBER_NUMBER(m) uint64_t m;
#define AUDIT_MEMBER_TIME(m)   int64_t m;
#define AUDIT_MEMBER_TEXT(m)   const char *m;
#define AUDIT_MEMBER_WORD(m)   const char *m;
#define AUDIT_MEMBER_ULID(m)   const char *m;
#define AUDIT_MEMBER_HEX(m)    const char *m;
#define AUDIT_MEMBER_JSON(m)   const char *m;
#define AUDIT_MEMBER_SHA256(m) const uint8_t *m;

#define AUDIT_AS_MEMBER(m, kind, min, max, help) AUDIT_MEMBER_##kind(m)
struct audit_entry {
    AUDIT_FIELDS(AUDIT_AS_MEMBER)
    uint8_t prev_hash[AUDIT_HASH_BYTES]; /* hash of the entry before; of the first: zeros */
    uint8_t hash[AUDIT_HASH_BYTES];
};

#define AUDIT_AS_ONE(m, kind, min, max, help) +1
#define AUDIT_FIELD_COUNT                     (0 AUDIT_FIELDS(AUDIT_AS_ONE))

struct audit_field {
    const char *name;
    enum audit_kind kind;
    uint32_t min; /* of a text: bytes; of a number: value */
    uint32_t max;
    size_t offset; /* in struct audit_entry */
    const char *help;
};
extern const struct audit_field audit_fields[AUDIT_FIELD_COUNT];

static inline const void *audit_member(const struct audit_entry *e, const struct audit_field *f)
{
    return (const char *)e + f->offset;
}
/* Of a text; never NULL. */
const char *audit_member_text(const struct audit_entry *e, const struct audit_field *f);

/* Is all but seq and the hashes acceptable? FIELD (may be NULL) is told which is not. */
GW_MUSTCHECK
enum gw_err audit_entry_check(const struct audit_entry *e, const char **field);

/* Appends the fields as they are hashed, without domain and prev_hash. */
void audit_entry_encode(const struct audit_entry *e, struct buf *out);
/* Hash of E behind e->prev_hash. SCRATCH is reused memory. */
void audit_entry_hash(const struct audit_entry *e, struct buf *scratch,
                      uint8_t out[AUDIT_HASH_BYTES]);
/* Sets seq, prev_hash and hash: E is the entry behind the head (SEQ, HASH). */
void audit_entry_seal(struct audit_entry *e, uint64_t seq, const uint8_t hash[AUDIT_HASH_BYTES],
                      struct buf *scratch);

/* A copy with all its texts in one block: free() it. */
struct audit_entry *audit_entry_copy(const struct audit_entry *e);

/* One line of an export, without its line end: an object with all fields in the order of the table,
 * then prev_hash and hash. before, after and approvals are strings that hold JSON: their bytes are
 * hashed as they are. */
void audit_entry_json(const struct audit_entry *e, struct buf *out);
/* The same for people and REST: before, after and approvals as JSON themselves (null: none), "time"
 * in RFC 3339. Not for verification. */
void audit_entry_view(const struct audit_entry *e, struct buf *out);
/* Reads one line of an export, strictly: what audit_entry_json() writes, byte by byte, and nothing
 * else. The entry borrows from ARENA, which is emptied first. FIELD: at what it failed. */
GW_MUSTCHECK
enum gw_err audit_entry_parse(const char *line, size_t len, struct buf *arena,
                              struct audit_entry *out, const char **field);

/* --- texts ------------------------------------------------------------------------------------ */

/* Well-formed UTF-8 without NUL. */
bool audit_text_valid(const char *s, size_t len);
/* Appends what came from outside, and a NUL: what is not UTF-8 becomes U+FFFD, what is beyond MAX
 * bytes is cut. Returns where it starts in OUT. */
size_t audit_text_clean(struct buf *out, const char *s, size_t len, size_t max);
/* Appends the JSON text BODY with the values of members that hold secrets (password, token, ...)
 * replaced by "[redacted]", all else byte by byte. What is not strict JSON becomes
 * {"unreadable_bytes":N}. */
void audit_redact(const char *body, size_t len, struct buf *out);
/* Does a member of this name hold a secret? */
bool audit_is_secret(const char *name, size_t len);

void audit_hex(const uint8_t *bytes, size_t count, struct buf *out);
/* Strict: lower case, exactly COUNT bytes. */
GW_MUSTCHECK
bool audit_unhex(const char *text, size_t len, uint8_t *out, size_t count);
#endif
