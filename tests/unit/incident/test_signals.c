/* Signals: one incident whoever sees it; nothing lost and nothing twice while PostgreSQL is away. */
/* links: gw_incident */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/incident/engine_fixture.h"

struct heard {
    unsigned calls;
    unsigned stored;
    uint64_t number;
};

static void on_heard(void *arg, bool stored, uint64_t number)
{
    struct heard *h = arg;

    h->calls++;
    h->stored += stored;
    h->number = number;
}

static void send_signal(struct engine *e, const char *key, bool cleared, struct heard *h)
{
    incidents_signal(e->all,
                     &(struct incident_signal){.key = key,
                                               .source = "alert",
                                               .cleared = cleared,
                                               .severity = SEV2,
                                               .title = "Redis is away",
                                               .summary = "",
                                               .class_ = "",
                                               .playbook = "",
                                               .symbol = "",
                                               .component = "redis",
                                               .details = "{\"n\":1}"},
                     on_heard, h);
}

static void say(struct engine *e, const char *key, bool cleared, uint64_t *number)
{
    struct heard h = {0};

    send_signal(e, key, cleared, &h);
    assert_int_equal(h.calls, 0);
    UNTIL(&e->w.loop, h.calls == 1, 8000);
    assert_int_equal(h.stored, 1);
    *number = h.number;
}

static void one_key_one_incident(void **state)
{
    struct engine one;
    struct engine two;
    struct engine *const both[] = {&one, &two};
    struct heard h[2] = {0};
    uint64_t number;
    uint64_t again;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", false);
    engine_open(&two, "", false);
    say(&one, "gateway:redis_away", true, &number); /* never was */
    assert_int_equal(number, 0);
    for (unsigned i = 0; i < 20; i++) { /* at the same time, from both */
        send_signal(both[i % 2], "gateway:redis_away", false, &h[i % 2]);
    }
    for (unsigned i = 0; i < 200 && h[0].calls + h[1].calls < 20; i++) {
        engines_run(both, 2, 20);
    }
    assert_int_equal(h[0].stored + h[1].stored, 20);
    assert_true(h[0].number == 1 && h[1].number == 1);
    assert_string_equal(sql("SELECT count(*) || ' ' || max(version) FROM incidents"), "1 1");
    say(&two, "gateway:redis_away", true, &number);
    say(&one, "gateway:redis_away", true, &number);
    assert_string_equal(sql("SELECT signal_state || ' ' || state || ' ' || version FROM incidents"),
                        "cleared open 2");
    say(&one, "gateway:redis_away", false, &number); /* back while it is open: the same */
    assert_int_equal(number, 1);
    say(&one, "gateway:redis_away", true, &number);
    sql("ALTER TABLE incidents DISABLE TRIGGER ALL; UPDATE incidents SET state = 'closed',"
        " closed_at = now(), acked_at = now(), acked_by = 'x'; ALTER TABLE incidents ENABLE "
        "TRIGGER ALL");
    engine_close(&one);
    engine_close(&two);
    engine_open(&one, "", false);
    say(&one, "gateway:redis_away", false, &again); /* closed and over: a new one */
    assert_int_equal(again, 2);
    engine_close(&one);
}

/* A closed incident whose signal never stopped is not opened anew by its repetitions. */
static void a_repetition_opens_nothing(void **state)
{
    struct engine one;
    uint64_t number;

    (void)state;
    NEEDS_SERVER();
    clean();
    engine_open(&one, "", false);
    say(&one, "alert:0123:2026", false, &number);
    sql("ALTER TABLE incidents DISABLE TRIGGER ALL; UPDATE incidents SET state = 'closed',"
        " closed_at = now(), acked_at = now(), acked_by = 'x'; ALTER TABLE incidents ENABLE "
        "TRIGGER ALL");
    engine_close(&one);
    engine_open(&one, "", false);
    say(&one, "alert:0123:2026", false, &number);
    assert_int_equal(number, 1);
    assert_string_equal(sql("SELECT count(*) FROM incidents"), "1");
    engine_close(&one);
}

static void file_is(const char *dir, const char *what, bool there)
{
    char line[300];

    (void)snprintf(line, sizeof line, "grep -q '%s' %s/incidents.pending", what, dir);
    assert_int_equal(system(line) == 0, there);
}

static void postgresql_away_and_back(void **state)
{
    char first[] = "/tmp/gwinc.XXXXXX";
    char second[] = "/tmp/gwinc.XXXXXX";
    char line[200];
    struct engine one;
    struct engine two;
    struct heard h = {0};

    (void)state;
    NEEDS_SERVER();
    clean();
    assert_non_null(mkdtemp(first));
    assert_non_null(mkdtemp(second));
    engine_open(&one, first, false);
    server_sh("kill -STOP $pid $(pgrep -P $pid)");
    send_signal(&one, "gateway:a", false, &h);
    send_signal(&one, "gateway:b", false, &h);
    send_signal(&one, "gateway:a", true, &h);
    send_signal(&one, "gateway:c", false, &h);
    UNTIL(&one.w.loop, h.calls == 4, 15000);
    assert_int_equal(h.stored, 4); /* on the disk */
    assert_int_equal(one.spooled, 3);
    file_is(first, "gateway:c", true);
    (void)snprintf(line, sizeof line, "cp %s/incidents.pending %s/", first, second);
    assert_int_equal(system(line), 0);
    server_sh("kill -CONT $pid $(pgrep -P $pid)");
    UNTIL(&one.w.loop, metrics_get(one.all->opt.metrics, INCIDENT_M_QUEUE, 0) == 0, 15000);
    UNTIL(&one.w.loop, arrivals_idle(one.all->signals), 3000);
    engines_run((struct engine *const[]){&one}, 1, 300);
    file_is(first, "gateway:", false);
    assert_string_equal(sql("SELECT string_agg(signal_key || ' ' || signal_state, ', ' ORDER BY"
                            " number) FROM incidents"),
                        "gateway:a cleared, gateway:b firing, gateway:c firing");
    assert_string_equal(sql("SELECT count(*) FROM incident_timeline"), "4");

    engine_open(&two, second, false); /* as after a crash before the file was emptied */
    UNTIL(&two.w.loop, metrics_get(two.all->opt.metrics, INCIDENT_M_QUEUE, 0) == 0, 15000);
    engines_run((struct engine *const[]){&two}, 1, 500);
    file_is(second, "gateway:", false);
    assert_string_equal(sql("SELECT count(*) FROM incidents"), "3");
    assert_string_equal(sql("SELECT count(*) FROM incident_timeline"), "4");
    assert_int_equal(two.spooled, 0);
    engine_close(&one);
    engine_close(&two);
    (void)snprintf(line, sizeof line, "rm -r %s %s", first, second);
    assert_int_equal(system(line), 0);
}

/* What is outside of ours is made acceptable, not refused. */
static void odd_texts(void **state)
{
    char title[1200];
    struct engine one;
    struct heard h = {0};
    struct incident_signal s = {.key = "alert:odd", .source = "alert", .severity = SEV3};

    (void)state;
    NEEDS_SERVER();
    clean();
    memset(title, 'x', sizeof title - 1);
    title[sizeof title - 1] = '\0';
    memcpy(title, "\xff line\nend \xe2\x82\xac ", 15);
    s.title = title;
    s.details = "{\"not\": json";
    engine_open(&one, "", false);
    incidents_signal(one.all, &s, on_heard, &h);
    UNTIL(&one.w.loop, h.calls == 1, 5000);
    assert_int_equal(h.stored, 1);
    assert_string_equal(sql("SELECT length(title) || left(title, 13) FROM incidents"),
                        "200? line end \xe2\x82\xac ");
    engine_close(&one);
}

static void a_broken_file_is_told(void **state)
{
    char dir[] = "/tmp/gwinc.XXXXXX";
    char line[200];
    struct world w;
    struct incidents_config config = {.l3_action = (char *)"propose"};
    struct incidents_options opt = {.config = &config, .state_dir = dir};
    struct buf why = {0};

    (void)state;
    NEEDS_SERVER();
    assert_non_null(mkdtemp(dir));
    (void)snprintf(line, sizeof line,
                   "echo '{\"v\":1,\"signals\":[{\"id\":7}]}' > %s/incidents.pending", dir);
    assert_int_equal(system(line), 0);
    world_open(&w, 1, 8);
    opt.pg = w.pg;
    assert_null(incidents_create(&w.loop, &opt, &why));
    assert_non_null(strstr(buf_cstr(&why), "move the file away"));
    buf_fini(&why);
    world_close(&w);
    (void)snprintf(line, sizeof line, "rm -r %s", dir);
    assert_int_equal(system(line), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_one_incident),     cmocka_unit_test(a_repetition_opens_nothing),
        cmocka_unit_test(postgresql_away_and_back), cmocka_unit_test(odd_texts),
        cmocka_unit_test(a_broken_file_is_told),
    };
    int failed = cmocka_run_group_tests(tests, engines_start, server_end);

    metrics_fini();
    return failed;
}
