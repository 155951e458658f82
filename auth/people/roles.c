#include "auth/people/roles.h"

#include <string.h>

#define PERMISSION_AS_ROW(sym, bit, word, factor, offline, help)                                   \
    [bit] = {word, FACTOR_##factor, offline, help},
const struct permission_row permission_rows[PERMISSION_COUNT] = {PERMISSIONS(PERMISSION_AS_ROW)};

#define ROLE_AS_ROW(sym, bit, word, standing, two, may, help)                                      \
    [bit] = {word, standing, two, may, help},
const struct role_row role_rows[ROLE_COUNT] = {ROLES(ROLE_AS_ROW)};

/* clang-format off */
static const uint64_t by_scope[SCOPE_COUNT] = {
    [SCOPE_WS_TOKEN]        = 0 ROLE_CAN(WS_TOKEN),
    [SCOPE_METRICS_READ]    = 0 ROLE_CAN(METRICS_READ),
    [SCOPE_KEYS_READ]       = 0 ROLE_CAN(KEYS_READ),
    [SCOPE_KEYS_WRITE]      = 0 ROLE_CAN(KEYS_WRITE) ROLE_CAN(KEYS_REVOKE),
    [SCOPE_CONTROL_READ]    = 0 ROLE_CAN(STATUS_READ) ROLE_CAN(CONTROL_READ),
    [SCOPE_CONTROL_HALT]    = 0 ROLE_CAN(CONTROL_TIGHTEN),
    [SCOPE_CONTROL_OPEN]    = 0 ROLE_CAN(CONTROL_LOOSEN) ROLE_CAN(CONTROL_APPROVE),
    [SCOPE_AUDIT_READ]      = 0 ROLE_CAN(AUDIT_READ) ROLE_CAN(AUDIT_EXPORT),
    [SCOPE_REPORT]          = 0 ROLE_CAN(REPORT_WRITE),
    [SCOPE_PEOPLE_READ]     = 0 ROLE_CAN(PEOPLE_READ) ROLE_CAN(ACCESS_REVIEW),
    [SCOPE_PEOPLE_WRITE]    = 0 ROLE_CAN(PEOPLE_WRITE) ROLE_CAN(PEOPLE_LOCK),
    [SCOPE_INCIDENTS_READ]  = 0 ROLE_CAN(INCIDENTS_READ),
    [SCOPE_INCIDENTS_ACT]   = 0 ROLE_CAN(INCIDENTS_ACT) ROLE_CAN(DRILLS_RUN),
    [SCOPE_CONTROL_FANOUT]  = 0 ROLE_CAN(FANOUT_SET) ROLE_CAN(UPSTREAM_SET),
    [SCOPE_CONNECTIONS]     = 0 ROLE_CAN(CONNECTIONS_READ) ROLE_CAN(CONNECTIONS_KICK),
    [SCOPE_CONFIG_READ]     = 0 ROLE_CAN(CONFIG_READ),
};
/* clang-format on */

bool permission_parse(const char *word, size_t len, enum permission *out)
{
    for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
        if (strlen(permission_rows[i].word) == len &&
            memcmp(permission_rows[i].word, word, len) == 0) {
            *out = (enum permission)i;
            return true;
        }
    }
    return false;
}

bool role_parse(const char *word, size_t len, enum role *out)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        if (strlen(role_rows[i].word) == len && memcmp(role_rows[i].word, word, len) == 0) {
            *out = (enum role)i;
            return true;
        }
    }
    return false;
}

uint64_t roles_permissions(uint64_t roles)
{
    uint64_t set = 0;

    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        if ((roles >> i & 1) != 0) {
            set |= role_rows[i].may;
        }
    }
    return set;
}

uint64_t scopes_permissions(uint64_t scopes)
{
    uint64_t set = 0;

    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        if (scope_has(scopes, (enum auth_scope)i)) {
            set |= by_scope[i];
        }
    }
    return set;
}

/* --- Markdown ---------------------------------------------------------------------------------- */

static void describe_roles(struct buf *out)
{
    buf_lit(out,
            "# Roles and permissions\n\n| role | who | held | granted by |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        buf_printf(out, "| `%s` | %s | %s | %s |\n", role_rows[i].word, role_rows[i].help,
                   role_rows[i].standing ? "without end, or for a while"
                                         : "for 15 to 60 minutes, by those eligible",
                   role_rows[i].two ? "two persons, where `people.two_persons` says so"
                                    : "one person");
    }
}

static void describe_matrix(struct buf *out)
{
    static const char *const factors[] = {
        [FACTOR_SESSION] = "", [FACTOR_FRESH] = "5 min", [FACTOR_NEVER] = "never asked"};

    buf_lit(out, "\nSecond factor `5 min`: at most so old, else 403 until the session is renewed. "
                 "Offline: also while PostgreSQL does not answer.\n\n| permission | what | second "
                 "factor | offline |");
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        buf_printf(out, " %s |", role_rows[i].word);
    }
    buf_lit(out, "\n|---|---|---|---|");
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        buf_lit(out, "---|");
    }
    for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
        buf_printf(out, "\n| `%s` | %s | %s | %s |", permission_rows[i].word,
                   permission_rows[i].help, factors[permission_rows[i].factor],
                   permission_rows[i].offline ? "yes" : "");
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
            buf_puts(out, roles_allow(role_rows[r].may, (enum permission)i) ? " x |" : " |");
        }
    }
}

static void describe_scopes(struct buf *out)
{
    buf_lit(out, "\n\n## Scopes of keys\n\nA key has no second factor: each of its requests is "
                 "signed.\n\n| scope | may |\n|---|---|\n");
    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        const char *comma = "";

        buf_printf(out, "| `%s` | ", scope_rows[i].word);
        for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
            if (roles_allow(by_scope[i], (enum permission)p)) {
                buf_printf(out, "%s`%s`", comma, permission_rows[p].word);
                comma = ", ";
            }
        }
        buf_puts(out, by_scope[i] == 0 ? "(market data only) |\n" : " |\n");
    }
}

void roles_describe(struct buf *out)
{
    describe_roles(out);
    describe_matrix(out);
    describe_scopes(out);
}
