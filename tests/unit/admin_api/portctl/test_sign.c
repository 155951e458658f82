/* Every request that portctl signs passes the gateway's own verifier, and no other request does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include "admin_api/portctl/sign.h"

#define ROUNDS 10000
#define NOW    1790000000

static uint64_t seed = 20261120;

/* xorshift64*: the same requests at every run */
static uint32_t next_random(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)(seed * 2685821657736338717u >> 32);
}

static uint32_t below(uint32_t n)
{
    return next_random() % n;
}

static size_t random_text(char *out, size_t min, size_t max, const char *alphabet)
{
    size_t len = min + below((uint32_t)(max - min + 1));

    for (size_t i = 0; i < len; i++) {
        out[i] = alphabet[below((uint32_t)strlen(alphabet))];
    }
    out[len] = '\0';
    return len;
}

struct shot {
    char method[8];
    char authority[96];
    char target[320];
    char keyid[SIGNATURE_KEYID_MAX + 1];
    char nonce[25];
    char body[320];
    size_t body_len;
    char match[16]; /* "": none */
    char once[48];
    struct sign_key key;
    uint8_t pub[SIGNATURE_ED_KEY_SIZE];
    struct sign_fields fields;
};

static struct auth_text text(const char *s)
{
    return (struct auth_text){s, strlen(s)};
}

static struct sign_request request_of(const struct shot *s)
{
    return (struct sign_request){
        text(s->method),        text(s->authority), text(s->target), AUTH_TEXT("application/json"),
        {s->body, s->body_len}, text(s->match),     text(s->once)};
}

static void make(struct shot *s)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char part[300];
    size_t n;

    memset(s, 0, sizeof *s);
    (void)strcpy(s->method, methods[below(5)]);
    (void)random_text(part, 1, 20, letters);
    n = (size_t)(below(8) == 0
                     ? snprintf(s->authority, sizeof s->authority, "[2001:DB8::%x]", below(65536))
                     : snprintf(s->authority, sizeof s->authority, "%s.Example", part));
    if (below(2) == 0) {
        (void)snprintf(s->authority + n, sizeof s->authority - n, ":%u",
                       below(3) == 0 ? 443 : 1 + below(65535));
    }
    (void)random_text(part, 0, 150, "/abcZ019-._~%&=+:@!$'()*,;\"<>[]{}|\\^`");
    n = (size_t)snprintf(s->target, sizeof s->target, "/%s", part);
    if (below(2) == 0) {
        (void)random_text(part, 0, 100, "?abcZ019-._~%&=+:@/\"<>");
        (void)snprintf(s->target + n, sizeof s->target - n, "?%s", part);
    }
    (void)random_text(s->keyid, 1, SIGNATURE_KEYID_MAX, "ABCXYZabcxyz0189._:@/+=-");
    assert_true(sign_nonce(s->nonce));
    if (below(3) == 0) {
        (void)snprintf(s->match, sizeof s->match, "\"%u\"", below(1000));
    }
    if (below(3) == 0) {
        (void)random_text(s->once, 1, 40, letters);
    }
    if (strcmp(s->method, "GET") != 0 && below(8) != 0) {
        s->body_len = 1 + below(sizeof s->body - 1);
        for (size_t i = 0; i < s->body_len; i++) {
            s->body[i] = (char)next_random();
        }
    }
    assert_true(sign_generate(&s->key, s->pub));
    if (below(2) == 0) {
        s->key.alg = SIGNATURE_HMAC_SHA256;
        s->key.len = SIGNATURE_SECRET_MIN + below(SIGNATURE_SECRET_MAX - SIGNATURE_SECRET_MIN + 1);
        for (size_t i = 0; i < s->key.len; i++) {
            s->key.bytes[i] = (uint8_t)next_random();
        }
    }
}

static size_t list_fields(const struct shot *s, struct auth_field *fields, size_t n)
{
    if (s->body_len != 0) {
        fields[n++] = (struct auth_field){AUTH_TEXT("content-type"), AUTH_TEXT("application/json")};
        fields[n++] =
            (struct auth_field){AUTH_TEXT("content-digest"), text(s->fields.content_digest)};
    }
    if (s->match[0] != '\0') {
        fields[n++] = (struct auth_field){AUTH_TEXT("If-Match"), text(s->match)};
    }
    if (s->once[0] != '\0') {
        fields[n++] = (struct auth_field){AUTH_TEXT("Idempotency-Key"), text(s->once)};
    }
    return n;
}

/* What the gateway says of the shot as it is now, signed or changed since. */
static enum auth_fault judge(const struct shot *s, int64_t now_s, char *why)
{
    static struct signature sig;
    const struct signature_clock clock = {now_s, SIGNATURE_WINDOW_S, SIGNATURE_WINDOW_S};
    struct auth_field fields[6] = {
        {AUTH_TEXT("signature-input"), text(s->fields.signature_input)},
        {AUTH_TEXT("signature"), text(s->fields.signature)},
    };
    size_t field_count = 2;
    const struct signature_message m = {.method = text(s->method),
                                        .authority = text(s->authority),
                                        .target = text(s->target),
                                        .fields = fields,
                                        .field_count = list_fields(s, fields, field_count),
                                        .body = {s->body, s->body_len}};
    bool ed = s->key.alg == SIGNATURE_ED25519;
    const struct signature_key key = {s->key.alg, ed ? s->pub : s->key.bytes,
                                      ed ? sizeof s->pub : s->key.len};
    enum auth_fault fault = signature_parse(&m, &clock, &sig);

    if (fault == AUTH_OK) {
        assert_string_equal(sig.keyid, s->keyid);
        assert_string_equal(sig.nonce, s->nonce);
        fault = signature_verify(&sig, &m, &key);
    }
    (void)strcpy(why, sig.why);
    return fault;
}

static const char *sign(struct shot *s, int64_t created_s)
{
    const struct sign_request r = request_of(s);
    const struct sign_stamp stamp = {s->keyid, s->nonce, created_s};

    return sign_request(&s->key, &r, &stamp, &s->fields);
}

/* One change to what was signed. False: there was nothing to change. */
static bool spoil(struct shot *s)
{
    switch (below(8)) {
    case 0:
        (void)strcpy(s->method, strcmp(s->method, "PUT") == 0 ? "POST" : "PUT");
        return true;
    case 1:
        s->authority[0] = s->authority[0] == '7' ? '8' : '7';
        return true;
    case 2:
        (void)strcat(s->target, "&a");
        return true;
    case 3:
        if (s->body_len != 0) {
            s->body[below((uint32_t)s->body_len)] ^= (char)(1 << below(8));
        }
        return s->body_len != 0;
    case 4: /* also one that was not there before */
        (void)strcpy(s->match, s->match[0] != '\0' ? "*" : "\"7\"");
        return true;
    case 5:
        (void)strcat(s->once, "x");
        return true;
    case 6:
        s->pub[5] ^= 4;
        s->key.bytes[below((uint32_t)s->key.len)] ^= 1;
        return true;
    default:
        (void)memcpy(strstr(s->fields.signature_input, ";nonce=\"") + 8, "AAAA", 4);
        (void)memcpy(s->nonce, "AAAA", 4);
        return true;
    }
}

static void random_requests(void **state)
{
    static struct shot s;
    char why[SIGNATURE_WHY_MAX];
    unsigned spoilt = 0;

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t skew = (int64_t)below(61) - 30;
        enum auth_fault fault;
        const char *refused;

        make(&s);
        refused = sign(&s, NOW);
        assert_null(refused);
        fault = judge(&s, NOW + skew, why);
        if (fault != AUTH_OK) {
            fail_msg("round %u: %s: %s %s %s", i, why, s.method, s.authority, s.target);
        }
        if (spoil(&s)) {
            assert_int_not_equal(judge(&s, NOW + skew, why), AUTH_OK);
            spoilt++;
        }
    }
    assert_true(spoilt > ROUNDS / 2);
}

static void unfit(void **state)
{
    static struct shot s;
    static const char *const keyids[] = {"", "a b", "a\"b", "\xc3\xa4", "a\nb"};
    static const char *const targets[] = {"", "x", "/a b", "/a#b", "/\xc3\xa4", "https://h/"};
    static const char *const hosts[] = {"", "a b", "a\nb", "a/b", "\xc3\xa4"};

    (void)state;
    make(&s);
    for (size_t i = 0; i < GW_LEN(keyids); i++) {
        (void)strcpy(s.keyid, keyids[i]);
        assert_non_null(sign(&s, NOW));
    }
    memset(s.keyid, 'k', sizeof s.keyid - 1);
    assert_null(sign(&s, NOW));
    for (size_t i = 0; i < GW_LEN(targets); i++) {
        (void)strcpy(s.target, targets[i]);
        assert_non_null(sign(&s, NOW));
    }
    (void)strcpy(s.target, "/");
    for (size_t i = 0; i < GW_LEN(hosts); i++) {
        (void)strcpy(s.authority, hosts[i]);
        assert_non_null(sign(&s, NOW));
    }
    (void)strcpy(s.authority, "h");
    (void)strcpy(s.method, "G T");
    assert_non_null(sign(&s, NOW));
    (void)strcpy(s.method, "GET");
    assert_null(sign(&s, NOW));
    s.key.alg = SIGNATURE_ED25519;
    s.key.len = 31;
    assert_non_null(sign(&s, NOW));
}

/* The text of one, so that a change of the wire is seen in a review. */
static void on_the_wire(void **state)
{
    struct shot s = {.method = "POST",
                     .authority = "GW.Example:443",
                     .target = "/v1/keys",
                     .keyid = "ops-1",
                     .nonce = "AAECAwQFBgcICQoLDA0ODw==",
                     .body = "{}",
                     .body_len = 2,
                     .key = {.alg = SIGNATURE_HMAC_SHA256, .len = 32}};

    (void)state;
    memset(s.key.bytes, 'k', 32);
    assert_null(sign(&s, NOW));
    assert_string_equal(s.fields.content_digest,
                        "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:");
    assert_string_equal(s.fields.signature_input,
                        "sig1=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" "
                        "\"content-digest\");created=1790000000;expires=1790000060"
                        ";nonce=\"AAECAwQFBgcICQoLDA0ODw==\";keyid=\"ops-1\""
                        ";tag=\"gw-admin-v1\"");
    s.body_len = 0;
    assert_null(sign(&s, NOW));
    assert_string_equal(s.fields.content_digest, "");
    assert_null(strstr(s.fields.signature_input, "content"));
}

static void nonces(void **state)
{
    char a[25];
    char b[25];

    (void)state;
    assert_true(sign_nonce(a) && sign_nonce(b));
    assert_int_equal(strlen(a), 24);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_requests),
        cmocka_unit_test(unfit),
        cmocka_unit_test(on_the_wire),
        cmocka_unit_test(nonces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
