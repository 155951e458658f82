/* Control state in words, what has to be typed, and fields of an answer's head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "admin_api/portctl/http.h"
#include "admin_api/portctl/values.h"

static json_t *parsed(const char *text)
{
    json_t *v = json_loads(text, 0, NULL);

    assert_non_null(v);
    return v;
}

static void values(void **state)
{
    static const char *const cases[][2] = {
        {"{\"mode\":\"SOFT_HALT\"}", "SOFT_HALT"},
        {"{\"halted\":true}", "halted"},
        {"{\"paused\":false}", "not paused"},
        {"{\"orders_per_s\":10}", "orders_per_s 10"},
        {"{\"orders_per_s\":null}", "none"},
        {"{\"engaged\":true,\"released_symbols\":[],\"released_percent\":0}", "engaged"},
        {"{\"engaged\":true,\"released_symbols\":[\"A/B\",\"C/D\"],\"released_percent\":5}",
         "engaged, released_symbols A/B C/D, released_percent 5"},
        {"{\"profile\":\"degraded\",\"conflation_ms\":null,"
         "\"expires_at\":\"2026-11-20T23:51:47.101000Z\"}",
         "degraded, expires_at 2026-11-20 23:51:47Z"},
        {"{\"active\":\"alternate\"}", "alternate"},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        json_t *v = parsed(cases[i][0]);
        struct buf out = {0};

        value_put(&out, v);
        assert_string_equal(buf_cstr(&out), cases[i][1]);
        buf_fini(&out);
        json_decref(v);
    }
}

#define CHANGE(kind, target, direction)                                                            \
    "{\"kind\":\"" kind "\",\"target\":\"" target "\",\"direction\":\"" direction "\"}"

static void words_to_type(void **state)
{
    static const char *const cases[][2] = {
        {CHANGE("mode", "BTC/USD", "TIGHTEN"), "BTC/USD"},
        {CHANGE("mode", "*", "TIGHTEN"), "ALL"},
        {CHANGE("kill", "global", "TIGHTEN"), "KILL"},
        {CHANGE("kill", "adapter:fix1", "LOOSEN"), "RELEASE"},
        {CHANGE("mode", "A/B", "LOOSEN") "," CHANGE("mode", "C/D", "LOOSEN"), "2 SYMBOLS"},
        {CHANGE("account", "mm1\\u001b[2J", "TIGHTEN"),
         "mm1\\u001b[2J"}, /* nothing a terminal obeys */
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        struct buf text = {0};
        struct buf out = {0};
        json_t *diff;

        buf_printf(&text, "{\"changes\":[%s]}", cases[i][0]);
        diff = parsed(buf_cstr(&text));
        diff_word(&out, diff);
        assert_string_equal(buf_cstr(&out), cases[i][1]);
        json_decref(diff);
        buf_fini(&text);
        buf_fini(&out);
    }
}

static void head_fields(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nETag:  \"7\" \r\nx-etag: no\r\nLink:\r\n\r\n";
    struct buf head = {0};
    struct buf value = {0};

    (void)state;
    assert_false(http_field(&head, "etag", &value));
    buf_append(&head, text, sizeof text - 1);
    assert_true(http_field(&head, "etag", &value));
    assert_string_equal(buf_cstr(&value), "\"7\"");
    buf_reset(&value);
    assert_true(http_field(&head, "link", &value));
    assert_int_equal(value.len, 0);
    assert_false(http_field(&head, "location", &value));
    assert_false(http_field(&head, "tag", &value));
    buf_fini(&head);
    buf_fini(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(words_to_type),
        cmocka_unit_test(head_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
