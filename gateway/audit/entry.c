#include "gateway/audit/entry.h"

#include <string.h>
#include <openssl/evp.h>
#include "gateway/audit/ulid.h"
#include "gateway/runtime/json.h"

#define DOMAIN    "portcullis-audit-v1"
#define JSON_DEEP 32u

#define AS_ROW(m, kind, min, max, help)                                                            \
    {#m, AUDIT_##kind, min, max, offsetof(struct audit_entry, m), help},
const struct audit_field audit_fields[AUDIT_FIELD_COUNT] = {AUDIT_FIELDS(AS_ROW)};

const char *audit_member_text(const struct audit_entry *e, const struct audit_field *f)
{
    const char *s = *(const char *const *)audit_member(e, f);

    return s != NULL ? s : "";
}

/* --- check ------------------------------------------------------------------------------------ */

static bool all_of(const char *s, size_t len, const char *alphabet)
{
    return strspn(s, alphabet) == len;
}

static bool is_json(const char *s, size_t len)
{
    json_t *root = len != 0 ? json_parse_strict(s, len, JSON_DEEP) : NULL;
    bool ok = len == 0 || root != NULL;

    json_decref(root);
    return ok;
}

static bool form_ok(const struct audit_field *f, const char *s, size_t len)
{
    switch (f->kind) {
    case AUDIT_WORD:
        return all_of(s, len, "abcdefghijklmnopqrstuvwxyz0123456789_.-");
    case AUDIT_ULID:
        return len == 0 || ulid_valid(s, len);
    case AUDIT_HEX:
        return len == 0 || (len == f->max && all_of(s, len, "0123456789abcdef"));
    case AUDIT_JSON:
    case AUDIT_TEXT:
        return audit_text_valid(s, len);
    case AUDIT_NUMBER:
    case AUDIT_TIME:
    case AUDIT_SHA256:
        break;
    }
    GW_UNREACHABLE("no text");
}

enum gw_err audit_entry_check(const struct audit_entry *e, const char **field)
{
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];
        enum gw_err err = GW_OK;

        if (f->kind == AUDIT_TIME) {
            int64_t v = *(const int64_t *)audit_member(e, f);

            err = v < (int64_t)f->min ? GW_ERANGE : GW_OK;
        } else if (f->kind != AUDIT_NUMBER && f->kind != AUDIT_SHA256) {
            const char *s = audit_member_text(e, f);
            size_t len = strlen(s);

            err = len < f->min || len > f->max ? GW_ERANGE
                  : !form_ok(f, s, len)        ? GW_EINVAL
                                               : GW_OK;
            if (err == GW_OK && f->kind == AUDIT_JSON && !is_json(s, len)) {
                err = GW_EINVAL;
            }
        }
        if (err != GW_OK) {
            if (field != NULL) {
                *field = f->name;
            }
            return err;
        }
    }
    return GW_OK;
}

/* --- hash ------------------------------------------------------------------------------------- */

static void put_be(struct buf *out, uint64_t v, unsigned bytes)
{
    char *at = buf_room(out, bytes);

    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (char)(uint8_t)(v >> (8 * (bytes - 1 - i)));
    }
    out->len += bytes;
}

static void put_bytes(struct buf *out, const void *data, size_t len)
{
    put_be(out, len, 4);
    buf_append(out, data, len);
}

void audit_entry_encode(const struct audit_entry *e, struct buf *out)
{
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];
        const void *m = audit_member(e, f);

        if (f->kind == AUDIT_NUMBER || f->kind == AUDIT_TIME) {
            put_be(out, 8, 4);
            put_be(out,
                   f->kind == AUDIT_NUMBER ? *(const uint64_t *)m : (uint64_t) * (const int64_t *)m,
                   8);
        } else if (f->kind == AUDIT_SHA256) {
            const uint8_t *hash = *(const uint8_t *const *)m;

            put_bytes(out, hash, hash != NULL ? AUDIT_HASH_BYTES : 0);
        } else {
            const char *s = audit_member_text(e, f);

            put_bytes(out, s, strlen(s));
        }
    }
}

void audit_entry_hash(const struct audit_entry *e, struct buf *scratch,
                      uint8_t out[AUDIT_HASH_BYTES])
{
    buf_reset(scratch);
    buf_lit(scratch, DOMAIN);
    buf_append(scratch, e->prev_hash, AUDIT_HASH_BYTES);
    audit_entry_encode(e, scratch);
    GW_ASSERT(EVP_Digest(scratch->data, scratch->len, out, NULL, EVP_sha256(), NULL) == 1);
}

void audit_entry_seal(struct audit_entry *e, uint64_t seq, const uint8_t hash[AUDIT_HASH_BYTES],
                      struct buf *scratch)
{
    e->seq = seq + 1;
    memcpy(e->prev_hash, hash, AUDIT_HASH_BYTES);
    audit_entry_hash(e, scratch, e->hash);
}

/* --- copy ------------------------------------------------------------------------------------- */

static size_t bytes_of(const struct audit_entry *e, const struct audit_field *f)
{
    switch (f->kind) {
    case AUDIT_NUMBER:
    case AUDIT_TIME:
        return 0;
    case AUDIT_SHA256:
        return AUDIT_HASH_BYTES;
    default:
        return strlen(audit_member_text(e, f)) + 1;
    }
}

struct audit_entry *audit_entry_copy(const struct audit_entry *e)
{
    size_t bytes = sizeof *e;
    struct audit_entry *copy;
    char *at;

    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        bytes += bytes_of(e, &audit_fields[i]);
    }
    copy = gw_malloc(bytes);
    *copy = *e;
    at = (char *)(copy + 1);
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];
        size_t n = bytes_of(e, f);
        void *member = (char *)copy + f->offset;

        if (f->kind == AUDIT_SHA256 && *(const uint8_t **)member != NULL) {
            memcpy(at, *(const uint8_t **)member, n);
            *(const uint8_t **)member = (const uint8_t *)at;
        } else if (f->kind != AUDIT_SHA256 && n > 0) {
            memcpy(at, audit_member_text(e, f), n);
            *(const char **)member = at;
        }
        at += n;
    }
    return copy;
}
