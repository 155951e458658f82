/* links: load/wsflood_options.c load/wsflood_scan.c gw_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "load/wsflood_options.h"

#define SPECS 3u

static struct wf_options options;

static int parse(void **state)
{
    static const char *const words[] = {
        "wsflood",
        "--url",
        "wss://localhost:8443/v2",
        "--insecure",
        "--subscribe",
        "book:BTC/USD,ETH/USD,SOL/USD:25",
        "--subscribe",
        "trade:BTC/USD",
        "--subscribe",
        "ohlc:BTC/USD:5",
        "--interval-ms",
        "100",
        "--resume",
        "--churn",
        "7",
        "--stall",
        "5%",
        "--stall-for",
        "20",
    };
    char *argv[sizeof words / sizeof words[0]];

    (void)state;
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        argv[i] = strdup(words[i]);
    }
    assert_int_equal(wf_options_parse(&options, (int)(sizeof words / sizeof words[0]), argv),
                     WF_RUN);
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        free(argv[i]); /* the texts of the specs are not looked at any more */
    }
    return 0;
}

static int fini(void **state)
{
    (void)state;
    wf_options_fini(&options);
    return 0;
}

static void expect(unsigned spec, const struct wf_resume *resume, const char *text)
{
    struct buf out = {0};

    wf_options_request(&options, &options.specs[spec], 3, resume, &out);
    assert_string_equal(buf_cstr(&out), text);
    buf_fini(&out);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(options.resume);
    assert_int_equal(options.churn, 7);
    assert_int_equal(options.stall_percent, 5);
    assert_int_equal(options.stall_for_s, 20);
    assert_int_equal(options.spec_count, SPECS);
    assert_int_equal(options.stream_count, 5);
}

static void test_fresh(void **state)
{
    (void)state;
    expect(0, NULL,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"book\",\"symbol\":["
           "\"BTC/USD\",\"ETH/USD\",\"SOL/USD\"],\"depth\":25,\"gw\":{\"interval_ms\":100}}}");
    expect(2, NULL,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"ohlc\",\"symbol\":["
           "\"BTC/USD\"],\"interval\":5,\"gw\":{\"interval_ms\":100}}}");
}

/* Of the epoch that is asked for: one symbol is known, one not yet, the third is of another. */
static void test_resume(void **state)
{
    struct wf_cursor cursors[] = {{.seq = 184502, .trade_id = WF_SEQ_NONE, .epoch = 1},
                                  {.seq = WF_SEQ_NONE, .trade_id = WF_SEQ_NONE, .epoch = 1},
                                  {.seq = 9, .trade_id = WF_SEQ_NONE, .epoch = 2},
                                  {.seq = 5, .trade_id = 90211, .epoch = 1},
                                  {.seq = 6, .trade_id = WF_SEQ_NONE, .epoch = 1}};
    struct wf_resume resume = {"c-8812733", "k7f2", 1, cursors};

    (void)state;
    expect(0, &resume,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"book\",\"symbol\":["
           "\"BTC/USD\",\"ETH/USD\"],\"depth\":25,\"gw\":{\"resume\":{\"session\":\"c-8812733\","
           "\"e\":\"k7f2\",\"s\":{\"BTC/USD\":184502}},\"interval_ms\":100}}}");
    expect(1, &resume,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"trade\",\"symbol\":["
           "\"BTC/USD\"],\"gw\":{\"resume\":{\"session\":\"c-8812733\",\"e\":\"k7f2\","
           "\"trade_id\":{\"BTC/USD\":90211}},\"interval_ms\":100}}}");
    expect(2, &resume,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"ohlc\",\"symbol\":["
           "\"BTC/USD\"],\"interval\":5,\"gw\":{\"interval_ms\":100}}}");
    cursors[0].seq = 1;
    cursors[1].seq = 2;
    expect(0, &resume,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"book\",\"symbol\":["
           "\"BTC/USD\",\"ETH/USD\"],\"depth\":25,\"gw\":{\"resume\":{\"session\":\"c-8812733\","
           "\"e\":\"k7f2\",\"s\":{\"BTC/USD\":1,\"ETH/USD\":2}},\"interval_ms\":100}}}");
}

static void test_nothing_known(void **state)
{
    struct wf_cursor cursors[] = {{.seq = WF_SEQ_NONE, .trade_id = WF_SEQ_NONE},
                                  {.seq = 5, .trade_id = WF_SEQ_NONE}, /* but of no epoch */
                                  {.seq = 5, .trade_id = WF_SEQ_NONE},
                                  {.seq = 5, .trade_id = WF_SEQ_NONE},
                                  {.seq = 5, .trade_id = WF_SEQ_NONE}};
    struct wf_resume resume = {"c-1", "", 0, cursors};

    (void)state;
    options.has_interval_ms = false;
    expect(1, &resume,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"trade\",\"symbol\":["
           "\"BTC/USD\"]}}");
    options.has_interval_ms = true;
    expect(0, &resume,
           "{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"book\",\"symbol\":["
           "\"BTC/USD\",\"ETH/USD\",\"SOL/USD\"],\"depth\":25,\"gw\":{\"interval_ms\":100}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_nothing_known),
    };

    return cmocka_run_group_tests(tests, parse, fini);
}
