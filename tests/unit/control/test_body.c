#include <stdio.h>
#include "gateway/runtime/json.h"
#include "tests/unit/control/control_fixture.h"

#define WHY "\"reason\":\"because of a test\""

struct body_case {
    enum control_body body;
    const char *target;
    const char *text;
    const char *pointer; /* of the error; NULL: fine */
    const char *expect;  /* each assignment: kind target members; or a part of the error's text */
};

static void check(const struct body_case *t)
{
    struct control_change c;
    struct control_error e;
    struct buf b = {0};
    enum control_fault fault =
        control_body_parse(t->body, t->target, t->text, strlen(t->text), NULL, &c, &e);

    for (uint32_t i = 0; fault == CONTROL_FINE && i < c.count; i++) {
        buf_printf(&b, "%s%s %s ", i != 0 ? "; " : "", control_kind_rows[c.items[i].kind].word,
                   c.items[i].target);
        control_value_print(&b, c.items[i].kind, &c.items[i].value, 6);
    }
    if (t->pointer == NULL) {
        if (fault != CONTROL_FINE || strcmp(buf_cstr(&b), t->expect) != 0) {
            fail_msg("%s\n gives %s %s %s", t->text, buf_cstr(&b), e.pointer, e.text);
        }
        assert_string_equal(c.reason, "because of a test");
    } else if (fault == CONTROL_FINE || strcmp(e.pointer, t->pointer) != 0 ||
               strstr(e.text, t->expect) == NULL) {
        fail_msg("%s\n gives %s: %s", t->text, e.pointer, e.text);
    }
    buf_fini(&b);
    control_change_fini(&c);
}

static const struct body_case goods[] = {
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\"," WHY "}", NULL,
     "mode BTC/USD \"mode\":\"SOFT_HALT\""},
    {CONTROL_BODY_SET_MODE, NULL,
     "{\"symbols\":[\"ETH/USD\",\"BTC/USD\"],\"mode\":\"CANCEL_ONLY\"," WHY "}", NULL,
     "mode BTC/USD \"mode\":\"CANCEL_ONLY\"; mode ETH/USD \"mode\":\"CANCEL_ONLY\""},
    {CONTROL_BODY_SET_MODE, NULL, "{\"scope\":\"all\",\"mode\":\"HARD_HALT\"," WHY "}", NULL,
     "mode * \"mode\":\"HARD_HALT\""},
    {CONTROL_BODY_SET_MODE, NULL, "{\"scope\":\"group:x\",\"mode\":\"NORMAL\"," WHY "}", NULL,
     "mode group:x \"mode\":\"NORMAL\""},
    {CONTROL_BODY_KILL, NULL, "{\"engaged\":true," WHY "}", NULL,
     "kill global \"engaged\":true,\"released_symbols\":[],\"released_percent\":0"},
    {CONTROL_BODY_KILL, NULL, "{\"engaged\":false,\"scope\":\"adapter:okx\"," WHY "}", NULL,
     "kill adapter:okx \"engaged\":false,\"released_symbols\":[],\"released_percent\":0"},
    {CONTROL_BODY_RELEASE, NULL,
     "{\"released_symbols\":[\"B/C\",\"A/B\"],\"released_percent\":10," WHY "}", NULL,
     "kill global \"engaged\":true,\"released_symbols\":[\"A/B\",\"B/C\"],"
     "\"released_percent\":10"},
    {CONTROL_BODY_RELEASE, NULL,
     "{\"scope\":\"order_entry\",\"released_symbols\":[\"A/B\"]," WHY "}", NULL,
     "kill order_entry \"engaged\":true,\"released_symbols\":[\"A/B\"],"
     "\"released_percent\":100"},
    {CONTROL_BODY_RELEASE, NULL, "{\"released_percent\":10," WHY "}", NULL,
     "kill global \"engaged\":true,\"released_symbols\":[\"*\"],\"released_percent\":10"},
    {CONTROL_BODY_RELEASE, NULL, "{\"released_percent\":0," WHY "}", NULL,
     "kill global \"engaged\":true,\"released_symbols\":[],\"released_percent\":0"},
    {CONTROL_BODY_RELEASE, NULL, "{\"released_symbols\":[],\"released_percent\":50," WHY "}", NULL,
     "kill global \"engaged\":true,\"released_symbols\":[],\"released_percent\":0"},
    {CONTROL_BODY_RELEASE, NULL, "{\"released_percent\":100," WHY "}", NULL,
     "kill global \"engaged\":false,\"released_symbols\":[],\"released_percent\":0"},
    {CONTROL_BODY_RELEASE, NULL, "{\"engaged\":false," WHY "}", NULL,
     "kill global \"engaged\":false,\"released_symbols\":[],\"released_percent\":0"},
    {CONTROL_BODY_WITHDRAWALS, NULL, "{\"halted\":true," WHY "}", NULL,
     "withdrawals * \"halted\":true"},
    {CONTROL_BODY_WITHDRAWALS, NULL, "{\"halted\":false,\"asset\":\"BTC\"," WHY "}", NULL,
     "withdrawals BTC \"halted\":false"},
    {CONTROL_BODY_THROTTLE, "BTC/USD", "{\"orders_per_s\":10," WHY "}", NULL,
     "throttle BTC/USD \"orders_per_s\":10"},
    {CONTROL_BODY_THROTTLE, "BTC/USD", "{\"orders_per_s\":null," WHY "}", NULL,
     "throttle BTC/USD \"orders_per_s\":null"},
    {CONTROL_BODY_ACCOUNT, "desk", "{\"paused\":true," WHY "}", NULL,
     "account desk \"paused\":true"},
    {CONTROL_BODY_FANOUT, NULL,
     "{\"profile\":\"degraded\",\"conflation_ms\":250,\"default_depth\":25,"
     "\"sub_ops_per_s\":5,\"expires_at\":\"2026-11-23T00:00:00Z\"," WHY "}",
     NULL,
     "fanout * \"profile\":\"degraded\",\"conflation_ms\":250,\"default_depth\":25,"
     "\"sub_ops_per_s\":5,\"expires_at\":\"2026-11-23T00:00:00.000000Z\""},
    {CONTROL_BODY_FANOUT, NULL, "{\"profile\":\"normal\"," WHY "}", NULL,
     "fanout * \"profile\":\"normal\",\"conflation_ms\":null,\"default_depth\":null,"
     "\"sub_ops_per_s\":null,\"expires_at\":null"},
    {CONTROL_BODY_UPSTREAM, NULL, "{\"active\":\"alternate\"," WHY "}", NULL,
     "upstream * \"active\":\"alternate\""},
};

static void bodies_become_assignments(void **state)
{

    (void)state;
    for (unsigned i = 0; i < GW_LEN(goods); i++) {
        check(&goods[i]);
    }
}

static const struct body_case refusals[] = {
    {CONTROL_BODY_MODE, "BTC/USD", "", "", "one JSON object"},
    {CONTROL_BODY_MODE, "BTC/USD", "[]", "", "one JSON object"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"NORMAL\",\"mode\":\"NORMAL\"," WHY "}", "",
     "each member once"},
    {CONTROL_BODY_MODE, "BTC/USD", "{" WHY "}", "/mode", "is missing; must be NORMAL, CANCEL_"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"HALT\"," WHY "}", "/mode",
     "must be NORMAL, CANCEL_ONLY, SOFT_HALT or HARD_HALT"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":null," WHY "}", "/mode", "must be NORMAL"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"symbol\":1," WHY "}", "/symbol",
     "allowed: mode reason ticket incident until"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"\":1," WHY "}", "/", "unknown"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"until reason\":1," WHY "}",
     "/until reason", "unknown"},
    {CONTROL_BODY_MODE, "BTCUSD", "{\"mode\":\"SOFT_HALT\"," WHY "}", "", "must be `*`"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\"}", "/reason", "is missing"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"reason\":\"no\"}", "/reason",
     "10 to 500 characters, has 2"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"ticket\":\"\"," WHY "}", "/ticket",
     "1 to 64"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"incident\":4," WHY "}", "/incident",
     "a string"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"until\":\"tomorrow\"," WHY "}",
     "/until", "2026-11-20T23:51:47.101000Z"},
    {CONTROL_BODY_MODE, "BTC/USD", "{\"mode\":\"SOFT_HALT\",\"until\":1795391507," WHY "}",
     "/until", "a time in UTC"},
    {CONTROL_BODY_MODE, "BTC/USD",
     "{\"mode\":\"NORMAL\",\"until\":\"2026-11-23T00:00:00Z\"," WHY "}", "/until",
     "nothing is held back"},
    {CONTROL_BODY_SET_MODE, NULL, "{\"mode\":\"SOFT_HALT\"," WHY "}", "/scope", "either"},
    {CONTROL_BODY_SET_MODE, NULL,
     "{\"mode\":\"SOFT_HALT\",\"scope\":\"all\",\"symbols\":[\"A/B\"]," WHY "}", "/scope",
     "either"},
    {CONTROL_BODY_SET_MODE, NULL, "{\"mode\":\"SOFT_HALT\",\"scope\":\"A/B\"," WHY "}", "/scope",
     "all or group:NAME"},
    {CONTROL_BODY_SET_MODE, NULL, "{\"mode\":\"SOFT_HALT\",\"scope\":\"group:\"," WHY "}", "/scope",
     "must be"},
    {CONTROL_BODY_SET_MODE, NULL, "{\"mode\":\"SOFT_HALT\",\"symbols\":[]," WHY "}", "/symbols",
     "at least one"},
    {CONTROL_BODY_SET_MODE, NULL, "{\"mode\":\"SOFT_HALT\",\"symbols\":\"A/B\"," WHY "}",
     "/symbols", "list of at most 2000"},
    {CONTROL_BODY_SET_MODE, NULL, "{\"mode\":\"SOFT_HALT\",\"symbols\":[\"A/B\",\"A/B\"]," WHY "}",
     "/symbols/1", "already"},
    {CONTROL_BODY_SET_MODE, NULL, "{\"mode\":\"SOFT_HALT\",\"symbols\":[\"*\"]," WHY "}",
     "/symbols/0", "a symbol as"},
    {CONTROL_BODY_KILL, NULL, "{\"engaged\":1," WHY "}", "/engaged", "true or false"},
    {CONTROL_BODY_KILL, NULL, "{\"engaged\":true,\"scope\":\"world\"," WHY "}", "/scope",
     "`global`, `order_entry` or `adapter:ID`"},
    {CONTROL_BODY_KILL, NULL, "{\"engaged\":true,\"released_percent\":5," WHY "}",
     "/released_percent", "unknown"},
    {CONTROL_BODY_RELEASE, NULL, "{" WHY "}", "/released_symbols", "name the stage"},
    {CONTROL_BODY_RELEASE, NULL, "{\"engaged\":true," WHY "}", "/released_symbols",
     "name the stage"},
    {CONTROL_BODY_RELEASE, NULL, "{\"engaged\":false,\"released_percent\":5," WHY "}", "/engaged",
     "leave the stage out"},
    {CONTROL_BODY_RELEASE, NULL, "{\"released_percent\":10.5," WHY "}", "/released_percent",
     "0 to 100"},
    {CONTROL_BODY_RELEASE, NULL, "{\"released_percent\":101," WHY "}", "/released_percent",
     "0 to 100"},
    {CONTROL_BODY_RELEASE, NULL, "{\"released_symbols\":[\"*\",\"A/B\"]," WHY "}",
     "/released_symbols/0", "a symbol as"},
    {CONTROL_BODY_WITHDRAWALS, NULL, "{\"halted\":true,\"asset\":\"btc\"," WHY "}", "/asset",
     "an asset as BTC"},
    {CONTROL_BODY_THROTTLE, "BTC/USD", "{" WHY "}", "/orders_per_s", "is missing"},
    {CONTROL_BODY_THROTTLE, "BTC/USD", "{\"orders_per_s\":0," WHY "}", "/orders_per_s",
     "1 to 1000000"},
    {CONTROL_BODY_THROTTLE, "*", "{\"orders_per_s\":1," WHY "}", "", "a symbol as"},
    {CONTROL_BODY_FANOUT, NULL, "{\"profile\":\"degraded\"," WHY "}", "/expires_at",
     "must be given"},
    {CONTROL_BODY_FANOUT, NULL, "{\"profile\":\"normal\",\"conflation_ms\":250," WHY "}",
     "/profile", "no other members"},
    {CONTROL_BODY_FANOUT, NULL,
     "{\"profile\":\"degraded\",\"until\":\"2026-11-23T00:00:00Z\"," WHY "}", "/until", "unknown"},
    {CONTROL_BODY_FANOUT, NULL, "{\"profile\":\"degraded\",\"default_depth\":20," WHY "}",
     "/default_depth", "10, 25, 100, 500 or 1000"},
    {CONTROL_BODY_UPSTREAM, NULL, "{\"active\":\"other\"," WHY "}", "/active",
     "primary or alternate"},
};

static void errors_name_the_member_and_what_is_allowed(void **state)
{

    (void)state;
    for (unsigned i = 0; i < GW_LEN(refusals); i++) {
        check(&refusals[i]);
    }
}

static void common_members_are_kept(void **state)
{
    static const char text[] =
        "{\"mode\":\"SOFT_HALT\"," WHY ",\"ticket\":\"OPS-1\",\"incident\":\"INC-9\","
        "\"until\":\"2026-11-23T00:00:00Z\",\"dry_run\":true}";
    static const char *const extra[] = {"dry_run", NULL};
    struct control_change c;
    struct control_error e;

    (void)state;
    assert_int_equal(
        control_body_parse(CONTROL_BODY_MODE, "A/B", text, strlen(text), extra, &c, &e),
        CONTROL_FINE);
    assert_string_equal(c.ticket, "OPS-1");
    assert_string_equal(c.incident, "INC-9");
    assert_int_equal(c.until_ns, NOW + (8 * 60 + 13) * SECOND);
    control_change_fini(&c);
    assert_int_equal(control_body_parse(CONTROL_BODY_MODE, "A/B", text, strlen(text), NULL, &c, &e),
                     CONTROL_INVALID);
    assert_string_equal(e.pointer, "/dry_run");
    control_change_fini(&c);
}

static void two_thousand_symbols_and_no_more(void **state)
{
    (void)state;
    for (unsigned most = 2000; most <= 2001; most++) {
        struct control_change c;
        struct control_error e;
        struct buf b = {0};
        enum control_fault fault;

        buf_puts(&b, "{\"mode\":\"SOFT_HALT\"," WHY ",\"symbols\":[");
        for (unsigned i = 0; i < most; i++) {
            buf_printf(&b, "%s\"A%u/USD\"", i != 0 ? "," : "", i);
        }
        buf_puts(&b, "]}");
        fault = control_body_parse(CONTROL_BODY_SET_MODE, NULL, b.data, b.len, NULL, &c, &e);
        assert_int_equal(fault, most == 2000 ? CONTROL_FINE : CONTROL_INVALID);
        if (fault == CONTROL_FINE) {
            const struct control *state_now = control_create();

            assert_int_equal(c.count, 2000);
            assert_int_equal(apply(&state_now, &c, &e), CONTROL_FINE);
            assert_int_equal(control_count(state_now), 2000);
            control_unref(&state_now);
        }
        control_change_fini(&c);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_become_assignments),
        cmocka_unit_test(errors_name_the_member_and_what_is_allowed),
        cmocka_unit_test(common_members_are_kept),
        cmocka_unit_test(two_thousand_symbols_and_no_more),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
