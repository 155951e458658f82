/* Answers to REST, letter by letter, on markets small enough to check by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/market/market.h"
#include "gateway/publish/query.h"

#define MINUTE_2359 1723161540 /* 2024-08-08T23:59:00Z */
#define S           1000000000LL

enum { BTC, ETH, AB_CD, A_BCD, PAIRS };

struct stage {
    struct symbols *symbols;
    struct market market;
    struct market_view view;
    struct query *q;
    uint64_t seq[PAIRS];
};

static void add_pair(struct symbols *s, const char *name, unsigned price_decimals,
                     unsigned qty_decimals, const char *qty_min, const char *cost_min)
{
    struct symbol row = {.price_decimals = price_decimals, .qty_decimals = qty_decimals};

    memcpy(row.name, name, strlen(name));
    memcpy(row.qty_min, qty_min, strlen(qty_min));
    memcpy(row.cost_min, cost_min, strlen(cost_min));
    assert_int_equal(symbols_add(s, &row), GW_OK);
}

static int set_up(void **state)
{
    struct stage *t = gw_calloc(1, sizeof *t);

    t->symbols = symbols_create();
    add_pair(t->symbols, "BTC/USD", 1, 8, "0.0001", "0.5");
    add_pair(t->symbols, "ETH/USD", 2, 4, "", "");
    add_pair(t->symbols, "AB/CD", 2, 2, "", "");
    add_pair(t->symbols, "A/BCD", 2, 2, "", "");
    market_init(&t->market, t->symbols);
    t->view = (struct market_view){
        .symbols = t->symbols,
        .instruments = t->market.instruments,
        .status = t->market.status,
        .connected = true,
        .connected_changed_ns = MINUTE_2359 * S,
        .last_entry_ns = (MINUTE_2359 + 65) * S,
        .now_ns = (MINUTE_2359 + 70) * S,
    };
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *t = *state;

    query_destroy(&t->q);
    market_fini(&t->market);
    symbols_destroy(&t->symbols);
    free(t);
    return 0;
}

static struct apply_result apply(struct stage *t, struct feed_event *e, uint32_t symbol)
{
    struct apply_result r;

    e->symbol = symbol;
    e->seq = ++t->seq[symbol];
    memcpy(e->epoch, "k7", 3);
    r = market_apply(&t->market, e, false);
    feed_event_fini(e);
    return r;
}

static void add_level(struct feed_event *e, enum side side, int64_t ticks, int64_t lots)
{
    *feed_event_add_level(e, side) = (struct level){{ticks}, {lots}};
}

/* The first worked example of the checksum. */
static void give_book(struct stage *t)
{
    struct feed_event e = {.type = EVENT_BOOK_SNAPSHOT, .ts_ns = MINUTE_2359 * S + 1000};

    add_level(&e, SIDE_BID, 499995, 20000000);
    add_level(&e, SIDE_BID, 499990, 120000000);
    add_level(&e, SIDE_ASK, 500000, 10000000);
    add_level(&e, SIDE_ASK, 500005, 110000000);
    assert_int_equal(apply(t, &e, BTC).verdict, SEQ_RESYNC);
}

static void give_trade(struct stage *t, uint32_t symbol, const struct trade *trade)
{
    struct feed_event e = {.type = EVENT_TRADE, .ts_ns = trade->ts_ns};

    *feed_event_add_trade(&e) = *trade;
    (void)apply(t, &e, symbol);
}

/* Two trades before midnight, one after: the day and the minute turn between them. */
static void give_trades(struct stage *t)
{
    const struct trade trades[] = {
        {.id = 7, .px = {499995}, .qty = {50000000}, .ts_ns = MINUTE_2359 * S + 10123456789LL},
        {.id = 8,
         .px = {500005},
         .qty = {25000000},
         .ts_ns = (MINUTE_2359 + 50) * S,
         .taker_sells = true,
         .market_order = true},
        {.id = 9, .px = {500000}, .qty = {100000000}, .ts_ns = (MINUTE_2359 + 65) * S},
    };

    for (unsigned i = 0; i < GW_LEN(trades); i++) {
        give_trade(t, BTC, &trades[i]);
    }
}

static struct query *ask(struct stage *t, enum query_kind kind)
{
    query_destroy(&t->q);
    t->q = gw_calloc(1, sizeof *t->q);
    t->q->kind = kind;
    return t->q;
}

static struct query *ask_pair(struct stage *t, enum query_kind kind, uint32_t symbol,
                              const char *name)
{
    struct query *q = ask(t, kind);

    q->symbols[q->symbol_count] = symbol;
    memcpy(q->names[q->symbol_count++], name, strlen(name));
    return q;
}

static void expect(struct stage *t, const char *text)
{
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_OK);
    assert_string_equal(buf_cstr(&t->q->body), text);
}

/* --- Kraken's shapes */

static void test_system_status(void **state)
{
    struct stage *t = *state;

    (void)ask(t, QUERY_KRAKEN_SYSTEM_STATUS);
    expect(t, "{\"error\":[],\"result\":{\"status\":\"online\","
              "\"timestamp\":\"2024-08-09T00:00:10Z\"}}");
    t->view.system = SYSTEM_MAINTENANCE;
    expect(t, "{\"error\":[],\"result\":{\"status\":\"maintenance\","
              "\"timestamp\":\"2024-08-09T00:00:10Z\"}}");
}

/* The key is what the caller wrote (python-kraken-sdk looks it up by that). */
static void test_asset_pairs_named(void **state)
{
    struct stage *t = *state;

    (void)ask_pair(t, QUERY_KRAKEN_ASSET_PAIRS, BTC, "BTC/USD");
    expect(t,
           "{\"error\":[],\"result\":{\"BTC/USD\":{\"altname\":\"BTCUSD\",\"wsname\":\"BTC/USD\","
           "\"aclass_base\":\"currency\",\"base\":\"BTC\",\"aclass_quote\":\"currency\","
           "\"quote\":\"USD\",\"lot\":\"unit\",\"cost_decimals\":1,\"pair_decimals\":1,"
           "\"lot_decimals\":8,\"lot_multiplier\":1,\"leverage_buy\":[],\"leverage_sell\":[],"
           "\"fees\":[[0,0]],\"fees_maker\":[[0,0]],\"ordermin\":\"0.0001\",\"costmin\":\"0.5\","
           "\"tick_size\":\"0.1\",\"status\":\"online\"}}}");
}

/* Minimums that nobody configured: one lot, no cost. The status is the market's own. */
static void test_asset_pairs_defaults(void **state)
{
    struct stage *t = *state;
    struct feed_event e = {.type = EVENT_STATUS, .status = PAIR_POST_ONLY, .ts_ns = S};
    const char *text;

    (void)apply(t, &e, ETH);
    (void)ask_pair(t, QUERY_KRAKEN_ASSET_PAIRS, ETH, "ETHUSD");
    query_answer(t->q, &t->view);
    text = buf_cstr(&t->q->body);
    assert_non_null(strstr(text, "{\"ETHUSD\":{"));
    assert_non_null(strstr(text, "\"ordermin\":\"0.0001\",\"costmin\":\"0\",\"tick_size\":\"0.01\","
                                 "\"status\":\"post_only\"}"));
}

/* AB/CD and A/BCD are both ABCD: no key may stand for two pairs. */
static void test_asset_pairs_keys_are_unique(void **state)
{
    struct stage *t = *state;
    const char *text;

    (void)ask(t, QUERY_KRAKEN_ASSET_PAIRS);
    query_answer(t->q, &t->view);
    text = buf_cstr(&t->q->body);
    assert_non_null(strstr(text, "{\"BTCUSD\":{"));
    assert_non_null(strstr(text, "\"ETHUSD\":{"));
    assert_non_null(strstr(text, "\"A/BCD\":{\"altname\":\"ABCD\",\"wsname\":\"A/BCD\""));
    text = strstr(text, "\"ABCD\":{");
    assert_non_null(text);
    assert_null(strstr(text + 1, "\"ABCD\":{"));
}

static void test_ticker(void **state)
{
    struct stage *t = *state;

    give_book(t);
    give_trades(t);
    (void)ask_pair(t, QUERY_KRAKEN_TICKER, BTC, "BTC-USD");
    expect(t,
           "{\"error\":[],\"result\":{\"BTC-USD\":{\"a\":[\"50000.0\",\"0\",\"0.10000000\"],"
           "\"b\":[\"49999.5\",\"0\",\"0.20000000\"],\"c\":[\"50000.0\",\"1.00000000\"],"
           "\"v\":[\"1.00000000\",\"1.75000000\"],\"p\":[\"50000.0\",\"49999.9\"],\"t\":[1,3],"
           "\"l\":[\"50000.0\",\"49999.5\"],\"h\":[\"50000.0\",\"50000.5\"],\"o\":\"50000.0\"}}}");
}

static void test_ticker_before_any_entry(void **state)
{
    struct stage *t = *state;

    (void)ask_pair(t, QUERY_KRAKEN_TICKER, ETH, "ETH/USD");
    expect(t, "{\"error\":[],\"result\":{\"ETH/USD\":{\"a\":[\"0.00\",\"0\",\"0.0000\"],"
              "\"b\":[\"0.00\",\"0\",\"0.0000\"],\"c\":[\"0.00\",\"0.0000\"],"
              "\"v\":[\"0.0000\",\"0.0000\"],\"p\":[\"0.00\",\"0.00\"],\"t\":[0,0],"
              "\"l\":[\"0.00\",\"0.00\"],\"h\":[\"0.00\",\"0.00\"],\"o\":\"0.00\"}}}");
}

static void test_depth(void **state)
{
    struct stage *t = *state;

    give_book(t);
    ask_pair(t, QUERY_KRAKEN_DEPTH, BTC, "BTCUSD")->depth = 1;
    expect(t, "{\"error\":[],\"result\":{\"BTCUSD\":{"
              "\"asks\":[[\"50000.0\",\"0.10000000\",1723161540]],"
              "\"bids\":[[\"49999.5\",\"0.20000000\",1723161540]]}}}");
    t->q->depth = 100;
    expect(t, "{\"error\":[],\"result\":{\"BTCUSD\":{"
              "\"asks\":[[\"50000.0\",\"0.10000000\",1723161540],"
              "[\"50000.5\",\"1.10000000\",1723161540]],"
              "\"bids\":[[\"49999.5\",\"0.20000000\",1723161540],"
              "[\"49999.0\",\"1.20000000\",1723161540]]}}}");
    ask_pair(t, QUERY_KRAKEN_DEPTH, ETH, "ETHUSD")->depth = 100;
    expect(t, "{\"error\":[],\"result\":{\"ETHUSD\":{\"asks\":[],\"bids\":[]}}}");
}

#define OHLC_2359                                                                                  \
    "[1723161540,\"49999.5\",\"50000.5\",\"49999.5\",\"50000.5\",\"49999.8\",\"0.75000000\",2]"
#define OHLC_0000                                                                                  \
    "[1723161600,\"50000.0\",\"50000.0\",\"50000.0\",\"50000.0\",\"50000.0\",\"1.00000000\",1]"

static void test_ohlc(void **state)
{
    struct stage *t = *state;

    give_trades(t);
    (void)ask_pair(t, QUERY_KRAKEN_OHLC, BTC, "BTC/USD");
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[" OHLC_2359 "," OHLC_0000
              "],\"last\":1723161540}}");
    t->q->has_since = true;
    t->q->since = MINUTE_2359; /* exclusive */
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[" OHLC_0000 "],\"last\":1723161540}}");
    t->q->since = MINUTE_2359 + 60;
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[],\"last\":1723161540}}");
    (void)ask_pair(t, QUERY_KRAKEN_OHLC, ETH, "ETH/USD");
    expect(t, "{\"error\":[],\"result\":{\"ETH/USD\":[],\"last\":0}}");
}

static unsigned occurrences(const char *text, const char *what)
{
    unsigned n = 0;

    for (text = strstr(text, what); text != NULL; text = strstr(text + 1, what)) {
        n++;
    }
    return n;
}

/* 800 minutes with a trade each: Kraken gives 720 rows, the newest. */
static void test_ohlc_rows_are_bounded(void **state)
{
    struct stage *t = *state;
    const char *text;

    for (uint64_t i = 0; i < 800; i++) {
        give_trade(
            t, ETH,
            &(struct trade){.id = i + 1, .px = {100}, .qty = {1}, .ts_ns = (int64_t)i * 60 * S});
    }
    (void)ask_pair(t, QUERY_KRAKEN_OHLC, ETH, "ETH/USD");
    query_answer(t->q, &t->view);
    text = buf_cstr(&t->q->body);
    assert_int_equal(occurrences(text, "\"1.00\",\"1.00\",\"1.00\",\"1.00\",\"1.00\""), 720);
    assert_non_null(strstr(text, "[[4800,")); /* (800 - 720) * 60 */
    assert_non_null(strstr(text, ",[47940,"));
    assert_non_null(strstr(text, "],\"last\":47880}}"));
}

#define TRADE_7 "[\"49999.5\",\"0.50000000\",1723161550.123456789,\"b\",\"l\",\"\",7]"
#define TRADE_8 "[\"50000.5\",\"0.25000000\",1723161590.000000000,\"s\",\"m\",\"\",8]"
#define TRADE_9 "[\"50000.0\",\"1.00000000\",1723161605.000000000,\"b\",\"l\",\"\",9]"

static void test_kraken_trades(void **state)
{
    struct stage *t = *state;

    give_trades(t);
    ask_pair(t, QUERY_KRAKEN_TRADES, BTC, "BTC/USD")->limit = 1000;
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[" TRADE_7 "," TRADE_8 "," TRADE_9
              "],\"last\":\"1723161605000000000\"}}");
    t->q->limit = 2; /* no since: the newest */
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[" TRADE_8 "," TRADE_9
              "],\"last\":\"1723161605000000000\"}}");
    t->q->has_since = true; /* since: the oldest after it */
    t->q->since = 0;
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[" TRADE_7 "," TRADE_8
              "],\"last\":\"1723161590000000000\"}}");
    t->q->since = 1723161590000000000;
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[" TRADE_9
              "],\"last\":\"1723161605000000000\"}}");
    t->q->since = 1723161605000000000; /* nothing new: ask from the same place again */
    expect(t, "{\"error\":[],\"result\":{\"BTC/USD\":[],\"last\":\"1723161605000000000\"}}");
}

/* Page through all trades by `last`, as Kraken's clients do. COUNT rows a page, answers how many
 * ids were seen. */
static uint64_t page_through(struct stage *t, uint32_t count, uint32_t *largest)
{
    uint64_t seen = 0;
    const char *last;

    ask_pair(t, QUERY_KRAKEN_TRADES, ETH, "ETH/USD")->limit = count;
    t->q->has_since = true;
    *largest = 0;
    for (unsigned page = 0; page < 100; page++) {
        unsigned rows;

        query_answer(t->q, &t->view);
        rows = occurrences(buf_cstr(&t->q->body), ",\"\",");
        if (rows == 0) {
            return seen;
        }
        seen += rows;
        *largest = rows > *largest ? rows : *largest;
        last = strstr(buf_cstr(&t->q->body), "\"last\":\"");
        t->q->since = strtoll(last + strlen("\"last\":\""), NULL, 10);
    }
    return seen;
}

/* A sweep gives trades of one nanosecond; `last` is a time, so a page must not end among them. */
static void test_kraken_trades_pages_lose_nothing(void **state)
{
    static const int64_t seconds[] = {1, 2, 2, 2, 3, 4, 4, 5};
    struct stage *t = *state;
    uint32_t largest;

    for (unsigned i = 0; i < GW_LEN(seconds); i++) {
        give_trade(t, ETH,
                   &(struct trade){.id = i + 1, .px = {100}, .qty = {1}, .ts_ns = seconds[i] * S});
    }
    for (uint32_t count = 1; count <= 8; count++) {
        assert_int_equal(page_through(t, count, &largest), GW_LEN(seconds));
        assert_true(largest <=
                    (count < 3 ? 3 : count)); /* only a sweep longer than a page overflows it */
    }
}

/* --- ours */

static void test_book(void **state)
{
    struct stage *t = *state;

    give_book(t);
    (void)ask_pair(t, QUERY_BOOK, BTC, "");
    expect(t, "{\"symbol\":\"BTC/USD\",\"state\":\"live\",\"epoch\":\"k7\",\"seq\":1,"
              "\"checksum\":2682060724,\"timestamp\":\"2024-08-08T23:59:00.000001Z\","
              "\"bids\":[[\"49999.5\",\"0.20000000\"],[\"49999.0\",\"1.20000000\"]],"
              "\"asks\":[[\"50000.0\",\"0.10000000\"],[\"50000.5\",\"1.10000000\"]]}");
    t->q->depth = 1;
    t->view.connected = false; /* the last book is still shown, and called what it is */
    expect(t, "{\"symbol\":\"BTC/USD\",\"state\":\"degraded\",\"epoch\":\"k7\",\"seq\":1,"
              "\"checksum\":2682060724,\"timestamp\":\"2024-08-08T23:59:00.000001Z\","
              "\"bids\":[[\"49999.5\",\"0.20000000\"]],\"asks\":[[\"50000.0\",\"0.10000000\"]]}");
}

static void test_book_not_there_yet(void **state)
{
    struct stage *t = *state;

    (void)ask_pair(t, QUERY_BOOK, BTC, "");
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_ENOTREADY);
    assert_int_equal(t->q->body.len, 0);
}

/* Withdrawn by an operator is another error than not there yet; the book itself is as good as ever. */
static void test_withdrawn_book(void **state)
{
    struct stage *t = *state;
    const struct held empty = {.filled = true};
    const struct held *held[PAIRS] = {[BTC] = &empty};
    struct gate_view *gate = gate_view_create(t->symbols);

    gate->symbols[BTC].show = BOOK_WITHDRAWN;
    t->view.gate = gate;
    t->view.held = held;
    (void)ask_pair(t, QUERY_BOOK, BTC, "");
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_ENOTREADY); /* it never came: nothing to withdraw */
    give_book(t);
    (void)ask_pair(t, QUERY_BOOK, BTC, "");
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_EHALTED);
    assert_int_equal(t->q->body.len, 0);
    held[BTC] = NULL;
    gate->symbols[BTC].show = BOOK_LIVE;
    (void)ask_pair(t, QUERY_BOOK, BTC, "");
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_OK);
    t->view.gate = NULL;
    gate_view_destroy(&gate);
}

#define MD_TRADE_8                                                                                 \
    "{\"trade_id\":8,\"price\":\"50000.5\",\"qty\":\"0.25000000\",\"side\":\"sell\","              \
    "\"ord_type\":\"market\",\"timestamp\":\"2024-08-08T23:59:50.000000Z\"}"
#define MD_TRADE_9                                                                                 \
    "{\"trade_id\":9,\"price\":\"50000.0\",\"qty\":\"1.00000000\",\"side\":\"buy\","               \
    "\"ord_type\":\"limit\",\"timestamp\":\"2024-08-09T00:00:05.000000Z\"}"

static void test_trades(void **state)
{
    struct stage *t = *state;

    give_trades(t);
    ask_pair(t, QUERY_TRADES, BTC, "")->limit = 2;
    expect(t, "{\"symbol\":\"BTC/USD\",\"trades\":[" MD_TRADE_8 "," MD_TRADE_9
              "],\"next\":9,\"more\":false}");
    t->q->limit = 1;
    t->q->has_since = true;
    t->q->since = 7;
    expect(t, "{\"symbol\":\"BTC/USD\",\"trades\":[" MD_TRADE_8 "],\"next\":8,\"more\":true}");
    t->q->since = 9;
    expect(t, "{\"symbol\":\"BTC/USD\",\"trades\":[],\"next\":9,\"more\":false}");
}

#define CANDLE_2359                                                                                \
    "{\"begin\":\"2024-08-08T23:59:00Z\",\"open\":\"49999.5\",\"high\":\"50000.5\","               \
    "\"low\":\"49999.5\",\"close\":\"50000.5\",\"vwap\":\"49999.8\",\"volume\":\"0.75000000\","    \
    "\"trades\":2,\"closed\":true}"
#define CANDLE_0000                                                                                \
    "{\"begin\":\"2024-08-09T00:00:00Z\",\"open\":\"50000.0\",\"high\":\"50000.0\","               \
    "\"low\":\"50000.0\",\"close\":\"50000.0\",\"vwap\":\"50000.0\",\"volume\":\"1.00000000\","    \
    "\"trades\":1,\"closed\":false}"

static void test_candles(void **state)
{
    struct stage *t = *state;

    give_trades(t);
    ask_pair(t, QUERY_CANDLES, BTC, "")->limit = 120;
    expect(t,
           "{\"symbol\":\"BTC/USD\",\"interval\":1,\"candles\":[" CANDLE_2359 "," CANDLE_0000 "]}");
    t->q->has_since = true;
    t->q->since = MINUTE_2359; /* inclusive */
    expect(t,
           "{\"symbol\":\"BTC/USD\",\"interval\":1,\"candles\":[" CANDLE_2359 "," CANDLE_0000 "]}");
    t->q->since = MINUTE_2359 + 1;
    expect(t, "{\"symbol\":\"BTC/USD\",\"interval\":1,\"candles\":[" CANDLE_0000 "]}");
    t->q->has_since = false;
    t->q->limit = 1; /* the newest, which is the running one */
    expect(t, "{\"symbol\":\"BTC/USD\",\"interval\":1,\"candles\":[" CANDLE_0000 "]}");
}

/* --- what operators and machines ask */

/* Leaves BTC live, ETH with a gap (degraded), the other two empty. */
static void give_states(struct stage *t)
{
    struct feed_event snapshot = {.type = EVENT_BOOK_SNAPSHOT, .ts_ns = S};
    struct feed_event late = {.type = EVENT_BOOK_DELTA, .ts_ns = 2 * S};

    give_book(t);
    add_level(&snapshot, SIDE_BID, 100, 1);
    add_level(&snapshot, SIDE_ASK, 200, 1);
    (void)apply(t, &snapshot, ETH);
    t->seq[ETH]++;
    add_level(&late, SIDE_BID, 100, 2);
    assert_true(apply(t, &late, ETH).broken);
}

static void test_status(void **state)
{
    struct stage *t = *state;

    give_states(t);
    (void)ask(t, QUERY_STATUS);
    expect(t, "\"system\":\"online\",\"feed\":{\"connected\":true,"
              "\"since\":\"2024-08-08T23:59:00.000000Z\",\"last_entry_age_ms\":5000},"
              "\"symbols\":{\"total\":4,\"live\":1,\"degraded\":1,\"empty\":2}");
    t->view.last_entry_ns = 0;
    t->view.connected = false;
    expect(t, "\"system\":\"online\",\"feed\":{\"connected\":false,"
              "\"since\":\"2024-08-08T23:59:00.000000Z\"},"
              "\"symbols\":{\"total\":4,\"live\":0,\"degraded\":2,\"empty\":2}");
}

static void test_ready(void **state)
{
    struct stage *t = *state;

    give_states(t);
    (void)ask(t, QUERY_READY);
    expect(t, "\"causes\":[],\"symbols\":{\"live\":1,\"degraded\":1,\"empty\":2}");
    t->q->depth = 1;
    expect(t, "\"causes\":[],\"symbols\":{\"live\":1,\"degraded\":1,\"empty\":2},"
              "\"degraded\":[\"ETH/USD\"]");
}

static void test_not_ready(void **state)
{
    struct stage *t = *state;

    (void)ask(t, QUERY_READY);
    t->view.connected = false;
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_ENOTREADY);
    assert_string_equal(
        buf_cstr(&t->q->body),
        "\"causes\":[{\"code\":\"FEED_LOST\",\"detail\":\"no connection to the feed\"},"
        "{\"code\":\"NO_LIVE_SYMBOL\",\"detail\":\"no symbol has a sound book\"}],"
        "\"symbols\":{\"live\":0,\"degraded\":0,\"empty\":4}");
}

/* A book withheld because a batch crossed it is not a symbol that never had one: operators look for
 * it. */
static void test_withheld_book_is_degraded(void **state)
{
    struct stage *t = *state;
    struct feed_event e = {.type = EVENT_BOOK_DELTA, .ts_ns = MINUTE_2359 * S};

    give_book(t);
    add_level(&e, SIDE_BID, 500010, 1);
    assert_true(apply(t, &e, BTC).crossed);
    ask(t, QUERY_READY)->depth = 1;
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_ENOTREADY);
    assert_non_null(strstr(buf_cstr(&t->q->body), "\"degraded\":1,\"empty\":3}"));
    assert_non_null(strstr(buf_cstr(&t->q->body), "\"degraded\":[\"BTC/USD\"]"));
    (void)ask_pair(t, QUERY_BOOK, BTC, "");
    query_answer(t->q, &t->view);
    assert_int_equal(t->q->err, GW_ENOTREADY);
    assert_int_equal(t->q->body.len, 0);
}

/* Only symbols that ever had an entry. */
static void test_metrics(void **state)
{
    struct stage *t = *state;

    give_book(t);
    give_trades(t);
    (void)ask(t, QUERY_METRICS);
    expect(t, "# HELP md_seq last sequence number seen\n# TYPE md_seq gauge\n"
              "md_seq{symbol=\"BTC/USD\"} 4\n"
              "# HELP md_events_total entries applied\n# TYPE md_events_total counter\n"
              "md_events_total{symbol=\"BTC/USD\"} 4\n"
              "# HELP md_trades_total trades seen\n# TYPE md_trades_total counter\n"
              "md_trades_total{symbol=\"BTC/USD\"} 3\n"
              "# HELP md_book_levels levels of a side\n# TYPE md_book_levels gauge\n"
              "md_book_levels{symbol=\"BTC/USD\",side=\"bid\"} 2\n"
              "md_book_levels{symbol=\"BTC/USD\",side=\"ask\"} 2\n"
              "# HELP md_symbol_live 1 while the book is sound\n# TYPE md_symbol_live gauge\n"
              "md_symbol_live{symbol=\"BTC/USD\"} 1\n"
              "# HELP md_seq_gap_total times continuity was lost\n# TYPE md_seq_gap_total counter\n"
              "md_seq_gap_total{symbol=\"BTC/USD\"} 0\n"
              "# HELP md_seq_duplicate_total entries with a number already seen\n"
              "# TYPE md_seq_duplicate_total counter\n"
              "md_seq_duplicate_total{symbol=\"BTC/USD\"} 0\n"
              "# HELP upstream_last_event_age_seconds since the last entry of the feed\n"
              "# TYPE upstream_last_event_age_seconds gauge\n"
              "upstream_last_event_age_seconds 5.000000000\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_system_status),
        TEST(test_asset_pairs_named),
        TEST(test_asset_pairs_defaults),
        TEST(test_asset_pairs_keys_are_unique),
        TEST(test_ticker),
        TEST(test_ticker_before_any_entry),
        TEST(test_depth),
        TEST(test_ohlc),
        TEST(test_ohlc_rows_are_bounded),
        TEST(test_kraken_trades),
        TEST(test_kraken_trades_pages_lose_nothing),
        TEST(test_book),
        TEST(test_book_not_there_yet),
        TEST(test_withdrawn_book),
        TEST(test_trades),
        TEST(test_candles),
        TEST(test_status),
        TEST(test_ready),
        TEST(test_not_ready),
        TEST(test_withheld_book_is_degraded),
        TEST(test_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
