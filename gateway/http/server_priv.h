/* gateway/http/server_priv.h - what the files of the glue to libh2o share.
 * Owner: the server's loop. */
#ifndef GATEWAY_HTTP_SERVER_PRIV_H
#define GATEWAY_HTTP_SERVER_PRIV_H
#include <uthash.h>
/* libh2o's headers are not written for our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#include <h2o.h>
#include <h2o/http1.h>
#pragma GCC diagnostic pop
#include "gateway/http/route.h"
#include "gateway/http/server.h"

struct http_stream;

struct http_conn {
    uv_tcp_t tcp; /* first: libuv hands it back in the close callback */
    struct http_server *server;
    h2o_socket_t *sock; /* key: how a request finds its connection */
    char ip[46];
    int64_t opened_ns;
    int64_t second_ns; /* start of the second that `started` counts */
    uint32_t started;
    struct http_stream *stream; /* its request is answered by one */
    UT_hash_handle hh;
};

struct http_server {
    struct http_options opt;
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t timer;
    bool listening;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    struct http_conn *conns;
    uint32_t conn_count;
    struct metric_set *metrics;
    uint32_t handles; /* listener and timer still open */
    bool draining;
    int64_t drain_until_ns;
    void (*on_drained)(void *arg);
    void *on_drained_arg;
    struct http_server *next_retired;
};

struct http_req {
    h2o_req_t *req; /* NULL once answered */
    struct http_server *server;
    struct http_conn *conn;
    struct route_match match;
    int64_t start_ns;
    bool head;
    bool has_cache_control;
    bool has_csp;
    bool has_retry_after;
    void (*gone)(void *arg);
    void *gone_arg;
};

/* Drops the connection: what is being written fails, libh2o closes it. */
void http_conn_cut(struct http_conn *c);
/* Status, headers and counters of an answer that begins now. R is answered from here on. */
h2o_req_t *http_req_answer(struct http_req *r, unsigned status, const char *content_type,
                           size_t len);

/* --- stream.c ------------------------------------------------------------------------------- */
/* The request of C, which a stream answers, is over: frees the stream. */
void stream_disposed(struct http_conn *c);
/* Ends the stream of C: its last bytes are still sent. Nothing when it is ending already. */
void stream_drain(struct http_conn *c);
void stream_too_old(struct http_conn *c);
/* A write that the peer does not take. */
void stream_check_stalled(struct http_conn *c, int64_t now_ns);
#endif
