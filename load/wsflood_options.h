/* load/wsflood_options.h - the command line of wsflood, checked, and the streams it subscribes to.
 * Owner: filled once at start, then read-only.
 * Invariant: after wf_options_parse() every value is inside its range and no two streams have the
 * same channel, symbol and candle interval (their frames could not be told apart). */
#ifndef LOAD_WSFLOOD_OPTIONS_H
#define LOAD_WSFLOOD_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "load/wsflood_scan.h"

#define WF_SPECS_MAX    64u
#define WF_STREAMS_MAX  4096u
#define WF_SYMBOL_MAX   32u
#define WF_SESSIONS_MAX 100000u
#define WF_SEQ_NONE     UINT64_MAX /* no frame of this stream yet, no trade yet */

struct wf_stream {
    enum scan_channel channel;
    uint32_t interval; /* ohlc, minutes */
    uint32_t symbol_len;
    char symbol[WF_SYMBOL_MAX];
};

/* One --subscribe: one request with its streams in streams[first .. first + count). */
struct wf_spec {
    const char *text;
    enum scan_channel channel;
    uint32_t parameter; /* depth or interval, 0: the server's default */
    uint32_t first;
    uint32_t count;
};

/* What a session last saw of one stream. */
struct wf_cursor {
    uint64_t seq; /* gw.s */
    uint64_t trade_id;
    uint16_t epoch; /* number of its text, 0: not known */
    bool asked;     /* resume was asked for, the answer is to come */
    bool told;      /* the server said that the next trades do not join the last ones */
};

/* What a resume request is made of: the streams whose cursor is of this epoch. */
struct wf_resume {
    const char *session;
    const char *epoch;
    uint16_t epoch_id;
    const struct wf_cursor *cursors; /* one per stream of the options */
};

struct wf_options {
    char host[256];
    char port[6];
    char path[256];
    const char *ca_file;
    bool insecure;
    bool spread;
    bool quiet;
    bool resume;
    bool has_interval_ms;
    uint32_t interval_ms;
    uint32_t sessions;
    uint32_t connect_rate;
    uint32_t duration_s;
    uint32_t warmup_s;
    uint32_t stall_percent;
    uint32_t stall_for_s;   /* 0: until the end */
    uint32_t churn;         /* sessions a second */
    uint32_t rcvbuf_bytes;  /* 0: the kernel's choice */
    uint32_t sources;       /* local addresses 127.0.0.1 and up; 0: the kernel's choice */
    uint32_t pid;           /* 0: none */
    const char *json_path;  /* NULL: no report file, "-": stdout */
    const char *marks_path; /* NULL: none */
    struct wf_spec specs[WF_SPECS_MAX];
    uint32_t spec_count;
    struct wf_stream *streams;
    uint32_t stream_count;
};

enum wf_parse { WF_RUN, WF_HELP, WF_USAGE };

/* WF_USAGE: the reason is on stderr. Borrows from ARGV for as long as O lives. */
enum wf_parse wf_options_parse(struct wf_options *o, int argc, char **argv);
void wf_options_fini(struct wf_options *o);
/* The subscribe request of SPEC as JSON; with RESUME (NULL: a fresh one) only of the streams of its
 * epoch, and with a resume object when anything is known of them. */
void wf_options_request(const struct wf_options *o, const struct wf_spec *spec, uint32_t req_id,
                        const struct wf_resume *resume, struct buf *out);
/* Where C stands in a stream of CHANNEL is known and can be resumed from. */
bool wf_cursor_known(enum scan_channel channel, const struct wf_cursor *c);
#endif
