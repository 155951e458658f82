/* links: load/hist.c gateway/base/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "load/hist.h"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void test_empty(void **state)
{
    struct hist *h = hist_create();

    (void)state;
    assert_int_equal(hist_count(h), 0);
    assert_int_equal(hist_at(h, 50000), 0);
    assert_int_equal(hist_min(h), 0);
    assert_int_equal(hist_max(h), 0);
    assert_int_equal(hist_mean(h), 0);
    hist_destroy(&h);
    assert_null(h);
}

/* Small values are exact. */
static void test_small_values_exact(void **state)
{
    struct hist *h = hist_create();

    (void)state;
    for (uint64_t v = 1; v <= 200; v++) {
        hist_record(h, v);
    }
    assert_int_equal(hist_at(h, 50000), 100);
    assert_int_equal(hist_at(h, 99000), 198);
    assert_int_equal(hist_at(h, 0), 1);
    assert_int_equal(hist_at(h, 100000), 200);
    assert_int_equal(hist_mean(h), 100);
    hist_destroy(&h);
}

/* One sample at each power of two and beside it: never below, at most 1/128 above. */
static void test_error_bound_of_every_octave(void **state)
{
    struct hist *h = hist_create();

    (void)state;
    for (unsigned bit = 1; bit <= 36; bit++) {
        for (int64_t beside = -1; beside <= 1; beside++) {
            uint64_t v = (1ull << bit) + (uint64_t)beside;
            uint64_t got;

            hist_reset(h);
            hist_record(h, v);
            hist_record(h, v);
            hist_record(h, HIST_MAX_NS);
            got = hist_at(h, 60000);
            assert_true(got >= v);
            assert_true(got - v <= v / 128);
        }
    }
    hist_destroy(&h);
}

/* Against a sorted array, over nine orders of magnitude. */
static void test_against_exact_percentiles(void **state)
{
    enum { COUNT = 20000 };
    static uint64_t v[COUNT];
    static const uint32_t at[] = {1000, 50000, 90000, 99000, 99900, 99990, 100000};
    uint64_t seed = 88172645463325252ull;
    struct hist *h = hist_create();

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        v[i] = next_random(&seed) >> (28 + next_random(&seed) % 30);
        hist_record(h, v[i]);
    }
    qsort(v, COUNT, sizeof v[0], by_value);
    for (unsigned i = 0; i < sizeof at / sizeof at[0]; i++) {
        uint64_t rank = ((uint64_t)COUNT * at[i] + HIST_PER_UNIT - 1) / HIST_PER_UNIT;
        uint64_t want = v[rank - 1];
        uint64_t got = hist_at(h, at[i]);

        assert_true(got >= want);
        assert_true(got - want <= want / 128);
    }
    assert_int_equal(hist_max(h), v[COUNT - 1]);
    assert_int_equal(hist_min(h), v[0]);
    hist_destroy(&h);
}

static void test_over_range_is_not_lost(void **state)
{
    struct hist *h = hist_create();

    (void)state;
    hist_record(h, 5);
    hist_record(h, HIST_MAX_NS);
    hist_record(h, HIST_MAX_NS + 1);
    hist_record(h, UINT64_MAX);
    assert_int_equal(hist_count(h), 4);
    assert_int_equal(hist_over(h), 2);
    assert_true(hist_at(h, 50000) >= HIST_MAX_NS);
    assert_true(hist_at(h, 50000) <= HIST_MAX_NS + HIST_MAX_NS / 128);
    assert_true(hist_at(h, 99000) == UINT64_MAX);
    assert_true(hist_max(h) == UINT64_MAX);
    hist_destroy(&h);
}

static void test_merge(void **state)
{
    struct hist *a = hist_create();
    struct hist *b = hist_create();
    struct hist *all = hist_create();
    uint64_t seed = 99;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        uint64_t v = next_random(&seed) >> 30;

        hist_record(i % 3 == 0 ? a : b, v);
        hist_record(all, v);
    }
    hist_merge(a, b);
    assert_int_equal(hist_count(a), hist_count(all));
    assert_int_equal(hist_min(a), hist_min(all));
    assert_int_equal(hist_max(a), hist_max(all));
    assert_int_equal(hist_mean(a), hist_mean(all));
    for (uint32_t at = 0; at <= HIST_PER_UNIT; at += 500) {
        assert_int_equal(hist_at(a, at), hist_at(all, at));
    }
    hist_destroy(&a);
    hist_destroy(&b);
    hist_destroy(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_small_values_exact),
        cmocka_unit_test(test_error_bound_of_every_octave),
        cmocka_unit_test(test_against_exact_percentiles),
        cmocka_unit_test(test_over_range_is_not_lost),
        cmocka_unit_test(test_merge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
