/* load/wsflood_scan.h - what wsflood wants to know of a message, without parsing its JSON.
 * Why: a JSON parser would cost more than the server that is measured. The gateway prints `channel`
 * first, the symbol before the data and `gw` last (docs/PROTOCOL.md), so a few short searches are
 * enough.
 * Owner: pure; a clock cache per thread.
 * Invariant: never reads outside the message; what is not found is absent, never guessed. */
#ifndef LOAD_WSFLOOD_SCAN_H
#define LOAD_WSFLOOD_SCAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first five are streams, which can be subscribed to. */
/* clang-format off */
#define SCAN_CHANNELS(X)                                                                          \
    X(BOOK, "book") X(TRADE, "trade") X(OHLC, "ohlc") X(TICKER, "ticker")                          \
    X(INSTRUMENT, "instrument") X(STATUS, "status") X(HEARTBEAT, "heartbeat") X(GATEWAY, "gateway")
/* clang-format on */
#define SCAN_CHANNEL_AS_ENUM(sym, text) SCAN_##sym,
enum scan_channel {
    SCAN_CHANNELS(SCAN_CHANNEL_AS_ENUM) SCAN_ACK, /* subscribe answers and pongs */
    SCAN_REFUSED,                                 /* "success":false or an error */
    SCAN_OTHER,
    SCAN_CHANNEL_COUNT
};
#define SCAN_STREAMS 5u
extern const char *const scan_channel_names[SCAN_CHANNEL_COUNT];

/* A piece of the message; NULL when absent. */
struct scan_ref {
    const char *text;
    size_t len;
};

struct scan {
    enum scan_channel channel;
    bool snapshot;
    const char *symbol; /* inside the message; NULL when absent */
    size_t symbol_len;
    uint64_t interval; /* ohlc, minutes */
    bool has_seq;      /* gw.s is there */
    bool has_prev;     /* gw.p is there and a number */
    uint64_t seq;
    uint64_t prev;
    struct scan_ref epoch; /* gw.e */
    bool has_time;
    int64_t time_ns; /* the newest timestamp of the data, unix */
};

/* The answer to a subscribe request, one a stream. */
struct scan_ack {
    enum scan_channel channel; /* SCAN_OTHER: no such answer */
    struct scan_ref symbol;
    uint64_t interval;
    struct scan_ref session;
    struct scan_ref epoch;
    struct scan_ref why;
    struct scan_ref last_close; /* its reason */
    bool resumed;
};

/* Remembers the minute parsed last: all stamps of a second share it. */
struct scan_clock {
    char minute[17]; /* "2026-11-20T23:51:" */
    int64_t base_ns;
};

void scan_message(struct scan_clock *clock, const char *text, size_t len, struct scan *out);
void scan_ack(const char *text, size_t len, struct scan_ack *out);
/* The next trade_id at or behind *AT, which moves behind it; false when there is none. */
bool scan_trade_id(const char **at, const char *end, uint64_t *id);
/* What follows the first NAME, which brings its quotes and colon: "\"e\":\"" and "\"n\":". */
bool scan_member_text(const char *text, size_t len, const char *name, struct scan_ref *out);
bool scan_member_number(const char *text, size_t len, const char *name, uint64_t *out);
/* "2026-11-20T23:51:47.201337Z", 0 to 9 digits of fraction; false when it is not that. */
bool scan_rfc3339(struct scan_clock *clock, const char *text, size_t len, int64_t *unix_ns);
#endif
