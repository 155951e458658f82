/* links: gw_playbook gw_admin_api gw_incident */
/* The playbooks that are shipped, against the routes that there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "admin_api/playbooks.h"
#include "gateway/incident/detect.h"
#include "gateway/playbook/progress.h"
#include "gateway/runtime/json.h"

static struct playbooks *shipped(void)
{
    struct buf errors = {0};
    struct playbooks *all = NULL;

    if (playbooks_read(GW_ROOT "/docs/playbooks", &api_playbook_rules, &all, &errors) != GW_OK) {
        fail_msg("%s", buf_cstr(&errors));
    }
    buf_fini(&errors);
    return all;
}

static void they_are_read(void **state)
{
    struct playbooks *all = shipped();
    const struct playbook *kill = playbooks_find(all, "kill_switch");
    const struct playbook *overload = playbooks_find(all, "ws_overload");
    const struct playbook_step *decision = playbook_step(kill, "loss_within_limit");

    (void)state;
    assert_int_equal(overload->severity, SEV2);
    assert_int_equal(kill->severity, SEV1);
    assert_true(decision->mandatory);
    assert_string_equal(decision->guard.answers[1].word, "beyond");
    assert_true(playbook_has(&decision->guard.answers[1].locks, "ask_release"));
    for (size_t i = 0; i < kill->step_count; i++) { /* every release waits for the question */
        const struct playbook_step *s = &kill->steps[i];

        if (s->action.method != NULL && strstr(s->action.path, "release") != NULL) {
            assert_true(playbook_has(&s->after, "loss_within_limit"));
            assert_true(playbook_has(&decision->guard.answers[1].locks, s->id));
        }
    }
    playbooks_destroy(&all);
}

/* What the gateway opens by itself is as grave as the playbook says. */
static void detectors_agree(void **state)
{
    struct playbooks *all = shipped();
    size_t named = 0;

    (void)state;
    for (size_t i = 0; i < DETECT_RULE_COUNT; i++) {
        const struct detect_rule_row *rule = &detect_rules[i];

        if (rule->playbook[0] != '\0') {
            const struct playbook *p = playbooks_find(all, rule->playbook);

            assert_non_null(p);
            assert_int_equal(rule->severity, p->severity);
            named++;
        }
    }
    assert_true(named >= 2);
    playbooks_destroy(&all);
}

/* The best answer of a guard, each step in its turn: every playbook can be walked to its end by who
 * classifies the incident, and no step of recovery can be taken by who does not. */
static void walk(const struct playbooks *all, const struct playbook *p)
{
    struct playbook_row rows[PLAYBOOK_STEPS_MAX];
    struct playbook_view v = {.playbook = p->id, .rows = rows};
    struct playbook_problem problem;

    for (size_t i = 0; i < p->step_count; i++) {
        const struct playbook_step *s = &p->steps[i];
        struct playbook_row row = {.step = s->id, .done = true};
        bool locked = false;

        for (size_t k = 0; k < v.row_count; k++) {
            const struct playbook_guard *g = &playbook_step(p, rows[k].step)->guard;

            for (size_t a = 0; a < g->count; a++) {
                locked =
                    locked || (rows[k].done && strcmp(g->answers[a].word, rows[k].answer) == 0 &&
                               playbook_has(&g->answers[a].locks, s->id));
            }
        }
        row.answer = s->guard.count != 0 ? s->guard.answers[0].word : NULL;
        row.done = !locked;
        row.notes = locked ? "the answer above says so" : NULL;
        row.answer = locked ? NULL : row.answer;
        if (s->phase == PHASE_RECOVERY && !locked) {
            v.classified = false;
            assert_false(playbook_step_allowed(all, &v, &row, &problem));
            assert_string_equal(problem.code, "step-locked");
            v.classified = true;
        }
        if (!playbook_step_allowed(all, &v, &row, &problem)) {
            fail_msg("%s: %s: %s", p->id, s->id, problem.detail);
        }
        rows[v.row_count++] = row;
    }
}

static void each_can_be_walked(void **state)
{
    struct playbooks *all = shipped();

    (void)state;
    for (size_t i = 0; i < playbooks_count(all); i++) {
        walk(all, playbooks_at(all, i));
    }
    playbooks_destroy(&all);
}

static void judged(bool ok, struct playbook_action a, const char *wanted)
{
    struct buf why = {0};

    assert_int_equal(api_playbook_rules.action(NULL, &a, &why), ok);
    assert_string_equal(buf_cstr(&why), wanted);
    buf_fini(&why);
}

static void actions_are_held_against_the_routes(void **state)
{
    (void)state;
    judged(true,
           (struct playbook_action){"GET", "/v1/connections?limit=5", "connections.read", NULL, "",
                                    NULL},
           "");
    judged(true,
           (struct playbook_action){"PUT", "/v1/symbols/{symbol}/mode", "control.tighten",
                                    "{\"mode\":\"SOFT_HALT\"}", "", "symbol"},
           "");
    judged(false, (struct playbook_action){"GET", "/v1/nothing", "control.read", NULL, "", NULL},
           "GET /v1/nothing: no such route; docs/reference/ROUTES.md lists all");
    judged(false,
           (struct playbook_action){"GET", "/v1/symbols/{symbol}/mode/x", "control.read", NULL, "",
                                    NULL},
           "GET /v1/symbols/{symbol}/mode/x: no such route; docs/reference/ROUTES.md lists all");
    judged(
        false,
        (struct playbook_action){"DELETE", "/v1/kill-switch", "control.tighten", "{}", "", "KILL"},
        "DELETE /v1/kill-switch: no such route with this method; docs/reference/ROUTES.md lists "
        "all");
    judged(false, (struct playbook_action){"GET", "/v1/session", "status.read", NULL, "", NULL},
           "GET /v1/session: no such route with this method; docs/reference/ROUTES.md lists all");
    judged(false,
           (struct playbook_action){"PUT", "/v1/kill-switch", "kill.engage", "{}", "", "KILL"},
           "permission: there is no kill.engage; docs/reference/ROLES.md lists all");
    judged(false,
           (struct playbook_action){"PUT", "/v1/kill-switch", "control.read", "{}", "", "KILL"},
           "permission: the route asks for control.tighten");
    judged(false,
           (struct playbook_action){"PUT", "/v1/kill-switch", "control.tighten", NULL, "", "KILL"},
           "body: is missing: '{}' if reason and ticket are all");
    judged(false,
           (struct playbook_action){"PUT", "/v1/kill-switch", "control.tighten",
                                    "{\"engaged\":true}", "", NULL},
           "typed: is missing: what is typed to confirm it");
    judged(false,
           (struct playbook_action){"GET", "/v1/kill-switch", "control.read", "{}", "", NULL},
           "body: GET has none: leave it out");
    judged(false,
           (struct playbook_action){"PUT", "/v1/kill-switch", "control.tighten", "{\"on\":true}",
                                    "", "KILL"},
           "body: /on unknown member; allowed: engaged scope reason ticket incident until confirm");
    judged(false,
           (struct playbook_action){"PUT", "/v1/fanout/profile", "fanout.set",
                                    "{\"profile\":\"degraded\",\"expires_at\":\"{+99d}\"}", "",
                                    "ALL"},
           "body: only {symbol} and {+15m} may stand in braces");
}

static void templates_are_filled(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_true(api_action_fill(&out, "{\"a\":\"{symbol}\",\"b\":\"{+90m}\",\"c\":{\"d\":1}}",
                                "ETH/USD", 0));
    assert_string_equal(
        buf_cstr(&out),
        "{\"a\":\"ETH/USD\",\"b\":\"1970-01-01T01:30:00.000000Z\",\"c\":{\"d\":1}}");
    buf_reset(&out);
    assert_false(api_action_fill(&out, "{account}", "ETH/USD", 0));
    assert_false(api_action_fill(&out, "{+25h}", "ETH/USD", 0));
    assert_false(api_action_fill(&out, "{+0m}", "ETH/USD", 0));
    assert_false(api_action_fill(&out, "{+", "ETH/USD", 0));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_read),
        cmocka_unit_test(detectors_agree),
        cmocka_unit_test(each_can_be_walked),
        cmocka_unit_test(actions_are_held_against_the_routes),
        cmocka_unit_test(templates_are_filled),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
