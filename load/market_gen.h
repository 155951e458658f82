/* load/market_gen.h - a believable market made up on the spot: clustered arrivals, cancels, sweeps,
 * thin and thick symbols. Same seed, same stream.
 * Owner: single thread.
 * Invariant: books are never crossed; every number has the decimals of its symbol. */
#ifndef LOAD_MARKET_GEN_H
#define LOAD_MARKET_GEN_H
#include "load/feed_tape.h"

struct market_gen_options {
    uint32_t symbols;
    uint64_t rate; /* engine batches a second over all symbols */
    uint64_t seed;
    uint32_t levels;        /* of a thick book, a side */
    uint32_t burst_factor;  /* 0 or 1: none; else the rate is multiplied ... */
    uint32_t burst_every_s; /* ... in every so many seconds ... */
    uint32_t burst_for_s;   /* ... for the last of them */
};

struct market_gen;
/* Fills SYMBOLS of TAPE (no steps). */
struct market_gen *market_gen_create(const struct market_gen_options *opt, struct tape *tape);
void market_gen_destroy(struct market_gen **gp);
/* The next step; borrowed until the next call. The first steps are the snapshots of all symbols.
 * recv_ns and ts_ns count from 0 at the start. */
const struct tape_step *market_gen_next(struct market_gen *g);
#endif
