/* gateway/store/circuit.h - connections and senders that wait before they try again, as people see
 * and hurry them.
 * Why: who repairs Redis at night wants to see what still waits, since when and why, and to have it
 * tried now. Each loop says what becomes of its own; any thread reads, and asks for a try, which the
 * owner notices at its next tick.
 *
 *   HALF_OPEN --it answered--> CLOSED --it failed--> OPEN --its time came, or a person asked--> HALF_OPEN
 *       +------it failed------------------------------^
 *
 * Owner: a circuit is of the thread that made it; circuits_*() may be called from any. State changes
 * are rare, so that they may take a lock; circuit_asked(), asked at each tick, takes none.
 * Invariant: a reset makes nobody trusted: it brings the next try forward and nothing else. */
#ifndef GATEWAY_STORE_CIRCUIT_H
#define GATEWAY_STORE_CIRCUIT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/runtime/metrics.h"

/* clang-format off */
/*    symbol   name                 what it is for */
#define CIRCUITS(X)                                                                           \
    X(FEED,    "redis-feed",        "market data: reading it, asking for snapshots, checkpoints") \
    X(LIMITS,  "ratelimit",         "shared limits and nonces: the breaker and its Redis")    \
    X(CORE,    "redis-core",        "commands to the exchange core, and its answers")         \
    X(GATE,    "redis-gate",        "halts, told to the other gateways")                      \
    X(KEYS,    "redis-keys",        "news of keys that were revoked")                         \
    X(TOKENS,  "redis-tokens",      "WebSocket tokens")                                       \
    X(CAUSES,  "redis-causes",      "why a connection was closed, for the client's next one") \
    X(ANCHORS, "redis-anchors",     "signed heads of the audit log")                          \
    X(SMOKE,   "redis-smoke",       "trades of the smoke test")                               \
    X(STORE,   "postgresql",        "keys, people, control state, audit log, incidents")      \
    X(LISTEN,  "postgresql-listen", "news from the other gateways")                           \
    X(PAGING,  "paging",            "the receiver of pages")
/* clang-format on */
#define CIRCUIT_AS_ENUM(sym, name, what) CIRCUIT_##sym,
enum circuit_name { CIRCUIT_NONE, CIRCUITS(CIRCUIT_AS_ENUM) CIRCUIT_NAMES };
#define CIRCUIT_COUNT (CIRCUIT_NAMES - 1u)

/* In the order of how bad they are; the value of the metric. */
#define CIRCUIT_STATES(X)                X(CLOSED, "closed") X(HALF_OPEN, "half_open") X(OPEN, "open")
#define CIRCUIT_STATE_AS_ENUM(sym, word) CIRCUIT_##sym,
enum circuit_state { CIRCUIT_STATES(CIRCUIT_STATE_AS_ENUM) CIRCUIT_STATE_COUNT };
extern const char *const circuit_state_words[CIRCUIT_STATE_COUNT];

#define CIRCUIT_WHY_MAX 160u

/* --- its owner's side: all take NULL, which is what CIRCUIT_NONE makes -------------------------- */

struct circuit;
/* Begins half open: nobody has answered yet. */
struct circuit *circuit_create(enum circuit_name name);
void circuit_destroy(struct circuit **cp);
/* A try is under way. */
void circuit_trying(struct circuit *c);
/* The same, of one who also sends while nothing is wrong: a closed circuit stays closed. */
void circuit_retried(struct circuit *c);
void circuit_closed(struct circuit *c);
/* A try failed, or what answered does not any more. The next one comes in WAIT_NS; negative: nobody
 * knows when. */
void circuit_failed(struct circuit *c, const char *why, int64_t wait_ns);
/* A person wants it tried now: true once, and then a try has to follow, or circuit_untried(). */
bool circuit_asked(struct circuit *c);
/* There is nothing that could be tried. */
void circuit_untried(struct circuit *c);

/* --- the side of people: any thread ------------------------------------------------------------ */

/* All circuits of one name: the worst of them. */
struct circuit_view {
    const char *name;
    const char *what;
    enum circuit_state state;
    unsigned members;  /* 0: not in use here */
    unsigned waiting;  /* of them, not closed */
    int64_t since_ns;  /* wall; in this state */
    uint32_t failures; /* in a row */
    int64_t retry_ns;  /* wall; 0: not known */
    char why[CIRCUIT_WHY_MAX];
    bool asked;   /* somebody asked, and no try has ended since */
    bool untried; /* there was nothing to try, the last time somebody asked */
};

/* Those in use; OUT has room for CIRCUIT_COUNT. */
size_t circuits_list(struct circuit_view *out);
/* False: none of that name is in use. */
bool circuits_find(const char *name, struct circuit_view *out);
/* Has those of NAME that are not closed tried now; how many. */
unsigned circuits_ask(const char *name);

extern const struct metric_table circuit_metrics;
/* Where `circuit_state` is shown; NULL: nowhere. Before the first circuit. */
void circuits_expose(struct metric_set *set);
#endif
