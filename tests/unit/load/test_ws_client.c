/* links: load/ws_client.c gateway/base/buf.c gateway/base/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "load/ws_client.h"

#define MESSAGE_MAX 100000u

static void put_head(struct buf *out, unsigned first, uint64_t len, unsigned form)
{
    unsigned extra = form == 126 ? 2 : form == 127 ? 8 : 0;

    buf_putc(out, (char)first);
    buf_putc(out, (char)(form != 0 ? form : len));
    for (unsigned i = extra; i != 0; i--) {
        buf_putc(out, (char)(unsigned char)(len >> (8 * (i - 1))));
    }
}

static void put_fragment(struct buf *out, unsigned first, const char *text)
{
    put_head(out, first, strlen(text), 0);
    buf_puts(out, text);
}

/* The whole of IN must be refused, with ERROR mentioned. */
static void expect_refused(struct buf *in, bool masked, const char *error)
{
    struct ws_parser p;
    struct ws_event e;
    size_t used = 0;
    enum ws_parse got;

    ws_parser_init(&p, MESSAGE_MAX, masked);
    while ((got = ws_parser_next(&p, in->data, in->len, &used, &e)) == WS_PARSE_EVENT) {
    }
    assert_int_equal(got, WS_PARSE_ERROR);
    assert_non_null(strstr(p.error, error));
    ws_parser_fini(&p);
    buf_fini(in);
}

/* A stream of two messages and the control frames between the fragments. */
static void put_conversation(struct buf *in)
{
    char *long_text = gw_malloc(70000);

    memset(long_text, 'x', 70000);
    put_fragment(in, 0x81, "hello");
    put_fragment(in, 0x01, "frag");
    put_fragment(in, 0x89, "ping");
    put_fragment(in, 0x00, "");
    put_fragment(in, 0x00, "ment");
    put_fragment(in, 0x8a, "");
    put_fragment(in, 0x80, "ed");
    ws_frame_put(in, WS_OP_BINARY, long_text, 70000, NULL);
    ws_frame_put(in, WS_OP_TEXT, long_text, 200, NULL);
    put_fragment(in, 0x81, "");
    put_fragment(in, 0x88, "\x0f\xa8SLOW_CONSUMER");
    free(long_text);
}

static const struct {
    enum ws_op op;
    size_t len;
    const char *text; /* NULL: only x */
} expected[] = {
    {WS_OP_TEXT, 5, "hello"},    {WS_OP_PING, 4, "ping"},
    {WS_OP_PONG, 0, ""},         {WS_OP_TEXT, 10, "fragmented"},
    {WS_OP_BINARY, 70000, NULL}, {WS_OP_TEXT, 200, NULL},
    {WS_OP_TEXT, 0, ""},         {WS_OP_CLOSE, 15, "\x0f\xa8SLOW_CONSUMER"},
};

static void check_event(unsigned i, const struct ws_event *e)
{
    assert_true(i < GW_LEN(expected));
    assert_int_equal(e->op, expected[i].op);
    assert_int_equal(e->len, expected[i].len);
    if (expected[i].text != NULL && e->len != 0) {
        assert_memory_equal(e->data, expected[i].text, e->len);
    }
    if (e->op == WS_OP_CLOSE) {
        assert_int_equal(ws_close_code(e), 4008);
    }
}

/* Whole, and cut into reads of every small size: the same events. */
static void test_conversation_in_any_pieces(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100, 4096, 65536, 1u << 20};
    struct buf in = {0};

    (void)state;
    put_conversation(&in);
    for (unsigned k = 0; k < GW_LEN(pieces); k++) {
        struct ws_parser p;
        struct buf kept = {0};
        unsigned seen = 0;

        ws_parser_init(&p, MESSAGE_MAX, false);
        for (size_t at = 0; at < in.len; at += pieces[k]) {
            size_t piece = in.len - at < pieces[k] ? in.len - at : pieces[k];
            struct ws_event e;
            size_t used = 0;
            enum ws_parse got;

            buf_append(&kept, in.data + at, piece);
            while ((got = ws_parser_next(&p, kept.data, kept.len, &used, &e)) == WS_PARSE_EVENT) {
                check_event(seen++, &e);
            }
            assert_int_equal(got, WS_PARSE_MORE);
            memmove(kept.data, kept.data + used, kept.len - used);
            kept.len -= used;
        }
        assert_int_equal(seen, GW_LEN(expected));
        assert_int_equal(kept.len, 0);
        ws_parser_fini(&p);
        buf_fini(&kept);
    }
    buf_fini(&in);
}

static void test_refuses_what_the_rfc_forbids(void **state)
{
    static const struct {
        unsigned first;
        unsigned form;
        uint64_t len;
        const char *error;
    } bad[] = {
        {0xc1, 0, 1, "reserved"},
        {0x91, 0, 1, "reserved"},
        {0x83, 0, 1, "opcode"},
        {0x8b, 0, 1, "opcode"},
        {0x80, 0, 1, "continuation"},
        {0x09, 0, 1, "control"},
        {0x89, 126, 126, "control"},
        {0x81, 126, 125, "shortest"},
        {0x81, 127, 65535, "shortest"},
        {0x81, 127, 1ull << 63, "shortest"},
        {0x81, 127, MESSAGE_MAX + 1, "too big"},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        struct buf in = {0};

        put_head(&in, bad[i].first, bad[i].len, bad[i].form);
        expect_refused(&in, false, bad[i].error);
    }
}

static void test_refuses_broken_fragments(void **state)
{
    struct buf in = {0};
    char *big = gw_malloc(60000);

    (void)state;
    memset(big, 'y', 60000);
    put_fragment(&in, 0x01, "a");
    put_fragment(&in, 0x81, "b");
    expect_refused(&in, false, "inside a fragmented");

    put_head(&in, 0x01, 60000, 126);
    buf_append(&in, big, 60000);
    put_head(&in, 0x80, 60000, 126);
    buf_append(&in, big, 60000);
    expect_refused(&in, false, "too big");
    free(big);
}

static void test_masks_on_the_right_side_only(void **state)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    /* RFC 6455 5.7: a single-frame masked text message "Hello" */
    static const unsigned char want[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                         0x7f, 0x9f, 0x4d, 0x51, 0x58};
    struct buf in = {0};
    struct ws_parser p;
    struct ws_event e;
    size_t used = 0;

    (void)state;
    ws_frame_put(&in, WS_OP_TEXT, "Hello", 5, mask);
    assert_int_equal(in.len, sizeof want);
    assert_memory_equal(in.data, want, sizeof want);
    ws_parser_init(&p, MESSAGE_MAX, true);
    assert_int_equal(ws_parser_next(&p, in.data, in.len, &used, &e), WS_PARSE_EVENT);
    assert_int_equal(e.len, 5);
    assert_int_equal(used, in.len);
    ws_parser_fini(&p);
    expect_refused(&in, false, "masked frame");
    ws_frame_put(&in, WS_OP_TEXT, "Hello", 5, NULL);
    expect_refused(&in, true, "unmasked frame");
}

static void test_close_codes(void **state)
{
    static const struct {
        const char *payload;
        size_t len;
        uint16_t code;
    } codes[] = {
        {"", 0, WS_CLOSE_ABSENT}, {"\x03", 1, 0},     {"\x03\xe8", 2, 1000},
        {"\x03\xee", 2, 0},       {"\x03\xed", 2, 0}, {"\x03\xf7", 2, 0},
        {"\x0f\xa8", 2, 4008},    {"\x13\x88", 2, 0}, {"\x03\xe7", 2, 0},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(codes); i++) {
        struct ws_event e = {WS_OP_CLOSE, codes[i].payload, codes[i].len};

        assert_int_equal(ws_close_code(&e), codes[i].code);
    }
}

#define ANSWER(status, accept, more)                                                               \
    "HTTP/1.1 " status                                                                             \
    "\r\nupgrade: WebSocket\r\nConnection:  Upgrade \r\nSec-WebSocket-Accept: " accept "\r\n" more \
    "\r\n"

static void test_upgrade(void **state)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ=="; /* RFC 6455 1.3 */
    static const char good[] =
        ANSWER("101 Switching Protocols", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "");
    static const char *const bad[] = {
        ANSWER("503 Busy", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""),
        ANSWER("101 OK", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""),
        ANSWER("101 OK",
               "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        "HTTP/1.1 101 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    };
    char text[sizeof good + 3];
    size_t used = 0;
    unsigned status;
    const char *error;

    (void)state;
    (void)memcpy(text, good, sizeof good - 1);
    memcpy(text + sizeof good - 1, "\x81\x00", 2); /* the first frame may come along */
    for (size_t len = 0; len < sizeof good - 1; len++) {
        assert_int_equal(ws_upgrade_response(text, len, key, &used, &status, &error),
                         WS_PARSE_MORE);
    }
    assert_int_equal(ws_upgrade_response(text, sizeof good + 1, key, &used, &status, &error),
                     WS_PARSE_EVENT);
    assert_int_equal(used, sizeof good - 1);
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        assert_int_equal(ws_upgrade_response(bad[i], strlen(bad[i]), key, &used, &status, &error),
                         WS_PARSE_ERROR);
        assert_non_null(error);
    }
}

static void test_upgrade_answer_is_bounded(void **state)
{
    static char endless[WS_UPGRADE_MAX + 1];
    size_t used = 0;
    unsigned status;
    const char *error;

    (void)state;
    memset(endless, 'a', sizeof endless);
    assert_int_equal(ws_upgrade_response(endless, sizeof endless, "", &used, &status, &error),
                     WS_PARSE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversation_in_any_pieces),
        cmocka_unit_test(test_refuses_what_the_rfc_forbids),
        cmocka_unit_test(test_refuses_broken_fragments),
        cmocka_unit_test(test_masks_on_the_right_side_only),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_upgrade_answer_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
