/* The core of incidents: what leads to what, clocks, reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/incident/clock.h"
#include "gateway/incident/report.h"

#define T0 (INT64_C(1800000000) * 1000000000)

static struct incident_problem problem;

static struct incident_ask asked(enum incident_act act)
{
    return (struct incident_ask){
        .act = act,
        .severity = SEV2,
        .class_ = INCIDENT_CLASS_COUNT,
        .mitigation = MITIGATION_MITIGATED,
        .person = "user:ana",
        .words = "as the tests need it",
        .title = "books are crossed",
        .key = act == ACT_FIRE || act == ACT_CLEAR ? "gateway:test" : NULL,
        .name = "ana",
        .step = "look",
    };
}

static bool apply_ask(struct incident *i, const struct incident_ask *a, int64_t at_ns)
{
    struct incident_effect e;
    bool ok;

    problem = (struct incident_problem){0};
    ok = incident_apply(i, a, 7, at_ns, &e, &problem);
    incident_effect_fini(&e);
    return ok;
}

static bool apply(struct incident *i, enum incident_act act, int64_t at_ns)
{
    struct incident_ask a = asked(act);

    return apply_ask(i, &a, at_ns);
}

static struct incident *opened(enum incident_severity severity)
{
    struct incident *i = gw_calloc(1, sizeof *i);
    struct incident_ask a = asked(ACT_OPEN);

    a.severity = severity;
    assert_true(apply_ask(i, &a, T0));
    return i;
}

/* I in STATE, on the shortest way. */
static struct incident *in_state(enum incident_state state)
{
    static const enum incident_act way[] = {ACT_ACK, ACT_MITIGATE, ACT_RESOLVE, ACT_CLOSE};
    struct incident *i = opened(SEV2);

    for (unsigned n = 0; n < (unsigned)state; n++) {
        if (way[n] == ACT_CLOSE) {
            incident_set(&i->root_cause, "a rounding error");
        }
        assert_true(apply(i, way[n], T0 + MINUTES_NS));
    }
    assert_int_equal(i->state, state);
    return i;
}

/* Each act in each state: it is done where the table says so, and leads where it should. */
static void every_act_in_every_state(void **unused)
{
    static const int leads[INCIDENT_ACT_COUNT][INCIDENT_STATE_COUNT] = {
        /* from:         open ack mitigated resolved closed; -1: refused */
        [ACT_ACK] = {INCIDENT_ACKNOWLEDGED, -1, -1, -1, -1},
        [ACT_ASSIGN] = {0, 1, 2, 3, -1},
        [ACT_NOTE] = {0, 1, 2, 3, 4},
        [ACT_SEVERITY] = {0, 1, 2, -1, -1},
        [ACT_CLASSIFY] = {0, 1, 2, 3, -1},
        [ACT_MITIGATE] = {2, 2, 2, -1, -1},
        [ACT_RESOLVE] = {3, 3, 3, -1, -1},
        [ACT_CLOSE] = {-1, -1, -1, INCIDENT_CLOSED, -1},
        [ACT_REOPEN] = {-1, -1, -1, INCIDENT_OPEN, INCIDENT_OPEN},
        [ACT_STEP] = {0, 1, 2, 3, -1},
        [ACT_TASK] = {0, 1, 2, 3, 4},
        [ACT_TICK] = {0, 1, 2, 3, 4},
    };
    unsigned tried = 0;

    (void)unused;
    for (unsigned act = ACT_ACK; act <= ACT_TICK; act++) {
        for (unsigned state = 0; state < INCIDENT_STATE_COUNT; state++) {
            struct incident *i = in_state((enum incident_state)state);
            struct incident_ask a = asked((enum incident_act)act);
            uint64_t version = i->version;

            a.severity = SEV1;
            a.class_ = CLASS_RECONCILIATION;
            a.task = 1;
            incident_set(&i->root_cause, "a rounding error");
            if (leads[act][state] >= 0) {
                assert_true(apply_ask(i, &a, T0 + 2 * MINUTES_NS));
                assert_int_equal(i->state, leads[act][state]);
                assert_int_equal(i->version, version + 1);
                assert_true((i->state == INCIDENT_OPEN) == (i->acked_ns == 0));
                assert_true((i->state == INCIDENT_CLOSED) == (i->closed_ns != 0));
            } else {
                assert_false(apply_ask(i, &a, T0 + 2 * MINUTES_NS));
                assert_int_equal(problem.fault, INCIDENT_ILLEGAL);
            }
            tried++;
            incident_destroy(&i);
        }
    }
    assert_int_equal(tried, 60);
}

static void closing_asks_for_what_is_missing(void **unused)
{
    struct incident *i = opened(SEV1);
    struct incident_ask a = asked(ACT_CLOSE);
    struct buf missing = {0};

    (void)unused;
    assert_true(i->postmortem_required);
    assert_true(incident_blocks(i));
    assert_true(apply(i, ACT_RESOLVE, T0 + 1));
    assert_true(incident_blocks(i)); /* until it is known why */
    assert_false(apply_ask(i, &a, T0 + 2));
    assert_int_equal(problem.fault, INCIDENT_CAUSE);
    a = asked(ACT_NOTE);
    a.root_cause = true;
    assert_true(apply_ask(i, &a, T0 + 3));
    assert_false(incident_blocks(i));
    incident_missing(i, NULL, &missing);
    assert_string_equal(buf_cstr(&missing), "\"postmortem\"");
    a = asked(ACT_CLOSE);
    assert_false(apply_ask(i, &a, T0 + 4));
    assert_int_equal(problem.fault, INCIDENT_UNMET);
    a.url = "https://wiki.example/1";
    assert_true(apply_ask(i, &a, T0 + 5));
    assert_string_equal(i->postmortem_url, "https://wiki.example/1");
    assert_true(apply(i, ACT_REOPEN, T0 + 6));
    assert_null(i->root_cause);
    assert_true(incident_blocks(i));
    buf_fini(&missing);
    incident_destroy(&i);
}

static void fields_are_checked(void **unused)
{
    static const char long_text[] =
        "0123456789012345678901234567890123456789012345678901234567890123"
        "456789";
    struct incident_ask a = asked(ACT_OPEN);

    (void)unused;
    assert_true(incident_ask_check(&a, &problem));
    a.words = "123456789";
    assert_false(incident_ask_check(&a, &problem));
    assert_string_equal(problem.field, "reason");
    a.words = "12345\n7890";
    assert_true(incident_ask_check(&a, &problem)); /* a line end is a character */
    a.words = "\x01zweites Wort";
    assert_false(incident_ask_check(&a, &problem));
    a.words = "\xc3\x28 kein UTF-8";
    assert_false(incident_ask_check(&a, &problem));
    a = asked(ACT_OPEN);
    a.symbol = long_text;
    assert_false(incident_ask_check(&a, &problem));
    assert_string_equal(problem.field, "symbol");
    a = asked(ACT_OPEN);
    a.playbook = "Ws Overload";
    assert_false(incident_ask_check(&a, &problem));
    assert_string_equal(problem.field, "playbook");
    a = asked(ACT_ACK);
    a.words = "";
    assert_false(incident_ask_check(&a, &problem));
    assert_string_equal(problem.field, "notes");
    a = asked(ACT_CLOSE);
    a.url = "javascript:alert(1)";
    assert_false(incident_ask_check(&a, &problem));
    assert_string_equal(problem.field, "postmortem_url");
}

/* --- clocks -------------------------------------------------------------------------------------
 */

static void is_next(const struct incident *i, uint64_t level, int64_t after_minutes)
{
    uint64_t next;
    int64_t at_ns = incident_next(i, &next);

    assert_int_equal(next, level);
    assert_int_equal(at_ns, level != 0 ? T0 + after_minutes * MINUTES_NS : 0);
    assert_int_equal(i->level_next_ns, at_ns);
}

static bool reach(struct incident *i, uint64_t level, int64_t after_minutes)
{
    struct incident_ask a = {.act = ACT_LEVEL, .level = level};

    return apply_ask(i, &a, T0 + after_minutes * MINUTES_NS);
}

static void the_ladder(void **unused)
{
    struct incident *i = opened(SEV2);

    (void)unused;
    assert_int_equal(i->ack_due_ns, T0 + 15 * MINUTES_NS);
    is_next(i, 2, 15);
    assert_false(reach(i, 2, 14));
    assert_int_equal(problem.fault, INCIDENT_NOTHING);
    assert_false(reach(i, 3, 40)); /* 2 first, however late it is */
    assert_true(reach(i, 2, 40));
    is_next(i, 3, 30);
    assert_false(reach(i, 2, 40)); /* not again */
    assert_true(reach(i, 3, 40));
    assert_int_equal(i->l3, L3_PROPOSED);
    is_next(i, 0, 0);
    assert_true(apply(i, ACT_RESOLVE, T0 + 41 * MINUTES_NS));
    assert_int_equal(i->l3, L3_NONE);
    incident_destroy(&i);

    i = opened(SEV3); /* four hours, and nothing is halted because of it */
    assert_int_equal(i->ack_due_ns, T0 + 240 * MINUTES_NS);
    is_next(i, 2, 240);
    assert_true(reach(i, 2, 240));
    is_next(i, 0, 0);
    incident_destroy(&i);

    i = opened(SEV4);
    assert_int_equal(i->ack_due_ns, 0);
    is_next(i, 0, 0);
    incident_destroy(&i);
}

static void acknowledging_stops_it(void **unused)
{
    struct incident *i = opened(SEV2);

    (void)unused;
    assert_true(apply(i, ACT_ACK, T0 + 5 * MINUTES_NS));
    is_next(i, 0, 0);
    assert_false(reach(i, 2, 20));
    incident_destroy(&i);

    i = opened(SEV1); /* but not L3 of the worst, until it is mitigated */
    assert_true(apply(i, ACT_ACK, T0 + 5 * MINUTES_NS));
    is_next(i, 3, 30);
    assert_false(reach(i, 2, 35));
    assert_true(reach(i, 3, 35));
    is_next(i, 0, 0);
    incident_destroy(&i);

    i = opened(SEV1);
    assert_true(apply(i, ACT_MITIGATE, T0 + 5 * MINUTES_NS)); /* which acknowledges */
    assert_string_equal(i->acked_by, "user:ana");
    is_next(i, 0, 0);
    incident_destroy(&i);
}

static bool set_severity(struct incident *i, enum incident_severity severity, int64_t minutes)
{
    struct incident_ask a = asked(ACT_SEVERITY);

    a.severity = severity;
    return apply_ask(i, &a, T0 + minutes * MINUTES_NS);
}

static void raising_and_lowering(void **unused)
{
    struct incident *i = opened(SEV3);

    (void)unused;
    assert_true(set_severity(i, SEV1, 120)); /* critical from now on, not for two hours */
    is_next(i, 2, 135);
    assert_int_equal(i->ack_due_ns, T0 + 135 * MINUTES_NS);
    assert_true(i->postmortem_required);
    incident_destroy(&i);

    i = opened(SEV2);
    assert_true(set_severity(i, SEV1, 14)); /* that would be a way to win time */
    is_next(i, 2, 15);
    assert_true(set_severity(i, SEV3, 14));
    is_next(i, 2, 240);
    assert_true(set_severity(i, SEV4, 14));
    is_next(i, 0, 0);
    assert_false(set_severity(i, SEV4, 14));
    assert_int_equal(problem.fault, INCIDENT_ILLEGAL);
    incident_destroy(&i);

    i = opened(SEV2);
    assert_true(apply(i, ACT_ACK, T0 + MINUTES_NS));
    assert_true(set_severity(i, SEV1, 50)); /* nobody is halted for what was not that bad */
    is_next(i, 3, 80);
    incident_destroy(&i);
}

static void opening_again_begins_anew(void **unused)
{
    struct incident *i = opened(SEV2);

    (void)unused;
    assert_true(reach(i, 2, 15));
    assert_true(apply(i, ACT_RESOLVE, T0 + 20 * MINUTES_NS));
    assert_true(apply(i, ACT_REOPEN, T0 + 100 * MINUTES_NS));
    assert_int_equal(i->level, 1);
    assert_int_equal(i->reopened, 1);
    assert_int_equal(i->opened_ns, T0);
    is_next(i, 2, 115);
    incident_destroy(&i);

    i = opened(SEV1); /* mitigation that did not hold */
    assert_true(apply(i, ACT_MITIGATE, T0 + 10 * MINUTES_NS));
    {
        struct incident_ask a = asked(ACT_MITIGATE);

        a.mitigation = MITIGATION_NONE;
        assert_true(apply_ask(i, &a, T0 + 60 * MINUTES_NS));
    }
    assert_int_equal(i->state, INCIDENT_ACKNOWLEDGED);
    is_next(i, 3, 90);
    incident_destroy(&i);
}

static void signals(void **unused)
{
    struct incident *i = gw_calloc(1, sizeof *i);

    (void)unused;
    assert_false(apply(i, ACT_CLEAR, T0));
    assert_int_equal(problem.fault, INCIDENT_NOTHING);
    assert_true(apply(i, ACT_FIRE, T0));
    assert_int_equal(i->number, 7);
    assert_int_equal(i->source, SOURCE_HUMAN);
    assert_string_equal(i->opened_by, "system");
    assert_false(apply(i, ACT_FIRE, T0 + 1));
    assert_int_equal(problem.fault, INCIDENT_NOTHING);
    assert_true(apply(i, ACT_CLEAR, T0 + 2));
    assert_int_equal(i->state, INCIDENT_OPEN); /* a signal closes nothing */
    assert_int_equal(i->signal, SIGNAL_CLEARED);
    assert_true(apply(i, ACT_RESOLVE, T0 + 3));
    assert_true(apply(i, ACT_FIRE, T0 + MINUTES_NS)); /* it was not over */
    assert_int_equal(i->state, INCIDENT_OPEN);
    assert_int_equal(i->reopened, 1);
    is_next(i, 2, 16);
    incident_destroy(&i);
}

static void names(void **unused)
{
    static const char *const bad[] = {"", "INC-", "0", "INC-0", "INC-07", "INC7", "-1", "1 ", "x"};
    uint64_t number;

    (void)unused;
    assert_true(incident_name_parse("INC-7", &number) && number == 7);
    assert_true(incident_name_parse("inc-12", &number) && number == 12);
    assert_true(incident_name_parse("3", &number) && number == 3);
    for (unsigned n = 0; n < GW_LEN(bad); n++) {
        assert_false(incident_name_parse(bad[n], &number));
    }
}

/* What people wrote cannot become markup of the report, nor break its table. */
static void a_report_quotes(void **unused)
{
    struct incident *i = opened(SEV2);
    struct incident_event e = {.seq = 1,
                               .at_ns = T0,
                               .kind = "note",
                               .by = "user:ana",
                               .text = "a | b\n# not a title <script>",
                               .audit = 5,
                               .data = "{}"};
    struct buf out = {0};

    (void)unused;
    incident_report_markdown(i, &e, 1, T0 + 61 * MINUTES_NS, &out);
    assert_non_null(strstr(buf_cstr(&out),
                           "| note: a \\| b \\# not a title \\<script\\> | user:ana | "
                           "audit 5 |\n"));
    assert_non_null(strstr(buf_cstr(&out), "| open in all | 1 h 01 min |\n"));
    buf_reset(&out);
    incident_report_json(i, &e, 1, T0 + 61 * MINUTES_NS, &out);
    assert_non_null(strstr(buf_cstr(&out), "\"ack_s\":null,\"mitigate_s\":null,\"resolve_s\":null,"
                                           "\"open_s\":3660"));
    buf_fini(&out);
    incident_destroy(&i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_act_in_every_state),
        cmocka_unit_test(closing_asks_for_what_is_missing),
        cmocka_unit_test(fields_are_checked),
        cmocka_unit_test(the_ladder),
        cmocka_unit_test(acknowledging_stops_it),
        cmocka_unit_test(raising_and_lowering),
        cmocka_unit_test(opening_again_begins_anew),
        cmocka_unit_test(signals),
        cmocka_unit_test(names),
        cmocka_unit_test(a_report_quotes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
