/* Signals, thresholds and objectives under a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "gateway/reported/rules.h"
#include "gateway/reported/slo.h"
#include "gateway/runtime/json.h"

#define S ((int64_t)1000000000)

struct stage {
    struct signals *signals;
    struct components *components;
    struct rules *rules;
    struct reported_now now;
    unsigned raised;
    unsigned cleared;
    char key[256];
    char title[256];
    enum incident_severity severity;
    char playbook[65];
};

static void on_rule(void *arg, const struct incident_signal *s)
{
    struct stage *t = arg;

    t->raised += !s->cleared;
    t->cleared += s->cleared;
    t->severity = s->severity;
    (void)snprintf(t->key, sizeof t->key, "%s", s->key);
    (void)snprintf(t->title, sizeof t->title, "%s", s->title);
    (void)snprintf(t->playbook, sizeof t->playbook, "%s", s->playbook);
}

static void ignore(void *arg, const struct component *c)
{
    (void)arg;
    (void)c;
}

static struct rules *read_text(const char *text, struct buf *errors)
{
    char path[] = "/tmp/gwrules.XXXXXX";
    int fd = mkstemp(path);
    struct rules *rules;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    rules = rules_read(path, errors);
    (void)unlink(path);
    return rules;
}

static int set_up(void **state)
{
    struct stage *t = gw_calloc(1, sizeof *t);

    t->now = (struct reported_now){.mono_ns = 1000 * S, .real_ns = 1700000000 * S};
    t->signals = signals_create(4);
    t->components = components_create(8, ignore, NULL);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *t = *state;

    signals_destroy(&t->signals);
    components_destroy(&t->components);
    if (t->rules != NULL) {
        rules_destroy(&t->rules);
    }
    free(t);
    return 0;
}

static void judge(struct stage *t, int64_t later_s)
{
    t->now.mono_ns += later_s * S;
    t->now.real_ns += later_s * S;
    components_tick(t->components, &t->now);
    rules_judge(t->rules, t->signals, t->components, &t->now, on_rule, t);
}

static bool put(struct stage *t, const char *json)
{
    json_t *v = json_parse_strict(json, strlen(json), 4);
    struct signal_sample s = {0};
    const char *field = NULL;
    const char *wanted = NULL;
    bool ok;

    assert_non_null(v);
    ok = signal_parse(v, &t->now, 60, &s, &field, &wanted);
    json_decref(v);
    return ok && signals_put(t->signals, &s, true, &t->now);
}

static void use(struct stage *t, const char *text)
{
    struct buf errors = {0};

    t->rules = read_text(text, &errors);
    if (t->rules == NULL) {
        fail_msg("%s", buf_cstr(&errors));
    }
    buf_fini(&errors);
}

static void a_threshold_has_to_hold(void **state)
{
    struct stage *t = *state;

    use(t, "rules:\n  - {name: lag, labels: {topic: a}, op: '>', value: '0.3', for: 30s, severity: "
           "SEV2, playbook: bus_lag}\n");
    judge(t, 0);
    assert_int_equal(t->raised + t->cleared, 0); /* nothing was reported: nothing is known */
    assert_true(put(t, "{\"name\":\"lag\",\"labels\":{\"topic\":\"a\"},\"value\":\"0.30\"}"));
    assert_true(put(t, "{\"name\":\"lag\",\"labels\":{\"topic\":\"b\"},\"value\":\"9\"}"));
    judge(t, 1);
    assert_int_equal(t->raised, 0);
    assert_int_equal(t->cleared, 1); /* it may have ended while nobody looked */
    judge(t, 1);
    assert_int_equal(t->cleared, 1);
    assert_true(put(t, "{\"name\":\"lag\",\"labels\":{\"topic\":\"a\"},\"value\":\"0."
                       "300000000000000000000001\"}"));
    judge(t, 0);
    judge(t, 29);
    assert_int_equal(t->raised, 0);
    judge(t, 1);
    assert_int_equal(t->raised, 1);
    assert_string_equal(t->key, "signal:lag:lag{topic=\"a\"}");
    assert_string_equal(t->title, "lag is 0.300000000000000000000001 (> 0.3)");
    assert_string_equal(t->playbook, "bus_lag");
    assert_int_equal(t->severity, SEV2);
    judge(t, 1);
    assert_int_equal(t->raised, 1); /* once */
    judge(t, 600);                  /* stale: neither better nor worse */
    assert_int_equal(t->cleared, 1);
    assert_true(put(t, "{\"name\":\"lag\",\"labels\":{\"topic\":\"a\"},\"value\":-5}"));
    judge(t, 0);
    assert_int_equal(t->cleared, 2);
    /* a short breach is none */
    assert_true(put(t, "{\"name\":\"lag\",\"labels\":{\"topic\":\"a\"},\"value\":\"1\"}"));
    judge(t, 20);
    assert_true(put(t, "{\"name\":\"lag\",\"labels\":{\"topic\":\"a\"},\"value\":\"0\"}"));
    judge(t, 20);
    assert_true(put(t, "{\"name\":\"lag\",\"labels\":{\"topic\":\"a\"},\"value\":\"1\"}"));
    judge(t, 20);
    assert_int_equal(t->raised, 1);
}

static void silence_may_be_the_threshold(void **state)
{
    struct stage *t = *state;

    use(t, "rules:\n  - {name: signals_5m, op: stale, severity: warning, id: pipeline}\n");
    assert_true(put(t, "{\"name\":\"signals_5m\",\"value\":1,\"ttl_s\":300}"));
    judge(t, 299);
    assert_int_equal(t->raised, 0);
    judge(t, 2);
    assert_int_equal(t->raised, 1);
    assert_string_equal(t->key, "signal:pipeline:signals_5m");
    assert_true(put(t, "{\"name\":\"signals_5m\",\"value\":1,\"ttl_s\":300}"));
    judge(t, 0);
    assert_int_equal(t->cleared, 2); /* the first look, and now */
}

static void beat(struct stage *t, const char *id, enum component_state state)
{
    struct component_report r = {.state = state, .ttl_s = 10};

    (void)snprintf(r.id, sizeof r.id, "%s", id);
    strcpy(r.group, "pair");
    strcpy(r.source, "me");
    assert_int_equal(components_hear(t->components, &r, &t->now), COMPONENT_TAKEN);
}

static void components_and_groups(void **state)
{
    struct stage *t = *state;

    use(t,
        "rules:\n  - {component: 'ea:*', severity: P0}\n  - {group: pair, states: DOWN, severity: "
        "SEV1, id: both}\n");
    beat(t, "ea:1", COMPONENT_OK);
    beat(t, "ea:2", COMPONENT_OK);
    judge(t, 5);
    assert_int_equal(t->raised, 0);
    beat(t, "ea:2", COMPONENT_OK);
    judge(t, 6);
    assert_int_equal(t->raised, 1); /* ea:1 has fallen silent */
    assert_string_equal(t->key, "component:ea:*:ea:1");
    assert_string_equal(t->title, "ea:1 is DISCONNECTED");
    beat(t, "ea:2", COMPONENT_DOWN);
    judge(t, 0);
    assert_int_equal(t->raised, 3); /* ea:2, and the group */
    assert_string_equal(t->key, "group:both:pair");
    t->cleared = 0;
    beat(t, "ea:1", COMPONENT_OK);
    judge(t, 0);
    assert_int_equal(t->cleared, 2);
}

static void mistakes_are_all_told(void **state)
{
    static const struct {
        const char *rule;
        const char *line;
    } rows[] = {
        {"{op: '>', value: 1, severity: SEV1}", "expected one of name"},
        {"{name: a, component: b, severity: SEV1}", "expected one of name"},
        {"{name: a b, op: '>', value: 1, severity: SEV1}", "name:"},
        {"{name: a, op: over, value: 1, severity: SEV1}", "op:"},
        {"{name: a, op: '>', value: 1e5, severity: SEV1}", "value:"},
        {"{name: a, op: '>', severity: SEV1}", "value:"},
        {"{name: a, op: stale, value: 1, severity: SEV1}", "value:"},
        {"{name: a, op: '>', value: 1}", "severity:"},
        {"{name: a, op: '>', value: 1, severity: loud}", "severity:"},
        {"{name: a, op: '>', value: 1, severity: SEV1, for: soon}", "for:"},
        {"{name: a, op: '>', value: 1, severity: SEV1, fro: 5s}", "not known here"},
        {"{component: a, states: BROKEN, severity: SEV1}", "states:"},
        {"{name: a, labels: [1], op: '>', value: 1, severity: SEV1}", "labels:"},
        {"text", "expected a rule"},
    };
    struct buf text = {0};
    struct buf errors = {0};

    (void)state;
    buf_lit(&text, "rules:\n");
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        buf_printf(&text, "  - %s\n", rows[i].rule);
    }
    assert_null(read_text(buf_cstr(&text), &errors));
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        char line[64];

        (void)snprintf(line, sizeof line, ":%u: %s", i + 2, rows[i].line);
        if (strstr(buf_cstr(&errors), line) == NULL) {
            fail_msg("no \"%s\" in:\n%s", line, buf_cstr(&errors));
        }
    }
    buf_reset(&errors);
    assert_null(read_text("rules: 5\n", &errors));
    assert_null(read_text("other: []\n", &errors));
    buf_fini(&text);
    buf_fini(&errors);
}

static void series_are_bounded(void **state)
{
    struct stage *t = *state;
    struct buf out = {0};

    assert_true(put(t, "{\"name\":\"a\",\"value\":1}"));
    assert_true(put(t, "{\"name\":\"b\",\"value\":1}"));
    assert_true(put(t, "{\"name\":\"c\",\"labels\":{\"x\":\"\"},\"value\":1}"));
    assert_true(put(t, "{\"name\":\"c\",\"value\":2}")); /* an empty label is none */
    assert_true(put(t, "{\"name\":\"d\",\"value\":1}"));
    assert_false(put(t, "{\"name\":\"e\",\"value\":1}"));
    assert_int_equal(signals_count(t->signals), 4);
    assert_true(put(t, "{\"name\":\"a\",\"value\":3}")); /* those that are there go on */
    signals_expose(&out, t->signals, &t->now);
    assert_non_null(strstr(buf_cstr(&out), "# TYPE reported_a gauge\nreported_a 3\n"));
    t->now.mono_ns += 60 * S + 1;
    t->now.real_ns += 60 * S + 1;
    buf_reset(&out);
    signals_expose(&out, t->signals, &t->now);
    assert_int_equal(out.len, 0); /* all are stale */
    assert_false(put(t, "{\"name\":\"e\",\"value\":1}"));
    t->now.mono_ns += 3600 * S;
    t->now.real_ns += 3600 * S;
    assert_true(put(t, "{\"name\":\"e\",\"value\":1}"));
    assert_int_equal(signals_count(t->signals), 4);
    assert_int_equal(signals_first(t->signals, "nothing"), 4);
    buf_fini(&out);
}

static enum slo_state slo_of(struct stage *t, enum slo which, const struct slo_facts *facts)
{
    struct slo_result r;

    slo_judge(which, t->signals, facts, &t->now, &r);
    return r.state;
}

static void unknown_is_not_kept(void **state)
{
    struct stage *t = *state;
    struct slo_facts facts = {0};
    struct component feed = {.state = COMPONENT_OK};

    for (unsigned i = 0; i < SLO_COUNT; i++) {
        assert_int_equal(slo_of(t, (enum slo)i, &facts), SLO_UNKNOWN);
    }
    assert_true(put(t, "{\"name\":\"recon_consecutive_mismatch\",\"value\":2}"));
    assert_int_equal(slo_of(t, SLO_RECON, &facts), SLO_OK);
    assert_true(put(
        t, "{\"name\":\"recon_consecutive_mismatch\",\"labels\":{\"book\":\"b\"},\"value\":3}"));
    assert_int_equal(slo_of(t, SLO_RECON, &facts), SLO_BREACHED); /* the worst counts */
    t->now.mono_ns += 40 * S;
    t->now.real_ns += 40 * S;
    assert_true(put(t, "{\"name\":\"recon_consecutive_mismatch\",\"value\":0}"));
    t->now.mono_ns += 30 * S;
    t->now.real_ns += 30 * S;
    assert_int_equal(slo_of(t, SLO_RECON, &facts), SLO_UNKNOWN); /* of the other nobody knows */
    assert_true(put(t, "{\"name\":\"paper_reconciliation_pass_ratio\",\"value\":\"0.9949999\"}"));
    assert_int_equal(slo_of(t, SLO_PAPER, &facts), SLO_BREACHED);
    assert_true(put(t, "{\"name\":\"paper_reconciliation_pass_ratio\",\"value\":\"0.995\"}"));
    assert_int_equal(slo_of(t, SLO_PAPER, &facts), SLO_OK);

    facts = (struct slo_facts){
        .ack_known = true, .ack_worst_s = 900, .ack_read_mono_ns = t->now.mono_ns};
    assert_int_equal(slo_of(t, SLO_ACK, &facts), SLO_OK);
    facts.ack_worst_s = 901;
    assert_int_equal(slo_of(t, SLO_ACK, &facts), SLO_BREACHED);
    t->now.mono_ns += 31 * S;
    assert_int_equal(slo_of(t, SLO_ACK, &facts), SLO_UNKNOWN);
    facts.feed = &feed;
    assert_int_equal(slo_of(t, SLO_FEED, &facts), SLO_OK);
    feed.state = COMPONENT_DOWN;
    assert_int_equal(slo_of(t, SLO_FEED, &facts), SLO_BREACHED);
    feed.state = COMPONENT_DISCONNECTED;
    assert_int_equal(slo_of(t, SLO_FEED, &facts), SLO_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_threshold_has_to_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_may_be_the_threshold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(components_and_groups, set_up, tear_down),
        cmocka_unit_test(mistakes_are_all_told),
        cmocka_unit_test_setup_teardown(series_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_is_not_kept, set_up, tear_down),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
