/* tests/unit/auth/signer.h - a client that signs, written from the RFC and not from auth/.
 * Why: the base is put together a second time here, so that one misreading cannot hide in both.
 * Owner: the test. */
#ifndef TESTS_UNIT_AUTH_SIGNER_H
#define TESTS_UNIT_AUTH_SIGNER_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "auth/signature.h"

#define NOW 1790000000

enum part_id { METHOD, AUTHORITY, TARGET, TYPE, DIGEST, INPUT, VALUE, BODY, PARTS };
struct part {
    char s[1024];
    size_t len;
};
struct request {
    struct part part[PARTS]; /* a header of length 0 is not there */
    struct auth_field fields[PARTS];
    struct signature_message m;
};

static const struct signature_clock clock_now = {NOW, SIGNATURE_WINDOW_S, SIGNATURE_WINDOW_S};

/* RFC 8032 7.1, test 2: a secret key and its public key */
static const uint8_t ed_secret[32] = {
    0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f,
    0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb};
static const uint8_t ed_public[32] = {
    0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
    0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c};
static const uint8_t hmac_secret[32] = "0123456789abcdef0123456789abcde";

static const struct signature_key keys[SIGNATURE_ALG_COUNT] = {
    [SIGNATURE_ED25519] = {SIGNATURE_ED25519, ed_public, sizeof ed_public},
    [SIGNATURE_HMAC_SHA256] = {SIGNATURE_HMAC_SHA256, hmac_secret, sizeof hmac_secret},
};

static inline void part_set(struct request *r, enum part_id id, const char *text)
{
    assert_true(strlen(text) < sizeof r->part[id].s);
    (void)strcpy(r->part[id].s, text);
    r->part[id].len = strlen(text);
}

/* The message of what the parts hold now. */
static inline const struct signature_message *message(struct request *r)
{
    static const char *const names[PARTS] = {[TYPE] = "Content-Type",
                                             [DIGEST] = "Content-Digest",
                                             [INPUT] = "Signature-Input",
                                             [VALUE] = "Signature"};

    r->m = (struct signature_message){
        .method = {r->part[METHOD].s, r->part[METHOD].len},
        .authority = {r->part[AUTHORITY].s, r->part[AUTHORITY].len},
        .target = {r->part[TARGET].s, r->part[TARGET].len},
        .fields = r->fields,
        .body = {r->part[BODY].s, r->part[BODY].len},
    };
    for (unsigned i = 0; i < PARTS; i++) {
        if (names[i] != NULL && r->part[i].len != 0) {
            r->fields[r->m.field_count++] =
                (struct auth_field){{names[i], strlen(names[i])}, {r->part[i].s, r->part[i].len}};
        }
    }
    return &r->m;
}

static inline size_t sign_bytes(enum signature_alg alg, const char *base, uint8_t out[64])
{
    EVP_PKEY *pkey;
    EVP_MD_CTX *ctx;
    size_t len = 64;

    if (alg == SIGNATURE_HMAC_SHA256) {
        assert_non_null(HMAC(EVP_sha256(), hmac_secret, sizeof hmac_secret, (const uint8_t *)base,
                             strlen(base), out, NULL));
        return 32;
    }
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, ed_secret, sizeof ed_secret);
    ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &len, (const uint8_t *)base, strlen(base)), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return len;
}

static inline void set_value(struct request *r, enum signature_alg alg, const char *base)
{
    uint8_t mac[64];
    char text[128];
    char field[160];
    size_t len = sign_bytes(alg, base, mac);

    (void)EVP_EncodeBlock((unsigned char *)text, mac, (int)len);
    (void)snprintf(field, sizeof field, "sig1=:%s:", text);
    part_set(r, VALUE, field);
}

#define COVER "(\"@method\" \"@authority\" \"@path\" \"@query\")"
#define COVER_BODY                                                                                 \
    "(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" \"content-digest\")"
#define PARAMS                                                                                     \
    ";created=1790000000;expires=1790000060;nonce=\"AAECAwQFBgcICQoLDA0ODw==\";keyid=\"ops-1\""    \
    ";tag=\"gw-admin-v1\""

/* Signs what the parts hold; LIST is what Signature-Input says. The authority is in lower case and
 * without a port, and the target has a query or is cut at its end. */
static inline void sign_list(struct request *r, enum signature_alg alg, const char *list)
{
    const char *query = strchr(r->part[TARGET].s, '?');
    char base[4096];
    char input[1024];
    int path = query != NULL ? (int)(query - r->part[TARGET].s) : (int)r->part[TARGET].len;
    int n = snprintf(base, sizeof base,
                     "\"@method\": %s\n\"@authority\": %s\n\"@path\": %.*s\n\"@query\": %s\n",
                     r->part[METHOD].s, r->part[AUTHORITY].s, path, r->part[TARGET].s,
                     query != NULL ? query : "?");

    if (r->part[BODY].len != 0) {
        n += snprintf(base + n, sizeof base - (size_t)n,
                      "\"content-type\": %s\n\"content-digest\": %s\n", r->part[TYPE].s,
                      r->part[DIGEST].s);
    }
    (void)snprintf(base + n, sizeof base - (size_t)n, "\"@signature-params\": %s", list);
    (void)snprintf(input, sizeof input, "sig1=%s", list);
    part_set(r, INPUT, input);
    set_value(r, alg, base);
}

static inline void set_body(struct request *r, const char *body)
{
    uint8_t hash[32];
    char text[64];
    char field[96];

    part_set(r, BODY, body);
    part_set(r, TYPE, "application/json");
    assert_int_equal(EVP_Digest(body, strlen(body), hash, NULL, EVP_sha256(), NULL), 1);
    (void)EVP_EncodeBlock((unsigned char *)text, hash, sizeof hash);
    (void)snprintf(field, sizeof field, "sha-256=:%s:", text);
    part_set(r, DIGEST, field);
}

static inline void make_get(struct request *r, enum signature_alg alg)
{
    memset(r, 0, sizeof *r);
    part_set(r, METHOD, "GET");
    part_set(r, AUTHORITY, "gw.example");
    part_set(r, TARGET, "/v1/markets/BTC%2FUSD?limit=10&after=7");
    sign_list(r, alg, COVER PARAMS);
}

static inline void make_post(struct request *r, enum signature_alg alg)
{
    memset(r, 0, sizeof *r);
    part_set(r, METHOD, "POST");
    part_set(r, AUTHORITY, "gw.example");
    part_set(r, TARGET, "/v1/markets/BTC%2FUSD/halt");
    set_body(r, "{\"reason\":\"feed gap\",\"scope\":[\"trading\"]}");
    sign_list(r, alg, COVER_BODY PARAMS);
}

/* Both steps, as a caller does them. */
static inline enum auth_fault judge(struct request *r, const struct signature_key *key,
                                    struct signature *sig)
{
    const struct signature_message *m = message(r);
    enum auth_fault fault = signature_parse(m, &clock_now, sig);

    return fault == AUTH_OK ? signature_verify(sig, m, key) : fault;
}
#endif
