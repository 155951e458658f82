#include <stdio.h>
#include "tests/unit/control/control_fixture.h"

static const char *const groups[] = {"majors", "usd"};

static struct control_mode_now btc(const struct control *c)
{
    return control_symbol_mode(c, "BTC/USD", groups, GW_LEN(groups));
}

static void the_tightest_decides(void **state)
{
    const struct control *c = control_create();

    (void)state;
    assert_int_equal(btc(c).mode, CONTROL_NORMAL);
    assert_null(btc(c).cell);
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_CANCEL_ONLY));
    assert_string_equal(btc(c).cell->target, "BTC/USD");
    set(&c, CONTROL_KIND_MODE, "group:usd", mode_of(CONTROL_HARD_HALT));
    assert_int_equal(btc(c).mode, CONTROL_HARD_HALT);
    assert_string_equal(btc(c).cell->target, "group:usd");
    set(&c, CONTROL_KIND_MODE, "*", mode_of(CONTROL_SOFT_HALT));
    assert_string_equal(btc(c).cell->target, "group:usd");
    set(&c, CONTROL_KIND_MODE, "group:usd", mode_of(CONTROL_CANCEL_ONLY));
    assert_int_equal(btc(c).mode, CONTROL_SOFT_HALT);
    assert_string_equal(btc(c).cell->target, "*");
    set(&c, CONTROL_KIND_MODE, "*", mode_of(CONTROL_CANCEL_ONLY));
    assert_string_equal(btc(c).cell->target, "*"); /* of equals, what reaches furthest */
    set(&c, CONTROL_KIND_KILL, "order_entry", stage_of("", 0));
    assert_int_equal(btc(c).cell->kind, CONTROL_KIND_KILL);
    /* a group it is not in */
    set(&c, CONTROL_KIND_MODE, "group:exotics", mode_of(CONTROL_HARD_HALT));
    assert_int_equal(btc(c).mode, CONTROL_CANCEL_ONLY);
    control_unref(&c);
}

static void the_kill_switch_is_released_in_stages(void **state)
{
    const struct control *c = control_create();

    (void)state;
    assert_true(control_accepting_orders(c));
    set(&c, CONTROL_KIND_KILL, "adapter:okx", stage_of("", 0));
    assert_int_equal(btc(c).mode, CONTROL_NORMAL); /* the adapter's own affair */
    assert_true(control_accepting_orders(c));
    set(&c, CONTROL_KIND_KILL, "global", stage_of("", 0));
    assert_int_equal(btc(c).mode, CONTROL_CANCEL_ONLY);
    assert_int_equal(control_system_mode(c).mode, CONTROL_CANCEL_ONLY);
    assert_false(control_accepting_orders(c));
    set(&c, CONTROL_KIND_KILL, "global", stage_of("BTC/USD", 10));
    assert_int_equal(btc(c).mode, CONTROL_NORMAL);
    assert_int_equal(control_symbol_mode(c, "ETH/USD", NULL, 0).mode, CONTROL_CANCEL_ONLY);
    assert_int_equal(control_system_mode(c).mode, CONTROL_CANCEL_ONLY);
    assert_true(control_accepting_orders(c));
    set(&c, CONTROL_KIND_KILL, "global", stage_of("*", 10));
    assert_int_equal(control_symbol_mode(c, "ETH/USD", NULL, 0).mode, CONTROL_NORMAL);
    assert_int_equal(control_system_mode(c).mode, CONTROL_NORMAL);
    set(&c, CONTROL_KIND_KILL, "order_entry", stage_of("", 0));
    assert_false(control_accepting_orders(c));
    assert_int_equal(btc(c).mode, CONTROL_CANCEL_ONLY);
    set(&c, CONTROL_KIND_KILL, "order_entry", (struct control_value){0});
    set(&c, CONTROL_KIND_KILL, "global", (struct control_value){0});
    assert_true(control_accepting_orders(c));
    set(&c, CONTROL_KIND_MODE, "*", mode_of(CONTROL_CANCEL_ONLY));
    assert_false(control_accepting_orders(c));
    control_unref(&c);
}

/* A higher percent only adds keys, and the share is about right. */
static void keys_join_and_never_leave(void **state)
{
    unsigned in = 0;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        char id[32];
        bool was = false;

        (void)snprintf(id, sizeof id, "pk_%08u", i);
        assert_false(control_key_released(0, id));
        assert_true(control_key_released(100, id));
        for (uint32_t percent = 0; percent <= 100; percent++) {
            bool is = control_key_released(percent, id);

            assert_true(is || !was);
            was = is;
        }
        in += control_key_released(10, id);
    }
    assert_in_range(in, 150, 250);
    /* the same keys after an upgrade: these were computed once and must stay */
    assert_true(control_key_released(39, "pk_demo"));
    assert_false(control_key_released(38, "pk_demo"));
}

static enum control_refusal verdict(const struct control *c, const char *symbol, const char *key)
{
    struct control_verdict v = control_order_verdict(c, symbol, NULL, 0, "desk", key);

    assert_true((v.refusal == CONTROL_REFUSAL_NONE) == (v.cell == NULL));
    return v.refusal;
}

static void orders_are_refused_for_a_reason(void **state)
{
    const struct control *c = control_create();
    const char *inside = "pk_demo";

    (void)state;
    assert_int_equal(verdict(c, "BTC/USD", inside), CONTROL_REFUSAL_NONE);
    set(&c, CONTROL_KIND_ACCOUNT, "desk", (struct control_value){.paused = true});
    assert_int_equal(verdict(c, "BTC/USD", inside), CONTROL_REFUSAL_ACCOUNT);
    set(&c, CONTROL_KIND_ACCOUNT, "desk", (struct control_value){0});
    set(&c, CONTROL_KIND_KILL, "global", stage_of("", 0));
    assert_int_equal(verdict(c, "BTC/USD", inside), CONTROL_REFUSAL_KILL);
    set(&c, CONTROL_KIND_KILL, "global", stage_of("BTC/USD", 38));
    assert_int_equal(verdict(c, "BTC/USD", inside), CONTROL_REFUSAL_STAGE);
    set(&c, CONTROL_KIND_KILL, "global", stage_of("BTC/USD", 39));
    assert_int_equal(verdict(c, "BTC/USD", inside), CONTROL_REFUSAL_NONE);
    assert_int_equal(verdict(c, "ETH/USD", inside), CONTROL_REFUSAL_KILL);
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_CANCEL_ONLY));
    assert_int_equal(verdict(c, "BTC/USD", inside), CONTROL_REFUSAL_MODE);
    control_unref(&c);
}

static void other_axes_stand_alone(void **state)
{
    const struct control *c = control_create();

    (void)state;
    set(&c, CONTROL_KIND_WITHDRAWALS, "BTC", (struct control_value){.halted = true});
    assert_string_equal(control_withdrawals_halted(c, "BTC")->target, "BTC");
    assert_null(control_withdrawals_halted(c, "ETH"));
    set(&c, CONTROL_KIND_WITHDRAWALS, "*", (struct control_value){.halted = true});
    assert_string_equal(control_withdrawals_halted(c, "ETH")->target, "*");
    set(&c, CONTROL_KIND_WITHDRAWALS, "*", (struct control_value){0});
    assert_null(control_withdrawals_halted(c, "ETH"));
    assert_int_equal(btc(c).mode, CONTROL_NORMAL);
    assert_int_equal(control_throttle(c, "BTC/USD"), 0);
    set(&c, CONTROL_KIND_THROTTLE, "BTC/USD", (struct control_value){.orders_per_s = 7});
    assert_int_equal(control_throttle(c, "BTC/USD"), 7);
    assert_false(control_account_paused(c, "desk"));
    set(&c, CONTROL_KIND_ACCOUNT, "desk", (struct control_value){.paused = true});
    assert_true(control_account_paused(c, "desk"));
    control_unref(&c);
}

static void only_the_fanout_reverts(void **state)
{
    const struct control *c = control_create();
    struct control_change change = because("because of a test");
    struct control_error e;
    uint32_t due;

    (void)state;
    assert_int_equal(control_next_time(c, NOW), INT64_MAX);
    set(&c, CONTROL_KIND_FANOUT, "*",
        (struct control_value){.profile = CONTROL_PROFILE_DEGRADED, .expires_ns = NOW + 10});
    add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_SOFT_HALT));
    change.until_ns = NOW + 20;
    assert_int_equal(apply(&c, &change, &e), CONTROL_FINE);

    assert_int_equal(control_next_time(c, NOW), NOW + 10);
    assert_int_equal(control_fanout(c, NOW + 9)->profile, CONTROL_PROFILE_DEGRADED);
    assert_int_equal(control_fanout(c, NOW + 10)->profile, CONTROL_PROFILE_NORMAL);
    assert_int_equal(control_next_time(c, NOW + 10), NOW + 20);
    assert_int_equal(control_next_due(c, NOW + 19, 0), control_count(c));
    due = control_next_due(c, NOW + 20, 0);
    assert_string_equal(control_at(c, due)->target, "BTC/USD");
    assert_int_equal(control_next_due(c, NOW + 20, due + 1), control_count(c));
    assert_int_equal(btc(c).mode, CONTROL_SOFT_HALT); /* a decision is due, nothing loosened */
    assert_int_equal(control_next_time(c, NOW + 20), INT64_MAX);
    control_unref(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_decides),
        cmocka_unit_test(the_kill_switch_is_released_in_stages),
        cmocka_unit_test(keys_join_and_never_leave),
        cmocka_unit_test(orders_are_refused_for_a_reason),
        cmocka_unit_test(other_axes_stand_alone),
        cmocka_unit_test(only_the_fanout_reverts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
