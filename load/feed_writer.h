/* load/feed_writer.h - engine batches to the feed contract (docs/FEED.md): sequence numbers, JSON,
 * pipelined XADDs.
 * Why: plays the exchange core: it keeps each symbol's book, so it can write a snapshot at any
 * time.
 * Owner: single thread.
 * Invariant: seq of a symbol is contiguous, whatever is looped or injected, unless a fault is asked
 * for. */
#ifndef LOAD_FEED_WRITER_H
#define LOAD_FEED_WRITER_H
#include <hiredis/hiredis.h>
#include "gateway/base/buf.h"
#include "load/feed_tape.h"

struct writer_options {
    const char *redis; /* unix:/path or host:port */
    const char *epoch;
    uint32_t maxlen;
    uint64_t gap_every; /* leave out every Nth entry, 0: never */
    uint64_t dup_every; /* send every Nth entry twice, 0: never */
};

struct writer_symbol {
    struct book book;
    uint64_t seq;
    uint64_t trade_id_shift; /* added to the tape's ids */
    uint64_t last_trade_id;
    int64_t last_ts_ns;
    int64_t snapshot_ts_ns; /* market time of the last snapshot */
    bool started;
};

struct writer {
    struct writer_options opt;
    const struct tape *tape;
    redisContext *redis;
    struct writer_symbol *symbols;
    struct buf text;
    char **batch; /* commands sent and not acknowledged, in Redis's own protocol */
    size_t *batch_lens;
    uint32_t batch_count;
    uint64_t entries;
    uint64_t levels;
    uint64_t trades;
    uint64_t faults;
    char control_id[48]; /* last md:control entry read */
};

bool writer_open(struct writer *w, const struct writer_options *opt, const struct tape *tape);
void writer_close(struct writer *w);
/* One batch at TS_NS (engine time). Writes when 256 are gathered; writer_flush() for the rest.
 * False: Redis does not come back. */
bool writer_step(struct writer *w, const struct tape_step *s, int64_t ts_ns);
/* A snapshot of SYMBOL from the book kept here. */
bool writer_snapshot(struct writer *w, uint32_t symbol, int64_t ts_ns);
bool writer_flush(struct writer *w);
/* Answers what the gateway asked on md:control. */
bool writer_serve_control(struct writer *w);
/* Before playing the tape again: trade ids go on growing. */
void writer_new_pass(struct writer *w);
#endif
