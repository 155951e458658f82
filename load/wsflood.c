/* load/wsflood.c - opens N sessions, lets them settle, measures, reports. Phases: connect ->
 * warm-up -> measure -> finish; one loop, one thread. */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load/wsflood_process.h"
#include "load/wsflood_report.h"

#define SECOND_NS          1000000000ll
#define CONNECT_TIMEOUT_NS (15 * SECOND_NS)
#define CONNECTING_MAX     256u /* handshakes under way: more only wait in the server's queue */
#define EVENTS_MAX         256
#define RELEASE_ABOVE      2000u /* sessions: idle ones give their TLS buffers back */

enum phase { PHASE_CONNECT, PHASE_WARMUP, PHASE_MEASURE, PHASE_END };
static const char *const phase_names[] = {"connect", "warm-up", "measure", "end"};

struct run {
    const struct wf_options *options;
    struct wf_flood flood;
    struct wf_stats stats;
    struct wf_watch watch;
    struct wf_series series;
    struct wf_result result;
    enum phase phase;
    int64_t start_ns;
    int64_t phase_ns; /* when the phase began */
    int64_t progress_ns;
    uint64_t progress_messages;
    uint32_t started;
    uint64_t churned;
    bool woken;
    uint64_t cpu_begin_us;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static bool resolve(struct wf_flood *f)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const struct addrinfo *pick;
    int error = getaddrinfo(f->options->host, f->options->port, &hints, &list);

    if (error != 0) {
        fprintf(stderr, "wsflood: %s: %s: check the host in --url\n", f->options->host,
                gai_strerror(error));
        return false;
    }
    /* IPv4 first: --sources needs it, and a server that listens on one family listens on that. */
    pick = list;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        if (a->ai_family == AF_INET) {
            pick = a;
            break;
        }
    }
    memcpy(&f->address, pick->ai_addr, pick->ai_addrlen);
    f->address_size = pick->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

static bool prepare(struct run *r)
{
    const struct tls_client_options tls = {.ca_file = r->options->ca_file,
                                           .insecure = r->options->insecure,
                                           .release_buffers = r->options->sessions > RELEASE_ABOVE};
    char error[256];

    if (!wf_watch_start(&r->watch, r->options->pid) ||
        !process_raise_fds(r->options->sessions, "wsflood") || !resolve(&r->flood)) {
        return false;
    }
    r->flood.epoll = epoll_create1(EPOLL_CLOEXEC);
    r->flood.tls = tls_client_create(&tls, error, sizeof error);
    if (r->flood.tls == NULL) {
        fprintf(stderr, "wsflood: --ca: %s: give a PEM file with the server's CA\n", error);
    }
    return r->flood.tls != NULL && r->flood.epoll >= 0;
}

static void sample(struct run *r, int64_t now)
{
    const struct wf_flood *f = &r->flood;
    const struct wf_sample gauges = {.phase = phase_names[r->phase],
                                     .open = f->in_state[WF_OPEN],
                                     .stalled = f->in_state[WF_STALLED],
                                     .waiting = f->in_state[WF_WAITING] + wf_flood_connecting(f)};

    wf_watch_sample(&r->watch);
    wf_series_add(&r->series, &gauges, now, &r->stats.all, r->stats.second, &r->watch);
}

static void progress(struct run *r, int64_t now)
{
    const struct wf_stats *s = &r->stats;
    uint64_t total = wf_counters_total(&s->all);
    int64_t passed = now - r->progress_ns;
    bool terminal = isatty(STDERR_FILENO) == 1;

    if (passed < SECOND_NS) {
        return;
    }
    if (!r->options->quiet) {
        fprintf(stderr,
                "%s%-8s %3lld s  open %u/%u  stalled %u  closed %u  %llu msg/s  p50 %.3f ms  "
                "p99 %.3f ms  breaks %llu%s",
                terminal ? "\r" : "", phase_names[r->phase],
                (long long)((now - r->phase_ns) / SECOND_NS), r->flood.in_state[WF_OPEN],
                r->options->sessions, r->flood.in_state[WF_STALLED], r->flood.in_state[WF_CLOSED],
                (unsigned long long)((total - r->progress_messages) * (uint64_t)SECOND_NS /
                                     (uint64_t)passed),
                (double)hist_at(s->latency, 50000) / 1e6, (double)hist_at(s->latency, 99000) / 1e6,
                (unsigned long long)wf_counters_breaks(&s->all), terminal ? "\033[K" : "\n");
    }
    wf_session_expire(&r->flood, now - CONNECT_TIMEOUT_NS);
    sample(r, now);
    r->progress_ns = now;
    r->progress_messages = total;
}

static void begin_phase(struct run *r, enum phase phase, int64_t now)
{
    r->phase = phase;
    r->phase_ns = now;
    r->result.opened = r->stats.opened;
    if (phase == PHASE_WARMUP) {
        r->result.connect_ns = now - r->start_ns;
    } else if (phase == PHASE_MEASURE) {
        r->result.stalled =
            (uint32_t)((uint64_t)r->flood.in_state[WF_OPEN] * r->options->stall_percent / 100);
        wf_session_stall(&r->flood, r->result.stalled);
        wf_watch_begin(&r->watch);
        r->cpu_begin_us = process_cpu_us();
        wf_stats_begin(&r->stats);
    } else if (phase == PHASE_END && r->stats.measuring) {
        wf_stats_end(&r->stats);
        wf_watch_sample(&r->watch);
        r->result.own_cpu_us = process_cpu_us() - r->cpu_begin_us;
    }
}

static void start_due(struct run *r, int64_t now)
{
    uint64_t due = (uint64_t)((now - r->start_ns) / 1000) * r->options->connect_rate / 1000000 + 1;

    while (r->started < r->options->sessions && r->started < due &&
           wf_flood_connecting(&r->flood) < CONNECTING_MAX) {
        wf_session_start(&r->flood, r->started++, now);
    }
}

/* What the window asks of the sessions: to leave and come back, to read again. */
static void disturb(struct run *r, int64_t now)
{
    const struct wf_options *o = r->options;
    struct wf_flood *f = &r->flood;
    uint64_t due = (uint64_t)((now - r->phase_ns) / 1000) * o->churn / 1000000;

    while (r->churned < due && wf_flood_connecting(f) + f->in_state[WF_LEAVING] < CONNECTING_MAX &&
           wf_session_churn(f, now)) {
        r->churned++;
    }
    if (!r->woken && o->stall_for_s != 0 && now - r->phase_ns >= o->stall_for_s * SECOND_NS) {
        wf_session_wake(f);
        r->woken = true;
    }
}

static void advance(struct run *r, int64_t now)
{
    int64_t passed = now - r->phase_ns;

    wf_flood_start_due(&r->flood, now, CONNECTING_MAX);
    switch (r->phase) {
    case PHASE_CONNECT:
        start_due(r, now);
        if (r->flood.settled == r->options->sessions) {
            begin_phase(r, PHASE_WARMUP, now);
        }
        break;
    case PHASE_WARMUP:
        if (passed >= r->options->warmup_s * SECOND_NS) {
            begin_phase(r, PHASE_MEASURE, now);
        }
        break;
    case PHASE_MEASURE:
        disturb(r, now);
        if (passed >= r->options->duration_s * SECOND_NS) {
            r->result.window_ns = passed;
            begin_phase(r, PHASE_END, now);
        }
        break;
    case PHASE_END:
        break;
    }
    if (r->phase != PHASE_END &&
        (r->flood.in_state[WF_CLOSED] == r->options->sessions || stop != 0)) {
        r->result.interrupted = stop != 0;
        r->result.window_ns = r->phase == PHASE_MEASURE ? now - r->phase_ns : 0;
        begin_phase(r, PHASE_END, now);
    }
}

/* Until something is due: a connect, a leave, the end of the phase, a sample. */
static int wait_ms(const struct run *r, int64_t now)
{
    uint32_t seconds = r->phase == PHASE_WARMUP ? r->options->warmup_s : r->options->duration_s;
    int64_t due_ns = r->phase_ns + seconds * SECOND_NS;
    int64_t wait_ms;

    if (r->phase == PHASE_CONNECT ||
        wf_flood_connecting(&r->flood) + r->flood.in_state[WF_LEAVING] >= CONNECTING_MAX) {
        return 2;
    }
    if (r->phase == PHASE_MEASURE && r->options->churn != 0) {
        due_ns = now + SECOND_NS / r->options->churn;
    }
    if (due_ns > r->progress_ns + SECOND_NS) {
        due_ns = r->progress_ns + SECOND_NS;
    }
    if (due_ns > wf_due_next(&r->flood.due)) {
        due_ns = wf_due_next(&r->flood.due);
    }
    wait_ms = (due_ns - now) / 1000000 + 1;
    return wait_ms < 0 ? 0 : wait_ms < 100 ? (int)wait_ms : 100;
}

/* The connects take as long as the server lets them. */
static uint32_t series_seconds(const struct wf_options *o)
{
    return 4 * (o->sessions / o->connect_rate) + o->warmup_s + o->duration_s + 120;
}

static void loop(struct run *r)
{
    struct epoll_event events[EVENTS_MAX];

    r->start_ns = r->phase_ns = r->progress_ns = process_clock_ns(CLOCK_MONOTONIC);
    r->result.start_unix_ns = process_clock_ns(CLOCK_REALTIME);
    wf_series_init(&r->series, series_seconds(r->options), r->start_ns);
    while (r->phase != PHASE_END) {
        int64_t now;
        int count = epoll_wait(r->flood.epoll, events, EVENTS_MAX,
                               wait_ms(r, process_clock_ns(CLOCK_MONOTONIC)));

        for (int i = 0; i < count; i++) {
            wf_session_on_event(&r->flood, &events[i]);
        }
        now = process_clock_ns(CLOCK_MONOTONIC);
        advance(r, now);
        progress(r, now);
    }
    wf_session_finish(&r->flood);
    if (isatty(STDERR_FILENO) == 1 && !r->options->quiet) {
        fputc('\n', stderr);
    }
}

/* PATH may be "-"; OPTION named it. */
static bool write_file(const char *option, const char *path, const struct buf *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    bool ok = file != NULL && fwrite(out->data, 1, out->len, file) == out->len && fflush(file) == 0;

    if (!ok) {
        fprintf(stderr, "wsflood: %s %s: %s: give a file that can be written\n", option, path,
                strerror(errno));
    }
    if (file != NULL && file != stdout) {
        (void)fclose(file);
    }
    return ok;
}

static bool write_report(const struct run *r)
{
    struct buf out = {0};
    bool ok = true;

    if (!r->options->quiet) {
        wf_report_text(&r->result);
    }
    if (r->options->json_path != NULL) {
        wf_report_json(&r->result, &out);
        ok = write_file("--json", r->options->json_path, &out);
        buf_fini(&out);
    }
    if (r->options->marks_path != NULL) {
        ok = write_file("--marks", r->options->marks_path, &r->stats.marks) && ok;
    }
    return ok;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    static struct wf_options options;
    static struct run r;
    int status = 2;

    switch (wf_options_parse(&options, argc, argv)) {
    case WF_HELP:
        wf_options_fini(&options);
        return 0;
    case WF_USAGE:
        wf_options_fini(&options);
        return 2;
    default:
        break;
    }
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
    r.options = &options;
    wf_stats_init(&r.stats, &options);
    wf_flood_init(&r.flood, &options, &r.stats);
    if (prepare(&r)) {
        r.result.flood = &r.flood;
        r.result.stats = &r.stats;
        r.result.watch = &r.watch;
        r.result.series = &r.series;
        loop(&r);
        status = write_report(&r) && wf_report_ok(&r.result) ? 0 : 1;
    }
    wf_series_fini(&r.series);
    wf_flood_fini(&r.flood);
    wf_stats_fini(&r.stats);
    wf_options_fini(&options);
    return status;
}
