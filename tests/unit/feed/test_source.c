/* links: gw_feed */
/* The Redis source against a real Redis: what a key that is no stream does to the others. */
#include "tests/unit/ratelimit/redis_fixture.h"

#include <uv.h>
#include "gateway/feed/source.h"
#include "gateway/runtime/clock.h"

#define MS     (INT64_C(1000000))
#define SOON   2000 /* ms; one blocked read and a look at the types fit in well */
#define A_READ 1500 /* ms; so long that another read has certainly come and gone */

enum { A, B, C, COUNT };
static const char *const names[] = {"AAA/USD", "BBB/USD", "CCC/USD"};
static const char *const keys[] = {"md:{AAA/USD}", "md:{BBB/USD}", "md:{CCC/USD}"};

struct heard {
    unsigned entries[COUNT];
    unsigned live;
    unsigned refused[COUNT];
    unsigned readable[COUNT];
    char why[128];
};

static uv_loop_t loop;

static void on_checkpoint(void *arg, uint32_t symbol, const char *json, size_t len,
                          char id[FEED_ID_MAX])
{
    (void)arg;
    (void)symbol;
    (void)json;
    (void)len;
    id[0] = '\0';
}

static void on_candle(void *arg, uint32_t symbol, uint32_t interval, int64_t begin_s,
                      const char *json, size_t len)
{
    (void)arg;
    (void)symbol;
    (void)interval;
    (void)begin_s;
    (void)json;
    (void)len;
}

static void on_entry(void *arg, uint32_t symbol, const char *id, const char *json, size_t len)
{
    struct heard *h = arg;

    (void)id;
    (void)json;
    (void)len;
    h->entries[symbol]++;
}

static void on_live(void *arg, uint32_t symbol, bool has_snapshot)
{
    struct heard *h = arg;

    (void)symbol;
    (void)has_snapshot;
    h->live++;
}

static void on_connected(void *arg, bool connected, int64_t since_ns)
{
    (void)arg;
    (void)connected;
    (void)since_ns;
}

static void on_turn(void *arg)
{
    (void)arg;
}

static void on_refused(void *arg, uint32_t symbol, const char *why)
{
    struct heard *h = arg;

    if (why == NULL) {
        h->readable[symbol]++;
        return;
    }
    h->refused[symbol]++;
    (void)snprintf(h->why, sizeof h->why, "%s", why);
}

static const struct feed_sink sink = {.on_checkpoint = on_checkpoint,
                                      .on_candle = on_candle,
                                      .on_entry = on_entry,
                                      .on_live = on_live,
                                      .on_connected = on_connected,
                                      .on_turn = on_turn,
                                      .on_refused = on_refused};

static void run_ms(int64_t ms)
{
    int64_t until = clock_mono_ns() + ms * MS;

    while (clock_mono_ns() < until) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

/* Runs the loop until *COUNTER is WANTED, for SOON at most. */
static void wait_for(const unsigned *counter, unsigned wanted)
{
    int64_t until = clock_mono_ns() + SOON * MS;

    while (*counter != wanted && clock_mono_ns() < until) {
        run_ms(1);
    }
    assert_int_equal(*counter, wanted);
}

static void call(struct redis_fixture *f, const char *word, const char *key, const char *value)
{
    const char *argv[] = {word, key, value};

    freeReplyObject(fixture_call(f, value != NULL ? 3 : 2, argv));
}

static void add(struct redis_fixture *f, int symbol)
{
    const char *argv[] = {"XADD", keys[symbol], "*", "e", "{}"};

    freeReplyObject(fixture_call(f, 5, argv));
}

static struct source *open_one(struct redis_fixture *f, struct heard *h)
{
    struct source_options opt = {.endpoint = f->endpoint,
                                 .symbols = names,
                                 .symbol_count = COUNT,
                                 .window_entries = 10,
                                 .command_timeout_ms = 1000,
                                 .backoff_min_ms = 10,
                                 .backoff_max_ms = 20};
    struct source *s;

    *h = (struct heard){0};
    assert_int_equal(uv_loop_init(&loop), 0);
    s = source_create(&loop, &opt, &sink, h);
    wait_for(&h->live, COUNT);
    return s;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_one(struct source *s)
{
    bool done = false;

    source_close(s, on_closed, &done);
    while (!done) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    source_destroy(&s);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* One key of another type while everything runs: Redis refuses the read of all. */
static void r6_one_bad_stream_holds_nobody_back(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct heard h;
    struct source *s;

    fixture_flush(f);
    for (int i = 0; i < COUNT; i++) {
        add(f, i);
    }
    s = open_one(f, &h);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(h.entries[i], 1);
    }
    call(f, "DEL", keys[B], NULL);
    call(f, "SET", keys[B], "not a stream");
    add(f, A);
    wait_for(&h.entries[A], 2);
    wait_for(&h.refused[B], 1);
    assert_string_equal(h.why, "it is a string");
    add(f, C);
    wait_for(&h.entries[C], 2);
    /* told once, and the others go on */
    run_ms(2 * A_READ);
    add(f, A);
    wait_for(&h.entries[A], 3);
    assert_int_equal(h.refused[A] + h.refused[B] + h.refused[C], 1);
    assert_int_equal(h.readable[B], 0);
    /* and it is taken in again as soon as it is a stream */
    call(f, "DEL", keys[B], NULL);
    add(f, B);
    wait_for(&h.readable[B], 1);
    wait_for(&h.entries[B], 2);
    add(f, B);
    wait_for(&h.entries[B], 3);
    close_one(s);
}

/* It was so before the start, and for every symbol: each comes back by itself. */
static void all_of_them_bad_from_the_start(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct heard h;
    struct source *s;

    fixture_flush(f);
    for (int i = 0; i < COUNT; i++) {
        const char *argv[] = {"LPUSH", keys[i], "x"};

        freeReplyObject(fixture_call(f, 3, argv));
    }
    s = open_one(f, &h);
    for (int i = 0; i < COUNT; i++) {
        wait_for(&h.refused[i], 1);
    }
    assert_string_equal(h.why, "it is a list");
    for (int i = COUNT - 1; i >= 0; i--) {
        call(f, "DEL", keys[i], NULL);
        add(f, i);
        wait_for(&h.entries[i], 1);
        assert_int_equal(h.readable[i], 1);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(h.refused[i], 1);
    }
    close_one(s);
}

/* Refused for a reason that is no key's: reading goes on when that has passed. */
static void a_refusal_of_everything_passes(void **state)
{
    static const char *const no[] = {"ACL", "SETUSER", "default", "-xread"};
    static const char *const yes[] = {"ACL", "SETUSER", "default", "+@all"};
    struct redis_fixture *f = fixture_need(state);
    struct heard h;
    struct source *s;

    fixture_flush(f);
    add(f, A);
    s = open_one(f, &h);
    freeReplyObject(fixture_call(f, 4, (const char **)no));
    run_ms(A_READ);
    add(f, A);
    run_ms(A_READ);
    assert_int_equal(h.entries[A], 1);
    freeReplyObject(fixture_call(f, 4, (const char **)yes));
    wait_for(&h.entries[A], 2);
    assert_int_equal(h.refused[A] + h.refused[B] + h.refused[C], 0);
    close_one(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r6_one_bad_stream_holds_nobody_back),
        cmocka_unit_test(all_of_them_bad_from_the_start),
        cmocka_unit_test(a_refusal_of_everything_passes),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
