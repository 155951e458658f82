/* entry: what cores and other gateways write, strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/base/buf.h"
#include "gateway/core/entry.h"
#include "gateway/runtime/json.h"

#define ID "01ARYZ6S41ZZZZZZZZZZZZZZZZ"

static enum entry_verdict ack(const char *json, struct core_ack *a)
{
    return core_ack_parse(json, strlen(json), a);
}

static void acks_of_commands(void **state)
{
    struct core_ack a;

    (void)state;
    assert_int_equal(ack("{\"id\":\"" ID
                         "\",\"state\":\"done\",\"count\":42,\"detail\":\"42 orders\","
                         "\"core\":\"engine-1\",\"version\":\"7\",\"later\":[1]}",
                         &a),
                     ENTRY_OK);
    assert_int_equal(a.type, CORE_ACK_COMMAND);
    assert_string_equal(a.id, ID);
    assert_int_equal(a.state, CORE_DONE);
    assert_true(a.has_count && a.count == 42);
    assert_string_equal(a.detail, "42 orders");
    assert_string_equal(a.core, "engine-1");
    assert_true(a.has_version && a.version == 7);
    assert_int_equal(ack("{\"id\":\"" ID "\",\"state\":\"accepted\",\"core\":\"e\"}", &a),
                     ENTRY_OK);
    assert_false(a.has_count || a.has_version);
}

static void other_words(void **state)
{
    struct core_ack a;

    (void)state;
    assert_int_equal(
        ack("{\"core\":\"e\",\"version\":9,\"symbol\":\"BTC/USD\",\"mode\":\"SOFT_HALT\"}", &a),
        ENTRY_OK);
    assert_int_equal(a.type, CORE_ACK_APPLIED);
    assert_int_equal(a.mode, CORE_MODE_SOFT_HALT);
    assert_int_equal(ack("{\"core\":\"e\",\"version\":9}", &a), ENTRY_OK);
    assert_int_equal(a.type, CORE_ACK_ALIVE);
    assert_false(a.need_snapshot);
    assert_int_equal(ack("{\"core\":\"e\",\"version\":0,\"need\":\"snapshot\"}", &a), ENTRY_OK);
    assert_true(a.need_snapshot);
    assert_int_equal(
        ack("{\"core\":\"e\",\"circuit\":\"risk\",\"state\":\"half_open\",\"detail\":\"x\"}", &a),
        ENTRY_OK);
    assert_int_equal(a.type, CORE_ACK_CIRCUIT);
    assert_string_equal(a.circuit, "risk");
    assert_int_equal(a.circuit_state, CIRCUIT_HALF_OPEN);
    assert_string_equal(a.detail, "x");
}

static void refused_by_name(void **state)
{
    static const struct {
        enum entry_verdict verdict;
        const char *json;
    } rows[] = {
        {ENTRY_CIRCUIT, "{\"core\":\"e\",\"circuit\":\"\",\"state\":\"open\"}"},
        {ENTRY_CIRCUIT, "{\"core\":\"e\",\"circuit\":\"a b\",\"state\":\"open\"}"},
        {ENTRY_CIRCUIT, "{\"core\":\"e\",\"circuit\":\"a\\\"b\",\"state\":\"open\"}"},
        {ENTRY_STATE, "{\"core\":\"e\",\"circuit\":\"a\",\"state\":\"done\"}"},
        {ENTRY_STATE, "{\"core\":\"e\",\"circuit\":\"a\"}"},
        {ENTRY_DETAIL, "{\"core\":\"e\",\"circuit\":\"a\",\"state\":\"open\",\"detail\":1}"},
        {ENTRY_JSON, ""},
        {ENTRY_JSON, "done"},
        {ENTRY_JSON, "[]"},
        {ENTRY_JSON, "{\"core\":\"e\",\"core\":\"f\",\"version\":1}"},
        {ENTRY_JSON, "{\"core\":\"e\",\"version\":1}x"},
        {ENTRY_JSON, "{\"core\":\"e\",\"version\":1,\"x\":[[[[[[[[1]]]]]]]]}"},
        {ENTRY_CORE, "{\"version\":1}"},
        {ENTRY_CORE, "{\"core\":\"\",\"version\":1}"},
        {ENTRY_CORE, "{\"core\":7,\"version\":1}"},
        {ENTRY_CORE, "{\"core\":\"a b\",\"version\":1}"},
        {ENTRY_JSON, "{\"core\":\"e\\u0000f\",\"version\":1}"},
        {ENTRY_CORE, "{\"core\":\"abcdefghijabcdefghijabcdefghijabc\",\"version\":1}"},
        {ENTRY_VERSION, "{\"core\":\"e\"}"},
        {ENTRY_VERSION, "{\"core\":\"e\",\"version\":-1}"},
        {ENTRY_VERSION, "{\"core\":\"e\",\"version\":1.0}"},
        {ENTRY_VERSION, "{\"core\":\"e\",\"version\":9007199254740992}"},
        {ENTRY_VERSION, "{\"core\":\"e\",\"symbol\":\"BTC/USD\",\"mode\":\"NORMAL\"}"},
        {ENTRY_ID, "{\"core\":\"e\",\"id\":\"42\",\"state\":\"done\"}"},
        {ENTRY_ID, "{\"core\":\"e\",\"id\":null,\"state\":\"done\"}"},
        {ENTRY_STATE, "{\"core\":\"e\",\"id\":\"" ID "\"}"},
        {ENTRY_STATE, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"finished\"}"},
        {ENTRY_STATE, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"requested\"}"},
        {ENTRY_STATE, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"timed_out\"}"},
        {ENTRY_COUNT, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"done\",\"count\":-3}"},
        {ENTRY_COUNT, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"done\",\"count\":\"many\"}"},
        {ENTRY_COUNT, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"done\",\"count\":null}"},
        {ENTRY_DETAIL,
         "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"done\",\"detail\":\"a\\nb\"}"},
        {ENTRY_DETAIL, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"done\",\"detail\":{}}"},
        {ENTRY_SYMBOL, "{\"core\":\"e\",\"version\":1,\"symbol\":\"btc/usd\",\"mode\":\"NORMAL\"}"},
        {ENTRY_SYMBOL, "{\"core\":\"e\",\"version\":1,\"symbol\":\"\",\"mode\":\"NORMAL\"}"},
        {ENTRY_MODE, "{\"core\":\"e\",\"version\":1,\"symbol\":\"BTC/USD\"}"},
        {ENTRY_MODE, "{\"core\":\"e\",\"version\":1,\"symbol\":\"BTC/USD\",\"mode\":\"halt\"}"},
        {ENTRY_NEED, "{\"core\":\"e\",\"version\":1,\"need\":\"coffee\"}"},
    };
    struct core_ack a;

    (void)state;
    for (size_t i = 0; i < GW_LEN(rows); i++) {
        enum entry_verdict verdict = ack(rows[i].json, &a);

        if (verdict != rows[i].verdict) {
            fail_msg("%s: %s instead of %s", rows[i].json, entry_verdicts[verdict].field,
                     entry_verdicts[rows[i].verdict].field);
        }
    }
}

static void bounds_of_length(void **state)
{
    struct buf json = {0};
    struct core_ack a;

    (void)state;
    for (size_t len = 200; len <= 201; len++) {
        buf_reset(&json);
        buf_lit(&json, "{\"core\":\"e\",\"id\":\"" ID "\",\"state\":\"failed\",\"detail\":\"");
        for (size_t i = 0; i < len; i++) {
            buf_putc(&json, 'd');
        }
        buf_lit(&json, "\"}");
        assert_int_equal(core_ack_parse(json.data, json.len, &a),
                         len == 200 ? ENTRY_OK : ENTRY_DETAIL);
    }
    buf_reset(&json);
    buf_lit(&json, "{\"core\":\"e\",\"version\":1,\"pad\":\"");
    while (json.len < CORE_ENTRY_MAX - 2) {
        buf_putc(&json, 'x');
    }
    buf_lit(&json, "\"}");
    assert_int_equal(core_ack_parse(json.data, json.len, &a), ENTRY_OK);
    json.data[json.len - 1] = ' ';
    buf_putc(&json, '}');
    assert_int_equal(core_ack_parse(json.data, json.len, &a), ENTRY_JSON);
    buf_fini(&json);
}

static void requests(void **state)
{
    static const char good[] =
        "{\"id\":\"" ID
        "\",\"kind\":\"mode\",\"target\":\"BTC/USD\",\"args\":{\"mode\":\"HARD_HALT\"},"
        "\"by\":\"user:ana\",\"gateway\":\"gw-1\",\"ts_ns\":\"1700000000000000000\",\"deadline_"
        "ms\":5000}";
    static const char cancel[] = "{\"id\":\"" ID "\",\"kind\":\"cancel\",\"gateway\":\"gw-1\"}";
    struct core_request r;

    (void)state;
    assert_int_equal(core_request_parse(good, strlen(good), &r), ENTRY_OK);
    assert_int_equal(r.kind, CORE_KIND_MODE);
    assert_string_equal(r.args, "{\"mode\":\"HARD_HALT\"}");
    assert_string_equal(r.by, "user:ana");
    assert_true(r.asked_ns == INT64_C(1700000000000000000) && r.deadline_ms == 5000);
    core_request_fini(&r);
    assert_int_equal(core_request_parse(cancel, strlen(cancel), &r), ENTRY_OK);
    assert_true(r.cancel);
    core_request_fini(&r);
}

/* Each member of a good request, replaced or taken away, is named. */
static void requests_refused_by_name(void **state)
{
    static const struct {
        enum entry_verdict verdict;
        const char *from;
        const char *to;
    } rows[] = {
        {ENTRY_ID, "01ARYZ6S41", "01aryz6s41"},
        {ENTRY_KIND, "cancel_all", "cancel_some"},
        {ENTRY_TARGET, "BTC/USD", ""},
        {ENTRY_TARGET, "BTC/USD", "BTC USD"},
        {ENTRY_ARGS, "{\"a\":1}", "[]"},
        {ENTRY_ARGS, "\"args\"", "\"arks\""},
        {ENTRY_BY, "user:ana", "user:\\nana"},
        {ENTRY_GATEWAY, "gw-1", "gw 1"},
        {ENTRY_TS, "\"1700000000000000000\"", "1.5"},
        {ENTRY_DEADLINE, "5000", "0"},
        {ENTRY_DEADLINE, "5000", "86400001"},
    };
    static const char good[] =
        "{\"id\":\"" ID "\",\"kind\":\"cancel_all\",\"target\":\"BTC/USD\",\"args\":{\"a\":1},"
        "\"by\":\"user:ana\",\"gateway\":\"gw-1\",\"ts_ns\":\"1700000000000000000\",\"deadline_"
        "ms\":5000}";
    struct core_request r;

    (void)state;
    assert_int_equal(core_request_parse(good, strlen(good), &r), ENTRY_OK);
    core_request_fini(&r);
    for (size_t i = 0; i < GW_LEN(rows); i++) {
        struct buf json = {0};
        const char *at = strstr(good, rows[i].from);

        assert_non_null(at);
        buf_append(&json, good, (size_t)(at - good));
        buf_puts(&json, rows[i].to);
        buf_puts(&json, at + strlen(rows[i].from));
        assert_int_equal(core_request_parse(json.data, json.len, &r), rows[i].verdict);
        core_request_fini(&r);
        buf_fini(&json);
    }
}

static void checks_of_what_is_asked_here(void **state)
{
    char *args = NULL;

    (void)state;
    assert_int_equal(core_request_check(CORE_KIND_CANCEL_ALL, "*", " { } ", "user:ana", 1, &args),
                     ENTRY_OK);
    assert_string_equal(args, "{}");
    free(args);
    assert_int_equal(core_request_check(CORE_KIND_MODE, "*", "{}", "a", 1, &args), ENTRY_ARGS);
    assert_int_equal(core_request_check(CORE_KIND_MODE, "*", "{\"mode\":\"OFF\"}", "a", 1, &args),
                     ENTRY_ARGS);
    assert_int_equal(core_request_check(CORE_KIND_CANCEL_ALL, "*", "no", "a", 1, &args),
                     ENTRY_ARGS);
    assert_int_equal(core_request_check(CORE_KIND_CANCEL_ALL, "", "{}", "a", 1, &args),
                     ENTRY_TARGET);
    assert_int_equal(core_request_check(CORE_KIND_CANCEL_ALL, "*", "{}", "a\tb", 1, &args),
                     ENTRY_BY);
    assert_int_equal(core_request_check(CORE_KIND_CANCEL_ALL, "*", "{}", "a", 0, &args),
                     ENTRY_DEADLINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acks_of_commands),
        cmocka_unit_test(other_words),
        cmocka_unit_test(refused_by_name),
        cmocka_unit_test(bounds_of_length),
        cmocka_unit_test(requests),
        cmocka_unit_test(requests_refused_by_name),
        cmocka_unit_test(checks_of_what_is_asked_here),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
