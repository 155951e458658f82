/* gateway/reported/component.h - the systems around the gateway, as they report themselves.
 * Invariant: what was not heard of within its time is DISCONNECTED; unknown is never healthy. */
#ifndef GATEWAY_REPORTED_COMPONENT_H
#define GATEWAY_REPORTED_COMPONENT_H

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
#endif
