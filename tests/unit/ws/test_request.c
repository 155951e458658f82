#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "ws/reply.h"

static enum gw_err parse(const char *text, struct ws_request *r)
{
    return ws_request_parse(text, strlen(text), r);
}

static void defaults_by_channel(void **state)
{
    struct ws_request r;

    (void)state;
    assert_int_equal(
        parse(
            "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"BTC/USD\"]}}",
            &r),
        GW_OK);
    assert_int_equal(r.channel, WS_CH_BOOK);
    assert_int_equal(r.depth, 10);
    assert_true(r.snapshot);
    assert_int_equal(r.interval_ms, 50);
    assert_false(r.has_gw);
    assert_false(r.has_req_id);
    ws_request_fini(&r);
    assert_int_equal(
        parse("{\"method\":\"subscribe\",\"req_id\":7,\"params\":{\"channel\":\"trade\","
              "\"symbol\":[\"BTC/USD\",\"ETH/USD\",\"BTC/USD\"],\"gw\":{\"interval_ms\":0,"
              "\"on_lag\":\"evict\"}}}",
              &r),
        GW_OK);
    assert_int_equal(r.req_id, 7);
    assert_int_equal(r.symbol_count, 2); /* repetitions collapse */
    assert_string_equal(r.symbols[1], "ETH/USD");
    assert_false(r.snapshot);
    assert_int_equal(r.interval_ms, 0);
    assert_int_equal(r.on_lag, WS_LAG_EVICT);
    ws_request_fini(&r);
    assert_int_equal(parse("{\"method\":\"ping\"}", &r), GW_OK);
    assert_int_equal(r.method, WS_PING);
    ws_request_fini(&r);
}

static void refusals_keep_what_the_answer_needs(void **state)
{
    struct ws_request r;

    (void)state;
    assert_int_not_equal(
        parse("{\"method\":\"subscribe\",\"req_id\":3,\"params\":{\"channel\":\"x\"}}", &r), GW_OK);
    assert_int_equal(r.method, WS_SUBSCRIBE);
    assert_int_equal(r.req_id, 3);
    assert_string_equal(r.error, "EGeneral:Invalid arguments:channel");
    ws_request_fini(&r);
}

static void hostile_text(void **state)
{
    static const char *const bad[] = {
        "",
        "\"subscribe\"",
        "{\"method\":\"ping\"}x",
        "{\"method\":\"ping\",\"extra\":1}",
        "{\"method\":\"ping\",\"req_id\":\"7\"}",
        "{\"method\":\"ping\",\"req_id\":99999999999999999999}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[7]}}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"A/B\\u0000C\"]}}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"A/B/C\"]}}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"\xff/\xfe\"]}}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"A/"
        "B\"],\"depth\":10.0}}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"A/"
        "B\"],\"gw\":[]}}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"A/"
        "B\"],\"gw\":{\"x\":1}}}",
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        struct ws_request r;

        if (parse(bad[i], &r) == GW_OK) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_int_not_equal(r.error[0], '\0');
        ws_request_fini(&r);
    }
}

static void replies_are_escaped(void **state)
{
    struct ws_request r = {.method = WS_SUBSCRIBE, .has_req_id = true, .req_id = -1};
    const struct reply_times t = {1723161254936000000, 1723161254937000000};
    struct buf out = {0};

    (void)state;
    reply_error(&out, &r, "bad \"thing\"", "A\\B", &t);
    assert_string_equal(buf_cstr(&out),
                        "{\"method\":\"subscribe\",\"req_id\":-1,\"error\":\"bad \\\"thing\\\"\","
                        "\"success\":false,\"symbol\":\"A\\\\B\","
                        "\"time_in\":\"2024-08-08T23:54:14.936000Z\","
                        "\"time_out\":\"2024-08-08T23:54:14.937000Z\"}");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_by_channel),
        cmocka_unit_test(refusals_keep_what_the_answer_needs),
        cmocka_unit_test(hostile_text),
        cmocka_unit_test(replies_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
