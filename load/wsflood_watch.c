#include "load/wsflood_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_proc(uint32_t pid, const char *file, char *out, size_t size)
{
    char path[64];
    ssize_t n = -1;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%u/%s", pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, out, size - 1);
        (void)close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Fields are counted behind the last ')': a program's name may hold blanks and brackets. */
static bool read_stat(uint32_t pid, uint64_t *cpu_us, uint64_t *born)
{
    char text[1024];
    unsigned long long utime;
    unsigned long long stime;
    unsigned long long start;
    char run_state;
    long hz = sysconf(_SC_CLK_TCK);
    const char *rest;

    if (!read_proc(pid, "stat", text, sizeof text) || (rest = strrchr(text, ')')) == NULL) {
        return false;
    }
    if (sscanf(rest + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
               &run_state, &utime, &stime, &start) != 4 ||
        run_state == 'Z' || hz <= 0) {
        return false;
    }
    *cpu_us = (uint64_t)(utime + stime) * 1000000u / (uint64_t)hz;
    *born = start;
    return true;
}

static uint64_t read_rss(uint32_t pid)
{
    char text[4096];
    const char *line;

    if (!read_proc(pid, "status", text, sizeof text) || (line = strstr(text, "VmRSS:")) == NULL) {
        return 0;
    }
    return (uint64_t)strtoull(line + 6, NULL, 10) * 1024;
}

bool wf_watch_start(struct wf_watch *w, uint32_t pid)
{
    *w = (struct wf_watch){.pid = pid};
    if (pid != 0 && !read_stat(pid, &w->now_us, &w->born)) {
        fprintf(stderr, "wsflood: --pid %u: there is no such process that we may read\n", pid);
        return false;
    }
    wf_watch_begin(w);
    return true;
}

void wf_watch_sample(struct wf_watch *w)
{
    uint64_t cpu_us;
    uint64_t born;

    if (w->pid == 0 || w->ended) {
        return;
    }
    if (!read_stat(w->pid, &cpu_us, &born) || born != w->born) {
        w->ended = true;
        return;
    }
    w->now_us = cpu_us;
    w->rss_bytes = read_rss(w->pid);
    if (w->rss_bytes > w->rss_peak_bytes) {
        w->rss_peak_bytes = w->rss_bytes;
    }
}

void wf_watch_begin(struct wf_watch *w)
{
    wf_watch_sample(w);
    w->begin_us = w->now_us;
    w->rss_begin_bytes = w->rss_bytes;
    w->rss_peak_bytes = w->rss_bytes;
}

uint64_t wf_watch_cpu_us(const struct wf_watch *w)
{
    return w->now_us - w->begin_us;
}

void wf_series_init(struct wf_series *s, uint32_t seconds, int64_t now_ns)
{
    *s = (struct wf_series){.cap = seconds, .start_ns = now_ns, .last_ns = now_ns};
    s->samples = gw_calloc(seconds, sizeof *s->samples);
}

void wf_series_fini(struct wf_series *s)
{
    free(s->samples);
    s->samples = NULL;
}

void wf_series_add(struct wf_series *s, const struct wf_sample *gauges, int64_t now_ns,
                   const struct wf_counters *c, struct hist *latency, const struct wf_watch *w)
{
    const struct wf_counters *last = &s->last;
    struct wf_sample add = *gauges;

    add.at_ns = now_ns - s->start_ns;
    add.passed_ns = now_ns - s->last_ns;
    add.messages = wf_counters_total(c) - wf_counters_total(last);
    add.bytes = c->bytes - last->bytes;
    add.p50_ns = hist_at(latency, 50000);
    add.p99_ns = hist_at(latency, 99000);
    add.max_ns = hist_max(latency);
    add.closes = c->closes - last->closes;
    add.reconnects = c->reconnects - last->reconnects;
    add.resumed = c->resumed - last->resumed;
    add.breaks = wf_counters_breaks(c) - wf_counters_breaks(last);
    add.trade_gaps = c->trade_gaps - last->trade_gaps;
    add.has_server = w->pid != 0 && !w->ended;
    add.cpu_us = w->now_us - s->last_cpu_us;
    add.rss_bytes = w->rss_bytes;
    hist_reset(latency);
    s->last = *c;
    s->last_ns = now_ns;
    s->last_cpu_us = w->now_us;
    if (s->count < s->cap) {
        s->samples[s->count++] = add;
    } else {
        s->lost++;
    }
}
