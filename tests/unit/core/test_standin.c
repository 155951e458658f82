/* The link and the stand-in core, which knows nothing of our code but the contract. */
/* links: gw_core */
#include "linked.h"

struct standin {
    pid_t pid;
};

/* It stands beside the tests: build/tests/unit_x, build/load/standin-core. */
static void standin_path(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    char *slash;

    assert_true(n > 0);
    out[n] = '\0';
    slash = strrchr(out, '/');
    assert_non_null(slash);
    snprintf(slash, size - (size_t)(slash - out), "/../load/standin-core");
    if (access(out, X_OK) != 0) {
        fail_msg("%s is not built: ninja -C build", out);
    }
}

static void standin_start(struct standin *s, const struct redis_fixture *f, const char *o1,
                          const char *v1, const char *o2, const char *v2)
{
    char path[4096];

    standin_path(path, sizeof path);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(path, path, "--quiet", "--redis", f->endpoint, "--delay", "50", "--heartbeat", "1",
              "--group", "majors=BTC/USD,ETH/USD", "--symbols", "BTC/USD,ETH/USD,SOL/USD", o1, v1,
              o2, v2, (char *)NULL);
        _exit(127);
    }
}

/* Politely: it must end by itself, with 0. */
static void standin_stop(struct standin *s)
{
    int status;

    kill(s->pid, SIGTERM);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static struct core_command_view view(const struct linked *l, const char *id)
{
    struct core_command_view v;

    assert_true(core_commands_get(core_commands_of(l->core), id, &v));
    return v;
}

static void ask(struct linked *l, enum core_kind kind, const char *target, const char *args,
                uint32_t deadline_ms, char id[CORE_ID_SIZE])
{
    struct core_ask a = {
        .kind = kind, .target = target, .args = args, .by = "user:ana", .deadline_ms = deadline_ms};
    const struct entry_verdict_row *wrong = NULL;

    assert_int_equal(core_command(l->core, &a, NULL, NULL, id, &wrong), GW_OK);
}

static void announce(struct linked *l, uint64_t version, const char *kind, const char *target,
                     const char *value)
{
    struct buf cells = {0};

    l->version = version;
    buf_printf(&cells, "[{\"kind\":\"%s\",\"target\":\"%s\",\"value\":%s,\"version\":%llu}]", kind,
               target, value, (unsigned long long)version);
    assert_int_equal(core_announce(l->core, version, version, "", buf_cstr(&cells)), GW_OK);
    buf_fini(&cells);
}

static bool shows(const struct linked *l, const char *symbol, enum core_mode mode)
{
    const struct core_observation *o = core_observed(l->core, symbol);

    return o != NULL && o->mode == mode;
}

static void modes_are_applied(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct standin s;
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(stream_len(f, "control") == 1);
    standin_start(&s, f, "--name", "engine-1", "--orders", "100");
    UNTIL(core_version(gw.core) == 7 && shows(&gw, "SOL/USD", CORE_MODE_NORMAL));
    announce(&gw, 8, "mode", "BTC/USD", "{\"mode\":\"CANCEL_ONLY\"}");
    UNTIL(shows(&gw, "BTC/USD", CORE_MODE_CANCEL_ONLY));
    assert_true(shows(&gw, "ETH/USD", CORE_MODE_NORMAL));
    announce(&gw, 9, "mode", "group:majors", "{\"mode\":\"SOFT_HALT\"}");
    UNTIL(shows(&gw, "BTC/USD", CORE_MODE_SOFT_HALT) && shows(&gw, "ETH/USD", CORE_MODE_SOFT_HALT));
    announce(&gw, 10, "kill", "global", "{\"engaged\":true,\"released_symbols\":[]}");
    UNTIL(shows(&gw, "SOL/USD", CORE_MODE_CANCEL_ONLY));
    announce(&gw, 11, "kill", "global", "{\"engaged\":true,\"released_symbols\":[\"SOL/USD\"]}");
    UNTIL(shows(&gw, "SOL/USD", CORE_MODE_NORMAL) && core_version(gw.core) == 11);
    announce(&gw, 10, "kill", "global", "{\"engaged\":true}"); /* an old one again: no effect */
    announce(&gw, 12, "mode", "group:majors", "{\"mode\":\"NORMAL\"}");
    UNTIL(core_version(gw.core) == 12);
    UNTIL(shows(&gw, "ETH/USD", CORE_MODE_CANCEL_ONLY)); /* the kill switch */
    assert_true(shows(&gw, "SOL/USD", CORE_MODE_NORMAL));
    assert_string_equal(core_observed(gw.core, "SOL/USD")->core, "engine-1");
    standin_stop(&s);
    linked_close(&gw);
}

static void commands_are_done(void **state)
{
    struct redis_fixture *f = fresh(state);
    char id[6][CORE_ID_SIZE];
    struct standin s;
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(stream_len(f, "control") == 1);
    standin_start(&s, f, "--orders", "1000", "--fail-symbol", "ETH/USD");
    UNTIL(core_version(gw.core) == 7);
    announce(&gw, 8, "mode", "*", "{\"mode\":\"CANCEL_ONLY\"}"); /* no orders come meanwhile */
    UNTIL(shows(&gw, "BTC/USD", CORE_MODE_CANCEL_ONLY));
    ask(&gw, CORE_KIND_CANCEL_ALL, "BTC/USD", NULL, 5000, id[0]);
    ask(&gw, CORE_KIND_CANCEL_ALL, "ETH/USD", NULL, 5000, id[1]);
    ask(&gw, CORE_KIND_CANCEL_ALL, "DOGE/USD", NULL, 5000, id[2]);
    ask(&gw, CORE_KIND_CANCEL_ALL, "*", NULL, 5000, id[3]);
    ask(&gw, CORE_KIND_MODE, "SOL/USD", "{\"mode\":\"HARD_HALT\"}", 5000, id[4]);
    ask(&gw, CORE_KIND_CANCEL_ALL, "SOL/USD", NULL, 5000, id[5]);
    UNTIL(core_commands_open(core_commands_of(gw.core)) == 0);
    assert_int_equal(view(&gw, id[0]).state, CORE_DONE);
    assert_int_equal(view(&gw, id[0]).count, 1000);
    assert_int_equal(view(&gw, id[1]).state, CORE_FAILED);
    assert_string_equal(view(&gw, id[1]).detail, "the stand-in was told to fail");
    assert_int_equal(view(&gw, id[2]).state, CORE_FAILED);
    assert_string_equal(view(&gw, id[2]).detail, "no such symbol here: DOGE/USD");
    assert_int_equal(view(&gw, id[3]).state, CORE_DONE);
    assert_int_equal(view(&gw, id[3]).count, 2000); /* those of BTC/USD are gone */
    assert_int_equal(view(&gw, id[4]).state, CORE_DONE);
    assert_int_equal(view(&gw, id[5]).state, CORE_FAILED); /* no cancels in HARD_HALT */
    UNTIL(shows(&gw, "SOL/USD", CORE_MODE_HARD_HALT));
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_DUPLICATE), 0);
    assert_int_equal(linked_count(&gw, CORE_M_ACKS, CORE_ACK_UNKNOWN), 0);
    for (unsigned v = ENTRY_OK; v < ENTRY_VERDICT_COUNT; v++) {
        assert_int_equal(linked_count(&gw, CORE_M_MALFORMED, v), 0);
    }
    standin_stop(&s);
    linked_close(&gw);
}

static void silent_slow_and_cancelled(void **state)
{
    struct redis_fixture *f = fresh(state);
    char id[3][CORE_ID_SIZE];
    struct standin s;
    struct linked gw;

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(stream_len(f, "control") == 1);
    standin_start(&s, f, "--silent", "--silent", "--orders", "5");
    ask(&gw, CORE_KIND_CANCEL_ALL, "*", NULL, 300, id[0]);
    UNTIL(view(&gw, id[0]).state == CORE_TIMED_OUT);
    assert_int_equal(core_version(gw.core), 0);
    standin_stop(&s);
    standin_start(&s, f, "--orders", "5", "--delay", "1000"); /* --delay: the last one counts */
    UNTIL(core_version(gw.core) == 7);
    ask(&gw, CORE_KIND_CANCEL_ALL, "BTC/USD", NULL, 400, id[1]);
    ask(&gw, CORE_KIND_CANCEL_ALL, "SOL/USD", NULL, 5000, id[2]);
    UNTIL(view(&gw, id[1]).state == CORE_ACCEPTED && view(&gw, id[2]).state == CORE_ACCEPTED);
    assert_int_equal(core_cancel(gw.core, id[2], NULL), GW_OK);
    assert_false(view(&gw, id[2]).confirmed);
    UNTIL(view(&gw, id[2]).confirmed); /* the core agrees */
    assert_int_equal(view(&gw, id[2]).state, CORE_CANCELLED);
    UNTIL(view(&gw, id[1]).state == CORE_TIMED_OUT);
    UNTIL(view(&gw, id[1]).state == CORE_DONE); /* late, and shown so */
    assert_true(view(&gw, id[1]).late);
    assert_int_equal(view(&gw, id[0]).state,
                     CORE_TIMED_OUT); /* too old to be done by the next core */
    standin_stop(&s);
    linked_close(&gw);
}

/* The core dies and comes back; then Redis does, empty. Both know the state again. */
static void core_and_redis_come_back(void **state)
{
    struct redis_fixture *f = fresh(state);
    struct standin s;
    struct linked gw;
    char id[CORE_ID_SIZE];

    linked_open(&gw, f, "gw-1", 7);
    UNTIL(stream_len(f, "control") == 1);
    standin_start(&s, f, "--orders", "5", "--name", "engine-1");
    UNTIL(core_version(gw.core) == 7);
    kill(s.pid, SIGKILL);
    waitpid(s.pid, NULL, 0);
    announce(&gw, 8, "mode", "BTC/USD", "{\"mode\":\"HARD_HALT\"}");
    ask(&gw, CORE_KIND_CANCEL_ALL, "ETH/USD", NULL, 10000, id);
    run_for(300 * MS);
    assert_int_equal(core_version(gw.core), 7); /* nobody says it is done */
    assert_int_equal(view(&gw, id).state, CORE_REQUESTED);
    standin_start(&s, f, "--orders", "5", "--name", "engine-1");
    UNTIL(core_version(gw.core) == 8 && shows(&gw, "BTC/USD", CORE_MODE_HARD_HALT));
    UNTIL(view(&gw, id).state == CORE_DONE); /* it was still meant */
    fixture_kill(f);
    UNTIL(!core_linked(gw.core));
    gw.version = 9; /* decided meanwhile; only the snapshot tells it */
    assert_true(fixture_start(f));
    UNTIL(core_version(gw.core) == 9);
    assert_true(core_silence_ns(gw.core) < 2 * SECOND);
    standin_stop(&s);
    linked_close(&gw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_are_applied),
        cmocka_unit_test(commands_are_done),
        cmocka_unit_test(silent_slow_and_cancelled),
        cmocka_unit_test(core_and_redis_come_back),
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
