#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "ratelimit/halt_lane.h"

static const int64_t second = 1000000000;
static const struct siphash_key seed = {{1, 2}};

/* How many attempts IP has at NOW. */
static int attempts(struct preauth *p, const char *ip, int64_t now_ns)
{
    int64_t retry_ns;
    int count = 0;

    while (preauth_admit(p, ip, now_ns, &retry_ns)) {
        count++;
    }
    return count;
}

static void failures_cost_ten(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(10, 100);
    struct preauth *p = preauth_create(&rate, 100, &seed);
    int64_t now = 100 * second;
    int64_t retry_ns;

    (void)state;
    assert_int_equal(attempts(p, "192.0.2.1", now), 100);
    for (int i = 0; i < 10; i++) {
        assert_true(preauth_admit(p, "192.0.2.2", now, &retry_ns));
        preauth_failed(p, "192.0.2.2", now);
    }
    assert_false(preauth_admit(p, "192.0.2.2", now, &retry_ns));
    assert_true(preauth_admit(p, "192.0.2.2", now + retry_ns, &retry_ns));
    assert_true(preauth_admit(p, "192.0.2.3", now, &retry_ns)); /* others are not concerned */
    preauth_destroy(&p);
}

static void nobody_is_put_off_for_long(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(10, 100);
    struct preauth *p = preauth_create(&rate, 100, &seed);
    int64_t retry_ns;

    (void)state;
    for (int i = 0; i < 100000; i++) { /* failures of attempts admitted long ago */
        preauth_failed(p, "192.0.2.1", second);
    }
    assert_false(preauth_admit(p, "192.0.2.1", second, &retry_ns));
    assert_true(retry_ns <= second);
    /* and a failure is never worth less than a tenth of the rate */
    assert_int_equal(attempts(p, "192.0.2.1", 100 * second), 100);
    preauth_destroy(&p);
}

static void who_is_who(void **state)
{
    static const struct {
        const char *one;
        const char *other;
        int same;
    } pairs[] = {
        {"2001:db8::1", "2001:db8::ffff:1:2:3", 1},
        {"2001:db8::1", "2001:db8:0:1::1", 0},
        {"192.0.2.1", "::ffff:192.0.2.1", 1},
        {"192.0.2.1", "192.0.2.2", 0},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", 0},
        {"fe80::1%eth0", "fe80::2%eth1", 1},
        {"not an address", "", 1},
        {"not an address", "0.0.0.0", 0},
    };
    struct gcra_rate rate = gcra_rate_per_s(1, 10);

    (void)state;
    for (unsigned i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct preauth *p = preauth_create(&rate, 16, &seed);

        assert_int_equal(attempts(p, pairs[i].one, second), 10);
        assert_int_equal(attempts(p, pairs[i].other, second), pairs[i].same ? 0 : 10);
        preauth_destroy(&p);
    }
}

static void bounded(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(1, 10);
    struct preauth *p = preauth_create(&rate, 1000, &seed);
    char ip[40];
    int64_t retry_ns;

    (void)state;
    assert_int_equal(attempts(p, "192.0.2.1", second), 10);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(ip, sizeof ip, "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
        assert_true(preauth_admit(p, ip, second, &retry_ns));
        if (i % 500 == 0) { /* who keeps on trying is not forgotten */
            assert_false(preauth_admit(p, "192.0.2.1", second, &retry_ns));
        }
    }
    assert_int_equal(preauth_count(p), 1000);
    preauth_destroy(&p);
}

static void halts_of_a_good_key_pass_a_flood(void **state)
{
    struct gcra_rate rate = gcra_rate_per_s(10, 100);
    struct halt_lane *l = halt_lane_create(&rate, 100, &seed);
    int64_t now = 100 * second;
    int64_t retry_ns;
    char keyid[24];
    int verified = 0;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(halt_lane_admit(l, "192.0.2.1", now, &retry_ns));
        halt_lane_failed(l, "192.0.2.1", now);
    }
    assert_false(halt_lane_admit(l, "192.0.2.1", now, &retry_ns));
    assert_true(halt_lane_admit(l, "192.0.2.2", now, &retry_ns));
    for (int i = 0; i < 1000; i++) { /* forged in the name of one key, from where it is used */
        verified += halt_lane_admit_key(l, "192.0.2.1", "pk_known", now);
    }
    assert_int_equal(verified, 100);
    assert_true(halt_lane_admit_key(l, "192.0.2.1", "pk_other", now));
    assert_true(halt_lane_admit_key(l, "192.0.2.2", "pk_known", now));
    assert_true(halt_lane_admit_key(l, "192.0.2.1", "pk_known", now + second / 10));
    verified = 0;
    for (int i = 0; i < 5000; i++) { /* forged in the name of all: bounded */
        snprintf(keyid, sizeof keyid, "pk_%d", i);
        verified += halt_lane_admit_key(l, "192.0.2.1", keyid, now);
    }
    assert_in_range(verified, 890, HALT_LANE_ALL_PER_S);
    halt_lane_destroy(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_cost_ten),
        cmocka_unit_test(nobody_is_put_off_for_long),
        cmocka_unit_test(who_is_who),
        cmocka_unit_test(bounded),
        cmocka_unit_test(halts_of_a_good_key_pass_a_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
