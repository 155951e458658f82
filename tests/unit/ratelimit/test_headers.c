#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ratelimit/headers.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)

static void as_in_the_draft(void **state)
{
    static const struct headers_row rows[] = {
        {"admin-write", 30, 60 * SECOND, 0, 1001 * MS},
        {"read", 100, 5 * SECOND, 99, 50 * MS},
    };
    struct buf out = {0};

    (void)state;
    headers_policy(&out, rows, 1);
    assert_string_equal(buf_cstr(&out), "\"admin-write\";q=30;w=60");
    buf_reset(&out);
    headers_state(&out, rows, 1);
    assert_string_equal(buf_cstr(&out), "\"admin-write\";r=0;t=2");
    buf_reset(&out);
    headers_policy(&out, rows, 2);
    assert_string_equal(buf_cstr(&out), "\"admin-write\";q=30;w=60, \"read\";q=100;w=5");
    buf_reset(&out);
    headers_state(&out, rows, 2);
    assert_string_equal(buf_cstr(&out), "\"admin-write\";r=0;t=2, \"read\";r=99;t=1");
    buf_fini(&out);
}

static void extremes(void **state)
{
    static const struct headers_row row = {"x", UINT64_MAX, INT64_MAX, UINT64_MAX, INT64_MIN};
    struct buf out = {0};

    (void)state;
    headers_policy(&out, &row, 1);
    assert_string_equal(buf_cstr(&out), "\"x\";q=999999999999999;w=9223372037");
    buf_reset(&out);
    headers_state(&out, &row, 1);
    assert_string_equal(buf_cstr(&out), "\"x\";r=999999999999999;t=0");
    buf_fini(&out);
}

static void retry_after(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{0, "1"},
                 {1, "1"},
                 {SECOND, "1"},
                 {SECOND + 1, "2"},
                 {-5, "1"},
                 {90 * SECOND, "90"},
                 {INT64_MAX - 1, "9223372037"}};
    struct buf out = {0};

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        buf_reset(&out);
        assert_true(headers_retry_after(&out, cases[i].ns));
        assert_string_equal(buf_cstr(&out), cases[i].text);
    }
    buf_reset(&out);
    assert_false(headers_retry_after(&out, INT64_MAX));
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

struct http_req {
    struct buf told;
};

static void note(struct http_req *req, const char *name, const char *value)
{
    buf_printf(&req->told, "%s: %s\n", name, value);
}

static void fields_of_an_answer(void **state)
{
    static const struct headers_row row = {"read", 100, 5 * SECOND, 99, 50 * MS};
    struct http_req req = {{0}};

    (void)state;
    headers_tell(note, &req, &row);
    headers_tell_retry(note, &req, SECOND + 1);
    headers_tell_retry(note, &req, INT64_MAX); /* never: no field */
    assert_string_equal(buf_cstr(&req.told), "ratelimit-policy: \"read\";q=100;w=5\n"
                                             "ratelimit: \"read\";r=99;t=1\n"
                                             "retry-after: 2\n");
    buf_fini(&req.told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_in_the_draft),
        cmocka_unit_test(extremes),
        cmocka_unit_test(retry_after),
        cmocka_unit_test(fields_of_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
