/* auth/scopes.h - what a key may do: one table, a bit each.
 * Why: routes name the scope they need, keys hold a set of bits (api_keys.scopes), people read and
 * write the words; all from here.
 * Owner: none, immutable.
 * Invariant: a row keeps its bit for ever: the database holds them. */
#ifndef AUTH_SCOPES_H
#define AUTH_SCOPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
/*    symbol              bit  word              admin  help */
#define AUTH_SCOPES(X)                                                                               \
    X(SCOPE_MARKET,       0,   "market",         false, "market data over REST and WebSocket")        \
    X(SCOPE_WS_TOKEN,     1,   "ws.token",       false, "obtain WebSocket tokens")                    \
    X(SCOPE_WS_FAST,      2,   "ws.fast",        false, "interval_ms 0: every engine batch")          \
    X(SCOPE_METRICS_READ, 3,   "metrics.read",   false, "metrics")                                    \
    X(SCOPE_KEYS_READ,    4,   "keys.read",      true,  "see keys and their use")                     \
    X(SCOPE_KEYS_WRITE,   5,   "keys.write",     true,  "issue, rotate, limit and revoke keys")       \
    X(SCOPE_CONTROL_READ, 6,   "control.read",   true,  "see modes, halts and changes")               \
    X(SCOPE_CONTROL_HALT, 7,   "control.halt",   true,  "tighten: halt, cancel, throttle")            \
    X(SCOPE_CONTROL_OPEN, 8,   "control.open",   true,  "ask for and approve loosening")              \
    X(SCOPE_AUDIT_READ,   9,   "audit.read",     true,  "read and verify the audit log")              \
    X(SCOPE_REPORT,       10,  "report.write",   false, "report in: components, signals, alerts")     \
    X(SCOPE_PEOPLE_READ,  11,  "people.read",    true,  "see users, roles, sessions, access review")   \
    X(SCOPE_PEOPLE_WRITE, 12,  "people.write",   true,  "create and disable users, grant roles")       \
    X(SCOPE_INCIDENTS_READ, 13, "incidents.read", true, "see incidents and playbooks")                 \
    X(SCOPE_INCIDENTS_ACT, 14, "incidents.act",  true,  "act on incidents, run drills")                \
    X(SCOPE_CONTROL_FANOUT, 15, "control.fanout", true, "fan-out profile, upstream")                   \
    X(SCOPE_CONNECTIONS,  16,  "connections",    true,  "see and close connections")                   \
    X(SCOPE_CONFIG_READ,  17,  "config.read",    true,  "see the configuration in force")
/* clang-format on */
#define SCOPE_AS_ENUM(sym, bit, word, admin, help) sym = bit,
enum auth_scope { AUTH_SCOPES(SCOPE_AS_ENUM) };
#define SCOPE_COUNT 18

struct scope_row {
    const char *word;
    bool admin; /* a key with it needs networks that it may be used from */
    const char *help;
};
extern const struct scope_row scope_rows[SCOPE_COUNT]; /* by bit */

static inline bool scope_has(uint64_t scopes, enum auth_scope s)
{
    return (scopes >> s & 1) != 0;
}
/* All that administer. */
uint64_t scopes_admin(void);
/* The bit of WORD (LEN bytes); false when there is no such scope. */
bool scope_parse(const char *word, size_t len, enum auth_scope *out);
#endif
