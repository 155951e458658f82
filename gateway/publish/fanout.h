/* gateway/publish/fanout.h - how hard the fan-out works: the operator's profile and what load asks.
 * Why: under overload every client gets less, later, instead of some clients getting nothing. The
 * floor is the shortest conflation interval in force: streams of a shorter one are published at the
 * floor (trades excepted: they are never conflated), so nobody changes streams and nothing is lost.
 *
 *   operator: fanout_set()  --\                      /--> market: which timer publishes what
 *                              > one state, version <
 *   shards:   fanout_load() --/                      \--> shards: default depth, limits, notices
 *
 * Owner: process-wide, behind a mutex taken on changes; readers look at a version first.
 * Invariant: level-triggered: a reader applies the newest state it finds. A profile other than
 * normal ends by itself at its time. */
#ifndef GATEWAY_PUBLISH_FANOUT_H
#define GATEWAY_PUBLISH_FANOUT_H
#include "gateway/runtime/config.h"

/* clang-format off */
#define FANOUT_PROFILES(X) X(NORMAL, "normal") X(DEGRADED, "degraded") X(EMERGENCY, "emergency")
#define FANOUT_CONFIG(X) /* key, type, default, min, max, help */                                                          \
    X(profile,            TEXT_LIVE, "normal", 6, 9,           "fan-out profile: normal, degraded or emergency")               \
    X(hold,               MSEC_LIVE, "15m",   1000, 86400000,  "a profile other than normal ends by itself after so long")    \
    X(default_depth,      UINT_LIVE, "10",    10, 1000,        "depth of a book subscription that names none (10, 25, 100, 500, 1000)") \
    X(degraded_interval,  MSEC_LIVE, "250ms", 0, 1000,         "degraded: shortest conflation interval (0, 20, 50, 100, 250, 1000 ms)") \
    X(degraded_depth,     UINT_LIVE, "10",    10, 1000,        "degraded: default depth")                                      \
    X(degraded_sub_ops,   UINT_LIVE, "5",     1, 100000,       "degraded: subscribe and unsubscribe messages a second of one client") \
    X(emergency_interval, MSEC_LIVE, "1s",    0, 1000,         "emergency: shortest conflation interval")                     \
    X(emergency_depth,    UINT_LIVE, "10",    10, 1000,        "emergency: default depth")                                     \
    X(emergency_sub_ops,  UINT_LIVE, "1",     1, 100000,       "emergency: subscribe and unsubscribe messages a second of one client") \
    X(widen,              BOOL_LIVE, "true",  0, 0,            "widen the intervals of everybody while a shard is too busy")   \
    X(widen_above,        UINT_LIVE, "90",    10, 100,         "percent of a core a shard uses for three seconds: one step wider") \
    X(widen_below,        UINT_LIVE, "45",    1, 99,           "and less than so many for ten seconds: one step back")
/* clang-format on */
struct fanout_config {
    FANOUT_CONFIG(CFG_FIELD)
};
extern const struct cfg_table fanout_config_table;

#define FANOUT_AS_ENUM(sym, text) FANOUT_##sym,
enum fanout_name { FANOUT_PROFILES(FANOUT_AS_ENUM) FANOUT_NAMES };
extern const char *const fanout_names[FANOUT_NAMES];

struct fanout_profile {
    enum fanout_name name;
    uint32_t interval_ms;   /* shortest one, 0: as subscribed */
    uint32_t default_depth; /* of a book subscription that names none */
    uint32_t sub_ops_per_s; /* 0: no limit beyond that on messages */
    int64_t until_ns;       /* monotonic; 0: does not end */
};

struct fanout_state {
    struct fanout_profile profile;
    uint32_t load_ms;  /* shortest interval that load allows */
    uint32_t floor_ms; /* the wider of the two */
    uint64_t version;
};

struct fanout;

struct fanout *fanout_create(uint32_t shards);
void fanout_destroy(struct fanout **fp);
/* Checks what the tables cannot: names, depths, intervals. Appends to ERRORS. */
void fanout_check(const struct fanout_config *c, struct buf *errors);
/* The profile of that name as configured, from NOW_NS on. */
struct fanout_profile fanout_profile_of(const struct fanout_config *c, enum fanout_name name,
                                        int64_t now_ns);
/* The one way to change the profile: configuration and admin API call it. Any thread. */
void fanout_set(struct fanout *f, const struct fanout_profile *p);
/* SHARD can bear no shorter interval than MS (0: any). Any thread. */
void fanout_load(struct fanout *f, uint32_t shard, uint32_t ms);
/* Fills OUT when there is something newer than version SEEN. Any thread. */
bool fanout_news(struct fanout *f, uint64_t seen, int64_t now_ns, struct fanout_state *out);
/* The next wider (or narrower) interval class, within 0 .. 1000 ms. */
uint32_t fanout_wider(uint32_t ms);
uint32_t fanout_narrower(uint32_t ms);
#endif
