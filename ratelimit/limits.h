/* ratelimit/limits.h - how often who may do what, shared by all gateways through Redis; and the
 * store of nonces.
 * Why: one script in one trip takes N buckets and a nonce, all or nothing. Nobody waits for Redis
 * longer than a deadline: without it each gateway admits its share by itself and says so.
 *
 *   limits_take() -> nonce seen here? fenced? -> local bucket at 2x -> breaker -> EVALSHA
 *                                                                  \-> local bucket at 1/gateways
 *
 * A RESERVED class is local at its full rate, in a table of its own: neither Redis nor any other
 * class can keep it from being admitted; only its nonce is still asked for.
 * A replay costs its key nothing: what was taken locally before Redis knew it is given back, and from
 * then on this gateway knows it by itself.
 * Owner: the loop it was created on; each loop has an instance (limits_options.instances).
 * Invariant: each ask is answered exactly once, unless cancelled; no nonce is answered
 * LIMITS_TAKEN twice by one gateway, nor by two while Redis answers. */
#ifndef RATELIMIT_LIMITS_H
#define RATELIMIT_LIMITS_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/redis.h"
#include "ratelimit/gcra.h"
#include "ratelimit/headers.h"
#include "ratelimit/lease.h"

/* clang-format off */
/*    id        key      name           scope    lane      a minute  burst  help */
#define LIMITS_CLASSES(X, C)                                                                            \
    X(C, PUBLIC,  public,  "public",      IP,      SHARED,   "60000",  "1000", "public REST calls of an address, by each gateway for itself") \
    X(C, LOGIN,   login,   "login",       IP,      SHARED,   "10",     "5",   "logins tried from an address")           \
    X(C, READ,    read,    "read",        KEY,     SHARED,   "1200",   "100", "signed calls of a key that read")        \
    X(C, WRITE,   write,   "admin-write", KEY,     SHARED,   "30",     "30",  "signed calls of a key that change")      \
    X(C, TOKEN,   token,   "ws-token",    KEY,     SHARED,   "60",     "10",  "WebSocket tokens given to a key")        \
    X(C, SESSION, session, "session",     SESSION, SHARED,   "600",    "100", "calls of a browser session")             \
    X(C, MESSAGE, message, "ws-message",  KEY,     SHARED,   "6000",   "1000", "messages of all WebSocket sessions of a key") \
    X(C, REPORT,  report,  "report",      KEY,     SHARED,   "1200",   "200", "reports of a key: heartbeats, signals, alerts") \
    X(C, HALT,    halt,    "halt",        KEY,     RESERVED, "120",    "20",  "halts by a key or session")
/* clang-format on */
enum limits_scope { LIMITS_BY_IP, LIMITS_BY_KEY, LIMITS_BY_SESSION };
enum limits_lane { LIMITS_SHARED, LIMITS_RESERVED };
#define LIMITS_AS_ENUM(c, id, key, name, scope, lane, rate, burst, help) LIMITS_##id,
enum limits_class { LIMITS_CLASSES(LIMITS_AS_ENUM, ) LIMITS_CLASS_COUNT };

struct limits_class_row {
    const char *name;
    enum limits_scope scope;
    enum limits_lane lane;
};
extern const struct limits_class_row limits_classes[LIMITS_CLASS_COUNT];

/* clang-format off */
#define LIMITS_CLASS_KEYS(X, id, key, name, scope, lane, rate, burst, help)              \
    X(key##_per_minute, UINT_LIVE, rate,  1, 600000, "units a minute: " help)            \
    X(key##_burst,      UINT_LIVE, burst, 1, 100000, "units at once: " help)
#define LIMITS_CONFIG(X)                                                                                     \
    X(gateways,           UINT_LIVE, "1",     1,  1000,    "gateways that share the limits; each admits its part without Redis") \
    X(deadline,           MSEC_LIVE, "50ms",  5,  1000,    "nobody waits for Redis longer")                                      \
    X(slow,               MSEC_LIVE, "20ms",  1,  1000,    "an answer of Redis later than this opens the breaker")               \
    X(failures,           UINT_LIVE, "3",     1,  1000,    "failures in a row that open the breaker")                            \
    X(probe,              MSEC_LIVE, "100ms", 10, 10000,   "how often an open breaker probes Redis")                             \
    X(bucket_entries,     UINT,      "16384", 16, 1048576, "names each table of local buckets holds")                            \
    X(nonce_entries,      UINT,      "65536", 16, 4194304, "nonces remembered by the gateway itself")                            \
    X(preauth_per_minute, UINT_LIVE, "1200",  1,  600000,  "signatures an address may have verified a minute; a failure counts ten") \
    X(preauth_burst,      UINT_LIVE, "200",   10, 100000,  "signatures an address may have verified at once")                    \
    LIMITS_CLASSES(LIMITS_CLASS_KEYS, X)
/* clang-format on */
struct limits_config {
    LIMITS_CONFIG(CFG_FIELD)
};
extern const struct cfg_table limits_config_table;
extern const struct metric_table limits_metrics;

/* Longest interval between two units is a minute, and all are whole microseconds, rounded so that
 * RATE is not exceeded. */
struct gcra_rate limits_rate_per_minute(uint64_t rate, uint64_t burst);

#define LIMITS_UNITS_MAX 4u
#define LIMITS_ID_MAX    64u
#define LIMITS_NONCE_MAX 128u

struct limits_unit {
    enum limits_class class;
    /* Address, key or session, at most LIMITS_ID_MAX bytes; it is also the hash tag: in a Redis
     * Cluster all ids of an ask, and the key id of its nonce, must be the same. */
    const char *id;
    uint32_t cost; /* 1..1000000; more than the burst never fits */
};

enum limits_nonce_kind {
    LIMITS_ONCE,   /* never seen within KEEP_MS */
    LIMITS_RISING, /* above the last one, or at most WINDOW below and never seen; never forgotten */
};
struct limits_nonce {
    enum limits_nonce_kind kind;
    const char *keyid; /* at most LIMITS_ID_MAX bytes */
    const char *text;  /* ONCE: at most LIMITS_NONCE_MAX bytes */
    uint64_t value;    /* RISING */
    uint64_t window;   /* RISING */
    /* For how long a replay could pass the caller's own checks of time. RISING: kept locally. */
    uint32_t keep_ms;
    /* Wall clock, when the client says it made the request, for the fence. INT64_MAX: it does not
     * say, so nothing protects it from what a restarted Redis has forgotten. */
    int64_t created_ns;
    /* The caller asks the database too when the answer is LIMITS_NONCE_UNSURE, and all that passed
     * within KEEP_MS is kept there: then a fence leaves it to that. */
    bool kept;
    bool read; /* nothing is changed by the request: this gateway's table will do without Redis */
};

struct limits_ask {
    struct limits_unit units[LIMITS_UNITS_MAX]; /* of different names; RESERVED: all or none */
    unsigned count;
    const struct limits_nonce *nonce; /* NULL: none */
};

/* clang-format off */
/*    verdict              text */
#define LIMITS_VERDICTS(X)                                                                          \
    X(LIMITS_TAKEN,        "taken")        /* go on */                                              \
    X(LIMITS_REFUSED,      "refused")      /* by a rate; nothing is taken */                        \
    X(LIMITS_REPLAY,       "replay")       /* the nonce is known; nothing is taken */               \
    X(LIMITS_FENCED,       "fenced")       /* made before the fence: to be signed anew */           \
    X(LIMITS_NONCE_UNSURE, "nonce_unsure") /* the rate admits it; nobody can vouch for the nonce */
/* clang-format on */
#define LIMITS_VERDICT_AS_ENUM(verdict, text) verdict,
enum limits_verdict { LIMITS_VERDICTS(LIMITS_VERDICT_AS_ENUM) LIMITS_VERDICT_COUNT };

struct limits_left {
    uint64_t remaining;
    int64_t reset_ns;       /* until the bucket is full again */
    int64_t retry_after_ns; /* 0: it fits; INT64_MAX: never */
};
struct limits_answer {
    enum limits_verdict verdict;
    bool local;  /* Redis was not asked or did not answer in time */
    int refused; /* REFUSED: the first unit that did; else -1 */
    unsigned count;
    struct limits_left left[LIMITS_UNITS_MAX]; /* of each unit; not of REPLAY and FENCED */
};
typedef void limits_answer_fn(void *arg, const struct limits_answer *answer);

struct limits;
struct limits_wait;

struct limits_options {
    const char *endpoint;       /* of Redis */
    uint32_t instances;         /* of this process: they share what is admitted without Redis */
    int64_t ahead_ns;           /* how far ahead of the clock the caller accepts `created` */
    bool watches_clock;         /* one instance of a process says when the clock was set */
    struct metric_set *metrics; /* of limits_metrics */
    struct metric_set *redis_metrics; /* of redis_metrics */
};

/* Copies what it needs of CONFIG. */
struct limits *limits_create(uv_loop_t *loop, const struct limits_options *opt,
                             const struct limits_config *config);
/* Live keys have changed. */
void limits_configure(struct limits *l, const struct limits_config *config);
/* What waits is answered first. DONE when its handles are closed. */
void limits_close(struct limits *l, void (*done)(void *arg), void *arg);
void limits_destroy(struct limits **lp);

/* NULL: *NOW is the answer and CB is not called. Else CB comes once, later, within the deadline. */
struct limits_wait *limits_take(struct limits *l, const struct limits_ask *ask,
                                struct limits_answer *now, limits_answer_fn *cb, void *arg);
/* The asker has gone: no callback. What is taken stays taken. */
void limits_cancel(struct limits_wait *wait);

/* Wall clock; a `created` before it may be a replay that Redis has forgotten. INT64_MIN until the
 * first connection. limits_take() checks it; for those who keep nonces elsewhere. */
int64_t limits_fence_ns(const struct limits *l);
/* Redis answers and is asked. */
bool limits_shared(const struct limits *l);

/* Units of CLASS at once, as configured. */
uint32_t limits_burst(const struct limits *l, enum limits_class class);
/* The row of a unit for headers.h. */
struct headers_row limits_headers_row(const struct limits *l, enum limits_class class,
                                      const struct limits_left *left);

/* --- leases ----------------------------------------------------------------------------------- */

struct limits_lease;

/* SIZE units of CLASS and ID at a time; ID is copied. L must outlive it. */
struct limits_lease *limits_lease_create(struct limits *l, enum limits_class class, const char *id,
                                         uint32_t size);
void limits_lease_destroy(struct limits_lease **lp);
/* CB whenever what was asked for has come, or will not. It may destroy LEASE. */
void limits_lease_on_answer(struct limits_lease *lease, void (*cb)(void *arg), void *arg);
/* Something was asked for: an answer comes, within the deadline. */
bool limits_lease_asked(const struct limits_lease *lease);
/* Never waits; see lease_spend(). Fetches more when it gets short. */
bool limits_lease_spend(struct limits_lease *lease, uint32_t cost, int64_t *retry_after_ns);
#endif
