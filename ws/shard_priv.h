/* ws/shard_priv.h - what session, control and shard share inside ws/. */
#ifndef WS_SHARD_PRIV_H
#define WS_SHARD_PRIV_H
#include <uv.h>
#include "gateway/publish/roster.h"
#include "ws/cause.h"
#include "ws/key_rate.h"
#include "ws/resume.h"
#include "ws/reply.h"
#include "ws/session.h"
#include "ws/shard.h"

#define WS_TIMER_MS      50
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
    X(WS_M_TOKENS,    "ws_tokens_total",          COUNTER, &ws_token_label, "tokens named by clients, by outcome")        \
    X(WS_M_LIMITED,   "ws_rate_limited_total",    COUNTER, NULL, "requests refused by the rate limit")                \
    X(WS_M_STREAMS,   "ws_streams",               GAUGE,   NULL, "streams a shard follows")                           \
    X(WS_M_RING,      "ws_ring_bytes",            GAUGE,   NULL, "bytes of frames held in rings")                     \
    X(WS_M_BACKLOG,   "ws_backlog_bytes",         GAUGE,   NULL, "bytes between slow cursors and stream heads")       \
    X(WS_M_CHOKED,    "ws_choked_clients",        GAUGE,   NULL, "sessions whose socket takes nothing now")           \
    X(WS_M_OVERRUN,   "ws_mailbox_overrun_total", COUNTER, NULL, "times a shard lost messages of the market")         \
    X(WS_M_CONFLATED, "ws_conflated_total",       COUNTER, &ws_channel_label, "frames folded into merged updates of clients that were behind") \
    X(WS_M_WARNED,    "ws_slow_warnings_total",   COUNTER, NULL, "slow_warning notices")                              \
    X(WS_M_LOST_PLACE, "ws_lost_place_total",     COUNTER, NULL, "clients closed because frames that may not be folded had left the ring") \
    X(WS_M_DROPPED,   "ws_dropped_total",         COUNTER, &ws_channel_label, "messages of a live subscription never sent nor folded (must stay 0)") \
    X(WS_M_RESUMES,   "ws_resumes_total",         COUNTER, &ws_resume_label, "subscriptions that asked to resume, by outcome") \
    X(WS_M_SHARD_CLIENTS, "ws_shard_clients",     GAUGE,   &ws_shard_label, "open sessions of each shard")            \
    X(WS_M_SHARD_BACKLOG, "ws_shard_backlog_bytes", GAUGE, &ws_shard_label, "bytes between slow cursors and stream heads, by shard") \
    X(WS_M_BACKLOG_MAX, "ws_backlog_max_bytes",   GAUGE,   &ws_shard_label, "the largest backlog of one session, by shard") \
    X(WS_M_SHARD_CPU, "ws_shard_cpu_microseconds_total", COUNTER, &ws_shard_label, "CPU time of each shard's thread")  \
    X(WS_M_ACCEPT_PAUSES, "ws_accept_pauses_total", COUNTER, NULL, "times accepting paused: no file descriptors")     \
    X(WS_M_PINGS,     "ws_pings_total",           COUNTER, NULL, "protocol pings to silent clients")                  \
    X(WS_M_DEAD,      "ws_dead_peers_total",      COUNTER, NULL, "connections ended because the peer was silent")     \
    X(WS_M_HEARTBEAT, "ws_heartbeats_total",      COUNTER, NULL, "heartbeats sent")                                   \
    X(WS_M_TURN,      "ws_flush_seconds",         HISTOGRAM, NULL, "duration of a flush")
/* clang-format on */
enum ws_metric { WS_METRICS(METRIC_AS_ENUM) WS_M_COUNT };

struct shard_live {
    struct ws_config ws;
    struct fanout_config fanout;
    struct limits_config limits;
};

struct shard {
    struct shard_options opt;
    struct ws_config live;
    const struct ws_config *config; /* = &live */
    struct fanout_config fanout_config;
    struct fanout_state fanout;
    bool fanout_told; /* a profile or a floor has been in force: `status` speaks of them */
    bool load_cause;  /* the last change came from load */
    struct causes *causes;
    struct tokens *tokens;
    struct limits *limits;       /* NULL: no keys */
    struct key_rates *key_rates; /* the same */
    struct resume_wait *resumes; /* by token */
    uint64_t next_token;
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
    struct gcra_rate sub_rate;     /* of the fan-out profile */
    struct gcra_rate inbound_rate; /* bytes */
    struct stream_limits ring;
    enum link_system system;
    struct audit_id system_audit; /* behind it */
    struct link_symbol *epochs;   /* by symbol number */
    struct stream *streams;       /* by id */
    struct stream **by_symbol;    /* lists by symbol number; the last is `instrument` */
    struct session **all;         /* in no order */
    uint32_t all_count;
    uint32_t all_capacity;
    uint32_t sweep_at; /* in `all`: floods and idle sessions */
    uint32_t heartbeat_at;
    struct session *dirty;
    struct session *choked;
    struct session *closing; /* oldest first */
    struct session *doomed;
    uint32_t in_state[WS_STATE_COUNT];
    uint64_t next_session;
    uint64_t opened_total;
    uint64_t closes[ROSTER_REASONS_MAX];
    struct roster_row
        *gone; /* a ring of the last ROSTER_LIMIT_MAX that were closed; NULL: none yet */
    uint64_t gone_total;
    uint32_t notice_mark;
    uint64_t turn_messages;
    int64_t now_ns; /* monotonic, of this turn */
    int64_t swept_ns;
    struct buf batch;
    struct buf text;
    int64_t cpu_ns; /* of this thread, a second ago */
    unsigned busy_s;
    unsigned calm_s;
    uint32_t load_ms; /* interval asked for because of load */
    bool draining;
    int64_t drain_ns;
    uint32_t drain_total;
    uint32_t drained;
};

uint64_t shard_next_id(struct shard *s);
void shard_name(struct shard *s, char name[WS_SESSION_NAME_MAX]);
void shard_list(struct shard *s, struct session *session);
void shard_unlist(struct shard *s, struct session *session);
/* Symbol of STREAM, NULL for `instrument`. */
const struct symbol *shard_symbol(const struct shard *s, const struct stream *stream);
void shard_post_market(struct shard *s, const struct mail *mail);
/* "SLOW_CONSUMER": the value of ws_close_total{reason} for ERR. */
const char *shard_close_name(enum gw_err err);

/* shard_streams.c: from the market */
void shard_on_frame(struct shard *s, struct stream *stream, struct frame *f);
void shard_on_snapshot(struct stream *stream, struct frame *f);
void shard_on_closed(struct shard *s, struct stream *stream);
void shard_on_symbol(struct shard *s, uint32_t number, const struct link_symbol *state);
void shard_close_idle_streams(struct shard *s);
/* shard_notices.c */
void shard_on_notice(struct shard *s, uint32_t symbol, struct frame *f);
void shard_on_system(struct shard *s, enum link_system system, const struct audit_id *audit);
/* Applies the newest fan-out state, and tells clients of a change. */
void shard_take_fanout(struct shard *s);
/* shard_timers.c */
void shard_on_timer(uv_timer_t *timer);
void shard_start_drain(struct shard *s);
/* shard_roster.c */
void shard_on_roster(struct shard *s, struct roster *r);
/* SESSION is about to lose its subscriptions: for those who ask why it went. CODE 0: none was sent. */
void shard_note_closed(const struct session *session, const char *reason, uint16_t code);
/* shard.c */
/* The peer has left, or is dead. */
void shard_count_left(const struct session *session);
/* Words of all reasons a connection can end for; indexes of shard->closes. */
const char *const *shard_close_reasons(unsigned *count);
void shard_flush_and_reap(struct shard *s);

/* session.c, for flush.c */
void session_set_choked(struct session *s, bool choked);
/* control.c: the ack of a subscription. */
void session_ack(struct session *s, const struct ws_request *r, const char *symbol,
                 const char *warning, const struct reply_resume *resume, int64_t in_ns);
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
