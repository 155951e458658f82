#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/base/buf.h"
#include "gateway/base/fixed.h"

static void parse(const char *text, unsigned decimals, enum gw_err want, int64_t value)
{
    int64_t got = -77;

    assert_int_equal(fixed_parse(text, strlen(text), decimals, &got), want);
    assert_int_equal(got, want == GW_OK ? value : -77);
}

static void numbers_are_read_exactly(void **state)
{
    (void)state;
    parse("0", 0, GW_OK, 0);
    parse("61837.63", 2, GW_OK, 6183763);
    parse("61837.63000000", 2, GW_OK, 6183763);
    parse("0.00000001", 8, GW_OK, 1);
    parse("-1.5", 1, GW_OK, -15);
    parse("92233720368.54775807", 8, GW_OK, INT64_MAX);
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {"",   "-",  ".",   "1.",  ".5",    "+1",  "1e3",
                                      " 1", "1 ", "1,0", "0x1", "1.2.3", "--1", "NaN"};

    (void)state;
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        parse(bad[i], 2, GW_EINVAL, 0);
    }
    parse("1.001", 2, GW_EPRECISION, 0);
    parse("92233720368547758.08", 2, GW_ERANGE, 0);
    parse("9223372036854775808", 0, GW_ERANGE, 0);
}

static void printed(int64_t value, unsigned decimals, const char *want)
{
    struct buf b = {0};

    buf_fixed(&b, value, decimals);
    assert_string_equal(buf_cstr(&b), want);
    buf_fini(&b);
}

static void numbers_are_printed_with_all_decimals(void **state)
{
    (void)state;
    printed(0, 0, "0");
    printed(5, 3, "0.005");
    printed(-5, 3, "-0.005");
    printed(6183763, 2, "61837.63");
    printed(10000000, 8, "0.10000000");
    printed(INT64_MAX, 18, "9.223372036854775807");
}

/* What is printed is read back as the same number. */
static void print_and_parse_agree(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        unsigned decimals = (unsigned)(x >> 32) % 19;
        struct buf b = {0};
        int64_t value;
        int64_t back;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        value = (int64_t)(x >> (x % 64));
        buf_fixed(&b, value, decimals);
        assert_int_equal(fixed_parse(b.data, b.len, decimals, &back), GW_OK);
        assert_int_equal(back, value);
        buf_fini(&b);
    }
}

static void times_are_rfc3339(void **state)
{
    static const struct {
        int64_t ns;
        unsigned digits;
        const char *want;
    } cases[] = {
        {0, 0, "1970-01-01T00:00:00Z"},
        {1723161254936000000, 6, "2024-08-08T23:54:14.936000Z"},
        {1709251199999999999, 9, "2024-02-29T23:59:59.999999999Z"},
        {951782400000000000, 3, "2000-02-29T00:00:00.000Z"},
        {-1, 9, "1969-12-31T23:59:59.999999999Z"},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        struct buf b = {0};

        buf_rfc3339(&b, cases[i].ns, cases[i].digits);
        assert_string_equal(buf_cstr(&b), cases[i].want);
        buf_fini(&b);
    }
}

static void json_text_is_escaped(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_json_str(&b, "a\"b\\c\n\x01", 7);
    assert_string_equal(buf_cstr(&b), "\"a\\\"b\\\\c\\u000a\\u0001\"");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_exactly),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(numbers_are_printed_with_all_decimals),
        cmocka_unit_test(print_and_parse_agree),
        cmocka_unit_test(times_are_rfc3339),
        cmocka_unit_test(json_text_is_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
