/* Engines on one real PostgreSQL whose clock is turned by hand: levels over restarts and replicas. */
/* links: gw_incident */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/incident/gates_fixture.h"

static const char *levels(uint64_t number)
{
    return sql("SELECT coalesce(string_agg(level::text, ',' ORDER BY seq), '') FROM"
               " incident_timeline WHERE incident = %llu AND level IS NOT NULL",
               (unsigned long long)number);
}

/* All that is due by the clock of now has been announced. */
static void settle(struct engine *const *list, unsigned count)
{
    for (unsigned tries = 0;; tries++) {
        for (unsigned i = 0; i < count; i++) {
            incidents_look(list[i]->all);
        }
        engines_run(list, count, 20);
        if (strcmp(sql("SELECT count(*) FROM incidents WHERE level_next_at <="
                       " (SELECT at FROM test_clock)"),
                   "0") == 0) {
            return;
        }
        assert_true(tries < 400);
    }
}

static void two_gateways_announce_once(void **state)
{
    struct engine one;
    struct engine two;
    struct engine *const both[] = {&one, &two};
    uint64_t number;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", false);
    engine_open(&two, "", false);
    number = engine_open_one(&one, SEV2);
    turn(14 * 60 + 59);
    settle(both, 2);
    engines_run(both, 2, 200);
    assert_string_equal(levels(number), "");
    turn(1);
    settle(both, 2);
    assert_string_equal(levels(number), "2");
    turn(15 * 60);
    settle(both, 2);
    turn(3600);
    settle(both, 2);
    engines_run(both, 2, 300);
    assert_string_equal(levels(number), "2,3");
    assert_string_equal(sql("SELECT string_agg(kind || ':' || level, ' ' ORDER BY id)"
                            " FROM test_pages"),
                        "0:1 1:2 1:3"); /* trigger, then two escalations */
    assert_int_equal(one.entries + two.entries, 3);
    assert_true(one.changes == 3 && two.changes == 3); /* each hears of each change once */
    assert_string_equal(sql("SELECT count(*) FROM audit_entries WHERE action = 'incident.level'"),
                        "2");
    engine_close(&one);
    engine_close(&two);
}

/* --- at random ---------------------------------------------------------------------------------- */

#define INCIDENTS 6u
#define STEPS     180u

struct fate {
    uint64_t number;
    enum incident_severity severity;
    unsigned opened_s;
    bool acked;
    unsigned acked_s;
};

struct play {
    struct gates g;
    struct fate fates[INCIDENTS];
    unsigned count;
    unsigned now_s;
};

static void step(struct play *p)
{
    struct engine *list[2];
    unsigned n = gates_running(&p->g, list);
    unsigned what = gates_dice(&p->g, 10);

    if (what < 3) { /* also while both are down */
        gates_flip(&p->g, gates_dice(&p->g, 2));
    } else if (what < 7) {
        unsigned s = 1 + gates_dice(&p->g, 600);

        turn(s);
        p->now_s += s;
    } else if (n != 0 && what == 7 && p->count < INCIDENTS) {
        struct fate *f = &p->fates[p->count++];

        f->severity = (enum incident_severity)gates_dice(&p->g, 2);
        f->number = engine_open_one(list[gates_dice(&p->g, n)], f->severity);
        f->opened_s = p->now_s;
    } else if (n != 0 && what == 8 && p->count != 0) {
        struct fate *f = &p->fates[gates_dice(&p->g, p->count)];
        struct incident_ask a = asked(ACT_ACK, f->number);
        struct told t;

        settle(list, n);
        if (engine_act(list[0], &a, &t) == INCIDENT_FINE) {
            f->acked = true;
            f->acked_s = p->now_s;
        }
    } else if (n != 0) {
        engines_run(list, n, gates_dice(&p->g, 30)); /* some are announced, some are not yet */
    }
}

/* What should have been announced. */
static const char *expected(const struct fate *f)
{
    bool l2 = !f->acked || f->acked_s - f->opened_s >= 900;
    bool l3 = !f->acked || f->acked_s - f->opened_s >= 1800 || f->severity == SEV1;

    return l2 && l3 ? "2,3" : l2 ? "2" : l3 ? "3" : "";
}

static void at_random_moments(void **state)
{
    struct play *p = gw_calloc(1, sizeof *p);
    struct engine *list[2];

    (void)state;
    NEEDS_SERVER();
    clean();
    gates_open(&p->g);
    for (unsigned i = 0; i < STEPS; i++) {
        step(p);
    }
    gates_raise(&p->g);
    turn(3600);
    settle(list, gates_running(&p->g, list));
    engines_run(list, 2, 300);
    print_message("%u incidents, %u restarts, %u s of the clock\n", p->count, p->g.restarts,
                  p->now_s);
    assert_true(p->count == INCIDENTS && p->g.restarts > 10);
    for (unsigned i = 0; i < p->count; i++) {
        assert_string_equal(levels(p->fates[i].number), expected(&p->fates[i]));
    }
    /* none before its time, and no clock was started anew */
    assert_string_equal(sql("SELECT count(*) FROM incident_timeline t JOIN incidents i ON"
                            " i.number = t.incident WHERE t.level IS NOT NULL AND (t.at <"
                            " i.opened_at + interval '15 min' * (t.level - 1) OR"
                            " t.clock_at <> i.opened_at)"),
                        "0");
    gates_close(&p->g);
    free(p);
}

/* --- the rest ------------------------------------------------------------------------------------ */

static void a_halt_is_asked_for_until_it_is_done(void **state)
{
    struct engine one;
    struct engine *const list[] = {&one};
    uint64_t number;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", true);
    number = engine_open_one(&one, SEV1);
    turn(3600);
    settle(list, 1);
    engines_run(list, 1, 200);
    assert_int_equal(one.halts, 1);
    assert_string_equal(sql("SELECT l3 FROM incidents"), "due");
    engine_close(&one); /* it crashes before the gate has answered */
    engine_open(&one, "", true);
    UNTIL(&one.w.loop, one.halts == 1, 3000);
    assert_int_equal(one.halted_number, number);
    incidents_halted(one.all, number);
    UNTIL(&one.w.loop, incidents_find(one.all, number)->l3 == L3_HALTED, 3000);
    engines_run(list, 1, 200);
    assert_int_equal(one.halts, 1);
    assert_string_equal(levels(number), "2,3");
    engine_close(&one);
}

static void loosening_waits_for_what_is_known(void **state)
{
    struct engine one;
    struct incident_ask a;
    struct told t;
    char why[400] = "";
    uint64_t number;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", false);
    assert_true(incidents_may_loosen(one.all, why, sizeof why));
    number = engine_open_one(&one, SEV2);
    assert_false(incidents_may_loosen(one.all, why, sizeof why));
    assert_non_null(strstr(why, "has no root cause"));
    a = asked(ACT_NOTE, number);
    a.root_cause = true;
    assert_int_equal(engine_act(&one, &a, &t), INCIDENT_FINE);
    assert_true(incidents_may_loosen(one.all, why, sizeof why));
    server_sh("kill -STOP $pid $(pgrep -P $pid)"); /* what is open is not known after a while */
    UNTIL(&one.w.loop, !incidents_may_loosen(one.all, why, sizeof why), 9000);
    assert_non_null(strstr(why, "not known"));
    server_sh("kill -CONT $pid $(pgrep -P $pid)");
    UNTIL(&one.w.loop, incidents_may_loosen(one.all, why, sizeof why), 9000);
    one.all->known = false; /* as before the first reading */
    assert_false(incidents_may_loosen(one.all, why, sizeof why));
    one.all->known = true;
    engine_close(&one);
}

static void a_repetition_has_no_second_effect(void **state)
{
    struct engine one;
    struct incident_ask a = asked(ACT_OPEN, 0);
    struct told first;
    struct told second;

    (void)state;
    NEEDS_SERVER();
    clean();
    a.once = "key-1";
    engine_open(&one, "", false);
    assert_int_equal(engine_act(&one, &a, &first), INCIDENT_FINE);
    engine_close(&one);
    engine_open(&one, "", false);
    assert_int_equal(engine_act(&one, &a, &second), INCIDENT_REPEATED);
    assert_string_equal(second.body, first.body);
    assert_string_equal(sql("SELECT count(*) FROM incidents"), "1");
    sql("UPDATE request_answers SET sha256 = sha256('other')");
    assert_int_equal(engine_act(&one, &a, &second), INCIDENT_MISMATCH);
    engine_close(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_gateways_announce_once),
        cmocka_unit_test(at_random_moments),
        cmocka_unit_test(a_halt_is_asked_for_until_it_is_done),
        cmocka_unit_test(loosening_waits_for_what_is_known),
        cmocka_unit_test(a_repetition_has_no_second_effect),
    };
    int failed = cmocka_run_group_tests(tests, engines_start, server_end);

    metrics_fini();
    return failed;
}
