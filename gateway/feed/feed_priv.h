/* gateway/feed/feed_priv.h - the state behind feed.h, for feed.c and read_back.c only. */
#ifndef GATEWAY_FEED_FEED_PRIV_H
#define GATEWAY_FEED_FEED_PRIV_H
#include "gateway/feed/feed.h"

/* What the feed keeps of one symbol beside its instrument. */
struct feed_symbol {
    char last_id[FEED_ID_MAX];  /* of the last entry delivered */
    char known_id[FEED_ID_MAX]; /* trades up to here were restored with the candles */
    bool live;
    bool dirty;       /* candles changed since the last checkpoint */
    bool broken;      /* counted in FEED_M_BROKEN */
    int64_t asked_ns; /* last request for a snapshot */
};

struct feed {
    const struct feed_config *config;
    struct market *market;
    struct feed_listener listener;
    void *arg;
    struct source *source;
    struct metric_set *metrics;
    struct feed_symbol *symbols;
    const char **names;
    uint32_t *dirty;
    uint32_t dirty_count;
    uint32_t broken;
    uint32_t unreadable; /* symbols */
    uv_timer_t timer;
    struct feed_event event;
    uint32_t reading_back; /* feed_read_trades() under way */
    struct buf text;
    uint32_t logged_faults; /* bit mask of decode faults already logged */
    bool connected;
    bool closing;
    unsigned to_close;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

#endif
