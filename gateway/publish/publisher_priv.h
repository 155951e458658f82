/* gateway/publish/publisher_priv.h - the state behind publisher.h, for publisher*.c only. */
#ifndef GATEWAY_PUBLISH_PUBLISHER_PRIV_H
#define GATEWAY_PUBLISH_PUBLISHER_PRIV_H
#include "gateway/publish/gate_view.h"
#include "gateway/publish/pub_stream.h"
#include "gateway/publish/publisher.h"

/* clang-format off */
#define PUB_METRICS(X)                                                                                        \
    X(PUB_M_FRAMES,  "md_frames_total",           COUNTER,   &channel_label, "messages encoded, once per stream") \
    X(PUB_M_BYTES,   "md_frame_bytes_total",      COUNTER,   &channel_label, "bytes of encoded messages")         \
    X(PUB_M_STREAMS, "md_streams",                GAUGE,     NULL, "streams with at least one follower")          \
    X(PUB_M_LAG,     "md_publish_lag_seconds",    HISTOGRAM, NULL, "from the first unpublished entry to its message") \
    X(PUB_M_SKIPPED, "md_trades_skipped_total",   COUNTER,   NULL, "trades overwritten before they were published (must stay 0)") \
    X(PUB_M_REFUSED, "md_mail_refused_total",     COUNTER,   NULL, "messages a full shard mailbox refused")       \
    X(PUB_M_RESUMES, "md_resumes_total",          COUNTER,   &resume_label, "what the market answered to clients that came back") \
    X(PUB_M_READ_BACKS, "md_read_backs_total",    COUNTER,   NULL, "times trades before the ring were read from the feed") \
    X(PUB_M_FLOOR,   "fanout_floor_ms",           GAUGE,     NULL, "shortest conflation interval in force")       \
    X(PUB_M_PROFILE, "fanout_profile",            GAUGE,     NULL, "0 normal, 1 degraded, 2 emergency")           \
    X(PUB_M_QUERIES, "md_queries_total",          COUNTER,   NULL, "REST questions answered")
/* clang-format on */
enum pub_metric { PUB_METRICS(METRIC_AS_ENUM) PUB_M_COUNT };

/* Publishing state of one symbol. */
struct pub_symbol {
    struct pub_stream *streams;
    unsigned slots; /* bit mask of timers that have streams here */
    unsigned dirty; /* bit mask of timers whose list holds this symbol */
    int64_t dirty_since_ns[INTERVAL_CLASSES];
    bool degraded; /* clients were told so */
    enum book_show show;
};

struct dirty_list {
    uint32_t *v;
    uint32_t count;
};

/* Publishes the streams whose interval, or the floor above it, is this class. */
struct class_timer {
    uv_timer_t timer;
    struct publisher *publisher;
    unsigned class;
    uint32_t streams;
};

struct publisher {
    struct publisher_options opt;
    struct metric_set *metrics;
    struct pub_symbol *symbols;
    struct pub_stream *by_id;
    struct pub_stream *instruments; /* the one stream without a symbol; NULL while nobody follows */
    struct dirty_list dirty[INTERVAL_CLASSES];
    struct class_timer timers[INTERVAL_CLASSES];
    uv_timer_t system_timer;
    enum link_system system;
    bool connected;
    int64_t connected_changed_ns;   /* wall clock */
    int64_t connected_changed_mono; /* monotonic */
    int64_t last_entry_ns;
    uint32_t wake; /* bit mask of shards with unannounced mail */
    struct fanout_state fanout;
    struct gate_view *gate;
    struct held **held;          /* by symbol number; NULL: live */
    enum pair_status *status;    /* in force, by symbol number */
    bool lost;                   /* the feed, for so long that all is under maintenance */
    struct link_resume *waiting; /* this replica has not got as far as these clients */
    struct buf text;
    struct view_diff diff;
};

/* Posts MAIL, whose payload is given away. */
void publisher_post(struct publisher *p, uint32_t shard, const struct mail *mail);
/* Publishes what is new in S. */
void publisher_publish(struct publisher *p, struct pub_stream *s);
/* Posts the text in p->text, with FOLD (taken, may be NULL), as a frame of S. */
void publisher_post_frame(struct publisher *p, struct pub_stream *s, enum link_kind kind,
                          uint32_t mask, struct fold **fold);
struct pub_stream *publisher_stream(struct publisher *p, uint64_t id);

/* Sends the text in p->text on the `gateway` channel to those who follow NUMBER. */
void publisher_notice(struct publisher *p, uint32_t number, uint32_t shard_mask);
/* Publishes what has changed of NUMBER, at the next ticks. */
void publisher_show_all(struct publisher *p, uint32_t number);
/* Tells the state of NUMBER on `instrument`. */
void publisher_status(struct publisher *p, uint32_t number, struct audit_id audit);
/* Works out the system's word and tells it when it is another. */
void publisher_system(struct publisher *p);

/* publisher_gate.c */
/* Takes NEXT. */
void publisher_gate(struct publisher *p, struct gate_view **next);
/* The feed has changed the status of NUMBER. */
void publisher_feed_status(struct publisher *p, uint32_t number);
void publisher_release(struct publisher *p, uint32_t number);
/* The first book of NUMBER has come, and is not to be shown live. */
void publisher_hold_late(struct publisher *p, uint32_t number);

/* publisher_resume.c */
/* Takes the question of a client that came back. */
void publisher_resume(struct publisher *p, const struct mail *m);
/* Tries those that wait; after new entries, and now and then (they do not wait for ever). */
void publisher_retry(struct publisher *p);
#endif
