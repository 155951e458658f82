#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/market/instrument.h"

static const struct symbol symbol = {.name = "BTC/USD", .price_decimals = 1, .qty_decimals = 8};

struct stage {
    struct instrument in;
    struct feed_event e;
};

static int open_stage(void **state)
{
    static struct stage s;

    s = (struct stage){0};
    instrument_init(&s.in, &symbol, 0);
    *state = &s;
    return 0;
}

static int close_stage(void **state)
{
    struct stage *s = *state;

    instrument_fini(&s->in);
    feed_event_fini(&s->e);
    return 0;
}

static void begin(struct stage *s, enum event_type type, const char *epoch, uint64_t seq)
{
    s->e.type = type;
    s->e.seq = seq;
    s->e.ts_ns = (int64_t)seq * 1000;
    s->e.level_count[0] = s->e.level_count[1] = s->e.trade_count = 0;
    memset(s->e.epoch, 0, sizeof s->e.epoch);
    memcpy(s->e.epoch, epoch, strlen(epoch));
}

static struct apply_result book(struct stage *s, enum event_type type, const char *epoch,
                                uint64_t seq, int64_t bid, int64_t ask)
{
    begin(s, type, epoch, seq);
    *feed_event_add_level(&s->e, SIDE_BID) = (struct level){{bid}, {1}};
    *feed_event_add_level(&s->e, SIDE_ASK) = (struct level){{ask}, {1}};
    return instrument_apply(&s->in, &s->e, false);
}

static struct apply_result trade(struct stage *s, const char *epoch, uint64_t seq, uint64_t id,
                                 int64_t ts_ns, int64_t px, int64_t qty)
{
    begin(s, EVENT_TRADE, epoch, seq);
    *feed_event_add_trade(&s->e) =
        (struct trade){.id = id, .px = {px}, .qty = {qty}, .ts_ns = ts_ns, .seq = seq};
    return instrument_apply(&s->in, &s->e, false);
}

static void duplicates_gaps_and_healing(void **state)
{
    struct stage *s = *state;
    struct apply_result r = book(s, EVENT_BOOK_SNAPSHOT, "a", 5, 100, 102);

    assert_int_equal(r.verdict, SEQ_RESYNC);
    assert_false(r.healed);
    assert_true(instrument_live(&s->in));
    assert_int_equal(book(s, EVENT_BOOK_DELTA, "a", 6, 101, 103).verdict, SEQ_APPLY);
    assert_int_equal(book(s, EVENT_BOOK_DELTA, "a", 6, 99, 104).verdict, SEQ_DUPLICATE);
    r = book(s, EVENT_BOOK_DELTA, "a", 9, 98, 105);
    assert_int_equal(r.lost, 2);
    assert_true(r.broken);
    assert_int_equal(r.changed, 0);
    assert_int_equal(book_best(&s->in.book, SIDE_BID)->px.ticks, 101);
    assert_false(instrument_live(&s->in));
    r = book(s, EVENT_BOOK_SNAPSHOT, "a", 10, 90, 91);
    assert_true(r.healed);
    assert_int_equal(book_best(&s->in.book, SIDE_BID)->px.ticks, 90);
}

static void epochs_replace_and_stay_replaced(void **state)
{
    struct stage *s = *state;
    struct apply_result r;

    (void)book(s, EVENT_BOOK_SNAPSHOT, "a", 5, 100, 102);
    (void)trade(s, "a", 6, 900, 1, 100, 1);
    r = book(s, EVENT_BOOK_DELTA, "b", 1, 101, 103);
    assert_true(r.epoch_changed);
    assert_true(r.broken);
    assert_true(book(s, EVENT_BOOK_SNAPSHOT, "b", 2, 50, 60).healed);
    assert_int_equal(book(s, EVENT_BOOK_DELTA, "a", 7, 1, 2).verdict, SEQ_STALE);
    assert_int_equal(book_best(&s->in.book, SIDE_BID)->px.ticks, 50);
    /* Trade ids may start anew with the epoch, once. */
    r = trade(s, "b", 3, 1, 2, 100, 1);
    assert_int_equal(r.duplicate_trades, 0);
    assert_int_equal(trade(s, "b", 4, 1, 2, 100, 1).duplicate_trades, 1);
    assert_int_equal(trade(s, "b", 5, 4, 2, 100, 1).lost_trades, 2);
}

static void a_crossed_batch_is_withheld(void **state)
{
    struct stage *s = *state;
    struct apply_result r;

    (void)book(s, EVENT_BOOK_SNAPSHOT, "a", 1, 100, 102);
    r = book(s, EVENT_BOOK_DELTA, "a", 2, 103, 104);
    assert_true(r.crossed);
    assert_true(r.broken);
    assert_int_equal(r.changed & CHANGED_BOOK, 0);
    assert_false(s->in.has_book);
    assert_true(book(s, EVENT_BOOK_SNAPSHOT, "a", 3, 100, 102).healed);
    assert_true(instrument_live(&s->in));
}

static void book_times_strictly_increase(void **state)
{
    struct stage *s = *state;
    int64_t last = 0;

    (void)book(s, EVENT_BOOK_SNAPSHOT, "a", 1, 100, 102);
    for (uint64_t seq = 2; seq < 50; seq++) {
        begin(s, EVENT_BOOK_DELTA, "a", seq);
        s->e.ts_ns = 1000; /* a clock that stands still */
        *feed_event_add_level(&s->e, SIDE_BID) = (struct level){{100}, {(int64_t)seq}};
        (void)instrument_apply(&s->in, &s->e, false);
        assert_true(s->in.book_ts_ns >= last + 1000);
        last = s->in.book_ts_ns;
    }
}

static void candles_close_in_order_and_know_the_day(void **state)
{
    struct stage *s = *state;
    const int64_t minute = 60 * (int64_t)1000000000;
    struct day_stats day;

    (void)book(s, EVENT_BOOK_SNAPSHOT, "a", 1, 100, 102);
    (void)trade(s, "a", 2, 1, 10 * minute + 1, 100, 2);
    (void)trade(s, "a", 3, 2, 10 * minute + 2, 90, 1);
    assert_int_equal(trade(s, "a", 4, 3, 11 * minute, 120, 1).closed_candles, 1);
    assert_int_equal(trade(s, "a", 5, 4, 15 * minute, 110, 1).closed_candles, 7);
    assert_int_equal(candles_closed(&s->in.candles, 0, 1)->low.ticks, 90);
    assert_int_equal(candles_closed(&s->in.candles, 0, 1)->volume.lots, 3);
    /* A clock that steps back does not reopen a candle. */
    assert_int_equal(trade(s, "a", 6, 5, 11 * minute, 1, 1).closed_candles, 0);
    assert_int_equal(s->in.candles.series[0].running.low.ticks, 1);
    assert_true(candles_day(&s->in.candles, &day));
    assert_int_equal(day.open.ticks, 100);
    assert_int_equal(day.high.ticks, 120);
    assert_int_equal(day.low.ticks, 1);
    assert_int_equal(day.volume.lots, 6);
    /* A day later only what is within 24 hours counts. */
    (void)trade(s, "a", 7, 6, (24 * 60 + 15) * minute, 130, 1);
    assert_true(candles_day(&s->in.candles, &day));
    assert_int_equal(day.volume.lots, 1);
    assert_int_equal(candle_vwap((__int128)5, (struct qty){2}).ticks, 3);
}

static void trades_ring_keeps_the_last(void **state)
{
    struct stage *s = *state;

    (void)book(s, EVENT_BOOK_SNAPSHOT, "a", 1, 100, 102);
    for (uint64_t i = 1; i <= TRADES_MAX + 500; i++) {
        (void)trade(s, "a", i + 1, i, (int64_t)i, 100, 1);
    }
    assert_int_equal(trades_begin(&s->in.trades), 500);
    assert_int_equal(trades_at(&s->in.trades, 500)->id, 501);
    assert_int_equal(trades_last(&s->in.trades)->id, TRADES_MAX + 500);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(duplicates_gaps_and_healing),
        TEST(epochs_replace_and_stay_replaced),
        TEST(a_crossed_batch_is_withheld),
        TEST(book_times_strictly_increase),
        TEST(candles_close_in_order_and_know_the_day),
        TEST(trades_ring_keeps_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
