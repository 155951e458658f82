/* What people read: tables, times, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "admin_api/portctl/problem.h"
#include "admin_api/portctl/table.h"
#include "admin_api/portctl/text.h"

static struct buf out;

static void expect(const char *want)
{
    assert_string_equal(buf_cstr(&out), want);
    buf_fini(&out);
}

static void tables(void **state)
{
    static const char *const titles[] = {"ID", "LABEL", "X"};
    static const char *const cells[] = {"a", "größer", "1", "long-id", "", ""};
    struct table t;

    (void)state;
    table_init(&t, 3, titles);
    table_print(&t, &out);
    expect("");
    for (size_t i = 0; i < GW_LEN(cells); i++) {
        table_cell(&t, cells[i]);
    }
    table_print(&t, &out);
    expect("ID       LABEL   X\n"
           "a        größer  1\n"
           "long-id  -       -\n");
    table_fini(&t);
    table_init(&t, 2, NULL);
    table_cell(&t, "id");
    table_cell(&t, "x\x1b[2Jy");
    table_print(&t, &out);
    expect("id  x\\u001b[2Jy\n");
    table_fini(&t);
    table_init(&t, 1, NULL);
    for (int i = 0; i < 1000; i++) {
        table_cell(&t, "x");
    }
    table_print(&t, &out);
    assert_int_equal(out.len, 2000);
    buf_fini(&out);
    table_fini(&t);
}

static void clean(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
         "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"a\nb\tc\r", "a\\u000ab\\u0009c\\u000d"},
        {"\x7f", "\\u007f"},
        {"\xc2\x9b"
         "31m",
         "\\u009b31m"}, /* CSI of C1 */
        {"\xe2\x80\xae"
         "abc",
         "\\u202eabc"}, /* right to left */
        {"\xef\xbb\xbf", "\\ufeff"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xc0\xaf", "\\xc0\\xaf"},          /* overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        table_clean(&out, cases[i].text, strlen(cases[i].text));
        expect(cases[i].want);
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t want; /* 0: refused */
    } cases[] = {
        {"90", 90},     {"90s", 90},    {"15m", 900},
        {"24h", 86400}, {"7d", 604800}, {"3650d", 315360000},
        {"3651d", 0},   {"", 0},        {"s", 0},
        {"-1s", 0},     {"1.5h", 0},    {"1h30m", 0},
        {"1 h", 0},     {"1w", 0},      {"99999999999999999999d", 0},
    };
    uint64_t got;

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        bool ok = duration_parse(cases[i].text, &got);

        if (ok != (cases[i].want != 0) || (ok && got != cases[i].want)) {
            fail_msg("%s", cases[i].text);
        }
    }
    assert_true(duration_parse("0", &got));
}

static void times_and_segments(void **state)
{
    (void)state;
    put_time(&out, "2026-11-20T23:51:47.201337Z");
    expect("2026-11-20 23:51:47Z");
    put_time(&out, "2026-11-20T23:51:47Z");
    expect("2026-11-20 23:51:47Z");
    put_time(&out, "tomorrow");
    expect("tomorrow");
    put_segment(&out, "a.B-9_~");
    expect("a.B-9_~");
    put_segment(&out, "a/b?c=d e+\xc3\xa4%");
    expect("a%2Fb%3Fc%3Dd%20e%2B%C3%A4%25");
    put_segment(&out, "..");
    expect("%2E%2E");
    put_segment(&out, ".");
    expect("%2E");
}

static enum portctl_exit say_of(long status, const char *json, int64_t now_s, int64_t date_s)
{
    json_t *root = json != NULL ? json_loads(json, 0, NULL) : NULL;
    const struct problem p = {.status = status,
                              .root = root,
                              .command = "key new",
                              .key_id = "ops-1",
                              .now_s = now_s,
                              .date_s = date_s,
                              .retry_after_s = status == 429 ? 4 : 0};
    enum portctl_exit code = problem_put(&p, &out);

    assert_true(json == NULL || root != NULL);
    json_decref(root);
    (void)buf_cstr(&out);
    return code;
}

static void holds(const char *words)
{
    if (strstr(out.data, words) == NULL) {
        fail_msg("no \"%s\" in:\n%s", words, out.data);
    }
}

static void problems(void **state)
{
    (void)state;
    assert_int_equal(
        say_of(422,
               "{\"title\":\"Bad\\u001b key\",\"status\":422,\"code\":\"invalid\",\"detail\":\"two "
               "fields\",\"instance\":\"req-7\",\"errors\":[{\"pointer\":\"/scopes/0\",\"detail\":"
               "\"unknown scope\"},{\"pointer\":\"/label\",\"detail\":\"too long\"},7]}",
               100, 100),
        PORTCTL_REFUSED);
    holds("portctl: refused: Bad\\u001b key (422 invalid): two fields\n");
    holds("  /scopes/0: unknown scope\n  /label: too long\n");
    holds("  instance: req-7\n");
    holds("  next: correct what is named above; see portctl help key new\n");
    buf_fini(&out);
    assert_int_equal(say_of(503, "{\"title\":\"Busy\",\"retry_after\":7}", 100, 100),
                     PORTCTL_REFUSED);
    holds("next: try again after 7 s\n");
    buf_fini(&out);
    assert_int_equal(say_of(502, NULL, 100, 100), PORTCTL_REFUSED);
    holds("the answer is not JSON (502)\n");
    buf_fini(&out);
    assert_int_equal(say_of(403, "{\"title\":\"Forbidden\"}", 100, 100), PORTCTL_REFUSED);
    holds("(used: ops-1)");
    buf_fini(&out);
    assert_int_equal(say_of(401, "{\"title\":\"No\",\"code\":\"bad_signature\"}", 100, 100),
                     PORTCTL_AUTH);
    holds("next: check that --key-id (ops-1) belongs to --key-file");
    assert_null(strstr(out.data, "clock"));
    buf_fini(&out);
    for (long status = 300; status < 600; status++) {
        (void)say_of(status, "{\"title\":\"T\"}", 100, 100);
        holds("  next: ");
        buf_fini(&out);
    }
}

static void clocks(void **state)
{
    static const char skew[] = "{\"title\":\"Unauthorized\",\"code\":\"clock_skew\",\"detail\":"
                               "\"created is 95 s before server time 1790000095\"}";

    (void)state;
    assert_int_equal(say_of(401, skew, 1790000000, -1), PORTCTL_AUTH);
    holds("clock: this machine's clock is 95 s behind the server's\n");
    holds("next: set this machine's clock");
    buf_fini(&out);
    /* nobody says so, but the Date does */
    assert_int_equal(say_of(401, "{\"title\":\"No\"}", 1790000200, 1790000000), PORTCTL_AUTH);
    holds("clock: this machine's clock is 200 s ahead of the server's\n");
    buf_fini(&out);
    assert_int_equal(say_of(401, "{\"title\":\"No\",\"code\":\"clock_skew\"}", 5, -1),
                     PORTCTL_AUTH);
    holds("portctl time");
    buf_fini(&out);
    assert_int_equal(say_of(404, "{\"title\":\"No\"}", 1790000200, 1790000000), PORTCTL_REFUSED);
    assert_null(strstr(out.data, "clock"));
    buf_fini(&out);
    put_skew(&out, 0);
    expect("this machine's clock agrees with the server's");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables),    cmocka_unit_test(clean),
        cmocka_unit_test(durations), cmocka_unit_test(times_and_segments),
        cmocka_unit_test(problems),  cmocka_unit_test(clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
