/* links: gw_store */
/* Circuits: the worst of a name is shown, a reset brings the next try forward and nothing else, and a
 * real connection that would wait for an hour is back at once. */
#include "tests/unit/ratelimit/redis_fixture.h"

#include <uv.h>
#include "gateway/runtime/clock.h"
#include "gateway/store/circuit.h"
#include "gateway/store/redis.h"

#define MS   (INT64_C(1000000))
#define HOUR (3600 * INT64_C(1000000000))

static struct circuit_view look(const char *name)
{
    struct circuit_view v;

    assert_true(circuits_find(name, &v));
    return v;
}

static void the_worst_of_a_name(void **state)
{
    struct circuit *a = circuit_create(CIRCUIT_STORE);
    struct circuit *b = circuit_create(CIRCUIT_STORE);
    struct circuit_view v;
    struct circuit_view list[CIRCUIT_COUNT];

    (void)state;
    assert_false(circuits_find("paging", &v));
    assert_false(circuits_find("", &v));
    assert_int_equal(look("postgresql").state, CIRCUIT_HALF_OPEN);
    circuit_closed(a);
    circuit_failed(b, "refused\nat length", 5 * MS);
    v = look("postgresql");
    assert_int_equal(v.state, CIRCUIT_OPEN);
    assert_int_equal(v.members, 2);
    assert_int_equal(v.waiting, 1);
    assert_int_equal(v.failures, 1);
    assert_string_equal(v.why, "refused");
    assert_true(v.retry_ns > clock_real_ns() - 1000 * MS && v.retry_ns < clock_real_ns() + 6 * MS);
    circuit_trying(b);
    assert_int_equal(look("postgresql").state, CIRCUIT_HALF_OPEN);
    circuit_failed(b, "refused", -1);
    assert_int_equal(look("postgresql").failures, 2);
    assert_int_equal(look("postgresql").retry_ns, 0);
    circuit_closed(b);
    v = look("postgresql");
    assert_int_equal(v.state, CIRCUIT_CLOSED);
    assert_int_equal(v.failures, 0);
    assert_string_equal(v.why, "");
    assert_int_equal(circuits_list(list), 1);
    circuit_destroy(&a);
    circuit_destroy(&b);
    assert_int_equal(circuits_list(list), 0);
}

static void asked_for_once(void **state)
{
    struct circuit *a = circuit_create(CIRCUIT_PAGING);

    (void)state;
    circuit_closed(a);
    assert_int_equal(circuits_ask("paging"), 0); /* nothing waits */
    assert_false(circuit_asked(a));
    circuit_retried(a);
    assert_int_equal(look("paging").state, CIRCUIT_CLOSED);
    circuit_failed(a, "503", HOUR);
    assert_int_equal(circuits_ask("paging"), 1);
    assert_int_equal(circuits_ask("redis-keys"), 0);
    assert_true(look("paging").asked);
    assert_true(circuit_asked(a));
    assert_false(circuit_asked(a));
    circuit_retried(a);
    assert_true(look("paging").asked); /* under way */
    circuit_failed(a, "503", HOUR);
    assert_false(look("paging").asked);

    /* what was under way when it was asked for is not the try that was asked for */
    circuit_retried(a);
    assert_int_equal(circuits_ask("paging"), 1);
    circuit_failed(a, "503", HOUR);
    assert_true(look("paging").asked);
    assert_true(circuit_asked(a));
    circuit_untried(a);
    assert_false(look("paging").asked);
    assert_true(look("paging").untried);
    assert_int_equal(circuits_ask("paging"), 1);
    assert_false(look("paging").untried);
    circuit_closed(a); /* it came back by itself */
    assert_false(look("paging").asked || circuit_asked(a));
    circuit_destroy(&a);
    circuit_closed(NULL);
    circuit_failed(NULL, "", 0);
    assert_false(circuit_asked(NULL));
}

static void shown_as_a_metric(void **state)
{
    struct metric_set *set = metrics_create(&circuit_metrics);
    struct circuit *a;

    (void)state;
    circuits_expose(set);
    a = circuit_create(CIRCUIT_KEYS);
    assert_int_equal(metrics_get(set, 0, CIRCUIT_KEYS - 1), 1);
    circuit_failed(a, "gone", HOUR);
    assert_int_equal(metrics_get(set, 0, CIRCUIT_KEYS - 1), 2);
    circuit_closed(a);
    assert_int_equal(metrics_get(set, 0, CIRCUIT_KEYS - 1), 0);
    circuit_failed(a, "gone", HOUR);
    circuit_destroy(&a);
    assert_int_equal(metrics_get(set, 0, CIRCUIT_KEYS - 1), 0);
    circuits_expose(NULL);
}

/* --- with a Redis that dies --------------------------------------------------------------------- */

static uv_loop_t loop;

static void on_state(void *arg, bool up)
{
    *(bool *)arg = up;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static bool within_ms(int64_t ms, const bool *what, bool wanted)
{
    int64_t until = clock_mono_ns() + ms * MS;

    while (*what != wanted && clock_mono_ns() < until) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    return *what == wanted;
}

/* Nobody may wait for the hour that the backoff may last: until it is long enough to be told from a
 * try that comes by itself. */
static void until_it_waits_long(void)
{
    int64_t until = clock_mono_ns() + 5000 * MS;
    bool never = false;

    while (look("redis-keys").state != CIRCUIT_OPEN ||
           look("redis-keys").retry_ns < clock_real_ns() + 60000 * MS) {
        assert_true(clock_mono_ns() < until);
        (void)circuits_ask("redis-keys"); /* fails, and draws another wait */
        (void)within_ms(50, &never, true);
    }
}

static void back_at_once(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct redis_options opt = {.endpoint = f->endpoint,
                                .name = "test",
                                .timeout_ms = 200,
                                .backoff_min_ms = 3600000,
                                .backoff_max_ms = 3600000,
                                .circuit = CIRCUIT_KEYS,
                                .metrics = metrics_create(&redis_metrics)};
    bool up = false;
    bool done = false;
    struct redis *r;
    int64_t began;

    assert_int_equal(uv_loop_init(&loop), 0);
    r = redis_create(&loop, &opt, on_state, &up);
    assert_true(within_ms(2000, &up, true));
    assert_int_equal(look("redis-keys").state, CIRCUIT_CLOSED);
    fixture_kill(f);
    assert_true(within_ms(2000, &up, false));
    until_it_waits_long();
    assert_true(fixture_start(f));
    assert_false(within_ms(300, &up, true)); /* it does wait */
    assert_int_equal(circuits_ask("redis-keys"), 1);
    began = clock_mono_ns();
    assert_true(within_ms(1000, &up, true));
    print_message("back after %lld ms\n", (long long)((clock_mono_ns() - began) / MS));
    assert_int_equal(look("redis-keys").state, CIRCUIT_CLOSED);
    assert_false(look("redis-keys").asked);
    redis_close(r, on_closed, &done);
    assert_true(within_ms(1000, &done, true));
    redis_destroy(&r);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_of_a_name),
        cmocka_unit_test(asked_for_once),
        cmocka_unit_test(shown_as_a_metric),
        cmocka_unit_test(back_at_once),
    };
    int failed = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);

    metrics_fini();
    return failed;
}
