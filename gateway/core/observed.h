/* gateway/core/observed.h - what the exchange core says it does: beside what we asked for.
 * Why: a mode is in force when the core has applied it, not when the gateway wished it.
 * Owner: the loop of its link. No I/O; clocks are arguments.
 * Invariant: every value is the last word of a core; there are at most OBSERVED_CORES_MOST cores and
 * OBSERVED_SYMBOLS_MOST symbols, OBSERVED_CIRCUITS_MOST circuit breakers, more are counted and ignored. */
#ifndef GATEWAY_CORE_OBSERVED_H
#define GATEWAY_CORE_OBSERVED_H
#include "gateway/core/entry.h"

#define OBSERVED_CORES_MOST    64u
#define OBSERVED_SYMBOLS_MOST  20000u
#define OBSERVED_CIRCUITS_MOST 256u
#define OBSERVED_STALE_NS      (60 * INT64_C(1000000000))

struct core_observation {
    char symbol[CORE_SYMBOL_MAX];
    enum core_mode mode;
    uint64_t version; /* of the control state the core had applied then */
    char core[CORE_NAME_MAX];
    int64_t at_ns; /* wall */
};
/* A circuit breaker of a core's own. */
struct core_circuit {
    char name[CORE_CIRCUIT_MAX];
    char core[CORE_NAME_MAX];
    enum circuit_state state;
    char detail[CORE_DETAIL_MAX];
    int64_t since_ns; /* wall; in this state, as far as is known here */
    int64_t heard_mono_ns;
};
struct core_peer {
    char core[CORE_NAME_MAX];
    uint64_t version;
    int64_t heard_mono_ns;
};

struct observed;
struct observed *observed_create(void);
void observed_destroy(struct observed **op);

/* A said something at NOW_NS (wall), HEARD_MONO_NS on our clock. False when there was no room. */
bool observed_take(struct observed *o, const struct core_ack *a, int64_t heard_mono_ns,
                   int64_t now_ns);
/* NULL when no core has spoken of SYMBOL. */
const struct core_observation *observed_symbol(const struct observed *o, const char *symbol);
/* The version that all cores have applied: the lowest of those heard of within OBSERVED_STALE_NS; if
 * all are silent, that of the last one heard of. 0: none has ever spoken. */
uint64_t observed_version(const struct observed *o, int64_t now_mono_ns);
/* When a core last said anything; INT64_MIN: never. */
int64_t observed_heard_mono_ns(const struct observed *o);
uint32_t observed_cores(const struct observed *o, const struct core_peer **out);
/* Those that a core has spoken of, in the order in which it first did. */
uint32_t observed_circuits(const struct observed *o, const struct core_circuit **out);
#endif
