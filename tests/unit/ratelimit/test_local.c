/* The pure parts of limits: breaker, lease, nonces, buckets, siphash, rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "gateway/base/err.h"
#include "ratelimit/breaker.h"
#include "ratelimit/buckets.h"
#include "ratelimit/lease.h"
#include "ratelimit/limits.h"
#include "ratelimit/nonces.h"
#include "ratelimit/siphash.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)

static struct breaker closed_breaker(void)
{
    struct breaker b = {.failure_max = 3, .slow_ns = 20 * MS, .probe_ns = 100 * MS};
    bool trial;

    assert_false(breaker_admit(&b, 0, &trial));
    assert_true(breaker_probe_due(&b, 0));
    breaker_probe(&b, 0);
    assert_false(breaker_admit(&b, 0, &trial));
    breaker_probed(&b, true, MS);
    assert_true(breaker_admit(&b, MS, &trial));
    assert_true(trial);
    assert_false(breaker_admit(&b, MS, &trial)); /* one at a time */
    breaker_answered(&b, false, MS);             /* somebody else's answer proves nothing */
    assert_int_equal(b.state, BREAKER_TRYING);
    breaker_answered(&b, true, 2 * MS);
    assert_int_equal(b.state, BREAKER_CLOSED);
    return b;
}

static void breaker_ways(void **state)
{
    struct breaker b = closed_breaker();
    bool trial;

    (void)state;
    breaker_failed(&b, false, MS);
    breaker_failed(&b, false, MS);
    breaker_answered(&b, false, MS); /* in a row */
    breaker_failed(&b, false, MS);
    breaker_failed(&b, false, MS);
    assert_int_equal(b.state, BREAKER_CLOSED);
    breaker_failed(&b, false, 5 * MS);
    assert_int_equal(b.state, BREAKER_OPEN);
    breaker_failed(&b, false, 6 * MS);
    breaker_answered(&b, false, 6 * MS);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_probe_due(&b, 104 * MS));
    assert_true(breaker_probe_due(&b, 105 * MS));
    breaker_probe(&b, 105 * MS);
    breaker_probed(&b, false, 106 * MS);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_probe_due(&b, 205 * MS));
    breaker_probe(&b, 206 * MS);
    breaker_probed(&b, true, 207 * MS);
    assert_true(breaker_admit(&b, 208 * MS, &trial) && trial);
    breaker_failed(&b, true, 209 * MS); /* one is enough while trying */
    assert_int_equal(b.state, BREAKER_OPEN);
    breaker_probed(&b, true, 210 * MS); /* too late */
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_string_equal(breaker_name(b.state), "OPEN");
}

static void lease_life(void **state)
{
    struct lease l;
    int64_t retry;

    (void)state;
    lease_init(&l, 20, 2 * SECOND);
    assert_false(lease_spend(&l, 0, 1, &retry));
    assert_int_equal(lease_want(&l, 0), 20);
    assert_int_equal(lease_want(&l, 0), 0); /* on its way */
    lease_granted(&l, 0, 20);
    for (int i = 0; i < 15; i++) {
        assert_int_equal(lease_want(&l, MS), 0);
        assert_true(lease_spend(&l, MS, 1, &retry));
    }
    assert_int_equal(lease_want(&l, MS), 20); /* a quarter is left */
    assert_true(lease_spend(&l, MS, 5, &retry));
    assert_false(lease_spend(&l, MS, 1, &retry));
    assert_int_equal(retry, 0);
    lease_refused(&l, MS, 7, SECOND); /* fewer would do */
    assert_int_equal(lease_want(&l, MS), 7);
    lease_granted(&l, MS, 7);
    assert_true(lease_spend(&l, MS, 7, &retry));
    assert_int_equal(lease_want(&l, MS), 20);
    lease_refused(&l, MS, 0, 300 * MS);
    assert_false(lease_spend(&l, MS, 1, &retry));
    assert_int_equal(retry, 300 * MS);
    assert_int_equal(lease_want(&l, 300 * MS), 0);
    assert_int_equal(lease_want(&l, 301 * MS), 1);
    lease_granted(&l, 301 * MS, 1);
    assert_true(lease_spend(&l, 301 * MS, 1, &retry));
    assert_false(lease_spend(&l, 301 * MS, 21, &retry));
    assert_int_equal(retry, INT64_MAX);
}

static void lease_ends_and_grows(void **state)
{
    struct lease l;
    int64_t retry;

    (void)state;
    lease_init(&l, 20, 2 * SECOND);
    (void)lease_want(&l, 0);
    lease_granted(&l, 0, 20);
    assert_true(lease_spend(&l, SECOND, 10, &retry));
    /* ten are left: no reason to ask, until somebody needs twenty */
    assert_int_equal(lease_want(&l, SECOND), 0);
    assert_false(lease_spend(&l, SECOND, 20, &retry));
    assert_int_equal(lease_want(&l, SECOND), 20);
    lease_granted(&l, SECOND, 20);
    assert_true(lease_spend(&l, SECOND, 20, &retry));
    assert_true(lease_spend(&l, 3 * SECOND - 1, 4, &retry));
    assert_false(lease_spend(&l, 3 * SECOND, 1, &retry)); /* six have ended */
}

static void nonces_bounded(void **state)
{
    struct nonces *n = nonces_create(4);
    uint64_t value = 0;

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(nonces_find(n, i, 0), NONCES_NEW);
        nonces_put(n, i, i * 10, 0, 100 + (int64_t)i);
        assert_int_equal(nonces_find(n, i, 0), NONCES_KNOWN);
    }
    assert_true(nonces_value(n, 3, 0, &value) && value == 30);
    nonces_put(n, 3, 31, 0, 103);
    assert_true(nonces_value(n, 3, 0, &value) && value == 31);
    assert_int_equal(nonces_find(n, 0, 100), NONCES_KNOWN);
    assert_int_equal(nonces_find(n, 0, 101), NONCES_NEW); /* over */
    nonces_put(n, 5, 0, 101, 200);                        /* takes the place of 0 */
    assert_int_equal(nonces_find(n, 9, 101), NONCES_NEW);
    nonces_put(n, 6, 0, 101, 300); /* takes the place of 1, which was not over */
    assert_int_equal(nonces_find(n, 1, 101), NONCES_UNSURE);
    assert_int_equal(nonces_find(n, 9, 101), NONCES_UNSURE);
    assert_int_equal(nonces_find(n, 6, 101), NONCES_KNOWN);
    assert_int_equal(nonces_find(n, 9, 102), NONCES_NEW);
    nonces_destroy(&n);
}

static void buckets_evict_the_oldest(void **state)
{
    struct buckets *b = buckets_create(16);

    (void)state;
    for (uint64_t i = 0; i < 16; i++) {
        *buckets_tat_ns(b, i) = (int64_t)i + 1;
    }
    assert_int_equal(*buckets_tat_ns(b, 0), 1); /* used again: 1 is the oldest now */
    assert_int_equal(*buckets_tat_ns(b, 100), 0);
    assert_int_equal(*buckets_tat_ns(b, 0), 1);
    assert_int_equal(*buckets_tat_ns(b, 15), 16);
    assert_int_equal(*buckets_tat_ns(b, 1), 0);
    assert_int_equal(buckets_count(b), 16);
    buckets_destroy(&b);
}

/* From the paper's appendix and the authors' table. */
static void siphash_vectors(void **state)
{
    static const struct siphash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    unsigned char data[15];

    (void)state;
    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)i;
    }
    assert_true(siphash(&key, data, 15) == 0xa129ca6149be45e5);
    assert_true(siphash(&key, data, 0) == 0x726fdb47dd0e0e31);
    assert_true(siphash(&key, data, 8) == 0x93f5f5799a932462);
}

static void rates_are_never_rounded_up(void **state)
{
    (void)state;
    for (uint64_t rate = 1; rate <= 600000; rate += 1 + rate / 100) {
        struct gcra_rate r = limits_rate_per_minute(rate, 10);
        int64_t minute = 60 * SECOND;

        assert_int_equal(r.emission_ns % 1000, 0);
        assert_true(r.emission_ns * (int64_t)rate >= minute);
        assert_true((r.emission_ns - 1000) * (int64_t)rate < minute);
        assert_int_equal(r.tolerance_ns, 9 * r.emission_ns);
    }
}

static void table_of_classes(void **state)
{
    struct limits_config config;
    const struct cfg_binding binding = {&limits_config_table, &config};
    char *const environment[] = {"PORTCULLIS_LIMITS_WRITE_PER_MINUTE=60", NULL};
    struct buf errors = {0};

    (void)state;
    assert_int_equal(config_load(NULL, environment, &binding, 1, &errors), GW_OK);
    assert_int_equal(config.write_per_minute, 60);
    assert_int_equal(config.write_burst, 30);
    assert_int_equal(config.deadline, 50);
    assert_string_equal(limits_classes[LIMITS_WRITE].name, "admin-write");
    assert_int_equal(limits_classes[LIMITS_LOGIN].scope, LIMITS_BY_IP);
    assert_int_equal(limits_classes[LIMITS_HALT].lane, LIMITS_RESERVED);
    buf_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breaker_ways),
        cmocka_unit_test(lease_life),
        cmocka_unit_test(lease_ends_and_grows),
        cmocka_unit_test(nonces_bounded),
        cmocka_unit_test(buckets_evict_the_oldest),
        cmocka_unit_test(siphash_vectors),
        cmocka_unit_test(rates_are_never_rounded_up),
        cmocka_unit_test(table_of_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
