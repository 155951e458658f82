/* auth/people/roles.h - what may be done, and which roles may do it: two tables, a bit each.
 * Why: routes name the permission they need; a person has those of her roles, a key those of its
 * scopes; both are judged by roles_allow(), so that no route can be open to one by a forgotten
 * check of the other. docs/reference/ROLES.md is printed from here.
 * Owner: none, immutable.
 * Invariant: nothing is allowed that is not listed; tightening never asks for a second factor or
 * for the database. */
#ifndef AUTH_PEOPLE_ROLES_H
#define AUTH_PEOPLE_ROLES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/scopes.h"
#include "gateway/base/buf.h"

/* How recent the second factor of a session must be. */
enum permission_factor {
    FACTOR_SESSION, /* as old as the session may be */
    FACTOR_FRESH,   /* at most PERMISSION_FRESH_NS old */
    FACTOR_NEVER,   /* and nobody may make it ask: it tightens */
};
#define PERMISSION_FRESH_NS (300 * 1000000000LL)

/* clang-format off */
/*    symbol                  bit word                factor   offline help
 * offline: also while PostgreSQL does not confirm the sessions in memory */
#define PERMISSIONS(X)                                                                                     \
    X(PERM_STATUS_READ,       0,  "status.read",      SESSION, true,  "status, triage, statistics")        \
    X(PERM_METRICS_READ,      1,  "metrics.read",     SESSION, true,  "metrics")                           \
    X(PERM_CONTROL_READ,      2,  "control.read",     SESSION, true,  "see modes, halts and changes")      \
    X(PERM_CONTROL_TIGHTEN,   3,  "control.tighten",  NEVER,   true,  "halt, cancel, throttle, pause")     \
    X(PERM_CONTROL_LOOSEN,    4,  "control.loosen",   FRESH,   false, "ask for a loosening")               \
    X(PERM_CONTROL_APPROVE,   5,  "control.approve",  FRESH,   false, "approve what another asked for")    \
    X(PERM_CONTROL_OVERRIDE,  6,  "control.override", FRESH,   false, "loosen alone: break glass")         \
    X(PERM_FANOUT_SET,        7,  "fanout.set",       SESSION, true,  "fan-out profile")                   \
    X(PERM_UPSTREAM_SET,      8,  "upstream.set",     SESSION, false, "choose the upstream")               \
    X(PERM_CONNECTIONS_READ,  9,  "connections.read", SESSION, true,  "see connections")                   \
    X(PERM_CONNECTIONS_KICK,  10, "connections.kick", NEVER,   true,  "close a connection")                \
    X(PERM_KEYS_READ,         11, "keys.read",        SESSION, true,  "see keys and their use")            \
    X(PERM_KEYS_WRITE,        12, "keys.write",       FRESH,   false, "issue, rotate and limit keys")      \
    X(PERM_KEYS_REVOKE,       13, "keys.revoke",      NEVER,   false, "revoke keys")                       \
    X(PERM_PEOPLE_READ,       14, "people.read",      SESSION, false, "see users, roles and sessions")     \
    X(PERM_PEOPLE_WRITE,      15, "people.write",     FRESH,   false, "create users, reset, grant roles")  \
    X(PERM_PEOPLE_LOCK,       16, "people.lock",      NEVER,   false, "disable users, end roles, sessions") \
    X(PERM_PEOPLE_ELEVATE,    17, "people.elevate",   FRESH,   false, "take up a role one is eligible for") \
    X(PERM_ACCESS_REVIEW,     18, "access.review",    SESSION, false, "see who may do what")               \
    X(PERM_ACCESS_SIGN,       19, "access.sign",      FRESH,   false, "sign an access review off")         \
    X(PERM_AUDIT_READ,        20, "audit.read",       SESSION, false, "read and verify the audit log")     \
    X(PERM_AUDIT_EXPORT,      21, "audit.export",     SESSION, false, "export the audit log")              \
    X(PERM_INCIDENTS_READ,    22, "incidents.read",   SESSION, true,  "see incidents and playbooks")       \
    X(PERM_INCIDENTS_ACT,     23, "incidents.act",    SESSION, false, "acknowledge, note, tick, close")    \
    X(PERM_DRILLS_RUN,        24, "drills.run",       SESSION, false, "run drills and forensics")          \
    X(PERM_CONFIG_READ,       25, "config.read",      SESSION, true,  "see the configuration in force")    \
    X(PERM_REPORT_WRITE,      26, "report.write",     SESSION, false, "report in: components, signals")    \
    X(PERM_WS_TOKEN,          27, "ws.token",         SESSION, false, "obtain WebSocket tokens")
/* clang-format on */
#define PERMISSION_AS_ENUM(sym, bit, word, factor, offline, help) sym = bit,
enum permission { PERMISSIONS(PERMISSION_AS_ENUM) };
#define PERMISSION_COUNT 28

struct permission_row {
    const char *word;
    enum permission_factor factor;
    bool offline;
    const char *help;
};
extern const struct permission_row permission_rows[PERMISSION_COUNT]; /* by bit */

/* clang-format off */
#define ROLE_CAN(word) | 1ull << PERM_##word
#define ROLE_SEES                                                                                          \
    0 ROLE_CAN(STATUS_READ) ROLE_CAN(METRICS_READ) ROLE_CAN(CONTROL_READ) ROLE_CAN(CONNECTIONS_READ)       \
    ROLE_CAN(INCIDENTS_READ) ROLE_CAN(WS_TOKEN)
#define ROLE_RESPONDS ROLE_SEES ROLE_CAN(INCIDENTS_ACT) ROLE_CAN(PEOPLE_ELEVATE)
#define ROLE_STOPS ROLE_CAN(CONTROL_TIGHTEN) ROLE_CAN(CONNECTIONS_KICK) ROLE_CAN(KEYS_READ) ROLE_CAN(KEYS_REVOKE)
/*    symbol            bit word           standing two    may                                        help
 * standing: may be held without end; the others only for a while, by those eligible
 * two: granting it takes a second person, where the configuration says so */
#define ROLES(X)                                                                                           \
    X(ROLE_VIEWER,      0,  "viewer",      true,  false, (ROLE_SEES ROLE_CAN(PEOPLE_ELEVATE)),            \
      "looks")                                                                                             \
    X(ROLE_RESPONDER,   1,  "responder",   true,  false, (ROLE_RESPONDS),                                  \
      "works on incidents")                                                                                \
    X(ROLE_OPERATOR,    2,  "operator",    true,  false,                                                   \
      (ROLE_RESPONDS ROLE_STOPS ROLE_CAN(CONTROL_LOOSEN) ROLE_CAN(FANOUT_SET) ROLE_CAN(UPSTREAM_SET)       \
       ROLE_CAN(DRILLS_RUN)),                                                                              \
      "on call: stops at once, asks for loosening")                                                        \
    X(ROLE_APPROVER,    3,  "approver",    true,  true,                                                    \
      (ROLE_RESPONDS ROLE_STOPS ROLE_CAN(CONTROL_APPROVE)),                                                \
      "approves what another asked for; stops at once")                                                    \
    X(ROLE_SECURITY,    4,  "security",    true,  true,                                                    \
      (ROLE_RESPONDS ROLE_STOPS ROLE_CAN(KEYS_WRITE) ROLE_CAN(REPORT_WRITE) ROLE_CAN(PEOPLE_READ) ROLE_CAN(PEOPLE_WRITE) \
       ROLE_CAN(PEOPLE_LOCK) ROLE_CAN(ACCESS_REVIEW) ROLE_CAN(ACCESS_SIGN) ROLE_CAN(AUDIT_READ)),          \
      "keys, users, roles, access review; stops at once")                                                  \
    X(ROLE_AUDITOR,     5,  "auditor",     true,  false,                                                   \
      (ROLE_SEES ROLE_CAN(KEYS_READ) ROLE_CAN(PEOPLE_READ) ROLE_CAN(ACCESS_REVIEW) ROLE_CAN(AUDIT_READ)    \
       ROLE_CAN(AUDIT_EXPORT) ROLE_CAN(CONFIG_READ)),                                                      \
      "reads all, verifies, exports; acts on nothing")                                                     \
    X(ROLE_ADMIN,       6,  "admin",       true,  true,                                                    \
      (ROLE_RESPONDS ROLE_STOPS ROLE_CAN(FANOUT_SET) ROLE_CAN(UPSTREAM_SET) ROLE_CAN(DRILLS_RUN)           \
       ROLE_CAN(CONFIG_READ) ROLE_CAN(REPORT_WRITE) ROLE_CAN(PEOPLE_READ) ROLE_CAN(AUDIT_READ)),           \
      "runs the system: configuration, drills; stops at once, loosens nothing")                            \
    X(ROLE_BREAK_GLASS, 7,  "break_glass", false, true,                                                    \
      (ROLE_SEES ROLE_CAN(CONTROL_LOOSEN) ROLE_CAN(CONTROL_OVERRIDE)),                                     \
      "loosens alone; off unless the configuration allows it")
/* clang-format on */
#define ROLE_AS_ENUM(sym, bit, word, standing, two, may, help) sym = bit,
enum role { ROLES(ROLE_AS_ENUM) };
#define ROLE_COUNT 8

struct role_row {
    const char *word;
    bool standing;
    bool two;
    uint64_t may; /* bits of enum permission */
    const char *help;
};
extern const struct role_row role_rows[ROLE_COUNT]; /* by bit */

bool permission_parse(const char *word, size_t len, enum permission *out);
bool role_parse(const char *word, size_t len, enum role *out);
/* What a set of roles (bits of enum role) may do. */
uint64_t roles_permissions(uint64_t roles);
/* What a key with SCOPES (bits of auth/scopes.h) may do. */
uint64_t scopes_permissions(uint64_t scopes);
/* The one check: is PERMISSION in SET, which came from either of the above? */
static inline bool roles_allow(uint64_t set, enum permission permission)
{
    return (set >> permission & 1) != 0;
}
/* Markdown: roles and permissions, each with each; scopes. */
void roles_describe(struct buf *out);
#endif
