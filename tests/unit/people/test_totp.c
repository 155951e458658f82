/* links: gw_auth_people */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "auth/people/totp.h"

#define SECRET "12345678901234567890"
#define S      1000000000LL

static const struct envelope_master masters[] = {
    {.version = 1, .key = "the first master key, 32 bytes.."},
    {.version = 2, .key = "the other master key, 32 bytes.."},
};

/* RFC 6238 appendix B, SHA-1, eight digits. */
static void vectors_of_rfc_6238(void **state)
{
    static const struct {
        int64_t time;
        uint32_t code;
    } vectors[] = {
        {59, 94287082},         {1111111109, 7081804},  {1111111111, 14050471},
        {1234567890, 89005924}, {2000000000, 69279037}, {20000000000, 65353130},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(vectors); i++) {
        uint64_t step = (uint64_t)vectors[i].time / 30;
        char six[16];
        int64_t found = 0;

        assert_int_equal(totp_code((const uint8_t *)SECRET, 20, step, 8), vectors[i].code);
        (void)snprintf(six, sizeof six, "%06u", vectors[i].code % 1000000);
        if (vectors[i].time < 9000000000) { /* what fits in nanoseconds */
            assert_true(
                totp_verify((const uint8_t *)SECRET, 20, six, vectors[i].time * S, -1, &found));
            assert_int_equal(found, step);
        }
    }
}

/* RFC 4226 appendix D: steps 0 to 9, six digits. */
static void vectors_of_rfc_4226(void **state)
{
    static const uint32_t codes[] = {755224, 287082, 359152, 969429, 338314,
                                     254676, 287922, 162583, 399871, 520489};

    (void)state;
    for (unsigned i = 0; i < GW_LEN(codes); i++) {
        assert_int_equal(totp_code((const uint8_t *)SECRET, 20, i, 6), codes[i]);
    }
}

static void one_step_on_each_side_and_only_once(void **state)
{
    const uint8_t *secret = (const uint8_t *)SECRET;
    int64_t step = 1000000;
    char code[16];
    int64_t found = 0;

    (void)state;
    (void)snprintf(code, sizeof code, "%06u", totp_code(secret, 20, (uint64_t)step, 6));
    for (int64_t at = -75; at <= 105; at += 5) { /* seconds after the step began */
        bool good = totp_verify(secret, 20, code, (step * 30 + at) * S, -1, &found);

        assert_int_equal(good, at >= -30 && at < 60);
    }
    assert_true(totp_verify(secret, 20, code, step * 30 * S, step - 1, &found));
    assert_int_equal(found, step);
    assert_false(totp_verify(secret, 20, code, step * 30 * S, step, &found));
    assert_false(totp_verify(secret, 20, code, step * 30 * S, step + 5, &found));
    assert_false(totp_verify(secret, 20, "12345", step * 30 * S, -1, &found));
    assert_false(totp_verify(secret, 20, "1234567", step * 30 * S, -1, &found));
    assert_false(totp_verify(secret, 20, "12345a", step * 30 * S, -1, &found));
    assert_false(totp_verify(secret, 20, "", step * 30 * S, -1, &found));
}

static void secrets_are_sealed_for_one_user(void **state)
{
    struct totp_secret s;
    uint8_t opened[ENVELOPE_SECRET_MAX];
    size_t len = 0;
    struct buf uri = {0};

    (void)state;
    assert_int_equal(totp_make("ana", NULL, &s), GW_ECONFIG);
    assert_int_equal(totp_make("ana", &masters[1], &s), GW_OK);
    assert_int_equal(strlen(s.text), 32);
    assert_int_equal(strspn(s.text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 32);
    assert_null(memmem(s.sealed, s.sealed_len, s.bytes, sizeof s.bytes));
    assert_int_equal(totp_open("ana", masters, 2, s.sealed, s.sealed_len, opened, &len), GW_OK);
    assert_int_equal(len, 20);
    assert_memory_equal(opened, s.bytes, 20);
    assert_int_equal(totp_open("bob", masters, 2, s.sealed, s.sealed_len, opened, &len),
                     GW_ECONFIG);
    assert_int_equal(totp_open("ana", masters, 1, s.sealed, s.sealed_len, opened, &len),
                     GW_ENOTFOUND);
    assert_int_equal(totp_open("ana", masters, 2, "x", 1, opened, &len), GW_EINVAL);
    totp_uri(&uri, "Port cullis", "ana", "ABCD");
    assert_string_equal(buf_cstr(&uri), "otpauth://totp/Port%20cullis:ana?secret=ABCD&issuer=Port%"
                                        "20cullis&algorithm=SHA1&digits=6&period=30");
    buf_fini(&uri);
}

/* RFC 4648 section 10, through a secret's text. */
static void base32_decodes_to_the_secret(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    struct totp_secret s;
    uint8_t back[20];
    uint64_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    (void)state;
    assert_int_equal(totp_make("ana", &masters[0], &s), GW_OK);
    for (const char *c = s.text; *c != '\0'; c++) {
        bits = bits << 5 | (uint64_t)(strchr(alphabet, *c) - alphabet);
        have += 5;
        if (have >= 8) {
            have -= 8;
            back[n++] = (uint8_t)(bits >> have);
        }
    }
    assert_int_equal(n, 20);
    assert_memory_equal(back, s.bytes, 20);
}

static void recovery_codes(void **state)
{
    char code[RECOVERY_CODE_SIZE];
    char other[RECOVERY_CODE_SIZE];
    char loud[64];
    uint8_t one[RECOVERY_HASH_SIZE];
    uint8_t two[RECOVERY_HASH_SIZE];

    (void)state;
    assert_int_equal(recovery_make(code), GW_OK);
    assert_int_equal(recovery_make(other), GW_OK);
    assert_int_equal(strlen(code), 19);
    assert_string_not_equal(code, other);
    assert_true(recovery_hash("ana", code, one));
    (void)snprintf(loud, sizeof loud, " %s ", code);
    for (char *c = loud; *c != '\0'; c++) {
        *c = *c == '-' ? ' ' : (char)toupper(*c);
    }
    assert_true(recovery_hash("ana", loud, two));
    assert_memory_equal(one, two, sizeof one);
    assert_true(recovery_hash("bob", code, two));
    assert_memory_not_equal(one, two, sizeof one);
    assert_false(recovery_hash("ana", "", one));
    assert_false(recovery_hash("ana", "123456", one));
    assert_false(recovery_hash("ana", "abcd-abcd-abcd-abc", one));
    assert_false(recovery_hash("ana", "abcd-abcd-abcd-abcd-a", one));
    assert_false(recovery_hash("ana", "abcd-abcd-abcd-abc1", one));
    assert_false(totp_looks_like(code));
}

static void tokens_and_csrf(void **state)
{
    char token[SESSION_TOKEN_SIZE];
    char other[SESSION_TOKEN_SIZE];
    char csrf[SESSION_TOKEN_SIZE];
    uint8_t hash[SESSION_HASH_SIZE];

    (void)state;
    assert_int_equal(session_token_make(token), GW_OK);
    assert_int_equal(session_token_make(other), GW_OK);
    assert_string_not_equal(token, other);
    assert_int_equal(strlen(token), 43);
    assert_true(session_token_hash(token, 43, hash));
    assert_false(session_token_hash(token, 42, hash));
    assert_false(session_token_hash("", 0, hash));
    assert_true(session_csrf(token, 43, csrf));
    assert_string_not_equal(csrf, token);
    assert_true(session_csrf_matches(token, 43, csrf, 43));
    assert_false(session_csrf_matches(other, 43, csrf, 43));
    assert_false(session_csrf_matches(token, 43, csrf, 42));
    assert_false(session_csrf_matches(token, 43, "", 0));
    csrf[7] = csrf[7] == 'a' ? 'b' : 'a';
    assert_false(session_csrf_matches(token, 43, csrf, 43));
    token[3] = '+'; /* the other alphabet */
    assert_false(session_token_hash(token, 43, hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_6238),
        cmocka_unit_test(vectors_of_rfc_4226),
        cmocka_unit_test(one_step_on_each_side_and_only_once),
        cmocka_unit_test(secrets_are_sealed_for_one_user),
        cmocka_unit_test(base32_decodes_to_the_secret),
        cmocka_unit_test(recovery_codes),
        cmocka_unit_test(tokens_and_csrf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
