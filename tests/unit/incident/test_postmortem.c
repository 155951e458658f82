/* Postmortems: when one is due, and that each reminder of it comes once whatever restarts. */
/* links: gw_incident */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/incident/gates_fixture.h"

#include "gateway/incident/postmortem.h"

#define HOUR_S 3600u

static const char *reminders(uint64_t number)
{
    return sql("SELECT coalesce(string_agg(reminder::text, ',' ORDER BY seq), '') FROM"
               " incident_timeline WHERE incident = %llu AND reminder IS NOT NULL",
               (unsigned long long)number);
}

/* A transaction of one, which holds the head, would keep the other waiting while its loop stands. */
static void quiet(struct engine *const *list, unsigned count)
{
    for (unsigned tries = 0, busy = 1; busy != 0; tries++) {
        engines_run(list, count, 2);
        busy = 0;
        for (unsigned i = 0; i < count; i++) {
            busy += list[i]->all->busy;
        }
        assert_true(tries < 4000);
    }
}

/* All that is due by the clock of now has been announced. */
static void settle(struct engine *const *list, unsigned count)
{
    for (unsigned tries = 0;; tries++) {
        for (unsigned i = 0; i < count; i++) {
            incidents_look(list[i]->all);
        }
        engines_run(list, count, 20);
        if (strcmp(sql("SELECT count(*) FROM incidents WHERE least(level_next_at, remind_next_at)"
                       " <= (SELECT at FROM test_clock)"),
                   "0") == 0) {
            quiet(list, count);
            return;
        }
        assert_true(tries < 400);
    }
}

static enum incident_fault act_on(struct engine *e, enum incident_act act, uint64_t number,
                                  const char *url)
{
    struct incident_ask a = asked(act, number);
    struct told t;

    if (act == ACT_CLOSE) {
        a.url = url;
    } else if (act == ACT_NOTE && url != NULL) {
        a.words = url;
        a.postmortem = true;
    } else if (act == ACT_NOTE) {
        a.root_cause = true;
    }
    return engine_act(e, &a, &t);
}

static uint64_t resolved_one(struct engine *e)
{
    uint64_t number = engine_open_one(e, SEV1);

    assert_int_equal(act_on(e, ACT_NOTE, number, NULL), INCIDENT_FINE);
    assert_int_equal(act_on(e, ACT_RESOLVE, number, NULL), INCIDENT_FINE);
    return number;
}

/* Each gateway says so within a look and a gauge. */
static void both_count(struct engine *const *both, uint64_t overdue)
{
    for (unsigned tries = 0; tries < 50; tries++) {
        engines_run(both, 2, 100);
        if (metrics_get(both[0]->all->opt.metrics, INCIDENT_M_POSTMORTEM, 0) == overdue &&
            metrics_get(both[1]->all->opt.metrics, INCIDENT_M_POSTMORTEM, 0) == overdue) {
            return;
        }
    }
    fail_msg("postmortem_overdue is not %llu", (unsigned long long)overdue);
}

static void three_reminders_then_its_address(void **state)
{
    struct engine one;
    struct engine two;
    struct engine *const both[] = {&one, &two};
    struct incident_ask tick;
    struct told t;
    uint64_t number;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", false);
    engine_open(&two, "", false);
    number = resolved_one(&one);
    assert_string_equal(
        sql("SELECT extract(epoch FROM postmortem_due_at - resolved_at) FROM incidents"),
        "172800.000000");
    assert_string_equal(sql("SELECT extract(epoch FROM t.due_at - i.postmortem_due_at) FROM"
                            " incident_tasks t JOIN incidents i ON i.number = t.incident"),
                        "0.000000");
    turn(24 * HOUR_S - 1);
    settle(both, 2);
    engines_run(both, 2, 200);
    assert_string_equal(reminders(number), "");
    turn(1);
    settle(both, 2);
    assert_string_equal(reminders(number), "1");
    turn(20 * HOUR_S);
    settle(both, 2);
    assert_string_equal(reminders(number), "1,2");
    engines_run(both, 2, 1200);
    both_count(both, 0);
    turn(4 * HOUR_S);
    settle(both, 2);
    turn(90 * HOUR_S);
    settle(both, 2);
    assert_string_equal(reminders(number), "1,2,3");
    both_count(both, 1);
    quiet(both, 2);
    assert_string_equal(sql("SELECT string_agg(text, ' | ' ORDER BY seq) FROM incident_timeline"
                            " WHERE reminder IS NOT NULL"),
                        "the postmortem is due in 24 h 00 min | the postmortem is due in 4 h 00 min"
                        " | the postmortem is overdue");
    tick = asked(ACT_TICK, number); /* saying so is not enough */
    tick.task = 1;
    assert_int_equal(engine_act(&two, &tick, &t), INCIDENT_ILLEGAL);
    assert_non_null(strstr(t.detail, "when it has an address"));
    assert_int_equal(act_on(&two, ACT_NOTE, number, "not an address"), INCIDENT_FIELD);
    assert_int_equal(act_on(&two, ACT_NOTE, number, "https://wiki.example/pm/1"), INCIDENT_FINE);
    assert_string_equal(sql("SELECT done_by FROM incident_tasks"), "user:ana");
    both_count(both, 0);
    quiet(both, 2);
    assert_string_equal(sql("SELECT string_agg(kind::text, ' ' ORDER BY id) FROM test_pages WHERE"
                            " incident LIKE '%%/pm'"),
                        "0 0 0 3"); /* three times told, then that it is over */
    assert_string_equal(
        sql("SELECT count(*) FROM audit_entries WHERE action = 'incident.reminder'"), "3");
    assert_int_equal(act_on(&one, ACT_CLOSE, number, NULL), INCIDENT_FINE);
    engine_close(&one);
    engine_close(&two);
}

static void what_no_gateway_saw_is_paged_once(void **state)
{
    struct engine one;
    struct engine *const list[] = {&one};
    uint64_t number;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", false);
    number = resolved_one(&one);
    engine_close(&one);
    turn(50 * HOUR_S);
    engine_open(&one, "", false);
    settle(list, 1);
    assert_string_equal(reminders(number), "1,2,3");
    assert_string_equal(sql("SELECT count(*) FROM test_pages WHERE incident LIKE '%%/pm'"), "1");
    assert_string_equal(
        sql("SELECT count(*) FROM incident_timeline WHERE text LIKE '%%only the last"
            " is paged'"),
        "2");
    engine_close(&one);
}

static void opened_again_it_begins_anew(void **state)
{
    struct engine one;
    struct engine *const list[] = {&one};
    uint64_t number;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", false);
    number = resolved_one(&one);
    turn(30 * HOUR_S);
    settle(list, 1);
    assert_int_equal(act_on(&one, ACT_REOPEN, number, NULL), INCIDENT_FINE);
    turn(100 * HOUR_S);
    settle(list, 1);
    assert_string_equal(reminders(number), "1"); /* nothing is owed while it is open */
    assert_int_equal(act_on(&one, ACT_RESOLVE, number, NULL), INCIDENT_FINE);
    assert_string_equal(
        sql("SELECT count(*) || ' ' || count(*) FILTER (WHERE t.due_at = i.resolved_at"
            " + interval '48 h') FROM incident_tasks t, incidents i"),
        "1 1"); /* the same task, with its new time */
    turn(45 * HOUR_S);
    settle(list, 1);
    assert_string_equal(reminders(number), "1,1,2");
    engine_close(&one);
}

/* --- at random ---------------------------------------------------------------------------------- */

#define INCIDENTS 5u
#define STEPS     200u

struct fate {
    uint64_t number;
    bool waits; /* resolved, without an address */
    unsigned since_s;
    char expected[200];
};

struct play {
    struct gates g;
    struct fate fates[INCIDENTS];
    unsigned count;
    unsigned now_s;
    unsigned rounds;
};

/* What should have come in this round until now. */
static void note_round(struct fate *f, unsigned now_s)
{
    static const unsigned after_s[] = {24 * HOUR_S, 44 * HOUR_S, 48 * HOUR_S};

    for (unsigned n = 0; f->waits && n < GW_LEN(after_s); n++) {
        if (now_s - f->since_s >= after_s[n]) {
            size_t len = strlen(f->expected);

            (void)snprintf(f->expected + len, sizeof f->expected - len, "%s%u", len ? "," : "",
                           n + 1);
        }
    }
    f->waits = false;
}

/* Resolved, opened again, or its address is known: of one incident. */
static void work(struct play *p, struct engine *e, struct fate *f)
{
    if (!f->waits && gates_dice(&p->g, 2) == 0) {
        assert_int_equal(act_on(e, ACT_RESOLVE, f->number, NULL), INCIDENT_FINE);
        f->waits = true;
        f->since_s = p->now_s;
        p->rounds++;
    } else if (f->waits) {
        note_round(f, p->now_s);
        assert_int_equal(act_on(e, ACT_REOPEN, f->number, NULL), INCIDENT_FINE);
    }
}

static void step(struct play *p)
{
    struct engine *list[2];
    unsigned n = gates_running(&p->g, list);
    unsigned what = gates_dice(&p->g, 10);

    if (what < 3) { /* also while both are down */
        gates_flip(&p->g, gates_dice(&p->g, 2));
    } else if (what < 6) {
        unsigned s = 1 + gates_dice(&p->g, 10 * HOUR_S);

        turn(s);
        p->now_s += s;
    } else if (n != 0 && what == 6 && p->count < INCIDENTS) {
        struct fate *f = &p->fates[p->count++];

        f->number = engine_open_one(list[gates_dice(&p->g, n)], SEV1);
    } else if (n != 0 && what < 9 && p->count != 0) {
        settle(list, n);
        work(p, list[gates_dice(&p->g, n)], &p->fates[gates_dice(&p->g, p->count)]);
    } else if (n != 0) {
        engines_run(list, n, gates_dice(&p->g, 30)); /* some are announced, some are not yet */
    }
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
    settle(list, gates_running(&p->g, list));
    engines_run(list, 2, 300);
    print_message("%u incidents, %u rounds, %u restarts, %u h of the clock\n", p->count, p->rounds,
                  p->g.restarts, p->now_s / HOUR_S);
    assert_true(p->count == INCIDENTS && p->g.restarts > 10 && p->rounds > 5);
    for (unsigned i = 0; i < p->count; i++) {
        note_round(&p->fates[i], p->now_s);
        assert_string_equal(reminders(p->fates[i].number), p->fates[i].expected);
    }
    assert_string_equal(sql("SELECT count(*) FROM incident_timeline WHERE reminder IS NOT NULL AND"
                            " at < due_at - (ARRAY[24, 4, 0])[reminder] * interval '1 h'"),
                        "0"); /* none before its time */
    gates_close(&p->g);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_reminders_then_its_address),
        cmocka_unit_test(what_no_gateway_saw_is_paged_once),
        cmocka_unit_test(opened_again_it_begins_anew),
        cmocka_unit_test(at_random_moments),
    };
    int failed = cmocka_run_group_tests(tests, engines_start, server_end);

    metrics_fini();
    return failed;
}
