/* ratelimit/limits_priv.h - what limits.c (verdicts), limits_trip.c (Redis) and limits_lease.c share.
 * Owner: one loop. */
#ifndef RATELIMIT_LIMITS_PRIV_H
#define RATELIMIT_LIMITS_PRIV_H
#include "ratelimit/breaker.h"
#include "ratelimit/buckets.h"
#include "ratelimit/clock_guard.h"
#include "ratelimit/limits.h"
#include "ratelimit/nonces.h"
#include "ratelimit/siphash.h"

#define LIMITS_IDENTITY_MAX 96u
/* A nonce is remembered for so much longer than its request is good for: a clock set back by less
 * brings back no request whose nonce is forgotten. */
#define LIMITS_CLOCK_SLACK_MS 60000u
/* The database keeps them for an hour (auth/key_store.c): by more, the fence moves. */
#define LIMITS_CLOCK_MOST_NS (55 * 60 * (int64_t)1000000000)

/* clang-format off */
#define LIMITS_METRICS(X)                                                                                              \
    X(LIMITS_M_TAKEN,    "ratelimit_taken_total",          COUNTER,   &limits_class_label, "units of requests admitted")          \
    X(LIMITS_M_DROP,     "ratelimit_drop_total",           COUNTER,   &limits_class_label, "requests refused, by the class that refused") \
    X(LIMITS_M_L1_DROP,  "ratelimit_l1_drop_total",        COUNTER,   NULL, "of those, refused at twice the limit before Redis was asked") \
    X(LIMITS_M_LOCAL,    "ratelimit_local_total",          COUNTER,   NULL, "requests answered without Redis that should have been asked") \
    X(LIMITS_M_DEADLINE, "ratelimit_deadline_total",       COUNTER,   NULL, "requests Redis did not answer in time")                \
    X(LIMITS_M_FAULT,    "ratelimit_fault_total",          COUNTER,   NULL, "answers of Redis that were errors or made no sense")   \
    X(LIMITS_M_NOSCRIPT, "ratelimit_noscript_total",       COUNTER,   NULL, "times the script had to be sent again")                \
    X(LIMITS_M_OPEN,     "ratelimit_breaker_open",         GAUGE,     NULL, "loops that do not ask Redis now")                      \
    X(LIMITS_M_OPENED,   "ratelimit_breaker_opened_total", COUNTER,   NULL, "times a breaker opened")                               \
    X(LIMITS_M_TRIP,     "ratelimit_trip_seconds",         HISTOGRAM, NULL, "time of one trip to Redis")                            \
    X(LIMITS_M_REPLAY,   "replay_detect_total",            COUNTER,   NULL, "requests refused because their nonce was known")       \
    X(LIMITS_M_FENCED,   "replay_fenced_total",            COUNTER,   NULL, "requests refused because they were made before the fence") \
    X(LIMITS_M_FENCE,    "replay_fence_moved_total",       COUNTER,   NULL, "times another or a restarted Redis moved the fence")   \
    X(LIMITS_M_UNSURE,   "replay_unsure_total",            COUNTER,   NULL, "requests whose nonce nobody could vouch for")       \
    X(LIMITS_M_CLOCK,    "replay_clock_back_total",        COUNTER,   NULL, "times the clock was set back by more than nonces are kept for") \
    X(LIMITS_M_STEP,     "clock_step_total",               COUNTER,   &limits_step_label, "times the wall clock was set by more than half a second")
/* clang-format on */
extern const struct metric_label limits_class_label, limits_step_label;
enum limits_metric { LIMITS_METRICS(METRIC_AS_ENUM) LIMITS_M_COUNT };

struct limits_rates {
    struct gcra_rate shared;
    struct gcra_rate l1;    /* twice that */
    struct gcra_rate local; /* this instance's part of it */
    uint64_t burst;
    uint64_t local_burst;
};

/* An ask that is at Redis. Lives until Redis has answered or is lost, even when its asker has not
 * waited: exactly one reply comes. */
struct limits_wait {
    struct limits *limits;
    struct limits_wait *prev;
    struct limits_wait *next;
    struct limits_ask ask; /* pointers into the copies below */
    struct limits_nonce nonce;
    char ids[LIMITS_UNITS_MAX][LIMITS_ID_MAX + 1];
    char keyid[LIMITS_ID_MAX + 1];
    char text[LIMITS_NONCE_MAX + 1];
    int64_t sent_ns;
    int64_t deadline_ns;
    bool trial;   /* of the breaker */
    bool retried; /* the whole script was sent */
    bool answered;
    limits_answer_fn *cb; /* NULL: cancelled */
    void *arg;
};

struct limits {
    struct limits_options opt;
    struct limits_config config; /* no texts in it */
    struct limits_rates rates[LIMITS_CLASS_COUNT];
    struct siphash_key seed;
    struct buckets *l1;
    struct buckets *local;
    struct buckets *reserved;
    struct nonces *nonces;
    struct breaker breaker;
    struct redis *redis;
    bool ready; /* Redis has said who it is: the fence is right */
    bool shown_open;
    struct circuit *circuit; /* of the breaker; its Redis has one of the same name */
    enum breaker_state shown_state;
    char identity[LIMITS_IDENTITY_MAX]; /* of the last Redis; "" at first */
    int64_t fence_ns;                   /* of Redis: it may have forgotten what was made before */
    int64_t clock_fence_ns;             /* of the clock: the database may have, too */
    int64_t unsure_until_ns; /* monotonic: the clock was set back, Redis may have forgotten some */
    struct clock_guard clock;
    struct clock_steps steps;
    uv_timer_t clock_timer;
    struct limits_wait *waits; /* not yet answered, oldest first */
    uv_timer_t timer;
    int64_t armed_ns; /* INT64_MAX: not */
    bool grace;       /* the loop was late: what has come is read before anybody is judged */
    bool closing;
    unsigned to_close;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* limits.c: what can be said without Redis. Local buckets were taken at SINCE. */
void limits_answer_locally(struct limits *l, const struct limits_ask *ask, int64_t since_ns,
                           struct limits_answer *answer);
/* What ASK took of local buckets at SINCE, for what turned out to be a replay: whoever has seen a
 * request must not spend with it what its key has. */
void limits_give_back(struct limits *l, const struct limits_ask *ask, int64_t since_ns);
/* What is left of reserved units, which are not in Redis's answer. */
void limits_show_reserved(struct limits *l, const struct limits_ask *ask,
                          struct limits_answer *answer);
/* Counts the verdict; remembers a nonce that passed, here or elsewhere. */
void limits_settle(struct limits *l, const struct limits_ask *ask,
                   const struct limits_answer *answer);

/* A nonce that Redis does not know may be one that it has forgotten. */
void limits_doubt_nonce(const struct limits *l, const struct limits_ask *ask,
                        struct limits_answer *answer);
/* Was the clock set back? To be asked before `created` is compared with the fence, and often. */
void limits_look_at_clock(struct limits *l);

/* limits_trip.c */
void trip_open(struct limits *l, uv_loop_t *loop);
/* NULL: Redis is not to be asked now. */
struct limits_wait *trip_send(struct limits *l, const struct limits_ask *ask, limits_answer_fn *cb,
                              void *arg);
#endif
