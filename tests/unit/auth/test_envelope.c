#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "auth/envelope.h"

static const struct envelope_master master = {.version = 0x01020304, .key = "master key one"};
static const struct envelope_master next = {.version = 0x01020305, .key = "master key two"};
static const uint8_t secret[64] = "the secret of a client";

struct counter {
    uint8_t value;
    unsigned left; /* calls that succeed */
};

static bool count_bytes(void *arg, uint8_t *out, size_t len)
{
    struct counter *c = arg;

    for (size_t i = 0; i < len; i++) {
        out[i] = c->value++;
    }
    return c->left-- > 0;
}

static enum gw_err seal(uint8_t *out, size_t *len)
{
    struct counter c = {1, 3};
    const struct envelope_random random = {count_bytes, &c};

    return envelope_seal(&master, AUTH_TEXT("ops-1"), secret, sizeof secret, &random, out, len);
}

static void opens_what_was_sealed(void **state)
{
    uint8_t sealed[ENVELOPE_MAX];
    uint8_t again[ENVELOPE_MAX];
    uint8_t plain[ENVELOPE_SECRET_MAX];
    size_t len = 0;
    size_t again_len = 0;
    size_t plain_len = 0;
    uint32_t version = 0;

    (void)state;
    assert_int_equal(seal(sealed, &len), GW_OK);
    assert_int_equal(len, sizeof secret + ENVELOPE_OVERHEAD);
    assert_null(memmem(sealed, len, secret, 8));
    assert_int_equal(envelope_version(sealed, len, &version), GW_OK);
    assert_int_equal(version, master.version);
    assert_int_equal(envelope_open(&master, AUTH_TEXT("ops-1"), sealed, len, plain, &plain_len),
                     GW_OK);
    assert_int_equal(plain_len, sizeof secret);
    assert_memory_equal(plain, secret, sizeof secret);
    assert_int_equal(seal(again, &again_len), GW_OK);
    assert_memory_equal(again, sealed, len); /* nothing but the arguments goes in */
}

static void whatever_is_altered_stays_shut(void **state)
{
    static const uint8_t zero[ENVELOPE_SECRET_MAX];
    uint8_t sealed[ENVELOPE_MAX];
    uint8_t plain[ENVELOPE_SECRET_MAX];
    struct envelope_master wrong = master;
    size_t len = 0;
    size_t n = 0;

    (void)state;
    assert_int_equal(seal(sealed, &len), GW_OK);
    for (size_t i = 0; i < len * 8; i++) {
        sealed[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(envelope_open(&master, AUTH_TEXT("ops-1"), sealed, len, plain, &n),
                             GW_OK);
        assert_memory_equal(plain, zero, sizeof zero);
        assert_int_equal(n, 0);
        sealed[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_not_equal(envelope_open(&master, AUTH_TEXT("ops-1"), sealed, cut, plain, &n),
                             GW_OK);
    }
    assert_int_equal(envelope_open(&master, AUTH_TEXT("ops-2"), sealed, len, plain, &n),
                     GW_ECONFIG);
    assert_int_equal(envelope_open(&next, AUTH_TEXT("ops-1"), sealed, len, plain, &n),
                     GW_ENOTFOUND);
    wrong.key[31] ^= 1;
    assert_int_equal(envelope_open(&wrong, AUTH_TEXT("ops-1"), sealed, len, plain, &n), GW_ECONFIG);
    assert_int_equal(envelope_open(&master, AUTH_TEXT(""), sealed, len, plain, &n), GW_ERANGE);
}

static void bounds(void **state)
{
    static uint8_t big[ENVELOPE_SECRET_MAX + 1];
    static char id[ENVELOPE_KEYID_MAX + 1];
    uint8_t sealed[ENVELOPE_MAX];
    size_t len = 0;

    (void)state;
    for (unsigned calls = 0; calls <= 3; calls++) {
        struct counter c = {1, calls};
        const struct envelope_random random = {count_bytes, &c};

        assert_int_equal(
            envelope_seal(&master, AUTH_TEXT("k"), big, ENVELOPE_SECRET_MAX, &random, sealed, &len),
            calls == 3 ? GW_OK : GW_ESYS);
        assert_int_equal(len, calls == 3 ? ENVELOPE_MAX : 0);
        assert_int_equal(
            envelope_seal(&master, AUTH_TEXT("k"), big, sizeof big, &random, sealed, &len),
            GW_ERANGE);
        assert_int_equal(envelope_seal(&master, AUTH_TEXT("k"), big, 0, &random, sealed, &len),
                         GW_ERANGE);
        assert_int_equal(envelope_seal(&master, (struct auth_text){id, sizeof id}, big, 1, &random,
                                       sealed, &len),
                         GW_ERANGE);
    }
}

static void master_key_changes(void **state)
{
    struct counter c = {200, 1};
    const struct envelope_random random = {count_bytes, &c};
    uint8_t sealed[ENVELOPE_MAX];
    uint8_t before[ENVELOPE_MAX];
    uint8_t plain[ENVELOPE_SECRET_MAX];
    size_t len = 0;
    size_t n = 0;

    (void)state;
    assert_int_equal(seal(sealed, &len), GW_OK);
    memcpy(before, sealed, len);
    assert_int_equal(envelope_rewrap(&next, &master, AUTH_TEXT("ops-1"), &random, sealed, len),
                     GW_ENOTFOUND);
    assert_int_equal(envelope_rewrap(&master, &next, AUTH_TEXT("ops-2"), &random, sealed, len),
                     GW_ECONFIG);
    assert_memory_equal(sealed, before, len);
    assert_int_equal(envelope_rewrap(&master, &next, AUTH_TEXT("ops-1"), &random, sealed, len),
                     GW_OK);
    assert_int_equal(envelope_open(&master, AUTH_TEXT("ops-1"), sealed, len, plain, &n),
                     GW_ENOTFOUND);
    assert_int_equal(envelope_open(&next, AUTH_TEXT("ops-1"), sealed, len, plain, &n), GW_OK);
    assert_memory_equal(plain, secret, sizeof secret);
    memcpy(before, sealed, len); /* no more randomness */
    assert_int_equal(envelope_rewrap(&next, &master, AUTH_TEXT("ops-1"), &random, sealed, len),
                     GW_ESYS);
    assert_memory_equal(sealed, before, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_was_sealed),
        cmocka_unit_test(whatever_is_altered_stays_shut),
        cmocka_unit_test(bounds),
        cmocka_unit_test(master_key_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
