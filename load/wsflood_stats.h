/* load/wsflood_stats.h - counters of a run, and the order of every stream of every session.
 * Owner: the loop of wsflood.
 * Invariant: latency is recorded only while measuring and only of updates that sessions read as
 * they come; breaks are counted from the first message on. */
#ifndef LOAD_WSFLOOD_STATS_H
#define LOAD_WSFLOOD_STATS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "load/hist.h"
#include "load/wsflood_options.h"
#include "load/wsflood_scan.h"

#define WF_CLOSE_CODES 5000u
#define WF_SEQ_NONE    UINT64_MAX /* no frame of this stream yet */

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
};

struct wf_stats {
    const struct wf_options *options;
    bool measuring;
    struct wf_counters all;    /* since the start */
    struct wf_counters window; /* what ALL was when the window began; after end, the difference */
    struct hist *latency;
    struct hist *connect;                    /* TCP, TLS and upgrade */
    uint32_t closes[WF_CLOSE_CODES];         /* of sessions that read */
    uint32_t closes_stalled[WF_CLOSE_CODES]; /* of sessions told not to read */
    uint32_t failed;                         /* never got open */
    char first_failure[300];
    char first_refusal[300]; /* text of the first refused request */
    struct scan_clock clock;
    uint32_t *slots; /* hash table: stream + 1 */
    uint32_t slot_mask;
};

void wf_stats_init(struct wf_stats *s, const struct wf_options *o);
void wf_stats_fini(struct wf_stats *s);
/* A text message received at NOW_NS (unix). LAST_SEQ: one per stream, of this session. */
void wf_stats_message(struct wf_stats *s, uint64_t *last_seq, const char *text, size_t len,
                      int64_t now_ns);
void wf_stats_begin(struct wf_stats *s);
void wf_stats_end(struct wf_stats *s);
/* Messages of subscribed channels. */
uint64_t wf_counters_data(const struct wf_counters *c);
uint64_t wf_counters_total(const struct wf_counters *c);
uint64_t wf_counters_breaks(const struct wf_counters *c);
#endif
