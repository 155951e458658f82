/* ws/transport.h - WebSocket connections on a libuv loop: the glue to libwebsockets and nothing
 * else of it.
 * Why: sessions know frames and cursors, not a library. This file is where an embedder of 4.1.6
 * must be careful (docs/ARCHITECTURE.md): HTTP/2 off, no h2c or unknown upgrades, sizes and times
 * bounded. Writes are raw: the caller's bytes are WebSocket frames already, whole pieces each time,
 * so that the library's own pings and closes may follow any of them.
 * Owner: the loop it was created on; every call and callback on that thread.
 * Invariant: on_closed is the last call about a connection; no call about it is made after. */
#ifndef WS_TRANSPORT_H
#define WS_TRANSPORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/err.h"

#define TRANSPORT_WRITE_MAX 16384u /* one TLS record */

struct transport;
struct transport_conn;

struct transport_handlers {
    /* May this address connect? Called on accept, before TLS. */
    bool (*on_accept)(void *arg, const char *ip);
    /* The upgrade is done. Returns the caller's session, which comes back in every other call. */
    void *(*on_open)(void *arg, struct transport_conn *c, const char *ip, const char *path);
    /* A part of a message; FIRST and LAST mark its ends. BINARY messages are not text. */
    void (*on_data)(void *session, const char *data, size_t len, bool first, bool last,
                    bool binary);
    /* Asked for by transport_want_write(), or what was left of a write has gone. */
    void (*on_writable)(void *session);
    void (*on_closed)(void *session);
    /* No descriptor was left: accepting waits a moment. */
    void (*on_accept_pause)(void *arg);
};

struct transport_options {
    const char *host;
    uint16_t port; /* shared by all shards (SO_REUSEPORT) */
    const char *cert_file;
    const char *key_file;
    uint32_t max_connections;
    uint32_t unsent_bytes; /* TCP_NOTSENT_LOWAT: the kernel holds little, so lag shows soon and
                              stale data is not queued */
    bool release_buffers;  /* SSL_MODE_RELEASE_BUFFERS: less memory, more time */
};

GW_MUSTCHECK
enum gw_err transport_create(uv_loop_t *loop, const struct transport_options *opt,
                             const struct transport_handlers *handlers, void *arg,
                             struct transport **out);
/* Stops accepting. */
void transport_stop_listening(struct transport *t);
/* Closes what is left; runs the loop until the library's handles are gone. */
void transport_destroy(struct transport **tp);

/* Writes LEN <= TRANSPORT_WRITE_MAX bytes of whole frame pieces. What the socket does not take the
 * library keeps: one partial write at most, since transport_choked() is then true. False: the
 * connection is lost. */
GW_MUSTCHECK
bool transport_write(struct transport_conn *c, const void *data, size_t len);
/* An earlier write has not gone out whole (on_writable comes), or the connection is closing: do not
 * write. */
bool transport_choked(const struct transport_conn *c);
/* Sends a WebSocket ping (RFC 6455 5.5.2). False: the connection is lost. */
GW_MUSTCHECK
bool transport_ping(struct transport_conn *c);
/* Bytes the peer has sent, TLS and all; 0 when not known. */
uint64_t transport_received(const struct transport_conn *c);
void transport_want_write(struct transport_conn *c);
/* Writes a WebSocket close with CODE and REASON; the connection ends when the peer answers, or by
 * transport_kill(). False: the connection is lost. */
GW_MUSTCHECK
bool transport_close(struct transport_conn *c, uint16_t code, const char *reason);
/* At once, without a word: on_closed comes inside this call. Not from within a callback about C. */
void transport_kill(struct transport_conn *c);
#endif
