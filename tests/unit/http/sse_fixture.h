/* tests/unit/http/sse_fixture.h - a server with an event hub on a loop, and clients on plain sockets,
 * all in one thread.
 * Owner: the test. */
#ifndef TESTS_UNIT_HTTP_SSE_FIXTURE_H
#define TESTS_UNIT_HTTP_SSE_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "gateway/base/buf.h"
#include "gateway/http/sse.h"
#include "gateway/runtime/clock.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)

static uv_loop_t loop;

struct site {
    struct http_server *server;
    struct sse *hub;
    struct metric_set *metrics;
    struct http_stream *raw; /* of GET /raw */
    unsigned raw_gone;
    enum http_stream_why raw_why;
    unsigned raw_room;
};

/* --- a client ---------------------------------------------------------------------------------- */

struct client {
    int fd; /* -1: closed */
    bool reading;
    bool over; /* the server closed */
    struct buf in;
};

static inline void client_connect(struct client *c, uint16_t port, int receive_bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .reading = true};
    assert_true(c->fd >= 0);
    if (receive_bytes != 0) {
        assert_int_equal(
            setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    }
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void client_send(struct client *c, const char *text)
{
    assert_int_equal(write(c->fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Asks for PATH, with a Last-Event-ID unless it is NULL. */
static inline void client_get(struct client *c, const char *path, const char *last)
{
    char text[512];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s%s%s\r\n", path,
             last != NULL ? "Last-Event-ID: " : "", last != NULL ? last : "",
             last != NULL ? "\r\n" : "");
    client_send(c, text);
}

static inline void client_read(struct client *c)
{
    while (c->fd >= 0 && c->reading && !c->over) {
        ssize_t n = read(c->fd, buf_room(&c->in, 65536), 65536);

        if (n > 0) {
            c->in.len += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else {
            c->over = true;
        }
    }
}

static inline void client_close(struct client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
    buf_fini(&c->in);
}

/* The body without its chunks, NUL-terminated; the caller frees. WHOLE: it has its last chunk. */
static inline char *client_body(const struct client *c, size_t *len, bool *whole)
{
    const char *end = c->in.len != 0 ? c->in.data + c->in.len : NULL;
    const char *p = c->in.len != 0 ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL;
    struct buf out = {0};

    *whole = false;
    for (p = p != NULL ? p + 4 : end; p < end && !*whole;) {
        char *after;
        size_t size = strtoul(p, &after, 16);

        if (memmem(p, (size_t)(end - p), "\r\n", 2) == NULL) {
            break;
        }
        assert_true(after > p && after[0] == '\r' && after[1] == '\n');
        p = after + 2;
        *whole = size == 0;
        if ((size_t)(end - p) < size) {
            size = (size_t)(end - p); /* under way */
        }
        buf_append(&out, p, size);
        p += size + 2;
    }
    buf_putc(&out, '\0');
    *len = out.len - 1;
    return buf_steal(&out, &(size_t){0});
}

static inline bool client_has(const struct client *c, const char *text)
{
    size_t len;
    bool whole;
    char *body = client_body(c, &len, &whole);
    bool found = strstr(body, text) != NULL;

    free(body);
    return found;
}

static inline void client_expect(const struct client *c, const char *want, bool want_whole)
{
    size_t len;
    bool whole;
    char *body = client_body(c, &len, &whole);

    assert_string_equal(body, want);
    assert_int_equal(whole, want_whole);
    free(body);
}

/* Value of the metric that begins so in the text a scrape gets. */
static inline int64_t scraped(const char *name)
{
    struct buf text = {0};
    const char *at;
    int64_t value;

    metrics_render(&text);
    at = strstr(buf_cstr(&text), name);
    for (at = at != NULL ? at : text.data;
         strncmp(at, name, strlen(name)) != 0 || (at != text.data && at[-1] != '\n');) {
        at = strstr(at + 1, name);
        assert_non_null(at);
    }
    value = strtoll(at + strlen(name), NULL, 10);
    buf_fini(&text);
    return value;
}

/* --- the server -------------------------------------------------------------------------------- */

static inline void on_raw_gone(void *arg, enum http_stream_why why)
{
    struct site *site = arg;

    site->raw = NULL;
    site->raw_gone++;
    site->raw_why = why;
}

static inline void on_raw_room(void *arg)
{
    ((struct site *)arg)->raw_room++;
}

static inline void get_events(struct http_req *req, void *arg)
{
    const char *owner = http_query(req, "owner");

    sse_open(((struct site *)arg)->hub, req, owner != NULL ? owner : "", NULL);
}

static inline void get_raw(struct http_req *req, void *arg)
{
    struct site *site = arg;

    http_stream_start(req, 200, "text/plain", &site->raw);
    if (site->raw != NULL) {
        http_stream_on_gone(site->raw, on_raw_gone, site);
        http_stream_on_room(site->raw, on_raw_room, site);
    }
}

static inline void get_plain(struct http_req *req, void *arg)
{
    (void)arg;
    http_reply(req, 200, "text/plain", "plain", 5);
}

static const struct http_route site_routes[] = {
    {HTTP_GET, "/events", get_events},
    {HTTP_GET, "/raw", get_raw},
    {HTTP_GET, "/plain", get_plain},
};

struct site_options {
    uint32_t io_timeout_ms;
    uint32_t max_age_ms;
    uint32_t heartbeat_ms;
    uint32_t max_streams;
    uint32_t ring_events;
    size_t ring_bytes;
    const char *cert_file;
    const char *key_file;
};

static const struct site_options usual = {5000, 3600000, 15000, 1000, 1000, 1 << 20, NULL, NULL};

static inline void site_open(struct site *site, const struct site_options *o)
{
    struct http_options http = {
        .name = "test",
        .host = "127.0.0.1",
        .cert_file = o->cert_file,
        .key_file = o->key_file,
        .routes = {{site_routes, GW_LEN(site_routes), site}},
        .route_sets = 1,
        .max_connections = 1000,
        .max_connections_per_ip = 1000,
        .max_body_bytes = 65536,
        .io_timeout_ms = o->io_timeout_ms,
        .max_age_ms = o->max_age_ms,
        .max_requests_per_s = 100,
    };
    struct sse_options sse = {
        .max_streams = o->max_streams,
        .ring_events = o->ring_events,
        .ring_bytes = o->ring_bytes,
        .heartbeat_ms = o->heartbeat_ms,
        .retry_ms = 3000,
        .metrics = metrics_create(&sse_metrics),
    };

    *site = (struct site){.metrics = sse.metrics};
    site->hub = sse_create(&loop, &sse);
    assert_int_equal(http_server_create(&loop, &http, &site->server), GW_OK);
}

static inline void site_done(void *arg)
{
    *(bool *)arg = true;
}

/* Runs server and clients until CONDITION holds, 20 s at most. */
#define UNTIL(clients, count, condition)                                                           \
    do {                                                                                           \
        int64_t until_since = clock_mono_ns();                                                     \
        while (!(condition)) {                                                                     \
            if (clock_mono_ns() - until_since > 20 * SECOND) {                                     \
                fail_msg("not within 20 s: %s", #condition);                                       \
            }                                                                                      \
            turn((clients), (count));                                                              \
        }                                                                                          \
    } while (0)

static inline void turn(struct client *clients, size_t count)
{
    uv_run(&loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < count; i++) {
        client_read(&clients[i]);
    }
    usleep(200);
}

static inline void run_for(struct client *clients, size_t count, int64_t ns)
{
    int64_t since = clock_mono_ns();

    while (clock_mono_ns() - since < ns) {
        turn(clients, count);
    }
}

/* Drains with the clients reading, then takes all down. How long that took. */
static inline int64_t site_close(struct site *site, struct client *clients, size_t count)
{
    int64_t since = clock_mono_ns();
    bool drained = false;
    bool closed = false;

    http_server_drain(site->server, 3000, site_done, &drained);
    UNTIL(clients, count, drained);
    since = clock_mono_ns() - since;
    sse_close(site->hub, site_done, &closed);
    UNTIL(clients, count, closed);
    sse_destroy(&site->hub);
    http_server_destroy(&site->server);
    assert_int_equal(scraped("http_streams "), 0); /* every one was freed */
    return since;
}

#endif
