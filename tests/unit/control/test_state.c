#include <pthread.h>
#include "tests/unit/control/control_fixture.h"

static void cells_carry_who_and_when(void **state)
{
    const struct control *c = control_create();
    const struct control *was = control_ref(c);
    const struct control_cell *cell;
    struct control_change change = because("book and ledger disagree");
    const struct control_stamp stamp = {
        .by = "user:ana", .approved_by = "user:ben", .now_ns = NOW, .audit = 7, .version = 41};
    const struct control *next;
    struct control_error e;

    (void)state;
    change.ticket = gw_strdup("OPS-1");
    change.until_ns = NOW + 60 * SECOND;
    change.trigger = CONTROL_TRIGGER_ALERT;
    add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_SOFT_HALT));
    assert_int_equal(control_apply(c, &change, &stamp, NULL, &next, &e), CONTROL_FINE);
    control_change_fini(&change);
    assert_int_equal(control_count(was), 0);
    assert_int_equal(control_version(was), 0);
    assert_int_equal(control_version(next), 41);
    cell = control_find(next, CONTROL_KIND_MODE, "BTC/USD");
    assert_int_equal(cell->value.mode, CONTROL_SOFT_HALT);
    assert_string_equal(cell->reason, "book and ledger disagree");
    assert_string_equal(cell->ticket, "OPS-1");
    assert_string_equal(cell->by, "user:ana");
    assert_string_equal(cell->approved_by, "user:ben");
    assert_int_equal(cell->since_ns, NOW);
    assert_int_equal(cell->until_ns, NOW + 60 * SECOND);
    assert_int_equal(cell->version, 41);
    assert_int_equal(cell->audit, 7);
    assert_int_equal(cell->trigger, CONTROL_TRIGGER_ALERT);
    assert_null(control_find(next, CONTROL_KIND_MODE, "ETH/USD"));
    assert_null(control_find(next, CONTROL_KIND_THROTTLE, "BTC/USD"));
    control_unref(&c);
    control_unref(&was);
    control_unref(&next);
}

/* Who resumed, when, and a version that moved on. */
static void a_cell_at_its_default_stays(void **state)
{
    const struct control *c = control_create();
    const struct control_cell *cell;

    (void)state;
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_CANCEL_ONLY));
    set(&c, CONTROL_KIND_WITHDRAWALS, "*", (struct control_value){.halted = true});
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_NORMAL));
    cell = control_find(c, CONTROL_KIND_MODE, "BTC/USD");
    assert_non_null(cell);
    assert_int_equal(cell->version, 3);
    assert_int_equal(control_find(c, CONTROL_KIND_WITHDRAWALS, "*")->version, 2);
    assert_int_equal(control_value_of(c, CONTROL_KIND_MODE, "BTC/USD")->mode, CONTROL_NORMAL);
    control_unref(&c);
}

static void cells_are_sorted(void **state)
{
    const struct control *c = control_create();
    uint32_t count;

    (void)state;
    set(&c, CONTROL_KIND_UPSTREAM, "*",
        (struct control_value){.upstream = CONTROL_UPSTREAM_ALTERNATE});
    set(&c, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_HARD_HALT));
    set(&c, CONTROL_KIND_MODE, "group:a", mode_of(CONTROL_HARD_HALT));
    set(&c, CONTROL_KIND_MODE, "*", mode_of(CONTROL_CANCEL_ONLY));
    set(&c, CONTROL_KIND_KILL, "global", stage_of("", 0));
    assert_int_equal(control_count(c), 5);
    assert_string_equal(control_at(c, 0)->target, "*");
    assert_string_equal(control_at(c, 1)->target, "ETH/USD");
    assert_string_equal(control_at(c, 2)->target, "group:a");
    assert_int_equal(control_at(c, 3)->kind, CONTROL_KIND_KILL);
    assert_int_equal(control_at(c, 4)->kind, CONTROL_KIND_UPSTREAM);
    assert_int_equal(control_range(c, CONTROL_KIND_MODE, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(control_range(c, CONTROL_KIND_KILL, &count), 3);
    assert_int_equal(count, 1);
    (void)control_range(c, CONTROL_KIND_ACCOUNT, &count);
    assert_int_equal(count, 0);
    control_unref(&c);
}

/* `until` moves without a step; `since` stays, the version moves on. */
static void until_can_be_renewed(void **state)
{
    const struct control_stamp later = {.by = "user:ben", .now_ns = NOW + 5};
    const struct control *c = control_create();
    const struct control *next;
    const struct control_cell *cell;
    struct control_change change = because("we need another hour");
    struct control_error e;

    (void)state;
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_SOFT_HALT));
    add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_SOFT_HALT));
    change.until_ns = NOW + SECOND;
    assert_int_equal(control_change_direction(c, &change), CONTROL_NEUTRAL);
    assert_int_equal(control_apply(c, &change, &later, NULL, &next, &e), CONTROL_FINE);
    control_change_fini(&change);
    control_unref(&c);
    c = next;
    cell = control_find(c, CONTROL_KIND_MODE, "BTC/USD");
    assert_int_equal(cell->since_ns, NOW);
    assert_int_equal(cell->until_ns, NOW + SECOND);
    assert_int_equal(cell->version, 2);
    assert_string_equal(cell->reason, "we need another hour");
    change = because("once more the same");
    add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_SOFT_HALT));
    assert_int_equal(control_change_direction(c, &change), CONTROL_NONE);
    assert_int_equal(apply(&c, &change, &e), CONTROL_NOTHING);
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_HARD_HALT));
    assert_int_equal(control_find(c, CONTROL_KIND_MODE, "BTC/USD")->until_ns, 0);
    control_unref(&c);
}

static bool only_btc(void *arg, enum control_form form, const char *name)
{
    (*(unsigned *)arg)++;
    return (form == CONTROL_FORM_SYMBOL && strcmp(name, "BTC/USD") == 0) ||
           (form == CONTROL_FORM_GROUP && strcmp(name, "majors") == 0) ||
           form == CONTROL_FORM_ALL || form == CONTROL_FORM_GLOBAL;
}

static void unknown_targets_are_named(void **state)
{
    unsigned asked = 0;
    const struct control_names names = {only_btc, &asked};
    const struct control_stamp stamp = {.by = "user:ana", .now_ns = NOW};
    const struct control *c = control_create();
    const struct control *next = NULL;
    struct control_change change = because("because of a test");
    struct control_error e;

    (void)state;
    add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_SOFT_HALT));
    add(&change, CONTROL_KIND_MODE, "group:majors", mode_of(CONTROL_SOFT_HALT));
    add(&change, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_SOFT_HALT));
    assert_int_equal(control_apply(c, &change, &stamp, &names, &next, &e), CONTROL_UNKNOWN);
    assert_int_equal(e.index, 2);
    assert_non_null(strstr(e.text, "ETH/USD"));
    assert_int_equal(asked, 3);
    control_change_fini(&change);

    /* a halted symbol that left the list can be resumed */
    set(&c, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_SOFT_HALT));
    change = because("because of a test");
    add(&change, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_NORMAL));
    assert_int_equal(control_apply(c, &change, &stamp, &names, &next, &e), CONTROL_FINE);
    control_change_fini(&change);
    control_unref(&next);

    set(&c, CONTROL_KIND_KILL, "global", stage_of("", 0));
    change = because("because of a test");
    add(&change, CONTROL_KIND_KILL, "global", stage_of("BTC/USD XRP/USD", 5));
    assert_int_equal(control_apply(c, &change, &stamp, &names, &next, &e), CONTROL_UNKNOWN);
    assert_string_equal(e.pointer, "/released_symbols");
    assert_non_null(strstr(e.text, "XRP/USD"));
    control_change_fini(&change);
    control_unref(&c);
}

static enum control_fault refused(struct control_change change, struct control_stamp stamp,
                                  struct control_error *e)
{
    const struct control *c = control_create();
    const struct control *next = NULL;
    enum control_fault fault;

    set(&c, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_SOFT_HALT));
    *e = (struct control_error){0};
    fault = control_apply(c, &change, &stamp, NULL, &next, e);
    control_change_fini(&change);
    assert_null(next);
    control_unref(&c);
    return fault;
}

static void what_is_wrong_is_said(void **state)
{
    const struct control_stamp stamp = {.by = "user:ana", .now_ns = NOW};
    const struct control_stamp nobody = {.by = "", .now_ns = NOW};
    const struct control_stamp old = {.by = "user:ana", .now_ns = NOW, .version = 1};
    const struct control_stamp no_clock = {.by = "user:ana", .now_ns = 0};
    struct control_change c;
    struct control_error e;

    (void)state;
    assert_int_equal(refused(because("nothing at all"), stamp, &e), CONTROL_INVALID);

#define HALT(reason)                                                                               \
    c = because(reason);                                                                           \
    add(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_SOFT_HALT))

    HALT("too short");
    assert_int_equal(refused(c, stamp, &e), CONTROL_INVALID);
    assert_string_equal(e.pointer, "/reason");
    HALT("has a line\nbreak in it");
    assert_int_equal(refused(c, stamp, &e), CONTROL_INVALID);
    assert_string_equal(e.pointer, "/reason");
    HALT("because of a test");
    assert_int_equal(refused(c, nobody, &e), CONTROL_INVALID);
    assert_string_equal(e.pointer, "/by");
    HALT("because of a test");
    assert_int_equal(refused(c, old, &e), CONTROL_INVALID);
    assert_non_null(strstr(e.text, "version 1"));
    HALT("because of a test");
    assert_int_equal(refused(c, no_clock, &e), CONTROL_INVALID);
    HALT("because of a test");
    c.until_ns = NOW;
    assert_int_equal(refused(c, stamp, &e), CONTROL_INVALID);
    assert_string_equal(e.pointer, "/until");
    HALT("because of a test");
    add(&c, CONTROL_KIND_MODE, "XRP/USD", mode_of(CONTROL_SOFT_HALT));
    add(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_HARD_HALT));
    assert_int_equal(refused(c, stamp, &e), CONTROL_INVALID);
    assert_int_equal(e.index, 2);
    assert_non_null(strstr(e.text, "twice"));
    HALT("because of a test");
    add(&c, CONTROL_KIND_MODE, "nonsense", mode_of(CONTROL_SOFT_HALT));
    assert_int_equal(refused(c, stamp, &e), CONTROL_INVALID);
    assert_int_equal(e.index, 1);
    HALT("because of a test");
    add(&c, CONTROL_KIND_KILL, "global", stage_of("BTC/USD", 10));
    assert_int_equal(refused(c, stamp, &e), CONTROL_ILLEGAL);
    assert_int_equal(e.index, 1);
    c = because("nothing is held back");
    c.until_ns = NOW + SECOND;
    add(&c, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_NORMAL));
    assert_int_equal(refused(c, stamp, &e), CONTROL_INVALID);
    assert_string_equal(e.pointer, "/until");
    c = because("already over");
    add(&c, CONTROL_KIND_FANOUT, "*",
        (struct control_value){.profile = CONTROL_PROFILE_DEGRADED, .expires_ns = NOW});
    assert_int_equal(refused(c, stamp, &e), CONTROL_INVALID);
    assert_string_equal(e.pointer, "/expires_at");
    c = because("as it is already");
    add(&c, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_SOFT_HALT));
    assert_int_equal(refused(c, stamp, &e), CONTROL_NOTHING);
}

/* The worst assignment says what the change is; what stays the same keeps its cell. */
static void a_change_is_as_loose_as_its_loosest_part(void **state)
{
    const struct control *c = control_create();
    struct control_change change = because("because of a test");
    struct control_error e;

    (void)state;
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_HARD_HALT));
    set(&c, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_CANCEL_ONLY));
    add(&change, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_CANCEL_ONLY));
    assert_int_equal(control_change_direction(c, &change), CONTROL_NONE);
    add(&change, CONTROL_KIND_UPSTREAM, "*",
        (struct control_value){.upstream = CONTROL_UPSTREAM_ALTERNATE});
    assert_int_equal(control_change_direction(c, &change), CONTROL_NEUTRAL);
    add(&change, CONTROL_KIND_MODE, "XRP/USD", mode_of(CONTROL_CANCEL_ONLY));
    assert_int_equal(control_change_direction(c, &change), CONTROL_TIGHTEN);
    add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_CANCEL_ONLY));
    assert_int_equal(control_change_direction(c, &change), CONTROL_LOOSEN);
    assert_int_equal(apply(&c, &change, &e), CONTROL_FINE);
    assert_int_equal(control_find(c, CONTROL_KIND_MODE, "ETH/USD")->version, 2);
    assert_int_equal(control_find(c, CONTROL_KIND_MODE, "BTC/USD")->version, 3);
    assert_int_equal(control_find(c, CONTROL_KIND_MODE, "XRP/USD")->version, 3);
    control_unref(&c);
}

/* CANCEL_ONLY -> NORMAL alone: somebody has to say how the state was validated. */
static void the_note_is_asked_for(void **state)
{
    const struct control *c = control_create();
    struct control_change change = because("because of a test");

    (void)state;
    set(&c, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_CANCEL_ONLY));
    set(&c, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_SOFT_HALT));
    set(&c, CONTROL_KIND_WITHDRAWALS, "*", (struct control_value){.halted = true});
    add(&change, CONTROL_KIND_WITHDRAWALS, "*", (struct control_value){0});
    add(&change, CONTROL_KIND_MODE, "ETH/USD", mode_of(CONTROL_NORMAL));
    assert_false(control_change_needs_note(c, &change));
    add(&change, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_NORMAL));
    assert_true(control_change_needs_note(c, &change));
    control_change_fini(&change);
    control_unref(&c);
}

static void differences_are_listed(void **state)
{
    const struct control *a = control_create();
    const struct control *b;
    struct control_diff d;

    (void)state;
    set(&a, CONTROL_KIND_MODE, "*", mode_of(CONTROL_CANCEL_ONLY));
    set(&a, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_HARD_HALT));
    b = control_ref(a);
    set(&b, CONTROL_KIND_MODE, "BTC/USD", mode_of(CONTROL_CANCEL_ONLY));
    set(&b, CONTROL_KIND_WITHDRAWALS, "BTC", (struct control_value){.halted = true});
    control_diff_init(&d, a, b);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.direction, CONTROL_LOOSEN);
    assert_string_equal(d.items[0].target, "BTC/USD");
    assert_int_equal(d.items[0].direction, CONTROL_LOOSEN);
    assert_int_equal(d.items[0].before->value.mode, CONTROL_HARD_HALT);
    assert_int_equal(d.items[0].after->value.mode, CONTROL_CANCEL_ONLY);
    assert_string_equal(d.items[1].target, "BTC");
    assert_int_equal(d.items[1].direction, CONTROL_TIGHTEN);
    assert_null(d.items[1].before);
    control_diff_fini(&d);
    control_diff_init(&d, b, a);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.items[0].direction, CONTROL_TIGHTEN);
    assert_int_equal(d.items[1].direction, CONTROL_LOOSEN);
    assert_null(d.items[1].after);
    control_diff_fini(&d);
    control_diff_init(&d, a, a);
    assert_int_equal(d.count, 0);
    assert_int_equal(d.direction, CONTROL_NONE);
    control_diff_fini(&d);
    control_unref(&a);
    control_unref(&b);
}

static void *ref_often(void *arg)
{
    for (unsigned i = 0; i < 20000; i++) {
        const struct control *mine = control_ref(arg);
        const struct control *next = control_ref(mine);

        if (i % 64 == 0) {
            control_unref(&next);
            next = control_tightest(mine, mine);
        }
        control_unref(&mine);
        control_unref(&next);
    }
    return NULL;
}

static void references_are_taken_in_several_threads(void **state)
{
    const struct control *c = control_create();
    pthread_t threads[4];

    (void)state;
    set(&c, CONTROL_KIND_KILL, "global", stage_of("", 0));
    for (unsigned i = 0; i < GW_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ref_often, (void *)(uintptr_t)c), 0);
    }
    for (unsigned i = 0; i < GW_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(control_find(c, CONTROL_KIND_KILL, "global")->value.engaged);
    control_unref(&c);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_carry_who_and_when),
        cmocka_unit_test(a_cell_at_its_default_stays),
        cmocka_unit_test(cells_are_sorted),
        cmocka_unit_test(until_can_be_renewed),
        cmocka_unit_test(unknown_targets_are_named),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_change_is_as_loose_as_its_loosest_part),
        cmocka_unit_test(the_note_is_asked_for),
        cmocka_unit_test(differences_are_listed),
        cmocka_unit_test(references_are_taken_in_several_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
