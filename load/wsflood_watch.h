/* load/wsflood_watch.h - CPU time and memory of another process over the measured window, and what
 * a run looked like second by second.
 * Owner: the loop of wsflood; reads /proc only.
 * Invariant: figures are of one process: a number that was reused since the start counts as ended.
 * A series never grows: its samples have their place from the start, and those that find none are
 * counted. */
#ifndef LOAD_WSFLOOD_WATCH_H
#define LOAD_WSFLOOD_WATCH_H
#include <stdbool.h>
#include <stdint.h>
#include "load/wsflood_stats.h"

struct wf_watch {
    uint32_t pid; /* 0: nothing is watched */
    bool ended;
    uint64_t born; /* starttime of /proc/PID/stat */
    uint64_t begin_us;
    uint64_t now_us; /* user + system, at the last sample */
    uint64_t rss_begin_bytes;
    uint64_t rss_bytes;
    uint64_t rss_peak_bytes; /* of the samples */
};

/* false: there is no such process; stderr says so. */
bool wf_watch_start(struct wf_watch *w, uint32_t pid);
void wf_watch_begin(struct wf_watch *w); /* the window starts now */
void wf_watch_sample(struct wf_watch *w);
uint64_t wf_watch_cpu_us(const struct wf_watch *w);

/* The gauges are of its end, everything else of the time since the sample before. */
struct wf_sample {
    const char *phase;
    int64_t at_ns; /* since the start of the run */
    int64_t passed_ns;
    uint32_t open; /* and reading */
    uint32_t stalled;
    uint32_t waiting; /* to come back, or on their way */
    uint64_t messages;
    uint64_t bytes;
    uint64_t p50_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
    uint64_t closes;
    uint64_t reconnects;
    uint64_t resumed;
    uint64_t breaks;
    uint64_t trade_gaps;
    bool has_server;
    uint64_t cpu_us;
    uint64_t rss_bytes;
};

struct wf_series {
    struct wf_sample *samples;
    uint32_t count;
    uint32_t cap;
    uint32_t lost; /* there was no place left */
    int64_t start_ns;
    int64_t last_ns;
    uint64_t last_cpu_us;
    struct wf_counters last;
};

/* Room for SECONDS samples; the run starts at NOW_NS. */
void wf_series_init(struct wf_series *s, uint32_t seconds, int64_t now_ns);
void wf_series_fini(struct wf_series *s);
/* GAUGES brings phase, open, stalled and waiting; LATENCY is read and emptied. */
void wf_series_add(struct wf_series *s, const struct wf_sample *gauges, int64_t now_ns,
                   const struct wf_counters *c, struct hist *latency, const struct wf_watch *w);
#endif
