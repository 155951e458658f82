/* links: gw_auth_people gw_auth gw_store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/people/people_fixture.h"

#define MINUTES (60 * S)

/* The timer looks at the clock. */
static void no_listen(struct people_options *opt)
{
    opt->dsn = NULL;
    opt->poll_ms = 200;
}

static void quick(struct people_options *opt)
{
    opt->poll_ms = 50;
}

static void idle_ends(void **state)
{
    struct gate g;
    const struct people_session *s;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open_with(&g, quick);
    log_in(&g, "ana", token);
    for (unsigned i = 0; i < 4; i++) { /* somebody is there */
        fake_now_ns += 14 * MINUTES;
        assert_int_equal(people_find(g.p, token, strlen(token), true, &s), PEOPLE_OK);
    }
    fake_now_ns += 14 * MINUTES;
    assert_int_equal(find(&g, token), PEOPLE_OK); /* a page that asks by itself */
    fake_now_ns += 1 * MINUTES - 1;
    assert_int_equal(find(&g, token), PEOPLE_OK);
    fake_now_ns += 1;
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    UNTIL(&g.w.loop, g.ended_count == 1, 5000);
    assert_string_equal(g.ended[0], g.said.session);
    gate_run(&g, 300);
    assert_int_equal(g.ended_count, 1); /* once */
    gate_close(&g);
}

static void eight_hours_end(void **state)
{
    struct gate g;
    const struct people_session *s;
    char token[SESSION_TOKEN_SIZE];
    char renewed[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open_with(&g, quick);
    log_in(&g, "ana", token);
    for (unsigned i = 0; i < 47; i++) {
        fake_now_ns += 10 * MINUTES;
        assert_int_equal(people_find(g.p, token, strlen(token), true, &s), PEOPLE_OK);
        if (i == 40) { /* a renewal does not make it longer */
            CALL(&g, PEOPLE_OK, people_renew(g.p, token, code_at(0), TO_SAID(&g)));
            copy(renewed, sizeof renewed, g.said.token);
            assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
            copy(token, sizeof token, renewed);
        }
    }
    fake_now_ns += 10 * MINUTES - 1;
    assert_int_equal(find(&g, token), PEOPLE_OK);
    fake_now_ns += 1;
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    UNTIL(&g.w.loop, g.ended_count == 1, 5000);
    gate_close(&g);
}

/* In the database too, and never longer than that. */
static void the_database_forgets_them_too(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open_with(&g, quick);
    log_in(&g, "ana", token);
    fake_now_ns += 16 * MINUTES;
    g.p->swept_ns = 0; /* now is ten seconds later */
    gate_run(&g, 300);
    assert_string_equal(sql("SELECT end_reason FROM user_sessions"), "idle");
    assert_string_equal(ask(server_dsn, "UPDATE user_sessions SET ended_at = NULL,"
                                        " end_reason = NULL"),
                        "!23001");
    gate_close(&g);
}

static void a_kill_is_heard_elsewhere(void **state)
{
    static void (*const ways[])(struct people_options *) = {NULL, no_listen}; /* NOTIFY, poll */
    struct gate a;
    struct gate b;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    for (unsigned i = 0; i < GW_LEN(ways); i++) {
        int64_t from_ns;

        clean();
        put_user("ana", true, "operator");
        gate_open(&a);
        gate_open_with(&b, ways[i]);
        log_in(&a, "ana", token);
        UNTIL(&b.w.loop, find(&b, token) == PEOPLE_OK, 5000);
        from_ns = clock_mono_ns();
        CALL(&a, PEOPLE_OK,
             people_kill(a.p, &by_root, sql("SELECT id FROM user_sessions"), NULL, TO_SAID(&a)));
        assert_int_equal(find(&a, token), PEOPLE_NO_SESSION); /* here before the answer */
        assert_int_equal(a.ended_count, 1);
        UNTIL(&b.w.loop, b.ended_count == 1, 5000);
        assert_int_equal(find(&b, token), PEOPLE_NO_SESSION);
        print_message("%s: killed elsewhere within %.0f ms\n", i == 0 ? "NOTIFY" : "poll",
                      (double)(clock_mono_ns() - from_ns) / 1e6);
        assert_string_equal(sql("SELECT end_reason FROM user_sessions"), "killed");
        CALL(&a, PEOPLE_NOT_FOUND,
             people_kill(a.p, &by_root, sql("SELECT id FROM user_sessions"), NULL, TO_SAID(&a)));
        CALL(&a, PEOPLE_NOT_FOUND, people_kill(a.p, &by_root, NULL, "ana", TO_SAID(&a)));
        assert_string_equal(sql("SELECT before LIKE '%%s_%%ana%%' FROM test_audit"
                                " WHERE action = 'session.kill'"),
                            "t");
        gate_close(&a);
        gate_close(&b);
    }
}

/* Who is seen at one gateway is not idle at another. */
static void being_seen_is_heard_elsewhere(void **state)
{
    struct gate a;
    struct gate b;
    const struct people_session *s;
    char token[SESSION_TOKEN_SIZE];
    int64_t end_ns;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open_with(&a, quick);
    gate_open_with(&b, quick);
    log_in(&a, "ana", token);
    UNTIL(&b.w.loop, find(&b, token) == PEOPLE_OK, 5000);
    fake_now_ns += 10 * MINUTES;
    assert_int_equal(people_find(a.p, token, strlen(token), true, &s), PEOPLE_OK);
    a.p->swept_ns = 0;
    end_ns = clock_mono_ns() + 2 * S;
    while (clock_mono_ns() < end_ns) {
        (void)uv_run(&a.w.loop, UV_RUN_NOWAIT);
        (void)uv_run(&b.w.loop, UV_RUN_NOWAIT);
    }
    fake_now_ns += 10 * MINUTES;
    assert_int_equal(find(&a, token), PEOPLE_OK);
    assert_int_equal(find(&b, token), PEOPLE_OK);
    fake_now_ns += 5 * MINUTES;
    assert_int_equal(find(&b, token), PEOPLE_NO_SESSION);
    gate_close(&a);
    gate_close(&b);
}

static void logging_out(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    log_in(&g, "ana", token);
    CALL(&g, PEOPLE_OK, people_logout(g.p, token, TO_SAID(&g)));
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    CALL(&g, PEOPLE_NO_SESSION, people_logout(g.p, token, TO_SAID(&g)));
    CALL(&g, PEOPLE_NO_SESSION, people_renew(g.p, token, "123456", TO_SAID(&g)));
    assert_string_equal(sql("SELECT end_reason FROM user_sessions"), "logout");
    assert_string_equal(sql("SELECT string_agg(action, ' ' ORDER BY id) FROM test_audit"),
                        "session.open session.close");
    gate_close(&g);
}

static void ten_sessions_at_most(void **state)
{
    struct gate g;
    char tokens[12][SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    for (unsigned i = 0; i < 12; i++) {
        log_in(&g, "ana", tokens[i]);
        fake_now_ns += 30 * S;
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(find(&g, tokens[i]), i < 2 ? PEOPLE_NO_SESSION : PEOPLE_OK);
    }
    assert_int_equal(people_session_count(g.p), 10);
    CALL(&g, PEOPLE_OK, people_sessions(g.p, "ana", TO_SAID(&g)));
    assert_non_null(strstr(g.said.json, "\"ip\" : \"192.0.2.7\""));
    assert_null(strstr(g.said.json, "token"));
    CALL(&g, PEOPLE_OK, people_sessions(g.p, "bob", TO_SAID(&g)));
    assert_string_equal(g.said.json, "{\"sessions\" : []}");
    gate_close(&g);
}

/* Five minutes for what needs a fresh second factor; never for tightening. */
static void a_fresh_factor(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];
    char old[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "operator");
    gate_open(&g);
    log_in(&g, "ana", token);
    fake_now_ns += 5 * MINUTES;
    assert_int_equal(may(&g, token, PERM_CONTROL_LOOSEN), PEOPLE_OK);
    fake_now_ns += 1;
    assert_int_equal(may(&g, token, PERM_CONTROL_LOOSEN), PEOPLE_FACTOR);
    assert_int_equal(may(&g, token, PERM_CONTROL_TIGHTEN), PEOPLE_OK);
    assert_int_equal(may(&g, token, PERM_FANOUT_SET), PEOPLE_OK);
    CALL(&g, PEOPLE_REFUSED, people_renew(g.p, token, "000000", TO_SAID(&g)));
    assert_int_equal(find(&g, token), PEOPLE_OK); /* a wrong code does not log out */
    CALL(&g, PEOPLE_OK, people_renew(g.p, token, code_at(0), TO_SAID(&g)));
    copy(old, sizeof old, token);
    copy(token, sizeof token, g.said.token);
    assert_int_equal(find(&g, old), PEOPLE_NO_SESSION);
    assert_int_equal(may(&g, token, PERM_CONTROL_LOOSEN), PEOPLE_OK);
    assert_string_equal(sql("SELECT count(*) FROM user_sessions"), "1"); /* the same session */
    CALL(&g, PEOPLE_REFUSED, people_renew(g.p, token, code_at(0), TO_SAID(&g))); /* used */
    assert_int_equal(g.ended_count, 0);
    gate_close(&g);
}

/* --- without PostgreSQL ------------------------------------------------------------------------ */

static void tightening_goes_on_without_postgresql(void **state)
{
    struct gate g;
    const struct people_session *s;
    struct people_login l;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "operator");
    gate_open_with(&g, quick);
    log_in(&g, "ana", token);
    assert_true(people_fresh(g.p, clock_mono_ns()));
    server_sh("pg_stop \"$1\"");
    UNTIL(&g.w.loop, !people_fresh(g.p, clock_mono_ns()), 6000);
    assert_int_equal(people_find(g.p, token, strlen(token), true, &s), PEOPLE_OK);
    assert_int_equal(people_may(g.p, s, PERM_CONTROL_TIGHTEN), PEOPLE_OK);
    assert_int_equal(people_may(g.p, s, PERM_CONNECTIONS_KICK), PEOPLE_OK);
    assert_int_equal(people_may(g.p, s, PERM_CONTROL_READ), PEOPLE_OK);
    assert_int_equal(people_may(g.p, s, PERM_CONTROL_LOOSEN), PEOPLE_STALE);
    assert_int_equal(people_may(g.p, s, PERM_KEYS_REVOKE), PEOPLE_STALE);
    assert_int_equal(people_may(g.p, s, PERM_CONTROL_APPROVE), PEOPLE_FORBIDDEN);
    /* all else fails closed */
    l = as("ana", PASSWORD, code_at(1));
    CALL(&g, PEOPLE_UNAVAILABLE, people_login(g.p, &l, TO_SAID(&g)));
    CALL(&g, PEOPLE_UNAVAILABLE, people_renew(g.p, token, code_at(1), TO_SAID(&g)));
    CALL(&g, PEOPLE_UNAVAILABLE, people_kill(g.p, &by_root, NULL, "ana", TO_SAID(&g)));
    CALL(&g, PEOPLE_UNAVAILABLE, people_logout(g.p, token, TO_SAID(&g)));
    CALL(&g, PEOPLE_UNAVAILABLE, people_users(g.p, TO_SAID(&g)));
    for (unsigned i = 0; i < PASSWORD_PLACES + 2; i++) { /* no place is lost by it */
        CALL(&g, PEOPLE_UNAVAILABLE, people_login(g.p, &l, TO_SAID(&g)));
    }
    /* and the session ends when it is to, database or not */
    fake_now_ns += 15 * MINUTES;
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    server_sh("pg_start \"$1\"");
    UNTIL(&g.w.loop, people_fresh(g.p, clock_mono_ns()), 8000);
    l = as("ana", PASSWORD, code_at(0));
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    gate_close(&g);
}

/* It stands still instead of being away: nothing waits for it for long. */
static void a_silent_postgresql(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];
    int64_t from_ns;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "operator");
    gate_open_with(&g, quick);
    log_in(&g, "ana", token);
    server_sh("kill -STOP $pid $(pgrep -P $pid)");
    from_ns = clock_mono_ns();
    memset(&g.said, 0, sizeof g.said);
    assert_int_equal(people_logout(g.p, token, TO_SAID(&g)), PEOPLE_OK);
    UNTIL(&g.w.loop, g.said.calls == 1, 5000);
    assert_true(g.said.err == PEOPLE_UNKNOWN || g.said.err == PEOPLE_UNAVAILABLE);
    assert_true(clock_mono_ns() - from_ns < 3 * S);
    UNTIL(&g.w.loop, !people_fresh(g.p, clock_mono_ns()), 6000);
    assert_int_equal(may(&g, token, PERM_CONTROL_TIGHTEN), PEOPLE_OK);
    server_sh("kill -CONT $pid $(pgrep -P $pid)");
    UNTIL(&g.w.loop, people_fresh(g.p, clock_mono_ns()), 8000);
    gate_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_ends),
        cmocka_unit_test(eight_hours_end),
        cmocka_unit_test(the_database_forgets_them_too),
        cmocka_unit_test(a_kill_is_heard_elsewhere),
        cmocka_unit_test(being_seen_is_heard_elsewhere),
        cmocka_unit_test(logging_out),
        cmocka_unit_test(ten_sessions_at_most),
        cmocka_unit_test(a_fresh_factor),
        cmocka_unit_test(tightening_goes_on_without_postgresql),
        cmocka_unit_test(a_silent_postgresql),
    };
    int failed = cmocka_run_group_tests(tests, people_start, server_end);

    metrics_fini();
    return failed;
}
