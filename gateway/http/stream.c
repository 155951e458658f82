/* gateway/http/stream.c - streamed answers over libh2o 2.2.5.
 *
 * libh2o takes one h2o_send() at a time and asks for more with proceed(); it calls stop() when the
 * connection broke before the last one. It does not read while it answers, so it notices a reader that
 * left only by a failed write: here the socket is read on, what comes is thrown away. */
#include "gateway/http/stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include "gateway/base/buf.h"
#include "gateway/http/metrics.h"
#include "gateway/http/server_priv.h"
#include "gateway/runtime/clock.h"

#define NOISE_MAX    4096u  /* bytes a reader may send us meanwhile */
#define KEEP_MAX     16384u /* larger buffers are given back when they are empty */
#define KERNEL_BYTES 131072 /* of the socket's send buffer: bounds what a slow reader costs */

/* OPEN: its owner sends. ENDING: nobody sends any more, the rest is written. LAST: the last h2o_send()
 * was made; libh2o closes the connection when it is through. */
enum stream_state { STREAM_OPEN, STREAM_ENDING, STREAM_LAST };

struct http_stream {
    h2o_generator_t super; /* first: libh2o hands it back */
    h2o_req_t *req;
    struct http_conn *conn;
    enum stream_state state;
    bool busy; /* `flying` is under way */
    int64_t busy_since_ns;
    struct buf pending;
    struct buf flying;
    size_t input_size; /* of the socket's buffer: the request */
    size_t noise;
    void (*room)(void *arg);
    void *room_arg;
    void (*gone)(void *arg, enum http_stream_why why);
    void *gone_arg;
};

/* Sends what waits; the last time when the stream ends. S may be freed when this returns. */
static void pump(struct http_stream *s)
{
    h2o_iovec_t vec;
    bool last = s->state == STREAM_ENDING;
    struct buf empty;

    if (s->busy || s->state == STREAM_LAST || (s->pending.len == 0 && !last)) {
        return;
    }
    empty = s->flying;
    s->flying = s->pending;
    s->pending = empty;
    buf_reset(&s->pending);
    s->busy = true;
    s->busy_since_ns = clock_mono_ns();
    vec = h2o_iovec_init(s->flying.data, s->flying.len);
    if (last) {
        s->state = STREAM_LAST;
        h2o_socket_read_stop(s->conn->sock);
    }
    h2o_send(s->req, &vec, vec.len != 0 ? 1 : 0,
             last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void give_back(struct buf *b)
{
    if (b->cap > KEEP_MAX) {
        buf_fini(b);
    } else {
        buf_reset(b);
    }
}

static void on_proceed(h2o_generator_t *self, h2o_req_t *req)
{
    struct http_stream *s = (struct http_stream *)(void *)self;

    (void)req;
    s->busy = false;
    give_back(&s->flying);
    if (s->state == STREAM_OPEN && s->pending.len == 0) {
        if (s->room != NULL) {
            s->room(s->room_arg);
        }
        return; /* what it sent is under way */
    }
    pump(s);
}

/* The connection broke; stream_disposed() follows. */
static void on_stop(h2o_generator_t *self, h2o_req_t *req)
{
    struct http_stream *s = (struct http_stream *)(void *)self;

    (void)req;
    h2o_socket_read_stop(s->conn->sock);
}

static void count_end(struct http_stream *s, enum http_stream_why why)
{
    metrics_add(s->conn->server->metrics, HTTP_M_STREAM_ENDS, (unsigned)why, 1);
}

/* OPEN -> ENDING, for a reason that is not the owner's. */
static void finish(struct http_stream *s, enum http_stream_why why)
{
    GW_ASSERT(s->state == STREAM_OPEN);
    s->state = STREAM_ENDING;
    count_end(s, why);
    if (s->gone != NULL) {
        s->gone(s->gone_arg, why);
    }
}

/* No more bytes for this reader: what is under way fails, then libh2o closes. */
static void abandon(struct http_stream *s)
{
    buf_reset(&s->pending);
    http_conn_cut(s->conn);
    pump(s);
}

static void on_input(h2o_socket_t *sock, const char *err)
{
    const h2o_conn_t *conn = sock->data; /* libh2o's; a connection begins with it */
    struct http_server *server = H2O_STRUCT_FROM_MEMBER(struct http_server, context, conn->ctx);
    struct http_conn *c;
    struct http_stream *s;

    HASH_FIND_PTR(server->conns, &sock, c);
    GW_ASSERT(c != NULL && c->stream != NULL);
    s = c->stream;
    s->noise += sock->input->size - s->input_size;
    sock->input->size = s->input_size;
    if (err == NULL && s->noise <= NOISE_MAX) {
        return;
    }
    h2o_socket_read_stop(sock);
    if (s->state == STREAM_OPEN) {
        finish(s, err != NULL ? HTTP_STREAM_LEFT : HTTP_STREAM_NOISY);
    }
    abandon(s);
}

/* --- for its owner -----------------------------------------------------------------------------
 */

static void tune(struct http_conn *c)
{
    uv_os_fd_t fd;
    int bytes = KERNEL_BYTES;

    (void)uv_tcp_nodelay(&c->tcp, 1); /* small pieces, each of which somebody waits for */
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
}

void http_stream_start(struct http_req *r, unsigned status, const char *content_type,
                       struct http_stream **out)
{
    struct http_conn *c = r->conn;
    struct http_stream *s;

    *out = NULL;
    if (r->server->draining || c == NULL) {
        http_reply_problem(r, GW_EDRAIN, "this server is going down; connect again");
        return;
    }
    if (r->head) {
        http_reply(r, status, content_type, "", 0);
        return;
    }
    GW_ASSERT(c->stream == NULL);
    s = gw_calloc(1, sizeof *s);
    s->super.proceed = on_proceed;
    s->super.stop = on_stop;
    s->conn = c;
    s->req = http_req_answer(r, status, content_type, SIZE_MAX);
    s->req->http1_is_persistent = 0;
    s->input_size = c->sock->input->size;
    s->busy = true;
    s->busy_since_ns = clock_mono_ns();
    c->stream = s;
    metrics_add(r->server->metrics, HTTP_M_STREAMS, 0, 1);
    tune(c);
    h2o_start_response(s->req, &s->super);
    h2o_send(s->req, NULL, 0, H2O_SEND_STATE_IN_PROGRESS); /* the head */
    h2o_socket_read_start(c->sock, on_input);
    *out = s;
}

bool http_stream_send(struct http_stream *s, const void *data, size_t len)
{
    GW_ASSERT(s->state == STREAM_OPEN);
    if (len > http_stream_room(s)) {
        http_stream_cut(s);
        return false;
    }
    buf_append(&s->pending, data, len);
    pump(s);
    return true;
}

size_t http_stream_room(const struct http_stream *s)
{
    return HTTP_STREAM_BUFFER - s->pending.len;
}

bool http_stream_idle(const struct http_stream *s)
{
    return !s->busy && s->pending.len == 0;
}

void http_stream_on_room(struct http_stream *s, void (*room)(void *arg), void *arg)
{
    s->room = room;
    s->room_arg = arg;
}

void http_stream_on_gone(struct http_stream *s, void (*gone)(void *arg, enum http_stream_why why),
                         void *arg)
{
    s->gone = gone;
    s->gone_arg = arg;
}

void http_stream_cut(struct http_stream *s)
{
    s->gone = NULL;
    finish(s, HTTP_STREAM_SLOW);
    abandon(s);
}

void http_stream_end(struct http_stream *s)
{
    s->gone = NULL;
    finish(s, HTTP_STREAM_ENDED);
    pump(s);
}

/* --- for the server ----------------------------------------------------------------------------
 */

void stream_disposed(struct http_conn *c)
{
    struct http_stream *s = c->stream;

    c->stream = NULL;
    metrics_add(c->server->metrics, HTTP_M_STREAMS, 0, UINT64_MAX);
    if (s->state == STREAM_OPEN) {
        finish(s, HTTP_STREAM_LEFT);
    }
    buf_fini(&s->pending);
    buf_fini(&s->flying);
    free(s);
}

static void end_politely(struct http_stream *s, enum http_stream_why why)
{
    if (s->state == STREAM_OPEN) {
        finish(s, why);
        pump(s);
    }
}

void stream_drain(struct http_conn *c)
{
    end_politely(c->stream, HTTP_STREAM_DRAIN);
}

void stream_too_old(struct http_conn *c)
{
    end_politely(c->stream, HTTP_STREAM_AGE);
}

void stream_check_stalled(struct http_conn *c, int64_t now_ns)
{
    struct http_stream *s = c->stream;

    if (!s->busy || now_ns - s->busy_since_ns <= (int64_t)c->server->opt.io_timeout_ms * 1000000) {
        return;
    }
    if (s->state == STREAM_OPEN) {
        finish(s, HTTP_STREAM_STALLED);
    }
    abandon(s);
}
