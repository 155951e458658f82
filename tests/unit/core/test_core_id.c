/* core_id: ULIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/core/core_id.h"

static void text_of_known_bytes(void **state)
{
    static const uint8_t zeros[10];
    static const uint8_t ones[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t mixed[10] = {0x08, 0x42, 0x10, 0x84, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21};
    char id[CORE_ID_SIZE];

    (void)state;
    core_id_write(id, 0, zeros);
    assert_string_equal(id, "00000000000000000000000000");
    /* the example of the specification: 1469918176385 ms is 01ARYZ6S41 */
    core_id_write(id, INT64_C(1469918176385) * 1000000, ones);
    assert_string_equal(id, "01ARYZ6S41ZZZZZZZZZZZZZZZZ");
    core_id_write(id, INT64_C(1469918176385) * 1000000 + 999999, mixed); /* each digit is 1 */
    assert_string_equal(id, "01ARYZ6S411111111111111111");
}

static void names_differ_and_sort_by_time(void **state)
{
    char a[CORE_ID_SIZE];
    char b[CORE_ID_SIZE];
    char before[CORE_ID_SIZE] = "";

    (void)state;
    core_id_make(a, 5000000);
    core_id_make(b, 5000000);
    assert_string_not_equal(a, b);
    assert_memory_equal(a, b, 10);
    for (int64_t ms = 1; ms < 2000; ms++) {
        core_id_make(a, ms * 1000000);
        assert_true(strcmp(before, a) < 0);
        assert_true(core_id_valid(a, strlen(a)));
        memcpy(before, a, sizeof a);
    }
}

static void what_is_no_name(void **state)
{
    static const char *const bad[] = {
        "",
        "01ARYZ6S41ZZZZZZZZZZZZZZZ",   /* 25 */
        "01ARYZ6S41ZZZZZZZZZZZZZZZZZ", /* 27 */
        "81ARYZ6S41ZZZZZZZZZZZZZZZZ",  /* above 128 bits */
        "01aryz6s41zzzzzzzzzzzzzzzz",  /* lower case */
        "01ARYZ6S41ZZZZZZZZZZZZZZZU",  /* U is not in the alphabet */
        "01ARYZ6S41ZZZZZZZZ ZZZZZZZ",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(core_id_valid(bad[i], strlen(bad[i])));
    }
    assert_false(core_id_valid("01ARYZ6S41ZZZZ\0ZZZZZZZZZZZ", 26));
    assert_true(core_id_valid("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", 26));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_known_bytes),
        cmocka_unit_test(names_differ_and_sort_by_time),
        cmocka_unit_test(what_is_no_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
