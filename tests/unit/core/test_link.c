/* The link to the core over a real Redis: order, answers, several gateways, what is malformed. */
#include "linked.h"

static void announcements_in_order(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct linked gw;
    redisReply *all;
    json_t *e;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(stream_len(f, "control") == 1); /* the snapshot of the start */
    for (uint64_t v = 8; v < 58; v++) {
        gw.version = v;
        assert_int_equal(core_announce(gw.core, v, v % 5 == 0 ? 0 : v + 1000, "01JD",
                                       "[{\"kind\":\"mode\",\"target\":\"BTC/USD\"}]"),
                         GW_OK);
    }
    UNTIL(core_queued(gw.core) == 0);
    all = stream(f, "control");
    assert_int_equal(all->elements, 51);
    e = stream_entry(all, 0);
    assert_string_equal(json_string_value(json_object_get(e, "type")), "snapshot");
    assert_int_equal(json_integer_value(json_object_get(e, "version")), 7);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(e, "state"), "version")),
                     7);
    assert_string_equal(json_string_value(json_object_get(e, "gateway")), "gw-1");
    json_decref(e);
    for (size_t i = 1; i < 51; i++) {
        json_int_t version = (json_int_t)i + 7;

        e = stream_entry(all, i);
        assert_string_equal(json_string_value(json_object_get(e, "type")), "change");
        assert_int_equal(json_integer_value(json_object_get(e, "version")), version);
        assert_int_equal(json_integer_value(json_object_get(e, "audit")),
                         version % 5 == 0 ? 0 : version + 1000);
        assert_string_equal(json_string_value(json_object_get(e, "id")), "01JD");
        assert_true(json_is_array(json_object_get(e, "cells")));
        json_decref(e);
    }
    freeReplyObject(all);
    assert_int_equal(linked_count(&gw, CORE_M_SENT, 0), 51);
    linked_close(&gw);
}

/* A state that is loaded later is announced when its owner says so; a change that is too big for an
 * entry is told as a snapshot. */
static void snapshots(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct buf big = {0};
    struct linked gw;

    linked_open(&gw, f, "gw-1", 0);
    UNTIL(core_linked(gw.core));
    run_for(100 * MS);
    assert_int_equal(stream_len(f, "control"), 0);
    gw.version = 3;
    core_announce_snapshot(gw.core);
    UNTIL(stream_len(f, "control") == 1);
    buf_lit(&big, "[\"");
    memset(buf_room(&big, CORE_ANNOUNCEMENT_MAX), 'x', CORE_ANNOUNCEMENT_MAX);
    big.len += CORE_ANNOUNCEMENT_MAX;
    buf_lit(&big, "\"]");
    assert_int_equal(core_announce(gw.core, 4, 0, "j", buf_cstr(&big)), GW_ETOOBIG);
    buf_fini(&big);
    UNTIL(linked_count(&gw, CORE_M_SNAPSHOTS, 0) == 2);
    assert_int_equal(stream_len(f, "control"), 2);
    run_for(1100 * MS); /* asked for by a core at most once a second */
    core_says(f, "{\"core\":\"engine-1\",\"version\":0,\"need\":\"snapshot\"}");
    core_says(f, "{\"core\":\"engine-1\",\"version\":0,\"need\":\"snapshot\"}");
    UNTIL(stream_len(f, "control") == 3);
    run_for(200 * MS);
    assert_int_equal(stream_len(f, "control"), 3);
    linked_close(&gw);
}

struct followed {
    unsigned calls;
    enum core_state states[8];
    uint64_t count;
};

static void on_followed(void *arg, const struct core_command_view *c)
{
    struct followed *w = arg;

    assert_true(w->calls < GW_LEN(w->states));
    w->states[w->calls++] = c->state;
    w->count = c->count;
}

static struct core_command_view view(const struct linked *l, const char *id)
{
    struct core_command_view v;

    assert_true(core_commands_get(core_commands_of(l->core), id, &v));
    return v;
}

static void cancel_all(struct linked *l, const char *symbol, uint32_t deadline_ms,
                       struct followed *w, char id[CORE_ID_SIZE])
{
    struct core_ask ask = {.kind = CORE_KIND_CANCEL_ALL,
                           .target = symbol,
                           .by = "user:ana",
                           .deadline_ms = deadline_ms};
    const struct entry_verdict_row *wrong = NULL;

    assert_int_equal(core_command(l->core, &ask, w != NULL ? on_followed : NULL, w, id, &wrong),
                     GW_OK);
}

static void a_command_to_its_end(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct followed w = {0};
    char id[CORE_ID_SIZE];
    struct linked gw;
    redisReply *all;
    json_t *e;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    cancel_all(&gw, "BTC/USD", 5000, &w, id);
    assert_int_equal(w.calls, 0); /* never before it returned */
    UNTIL(stream_len(f, "control:commands") == 1);
    run_for(100 * MS);
    assert_true(view(&gw, id).sent);
    assert_int_equal(view(&gw, id).state, CORE_REQUESTED); /* sent is not done */
    all = stream(f, "control:commands");
    e = stream_entry(all, 0);
    assert_string_equal(json_string_value(json_object_get(e, "id")), id);
    assert_string_equal(json_string_value(json_object_get(e, "kind")), "cancel_all");
    assert_string_equal(json_string_value(json_object_get(e, "target")), "BTC/USD");
    assert_string_equal(json_string_value(json_object_get(e, "by")), "user:ana");
    assert_string_equal(json_string_value(json_object_get(e, "gateway")), "gw-1");
    assert_int_equal(json_integer_value(json_object_get(e, "deadline_ms")), 5000);
    assert_true(json_is_object(json_object_get(e, "args")));
    json_decref(e);
    freeReplyObject(all);
    core_answers(f, id, "accepted", "");
    UNTIL(w.calls == 1);
    core_answers(f, id, "done",
                 ",\"count\":42,\"version\":7,\"detail\":\"42 orders of 3 accounts\"");
    UNTIL(w.calls == 2);
    assert_int_equal(w.states[0], CORE_ACCEPTED);
    assert_int_equal(w.states[1], CORE_DONE);
    assert_int_equal(w.count, 42);
    assert_string_equal(view(&gw, id).detail, "42 orders of 3 accounts");
    assert_string_equal(view(&gw, id).core, "engine-1");
    assert_int_equal(core_version(gw.core), 7);
    core_answers(f, id, "done", ",\"count\":42"); /* a duplicate */
    core_answers(f, id, "failed", "");            /* a contradiction */
    core_answers(f, "01ARYZ6S41ZZZZZZZZZZZZZZZZ", "done", "");
    UNTIL(linked_count(&gw, CORE_M_ACKS, CORE_ACK_UNKNOWN) == 1);
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_TAKEN), 2);
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_DUPLICATE), 1);
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_REFUSED), 1);
    assert_int_equal(view(&gw, id).state, CORE_DONE);
    assert_int_equal(w.calls, 2);
    assert_int_equal(
        linked_count(&gw, CORE_M_COMMANDS, core_command_label_of(CORE_KIND_CANCEL_ALL, CORE_DONE)),
        1);
    assert_int_equal(linked_count(&gw, CORE_M_MALFORMED, ENTRY_JSON), 0);
    linked_close(&gw);
}

/* Sent by a script: the whole entry and not a byte more, whatever its length. */
static void commands_under_a_key(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct linked gw;
    redisReply *all;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    for (unsigned len = 1; len <= 40; len++) {
        char by[48] = "user:";
        struct core_once once = {"", "r"};
        struct core_ask ask = {.kind = CORE_KIND_CANCEL_ALL,
                               .target = "BTC/USD",
                               .by = by,
                               .deadline_ms = 5000,
                               .once = &once};
        const struct entry_verdict_row *wrong = NULL;
        char id[CORE_ID_SIZE];
        json_t *e;

        memset(by + 5, 'a', len);
        (void)snprintf(once.key, sizeof once.key, "%064u", len);
        (void)snprintf(once.request, sizeof once.request, "%064u", len);
        assert_int_equal(core_command(gw.core, &ask, NULL, NULL, id, &wrong), GW_OK);
        UNTIL(stream_len(f, "control:commands") == len);
        all = stream(f, "control:commands");
        e = stream_entry(all, len - 1);
        assert_string_equal(json_string_value(json_object_get(e, "id")), id);
        assert_string_equal(json_string_value(json_object_get(e, "by")), by);
        assert_string_equal(json_string_value(json_object_get(e, "once")), once.key);
        assert_string_equal(json_string_value(json_object_get(e, "request")), once.request);
        json_decref(e);
        freeReplyObject(all);
    }
    linked_close(&gw);
}

static void late_answers(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct followed w = {0};
    char id[CORE_ID_SIZE];
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    cancel_all(&gw, "BTC/USD", 100, &w, id);
    UNTIL(w.calls == 1);
    assert_int_equal(w.states[0], CORE_TIMED_OUT);
    assert_string_equal(view(&gw, id).detail, ""); /* it was sent */
    core_answers(f, id, "done", ",\"count\":1");
    UNTIL(w.calls == 2);
    assert_int_equal(w.states[1], CORE_DONE);
    assert_true(view(&gw, id).late);
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_LATE), 1);
    linked_close(&gw);
}

static void wrong_asks(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct core_ask ask = {.kind = CORE_KIND_MODE,
                           .target = "BTC/USD",
                           .by = "user:ana",
                           .deadline_ms = 1000,
                           .args = "{\"mode\":\"OFF\"}"};
    const struct entry_verdict_row *wrong = NULL;
    char id[CORE_ID_SIZE];
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    assert_int_equal(core_command(gw.core, &ask, NULL, NULL, id, &wrong), GW_EFIELD);
    assert_string_equal(wrong->field, "args");
    ask.args = "{\"mode\":\"HARD_HALT\"}";
    ask.target = "no such thing";
    assert_int_equal(core_command(gw.core, &ask, NULL, NULL, id, &wrong), GW_EFIELD);
    assert_string_equal(wrong->field, "target");
    assert_int_equal(core_commands_count(core_commands_of(gw.core)), 0);
    assert_int_equal(core_cancel(gw.core, "nonsense", NULL), GW_ENOTFOUND);
    linked_close(&gw);
}

/* What one gateway asks all of them show; a gateway that starts later too. */
static void several_gateways(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct linked gw[3];
    char id[2][CORE_ID_SIZE];

    linked_open(&gw[0], f, "gw-1", 7);
    linked_open(&gw[1], f, "gw-2", 7);
    UNTIL(core_linked(gw[0].core) && core_linked(gw[1].core));
    cancel_all(&gw[0], "BTC/USD", 5000, NULL, id[0]);
    cancel_all(&gw[1], "*", 60000, NULL, id[1]);
    UNTIL(core_commands_count(core_commands_of(gw[0].core)) == 2 &&
          core_commands_count(core_commands_of(gw[1].core)) == 2);
    core_answers(f, id[0], "accepted", "");
    core_answers(f, id[0], "done", ",\"count\":5");
    UNTIL(view(&gw[0], id[0]).state == CORE_DONE && view(&gw[1], id[0]).state == CORE_DONE);
    assert_string_equal(view(&gw[1], id[0]).gateway, "gw-1");
    assert_int_equal(view(&gw[1], id[0]).count, 5);
    assert_int_equal(core_cancel(gw[0].core, id[1], NULL), GW_OK); /* asked at the other one */
    UNTIL(view(&gw[1], id[1]).state == CORE_CANCELLED);
    assert_int_equal(stream_len(f, "control:commands"), 3);
    linked_open(&gw[2], f, "gw-3", 7);
    UNTIL(core_commands_count(core_commands_of(gw[2].core)) == 2 &&
          view(&gw[2], id[0]).state == CORE_DONE && view(&gw[2], id[1]).state == CORE_CANCELLED);
    assert_int_equal(view(&gw[2], id[0]).count, 5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(linked_count(&gw[i], CORE_M_ACKS, CORE_ACK_UNKNOWN), 0);
        linked_close(&gw[i]);
    }
}

static void desired_beside_observed(void **state)
{
    struct redis_fixture *f = fresh(state);
    const struct core_observation *o;
    const struct core_peer *peers;
    struct linked gw;
    struct linked later;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    assert_null(core_observed(gw.core, "BTC/USD"));
    assert_int_equal(core_version(gw.core), 0);
    core_says(f, "{\"core\":\"e1\",\"version\":8,\"symbol\":\"BTC/USD\",\"mode\":\"HARD_HALT\"}");
    UNTIL(gw.observed_changes == 1);
    assert_string_equal(gw.observed, "BTC/USD");
    o = core_observed(gw.core, "BTC/USD");
    assert_int_equal(o->mode, CORE_MODE_HARD_HALT);
    assert_int_equal(o->version, 8);
    assert_string_equal(o->core, "e1");
    assert_true(llabs(clock_real_ns() - o->at_ns) < 2 * SECOND);
    core_says(f, "{\"core\":\"e2\",\"version\":6}"); /* the other engine is behind */
    UNTIL(gw.observed_changes == 2);
    assert_string_equal(gw.observed, "-");
    assert_int_equal(core_version(gw.core), 6);
    core_says(f, "{\"core\":\"e2\",\"version\":9}");
    UNTIL(core_version(gw.core) == 8);
    assert_int_equal(core_peers(gw.core, &peers), 2);
    assert_true(core_silence_ns(gw.core) < SECOND);
    run_for(1200 * MS);
    assert_in_range(core_silence_ns(gw.core), SECOND, 3 * SECOND);
    UNTIL(linked_count(&gw, CORE_M_AGE, 0) >= 1);
    assert_int_equal(linked_count(&gw, CORE_M_VERSION, 0), 8);
    linked_open(&later, f, "gw-2", 7); /* reads back, and knows how old it is */
    UNTIL(core_version(later.core) == 8);
    assert_true(core_silence_ns(later.core) >= SECOND);
    linked_close(&later);
    linked_close(&gw);
}

static void malformed_entries_change_nothing(void **state)
{
    struct redis_fixture *f = fresh(state);
    const char *two_fields[] = {"XADD", "control:acks", "*", "e", "{}", "f", "{}"};
    const char *other_field[] = {"XADD", "control:acks", "*", "x", "{}"};
    const char *command[] = {"XADD", "control:commands", "*", "e", "{\"id\":1}"};
    char id[CORE_ID_SIZE];
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(core_linked(gw.core));
    cancel_all(&gw, "BTC/USD", 5000, NULL, id);
    freeReplyObject(fixture_call(f, 7, two_fields));
    freeReplyObject(fixture_call(f, 5, other_field));
    freeReplyObject(fixture_call(f, 5, command));
    core_says(f, "not json");
    core_says(f, "not json either");
    core_answers(f, id, "finished", "");
    core_answers(f, id, "done", ",\"count\":-1");
    core_says(f, "{\"core\":\"e1\",\"version\":8,\"symbol\":\"BTC/USD\",\"mode\":\"CLOSED\"}");
    core_answers(f, "42", "done", "");
    UNTIL(linked_count(&gw, CORE_M_MALFORMED, ENTRY_ID) == 2);
    assert_int_equal(linked_count(&gw, CORE_M_MALFORMED, ENTRY_FORM), 2);
    assert_int_equal(linked_count(&gw, CORE_M_MALFORMED, ENTRY_JSON), 2);
    assert_int_equal(linked_count(&gw, CORE_M_MALFORMED, ENTRY_STATE), 1);
    assert_int_equal(linked_count(&gw, CORE_M_MALFORMED, ENTRY_COUNT), 1);
    assert_int_equal(linked_count(&gw, CORE_M_MALFORMED, ENTRY_MODE), 1);
    assert_int_equal(view(&gw, id).state, CORE_REQUESTED);
    assert_null(core_observed(gw.core, "BTC/USD"));
    core_answers(f, id, "done", "");
    UNTIL(view(&gw, id).state == CORE_DONE);
    linked_close(&gw);
}

/* The two labels of one counter come out as Prometheus wants them. */
static void metrics_text(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct buf text = {0};
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    metrics_render(&text);
    assert_non_null(strstr(buf_cstr(&text),
                           "core_commands_total{kind=\"circuit_reset\",state=\"timed_out\"} 0\n"));
    assert_non_null(
        strstr(buf_cstr(&text), "core_commands_total{kind=\"cancel_all\",state=\"done\"}"));
    buf_fini(&text);
    linked_close(&gw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announcements_in_order),
        cmocka_unit_test(snapshots),
        cmocka_unit_test(a_command_to_its_end),
        cmocka_unit_test(commands_under_a_key),
        cmocka_unit_test(late_answers),
        cmocka_unit_test(wrong_asks),
        cmocka_unit_test(several_gateways),
        cmocka_unit_test(desired_beside_observed),
        cmocka_unit_test(malformed_entries_change_nothing),
        cmocka_unit_test(metrics_text),
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
