#include <stdio.h>
#include "gateway/runtime/json.h"
#include "tests/unit/control/control_fixture.h"

static const char golden[] =
    "{\"v\":1,\"version\":3,\"cells\":["
    "{\"kind\":\"mode\",\"target\":\"BTC/USD\",\"value\":{\"mode\":\"SOFT_HALT\"},"
    "\"reason\":\"sequence \\\"gap\\\" \xC3\xA9\",\"ticket\":\"OPS-1\",\"by\":\"user:ana\","
    "\"approved_by\":\"\",\"since\":\"2026-11-22T23:51:47.000000001Z\","
    "\"until\":\"2026-11-22T23:52:47.000000000Z\",\"version\":1,\"audit\":0,"
    "\"trigger\":\"incident\"},"
    "{\"kind\":\"kill\",\"target\":\"global\",\"value\":{\"engaged\":true,\"released_symbols\":"
    "[\"BTC/USD\",\"ETH/USD\"],\"released_percent\":10},\"reason\":\"first stage of it\","
    "\"ticket\":\"\",\"by\":\"user:ana\",\"approved_by\":\"user:ben\","
    "\"since\":\"2026-11-22T23:51:47.000000000Z\",\"until\":null,\"version\":2,\"audit\":12,"
    "\"trigger\":\"hand\"},"
    "{\"kind\":\"throttle\",\"target\":\"ETH/USD\",\"value\":{\"orders_per_s\":null},"
    "\"reason\":\"throttle lifted again\",\"ticket\":\"\",\"by\":\"user:ana\","
    "\"approved_by\":\"user:ben\",\"since\":\"2026-11-22T23:51:47.000000000Z\",\"until\":null,"
    "\"version\":3,\"audit\":13,\"trigger\":\"policy\"},"
    "{\"kind\":\"fanout\",\"target\":\"*\",\"value\":{\"profile\":\"degraded\","
    "\"conflation_ms\":250,\"default_depth\":null,\"sub_ops_per_s\":5,"
    "\"expires_at\":\"2026-11-23T00:00:00.000000000Z\"},\"reason\":\"load is too high\","
    "\"ticket\":\"\",\"by\":\"user:ana\",\"approved_by\":\"\","
    "\"since\":\"2026-11-22T23:51:47.000000000Z\",\"until\":null,\"version\":3,"
    "\"audit\":14,\"trigger\":\"alert\"}]}";

static enum control_fault parse(const char *text, struct control_error *e)
{
    const struct control *c = NULL;
    enum control_fault fault = control_parse(text, strlen(text), &c, e);

    if (fault == CONTROL_FINE) {
        control_unref(&c);
    }
    assert_null(c);
    return fault;
}

static void the_text_is_what_it_was(void **state)
{
    const struct control *c;
    struct control_error e;
    char *text;

    (void)state;
    assert_int_equal(control_parse(golden, strlen(golden), &c, &e), CONTROL_FINE);
    assert_int_equal(control_version(c), 3);
    assert_int_equal(control_count(c), 4);
    assert_int_equal(control_find(c, CONTROL_KIND_MODE, "BTC/USD")->since_ns, NOW + 1);
    assert_int_equal(control_find(c, CONTROL_KIND_KILL, "global")->value.released.count, 2);
    text = text_of(c);
    assert_string_equal(text, golden);
    free(text);
    control_unref(&c);
    assert_int_equal(parse("{\"v\":1,\"version\":0,\"cells\":[]}", &e), CONTROL_FINE);
}

/* One thing of the text replaced: where the error is said to be. */
static const struct {
    const char *old;
    const char *new;
    enum control_fault fault;
    const char *pointer;
} wrongs[] = {
    {"{\"v\":1,", "{\"v\":2,", CONTROL_INVALID, "/v"},
    {"{\"v\":1,", "{", CONTROL_INVALID, "/v"},
    {"{\"v\":1,", "{\"v\":\"1\",", CONTROL_INVALID, "/v"},
    {"{\"v\":1,", "{\"v\":1,\"extra/~\":0,", CONTROL_INVALID, "/extra~1~0"},
    {"{\"v\":1,\"version\":3", "{\"v\":1,\"version\":-3", CONTROL_INVALID, "/version"},
    {"{\"v\":1,\"version\":3", "{\"v\":1,\"version\":9007199254740992", CONTROL_INVALID,
     "/version"},
    {"{\"v\":1,\"version\":3", "{\"v\":1,\"version\":2", CONTROL_INVALID, "/cells/2/version"},
    {"\"cells\":[", "\"cells\":[7,", CONTROL_INVALID, "/cells/0"},
    {"\"kind\":\"mode\"", "\"kind\":\"mood\"", CONTROL_INVALID, "/cells/0/kind"},
    {"\"kind\":\"mode\"", "\"kind\":\"throttle\"", CONTROL_INVALID, "/cells/0/value/orders_per_s"},
    {"\"kind\":\"mode\",", "\"kind\":\"mode\",\"more\":1,", CONTROL_INVALID, "/cells/0/more"},
    {"\"target\":\"BTC/USD\"", "\"target\":\"BTCUSD\"", CONTROL_INVALID, "/cells/0/target"},
    {"\"target\":\"BTC/USD\",", "", CONTROL_INVALID, "/cells/0/target"},
    {"SOFT_HALT", "SOFT", CONTROL_INVALID, "/cells/0/value/mode"},
    {"{\"mode\":\"SOFT_HALT\"}", "{}", CONTROL_INVALID, "/cells/0/value/mode"},
    {"{\"mode\":\"SOFT_HALT\"}", "[]", CONTROL_INVALID, "/cells/0/value"},
    {"{\"mode\":\"SOFT_HALT\"}", "{\"mode\":\"SOFT_HALT\",\"halted\":true}", CONTROL_INVALID,
     "/cells/0/value/halted"},
    {"SOFT_HALT", "NORMAL", CONTROL_INVALID, "/cells/0/until"},
    {"sequence \\\"gap\\\" \xC3\xA9", "short", CONTROL_INVALID, "/cells/0/reason"},
    {"sequence \\\"gap\\\"", "sequence \\u0007gap", CONTROL_INVALID, "/cells/0/reason"},
    {"\"ticket\":\"OPS-1\",", "", CONTROL_INVALID, "/cells/0/ticket"},
    {"\"ticket\":\"OPS-1\"", "\"ticket\":7", CONTROL_INVALID, "/cells/0/ticket"},
    {"\"by\":\"user:ana\"", "\"by\":\"\"", CONTROL_INVALID, "/cells/0/by"},
    {"47.000000001Z", "47.000000001", CONTROL_INVALID, "/cells/0/since"},
    {"\"2026-11-22T23:51:47.000000001Z\"", "null", CONTROL_INVALID, "/cells/0/since"},
    {"\"until\":\"2026-11-22T23:52:47.000000000Z\",", "", CONTROL_INVALID, "/cells/0/until"},
    {"\"version\":1", "\"version\":0", CONTROL_INVALID, "/cells/0/version"},
    {"\"version\":1", "\"version\":1.0", CONTROL_INVALID, "/cells/0/version"},
    {"\"audit\":0", "\"audit\":\"0\"", CONTROL_INVALID, "/cells/0/audit"},
    {"incident", "accident", CONTROL_INVALID, "/cells/0/trigger"},
    {"\"kind\":\"kill\"", "\"kind\":\"account\"", CONTROL_INVALID, "/cells/1/value/paused"},
    {"\"engaged\":true", "\"engaged\":false", CONTROL_INVALID, "/cells/1/value/released_symbols"},
    {"\"ETH/USD\"]", "\"BTC/USD\"]", CONTROL_INVALID, "/cells/1/value/released_symbols/1"},
    {"\"released_percent\":10", "\"released_percent\":0", CONTROL_INVALID,
     "/cells/1/value/released_percent"},
    {"\"conflation_ms\":250", "\"conflation_ms\":251", CONTROL_INVALID,
     "/cells/3/value/conflation_ms"},
    {"\"expires_at\":\"2026-11-23T00:00:00.000000000Z\"", "\"expires_at\":null", CONTROL_INVALID,
     "/cells/3/value/expires_at"},
    {"\"kind\":\"fanout\",\"target\":\"*\"", "\"kind\":\"mode\",\"target\":\"*\"", CONTROL_INVALID,
     "/cells/3/value/mode"},
    {"]}", "]", CONTROL_MALFORMED, ""},
    {"\"v\":1,", "\"v\":1,\"v\":1,", CONTROL_MALFORMED, ""},
};

static void each_error_names_its_place(void **state)
{
    char text[4096];

    (void)state;
    for (unsigned i = 0; i < GW_LEN(wrongs); i++) {
        const char *at = strstr(golden, wrongs[i].old);
        struct control_error e;

        if (wrongs[i].fault == CONTROL_MALFORMED && wrongs[i].old[0] == ']') {
            at = golden + strlen(golden) - 2;
        }
        assert_non_null(at);
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - golden), golden, wrongs[i].new,
                       at + strlen(wrongs[i].old));
        if (parse(text, &e) != wrongs[i].fault || strcmp(e.pointer, wrongs[i].pointer) != 0) {
            fail_msg("case %u (%s): %s: %s", i, wrongs[i].new, e.pointer, e.text);
        }
    }
}

static void cells_out_of_order_are_refused(void **state)
{
    static const char cell[] =
        "{\"kind\":\"account\",\"target\":\"%s\",\"value\":{\"paused\":true},\"reason\":"
        "\"because of a test\",\"ticket\":\"\",\"by\":\"user:ana\",\"approved_by\":\"\","
        "\"since\":\"2026-11-22T23:51:47Z\",\"until\":null,\"version\":1,\"audit\":0,"
        "\"trigger\":\"hand\"}";
    static const char *const pairs[][2] = {{"b", "a"}, {"a", "a"}};
    struct control_error e;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct buf b = {0};

        buf_puts(&b, "{\"v\":1,\"version\":1,\"cells\":[");
        for (unsigned k = 0; k < 2; k++) {
            char text[512];

            (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(strstr(cell, "%s") - cell), cell,
                           pairs[i][k], strstr(cell, "%s") + 2);
            buf_puts(&b, text);
            buf_puts(&b, k == 0 ? "," : "]}");
        }
        assert_int_equal(parse(buf_cstr(&b), &e), CONTROL_INVALID);
        assert_string_equal(e.pointer, "/cells/1/target");
        buf_fini(&b);
    }
}

static void a_resource_is_shown(void **state)
{
    const struct control *c;
    struct control_error e;
    struct buf b = {0};

    (void)state;
    assert_int_equal(control_parse(golden, strlen(golden), &c, &e), CONTROL_FINE);
    control_cell_print(&b, c, CONTROL_KIND_MODE, "BTC/USD", NOW + 60 * SECOND);
    assert_string_equal(
        buf_cstr(&b),
        "{\"kind\":\"mode\",\"target\":\"BTC/USD\",\"mode\":\"SOFT_HALT\","
        "\"reason\":\"sequence \\\"gap\\\" \xC3\xA9\",\"ticket\":\"OPS-1\",\"by\":\"user:ana\","
        "\"approved_by\":null,\"since\":\"2026-11-22T23:51:47.000000Z\","
        "\"until\":\"2026-11-22T23:52:47.000000Z\",\"decision_due\":true,\"version\":1,"
        "\"audit\":null,\"trigger\":\"incident\"}");
    buf_reset(&b);
    control_cell_print(&b, c, CONTROL_KIND_WITHDRAWALS, "*", NOW);
    assert_string_equal(buf_cstr(&b),
                        "{\"kind\":\"withdrawals\",\"target\":\"*\",\"halted\":false,"
                        "\"reason\":null,\"ticket\":null,\"by\":null,\"approved_by\":null,"
                        "\"since\":null,\"until\":null,\"decision_due\":false,\"version\":0,"
                        "\"audit\":null,\"trigger\":null}");
    buf_fini(&b);
    control_unref(&c);
}

static void a_difference_is_shown(void **state)
{
    const struct control *a = control_create();
    const struct control *b;
    struct control_diff d;
    struct buf text = {0};

    (void)state;
    set(&a, CONTROL_KIND_KILL, "global", stage_of("", 0));
    b = control_ref(a);
    set(&b, CONTROL_KIND_KILL, "global", stage_of("*", 5));
    control_diff_init(&d, a, b);
    control_diff_print(&text, &d);
    assert_string_equal(
        buf_cstr(&text),
        "{\"direction\":\"LOOSEN\",\"from_version\":1,\"to_version\":2,\"changes\":["
        "{\"kind\":\"kill\",\"target\":\"global\",\"direction\":\"LOOSEN\",\"before\":"
        "{\"engaged\":true,\"released_symbols\":[],\"released_percent\":0},\"after\":"
        "{\"engaged\":true,\"released_symbols\":[\"*\"],\"released_percent\":5},"
        "\"until\":null}]}");
    buf_fini(&text);
    control_diff_fini(&d);
    control_unref(&a);
    control_unref(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_what_it_was),
        cmocka_unit_test(each_error_names_its_place),
        cmocka_unit_test(cells_out_of_order_are_refused),
        cmocka_unit_test(a_resource_is_shown),
        cmocka_unit_test(a_difference_is_shown),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
