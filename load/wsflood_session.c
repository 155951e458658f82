#include "load/wsflood_session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "load/ws_client.h"
#include "load/wsflood_process.h"

#define READ_BYTES  262144u
#define MESSAGE_MAX (8u << 20)
#define FINISH_READS                                                                               \
    2048u /* records read of a stalled session at the end: more than any receive buffer */
#define CLOSE_GOING_AWAY 1001u

struct wf_session {
    enum wf_state state;
    int fd;
    bool wants_write;
    uint16_t close_code; /* of the server's close frame; 0: none yet */
    struct tls_conn *tls;
    struct buf carry; /* bytes of an unfinished frame or upgrade answer */
    struct buf out;
    size_t out_sent;
    struct ws_parser parser;
    uint64_t *last_seq; /* one per stream */
    int64_t began_ns;
    char key[WS_KEY_CHARS + 1];
};

static const unsigned wf_next[WF_STATE_COUNT] = {
    [WF_IDLE] = 1u << WF_CONNECTING | 1u << WF_CLOSED,
    [WF_CONNECTING] = 1u << WF_HANDSHAKE | 1u << WF_CLOSED,
    [WF_HANDSHAKE] = 1u << WF_UPGRADE | 1u << WF_CLOSED,
    [WF_UPGRADE] = 1u << WF_OPEN | 1u << WF_CLOSED,
    [WF_OPEN] = 1u << WF_STALLED | 1u << WF_CLOSED,
    [WF_STALLED] = 1u << WF_CLOSED,
};

static void set_state(struct wf_flood *f, struct wf_session *s, enum wf_state next)
{
    GW_ASSERT((wf_next[s->state] & 1u << next) != 0);
    f->in_state[s->state]--;
    f->in_state[next]++;
    s->state = next;
}

/* A mask must be unpredictable to protect proxies on the way; there are none between us and our
 * server. */
static void random_mask(struct wf_flood *f, unsigned char mask[4])
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    memcpy(mask, &f->random, 4);
}

void wf_flood_init(struct wf_flood *f, const struct wf_options *o, struct wf_stats *stats)
{
    bool v6 = strchr(o->host, ':') != NULL;

    *f = (struct wf_flood){.options = o, .stats = stats, .epoll = -1};
    f->sessions = gw_calloc(o->sessions, sizeof *f->sessions);
    f->in_state[WF_IDLE] = o->sessions;
    f->requests = gw_calloc(o->spec_count, sizeof *f->requests);
    for (uint32_t i = 0; i < o->spec_count; i++) {
        wf_options_request(o, &o->specs[i], i + 1, &f->requests[i]);
    }
    for (uint32_t i = 0; i < o->sessions; i++) {
        f->sessions[i].fd = -1;
    }
    GW_ASSERT(getrandom(&f->random, sizeof f->random, 0) == (ssize_t)sizeof f->random);
    f->random |= 1;
    (void)snprintf(f->host_header, sizeof f->host_header, v6 ? "[%s]%s%s" : "%s%s%s", o->host,
                   strcmp(o->port, "443") == 0 ? "" : ":",
                   strcmp(o->port, "443") == 0 ? "" : o->port);
}

static void release(struct wf_session *s)
{
    tls_conn_destroy(&s->tls);
    if (s->fd >= 0) {
        (void)close(s->fd); /* leaves the epoll set with it */
        s->fd = -1;
    }
    ws_parser_fini(&s->parser);
    buf_fini(&s->carry);
    buf_fini(&s->out);
    free(s->last_seq);
    s->last_seq = NULL;
}

void wf_flood_fini(struct wf_flood *f)
{
    for (uint32_t i = 0; i < f->options->sessions; i++) {
        release(&f->sessions[i]);
    }
    free(f->sessions);
    for (uint32_t i = 0; i < f->options->spec_count; i++) {
        buf_fini(&f->requests[i]);
    }
    free(f->requests);
    buf_fini(&f->read);
    buf_fini(&f->scratch);
    if (f->epoll >= 0) {
        (void)close(f->epoll);
    }
    if (f->tls != NULL) {
        tls_client_destroy(&f->tls);
    }
}

/* Before it was open. */
static void fail(struct wf_flood *f, struct wf_session *s, const char *what, const char *why)
{
    if (f->stats->failed++ == 0) {
        (void)snprintf(f->stats->first_failure, sizeof f->stats->first_failure, "%s: %s", what,
                       why);
    }
    set_state(f, s, WF_CLOSED);
    release(s);
}

static void closed(struct wf_flood *f, struct wf_session *s)
{
    uint32_t code = s->close_code != 0 ? s->close_code : WS_CLOSE_ABNORMAL;

    if (s->state == WF_STALLED) {
        f->stats->closes_stalled[code]++;
    } else {
        f->stats->closes[code]++;
    }
    set_state(f, s, WF_CLOSED);
    release(s);
}

static void lost(struct wf_flood *f, struct wf_session *s, const char *why)
{
    switch (s->state) {
    case WF_OPEN:
    case WF_STALLED:
        closed(f, s);
        break;
    case WF_CONNECTING:
        fail(f, s, "connect", why);
        break;
    case WF_HANDSHAKE:
        fail(f, s, "TLS", why);
        break;
    default:
        fail(f, s, "upgrade", why);
        break;
    }
}

static void watch(struct wf_flood *f, struct wf_session *s)
{
    struct epoll_event e = {.events = s->state == WF_STALLED      ? (uint32_t)EPOLLRDHUP
                                      : s->state == WF_CONNECTING ? (uint32_t)EPOLLOUT
                                                                  : (uint32_t)EPOLLIN,
                            .data.ptr = s};

    if (s->wants_write && s->state != WF_STALLED) {
        e.events |= EPOLLOUT;
    }
    GW_ASSERT(epoll_ctl(f->epoll, EPOLL_CTL_MOD, s->fd, &e) == 0);
}

static void want_write(struct wf_flood *f, struct wf_session *s, bool wants)
{
    if (s->wants_write != wants) {
        s->wants_write = wants;
        watch(f, s);
    }
}

/* false: the session is gone. */
static bool flush(struct wf_flood *f, struct wf_session *s)
{
    size_t sent = 0;
    enum tls_io io = TLS_DONE;

    if (s->out_sent < s->out.len) {
        io = tls_write(s->tls, s->out.data + s->out_sent, s->out.len - s->out_sent, &sent);
        s->out_sent += sent;
    }
    if (io == TLS_CLOSED || io == TLS_FAILED) {
        lost(f, s, tls_error());
        return false;
    }
    if (s->out_sent == s->out.len) {
        buf_reset(&s->out);
        s->out_sent = 0;
    }
    want_write(f, s, io == TLS_WANT_WRITE);
    return true;
}

static void put_frame(struct wf_flood *f, struct wf_session *s, enum ws_op op, const void *data,
                      size_t len)
{
    unsigned char mask[4];

    random_mask(f, mask);
    ws_frame_put(&s->out, op, data, len, mask);
}

static void bind_source(struct wf_flood *f, struct wf_session *s, uint32_t index)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;

    if (f->options->sources == 0 || f->address.ss_family != AF_INET) {
        return;
    }
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index % f->options->sources);
    (void)setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    (void)bind(s->fd, (struct sockaddr *)&from, sizeof from); /* connect() reports what failed */
}

void wf_session_start(struct wf_flood *f, uint32_t index, int64_t now_ns)
{
    struct wf_session *s = &f->sessions[index];
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = s};
    int rcvbuf = (int)f->options->rcvbuf_bytes;
    int on = 1;

    set_state(f, s, WF_CONNECTING);
    s->began_ns = now_ns;
    s->fd = socket(f->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        fail(f, s, "socket", strerror(errno));
        return;
    }
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (rcvbuf != 0) {
        (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    }
    bind_source(f, s, index);
    if (connect(s->fd, (struct sockaddr *)&f->address, f->address_size) != 0 &&
        errno != EINPROGRESS) {
        fail(f, s, "connect", strerror(errno));
        return;
    }
    ws_parser_init(&s->parser, MESSAGE_MAX, false);
    GW_ASSERT(epoll_ctl(f->epoll, EPOLL_CTL_ADD, s->fd, &e) == 0);
}

static void step_handshake(struct wf_flood *f, struct wf_session *s)
{
    unsigned char random[16];
    enum tls_io io = tls_handshake(s->tls);

    if (io == TLS_WANT_READ || io == TLS_WANT_WRITE) {
        want_write(f, s, io == TLS_WANT_WRITE);
        return;
    }
    if (io != TLS_DONE) {
        fail(f, s, "TLS", io == TLS_CLOSED ? "the server closed" : tls_error());
        return;
    }
    if (f->tls_name[0] == '\0') {
        tls_describe(s->tls, f->tls_name, sizeof f->tls_name);
    }
    GW_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    ws_upgrade_key(random, s->key);
    ws_upgrade_request(&s->out, f->host_header, f->options->path, s->key);
    set_state(f, s, WF_UPGRADE);
    (void)flush(f, s);
}

static void step_connected(struct wf_flood *f, struct wf_session *s)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        fail(f, s, "connect", strerror(error));
        return;
    }
    s->tls = tls_conn_create(f->tls, s->fd, f->options->host);
    set_state(f, s, WF_HANDSHAKE);
    watch(f, s);
    step_handshake(f, s);
}

static void subscribe(struct wf_flood *f, struct wf_session *s)
{
    const struct wf_options *o = f->options;
    uint32_t index = (uint32_t)(s - f->sessions);

    for (uint32_t i = 0; i < o->spec_count; i++) {
        if (!o->spread || i == index % o->spec_count) {
            put_frame(f, s, WS_OP_TEXT, f->requests[i].data, f->requests[i].len);
        }
    }
}

/* The HTTP answer. false: not open yet, or gone. */
static bool finish_upgrade(struct wf_flood *f, struct wf_session *s, size_t *used)
{
    const char *error;
    unsigned status;
    char text[160];

    switch (ws_upgrade_response(f->read.data, f->read.len, s->key, used, &status, &error)) {
    case WS_PARSE_MORE:
        return false;
    case WS_PARSE_ERROR:
        (void)snprintf(text, sizeof text, "%s (HTTP status %u)", error, status);
        fail(f, s, "upgrade", text);
        return false;
    default:
        break;
    }
    set_state(f, s, WF_OPEN);
    hist_record(f->stats->connect, (uint64_t)(process_clock_ns(CLOCK_MONOTONIC) - s->began_ns));
    s->last_seq = gw_malloc((f->options->stream_count + 1) * sizeof *s->last_seq);
    memset(s->last_seq, 0xff, f->options->stream_count * sizeof *s->last_seq); /* WF_SEQ_NONE */
    subscribe(f, s);
    return flush(f, s);
}

/* false: the session is gone. */
static bool on_frame(struct wf_flood *f, struct wf_session *s, const struct ws_event *e,
                     int64_t now_ns)
{
    switch (e->op) {
    case WS_OP_TEXT:
        if (s->state == WF_OPEN) {
            wf_stats_message(f->stats, s->last_seq, e->data, e->len, now_ns);
        }
        return true;
    case WS_OP_PING:
        put_frame(f, s, WS_OP_PONG, e->data, e->len);
        return flush(f, s);
    case WS_OP_CLOSE:
        s->close_code = ws_close_code(e);
        put_frame(f, s, WS_OP_CLOSE, e->data, e->len < 2 ? 0 : 2);
        if (flush(f, s)) {
            tls_shutdown(s->tls);
            closed(f, s);
        }
        return false;
    default:
        return true;
    }
}

/* All whole frames of f->read; the rest is kept. false: the session is gone. */
static bool parse(struct wf_flood *f, struct wf_session *s, int64_t now_ns)
{
    struct ws_event e;
    size_t used = 0;
    enum ws_parse got;

    if (s->state == WF_UPGRADE && !finish_upgrade(f, s, &used)) {
        if (s->state == WF_UPGRADE) {
            buf_reset(&s->carry);
            buf_append(&s->carry, f->read.data, f->read.len);
        }
        return s->state == WF_UPGRADE;
    }
    while ((got = ws_parser_next(&s->parser, f->read.data, f->read.len, &used, &e)) ==
           WS_PARSE_EVENT) {
        if (!on_frame(f, s, &e, now_ns)) {
            return false;
        }
    }
    if (got == WS_PARSE_ERROR) {
        fprintf(stderr, "\nwsflood: the server broke the WebSocket protocol: %s\n",
                s->parser.error);
        closed(f, s);
        return false;
    }
    buf_reset(&s->carry);
    buf_append(&s->carry, f->read.data + used, f->read.len - used);
    return true;
}

/* One fill of the shared buffer. false: the session is gone. */
static bool read_once(struct wf_flood *f, struct wf_session *s, enum tls_io *io)
{
    size_t got = 0;

    buf_reset(&f->read);
    buf_append(&f->read, s->carry.data, s->carry.len);
    *io = tls_read(s->tls, buf_room(&f->read, READ_BYTES), READ_BYTES, &got);
    if (got != 0) {
        f->read.len += got;
        f->stats->all.bytes += s->state == WF_OPEN ? got : 0;
        f->stats->all.reads += s->state == WF_OPEN ? 1 : 0;
        if (!parse(f, s, process_clock_ns(CLOCK_REALTIME))) {
            return false;
        }
    }
    if (*io == TLS_CLOSED || *io == TLS_FAILED) {
        lost(f, s, *io == TLS_CLOSED ? "the server closed" : tls_error());
        return false;
    }
    return true;
}

/* What the event announced, and what TLS holds beyond it: no event will come for that. */
static void read_all(struct wf_flood *f, struct wf_session *s)
{
    enum tls_io io;

    while (read_once(f, s, &io) && io == TLS_DONE && tls_pending(s->tls)) {
    }
}

/* A stalled session whose peer has ended, or at the end of the run: only the close code matters. */
static void drain(struct wf_flood *f, struct wf_session *s)
{
    enum tls_io io;

    for (unsigned i = 0; i < FINISH_READS; i++) {
        if (!read_once(f, s, &io) || io != TLS_DONE) {
            return;
        }
    }
}

void wf_session_on_event(struct wf_flood *f, const struct epoll_event *event)
{
    struct wf_session *s = event->data.ptr;

    switch (s->state) {
    case WF_CONNECTING:
        step_connected(f, s);
        break;
    case WF_HANDSHAKE:
        step_handshake(f, s);
        break;
    case WF_UPGRADE:
    case WF_OPEN:
        if ((event->events & EPOLLOUT) != 0 && !flush(f, s)) {
            break;
        }
        if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            read_all(f, s);
        }
        break;
    case WF_STALLED:
        drain(f, s);
        if (s->state == WF_STALLED && (event->events & (EPOLLHUP | EPOLLERR)) != 0) {
            closed(f, s);
        }
        break;
    default:
        break; /* closed earlier in this batch */
    }
}

uint32_t wf_flood_connecting(const struct wf_flood *f)
{
    return f->in_state[WF_CONNECTING] + f->in_state[WF_HANDSHAKE] + f->in_state[WF_UPGRADE];
}

void wf_session_expire(struct wf_flood *f, int64_t deadline_ns)
{
    if (wf_flood_connecting(f) == 0) {
        return;
    }
    for (uint32_t i = 0; i < f->options->sessions; i++) {
        struct wf_session *s = &f->sessions[i];

        if (s->state >= WF_CONNECTING && s->state <= WF_UPGRADE && s->began_ns < deadline_ns) {
            lost(f, s, "no answer in time: the server is overloaded or the rate too high");
        }
    }
}

void wf_session_stall(struct wf_flood *f, uint32_t count)
{
    for (uint32_t i = 0; i < f->options->sessions && count != 0; i++) {
        struct wf_session *s = &f->sessions[i];

        if (s->state == WF_OPEN) {
            set_state(f, s, WF_STALLED);
            watch(f, s);
            count--;
        }
    }
}

void wf_session_finish(struct wf_flood *f)
{
    static const unsigned char going_away[2] = {CLOSE_GOING_AWAY >> 8, CLOSE_GOING_AWAY & 0xff};

    for (uint32_t i = 0; i < f->options->sessions; i++) {
        struct wf_session *s = &f->sessions[i];

        if (s->state == WF_STALLED) {
            drain(f, s);
        }
        if (s->state == WF_OPEN || s->state == WF_STALLED) {
            size_t sent;

            put_frame(f, s, WS_OP_CLOSE, going_away, sizeof going_away);
            (void)tls_write(s->tls, s->out.data + s->out_sent, s->out.len - s->out_sent, &sent);
            tls_shutdown(s->tls);
        }
    }
}
