/* links: load/wsflood_watch.c load/wsflood_options.c load/wsflood_stats.c */
/* links: load/wsflood_scan.c load/hist.c gw_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "load/wsflood_due.h"
#include "load/wsflood_watch.h"

#define SECOND_NS 1000000000ll
#define START_NS  7000000000ll

static void test_series(void **state)
{
    struct wf_counters c = {.bytes = 100};
    struct wf_watch w = {.pid = 1, .now_us = 5000, .rss_bytes = 4096};
    struct wf_sample gauges = {.phase = "connect", .open = 3, .waiting = 2};
    struct hist *h = hist_create();
    struct wf_series s;

    (void)state;
    wf_series_init(&s, 2, START_NS);
    c.messages[SCAN_BOOK] = 10;
    hist_record(h, 50);
    hist_record(h, 90);
    wf_series_add(&s, &gauges, START_NS + SECOND_NS, &c, h, &w);
    assert_int_equal(hist_count(h), 0);
    c.messages[SCAN_BOOK] = 25;
    c.messages[SCAN_ACK] = 1;
    c.bytes = 400;
    c.closes = 3;
    c.reconnects = 2;
    c.resumed = 4;
    c.breaks[SCAN_BOOK] = 1;
    c.trade_gaps = 5;
    w.now_us = 9000;
    gauges = (struct wf_sample){.phase = "measure", .open = 5};
    wf_series_add(&s, &gauges, START_NS + 3 * SECOND_NS, &c, h, &w);

    assert_int_equal(s.count, 2);
    assert_int_equal(s.samples[0].at_ns, SECOND_NS);
    assert_int_equal(s.samples[0].messages, 10);
    assert_int_equal(s.samples[0].bytes, 100);
    assert_int_equal(s.samples[0].p50_ns, 50);
    assert_int_equal(s.samples[0].max_ns, 90);
    assert_int_equal(s.samples[0].open, 3);
    assert_int_equal(s.samples[0].waiting, 2);
    assert_string_equal(s.samples[0].phase, "connect");
    assert_int_equal(s.samples[1].at_ns, 3 * SECOND_NS);
    assert_int_equal(s.samples[1].passed_ns, 2 * SECOND_NS);
    assert_int_equal(s.samples[1].messages, 16);
    assert_int_equal(s.samples[1].bytes, 300);
    assert_int_equal(s.samples[1].max_ns, 0);
    assert_int_equal(s.samples[1].closes, 3);
    assert_int_equal(s.samples[1].reconnects, 2);
    assert_int_equal(s.samples[1].resumed, 4);
    assert_int_equal(s.samples[1].breaks, 1);
    assert_int_equal(s.samples[1].trade_gaps, 5);
    assert_true(s.samples[1].has_server);
    assert_int_equal(s.samples[1].cpu_us, 4000);
    assert_int_equal(s.samples[1].rss_bytes, 4096);

    w.ended = true;
    wf_series_add(&s, &gauges, START_NS + 4 * SECOND_NS, &c, h, &w);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.lost, 1);
    wf_series_fini(&s);
    hist_destroy(&h);
}

static void test_due(void **state)
{
    enum { COUNT = 1000 };
    struct wf_due_row rows[COUNT];
    struct wf_due d = {rows, 0};
    bool seen[COUNT] = {false};
    int64_t last = 0;

    (void)state;
    assert_true(wf_due_next(&d) == INT64_MAX);
    for (uint32_t i = 0; i < COUNT; i++) {
        wf_due_offer(&d, (int64_t)(i * 7919u % 211u), i);
    }
    while (d.count != 0) {
        int64_t at = wf_due_next(&d);
        uint32_t index = wf_due_take(&d);

        assert_true(at >= last);
        assert_int_equal(at, index * 7919u % 211u);
        assert_false(seen[index]);
        seen[index] = true;
        last = at;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(seen[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series),
        cmocka_unit_test(test_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
