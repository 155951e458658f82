/* gateway/http/server.h - HTTPS/1.1 listeners on a libuv loop: the glue to libh2o and nothing else
 * of it.
 * Why: libh2o 2.2.5 parses leniently and has no write timeout; this file is where an embedder must
 * be strict: HTTP/2 off in ALPN and by preface, the raw head checked again, bodies and heads
 * bounded, stalled readers dropped, handler starts counted. Handlers see only a struct http_req.
 * Owner: the loop given to http_server_create(); every call on that thread. Invariant: each
 * http_req is answered exactly once, by http_reply(), or ends by http_req_gone. */
#ifndef GATEWAY_HTTP_SERVER_H
#define GATEWAY_HTTP_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/err.h"

struct http_server;
struct http_req;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS };

/* Route: exact METHOD and a path pattern whose segments match literally or "{name}" (one segment).
 * A HEAD is served by the GET row without a body; a known path with another method is 405 with
 * Allow. */
typedef void http_handler_fn(struct http_req *req, void *arg);
struct http_route {
    enum http_method method;
    const char *path; /* "/v1/md/{symbol}/book" */
    http_handler_fn *handler;
};

/* A table of routes and what their handlers are given. */
struct http_routes {
    const struct http_route *v;
    size_t count;
    void *arg;
};
#define HTTP_ROUTE_SETS_MAX 4u

/* A path, as in its route, that takes longer bodies than the others. */
struct http_large {
    const char *path;
    uint32_t max_body_bytes;
};

struct http_options {
    const char *name; /* "public" | "admin", label of metrics and logs */
    const char *host;
    uint16_t port;         /* 0: any free port, see http_server_port() */
    const char *cert_file; /* PEM chain; NULL with key_file: plain HTTP (tests, loopback only) */
    const char *key_file;
    struct http_routes routes[HTTP_ROUTE_SETS_MAX]; /* looked through in order */
    size_t route_sets;
    uint32_t max_connections;
    uint32_t max_connections_per_ip;
    uint32_t max_body_bytes;        /* 65536 */
    const struct http_large *large; /* borrowed; NULL: none */
    size_t large_count;
    uint32_t io_timeout_ms; /* head and body together, and a stalled writer: 5000 */
    uint32_t max_age_ms;    /* of a connection: 3600000 */
    uint32_t
        max_requests_per_s; /* handler starts per connection; above it the connection is cut: 200 */
    const char *cors_origin; /* Access-Control-Allow-Origin of GET answers, NULL: none */
};

GW_MUSTCHECK
enum gw_err http_server_create(uv_loop_t *loop, const struct http_options *opt,
                               struct http_server **out);
uint16_t http_server_port(const struct http_server *s);
/* Stops accepting, lets running requests end (Connection: close), calls DONE when the last
 * connection is gone or after DEADLINE_MS, whichever is first. */
void http_server_drain(struct http_server *s, uint32_t deadline_ms, void (*done)(void *),
                       void *arg);
/* After DONE; frees all. */
void http_server_destroy(struct http_server **sp);

/* --- what handlers may ask ------------------------------------------------------------------- */
/* Raw, percent-encoded path without the query; decoded value of pattern segment {NAME},
 * NUL-terminated, NULL if the pattern has none. All borrowed until the reply. */
const char *http_path(const struct http_req *req);
const char *http_param(const struct http_req *req, const char *name);
/* Decoded query parameter; NULL when absent. GW_EINVAL by *dup when it occurs twice is not hidden:
 * a repeated parameter is answered 400 before the handler runs. */
const char *http_query(const struct http_req *req, const char *name);
const char *http_header(const struct http_req *req, const char *lower_case_name);
const void *http_body(const struct http_req *req, size_t *len);
const char *http_peer_ip(const struct http_req *req);
/* The request as it came off the wire, for signatures (RFC 9421): not NUL-terminated, borrowed. */
struct http_text {
    const char *s;
    size_t len;
};
struct http_field {
    struct http_text name; /* lower case */
    struct http_text value;
};
struct http_text http_method_text(const struct http_req *req);
struct http_text http_authority(const struct http_req *req); /* the Host field */
struct http_text http_target(const struct http_req *req);    /* path and query */
/* Up to MAX header fields (Host, Content-Length and hop-by-hop fields excepted); returns how many
 * there are. */
size_t http_fields(const struct http_req *req, struct http_field *out, size_t max);

/* Answers; BODY is copied. CONTENT_TYPE e.g. "application/json". A HEAD or a 304 is sent without BODY,
 * with its length. Security headers come with every answer; content-security-policy is the strictest
 * unless the handler set its own. */
void http_reply(struct http_req *req, unsigned status, const char *content_type, const void *body,
                size_t len);
/* RFC 9457 problem+json from the row of ERR; DETAIL says what to do next. */
void http_reply_problem(struct http_req *req, enum gw_err err, const char *detail);
/* Extra response header; NAME lower-case, both copied. Before http_reply(). */
void http_set_header(struct http_req *req, const char *name, const char *value);
/* For a handler that answers later: GONE runs once, with ARG, if the client leaves first; REQ is
 * then dead and must not be answered. http_reply() cancels it. */
void http_req_on_gone(struct http_req *req, void (*gone)(void *arg), void *arg);
#endif
