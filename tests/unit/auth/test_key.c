#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "auth/key.h"

static void networks_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        int bits; /* -1: refused */
        bool v4;
    } cases[] = {
        {"10.0.0.0/8", 8, true},
        {"192.0.2.1", 32, true},
        {"0.0.0.0/0", 0, true},
        {"2001:db8::/32", 32, false},
        {"2001:db8::1", 128, false},
        {"::/0", 0, false},
        {"::ffff:10.0.0.0/104", 8, true}, /* mapped */
        {"::ffff:192.0.2.1", 32, true},
        {"::ffff:0:0/96", 0, true},
        {"10.0.0.1/8", -1, true}, /* bits behind the prefix */
        {"2001:db8::1/32", -1, true},
        {"10.0.0.0/33", -1, true},
        {"::/129", -1, true},
        {"10.0.0.0/08", -1, true},
        {"10.0.0.0/", -1, true},
        {"10.0.0.0/8 ", -1, true},
        {"10.0.0/24", -1, true},
        {"/8", -1, true},
        {"", -1, true},
        {"localhost", -1, true},
        {"1::2::3", -1, true},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        struct key_net net;
        bool fine = key_net_parse(cases[i].text, strlen(cases[i].text), &net);

        if (fine != (cases[i].bits >= 0) ||
            (fine && (net.bits != cases[i].bits || net.v4 != cases[i].v4))) {
            fail_msg("\"%s\"", cases[i].text);
        }
    }
}

static void addresses_are_matched(void **state)
{
    static const char *const list[] = {"10.1.0.0/16", "192.0.2.128/25", "2001:db8:8000::/33",
                                       "::ffff:203.0.113.0/120"};
    static const struct {
        const char *ip;
        bool in;
    } cases[] = {
        {"10.1.255.255", true},
        {"10.2.0.0", false},
        {"::ffff:10.1.2.3", true},
        {"::ffff:a02:1", false},
        {"192.0.2.128", true},
        {"192.0.2.127", false},
        {"2001:db8:8000::", true},
        {"2001:db8:ffff::9", true},
        {"2001:db8:7fff::", false},
        {"2001:db9:8000::", false},
        {"203.0.113.77", true},
        {"203.0.114.0", false},
        {"::a01:1", false},
        {"2001:db8:8000::1%eth0", true},
        {"", false},
        {"10.1.0.1.", false},
        {"unix", false},
    };
    struct key_net nets[GW_LEN(list)];
    struct key key = {.nets = nets, .net_count = GW_LEN(list)};

    (void)state;
    for (unsigned i = 0; i < GW_LEN(list); i++) {
        assert_true(key_net_parse(list[i], strlen(list[i]), &nets[i]));
    }
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        if (key_allows_ip(&key, cases[i].ip) != cases[i].in) {
            fail_msg("\"%s\"", cases[i].ip);
        }
    }
    key.net_count = 0; /* a list of which nothing could be read */
    assert_false(key_allows_ip(&key, "10.1.0.1"));
    key.any_ip = true;
    assert_true(key_allows_ip(&key, "10.1.0.1"));
    assert_true(key_allows_ip(&key, "unix"));
}

/* All of IPv4 and all of IPv6 are two things. */
static void families_do_not_mix(void **state)
{
    struct key_net all4;
    struct key_net all6;
    struct key key = {.nets = &all6, .net_count = 1};

    (void)state;
    assert_true(key_net_parse("0.0.0.0/0", 9, &all4));
    assert_true(key_net_parse("::/0", 4, &all6));
    assert_true(key_allows_ip(&key, "2001:db8::1"));
    assert_false(key_allows_ip(&key, "192.0.2.1"));
    assert_false(key_allows_ip(&key, "::ffff:192.0.2.1"));
    key.nets = &all4;
    assert_false(key_allows_ip(&key, "2001:db8::1"));
    assert_true(key_allows_ip(&key, "::ffff:192.0.2.1"));
}

static void states_follow_the_clock(void **state)
{
    struct key key = {.not_before_ns = 1000, .not_after_ns = 2000};

    (void)state;
    assert_int_equal(key_state(&key, 999), KEY_PENDING);
    assert_int_equal(key_state(&key, 1000), KEY_ACTIVE);
    assert_int_equal(key_state(&key, 1999), KEY_ACTIVE);
    assert_int_equal(key_state(&key, 2000), KEY_EXPIRED);
    key.not_after_ns = 0;
    assert_int_equal(key_state(&key, INT64_MAX), KEY_ACTIVE);
    key.account_disabled = true;
    assert_int_equal(key_state(&key, 999), KEY_DISABLED);
    key.revoked = true;
    assert_int_equal(key_state(&key, 1500), KEY_REVOKED);
}

static void words_are_read_back(void **state)
{
    enum key_state s;
    enum key_alg a;

    (void)state;
    for (unsigned i = 0; i < KEY_STATE_COUNT; i++) {
        assert_true(key_state_parse(key_state_word((enum key_state)i), &s) && s == i);
    }
    for (unsigned i = 0; i < KEY_ALG_COUNT; i++) {
        assert_true(key_alg_parse(key_alg_word((enum key_alg)i), &a) && a == i);
    }
    assert_false(key_state_parse("", &s));
    assert_false(key_alg_parse("ed25519 ", &a));
    assert_int_equal(key_alg_secret_bytes(KEY_ED25519), 0);
    assert_int_equal(key_alg_secret_bytes(KEY_HMAC_SHA256), 32);
    assert_int_equal(key_alg_secret_bytes(KEY_KRAKEN), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_read_strictly), cmocka_unit_test(addresses_are_matched),
        cmocka_unit_test(families_do_not_mix),        cmocka_unit_test(states_follow_the_clock),
        cmocka_unit_test(words_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
