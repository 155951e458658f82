/* limits when Redis stops, dies, forgets. */
#include "gate.h"

static uv_loop_t loop;

static void open_one(struct gate *g, struct redis_fixture *f, bool patient)
{
    if (f->pid == 0) {
        assert_true(fixture_start(f));
    }
    fixture_flush(f);
    gate_config(&g->config);
    if (patient) {
        gate_patient(&g->config);
    }
    gate_open(g, &loop, f);
    (void)gate_until_shared(g);
}

/* Nobody waits for a Redis that has stopped, all are answered, and it is used again at once. */
static void stopped_and_continued(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_ask ask = gate_unit(LIMITS_READ, "192.0.2.1", 1);
    static struct asked asked[200];
    int64_t worst = 0;
    int64_t back;
    unsigned waited = 0;
    struct gate g;

    open_one(&g, f, false);
    for (int round = 0; round < 3; round++) {
        unsigned local = 0;

        kill(f->pid, SIGSTOP);
        for (unsigned i = 0; i < GW_LEN(asked); i++) { /* 1 s: connections are lost, made, lost */
            gate_ask(&g, &ask, &asked[i]);
            gate_pause(&g, 5);
        }
        for (unsigned i = 0; i < GW_LEN(asked); i++) {
            gate_until(&g, &asked[i]);
            worst = asked[i].took_ns > worst ? asked[i].took_ns : worst;
            waited += asked[i].took_ns > MS;
            local += asked[i].answer.local;
        }
        assert_int_equal(local, GW_LEN(asked));
        kill(f->pid, SIGCONT);
        back = gate_until_shared(&g);
        print_message("worst wait %.1f ms, %u waited in all; shared again after %.0f ms\n",
                      (double)worst / 1e6, waited, (double)back / 1e6);
        assert_true(worst <= 80 * MS);
        assert_true(back <= SECOND);
    }
    assert_true(waited < 50);
    assert_int_equal(gate_count(&g, LIMITS_M_FENCE, 0), 0); /* it was the same all the time */
    gate_close(&g);
}

static void go_on(uv_timer_t *timer)
{
    kill(*(pid_t *)timer->data, SIGCONT);
}

/* Who has asked gets the true answer, late; the next ones do not ask. */
static void slow_once(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_ask ask = gate_unit(LIMITS_READ, "key", 1);
    struct asked asked;
    uv_timer_t timer;
    struct gate g;

    open_one(&g, f, false);
    g.config.deadline = 1000;
    limits_configure(g.limits, &g.config);
    uv_timer_init(&loop, &timer);
    timer.data = &f->pid;
    kill(f->pid, SIGSTOP);
    gate_ask(&g, &ask, &asked);
    uv_timer_start(&timer, go_on, 60, 0);
    gate_until(&g, &asked);
    assert_false(asked.answer.local);
    assert_true(asked.took_ns >= 20 * MS);
    assert_true(gate_take(&g, &ask).local);
    assert_int_equal(gate_count(&g, LIMITS_M_DEADLINE, 0), 0);
    gate_pause(&g, 150);
    assert_false(gate_take(&g, &ask).local); /* the one that tries */
    assert_true(limits_shared(g.limits));
    uv_close((uv_handle_t *)&timer, NULL);
    gate_close(&g);
}

static void shares_of_the_limit(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_ask ask = gate_unit(LIMITS_READ, "192.0.2.2", 1);
    struct limits_ask big = gate_unit(LIMITS_READ, "192.0.2.3", 60);
    int64_t since;
    unsigned taken = 0;
    double most;
    struct gate g;

    open_one(&g, f, false);
    g.config.gateways = 4;
    limits_configure(g.limits, &g.config);
    kill(f->pid, SIGSTOP);
    (void)gate_take(&g, &ask);
    since = clock_mono_ns();
    while (clock_mono_ns() - since < 2 * SECOND) { /* a quarter of 100 at once and 20 a second */
        struct asked a;

        gate_ask(&g, &ask, &a);
        gate_until(&g, &a);
        assert_true(a.answer.local);
        taken += a.answer.verdict == LIMITS_TAKEN;
        gate_pause(&g, 2);
    }
    most = 25 + 5 * (double)(clock_mono_ns() - since) / 1e9 + 1;
    assert_true(taken <= most && taken >= most - 4);
    assert_int_equal(gate_take(&g, &big).verdict, LIMITS_TAKEN); /* costs more than a quarter */
    assert_int_equal(gate_take(&g, &big).verdict, LIMITS_REFUSED);
    kill(f->pid, SIGCONT);
    gate_close(&g);
}

static void nonces_meanwhile(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_nonce before = gate_nonce("before", true);
    struct limits_nonce read = gate_nonce("read", true);
    struct limits_nonce write = gate_nonce("write", false);
    struct limits_ask ask = {.nonce = &before};
    struct gate g;

    open_one(&g, f, false);
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_TAKEN);
    kill(f->pid, SIGSTOP);
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_REPLAY);
    ask.nonce = &write; /* this one is at Redis when it stops */
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_NONCE_UNSURE);
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_REPLAY);
    ask.nonce = &read;
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_TAKEN);
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_REPLAY);
    write.text = "write, two";
    ask.nonce = &write;
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_NONCE_UNSURE);
    assert_int_equal(gate_count(&g, LIMITS_M_UNSURE, 0), 2);
    kill(f->pid, SIGCONT);
    (void)gate_until_shared(&g);
    ask.nonce = &read; /* Redis has never heard of it */
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_REPLAY);
    ask.nonce = &write;
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_REPLAY);
    gate_close(&g);
}

/* A bounded table that has forgotten says so. */
static void nonces_forgotten(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_nonce nonce = gate_nonce("", true);
    struct limits_ask ask = {.nonce = &nonce};
    char text[24];
    struct gate g;

    gate_config(&g.config);
    g.config.nonce_entries = 16;
    g.config.slow = 1000; /* noise of the machine opens no breaker */
    fixture_flush(f);
    gate_open(&g, &loop, f);
    (void)gate_until_shared(&g);
    nonce.text = text;
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "many-%d", i);
        assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_TAKEN);
    }
    kill(f->pid, SIGSTOP);
    snprintf(text, sizeof text, "many-0"); /* a replay that only Redis remembers */
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_NONCE_UNSURE);
    kill(f->pid, SIGCONT);
    (void)gate_until_shared(&g);
    gate_close(&g);
}

static void killed_and_restarted(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_nonce nonce = gate_nonce("old", true);
    struct limits_ask ask = {.nonce = &nonce};
    int64_t fence;
    int64_t back;
    struct gate g[2];

    open_one(&g[0], f, true);
    open_one(&g[1], f, true);
    nonce.created_ns = clock_real_ns() + 999 * MS; /* as far ahead as is accepted */
    fence = limits_fence_ns(g[0].limits);
    assert_true(fence > INT64_MIN && fence <= clock_real_ns() + SECOND);
    nonce.created_ns = nonce.created_ns > fence ? nonce.created_ns : fence;
    assert_int_equal(gate_take(&g[0], &ask).verdict, LIMITS_TAKEN);
    fixture_kill(f);
    gate_pause(&g[0], 20);
    for (int i = 0; i < 100; i++) {
        struct limits_ask read = gate_unit(LIMITS_READ, "key", 1);
        struct asked a;

        gate_ask(&g[0], &read, &a);
        assert_true(a.took_ns >= 0 && a.took_ns < 20 * MS); /* at once */
        assert_int_equal(a.answer.verdict, LIMITS_TAKEN);
        assert_true(a.answer.local);
    }
    assert_true(fixture_start(f)); /* empty */
    back = gate_until_shared(&g[0]);
    (void)gate_until_shared(&g[1]);
    assert_true(back <= SECOND);
    for (int i = 0; i < 2; i++) {
        assert_true(limits_fence_ns(g[i].limits) > nonce.created_ns);
        assert_int_equal(gate_take(&g[i], &ask).verdict, LIMITS_FENCED);
        assert_int_equal(gate_count(&g[i], LIMITS_M_FENCE, 0), 1);
    }
    nonce.text = "new";
    nonce.created_ns = limits_fence_ns(g[0].limits) + SECOND;
    assert_int_equal(gate_take(&g[0], &ask).verdict, LIMITS_TAKEN);
    assert_int_equal(gate_take(&g[1], &ask).verdict, LIMITS_REPLAY);
    gate_close(&g[0]);
    gate_close(&g[1]);
}

/* The process is the same, but its data are another's: a replica that was promoted. */
static void other_data(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    const char *change[] = {"DEBUG", "CHANGE-REPL-ID"};
    const char *cut[] = {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"};
    int64_t fence;
    struct gate g;

    open_one(&g, f, true);
    fence = limits_fence_ns(g.limits);
    for (unsigned moved = 0; moved < 2; moved++) {
        if (moved != 0) {
            freeReplyObject(fixture_call(f, 2, change));
        }
        freeReplyObject(fixture_call(f, 6, cut));
        gate_pause(&g, 50);
        (void)gate_until_shared(&g);
        assert_int_equal(gate_count(&g, LIMITS_M_FENCE, 0), moved);
        assert_int_equal(limits_fence_ns(g.limits) > fence, moved);
    }
    gate_close(&g);
}

/* What passed before a restart passes at no gateway after it, whenever Redis is killed. */
static void no_replay_over_restarts(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    enum { KEPT = 200 };
    static char texts[KEPT][24];
    static int64_t created[KEPT];
    struct limits_nonce nonce = gate_nonce("", true);
    struct limits_ask ask = {.nonce = &nonce};
    unsigned kept = 0;
    unsigned fenced = 0;
    unsigned known = 0;
    struct gate g[2];

    open_one(&g[0], f, true);
    open_one(&g[1], f, true);
    for (unsigned i = 0; i < 600; i++) {
        unsigned slot = i % KEPT;

        if (i % 150 == 149) {
            fixture_kill(f);
            assert_true(fixture_start(f));
            gate_pause(&g[0], 300);
            (void)gate_until_shared(&g[0]);
            (void)gate_until_shared(&g[1]);
            for (unsigned n = 0; n < 2 * kept; n++) {
                enum limits_verdict v;

                nonce.text = texts[n / 2];
                nonce.created_ns = created[n / 2];
                v = gate_take(&g[n % 2], &ask).verdict;
                assert_true(v == LIMITS_FENCED || v == LIMITS_REPLAY);
                fenced += v == LIMITS_FENCED;
                known += v == LIMITS_REPLAY;
            }
            gate_pause(&g[0], 1000); /* let clients sign behind the fence again */
        }
        snprintf(texts[slot], sizeof texts[0], "kept-%u", i);
        nonce.text = texts[slot];
        nonce.created_ns = created[slot] = clock_real_ns() + (int64_t)(i % 1000) * MS;
        if (gate_take(&g[i % 2], &ask).verdict != LIMITS_TAKEN) {
            texts[slot][0] = 'x'; /* not accepted yet, so it would be no replay */
            created[slot] = 0;
        }
        kept = i < KEPT ? i + 1 : KEPT;
    }
    print_message("replays: %u fenced, %u known\n", fenced, known);
    assert_true(fenced > 1000);
    gate_close(&g[0]);
    gate_close(&g[1]);
}

static void halts_are_always_admitted(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_nonce nonce = gate_nonce("halt", false);
    struct limits_ask halt = gate_unit(LIMITS_HALT, "operator", 1);
    char id[32];
    struct asked a;
    struct gate g;

    open_one(&g, f, false);
    kill(f->pid, SIGSTOP);
    for (int class = 0; class < LIMITS_HALT; class ++) { /* everything else is used up, by many */
        for (int i = 0; i < 20000; i++) {
            struct limits_ask ask = gate_unit((enum limits_class) class, id, 1000000);

            snprintf(id, sizeof id, i % 10 == 0 ? "operator" : "stranger-%d", i);
            gate_ask(&g, &ask, &a);
            gate_until(&g, &a);
        }
    }
    for (unsigned i = 0; i < 20; i++) {
        gate_ask(&g, &halt, &a);
        assert_true(a.took_ns >= 0);
        assert_int_equal(a.answer.verdict, LIMITS_TAKEN);
        assert_int_equal(a.answer.left[0].remaining, 19 - i);
    }
    assert_int_equal(gate_take(&g, &halt).verdict, LIMITS_REFUSED); /* not even halts are free */
    halt.units[0].id = "another";
    halt.nonce = &nonce;
    gate_ask(&g, &halt, &a);
    gate_until(&g, &a);
    assert_int_equal(a.answer.verdict, LIMITS_NONCE_UNSURE);
    assert_true(a.took_ns < 80 * MS);
    kill(f->pid, SIGCONT);
    (void)gate_until_shared(&g);
    nonce.text = "halt again";
    gate_ask(&g, &halt, &a);
    gate_until(&g, &a);
    assert_int_equal(a.answer.verdict, LIMITS_TAKEN);
    assert_in_range(a.answer.left[0].remaining, 18, 19);
    gate_close(&g);
}

/* No Redis since the start: local from the first ask on. */
static void never_there(void **state)
{
    struct redis_fixture nowhere = {.endpoint = "unix:/nonexistent/redis.sock"};
    struct limits_ask ask = gate_unit(LIMITS_READ, "key", 1);
    struct gate g;

    (void)state;
    gate_config(&g.config);
    gate_open(&g, &loop, &nowhere);
    for (int i = 0; i < 100; i++) {
        struct limits_answer a = gate_take(&g, &ask);

        assert_true(a.local && a.verdict == LIMITS_TAKEN);
    }
    assert_int_equal(gate_take(&g, &ask).verdict, LIMITS_REFUSED);
    assert_true(limits_fence_ns(g.limits) == INT64_MIN);
    gate_pause(&g, 100);
    gate_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_and_continued),
        cmocka_unit_test(slow_once),
        cmocka_unit_test(shares_of_the_limit),
        cmocka_unit_test(nonces_meanwhile),
        cmocka_unit_test(nonces_forgotten),
        cmocka_unit_test(killed_and_restarted),
        cmocka_unit_test(other_data),
        cmocka_unit_test(no_replay_over_restarts),
        cmocka_unit_test(halts_are_always_admitted),
        cmocka_unit_test(never_there),
    };
    int failed;

    uv_loop_init(&loop);
    failed = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
    uv_run(&loop, UV_RUN_NOWAIT);
    (void)uv_loop_close(&loop);
    metrics_fini();
    return failed;
}
