#include "gateway/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>
#include "gateway/base/buf.h"
#include "gateway/http/head.h"
#include "gateway/http/metrics.h"
#include "gateway/http/server_priv.h"
#include "gateway/http/tls.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define SWEEP_MS 1000

struct server_handler {
    h2o_handler_t super;
    struct http_server *server;
};

/* --- answers -----------------------------------------------------------------------------------
 */

const char *http_path(const struct http_req *req)
{
    return req->match.route->path;
}

static const char *find_pair(const struct route_pair *pairs, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(pairs[i].name, name) == 0) {
            return pairs[i].value;
        }
    }
    return NULL;
}

const char *http_param(const struct http_req *req, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < req->match.param_count; i++) {
        const char *pattern =
            req->match.params[i].name; /* "{symbol}/book": into the route's path */

        if (strncmp(pattern + 1, name, len) == 0 && pattern[len + 1] == '}') {
            return req->match.params[i].value;
        }
    }
    return NULL;
}

const char *http_query(const struct http_req *req, const char *name)
{
    return find_pair(req->match.query, req->match.query_count, name);
}

const char *http_header(const struct http_req *req, const char *lower_case_name)
{
    ssize_t at =
        h2o_find_header_by_str(&req->req->headers, lower_case_name, strlen(lower_case_name), -1);

    if (at < 0) {
        return NULL;
    }
    return h2o_strdup(&req->req->pool, req->req->headers.entries[at].value.base,
                      req->req->headers.entries[at].value.len)
        .base;
}

const void *http_body(const struct http_req *req, size_t *len)
{
    *len = req->req->entity.len;
    return req->req->entity.base;
}

const char *http_peer_ip(const struct http_req *req)
{
    return req->conn != NULL ? req->conn->ip : "";
}

static struct http_text text_of(h2o_iovec_t v)
{
    return (struct http_text){v.base, v.len};
}

struct http_text http_method_text(const struct http_req *req)
{
    return text_of(req->req->input.method);
}

struct http_text http_authority(const struct http_req *req)
{
    return text_of(req->req->input.authority);
}

struct http_text http_target(const struct http_req *req)
{
    return text_of(req->req->input.path);
}

size_t http_fields(const struct http_req *req, struct http_field *out, size_t max)
{
    const h2o_headers_t *headers = &req->req->headers;

    for (size_t i = 0; i < headers->size && i < max; i++) {
        out[i] = (struct http_field){text_of(*headers->entries[i].name),
                                     text_of(headers->entries[i].value)};
    }
    return headers->size;
}

static void add_header(h2o_req_t *req, const char *name, const char *value)
{
    h2o_iovec_t n = h2o_strdup(&req->pool, name, SIZE_MAX);
    h2o_iovec_t v = h2o_strdup(&req->pool, value, SIZE_MAX);

    h2o_add_header_by_str(&req->pool, &req->res.headers, n.base, n.len, 1, NULL, v.base, v.len);
}

void http_set_header(struct http_req *req, const char *name, const char *value)
{
    req->has_cache_control = req->has_cache_control || strcmp(name, "cache-control") == 0;
    req->has_retry_after = req->has_retry_after || strcmp(name, "retry-after") == 0;
    req->has_csp = req->has_csp || strcmp(name, "content-security-policy") == 0;
    add_header(req->req, name, value);
}

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (unsigned i = 0; i < GW_LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Status";
}

/* What a page of ours never asks of a browser. */
#define NO_FEATURES                                                                                \
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), "        \
    "gyroscope=(), hid=(), microphone=(), midi=(), payment=(), serial=(), usb=()"

/* On every answer, errors included: a browser that is shown one must not make more of it. */
static void add_common_headers(struct http_req *r)
{
    const struct http_options *opt = &r->server->opt;

    add_header(r->req, "x-content-type-options", "nosniff");
    add_header(r->req, "referrer-policy", "no-referrer");
    add_header(r->req, "cross-origin-opener-policy", "same-origin");
    add_header(r->req, "cross-origin-resource-policy",
               opt->cors_origin != NULL ? "cross-origin" : "same-origin");
    add_header(r->req, "permissions-policy", NO_FEATURES);
    if (!r->has_csp) {
        add_header(r->req, "content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    }
    if (!r->has_cache_control) {
        add_header(r->req, "cache-control", "no-store");
    }
    if (opt->cert_file != NULL) {
        add_header(r->req, "strict-transport-security", "max-age=63072000");
    }
    if (opt->cors_origin != NULL) {
        add_header(r->req, "access-control-allow-origin", opt->cors_origin);
    }
}

h2o_req_t *http_req_answer(struct http_req *r, unsigned status, const char *content_type,
                           size_t len)
{
    h2o_req_t *req = r->req;

    GW_ASSERT(req != NULL);
    req->res.status = (int)status;
    req->res.reason = reason_of(status);
    req->res.content_length = len;
    add_header(req, "content-type", content_type);
    add_common_headers(r);
    metrics_add(r->server->metrics, HTTP_M_REQUESTS, status / 100 - 1, 1);
    metrics_observe_ns(r->server->metrics, HTTP_M_SECONDS, 0, clock_mono_ns() - r->start_ns);
    r->req = NULL;
    r->gone = NULL;
    return req;
}

/* A body on its way out. It may hold what is shown once, and the memory of libh2o's pools is used
 * again without being cleared. */
struct body {
    size_t len;
    char bytes[];
};

static void on_body_dispose(void *arg)
{
    struct body *b = arg;

    explicit_bzero(b->bytes, b->len);
}

void http_reply(struct http_req *r, unsigned status, const char *content_type, const void *body,
                size_t len)
{
    static h2o_generator_t none; /* all of it is here */
    h2o_req_t *req = http_req_answer(r, status, content_type, len);
    size_t shown = r->head || status == 304 ? 0 : len;
    struct body *copy = h2o_mem_alloc_shared(&req->pool, sizeof *copy + shown, on_body_dispose);
    h2o_iovec_t out;

    copy->len = shown;
    if (shown != 0) {
        memcpy(copy->bytes, body, shown);
    }
    out = h2o_iovec_init(copy->bytes, shown);
    h2o_start_response(req, &none);
    h2o_send(req, &out, 1, H2O_SEND_STATE_FINAL);
}

void http_reply_problem(struct http_req *r, enum gw_err err, const char *detail)
{
    const struct gw_err_row *row = gw_err_row(err);
    struct buf body = {0};

    char code[32];
    size_t n = 0;

    for (const char *p = row->name + strlen("GW_E"); *p != '\0' && n + 1 < sizeof code; p++) {
        code[n++] = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
    }
    code[n] = '\0';
    buf_printf(&body, "{\"type\":\"/problems/%s\",\"code\":\"%s\",\"title\":", code, code);
    buf_json_str(&body, row->text, strlen(row->text));
    buf_printf(&body, ",\"status\":%u,\"detail\":", row->http_status);
    buf_json_str(&body, detail, strlen(detail));
    buf_putc(&body, '}');
    if (row->retry && !r->has_retry_after) {
        http_set_header(r, "retry-after", "1");
    }
    http_reply(r, row->http_status, "application/problem+json", body.data, body.len);
    buf_fini(&body);
}

void http_req_on_gone(struct http_req *r, void (*gone)(void *arg), void *arg)
{
    r->gone = gone;
    r->gone_arg = arg;
}

/* --- requests ----------------------------------------------------------------------------------
 */

/* The request's pool is cleared: it was answered, or its connection is gone. */
static void on_req_dispose(void *p)
{
    struct http_req *r = p;

    r->req = NULL;
    if (r->conn != NULL && r->conn->stream != NULL) {
        stream_disposed(r->conn);
    }
    if (r->gone != NULL) {
        r->gone(r->gone_arg);
    }
}

static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};

static bool method_of(h2o_iovec_t name, enum http_method *out)
{
    for (unsigned i = 0; i < GW_LEN(method_names); i++) {
        if (h2o_memis(name.base, name.len, method_names[i], strlen(method_names[i]))) {
            *out = (enum http_method)i;
            return true;
        }
    }
    return false;
}

void http_conn_cut(struct http_conn *c)
{
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
        (void)shutdown(fd, SHUT_RDWR);
    }
}

static struct http_conn *conn_of(struct http_server *s, h2o_req_t *req)
{
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    struct http_conn *c;

    HASH_FIND_PTR(s->conns, &sock, c);
    return c;
}

/* Requests a second of one connection: a pipelining flood ends here. */
static bool within_rate(struct http_server *s, struct http_conn *c, int64_t now_ns)
{
    if (now_ns - c->second_ns > 1000000000) {
        c->second_ns = now_ns;
        c->started = 0;
    }
    return ++c->started <= s->opt.max_requests_per_s;
}

static void reply_bad_head(struct http_req *r, enum head_verdict verdict)
{
    const struct head_row *row = &head_rows[verdict];
    struct buf body = {0};

    metrics_add(r->server->metrics, HTTP_M_REFUSED, HTTP_REFUSED_HEAD, 1);
    buf_printf(&body,
               "{\"type\":\"/problems/head\",\"code\":\"head\",\"title\":\"request head "
               "refused\",\"status\":%u,"
               "\"detail\":\"%s\"}",
               row->status, row->text);
    r->req->http1_is_persistent = 0;
    http_reply(r, row->status, "application/problem+json", body.data, body.len);
    buf_fini(&body);
}

/* The route of R in the first table that has it; *ARG is that table's. What the path allows goes
 * into ALLOW when it is known but not for this method. */
static enum gw_err find_route(struct http_req *r, enum http_method method, void **arg,
                              struct buf *allow)
{
    const struct http_options *opt = &r->server->opt;
    h2o_iovec_t target = r->req->input.path;
    enum gw_err err = GW_ENOTFOUND;

    for (size_t i = 0; i < opt->route_sets && err != GW_OK && err != GW_EINVAL; i++) {
        const struct http_routes *set = &opt->routes[i];
        enum gw_err here =
            route_find(set->v, set->count, method, target.base, target.len, &r->match);

        *arg = set->arg;
        err = here == GW_ENOTFOUND ? err : here;
        for (unsigned m = 0; here == GW_EMETHOD && m < GW_LEN(method_names); m++) {
            struct route_match other;

            if (route_find(set->v, set->count, (enum http_method)m, target.base, target.len,
                           &other) == GW_OK) {
                buf_printf(allow, "%s%s", allow->len != 0 ? ", " : "", method_names[m]);
            }
        }
    }
    return err;
}

static size_t body_limit(const struct http_req *r, enum gw_err found)
{
    const struct http_options *opt = &r->server->opt;

    for (size_t i = 0; found == GW_OK && i < opt->large_count; i++) {
        if (strcmp(opt->large[i].path, r->match.route->path) == 0) {
            return opt->large[i].max_body_bytes;
        }
    }
    return opt->max_body_bytes;
}

static void dispatch(struct http_req *r, enum http_method method)
{
    struct buf allow = {0};
    void *arg = NULL;
    enum gw_err err = find_route(r, method, &arg, &allow);

    if (r->req->entity.len > body_limit(r, err)) {
        http_reply_problem(r, GW_ETOOBIG, "the body is longer than this listener accepts");
    } else if (err == GW_OK) {
        r->match.route->handler(r, arg);
    } else if (err == GW_EMETHOD) {
        http_set_header(r, "allow", buf_cstr(&allow));
        http_reply_problem(r, err, "see the Allow header");
    } else if (err == GW_EINVAL) {
        http_reply_problem(r, err,
                           "the request target is malformed: bad escape, repeated parameter or "
                           "longer than 1 KiB");
    } else {
        http_reply_problem(r, GW_ENOTFOUND, "no such path; GET / lists what is served");
    }
    buf_fini(&allow);
}

static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    struct http_server *s = ((struct server_handler *)handler)->server;
    struct http_conn *c = conn_of(s, req);
    struct http_req *r = h2o_mem_alloc_shared(&req->pool, sizeof *r, on_req_dispose);
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    enum head_verdict verdict = head_check(sock->input->bytes, sock->input->size);
    enum http_method method;

    *r = (struct http_req){.req = req, .server = s, .conn = c, .start_ns = clock_mono_ns()};
    if (s->draining) {
        req->http1_is_persistent = 0;
    }
    if (c != NULL && !within_rate(s, c, r->start_ns)) {
        metrics_add(s->metrics, HTTP_M_REFUSED, HTTP_REFUSED_RATE, 1);
        http_conn_cut(c);
    }
    if (verdict != HEAD_OK) {
        reply_bad_head(r, verdict);
    } else if (!method_of(req->input.method, &method)) {
        http_set_header(r, "allow", "GET, HEAD");
        http_reply_problem(r, GW_EMETHOD, "see the Allow header");
    } else {
        r->head = method == HTTP_HEAD;
        dispatch(r, method);
    }
    return 0;
}

/* --- connections -------------------------------------------------------------------------------
 */

static void check_drained(struct http_server *s)
{
    if (s->draining && s->on_drained != NULL && s->handles == 0 && s->conn_count == 0) {
        void (*done)(void *arg) = s->on_drained;

        s->on_drained = NULL;
        done(s->on_drained_arg);
    }
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct http_conn *c = (struct http_conn *)(void *)handle;
    struct http_server *s = c->server;

    if (c->sock != NULL) {
        HASH_DEL(s->conns, c);
        s->conn_count--;
        metrics_set(s->metrics, HTTP_M_CONNECTIONS, 0, s->conn_count);
    }
    free(c);
    check_drained(s);
}

static uint32_t open_of(const struct http_server *s, const char *ip)
{
    uint32_t n = 0;

    for (const struct http_conn *c = s->conns; c != NULL; c = c->hh.next) {
        n += strcmp(c->ip, ip) == 0;
    }
    return n;
}

static void read_peer(struct http_conn *c)
{
    struct sockaddr_storage peer;
    int size = sizeof peer;

    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &size) == 0) {
        (void)uv_ip_name((struct sockaddr *)&peer, c->ip, sizeof c->ip);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *s = listener->data;
    struct http_conn *c;
    uv_os_fd_t fd;

    if (status != 0) {
        return;
    }
    c = gw_calloc(1, sizeof *c);
    c->server = s;
    c->opened_ns = clock_mono_ns();
    uv_tcp_init(s->loop, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
        return;
    }
    read_peer(c);
    if (s->conn_count >= s->opt.max_connections ||
        open_of(s, c->ip) >= s->opt.max_connections_per_ip) {
        metrics_add(s->metrics, HTTP_M_REFUSED, HTTP_REFUSED_CONNECTIONS, 1);
        uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
        return;
    }
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
        unsigned ms = s->opt.io_timeout_ms; /* the write timeout that libh2o lacks */

        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
    }
    c->sock = h2o_uv_socket_create((uv_stream_t *)&c->tcp, on_conn_closed);
    HASH_ADD_PTR(s->conns, sock, c);
    s->conn_count++;
    metrics_set(s->metrics, HTTP_M_CONNECTIONS, 0, s->conn_count);
    h2o_accept(&s->accept, c->sock);
}

/* libuv refuses writes on a socket that was reset, without calling back; libh2o 2.2.5 does not look
 * and would wait for ever, so it hears of it here. */
static void fail_refused_write(struct http_conn *c)
{
    h2o_socket_cb cb = c->sock->_cb.write;

    if (cb != NULL && !uv_is_writable((uv_stream_t *)&c->tcp) &&
        !uv_is_closing((uv_handle_t *)&c->tcp)) {
        c->sock->_cb.write = NULL;
        cb(c->sock, "reset by the peer");
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    int64_t now = clock_mono_ns();
    struct http_conn *c;
    struct http_conn *next;

    HASH_ITER(hh, s->conns, c, next)
    {
        int64_t too_old_ns = now - c->opened_ns - (int64_t)s->opt.max_age_ms * 1000000;

        if (c->stream != NULL) {
            stream_check_stalled(c, now);
        }
        if (c->stream != NULL && too_old_ns > 0) {
            stream_too_old(c);
            too_old_ns -= (int64_t)s->opt.io_timeout_ms * 1000000; /* to take its last bytes */
        }
        if (too_old_ns > 0 || (s->draining && now > s->drain_until_ns)) {
            http_conn_cut(c);
        }
        fail_refused_write(c);
    }
}

/* --- life --------------------------------------------------------------------------------------
 */

static enum gw_err listen_on(struct http_server *s)
{
    struct sockaddr_storage addr;
    int rc = uv_ip4_addr(s->opt.host, s->opt.port, (struct sockaddr_in *)&addr);

    if (rc != 0) {
        rc = uv_ip6_addr(s->opt.host, s->opt.port, (struct sockaddr_in6 *)&addr);
    }
    uv_tcp_init(s->loop, &s->listener);
    s->listener.data = s;
    rc = rc != 0 ? rc : uv_tcp_bind(&s->listener, (struct sockaddr *)&addr, 0);
    rc = rc != 0 ? rc : uv_listen((uv_stream_t *)&s->listener, 512, on_connection);
    if (rc != 0) {
        log_error("http", "cannot_listen",
                  "\"name\":\"%s\",\"host\":\"%s\",\"port\":%u,\"error\":\"%s\","
                  "\"next\":\"choose an address of this machine (a number) and a free port\"",
                  s->opt.name, s->opt.host, s->opt.port, uv_strerror(rc));
    }
    return rc == 0 ? GW_OK : GW_ESYS;
}

/* What any route takes. */
static size_t largest_body(const struct http_options *opt)
{
    size_t most = opt->max_body_bytes;

    for (size_t i = 0; i < opt->large_count; i++) {
        most = opt->large[i].max_body_bytes > most ? opt->large[i].max_body_bytes : most;
    }
    return most;
}

static void configure(struct http_server *s)
{
    h2o_hostconf_t *host;
    struct server_handler *handler;

    h2o_config_init(&s->config);
    s->config.server_name = h2o_iovec_init(H2O_STRLIT(""));
    /* a little more than is accepted, so that the answer is ours; the rest is not read */
    s->config.max_request_entity_size = 2 * largest_body(&s->opt);
    s->config.handshake_timeout = s->opt.io_timeout_ms;
    s->config.http1.req_timeout = s->opt.io_timeout_ms;
    s->config.http1.upgrade_to_http2 = 0; /* the preface is honoured otherwise */
    host = h2o_config_register_host(&s->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    handler = (struct server_handler *)(void *)h2o_create_handler(
        h2o_config_register_path(host, "/", 0), sizeof *handler);
    handler->super.on_req = on_request;
    handler->server = s;
    h2o_context_init(&s->context, s->loop, &s->config);
    s->accept.ctx = &s->context;
    s->accept.hosts = s->config.hosts;
}

enum gw_err http_server_create(uv_loop_t *loop, const struct http_options *opt,
                               struct http_server **out)
{
    struct http_server *s = gw_calloc(1, sizeof *s);
    enum gw_err err;

    s->opt = *opt;
    s->loop = loop;
    s->metrics = metrics_create(&http_metrics);
    configure(s);
    if (opt->cert_file != NULL) {
        s->accept.ssl_ctx = http_tls_create(opt->cert_file, opt->key_file);
        if (s->accept.ssl_ctx == NULL) {
            free(s);
            return GW_ECONFIG;
        }
    }
    err = listen_on(s);
    if (err != GW_OK) {
        return err; /* the process ends: the listener handle stays with the loop */
    }
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_sweep, SWEEP_MS, SWEEP_MS);
    s->handles = 2;
    *out = s;
    return GW_OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    struct sockaddr_storage addr;
    int size = sizeof addr;

    if (uv_tcp_getsockname(&s->listener, (struct sockaddr *)&addr, &size) != 0) {
        return 0;
    }
    return ntohs(((struct sockaddr_in *)(void *)&addr)->sin_port);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;

    s->handles--;
    check_drained(s);
}

void http_server_drain(struct http_server *s, uint32_t deadline_ms, void (*done)(void *), void *arg)
{
    GW_ASSERT(!s->draining);
    s->draining = true;
    s->drain_until_ns = clock_mono_ns() + (int64_t)deadline_ms * 1000000;
    s->on_drained = done;
    s->on_drained_arg = arg;
    h2o_context_request_shutdown(&s->context);
    uv_close((uv_handle_t *)&s->listener, on_handle_closed);
    uv_timer_start(&s->timer, on_sweep, deadline_ms, 100);
    for (struct http_conn *c = s->conns; c != NULL; c = c->hh.next) {
        if (c->stream != NULL) {
            stream_drain(c);
        }
    }
    /* Idle keep-alive connections have nothing to finish. */
    s->handles--; /* the timer stays until destroy */
    on_sweep(&s->timer);
}

void http_server_destroy(struct http_server **sp)
{
    /* libh2o 2.2.5 aborts when a context is disposed while a timer of its own is still linked, and
     * cannot be asked whether one is. Servers end with the process: what libh2o holds is left to
     * it. */
    static struct http_server *retired;
    struct http_server *s = *sp;

    *sp = NULL;
    uv_close((uv_handle_t *)&s->timer, NULL);
    (void)uv_run(s->loop, UV_RUN_NOWAIT);
    http_tls_destroy(s->accept.ssl_ctx);
    s->next_retired = retired;
    retired = s;
}
