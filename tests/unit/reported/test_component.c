/* Heartbeats under a clock of our own: what is silent is gone by itself, and old is never well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/reported/component.h"
#include "gateway/runtime/json.h"

#define S     ((int64_t)1000000000)
#define BEGIN (1700000000 * S) /* wall clock at mono 1000 s */

struct stage {
    struct components *cs;
    struct reported_now now;
    unsigned told;
    enum component_state last;
    char last_id[COMPONENT_ID_MAX + 1];
};

static void on_change(void *arg, const struct component *c)
{
    struct stage *t = arg;

    t->told++;
    t->last = c->state;
    (void)snprintf(t->last_id, sizeof t->last_id, "%s", c->said.id);
}

static int set_up(void **state)
{
    struct stage *t = gw_calloc(1, sizeof *t);

    t->now = (struct reported_now){.mono_ns = 1000 * S, .real_ns = BEGIN};
    t->cs = components_create(4, on_change, t);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *t = *state;

    components_destroy(&t->cs);
    free(t);
    return 0;
}

static void pass(struct stage *t, int64_t ns)
{
    t->now.mono_ns += ns;
    t->now.real_ns += ns;
    components_tick(t->cs, &t->now);
}

static struct component_report report(const char *id, enum component_state state)
{
    struct component_report r = {.state = state, .ttl_s = 10};

    (void)snprintf(r.id, sizeof r.id, "%s", id);
    (void)snprintf(r.source, sizeof r.source, "account:desk key:pk_1");
    return r;
}

static enum component_verdict hear(struct stage *t, struct component_report r)
{
    return components_hear(t->cs, &r, &t->now);
}

static enum component_state state_of(const struct stage *t, const char *id)
{
    const struct component *c = components_find(t->cs, id);

    assert_non_null(c);
    return c->state;
}

static void silence_is_disconnected(void **state)
{
    struct stage *t = *state;
    const struct component *c;

    assert_int_equal(hear(t, report("a", COMPONENT_OK)), COMPONENT_TAKEN);
    assert_int_equal(t->told, 1);
    pass(t, 10 * S);
    assert_int_equal(state_of(t, "a"), COMPONENT_OK);
    assert_int_equal(t->told, 1);
    pass(t, 1);
    assert_int_equal(state_of(t, "a"), COMPONENT_DISCONNECTED);
    assert_int_equal(t->told, 2);
    c = components_find(t->cs, "a");
    assert_int_equal(c->said.state, COMPONENT_OK);
    assert_true(c->since_ns == BEGIN + 10 * S);
    pass(t, 3600 * S);
    assert_int_equal(t->told, 2); /* once */
    assert_int_equal(hear(t, report("a", COMPONENT_OK)), COMPONENT_TAKEN);
    assert_int_equal(state_of(t, "a"), COMPONENT_OK);
    assert_true(components_find(t->cs, "a")->since_ns == t->now.real_ns); /* it begins anew */
    assert_int_equal(t->told, 3);
}

static void expected_ones_are_missed(void **state)
{
    struct stage *t = *state;
    struct buf text = {0};

    components_expect(t->cs, "ledger", &t->now);
    components_expect(t->cs, "ledger", &t->now);
    assert_int_equal(components_count(t->cs), 1);
    assert_int_equal(state_of(t, "ledger"), COMPONENT_UNKNOWN);
    assert_int_equal(t->told, 1);
    component_print(&text, components_find(t->cs, "ledger"), &t->now);
    assert_non_null(strstr(buf_cstr(&text), "\"last_heard_at\":null,\"age_s\":null"));
    assert_non_null(strstr(buf_cstr(&text), "\"expected\":true"));
    buf_fini(&text);
    pass(t, 60 * S);
    assert_int_equal(state_of(t, "ledger"), COMPONENT_UNKNOWN);
    pass(t, 1);
    assert_int_equal(state_of(t, "ledger"), COMPONENT_DISCONNECTED);
    assert_true(components_find(t->cs, "ledger")->since_ns == BEGIN + 60 * S);
    pass(t, 1000 * 3600 * S); /* and are neither forgotten nor make room */
    components_forget(t->cs, S, &t->now);
    for (const char *id = "abcd"; *id != '\0'; id++) {
        (void)hear(t, report((char[]){*id, '\0'}, COMPONENT_OK));
    }
    assert_int_equal(state_of(t, "ledger"), COMPONENT_DISCONNECTED);
    assert_int_equal(hear(t, report("ledger", COMPONENT_OK)), COMPONENT_TAKEN);
    assert_int_equal(state_of(t, "ledger"), COMPONENT_OK);
    assert_true(components_find(t->cs, "ledger")->since_ns == t->now.real_ns);
}

static void since_is_kept_while_it_says_the_same(void **state)
{
    struct stage *t = *state;

    hear(t, report("a", COMPONENT_DEGRADED));
    pass(t, 5 * S);
    hear(t, report("a", COMPONENT_DEGRADED));
    assert_true(components_find(t->cs, "a")->since_ns == BEGIN);
    assert_int_equal(t->told, 1);
    pass(t, 5 * S);
    hear(t, report("a", COMPONENT_DOWN));
    assert_true(components_find(t->cs, "a")->since_ns == BEGIN + 10 * S);
    assert_int_equal(t->told, 2);
}

/* The wall clock steps; silence is counted by the other one. */
static void steps_of_the_wall_clock_change_nothing(void **state)
{
    struct stage *t = *state;

    hear(t, report("a", COMPONENT_OK));
    t->now.real_ns += 86400 * S;
    pass(t, 9 * S);
    assert_int_equal(state_of(t, "a"), COMPONENT_OK);
    t->now.real_ns -= 2 * 86400 * S;
    pass(t, 2 * S);
    assert_int_equal(state_of(t, "a"), COMPONENT_DISCONNECTED);
}

static void what_was_stored_is_as_old_as_it_is(void **state)
{
    struct stage *t = *state;
    struct component_report r = report("a", COMPONENT_OK);

    components_load(t->cs, &r, BEGIN - 11 * S, BEGIN - 500 * S, &t->now);
    assert_int_equal(state_of(t, "a"), COMPONENT_DISCONNECTED);
    r = report("b", COMPONENT_OK);
    components_load(t->cs, &r, BEGIN - 4 * S, BEGIN - 500 * S, &t->now);
    assert_int_equal(state_of(t, "b"), COMPONENT_OK);
    assert_true(components_find(t->cs, "b")->since_ns == BEGIN - 500 * S);
    pass(t, 7 * S);
    assert_int_equal(state_of(t, "b"), COMPONENT_DISCONNECTED);
    /* a clock that is far ahead: nobody can say how old it is */
    r = report("c", COMPONENT_OK);
    components_load(t->cs, &r, t->now.real_ns + 3600 * S, t->now.real_ns, &t->now);
    assert_int_equal(state_of(t, "c"), COMPONENT_UNKNOWN);
    /* news that are older than ours are none */
    hear(t, report("b", COMPONENT_DOWN));
    r = report("b", COMPONENT_OK);
    components_load(t->cs, &r, t->now.real_ns - 1, t->now.real_ns - 1, &t->now);
    assert_int_equal(state_of(t, "b"), COMPONENT_DOWN);
}

static void bounded_and_nobody_speaks_for_another(void **state)
{
    struct stage *t = *state;
    struct component_report theirs = report("a", COMPONENT_OK);
    const char *const ids[] = {"a", "b", "c", "d"};

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(hear(t, report(ids[i], COMPONENT_OK)), COMPONENT_TAKEN);
    }
    assert_int_equal(hear(t, report("e", COMPONENT_OK)), COMPONENT_FULL);
    strcpy(theirs.source, "account:other key:pk_2");
    assert_int_equal(hear(t, theirs), COMPONENT_ANOTHER);
    strcpy(theirs.source, "account:desk key:pk_9"); /* the same account, after a rotation */
    assert_int_equal(hear(t, theirs), COMPONENT_TAKEN);
    pass(t, 11 * S);
    strcpy(theirs.source, "account:other key:pk_2");
    assert_int_equal(hear(t, theirs), COMPONENT_TAKEN);
    assert_int_equal(hear(t, report("e", COMPONENT_OK)), COMPONENT_FULL);
    pass(t, 25 * 3600 * S);
    assert_int_equal(hear(t, report("e", COMPONENT_OK)), COMPONENT_TAKEN);
    assert_int_equal(components_count(t->cs), 4);
    components_forget(t->cs, 3600 * S, &t->now);
    assert_int_equal(components_count(t->cs), 1);
}

static void own_ones_are_measured(void **state)
{
    struct stage *t = *state;
    struct component_report r = report("redis", COMPONENT_OK);

    r.ttl_s = 30;
    components_own(t->cs, &r, &t->now);
    assert_int_equal(hear(t, report("redis", COMPONENT_DOWN)), COMPONENT_OWN);
    assert_int_equal(state_of(t, "redis"), COMPONENT_OK);
    pass(t, 31 * S); /* who measures has stopped */
    assert_int_equal(state_of(t, "redis"), COMPONENT_DISCONNECTED);
}

static enum component_state group_of(struct stage *t, const char *group)
{
    struct buf why = {0};
    enum component_state s = components_group(t->cs, group, &why);

    assert_true((s == COMPONENT_OK || s == COMPONENT_UNKNOWN) == (why.len == 0));
    buf_fini(&why);
    return s;
}

/* Each pair of states of two members, and what the group is then. */
static void groups(void **state)
{
    static const struct {
        enum component_state a, b, group;
    } rows[] = {
        {COMPONENT_OK, COMPONENT_OK, COMPONENT_OK},
        {COMPONENT_OK, COMPONENT_DOWN, COMPONENT_DEGRADED},
        {COMPONENT_OK, COMPONENT_DEGRADED, COMPONENT_DEGRADED},
        {COMPONENT_OK, COMPONENT_PAUSED, COMPONENT_DEGRADED},
        {COMPONENT_DEGRADED, COMPONENT_DEGRADED, COMPONENT_DEGRADED},
        {COMPONENT_DEGRADED, COMPONENT_DOWN, COMPONENT_DEGRADED},
        {COMPONENT_PAUSED, COMPONENT_PAUSED, COMPONENT_PAUSED},
        {COMPONENT_PAUSED, COMPONENT_DOWN, COMPONENT_DEGRADED},
        {COMPONENT_DOWN, COMPONENT_DOWN, COMPONENT_DOWN},
    };
    struct stage *t = *state;

    assert_int_equal(group_of(t, "g"), COMPONENT_UNKNOWN);
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        struct component_report a = report("a", rows[i].a);
        struct component_report b = report("b", rows[i].b);

        strcpy(a.group, "g");
        strcpy(b.group, "g");
        hear(t, a);
        hear(t, b);
        assert_int_equal(group_of(t, "g"), rows[i].group);
        a = report("a", rows[i].b); /* and the other way round */
        b = report("b", rows[i].a);
        strcpy(a.group, "g");
        strcpy(b.group, "g");
        hear(t, a);
        hear(t, b);
        assert_int_equal(group_of(t, "g"), rows[i].group);
    }
    pass(t, 11 * S);
    assert_int_equal(group_of(t, "g"), COMPONENT_DOWN); /* silent: gone */
}

static void two_leases_are_a_split_brain(void **state)
{
    struct stage *t = *state;
    struct component_report a = report("a", COMPONENT_OK);
    struct component_report b = report("b", COMPONENT_OK);
    struct buf why = {0};

    strcpy(a.group, "g");
    strcpy(b.group, "g");
    a.lease_holder = b.lease_holder = (struct component_number){true, 1};
    a.fencing_token = (struct component_number){true, 7};
    b.ttl_s = 60;
    hear(t, a);
    hear(t, b);
    assert_int_equal(components_group(t->cs, "g", &why), COMPONENT_DOWN);
    assert_non_null(strstr(buf_cstr(&why), "a (fencing token 7), b"));
    pass(t, 11 * S); /* one of them has gone: that is a failover, and no split brain */
    assert_int_equal(components_group(t->cs, "g", NULL), COMPONENT_DEGRADED);
    buf_fini(&why);
}

static bool parse(const char *json, struct component_report *r, const char **field)
{
    json_t *root = json_parse_strict(json, strlen(json), 4);
    const char *wanted = NULL;
    bool ok;

    assert_non_null(root);
    *r = (struct component_report){0};
    *field = "";
    ok = component_parse(root, r, field, &wanted);
    assert_true(ok || (wanted != NULL && wanted[0] != '\0'));
    json_decref(root);
    return ok;
}

static void bodies(void **state)
{
    static const struct {
        const char *json;
        const char *field;
    } bad[] = {
        {"{}", "state"},
        {"{\"state\":\"ok\"}", "state"},
        {"{\"state\":\"UNKNOWN\",\"ttl_s\":5}", "state"},
        {"{\"state\":\"OK\"}", "ttl_s"},
        {"{\"state\":\"OK\",\"ttl_s\":5.5}", "ttl_s"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"role\":\"\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\"}",
         "role"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"group\":\"\\u00e9\"}", "group"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"session\":\"123456789012345678901234567890123\"}",
         "session"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"version\":7}", "version"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"seq_out\":\"18446744073709551616\"}", "seq_out"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"gap_to\":true}", "gap_to"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"lease_holder\":\"yes\"}", "lease_holder"},
        {"{\"state\":\"OK\",\"ttl_s\":5,\"detail\":\"a\\tb\"}", "detail"},
    };
    struct component_report r;
    struct component_report back = {0};
    struct buf b = {0};
    const char *field;

    (void)state;
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        assert_false(parse(bad[i].json, &r, &field));
        assert_string_equal(field, bad[i].field);
    }
    assert_true(
        parse("{\"state\":\"PAUSED\",\"ttl_s\":\"3600\",\"seq_in\":\"18446744073709551615\",\"seq_"
              "out\":0,"
              "\"lease_holder\":false,\"detail\":\"\\u00e9\\\"\",\"session\":null,\"more\":[1,{}]}",
              &r, &field));
    assert_int_equal(r.state, COMPONENT_PAUSED);
    assert_true(r.seq_in.v == UINT64_MAX && r.seq_out.given && r.seq_out.v == 0);
    assert_true(r.lease_holder.given && r.lease_holder.v == 0);
    component_details_print(&b, &r);
    component_details_parse(b.data, b.len, &back);
    assert_true(back.seq_in.v == UINT64_MAX && back.seq_out.given && !back.gap_from.given);
    assert_string_equal(back.detail, r.detail);
    assert_true(back.lease_holder.given && back.lease_holder.v == 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(silence_is_disconnected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expected_ones_are_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(since_is_kept_while_it_says_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(steps_of_the_wall_clock_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_stored_is_as_old_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounded_and_nobody_speaks_for_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_ones_are_measured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_leases_are_a_split_brain, set_up, tear_down),
        cmocka_unit_test(bodies),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
