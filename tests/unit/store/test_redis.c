/* links: gw_store */
/* One connection to Redis on a loop that has other things to do. */
#include "tests/unit/ratelimit/redis_fixture.h"

#include <uv.h>
#include "gateway/runtime/clock.h"
#include "gateway/store/redis.h"

#define MS (INT64_C(1000000))

struct heard {
    int answers;
    int losses;
    bool up;
};

static uv_loop_t loop;

static void on_state(void *arg, bool up)
{
    struct heard *h = arg;

    h->losses += !up;
    h->up = up;
}

static void on_reply(void *arg, const struct redis_reply *reply)
{
    struct heard *h = arg;

    h->answers += reply != NULL;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void run_ms(int64_t ms)
{
    int64_t until = clock_mono_ns() + ms * MS;

    while (clock_mono_ns() < until) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static struct redis *open_one(struct redis_fixture *f, struct heard *h)
{
    struct redis_options opt = {.endpoint = f->endpoint,
                                .name = "test",
                                .timeout_ms = 100,
                                .backoff_min_ms = 10,
                                .backoff_max_ms = 20,
                                .metrics = metrics_create(&redis_metrics)};
    struct redis *r;

    *h = (struct heard){0};
    assert_int_equal(uv_loop_init(&loop), 0);
    r = redis_create(&loop, &opt, on_state, h);
    for (int i = 0; i < 2000 && !h->up; i++) {
        run_ms(1);
    }
    assert_true(h->up);
    return r;
}

static void close_one(struct redis *r)
{
    bool done = false;

    redis_close(r, on_closed, &done);
    while (!done) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    redis_destroy(&r);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* The answer came in time; it was this loop that did not read it. */
static void a_busy_loop_loses_nothing(void **state)
{
    static const char *ping[] = {"PING"};
    struct redis_fixture *f = fixture_need(state);
    struct heard h;
    struct redis *r = open_one(f, &h);

    for (int i = 1; i <= 20; i++) {
        assert_true(redis_command(r, 1, ping, NULL, 0, on_reply, &h));
        (void)uv_run(&loop, UV_RUN_NOWAIT); /* sends it */
        usleep(150000);
        run_ms(30);
        assert_int_equal(h.answers, i);
    }
    assert_int_equal(h.losses, 0);
    close_one(r);
}

/* And one that is stopped is found out, by an idle loop and by a busy one. */
static void a_stopped_one_is_found_out(void **state)
{
    static const char *ping[] = {"PING"};
    struct redis_fixture *f = fixture_need(state);

    for (int busy = 0; busy < 2; busy++) {
        struct heard h;
        struct redis *r = open_one(f, &h);

        kill(f->pid, SIGSTOP);
        assert_true(redis_command(r, 1, ping, NULL, 0, on_reply, &h));
        for (int i = 0; i < 20 && h.losses == 0; i++) {
            run_ms(busy ? 1 : 50);
            usleep(busy ? 60000 : 0);
        }
        assert_int_equal(h.losses, 1);
        assert_int_equal(h.answers, 0);
        kill(f->pid, SIGCONT);
        close_one(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_loop_loses_nothing),
        cmocka_unit_test(a_stopped_one_is_found_out),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
