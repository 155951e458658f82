/* links: gw_auth_people gw_auth gw_store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/people/people_fixture.h"

#define ID(n)  "01ARZ3NDEKTSV4RRFFQ69G5FA" #n
#define NOBODY "0000000000000000000000000000000000000000000000000000000000000000"

static void two_persons(struct people_options *opt)
{
    opt->two_persons = true;
}

static void begin(struct gate *g)
{
    clean();
    put_user("ana", true, "viewer");
    put_user("sec", true, "security");
    put_user("eve", true, "security");
    gate_open_with(g, two_persons);
}

static struct people_by by(const char *actor)
{
    return (struct people_by){
        .actor = actor, .reason = "joins the desk on call", .ticket = "OPS-12"};
}

/* PERSON asks for ROLE of ana, as ID. */
static struct people_ask ask_for(const char *person, enum role role, const char *id)
{
    return (struct people_ask){
        .person = {person, ""}, .id = id, .name = "ana", .role = role, .ttl_ms = 60000};
}

#define ASK(g, want, who, what)                                                                    \
    do {                                                                                           \
        struct people_by by_ = by(who);                                                            \
        struct people_ask ask_ = what;                                                             \
                                                                                                   \
        CALL(g, want, people_ask((g)->p, &by_, &ask_, TO_SAID(g)));                                \
    } while (0)

static struct people_decide approval(const char *person, const char *account, const char *id,
                                     const char *hash)
{
    return (struct people_decide){
        .person = {person, account}, .id = id, .decision = PEOPLE_APPROVE, .hash = hash};
}

#define DECIDE(g, want, who, what)                                                                 \
    do {                                                                                           \
        struct people_by by_ = {.actor = (who)};                                                   \
        struct people_decide decide_ = what;                                                       \
                                                                                                   \
        CALL(g, want, people_decide((g)->p, &by_, &decide_, TO_SAID(g)));                          \
    } while (0)

static void hash_of(const char *id, char out[65])
{
    copy(out, 65, sql("SELECT encode(sha256, 'hex') FROM role_requests WHERE id = '%s'", id));
    assert_int_equal(strlen(out), 64);
}

static const char *state_of(const char *id)
{
    return sql("SELECT state FROM role_requests WHERE id = '%s'", id);
}

static const char *grants(void)
{
    return sql("SELECT coalesce(string_agg(role || ' ' || granted_by || ' ' || approved_by, ', '),"
               " '') FROM user_roles WHERE user_name = 'ana' AND approved_by IS NOT NULL");
}

/* Asked by one, approved by another: in force at once, once, in the audit log twice. */
static void two_make_it(void **state)
{
    struct gate g;
    char token[SESSION_TOKEN_SIZE];
    char hash[65];

    (void)state;
    NEEDS_SERVER();
    begin(&g);
    log_in(&g, "ana", token);
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    assert_true(g.said.waits);
    assert_string_equal(g.said.request_id, ID(1));
    assert_non_null(strstr(g.said.json, "\"requested_by\" : \"user:sec\""));
    assert_int_equal(may(&g, token, PERM_CONTROL_APPROVE), PEOPLE_FORBIDDEN);
    hash_of(ID(1), hash);
    DECIDE(&g, PEOPLE_OK, "user:eve", approval("user:eve", "", ID(1), hash));
    assert_false(g.said.waits);
    assert_non_null(strstr(g.said.json, "\"state\" : \"approved\""));
    assert_int_equal(may(&g, token, PERM_CONTROL_APPROVE), PEOPLE_OK);
    assert_string_equal(grants(), "approver user:sec user:eve");
    DECIDE(&g, PEOPLE_DECIDED, "user:eve", approval("user:eve", "", ID(1), hash));
    assert_string_equal(g.said.why, "it was approved by user:eve");
    /* she has it: nothing to ask for */
    ASK(&g, PEOPLE_CONFLICT, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(2)));
    assert_string_equal(
        sql("SELECT string_agg(action || ' ' || outcome || ' ' || actor || ' ' || target || ' ' ||"
            " coalesce(approvals::json->0->>'requested_by', '-'), ', ' ORDER BY id) FROM test_audit"
            " WHERE action LIKE 'role%%'"),
        "role.grant requested user:sec user:ana -, role.grant approved user:eve user:ana user:sec");
    assert_string_equal(sql("SELECT reason FROM test_audit WHERE outcome = 'approved'"),
                        "joins the desk on call");
    gate_close(&g);
}

static void another_person_approves(void **state)
{
    struct gate g;
    struct people_ask desk = ask_for("account:desk", ROLE_ADMIN, ID(2));
    char hash[65];

    (void)state;
    NEEDS_SERVER();
    begin(&g);
    ASK(&g, PEOPLE_SELF, "user:ana", ask_for("user:ana", ROLE_APPROVER, ID(1)));
    ASK(&g, PEOPLE_SELF, "key:pk_1", ask_for("user:ana", ROLE_APPROVER, ID(1)));
    /* with one key of hers asked for, with another approved: one person */
    ASK(&g, PEOPLE_OK, "key:pk_1", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    hash_of(ID(1), hash);
    DECIDE(&g, PEOPLE_SAME_PERSON, "key:pk_2", approval("user:sec", "desk", ID(1), hash));
    DECIDE(&g, PEOPLE_SAME_PERSON, "user:sec", approval("user:sec", "", ID(1), hash));
    DECIDE(&g, PEOPLE_SAME_PERSON, "user:ana", approval("user:ana", "", ID(1), hash));
    assert_non_null(strstr(g.said.why, "user:sec asked for it"));
    assert_string_equal(state_of(ID(1)), "pending");
    DECIDE(&g, PEOPLE_OK, "key:pk_3", approval("user:eve", "desk", ID(1), hash));
    /* a key without an owner may be anybody's of its account */
    desk.person.account = "desk";
    ASK(&g, PEOPLE_OK, "key:pk_9", desk);
    hash_of(ID(2), hash);
    DECIDE(&g, PEOPLE_SAME_PERSON, "key:pk_3", approval("user:eve", "desk", ID(2), hash));
    DECIDE(&g, PEOPLE_SAME_PERSON, "key:pk_8", approval("account:desk", "desk", ID(2), hash));
    assert_string_equal(grants(), "approver user:sec user:eve");
    DECIDE(&g, PEOPLE_OK, "user:eve", approval("user:eve", "", ID(2), hash));
    assert_string_equal(grants(), "approver user:sec user:eve, admin account:desk user:eve");
    /* whatever the program believes */
    assert_string_equal(ask(server_dsn, "UPDATE role_requests SET state = 'pending'"), "!23001");
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_SECURITY, ID(3)));
    assert_string_equal(ask(server_dsn, "UPDATE role_requests SET state = 'approved', decided_at ="
                                        " now(), decided_by = person, grant_id = 1"
                                        " WHERE state = 'pending'"),
                        "!23514");
    gate_close(&g);
}

/* What is approved is what was asked for, and what the second person saw. */
static void an_altered_request_is_refused(void **state)
{
    struct gate g;
    char hash[65];

    (void)state;
    NEEDS_SERVER();
    begin(&g);
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    hash_of(ID(1), hash);
    DECIDE(&g, PEOPLE_INVALID, "user:eve", approval("user:eve", "", ID(1), NULL));
    assert_string_equal(g.said.field, "hash");
    DECIDE(&g, PEOPLE_ALTERED, "user:eve", approval("user:eve", "", ID(1), NOBODY));
    assert_string_equal(ask(server_dsn, "UPDATE role_requests SET role = 'security'"), "!23001");
    sql("ALTER TABLE role_requests DISABLE TRIGGER role_requests_guard");
    assert_string_equal(ask(server_dsn, "UPDATE role_requests SET role = 'security'"), "!23514");
    sql("ALTER TABLE role_requests DROP CONSTRAINT role_requests_sha256");
    sql("UPDATE role_requests SET role = 'security'");
    sql("ALTER TABLE role_requests ENABLE TRIGGER role_requests_guard");
    DECIDE(&g, PEOPLE_ALTERED, "user:eve", approval("user:eve", "", ID(1), hash));
    assert_non_null(strstr(g.said.why, "altered"));
    assert_string_equal(state_of(ID(1)), "pending");
    assert_string_equal(grants(), "");
    gate_close(&g);
}

static void time_ends_it(void **state)
{
    struct gate g;
    struct people_ask short_ask = ask_for("user:sec", ROLE_APPROVER, ID(1));
    char hash[65];

    (void)state;
    NEEDS_SERVER();
    begin(&g);
    short_ask.ttl_ms = 1;
    ASK(&g, PEOPLE_OK, "user:sec", short_ask);
    hash_of(ID(1), hash);
    gate_run(&g, 5);
    DECIDE(&g, PEOPLE_LATE, "user:eve", approval("user:eve", "", ID(1), hash));
    UNTIL(&g.w.loop, strcmp(state_of(ID(1)), "expired") == 0, 5000);
    DECIDE(&g, PEOPLE_LATE, "user:eve", approval("user:eve", "", ID(1), hash));
    gate_run(&g, 1200); /* and it is entered once */
    assert_string_equal(sql("SELECT string_agg(outcome || ' ' || actor, ', ' ORDER BY id)"
                            " FROM test_audit WHERE action = 'role.grant'"),
                        "requested user:sec, expired system");
    CALL(&g, PEOPLE_OK, people_requests(g.p, true, TO_SAID(&g)));
    assert_string_equal(g.said.json, "{\"requests\" : []}");
    CALL(&g, PEOPLE_OK, people_request(g.p, ID(1), TO_SAID(&g)));
    assert_non_null(strstr(g.said.json, "\"state\" : \"expired\""));
    CALL(&g, PEOPLE_NOT_FOUND, people_request(g.p, ID(2), TO_SAID(&g)));
    /* an end of the grant that has passed meanwhile */
    short_ask = ask_for("user:sec", ROLE_APPROVER, ID(2));
    short_ask.until_ns = fake_now_ns + S;
    ASK(&g, PEOPLE_OK, "user:sec", short_ask);
    hash_of(ID(2), hash);
    fake_now_ns += 2 * S;
    DECIDE(&g, PEOPLE_CONFLICT, "user:eve", approval("user:eve", "", ID(2), hash));
    assert_non_null(strstr(g.said.why, "end of the grant"));
    gate_close(&g);
}

/* Who says the same by herself approves it; who repeats herself has asked once. */
static void the_same_again(void **state)
{
    struct gate g;
    struct people_ask other = ask_for("user:eve", ROLE_APPROVER, ID(3));

    (void)state;
    NEEDS_SERVER();
    begin(&g);
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    ASK(&g, PEOPLE_OK, "key:pk_1", ask_for("user:sec", ROLE_APPROVER, ID(2)));
    assert_true(g.said.waits);
    assert_string_equal(g.said.request_id, ID(1));
    other.eligible = true; /* something else: a request of its own */
    ASK(&g, PEOPLE_OK, "user:eve", other);
    assert_true(g.said.waits);
    assert_string_equal(g.said.request_id, ID(3));
    other.eligible = false;
    other.id = ID(4);
    ASK(&g, PEOPLE_OK, "user:eve", other);
    assert_false(g.said.waits);
    assert_string_equal(g.said.request_id, ID(1));
    assert_string_equal(sql("SELECT string_agg(right(id, 1) || ' ' || state, ', ' ORDER BY id)"
                            " FROM role_requests"),
                        "1 approved, 3 pending");
    assert_string_equal(grants(), "approver user:sec user:eve");
    gate_close(&g);
}

static void refused_and_taken_back(void **state)
{
    struct gate g;
    struct people_decide d = {.person = {"user:eve", ""}, .decision = PEOPLE_CANCEL};
    struct people_ask wrong = ask_for("user:sec", ROLE_BREAK_GLASS, ID(9));
    char hash[65];

    (void)state;
    NEEDS_SERVER();
    begin(&g);
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_ADMIN, ID(2)));
    d.id = ID(1);
    DECIDE(&g, PEOPLE_FORBIDDEN, "user:eve", d); /* reject it instead */
    d.decision = PEOPLE_REJECT;
    DECIDE(&g, PEOPLE_OK, "user:eve", d);
    assert_string_equal(state_of(ID(1)), "rejected");
    d = (struct people_decide){{"user:sec", ""}, ID(2), PEOPLE_CANCEL, NULL};
    DECIDE(&g, PEOPLE_OK, "user:sec", d);
    assert_string_equal(state_of(ID(2)), "cancelled");
    hash_of(ID(2), hash);
    DECIDE(&g, PEOPLE_DECIDED, "user:eve", approval("user:eve", "", ID(2), hash));
    DECIDE(&g, PEOPLE_NOT_FOUND, "user:eve", approval("user:eve", "", ID(7), hash));
    DECIDE(&g, PEOPLE_NOT_FOUND, "user:eve", approval("user:eve", "", "../x", hash));
    assert_string_equal(grants(), "");
    /* what cannot be granted does not wait; nor what nobody can have */
    ASK(&g, PEOPLE_INVALID, "user:sec", wrong);
    assert_string_equal(g.said.field, "kind");
    wrong.role = ROLE_APPROVER;
    wrong.name = "nobody";
    ASK(&g, PEOPLE_NOT_FOUND, "user:sec", wrong);
    /* who asked, or who is to have it, is disabled meanwhile */
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(3)));
    hash_of(ID(3), hash);
    sql("UPDATE users SET disabled_at = now(), disabled_by = 'x', disabled_reason = 'y'"
        " WHERE name = 'sec'");
    DECIDE(&g, PEOPLE_CONFLICT, "user:eve", approval("user:eve", "", ID(3), hash));
    assert_non_null(strstr(g.said.why, "who asked is disabled"));
    sql("UPDATE users SET disabled_at = now(), disabled_by = 'x', disabled_reason = 'y'"
        " WHERE name = 'ana'");
    DECIDE(&g, PEOPLE_CONFLICT, "user:eve", approval("user:eve", "", ID(3), hash));
    assert_non_null(strstr(g.said.why, "to have the role is disabled"));
    gate_close(&g);
}

/* No entry, no grant; and no request either. */
static void nothing_without_its_entry(void **state)
{
    struct gate g;
    char hash[65];

    (void)state;
    NEEDS_SERVER();
    begin(&g);
    g.break_audit = true;
    ASK(&g, PEOPLE_UNAVAILABLE, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    assert_string_equal(sql("SELECT count(*) FROM role_requests"), "0");
    g.break_audit = false;
    ASK(&g, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    hash_of(ID(1), hash);
    g.break_audit = true;
    DECIDE(&g, PEOPLE_UNAVAILABLE, "user:eve", approval("user:eve", "", ID(1), hash));
    assert_string_equal(state_of(ID(1)), "pending");
    assert_string_equal(grants(), "");
    gate_close(&g);
}

/* Two approve at two gateways in one instant: one grant, one entry. */
static void at_two_gateways_at_once(void **state)
{
    struct gate a;
    struct gate b;
    struct people_by one = {.actor = "user:eve"};
    struct people_by two = {.actor = "user:tom"};
    struct people_decide first;
    struct people_decide second;
    char hash[65];

    (void)state;
    NEEDS_SERVER();
    begin(&a);
    gate_open_with(&b, two_persons);
    ASK(&a, PEOPLE_OK, "user:sec", ask_for("user:sec", ROLE_APPROVER, ID(1)));
    hash_of(ID(1), hash);
    first = approval("user:eve", "", ID(1), hash);
    second = approval("user:tom", "", ID(1), hash);
    memset(&a.said, 0, sizeof a.said);
    memset(&b.said, 0, sizeof b.said);
    assert_int_equal(people_decide(a.p, &one, &first, TO_SAID(&a)), PEOPLE_OK);
    assert_int_equal(people_decide(b.p, &two, &second, TO_SAID(&b)), PEOPLE_OK);
    for (int i = 0; i < 8000 && a.said.calls + b.said.calls < 2; i++) {
        (void)uv_run(&a.w.loop, UV_RUN_NOWAIT);
        (void)uv_run(&b.w.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(a.said.calls + b.said.calls, 2);
    assert_true((a.said.err == PEOPLE_OK && b.said.err == PEOPLE_DECIDED) ||
                (b.said.err == PEOPLE_OK && a.said.err == PEOPLE_DECIDED));
    assert_string_equal(sql("SELECT count(*) FROM user_roles WHERE role = 'approver'"), "1");
    assert_string_equal(sql("SELECT count(*) FROM test_audit WHERE outcome = 'approved'"), "1");
    gate_close(&b);
    gate_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_make_it),
        cmocka_unit_test(another_person_approves),
        cmocka_unit_test(time_ends_it),
        cmocka_unit_test(the_same_again),
        cmocka_unit_test(refused_and_taken_back),
        cmocka_unit_test(nothing_without_its_entry),
        cmocka_unit_test(at_two_gateways_at_once),
        cmocka_unit_test(an_altered_request_is_refused), /* last: it takes a constraint away */
    };

    int failed = cmocka_run_group_tests(tests, people_start, server_end);

    metrics_fini();
    return failed;
}
