/* Bearer tokens: one form, never twice, found by their hash alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "auth/bearer.h"

static void each_is_new_and_of_one_form(void **state)
{
    static char texts[200][BEARER_TEXT_SIZE];
    uint8_t hash[BEARER_HASH_BYTES];
    uint8_t again[BEARER_HASH_BYTES];

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        bearer_make(texts[i], hash);
        assert_int_equal(strlen(texts[i]), BEARER_TEXT_SIZE - 1);
        assert_memory_equal(texts[i], BEARER_PREFIX, 4);
        assert_true(bearer_hash(texts[i], strlen(texts[i]), again));
        assert_memory_equal(hash, again, sizeof hash);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(texts[i], texts[k]);
        }
    }
}

static void other_forms_have_no_hash(void **state)
{
    static const char good[] = "pcr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-";
    /* SHA-256 of that text */
    static const uint8_t first[4] = {0x36, 0x78, 0x81, 0xd3};
    uint8_t hash[BEARER_HASH_BYTES];
    char text[64];

    (void)state;
    assert_true(bearer_hash(good, sizeof good - 1, hash));
    assert_memory_equal(hash, first, sizeof first);
    for (size_t i = 0; i < sizeof good - 1; i++) {
        static const char bad[] = "+/=. \n*";

        for (size_t k = 0; k < sizeof bad; k++) {
            memcpy(text, good, sizeof good);
            text[i] = bad[k];
            assert_false(bearer_hash(text, sizeof good - 1, hash));
        }
    }
    assert_false(bearer_hash(good, sizeof good - 2, hash));
    assert_false(bearer_hash(good, 0, hash));
}

static void headers(void **state)
{
    (void)state;
    assert_null(bearer_of_header(NULL));
    assert_null(bearer_of_header(""));
    assert_null(bearer_of_header("Basic x"));
    assert_null(bearer_of_header("Bearer"));
    assert_null(bearer_of_header("Bearerx y"));
    assert_string_equal(bearer_of_header("Bearer pcr_x"), "pcr_x");
    assert_string_equal(bearer_of_header("bearer   pcr_x"), "pcr_x");
    assert_string_equal(bearer_of_header("BEARER "), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_new_and_of_one_form),
        cmocka_unit_test(other_forms_have_no_hash),
        cmocka_unit_test(headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
