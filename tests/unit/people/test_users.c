/* links: gw_auth_people gw_auth gw_store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/people/people_fixture.h"

#include "auth/key_row_sql.h"
#include "auth/master_key.h"
#include "auth/people/people_bootstrap.h"

#define MINUTES (60 * S)
#define NEW     "the lamp behind it"

static const struct people_by by_sec = {
    .actor = "user:sec", .reason = "joins the desk on call", .ticket = "OPS-12"};

/* The bytes behind base32 TEXT. */
static void decode(const char *text, uint8_t out[20])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint64_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    for (; *text != '\0'; text++) {
        bits = bits << 5 | (uint64_t)(strchr(alphabet, *text) - alphabet);
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    assert_int_equal(n, 20);
}

static const char *code_of(const char *secret)
{
    static char code[16];
    uint8_t bytes[20];

    decode(secret, bytes);
    (void)snprintf(code, sizeof code, "%06u",
                   totp_code(bytes, 20, (uint64_t)(fake_now_ns / (30 * S)), 6));
    return code;
}

/* With the temporary password she may do nothing but choose one. TOKEN: of the session then. */
static void choose(struct gate *g, const char *password, char token[SESSION_TOKEN_SIZE])
{
    struct people_login l = as("ana", password, "");

    CALL(g, PEOPLE_OK, people_login(g->p, &l, TO_SAID(g)));
    copy(token, SESSION_TOKEN_SIZE, g->said.token);
    assert_int_equal(may(g, token, PERM_STATUS_READ), PEOPLE_DUTY);
    assert_int_equal(may(g, token, PERM_CONTROL_TIGHTEN), PEOPLE_DUTY);
    CALL(g, PEOPLE_DUTY, people_enrol(g->p, token, TO_SAID(g)));
    CALL(g, PEOPLE_INVALID, people_choose_password(g->p, token, password, "short", TO_SAID(g)));
    assert_string_equal(g->said.field, "password");
    assert_string_equal(g->said.why, "shorter than 12 characters");
    CALL(g, PEOPLE_INVALID, people_choose_password(g->p, token, password, password, TO_SAID(g)));
    CALL(g, PEOPLE_REFUSED, people_choose_password(g->p, token, "not it", NEW, TO_SAID(g)));
    CALL(g, PEOPLE_OK, people_choose_password(g->p, token, password, NEW, TO_SAID(g)));
    assert_int_equal(find(g, token), PEOPLE_NO_SESSION);
    copy(token, SESSION_TOKEN_SIZE, g->said.token);
    assert_int_equal(may(g, token, PERM_STATUS_READ), PEOPLE_DUTY);
}

/* SECRET of the second factor, and one of the RECOVERY codes. */
static void enrol(struct gate *g, char token[SESSION_TOKEN_SIZE], char secret[TOTP_SECRET_TEXT],
                  char recovery[RECOVERY_CODE_SIZE])
{
    const char *code;

    CALL(g, PEOPLE_REFUSED, people_enrol_confirm(g->p, token, "123456", TO_SAID(g)));
    CALL(g, PEOPLE_OK, people_enrol(g->p, token, TO_SAID(g)));
    copy(secret, TOTP_SECRET_TEXT, g->said.secret);
    assert_memory_equal(g->said.uri, "otpauth://totp/Test:ana?secret=", 31);
    assert_memory_equal(g->said.uri + 31, secret, 32);
    code = strcmp(code_of(secret), "000000") == 0 ? "000001" : "000000";
    CALL(g, PEOPLE_REFUSED, people_enrol_confirm(g->p, token, code, TO_SAID(g)));
    CALL(g, PEOPLE_OK, people_enrol_confirm(g->p, token, code_of(secret), TO_SAID(g)));
    assert_int_equal(g->said.code_count, RECOVERY_CODES);
    copy(recovery, RECOVERY_CODE_SIZE, g->said.codes[3]);
    assert_int_equal(find(g, token), PEOPLE_NO_SESSION);
    copy(token, SESSION_TOKEN_SIZE, g->said.token);
}

/* From the first day on: created, temporary password, own password, second factor, role. */
static void the_first_day(void **state)
{
    struct gate g;
    struct people_login l;
    char token[SESSION_TOKEN_SIZE];
    char secret[TOTP_SECRET_TEXT];
    char recovery[RECOVERY_CODE_SIZE];
    char password[PASSWORD_MADE_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("sec", true, "security");
    gate_open(&g);
    CALL(&g, PEOPLE_OK, people_user_create(g.p, &by_sec, "ana", "Ana Lopez", TO_SAID(&g)));
    assert_int_equal(strlen(g.said.password), 23);
    copy(password, sizeof password, g.said.password);
    CALL(&g, PEOPLE_CONFLICT, people_user_create(g.p, &by_sec, "ana", "Other", TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_grant(g.p, &by_sec, "ana", ROLE_OPERATOR, false, 0, TO_SAID(&g)));
    choose(&g, password, token);
    enrol(&g, token, secret, recovery);
    assert_int_equal(may(&g, token, PERM_CONTROL_TIGHTEN), PEOPLE_OK);
    assert_int_equal(may(&g, token, PERM_CONTROL_LOOSEN), PEOPLE_OK);
    /* the next log-in needs the code, and the code of the enrolment is used up */
    l = as("ana", NEW, "");
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    l.code = code_of(secret);
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    l.code = recovery;
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    fake_now_ns += 30 * S;
    l.code = code_of(secret);
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(sql("SELECT string_agg(action, ' ' ORDER BY id) FROM test_audit"),
                        "user.create role.grant session.open user.password user.factor_show "
                        "user.factor session.open session.open");
    /* what is kept tells nothing */
    assert_string_equal(sql("SELECT count(*) FROM users WHERE users::text LIKE '%%%s%%'", secret),
                        "0");
    assert_string_equal(sql("SELECT count(*) FROM test_audit WHERE test_audit::text ~ '%s|%s|%s'",
                            secret, recovery, NEW),
                        "0");
    gate_close(&g);
}

/* Another factor takes a fresh proof of the old one. */
static void a_new_factor_needs_the_old(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];
    char other[SESSION_TOKEN_SIZE];
    char secret[TOTP_SECRET_TEXT];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    log_in(&g, "ana", other);
    fake_now_ns += 30 * S;
    log_in(&g, "ana", token);
    fake_now_ns += 6 * MINUTES;
    CALL(&g, PEOPLE_FACTOR, people_enrol(g.p, token, TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_renew(g.p, token, code_at(0), TO_SAID(&g)));
    copy(token, sizeof token, g.said.token);
    CALL(&g, PEOPLE_OK, people_enrol(g.p, token, TO_SAID(&g)));
    copy(secret, sizeof secret, g.said.secret);
    CALL(&g, PEOPLE_OK, people_enrol_confirm(g.p, token, code_of(secret), TO_SAID(&g)));
    assert_int_equal(find(&g, other), PEOPLE_NO_SESSION); /* with the old one */
    copy(token, sizeof token, g.said.token);
    fake_now_ns += 30 * S;
    CALL(&g, PEOPLE_REFUSED, people_renew(g.p, token, code_at(0), TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_renew(g.p, token, code_of(secret), TO_SAID(&g)));
    gate_close(&g);
}

/* --- roles ------------------------------------------------------------------------------------- */

static void two_persons(struct people_options *opt)
{
    opt->two_persons = true;
}

static void granting(void **state)
{
    struct gate g;
    struct people_by by = by_sec;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    put_user("sec", true, "security");
    gate_open_with(&g, two_persons);
    log_in(&g, "ana", token);
    /* nobody for herself; what takes two waits for another (test_requests.c) */
    CALL(&g, PEOPLE_SELF, people_grant(g.p, &by, "sec", ROLE_OPERATOR, false, 0, TO_SAID(&g)));
    CALL(&g, PEOPLE_TWO, people_grant(g.p, &by, "ana", ROLE_APPROVER, false, 0, TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_grant(g.p, &by, "ana", ROLE_AUDITOR, false, 0, TO_SAID(&g)));
    assert_int_equal(may(&g, token, PERM_AUDIT_READ), PEOPLE_OK); /* at once */
    CALL(&g, PEOPLE_CONFLICT, people_grant(g.p, &by, "ana", ROLE_AUDITOR, false, 0, TO_SAID(&g)));
    CALL(&g, PEOPLE_NOT_FOUND,
         people_grant(g.p, &by, "nobody", ROLE_AUDITOR, false, 0, TO_SAID(&g)));
    CALL(&g, PEOPLE_INVALID,
         people_grant(g.p, &by, "ana", ROLE_BREAK_GLASS, false, 0, TO_SAID(&g)));
    assert_string_equal(g.said.field, "kind");
    /* with an end */
    CALL(&g, PEOPLE_OK,
         people_grant(g.p, &by, "ana", ROLE_OPERATOR, false, fake_now_ns + 10 * MINUTES,
                      TO_SAID(&g)));
    assert_int_equal(may(&g, token, PERM_CONTROL_LOOSEN), PEOPLE_OK);
    fake_now_ns += 10 * MINUTES;
    assert_int_equal(may(&g, token, PERM_CONTROL_LOOSEN), PEOPLE_FORBIDDEN);
    CALL(&g, PEOPLE_OK, people_revoke(g.p, &by, "ana", ROLE_AUDITOR, TO_SAID(&g)));
    assert_int_equal(may(&g, token, PERM_AUDIT_READ), PEOPLE_FORBIDDEN);
    CALL(&g, PEOPLE_NOT_FOUND, people_revoke(g.p, &by, "ana", ROLE_AUDITOR, TO_SAID(&g)));
    by.reason = "short";
    CALL(&g, PEOPLE_INVALID, people_revoke(g.p, &by, "ana", ROLE_VIEWER, TO_SAID(&g)));
    assert_string_equal(g.said.field, "reason");
    assert_string_equal(sql("SELECT string_agg(action || ' ' || target, ', ' ORDER BY id)"
                            " FROM test_audit WHERE action LIKE 'role%%'"),
                        "role.grant user:ana, role.grant user:ana, role.end user:ana");
    gate_close(&g);
}

static void break_glass(struct people_options *opt)
{
    opt->break_glass = true;
}

static void taking_up_a_role(void **state)
{
    static const char reason[] = "the halt of BTC/USD must be lifted";
    struct gate g;
    struct people_by by = by_sec;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open_with(&g, break_glass);
    log_in(&g, "ana", token);
#define ELEVATE(role, s, ticket) people_elevate(g.p, token, role, s, reason, ticket, TO_SAID(&g))
    CALL(&g, PEOPLE_NOT_ELIGIBLE, ELEVATE(ROLE_OPERATOR, 1800, "OPS-1"));
    CALL(&g, PEOPLE_OK, people_grant(g.p, &by, "ana", ROLE_OPERATOR, true, 0, TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_grant(g.p, &by, "ana", ROLE_BREAK_GLASS, true, 0, TO_SAID(&g)));
    assert_int_equal(may(&g, token, PERM_CONTROL_TIGHTEN), PEOPLE_FORBIDDEN); /* not by itself */
    CALL(&g, PEOPLE_INVALID, ELEVATE(ROLE_OPERATOR, 899, "OPS-1"));
    CALL(&g, PEOPLE_INVALID, ELEVATE(ROLE_OPERATOR, 3601, "OPS-1"));
    CALL(&g, PEOPLE_INVALID, ELEVATE(ROLE_OPERATOR, 900, NULL));
    assert_string_equal(g.said.field, "ticket");
    CALL(&g, PEOPLE_OK, ELEVATE(ROLE_OPERATOR, 1800, "OPS-1"));
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION); /* a new token */
    copy(token, sizeof token, g.said.token);
    assert_int_equal(may(&g, token, PERM_CONTROL_TIGHTEN), PEOPLE_OK);
    CALL(&g, PEOPLE_NOT_ELIGIBLE, ELEVATE(ROLE_OPERATOR, 1800, "OPS-1")); /* already */
    CALL(&g, PEOPLE_OK, ELEVATE(ROLE_BREAK_GLASS, 900, "OPS-2"));
    copy(token, sizeof token, g.said.token);
    assert_int_equal(may(&g, token, PERM_CONTROL_OVERRIDE), PEOPLE_OK);
    fake_now_ns += 14 * MINUTES;
    assert_int_equal(may(&g, token, PERM_CONTROL_OVERRIDE), PEOPLE_FACTOR);
    CALL(&g, PEOPLE_OK, people_renew(g.p, token, code_at(0), TO_SAID(&g)));
    copy(token, sizeof token, g.said.token);
    assert_int_equal(may(&g, token, PERM_CONTROL_OVERRIDE), PEOPLE_OK);
    fake_now_ns += 1 * MINUTES;
    assert_int_equal(may(&g, token, PERM_CONTROL_OVERRIDE), PEOPLE_FORBIDDEN);
    assert_int_equal(may(&g, token, PERM_CONTROL_TIGHTEN), PEOPLE_OK);
    /* who takes eligibility back ends what was taken up */
    CALL(&g, PEOPLE_OK, people_revoke(g.p, &by, "ana", ROLE_OPERATOR, TO_SAID(&g)));
    assert_int_equal(may(&g, token, PERM_CONTROL_TIGHTEN), PEOPLE_FORBIDDEN);
    assert_string_equal(sql("SELECT after LIKE '%%operator%%temporary%%' FROM test_audit"
                            " WHERE action = 'role.elevate' ORDER BY id LIMIT 1"),
                        "t");
    gate_close(&g);
    /* off by default: even what was taken up counts for nothing */
    gate_open(&g);
    sql("INSERT INTO user_roles (user_name, role, kind, granted_by, granted_at, until, reason,"
        " ticket) VALUES ('ana', 'break_glass', 'temporary', 'user:ana', now(),"
        " now() + interval '60 min', 'a reason of ten', 'OPS-3')");
    gate_run(&g, 200);
    fake_now_ns = clock_real_ns();
    assert_int_equal(may(&g, token, PERM_CONTROL_OVERRIDE), PEOPLE_FORBIDDEN);
    CALL(&g, PEOPLE_NOT_FOUND, people_kill(g.p, &by_root, "s_none", NULL, TO_SAID(&g)));
#undef ELEVATE
    gate_close(&g);
}

/* --- ends -------------------------------------------------------------------------------------- */

static void disabling(void **state)
{
    struct gate g;
    struct people_login l;
    char token[SESSION_TOKEN_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    put_user("sec", true, "security");
    sql("INSERT INTO accounts (id, label, created_by) VALUES ('ops', 'Ops', 'me')");
    sql("INSERT INTO api_keys (id, account, owner, label, algorithm, public_key, created_by)"
        " VALUES ('k1', 'ops', 'ana', 'x', 'ed25519', sha256('a'), 'me'),"
        " ('k2', 'ops', NULL, 'x', 'ed25519', sha256('b'), 'me')");
    gate_open(&g);
    log_in(&g, "ana", token);
    assert_string_equal(sql("SELECT string_agg(" KEY_STATE_SQL ", ' ' ORDER BY k.id)"
                            " FROM api_keys k JOIN accounts a ON a.id = k.account"
                            " LEFT JOIN users u ON u.name = k.owner"),
                        "active active");
    CALL(&g, PEOPLE_SELF, people_user_enable(g.p, &by_sec, "sec", false, TO_SAID(&g)));
    {
        uint64_t epoch = strtoull(sql("SELECT epoch FROM revocation_epoch"), NULL, 10);

        CALL(&g, PEOPLE_OK, people_user_enable(g.p, &by_sec, "ana", false, TO_SAID(&g)));
        assert_int_equal(strtoull(sql("SELECT epoch FROM revocation_epoch"), NULL, 10), epoch + 1);
    }
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    assert_int_equal(g.ended_count, 1);
    assert_string_equal(sql("SELECT string_agg(" KEY_STATE_SQL ", ' ' ORDER BY k.id)"
                            " FROM api_keys k JOIN accounts a ON a.id = k.account"
                            " LEFT JOIN users u ON u.name = k.owner"),
                        "disabled active");
    CALL(&g, PEOPLE_CONFLICT, people_user_enable(g.p, &by_sec, "ana", false, TO_SAID(&g)));
    CALL(&g, PEOPLE_NOT_FOUND, people_user_enable(g.p, &by_sec, "eve", false, TO_SAID(&g)));
    fake_now_ns += 30 * S;
    l = as("ana", PASSWORD, code_at(0));
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_user_enable(g.p, &by_sec, "ana", true, TO_SAID(&g)));
    l.code = code_at(0);
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(sql("SELECT before || ' ' || after || ' ' || reason FROM test_audit"
                            " WHERE action = 'user.disable'"),
                        "{\"state\":\"active\"} {\"state\":\"disabled\"} joins the desk on call");
    /* what a key is cannot be changed, its owner among it */
    assert_string_equal(ask(server_dsn, "UPDATE api_keys SET owner = 'sec' WHERE id = 'k2'"),
                        "!23001");
    gate_close(&g);
}

static void resetting(void **state)
{
    struct gate g;
    struct people_login l;
    char token[SESSION_TOKEN_SIZE];
    char password[PASSWORD_MADE_SIZE];

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "viewer");
    gate_open(&g);
    log_in(&g, "ana", token);
    sql("UPDATE users SET failures = 9, locked_until = now() + interval '10 min'");
    CALL(&g, PEOPLE_OK, people_user_reset(g.p, &by_sec, "ana", false, TO_SAID(&g)));
    copy(password, sizeof password, g.said.password);
    assert_int_equal(find(&g, token), PEOPLE_NO_SESSION);
    l = as("ana", PASSWORD, code_at(1));
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    l = as("ana", password, "");
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g))); /* the factor is still there */
    l.code = code_at(0);
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g))); /* and what was used, used */
    fake_now_ns += 30 * S;
    l.code = code_at(0);
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    assert_int_equal(may(&g, g.said.token, PERM_STATUS_READ), PEOPLE_DUTY);
    CALL(&g, PEOPLE_OK, people_user_reset(g.p, &by_sec, "ana", true, TO_SAID(&g)));
    copy(password, sizeof password, g.said.password);
    l = as("ana", password, "");
    CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
    fake_now_ns += (int64_t)PEOPLE_TEMPORARY_S * S; /* temporary */
    CALL(&g, PEOPLE_REFUSED, people_login(g.p, &l, TO_SAID(&g)));
    assert_string_equal(sql("SELECT before || after FROM test_audit WHERE action = 'user.reset'"
                            " ORDER BY id DESC LIMIT 1"),
                        "{\"second_factor\" : true}{\"second_factor\" : false}");
    gate_close(&g);
}

/* --- the review -------------------------------------------------------------------------------- */

static void reviewing(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];
    char hash[65];
    const char *at;

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "operator");
    put_user("bob", false, "viewer");
    sql("INSERT INTO accounts (id, label, created_by) VALUES ('ops', 'Ops', 'me')");
    sql("INSERT INTO api_keys (id, account, owner, label, algorithm, public_key, scopes,"
        " created_by) VALUES ('k1', 'ops', 'ana', 'x', 'ed25519', sha256('a'), 384, 'me')");
    gate_open(&g);
    log_in(&g, "ana", token);
    CALL(&g, PEOPLE_OK, people_review(g.p, TO_SAID(&g)));
    assert_non_null(strstr(g.said.json,
                           "\"name\" : \"ana\", \"label\" : \"Label of ana\", \"state\""
                           " : \"active\", \"second_factor\" : true"));
    assert_non_null(strstr(g.said.json, "\"role\" : \"operator\", \"kind\" : \"standing\""));
    assert_non_null(strstr(g.said.json, "\"scopes\" : [\"control.halt\",\"control.open\"]"));
    assert_non_null(strstr(g.said.json, "\"last_review\" : null"));
    at = strstr(g.said.json, "\"hash\" : \"");
    assert_non_null(at);
    copy(hash, sizeof hash, at + 10);
    CALL(&g, PEOPLE_INVALID, people_review_sign(g.p, &by_sec, hash, "fine", TO_SAID(&g)));
    assert_string_equal(g.said.field, "note");
    CALL(&g, PEOPLE_INVALID, people_review_sign(g.p, &by_sec, "00", "all as it is", TO_SAID(&g)));
    fake_now_ns += 30 * S; /* a log-in does not move it */
    log_in(&g, "ana", token);
    CALL(&g, PEOPLE_OK, people_review_sign(g.p, &by_sec, hash, "all as it should be", TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_grant(g.p, &by_sec, "bob", ROLE_OPERATOR, true, 0, TO_SAID(&g)));
    CALL(&g, PEOPLE_MOVED,
         people_review_sign(g.p, &by_sec, hash, "all as it should be", TO_SAID(&g)));
    CALL(&g, PEOPLE_OK, people_review(g.p, TO_SAID(&g)));
    assert_null(strstr(g.said.json, "\"last_review\" : null"));
    assert_non_null(strstr(g.said.json, "\"signed_by\" : \"user:sec\""));
    assert_non_null(strstr(g.said.json, "\"kind\" : \"eligible\""));
    assert_string_equal(ask(server_dsn, "UPDATE access_reviews SET note = 'other words'"),
                        "!23001");
    CALL(&g, PEOPLE_OK, people_users(g.p, TO_SAID(&g)));
    assert_non_null(strstr(g.said.json, "\"name\" : \"bob\""));
    assert_null(strstr(g.said.json, "argon2"));
    gate_close(&g);
}

/* --- the tables by themselves ------------------------------------------------------------------ */

static void the_tables_keep_their_rules(void **state)
{
#define ROLE                                                                                       \
    "INSERT INTO user_roles (user_name, role, kind, granted_by, granted_at, until, reason, "       \
    "ticket) "
    static const struct {
        const char *sql;
        const char *want;
    } rules[] = {
        {"UPDATE users SET name = 'eve' WHERE name = 'bob'", "!23001"},
        {"UPDATE users SET password_hash = 'plain'", "!23514"},
        {"UPDATE users SET totp_last_step = 5 WHERE name = 'ana'", ""},
        {"UPDATE users SET totp_last_step = 4 WHERE name = 'ana'", "!23001"},
        {"UPDATE users SET totp_last_step = NULL WHERE name = 'ana'", "!23001"},
        {"UPDATE users SET totp_at = NULL WHERE name = 'ana'", "!23514"},
        {ROLE "VALUES ('bob', 'operator', 'standing', 'user:bob', now(), NULL, '', NULL)",
         "!23514"},
        {ROLE "VALUES ('bob', 'break_glass', 'standing', 'me', now(), NULL, '', NULL)", "!23514"},
        {ROLE
         "VALUES ('bob', 'operator', 'temporary', 'user:bob', now(), now() + interval '14 min',"
         " 'ten letters', 'T')",
         "!23514"},
        {ROLE
         "VALUES ('bob', 'operator', 'temporary', 'user:bob', now(), now() + interval '61 min',"
         " 'ten letters', 'T')",
         "!23514"},
        {ROLE "VALUES ('bob', 'operator', 'temporary', 'user:bob', now(), now() + interval '1 h',"
              " 'ten letters', NULL)",
         "!23514"},
        {ROLE "VALUES ('bob', 'operator', 'standing', 'me', now(), NULL, '', NULL)", ""},
        {ROLE "VALUES ('bob', 'operator', 'standing', 'me', now(), NULL, '', NULL)", "!23505"},
        {"UPDATE user_roles SET role = 'admin'", "!23001"},
        {"UPDATE user_roles SET ended_at = now(), ended_by = 'me', end_reason = ''", ""},
        {"UPDATE user_roles SET ended_at = NULL, ended_by = NULL, end_reason = NULL", "!23001"},
        {"INSERT INTO user_sessions (id, token_hash, user_name, created_at, last_seen_at, ends_at,"
         " ip) VALUES ('s_aaaaaaaaaaaaaaaaaaaa', sha256('a'), 'bob', now(), now(),"
         " now() + interval '9 h', '::1')",
         "!23514"},
        {"INSERT INTO user_sessions (id, token_hash, user_name, created_at, last_seen_at, ends_at,"
         " ip) VALUES ('s_aaaaaaaaaaaaaaaaaaaa', sha256('a'), 'bob', now(), now(),"
         " now() + interval '8 h', '::1')",
         ""},
        {"UPDATE user_sessions SET ends_at = ends_at + interval '1 s'", "!23001"},
        {"UPDATE user_sessions SET user_name = 'ana'", "!23001"},
        {"INSERT INTO access_reviews (signed_by, note, content, content_hash)"
         " VALUES ('me', 'ten letters', '{}', 'x')",
         "!23514"},
    };

    (void)state;
    NEEDS_SERVER();
    clean();
    put_user("ana", true, "");
    put_user("bob", false, "");
    for (unsigned i = 0; i < GW_LEN(rules); i++) {
        const char *got = ask(server_dsn, rules[i].sql);

        if (strcmp(got, rules[i].want) != 0) {
            fail_msg("%s\n  gave \"%s\", not \"%s\"", rules[i].sql, got, rules[i].want);
        }
    }
}

/* --- the first user ---------------------------------------------------------------------------- */

static void make_keys(struct master_keys **out)
{
    char folder[] = "/tmp/gwmaster.XXXXXX";
    char file[64];
    struct buf why = {0};

    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/key", folder);
    assert_int_equal(master_keys_make(file, &why), GW_OK);
    assert_int_equal(master_keys_read(file, out, &why), GW_OK);
    (void)unlink(file);
    (void)rmdir(folder);
    buf_fini(&why);
}

static void the_first_user(void **state)
{
    static char text[8192];
    struct people_bootstrap_options opt = {
        .name = "ana", .label = "Ana", .roles = 1u << ROLE_SECURITY | 1u << ROLE_BREAK_GLASS};
    struct master_keys *keys = NULL;
    struct gate g;
    struct people_login l;
    FILE *out;
    char *at;

    (void)state;
    NEEDS_SERVER();
    clean();
    make_keys(&keys);
#define BOOT(want, masters_)                                                                       \
    out = fmemopen(text, sizeof text, "w");                                                        \
    assert_int_equal(people_bootstrap(server_dsn, masters_, &opt, out), want);                     \
    (void)fclose(out)
    opt.name = "Ana!";
    BOOT(1, keys);
    assert_non_null(strstr(text, "not a user's name\n  next: "));
    opt.name = "ana";
    BOOT(1, NULL);
    assert_non_null(strstr(text, "no master key"));
    BOOT(0, keys);
    assert_non_null(strstr(text, "next: keep these"));
    at = strstr(text, "password: ");
    assert_non_null(at);
    gate_open(&g);
    {
        size_t count = 0;
        char password[PASSWORD_MADE_SIZE];
        char secret[TOTP_SECRET_TEXT];
        char token[SESSION_TOKEN_SIZE];

        g.p->opt.masters = master_keys_all(keys, &count);
        g.p->opt.master_count = count;
        copy(password, sizeof password, at + 10);
        copy(secret, sizeof secret, strstr(text, "second factor: ") + 15);
        l = as("ana", password, code_of(secret));
        CALL(&g, PEOPLE_OK, people_login(g.p, &l, TO_SAID(&g)));
        assert_int_equal(may(&g, g.said.token, PERM_STATUS_READ), PEOPLE_DUTY);
        copy(token, sizeof token, g.said.token);
        CALL(&g, PEOPLE_OK, people_choose_password(g.p, token, password, NEW, TO_SAID(&g)));
        copy(token, sizeof token, g.said.token);
        assert_int_equal(may(&g, token, PERM_PEOPLE_WRITE), PEOPLE_OK);
    }
    BOOT(1, keys);
    assert_non_null(strstr(text, "there is such a user already"));
    opt.name = "bob";
    opt.lasting = true;
    BOOT(0, keys);
    assert_string_equal(sql("SELECT password_until IS NULL FROM users WHERE name = 'bob'"), "t");
    assert_string_equal(sql("SELECT string_agg(role || ' ' || kind, ', ' ORDER BY role)"
                            " FROM user_roles WHERE user_name = 'bob'"),
                        "break_glass eligible, security standing");
    gate_close(&g);
    master_keys_destroy(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_day),  cmocka_unit_test(a_new_factor_needs_the_old),
        cmocka_unit_test(granting),       cmocka_unit_test(taking_up_a_role),
        cmocka_unit_test(disabling),      cmocka_unit_test(resetting),
        cmocka_unit_test(reviewing),      cmocka_unit_test(the_tables_keep_their_rules),
        cmocka_unit_test(the_first_user),
    };
    int failed = cmocka_run_group_tests(tests, people_start, server_end);

    metrics_fini();
    return failed;
}
