#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/feed/checkpoint.h"
#include "gateway/feed/decode.h"

static const struct symbol symbol = {.name = "BTC/USD", .price_decimals = 1, .qty_decimals = 4};

#define HEAD "\"symbol\":\"BTC/USD\",\"seq\":\"7\",\"epoch\":\"k-1\",\"ts_ns\":1700000000000000000"

static enum decode_fault decode(const char *text, struct feed_event *e)
{
    return decode_entry(text, strlen(text), &symbol, 0, e);
}

static void good_entries(void **state)
{
    struct feed_event e = {0};

    (void)state;
    assert_int_equal(decode("{\"type\":\"book_delta\"," HEAD ",\"bids\":[[\"100.5\",\"0\"]],"
                            "\"asks\":[[\"101\",\"0.0100\"]],\"venue_checksum\":\"1\"}",
                            &e),
                     DECODE_NONE);
    assert_int_equal(e.seq, 7);
    assert_string_equal(e.epoch, "k-1");
    assert_int_equal(e.levels[SIDE_BID][0].px.ticks, 1005);
    assert_int_equal(e.levels[SIDE_BID][0].qty.lots, 0);
    assert_int_equal(e.levels[SIDE_ASK][0].qty.lots, 100);
    assert_int_equal(decode("{\"type\":\"trade\"," HEAD
                            ",\"trades\":[{\"id\":9,\"price\":\"100\",\"qty\":"
                            "\"1\",\"side\":\"sell\",\"ord_type\":\"limit\"}]}",
                            &e),
                     DECODE_NONE);
    assert_int_equal(e.level_count[0] + e.level_count[1], 0);
    assert_int_equal(e.trades[0].ts_ns, 1700000000000000000);
    assert_true(e.trades[0].taker_sells);
    assert_int_equal(decode("{\"type\":\"status\"," HEAD ",\"status\":\"post_only\"}", &e),
                     DECODE_NONE);
    assert_int_equal(e.status, PAIR_POST_ONLY);
    feed_event_fini(&e);
}

static void each_fault_has_its_kind(void **state)
{
    static const struct {
        const char *text;
        enum decode_fault want;
    } cases[] = {
        {"", DECODE_JSON},
        {"[]", DECODE_JSON},
        {"{\"type\":\"what\"," HEAD "}", DECODE_TYPE},
        {"{\"type\":\"trade\",\"symbol\":\"X/Y\"}", DECODE_SYMBOL},
        {"{\"type\":\"trade\",\"symbol\":\"BTC/USD\",\"seq\":-1}", DECODE_SEQ},
        {"{\"type\":\"trade\",\"symbol\":\"BTC/USD\",\"seq\":1,\"epoch\":\"\"}", DECODE_EPOCH},
        {"{\"type\":\"trade\",\"symbol\":\"BTC/USD\",\"seq\":1,\"epoch\":\"a\"}", DECODE_TIME},
        {"{\"type\":\"book_delta\"," HEAD ",\"bids\":{}}", DECODE_LEVELS},
        {"{\"type\":\"book_delta\"," HEAD ",\"bids\":[[\"0\",\"1\"]]}", DECODE_PRICE},
        {"{\"type\":\"book_delta\"," HEAD ",\"bids\":[[\"1.55\",\"1\"]]}", DECODE_PRICE},
        {"{\"type\":\"book_delta\"," HEAD ",\"bids\":[[\"1\",\"0.00001\"]]}", DECODE_QTY},
        {"{\"type\":\"book_delta\"," HEAD ",\"bids\":[[\"1\",1]]}", DECODE_QTY},
        {"{\"type\":\"trade\"," HEAD ",\"trades\":[]}", DECODE_TRADES},
        {"{\"type\":\"trade\"," HEAD ",\"trades\":[{\"id\":0}]}", DECODE_TRADES},
        {"{\"type\":\"status\"," HEAD ",\"status\":\"off\"}", DECODE_STATUS},
    };
    struct feed_event e = {0};

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        if (decode(cases[i].text, &e) != cases[i].want) {
            fail_msg("%s: got %s", cases[i].text, decode_fault_names[decode(cases[i].text, &e)]);
        }
    }
    feed_event_fini(&e);
}

/* Running candles survive the trip through their text; other decimals or ids refuse it. */
static void checkpoints_round_trip(void **state)
{
    struct instrument a;
    struct instrument b;
    struct buf text = {0};
    char id[FEED_ID_MAX] = "";

    (void)state;
    instrument_init(&a, &symbol, 0);
    instrument_init(&b, &symbol, 0);
    for (uint64_t i = 1; i < 50; i++) {
        const struct trade t = {.id = i,
                                .px = {INT64_MAX / 1000000},
                                .qty = {1000000000000},
                                .ts_ns = 1700000000000000000 + (int64_t)i};

        (void)candles_add(&a.candles, &t);
    }
    checkpoint_print(&a, "123-4", &text);
    assert_true(checkpoint_restore(&b, text.data, text.len, id));
    assert_string_equal(id, "123-4");
    for (int i = 0; i < CANDLE_INTERVALS; i++) {
        assert_memory_equal(&a.candles.series[i].running, &b.candles.series[i].running,
                            sizeof(struct candle));
    }
    for (size_t cut = 0; cut < text.len; cut++) {
        assert_false(checkpoint_restore(&b, text.data, cut, id));
    }
    buf_fini(&text);
    instrument_fini(&a);
    instrument_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_entries),
        cmocka_unit_test(each_fault_has_its_kind),
        cmocka_unit_test(checkpoints_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
