/* Two gateways on one real PostgreSQL: what all have counted, and what is said when one is not heard. */
/* links: gw_fleet */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/store/pg_fixture.h"

#include "gateway/fleet/fleet.h"
#include "gateway/store/migrate.h"

struct gateway {
    struct fleet *fleet;
    struct fleet_counts counts; /* what it counts itself */
    bool pages;
    struct fleet_counts sum; /* what it hears of all */
    char why[400];
    unsigned reads;
    unsigned lows; /* readings in which something was not known */
    unsigned died;
    bool closed;
};

static void on_count(void *arg, struct fleet_counts *out)
{
    *out = ((struct gateway *)arg)->counts;
}

static bool on_pages(void *arg)
{
    return ((struct gateway *)arg)->pages;
}

static void on_read(void *arg, const struct fleet_counts *sum, const char *why)
{
    struct gateway *g = arg;

    g->sum = *sum;
    g->lows += !sum->known;
    (void)snprintf(g->why, sizeof g->why, "%s", why);
    g->reads++;
}

static void on_died(void *arg)
{
    ((struct gateway *)arg)->died++;
}

static void on_closed(void *arg)
{
    ((struct gateway *)arg)->closed = true;
}

static void gateway_open(struct gateway *g, struct world *w, const char *name)
{
    const struct fleet_options opt = {.pg = w->pg,
                                      .name = name,
                                      .forget_ms = 60000,
                                      .count = on_count,
                                      .pages = on_pages,
                                      .on_read = on_read,
                                      .on_died = on_died,
                                      .arg = g,
                                      .tick_ms = 20};

    g->closed = false;
    g->fleet = fleet_create(&w->loop, &opt);
}

static void gateway_close(struct gateway *g, struct world *w)
{
    fleet_close(g->fleet, on_closed, g);
    UNTIL(&w->loop, g->closed, 5000);
    fleet_destroy(&g->fleet);
}

/* So many more readings have come. */
static void hear(struct gateway *g, struct world *w, unsigned more)
{
    unsigned until = g->reads + more;

    UNTIL(&w->loop, g->reads >= until, 5000);
}

static int start(void **state)
{
    int code = server_start(state);
    FILE *out;

    (void)setenv("PGOPTIONS", "-c client_min_messages=warning", 1);
    if (code == 0 && server_dsn[0] != '\0') {
        out = fopen("/dev/null", "w");
        code = migrate_run(server_dsn, out);
        (void)fclose(out);
    }
    return code;
}

static const char *sql(const char *text)
{
    const char *said = ask(server_dsn, text);

    if (said[0] == '!') {
        fail_msg("%s: SQLSTATE %s", text, said + 1);
    }
    return said;
}

static void counts_are_of_all(void **state)
{
    struct world w;
    struct gateway a = {.counts = {.known = true, .slow_closes = 2, .backlog_bytes = 100}};
    struct gateway b = {.counts = {.known = true, .slow_closes = 3, .backlog_bytes = 50}};
    uint64_t slow;

    (void)state;
    NEEDS_SERVER();
    (void)sql("DELETE FROM gateways");
    world_open(&w, 3, 64);
    gateway_open(&a, &w, "host a");
    gateway_open(&b, &w, "host b");
    hear(&a, &w, 3);
    hear(&b, &w, 3);
    assert_true(a.sum.known && b.sum.known);
    assert_int_equal(a.sum.slow_closes, 5);
    assert_int_equal(a.sum.backlog_bytes, 150);
    b.counts.slow_closes++; /* a client of the other gateway */
    b.counts.trades_dropped++;
    b.counts.backlog_bytes = 7;
    hear(&b, &w, 3);
    hear(&a, &w, 3);
    assert_int_equal(a.sum.slow_closes, 6);
    assert_int_equal(a.sum.trades_dropped, 1);
    assert_int_equal(a.sum.backlog_bytes, 107);
    b.counts.known = false;
    hear(&b, &w, 3);
    hear(&a, &w, 3);
    assert_false(a.sum.known);
    assert_string_equal(a.why, "gateway host b has not counted yet");
    b.counts.known = true;
    hear(&b, &w, 3);
    hear(&a, &w, 3);
    assert_true(a.sum.known);
    slow = a.sum.slow_closes;
    gateway_close(&b, &w); /* in order: nothing is missing */
    hear(&a, &w, 3);
    assert_true(a.sum.known);
    assert_int_equal(a.sum.slow_closes, slow); /* and nothing was taken back */
    assert_int_equal(a.sum.backlog_bytes, 100);
    assert_string_equal(sql("SELECT string_agg(name, ' ') FROM gateways"), "host a");
    gateway_close(&a, &w);
    assert_string_equal(sql("SELECT count(*) FROM gateways"), "0");
    world_close(&w);
}

static void one_that_is_silent_makes_all_unknown(void **state)
{
    struct world w;
    struct gateway a = {.counts = {.known = true}};
    unsigned lows;

    (void)state;
    NEEDS_SERVER();
    (void)sql("DELETE FROM gateways; INSERT INTO gateways VALUES ('host b', repeat('0', 26),"
              " clock_timestamp(), true, true, 4, 0, 0)");
    world_open(&w, 3, 64);
    gateway_open(&a, &w, "host a");
    hear(&a, &w, 2);
    assert_true(a.sum.known);
    (void)sql("UPDATE gateways SET seen_at = seen_at - interval '6 s' WHERE name = 'host b'");
    hear(&a, &w, 3);
    assert_false(a.sum.known);
    assert_non_null(strstr(a.why, "gateway host b was last heard 6 s ago"));
    (void)sql("UPDATE gateways SET seen_at = clock_timestamp() WHERE name = 'host b'");
    hear(&a, &w, 3);
    assert_true(a.sum.known);
    lows = a.lows; /* a restart that nobody had time to miss: what was counted last is lost */
    (void)sql("UPDATE gateways SET boot = repeat('1', 26), slow_closes = 0 WHERE name = 'host b'");
    hear(&a, &w, 3);
    assert_true(a.sum.known);
    assert_int_equal(a.lows, lows + 1);
    assert_int_equal(a.sum.slow_closes, 4);
    (void)sql("UPDATE gateways SET seen_at = seen_at - interval '61 s' WHERE name = 'host b'");
    hear(&a, &w, 3);
    assert_true(a.sum.known); /* forgotten */
    assert_string_equal(sql("SELECT count(*) FROM gateways"), "1");
    gateway_close(&a, &w);
    world_close(&w);
}

static void without_postgresql_nothing_is_known(void **state)
{
    struct world w;
    struct gateway a = {.counts = {.known = true}};

    (void)state;
    NEEDS_SERVER();
    world_open(&w, 3, 64);
    gateway_open(&a, &w, "host a");
    hear(&a, &w, 3);
    assert_true(a.sum.known);
    server_sh("kill -STOP $pid $(pgrep -P $pid)");
    UNTIL(&w.loop, !a.sum.known, 12000);
    assert_non_null(strstr(a.why, "PostgreSQL does not answer"));
    server_sh("kill -CONT $pid $(pgrep -P $pid)");
    UNTIL(&w.loop, a.sum.known, 12000);
    gateway_close(&a, &w);
    world_close(&w);
}

static void who_sends_pages(void **state)
{
    struct world w;
    struct gateway a = {.pages = true};
    struct gateway b = {0};
    bool known;

    (void)state;
    NEEDS_SERVER();
    (void)sql("DELETE FROM gateways");
    world_open(&w, 3, 64);
    gateway_open(&a, &w, "host a");
    assert_false(fleet_pages(a.fleet, &known));
    assert_false(known);
    gateway_open(&b, &w, "host b");
    hear(&a, &w, 3);
    hear(&b, &w, 3);
    assert_false(fleet_pages(a.fleet, &known)); /* it does so itself */
    assert_true(known);
    assert_true(fleet_pages(b.fleet, &known));
    a.pages = false;
    hear(&a, &w, 3);
    hear(&b, &w, 3);
    assert_false(fleet_pages(b.fleet, &known));
    assert_true(known);
    gateway_close(&a, &w);
    gateway_close(&b, &w);
    world_close(&w);
}

static void the_only_one_and_one_that_died(void **state)
{
    struct world w;
    struct gateway a = {0};
    struct gateway b = {0};
    bool known;

    (void)state;
    NEEDS_SERVER();
    (void)sql("DELETE FROM gateways");
    world_open(&w, 3, 64);
    gateway_open(&a, &w, "host a");
    (void)fleet_others(a.fleet, &known);
    assert_false(known);
    hear(&a, &w, 3);
    assert_int_equal(fleet_others(a.fleet, &known), 0);
    assert_true(known);
    gateway_open(&b, &w, "host b");
    hear(&b, &w, 3);
    hear(&a, &w, 3);
    assert_int_equal(fleet_others(a.fleet, &known), 1);
    assert_int_equal(a.died + b.died, 0);
    gateway_close(&b, &w); /* in order */
    hear(&a, &w, 3);
    assert_int_equal(fleet_others(a.fleet, &known), 0);
    gateway_open(&b, &w, "host b");
    hear(&b, &w, 3);
    assert_int_equal(b.died, 0);
    gateway_close(&b, &w);
    (void)sql(
        "INSERT INTO gateways VALUES ('host b', repeat('0', 26), clock_timestamp(), true, true, 4, "
        "0, 0)"); /* as one leaves it that was killed */
    gateway_open(&b, &w, "host b");
    hear(&b, &w, 3);
    assert_int_equal(b.died, 1);
    assert_int_equal(a.died, 0);
    gateway_close(&a, &w);
    gateway_close(&b, &w);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_of_all),
        cmocka_unit_test(one_that_is_silent_makes_all_unknown),
        cmocka_unit_test(without_postgresql_nothing_is_known),
        cmocka_unit_test(who_sends_pages),
        cmocka_unit_test(the_only_one_and_one_that_died),
    };
    int failed = cmocka_run_group_tests(tests, start, server_end);

    metrics_fini();
    return failed;
}
