#include "tests/unit/control/control_fixture.h"

/* The truth table as it was agreed, written out once more. */
static void modes_mean_what_was_agreed(void **state)
{
    static const struct {
        const char *word;
        bool orders;
        const char *cancels;
        bool matching;
        const char *data;
        const char *wire;
    } truth[] = {
        {"NORMAL", true, "yes", true, "live", "online"},
        {"CANCEL_ONLY", false, "yes", false, "live", "cancel_only"},
        {"SOFT_HALT", false, "best effort", false, "frozen", "cancel_only"},
        {"HARD_HALT", false, "no", false, "withdrawn", "maintenance"},
    };

    (void)state;
    assert_int_equal(CONTROL_MODE_COUNT, GW_LEN(truth));
    for (unsigned rank = 0; rank < GW_LEN(truth); rank++) {
        const struct control_mode_row *row = &control_mode_rows[rank];

        assert_string_equal(control_mode_words[rank], truth[rank].word);
        assert_int_equal(row->orders, truth[rank].orders);
        assert_string_equal(control_cancels_words[row->cancels], truth[rank].cancels);
        assert_int_equal(row->matching, truth[rank].matching);
        assert_string_equal(control_data_words[row->data], truth[rank].data);
        assert_string_equal(row->wire, truth[rank].wire);
    }
    assert_string_equal(control_asset_rows[false].channel, "enabled");
    assert_string_equal(control_asset_rows[true].channel, "depositonly");
    assert_string_equal(control_asset_rows[true].rest, "deposit_only");
}

static void steps_follow_the_ranks(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CONTROL_MODE_COUNT; from++) {
        for (unsigned to = 0; to < CONTROL_MODE_COUNT; to++) {
            enum control_step step = control_mode_steps[from][to];
            bool forbidden =
                from == CONTROL_HARD_HALT && (to == CONTROL_NORMAL || to == CONTROL_SOFT_HALT);
            bool note = from == CONTROL_CANCEL_ONLY && to == CONTROL_NORMAL;

            assert_int_equal(step, to == from  ? CONTROL_STEP_STAY
                                   : to > from ? CONTROL_STEP_TIGHTEN
                                   : forbidden ? CONTROL_STEP_FORBIDDEN
                                   : note      ? CONTROL_STEP_LOOSEN_NOTE
                                               : CONTROL_STEP_LOOSEN);
        }
    }
}

/* Every step of the table, taken by a change. */
static void steps_are_enforced(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CONTROL_MODE_COUNT; from++) {
        for (unsigned to = 0; to < CONTROL_MODE_COUNT; to++) {
            static const enum control_fault faults[CONTROL_STEP_COUNT] = {
                [CONTROL_STEP_STAY] = CONTROL_NOTHING,
                [CONTROL_STEP_FORBIDDEN] = CONTROL_ILLEGAL,
            };
            static const enum control_direction directions[CONTROL_STEP_COUNT] = {
                [CONTROL_STEP_STAY] = CONTROL_NONE,
                [CONTROL_STEP_TIGHTEN] = CONTROL_TIGHTEN,
                [CONTROL_STEP_LOOSEN] = CONTROL_LOOSEN,
                [CONTROL_STEP_LOOSEN_NOTE] = CONTROL_LOOSEN,
                [CONTROL_STEP_FORBIDDEN] = CONTROL_LOOSEN,
            };
            enum control_step step = control_mode_steps[from][to];
            const struct control *c = control_create();
            struct control_change change = because("because of a test");
            struct control_error e;

            if (from != CONTROL_NORMAL) {
                set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of((enum control_mode)from));
            }
            add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of((enum control_mode)to));
            assert_int_equal(control_change_direction(c, &change), directions[step]);
            assert_int_equal(apply(&c, &change, &e), faults[step]);
            if (step == CONTROL_STEP_FORBIDDEN) {
                assert_string_equal(e.pointer, "/mode");
                assert_non_null(strstr(e.text, "allowed: CANCEL_ONLY"));
            }
            control_unref(&c);
        }
    }
}

static void targets_have_forms(void **state)
{
    static const struct {
        enum control_kind kind;
        const char *target;
        int form; /* -1: refused */
        const char *name;
    } cases[] = {
        {CONTROL_KIND_MODE, "*", CONTROL_FORM_ALL, "*"},
        {CONTROL_KIND_MODE, "group:majors-1_x", CONTROL_FORM_GROUP, "majors-1_x"},
        {CONTROL_KIND_MODE, "group:", -1, ""},
        {CONTROL_KIND_MODE, "group:Majors", -1, ""},
        {CONTROL_KIND_MODE, "group:0123456789012345678901234567890xy", -1, ""},
        {CONTROL_KIND_MODE, "BTC/USD", CONTROL_FORM_SYMBOL, "BTC/USD"},
        {CONTROL_KIND_MODE, "BTC.M-1/USD", CONTROL_FORM_SYMBOL, "BTC.M-1/USD"},
        {CONTROL_KIND_MODE, "BTCUSD", -1, ""},
        {CONTROL_KIND_MODE, "BTC/", -1, ""},
        {CONTROL_KIND_MODE, "/USD", -1, ""},
        {CONTROL_KIND_MODE, "A/B/C", -1, ""},
        {CONTROL_KIND_MODE, "btc/usd", -1, ""},
        {CONTROL_KIND_MODE, "ABCDEFGHIJKLMNO/ABCDEFGHIJKLMNOP", -1, ""}, /* 32 */
        {CONTROL_KIND_MODE, "ABCDEFGHIJKLMNO/ABCDEFGHIJKLMNO", CONTROL_FORM_SYMBOL,
         "ABCDEFGHIJKLMNO/ABCDEFGHIJKLMNO"},
        {CONTROL_KIND_MODE, "", -1, ""},
        {CONTROL_KIND_MODE, "global", -1, ""},
        {CONTROL_KIND_KILL, "global", CONTROL_FORM_GLOBAL, "global"},
        {CONTROL_KIND_KILL, "order_entry", CONTROL_FORM_ORDER_ENTRY, "order_entry"},
        {CONTROL_KIND_KILL, "adapter:okx-1", CONTROL_FORM_ADAPTER, "okx-1"},
        {CONTROL_KIND_KILL, "adapter:", -1, ""},
        {CONTROL_KIND_KILL, "*", -1, ""},
        {CONTROL_KIND_WITHDRAWALS, "*", CONTROL_FORM_ALL, "*"},
        {CONTROL_KIND_WITHDRAWALS, "BTC", CONTROL_FORM_ASSET, "BTC"},
        {CONTROL_KIND_WITHDRAWALS, "btc", -1, ""},
        {CONTROL_KIND_THROTTLE, "BTC/USD", CONTROL_FORM_SYMBOL, "BTC/USD"},
        {CONTROL_KIND_THROTTLE, "*", -1, ""},
        {CONTROL_KIND_ACCOUNT, "desk_1.eu-x", CONTROL_FORM_ACCOUNT, "desk_1.eu-x"},
        {CONTROL_KIND_ACCOUNT, "_desk", -1, ""},
        {CONTROL_KIND_ACCOUNT, "Desk", -1, ""},
        {CONTROL_KIND_FANOUT, "*", CONTROL_FORM_ALL, "*"},
        {CONTROL_KIND_FANOUT, "BTC/USD", -1, ""},
        {CONTROL_KIND_UPSTREAM, "*", CONTROL_FORM_ALL, "*"},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        enum control_form form;
        const char *name;
        bool good = control_target_parse(cases[i].kind, cases[i].target, &form, &name);

        if (good != (cases[i].form >= 0)) {
            fail_msg("%s", cases[i].target);
        }
        if (good) {
            assert_int_equal((int)form, cases[i].form);
            assert_string_equal(name, cases[i].name);
        }
    }
}

static void allowed_targets_are_told(void **state)
{
    char text[160];

    (void)state;
    assert_string_equal(control_target_allowed(CONTROL_KIND_MODE, text, sizeof text),
                        "`*`, `group:NAME` or a symbol as BTC/USD");
    assert_string_equal(control_target_allowed(CONTROL_KIND_KILL, text, sizeof text),
                        "`global`, `order_entry` or `adapter:ID`");
    assert_string_equal(control_target_allowed(CONTROL_KIND_FANOUT, text, sizeof text), "`*`");
}

/* Every kind: a pair of values, what the step between them is, and back. */
static void kinds_know_what_is_tighter(void **state)
{
    struct rows {
        enum control_kind kind;
        struct control_value a;
        struct control_value b;
        enum control_direction there;
        enum control_direction back;
    } rows[] = {
        {CONTROL_KIND_KILL, {0}, stage_of("", 0), CONTROL_TIGHTEN, CONTROL_LOOSEN},
        {CONTROL_KIND_KILL, stage_of("", 0), stage_of("A/B", 10), CONTROL_LOOSEN, CONTROL_TIGHTEN},
        {CONTROL_KIND_KILL, stage_of("A/B", 10), stage_of("A/B C/D", 10), CONTROL_LOOSEN,
         CONTROL_TIGHTEN},
        {CONTROL_KIND_KILL, stage_of("A/B", 10), stage_of("A/B", 11), CONTROL_LOOSEN,
         CONTROL_TIGHTEN},
        {CONTROL_KIND_KILL, stage_of("A/B", 10), stage_of("*", 10), CONTROL_LOOSEN,
         CONTROL_TIGHTEN},
        {CONTROL_KIND_KILL, stage_of("A/B", 10), stage_of("C/D", 5), CONTROL_LOOSEN,
         CONTROL_LOOSEN},
        {CONTROL_KIND_KILL, stage_of("*", 10), stage_of("C/D", 100), CONTROL_LOOSEN,
         CONTROL_LOOSEN},
        {CONTROL_KIND_KILL, stage_of("A/B", 10), {0}, CONTROL_LOOSEN, CONTROL_TIGHTEN},
        {CONTROL_KIND_WITHDRAWALS, {0}, {.halted = true}, CONTROL_TIGHTEN, CONTROL_LOOSEN},
        {CONTROL_KIND_THROTTLE, {0}, {.orders_per_s = 1000000}, CONTROL_TIGHTEN, CONTROL_LOOSEN},
        {CONTROL_KIND_THROTTLE,
         {.orders_per_s = 11},
         {.orders_per_s = 10},
         CONTROL_TIGHTEN,
         CONTROL_LOOSEN},
        {CONTROL_KIND_ACCOUNT, {0}, {.paused = true}, CONTROL_TIGHTEN, CONTROL_LOOSEN},
        {CONTROL_KIND_FANOUT,
         {0},
         {.profile = CONTROL_PROFILE_EMERGENCY, .expires_ns = NOW},
         CONTROL_NEUTRAL,
         CONTROL_NEUTRAL},
        {CONTROL_KIND_UPSTREAM,
         {0},
         {.upstream = CONTROL_UPSTREAM_ALTERNATE},
         CONTROL_NEUTRAL,
         CONTROL_NEUTRAL},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        struct rows *r = &rows[i];

        assert_int_equal(control_value_direction(r->kind, &r->a, &r->b), r->there);
        assert_int_equal(control_value_direction(r->kind, &r->b, &r->a), r->back);
        assert_int_equal(control_value_direction(r->kind, &r->a, &r->a), CONTROL_NONE);
        assert_int_equal(control_value_direction(r->kind, &r->b, &r->b), CONTROL_NONE);
        if (!control_kind_rows[r->kind].neutral) {
            struct control_value m;

            control_value_tightest(r->kind, &r->a, &r->b, &m);
            assert_int_not_equal(control_value_direction(r->kind, &r->a, &m), CONTROL_LOOSEN);
            assert_int_not_equal(control_value_direction(r->kind, &r->b, &m), CONTROL_LOOSEN);
            control_value_fini(&m);
        }
        control_value_fini(&r->a);
        control_value_fini(&r->b);
    }
}

static void values_that_make_no_sense_are_refused(void **state)
{
    struct rows {
        enum control_kind kind;
        struct control_value v;
        const char *pointer;
    } rows[] = {
        {CONTROL_KIND_MODE, {.mode = CONTROL_MODE_COUNT}, "/mode"},
        {CONTROL_KIND_KILL, {.released_percent = 1}, "/released_symbols"},
        {CONTROL_KIND_KILL, {.engaged = true, .released_percent = 101}, "/released_percent"},
        {CONTROL_KIND_KILL, stage_of("", 5), "/released_percent"},
        {CONTROL_KIND_KILL, stage_of("A/B", 0), "/released_percent"},
        {CONTROL_KIND_KILL, stage_of("nonsense", 5), "/released_symbols"},
        {CONTROL_KIND_KILL, stage_of("*", 100), "/engaged"},
        {CONTROL_KIND_THROTTLE, {.orders_per_s = 1000001}, "/orders_per_s"},
        {CONTROL_KIND_FANOUT, {.conflation_ms = 50}, "/profile"},
        {CONTROL_KIND_FANOUT, {.profile = CONTROL_PROFILE_DEGRADED}, "/expires_at"},
        {CONTROL_KIND_FANOUT, {.profile = CONTROL_PROFILE_COUNT}, "/profile"},
        {CONTROL_KIND_FANOUT,
         {.profile = CONTROL_PROFILE_DEGRADED, .expires_ns = NOW, .conflation_ms = 51},
         "/conflation_ms"},
        {CONTROL_KIND_FANOUT,
         {.profile = CONTROL_PROFILE_DEGRADED, .expires_ns = NOW, .default_depth = 20},
         "/default_depth"},
        {CONTROL_KIND_FANOUT,
         {.profile = CONTROL_PROFILE_DEGRADED, .expires_ns = NOW, .sub_ops_per_s = 100001},
         "/sub_ops_per_s"},
        {CONTROL_KIND_FANOUT,
         {.profile = CONTROL_PROFILE_DEGRADED, .expires_ns = -1},
         "/expires_at"},
        {CONTROL_KIND_UPSTREAM, {.upstream = CONTROL_UPSTREAM_COUNT}, "/active"},
    };
    struct control_error e;

    (void)state;
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        assert_int_equal(control_value_check(rows[i].kind, &rows[i].v, &e), CONTROL_INVALID);
        assert_string_equal(e.pointer, rows[i].pointer);
        control_value_fini(&rows[i].v);
    }
    for (unsigned k = 0; k < CONTROL_KIND_COUNT; k++) {
        assert_int_equal(control_value_check((enum control_kind)k, &control_default, &e),
                         CONTROL_FINE);
        assert_true(control_value_is_default((enum control_kind)k, &control_default));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_mean_what_was_agreed),
        cmocka_unit_test(steps_follow_the_ranks),
        cmocka_unit_test(steps_are_enforced),
        cmocka_unit_test(targets_have_forms),
        cmocka_unit_test(allowed_targets_are_told),
        cmocka_unit_test(kinds_know_what_is_tighter),
        cmocka_unit_test(values_that_make_no_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
