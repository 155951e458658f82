#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "auth/base64.h"
#include "auth/sfv.h"

static enum sfv_result parse(const char *text, struct sfv_dict *d)
{
    return sfv_parse((struct auth_text){text, strlen(text)}, d);
}

/* The dictionary of TEXT again, one member after the other. */
static const char *rewrite(const char *text)
{
    static char out[512];
    struct auth_out o = {.s = out, .cap = sizeof out - 1};
    struct sfv_dict d;

    assert_int_equal(parse(text, &d), SFV_OK);
    for (unsigned i = 0; i < d.member_count; i++) {
        auth_put(&o, ", ", i != 0 ? 2 : 0);
        auth_put_text(&o, d.members[i].key);
        auth_put_lit(&o, "=");
        sfv_write(&d, &d.members[i], &o);
    }
    assert_false(o.full);
    out[o.len] = '\0';
    return out;
}

static void reads_and_writes(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a", "a=?1"},
        {"  a=1 ,\tb=2  ", "a=1, b=2"},
        {"a=?0;x;y=?0;z=?1", "a=?0;x;y=?0;z"},
        {"a=-0", "a=0"},
        {"a=007", "a=7"},
        {"a=-999999999999999", "a=-999999999999999"},
        {"a=*tok/en:1", "a=*tok/en:1"},
        {"*a_b-c.d*9=x", "*a_b-c.d*9=x"},
        {"a=\"q\\\"b\\\\s\"", "a=\"q\\\"b\\\\s\""},
        {"a=:aGVsbG8=:", "a=:aGVsbG8=:"},
        {"a=::", "a=::"},
        {"a=()", "a=()"},
        {"a=(   )", "a=()"},
        {"a=( \"x\"   \"y\";f ;g=1  )", NULL},
        {"a=( \"x\"   \"y\";f;  g=1  );c=2", "a=(\"x\" \"y\";f;g=1);c=2"},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        struct sfv_dict d;

        if (cases[i][1] == NULL) {
            assert_int_equal(parse(cases[i][0], &d), SFV_SYNTAX);
        } else {
            assert_string_equal(rewrite(cases[i][0]), cases[i][1]);
            assert_string_equal(rewrite(rewrite(cases[i][0])), cases[i][1]);
        }
    }
}

static const struct {
    const char *text;
    enum sfv_result want;
} refusals[] = {
    {"a=", SFV_SYNTAX},
    {"a,", SFV_SYNTAX},
    {"a, ", SFV_SYNTAX},
    {",a", SFV_SYNTAX},
    {"a b", SFV_SYNTAX},
    {"A=1", SFV_SYNTAX},
    {"1=1", SFV_SYNTAX},
    {"\ta=1", SFV_SYNTAX},
    {"a=1.5", SFV_SYNTAX}, /* decimals, dates and display strings: not in our fields */
    {"a=@1659578233", SFV_SYNTAX},
    {"a=%\"f\"", SFV_SYNTAX},
    {"a=-", SFV_SYNTAX},
    {"a=1000000000000000", SFV_SYNTAX},
    {"a=?2", SFV_SYNTAX},
    {"a=?", SFV_SYNTAX},
    {"a=\"x", SFV_SYNTAX},
    {"a=\"x\\", SFV_SYNTAX},
    {"a=\"\\x\"", SFV_SYNTAX},
    {"a=\"\x7f\"", SFV_SYNTAX},
    {"a=\"\n\"", SFV_SYNTAX},
    {"a=\"\xc3\xa4\"", SFV_SYNTAX},
    {"a=:aGVsbG8=", SFV_SYNTAX},
    {"a=:aGVsbG8:", SFV_SYNTAX},  /* no padding */
    {"a=:aGVsbG9=:", SFV_SYNTAX}, /* unused bits set */
    {"a=:aGVs bG8=:", SFV_SYNTAX},
    {"a=:aGVs-G8_:", SFV_SYNTAX},
    {"a=:=aaa:", SFV_SYNTAX},
    {"a=:====:", SFV_SYNTAX},
    {"a=(\"x\"\"y\")", SFV_SYNTAX},
    {"a=(\"x\"\t\"y\")", SFV_SYNTAX},
    {"a=(\"x\"", SFV_SYNTAX},
    {"a=(", SFV_SYNTAX},
    {"a=((x))", SFV_SYNTAX},
    {"a=1;", SFV_SYNTAX},
    {"a=1;X", SFV_SYNTAX},
    {"a=1 ;x", SFV_SYNTAX},
    {"a=1;x=(y)", SFV_SYNTAX},
    {"a=1, b=2, a=3", SFV_DUPLICATE},
    {"a=1;x;y;x=2", SFV_DUPLICATE},
    {"a=(\"q\";x;x)", SFV_DUPLICATE},
    {"a,b,c,d,e,f,g,h,i", SFV_TOO_LONG},
    {"a=(1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5)", SFV_TOO_LONG},
    {"a=1;a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;q;r;s;t;u;v;w;x;y", SFV_TOO_LONG},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_LEN(refusals); i++) {
        struct sfv_dict d;
        enum sfv_result got = parse(refusals[i].text, &d);

        if (got != refusals[i].want) {
            fail_msg("%s: got %d", refusals[i].text, (int)got);
        }
        assert_true(d.error_at <= strlen(refusals[i].text));
    }
    {
        static const char nul[] = "a=x\0y";
        struct sfv_dict d;

        assert_int_equal(sfv_parse((struct auth_text){nul, sizeof nul - 1}, &d), SFV_SYNTAX);
        assert_int_equal(d.error_at, 3);
    }
}

static void long_text_is_not_read(void **state)
{
    size_t len = 1 << 20;
    char *text = malloc(len);
    struct sfv_dict d;

    (void)state;
    memset(text, 'a', len);
    assert_int_equal(sfv_parse((struct auth_text){text, len}, &d), SFV_TOO_LONG);
    assert_int_equal(sfv_parse((struct auth_text){text, SFV_MAX_BYTES + 1}, &d), SFV_TOO_LONG);
    assert_int_equal(sfv_parse((struct auth_text){text, SFV_MAX_BYTES}, &d), SFV_OK);
    free(text);
}

static void values(void **state)
{
    struct sfv_dict d;
    uint8_t bytes[5];
    size_t len = 0;

    (void)state;
    assert_int_equal(parse("a=(x);n=-5;b=:aGVsbG8=:;f", &d), SFV_OK);
    assert_true(d.members[0].is_list);
    assert_int_equal(sfv_param(&d, d.members[0].params, "n")->integer, -5);
    assert_int_equal(sfv_param(&d, d.members[0].params, "f")->integer, 1);
    assert_null(sfv_param(&d, d.members[0].params, "x"));
    assert_true(sfv_bytes(sfv_param(&d, d.members[0].params, "b"), bytes, sizeof bytes, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_false(sfv_bytes(sfv_param(&d, d.members[0].params, "b"), bytes, 4, &len));
    assert_false(sfv_bytes(sfv_param(&d, d.members[0].params, "n"), bytes, 5, &len));
}

/* RFC 4648 section 10 */
static void base64_vectors(void **state)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"Zg==", "f"},
                                           {"Zm8=", "fo"},
                                           {"Zm9v", "foo"},
                                           {"Zm9vYg==", "foob"},
                                           {"Zm9vYmE=", "fooba"},
                                           {"Zm9vYmFy", "foobar"}};

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        uint8_t out[8];
        size_t len = 0;

        assert_true(base64_decode(cases[i][0], strlen(cases[i][0]), out, sizeof out, &len));
        assert_int_equal(len, strlen(cases[i][1]));
        assert_memory_equal(out, cases[i][1], len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes),      cmocka_unit_test(refuses),
        cmocka_unit_test(long_text_is_not_read), cmocka_unit_test(values),
        cmocka_unit_test(base64_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
