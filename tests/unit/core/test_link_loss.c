/* The link when Redis stops, dies, forgets. */
#include "linked.h"

static void ask(struct linked *l, uint32_t deadline_ms, char id[CORE_ID_SIZE], enum gw_err want)
{
    struct core_ask a = {.kind = CORE_KIND_CANCEL_ALL,
                         .target = "BTC/USD",
                         .by = "user:ana",
                         .deadline_ms = deadline_ms};
    const struct entry_verdict_row *wrong = NULL;

    assert_int_equal(core_command(l->core, &a, NULL, NULL, id, &wrong), want);
}

static struct core_command_view view(const struct linked *l, const char *id)
{
    struct core_command_view v;

    assert_true(core_commands_get(core_commands_of(l->core), id, &v));
    return v;
}

static void announce(struct linked *l, uint64_t version)
{
    l->version = version;
    assert_int_equal(core_announce(l->core, version, version, "", "[]"), GW_OK);
}

/* Looks through `control`, which may hold what was under way twice. Returns the highest version; each
 * change from FIRST on must be there, in order. WHOLE: a snapshot holds them all. */
static uint64_t check_versions(struct redis_fixture *f, uint64_t first, unsigned *twice,
                               bool *whole)
{
    redisReply *all = stream(f, "control");
    uint64_t next = first;
    uint64_t last = 0;
    uint64_t told = 0;

    *twice = 0;
    for (size_t i = 0; i < all->elements; i++) {
        json_t *e = stream_entry(all, i);
        uint64_t version = (uint64_t)json_integer_value(json_object_get(e, "version"));
        bool snapshot = strcmp(json_string_value(json_object_get(e, "type")), "snapshot") == 0;

        last = version > last ? version : last;
        told = snapshot ? version : told;
        if (!snapshot && version >= first) {
            *twice += version < next;
            assert_true(version <= next);
            next = version == next ? next + 1 : next;
        }
        json_decref(e);
    }
    freeReplyObject(all);
    *whole = told == last;
    assert_true(next > last);
    return last;
}

static void stopped(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct linked gw;
    unsigned twice;
    bool snapshot;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    for (unsigned round = 0; round < 3; round++) {
        kill(f->pid, SIGSTOP);
        for (uint64_t v = 1; v <= 10; v++) {
            announce(&gw, 7 + 10 * round + v);
            run_for(20 * MS);
        }
        UNTIL(!core_linked(gw.core));
        assert_int_equal(core_queued(gw.core), 10);
        kill(f->pid, SIGCONT);
        UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
        assert_int_equal(check_versions(f, 8, &twice, &snapshot), 17 + 10 * round);
        assert_true(snapshot); /* after each return */
        assert_true(twice <= round + 1);
    }
    print_message("%u of 30 changes came twice: under way when the connection was given up\n",
                  twice);
    assert_int_equal(linked_count(&gw, CORE_M_DROPPED, CORE_DROPPED_ANNOUNCEMENT), 0);
    linked_close(&gw);
}

/* Redis comes back empty: what waited arrives, then the whole state; answers are read from the new
 * stream. */
static void killed_and_empty(void **state)
{
    struct redis_fixture *f = fresh(state);
    char id[2][CORE_ID_SIZE];
    struct linked gw;
    unsigned twice;
    bool snapshot;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    ask(&gw, 60000, id[0], GW_OK);
    UNTIL(view(&gw, id[0]).sent);
    core_answers(f, id[0], "accepted", "");
    UNTIL(view(&gw, id[0]).state == CORE_ACCEPTED);
    fixture_kill(f);
    UNTIL(!core_linked(gw.core));
    announce(&gw, 8);
    announce(&gw, 9);
    ask(&gw, 60000, id[1], GW_OK);
    assert_false(view(&gw, id[1]).sent);
    assert_true(fixture_start(f));
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    assert_int_equal(check_versions(f, 8, &twice, &snapshot), 9);
    assert_true(snapshot);
    assert_int_equal(stream_len(f, "control:commands"),
                     1); /* what was answered is not asked again */
    core_answers(f, id[0], "done", ",\"count\":1");
    core_answers(f, id[1], "done", ",\"count\":2");
    UNTIL(view(&gw, id[0]).state == CORE_DONE && view(&gw, id[1]).state == CORE_DONE);
    assert_int_equal(view(&gw, id[1]).count, 2);
    linked_close(&gw);
}

/* Ids that begin anew, below the last one read: a flushed Redis whose clock stands behind. */
static void ids_begin_anew(void **state)
{
    struct redis_fixture *f = fresh(state);
    const char *far[] = {"XADD", "control:acks", "99999999999999-0", "e",
                         "{\"core\":\"e1\",\"version\":5}"};
    const char *cut[] = {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"};
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    freeReplyObject(fixture_call(f, 5, far));
    UNTIL(core_version(gw.core) == 5);
    fixture_flush(f);
    freeReplyObject(fixture_call(f, 6, cut));
    UNTIL(!core_linked(gw.core));
    UNTIL(core_linked(gw.core));
    run_for(100 * MS);
    core_says(f, "{\"core\":\"e1\",\"version\":6}");
    UNTIL(core_version(gw.core) == 6);
    linked_close(&gw);
}

/* Answers given while the gateway was away are not lost, and none is taken twice. */
static void answers_meanwhile(void **state)
{
    struct redis_fixture *f = fresh(state);
    const char *cut[] = {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"};
    char id[20][CORE_ID_SIZE];
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    for (unsigned i = 0; i < GW_LEN(id); i++) {
        ask(&gw, 60000, id[i], GW_OK);
    }
    UNTIL(core_queued(gw.core) == 0);
    for (unsigned i = 0; i < GW_LEN(id); i++) {
        core_answers(f, id[i], "accepted", "");
        freeReplyObject(fixture_call(f, 6, cut));
        core_answers(f, id[i], "done", "");
        run_for(10 * MS);
    }
    UNTIL(core_commands_open(core_commands_of(gw.core)) == 0);
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_TAKEN), 2 * GW_LEN(id));
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_DUPLICATE), 0);
    linked_close(&gw);
}

static void bounded_queue(void **state)
{
    struct redis_fixture *f = fresh(state);
    char id[60][CORE_ID_SIZE];
    struct linked gw;
    unsigned twice;
    bool snapshot;

    linked_open_bounded(&gw, f, "gw-1", 7, 50);
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    fixture_kill(f);
    UNTIL(!core_linked(gw.core));
    for (uint64_t v = 8; v < 208; v++) {
        announce(&gw, v);
        assert_in_range(core_queued(gw.core), 1, 51);
    }
    assert_true(linked_count(&gw, CORE_M_DROPPED, CORE_DROPPED_ANNOUNCEMENT) >= 150);
    assert_true(fixture_start(f));
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    assert_int_equal(check_versions(f, 200, &twice, &snapshot), 207);
    assert_true(snapshot); /* holds what was dropped */
    fixture_kill(f);
    UNTIL(!core_linked(gw.core));
    for (uint64_t v = 208; v < 300; v++) {
        announce(&gw, v);
    }
    for (unsigned i = 0; i < 50; i++) { /* they go before announcements */
        ask(&gw, 60000, id[i], GW_OK);
    }
    ask(&gw, 60000, id[50], GW_EFULL);
    for (uint64_t v = 300; v < 400; v++) {
        announce(&gw, v); /* pushes no command out */
    }
    assert_true(fixture_start(f));
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    assert_int_equal(stream_len(f, "control:commands"), 50);
    assert_int_equal(check_versions(f, 400, &twice, &snapshot), 399);
    linked_close(&gw);
}

/* What nobody could be told in time is not told later. */
static void commands_that_waited_too_long(void **state)
{
    struct redis_fixture *f = fresh(state);
    char id[3][CORE_ID_SIZE];
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    fixture_kill(f);
    UNTIL(!core_linked(gw.core));
    ask(&gw, 200, id[0], GW_OK);
    ask(&gw, 60000, id[1], GW_OK);
    ask(&gw, 60000, id[2], GW_OK);
    assert_int_equal(core_cancel(gw.core, id[2], NULL), GW_OK);
    assert_string_equal(view(&gw, id[2]).detail, "never sent to the core");
    UNTIL(view(&gw, id[0]).state == CORE_TIMED_OUT);
    assert_string_equal(view(&gw, id[0]).detail,
                        "not sent: Redis was away until the deadline; ask again");
    assert_int_equal(linked_count(&gw, CORE_M_DROPPED, CORE_DROPPED_COMMAND), 1);
    assert_true(fixture_start(f));
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    assert_int_equal(stream_len(f, "control:commands"), 1);
    UNTIL(view(&gw, id[1]).sent);
    linked_close(&gw);
}

/* A command that was under way when Redis stopped, and timed out meanwhile, is not sent again. */
static void under_way_and_timed_out(void **state)
{
    struct redis_fixture *f = fresh(state);
    char id[CORE_ID_SIZE];
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    kill(f->pid, SIGSTOP);
    ask(&gw, 100, id, GW_OK);
    UNTIL(view(&gw, id).state == CORE_TIMED_OUT);
    UNTIL(!core_linked(gw.core));
    kill(f->pid, SIGCONT);
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    assert_in_range(stream_len(f, "control:commands"), 0,
                    1); /* what the kernel had taken may be read */
    linked_close(&gw);
}

/* An error of Redis is no reason to lose or reorder anything. */
static void refused_by_redis(void **state)
{
    struct redis_fixture *f = fresh(state);
    const char *wrong_type[] = {"SET", "control", "x"};
    const char *del[] = {"DEL", "control"};
    struct linked gw;
    unsigned twice;
    bool snapshot;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core) && core_queued(gw.core) == 0);
    freeReplyObject(fixture_call(f, 2, del));
    freeReplyObject(fixture_call(f, 3, wrong_type));
    announce(&gw, 8);
    announce(&gw, 9);
    UNTIL(linked_count(&gw, CORE_M_FAULTS, 0) >= 1);
    assert_int_equal(core_queued(gw.core), 2);
    freeReplyObject(fixture_call(f, 2, del));
    UNTIL(core_queued(gw.core) == 0);
    assert_int_equal(check_versions(f, 8, &twice, &snapshot), 9);
    assert_int_equal(twice, 0);
    linked_close(&gw);
}

/* No Redis since the start. */
static void never_there(void **state)
{
    struct redis_fixture nowhere = {.endpoint = "unix:/nonexistent/redis.sock"};
    char id[CORE_ID_SIZE];
    struct linked gw;

    (void)state;
    linked_open(&gw, &nowhere, "gw-1", 7);
    announce(&gw, 8);
    ask(&gw, 100, id, GW_OK);
    UNTIL(view(&gw, id).state == CORE_TIMED_OUT);
    assert_false(core_linked(gw.core));
    assert_int_equal(core_version(gw.core), 0);
    assert_true(core_silence_ns(gw.core) >= 100 * MS);
    linked_close(&gw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped),
        cmocka_unit_test(killed_and_empty),
        cmocka_unit_test(ids_begin_anew),
        cmocka_unit_test(answers_meanwhile),
        cmocka_unit_test(bounded_queue),
        cmocka_unit_test(commands_that_waited_too_long),
        cmocka_unit_test(under_way_and_timed_out),
        cmocka_unit_test(refused_by_redis),
        cmocka_unit_test(never_there),
    };
    int failed;

    json_setup();
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    uv_loop_init(&loop);
    failed = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
    (void)uv_loop_close(&loop);
    metrics_fini();
    return failed;
}
