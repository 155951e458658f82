/* links: gw_auth_people gw_auth gw_store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/people/people_fixture.h"

#include <argon2.h>
#include <sys/resource.h>
#include "auth/people/people_sql.h"

static void a_log_in(void **state)
{
    struct gate g;
    const struct people_session *s;
    char token[SESSION_TOKEN_SIZE];
    char csrf[SESSION_TOKEN_SIZE];
    struct buf json = {0};

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "operator viewer");
    gate_open(&g);
    log_in(&g, "ana", token);
    assert_int_equal(g.said.failures, 0);
    assert_true(session_csrf(token, strlen(token), csrf));
    assert_string_equal(g.said.csrf, csrf);
    /* known at once, here */
    assert_int_equal(people_find(g.p, token, strlen(token), true, &s), PEOPLE_OK);
    assert_string_equal(s->user, "ana");
    assert_string_equal(s->person, "user:ana");
    assert_string_equal(s->label, "Label of ana");
    assert_string_equal(s->ip, "192.0.2.7");
    assert_string_equal(s->id, g.said.session);
    assert_int_equal(people_roles(g.p, s), 1u << ROLE_OPERATOR | 1u << ROLE_VIEWER);
    assert_int_equal(people_may(g.p, s, PERM_CONTROL_TIGHTEN), PEOPLE_OK);
    assert_int_equal(people_may(g.p, s, PERM_CONTROL_LOOSEN), PEOPLE_OK);
    assert_int_equal(people_may(g.p, s, PERM_CONTROL_APPROVE), PEOPLE_FORBIDDEN);
    people_session_json(g.p, s, &json);
    assert_non_null(strstr(buf_cstr(&json), "\"user\":\"ana\",\"label\":\"Label of ana\","
                                            "\"roles\":[\"viewer\",\"operator\"]"));
    assert_non_null(strstr(buf_cstr(&json), "\"must_enrol\":false"));
    buf_fini(&json);
    /* only hashes are kept */
    assert_string_equal(sql("SELECT count(*) FROM user_sessions WHERE position('%s'::bytea in"
                            " token_hash) > 0 OR id = '%s'",
                            token, token),
                        "0");
    assert_string_equal(sql("SELECT token_hash = sha256('%s') FROM user_sessions", token), "t");
    assert_string_equal(sql("SELECT user_agent FROM user_sessions"), "A browser/1.0 ??");
    assert_string_equal(sql("SELECT action || ' ' || outcome || ' ' || actor || ' ' || target"
                            " FROM test_audit"),
                        "session.open done user:ana user:ana");
    assert_int_equal(find(&g, "x"), PEOPLE_NO_SESSION);
    assert_int_equal(find(&g, ""), PEOPLE_NO_SESSION);
    token[5] = token[5] == 'A' ? 'B' : 'A';
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    gate_close(&g);
}

/* Nobody learns what was wrong: not from the answer, not from its time. */
static void refusals_are_alike(void **state)
{
    static const struct {
        const char *name;
        const char *password;
        bool code;
    } cases[] = {
        {"nobody", PASSWORD, true},  {"ana", "not her password", true},
        {"ana", PASSWORD, false},    {"off", PASSWORD, true},
        {"locked", PASSWORD, true},  {"Not A Name", PASSWORD, true},
        {"late", PASSWORD, true},    {"broken", PASSWORD, true},
        {"ana\xff", PASSWORD, true},
    };
    struct gate g;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    put_user("off", true, "viewer");
    put_user("locked", true, "viewer");
    put_user("late", true, "viewer");
    put_user("broken", true, "viewer");
    sql("UPDATE users SET disabled_at = now(), disabled_by = 'me', disabled_reason = 'gone'"
        " WHERE name = 'off'");
    sql("UPDATE users SET locked_until = now() + interval '1 h' WHERE name = 'locked'");
    sql("UPDATE users SET password_until = now() - interval '1 h' WHERE name = 'late'");
    sql("UPDATE users SET password_hash = '$argon2id$v=19$m=99999999' WHERE name = 'broken'");
    gate_open(&g);
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        struct people_login l =
            as(cases[i].name, cases[i].password, cases[i].code ? code_at(0) : "000000");
        int64_t from_ns = clock_mono_ns();
        int64_t took_ms;

        CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
        took_ms = (g.said.at_ns - from_ns) / 1000000;
        if (took_ms < 245 || (took_ms + 5) % 250 > 120) { /* on the grid, as the loop sees time */
            fail_msg("%s: %d ms", cases[i].name, (int)took_ms);
        }
        assert_string_equal(g.said.token, "");
        assert_string_equal(g.said.field, "");
        assert_string_equal(g.said.why, "");
        assert_int_equal(g.said.failures, 0);
        assert_int_equal(g.refused, i + 1);
    }
    assert_string_equal(sql("SELECT count(*) FROM user_sessions"), "0");
    assert_string_equal(sql("SELECT count(*) FROM test_audit"), "0");
    assert_int_equal(metrics_get(g.metrics, PEOPLE_M_REFUSED, 0), GW_LEN(cases));
    /* and the right one is none of these */
    log_in(&g, "ana", g.said.json);
    assert_int_equal(g.said.failures, 2);
    gate_close(&g);
}

static void what_is_too_long_is_named(void **state)
{
    struct gate g;
    char words[600];
    struct people_login l = as("ana", words, "1");

    (void)state;
    NEEDS_SERVER();
    clean();
    gate_open(&g);
    memset(words, 'x', sizeof words);
    words[513] = '\0';
    CALL(&g, PEOPLE_INVALID, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(g.said.field, "password");
    l.password = PASSWORD;
    l.code = words;
    CALL(&g, PEOPLE_INVALID, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(g.said.field, "code");
    gate_close(&g);
}

static void a_code_is_good_once(void **state)
{
    struct gate g;
    struct people_login l;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    log_in(&g, "ana", token);
    l = as("ana", PASSWORD, code_at(0));
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    l.code = code_at(-1); /* older than the one used */
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    l.code = code_at(1); /* her clock is a little ahead */
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    assert_int_equal(g.said.failures, 2);
    fake_now_ns += 30 * S;
    l.code = code_at(0); /* the same */
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(sql("SELECT totp_last_step FROM users"),
                        sql("SELECT %lld", (long long)(fake_now_ns / (30 * S))));
    gate_close(&g);
}

/* Two gateways, the same code in the same instant. */
static void of_two_at_once_one_wins(void **state)
{
    struct gate a;
    struct gate b;
    unsigned both_judged = 0;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&a);
    gate_open(&b);
    for (unsigned i = 0; i < 20; i++) {
        struct people_login l = as("ana", PASSWORD, code_at(0));
        int64_t until_ns = clock_mono_ns() + 5 * S;

        memset(&a.said, 0, sizeof a.said);
        memset(&b.said, 0, sizeof b.said);
        assert_int_equal(people_login(a.p, &l, TO_SAID(&a)), PEOPLE_OK);
        assert_int_equal(people_login(b.p, &l, TO_SAID(&b)), PEOPLE_OK);
        while ((a.said.calls == 0 || b.said.calls == 0) && clock_mono_ns() < until_ns) {
            (void)uv_run(&a.w.loop, UV_RUN_NOWAIT);
            (void)uv_run(&b.w.loop, UV_RUN_NOWAIT);
        }
        assert_int_equal(a.said.calls + b.said.calls, 2);
        assert_int_equal((a.said.err == PEOPLE_OK) + (b.said.err == PEOPLE_OK), 1);
        assert_int_equal((a.said.err == PEOPLE_REFUSED) + (b.said.err == PEOPLE_REFUSED), 1);
        both_judged++;
        fake_now_ns += 30 * S;
    }
    assert_int_equal(both_judged, 20);
    assert_string_equal(sql("SELECT count(*) FROM user_sessions"), "20");
    gate_close(&a);
    gate_close(&b);
}

/* The statement itself, on two connections: the second waits for the first, then finds the step
 * used. */
static void the_statement_lets_one_through(void **state)
{
    static const char text[] = FACTOR_TOTP("$3", "$4", "$5") " SELECT name FROM f";
    PGconn *c[2];
    PGresult *r;
    char sealed[3000];
    char step[32];
    const char *params[5] = {"ana", "0", NULL, step, sealed};

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "");
    copy(sealed, sizeof sealed, sql("SELECT totp_sealed FROM users"));
    (void)snprintf(step, sizeof step, "%lld", (long long)(fake_now_ns / (30 * S)));
    for (unsigned i = 0; i < 2; i++) {
        c[i] = PQconnectdb(server_dsn);
        PQclear(PQexec(c[i], "BEGIN"));
    }
    /* $2 is not in this statement; its type must be known all the same */
    r = PQexecParams(c[0], text, 5, (const Oid[]){25, 20, 25, 20, 17}, params, NULL, NULL, 0);
    assert_int_equal(PQntuples(r), 1);
    PQclear(r);
    assert_int_equal(
        PQsendQueryParams(c[1], text, 5, (const Oid[]){25, 20, 25, 20, 17}, params, NULL, NULL, 0),
        1);
    for (unsigned i = 0; i < 20; i++) {
        usleep(10000);
        assert_int_equal(PQconsumeInput(c[1]), 1);
        assert_int_equal(PQisBusy(c[1]), 1); /* it waits */
    }
    PQclear(PQexec(c[0], "COMMIT"));
    r = PQgetResult(c[1]);
    assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(r), 0);
    PQclear(r);
    PQfinish(c[0]);
    PQfinish(c[1]);
}

static void five_tries_then_waits(void **state)
{
    static const int waits_s[] = {30, 60, 120, 240, 480, 900, 900};
    struct gate g;
    struct people_login wrong = as("ana", "not her password", "000000");
    struct people_login right = as("ana", PASSWORD, "");
    char code[16];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    for (unsigned i = 0; i < 5; i++) {
        CALL(&g, PEOPLE_REFUSED, people_login(g.p, &wrong, TO_SAID(&g)));
    }
    assert_string_equal(sql("SELECT failures FROM users"), "5");
    for (unsigned i = 0; i < GW_LEN(waits_s); i++) {
        assert_string_equal(sql("SELECT round(extract(epoch FROM locked_until) - %lld) FROM users",
                                (long long)(fake_now_ns / S)),
                            sql("SELECT %d", waits_s[i]));
        fake_now_ns += (waits_s[i] - 1) * S; /* not yet: the right one is refused, not counted */
        copy(code, sizeof code, code_at(0));
        right.code = code;
        CALL(&g, PEOPLE_REFUSED, people_login(g.p, &right, TO_SAID(&g)));
        assert_string_equal(sql("SELECT failures FROM users"), sql("SELECT %u", 5 + i));
        fake_now_ns += 1 * S;
        if (i + 1 < GW_LEN(waits_s)) {
            CALL(&g, PEOPLE_REFUSED, people_login(g.p, &wrong, TO_SAID(&g)));
        }
    }
    copy(code, sizeof code, code_at(0));
    CALL(&g, PEOPLE_OK, people_login(g.p, &right, TO_SAID(&g)));
    assert_int_equal(g.said.failures, 11);
    assert_string_equal(sql("SELECT failures || ' ' || (locked_until IS NULL) FROM users"),
                        "0 true");
    gate_close(&g);
}

/* A hundred tries at once do not pass the counter: they are counted before they are judged. */
static void tries_at_once_are_counted(void **state)
{
    struct gate g;
    struct said said[PASSWORD_PLACES] = {0};
    struct people_login wrong = as("ana", "not her password", "000000");
    unsigned answered = 0;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    for (unsigned i = 0; i < PASSWORD_PLACES; i++) {
        assert_int_equal(people_login(g.p, &wrong, on_said, &said[i]), PEOPLE_OK);
    }
    CALL(&g, PEOPLE_BUSY, people_login(g.p, &wrong, TO_SAID(&g))); /* the ninth */
    assert_int_equal(metrics_get(g.metrics, PEOPLE_M_BUSY, 0), 1);
    for (unsigned i = 0; i < PASSWORD_PLACES; i++) {
        UNTIL(&g.w.loop, said[i].calls == 1, 5000);
        assert_int_equal(said[i].err, PEOPLE_REFUSED);
        answered++;
    }
    assert_int_equal(answered, PASSWORD_PLACES);
    assert_string_equal(sql("SELECT failures FROM users"), "5");
    gate_close(&g);
}

static void a_recovery_code_is_good_once(void **state)
{
    struct gate g;
    uint8_t hash[RECOVERY_HASH_SIZE];
    char hex[65];
    struct people_login l = as("ana", PASSWORD, "ABCD EFGH ijkl-mnop");

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    put_user("bob", true, "viewer");
    assert_true(recovery_hash("ana", "abcd-efgh-ijkl-mnop", hash));
    for (unsigned i = 0; i < 32; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    sql("INSERT INTO user_recovery_codes VALUES ('ana', '\\x%s', now())", hex);
    gate_open(&g);
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    l.name = "bob";
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    l = as("ana", PASSWORD, "bbbb-bbbb-bbbb-bbbb");
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(sql("SELECT count(*) FROM user_recovery_codes WHERE used_at IS NOT NULL"),
                        "1");
    gate_close(&g);
}

static void a_weak_hash_is_made_anew(void **state)
{
    char weak[PASSWORD_HASH_SIZE];
    char token[SESSION_TOKEN_SIZE];
    struct gate g;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    assert_int_equal(argon2id_hash_encoded(1, 8192, 1, PASSWORD, strlen(PASSWORD),
                                           "0123456789abcdef", 16, 32, weak, sizeof weak),
                     ARGON2_OK);
    sql("UPDATE users SET password_hash = '%s'", weak);
    gate_open(&g);
    log_in(&g, "ana", token);
    UNTIL(&g.w.loop,
          strcmp(sql("SELECT password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%%' FROM users"),
                 "t") == 0,
          5000);
    assert_int_equal(find(&g, token), PEOPLE_OK);
    fake_now_ns += 30 * S;
    log_in(&g, "ana", token);
    gate_close(&g);
}

/* Without the entry there is no session. */
static void no_entry_no_log_in(void **state)
{
    struct gate g;
    struct people_login l;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    g.break_audit = true;
    l = as("ana", PASSWORD, code_at(0));
    CALL(&g, PEOPLE_UNAVAILABLE, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(g.said.token, "");
    assert_string_equal(sql("SELECT count(*) FROM user_sessions"), "0");
    assert_string_equal(sql("SELECT totp_last_step IS NULL FROM users"), "t");
    g.break_audit = false;
    log_in(&g, "ana", token); /* the code was not used up */
    gate_close(&g);
}

static void without_a_writer(struct people_options *opt)
{
    opt->writer = NULL;
}

static void the_writer_of_its_own(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open_with(&g, without_a_writer);
    log_in(&g, "ana", token);
    CALL(&g, PEOPLE_REFUSED, people_renew(g.p, token, code_at(0), TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_logout(g.p, token, TO_SAID(&g)));
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    assert_string_equal(sql("SELECT count(*) FROM test_audit"), "0");
    gate_close(&g);
}

/* Closing in the middle answers everybody. */
static void closing_answers_everybody(void **state)
{
    struct gate g;
    struct said said[3] = {0};
    struct people_login l = as("ana", PASSWORD, "000000");

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    for (unsigned i = 0; i < GW_LEN(said); i++) {
        assert_int_equal(people_login(g.p, &l, on_said, &said[i]), PEOPLE_OK);
    }
    gate_close(&g);
    for (unsigned i = 0; i < GW_LEN(said); i++) {
        assert_int_equal(said[i].calls, 1);
    }
}

/* Storage that fails after the try was counted: five of these must not lock her out. */
static void r6_what_storage_spoils_is_no_wrong_try(void **state)
{
    struct gate g;
    struct people_login l = as("ana", PASSWORD, "");
    struct people_login wrong = as("ana", "not her password", "000000");

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &wrong, TO_SAID(&g)));
    g.break_audit = true;
    for (unsigned i = 0; i < 7; i++) {
        l.code = code_at(0);
        CALL(&g, PEOPLE_UNAVAILABLE, people_login(g.p, &l, TO_SAID(&g)));
        assert_string_equal(sql("SELECT failures || ' ' || (locked_until IS NULL) FROM users"),
                            "1 true");
    }
    g.break_audit = false;
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    assert_int_equal(g.said.failures, 1); /* the wrong one still counts */
    gate_close(&g);
}

/* A code was right when it came; that passwords take their time on a busy machine makes it no wrong one. */
static void r6_a_code_is_judged_by_when_it_came(void **state)
{
    struct gate g;
    struct people_login l = as("ana", PASSWORD, "");

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    l.code = code_at(-1);
    memset(&g.said, 0, sizeof g.said);
    assert_int_equal(people_login(g.p, &l, TO_SAID(&g)), PEOPLE_OK);
    fake_now_ns += 30 * S;
    UNTIL(&g.w.loop, g.said.calls == 1, 8000);
    assert_int_equal(g.said.err, PEOPLE_OK);
    /* and no code is good for longer because of it */
    l.code = code_at(-2);
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    gate_close(&g);
}

/* No memory to hash with: nobody knows whether the password is right, so it is not refused as wrong. */
static void r6_no_memory_is_no_wrong_password(void **state)
{
    struct gate g;
    struct people_login l = as("ana", PASSWORD, "");
    struct rlimit limit;
    struct rlimit small;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");

    (void)state;
    NEEDS_SERVER();
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%ld", &pages), 1);
    (void)fclose(statm);
    if (pages > (long)(UINT64_C(1) << 40) / sysconf(_SC_PAGESIZE)) {
        skip(); /* a sanitizer's address space cannot be bounded */
    }
    clean();
    put_user("ana", true, "viewer");
    sql("UPDATE users SET password_hash = regexp_replace(password_hash, 'm=[0-9]+', 'm=262144')");
    gate_open(&g);
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    small = limit;
    small.rlim_cur = (rlim_t)(pages * sysconf(_SC_PAGESIZE)) + (128u << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    l.code = code_at(0);
    CALL(&g, PEOPLE_UNAVAILABLE, people_login(g.p, &l, TO_SAID(&g)));
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    assert_string_equal(sql("SELECT failures FROM users"), "0");
    assert_int_equal(g.refused, 0);
    gate_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_in),
        cmocka_unit_test(refusals_are_alike),
        cmocka_unit_test(what_is_too_long_is_named),
        cmocka_unit_test(a_code_is_good_once),
        cmocka_unit_test(of_two_at_once_one_wins),
        cmocka_unit_test(the_statement_lets_one_through),
        cmocka_unit_test(five_tries_then_waits),
        cmocka_unit_test(tries_at_once_are_counted),
        cmocka_unit_test(a_recovery_code_is_good_once),
        cmocka_unit_test(a_weak_hash_is_made_anew),
        cmocka_unit_test(no_entry_no_log_in),
        cmocka_unit_test(the_writer_of_its_own),
        cmocka_unit_test(closing_answers_everybody),
        cmocka_unit_test(r6_what_storage_spoils_is_no_wrong_try),
        cmocka_unit_test(r6_a_code_is_judged_by_when_it_came),
        cmocka_unit_test(r6_no_memory_is_no_wrong_password),
    };
    int failed = cmocka_run_group_tests(tests, people_start, server_end);

    metrics_fini();
    return failed;
}
