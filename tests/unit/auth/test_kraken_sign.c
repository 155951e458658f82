#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "auth/base64.h"
#include "auth/kraken_sign.h"

#define PATH "/0/private/AddOrder"
#define BODY "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
#define SIGN                                                                                       \
    "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="

static uint8_t secret_bytes[KRAKEN_SECRET_MAX];
static struct auth_text secret;

static int decode_secret(void **state)
{
    static const char text[] =
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";

    (void)state;
    secret.s = (const char *)secret_bytes;
    return base64_decode(text, sizeof text - 1, secret_bytes, sizeof secret_bytes, &secret.len)
               ? 0
               : -1;
}

/* The worked example of Kraken's documentation. */
static void documented_example(void **state)
{
    struct kraken_nonce nonce;

    (void)state;
    assert_int_equal(
        kraken_verify(secret, AUTH_TEXT(PATH), AUTH_TEXT(BODY), AUTH_TEXT(SIGN), &nonce), AUTH_OK);
    assert_int_equal(nonce.value, 1616492376594);
    assert_true(auth_text_is(nonce.text, "1616492376594"));
}

static void altered(void **state)
{
    const struct auth_text path = AUTH_TEXT(PATH);
    const struct auth_text body = AUTH_TEXT(BODY);
    const struct auth_text sign = AUTH_TEXT(SIGN);
    static char long_path[KRAKEN_PATH_MAX + 1];
    static char long_body[KRAKEN_BODY_MAX + 1];
    char other[sizeof secret_bytes];
    struct kraken_nonce n;

    (void)state;
    assert_int_equal(kraken_verify(secret, AUTH_TEXT("/0/private/CancelAll"), body, sign, &n),
                     AUTH_BAD_SIGNATURE);
    assert_int_equal(kraken_verify(secret, path,
                                   AUTH_TEXT("nonce=1616492376594&ordertype=limit&pair=XBTUSD&"
                                             "price=37500&type=buy&volume=9.25"),
                                   sign, &n),
                     AUTH_BAD_SIGNATURE);
    memcpy(other, secret_bytes, sizeof other);
    other[63] ^= 1;
    assert_int_equal(kraken_verify((struct auth_text){other, secret.len}, path, body, sign, &n),
                     AUTH_BAD_SIGNATURE);
    for (size_t i = 0; i < sign.len - 2; i++) {
        char sent[sizeof SIGN];

        memcpy(sent, SIGN, sizeof SIGN);
        sent[i] = sent[i] == 'A' ? 'Q' : 'A';
        assert_int_equal(
            kraken_verify(secret, path, body, (struct auth_text){sent, sizeof sent - 1}, &n),
            AUTH_BAD_SIGNATURE);
    }
    assert_int_equal(kraken_verify((struct auth_text){0}, path, body, sign, &n), AUTH_UNKNOWN_KEY);
    assert_int_equal(kraken_verify((struct auth_text){"", 0}, path, body, sign, &n),
                     AUTH_KEY_UNUSABLE);
    assert_int_equal(kraken_verify(secret, path, body, AUTH_TEXT(""), &n), AUTH_SIGNATURE_FORM);
    assert_int_equal(kraken_verify(secret, path, body, AUTH_TEXT("4/dpxb3i"), &n),
                     AUTH_SIGNATURE_FORM);
    assert_int_equal(kraken_verify(secret, path, body, AUTH_TEXT(SIGN " "), &n),
                     AUTH_SIGNATURE_FORM);
    assert_int_equal(kraken_verify(secret, path, body, AUTH_TEXT(SIGN SIGN), &n),
                     AUTH_SIGNATURE_FORM);
    memset(long_path, 'a', sizeof long_path);
    assert_int_equal(
        kraken_verify(secret, (struct auth_text){long_path, sizeof long_path}, body, sign, &n),
        AUTH_TOO_LONG);
    assert_int_equal(kraken_verify(secret, (struct auth_text){0}, body, sign, &n), AUTH_TOO_LONG);
    assert_int_equal(
        kraken_verify(secret, path, (struct auth_text){long_body, sizeof long_body}, sign, &n),
        AUTH_TOO_LONG);
}

static void nonces(void **state)
{
    static const struct {
        const char *body;
        enum auth_fault want;
        uint64_t value;
    } cases[] = {
        {"nonce=1", AUTH_OK, 1},
        {"a=b&nonce=18446744073709551615", AUTH_OK, UINT64_MAX},
        {"&&nonce=7&", AUTH_OK, 7},
        {"nonces=1&nonce=2&nonc=3&nonce[]=4&Nonce=5", AUTH_OK, 2},
        {"", AUTH_PARAM_MISSING, 0},
        {"a=1&b", AUTH_PARAM_MISSING, 0},
        {"nonce", AUTH_NONCE, 0},
        {"nonce=", AUTH_NONCE, 0},
        {"nonce=0", AUTH_NONCE, 0},
        {"nonce=007", AUTH_NONCE, 0},
        {"nonce=+7", AUTH_NONCE, 0},
        {"nonce=-7", AUTH_NONCE, 0},
        {"nonce=7.0", AUTH_NONCE, 0},
        {"nonce=%37", AUTH_NONCE, 0},
        {"nonce=7 ", AUTH_NONCE, 0},
        {"nonce==7", AUTH_NONCE, 0},
        {"nonce=18446744073709551616", AUTH_NONCE, 0},
        {"nonce=99999999999999999999999", AUTH_NONCE, 0},
        {"%6eonce=7", AUTH_NONCE, 0},
        {"nonce=7&nonce=7", AUTH_DUPLICATE, 0},
        {"nonce=7&a=1&nonce=8", AUTH_DUPLICATE, 0},
        {"nonce=7&%6Eonce=8", AUTH_DUPLICATE, 0},
        {"nonce=7&%6e%6f%6e%63%65=8", AUTH_DUPLICATE, 0},
        {"nonce=7&nonce", AUTH_DUPLICATE, 0},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        struct kraken_nonce n;
        enum auth_fault got =
            kraken_nonce((struct auth_text){cases[i].body, strlen(cases[i].body)}, &n);

        if (got != cases[i].want || (got == AUTH_OK && n.value != cases[i].value)) {
            fail_msg("%s: %s", cases[i].body, auth_fault_row(got)->word);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documented_example),
        cmocka_unit_test(altered),
        cmocka_unit_test(nonces),
    };

    return cmocka_run_group_tests(tests, decode_secret, NULL);
}
