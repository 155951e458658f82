#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ratelimit/clock_guard.h"

#define S     ((int64_t)1000000000)
#define SLACK (60 * S)

static int64_t was;

static bool look(struct clock_guard *g, int64_t real_s, int64_t mono_s)
{
    return clock_guard_look(g, real_s * S, mono_s * S, SLACK, &was);
}

static void test_steps(void **state)
{
    struct clock_guard g = {0};

    (void)state;
    assert_false(look(&g, 1000, 1));
    assert_false(look(&g, 1010, 11));
    assert_false(look(&g, 5000, 12)); /* forward is no danger */
    assert_true(look(&g, 4900, 13));  /* 101 s back */
    assert_int_equal(was, 5001 * S);
    assert_false(look(&g, 4910, 23)); /* told once */
    assert_true(look(&g, 4800, 24));  /* and further */
    assert_int_equal(was, 5012 * S);
}

static void test_small_steps_add_up_until_caught_up(void **state)
{
    struct clock_guard g = {0};

    (void)state;
    assert_false(look(&g, 1000, 0));
    assert_false(look(&g, 970, 10)); /* 40 behind */
    assert_true(look(&g, 950, 20));  /* 70 */
    assert_false(look(&g, 1019, 89));
    assert_false(look(&g, 1021, 91)); /* as late as it was before: nothing of then is left */
    assert_false(look(&g, 991, 101)); /* 40, from here */
    assert_true(look(&g, 960, 110));  /* 80 */
}

static void test_a_step_long_after_the_last_look(void **state)
{
    struct clock_guard g = {0};

    (void)state;
    assert_false(look(&g, 1000, 0));
    assert_true(look(&g, 1900, 1000)); /* nobody looked for long */
    assert_int_equal(was, 2000 * S);
    assert_true(look(&g, 2800, 2000)); /* caught up with the first, then back by 100 once more */
}

static void test_reading_two_clocks_is_not_exact(void **state)
{
    struct clock_guard g = {0};

    (void)state;
    for (int64_t i = 1; i < 1000; i++) {
        assert_false(
            clock_guard_look(&g, 100 * S + i * S + (i * 7919) % 900000, i * S, SLACK, &was));
    }
}

#define MS ((int64_t)1000000)

static int64_t step_ms(struct clock_steps *s, int64_t real_ms, int64_t mono_ms)
{
    return clock_steps_look(s, mono_ms * MS, real_ms * MS, mono_ms * MS, 500 * MS) / MS;
}

static void test_steps_both_ways(void **state)
{
    struct clock_steps s = {0};

    (void)state;
    assert_int_equal(step_ms(&s, 100000, 1), 0); /* the first look knows nothing */
    assert_int_equal(step_ms(&s, 101000, 1001), 0);
    assert_int_equal(step_ms(&s, 102500, 2001), 0); /* exactly half a second is none */
    assert_int_equal(step_ms(&s, 104001, 3001), 501);
    assert_int_equal(step_ms(&s, 105001, 4001), 0); /* told once */
    assert_int_equal(step_ms(&s, 105400, 5001), -601);
    assert_int_equal(step_ms(&s, 3706400, 6001), 3600000);
    for (int64_t i = 1; i < 10000; i++) { /* what is slewed is no step, however far it goes */
        assert_int_equal(step_ms(&s, 3706400 + i * 1400, 6001 + i * 1000), 0);
    }
}

static void test_a_torn_reading_is_none(void **state)
{
    struct clock_steps s = {0};

    (void)state;
    assert_int_equal(clock_steps_look(&s, 0, 100 * S, 0, 500 * MS), 0);
    assert_int_equal(clock_steps_look(&s, S, 103 * S, 3 * S, 500 * MS), 0); /* held up in between */
    assert_int_equal(clock_steps_look(&s, 4 * S, 104 * S, 4 * S, 500 * MS), 0);
    assert_int_equal(clock_steps_look(&s, 5 * S, 107 * S, 5 * S, 500 * MS), 2 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_small_steps_add_up_until_caught_up),
        cmocka_unit_test(test_a_step_long_after_the_last_look),
        cmocka_unit_test(test_reading_two_clocks_is_not_exact),
        cmocka_unit_test(test_steps_both_ways),
        cmocka_unit_test(test_a_torn_reading_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
