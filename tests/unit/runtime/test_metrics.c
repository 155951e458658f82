#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "gateway/runtime/metrics.h"

static const char *const colours[] = {"red", "green"};
static const struct metric_label colour = {"colour", colours, GW_LEN(colours)};
#define ROWS(X)                                                                                    \
    X(M_SEEN, "seen_total", COUNTER, &colour, "seen")                                              \
    X(M_OPEN, "open", GAUGE, NULL, "open now")                                                     \
    X(M_TOOK, "took_seconds", HISTOGRAM, NULL, "took so long")
enum { ROWS(METRIC_AS_ENUM) M_COUNT };
static const struct metric_row rows[] = {ROWS(METRIC_AS_ROW)};
static const struct metric_table table = {"test", rows, M_COUNT};

/* What a name stands for is the sum over all sets that have it, as /metrics shows it. */
static void a_sum_is_over_all_sets(void **state)
{
    struct metric_set *a;
    struct metric_set *b;
    uint64_t sum = 77;

    (void)state;
    assert_false(metrics_sum("open", "", &sum)); /* nobody counts it yet */
    assert_int_equal(sum, 77);
    a = metrics_create(&table);
    b = metrics_create(&table);
    metrics_add(a, M_SEEN, 0, 2);
    metrics_add(b, M_SEEN, 0, 3);
    metrics_add(b, M_SEEN, 1, 10);
    metrics_set(a, M_OPEN, 0, 4);
    metrics_set(b, M_OPEN, 0, 5);
    assert_true(metrics_sum("open", "", &sum));
    assert_int_equal(sum, 9);
    assert_true(metrics_sum("seen_total", "red", &sum));
    assert_int_equal(sum, 5);
    assert_true(metrics_sum("seen_total", NULL, &sum)); /* of all labels */
    assert_int_equal(sum, 15);
    sum = 77;
    assert_false(metrics_sum("seen_total", "blue", &sum));
    assert_false(metrics_sum("seen_total", "", &sum));
    assert_false(metrics_sum("open", "red", &sum));
    assert_false(metrics_sum("took_seconds", "", &sum));
    assert_int_equal(sum, 77);
    metrics_fini();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_sum_is_over_all_sets)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
