/* load/wsflood_stats.h - counters of a run, and the order of every stream of every session.
 * Why: what a session has seen outlives its connection. A session that comes back resumes from its
 * cursors, and what the server then sends must join them: gw.p the last gw.s of a book, a trade the
 * last trade_id.
 * Owner: the loop of wsflood.
 * Invariant: latency is recorded only while measuring and only of updates that sessions read as
 * they come: not of a stalled session until it has caught up, not of what was made before a session
 * came back. Breaks, gaps and duplicates are counted from the first message on. */
#ifndef LOAD_WSFLOOD_STATS_H
#define LOAD_WSFLOOD_STATS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "load/hist.h"
#include "load/wsflood_options.h"
#include "load/wsflood_scan.h"

#define WF_CLOSE_CODES 5000u
#define WF_FAILURE_MAX 300u
#define WF_TALLY_ROWS  16u
#define WF_EPOCHS      1024u
#define WF_TEXT_MAX    40u /* of a session's name, an epoch, a reason */

struct wf_counters {
    uint64_t messages[SCAN_CHANNEL_COUNT];
    uint64_t snapshots;
    uint64_t bytes;                /* inside TLS */
    uint64_t reads;                /* wake-ups that brought bytes */
    uint64_t negative_latency;     /* stamped later than received */
    uint64_t without_time;         /* updates of streams without a stamp */
    uint64_t without_seq;          /* frames of streams without gw.s */
    uint64_t unknown_stream;       /* of a symbol nobody subscribed to */
    uint64_t before_snapshot;      /* book updates before the first snapshot */
    uint64_t breaks[SCAN_STREAMS]; /* gw.p is not the last gw.s */
    uint64_t slow_warnings;
    uint64_t evict_notices;
    uint64_t behind; /* updates older than a session's return: replayed, or late after a stall */
    uint64_t trades;
    uint64_t trade_gaps; /* places where trade_id jumps */
    uint64_t trades_missing;
    uint64_t trade_gaps_told; /* the server had said so: resumed:false, or gap_trades of the feed */
    uint64_t trades_missing_told;
    uint64_t trade_duplicates;
    uint64_t closes; /* by the server, stalled sessions included */
    uint64_t reconnects;
    uint64_t resumed;     /* streams */
    uint64_t not_resumed; /* streams that asked for it */
};

/* How often each text came; the last row takes all that found no row. */
struct wf_tally {
    uint32_t used;
    struct {
        char name[WF_TEXT_MAX];
        uint64_t count;
    } row[WF_TALLY_ROWS];
};

/* What a session knows across its connections. The cursors are one per stream. */
struct wf_memory {
    struct wf_cursor *cursors;
    char session[WF_TEXT_MAX]; /* the name that the server gave it last, "" before */
    int64_t live_from_ns;      /* unix: older updates do not count; INT64_MAX: told not to read */
    int64_t closed_ns;         /* unix, when it was closed; 0: data has come since */
    uint32_t retry_after_ms;   /* of the server's notice, 0: none */
    uint32_t attempts;         /* to come back, since the last answer to a request */
    bool slow;                 /* was told not to read and has not caught up */
    bool evict_read;           /* the notice, on this connection */
    bool last_close_read;      /* on this connection */
    bool owes;                 /* counted in stats.owing */
};

/* Sessions that come back after a close. */
struct wf_returns {
    uint64_t attempts;
    uint64_t attempts_failed;
    uint32_t given_up; /* closes after which nobody comes back */
    struct wf_tally why;
    struct wf_tally last_close;
    struct hist *connect;
    struct hist *first_data; /* since the close */
    char first_failure[WF_FAILURE_MAX];
};

struct wf_churn {
    uint64_t closed; /* left politely */
    uint64_t unanswered;
    uint64_t opened;
    uint64_t failed;
    struct hist *connect;
};

struct wf_stalls {
    uint32_t woken;
    uint32_t caught_up;
    uint32_t evict_notices; /* sessions that read one before their close */
    struct hist *to_close;
};

/* Trades that the feed has lost, by the server's own notice. */
struct wf_told_gap {
    uint64_t from;
    uint64_t to;
};

struct wf_stats {
    const struct wf_options *options;
    bool measuring;
    struct wf_counters all;    /* since the start */
    struct wf_counters window; /* what ALL was when the window began; after end, the difference */
    struct hist *latency;
    struct hist *second;                     /* latency since the last sample */
    struct hist *connect;                    /* TCP, TLS and upgrade, the first time */
    uint32_t closes[WF_CLOSE_CODES];         /* of sessions that read */
    uint32_t closes_stalled[WF_CLOSE_CODES]; /* of sessions told not to read */
    uint32_t opened;
    uint32_t failed; /* never got open */
    uint32_t owing;  /* sessions that were closed while they read and have not come back */
    struct wf_returns returns;
    struct wf_churn churn;
    struct wf_stalls stalls;
    char first_failure[WF_FAILURE_MAX];
    char first_break[WF_FAILURE_MAX];
    char first_refusal[300]; /* text of the first refused request */
    struct scan_clock clock;
    char (*epochs)[WF_TEXT_MAX]; /* by number; 0 is none */
    uint16_t epoch_count;
    struct wf_told_gap *told_gaps; /* by stream */
    uint32_t *slots;               /* hash table: stream + 1 */
    uint32_t slot_mask;
    struct buf marks; /* lines of --marks */
};

void wf_stats_init(struct wf_stats *s, const struct wf_options *o);
void wf_stats_fini(struct wf_stats *s);
/* A text message received at NOW_NS (unix) by the session of M. */
void wf_stats_message(struct wf_stats *s, struct wf_memory *m, const char *text, size_t len,
                      int64_t now_ns);
/* Makes room for the cursors, once, and forgets all. */
void wf_memory_clear(struct wf_stats *s, struct wf_memory *m);
void wf_memory_fini(struct wf_memory *m);
/* The session is open again at NOW_NS (unix). Streams whose cursor can be resumed wait for an
 * answer, the others begin anew. */
void wf_memory_reopen(const struct wf_stats *s, struct wf_memory *m, int64_t now_ns);
/* How long to wait before the next attempt: what the server said, else 200 ms to 2 s. */
uint32_t wf_memory_backoff_ms(struct wf_memory *m, uint64_t random);
/* False: the server would only say it again (a broken rule, a revoked key, a full house). */
bool wf_may_come_back(uint32_t close_code);
/* Keeps the first one. */
void wf_note_failure(char text[WF_FAILURE_MAX], const char *what, const char *why);
void wf_tally_add(struct wf_tally *t, const char *text, size_t len);
void wf_stats_begin(struct wf_stats *s);
void wf_stats_end(struct wf_stats *s);
/* Messages of subscribed channels. */
uint64_t wf_counters_data(const struct wf_counters *c);
uint64_t wf_counters_total(const struct wf_counters *c);
uint64_t wf_counters_breaks(const struct wf_counters *c);
#endif
