#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/base/buf.h"
#include "gateway/publish/frame.h"
#include "gateway/publish/link.h"

/* Unframes, checking FIN and opcode of every piece. */
static void check(size_t len)
{
    struct buf text = {0};
    struct buf back = {0};
    struct frame *f;
    uint32_t at = 0;

    for (size_t i = 0; i < len; i++) {
        buf_putc(&text, (char)('a' + i % 26));
    }
    f = frame_create(text.data, len, 7, 1);
    assert_int_equal(f->len, frame_size(len));
    while (at < f->len) {
        uint32_t piece = frame_pieces(f->bytes, f->len, at, 0);
        uint32_t header = f->bytes[at + 1] == 126 ? 4 : 2;

        assert_true(piece <= 16384);
        assert_int_equal(f->bytes[at] & 0x0f, at == 0 ? 1 : 0);
        assert_int_equal(f->bytes[at] >> 7, at + piece == f->len);
        buf_append(&back, f->bytes + at + header, piece - header);
        at += piece;
    }
    assert_int_equal(at, f->len);
    assert_int_equal(back.len, len);
    if (len != 0) {
        assert_memory_equal(back.data, text.data, len);
    }
    assert_int_equal(frame_pieces(f->bytes, f->len, 0, UINT32_MAX), f->len);
    frame_unref(&f);
    assert_null(f);
    buf_fini(&text);
    buf_fini(&back);
}

static void every_size_round_trips(void **state)
{
    static const size_t sizes[] = {0,     1,     125,   126,   127,   15999, 16000,
                                   16001, 16125, 16126, 31999, 32000, 32001, 600000};

    (void)state;
    for (unsigned i = 0; i < GW_LEN(sizes); i++) {
        check(sizes[i]);
    }
}

static void keys_pack_and_unpack(void **state)
{
    const struct stream_key key = {
        .symbol = 1706, .channel = CHANNEL_OHLC, .param = 21600, .class = 5};
    struct stream_key back = stream_key_unpack(stream_key_pack(&key));

    (void)state;
    assert_int_equal(back.symbol, key.symbol);
    assert_int_equal(back.channel, key.channel);
    assert_int_equal(back.param, key.param);
    assert_int_equal(back.class, key.class);
    assert_int_equal(interval_class(250), 4);
    assert_int_equal(interval_class(30), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_round_trips),
        cmocka_unit_test(keys_pack_and_unpack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
