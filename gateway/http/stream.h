/* gateway/http/stream.h - an answer that is sent piece by piece as long as its reader stays.
 * Why: live updates are one long answer. A reader that does not keep up, or goes away, must cost
 * nothing but itself.
 *
 *   http_stream_send() -> pending (bounded) -> flying (one write at a time) -> socket
 *
 * Owner: the server's loop. Whoever started a stream forgets it when `gone` ran, when
 * http_stream_send() returned false, or after http_stream_end() or http_stream_cut().
 * Invariant: at most HTTP_STREAM_BUFFER bytes wait and as many are under way. A write that is not
 * taken within io_timeout_ms cuts the reader; so does what does not fit. The connection is closed
 * after the answer. */
#ifndef GATEWAY_HTTP_STREAM_H
#define GATEWAY_HTTP_STREAM_H
#include <stdbool.h>
#include <stddef.h>

#define HTTP_STREAM_BUFFER 65536u

/* Why a streamed answer is over. */
#define HTTP_STREAM_ENDS(X)                                                                        \
    X(ENDED, "ended")     /* by its owner */                                                       \
    X(LEFT, "left")       /* the reader went away */                                               \
    X(SLOW, "slow")       /* more waits than fits */                                               \
    X(STALLED, "stalled") /* the reader takes nothing */                                           \
    X(NOISY, "noisy")     /* the reader sends instead of reading */                                \
    X(AGE, "age")         /* max_age_ms of the connection */                                       \
    X(DRAIN, "drain")     /* the server is going down */
#define HTTP_STREAM_END_AS_ENUM(sym, word) HTTP_STREAM_##sym,
enum http_stream_why { HTTP_STREAM_ENDS(HTTP_STREAM_END_AS_ENUM) HTTP_STREAM_WHY_COUNT };

struct http_req;
struct http_stream;

/* Answers REQ: the head is sent at once. *OUT is NULL when there is nothing to stream: a HEAD, or
 * the server is going down; REQ is answered also then. */
void http_stream_start(struct http_req *req, unsigned status, const char *content_type,
                       struct http_stream **out);
/* DATA is copied. False: it did not fit, the reader was cut; forget S. */
bool http_stream_send(struct http_stream *s, const void *data, size_t len);
/* What http_stream_send() would still take. */
size_t http_stream_room(const struct http_stream *s);
/* Nothing waits, nothing is under way. */
bool http_stream_idle(const struct http_stream *s);
/* ROOM runs each time when all that was sent has been taken by the socket. It may send and end. */
void http_stream_on_room(struct http_stream *s, void (*room)(void *arg), void *arg);
/* GONE runs once when the stream ends without its owner: forget S. */
void http_stream_on_gone(struct http_stream *s, void (*gone)(void *arg, enum http_stream_why why),
                         void *arg);
/* What waits is still sent, then the answer ends. */
void http_stream_end(struct http_stream *s);
/* Drops the reader with what waits for it: it does not keep up. */
void http_stream_cut(struct http_stream *s);
#endif
