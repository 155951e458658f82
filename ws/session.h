/* ws/session.h - one client connection: its subscriptions (cursors) and what it is owed.
 * Why: a session keeps a cursor per subscription and at most one partly written message; everything
 * else it is sent lives in the streams, shared.
 *
 *   GREETING --first subscribe--> LIVE --> CLOSING (close code sent, no more data) --> gone
 *
 * session.c: life, subscriptions, closing; flush.c: what is written when; control.c: what a message
 * of the client does; resume.c: coming back.
 * Owner: one shard loop.
 * Invariant: a subscription with news is in its session's `due` list, and its session in the
 * shard's dirty list, until flushed. Text messages are never interleaved with the pieces of another
 * one. */
#ifndef WS_SESSION_H
#define WS_SESSION_H
#include <stdint.h>
#include "auth/token.h"
#include "gateway/base/buf.h"
#include "ratelimit/gcra.h"
#include "ws/key_rate.h"
#include "ws/request.h"
#include "ws/stream.h"
#include "ws/transport.h"

struct shard;

#define WS_SESSION_NAME_MAX 20u /* "c-", 16 hexadecimal digits, NUL */

#define WS_STATES(X)        X(GREETING) X(LIVE) X(CLOSING)
#define WS_STATE_AS_ENUM(s) WS_##s,
enum ws_state { WS_STATES(WS_STATE_AS_ENUM) WS_STATE_COUNT };

enum sub_state {
    SUB_WAITING,  /* for the stream's snapshot */
    SUB_RESUMING, /* for the market's answer (ws/resume.c) */
    SUB_LIVE,     /* `first`, then frames from `cursor` */
};

struct sub {
    struct session *session;
    struct stream *stream;
    struct sub *next; /* of the session */
    struct sub *prev;
    struct sub *due_next; /* list of subscriptions with news */
    struct sub *due_prev;
    struct frame *first;        /* snapshot or what was missed, before `cursor`; one reference */
    struct resume_wait *resume; /* SUB_RESUMING */
    uint64_t cursor;            /* position of the next frame to send */
    uint64_t exact_to;          /* up to here frames are sent as they were (a resume) */
    uint64_t seq;               /* gw.s of the last message taken */
    int64_t since_ns;           /* lag does not count from before */
    uint32_t place;             /* in stream->subs */
    enum sub_state state;
    enum ws_on_lag on_lag;
    bool due;
};

/* A session whose client has named a token. */
struct session_auth {
    struct token_grant grant;
    uint8_t token_hash[TOKEN_HASH_BYTES];
    struct session *session;
    struct key_member member; /* of the key's messages */
    bool counted;             /* the first parked message has passed the session's own limits */
};

struct session {
    /* what a flush touches comes first: with ten thousand clients each line of it is a cache miss */
    struct transport_conn *conn;
    struct shard *shard;
    struct sub *due;
    struct session *dirty_next;
    struct frame *partial; /* message being written piece by piece, one reference */
    struct buf control;    /* framed replies and notices, whole messages */
    int64_t sent_ns;       /* last write */
    uint64_t sent_bytes;
    uint64_t sent_messages; /* of streams */
    uint32_t partial_at;    /* offset of the next piece */
    enum ws_state state;
    bool dirty;
    bool choked;    /* in the shard's choked list */
    bool warned;    /* slow_warning sent in this spell */
    bool doomed;    /* in the shard's reap list */
    bool counted;   /* in the per-address count */
    bool uses_gw;   /* sent a `gw` object or follows `gateway`: gets its notices */
    bool heartbeat; /* from the first subscription on */
    bool private_path;
    bool asked_cause;
    bool refused_token; /* the token of the first parked message was no good */
    /* the rest */
    struct sub *subs;
    uint64_t id;
    uint32_t place; /* in shard->all */
    uint32_t seat;  /* ws/follow.h */
    uint32_t sub_count[CHANNEL_STREAMS];
    struct buf inbound;        /* message being received */
    struct cause_ask *asking;  /* why the connection it names was closed */
    char *last_close;          /* the answer, JSON; NULL: none */
    struct token_wait *taking; /* the grant of a token */
    struct session_auth *auth; /* NULL: a stranger */
    struct buf parked;         /* messages that came while asking: length (4 bytes), text */
    int64_t control_tat_ns;    /* GCRA of control messages */
    int64_t ping_tat_ns;
    int64_t sub_tat_ns;       /* of subscribe and unsubscribe, under a fan-out profile */
    int64_t violations_ns[2]; /* when the last two refusals were */
    int64_t inbound_tat_ns;   /* GCRA of received bytes */
    uint64_t received_bytes;  /* of the socket, when last looked at */
    int64_t alive_ns;         /* when that was found to have grown */
    bool pinged;              /* since then */
    bool dead;                /* and never answered */
    uint64_t skipped;         /* frames folded into merged updates */
    int64_t opened_ns;
    int64_t stuck_ns;            /* choked since */
    int64_t over_ns;             /* over a lag budget since, 0: not */
    int64_t close_ns;            /* CLOSING since */
    uint32_t notice_mark;        /* last notice seen, so that one is sent once */
    struct session *choked_prev; /* choked list, or closing list in CLOSING */
    struct session *choked_next;
    struct session *reap_next;
    char name[WS_SESSION_NAME_MAX]; /* what a later connection calls this one; not guessable */
    char ip[46];
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
/* Closes a client that cannot keep up and tells it why, and its next connection
 * (docs/PROTOCOL.md). */
void session_evict(struct session *s);

/* Subscriptions. */
struct sub *session_find_sub(struct session *s, enum channel channel, uint32_t symbol);
struct sub *session_add_sub(struct session *s, struct stream *stream);
void session_remove_sub(struct sub **subp);
/* FIRST (a snapshot, or what was missed; borrowed, may be NULL) is at hand: start SUB with it. */
void sub_start(struct sub *sub, struct frame *first);
/* Start SUB with what the ring holds from position CURSOR on. */
void sub_start_at(struct sub *sub, uint64_t cursor);
/* Forget what SUB was owed and wait for a new snapshot. */
void sub_restart(struct sub *sub);
/* Bytes that SUB has not been sent. */
uint64_t sub_backlog(const struct sub *sub);

/* SUB is not due any more. */
void session_unmark_due(struct sub *sub);

/* ws/control.c: one whole text message from the client. */
void session_on_message(struct session *s, const char *text, size_t len);
/* ws/control.c: units may have come for the key's messages. */
void session_on_units(struct key_member *m);
/* Ends a buffer of what the client has said: it may have named a token. */
void session_wipe(struct buf *b);
#endif
