/* ws/shard_priv.h - what session, control and shard share inside ws/. */
#ifndef WS_SHARD_PRIV_H
#define WS_SHARD_PRIV_H
#include <uv.h>
#include "ws/session.h"
#include "ws/shard.h"

#define WS_WRITES_A_TURN 8u /* of one session: then others have their turn */

/* clang-format off */
#define WS_METRICS(X)                                                                                             \
    X(WS_M_CLIENTS,   "ws_clients",               GAUGE,   NULL, "open sessions")                                     \
    X(WS_M_OPENED,    "ws_opened_total",          COUNTER, NULL, "sessions opened")                                   \
    X(WS_M_REFUSED,   "ws_refused_total",         COUNTER, NULL, "connections refused by a limit")                    \
    X(WS_M_CLOSES,    "ws_close_total",           COUNTER, &ws_close_label, "sessions closed by the gateway, by reason") \
    X(WS_M_SUBS,      "ws_subscriptions",         GAUGE,   &ws_channel_label, "subscriptions")                        \
    X(WS_M_SENT,      "ws_sent_messages_total",   COUNTER, &ws_channel_label, "market-data messages written to clients") \
    X(WS_M_BYTES,     "ws_sent_bytes_total",      COUNTER, NULL, "bytes written to clients, before TLS")              \
    X(WS_M_WRITES,    "ws_writes_total",          COUNTER, NULL, "writes (one TLS record, one system call each)")     \
    X(WS_M_FLUSHES,   "ws_flush_total",           COUNTER, NULL, "flushes of a shard")                                \
    X(WS_M_RECEIVED,  "ws_received_messages_total", COUNTER, NULL, "messages from clients")                           \
    X(WS_M_BAD,       "ws_bad_requests_total",    COUNTER, NULL, "requests answered with an error")                   \
    X(WS_M_LIMITED,   "ws_rate_limited_total",    COUNTER, NULL, "requests refused by the rate limit")                \
    X(WS_M_STREAMS,   "ws_streams",               GAUGE,   NULL, "streams a shard follows")                           \
    X(WS_M_RING,      "ws_ring_bytes",            GAUGE,   NULL, "bytes of frames held in rings")                     \
    X(WS_M_BACKLOG,   "ws_backlog_bytes",         GAUGE,   NULL, "bytes between slow cursors and stream heads")       \
    X(WS_M_CHOKED,    "ws_choked_clients",        GAUGE,   NULL, "sessions whose socket takes nothing now")           \
    X(WS_M_OVERRUN,   "ws_mailbox_overrun_total", COUNTER, NULL, "times a shard lost messages of the market")         \
    X(WS_M_HEARTBEAT, "ws_heartbeats_total",      COUNTER, NULL, "heartbeats sent")                                   \
    X(WS_M_TURN,      "ws_flush_seconds",         HISTOGRAM, NULL, "duration of a flush")
/* clang-format on */
enum ws_metric { WS_METRICS(METRIC_AS_ENUM) WS_M_COUNT };

struct shard {
    struct shard_options opt;
    const struct ws_config *config;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_barrier_t started;
    enum gw_err start_err;
    uv_check_t check;
    uv_timer_t timer;
    struct transport *transport;
    struct metric_set *metrics;
    struct gcra_rate control_rate;
    struct gcra_rate ping_rate;
    struct stream_limits ring;
    enum link_system system;
    struct link_symbol *epochs; /* by symbol number */
    struct stream *streams;     /* by id */
    struct stream **by_symbol;  /* lists by symbol number; the last is `instrument` */
    struct session *sessions;   /* least recently written first */
    struct session *dirty;
    struct session *choked;
    struct session *closing; /* oldest first */
    struct session *doomed;
    uint32_t in_state[WS_STATE_COUNT];
    uint64_t next_session;
    uint32_t notice_mark;
    uint64_t turn_messages;
    int64_t now_ns; /* monotonic, of this turn */
    int64_t swept_ns;
    struct buf batch;
    struct buf text;
    bool draining;
    int64_t drain_ns;
};

uint64_t shard_next_id(struct shard *s);
/* Finds or opens the stream; it may be closing: then it starts again. */
struct stream *shard_stream(struct shard *s, const struct stream_key *key);
/* Gives SUB the snapshot at hand or asks the market for one. */
void shard_want_snapshot(struct shard *s, struct sub *sub);
/* A subscriber left STREAM. */
void shard_stream_left(struct shard *s, struct stream *stream);
/* The connection is lost: kill it in reap. */
void shard_doom(struct shard *s, struct session *session);
void shard_count_close(struct shard *s, enum gw_err err);
/* The `status` message of this connection. */
void shard_say_status(struct shard *s, struct session *session);
/* Epoch of a symbol, "" when not known yet. */
const char *shard_epoch(const struct shard *s, uint32_t symbol);
#endif
