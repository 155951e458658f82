#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/playbook/folder.h"

static int set_up(void **state)
{
    (void)state;
    folder_make();
    folder_write("contacts.yaml", CONTACTS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_end();
    return 0;
}

/* TEXT as good.yaml is refused, with WANTED (after the path) as one of the lines. */
static void refused(const char *text, const char *wanted)
{
    struct buf errors = {0};
    struct playbooks *all = NULL;
    struct buf line = {0};

    folder_write("good.yaml", text);
    assert_int_equal(playbooks_read(folder, &x_rules, &all, &errors), GW_ECONFIG);
    assert_null(all);
    buf_printf(&line, "%s/good.yaml:%s\n", folder, wanted);
    if (strstr(buf_cstr(&errors), buf_cstr(&line)) == NULL) {
        fail_msg("wanted %s\ngot %s", buf_cstr(&line), buf_cstr(&errors));
    }
    buf_fini(&line);
    buf_fini(&errors);
}

/* GOOD with FROM replaced by TO. */
static void refused_with(const char *from, const char *to, const char *wanted)
{
    const char *at = strstr(GOOD, from);
    struct buf text = {0};

    assert_non_null(at);
    buf_append(&text, GOOD, (size_t)(at - GOOD));
    buf_puts(&text, to);
    buf_puts(&text, at + strlen(from));
    refused(buf_cstr(&text), wanted);
    buf_fini(&text);
}

static void a_good_one_is_read_whole(void **state)
{
    struct playbooks *all = folder_good();
    const struct playbook *p = playbooks_find(all, "good");
    struct buf json = {0};

    (void)state;
    assert_int_equal(playbooks_count(all), 1);
    assert_ptr_equal(playbooks_at(all, 0), p);
    assert_null(playbooks_find(all, "contacts"));
    assert_int_equal(p->version, 3);
    assert_int_equal(p->severity, SEV2);
    assert_int_equal(p->step_count, 3);
    assert_true(p->steps[0].mandatory);
    assert_string_equal(p->steps[1].guard.answers[1].locks.items[0], "open");
    assert_string_equal(p->steps[2].action.path, "/v1/x/{symbol}");
    assert_int_equal(playbooks_slots(all), 6);
    assert_int_equal(p->exits[1].below, 1000);
    playbook_print(p, INT64_C(1795219200) * 1000000000, &json); /* 2026-11-21 */
    assert_non_null(
        strstr(buf_cstr(&json),
               "\"reviewed_at\":\"2026-11-21\",\"next_review_at\":\"2027-02-21\","
               "\"review_overdue\":false,\"severity\":\"SEV2\",\"signals\":[\"one\",\"two\"]"));
    assert_non_null(
        strstr(json.data, "\"guard\":{\"question\":\"Well?\",\"options\":[\"fine\",\"bad\"],"));
    assert_non_null(strstr(json.data, "\"body\":{\"a\":1},\"permission\":\"x.set\""));
    assert_non_null(strstr(json.data, "\"contacts\":[{\"role\":\"on_call\",\"name\":\"Ana\","
                                      "\"how\":\"pager\"}],\"notice\":\"Please wait.\"}"));
    buf_fini(&json);
    playbooks_destroy(&all);
}

static void a_review_is_overdue_the_day_after(void **state)
{
    struct playbooks *all = folder_good();
    const int64_t day = INT64_C(86400) * 1000000000;
    const int64_t due = INT64_C(20870) * day; /* 2027-02-21 */

    (void)state;
    assert_int_equal(playbooks_overdue(all, due), 0);
    assert_int_equal(playbooks_overdue(all, due + day - 1), 0);
    assert_int_equal(playbooks_overdue(all, due + day), 1);
    playbooks_destroy(&all);
}

static void no_folder_and_an_empty_one(void **state)
{
    struct buf errors = {0};
    struct playbooks *all;

    (void)state;
    assert_int_equal(playbooks_read("", &x_rules, &all, &errors), GW_OK);
    assert_int_equal(playbooks_count(all), 0);
    playbooks_destroy(&all);
    folder_remove("contacts.yaml");
    assert_int_equal(playbooks_read(folder, &x_rules, &all, &errors), GW_OK);
    assert_int_equal(playbooks_count(all), 0);
    playbooks_destroy(&all);
    assert_int_equal(playbooks_read("/nowhere/at/all", &x_rules, &all, &errors), GW_ECONFIG);
    assert_string_equal(buf_cstr(&errors), "/nowhere/at/all:0: playbooks.dir: cannot be read: No "
                                           "such file or directory; name a folder of playbooks\n");
    buf_fini(&errors);
}

static void keys_are_known(void **state)
{
    (void)state;
    refused(GOOD "colour: red\n",
            "38: playbook.colour: no such key; known: id, title, version, owner, reviewed_at, "
            "next_review_at, severity, signals, symptoms, steps, exit, contacts, notice");
    refused_with("question: Well?", "questoin: Well?",
                 "19: steps.ask.guard.questoin: no such key; known: question, answers");
    refused_with("typed: symbol,", "typed: symbol, type: x,",
                 "28: steps.open.action.type: no such key; known: method, path, permission, body, "
                 "typed, portctl");
    refused_with("need: 10}", "need: 10, want: 3}",
                 "30: exit.quiet.want: no such key; known: id, text, counter, need, below");
    refused("- a list\n", "1: playbook: expected `key: value` lines");
    refused("", "1: file: it is empty: see docs/PLAYBOOKS.md");
    refused("a: [\n", "2: not YAML: did not find expected node content");
    refused(GOOD "notice: twice\n", "38: notice: given twice, first in line 37");
}

static void values_are_checked(void **state)
{
    (void)state;
    refused_with("id: good", "id: other",
                 "1: playbook: id: is not the name of the file: call the file ID.yaml");
    refused_with("id: good", "id: Good", "1: playbook.id: expected letters a-z, digits and _");
    refused_with("version: 3", "version: 0",
                 "3: playbook.version: expected a whole number from 1 to 1000000");
    refused_with("owner: Desk\n", "", "1: playbook.owner: is missing: give it");
    refused_with("2026-11-21", "2026-02-29",
                 "5: playbook.reviewed_at: expected a day as 2026-11-21");
    refused_with("2027-02-21", "2026-11-21",
                 "6: playbook: next_review_at: must be after reviewed_at");
    refused_with("SEV2", "SEV9", "7: playbook: severity: expected SEV1, SEV2, SEV3 or SEV4");
    refused_with("signals: [one, two]", "signals: []",
                 "8: playbook.signals: expected a list of 1 to 64 items");
    refused_with("title: A title", "title: \"a\\x1b[2J\"",
                 "2: playbook.title: expected a text of 1 to 120 bytes, no control bytes");
    refused_with("mandatory: true}", "mandatory: maybe}",
                 "11: steps.look.mandatory: expected true or false");
    refused_with(
        "[on_call]", "[nobody]",
        "36: playbook: contacts: no role nobody in contacts.yaml of this folder: add it there");
}

static void steps_are_in_order(void **state)
{
    (void)state;
    refused_with("after: [look]", "after: [open]",
                 "12: steps.ask: after: no step before this one has that id");
    refused_with("after: [look]", "after: [ask]",
                 "12: steps.ask: after: no step before this one has that id");
    refused_with("locks: [open]", "locks: [look]",
                 "12: steps.ask: locks: no step behind this one has that id");
    refused_with("id: open", "id: look",
                 "23: steps.look: another step has this id: choose a different one");
    refused_with(
        "phase: immediate", "phase: recovery",
        "12: steps.ask: phase: comes before that of the step above; the order is immediate, "
        "diagnosis, recovery");
    refused_with("phase: recovery", "phase: diagnosis",
                 "11: steps: each phase needs a step: immediate, diagnosis and recovery");
    refused_with("phase: recovery", "phase: later",
                 "24: steps.open: phase: expected immediate, diagnosis or recovery");
    refused_with("        bad: {text: Stop., locks: [open]}\n", "",
                 "21: steps.ask.guard: answers: expected 2 to 8 of them, each `word: {text: ...}`");
    refused_with("fine: {", "Fine!: {",
                 "21: steps.ask.guard.answers.Fine!: expected a word of letters a-z, digits and _ "
                 "as an answer");
}

static void actions_can_be_asked_for(void **state)
{
    (void)state;
    refused_with("path: '/v1/x/{symbol}'", "path: /v1/y",
                 "28: steps.open.action: typed: symbol is for a path with {symbol} in it");
    refused_with("/v1/x/{symbol}", "/v1/y/{symbol}",
                 "28: steps.open.action: PUT /v1/y/{symbol}: no such route");
    refused_with(
        "{\"a\":1}", "[1]",
        "28: steps.open.action: body: expected a JSON object as text, as '{\"halted\":true}'");
    refused_with(
        "{\"a\":1}", "{\"a\":1,\"a\":2}",
        "28: steps.open.action: body: expected a JSON object as text, as '{\"halted\":true}'");
    refused_with("typed: symbol", "typed: YES",
                 "28: steps.open.action: typed: expected ALL, KILL, RELEASE or symbol");
    refused_with(", portctl: portctl x", "", "28: steps.open.action.portctl: is missing: give it");
}

static void links_run_nothing(void **state)
{
    static const char *const bad[] = {"javascript:alert(1)", "http://a.example", "//a.example",
                                      "data:x"};

    (void)state;
    for (size_t i = 0; i < GW_LEN(bad); i++) {
        struct buf to = {0};

        buf_printf(&to, "text: Open.\n    links: [{title: T, href: '%s'}]\n", bad[i]);
        refused_with("text: Open.\n", buf_cstr(&to),
                     "27: steps.open.links[0]: href: expected https://..., /path or #/screen");
        buf_fini(&to);
    }
}

static void exits_can_be_counted(void **state)
{
    (void)state;
    refused_with("counter: trades_kept_s", "counter: hope",
                 "32: exit.whole: counter: no such counter; known: slow_consumer_quiet_s, "
                 "backlog_below_s, trades_kept_s, fanout_normal_s, kill_released_s, root_cause");
    refused_with("need: 1}", "need: 2}",
                 "35: exit.cause.need: expected a whole number from 1 to 1");
    refused_with("below: 1000, ", "", "31: exit.low.below: is missing: give it");
    refused_with("counter: trades_kept_s,", "counter: trades_kept_s, below: 5,",
                 "32: exit.whole: below: is for backlog_below_s alone");
    refused_with("id: whole", "id: low",
                 "32: exit.low: another condition has this id: choose a different one");
    refused(HEAD("good") STEPS TAIL, "1: playbook.exit: expected a list of 1 to 32 items");
}

static void every_mistake_is_told_at_once(void **state)
{
    struct buf errors = {0};
    struct playbooks *all;

    (void)state;
    folder_write("contacts.yaml", "contacts:\n  - {role: on_call, name: Ana}\n");
    folder_write("good.yaml", HEAD("good") "owner: again\n" STEPS EXIT TAIL);
    folder_write("other.yaml", "id: other\n");
    assert_int_equal(playbooks_read(folder, &x_rules, &all, &errors), GW_ECONFIG);
    assert_non_null(strstr(buf_cstr(&errors), "contacts.yaml:2: contacts[0].how: is missing"));
    assert_non_null(strstr(errors.data, "good.yaml:10: owner: given twice"));
    assert_non_null(strstr(errors.data, "other.yaml:1: playbook.steps: expected a list"));
    buf_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_one_is_read_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_review_is_overdue_the_day_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_folder_and_an_empty_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(steps_are_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(actions_can_be_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_run_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(exits_can_be_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_mistake_is_told_at_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
