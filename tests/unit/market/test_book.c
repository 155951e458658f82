#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/market/book.h"
#include "gateway/market/view.h"

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static void set(struct book *b, enum side side, int64_t px, int64_t qty)
{
    (void)book_set(b, side, (struct px){px}, (struct qty){qty});
}

/* The two worked examples of the protocol page. */
static void checksum_vectors(void **state)
{
    struct book b;

    (void)state;
    book_init(&b);
    assert_int_equal(book_checksum(&b, 10), 0);
    set(&b, SIDE_ASK, 500000, 10000000);
    set(&b, SIDE_ASK, 500005, 110000000);
    set(&b, SIDE_BID, 499995, 20000000);
    set(&b, SIDE_BID, 499990, 120000000);
    assert_int_equal(book_checksum(&b, 10), 2682060724u);
    book_clear(&b);
    set(&b, SIDE_ASK, 5005, 500);
    set(&b, SIDE_BID, 5000, 304);
    set(&b, SIDE_BID, 4995, 1200000000);
    assert_int_equal(book_checksum(&b, 10), 1624016424u);
    book_fini(&b);
}

/* Against the simplest book there is: an array indexed by price. */
static void random_changes_match_a_plain_array(void **state)
{
    enum { PRICES = 300 };
    static int64_t plain[PRICES];
    struct book b;

    (void)state;
    book_init(&b);
    for (int i = 0; i < 200000; i++) {
        int64_t px = below(PRICES);
        int64_t qty = below(3) == 0 ? 0 : (int64_t)below(50);
        bool changed = plain[px] != qty;

        assert_int_equal(book_set(&b, SIDE_BID, (struct px){px}, (struct qty){qty}), changed);
        plain[px] = qty;
        if (i % 1000 == 0) {
            uint32_t count = 0;

            for (int64_t p = 0; p < PRICES; p++) {
                assert_int_equal(book_qty(&b, SIDE_BID, (struct px){p}).lots, plain[p]);
                if (plain[p] != 0) {
                    assert_int_equal(b.side[SIDE_BID].v[count++].px.ticks, p);
                }
            }
            assert_int_equal(b.side[SIDE_BID].count, count);
        }
    }
    book_fini(&b);
}

static void replace_takes_any_order_and_repetitions(void **state)
{
    const struct level asks[] = {{{5}, {1}}, {{3}, {2}}, {{4}, {0}}, {{3}, {7}}};
    struct book b;

    (void)state;
    book_init(&b);
    book_replace(&b, NULL, 0, asks, 4);
    assert_int_equal(b.side[SIDE_ASK].count, 2);
    assert_int_equal(book_best(&b, SIDE_ASK)->px.ticks, 3);
    assert_int_equal(book_best(&b, SIDE_ASK)->qty.lots, 7);
    set(&b, SIDE_BID, 3, 1);
    assert_true(book_crossed(&b));
    book_fini(&b);
}

/* A client that holds at most DEPTH levels and truncates after each level or after each message. */
struct client {
    struct book book;
    uint32_t depth;
    bool per_level;
};

static void truncate_side(struct client *c, enum side side)
{
    struct book_side *s = &c->book.side[side];

    while (s->count > c->depth) {
        (void)book_set(&c->book, side, s->v[0].px, (struct qty){0});
    }
}

static void client_apply(struct client *c, const struct view_diff *d)
{
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < d->side[side].count; i++) {
            const struct level *l = &d->side[side].v[i].level;

            if (d->side[side].v[i].tag == LEVEL_OUT) {
                continue; /* not sent */
            }
            if (l->qty.lots == 0) {
                assert_true(book_qty(&c->book, (enum side)side, l->px).lots != 0);
            }
            (void)book_set(&c->book, (enum side)side, l->px, l->qty);
            if (c->per_level) {
                truncate_side(c, (enum side)side);
            }
        }
        truncate_side(c, (enum side)side);
    }
}

static void same_as_view(const struct client *c, const struct view *w)
{
    for (int side = 0; side < 2; side++) {
        const struct book_side *s = &c->book.side[side];

        assert_int_equal(s->count, w->count[side]);
        assert_memory_equal(s->v, w->v[side], s->count * sizeof *s->v);
    }
}

static void engine_event(struct book *b)
{
    enum side side = (enum side)below(2);
    int64_t mid = 10000 + (int64_t)below(21) - 10;
    int64_t away = (int64_t)below(below(5) == 0 ? 400 : 30);
    int64_t px = side == SIDE_BID ? mid - 1 - away : mid + 1 + away;
    enum side other = side == SIDE_BID ? SIDE_ASK : SIDE_BID;

    /* A batch never leaves the book crossed: what stands in the way is taken. */
    while (book_best(b, other) != NULL &&
           (side == SIDE_BID ? book_best(b, other)->px.ticks <= px
                             : book_best(b, other)->px.ticks >= px)) {
        (void)book_set(b, other, book_best(b, other)->px, (struct qty){0});
    }
    set(b, side, px, below(3) == 0 ? 0 : 1 + (int64_t)below(1000));
}

/* After every message, at every depth and conflation, both kinds of client hold exactly the view,
 * and no level they do not hold is ever deleted. */
static void clients_hold_the_view(void **state)
{
    static const uint32_t depths[] = {10, 25, 100};
    static const uint32_t conflation[] = {1, 7, 50};

    (void)state;
    for (unsigned k = 0; k < 9; k++) {
        struct client clients[2] = {{.depth = depths[k / 3]},
                                    {.depth = depths[k / 3], .per_level = true}};
        struct view_diff diff = {0};
        struct view view;
        struct book engine;

        book_init(&engine);
        book_init(&clients[0].book);
        book_init(&clients[1].book);
        view_init(&view, depths[k / 3]);
        for (uint32_t i = 0; i < 60000; i++) {
            engine_event(&engine);
            if (i % conflation[k % 3] == 0 && view_diff(&view, &engine, &diff)) {
                for (int c = 0; c < 2; c++) {
                    client_apply(&clients[c], &diff);
                    same_as_view(&clients[c], &view);
                }
            }
        }
        view_diff_fini(&diff);
        view_fini(&view);
        book_fini(&engine);
        book_fini(&clients[0].book);
        book_fini(&clients[1].book);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_vectors),
        cmocka_unit_test(random_changes_match_a_plain_array),
        cmocka_unit_test(replace_takes_any_order_and_repetitions),
        cmocka_unit_test(clients_hold_the_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
