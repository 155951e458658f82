/* Rules over samples: when each fires, what it says, that flapping is one signal, and when it is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/incident/detect.h"
#include "gateway/incident/rate.h"
#include "gateway/runtime/json.h"

#define S       1000000000LL
#define SYMBOLS 4u

struct told {
    char key[64];
    bool cleared;
    enum incident_severity severity;
    char playbook[32];
    char class_[32];
    char symbol[16];
    char summary[300];
    char details[400];
    int64_t at_ns;
    int64_t mono_ns;
};
static struct told told[2000];
static unsigned told_count;
static struct detect_pulse pulses[SYMBOLS];
static struct detect_sample sample;
static struct detect_config config;
static struct detect *detect;

static void on_signal(void *arg, const struct incident_signal *s)
{
    struct told *t = &told[told_count++];
    json_t *details = json_parse_strict(s->details, strlen(s->details), 4);

    (void)arg;
    assert_true(told_count < GW_LEN(told));
    assert_non_null(details);
    json_decref(details);
    assert_string_equal(s->source, "gateway");
    assert_in_range(strlen(s->title), 1, 200);
    *t = (struct told){.cleared = s->cleared, .severity = s->severity, .at_ns = s->at_ns};
    t->mono_ns = sample.mono_ns;
    (void)snprintf(t->key, sizeof t->key, "%s", s->key);
    (void)snprintf(t->playbook, sizeof t->playbook, "%s", s->playbook);
    (void)snprintf(t->class_, sizeof t->class_, "%s", s->class_);
    (void)snprintf(t->symbol, sizeof t->symbol, "%s", s->symbol);
    (void)snprintf(t->summary, sizeof t->summary, "%s", s->summary);
    (void)snprintf(t->details, sizeof t->details, "%s", s->details);
}

static int begin(void **state)
{
    static const char *const names[SYMBOLS] = {"BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD"};
    const struct cfg_binding binding = {&detect_config_table, &config};
    struct buf errors = {0};

    (void)state;
    assert_int_equal(config_load(NULL, NULL, &binding, 1, &errors), GW_OK);
    told_count = 0;
    memset(pulses, 0, sizeof pulses);
    for (unsigned i = 0; i < SYMBOLS; i++) {
        pulses[i] = (struct detect_pulse){.name = names[i], .live = true};
    }
    sample = (struct detect_sample){.mono_ns = 1000 * S,
                                    .wall_ns = 1793577600 * S,
                                    .redis_up = true,
                                    .postgres_up = true,
                                    .feed_up = true,
                                    .anchoring = true,
                                    .anchored_ns = 1793577600 * S,
                                    .pulses = pulses,
                                    .pulse_count = SYMBOLS};
    detect = detect_create(&config, "edge-1");
    return 0;
}

static int end(void **state)
{
    (void)state;
    detect_destroy(&detect);
    return 0;
}

/* SECONDS go by; MAKE (may be NULL) does what a second does. */
static void seconds(unsigned count, void (*make)(void))
{
    for (unsigned i = 0; i < count; i++) {
        sample.mono_ns += S;
        sample.wall_ns += S;
        if (sample.postgres_up && sample.anchored_ns != 0 && make == NULL) {
            sample.anchored_ns = sample.wall_ns;
        }
        if (make != NULL) {
            make();
        }
        detect_step(detect, &sample, on_signal, NULL);
    }
}

/* How often KEY was told as firing, or as cleared. */
static unsigned times(const char *key, bool cleared)
{
    unsigned n = 0;

    for (unsigned i = 0; i < told_count; i++) {
        n += strcmp(told[i].key, key) == 0 && told[i].cleared == cleared;
    }
    return n;
}

static const struct told *last(const char *key)
{
    for (unsigned i = told_count; i-- > 0;) {
        if (strcmp(told[i].key, key) == 0) {
            return &told[i];
        }
    }
    return NULL;
}

/* --- each rule --------------------------------------------------------------------------------- */

static void gap(void)
{
    pulses[1].gaps++;
}
static void duplicate(void)
{
    pulses[0].duplicates++;
    pulses[2].duplicates++;
}
static void slow(void)
{
    sample.slow_closes += 2;
}
static void replay(void)
{
    sample.replays += 1;
}
static void unauthentic(void)
{
    sample.auth_failures += 10;
}
static void reconnect(void)
{
    sample.reconnects += 1;
}
static void no_redis(void)
{
    sample.redis_up = false;
}
static void no_postgres(void)
{
    sample.postgres_up = false;
}
static void journal(void)
{
    sample.journaled = 3;
}
static void unaudited(void)
{
    sample.unaudited = 1;
}
static void not_anchored(void)
{
    /* anchored_ns stays where it is */
}
static void broken(void)
{
    sample.chain_broken = true;
}
static void kill_switch(void)
{
    sample.kill_engaged = true;
}
static void due(void)
{
    sample.decisions_due = 2;
}
static void late_commands(void)
{
    sample.late_commands = 2;
}
static void approvals(void)
{
    sample.approval_wait_s++;
    sample.anchored_ns = sample.wall_ns;
}
static void alone(void)
{
    sample.break_glass++;
}

static void well(void)
{
    sample.redis_up = sample.postgres_up = true;
    sample.journaled = sample.unaudited = sample.decisions_due = 0;
    sample.late_commands = sample.approval_wait_s = 0;
    sample.chain_broken = sample.kill_engaged = false;
    sample.anchored_ns = sample.wall_ns;
}

/* clang-format off */
static const struct {
    const char *key;
    void (*make)(void);
    unsigned after_s; /* it fires with this second, not the one before */
    unsigned clear_s; /* at least so long after its cause has gone */
    enum incident_severity severity;
    const char *playbook;
    const char *class_;
    const char *symbol;
    const char *summary;
} rows[] = {
    {"gateway:sequence_gap", gap, 1, 300, SEV3, "", "data_quality", "ETH/USD",
     "1 in 60 s (limit 1): ETH/USD"},
    {"gateway:sequence_duplicate", duplicate, 1, 300, SEV2, "", "data_quality", "",
     "2 in 60 s (limit 1): BTC/USD, SOL/USD"},
    {"gateway:slow_consumers", slow, 10, 300, SEV2, "ws_overload", "", "",
     "20 in 60 s (limit 20)"},
    {"gateway:replay", replay, 10, 300, SEV2, "", "", "", NULL},
    {"gateway:auth_failures", unauthentic, 10, 300, SEV3, "", "", "", NULL},
    {"gateway:upstream_reconnects", reconnect, 3, 300, SEV2, "", "broker_connectivity", "",
     NULL},
    {"gateway:redis_away", no_redis, 11, 300, SEV2, "", "broker_connectivity", "",
     "for at least 10 s"},
    {"gateway:postgres_away", no_postgres, 11, 300, SEV2, "", "", "", NULL},
    {"gateway:audit_journal", journal, 61, 300, SEV2, "", "", "",
     "3 records for at least 60 s"},
    {"gateway:audit_unaudited", unaudited, 1, 5, SEV1, "", "", "", "1 records"},
    {"gateway:audit_anchor", not_anchored, 301, 300, SEV3, "", "", "",
     "301 s (limit 300 s)"},
    {"gateway:audit_broken", broken, 1, 300, SEV1, "", "", "", ""},
    {"gateway:kill_switch", kill_switch, 1, 5, SEV1, "kill_switch", "", "", ""},
    {"gateway:decision_due", due, 1, 5, SEV2, "", "", "", "2 halts"},
    {"gateway:core_commands", late_commands, 1, 5, SEV2, "", "broker_connectivity", "",
     "2 commands"},
    {"gateway:approvals_waiting", approvals, 600, 5, SEV3, "", "", "", "600 s (limit 600 s)"},
    {"gateway:break_glass", alone, 1, 300, SEV1, "", "", "", "1 in 60 s (limit 1)"},
};
/* clang-format on */

static void each_rule_fires_in_time_and_clears(void **state)
{
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        const struct told *t;
        unsigned before;

        end(state);
        assert_int_equal(begin(state), 0);
        seconds(400, NULL); /* quiet since the start */
        assert_int_equal(times(rows[i].key, false), 0);
        assert_int_equal(times(rows[i].key, true),
                         1); /* the process before may have told otherwise */
        seconds(rows[i].after_s - 1, rows[i].make);
        if (times(rows[i].key, false) != 0) {
            fail_msg("%s fires too early", rows[i].key);
        }
        seconds(1, rows[i].make);
        if (times(rows[i].key, false) != 1) {
            fail_msg("%s does not fire after %u s", rows[i].key, rows[i].after_s);
        }
        t = last(rows[i].key);
        assert_int_equal(t->severity, rows[i].severity);
        assert_string_equal(t->playbook, rows[i].playbook);
        assert_string_equal(t->class_, rows[i].class_);
        assert_string_equal(t->symbol, rows[i].symbol);
        if (rows[i].summary != NULL) {
            assert_string_equal(t->summary, rows[i].summary);
        }
        assert_non_null(strstr(t->details, "\"gateway\":\"edge-1\""));
        assert_in_range(t->at_ns, sample.wall_ns - (int64_t)rows[i].after_s * S, sample.wall_ns);
        before = times(rows[i].key, false);
        seconds(180, rows[i].make);
        assert_int_equal(times(rows[i].key, false) - before, 3); /* again each minute */
        well();
        seconds(rows[i].clear_s - 1, NULL);
        assert_int_equal(times(rows[i].key, true), 1);
        seconds(420, NULL); /* with what is counted forgotten */
        assert_int_equal(times(rows[i].key, true), 2);
        assert_true(last(rows[i].key)->cleared);
        seconds(2000, NULL);
        assert_int_equal(times(rows[i].key, true), 2); /* once */
        for (unsigned k = 0; k < told_count; k++) {
            if (!told[k].cleared && strcmp(told[k].key, rows[i].key) != 0) {
                fail_msg("%s fires beside %s", told[k].key, rows[i].key);
            }
        }
    }
}

static void flapping_is_one_signal(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        seconds(15, no_redis);
        well();
        seconds(100, NULL);
    }
    assert_int_equal(times("gateway:redis_away", true), 0);
    seconds(300, NULL);
    assert_int_equal(times("gateway:redis_away", true), 1);
    for (unsigned i = 0; i < told_count; i++) { /* never twice within a minute */
        for (unsigned k = i + 1; k < told_count; k++) {
            if (strcmp(told[i].key, told[k].key) == 0 && !told[i].cleared && !told[k].cleared) {
                assert_true(told[k].mono_ns - told[i].mono_ns >= 60 * S);
            }
        }
    }
}

static void short_outages_are_not_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        seconds(9, no_redis);
        well();
        seconds(1, NULL);
    }
    assert_int_equal(times("gateway:redis_away", false), 0);
}

static void below_the_rate_nothing_is_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) { /* 9 within any minute */
        seconds(1, replay);
        seconds(6, NULL);
    }
    assert_int_equal(times("gateway:replay", false), 0);
    seconds(10, replay);
    assert_int_equal(times("gateway:replay", false), 1);
}

static void a_counter_that_begins_anew_is_no_growth(void **state)
{
    (void)state;
    sample.auth_failures = 5000; /* before the first sample */
    seconds(10, NULL);
    sample.auth_failures = 3;
    seconds(10, NULL);
    assert_int_equal(times("gateway:auth_failures", false), 0);
    sample.auth_failures = 103;
    seconds(1, NULL);
    assert_int_equal(times("gateway:auth_failures", false), 1);
}

static void nothing_when_off(void **state)
{
    (void)state;
    config.slow_closes = 0;
    seconds(30, slow);
    config.redis_away = 0;
    seconds(30, no_redis);
    assert_int_equal(times("gateway:slow_consumers", false), 0);
    assert_int_equal(times("gateway:redis_away", false), 0);
    config.enabled = false;
    told_count = 0;
    seconds(30, kill_switch);
    assert_int_equal(told_count, 0);
    config.enabled = true;
    seconds(1, kill_switch);
    assert_int_equal(times("gateway:kill_switch", false), 1);
    config.redis_away = 10000;
    seconds(15, no_redis);
    config.redis_away = 0; /* while it fires: it is over */
    seconds(301, no_redis);
    assert_true(last("gateway:redis_away")->cleared);
}

static void while_the_market_is_not_heard_nothing_is_said_of_it(void **state)
{
    (void)state;
    seconds(2, gap);
    assert_int_equal(times("gateway:sequence_gap", false), 1);
    sample.pulses = NULL;
    sample.pulse_count = 0;
    seconds(1000, NULL);
    assert_int_equal(times("gateway:sequence_gap", false), 1);
    assert_int_equal(times("gateway:sequence_gap", true), 0);
}

/* --- silence ----------------------------------------------------------------------------------- */

static unsigned second;

static void lively(void)
{
    second++;
    sample.anchored_ns = sample.wall_ns;
    pulses[0].events += 10;
    pulses[1].events += 10;
    pulses[2].events += second % 60 == 0; /* once a minute */
}

static void others_live(void)
{
    lively();
    pulses[0].events -= 10; /* nothing of it */
}

static void nobody(void)
{
    sample.anchored_ns = sample.wall_ns;
}

static void a_silent_symbol(void **state)
{
    const char *key = "gateway:silent_symbol";

    (void)state;
    second = 0;
    seconds(1800, lively);
    assert_int_equal(times(key, false),
                     0); /* one a minute is usual for SOL/USD, none for ADA/USD */
    seconds(30, others_live);
    assert_int_equal(times(key, false), 0);
    seconds(1, others_live);
    assert_int_equal(times(key, false), 1);
    assert_string_equal(last(key)->symbol, "BTC/USD");
    assert_string_equal(last(key)->summary, "31 s (limit 30 s): BTC/USD");
    seconds(299, lively);
    assert_int_equal(times(key, true), 1); /* that of the start */
    seconds(2, lively);
    assert_int_equal(times(key, true), 2);
}

static void silent_for_a_reason(void **state)
{
    const char *key = "gateway:silent_symbol";

    (void)state;
    second = 0;
    seconds(1800, lively);
    seconds(600, nobody); /* nobody lives: that is another thing than one that does not */
    assert_int_equal(times(key, false), 0);
    seconds(100, lively);
    pulses[0].halted = true;
    seconds(600, others_live);
    assert_int_equal(times(key, false), 0);
    pulses[0].halted = false;
    sample.feed_up = false;
    seconds(100, others_live);
    assert_int_equal(times(key, false), 0);
    sample.feed_up = true;
    pulses[0].live = false; /* a gap: that is told */
    seconds(100, others_live);
    assert_int_equal(times(key, false), 0);
    pulses[0].live = true;
    seconds(1, others_live);
    assert_int_equal(times(key, false), 1);
}

/* Against sums over the whole history. */
static void growth_within_the_window(void **state)
{
    static uint64_t grown[5000];
    struct rate r = {0};
    uint64_t counter = 7;

    (void)state;
    srandom(7);
    for (unsigned t = 0; t < GW_LEN(grown); t++) {
        uint64_t sum = 0;
        unsigned from = t >= 59 ? t - 59 : 0;

        grown[t] = t == 0 || random() % 3 != 0 ? 0 : (uint64_t)(random() % 100);
        counter += grown[t];
        for (unsigned k = from; k <= t; k++) {
            sum += grown[k];
        }
        assert_int_equal(rate_step(&r, (int64_t)t * S, 60 * S, counter), sum);
        if (random() % 500 == 0) { /* a pause longer than the window */
            r = (struct rate){0};
            (void)rate_step(&r, (int64_t)t * S, 60 * S, counter);
            memset(grown, 0, sizeof grown);
        }
    }
    assert_int_equal(rate_step(&r, 100000 * S, 60 * S, counter), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_rule_fires_in_time_and_clears, begin, end),
        cmocka_unit_test_setup_teardown(flapping_is_one_signal, begin, end),
        cmocka_unit_test_setup_teardown(short_outages_are_not_told, begin, end),
        cmocka_unit_test_setup_teardown(below_the_rate_nothing_is_told, begin, end),
        cmocka_unit_test_setup_teardown(a_counter_that_begins_anew_is_no_growth, begin, end),
        cmocka_unit_test_setup_teardown(nothing_when_off, begin, end),
        cmocka_unit_test_setup_teardown(while_the_market_is_not_heard_nothing_is_said_of_it, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_silent_symbol, begin, end),
        cmocka_unit_test_setup_teardown(silent_for_a_reason, begin, end),
        cmocka_unit_test(growth_within_the_window),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
