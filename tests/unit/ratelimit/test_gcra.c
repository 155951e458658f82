#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ratelimit/gcra.h"

static const int64_t second = 1000000000;

static void burst_then_rate(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(20, 50);
    int64_t tat = 0;
    int64_t retry;
    int taken = 0;

    (void)state;
    while (gcra_take(&tat, &rate, 100 * second, 1, &retry)) {
        taken++;
    }
    assert_int_equal(taken, 50);
    assert_int_equal(retry, second / 20);
    assert_false(gcra_take(&tat, &rate, 100 * second + retry - 1, 1, &retry));
    assert_true(gcra_take(&tat, &rate, 100 * second + second / 20, 1, &retry));
}

/* Giving back admits no more than if it had not been taken, whatever came in between. */
static void giving_back_admits_no_more(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(10, 5);
    int64_t start = 100 * second;
    int64_t retry;

    (void)state;
    for (int64_t pause = 0; pause <= second; pause += second / 50) {
        for (int between = 0; between < 4; between++) {
            int64_t with = 0;
            int64_t without = 0;

            assert_true(gcra_take(&with, &rate, start, 2, &retry));
            for (int i = 0; i < between; i++) {
                int64_t at = start + pause * (i + 1) / 4;
                bool fits = gcra_take(&with, &rate, at, 1, &retry);

                assert_true(gcra_take(&without, &rate, at, 1, &retry) || !fits);
            }
            gcra_give_back(&with, &rate, start, start + pause, 2);
            assert_true(gcra_remaining(with, &rate, start + pause) <=
                        gcra_remaining(without, &rate, start + pause));
            if (pause == 0) {
                assert_int_equal(gcra_remaining(with, &rate, start), 5 - between);
            }
        }
    }
}

static void never_above_burst_plus_rate(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(7, 3);
    int64_t tat = 0;
    int64_t retry;
    int taken = 0;

    (void)state;
    for (int64_t now = 0; now <= 60 * second; now += second / 1000) {
        taken += gcra_take(&tat, &rate, now, 1, &retry);
    }
    assert_in_range(taken, 7 * 60, 7 * 60 + 3);
}

static void costs_and_extremes(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(10, 5);
    int64_t tat = 0;
    int64_t retry;

    (void)state;
    assert_true(gcra_take(&tat, &rate, 0, 5, &retry));
    assert_false(gcra_take(&tat, &rate, 0, 1, &retry));
    assert_false(gcra_take(&tat, &rate, 0, 6, &retry));
    assert_int_equal(retry, INT64_MAX); /* more than the burst never fits */
    tat = 0;
    assert_true(gcra_take(&tat, &rate, 100 * second, 5, &retry));
    assert_false(gcra_take(&tat, &rate, 99 * second, 1, &retry)); /* the clock stepped back */
    assert_true(retry <= 2 * second);
    tat = 0;
    assert_false(gcra_take(&tat, &rate, INT64_MAX - 1, 5, &retry));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_rate),
        cmocka_unit_test(never_above_burst_plus_rate),
        cmocka_unit_test(giving_back_admits_no_more),
        cmocka_unit_test(costs_and_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
