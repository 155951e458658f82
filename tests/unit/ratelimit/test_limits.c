/* limits with Redis at its side: one truth for several gateways. */
#include "gate.h"

static uv_loop_t loop;

/* Two gateways at one Redis, empty and asked. */
static void open_two(struct gate g[2], struct redis_fixture *f)
{
    fixture_flush(f);
    for (int i = 0; i < 2; i++) {
        gate_config(&g[i].config);
        gate_patient(&g[i].config);
        g[i].config.message_burst = 200;
        gate_open(&g[i], &loop, f);
        (void)gate_until_shared(&g[i]);
    }
}

static void close_two(struct gate g[2])
{
    gate_close(&g[0]);
    gate_close(&g[1]);
}

/* How often Redis has run the script since its statistics were reset. */
static long trips(struct redis_fixture *f)
{
    const char *stats[] = {"INFO", "commandstats"};
    redisReply *reply = fixture_call(f, 2, stats);
    const char *at = strstr(reply->str, "cmdstat_evalsha:calls=");
    long count = at != NULL ? strtol(at + 22, NULL, 10) : 0;

    freeReplyObject(reply);
    return count;
}

static void two_share_one_bucket(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    const char *reset[] = {"CONFIG", "RESETSTAT"};
    struct limits_ask ask = gate_unit(LIMITS_WRITE, "key", 1);
    struct limits_answer a;
    struct gate g[2];

    open_two(g, f);
    freeReplyObject(fixture_call(f, 2, reset));
    for (int i = 0; i < 30; i++) {
        a = gate_take(&g[i % 2], &ask);
        assert_int_equal(a.verdict, LIMITS_TAKEN);
        assert_false(a.local);
        assert_in_range(a.left[0].remaining, 29 - i, 30 - i);
    }
    for (int i = 0; i < 2; i++) {
        a = gate_take(&g[i], &ask);
        assert_int_equal(a.verdict, LIMITS_REFUSED);
        assert_int_equal(a.refused, 0);
        assert_in_range(a.left[0].retry_after_ns, SECOND, 2 * SECOND);
        assert_int_equal(limits_headers_row(g[i].limits, LIMITS_WRITE, &a.left[0]).quota, 30);
        assert_int_equal(gate_count(&g[i], LIMITS_M_DROP, LIMITS_WRITE), 1);
        assert_int_equal(gate_count(&g[i], LIMITS_M_TAKEN, LIMITS_WRITE), 15);
    }
    assert_int_equal(trips(f), 32); /* one trip each */
    ask.units[0].cost = 31;
    a = gate_take(&g[0], &ask);
    assert_int_equal(a.left[0].retry_after_ns, INT64_MAX);
    close_two(g);
}

static void which_of_several_refused(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_nonce nonce = gate_nonce("several", false);
    struct limits_ask ask = {
        .units = {{LIMITS_READ, "key", 1}, {LIMITS_WRITE, "key", 20}}, .count = 2, .nonce = &nonce};
    struct limits_answer a;
    struct gate g[2];

    open_two(g, f);
    a = gate_take(&g[0], &ask);
    assert_int_equal(a.verdict, LIMITS_TAKEN);
    assert_int_equal(a.left[0].remaining, 99);
    assert_int_equal(a.left[1].remaining, 10);
    nonce.text = "several again";
    for (int i = 0; i < 2; i++) {
        a = gate_take(&g[1], &ask);
        assert_int_equal(a.verdict, LIMITS_REFUSED);
        assert_int_equal(a.refused, 1);
        assert_int_equal(a.left[0].retry_after_ns, 0);
    }
    ask.units[1].cost = 1; /* the nonce was not taken with what was refused */
    assert_int_equal(gate_take(&g[1], &ask).verdict, LIMITS_TAKEN);
    assert_int_equal(gate_take(&g[1], &ask).verdict, LIMITS_REPLAY);
    assert_int_equal(gate_take(&g[0], &ask).verdict, LIMITS_REPLAY);
    close_two(g);
}

#define ROUNDS  10000
#define ABREAST 50

static void races_have_one_winner(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    static char texts[ROUNDS][32];
    static struct asked asked[ABREAST][2];
    struct limits_nonce nonce = gate_nonce("", false);
    struct limits_ask ask = {.nonce = &nonce};
    unsigned wins[2] = {0};
    struct gate g[2];

    open_two(g, f);
    nonce.created_ns = INT64_MAX;
    for (int first = 0; first < ROUNDS; first += ABREAST) {
        for (int i = 0; i < 2 * ABREAST; i++) {
            int round = i % ABREAST;
            int who = (i / ABREAST + first / ABREAST) % 2;

            nonce.text = texts[first + round];
            snprintf(texts[first + round], sizeof texts[0], "nonce-%d", first + round);
            gate_ask(&g[who], &ask, &asked[round][who]);
        }
        for (int i = 0; i < ABREAST; i++) {
            gate_until(&g[0], &asked[i][0]);
            gate_until(&g[0], &asked[i][1]);
            assert_false(asked[i][0].answer.local || asked[i][1].answer.local);
            assert_int_equal((asked[i][0].answer.verdict == LIMITS_TAKEN) +
                                 (asked[i][1].answer.verdict == LIMITS_TAKEN),
                             1);
            assert_int_equal((asked[i][0].answer.verdict == LIMITS_REPLAY) +
                                 (asked[i][1].answer.verdict == LIMITS_REPLAY),
                             1);
            wins[0] += asked[i][0].answer.verdict == LIMITS_TAKEN;
            wins[1] += asked[i][1].answer.verdict == LIMITS_TAKEN;
        }
    }
    print_message("won: %u and %u\n", wins[0], wins[1]);
    for (int i = 0; i < ROUNDS; i++) { /* and later neither takes any of them */
        nonce.text = texts[i];
        assert_int_equal(gate_take(&g[i % 2], &ask).verdict, LIMITS_REPLAY);
    }
    assert_int_equal(gate_count(&g[0], LIMITS_M_REPLAY, 0) + gate_count(&g[1], LIMITS_M_REPLAY, 0),
                     2 * ROUNDS);
    close_two(g);
}

/* The same nonce several times in one turn at one gateway. */
static void races_within_one(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_nonce nonce = gate_nonce("same", true);
    struct limits_ask ask = {.nonce = &nonce};
    struct asked asked[20];
    unsigned taken = 0;
    struct gate g[2];

    open_two(g, f);
    for (int i = 0; i < 20; i++) {
        gate_ask(&g[0], &ask, &asked[i]);
    }
    for (int i = 0; i < 20; i++) {
        gate_until(&g[0], &asked[i]);
        taken += asked[i].answer.verdict == LIMITS_TAKEN;
    }
    assert_int_equal(taken, 1);
    close_two(g);
}

/* Whoever has caught a request spends nothing of its key's with it, however often it comes. */
static void replays_cost_nothing(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    static const enum limits_class classes[] = {LIMITS_HALT, LIMITS_WRITE};
    struct limits_nonce nonce = gate_nonce("caught", false);
    const char *reset[] = {"CONFIG", "RESETSTAT"};
    struct asked asked[25];
    struct gate g[2];

    open_two(g, f);
    nonce.created_ns = INT64_MAX;
    for (unsigned i = 0; i < GW_LEN(classes); i++) {
        struct limits_ask ask = gate_unit(classes[i], "victim", 1);
        char text[32];

        ask.nonce = &nonce;
        nonce.text = i == 0 ? "caught" : "caught again";
        assert_int_equal(gate_take(&g[0], &ask).verdict, LIMITS_TAKEN);
        for (unsigned k = 0; k < GW_LEN(asked); k++) { /* before the other has heard of it */
            gate_ask(&g[1], &ask, &asked[k]);
        }
        for (unsigned k = 0; k < GW_LEN(asked); k++) {
            gate_until(&g[1], &asked[k]);
        }
        assert_int_equal(asked[0].answer.verdict, LIMITS_REPLAY);
        freeReplyObject(fixture_call(f, 2, reset));
        for (int k = 0; k < 1000; k++) {
            assert_int_equal(gate_take(&g[1], &ask).verdict, LIMITS_REPLAY);
        }
        assert_int_equal(trips(f), 0); /* nor does it cost Redis anything */
        for (int k = 0; k < (classes[i] == LIMITS_HALT ? 19 : 29); k++) {
            snprintf(text, sizeof text, "fresh-%u-%d", i, k);
            nonce.text = text;
            assert_int_equal(gate_take(&g[1], &ask).verdict, LIMITS_TAKEN);
        }
    }
    close_two(g);
}

static void rising_nonces(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_nonce nonce = {.kind = LIMITS_RISING,
                                 .keyid = "kraken",
                                 .keep_ms = 60000,
                                 .created_ns = INT64_MAX,
                                 .read = true};
    static const struct {
        uint64_t value;
        uint64_t window;
        bool good;
    } steps[] = {
        {1790000000000000000, 0, true},
        {1790000000000000000, 0, false},
        {1790000000000000001, 0, true},
        {1789999999999999999, 0, false},
        {1790000000000000100, 10, true},
        {1790000000000000095, 10, true},
        {1790000000000000095, 10, false},
        {1790000000000000089, 10, false},
        {UINT64_MAX, 0, true},
        {UINT64_MAX, 0, false},
    };
    struct limits_ask ask = {.nonce = &nonce};
    struct gate g[2];

    open_two(g, f);
    for (unsigned i = 0; i < GW_LEN(steps); i++) {
        nonce.value = steps[i].value;
        nonce.window = steps[i].window;
        assert_int_equal(gate_take(&g[i % 2], &ask).verdict,
                         steps[i].good ? LIMITS_TAKEN : LIMITS_REPLAY);
        assert_int_equal(gate_take(&g[(i + 1) % 2], &ask).verdict, LIMITS_REPLAY);
    }
    close_two(g);
}

static void script_is_sent_again(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    const char *flush[] = {"SCRIPT", "FLUSH"};
    struct limits_ask ask = gate_unit(LIMITS_READ, "key", 1);
    struct asked asked[10];
    struct gate g[2];

    open_two(g, f);
    for (int round = 1; round <= 5; round++) {
        freeReplyObject(fixture_call(f, 2, flush));
        for (int i = 0; i < 10; i++) {
            gate_ask(&g[0], &ask, &asked[i]);
        }
        for (int i = 0; i < 10; i++) {
            gate_until(&g[0], &asked[i]);
            assert_int_equal(asked[i].answer.verdict, LIMITS_TAKEN);
            assert_false(asked[i].answer.local);
        }
        assert_int_equal(gate_count(&g[0], LIMITS_M_NOSCRIPT, 0), 10 * round);
        assert_false(gate_take(&g[0], &ask).local);
        assert_int_equal(gate_count(&g[0], LIMITS_M_NOSCRIPT, 0), 10 * round);
    }
    close_two(g);
}

static void faults_open_the_breaker(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    const char *spoil[] = {"LPUSH", "rl:{spoilt}:read", "x"};
    struct limits_ask bad = gate_unit(LIMITS_READ, "spoilt", 1);
    struct limits_ask good = gate_unit(LIMITS_READ, "fine", 1);
    struct gate g[2];

    open_two(g, f);
    freeReplyObject(fixture_call(f, 3, spoil));
    for (int i = 0; i < 3; i++) {
        struct limits_answer a = gate_take(&g[0], &bad);

        assert_int_equal(a.verdict, LIMITS_TAKEN);
        assert_true(a.local);
        assert_int_equal(limits_shared(g[0].limits), i < 2);
    }
    assert_true(gate_take(&g[0], &good).local);
    assert_int_equal(gate_count(&g[0], LIMITS_M_OPEN, 0), 1);
    assert_int_equal(gate_count(&g[0], LIMITS_M_FAULT, 0), 3);
    assert_false(gate_take(&g[1], &good).local); /* each has its own */
    gate_pause(&g[0], 250);
    assert_false(gate_take(&g[0], &good).local);
    assert_int_equal(gate_count(&g[0], LIMITS_M_OPEN, 0), 0);
    close_two(g);
}

/* Whoever floods does not get to Redis with more than twice what is his. */
static void floods_stay_local(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_ask ask = gate_unit(LIMITS_WRITE, "flood", 1);
    static struct asked asked[2000];
    unsigned taken = 0;
    struct gate g[2];

    open_two(g, f);
    for (unsigned i = 0; i < GW_LEN(asked); i++) {
        gate_ask(&g[0], &ask, &asked[i]);
    }
    for (unsigned i = 0; i < GW_LEN(asked); i++) {
        gate_until(&g[0], &asked[i]);
        taken += asked[i].answer.verdict == LIMITS_TAKEN;
    }
    assert_in_range(taken, 30, 31);
    assert_in_range(gate_count(&g[0], LIMITS_M_L1_DROP, 0), 1930, 1940);
    close_two(g);
}

static void rate_over_time(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_ask ask = gate_unit(LIMITS_READ, "steady", 1);
    struct asked asked[2] = {{.took_ns = 0}, {.took_ns = 0}};
    int64_t since;
    int64_t now;
    unsigned taken = 0;
    unsigned tried = 0;
    double most;
    struct gate g[2];

    open_two(g, f);
    since = clock_mono_ns();
    do {
        for (int i = 0; i < 2; i++) {
            if (asked[i].took_ns >= 0) {
                taken += asked[i].answer.verdict == LIMITS_TAKEN && tried > 1;
                gate_ask(&g[i], &ask, &asked[i]);
                tried++;
            }
        }
        uv_run(&loop, UV_RUN_NOWAIT);
        now = clock_mono_ns();
    } while (now - since < 4 * SECOND);
    for (int i = 0; i < 2; i++) {
        gate_until(&g[i], &asked[i]);
        taken += asked[i].answer.verdict == LIMITS_TAKEN;
    }
    most = 100 + 20 * (double)(clock_mono_ns() - since) / 1e9 + 1;
    print_message("%u of %u taken in 4 s by two gateways, at most %.1f\n", taken, tried, most);
    assert_true(taken <= most && taken >= most - 3);
    close_two(g);
}

static void leases_spare_trips(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_lease *lease[2];
    unsigned spent = 0;
    int64_t since;
    int64_t retry_ns;
    double fair;
    struct gate g[2];

    open_two(g, f); /* 100 a second, 200 at once */
    for (int i = 0; i < 2; i++) {
        lease[i] = limits_lease_create(g[i].limits, LIMITS_MESSAGE, "shards", 25);
    }
    since = clock_mono_ns();
    while (clock_mono_ns() - since < 2 * SECOND) {
        spent += limits_lease_spend(lease[0], 1, &retry_ns);
        spent += limits_lease_spend(lease[1], 1, &retry_ns);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    fair = 200 + 100 * (double)(clock_mono_ns() - since) / 1e9;
    print_message("%u spent, %.0f are fair\n", spent, fair);
    assert_true(spent <= fair + 1 && spent >= fair - 51);
    for (int i = 0; i < 2; i++) {
        limits_lease_destroy(&lease[i]);
    }
    close_two(g);
}

static void cancelled_and_closed(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    struct limits_ask ask = gate_unit(LIMITS_READ, "key", 1);
    struct limits_lease *lease;
    struct asked cancelled;
    struct asked closed;
    int64_t retry_ns;
    struct gate g[2];

    open_two(g, f);
    lease = limits_lease_create(g[0].limits, LIMITS_MESSAGE, "gone", 25);
    (void)limits_lease_spend(lease, 1, &retry_ns);
    limits_lease_destroy(&lease);
    gate_ask(&g[0], &ask, &cancelled);
    limits_cancel(cancelled.wait);
    gate_ask(&g[0], &ask, &closed);
    assert_true(closed.took_ns < 0);
    close_two(g);
    assert_true(cancelled.took_ns < 0);
    assert_true(closed.took_ns >= 0 && closed.answer.local);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_share_one_bucket),  cmocka_unit_test(which_of_several_refused),
        cmocka_unit_test(races_have_one_winner), cmocka_unit_test(races_within_one),
        cmocka_unit_test(replays_cost_nothing),  cmocka_unit_test(rising_nonces),
        cmocka_unit_test(script_is_sent_again),  cmocka_unit_test(faults_open_the_breaker),
        cmocka_unit_test(floods_stay_local),     cmocka_unit_test(rate_over_time),
        cmocka_unit_test(leases_spare_trips),    cmocka_unit_test(cancelled_and_closed),
    };
    int failed;

    uv_loop_init(&loop);
    failed = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
    uv_run(&loop, UV_RUN_NOWAIT);
    (void)uv_loop_close(&loop);
    metrics_fini();
    return failed;
}
