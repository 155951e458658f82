#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/base/utf8.h"

static void characters_are_counted(void **state)
{
    size_t n;

    (void)state;
    assert_true(utf8_plain("", 0, &n));
    assert_int_equal(n, 0);
    assert_true(utf8_plain("abc ~", 5, &n));
    assert_int_equal(n, 5);
    /* U+00A0, U+07FF, U+0800, U+D7FF, U+E000, U+FFFF, U+10000, U+10FFFF */
    assert_true(utf8_plain("\xC2\xA0\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"
                           "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF",
                           24, &n));
    assert_int_equal(n, 8);
    assert_true(utf8_plain("abc", 3, NULL));
}

static void what_is_no_plain_text_is_refused(void **state)
{
    static const char *const bad[] = {"\x1F", /* control characters */
                                      "a\nb",
                                      "\x7F",
                                      "\xC2\x80",
                                      "\xC2\x9F",
                                      "\x80",     /* a continuation alone */
                                      "\xC1\xBF", /* overlong */
                                      "\xE0\x9F\xBF",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xED\xA0\x80", /* surrogates */
                                      "\xED\xBF\xBF",
                                      "\xF4\x90\x80\x80", /* above U+10FFFF */
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "\xC3", /* cut */
                                      "\xE2\x82",
                                      "\xC3("};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (utf8_plain(bad[i], strlen(bad[i]), NULL)) {
            fail_msg("case %zu is accepted", i);
        }
    }
    assert_false(utf8_plain("a\0b", 3, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_counted),
        cmocka_unit_test(what_is_no_plain_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
