/* The queue of pages: a receiver that is away, senders beside each other, a process that dies, dead
 * letters, and what is not to be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/paging/paging_fixture.h"

static void receiver_down_for_an_hour(void **state)
{
    static const char *const incidents[] = {"INC-1", "INC-2", "INC-3"};
    static const enum page_kind kinds[] = {PAGE_TRIGGER, PAGE_ESCALATE, PAGE_ESCALATE,
                                           PAGE_ACKNOWLEDGE, PAGE_RESOLVE};
    struct world w;
    struct sender s = {0};
    unsigned tries = 0;

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 3, 64);
    sender_open(&s, &w, "");
    status = 503;
    for (unsigned step = 0; step < 360; step++) { /* ten seconds each */
        if (step % 24 == 0) {
            unsigned n = step / 24;

            enter(&w, incidents[n % 3], kinds[n / 3]);
        }
        fake_ns += 10 * S;
        settle_down(&w, &s, 1);
    }
    assert_int_equal(got_count, 0);
    assert_int_equal(s.queue, 15);
    tries = (unsigned)atoi(sql("SELECT max(tries) FROM pages"));
    assert_in_range(tries, 20, 300); /* it did try, and did not hammer */
    assert_true(metrics_get(s.p->metrics, PAGING_M_OLDEST, 0) >= 3590);
    status = 200;
    for (unsigned step = 0; s.queue > 0 && step < 30; step++) {
        fake_ns += 10 * S;
        settle_down(&w, &s, 1);
    }
    assert_int_equal(got_count, 15); /* nothing lost, nothing twice */
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(heard(incidents[i]), "trigger escalate escalate acknowledge resolve");
    }
    assert_int_equal(s.queue, 0);
    assert_int_equal(s.dead, 0);
    sender_close(&s, &w);
    world_close(&w);
}

static void two_senders_one_queue(void **state)
{
    struct world w;
    struct sender s[2] = {{.number = 0}, {.number = 1}};
    unsigned of[2] = {0};
    char incident[32];

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 4, 128);
    sender_open(&s[0], &w, "");
    sender_open(&s[1], &w, "");
    for (unsigned n = 0; n < 200; n++) {
        (void)snprintf(incident, sizeof incident, "INC-%u", n % 20);
        enter(&w, incident, n < 20 ? PAGE_TRIGGER : n < 180 ? PAGE_ESCALATE : PAGE_RESOLVE);
        fake_ns += S / 100;
        paging_wake(s[n % 2].p);
        (void)uv_run(&w.loop, UV_RUN_NOWAIT);
        if (n % 3 == 0) {
            (void)answer();
        }
    }
    settle_down(&w, s, 2);
    assert_int_equal(got_count, 200);
    assert_true(one_by_one);
    for (unsigned i = 0; i < got_count; i++) {
        of[got[i].sender]++;
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(got[i].page, got[k].page);
        }
    }
    for (unsigned n = 0; n < 20; n++) {
        (void)snprintf(incident, sizeof incident, "INC-%u", n);
        assert_string_equal(heard(incident), "trigger escalate escalate escalate escalate escalate"
                                             " escalate escalate escalate resolve");
    }
    print_message("sent by the one and the other: %u %u\n", of[0], of[1]);
    assert_true(of[0] > 20 && of[1] > 20);
    assert_string_equal(sql("SELECT count(*) FROM pages WHERE tries <> 1"), "0");
    sender_close(&s[0], &w);
    sender_close(&s[1], &w);
    world_close(&w);
}

static void killed_between_claim_and_answer(void **state)
{
    struct world w;
    struct sender s[2] = {{.number = 0}, {.number = 1}};

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 3, 64);
    sender_open(&s[0], &w, "");
    hold = true;
    enter(&w, "INC-1", PAGE_TRIGGER);
    enter(&w, "INC-1", PAGE_RESOLVE);
    settle_down(&w, s, 1);
    assert_string_equal(heard("INC-1"), "trigger"); /* it came, its answer did not */
    sender_close(&s[0], &w);
    hold = false;
    sender_open(&s[1], &w, "");
    fake_ns += 29 * S;
    settle_down(&w, s, 2);
    assert_int_equal(got_count, 1); /* its lease has not passed: it may be under way */
    fake_ns += 2 * S;
    settle_down(&w, s, 2);
    assert_string_equal(heard("INC-1"), "trigger trigger resolve");
    assert_string_equal(got[0].page, got[1].page); /* by which a receiver knows it again */
    sender_close(&s[1], &w);
    world_close(&w);
}

static void one_incident_does_not_wait_for_another(void **state)
{
    struct world w;
    struct sender s = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 3, 64);
    sender_open(&s, &w, "");
    status = 500;
    enter(&w, "INC-1", PAGE_TRIGGER);
    settle_down(&w, &s, 1);
    assert_string_equal(sql("SELECT last_error FROM pages"), "answered 500: no");
    (void)sql("UPDATE pages SET next_at = next_at + interval '60 s'");
    status = 200;
    enter(&w, "INC-1", PAGE_ACKNOWLEDGE);
    enter(&w, "INC-2", PAGE_TRIGGER);
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "");
    assert_string_equal(heard("INC-2"), "trigger");
    fake_ns += 70 * S;
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "trigger acknowledge");
    sender_close(&s, &w);
    world_close(&w);
}

struct said {
    unsigned calls;
    enum paging_said said;
    int64_t id;
    char detail[300];
    char json[4000];
};

static void on_said(void *arg, enum paging_said what, int64_t id, const char *detail)
{
    struct said *s = arg;

    s->calls++;
    s->said = what;
    s->id = id;
    (void)snprintf(s->detail, sizeof s->detail, "%s", detail);
}

static void on_view(void *arg, const char *json, size_t len)
{
    struct said *s = arg;

    s->calls++;
    (void)snprintf(s->json, sizeof s->json, "%.*s", (int)len, json);
}

static json_t *view(struct world *w, struct sender *s)
{
    struct said said = {0};
    json_t *root;

    paging_view(s->p, on_view, &said);
    assert_int_equal(said.calls, 0);
    UNTIL(&w->loop, said.calls == 1, 5000);
    root = json_parse_strict(said.json, strlen(said.json), 8);
    assert_non_null(root);
    return root;
}

static void dead_letters_and_retry(void **state)
{
    struct world w;
    struct sender s = {0};
    struct said said = {0};
    json_t *root;
    json_t *dead;

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 3, 64);
    sender_open(&s, &w, "");
    status = 503;
    enter(&w, "INC-1", PAGE_TRIGGER);
    for (unsigned hour = 0; hour < 24; hour++) {
        assert_int_equal(s.dead, 0);
        settle_down(&w, &s, 1);
        fake_ns += 3600 * S;
    }
    settle_down(&w, &s, 1);
    assert_int_equal(s.dead, 1);
    assert_int_equal(s.queue, 0);
    root = view(&w, &s);
    dead = json_array_get(json_object_get(root, "dead"), 0);
    assert_string_equal(json_string_value(json_object_get(dead, "incident")), "INC-1");
    assert_string_equal(json_string_value(json_object_get(dead, "last_error")), "answered 503: no");
    assert_string_equal(json_string_value(json_object_get(root, "receiver")), "receiver.test");
    status = 200;
    paging_retry(s.p, json_integer_value(json_object_get(dead, "id")) + 1, on_said, &said);
    UNTIL(&w.loop, said.calls == 1, 5000);
    assert_int_equal(said.said, PAGING_UNKNOWN);
    paging_retry(s.p, json_integer_value(json_object_get(dead, "id")), on_said, &said);
    UNTIL(&w.loop, said.calls == 2, 5000);
    assert_int_equal(said.said, PAGING_QUEUED);
    json_decref(root);
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "trigger");
    assert_int_equal(s.dead, 0);
    sender_close(&s, &w);
    world_close(&w);
}

static void what_is_read_and_refused_dies_early(void **state)
{
    struct world w;
    struct sender s = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 3, 64);
    sender_open(&s, &w, "");
    status = 400;
    enter(&w, "INC-1", PAGE_TRIGGER);
    for (unsigned i = 0; i < 8; i++) {
        fake_ns += 60 * S;
        settle_down(&w, &s, 1);
    }
    assert_string_equal(sql("SELECT tries FROM pages WHERE dead_at IS NOT NULL"), "5");
    status = 200;
    enter(&w, "INC-1", PAGE_ESCALATE); /* a dead letter does not block what follows */
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "escalate");
    sender_close(&s, &w);
    world_close(&w);
}

/* It was heard now. */
static void other_gateway(bool sends)
{
    char text[300];

    (void)snprintf(text, sizeof text,
                   "DELETE FROM gateways; INSERT INTO gateways VALUES ('other', repeat('0', 26),"
                   " to_timestamp(%lld), %s, true, 0, 0, 0)",
                   (long long)(fake_ns / S), sends ? "true" : "false");
    (void)sql(text);
}

static void only_what_is_severe_enough(void **state)
{
    struct world w;
    struct sender s = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 3, 64);
    sender_open(&s, &w, "");
    enter_as(&w, "INC-1", PAGE_TRIGGER, SEV3);
    enter_as(&w, "INC-1", PAGE_RESOLVE, SEV3); /* nothing of it went out: nor does this */
    enter_as(&w, "INC-2", PAGE_TRIGGER, SEV2);
    settle_down(&w, &s, 1);
    enter_as(&w, "INC-2", PAGE_RESOLVE,
             SEV4); /* lowered meanwhile: the receiver must hear the end */
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-1"), "");
    assert_string_equal(heard("INC-2"), "trigger resolve");
    assert_string_equal(sql("SELECT count(*) FROM pages WHERE skipped_at IS NOT NULL"), "2");
    s.config.min_severity = "warning";
    enter_as(&w, "INC-3", PAGE_TRIGGER, SEV3);
    enter_as(&w, "INC-4", PAGE_TRIGGER, SEV4);
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-3"), "trigger");
    assert_string_equal(heard("INC-4"), "");
    s.config.enabled = false;
    other_gateway(true); /* which sends them */
    enter(&w, "INC-5", PAGE_TRIGGER);
    settle_down(&w, &s, 1);
    assert_int_equal(s.queue, 1);
    fake_ns += 601 * S;
    settle_down(&w, &s, 1);
    settle_down(&w, &s, 1);
    assert_int_equal(s.queue, 0);
    assert_string_equal(heard("INC-5"), "");
    sender_close(&s, &w);
    world_close(&w);
}

static void what_waits_is_suppressed_when_paging_goes_off(void **state)
{
    struct world w;
    struct sender s = {0};
    struct page p;

    (void)state;
    NEEDS_SERVER();
    empty();
    (void)sql("DELETE FROM gateways");
    world_open(&w, 3, 64);
    sender_open(&s, &w, "");
    status = 503;
    enter(&w, "INC-1", PAGE_TRIGGER);
    enter(&w, "INC-1", PAGE_ESCALATE);
    settle_down(&w, &s, 1);
    assert_int_equal(s.queue, 2);
    s.config.enabled = false; /* what waits for its turn, and what waits behind it */
    other_gateway(false);
    settle_down(&w, &s, 1);
    settle_down(&w, &s, 1);
    assert_int_equal(s.queue, 0);
    assert_int_equal(metrics_get(s.p->metrics, PAGING_M_SUPPRESSED, 0), 2);
    assert_string_equal(
        sql("SELECT string_agg(last_error, ' | ' ORDER BY id) FROM pages WHERE suppressed"
            " AND NOT in_timeline"),
        "paging is off (slo_paging.enabled); the last try: answered 503: no | paging is"
        " off (slo_paging.enabled)");
    enter(&w, "INC-2", PAGE_TRIGGER); /* nothing waits, not even at first */
    settle_down(&w, &s, 1);
    settle_down(&w, &s, 1);
    assert_int_equal(s.queue, 0);
    paging_others(s.p, true, false); /* and once that is known, it is written so */
    page_make(&p, "INC-3", PAGE_TRIGGER, SEV1);
    p.suppressed = paging_off(s.p);
    assert_non_null(p.suppressed);
    enter_page(&w, &p);
    assert_string_equal(
        sql("SELECT count(*) FROM pages WHERE suppressed AND in_timeline AND skipped_at"
            " IS NOT NULL"),
        "1");
    paging_others(s.p, true, true); /* another sends: that is not for us to say */
    assert_null(paging_off(s.p));
    paging_others(s.p, false, false);
    assert_null(paging_off(s.p));
    s.config.enabled = true;
    status = 200;
    fake_ns += 600 * S;
    settle_down(&w, &s, 1);
    assert_int_equal(got_count, 0); /* nobody is woken by what is long over */
    enter(&w, "INC-4", PAGE_TRIGGER);
    settle_down(&w, &s, 1);
    assert_string_equal(heard("INC-4"), "trigger");
    sender_close(&s, &w);
    world_close(&w);
}

static void a_test_is_told_what_became_of_it(void **state)
{
    struct world w;
    struct sender s = {0};
    struct said said = {0};

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 3, 64);
    sender_open(&s, &w, "");
    paging_test(s.p, "user:ana", on_said, &said);
    assert_int_equal(said.calls, 0);
    settle_down(&w, &s, 1);
    assert_int_equal(said.calls, 1);
    assert_int_equal(said.said, PAGING_DELIVERED);
    assert_string_equal(got[0].event, "test");
    status = 302;
    paging_test(s.p, "user:ana", on_said, &said);
    settle_down(&w, &s, 1);
    assert_int_equal(said.calls, 2);
    assert_int_equal(said.said, PAGING_REFUSED);
    assert_non_null(strstr(said.detail, "redirects are not followed"));
    assert_int_equal(s.queue, 0); /* tried once */
    assert_int_equal(s.dead, 0);
    sender_close(&s, &w);
    world_close(&w);
}

static void what_is_written_stays(void **state)
{
    struct world w;

    (void)state;
    NEEDS_SERVER();
    empty();
    world_open(&w, 2, 64);
    enter(&w, "INC-1", PAGE_TRIGGER);
    assert_string_equal(ask(server_dsn, "UPDATE pages SET title = 'x'"), "!23001");
    (void)sql("UPDATE pages SET delivered_at = now()");
    assert_string_equal(ask(server_dsn, "UPDATE pages SET delivered_at = NULL"), "!23001");
    assert_string_equal(ask(server_dsn, "UPDATE pages SET dead_at = now()"), "!23514");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receiver_down_for_an_hour),
        cmocka_unit_test(two_senders_one_queue),
        cmocka_unit_test(killed_between_claim_and_answer),
        cmocka_unit_test(one_incident_does_not_wait_for_another),
        cmocka_unit_test(dead_letters_and_retry),
        cmocka_unit_test(what_is_read_and_refused_dies_early),
        cmocka_unit_test(only_what_is_severe_enough),
        cmocka_unit_test(what_waits_is_suppressed_when_paging_goes_off),
        cmocka_unit_test(a_test_is_told_what_became_of_it),
        cmocka_unit_test(what_is_written_stays),
    };

    return cmocka_run_group_tests(tests, paging_start, server_end);
}
