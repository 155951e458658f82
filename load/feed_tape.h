/* load/feed_tape.h - a market as a list of engine batches in time order, ready to be played.
 * Why: three venues record in three shapes; behind this page they are one.
 * Owner: single thread.
 * Invariant: steps are in order of recv_ns; the first step of each symbol is its snapshot. */
#ifndef LOAD_FEED_TAPE_H
#define LOAD_FEED_TAPE_H
#include <jansson.h>
#include "gateway/market/event.h"

/* While recordings are read, prices and quantities have these decimals; tape_finish() scales them
 * to each symbol's own (unless they are exact from the start). */
#define TAPE_PX_DECIMALS  9u
#define TAPE_QTY_DECIMALS 8u

struct tape_step {
    int64_t recv_ns; /* when the recorder saw it: the pace */
    struct feed_event e;
    uint64_t venue_seq; /* the venue's own number of the update, 0: none */
    bool has_checksum;
    uint32_t checksum; /* the venue's own, of the book after this step */
};

struct tape_symbol {
    struct symbol info;
    bool exact_decimals; /* decimals are those of the text, trailing zeros included */
    bool seen;
    unsigned px_decimals; /* most seen */
    unsigned qty_decimals;
    bool has_snapshot;
};

struct tape {
    struct tape_step *steps;
    size_t count;
    size_t cap;
    struct tape_symbol *symbols;
    uint32_t symbol_count;
};

void tape_fini(struct tape *t);
/* Finds or adds a symbol; its number. */
uint32_t tape_symbol(struct tape *t, const char *name, bool exact_decimals);
/* A new step at the end. */
struct tape_step *tape_add(struct tape *t, enum event_type type, uint32_t symbol, int64_t recv_ns,
                           int64_t ts_ns);
/* Adds a level of decimal text; false when it is not a number. */
bool tape_level(struct tape *t, struct tape_step *s, enum side side, const char *px,
                const char *qty);
/* The same for a JSON list of rows that begin with price and quantity, as the venues write them. */
bool tape_levels(struct tape *t, struct tape_step *s, enum side side, const json_t *list);
bool tape_trade(struct tape *t, struct tape_step *s, uint64_t id, const char *px, const char *qty,
                bool taker_sells, bool market_order, int64_t ts_ns);
/* Sorts, puts each symbol's snapshot first, settles decimals. */
void tape_finish(struct tape *t);

/* Readers: append to T what PATH holds; false with the reason on standard error. */
bool tape_read_binance(struct tape *t, const char *path);
bool tape_read_kraken_book(struct tape *t, const char *path);
bool tape_read_kraken_trades(struct tape *t, const char *path);
bool tape_read_coinbase(struct tape *t, const char *path);
/* Calls ON_LINE for each line of a gzip file (without its end); stops when it returns false. */
bool tape_lines(const char *path, bool (*on_line)(void *arg, char *line, size_t len), void *arg);
/* "1618678133.2949052" to ns. */
int64_t tape_seconds_ns(const char *text);
#endif
