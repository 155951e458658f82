/* gateway/market/history.h - the last changes of one book, so that a past state can be had again.
 * Why: a client that comes back, to whichever replica, holds the view of some earlier sequence
 * number; the exact difference from there is one message instead of a new snapshot. Changes keep
 * what was there before, so walking back from the present book rebuilds any kept moment.
 * Owner: the market thread (pure).
 * Invariant: the book as it was after every sequence number >= history_from() can be rebuilt. */
#ifndef GATEWAY_MARKET_HISTORY_H
#define GATEWAY_MARKET_HISTORY_H
#include "gateway/market/book.h"

#define HISTORY_MAX    32768u                     /* changes */
#define HISTORY_AGE_NS (60 * (int64_t)1000000000) /* older ones make room before the ring grows */

struct change {
    struct px px;
    struct qty before; /* 0: there was no such level */
    uint64_t seq;
    int64_t ts_ns; /* engine time */
    enum side side;
};

struct history {
    struct change *v; /* ring, capacity a power of two */
    uint32_t cap;
    uint64_t begin;
    uint64_t end;
    uint64_t lost_seq; /* changes up to this number are not all kept */
    bool started;
};

void history_fini(struct history *h);
/* Forgets everything: the book of now, at SEQ, is the first state known. */
void history_restart(struct history *h, uint64_t seq);
/* Sets a level of B (as book_set()) and keeps what it replaced. */
bool history_set(struct history *h, struct book *b, enum side side, struct level level,
                 uint64_t seq, int64_t ts_ns);
/* Keeps what replacing BEFORE by AFTER changes. */
void history_replace(struct history *h, const struct book *before, const struct book *after,
                     uint64_t seq, int64_t ts_ns);
/* OUT (initialised) becomes the book as it was after SEQ; NOW is the present one. False: too long
 * ago. */
GW_MUSTCHECK
bool history_book_at(const struct history *h, const struct book *now, uint64_t seq,
                     struct book *out);
#endif
