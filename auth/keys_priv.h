/* auth/keys_priv.h - parts of the cache of keys: table, batch of uses, loop. */
#ifndef AUTH_KEYS_PRIV_H
#define AUTH_KEYS_PRIV_H
#include "auth/keys.h"
#include "gateway/base/buf.h"
#include "gateway/store/redis.h"
#include "ratelimit/siphash.h"

#define KEY_USE_EVERY_NS   2000000000LL
#define KEY_USE_ROUTE_MAX  200u
#define KEY_USE_METHOD_MAX 16u
#define KEY_USE_SEEN_MAX   32u /* of a key, within one batch */
#define KEY_NEWS_EVERY_NS  30000000000LL

/* clang-format off */
#define KEYS_METRICS(X)                                                                                          \
    X(KEYS_M_COUNT,    "auth_keys",                    GAUGE,   &keys_state_label, "keys known, by state")       \
    X(KEYS_M_EPOCH,    "auth_keys_epoch",              GAUGE,   NULL, "revocation epoch of the keys known")      \
    X(KEYS_M_FRESH,    "auth_keys_fresh",              GAUGE,   NULL, "1: PostgreSQL confirmed the epoch within 3 s") \
    X(KEYS_M_SURE,     "auth_keys_confirmed",          GAUGE,   NULL, "1: PostgreSQL, or Redis in its place, confirmed within 3 s that no key has changed") \
    X(KEYS_M_UNUSABLE, "auth_keys_unusable",           GAUGE,   NULL, "keys whose envelope does not open")       \
    X(KEYS_M_BROKEN,   "auth_keys_unusable_total",     COUNTER, NULL, "times a key's envelope was found not to open") \
    X(KEYS_M_RELOADS,  "auth_keys_reloads_total",      COUNTER, NULL, "times all keys were read")                \
    X(KEYS_M_ERRORS,   "auth_keys_errors_total",       COUNTER, NULL, "reads of keys or epoch that failed")      \
    X(KEYS_M_NOTIFIED, "auth_keys_notified_total",     COUNTER, NULL, "changes announced by PostgreSQL")         \
    X(KEYS_M_HINTED,   "auth_keys_hinted_total",       COUNTER, NULL, "changes announced by Redis")              \
    X(KEYS_M_ENDED,    "auth_keys_ended_total",        COUNTER, NULL, "keys that were active and are not any more") \
    X(KEYS_M_USE_LOST, "auth_key_use_lost_total",      COUNTER, NULL, "uses of keys that may not have been written") \
    X(KEYS_M_USE_VAGUE, "auth_key_use_vague_total",    COUNTER, NULL, "uses of keys that were counted without network and route: too many different ones at once") \
    X(KEYS_M_NETWORKS, "auth_key_new_network_total",   COUNTER, NULL, "networks from which a key with admin scopes was used for the first time, its very first aside")
/* clang-format on */
enum keys_metric { KEYS_METRICS(METRIC_AS_ENUM) KEYS_M_TOTAL };

/* --- table: what PostgreSQL held at one epoch -------------------------------------------------- */

/* Uses from one network for one route. */
struct key_seen {
    struct key_net net;
    int64_t first_ns;
    int64_t last_ns;
    uint64_t count;
    char method[KEY_USE_METHOD_MAX + 1];
    char route[KEY_USE_ROUTE_MAX + 1];
};
struct key_refused {
    struct key_net net; /* of the last */
    int64_t first_ns;
    int64_t last_ns;
    uint64_t count; /* 0: none */
};
struct key_use {
    int64_t last_ns;
    uint64_t count; /* 0: it was only refused */
    char ip[46];
    char route[KEY_USE_ROUTE_MAX + 1];
    struct key_seen
        *seen; /* at most KEY_USE_SEEN_MAX; what comes above is counted, but not where */
    uint32_t seen_count;
    struct key_refused refused[KEY_REFUSAL_COUNT];
};

struct key_slot {
    struct key key;
    uint8_t public_key[32]; /* or the hash of a token */
    char *label;
    struct key_net *nets;
    bool disabled;       /* its account or owner, as PostgreSQL has it */
    bool active;         /* as the sink was told */
    bool moved;          /* its networks are others than the sink was told */
    bool between;        /* it was active at some time since the last look */
    struct key_use *use; /* not yet written; NULL: none */
};

struct key_table {
    uint64_t epoch;
    size_t count;
    struct key_slot *slots;
    uint32_t *index;    /* slot number + 1; 0: free */
    uint32_t *by_token; /* likewise, of bearer keys by the hash of their token */
    size_t mask;
    struct siphash_key seed; /* ids come from strangers */
    uint8_t *secrets;
    size_t secrets_len;
};

extern const struct pg_statement key_table_query;

/* Of an answer to key_table_query; NULL when it makes no sense. OLD (may be NULL): what is broken
 * there already is not said again. */
struct key_table *key_table_create(const struct pg_reply *reply,
                                   const struct envelope_master *masters, size_t master_count,
                                   const struct key_table *old, struct metric_set *metrics);
/* Wipes the secrets. NULL is fine. */
void key_table_destroy(struct key_table **tp);
/* T may be NULL. */
struct key_slot *key_table_find(const struct key_table *t, const char *id, size_t len);
struct key_slot *key_table_find_token(const struct key_table *t, const uint8_t *hash);

/* --- the loop ---------------------------------------------------------------------------------- */

struct key_use_batch;

struct keys {
    struct pg *pg;
    const struct envelope_master *masters;
    size_t master_count;
    struct metric_set *metrics;
    const struct keys_sink *sink;
    void *arg;
    struct pg_listen *listen; /* NULL: none */
    struct redis *redis;      /* NULL: none */
    uv_timer_t timer;
    struct key_table *table; /* NULL: not yet read */
    bool asking;             /* for the epoch */
    bool reloading;
    bool again; /* announced while reloading */
    bool failing;
    int64_t asked_ns;     /* monotonic, of the epoch that is awaited */
    int64_t reload_ns;    /* monotonic, of the keys that are awaited */
    int64_t confirmed_ns; /* monotonic; 0: never */
    int64_t looked_ns;    /* wall clock, of the last look at all keys */
    char hint[24];        /* last auth:epoch; "": there was none */
    bool hinting;
    int64_t hint_asked_ns; /* monotonic, of the hint that is awaited */
    int64_t hint_since_ns; /* monotonic, when it was first seen as it is */
    int64_t
        hint_agreed_ns; /* monotonic, when it was last asked and was the epoch of the table; 0: never */
    int64_t
        behind_ns; /* monotonic, since when it is newer than what PostgreSQL has shown; 0: it is not */
    enum keys_doubt shown;                           /* in the log */
    struct key_use_batch *batch;                     /* being written */
    int64_t batch_ns;                                /* monotonic, when the next is due */
    bool (*refuses)(void *arg, const char *account); /* NULL: none is refused beside PostgreSQL's */
    void *refuses_arg;
    keys_network_fn *on_network; /* NULL: nobody to tell */
    void *on_network_arg;
    int64_t news_ns;  /* monotonic, when to look next for networks nobody was told of */
    uint32_t waiting; /* answers of PG that will come */
    uint32_t to_close;
    bool closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* keys.c: reads the epoch, all keys. */
void keys_ask_epoch(struct keys *k);
void keys_reload(struct keys *k);
/* key_hint.c: asks for auth:epoch. */
void key_hint_ask(struct keys *k);
/* PostgreSQL, asked at ASKED_NS, has the epoch of the table. */
void key_hint_confirmed(struct keys *k, int64_t asked_ns);
/* Says in log and metrics when the keys begin or end to be in doubt. */
void key_hint_look(struct keys *k, int64_t mono_ns);
struct key_used {
    char id[KEY_ID_MAX + 1];
    bool watched; /* a new network of it is news */
    struct key_use *use;
};
struct key_use_batch {
    struct keys *keys;
    size_t count;
    struct key_used used[];
};

/* What has been used since the last time; NULL: nothing. */
struct key_use_batch *key_use_take(struct keys *k);
/* Not written: each use goes back to its key, for the next batch. */
void key_use_give_back(struct keys *k, const struct key_use_batch *b);
void key_use_batch_destroy(struct key_use_batch **bp);
void key_use_destroy(struct key_use **up);

/* key_use_write.c: sends what has been used since the last time. */
void key_use_flush(struct keys *k);
/* Networks that nobody was told of, and rows that have become old. */
void key_use_look(struct keys *k);
/* An answer of PG has come. */
void keys_answered(struct keys *k);
#endif
