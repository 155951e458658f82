/* ws/session.h - one client connection: its subscriptions (cursors) and what it is owed.
 * Why: a session keeps a cursor per subscription and at most one partly written message; everything
 * else it is sent lives in the streams, shared.
 *
 *   GREETING --first subscribe--> LIVE --> CLOSING (close code sent, no more data) --> gone
 *
 * Owner: one shard loop.
 * Invariant: a subscription with news is in its session's `due` list, and its session in the
 * shard's dirty list, until flushed. Text messages are never interleaved with the pieces of another
 * one. */
#ifndef WS_SESSION_H
#define WS_SESSION_H
#include <stdint.h>
#include "gateway/base/buf.h"
#include "ratelimit/gcra.h"
#include "ws/request.h"
#include "ws/stream.h"
#include "ws/transport.h"

struct shard;

#define WS_STATES(X)        X(GREETING) X(LIVE) X(CLOSING)
#define WS_STATE_AS_ENUM(s) WS_##s,
enum ws_state { WS_STATES(WS_STATE_AS_ENUM) WS_STATE_COUNT };

enum sub_state {
    SUB_WAITING, /* for the stream's snapshot */
    SUB_LIVE,    /* `first`, then frames from `cursor` */
};

struct sub {
    struct session *session;
    struct stream *stream;
    struct sub *next; /* of the session */
    struct sub *prev;
    struct sub *due_next; /* list of subscriptions with news */
    struct sub *due_prev;
    struct frame *first; /* snapshot to send before `cursor`, one reference */
    uint64_t cursor;     /* position of the next frame to send */
    uint32_t place;      /* in stream->subs */
    enum sub_state state;
    bool due;
};

struct session {
    struct shard *shard;
    struct transport_conn *conn;
    uint64_t id;
    char ip[46];
    enum ws_state state;
    bool private_path;
    bool uses_gw;   /* sent a `gw` object or follows `gateway`: gets its notices */
    bool heartbeat; /* from the first subscription on */
    bool dirty;
    bool choked;  /* in the shard's choked list */
    bool warned;  /* slow_warning sent in this spell */
    bool doomed;  /* in the shard's reap list */
    bool counted; /* in the per-address count */
    struct sub *subs;
    uint32_t sub_count[CHANNEL_STREAMS];
    struct sub *due;
    struct frame *partial;  /* message being written piece by piece, one reference */
    uint32_t partial_at;    /* offset of the next piece */
    struct buf control;     /* framed replies and notices, whole messages */
    struct buf inbound;     /* message being received */
    int64_t control_tat_ns; /* GCRA of control messages */
    int64_t ping_tat_ns;
    int64_t violations_ns[2]; /* when the last two refusals were */
    int64_t opened_ns;
    int64_t sent_ns;      /* last write */
    int64_t stuck_ns;     /* choked since */
    int64_t close_ns;     /* CLOSING since */
    uint32_t notice_mark; /* last notice seen, so that one is sent once */
    struct session *prev; /* of the shard, least recently written first */
    struct session *next;
    struct session *dirty_next;
    struct session *choked_prev; /* choked list, or closing list in CLOSING */
    struct session *choked_next;
    struct session *reap_next;
};

extern const char *const ws_state_names[WS_STATE_COUNT];

struct session *session_create(struct shard *shard, struct transport_conn *conn, const char *ip,
                               bool private_path);
/* The connection is gone: leaves all streams and lists. */
void session_destroy(struct session **sp);

/* Queues one text message for this session alone. */
void session_say(struct session *s, const char *text, size_t len);
/* Queues the bytes of a shared notice. */
void session_say_frame(struct session *s, const struct frame *f);
/* Something is to be sent: flush at the end of the turn. */
void session_mark_dirty(struct session *s);
/* SUB has news. */
void session_mark_due(struct sub *sub);
/* Writes what is due, as far as the socket takes it and the turn's budget allows. */
void session_flush(struct session *s);
/* Drops all data, sends NOTICE (a `gateway` message, NULL: none), then closes with the code of
 * ERR's row. */
void session_close(struct session *s, enum gw_err err, struct buf *notice);
/* Bytes not yet sent and the age of the oldest of them. */
void session_lag(const struct session *s, uint64_t *bytes, int64_t *lag_ns);
/* Closes a client that cannot keep up and tells it why (docs/PROTOCOL.md). */
void session_evict(struct session *s);

/* Subscriptions. */
struct sub *session_find_sub(struct session *s, enum channel channel, uint32_t symbol);
struct sub *session_add_sub(struct session *s, struct stream *stream);
void session_remove_sub(struct sub **subp);
/* The stream's snapshot has arrived (or is at hand): start SUB with it. */
void sub_start(struct sub *sub, struct frame *snapshot);
/* Forget what SUB was owed and wait for a new snapshot. */
void sub_restart(struct sub *sub);
/* Bytes that SUB has not been sent. */
uint64_t sub_backlog(const struct sub *sub);

/* ws/control.c: one whole text message from the client. */
void session_on_message(struct session *s, const char *text, size_t len);
#endif
