#include "load/market_gen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shares of what happens in a batch, in 1/1000. The rest are changes of a resting level. */
#define SHARE_TRADE  120u
#define SHARE_CANCEL 330u
#define SHARE_NEW    700u

struct gen_symbol {
    struct book book;
    int64_t fair;    /* ticks; what the mid reverts to, itself a slow walk */
    uint32_t levels; /* a side */
    double weight;   /* share of the arrivals */
    double excite;   /* Hawkes: extra intensity, decays */
    int64_t excite_ns;
    uint64_t trade_id;
};

struct market_gen {
    struct market_gen_options opt;
    struct gen_symbol *symbols;
    double weight_sum;
    uint64_t rng[2];
    int64_t now_ns;
    double given;             /* steps */
    double due;               /* steps, by the rate */
    uint32_t next_snapshot;   /* symbols whose snapshot has been given */
    struct tape_step pending; /* the trade that belongs to the delta just given */
    bool has_pending;
    struct tape_step step;
};

/* xoroshiro128+ (Blackman, Vigna): the same stream for a seed on every machine. */
static uint64_t rnd(struct market_gen *g)
{
    uint64_t a = g->rng[0];
    uint64_t b = g->rng[1];
    uint64_t result = a + b;

    b ^= a;
    g->rng[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
    g->rng[1] = b << 37 | b >> 27;
    return result;
}

static uint32_t below(struct market_gen *g, uint32_t n)
{
    return (uint32_t)((rnd(g) >> 32) * n >> 32);
}

/* In (0, 1]. */
static double uniform(struct market_gen *g)
{
    return ((double)(rnd(g) >> 11) + 1) / 9007199254740992.0;
}

/* Ticks away from the touch: mostly near, sometimes deep. */
static int64_t distance(struct market_gen *g, uint32_t levels)
{
    double d = floor(pow(uniform(g), -0.7) - 1);

    return d < levels * 2 ? (int64_t)d : (int64_t)below(g, levels * 2);
}

/* Sizes follow a power law, in lots of 10^-5. */
static int64_t size(struct market_gen *g)
{
    double s = 1000 * pow(uniform(g), -0.8);

    return s < 5e8 ? (int64_t)s : 500000000;
}

static void name_symbol(uint32_t i, char out[SYMBOL_NAME_MAX])
{
    static const char *const bases[] = {"BTC",  "ETH",  "SOL", "ADA", "DOT",  "LINK",
                                        "AVAX", "ATOM", "LTC", "UNI", "AAVE", "ALGO",
                                        "NEAR", "FIL",  "ICP", "GRT"};
    static const char *const quotes[] = {"USD", "EUR", "USDT", "GBP"};
    uint32_t base = i % (uint32_t)GW_LEN(bases);
    uint32_t quote = i / (uint32_t)GW_LEN(bases);

    if (quote < GW_LEN(quotes)) {
        (void)snprintf(out, SYMBOL_NAME_MAX, "%s/%s", bases[base], quotes[quote]);
    } else {
        (void)snprintf(out, SYMBOL_NAME_MAX, "T%u/USD", i);
    }
}

static void fill_book(struct market_gen *g, struct gen_symbol *s)
{
    for (int side = 0; side < 2; side++) {
        int64_t sign = side == SIDE_ASK ? 1 : -1;
        int64_t px = s->fair + sign;

        for (uint32_t i = 0; i < s->levels; i++) {
            (void)book_set(&s->book, (enum side)side, (struct px){px}, (struct qty){size(g)});
            px += sign * (int64_t)(1 + below(g, 3));
        }
    }
}

struct market_gen *market_gen_create(const struct market_gen_options *opt, struct tape *tape)
{
    struct market_gen *g = gw_calloc(1, sizeof *g);

    g->opt = *opt;
    g->rng[0] = opt->seed * 0x9e3779b97f4a7c15u + 1;
    g->rng[1] = ~opt->seed * 0xbf58476d1ce4e5b9u + 2;
    g->symbols = gw_calloc(opt->symbols, sizeof *g->symbols);
    for (uint32_t i = 0; i < opt->symbols; i++) {
        struct gen_symbol *s = &g->symbols[i];
        char name[SYMBOL_NAME_MAX];
        struct symbol *info;

        name_symbol(i, name);
        (void)tape_symbol(tape, name, true);
        info = &tape->symbols[i].info;
        info->price_decimals = 2;
        info->qty_decimals = 5;
        book_init(&s->book);
        s->fair = 100000 + (int64_t)below(g, 6000000);
        /* Every third symbol is thin: few levels, rare events; but never below 25 a side. */
        s->levels = i % 3 == 2 ? 25 + below(g, 20) : opt->levels;
        s->levels = s->levels < 25 ? 25 : s->levels;
        s->weight = i % 3 == 2 ? 0.1 : 1.0 / (1.0 + i / 8.0);
        g->weight_sum += s->weight;
        fill_book(g, s);
    }
    return g;
}

void market_gen_destroy(struct market_gen **gp)
{
    struct market_gen *g = *gp;

    *gp = NULL;
    if (g != NULL) {
        for (uint32_t i = 0; i < g->opt.symbols; i++) {
            book_fini(&g->symbols[i].book);
        }
        feed_event_fini(&g->step.e);
        feed_event_fini(&g->pending.e);
        free(g->symbols);
        free(g);
    }
}

static void begin(struct tape_step *s, enum event_type type, uint32_t symbol, int64_t at_ns)
{
    s->recv_ns = at_ns;
    s->e.type = type;
    s->e.symbol = symbol;
    s->e.ts_ns = at_ns;
    s->e.level_count[0] = 0;
    s->e.level_count[1] = 0;
    s->e.trade_count = 0;
}

static void change(struct market_gen *g, struct gen_symbol *s, enum side side, struct px px,
                   int64_t lots)
{
    (void)book_set(&s->book, side, px, (struct qty){lots});
    *feed_event_add_level(&g->step.e, side) = (struct level){px, {lots}};
}

/* A taker order of LOTS eats the best levels of SIDE; one trade a level. */
static void sweep(struct market_gen *g, struct gen_symbol *s, enum side side, int64_t lots)
{
    begin(&g->pending, EVENT_TRADE, g->step.e.symbol, g->step.recv_ns);
    while (lots > 0 && s->book.side[side].count > 15) {
        struct level best = *book_best(&s->book, side);
        int64_t take = lots < best.qty.lots ? lots : best.qty.lots;

        *feed_event_add_trade(&g->pending.e) = (struct trade){
            .id = ++s->trade_id,
            .px = best.px,
            .qty = {take},
            .ts_ns = g->step.e.ts_ns,
            .taker_sells = side == SIDE_BID,
            .market_order = below(g, 2) == 0,
        };
        change(g, s, side, best.px, best.qty.lots - take);
        lots -= take;
    }
    g->has_pending = g->pending.e.trade_count != 0;
    s->excite = s->excite < 2 ? s->excite + 1 : 3; /* trades come in clusters, bounded */
}

/* A new or changed order near the touch, never through the other side. */
static void place(struct market_gen *g, struct gen_symbol *s, enum side side)
{
    const struct level *own = book_best(&s->book, side);
    const struct level *other = book_best(&s->book, side == SIDE_BID ? SIDE_ASK : SIDE_BID);
    int64_t sign = side == SIDE_BID ? -1 : 1;
    int64_t touch = own != NULL ? own->px.ticks : s->fair + sign;
    int64_t px = touch + sign * distance(g, s->levels);
    /* Mean reversion: the side that is behind fair value improves more often. */
    bool behind = side == SIDE_BID ? touch < s->fair : touch > s->fair;

    if (below(g, 100) < (behind ? 40u : 5u)) {
        px = touch - sign * (1 + below(g, 2));
    }
    if (other != NULL && (side == SIDE_BID ? px >= other->px.ticks : px <= other->px.ticks)) {
        px = other->px.ticks + sign;
    }
    if (px > 0) {
        change(g, s, side, (struct px){px}, size(g));
    }
}

static void cancel(struct market_gen *g, struct gen_symbol *s, enum side side)
{
    struct book_side *b = &s->book.side[side];
    int64_t back = distance(g, b->count);

    if (b->count > 20) {
        uint32_t at = b->count - 1 - (uint32_t)(back < b->count ? back : b->count - 1);

        change(g, s, side, b->v[at].px, 0);
    }
}

/* Keeps a side between its floor and twice its depth. */
static void tend(struct market_gen *g, struct gen_symbol *s, enum side side)
{
    struct book_side *b = &s->book.side[side];
    int64_t sign = side == SIDE_BID ? -1 : 1;

    while (b->count < 20) {
        int64_t worst = b->count != 0 ? b->v[0].px.ticks : s->fair + sign;

        change(g, s, side, (struct px){worst + sign}, size(g));
    }
    if (b->count > s->levels * 2) {
        change(g, s, side, b->v[0].px, 0);
    }
}

static uint32_t choose_symbol(struct market_gen *g)
{
    double at = uniform(g) * g->weight_sum;
    uint32_t i = 0;

    while (i + 1 < g->opt.symbols && (at -= g->symbols[i].weight) > 0) {
        i++;
    }
    return i;
}

/* Time to the next batch: exponential, quicker while trades cluster and in a burst. */
static int64_t gap_ns(struct market_gen *g, const struct gen_symbol *s)
{
    double rate = (double)g->opt.rate;
    int64_t second = g->now_ns / 1000000000;
    double seconds;

    if (g->opt.burst_factor > 1 &&
        second % g->opt.burst_every_s >= g->opt.burst_every_s - g->opt.burst_for_s) {
        rate *= g->opt.burst_factor;
    }
    /* Clusters may not change the mean: steps given so far over steps that were due. */
    seconds = -log(uniform(g)) / (rate * (1 + s->excite)) * pow((g->given + 1) / (g->due + 1), 8);
    g->due += rate * seconds;
    return (int64_t)(seconds * 1e9);
}

static void make_batch(struct market_gen *g)
{
    uint32_t number = choose_symbol(g);
    struct gen_symbol *s = &g->symbols[number];
    enum side side = (enum side)below(g, 2);
    uint32_t what = below(g, 1000);

    s->excite *= exp(-(double)(g->now_ns - s->excite_ns) / 1e8);
    s->excite_ns = g->now_ns;
    g->now_ns += gap_ns(g, s);
    s->fair += (int64_t)below(g, 3) - 1;
    s->fair = s->fair < 1000 ? 1000 : s->fair;
    begin(&g->step, EVENT_BOOK_DELTA, number, g->now_ns);
    if (what < SHARE_TRADE) {
        sweep(g, s, side, size(g) * 2);
    } else if (what < SHARE_CANCEL) {
        cancel(g, s, side);
    } else {
        for (uint32_t n = what < SHARE_NEW ? 1 : 1 + below(g, 3); n != 0; n--) {
            place(g, s, side);
        }
    }
    tend(g, s, SIDE_BID);
    tend(g, s, SIDE_ASK);
}

const struct tape_step *market_gen_next(struct market_gen *g)
{
    if (g->next_snapshot < g->opt.symbols) {
        const struct gen_symbol *s = &g->symbols[g->next_snapshot];

        begin(&g->step, EVENT_BOOK_SNAPSHOT, g->next_snapshot++, g->now_ns);
        for (int side = 0; side < 2; side++) {
            for (uint32_t i = 0; i < s->book.side[side].count; i++) {
                *feed_event_add_level(&g->step.e, (enum side)side) = s->book.side[side].v[i];
            }
        }
        return &g->step;
    }
    g->given++;
    if (g->has_pending) {
        g->has_pending = false;
        return &g->pending;
    }
    do {
        make_batch(g);
    } while (g->step.e.level_count[0] + g->step.e.level_count[1] == 0);
    return &g->step;
}
