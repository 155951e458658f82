/* The vectors of the RFCs, through the parts: their cover is not our profile's. */
#include "tests/unit/auth/signer.h"

#include "auth/base64.h"

/* RFC 9421 appendix B.2, test-request */
static const struct auth_field fields[] = {
    {AUTH_TEXT("Host"), AUTH_TEXT("example.com")},
    {AUTH_TEXT("Date"), AUTH_TEXT("Tue, 20 Apr 2021 02:07:55 GMT")},
    {AUTH_TEXT("Content-Type"), AUTH_TEXT("application/json")},
    {AUTH_TEXT("Content-Digest"),
     AUTH_TEXT("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvR"
               "wEmTHWXvJwew==:")},
    {AUTH_TEXT("Content-Length"), AUTH_TEXT("18")},
};
static const struct signature_message test_request = {
    .method = AUTH_TEXT("POST"),
    .authority = AUTH_TEXT("example.com"),
    .target = AUTH_TEXT("/foo?param=Value&Pet=dog"),
    .fields = fields,
    .field_count = GW_LEN(fields),
    .body = AUTH_TEXT("{\"hello\": \"world\"}"),
};

static void rfc9421_vector(const struct signature_key *key, struct auth_text input,
                           struct auth_text value, const char *want)
{
    struct sfv_dict d;
    char text[1024];
    char why[SIGNATURE_WHY_MAX];
    struct auth_out out = {.s = text, .cap = sizeof text};
    uint8_t bytes[64];
    size_t len = 0;

    assert_int_equal(sfv_parse(input, &d), SFV_OK);
    assert_int_equal(signature_base(&test_request, &d, &d.members[0], &out, why), AUTH_OK);
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(text, want, out.len);
    assert_int_equal(sfv_parse(value, &d), SFV_OK);
    assert_true(sfv_bytes(&d.members[0].value, bytes, sizeof bytes, &len));
    assert_true(signature_check(key, (struct auth_text){text, out.len}, bytes, len));
    assert_false(signature_check(key, (struct auth_text){text, out.len - 1}, bytes, len));
    assert_false(signature_check(key, (struct auth_text){text, out.len}, bytes, len - 1));
    for (size_t i = 0; i < len * 8; i += 3) {
        bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_false(signature_check(key, (struct auth_text){text, out.len}, bytes, len));
        bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
}

static void rfc9421_b25(void **state)
{
    static const char secret[] =
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    uint8_t bytes[64];
    struct signature_key key = {SIGNATURE_HMAC_SHA256, bytes, 0};

    (void)state;
    assert_true(base64_decode(secret, sizeof secret - 1, bytes, sizeof bytes, &key.len));
    rfc9421_vector(&key,
                   AUTH_TEXT("sig-b25=(\"date\" \"@authority\" \"content-type\")"
                             ";created=1618884473;keyid=\"test-shared-secret\""),
                   AUTH_TEXT("sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"),
                   "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
                   "\"@authority\": example.com\n"
                   "\"content-type\": application/json\n"
                   "\"@signature-params\": (\"date\" \"@authority\" \"content-type\")"
                   ";created=1618884473;keyid=\"test-shared-secret\"");
}

static void rfc9421_b26(void **state)
{
    /* the last 32 bytes of the SubjectPublicKeyInfo of B.1.4 */
    static const char spki[] = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
    uint8_t der[44];
    size_t len = 0;
    const struct signature_key key = {SIGNATURE_ED25519, der + 12, 32};

    (void)state;
    assert_true(base64_decode(spki, sizeof spki - 1, der, sizeof der, &len));
    assert_int_equal(len, sizeof der);
    rfc9421_vector(&key,
                   AUTH_TEXT("sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" "
                             "\"content-type\" \"content-length\");created=1618884473"
                             ";keyid=\"test-key-ed25519\""),
                   AUTH_TEXT("sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDg"
                             "wUPiu4A0w6vuQv5lIp5WPpBKRCw==:"),
                   "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
                   "\"@method\": POST\n"
                   "\"@path\": /foo\n"
                   "\"@authority\": example.com\n"
                   "\"content-type\": application/json\n"
                   "\"content-length\": 18\n"
                   "\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" "
                   "\"content-type\" \"content-length\");created=1618884473"
                   ";keyid=\"test-key-ed25519\"");
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        unsigned v;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
    return n;
}

/* RFC 8032 7.1, tests 1 to 3 */
static void rfc8032(void **state)
{
    static const char *const cases[][3] = {
        {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
         "0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
         "84dc6594a7c15e9716ed28dc027beceea1ec40a"},
    };
    /* S of test 2 plus the order of the group: the same signature for a careless verifier */
    static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        uint8_t pub[32];
        uint8_t text[4];
        uint8_t value[64];
        uint8_t add[32];
        unsigned carry = 0;
        const struct signature_key key = {SIGNATURE_ED25519, pub, from_hex(cases[i][0], pub)};
        struct auth_text base = {(const char *)text, from_hex(cases[i][1], text)};

        assert_int_equal(from_hex(cases[i][2], value), 64);
        assert_true(signature_check(&key, base, value, 64));
        assert_int_equal(from_hex(order, add), 32);
        for (size_t k = 0; k < 32; k++) {
            carry += (unsigned)value[32 + k] + add[k];
            value[32 + k] = (uint8_t)carry;
            carry >>= 8;
        }
        assert_false(signature_check(&key, base, value, 64));
    }
}

/* RFC 4231, cases 1 to 3 */
static void rfc4231(void **state)
{
    static const char *const cases[][3] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
         "d"
         "dddddddddd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        uint8_t secret[32];
        uint8_t text[64];
        uint8_t mac[32];
        const struct signature_key key = {SIGNATURE_HMAC_SHA256, secret,
                                          from_hex(cases[i][0], secret)};
        struct auth_text base = {(const char *)text, from_hex(cases[i][1], text)};

        assert_int_equal(from_hex(cases[i][2], mac), 32);
        assert_true(signature_check(&key, base, mac, sizeof mac));
        mac[31] ^= 0x80;
        assert_false(signature_check(&key, base, mac, sizeof mac));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc9421_b25),
        cmocka_unit_test(rfc9421_b26),
        cmocka_unit_test(rfc8032),
        cmocka_unit_test(rfc4231),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
