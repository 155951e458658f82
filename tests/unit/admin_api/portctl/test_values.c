/* Control state in words, whom a change reaches, and fields of an answer's head. */
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

static void reached(void **state)
{
    static const char *const cases[][2] = {
        {"{\"symbols\":1,\"subscriptions\":8,\"clients\":7,\"keys\":3,\"accounts\":0,\"version\":"
         "4}",
         "reaches       symbols 1, clients 7, subscriptions 8, keys 3, at version 4\n"},
        {"{\"symbols\":0,\"subscriptions\":0,\"clients\":2,\"keys\":2,\"accounts\":1,\"version\":"
         "0}",
         "reaches       symbols 0, clients 2, subscriptions 0, keys 2, accounts 1, at version 0\n"},
        {"{\"symbols\":2,\"subscriptions\":9,\"clients\":null,\"accounts\":0,\"version\":4}",
         "reaches       symbols 2, clients not known, subscriptions 9, keys not known, "
         "at version 4\n"},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        json_t *v = parsed(cases[i][0]);
        struct buf out = {0};

        radius_put(&out, "reaches", v);
        assert_string_equal(buf_cstr(&out), cases[i][1]);
        buf_fini(&out);
        json_decref(v);
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
        cmocka_unit_test(reached),
        cmocka_unit_test(head_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
