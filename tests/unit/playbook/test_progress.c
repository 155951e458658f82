#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gateway/playbook/progress.h"
#include "tests/unit/playbook/folder.h"

#define S INT64_C(1000000000)

static struct playbooks *all;

static int set_up(void **state)
{
    (void)state;
    folder_make();
    all = folder_good();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    playbooks_destroy(&all);
    folder_end();
    return 0;
}

/* --- steps ------------------------------------------------------------------------------------- */

static struct playbook_row rows[8];
static struct playbook_view view = {.playbook = "good", .rows = rows, .classified = true};

static void start(void)
{
    view.row_count = 0;
    view.root_cause = false;
}

static void enter(const char *step, bool done, const char *answer)
{
    rows[view.row_count++] = (struct playbook_row){.step = step,
                                                   .done = done,
                                                   .by = "user:ana",
                                                   .notes = done ? NULL : "nothing to look at",
                                                   .answer = answer};
}

static void allowed(const char *step, bool done, const char *answer, const char *notes)
{
    struct playbook_problem p = {0};
    const struct playbook_row row = {.step = step, .done = done, .answer = answer, .notes = notes};

    if (!playbook_step_allowed(all, &view, &row, &p)) {
        fail_msg("%s: %s", p.code, p.detail);
    }
}

static void refused(const char *step, bool done, const char *answer, const char *notes,
                    const char *code, const char *field, const char *detail)
{
    struct playbook_problem p = {0};
    const struct playbook_row row = {.step = step, .done = done, .answer = answer, .notes = notes};

    assert_false(playbook_step_allowed(all, &view, &row, &p));
    assert_string_equal(p.detail, detail);
    assert_string_equal(p.code, code);
    if (field != NULL) {
        assert_string_equal(p.field, field);
    } else {
        assert_null(p.field);
    }
}

static void steps_wait_for_those_before(void **state)
{
    (void)state;
    start();
    allowed("look", true, NULL, NULL);
    refused("ask", true, "fine", NULL, "step-locked", NULL, "first look: Look");
    enter("look", true, NULL);
    allowed("ask", true, "fine", NULL);
    refused("open", true, NULL, NULL, "step-locked", NULL, "first ask: Well?");
    enter("ask", true, "fine");
    allowed("open", true, NULL, NULL);
}

static void an_answer_locks(void **state)
{
    struct playbook_problem p = {0};

    (void)state;
    start();
    enter("look", true, NULL);
    enter("ask", true, "bad");
    refused("open", true, NULL, NULL, "step-locked", NULL,
            "ask was answered with bad, which locks this step; if that has changed, answer ask "
            "again with a note why");
    assert_true(playbook_locks_call(all, &view, "PUT", "/v1/x/{symbol}", &p));
    assert_string_equal(p.code, "step-locked");
    assert_false(playbook_locks_call(all, &view, "GET", "/v1/x/{symbol}", &p));
    enter("ask", true, "fine"); /* the later one holds */
    allowed("open", true, NULL, NULL);
    assert_false(playbook_locks_call(all, &view, "PUT", "/v1/x/{symbol}", &p));
    enter("ask", true, "bad");
    assert_true(playbook_locks_call(all, &view, "PUT", "/v1/x/{symbol}", &p));
}

static void recovery_waits_for_the_class(void **state)
{
    static const char want[] =
        "first say of which class the incident is: POST /v1/incidents/{id}/classify, or portctl "
        "incident classify INC-7 CLASS; recovery begins after that";
    struct buf out = {0};

    (void)state;
    start();
    view.classified = false;
    allowed("look", true, NULL, NULL); /* what comes before recovery goes on */
    enter("look", true, NULL);
    allowed("ask", true, "fine", NULL);
    refused("open", true, NULL, NULL, "step-locked", NULL, "first ask: Well?");
    enter("ask", true, "fine");
    refused("open", true, NULL, NULL, "step-locked", NULL, want);
    allowed("open", false, NULL, "not needed today"); /* no recovery was begun by that */
    playbook_progress_print(all, NULL, &view, &out);
    assert_non_null(strstr(buf_cstr(&out), "{\"id\":\"open\",\"state\":\"locked\""));
    assert_non_null(strstr(buf_cstr(&out), want));
    buf_reset(&out);
    view.classified = true;
    allowed("open", true, NULL, NULL);
    playbook_progress_print(all, NULL, &view, &out);
    assert_non_null(strstr(buf_cstr(&out), "{\"id\":\"open\",\"state\":\"open\""));
    buf_fini(&out);
}

static void a_guard_that_was_skipped_opens_nothing(void **state)
{
    (void)state;
    start();
    enter("look", false, NULL); /* no guard: skipped is behind us */
    allowed("ask", true, "fine", NULL);
    enter("ask", false, NULL);
    refused("open", true, NULL, NULL, "step-locked", NULL, "first ask: Well?");
}

static void what_is_entered_is_checked(void **state)
{
    (void)state;
    start();
    enter("look", true, NULL);
    refused("jump", true, NULL, NULL, "validation", "step",
            "no such step; there are: look ask open");
    refused("look", true, "fine", NULL, "validation", "answer",
            "this step asks no question: leave the answer out");
    refused("ask", true, NULL, NULL, "validation", "answer",
            "answer the question with one of: fine bad");
    refused("ask", true, "maybe", NULL, "validation", "answer",
            "answer the question with one of: fine bad");
    refused("ask", false, "fine", "long enough a note", "validation", "answer",
            "a step that is skipped has no answer: leave it out");
    refused("ask", false, NULL, "short", "validation", "notes",
            "say in 10 characters or more why this step is skipped");
    refused("ask", false, NULL, NULL, "validation", "notes",
            "say in 10 characters or more why this step is skipped");
    allowed("open", false, NULL, "not needed today");
    view.playbook = "";
    refused("look", true, NULL, NULL, "validation", "step",
            "this incident has no playbook: write a note instead");
    view.playbook = "gone";
    refused("look", true, NULL, NULL, "validation", "step",
            "the playbook of this incident is not in playbooks.dir any more");
    view.playbook = "good";
}

/* --- exit conditions --------------------------------------------------------------------------- */

static struct playbook_reading calm(int64_t at_s)
{
    return (struct playbook_reading){.at_ns = at_s * S,
                                     .edge_known = true,
                                     .slow_closes = 7,
                                     .backlog_bytes = 999,
                                     .trades_dropped = 2,
                                     .control_known = true,
                                     .fanout_normal = true,
                                     .kill_released = true};
}

static struct playbook_verdict judge(const struct playbook_meter *m, const char *id, int64_t now_s,
                                     int64_t age_s)
{
    const struct playbook *p = playbooks_at(all, 0);
    const struct playbook_case c = {age_s * S, now_s * S, view.root_cause};

    for (size_t i = 0; i < p->exit_count; i++) {
        if (strcmp(p->exits[i].id, id) == 0) {
            return playbook_exit_judge(m, &p->exits[i], &c);
        }
    }
    fail();
    return (struct playbook_verdict){0};
}

static void expect(const struct playbook_meter *m, const char *id, int64_t now_s, bool known,
                   bool met, uint64_t have)
{
    struct playbook_verdict v = judge(m, id, now_s, 100000);

    if (v.known != known || v.met != met || v.have != have) {
        fail_msg("%s at %lld: known %d met %d have %llu", id, (long long)now_s, v.known, v.met,
                 (unsigned long long)v.have);
    }
}

static void a_run_is_counted_and_broken(void **state)
{
    struct playbook_meter *m = playbook_meter_create(all);
    struct playbook_reading r;

    (void)state;
    start();
    for (int64_t t = 100; t <= 109; t++) {
        r = calm(t);
        playbook_meter_take(m, &r);
    }
    expect(m, "quiet", 109, true, false, 9);
    expect(m, "whole", 109, true, false, 9);
    expect(m, "low", 109, true, true, 9);
    expect(m, "normal", 109, true, true, 9);
    r = calm(110);
    playbook_meter_take(m, &r);
    expect(m, "quiet", 110, true, true, 10);
    r = calm(111);
    r.slow_closes++;
    r.backlog_bytes = 1000; /* less than that is asked for */
    playbook_meter_take(m, &r);
    expect(m, "quiet", 111, true, false, 0);
    expect(m, "low", 111, true, false, 0);
    expect(m, "whole", 111, true, true, 11);
    r = calm(112);
    r.slow_closes = 8; /* stays there */
    r.fanout_normal = false;
    r.kill_released = false;
    playbook_meter_take(m, &r);
    expect(m, "quiet", 112, true, false, 1);
    expect(m, "normal", 112, true, false, 0);
    expect(m, "released", 112, true, false, 0);
    r = calm(113);
    r.trades_dropped = 3;
    playbook_meter_take(m, &r);
    expect(m, "whole", 113, true, false, 0);
    expect(m, "released", 113, true, false, 0);
    r.at_ns = 116 * S;
    playbook_meter_take(m, &r);
    expect(m, "released", 116, true, true, 3);
    playbook_meter_destroy(&m);
}

static void unknown_is_not_met(void **state)
{
    struct playbook_meter *m = playbook_meter_create(all);
    struct playbook_reading r;

    (void)state;
    start();
    expect(NULL, "quiet", 100, false, false, 0);
    expect(m, "quiet", 100, false, false, 0);
    for (int64_t t = 100; t <= 120; t++) {
        r = calm(t);
        playbook_meter_take(m, &r);
    }
    expect(m, "quiet", 125, true, true, 20);
    expect(m, "quiet", 126, false, false, 0); /* nobody has looked for so long */
    r = calm(126);
    playbook_meter_take(m, &r);
    expect(m, "quiet", 126, true, false, 0); /* a run begins anew after a gap */
    expect(m, "released", 126, true, false, 0);
    r = calm(127);
    r.edge_known = false;
    r.edge_why = "a gateway is silent";
    playbook_meter_take(m, &r);
    assert_string_equal(judge(m, "quiet", 127, 100000).why, "a gateway is silent");
    assert_null(judge(m, "released", 127, 100000).why);
    expect(m, "quiet", 127, false, false, 0);
    expect(m, "low", 127, false, false, 0);
    expect(m, "released", 127, true, false, 1);
    r = calm(128);
    r.control_known = false;
    playbook_meter_take(m, &r);
    expect(m, "quiet", 128, true, false, 0);
    expect(m, "released", 128, false, false, 0);
    playbook_meter_destroy(&m);
}

static void nothing_counts_from_before_the_incident(void **state)
{
    struct playbook_meter *m = playbook_meter_create(all);
    struct playbook_reading r;

    (void)state;
    start();
    for (int64_t t = 100; t <= 200; t++) {
        r = calm(t);
        playbook_meter_take(m, &r);
    }
    assert_int_equal(judge(m, "quiet", 200, 9).have, 9);
    assert_false(judge(m, "quiet", 200, 9).met);
    assert_true(judge(m, "quiet", 200, 10).met);
    assert_int_equal(judge(m, "quiet", 200, -5).have, 0); /* the wall clock was set back */
    assert_false(judge(m, "cause", 200, 50).met);
    view.root_cause = true;
    assert_true(judge(m, "cause", 200, 50).met);
    assert_int_equal(judge(NULL, "cause", 200, 50).have, 1);
    playbook_meter_destroy(&m);
}

static void missing_is(const struct playbook_meter *m, size_t count, const char *want)
{
    struct buf out = {0};

    assert_int_equal(playbook_missing(all, m, &view, &out), count);
    assert_string_equal(buf_cstr(&out), want);
    buf_fini(&out);
}

static void what_keeps_it_open(void **state)
{
    struct playbook_meter *m = playbook_meter_create(all);
    struct playbook_reading r;
    struct buf out = {0};

    (void)state;
    start();
    for (int64_t t = 100; t <= 120; t++) {
        r = calm(t);
        playbook_meter_take(m, &r);
    }
    view.opened_ns = 1000 * S;
    view.now_ns = 2000 * S;
    view.mono_ns = 120 * S;
    missing_is(m, 3, "\"step:look\",\"step:ask\",\"exit:cause\"");
    missing_is(NULL, 8,
               "\"step:look\",\"step:ask\",\"exit:quiet\",\"exit:low\",\"exit:whole\","
               "\"exit:normal\",\"exit:released\",\"exit:cause\"");
    view.root_cause = true;
    enter("look", false, NULL);
    missing_is(m, 1, "\"step:ask\"");
    enter("ask", true, "bad");
    missing_is(m, 0, "");
    rows[0].notes = "";
    missing_is(m, 1, "\"step:look\""); /* skipped and not explained */
    rows[0].notes = "said \"no\"";
    rows[1].at_ns = S;
    playbook_progress_print(all, m, &view, &out);
    assert_string_equal(
        buf_cstr(&out),
        "\"steps\":[{\"id\":\"look\",\"state\":\"skipped\",\"by\":\"user:ana\","
        "\"at\":\"1970-01-01T00:00:00.000000Z\","
        "\"notes\":\"said \\\"no\\\"\",\"answer\":null,\"why\":null},"
        "{\"id\":\"ask\",\"state\":\"done\",\"by\":\"user:ana\",\"at\":\"1970-01-"
        "01T00:00:01.000000Z\",\"notes\":null,\"answer\":\"bad\",\"why\":null},"
        "{\"id\":\"open\",\"state\":\"locked\",\"by\":null,\"at\":null,\"notes\":"
        "null,\"answer\":null,\"why\":\"ask was answered with bad, which locks this step; "
        "if that has changed, answer ask again with a note why\"}],"
        "\"exit\":[{\"id\":\"quiet\",\"text\":\"Quiet\",\"met\":true,\"known\":"
        "true,\"have\":20,\"need\":10,\"unit\":\"s\",\"why\":null},"
        "{\"id\":\"low\",\"text\":\"Low\",\"met\":true,\"known\":true,\"have\":20,"
        "\"need\":5,\"unit\":\"s\",\"why\":null},"
        "{\"id\":\"whole\",\"text\":\"Whole\",\"met\":true,\"known\":true,\"have\":"
        "20,\"need\":10,\"unit\":\"s\",\"why\":null},"
        "{\"id\":\"normal\",\"text\":\"Normal\",\"met\":true,\"known\":true,"
        "\"have\":20,\"need\":3,\"unit\":\"s\",\"why\":null},"
        "{\"id\":\"released\",\"text\":\"Released\",\"met\":true,\"known\":true,"
        "\"have\":20,\"need\":3,\"unit\":\"s\",\"why\":null},"
        "{\"id\":\"cause\",\"text\":\"Cause\",\"met\":true,\"known\":true,\"have\":"
        "1,\"need\":1,\"unit\":\"yes\",\"why\":null}]");
    buf_reset(&out);
    view.playbook = "";
    missing_is(m, 0, "");
    playbook_progress_print(all, m, &view, &out);
    assert_int_equal(out.len, 0);
    view.playbook = "good";
    buf_fini(&out);
    playbook_meter_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steps_wait_for_those_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_locks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(recovery_waits_for_the_class, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_guard_that_was_skipped_opens_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_entered_is_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_is_counted_and_broken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_is_not_met, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_counts_from_before_the_incident, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_keeps_it_open, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
