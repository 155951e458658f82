/* links: load/wsflood_options.c load/wsflood_stats.c load/wsflood_scan.c load/hist.c gw_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "load/wsflood_stats.h"

#define NOW_NS 1795218708000000000ll /* 2026-11-20T23:51:48Z */
#define BOOK   0u
#define TRADE  1u

static struct wf_stream streams[] = {
    {.channel = SCAN_BOOK, .symbol_len = 7, .symbol = "BTC/USD"},
    {.channel = SCAN_TRADE, .symbol_len = 7, .symbol = "BTC/USD"},
};
static const struct wf_options options = {.streams = streams, .stream_count = 2};
static struct wf_stats stats;
static struct wf_memory memory;

static int begin(void **state)
{
    (void)state;
    wf_stats_init(&stats, &options);
    wf_memory_clear(&stats, &memory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    wf_memory_fini(&memory);
    wf_stats_fini(&stats);
    return 0;
}

static void hear(const char *text)
{
    wf_stats_message(&stats, &memory, text, strlen(text), NOW_NS);
}

static void hear_trades(const char *type, unsigned from, unsigned to)
{
    char text[1024];
    int len =
        snprintf(text, sizeof text, "{\"channel\":\"trade\",\"type\":\"%s\",\"data\":[", type);

    for (unsigned id = from; id <= to; id++) {
        len += snprintf(text + len, sizeof text - (size_t)len,
                        "%s{\"symbol\":\"BTC/USD\",\"trade_id\":%u,\"timestamp\":"
                        "\"2026-11-20T23:51:47.000000Z\"}",
                        id == from ? "" : ",", id);
    }
    (void)snprintf(text + len, sizeof text - (size_t)len, "],\"gw\":{\"s\":%u,\"p\":%u}}", to,
                   from - 1);
    hear(text);
}

static void hear_book(const char *gw)
{
    char text[512];

    (void)snprintf(text, sizeof text,
                   "{\"channel\":\"book\",\"type\":\"%s\",\"data\":[{\"symbol\":\"BTC/USD\","
                   "\"timestamp\":\"2026-11-20T23:51:47.000000Z\"}],\"gw\":{%s}}",
                   strstr(gw, "null") != NULL ? "snapshot" : "update", gw);
    hear(text);
}

static void hear_ack(const char *channel, const char *gw)
{
    char text[512];

    (void)snprintf(text, sizeof text,
                   "{\"method\":\"subscribe\",\"success\":true,\"result\":{\"channel\":\"%s\","
                   "\"symbol\":\"BTC/USD\",\"gw\":{%s}}}",
                   channel, gw);
    hear(text);
}

static void expect_trades(uint64_t received, uint64_t gaps, uint64_t told, uint64_t duplicates)
{
    assert_int_equal(stats.all.trades, received);
    assert_int_equal(stats.all.trade_gaps, gaps);
    assert_int_equal(stats.all.trade_gaps_told, told);
    assert_int_equal(stats.all.trade_duplicates, duplicates);
}

static void test_trade_order(void **state)
{
    (void)state;
    hear_trades("update", 100, 103); /* the first may be any */
    hear_trades("update", 104, 104);
    expect_trades(5, 0, 0, 0);
    hear_trades("update", 107, 108);
    expect_trades(7, 1, 0, 0);
    assert_int_equal(stats.all.trades_missing, 2);
    hear_trades("update", 108, 109);
    expect_trades(9, 1, 0, 1);
    hear_trades("snapshot", 50, 52);
    hear_trades("update", 53, 53);
    expect_trades(13, 1, 0, 1);
}

static void open_and_close(void)
{
    hear_ack("book", "\"e\":\"k1\",\"session\":\"c-5\"");
    hear_ack("trade", "\"e\":\"k1\",\"session\":\"c-5\"");
    hear_book("\"e\":\"k1\",\"s\":10,\"p\":null");
    hear_book("\"s\":12,\"p\":10");
    hear_trades("update", 7, 8);
    assert_string_equal(memory.session, "c-5");
    memory.owes = true;
    memory.closed_ns = NOW_NS - 5000;
    stats.owing = 1;
    wf_memory_reopen(&stats, &memory, NOW_NS);
    assert_true(memory.cursors[BOOK].asked && memory.cursors[TRADE].asked);
    assert_int_equal(memory.cursors[BOOK].seq, 12);
    assert_int_equal(memory.cursors[TRADE].trade_id, 8);
}

static void test_resumed(void **state)
{
    (void)state;
    open_and_close();
    hear_ack("book", "\"e\":\"k1\",\"resumed\":true,\"last_close\":{\"code\":4008,\"reason\":"
                     "\"SLOW_CONSUMER\"}");
    hear_ack("trade", "\"e\":\"k1\",\"resumed\":true,\"last_close\":{\"code\":4008,\"reason\":"
                      "\"SLOW_CONSUMER\"}");
    assert_int_equal(stats.owing, 0);
    assert_int_equal(stats.all.resumed, 2);
    assert_int_equal(stats.returns.last_close.used, 1);
    assert_string_equal(stats.returns.last_close.row[0].name, "SLOW_CONSUMER");
    assert_int_equal(stats.returns.last_close.row[0].count, 1); /* once a connection */
    hear_book("\"s\":15,\"p\":12");
    hear_trades("update", 9, 9);
    expect_trades(3, 0, 0, 0);
    assert_int_equal(wf_counters_breaks(&stats.all), 0);
    assert_int_equal(stats.all.before_snapshot, 0);
    assert_int_equal(stats.all.behind, 2); /* older than the return */
    assert_int_equal(hist_count(stats.returns.first_data), 1);
    assert_int_equal(hist_max(stats.returns.first_data), 5000);
}

/* A resume that does not join what was seen is a fault of the server. */
static void test_resumed_wrongly(void **state)
{
    (void)state;
    open_and_close();
    hear_ack("book", "\"e\":\"k1\",\"resumed\":true");
    hear_ack("trade", "\"e\":\"k1\",\"resumed\":true");
    hear_book("\"s\":15,\"p\":13");
    hear_trades("update", 10, 10);
    expect_trades(3, 1, 0, 0);
    assert_int_equal(wf_counters_breaks(&stats.all), 1);
    assert_string_equal(stats.first_break, "book: BTC/USD, gw.p 13 after 12");
}

static void test_not_resumed(void **state)
{
    (void)state;
    open_and_close();
    hear_ack("book", "\"e\":\"k2\",\"resumed\":false,\"why\":\"EPOCH_CHANGED\"");
    hear_ack("trade", "\"e\":\"k2\"");
    assert_int_equal(stats.all.not_resumed, 2);
    assert_int_equal(stats.returns.why.used, 2);
    assert_string_equal(stats.returns.why.row[0].name, "EPOCH_CHANGED");
    assert_string_equal(stats.returns.why.row[1].name, "ABSENT");
    hear_book("\"e\":\"k2\",\"s\":3,\"p\":null");
    hear_trades("update", 20, 20);
    expect_trades(3, 0, 1, 0);
    assert_int_equal(stats.all.trades_missing_told, 11);
    hear_trades("update", 22, 22); /* told once, for one gap */
    expect_trades(4, 1, 1, 0);
    assert_int_equal(stats.all.breaks[SCAN_BOOK], 0);
}

static void test_feed_gap(void **state)
{
    (void)state;
    open_and_close();
    hear_ack("trade", "\"e\":\"k1\",\"resumed\":true");
    hear("{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":\"feed\",\"state\":"
         "\"ok\",\"symbols\":[\"BTC/USD\"],\"e\":\"k1\",\"gap_trades\":{\"from\":10,\"to\":19}}]}");
    hear_trades("update", 9, 9);
    hear_trades("update", 20, 20);
    expect_trades(4, 0, 1, 0);
    hear_trades("update", 30, 30);
    expect_trades(5, 1, 1, 0);
}

static void test_clear(void **state)
{
    (void)state;
    open_and_close();
    wf_memory_clear(&stats, &memory);
    assert_int_equal(stats.owing, 0);
    assert_string_equal(memory.session, "");
    hear_trades("update", 1, 1);
    hear_book("\"e\":\"k1\",\"s\":1,\"p\":null");
    expect_trades(3, 0, 0, 0);
}

static void test_backoff(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        uint32_t ms = wf_memory_backoff_ms(&memory, i * 7919u);

        assert_in_range(ms, 200, 2000);
    }
    hear("{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":\"evict\",\"reason\":"
         "\"SLOW_CONSUMER\",\"resume\":true,\"retry_after_ms\":3000}]}");
    assert_true(memory.evict_read);
    assert_in_range(wf_memory_backoff_ms(&memory, 12345), 3000, 3300);
    assert_in_range(wf_memory_backoff_ms(&memory, 12345), 200, 2000);
    assert_true(wf_may_come_back(1006) && wf_may_come_back(4008) && !wf_may_come_back(4003));
}

/* While it stalls nothing counts; then what was made after it began to read again. */
static void test_stalled_latency(void **state)
{
    (void)state;
    wf_stats_begin(&stats);
    memory.slow = true;
    memory.live_from_ns = INT64_MAX;
    hear_trades("update", 1, 1);
    memory.live_from_ns = NOW_NS - 1000000000; /* the stamp of the trades */
    assert_int_equal(hist_count(stats.latency), 0);
    hear_trades("update", 2, 2);
    assert_int_equal(hist_count(stats.latency), 1);
    assert_int_equal(hist_count(stats.second), 1);
    assert_false(memory.slow);
    assert_int_equal(stats.stalls.caught_up, 1);
}

static void test_tally(void **state)
{
    struct wf_tally t = {0};
    char text[8];

    (void)state;
    for (unsigned i = 0; i < 2 * WF_TALLY_ROWS; i++) {
        int len = snprintf(text, sizeof text, "W%u", i);

        wf_tally_add(&t, text, (size_t)len);
    }
    wf_tally_add(&t, "W1", 2);
    assert_int_equal(t.used, WF_TALLY_ROWS);
    assert_int_equal(t.row[1].count, 2);
    assert_string_equal(t.row[WF_TALLY_ROWS - 1].name, "other");
    assert_int_equal(t.row[WF_TALLY_ROWS - 1].count, WF_TALLY_ROWS + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_trade_order), TEST(test_resumed),  TEST(test_resumed_wrongly),
        TEST(test_not_resumed), TEST(test_feed_gap), TEST(test_clear),
        TEST(test_backoff),     TEST(test_tally),    TEST(test_stalled_latency),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
