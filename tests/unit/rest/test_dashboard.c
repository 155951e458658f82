#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
/* The statics; nothing here answers a request. */
#include "gateway/rest/dashboard.c"

static void addresses(void **state)
{
    (void)state;
    assert_true(address_ok("", "wss://"));
    assert_true(address_ok("wss://md.example/v2", "wss://"));
    assert_true(address_ok("wss://md.example:8443/v2/public", "wss://"));
    assert_true(address_ok("wss://[::1]:8443/v2", "wss://"));
    assert_false(address_ok("ws://md.example/v2", "wss://"));
    assert_false(address_ok("wss://", "wss://"));
    assert_false(address_ok("wss://a; script-src *", "wss://"));
    assert_false(address_ok("wss://a/v2?x", "wss://"));
    assert_false(address_ok("wss://a\"", "wss://"));
    assert_false(address_ok("https://a\r\nset-cookie:b", "https://"));
}

static void origins(void **state)
{
    struct buf csp = {0};
    struct buf address = {0};

    (void)state;
    buf_lit(&address, "wss://md.example:8443/v2");
    add_origin(&csp, &address);
    assert_int_equal(address.len, 0);
    add_origin(&csp, &address); /* no address: nothing is allowed */
    buf_lit(&address, "https://md.example");
    add_origin(&csp, &address);
    assert_string_equal(buf_cstr(&csp), " wss://md.example:8443 https://md.example");
    buf_fini(&csp);
    buf_fini(&address);
}

static void what_the_page_says(void **state)
{
    struct buf out = {0};

    (void)state;
    put_html(&out, "/a<b>&\"c");
    assert_string_equal(buf_cstr(&out), "/a&#60;b&#62;&#38;&#34;c");
    buf_fini(&out);
}

static void created_or_refused(void **state)
{
    struct dashboard_options opt = {.folder = "", .socket = "", .rest = ""};
    struct dashboard *d = NULL;
    struct buf why = {0};

    (void)state;
    assert_int_equal(dashboard_create(&opt, &why, &d), GW_OK);
    assert_string_equal(d->reason, "admin.web_dir is not set");
    dashboard_destroy(&d);
    assert_null(d);
    dashboard_destroy(&d);
    opt.rest = "http://a";
    assert_int_equal(dashboard_create(&opt, &why, &d), GW_ECONFIG);
    assert_non_null(strstr(buf_cstr(&why), "admin.web_rest"));
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(origins),
        cmocka_unit_test(what_the_page_says),
        cmocka_unit_test(created_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
