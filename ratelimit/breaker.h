/* ratelimit/breaker.h - whether Redis may be asked, as one state. Pure: the clock is an argument.
 * Why: a store that has just failed is not waited for by every request; one at a time finds out
 * whether it is back.
 *
 *   CLOSED --failures in a row, or one slow answer--> OPEN --every probe_ns--> PROBING
 *   PROBING --PONG in time--> HALF_OPEN --one request--> TRYING --answer in time--> CLOSED
 *   PROBING, HALF_OPEN, TRYING --anything else--> OPEN
 *
 * Owner: whoever embeds it; one loop. */
#ifndef RATELIMIT_BREAKER_H
#define RATELIMIT_BREAKER_H
#include <stdbool.h>
#include <stdint.h>

#define BREAKER_STATES(X)  X(OPEN) X(PROBING) X(HALF_OPEN) X(TRYING) X(CLOSED)
#define BREAKER_AS_ENUM(s) BREAKER_##s,
enum breaker_state { BREAKER_STATES(BREAKER_AS_ENUM) BREAKER_STATE_COUNT };

/* Starts zeroed: open, and the first probe is due. */
struct breaker {
    enum breaker_state state;
    uint32_t failures;    /* in a row, while closed */
    int64_t due_ns;       /* open: of the next probe */
    int64_t since_ns;     /* when the probe or the trying request was sent */
    uint32_t failure_max; /* the owner's figures */
    int64_t slow_ns;
    int64_t probe_ns;
};

/* May a request be sent? In HALF_OPEN one may: *TRIAL is set, and its end must be told with it. */
bool breaker_admit(struct breaker *b, int64_t now_ns, bool *trial);
/* A request was answered, or failed. */
void breaker_answered(struct breaker *b, bool trial, int64_t now_ns);
void breaker_failed(struct breaker *b, bool trial, int64_t now_ns);
/* The oldest request, or the probe, has waited longer than slow_ns; or the connection is lost. */
void breaker_open(struct breaker *b, int64_t now_ns);
bool breaker_probe_due(const struct breaker *b, int64_t now_ns);
void breaker_probe(struct breaker *b, int64_t now_ns);
void breaker_probed(struct breaker *b, bool ok, int64_t now_ns);
const char *breaker_name(enum breaker_state state);
#endif
