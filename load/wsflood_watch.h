/* load/wsflood_watch.h - CPU time and memory of another process over the measured window.
 * Owner: the loop of wsflood; reads /proc only.
 * Invariant: figures are of one process: a number that was reused since the start counts as ended.
 * */
#ifndef LOAD_WSFLOOD_WATCH_H
#define LOAD_WSFLOOD_WATCH_H
#include <stdbool.h>
#include <stdint.h>

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
#endif
