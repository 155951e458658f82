/* gateway/http/sse.h - server-sent events (WHATWG HTML 9.2): one sequence of events, many readers.
 * Why: a dashboard must see every change in order, also over a reconnect, and a reader that is slow
 * must not slow the others. A ring keeps the last events; a reader is a cursor into it and has no
 * queue of its own.
 *
 *   sse_publish() -> ring [old ... new] <- cursors of readers, fed as their sockets take it
 *
 * A reader that comes back with Last-Event-ID goes on exactly there, or is told `event: reset` (fetch
 * the whole state again) when the ring no longer, or never, held that id.
 * Owner: the server's loop.
 * Invariant: events reach each reader in order, each once per connection. A reader whose place falls
 * out of the ring, or who stalls, is cut; it may come back and resume. */
#ifndef GATEWAY_HTTP_SSE_H
#define GATEWAY_HTTP_SSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/err.h"
#include "gateway/http/server.h"
#include "gateway/http/stream.h"
#include "gateway/runtime/metrics.h"

#define SSE_ID_MAX    65u    /* with NUL */
#define SSE_NAME_MAX  33u    /* with NUL */
#define SSE_DATA_MAX  32768u /* bytes of one event's data */
#define SSE_OWNER_MAX 129u   /* with NUL */
#define SSE_NAMES_MAX 256u   /* with NUL */

struct sse_options {
    uint32_t max_streams;
    uint32_t ring_events;       /* kept for those who come back */
    size_t ring_bytes;          /* likewise */
    uint32_t heartbeat_ms;      /* a comment to readers to whom nothing is under way: 15000 */
    uint32_t retry_ms;          /* what clients are told to wait before they come back: 3000 */
    struct metric_set *metrics; /* of sse_metrics */
};
extern const struct metric_table sse_metrics;

struct sse;
struct sse *sse_create(uv_loop_t *loop, const struct sse_options *opt);
/* Ends all streams; DONE when its timer is closed. Nothing may be published after that. */
void sse_close(struct sse *s, void (*done)(void *arg), void *arg);
void sse_destroy(struct sse **sp);

/* Names the last event before the first published one, so that a reader who has seen just that one
 * is not reset after a restart. GW_EINVAL: not an id. */
GW_MUSTCHECK
enum gw_err sse_set_head(struct sse *s, const char *id);
/* ID: 1 to 64 visible ASCII characters, each once; NULL for an event that moves nobody's place. NAME:
 * 1 to 32 of a-z 0-9 _ . -. DATA: UTF-8 without CR, LF and NUL. GW_EINVAL, GW_EDUP, GW_ETOOBIG. */
GW_MUSTCHECK
enum gw_err sse_publish(struct sse *s, const char *id, const char *name, const char *data,
                        size_t len);

/* Answers REQ with the events after its Last-Event-ID, or from now on. OWNER: for sse_end_owner().
 * EVENTS: names of those it may see, a blank between them, under SSE_NAMES_MAX bytes; NULL: all. Of
 * the others it gets the ids, so that its place moves on. */
void sse_open(struct sse *s, struct http_req *req, const char *owner, const char *events);
/* Ends the streams of OWNER (a session that was closed); how many. */
uint32_t sse_end_owner(struct sse *s, const char *owner);
/* Ends the streams that RIGHT says no to; how many. EVENTS: what it was opened with; "": all. */
uint32_t sse_judge(struct sse *s, bool (*right)(void *arg, const char *owner, const char *events),
                   void *arg);
uint32_t sse_streams(const struct sse *s);
/* Id of the newest event; "" when there is none. */
const char *sse_head(const struct sse *s);
#endif
