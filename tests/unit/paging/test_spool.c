/* Pages while PostgreSQL is away: kept on disk, sent from there in order, entered when it is back, also
 * by another process; nothing lost, nothing sent again that is known to be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/paging/paging_fixture.h"

#define NOWHERE "host=/nonexistent dbname=none connect_timeout=1"

static char folder[32];

/* A pool that never comes up. */
static void world_away(struct world *w)
{
    world_dial(w, NOWHERE, 1, 8);
}

static void spool(struct sender *s, const char *incident, enum page_kind kind)
{
    struct page p;

    page_make(&p, incident, kind, SEV1);
    assert_true(paging_spool(s->p, &p));
    fake_ns += S;
}

/* All that was accepted is on the disk. */
static void kept(struct world *w, struct sender *s, unsigned count)
{
    UNTIL(&w->loop, journal_count(s->p->journal) >= count, 5000);
}

static void sent_from_disk_and_entered(void **state)
{
    static const char delivered[] =
        "SELECT string_agg(incident || ' ' || kind, ', ' ORDER BY id) FROM pages"
        " WHERE delivered_at IS NOT NULL";
    struct world w;
    struct sender s = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    folder_make(folder);
    world_away(&w);
    sender_open(&s, &w, folder);
    spool(&s, "INC-1", PAGE_TRIGGER);
    spool(&s, "INC-2", PAGE_TRIGGER);
    spool(&s, "INC-1", PAGE_RESOLVE);
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "trigger resolve");
    assert_string_equal(heard("INC-2"), "trigger");
    kept(&w, &s, 6); /* and that they were sent */
    sender_close(&s, &w);
    world_close(&w);

    world_open(&w, 2, 64); /* another process, and PostgreSQL is back */
    sender_open(&s, &w, folder);
    settle_down(&w, &s, 1);
    assert_int_equal(got_count, 3);
    assert_string_equal(sql(delivered), "INC-1 trigger, INC-2 trigger, INC-1 resolve");
    UNTIL(&w.loop, journal_count(s.p->journal) == 0, 5000);
    assert_int_equal(spool_count(s.p), 0);
    sender_close(&s, &w);
    world_close(&w);
    folder_remove(folder);
}

/* Paging is off here and nobody can be asked: what is spooled now is not sent by a later process. */
static void suppressed_while_paging_is_off(void **state)
{
    struct world w;
    struct sender s = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    folder_make(folder);
    world_away(&w);
    sender_open(&s, &w, folder);
    s.config.enabled = false;
    spool(&s, "INC-1", PAGE_TRIGGER);
    settle_down(&w, &s, 1);
    assert_int_equal(metrics_get(s.p->metrics, PAGING_M_SUPPRESSED, 0), 1);
    kept(&w, &s, 2); /* and that it is not to be sent */
    sender_close(&s, &w);
    sender_open(&s, &w, folder); /* on again, and PostgreSQL is still away */
    settle_down(&w, &s, 1);
    assert_int_equal(got_count, 0);
    sender_close(&s, &w);
    world_close(&w);

    world_open(&w, 2, 64);
    sender_open(&s, &w, folder);
    settle_down(&w, &s, 1);
    assert_int_equal(got_count, 0);
    assert_string_equal(
        sql("SELECT string_agg(incident || ': ' || last_error, ', ') FROM pages WHERE"
            " suppressed AND skipped_at IS NOT NULL AND delivered_at IS NULL"),
        "INC-1: paging is off (slo_paging.enabled)");
    UNTIL(&w.loop, journal_count(s.p->journal) == 0, 5000);
    sender_close(&s, &w);
    world_close(&w);
    folder_remove(folder);
}

static void killed_while_it_waits(void **state)
{
    struct world w;
    struct sender s = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    folder_make(folder);
    world_away(&w);
    sender_open(&s, &w, folder);
    status = 503;
    spool(&s, "INC-1", PAGE_TRIGGER);
    spool(&s, "INC-1", PAGE_ESCALATE);
    settle_down(&w, &s, 1);
    kept(&w, &s, 2);
    assert_int_equal(s.queue, 2);
    sender_close(&s, &w);

    sender_open(&s, &w, folder); /* PostgreSQL is still away */
    fake_ns += 60 * S;
    status = 200;
    hold = true;
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "trigger"); /* the second waits for the first's answer */
    sender_close(&s, &w);
    world_close(&w);

    hold = false;
    world_open(&w, 2, 64);
    sender_open(&s, &w, folder);
    enter(&w, "INC-1", PAGE_RESOLVE); /* by the engine, as soon as PostgreSQL is back */
    settle_down(&w, &s, 1);
    assert_string_equal(sql("SELECT count(*) FROM pages WHERE delivered_at IS NOT NULL"), "3");
    /* the first may have been taken: its answer is not known, so it comes again, under one name */
    assert_int_equal(got_count, 4);
    assert_string_equal(got[0].page, got[1].page);
    sender_close(&s, &w);
    world_close(&w);
    folder_remove(folder);
}

static void an_hour_without_anything(void **state)
{
    static const enum page_kind kinds[] = {PAGE_TRIGGER, PAGE_ESCALATE, PAGE_ACKNOWLEDGE,
                                           PAGE_RESOLVE};
    struct world w;
    struct sender s = {0};
    char incident[32];

    (void)state;
    NEEDS_SERVER();
    empty();
    folder_make(folder);
    world_away(&w);
    sender_open(&s, &w, folder);
    status = 0; /* no answer at all */
    for (unsigned step = 0; step < 360; step++) {
        if (step % 9 == 0) {
            (void)snprintf(incident, sizeof incident, "INC-%u", step / 9 % 10);
            spool(&s, incident, kinds[step / 90]);
        }
        fake_ns += 10 * S;
        settle_down(&w, &s, 1);
    }
    assert_int_equal(got_count, 0);
    assert_int_equal(s.queue, 40);
    status = 200;
    for (unsigned step = 0; s.queue > 0 && step < 60; step++) {
        fake_ns += 10 * S;
        settle_down(&w, &s, 1);
    }
    assert_int_equal(got_count, 40);
    assert_true(one_by_one);
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(incident, sizeof incident, "INC-%u", i);
        assert_string_equal(heard(incident), "trigger escalate acknowledge resolve");
    }
    sender_close(&s, &w);
    world_close(&w);

    world_open(&w, 2, 64);
    sender_open(&s, &w, folder);
    settle_down(&w, &s, 1);
    settle_down(&w, &s, 1);
    assert_int_equal(got_count, 40);
    assert_string_equal(sql("SELECT count(*) FROM pages WHERE delivered_at IS NOT NULL"), "40");
    sender_close(&s, &w);
    world_close(&w);
    folder_remove(folder);
}

/* A page whose entering was not answered is entered once. */
static void entered_once(void **state)
{
    struct world w;
    struct sender s = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    folder_make(folder);
    world_away(&w);
    sender_open(&s, &w, folder);
    status = 503;
    spool(&s, "INC-1", PAGE_TRIGGER);
    settle_down(&w, &s, 1);
    kept(&w, &s, 1);
    {
        struct buf text = {0};

        buf_printf(&text,
                   "INSERT INTO pages (uid, kind, incident, severity, level, list, title, summary,"
                   " symbol, component, class, playbook, at) VALUES ('%s', 'trigger', 'INC-1',"
                   " 'SEV1', 1, 'oncall', 'a title', '', '', '', '', '', to_timestamp(1))",
                   s.p->rows->uid);
        (void)sql(buf_cstr(&text));
        buf_fini(&text);
    }
    sender_close(&s, &w);
    world_close(&w);
    status = 200;
    world_open(&w, 2, 64);
    sender_open(&s, &w, folder);
    fake_ns += 10 * S;
    (void)sql("UPDATE pages SET next_at = '-infinity'");
    settle_down(&w, &s, 1);
    settle_down(&w, &s, 1);
    assert_string_equal(sql("SELECT count(*) FROM pages"), "1");
    assert_int_equal(spool_count(s.p), 0);
    sender_close(&s, &w);
    world_close(&w);
    folder_remove(folder);
}

static void without_a_folder_it_is_sent_all_the_same(void **state)
{
    struct world w;
    struct sender s = {0};
    struct page p;

    (void)state;
    NEEDS_SERVER();
    empty();
    world_away(&w);
    sender_open(&s, &w, "");
    page_make(&p, "INC-1", PAGE_TRIGGER, SEV1);
    assert_false(paging_spool(s.p, &p));
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "trigger");
    assert_int_equal(metrics_get(s.p->metrics, PAGING_M_MEMORY, 0), 1);
    sender_close(&s, &w);
    world_close(&w);
}

/* What page_print() writes is read back; what it did not write is not. */
static void a_line_of_the_spool(void **state)
{
    static const char long_name[] =
        "{\"level\":1,\"at_ns\":1,\"kind\":\"test\",\"severity\":\"SEV1\","
        "\"incident\":\"12345678901234567890123456789012\"}";
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"kind\":\"trigger\"}",
        "{\"level\":4,\"at_ns\":1,\"kind\":\"trigger\",\"incident\":\"I\",\"severity\":\"SEV1\"}",
        "{\"level\":1,\"at_ns\":1,\"kind\":\"sing\",\"incident\":\"I\",\"severity\":\"SEV1\"}",
        long_name};
    struct buf text = {0};
    struct page_row *r;
    struct page p;

    (void)state;
    page_make(&p, "INC-1", PAGE_ESCALATE, SEV2);
    p.summary = "quotes \" and \\ and \x01 and \xc3\xa4";
    p.component = NULL;
    page_print(&p, &text);
    r = page_parse(NULL, text.data, text.len);
    assert_non_null(r);
    assert_int_equal(r->page.kind, PAGE_ESCALATE);
    assert_int_equal(r->page.severity, SEV2);
    assert_int_equal(r->page.at_ns, p.at_ns);
    assert_string_equal(r->page.summary, p.summary);
    assert_string_equal(r->page.component, "");
    assert_string_equal(r->page.symbol, "BTC/USD");
    page_row_destroy(&r);
    for (unsigned i = 0; i < GW_LEN(wrong); i++) {
        assert_null(page_parse(NULL, wrong[i], strlen(wrong[i])));
    }
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sent_from_disk_and_entered),
        cmocka_unit_test(suppressed_while_paging_is_off),
        cmocka_unit_test(killed_while_it_waits),
        cmocka_unit_test(an_hour_without_anything),
        cmocka_unit_test(entered_once),
        cmocka_unit_test(without_a_folder_it_is_sent_all_the_same),
        cmocka_unit_test(a_line_of_the_spool),
    };

    return cmocka_run_group_tests(tests, paging_start, server_end);
}
