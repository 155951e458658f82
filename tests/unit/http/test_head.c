#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/http/head.h"
#include "gateway/http/route.h"

#define H "Host: a\r\n"

static void heads(void **state)
{
    static const struct {
        const char *text;
        enum head_verdict want;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" H "\r\n", HEAD_OK},
        {"GET / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", HEAD_OK},
        {"GET / HTTP/1.1\n" H "\r\n", HEAD_BARE_LF},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", HEAD_BARE_LF},
        {"GET / HTTP/1.1\r\n\r\n", HEAD_HOST},
        {"GET / HTTP/1.1\r\n" H H "\r\n", HEAD_HOST},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", HEAD_HOST},
        {"GET / HTTP/1.2\r\n" H "\r\n", HEAD_VERSION},
        {"get / HTTP/1.1\r\n" H "\r\n", HEAD_BAD_LINE},
        {"GET  / HTTP/1.1\r\n" H "\r\n", HEAD_BAD_LINE},
        {"GET /\x80 HTTP/1.1\r\n" H "\r\n", HEAD_BAD_LINE},
        {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", HEAD_FOLDED},
        {"GET / HTTP/1.1\r\n" H ": x\r\n\r\n", HEAD_FOLDED},
        {"GET / HTTP/1.1\r\n" H "A b: x\r\n\r\n", HEAD_BAD_FIELD},
        {"GET / HTTP/1.1\r\n" H "A : x\r\n\r\n", HEAD_BAD_FIELD},
        {"GET / HTTP/1.1\r\n" H "A: \x01\r\n\r\n", HEAD_BAD_FIELD},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", HEAD_LENGTH},
        {"POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\n", HEAD_LENGTH},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\n", HEAD_LENGTH},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", HEAD_TRANSFER_ENCODING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: x\r\n\r\n",
         HEAD_TRANSFER_ENCODING},
        {"GET / HTTP/1.1\r\n" H, HEAD_INCOMPLETE},
        {"", HEAD_INCOMPLETE},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        if (head_check(cases[i].text, strlen(cases[i].text)) != cases[i].want) {
            fail_msg("case %u: got %d", i, (int)head_check(cases[i].text, strlen(cases[i].text)));
        }
    }
}

static void too_many_fields_or_bytes(void **state)
{
    static char text[HEAD_MAX_BYTES + 1000];
    size_t len = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" H);

    (void)state;
    for (unsigned i = 0; i < HEAD_MAX_FIELDS; i++) {
        len += (size_t)sprintf(text + len, "a: b\r\n");
    }
    (void)sprintf(text + len, "\r\n");
    assert_int_equal(head_check(text, len + 2), HEAD_TOO_LONG);
    memset(text, 'a', sizeof text);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(head_check(text, sizeof text), HEAD_TOO_LONG);
}

static void handler(struct http_req *req, void *arg)
{
    (void)req;
    (void)arg;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", handler},
    {HTTP_GET, "/v1/md/{symbol}/book", handler},
    {HTTP_POST, "/v1/only/post", handler},
};

static enum gw_err find(enum http_method method, const char *target, struct route_match *m)
{
    return route_find(routes, GW_LEN(routes), method, target, strlen(target), m);
}

static void routes_match(void **state)
{
    struct route_match m;

    (void)state;
    assert_int_equal(find(HTTP_GET, "/", &m), GW_OK);
    assert_int_equal(find(HTTP_HEAD, "/v1/md/BTC%2FUSD/book?depth=10&x=a+b%21", &m), GW_OK);
    assert_string_equal(m.params[0].value, "BTC/USD");
    assert_int_equal(m.query_count, 2);
    assert_string_equal(m.query[0].name, "depth");
    assert_string_equal(m.query[0].value, "10");
    assert_string_equal(m.query[1].value, "a b!");
    assert_int_equal(find(HTTP_GET, "/v1/md//book", &m), GW_ENOTFOUND);
    assert_int_equal(find(HTTP_GET, "/v1/md/a/book/", &m), GW_ENOTFOUND);
    assert_int_equal(find(HTTP_GET, "/v1/md/a", &m), GW_ENOTFOUND);
    assert_int_equal(find(HTTP_GET, "/v1/only/post", &m), GW_EMETHOD);
    assert_int_equal(find(HTTP_GET, "/?a=1&a=2", &m), GW_EINVAL);
    assert_int_equal(find(HTTP_GET, "/?a=%0", &m), GW_EINVAL);
    assert_int_equal(find(HTTP_GET, "/?a=%00", &m), GW_EINVAL);
    assert_int_equal(find(HTTP_GET, "/v1/md/%zz/book", &m), GW_EINVAL);
    assert_int_equal(find(HTTP_GET, "http://a/", &m), GW_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(too_many_fields_or_bytes),
        cmocka_unit_test(routes_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
