/* Members of a JSON object: commas, null, escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gateway/base/json_put.h"

static void the_comma_comes_before_all_but_the_first(void **state)
{
    struct buf out = {0};

    (void)state;
    buf_putc(&out, '{');
    json_put_text(&out, "a", "x\"y\n");
    json_put_given(&out, "b", "z");
    json_put_name(&out, "c");
    buf_putc(&out, '{');
    json_put_time(&out, "d", INT64_C(1000001000));
    buf_lit(&out, "}}");
    assert_string_equal(
        buf_cstr(&out),
        "{\"a\":\"x\\\"y\\u000a\",\"b\":\"z\",\"c\":{\"d\":\"1970-01-01T00:00:01.000001Z\"}}");
    buf_fini(&out);
}

static void what_is_not_there_is_null(void **state)
{
    struct buf out = {0};

    (void)state;
    buf_putc(&out, '{');
    json_put_text(&out, "a", NULL);
    json_put_text(&out, "b", "");
    json_put_given(&out, "c", NULL);
    json_put_given(&out, "d", "");
    json_put_time(&out, "e", 0);
    buf_putc(&out, '}');
    assert_string_equal(buf_cstr(&out), "{\"a\":null,\"b\":\"\",\"c\":null,\"d\":null,\"e\":null}");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_comma_comes_before_all_but_the_first),
        cmocka_unit_test(what_is_not_there_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
