/* command: states, bounds, lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/core/command.h"
#include "gateway/runtime/json.h"

#define MS INT64_C(1000000)

static unsigned changes;
static enum core_state last_state;
static enum core_state last_was;

static void on_change(void *arg, const struct core_command_view *c)
{
    (void)arg;
    changes++;
    last_state = c->state;
    last_was = c->was;
}

static const char *no_reason(void *arg, const struct core_command_view *c)
{
    (void)arg;
    assert_false(core_states[c->state].settled);
    return NULL;
}

/* Names c(0), c(1), ... of four digits at most. */
static const char *name(unsigned i)
{
    static char ids[4][CORE_ID_SIZE];
    static unsigned at;

    snprintf(ids[++at % 4], CORE_ID_SIZE, "0123456789ABCDEFGHJKMN%04u", i % 10000);
    return ids[at % 4];
}

static void add(struct core_commands *t, unsigned i, const char *target, int64_t now)
{
    struct core_request r = {
        .kind = CORE_KIND_CANCEL_ALL, .args = gw_strdup("{}"), .deadline_ms = 100};

    memcpy(r.id, name(i), CORE_ID_SIZE);
    snprintf(r.target, sizeof r.target, "%s", target);
    snprintf(r.by, sizeof r.by, "user:ana");
    snprintf(r.gateway, sizeof r.gateway, "gw-1");
    assert_true(core_commands_add(t, &r, now, 0));
    assert_null(r.args);
}

static enum core_ack_result say(struct core_commands *t, unsigned i, enum core_state state,
                                int64_t now)
{
    struct core_ack a = {
        .type = CORE_ACK_COMMAND, .state = state, .has_count = true, .count = 3, .core = "engine"};

    memcpy(a.id, name(i), CORE_ID_SIZE);
    return core_commands_ack(t, &a, now, now);
}

static struct core_command_view get(const struct core_commands *t, unsigned i)
{
    struct core_command_view view;

    assert_true(core_commands_get(t, name(i), &view));
    return view;
}

/* Brings command 0 of a new table into STATE. */
static struct core_commands *in_state(enum core_state state)
{
    struct core_commands *t = core_commands_create(10, on_change, NULL);

    add(t, 0, "BTC/USD", 0);
    if (state == CORE_TIMED_OUT) {
        core_commands_expire(t, 100 * MS, 1, no_reason, NULL);
    } else if (state == CORE_CANCELLED) {
        assert_int_equal(core_commands_cancel(t, name(0), NULL, 1), GW_OK);
    } else if (state != CORE_REQUESTED) {
        assert_int_equal(say(t, 0, state, 1), CORE_ACK_TAKEN);
    }
    assert_int_equal(get(t, 0).state, state);
    return t;
}

/* Every word of a core in every state. */
static void words_in_states(void **state)
{
    enum {
        TAKE = CORE_ACK_TAKEN,
        LATE = CORE_ACK_LATE,
        DUP = CORE_ACK_DUPLICATE,
        NO = CORE_ACK_REFUSED
    };
    static const int want[CORE_STATE_COUNT][CORE_STATE_COUNT] = {
        /* said:            requested accepted done  failed timed_out cancelled */
        [CORE_REQUESTED] = {-1, TAKE, TAKE, TAKE, -1, TAKE},
        [CORE_ACCEPTED] = {-1, DUP, TAKE, TAKE, -1, TAKE},
        [CORE_DONE] = {-1, DUP, DUP, NO, -1, NO},
        [CORE_FAILED] = {-1, DUP, NO, DUP, -1, NO},
        [CORE_TIMED_OUT] = {-1, LATE, LATE, LATE, -1, LATE},
        [CORE_CANCELLED] = {-1, DUP, TAKE, TAKE, -1, TAKE},
    };

    (void)state;
    for (int from = 0; from < CORE_STATE_COUNT; from++) {
        for (int said = 0; said < CORE_STATE_COUNT; said++) {
            struct core_commands *t;
            bool moves = want[from][said] == TAKE || want[from][said] == LATE;

            if (want[from][said] < 0) {
                continue; /* no word of a core */
            }
            t = in_state((enum core_state)from);
            changes = 0;
            assert_int_equal(say(t, 0, (enum core_state)said, 200 * MS), want[from][said]);
            assert_int_equal(get(t, 0).state, moves ? said : from);
            assert_int_equal(changes, moves ? 1 : 0);
            if (moves) {
                assert_int_equal(last_was, from);
                assert_true(get(t, 0).confirmed);
                assert_int_equal(get(t, 0).late, want[from][said] == LATE);
                assert_int_equal(get(t, 0).count, 3);
            }
            assert_int_equal(core_commands_open(t), !core_states[get(t, 0).state].settled);
            assert_int_equal(core_commands_late(t), get(t, 0).state == CORE_TIMED_OUT);
            core_commands_destroy(&t);
        }
    }
}

static void persons_give_up(void **state)
{
    (void)state;
    for (int from = 0; from < CORE_STATE_COUNT; from++) {
        struct core_commands *t = in_state((enum core_state)from);
        bool open = !core_states[from].settled;

        assert_int_equal(core_commands_cancel(t, name(0), "why", 5), open ? GW_OK : GW_EINVAL);
        if (open) {
            assert_int_equal(get(t, 0).state, CORE_CANCELLED);
            assert_false(get(t, 0).confirmed); /* the core has not said so */
            assert_string_equal(get(t, 0).detail, "why");
            assert_int_equal(say(t, 0, CORE_CANCELLED, 1), CORE_ACK_TAKEN);
            assert_true(get(t, 0).confirmed);
            assert_int_equal(say(t, 0, CORE_CANCELLED, 1), CORE_ACK_DUPLICATE);
        }
        assert_int_equal(core_commands_cancel(t, name(1), NULL, 5), GW_ENOTFOUND);
        core_commands_destroy(&t);
    }
}

static void time_runs_out(void **state)
{
    struct core_commands *t = core_commands_create(10, on_change, NULL);

    (void)state;
    add(t, 0, "A", 0);
    add(t, 1, "B", 50 * MS);
    core_commands_expire(t, 100 * MS - 1, 1, no_reason, NULL);
    assert_int_equal(get(t, 0).state, CORE_REQUESTED);
    core_commands_expire(t, 100 * MS, 1, no_reason, NULL);
    assert_int_equal(get(t, 0).state, CORE_TIMED_OUT);
    assert_int_equal(get(t, 1).state, CORE_REQUESTED);
    assert_int_equal(say(t, 1, CORE_ACCEPTED, 60 * MS), CORE_ACK_TAKEN);
    core_commands_expire(t, 149 * MS, 1, no_reason, NULL);
    assert_int_equal(get(t, 1).state, CORE_ACCEPTED); /* accepting buys no time */
    core_commands_expire(t, 150 * MS, 1, no_reason, NULL);
    assert_int_equal(get(t, 1).state, CORE_TIMED_OUT);
    changes = 0;
    core_commands_expire(t, 10000 * MS, 1, no_reason, NULL);
    assert_int_equal(changes, 0); /* once */
    assert_int_equal(say(t, 0, CORE_ACCEPTED, 10000 * MS), CORE_ACK_LATE);
    core_commands_expire(t, 10099 * MS, 1, no_reason, NULL);
    assert_int_equal(get(t, 0).state, CORE_ACCEPTED); /* alive after all: it gets its time again */
    core_commands_expire(t, 10100 * MS, 1, no_reason, NULL);
    assert_int_equal(get(t, 0).state, CORE_TIMED_OUT);
    assert_int_equal(say(t, 0, CORE_DONE, 10200 * MS), CORE_ACK_LATE);
    assert_int_equal(core_commands_open(t), 1);
    core_commands_destroy(&t);
}

static void asked_long_ago_elsewhere(void **state)
{
    struct core_commands *t = core_commands_create(10, on_change, NULL);
    struct core_request r = {.kind = CORE_KIND_MODE, .deadline_ms = 100, .target = "*"};

    (void)state;
    memcpy(r.id, name(0), CORE_ID_SIZE);
    r.args = gw_strdup("{}");
    assert_true(core_commands_add(t, &r, 1000 * MS, 90 * MS));
    r.args = gw_strdup("{}");
    assert_false(core_commands_add(t, &r, 1000 * MS, 0)); /* known */
    core_request_fini(&r);
    core_commands_expire(t, 1009 * MS, 1, no_reason, NULL);
    assert_int_equal(get(t, 0).state, CORE_REQUESTED);
    core_commands_expire(t, 1010 * MS, 1, no_reason, NULL);
    assert_int_equal(get(t, 0).state, CORE_TIMED_OUT);
    core_commands_destroy(&t);
}

static void bounded_oldest_settled_first(void **state)
{
    struct core_commands *t = core_commands_create(4, on_change, NULL);
    struct core_command_view view;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        add(t, i, "A", 0);
    }
    (void)say(t, 2, CORE_DONE, 1);
    add(t, 4, "A", 0);
    assert_false(core_commands_get(t, name(2), &view));
    assert_true(core_commands_get(t, name(0), &view));
    add(t, 5, "A", 0); /* none is settled: the oldest */
    assert_false(core_commands_get(t, name(0), &view));
    assert_int_equal(core_commands_count(t), 4);
    assert_int_equal(core_commands_open(t), 4);
    assert_int_equal(say(t, 0, CORE_DONE, 1), CORE_ACK_UNKNOWN);
    for (unsigned i = 6; i < 5000; i++) {
        add(t, i, "A", 0);
    }
    assert_int_equal(core_commands_count(t), 4);
    core_commands_expire(t, 1000 * MS, 1, no_reason, NULL);
    core_commands_destroy(&t);
}

static void lists(void **state)
{
    struct core_commands *t = core_commands_create(100, on_change, NULL);
    struct core_filter all = {.state = CORE_STATE_COUNT};
    struct core_command_view page[7];
    unsigned seen = 0;
    size_t count;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        add(t, i, i % 2 == 0 ? "BTC/USD" : "ETH/USD", 0);
        if (i % 5 == 0) {
            (void)say(t, i, CORE_DONE, 1);
        }
    }
    do { /* page by page, newest first, each once */
        assert_int_equal(core_commands_list(t, &all, page, 7, &count), GW_OK);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(page[i].id, name(19 - seen));
            seen++;
        }
        all.after_id = count != 0 ? page[count - 1].id : NULL;
    } while (count == 7);
    assert_int_equal(seen, 20);
    all = (struct core_filter){.symbol = "ETH/USD", .state = CORE_DONE};
    assert_int_equal(core_commands_list(t, &all, page, 7, &count), GW_OK);
    assert_int_equal(count, 2); /* 5 and 15 */
    assert_string_equal(page[0].id, name(15));
    assert_string_equal(page[1].id, name(5));
    all.after_id = name(99);
    assert_int_equal(core_commands_list(t, &all, page, 7, &count), GW_ENOTFOUND);
    core_commands_destroy(&t);
}

static void printed(void **state)
{
    struct core_commands *t = core_commands_create(100, on_change, NULL);
    struct core_command_view view;
    struct buf b = {0};

    (void)state;
    add(t, 1, "BTC/USD", 0);
    view = get(t, 1);
    core_command_print(&b, &view);
    assert_string_equal(
        buf_cstr(&b),
        "{\"id\":\"0123456789ABCDEFGHJKMN0001\",\"kind\":\"cancel_all\",\"state\":\"requested\","
        "\"target\":\"BTC/"
        "USD\",\"args\":{},\"by\":\"user:ana\",\"gateway\":\"gw-1\",\"sent\":false,"
        "\"confirmed\":false,\"late\":false,\"count\":null,\"detail\":null,\"core\":null,"
        "\"asked_at\":\"1970-01-01T00:00:00.000000Z\",\"changed_at\":\"1970-01-01T00:00:00."
        "000000Z\","
        "\"deadline_ms\":100}");
    (void)say(t, 1, CORE_DONE, 2000 * MS);
    view = get(t, 1);
    buf_reset(&b);
    core_command_print(&b, &view);
    assert_non_null(strstr(buf_cstr(&b), "\"state\":\"done\""));
    assert_non_null(strstr(buf_cstr(&b), "\"count\":3,\"detail\":null,\"core\":\"engine\""));
    assert_non_null(strstr(buf_cstr(&b), "\"changed_at\":\"1970-01-01T00:00:02.000000Z\""));
    buf_fini(&b);
    core_commands_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_in_states),
        cmocka_unit_test(persons_give_up),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(asked_long_ago_elsewhere),
        cmocka_unit_test(bounded_oldest_settled_first),
        cmocka_unit_test(lists),
        cmocka_unit_test(printed),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
