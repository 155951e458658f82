/* gateway/reported/component.h - the systems around the gateway, as they report themselves.
 * Why: a grid that is green because nobody has spoken for an hour is worse than none. Each component
 * says how long its word is good; silence for longer is DISCONNECTED, by itself.
 *
 *   components_hear() (here)  ---\
 *   components_load() (others) ---> newest heartbeat of each -> state now -> on_change
 *   components_tick() (time)  ---/
 *
 * Owner: the loop that made it. Time is an argument; nothing here reads a clock.
 * Invariant: what was not heard of within its time is DISCONNECTED; unknown is never healthy. */
#ifndef GATEWAY_REPORTED_COMPONENT_H
#define GATEWAY_REPORTED_COMPONENT_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/buf.h"

/* clang-format off */
#define COMPONENT_STATES(X)             \
    X(UNKNOWN,      "UNKNOWN")          \
    X(OK,           "OK")               \
    X(DEGRADED,     "DEGRADED")         \
    X(DOWN,         "DOWN")             \
    X(PAUSED,       "PAUSED")           \
    X(DISCONNECTED, "DISCONNECTED")
/* clang-format on */
#define COMPONENT_STATE_AS_ENUM(sym, word) COMPONENT_##sym,
enum component_state { COMPONENT_STATES(COMPONENT_STATE_AS_ENUM) COMPONENT_STATE_COUNT };
extern const char *const component_state_words[COMPONENT_STATE_COUNT];

#define COMPONENT_ID_MAX     64u
#define COMPONENT_TTL_MIN_S  5u
#define COMPONENT_TTL_MAX_S  3600u
#define COMPONENT_TEXT_SIZE  129u
#define COMPONENT_SOURCE_MAX 320u

/* Both clocks, read together. */
struct reported_now {
    int64_t mono_ns;
    int64_t real_ns;
};

struct component_number {
    bool given;
    uint64_t v;
};

/* What a component says of itself. */
struct component_report {
    char id[COMPONENT_ID_MAX + 1];
    char group[COMPONENT_ID_MAX + 1]; /* "": it stands alone */
    char role[8];                     /* "primary", "standby", "" */
    enum component_state state;       /* OK, DEGRADED, DOWN or PAUSED */
    uint32_t ttl_s;
    char session[COMPONENT_TEXT_SIZE];
    char version[COMPONENT_TEXT_SIZE];
    char resend_state[COMPONENT_TEXT_SIZE];
    char detail[4 * 500 + 1];
    struct component_number seq_in, seq_out, gap_from, gap_to, fencing_token;
    struct component_number lease_holder; /* v: 0 or 1 */
    char source[COMPONENT_SOURCE_MAX + 1];
};

struct component {
    struct component_report said;
    enum component_state state; /* now */
    int64_t since_ns;           /* wall clock, of STATE */
    int64_t said_since_ns;      /* wall clock: it says said.state since */
    int64_t heard_ns;           /* wall clock; 0: never */
    int64_t heard_mono_ns;
    bool own;      /* measured by this gateway */
    bool expected; /* shown, and missed, whether it has ever spoken or not */
    bool dirty;    /* not written yet */
    bool sent;     /* being written */
};

/* Could there be a component, or a group, of that name? */
bool component_id_valid(const char *id);
/* Members of ROOT, an object; strangers are ignored. False: FIELD and WANTED say what is not
 * acceptable. Id and source are the caller's. */
bool component_parse(const json_t *root, struct component_report *out, const char **field,
                     const char **wanted);
/* The members that are kept as they were sent, as one object; and back. */
void component_details_print(struct buf *out, const struct component_report *r);
void component_details_parse(const char *json, size_t len, struct component_report *r);
void component_print(struct buf *out, const struct component *c, const struct reported_now *now);

struct components;
typedef void component_change_fn(void *arg, const struct component *c);

/* ON_CHANGE: the state of one is another, or it is new. */
struct components *components_create(uint32_t max, component_change_fn *on_change, void *arg);
void components_destroy(struct components **cp);

enum component_verdict {
    COMPONENT_TAKEN,
    COMPONENT_FULL,   /* as many as there may be, and none has been silent long enough */
    COMPONENT_OWN,    /* the gateway measures that one itself */
    COMPONENT_ANOTHER /* a live one of another account */
};
enum component_verdict components_hear(struct components *cs, const struct component_report *r,
                                       const struct reported_now *now);
/* What the gateway measures; R has id, state, detail and the time it is good for. */
void components_own(struct components *cs, const struct component_report *r,
                    const struct reported_now *now);
/* ID is to be there. One that does not speak is UNKNOWN, and DISCONNECTED after a minute. */
void components_expect(struct components *cs, const char *id, const struct reported_now *now);
/* What another gateway, or this one before, has heard at HEARD_NS. Older than what is known: nothing. */
void components_load(struct components *cs, const struct component_report *r, int64_t heard_ns,
                     int64_t said_since_ns, const struct reported_now *now);
/* What has been silent for too long. */
void components_tick(struct components *cs, const struct reported_now *now);
/* Drops what has been silent for SILENT_NS. */
void components_forget(struct components *cs, int64_t silent_ns, const struct reported_now *now);

uint32_t components_count(const struct components *cs);
/* By id. */
struct component *components_at(const struct components *cs, uint32_t i);
const struct component *components_find(const struct components *cs, const char *id);
int64_t component_age_ns(const struct component *c, const struct reported_now *now);

/* OK: all are; DOWN: all are gone, or two hold the lease; else DEGRADED (PAUSED when all are).
 * UNKNOWN: there is none. WHY (may be NULL) receives a sentence. */
enum component_state components_group(const struct components *cs, const char *group,
                                      struct buf *why);
/* {"components":[...],"groups":[...]} without the braces. */
void components_print(struct buf *out, const struct components *cs, const struct reported_now *now);
#endif
