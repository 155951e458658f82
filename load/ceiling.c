/* load/ceiling.c - the yardstick: what one core delivers over TLS when a server does nothing else.
 * Why: the gateway's flush is judged against this: one thread, epoll, one SSL_write of one prepared
 * buffer to every connection at every tick. Phases: accept until --connections have subscribed ->
 * warm-up ticks -> measured ticks -> one JSON line.
 * Invariant: a connection whose last write did not fit gets no new one until it did. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include "gateway/base/buf.h"
#include "gateway/base/fixed.h"
#include "load/ws_client.h"
#include "load/wsflood_process.h"

#define SECOND_NS   1000000000ll
#define EVENTS_MAX  256
#define INPUT_MAX   16384u
#define STAMP_CHARS 27u /* 2026-11-20T23:51:47.201337Z */

static const char help[] =
    "ceiling - TLS WebSocket server that writes one prepared buffer to everybody at every tick\n"
    "\n"
    "usage: ceiling --cert FILE --key FILE [options]\n"
    "\n"
    "  --cert FILE --key FILE  certificate and key (PEM)\n"
    "  --listen ADDR:PORT      IPv4 (default 127.0.0.1:9443)\n"
    "  --connections N         start when N have sent a subscribe (default 1000)\n"
    "  --interval-ms I         between ticks; 0: one tick after the other (default 50)\n"
    "  --messages M            WebSocket messages in a buffer (default 1)\n"
    "  --bytes B               payload of each message, 300 to 65536 (default 400)\n"
    "  --stamp                 put the send time into every message (for latency)\n"
    "  --warmup S              seconds of ticks that do not count (default 2)\n"
    "  --duration S            measured seconds (default 10)\n"
    "  --release-buffers       SSL_MODE_RELEASE_BUFFERS\n"
    "  --quiet                 no progress lines\n"
    "  --help\n"
    "\n"
    "Exit status: 0 fine; 1 interrupted, or connections left while it measured; 2 usage.\n"
    "\n"
    "examples:\n"
    "  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\\n"
    "      -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem\n"
    "  ceiling --cert cert.pem --key key.pem --connections 1000 --messages 10 --stamp &\n"
    "  wsflood --url wss://localhost:9443/v2 --ca cert.pem --sessions 1000 \\\n"
    "      --subscribe book:BTC/USD:10 --duration 5\n";

struct settings {
    const char *cert;
    const char *key;
    const char *listen;
    uint32_t connections;
    uint32_t interval_ms;
    uint32_t messages;
    uint32_t bytes;
    uint32_t warmup_s;
    uint32_t duration_s;
    bool stamp;
    bool release_buffers;
    bool quiet;
};

/* LIVE: has subscribed to something, takes part in the ticks. */
enum conn_state { CONN_FREE, CONN_HANDSHAKE, CONN_UPGRADE, CONN_OPEN, CONN_LIVE };

struct conn {
    enum conn_state state;
    int fd;
    SSL *ssl;
    bool choked; /* the prepared buffer is under way: only it may be written */
    struct buf in;
    struct buf out; /* upgrade answer, acks, pongs: goes before the next prepared buffer */
    struct ws_parser parser;
};

struct counts {
    uint64_t ticks;
    uint64_t late_ticks; /* began after the next one was due */
    uint64_t flushes;
    uint64_t choked;
    uint64_t lost;
};

struct ceiling {
    struct settings set;
    SSL_CTX *tls;
    int epoll;
    int listener;
    uint32_t live;
    struct conn *conns;
    struct buf frames;    /* what every tick sends */
    uint32_t *stamps;     /* offsets of the stamps in it */
    struct counts counts; /* of the phase */
    char tls_name[96];
    bool ktls;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* A book update with as many levels as fit, blanks after the last. p == s: in order for whoever
 * checks. */
static void put_message(struct ceiling *c, struct buf *text)
{
    static const char head[] = "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":"
                               "\"BTC/USD\",\"bids\":[";
    static const char level[] = "{\"price\":49999.5,\"qty\":0.20000000}";
    static const char middle[] = "],\"asks\":[],\"checksum\":2895318017";
    static const char stamp[] = ",\"timestamp\":\"2026-11-20T23:51:47.201337Z\"";
    static const char tail[] = "}],\"gw\":{\"s\":1,\"p\":1,\"n\":1}}";
    size_t fixed = sizeof head + sizeof middle + sizeof tail + sizeof stamp;
    size_t fill = c->set.bytes > fixed ? c->set.bytes - fixed : 0;

    buf_reset(text);
    buf_append(text, head, sizeof head - 1);
    for (size_t used = 0; used + sizeof level < fill; used += sizeof level) {
        buf_puts(text, used == 0 ? "" : ",");
        buf_append(text, level, sizeof level - 1);
    }
    buf_append(text, middle, sizeof middle - 1);
    if (c->set.stamp) {
        buf_append(text, stamp, sizeof stamp - 1);
    }
    while (text->len + sizeof tail - 1 < c->set.bytes) {
        buf_putc(text, ' ');
    }
    buf_append(text, tail, sizeof tail - 1);
}

static void prepare_frames(struct ceiling *c)
{
    struct buf text = {0};

    put_message(c, &text);
    c->stamps = gw_calloc(c->set.messages, sizeof *c->stamps);
    for (uint32_t i = 0; i < c->set.messages; i++) {
        const char *at;

        ws_frame_put(&c->frames, WS_OP_TEXT, text.data, text.len, NULL);
        at = memmem(text.data, text.len, "\"timestamp\":\"", 13);
        if (at != NULL) {
            c->stamps[i] = (uint32_t)(c->frames.len - text.len + (size_t)(at - text.data) + 13);
        }
    }
    buf_fini(&text);
}

static void stamp_frames(struct ceiling *c)
{
    char room[64];
    struct buf text = {room, 0, sizeof room};

    buf_rfc3339(&text, process_clock_ns(CLOCK_REALTIME), 6);
    GW_ASSERT(text.len == STAMP_CHARS && text.data == room);
    for (uint32_t i = 0; i < c->set.messages; i++) {
        memcpy(c->frames.data + c->stamps[i], text.data, STAMP_CHARS);
    }
}

static void conn_close(struct ceiling *c, struct conn *n)
{
    if (n->state == CONN_LIVE) {
        c->live--;
        c->counts.lost++;
    }
    SSL_free(n->ssl);
    (void)close(n->fd);
    ws_parser_fini(&n->parser);
    buf_fini(&n->in);
    buf_fini(&n->out);
    *n = (struct conn){.fd = -1};
}

static void watch(struct ceiling *c, struct conn *n, bool writable)
{
    struct epoll_event e = {.events = (uint32_t)EPOLLIN | (writable ? (uint32_t)EPOLLOUT : 0),
                            .data.ptr = n};

    GW_ASSERT(epoll_ctl(c->epoll, EPOLL_CTL_MOD, n->fd, &e) == 0);
}

/* One SSL_write. 1: all is out; 0: later; -1: the connection is gone. */
static int conn_write(struct ceiling *c, struct conn *n, const void *data, size_t len)
{
    size_t sent = 0;
    int error;

    ERR_clear_error();
    if (SSL_write_ex(n->ssl, data, len, &sent) == 1) {
        return 1;
    }
    error = SSL_get_error(n->ssl, 0);
    if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) {
        return 0;
    }
    conn_close(c, n);
    return -1;
}

/* false: the connection is gone. Small answers are rare: what does not fit is retried at EPOLLOUT.
 */
static bool flush_out(struct ceiling *c, struct conn *n)
{
    int done;

    if (n->choked || n->out.len == 0) {
        return true;
    }
    done = conn_write(c, n, n->out.data, n->out.len);
    if (done < 0) {
        return false;
    }
    if (done > 0) {
        buf_reset(&n->out);
    }
    watch(c, n, done == 0);
    return true;
}

static void tick(struct ceiling *c)
{
    if (c->set.stamp) {
        stamp_frames(c);
    }
    c->counts.ticks++;
    for (uint32_t i = 0; i < c->set.connections; i++) {
        struct conn *n = &c->conns[i];
        int done;

        if (n->state != CONN_LIVE) {
            continue;
        }
        if (n->choked || n->out.len != 0) {
            c->counts.choked++;
            continue;
        }
        done = conn_write(c, n, c->frames.data, c->frames.len);
        c->counts.flushes += done > 0;
        if (done == 0) {
            n->choked = true;
            watch(c, n, true);
        }
    }
}

static void on_writable(struct ceiling *c, struct conn *n)
{
    if (n->choked) {
        int done = conn_write(c, n, c->frames.data, c->frames.len);

        if (done <= 0) {
            return;
        }
        c->counts.flushes++;
        n->choked = false;
        watch(c, n, false);
    }
    (void)flush_out(c, n);
}

/* One header block, nothing behind it: a client speaks again only after the answer. */
static bool step_upgrade(struct ceiling *c, struct conn *n)
{
    const char *end = memmem(n->in.data, n->in.len, "\r\n\r\n", 4);
    char key[WS_KEY_CHARS + 1] = "";
    char accept[WS_ACCEPT_CHARS + 1];
    const char *value;
    size_t len;

    if (end == NULL) {
        return true;
    }
    if (memcmp(n->in.data, "GET ", 4) != 0 ||
        !ws_header(n->in.data, (size_t)(end - n->in.data) + 2, "Sec-WebSocket-Key", &value, &len) ||
        len != WS_KEY_CHARS) {
        conn_close(c, n);
        return false;
    }
    memcpy(key, value, len);
    ws_upgrade_accept(key, accept);
    buf_printf(&n->out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n",
               accept);
    buf_reset(&n->in);
    ws_parser_init(&n->parser, INPUT_MAX, true);
    n->state = CONN_OPEN;
    return flush_out(c, n);
}

/* Whatever the client says is acknowledged, nothing is looked at. */
static bool step_frames(struct ceiling *c, struct conn *n)
{
    static const char ack[] = "{\"method\":\"subscribe\",\"success\":true}";
    /* The book that the updates change: clients check that a snapshot comes first. */
    static const char snapshot[] =
        "{\"channel\":\"book\",\"type\":\"snapshot\",\"data\":[{\"symbol\":\"BTC/USD\",\"bids\":[],"
        "\"asks\":[],\"checksum\":0,\"timestamp\":\"2026-11-20T23:51:47.000000Z\"}],\"gw\":{\"e\":"
        "\"ceiling\",\"s\":1,\"p\":null}}";
    struct ws_event e;
    size_t used = 0;
    enum ws_parse got;

    while ((got = ws_parser_next(&n->parser, n->in.data, n->in.len, &used, &e)) == WS_PARSE_EVENT) {
        if (e.op == WS_OP_CLOSE) {
            conn_close(c, n);
            return false;
        }
        if (e.op == WS_OP_TEXT && n->out.len < INPUT_MAX) {
            c->live += n->state == CONN_OPEN;
            n->state = CONN_LIVE;
            ws_frame_put(&n->out, WS_OP_TEXT, ack, sizeof ack - 1, NULL);
            ws_frame_put(&n->out, WS_OP_TEXT, snapshot, sizeof snapshot - 1, NULL);
        }
    }
    if (got == WS_PARSE_ERROR) {
        conn_close(c, n);
        return false;
    }
    memmove(n->in.data, n->in.data + used, n->in.len - used);
    n->in.len -= used;
    return flush_out(c, n);
}

static void on_readable(struct ceiling *c, struct conn *n)
{
    for (;;) {
        size_t got = 0;

        ERR_clear_error();
        if (n->in.len >= 2 * INPUT_MAX) {
            conn_close(c, n);
            return;
        }
        if (SSL_read_ex(n->ssl, buf_room(&n->in, INPUT_MAX), INPUT_MAX, &got) != 1) {
            int error = SSL_get_error(n->ssl, 0);

            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
                conn_close(c, n);
            }
            return;
        }
        n->in.len += got;
        if (!(n->state == CONN_UPGRADE ? step_upgrade(c, n) : step_frames(c, n))) {
            return;
        }
    }
}

static void on_handshake(struct ceiling *c, struct conn *n)
{
    int result;
    int error;

    ERR_clear_error();
    result = SSL_do_handshake(n->ssl);
    if (result == 1) {
        n->state = CONN_UPGRADE;
        c->ktls = BIO_get_ktls_send(SSL_get_wbio(n->ssl)) != 0;
        (void)snprintf(c->tls_name, sizeof c->tls_name, "%s %s", SSL_get_version(n->ssl),
                       SSL_get_cipher_name(n->ssl));
        watch(c, n, false);
        on_readable(c, n);
        return;
    }
    error = SSL_get_error(n->ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        conn_close(c, n);
        return;
    }
    watch(c, n, error == SSL_ERROR_WANT_WRITE);
}

static void on_accept(struct ceiling *c)
{
    for (;;) {
        int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event e = {.events = EPOLLIN};
        struct conn *n = NULL;
        int on = 1;

        if (fd < 0) {
            return;
        }
        for (uint32_t i = 0; i < c->set.connections && n == NULL; i++) {
            n = c->conns[i].state == CONN_FREE ? &c->conns[i] : NULL;
        }
        if (n == NULL) {
            (void)close(fd); /* more than --connections */
            continue;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        *n = (struct conn){.state = CONN_HANDSHAKE, .fd = fd, .ssl = SSL_new(c->tls)};
        GW_ASSERT(n->ssl != NULL && SSL_set_fd(n->ssl, fd) == 1);
        SSL_set_accept_state(n->ssl);
        e.data.ptr = n;
        GW_ASSERT(epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) == 0);
    }
}

static void poll_once(struct ceiling *c, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(c->epoll, events, EVENTS_MAX, timeout_ms);

    for (int i = 0; i < count; i++) {
        struct conn *n = events[i].data.ptr;

        if (n == NULL) {
            on_accept(c);
        } else if (n->state == CONN_HANDSHAKE) {
            on_handshake(c, n);
        } else if (n->state != CONN_FREE) {
            if ((events[i].events & EPOLLOUT) != 0) {
                on_writable(c, n);
            }
            if (n->state != CONN_FREE && (events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
                on_readable(c, n);
            }
        }
    }
}

static void say(const struct ceiling *c, int64_t now, int64_t *said_ns, const char *phase)
{
    if (c->set.quiet || now - *said_ns < SECOND_NS) {
        return;
    }
    *said_ns = now;
    fprintf(stderr, "ceiling: %-7s connections %u/%u  ticks %llu  flushes %llu  choked %llu\n",
            phase, c->live, c->set.connections, (unsigned long long)c->counts.ticks,
            (unsigned long long)c->counts.flushes, (unsigned long long)c->counts.choked);
}

static void run_ticks(struct ceiling *c, uint32_t seconds, const char *phase)
{
    int64_t interval = (int64_t)c->set.interval_ms * 1000000;
    int64_t now = process_clock_ns(CLOCK_MONOTONIC);
    int64_t end = now + (int64_t)seconds * SECOND_NS;
    int64_t due = now;
    int64_t said = now;

    c->counts = (struct counts){0};
    while (now < end && !stop && c->live != 0) {
        if (now >= due) {
            tick(c);
            due += interval;
            now = process_clock_ns(CLOCK_MONOTONIC);
            if (due < now) {
                c->counts.late_ticks += interval != 0;
                due = now;
            }
        }
        poll_once(c, due > now ? (int)((due - now + 999999) / 1000000) : 0);
        now = process_clock_ns(CLOCK_MONOTONIC);
        say(c, now, &said, phase);
    }
}

static void print_result(const struct ceiling *c, uint64_t cpu, int64_t window_ns, uint32_t began)
{
    const struct counts *n = &c->counts;
    uint64_t messages = n->flushes * c->set.messages;
    uint64_t window_us = window_ns > 0 ? (uint64_t)window_ns / 1000 : 1;
    struct buf out = {0};

    buf_printf(&out,
               "{\"connections\":%u,\"messages_per_flush\":%u,\"message_bytes\":%u,"
               "\"flush_bytes\":%zu,\"interval_ms\":%u,\"stamp\":%s,\"release_buffers\":%s,"
               "\"tls\":\"%s\",\"ktls\":%s",
               began, c->set.messages, c->set.bytes, c->frames.len, c->set.interval_ms,
               c->set.stamp ? "true" : "false", c->set.release_buffers ? "true" : "false",
               c->tls_name, c->ktls ? "true" : "false");
    buf_printf(&out,
               ",\"window_us\":%llu,\"ticks\":%llu,\"late_ticks\":%llu,\"flushes\":%llu,"
               "\"choked\":%llu,\"lost\":%llu,\"bytes\":%llu,\"messages\":%llu,\"cpu_seconds\":",
               (unsigned long long)window_us, (unsigned long long)n->ticks,
               (unsigned long long)n->late_ticks, (unsigned long long)n->flushes,
               (unsigned long long)n->choked, (unsigned long long)n->lost,
               (unsigned long long)(n->flushes * c->frames.len), (unsigned long long)messages);
    buf_fixed(&out, (int64_t)cpu, 6);
    buf_lit(&out, ",\"cpu_percent\":");
    buf_fixed(&out, (int64_t)(cpu * 10000 / window_us), 2);
    buf_lit(&out, ",\"cpu_us_per_flush\":");
    buf_fixed(&out, n->flushes != 0 ? (int64_t)(cpu * 1000 / n->flushes) : 0, 3);
    buf_printf(&out, ",\"flushes_per_s\":%llu,\"messages_per_s\":%llu}",
               (unsigned long long)(n->flushes * 1000000 / window_us),
               (unsigned long long)(messages * 1000000 / window_us));
    puts(buf_cstr(&out));
    (void)fflush(stdout);
    buf_fini(&out);
}

static int run(struct ceiling *c)
{
    int64_t said = process_clock_ns(CLOCK_MONOTONIC);
    int64_t begin_ns;
    uint64_t begin_us;
    uint32_t began;

    while (c->live < c->set.connections && !stop) {
        poll_once(c, 100);
        say(c, process_clock_ns(CLOCK_MONOTONIC), &said, "accept");
    }
    run_ticks(c, c->set.warmup_s, "warm-up");
    began = c->live;
    begin_ns = process_clock_ns(CLOCK_MONOTONIC);
    begin_us = process_cpu_us();
    run_ticks(c, c->set.duration_s, "measure");
    print_result(c, process_cpu_us() - begin_us, process_clock_ns(CLOCK_MONOTONIC) - begin_ns,
                 began);
    return stop || c->counts.lost != 0 ? 1 : 0;
}

static bool open_listener(struct ceiling *c)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    const char *colon = strrchr(c->set.listen, ':');
    char host[INET_ADDRSTRLEN] = "";
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    socklen_t size = sizeof at;
    uint64_t port = 0;
    int on = 1;

    if (colon != NULL && (size_t)(colon - c->set.listen) < sizeof host) {
        memcpy(host, c->set.listen, (size_t)(colon - c->set.listen));
    }
    if (colon == NULL || u64_parse(colon + 1, strlen(colon + 1), &port) != GW_OK || port > 65535 ||
        inet_pton(AF_INET, host, &at.sin_addr) != 1) {
        fprintf(stderr, "ceiling: --listen '%s': give IPv4:PORT, for example 127.0.0.1:9443\n",
                c->set.listen);
        return false;
    }
    at.sin_port = htons((uint16_t)port);
    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(c->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(c->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(c->listener, 4096) != 0) {
        fprintf(stderr, "ceiling: %s: %s: choose another --listen\n", c->set.listen,
                strerror(errno));
        return false;
    }
    (void)getsockname(c->listener, (struct sockaddr *)&at, &size);
    fprintf(stderr, "ceiling: listening on %s:%u\n", host, ntohs(at.sin_port));
    return epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->listener, &e) == 0;
}

/* As the gateway sets up its own context, so that the comparison is fair. */
static bool open_tls(struct ceiling *c)
{
    c->tls = SSL_CTX_new(TLS_server_method());
    GW_ASSERT(c->tls != NULL);
    SSL_CTX_set_min_proto_version(c->tls, TLS1_3_VERSION);
    SSL_CTX_set_options(c->tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_ENABLE_KTLS |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(c->tls, 0);
    SSL_CTX_set_mode(c->tls, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (c->set.release_buffers) {
        SSL_CTX_set_mode(c->tls, SSL_MODE_RELEASE_BUFFERS);
    }
    if (SSL_CTX_use_certificate_chain_file(c->tls, c->set.cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(c->tls, c->set.key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(c->tls) != 1) {
        char why[160];

        ERR_error_string_n(ERR_get_error(), why, sizeof why);
        fprintf(stderr, "ceiling: --cert %s --key %s: %s: give PEM files (--help shows how)\n",
                c->set.cert, c->set.key, why);
        return false;
    }
    return true;
}

enum option_kind { KIND_TEXT, KIND_FLAG, KIND_NUMBER, KIND_HELP };

/* clang-format off */
#define AT(member) offsetof(struct settings, member)
static const struct option_row {
    const char *name;
    enum option_kind kind;
    size_t at;
    uint32_t min;
    uint32_t max;
} rows[] = {
    {"cert",            KIND_TEXT,   AT(cert),            0,   0},
    {"key",             KIND_TEXT,   AT(key),             0,   0},
    {"listen",          KIND_TEXT,   AT(listen),          0,   0},
    {"connections",     KIND_NUMBER, AT(connections),     1,   100000},
    {"interval-ms",     KIND_NUMBER, AT(interval_ms),     0,   10000},
    {"messages",        KIND_NUMBER, AT(messages),        1,   1000},
    {"bytes",           KIND_NUMBER, AT(bytes),           300, 65536},
    {"warmup",          KIND_NUMBER, AT(warmup_s),        0,   3600},
    {"duration",        KIND_NUMBER, AT(duration_s),      1,   86400},
    {"stamp",           KIND_FLAG,   AT(stamp),           0,   0},
    {"release-buffers", KIND_FLAG,   AT(release_buffers), 0,   0},
    {"quiet",           KIND_FLAG,   AT(quiet),           0,   0},
    {"help",            KIND_HELP,   0,                   0,   0},
};
/* clang-format on */

static bool apply_number(const struct option_row *row, const char *text, uint32_t *out)
{
    uint64_t v;

    if (u64_parse(text, strlen(text), &v) == GW_OK && v >= row->min && v <= row->max) {
        *out = (uint32_t)v;
        return true;
    }
    fprintf(stderr, "ceiling: --%s '%s': give a whole number from %u to %u\n", row->name, text,
            row->min, row->max);
    return false;
}

/* -1: run; otherwise the exit status. */
static int parse_options(struct settings *s, int argc, char **argv)
{
    struct option options[GW_LEN(rows) + 1] = {{0}};
    int i;

    for (unsigned r = 0; r < GW_LEN(rows); r++) {
        bool argument = rows[r].kind == KIND_TEXT || rows[r].kind == KIND_NUMBER;

        options[r] = (struct option){rows[r].name, argument, NULL, (int)r};
    }
    while ((i = getopt_long(argc, argv, "", options, NULL)) >= 0 && i < (int)GW_LEN(rows)) {
        void *at = (char *)s + rows[i].at;

        if (rows[i].kind == KIND_HELP) {
            fputs(help, stdout);
            return 0;
        }
        if (rows[i].kind == KIND_TEXT) {
            *(const char **)at = optarg;
        } else if (rows[i].kind == KIND_FLAG) {
            *(bool *)at = true;
        } else if (!apply_number(&rows[i], optarg, at)) {
            return 2;
        }
    }
    if (i != -1 || s->cert == NULL || s->key == NULL || optind != argc) {
        fputs("ceiling: --cert and --key are needed and nothing but options: see ceiling --help\n",
              stderr);
        return 2;
    }
    return -1;
}

int main(int argc, char **argv)
{
    static struct ceiling c = {.set = {.listen = "127.0.0.1:9443",
                                       .connections = 1000,
                                       .interval_ms = 50,
                                       .messages = 1,
                                       .bytes = 400,
                                       .warmup_s = 2,
                                       .duration_s = 10}};
    struct sigaction action = {.sa_handler = on_signal};
    int status = parse_options(&c.set, argc, argv);

    if (status >= 0) {
        return status;
    }
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
    c.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (c.epoll < 0 || !process_raise_fds(c.set.connections, "ceiling") || !open_tls(&c) ||
        !open_listener(&c)) {
        return 2;
    }
    c.conns = gw_calloc(c.set.connections, sizeof *c.conns);
    prepare_frames(&c);
    status = run(&c);
    for (uint32_t i = 0; i < c.set.connections; i++) {
        if (c.conns[i].state != CONN_FREE) {
            conn_close(&c, &c.conns[i]);
        }
    }
    free(c.conns);
    free(c.stamps);
    buf_fini(&c.frames);
    SSL_CTX_free(c.tls);
    return status;
}
