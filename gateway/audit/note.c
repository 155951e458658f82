#include "gateway/audit/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include "gateway/base/fixed.h"

#define ED25519       0x01u
#define SIG_BYTES     64u
#define DASH          "\xe2\x80\x94 " /* U+2014 and a blank */
#define DASH_LEN      4u
#define PRIVATE_WORD  "PRIVATE+KEY+"
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

struct note_signer {
    struct note_key key;
    EVP_PKEY *pkey;
};

/* --- base64, one spelling --------------------------------------------------------------------- */

static void put_base64(struct buf *out, const uint8_t *bytes, size_t len)
{
    char *at = buf_room(out, BASE64_LEN(len) + 1);

    out->len += (size_t)EVP_EncodeBlock((unsigned char *)at, bytes, (int)len);
}

/* Exactly COUNT bytes, padded, no white space, unused bits zero. */
static bool take_base64(const char *text, size_t len, uint8_t *out, size_t count)
{
    uint8_t bytes[3 * 64];
    char again[4 * 64 + 1];
    int got;

    GW_ASSERT(count <= sizeof bytes - 3);
    if (len != BASE64_LEN(count)) {
        return false;
    }
    got = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
    if (got != (int)(len / 4 * 3)) {
        return false;
    }
    /* OpenSSL forgives blanks and spare bits: what it read must print as it was */
    if (EVP_EncodeBlock((unsigned char *)again, bytes, (int)count) != (int)len ||
        memcmp(again, text, len) != 0) {
        return false;
    }
    memcpy(out, bytes, count);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(again, sizeof again);
    return true;
}

/* Of any length: what other keys' signatures must at least be. */
static bool is_base64(const char *text, size_t len)
{
    size_t pad = len > 1 && text[len - 1] == '=' ? 1u + (text[len - 2] == '=') : 0;

    for (size_t i = 0; i + pad < len; i++) {
        char c = text[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/')) {
            return false;
        }
    }
    return len >= 8 && len % 4 == 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

bool note_name_valid(const char *name, size_t len)
{
    if (len == 0 || len > NOTE_NAME_MAX || !audit_text_valid(name, len)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        /* blanks beyond ASCII are refused with all of it: names are host names and paths */
        if (c <= 0x20 || c >= 0x7f || c == '+') {
            return false;
        }
    }
    return true;
}

static uint32_t key_id(const struct note_key *key)
{
    uint8_t hash[32];
    struct buf b = {0};

    buf_puts(&b, key->name);
    buf_lit(&b, "\n\x01");
    buf_append(&b, key->public_key, sizeof key->public_key);
    GW_ASSERT(EVP_Digest(b.data, b.len, hash, NULL, EVP_sha256(), NULL) == 1);
    buf_fini(&b);
    return (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
}

/* "NAME+IIIIIIII+BASE64" into the parts; BYTES are those behind the kind. */
static bool take_parts(const char *text, size_t len, struct note_key *key, uint8_t bytes[32])
{
    const char *plus = memchr(text, '+', len);
    uint8_t id[4];
    uint8_t all[1 + NOTE_KEY_BYTES];
    size_t name_len;
    bool ok;

    if (plus == NULL) {
        return false;
    }
    name_len = (size_t)(plus - text);
    if (!note_name_valid(text, name_len) || len - name_len < 10 || plus[9] != '+' ||
        !audit_unhex(plus + 1, 8, id, sizeof id)) {
        return false;
    }
    memcpy(key->name, text, name_len);
    key->name[name_len] = '\0';
    key->id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    ok = take_base64(plus + 10, len - name_len - 10, all, sizeof all) && all[0] == ED25519;
    if (ok) {
        memcpy(bytes, all + 1, NOTE_KEY_BYTES);
    }
    OPENSSL_cleanse(all, sizeof all);
    return ok;
}

bool note_key_parse(const char *text, size_t len, struct note_key *out)
{
    return take_parts(text, len, out, out->public_key) && key_id(out) == out->id;
}

void note_key_print(const struct note_key *key, struct buf *out)
{
    uint8_t bytes[1 + NOTE_KEY_BYTES] = {ED25519};

    memcpy(bytes + 1, key->public_key, NOTE_KEY_BYTES);
    buf_printf(out, "%s+%08x+", key->name, key->id);
    put_base64(out, bytes, sizeof bytes);
}

struct note_signer *note_signer_create(const char *name, const uint8_t seed[NOTE_KEY_BYTES])
{
    struct note_signer *s = gw_calloc(1, sizeof *s);
    size_t len = NOTE_KEY_BYTES;

    GW_ASSERT(note_name_valid(name, strlen(name)));
    (void)snprintf(s->key.name, sizeof s->key.name, "%s", name);
    s->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, NOTE_KEY_BYTES);
    GW_ASSERT(s->pkey != NULL &&
              EVP_PKEY_get_raw_public_key(s->pkey, s->key.public_key, &len) == 1 &&
              len == NOTE_KEY_BYTES);
    s->key.id = key_id(&s->key);
    return s;
}

struct note_signer *note_signer_parse(const char *text, size_t len)
{
    size_t skip = strlen(PRIVATE_WORD);
    struct note_key named;
    uint8_t seed[NOTE_KEY_BYTES];
    struct note_signer *s = NULL;

    if (len > skip && memcmp(text, PRIVATE_WORD, skip) == 0 &&
        take_parts(text + skip, len - skip, &named, seed)) {
        s = note_signer_create(named.name, seed);
        if (s->key.id != named.id) {
            note_signer_destroy(&s);
        }
    }
    OPENSSL_cleanse(seed, sizeof seed);
    return s;
}

void note_signer_destroy(struct note_signer **sp)
{
    if (*sp != NULL) {
        EVP_PKEY_free((*sp)->pkey);
        free(*sp);
        *sp = NULL;
    }
}

const struct note_key *note_signer_key(const struct note_signer *s)
{
    return &s->key;
}

/* --- notes ------------------------------------------------------------------------------------ */

void note_sign(const struct note_signer *s, const char *text, size_t len, struct buf *out)
{
    uint8_t signature[4 + SIG_BYTES] = {(uint8_t)(s->key.id >> 24), (uint8_t)(s->key.id >> 16),
                                        (uint8_t)(s->key.id >> 8), (uint8_t)s->key.id};
    size_t got = SIG_BYTES;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    GW_ASSERT(len > 0 && text[len - 1] == '\n');
    GW_ASSERT(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->pkey) == 1 &&
              EVP_DigestSign(ctx, signature + 4, &got, (const unsigned char *)text, len) == 1 &&
              got == SIG_BYTES);
    EVP_MD_CTX_free(ctx);
    buf_append(out, text, len);
    buf_printf(out, "\n" DASH "%s ", s->key.name);
    put_base64(out, signature, sizeof signature);
    buf_putc(out, '\n');
}

static bool signature_ok(const struct note_key *key, const uint8_t signature[SIG_BYTES],
                         const char *text, size_t len)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public_key,
                                                 sizeof key->public_key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = pkey != NULL && ctx != NULL &&
              EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
              EVP_DigestVerify(ctx, signature, SIG_BYTES, (const unsigned char *)text, len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return ok;
}

/* UTF-8, of the control bytes only line ends. */
static bool plain_text(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (((unsigned char)s[i] < 0x20 && s[i] != '\n') || s[i] == 0x7f) {
            return false;
        }
    }
    return audit_text_valid(s, len);
}

/* Where the last empty line stands: the signatures are behind it. 0: there is none. */
static size_t split_at(const char *note, size_t len)
{
    for (size_t i = len; i > 1; i--) {
        if (note[i - 1] == '\n' && note[i - 2] == '\n') {
            return i;
        }
    }
    return 0;
}

/* One signature line of LEN bytes, without its end: 1 it is KEY's and good, 0 another's, -1 bad. */
static int judge_line(const char *line, size_t len, const struct note_key *key, const char *text,
                      size_t text_len, const char **why)
{
    const char *name = line + DASH_LEN;
    const char *blank = len > DASH_LEN ? memchr(name, ' ', len - DASH_LEN) : NULL;
    uint8_t bytes[4 + SIG_BYTES];
    uint32_t id;
    size_t rest;

    *why = "a signature line is malformed";
    if (blank == NULL || memcmp(line, DASH, DASH_LEN) != 0 ||
        !note_name_valid(name, (size_t)(blank - name))) {
        return -1;
    }
    rest = (size_t)(line + len - blank - 1);
    if (!is_base64(blank + 1, rest)) {
        return -1;
    }
    if (strlen(key->name) != (size_t)(blank - name) ||
        memcmp(name, key->name, (size_t)(blank - name)) != 0) {
        return 0;
    }
    if (!take_base64(blank + 1, rest, bytes, sizeof bytes)) {
        /* of another length: the same name with another kind of key */
        return rest != BASE64_LEN(sizeof bytes) ? 0 : -1;
    }
    id = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    if (id != key->id) {
        return 0;
    }
    *why = "the signature does not verify";
    return signature_ok(key, bytes + 4, text, text_len) ? 1 : -1;
}

bool note_verify(const char *note, size_t len, const struct note_key *key, size_t *text_len,
                 const char **why)
{
    size_t at = len <= NOTE_BYTES_MAX ? split_at(note, len) : 0;
    unsigned lines = 0;
    bool found = false;

    *why = "not a signed note";
    /* an empty text or one without a line end cannot be signed */
    if (at < 3 || at == len || note[len - 1] != '\n' || !plain_text(note, len)) {
        return false;
    }
    *text_len = at - 1;
    while (at < len) {
        const char *end = memchr(note + at, '\n', len - at);
        int judged = judge_line(note + at, (size_t)(end - (note + at)), key, note, *text_len, why);

        if (judged < 0 || ++lines > NOTE_SIGNATURES) {
            return false;
        }
        found = found || judged > 0;
        at = (size_t)(end + 1 - note);
    }
    *why = "no signature of this key";
    return found;
}

/* --- checkpoints ------------------------------------------------------------------------------ */

void checkpoint_sign(const struct note_signer *s, const struct checkpoint_note *c, struct buf *out)
{
    struct buf text = {0};

    buf_printf(&text, "%s\n%llu\n", s->key.name, (unsigned long long)c->mark.seq);
    put_base64(&text, c->mark.hash, AUDIT_HASH_BYTES);
    buf_lit(&text, "\ntime ");
    buf_rfc3339(&text, c->time_ns, 6);
    buf_putc(&text, '\n');
    note_sign(s, text.data, text.len, out);
    buf_fini(&text);
}

/* The next line, without its end; false at the end of the text. */
static bool next_line(const char **at, const char *end, const char **line, size_t *len)
{
    const char *stop = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;

    if (stop == NULL) {
        return false;
    }
    *line = *at;
    *len = (size_t)(stop - *at);
    *at = stop + 1;
    return true;
}

static bool read_extensions(const char *at, const char *end, struct checkpoint_note *out)
{
    const char *line;
    size_t len;

    out->time_ns = 0;
    while (next_line(&at, end, &line, &len)) {
        if (len == 0) {
            return false;
        }
        if (out->time_ns == 0 && len > 5 && memcmp(line, "time ", 5) == 0 &&
            rfc3339_parse(line + 5, len - 5, &out->time_ns) != GW_OK) {
            return false;
        }
    }
    return at == end;
}

bool checkpoint_verify(const char *note, size_t len, const struct note_key *key,
                       struct checkpoint_note *out, const char **why)
{
    size_t text_len = 0;
    const char *at = note;
    const char *end;
    const char *line = NULL;
    size_t n = 0;

    if (!note_verify(note, len, key, &text_len, why)) {
        return false;
    }
    end = note + text_len;
    *why = "the origin is not the key's name";
    if (!next_line(&at, end, &line, &n) || n != strlen(key->name) ||
        memcmp(line, key->name, n) != 0) {
        return false;
    }
    *why = "the size is not a number";
    if (!next_line(&at, end, &line, &n) || n == 0 || (n > 1 && line[0] == '0') ||
        u64_parse(line, n, &out->mark.seq) != GW_OK || out->mark.seq > INT64_MAX) {
        return false;
    }
    *why = "the hash is not base64 of 32 bytes";
    if (!next_line(&at, end, &line, &n) ||
        !take_base64(line, n, out->mark.hash, AUDIT_HASH_BYTES)) {
        return false;
    }
    *why = "a further line is malformed";
    return read_extensions(at, end, out);
}
