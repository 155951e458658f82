/* links: load/wsflood_scan.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "load/wsflood_scan.h"

#define AT_NS 1795218707201337000ll /* 2026-11-20T23:51:47.201337Z */

static struct scan scan_text(const char *text)
{
    struct scan_clock clock = {{0}, 0};
    struct scan m;
    size_t len = strlen(text);
    char *exact = malloc(len + 1); /* a sanitizer sees a read behind the end */

    memcpy(exact, text, len);
    exact = realloc(exact, len != 0 ? len : 1);
    scan_message(&clock, exact, len, &m);
    if (m.symbol != NULL) {
        m.symbol = text + (m.symbol - exact);
    }
    free(exact);
    return m;
}

static void expect_symbol(const struct scan *m, const char *symbol)
{
    assert_non_null(m->symbol);
    assert_int_equal(m->symbol_len, strlen(symbol));
    assert_memory_equal(m->symbol, symbol, m->symbol_len);
}

static void test_book(void **state)
{
    struct scan m = scan_text(
        "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"BTC/USD\",\"bids\":[],"
        "\"asks\":[{\"price\":50000.0,\"qty\":0.00000000}],\"checksum\":1130044592,\"timestamp\":"
        "\"2026-11-20T23:51:47.201337Z\"}],\"gw\":{\"s\":184502,\"p\":184467,\"n\":35}}");

    (void)state;
    assert_int_equal(m.channel, SCAN_BOOK);
    assert_false(m.snapshot);
    expect_symbol(&m, "BTC/USD");
    assert_true(m.has_seq && m.has_prev && m.has_time);
    assert_int_equal(m.seq, 184502);
    assert_int_equal(m.prev, 184467);
    assert_true(m.time_ns == AT_NS);
}

static void test_snapshot(void **state)
{
    struct scan m = scan_text(
        "{\"channel\":\"book\",\"type\":\"snapshot\",\"data\":[{\"symbol\":\"BTC/USD\",\"bids\":[],"
        "\"asks\":[],\"checksum\":0,\"timestamp\":\"2026-11-20T23:51:47Z\"}],\"gw\":{\"e\":"
        "\"k7f2\","
        "\"s\":18446744073709551,\"p\":null}}");

    (void)state;
    assert_true(m.snapshot && m.has_seq && !m.has_prev && m.has_time);
    assert_true(m.seq == 18446744073709551ull);
}

static void test_trades_newest_time(void **state)
{
    struct scan m = scan_text(
        "{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{\"symbol\":\"ETH/"
        "USD\",\"trade_id\":1,"
        "\"timestamp\":\"2026-11-20T23:51:40.000001Z\"},{\"symbol\":\"ETH/USD\",\"trade_id\":2,"
        "\"timestamp\":\"2026-11-20T23:51:47.201337Z\"}],\"gw\":{\"s\":2,\"p\":0}}");

    (void)state;
    assert_int_equal(m.channel, SCAN_TRADE);
    expect_symbol(&m, "ETH/USD");
    assert_true(m.time_ns == AT_NS);
}

/* The stamps of candles lie in the future; the one that counts is before the data. */
static void test_ohlc(void **state)
{
    struct scan m =
        scan_text("{\"channel\":\"ohlc\",\"type\":\"update\",\"timestamp\":\"2026-11-20T23:51:47."
                  "201337000Z\","
                  "\"data\":[{\"symbol\":\"BTC/USD\",\"open\":1.0,\"interval_begin\":"
                  "\"2026-11-20T23:50:00.000000000Z\",\"interval\":5,\"timestamp\":"
                  "\"2026-11-20T23:55:00.000000Z\"}],\"gw\":{\"s\":7,\"p\":6,\"n\":1}}");

    (void)state;
    assert_int_equal(m.channel, SCAN_OHLC);
    assert_int_equal(m.interval, 5);
    assert_true(m.time_ns == AT_NS);
}

static void test_kinds(void **state)
{
    static const struct {
        const char *text;
        enum scan_channel channel;
    } kinds[] = {
        {"{\"channel\":\"heartbeat\"}", SCAN_HEARTBEAT},
        {"{\"channel\":\"status\",\"type\":\"update\",\"data\":[]}", SCAN_STATUS},
        {"{\"channel\":\"gateway\",\"type\":\"update\"}", SCAN_GATEWAY},
        {"{\"channel\":\"books\"}", SCAN_OTHER},
        {"{\"channel\":\"", SCAN_OTHER},
        {"{\"method\":\"subscribe\",\"success\":true}", SCAN_ACK},
        {"{\"method\":\"subscribe\",\"error\":\"x\",\"success\":false}", SCAN_REFUSED},
        {"{\"error\":\"Malformed request\",\"success\":false}", SCAN_REFUSED},
        {"", SCAN_OTHER},
        {"{\"channel\":\"instrument\",\"type\":\"snapshot\",\"data\":{}}", SCAN_INSTRUMENT},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(scan_text(kinds[i].text).channel, kinds[i].channel);
    }
}

/* Every prefix of a message is scanned without leaving it. */
static void test_cut_messages(void **state)
{
    static const char text[] =
        "{\"channel\":\"ohlc\",\"type\":\"update\",\"timestamp\":\"2026-11-20T23:51:47.2Z\","
        "\"data\":"
        "[{\"symbol\":\"BTC/USD\",\"interval\":5}],\"gw\":{\"s\":7,\"p\":6}}";
    char cut[sizeof text];

    (void)state;
    for (size_t len = 0; len < sizeof text; len++) {
        memcpy(cut, text, len);
        cut[len] = '\0';
        (void)scan_text(cut);
    }
}

static void test_rfc3339(void **state)
{
    static const struct {
        const char *text;
        int64_t ns; /* -1: not a time */
    } times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2000-02-29T12:00:00.5Z", 951825600500000000},
        {"2026-11-20T23:51:47.201337Z", AT_NS},
        {"2026-11-20T23:51:48.123456789Z", AT_NS + 922119789},
        {"2026-11-20T23:51:47.1234567890Z", -1},
        {"2026-11-20T23:51:47.201337", -1},
        {"2026-11-20 23:51:47Z", -1},
        {"2026-13-20T23:51:47Z", -1},
        {"2026-11-20T23:61:47Z", -1},
        {"2026-11-20T23:51:4xZ", -1},
        {"2026-11-20T23:51:47+00:00", -1},
        {"9999", -1},
    };
    struct scan_clock clock = {{0}, 0};

    (void)state;
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
        int64_t ns = -1;
        bool ok = scan_rfc3339(&clock, times[i].text, strlen(times[i].text), &ns);

        assert_int_equal(ok, times[i].ns != -1);
        assert_true(ns == times[i].ns);
    }
}

static void expect_ref(const struct scan_ref *ref, const char *text)
{
    assert_int_equal(ref->len, strlen(text));
    assert_memory_equal(ref->text, text, ref->len);
}

static void test_ack(void **state)
{
    static const char text[] =
        "{\"method\":\"subscribe\",\"req_id\":3,\"success\":true,\"result\":{\"channel\":\"book\","
        "\"symbol\":\"BTC/USD\",\"depth\":25,\"snapshot\":false,\"gw\":{\"e\":\"k7f2\","
        "\"session\":\"c-17\",\"resumed\":true,\"from\":184502,\"to\":184990,\"frames\":5,"
        "\"last_close\":{\"code\":4008,\"reason\":\"SLOW_CONSUMER\",\"lag_ms\":5230}}}}";
    struct scan_ack ack;

    (void)state;
    scan_ack(text, sizeof text - 1, &ack);
    assert_int_equal(ack.channel, SCAN_BOOK);
    expect_ref(&ack.symbol, "BTC/USD");
    expect_ref(&ack.epoch, "k7f2");
    expect_ref(&ack.session, "c-17");
    expect_ref(&ack.last_close, "SLOW_CONSUMER");
    assert_true(ack.resumed);
    assert_null(ack.why.text);
    for (size_t len = 0; len < sizeof text; len++) {
        char *cut = malloc(len + 1);

        memcpy(cut, text, len);
        scan_ack(cut, len, &ack);
        free(cut);
    }
}

static void test_ack_not_resumed(void **state)
{
    static const char text[] =
        "{\"method\":\"subscribe\",\"success\":true,\"result\":{\"channel\":\"ohlc\",\"symbol\":"
        "\"BTC/USD\",\"interval\":5,\"gw\":{\"resumed\":false,\"why\":\"RING_MISS\"}}}";
    static const char other[] = "{\"method\":\"unsubscribe\",\"success\":true,\"result\":{"
                                "\"channel\":\"ohlc\",\"symbol\":\"BTC/USD\"}}";
    struct scan_ack ack;

    (void)state;
    scan_ack(text, sizeof text - 1, &ack);
    assert_int_equal(ack.channel, SCAN_OHLC);
    assert_int_equal(ack.interval, 5);
    assert_false(ack.resumed);
    expect_ref(&ack.why, "RING_MISS");
    assert_null(ack.session.text);
    scan_ack(other, sizeof other - 1, &ack);
    assert_int_equal(ack.channel, SCAN_OTHER);
}

static void test_trade_ids(void **state)
{
    static const char text[] = "[{\"trade_id\":7,\"x\":1},{\"trade_id\":8},{\"trade_id\":x}]";
    const char *at = text;
    uint64_t id;

    (void)state;
    assert_true(scan_trade_id(&at, text + sizeof text - 1, &id));
    assert_int_equal(id, 7);
    assert_true(scan_trade_id(&at, text + sizeof text - 1, &id));
    assert_int_equal(id, 8);
    assert_false(scan_trade_id(&at, text + sizeof text - 1, &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_book),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_trades_newest_time),
        cmocka_unit_test(test_ohlc),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_cut_messages),
        cmocka_unit_test(test_rfc3339),
        cmocka_unit_test(test_ack),
        cmocka_unit_test(test_ack_not_resumed),
        cmocka_unit_test(test_trade_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
