#include "gateway/control/word.h"
#include "gateway/runtime/json.h"
#include "tests/unit/control/control_fixture.h"

#define WHY "\"reason\":\"because of a test\""

struct word_case {
    enum control_body body;
    const char *target;
    const char *members;
    const char *word;
};

static const struct word_case cases[] = {
    {CONTROL_BODY_MODE, "BTC/USD", "\"mode\":\"SOFT_HALT\"", "BTC/USD"},
    {CONTROL_BODY_MODE, "*", "\"mode\":\"NORMAL\"", "ALL"},
    {CONTROL_BODY_MODE, "group:stable", "\"mode\":\"NORMAL\"", "group:stable"},
    {CONTROL_BODY_SET_MODE, NULL, "\"scope\":\"all\",\"mode\":\"NORMAL\"", "ALL"},
    {CONTROL_BODY_SET_MODE, NULL, "\"symbols\":[\"BTC/USD\"],\"mode\":\"NORMAL\"", "BTC/USD"},
    {CONTROL_BODY_SET_MODE, NULL, "\"symbols\":[\"A/B\",\"C/D\"],\"mode\":\"NORMAL\"", "2 SYMBOLS"},
    {CONTROL_BODY_KILL, NULL, "\"engaged\":true", "KILL"},
    {CONTROL_BODY_KILL, NULL, "\"engaged\":true,\"scope\":\"adapter:okx\"", "KILL"},
    {CONTROL_BODY_KILL, NULL, "\"engaged\":false", "RELEASE"},
    {CONTROL_BODY_RELEASE, NULL, "\"engaged\":false", "RELEASE"},
    {CONTROL_BODY_RELEASE, NULL, "\"released_percent\":10", "RELEASE"},
    {CONTROL_BODY_RELEASE, NULL, "\"released_symbols\":[\"A/B\"]", "RELEASE"},
    {CONTROL_BODY_RELEASE, NULL, "\"released_percent\":0", "KILL"}, /* takes the stage back */
    {CONTROL_BODY_WITHDRAWALS, NULL, "\"halted\":true", "ALL"},
    {CONTROL_BODY_WITHDRAWALS, NULL, "\"halted\":false,\"asset\":\"BTC\"", "BTC"},
    {CONTROL_BODY_THROTTLE, "BTC/USD", "\"orders_per_s\":null", "BTC/USD"},
    {CONTROL_BODY_ACCOUNT, "desk", "\"paused\":true", "desk"},
    {CONTROL_BODY_ACCESS, "desk", "\"disabled\":true", "desk"},
    {CONTROL_BODY_FANOUT, NULL, "\"profile\":\"normal\"", "ALL"},
    {CONTROL_BODY_UPSTREAM, NULL, "\"active\":\"alternate\"", "ALL"},
};

/* CONFIRM: a JSON value; NULL: left out. */
static enum control_fault read_case(const struct word_case *t, const char *confirm,
                                    struct control_change *c, struct control_error *e)
{
    struct buf text = {0};
    enum control_fault fault;

    buf_printf(&text, "{%s,%s%s%s}", t->members, WHY, confirm != NULL ? ",\"confirm\":" : "",
               confirm != NULL ? confirm : "");
    fault = control_body_parse(t->body, t->target, text.data, text.len, NULL, c, e);
    buf_fini(&text);
    return fault;
}

/* What the check says of a body that reads well. */
static enum control_fault judge(const struct word_case *t, const char *confirm,
                                struct control_error *e)
{
    struct control_change c;
    enum control_fault fault;

    assert_int_equal(read_case(t, confirm, &c, e), CONTROL_FINE);
    fault = control_word_check(&c, e);
    control_change_fini(&c);
    return fault;
}

static void each_target_has_its_word(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        struct control_change c;
        struct control_error e;
        char word[CONTROL_WORD_SIZE];

        assert_int_equal(read_case(&cases[i], NULL, &c, &e), CONTROL_FINE);
        control_word(&c, word);
        assert_string_equal(word, cases[i].word);
        control_change_fini(&c);
    }
}

static void nothing_set_has_no_word(void **state)
{
    struct control_change c = {0};
    char word[CONTROL_WORD_SIZE] = "x";

    (void)state;
    control_word(&c, word);
    assert_string_equal(word, "");
}

static void the_word_or_nothing_confirms(void **state)
{
    static const char *const wrong[] = {"\"\"",         "\"btc/usd\"",   "\"BTC/USD \"",
                                        "\" BTC/USD\"", "\"BTC/USDT\"",  "\"BTC/US\"",
                                        "\"ALL\"",      "\"1 SYMBOLS\"", "\"ETH/USD\""};
    struct control_error e;

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        char typed[CONTROL_WORD_SIZE + 2];

        (void)snprintf(typed, sizeof typed, "\"%s\"", cases[i].word);
        assert_int_equal(judge(&cases[i], typed, &e), CONTROL_FINE);
        assert_int_equal(judge(&cases[i], NULL, &e), CONTROL_FINE);
        assert_int_equal(judge(&cases[i], "null", &e), CONTROL_FINE);
    }
    for (unsigned i = 0; i < GW_LEN(wrong); i++) {
        assert_int_equal(judge(&cases[0], wrong[i], &e), CONTROL_INVALID);
        assert_string_equal(e.pointer, "/confirm");
        assert_non_null(strstr(e.text, "`BTC/USD`"));
    }
    assert_int_equal(judge(&cases[6], "\"RELEASE\"", &e), CONTROL_INVALID);
    assert_non_null(strstr(e.text, "`KILL`"));
    assert_int_equal(judge(&cases[8], "\"KILL\"", &e), CONTROL_INVALID);
    assert_non_null(strstr(e.text, "`RELEASE`"));
}

static void it_is_a_text(void **state)
{
    static const char *const values[] = {"true", "1", "[\"BTC/USD\"]", "{}"};
    struct control_change c;
    struct control_error e;

    (void)state;
    for (unsigned i = 0; i < GW_LEN(values); i++) {
        assert_int_equal(read_case(&cases[0], values[i], &c, &e), CONTROL_INVALID);
        assert_string_equal(e.pointer, "/confirm");
        control_change_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_target_has_its_word),
        cmocka_unit_test(nothing_set_has_no_word),
        cmocka_unit_test(the_word_or_nothing_confirms),
        cmocka_unit_test(it_is_a_text),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
