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

#define READ_BYTES       262144u
#define MESSAGE_MAX      (8u << 20)
#define FINISH_READS     2048u /* records of a stalled session: more than any buffer holds */
#define CLOSE_NORMAL     1000u
#define CLOSE_GOING_AWAY 1001u

/* Why a session connects: what its success and its failure count as. */
enum trip { TRIP_FIRST, TRIP_RETURN, TRIP_CHURN };

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
    enum trip trip;
    struct wf_memory memory;
    int64_t began_ns;   /* the connect; of a LEAVING session the leave */
    int64_t stalled_ns; /* when it was told not to read */
    char key[WS_KEY_CHARS + 1];
};

static const unsigned wf_next[WF_STATE_COUNT] = {
    [WF_IDLE] = 1u << WF_CONNECTING | 1u << WF_CLOSED,
    [WF_CONNECTING] = 1u << WF_HANDSHAKE | 1u << WF_WAITING | 1u << WF_CLOSED,
    [WF_HANDSHAKE] = 1u << WF_UPGRADE | 1u << WF_WAITING | 1u << WF_CLOSED,
    [WF_UPGRADE] = 1u << WF_OPEN | 1u << WF_WAITING | 1u << WF_CLOSED,
    [WF_OPEN] = 1u << WF_STALLED | 1u << WF_LEAVING | 1u << WF_WAITING | 1u << WF_CLOSED,
    [WF_STALLED] = 1u << WF_OPEN | 1u << WF_WAITING | 1u << WF_CLOSED,
    [WF_LEAVING] = 1u << WF_WAITING,
    [WF_WAITING] = 1u << WF_CONNECTING,
};

static void set_state(struct wf_flood *f, struct wf_session *s, enum wf_state next)
{
    GW_ASSERT((wf_next[s->state] & 1u << next) != 0);
    f->in_state[s->state]--;
    f->in_state[next]++;
    s->state = next;
}

static uint64_t next_random(struct wf_flood *f)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random;
}

static void wait_until(struct wf_flood *f, struct wf_session *s, int64_t at_ns)
{
    wf_due_offer(&f->due, at_ns, (uint32_t)(s - f->sessions));
    set_state(f, s, WF_WAITING);
}

void wf_flood_init(struct wf_flood *f, const struct wf_options *o, struct wf_stats *stats)
{
    bool v6 = strchr(o->host, ':') != NULL;

    *f = (struct wf_flood){.options = o, .stats = stats, .epoll = -1};
    f->sessions = gw_calloc(o->sessions, sizeof *f->sessions);
    f->due.rows = gw_calloc(o->sessions, sizeof *f->due.rows);
    f->in_state[WF_IDLE] = o->sessions;
    f->requests = gw_calloc(o->spec_count, sizeof *f->requests);
    for (uint32_t i = 0; i < o->spec_count; i++) {
        wf_options_request(o, &o->specs[i], i + 1, NULL, &f->requests[i]);
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
    s->out_sent = 0;
    s->wants_write = false;
}

void wf_flood_fini(struct wf_flood *f)
{
    for (uint32_t i = 0; i < f->options->sessions; i++) {
        release(&f->sessions[i]);
        wf_memory_fini(&f->sessions[i].memory);
    }
    free(f->sessions);
    free(f->due.rows);
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

static void come_back(struct wf_flood *f, struct wf_session *s)
{
    uint32_t wait_ms = wf_memory_backoff_ms(&s->memory, next_random(f));

    wait_until(f, s, process_clock_ns(CLOCK_MONOTONIC) + wait_ms * 1000000ll);
}

/* Before it was open. */
static void fail(struct wf_flood *f, struct wf_session *s, const char *what, const char *why)
{
    struct wf_stats *stats = f->stats;

    release(s);
    if (s->trip == TRIP_RETURN) {
        wf_note_failure(stats->returns.first_failure, what, why);
        stats->returns.attempts_failed++;
        come_back(f, s);
        return;
    }
    wf_note_failure(stats->first_failure, what, why);
    if (s->trip == TRIP_CHURN) {
        stats->churn.failed++;
        if (f->options->resume) {
            come_back(f, s);
            return;
        }
    } else {
        f->settled++;
    }
    stats->failed++;
    set_state(f, s, WF_CLOSED);
}

static void closed(struct wf_flood *f, struct wf_session *s)
{
    uint32_t code = s->close_code != 0 ? s->close_code : WS_CLOSE_ABNORMAL;
    struct wf_memory *m = &s->memory;

    f->stats->all.closes++;
    if (m->slow) {
        f->stats->closes_stalled[code]++;
        f->stats->stalls.evict_notices += m->evict_read ? 1 : 0;
        hist_record(f->stats->stalls.to_close,
                    (uint64_t)(process_clock_ns(CLOCK_MONOTONIC) - s->stalled_ns));
    } else {
        f->stats->closes[code]++;
        f->stats->owing += m->owes ? 0 : 1;
        m->owes = true;
    }
    release(s);
    if (!f->options->resume || f->ending || !wf_may_come_back(code)) {
        f->stats->returns.given_up += f->options->resume && !f->ending ? 1 : 0;
        set_state(f, s, WF_CLOSED);
        return;
    }
    s->trip = TRIP_RETURN;
    if (m->closed_ns == 0) {
        m->closed_ns = process_clock_ns(CLOCK_REALTIME);
    }
    come_back(f, s);
}

static void left(struct wf_flood *f, struct wf_session *s)
{
    f->stats->churn.closed++;
    release(s);
    wf_memory_clear(f->stats, &s->memory);
    s->trip = TRIP_CHURN;
    wait_until(f, s, process_clock_ns(CLOCK_MONOTONIC));
}

static void lost(struct wf_flood *f, struct wf_session *s, const char *why)
{
    switch (s->state) {
    case WF_OPEN:
    case WF_STALLED:
        closed(f, s);
        break;
    case WF_LEAVING:
        left(f, s);
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
    /* A mask must be unpredictable to protect proxies on the way; there are none between us and our
     * server. */
    uint64_t random = next_random(f);
    unsigned char mask[4];

    memcpy(mask, &random, sizeof mask);
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
    s->close_code = 0;
    f->stats->returns.attempts += s->trip == TRIP_RETURN ? 1 : 0;
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

/* A session that was closed asks for what it missed: one request for each epoch of its streams. */
static void resubscribe(struct wf_flood *f, struct wf_session *s, uint32_t number)
{
    const struct wf_spec *spec = &f->options->specs[number];
    const struct wf_cursor *cursors = s->memory.cursors;

    for (uint32_t i = spec->first; i < spec->first + spec->count; i++) {
        struct wf_resume resume = {.session = s->memory.session,
                                   .epoch = f->stats->epochs[cursors[i].epoch],
                                   .epoch_id = cursors[i].epoch,
                                   .cursors = cursors};
        uint32_t same = spec->first;

        while (cursors[same].epoch != resume.epoch_id) {
            same++;
        }
        if (same == i) { /* else an earlier stream has brought this one along */
            buf_reset(&f->scratch);
            wf_options_request(f->options, spec, number + 1, &resume, &f->scratch);
            put_frame(f, s, WS_OP_TEXT, f->scratch.data, f->scratch.len);
        }
    }
}

static void subscribe(struct wf_flood *f, struct wf_session *s)
{
    const struct wf_options *o = f->options;
    uint32_t index = (uint32_t)(s - f->sessions);

    for (uint32_t i = 0; i < o->spec_count; i++) {
        if (o->spread && i != index % o->spec_count) {
            continue;
        }
        if (s->trip == TRIP_RETURN && s->memory.session[0] != '\0') {
            resubscribe(f, s, i);
        } else {
            put_frame(f, s, WS_OP_TEXT, f->requests[i].data, f->requests[i].len);
        }
    }
}

static void opened(struct wf_flood *f, struct wf_session *s)
{
    struct wf_stats *stats = f->stats;
    uint64_t took_ns = (uint64_t)(process_clock_ns(CLOCK_MONOTONIC) - s->began_ns);

    set_state(f, s, WF_OPEN);
    switch (s->trip) {
    case TRIP_FIRST:
        hist_record(stats->connect, took_ns);
        stats->opened++;
        f->settled++;
        wf_memory_clear(stats, &s->memory);
        break;
    case TRIP_RETURN:
        hist_record(stats->returns.connect, took_ns);
        stats->all.reconnects++;
        wf_memory_reopen(stats, &s->memory, process_clock_ns(CLOCK_REALTIME));
        break;
    default:
        hist_record(stats->churn.connect, took_ns);
        stats->churn.opened++;
        break;
    }
    subscribe(f, s);
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
    opened(f, s);
    return flush(f, s);
}

/* false: the session is gone. */
static bool on_frame(struct wf_flood *f, struct wf_session *s, const struct ws_event *e,
                     int64_t now_ns)
{
    switch (e->op) {
    case WS_OP_TEXT:
        if (s->state != WF_LEAVING) {
            wf_stats_message(f->stats, &s->memory, e->data, e->len, now_ns);
        }
        return true;
    case WS_OP_PING:
        put_frame(f, s, WS_OP_PONG, e->data, e->len);
        return flush(f, s);
    case WS_OP_CLOSE:
        if (s->state == WF_LEAVING) { /* the answer to ours */
            tls_shutdown(s->tls);
            left(f, s);
            return false;
        }
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
        fprintf(stderr, "\nwsflood: the server broke the WebSocket protocol: %s\n",
                s->parser.error);
        lost(f, s, "broken WebSocket protocol");
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
        if (s->state == WF_OPEN || s->state == WF_STALLED) {
            f->stats->all.bytes += got;
            f->stats->all.reads++;
        }
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

/* A stalled session whose peer has ended, or at the end of the run: what it still has, for the
 * server's last words. */
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
    case WF_LEAVING:
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

void wf_flood_start_due(struct wf_flood *f, int64_t now_ns, uint32_t max)
{
    while (wf_due_next(&f->due) <= now_ns && wf_flood_connecting(f) < max) {
        wf_session_start(f, wf_due_take(&f->due), now_ns);
    }
}

void wf_session_expire(struct wf_flood *f, int64_t deadline_ns)
{
    if (wf_flood_connecting(f) + f->in_state[WF_LEAVING] == 0) {
        return;
    }
    for (uint32_t i = 0; i < f->options->sessions; i++) {
        struct wf_session *s = &f->sessions[i];

        if (s->began_ns >= deadline_ns) {
            continue;
        }
        if (s->state >= WF_CONNECTING && s->state <= WF_UPGRADE) {
            lost(f, s, "no answer in time: the server is overloaded or the rate too high");
        } else if (s->state == WF_LEAVING) {
            f->stats->churn.unanswered++;
            left(f, s);
        }
    }
}

void wf_session_stall(struct wf_flood *f, uint32_t count)
{
    int64_t now_ns = process_clock_ns(CLOCK_MONOTONIC);

    for (uint32_t i = 0; i < f->options->sessions && count != 0; i++) {
        struct wf_session *s = &f->sessions[i];

        if (s->state == WF_OPEN) {
            s->stalled_ns = now_ns;
            s->memory.slow = true;
            s->memory.live_from_ns = INT64_MAX;
            set_state(f, s, WF_STALLED);
            watch(f, s);
            count--;
        }
    }
}

void wf_session_wake(struct wf_flood *f)
{
    int64_t now_ns = process_clock_ns(CLOCK_REALTIME);

    for (uint32_t i = 0; i < f->options->sessions; i++) {
        struct wf_session *s = &f->sessions[i];

        if (s->state == WF_STALLED) {
            s->memory.live_from_ns = now_ns;
            f->stats->stalls.woken++;
            set_state(f, s, WF_OPEN);
            watch(f, s);
        }
    }
}

static void put_close(struct wf_flood *f, struct wf_session *s, unsigned code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)(code & 0xff)};

    put_frame(f, s, WS_OP_CLOSE, payload, sizeof payload);
}

bool wf_session_churn(struct wf_flood *f, int64_t now_ns)
{
    for (uint32_t tried = 0; tried < f->options->sessions; tried++) {
        struct wf_session *s = &f->sessions[f->churn_next];

        f->churn_next = (f->churn_next + 1) % f->options->sessions;
        if (s->state == WF_OPEN && !s->memory.slow) {
            s->began_ns = now_ns;
            put_close(f, s, CLOSE_NORMAL);
            set_state(f, s, WF_LEAVING);
            (void)flush(f, s);
            return true;
        }
    }
    return false;
}

void wf_session_finish(struct wf_flood *f)
{
    f->ending = true;
    for (uint32_t i = 0; i < f->options->sessions; i++) {
        struct wf_session *s = &f->sessions[i];

        if (s->state == WF_STALLED) {
            drain(f, s);
        }
        if (s->state == WF_OPEN || s->state == WF_STALLED) {
            size_t sent;

            put_close(f, s, CLOSE_GOING_AWAY);
            (void)tls_write(s->tls, s->out.data + s->out_sent, s->out.len - s->out_sent, &sent);
            tls_shutdown(s->tls);
        }
    }
}
