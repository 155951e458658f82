#include "ws/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libwebsockets.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include "gateway/runtime/log.h"
#include "ws/socket_info.h"

#define CLOSE_REASON_MAX 123 /* RFC 6455 5.5 */
#define ACCEPTS_A_TURN   64
#define LISTEN_BACKLOG   4096
#define ACCEPT_PAUSE_MS  100

/* libwebsockets' per-session memory. */
struct transport_conn {
    struct lws *wsi;
    void *session; /* NULL before on_open and after on_closed */
    SSL *ssl;
    bool held;        /* the library may hold what is left of a write */
    bool peer_closes; /* the peer has sent its close: nothing of ours may follow */
    bool closing;     /* ours has been written */
};

struct transport {
    uv_loop_t *loop;
    int listen_fd; /* -1: not listening */
    uv_poll_t listener;
    uv_timer_t pause; /* of accepting: a listener without descriptors would spin */
    bool listening;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct transport_handlers handlers;
    void *arg;
    uint32_t unsent_bytes;
    bool release_buffers;
    /* All zero: the library keeps no timer of its own for silent peers. It keeps them in one sorted
     * list, and with ten thousand connections walking it took half of a core. */
    lws_retry_bo_t retry;
    struct lws_protocols protocols[2];
    void *foreign_loops[1];
    unsigned char scratch[LWS_PRE + TRANSPORT_WRITE_MAX];
};

/* TLS 1.2 and 1.3 with AEAD only, no renegotiation, no tickets, no early data.
 */
static void harden_tls(SSL_CTX *ctx, bool release_buffers)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL");
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"portcullis-ws", 13);
    SSL_CTX_set_num_tickets(ctx, 0);
    if (release_buffers) {
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    }
}

/* Text of header TOKEN, "" when absent or too long for OUT. */
static void copy_header(struct lws *wsi, enum lws_token_indexes token, char *out, int size)
{
    out[0] = '\0';
    if (lws_hdr_copy(wsi, out, size, token) <= 0) {
        out[0] = '\0';
    }
}

/* lws calls this for `Upgrade: h2c` and unknown values as well: only websocket may
 * pass. */
static int confirm_upgrade(struct lws *wsi)
{
    char upgrade[32];

    copy_header(wsi, WSI_TOKEN_UPGRADE, upgrade, (int)sizeof upgrade);
    return strcasecmp(upgrade, "websocket") == 0 ? 0 : -1;
}

static bool path_known(const char *path)
{
    return strcmp(path, "/v2") == 0 || strcmp(path, "/v2/public") == 0 ||
           strcmp(path, "/v2/private") == 0;
}

static int open_session(struct transport *t, struct lws *wsi, struct transport_conn *c)
{
    char ip[64] = "";
    char path[64];

    lws_get_peer_simple(wsi, ip, sizeof ip);
    copy_header(wsi, WSI_TOKEN_GET_URI, path, (int)sizeof path);
    *c = (struct transport_conn){.wsi = wsi, .ssl = lws_get_ssl(wsi)};
    c->session = t->handlers.on_open(t->arg, c, ip, path);
    return c->session != NULL ? 0 : -1;
}

static int on_writable(struct transport *t, struct transport_conn *c)
{
    if (c->session == NULL || c->peer_closes || c->closing) {
        return 0;
    }
    t->handlers.on_writable(c->session);
    return 0;
}

static int protocol_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                             void *in, size_t len)
{
    struct transport *t = lws_context_user(lws_get_context(wsi));
    struct transport_conn *c = user;
    char text[64];

    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        harden_tls(user, t->release_buffers);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return confirm_upgrade(wsi);
    case LWS_CALLBACK_HTTP:
        return -1; /* this listener speaks WebSocket only */
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        copy_header(wsi, WSI_TOKEN_GET_URI, text, (int)sizeof text);
        return path_known(text) ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED:
        return open_session(t, wsi, c);
    case LWS_CALLBACK_RECEIVE:
        if (c->session != NULL && !c->closing) {
            t->handlers.on_data(c->session, in, len, lws_is_first_fragment(wsi) != 0,
                                lws_is_final_fragment(wsi) != 0 &&
                                    lws_remaining_packet_payload(wsi) == 0,
                                lws_frame_is_binary(wsi) != 0);
            explicit_bzero(in, len); /* it may have held a token */
        }
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        c->peer_closes = true;
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writable(t, c);
    case LWS_CALLBACK_CLOSED:
        if (c->session != NULL) {
            void *session = c->session;

            c->session = NULL;
            t->handlers.on_closed(session);
        }
        return 0;
    default:
        return 0;
    }
}

/* --- accepting ---------------------------------------------------------------------------------
 * libwebsockets 4.1.6 sets SO_REUSEPORT only with more than one service thread, which Debian's
 * build does not have: shards share the port by listening themselves and handing accepted sockets
 * over. */

static void adopt(struct transport *t, int fd, const struct sockaddr_storage *peer)
{
    char ip[64] = "";
    int on = 1;

    (void)uv_ip_name((const struct sockaddr *)peer, ip, sizeof ip);
    if (!t->handlers.on_accept(t->arg, ip)) {
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &t->unsent_bytes, sizeof t->unsent_bytes);
    /* The library closes the socket when it cannot take it. */
    (void)lws_adopt_socket_vhost(t->vhost, fd);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct transport *t = timer->data;

    (void)uv_poll_start(&t->listener, UV_READABLE, on_acceptable);
}

static void pause_accepting(struct transport *t)
{
    uv_poll_stop(&t->listener);
    uv_timer_start(&t->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
    t->handlers.on_accept_pause(t->arg);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct transport *t = poll->data;

    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        int fd =
            accept4(t->listen_fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            pause_accepting(t);
            return;
        }
        if (fd < 0) {
            return; /* none left */
        }
        adopt(t, fd, &peer);
    }
}

static bool parse_address(const char *host, uint16_t port, struct sockaddr_storage *out,
                          socklen_t *size)
{
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0) {
        *size = sizeof(struct sockaddr_in);
        return true;
    }
    *size = sizeof(struct sockaddr_in6);
    return uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0;
}

static bool start_listening(struct transport *t, const char *host, uint16_t port)
{
    struct sockaddr_storage addr = {0};
    socklen_t size;
    int on = 1;

    if (!parse_address(host, port, &addr, &size)) {
        errno = EINVAL;
        return false;
    }
    t->listen_fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->listen_fd < 0 ||
        setsockopt(t->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(t->listen_fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        bind(t->listen_fd, (struct sockaddr *)&addr, size) != 0 ||
        listen(t->listen_fd, LISTEN_BACKLOG) != 0) {
        return false;
    }
    GW_ASSERT(uv_poll_init(t->loop, &t->listener, t->listen_fd) == 0);
    t->listener.data = t;
    uv_timer_init(t->loop, &t->pause);
    t->pause.data = t;
    GW_ASSERT(uv_poll_start(&t->listener, UV_READABLE, on_acceptable) == 0);
    t->listening = true;
    return true;
}

/* The library's own lines join ours: notices and below are its chatter. */
static void on_library_log(int level, const char *line)
{
    if ((level & (LLL_ERR | LLL_WARN)) != 0) {
        log_warn("ws", "library", "\"line\":%s", log_json(line));
    }
}

enum gw_err transport_create(uv_loop_t *loop, const struct transport_options *opt,
                             const struct transport_handlers *handlers, void *arg,
                             struct transport **out)
{
    struct transport *t = gw_calloc(1, sizeof *t);
    struct lws_context_creation_info info = {0};

    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    t->loop = loop;
    t->listen_fd = -1;
    t->handlers = *handlers;
    t->arg = arg;
    t->unsent_bytes = opt->unsent_bytes;
    t->release_buffers = opt->release_buffers;
    t->protocols[0] = (struct lws_protocols){
        .name = "portcullis",
        .callback = protocol_callback,
        .per_session_data_size = sizeof(struct transport_conn),
        .rx_buffer_size = 512, /* kept by every connection; longer messages come in parts */
        .tx_packet_size = TRANSPORT_WRITE_MAX,
    };
    t->foreign_loops[0] = loop;
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = t->protocols;
    info.ssl_cert_filepath = opt->cert_file;
    info.ssl_private_key_filepath = opt->key_file;
    info.alpn = "http/1.1";
    info.user = t;
    info.foreign_loops = t->foreign_loops;
    info.retry_and_idle_policy = &t->retry;
    info.fd_limit_per_thread = opt->max_connections + 16;
    info.timeout_secs = 5;
    info.timeout_secs_ah_idle = 5;
    info.keepalive_timeout = 5;
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                   LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    t->context = lws_create_context(&info);
    if (t->context != NULL) {
        t->vhost = lws_create_vhost(t->context, &info);
    }
    *out = t;
    if (t->vhost == NULL || !start_listening(t, opt->host, opt->port)) {
        log_error("ws", "cannot_listen", "\"host\":\"%s\",\"port\":%u,\"error\":\"%s\"", opt->host,
                  opt->port, t->vhost == NULL ? "TLS files" : strerror(errno));
        transport_destroy(out);
        return GW_ESYS;
    }
    return GW_OK;
}

void transport_stop_listening(struct transport *t)
{
    if (t->listening) {
        t->listening = false;
        uv_poll_stop(&t->listener);
        uv_close((uv_handle_t *)&t->listener, NULL);
        uv_close((uv_handle_t *)&t->pause, NULL);
    }
    if (t->listen_fd >= 0) {
        (void)close(t->listen_fd);
        t->listen_fd = -1;
    }
}

void transport_destroy(struct transport **tp)
{
    struct transport *t = *tp;

    *tp = NULL;
    transport_stop_listening(t);
    if (t->context != NULL) {
        lws_context_destroy(t->context);
        /* Foreign loop: the library's handles close on it, then the context frees itself. */
        for (int i = 0; i < 1000 && uv_run(t->loop, UV_RUN_NOWAIT) != 0; i++) {
        }
    }
    free(t);
}

/* Through the library, which keeps what the socket does not take and sends it when it can. */
static bool write_held(struct transport_conn *c, const unsigned char *data, size_t len)
{
    struct transport *t = lws_context_user(lws_get_context(c->wsi));
    unsigned char *out = t->scratch + LWS_PRE;

    memcpy(out, data, len);
    c->held = true;
    return lws_write(c->wsi, out, len, LWS_WRITE_RAW) >= 0;
}

bool transport_write(struct transport_conn *c, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    int sent = 0;

    GW_ASSERT(len <= TRANSPORT_WRITE_MAX);
    /* The usual case, a socket with room, goes to TLS at once. What it does not take the library
     * tries again with the same bytes, as SSL_write(3) asks (moving buffers are on). */
    if (!transport_choked(c)) {
        c->held = false;
        sent = SSL_write(c->ssl, bytes, (int)len);
        if (sent == (int)len) {
            return true;
        }
        if (sent <= 0) {
            ERR_clear_error();
            sent = 0;
        }
    }
    return write_held(c, bytes + sent, len - (size_t)sent);
}

bool transport_choked(const struct transport_conn *c)
{
    return c->peer_closes || c->closing || (c->held && lws_partial_buffered(c->wsi) != 0);
}

bool transport_ping(struct transport_conn *c)
{
    static const unsigned char ping[2] = {0x89, 0}; /* FIN, ping, no payload */

    return transport_choked(c) || transport_write(c, ping, sizeof ping);
}

uint64_t transport_received(const struct transport_conn *c)
{
    return socket_bytes_received(lws_get_socket_fd(c->wsi));
}

void transport_want_write(struct transport_conn *c)
{
    lws_callback_on_writable(c->wsi);
}

bool transport_close(struct transport_conn *c, uint16_t code, const char *reason)
{
    size_t len = strlen(reason);
    unsigned char frame[4 + CLOSE_REASON_MAX];

    if (c->closing || c->peer_closes) {
        return true;
    }
    /* Closing through the library (lws_close_reason) ended the connection without the code reaching
     * the peer. A control frame may follow any whole piece, so it is written like everything else;
     * the library sees the peer's answer and ends the connection. */
    c->closing = true;
    len = len < CLOSE_REASON_MAX ? len : CLOSE_REASON_MAX;
    frame[0] = 0x88; /* FIN, close: RFC 6455 5.5.1 */
    frame[1] = (unsigned char)(len + 2);
    frame[2] = (unsigned char)(code >> 8);
    frame[3] = (unsigned char)(code & 0xff);
    memcpy(frame + 4, reason, len);
    return transport_write(c, frame, len + 4);
}

void transport_kill(struct transport_conn *c)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int fd = lws_get_socket_fd(c->wsi);

    /* The library would wait five seconds for a peer that reads nothing to take what is left, and
     * the kernel longer: what is unsent is given up (r3: evicted clients stayed). */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)shutdown(fd, SHUT_RDWR);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}
