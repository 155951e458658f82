/* links: gw_auth_people */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/people/roles.h"

/* Decided by people, written down a second time: who changes a role changes it here as well.
 * viewer, responder, operator, approver, security, auditor, admin, break_glass. */
static const struct {
    const char *permission;
    const char *who;
    const char *factor;
} expected[] = {
    {"status.read", "xxxxxxxx", ""},
    {"metrics.read", "xxxxxxxx", ""},
    {"control.read", "xxxxxxxx", ""},
    {"control.tighten", "..xxx.x.", "never"},
    {"control.loosen", "..x....x", "fresh"},
    {"control.approve", "...x....", "fresh"},
    {"control.override", ".......x", "fresh"},
    {"fanout.set", "..x...x.", ""},
    {"upstream.set", "..x...x.", ""},
    {"connections.read", "xxxxxxxx", ""},
    {"connections.kick", "..xxx.x.", "never"},
    {"keys.read", "..xxxxx.", ""},
    {"keys.write", "....x...", "fresh"},
    {"keys.revoke", "..xxx.x.", "never"},
    {"people.read", "....xxx.", ""},
    {"people.write", "....x...", "fresh"},
    {"people.lock", "....x...", "never"},
    {"people.elevate", "xxxxx.x.", "fresh"},
    {"access.review", "....xx..", ""},
    {"access.sign", "....x...", "fresh"},
    {"audit.read", "....xxx.", ""},
    {"audit.export", ".....x..", ""},
    {"incidents.read", "xxxxxxxx", ""},
    {"incidents.act", ".xxxx.x.", ""},
    {"drills.run", "..x...x.", ""},
    {"config.read", ".....xx.", ""},
    {"report.write", "....x.x.", ""},
    {"ws.token", "xxxxxxxx", ""},
};

static void every_role_with_every_permission(void **state)
{
    static const char *const factors[] = {"", "fresh", "never"};
    unsigned checked = 0;

    (void)state;
    assert_int_equal(GW_LEN(expected), PERMISSION_COUNT);
    for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
        enum permission bit;

        assert_true(permission_parse(expected[p].permission, strlen(expected[p].permission), &bit));
        assert_int_equal(bit, p);
        assert_string_equal(factors[permission_rows[p].factor], expected[p].factor);
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
            bool may = roles_allow(roles_permissions(1ull << r), bit);

            if (may != (expected[p].who[r] == 'x')) {
                fail_msg("%s: %s is %s", role_rows[r].word, expected[p].permission,
                         may ? "allowed" : "refused");
            }
            checked++;
        }
    }
    assert_int_equal(checked, 8 * 28);
}

static void nothing_is_allowed_without_a_role(void **state)
{
    (void)state;
    assert_int_equal(roles_permissions(0), 0);
    assert_int_equal(scopes_permissions(0), 0);
    assert_int_equal(roles_permissions(1ull << ROLE_COUNT), 0);
    assert_int_equal(roles_permissions(~0ull) >> PERMISSION_COUNT, 0);
    assert_int_equal(scopes_permissions(~0ull) >> PERMISSION_COUNT, 0);
}

/* The rules behind the table. */
static void the_table_keeps_its_rules(void **state)
{
    (void)state;
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        uint64_t may = role_rows[r].may;

        if (roles_allow(may, PERM_CONTROL_LOOSEN) && role_rows[r].standing) {
            assert_false(roles_allow(may, PERM_CONTROL_APPROVE)); /* no role suffices alone */
        }
        if (roles_allow(may, PERM_CONTROL_OVERRIDE)) {
            assert_false(role_rows[r].standing);
        }
        if (roles_allow(may, PERM_AUDIT_EXPORT)) {
            assert_false(roles_allow(may, PERM_CONTROL_TIGHTEN));
        }
    }
    assert_int_equal(permission_rows[PERM_CONTROL_TIGHTEN].factor, FACTOR_NEVER);
    assert_true(permission_rows[PERM_CONTROL_TIGHTEN].offline);
    for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
        if (permission_rows[p].factor == FACTOR_FRESH) {
            assert_false(permission_rows[p].offline);
        }
    }
}

static void scopes_are_permissions(void **state)
{
    static const struct {
        enum auth_scope scope;
        enum permission may;
        enum permission may_not;
    } cases[] = {
        {SCOPE_CONTROL_HALT, PERM_CONTROL_TIGHTEN, PERM_CONTROL_LOOSEN},
        {SCOPE_CONTROL_OPEN, PERM_CONTROL_APPROVE, PERM_CONTROL_OVERRIDE},
        {SCOPE_KEYS_WRITE, PERM_KEYS_REVOKE, PERM_PEOPLE_WRITE},
        {SCOPE_PEOPLE_WRITE, PERM_PEOPLE_LOCK, PERM_PEOPLE_ELEVATE},
        {SCOPE_AUDIT_READ, PERM_AUDIT_EXPORT, PERM_CONTROL_READ},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        uint64_t set = scopes_permissions(1ull << cases[i].scope);

        assert_true(roles_allow(set, cases[i].may));
        assert_false(roles_allow(set, cases[i].may_not));
    }
    assert_int_equal(scopes_permissions(1ull << SCOPE_MARKET | 1ull << SCOPE_WS_FAST), 0);
    /* no key signs an access review, elevates or breaks the glass */
    assert_false(roles_allow(scopes_permissions(~0ull), PERM_ACCESS_SIGN));
    assert_false(roles_allow(scopes_permissions(~0ull), PERM_PEOPLE_ELEVATE));
    assert_false(roles_allow(scopes_permissions(~0ull), PERM_CONTROL_OVERRIDE));
}

static void words_are_exact(void **state)
{
    enum permission p;
    enum role r;

    (void)state;
    assert_false(permission_parse("status.rea", 10, &p));
    assert_false(permission_parse("", 0, &p));
    assert_false(permission_parse("Status.read", 11, &p));
    assert_true(role_parse("break_glass", 11, &r));
    assert_int_equal(r, ROLE_BREAK_GLASS);
    assert_false(role_parse("root", 4, &r));
}

/* The page people read has the same table. */
static void the_page_has_it(void **state)
{
    static char page[65536];
    FILE *f = fopen(GW_ROOT "/docs/reference/ROLES.md", "r");
    size_t len;

    (void)state;
    assert_non_null(f);
    len = fread(page, 1, sizeof page - 1, f);
    (void)fclose(f);
    page[len] = '\0';
    for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
        char line[32];
        char *at;
        unsigned column = 0;

        (void)snprintf(line, sizeof line, "\n| `%s` |", expected[p].permission);
        at = strstr(page, line);
        assert_non_null(at);
        for (at++; *at != '\n'; at++) {
            if (*at == '|' && at[1] != '\n' && ++column > 4) {
                assert_int_equal(at[2] == 'x', expected[p].who[column - 5] == 'x');
            }
        }
        assert_int_equal(column, 4 + ROLE_COUNT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_with_every_permission),
        cmocka_unit_test(nothing_is_allowed_without_a_role),
        cmocka_unit_test(the_table_keeps_its_rules),
        cmocka_unit_test(scopes_are_permissions),
        cmocka_unit_test(words_are_exact),
        cmocka_unit_test(the_page_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
