#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/base/err.h"
#include "gateway/market/symbols.h"
#include "ws/follow.h"

#define SYMBOLS 5u

static uint64_t clients(const struct follow *f, const bool felt[SYMBOLS])
{
    uint64_t count;

    assert_true(follow_clients(f, felt, &count));
    return count;
}

static uint64_t everybody(const struct follow *f)
{
    uint64_t count;

    assert_true(follow_clients(f, NULL, &count));
    return count;
}

static void a_client_of_several_symbols_is_one(void **state)
{
    struct follow *f = follow_create(SYMBOLS, 2, 100);
    uint32_t here = follow_join(f, 0);
    uint32_t other = follow_join(f, 0);
    uint32_t there = follow_join(f, 1);

    (void)state;
    assert_int_not_equal(here, other);
    assert_int_equal(clients(f, (bool[SYMBOLS]){true, true, true, true, true}), 0);
    follow_mark(f, 0, here, 0, true);
    follow_mark(f, 0, here, 1, true);
    follow_mark(f, 0, other, 1, true);
    follow_mark(f, 1, there, 1, true); /* the same seat as HERE, of another shard */
    follow_mark(f, 1, there, 4, true);
    follow_mark(f, 1, there, 4, true);
    assert_int_equal(clients(f, (bool[SYMBOLS]){true}), 1);
    assert_int_equal(clients(f, (bool[SYMBOLS]){false, true}), 3);
    assert_int_equal(clients(f, (bool[SYMBOLS]){true, true}), 3);
    assert_int_equal(clients(f, (bool[SYMBOLS]){true, false, true, true, true}), 2);
    assert_int_equal(clients(f, (bool[SYMBOLS]){false}), 0);
    assert_int_equal(everybody(f), 3);
    follow_mark(f, 0, here, 1, false);
    assert_int_equal(clients(f, (bool[SYMBOLS]){false, true}), 2);
    follow_mark(f, 0, here, 0, false);
    follow_leave(f, 0, &here);
    assert_int_equal(here, FOLLOW_GONE);
    follow_leave(f, 0, &here); /* once */
    assert_int_equal(everybody(f), 2);
    follow_destroy(&f);
    assert_null(f);
}

static void seats_are_used_again(void **state)
{
    struct follow *f = follow_create(SYMBOLS, 1, 10000);
    uint32_t seats[9000];

    (void)state;
    for (unsigned i = 0; i < GW_LEN(seats); i++) {
        seats[i] = follow_join(f, 0);
        assert_int_equal(seats[i], i);
        follow_mark(f, 0, seats[i], i % SYMBOLS, true);
    }
    assert_int_equal(clients(f, (bool[SYMBOLS]){true}), 1800);
    assert_int_equal(clients(f, (bool[SYMBOLS]){true, true, true, true, true}), 9000);
    follow_mark(f, 0, seats[5001], 1, false);
    follow_leave(f, 0, &seats[5001]);
    follow_mark(f, 0, seats[70], 0, false);
    follow_leave(f, 0, &seats[70]);
    assert_int_equal(follow_join(f, 0), 70);
    assert_int_equal(follow_join(f, 0), 5001);
    assert_int_equal(follow_join(f, 0), 9000);
    assert_int_equal(clients(f, (bool[SYMBOLS]){true, true, true, true, true}), 8998);
    assert_int_equal(everybody(f), 9001);
    follow_destroy(&f);
}

static void without_a_seat_it_is_not_known(void **state)
{
    struct follow *f = follow_create(SYMBOLS, 1, 1);
    uint32_t last = 0;
    uint32_t standing;
    uint64_t count;

    (void)state;
    while (last < 4095) { /* seats come in pages */
        last = follow_join(f, 0);
    }
    assert_true(follow_clients(f, (bool[SYMBOLS]){true}, &count));
    standing = follow_join(f, 0);
    assert_int_equal(standing, FOLLOW_STANDING);
    follow_mark(f, 0, standing, 0, true);
    assert_false(follow_clients(f, (bool[SYMBOLS]){true}, &count));
    assert_int_equal(everybody(f), 4097);
    follow_leave(f, 0, &standing);
    assert_int_equal(clients(f, (bool[SYMBOLS]){true}), 0);
    assert_int_equal(everybody(f), 4096);
    follow_destroy(&f);
}

static void too_much_to_look_at_is_not_known(void **state)
{
    enum { MANY = 2000, PAGE = 4096, PAGES = 33 };
    static bool felt[MANY];
    struct follow *f = follow_create(MANY, 1, PAGE * PAGES);
    uint64_t count;

    (void)state;
    for (uint32_t symbol = 0; symbol < MANY; symbol++) {
        for (uint32_t page = 0; page < PAGES; page++) {
            follow_mark(f, 0, page * PAGE + symbol, symbol, true);
        }
    }
    memset(felt, true, sizeof felt);
    assert_false(follow_clients(f, felt, &count));
    memset(felt, false, MANY / 2);
    assert_true(follow_clients(f, felt, &count));
    assert_int_equal(count, MANY / 2 * PAGES);
    follow_destroy(&f);
}

static void subscriptions_are_counted_apart(void **state)
{
    struct follow *f = follow_create(SYMBOLS, 1, 10);

    (void)state;
    follow_count(f, 1, 1);
    follow_count(f, 1, 1);
    follow_count(f, SYMBOL_NONE, 1);
    assert_int_equal(follow_of(f, 1), 2);
    assert_int_equal(follow_of(f, 0), 0);
    assert_int_equal(follow_of(f, SYMBOL_NONE), 3);
    follow_count(f, 1, -1);
    assert_int_equal(follow_of(f, 1), 1);
    follow_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_of_several_symbols_is_one),
        cmocka_unit_test(seats_are_used_again),
        cmocka_unit_test(without_a_seat_it_is_not_known),
        cmocka_unit_test(too_much_to_look_at_is_not_known),
        cmocka_unit_test(subscriptions_are_counted_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
