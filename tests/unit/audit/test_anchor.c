/* Signed heads: in time, in both places, with either of them away, and never over a broken chain. */
#include "tests/unit/ratelimit/redis_fixture.h"

#include <sys/stat.h>
#include "gateway/audit/anchor.h"
#include "gateway/audit/anchor_file.h"
#include "tests/unit/audit/store_fixture.h"

static struct redis_fixture *redis_server;
static char dir[] = "/tmp/gwanchor.XXXXXX";
static char path[64];
static struct note_signer *signer;

struct anchored {
    struct audit a;
    struct redis *redis;
    struct audit_anchor *anchor;
    struct audit_anchor_status status;
    bool up;
    bool closed;
};

static void on_redis_state(void *arg, bool up)
{
    ((struct anchored *)arg)->up = up;
}

static void on_closed(void *arg)
{
    ((struct anchored *)arg)->closed = true;
}

static void start_anchor(struct anchored *t, uint32_t interval_ms)
{
    struct audit_anchor_options opt = {.loop = &t->a.w.loop,
                                       .store = t->a.store,
                                       .signer = signer,
                                       .path = path,
                                       .redis = t->redis,
                                       .interval_ms = interval_ms,
                                       .metrics = t->a.metrics};
    struct buf why = {0};

    t->anchor = audit_anchor_open(&opt, &why);
    if (t->anchor == NULL) {
        fail_msg("%s", buf_cstr(&why));
    }
}

static void open_all(struct anchored *t, uint32_t interval_ms)
{
    struct redis_options opt = {.endpoint = redis_server->endpoint,
                                .name = "test",
                                .timeout_ms =
                                    5000, /* a late answer is a note sent again: not here */
                                .backoff_min_ms = 10,
                                .backoff_max_ms = 100,
                                .metrics = metrics_create(&redis_metrics)};

    memset(t, 0, sizeof *t);
    audit_open(&t->a, writer_dsn, 3);
    t->redis = redis_create(&t->a.w.loop, &opt, on_redis_state, t);
    if (redis_server->pid != 0) {
        UNTIL(&t->a.w.loop, t->up, 3000);
    }
    start_anchor(t, interval_ms);
}

static void stop_anchor(struct anchored *t)
{
    t->closed = false;
    audit_anchor_close(t->anchor, on_closed, t);
    UNTIL(&t->a.w.loop, t->closed, 5000);
    audit_anchor_destroy(&t->anchor);
}

static void close_all(struct anchored *t)
{
    stop_anchor(t);
    t->closed = false;
    redis_close(t->redis, on_closed, t);
    UNTIL(&t->a.w.loop, t->closed, 5000);
    redis_destroy(&t->redis);
    audit_close(&t->a);
}

static bool signed_to(struct anchored *t, uint64_t seq)
{
    audit_anchor_status(t->anchor, &t->status);
    return t->status.last.seq == seq;
}

/* Anchors in the file, all verified; the last one's seq in *LAST. */
static size_t in_file(uint64_t *last)
{
    struct anchors a;
    struct buf why = {0};
    size_t count;

    assert_true(anchors_load(path, note_signer_key(signer), 0, &a, &why));
    count = a.count;
    *last = count > 0 ? a.marks[count - 1].seq : 0;
    anchors_fini(&a);
    return count;
}

/* And in Redis. */
static size_t in_redis(uint64_t *last)
{
    redisReply *r = redisCommand(redis_server->direct, "XRANGE " ANCHOR_STREAM " - +");
    size_t count = r->elements;
    struct checkpoint_note c = {0};
    const char *why;

    *last = 0;
    if (count > 0) {
        const redisReply *note = r->element[count - 1]->element[1]->element[1];

        assert_true(checkpoint_verify(note->str, note->len, note_signer_key(signer), &c, &why));
        *last = c.mark.seq;
    }
    freeReplyObject(r);
    return count;
}

static void in_both_places(void **state)
{
    struct anchored t;
    uint64_t last;
    size_t count;

    (void)state;
    NEEDS_SERVER();
    fixture_flush(redis_server);
    fresh();
    open_all(&t, 60000);
    append_many(&t.a, 0, 10);
    audit_anchor_now(t.anchor);
    UNTIL(&t.a.w.loop, signed_to(&t, 10), 3000);
    assert_true(t.status.time_ns > clock_real_ns() - 5000000000);
    append_many(&t.a, 10, 5);
    audit_anchor_now(t.anchor);
    audit_anchor_now(t.anchor); /* one more, after this one */
    UNTIL(&t.a.w.loop, signed_to(&t, 15), 3000);
    stop_anchor(&t);
    count = in_file(&last);
    assert_int_equal(last, 15);
    assert_int_equal(count, 2);
    assert_int_equal(in_redis(&last), 2);
    assert_int_equal(last, 15);
    /* by its clock; nothing new is nothing signed */
    start_anchor(&t, 50);
    append_many(&t.a, 15, 1);
    UNTIL(&t.a.w.loop, signed_to(&t, 16), 3000);
    for (int64_t until_ns = clock_mono_ns() + 300000000; clock_mono_ns() < until_ns;) {
        (void)uv_run(&t.a.w.loop, UV_RUN_ONCE);
    }
    assert_int_equal(metrics_get(t.a.metrics, AUDIT_M_ANCHORED, 0), 16);
    close_all(&t);
    assert_int_equal(in_file(&last), 3);
}

static void with_either_away(void **state)
{
    struct anchored t;
    char away[80];
    uint64_t last;

    (void)state;
    NEEDS_SERVER();
    (void)unlink(path);
    fixture_flush(redis_server);
    fresh();
    open_all(&t, 50);
    append_many(&t.a, 0, 3);
    UNTIL(&t.a.w.loop, signed_to(&t, 3), 3000);
    fixture_kill(redis_server);
    UNTIL(&t.a.w.loop, !t.up, 3000);
    append_many(&t.a, 3, 3);
    UNTIL(&t.a.w.loop, signed_to(&t, 6), 3000);
    assert_true(metrics_get(t.a.metrics, AUDIT_M_ANCHOR_REDIS, 0) > 0);
    assert_int_equal(in_file(&last), 2);
    assert_true(fixture_start(redis_server));
    UNTIL(&t.a.w.loop, t.up && in_redis(&last) == 1 && last == 6, 5000); /* what it lacked */
    assert_int_equal(in_file(&last), 2);
    (void)snprintf(away, sizeof away, "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing can be appended to it */
    append_many(&t.a, 6, 3);
    UNTIL(&t.a.w.loop, signed_to(&t, 9), 3000);
    assert_true(metrics_get(t.a.metrics, AUDIT_M_ANCHOR_FILE, 0) > 0);
    assert_int_equal(in_redis(&last), 2);
    assert_int_equal(last, 9);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rename(away, path), 0);
    UNTIL(&t.a.w.loop, in_file(&last) == 3, 3000);
    assert_int_equal(last, 9);
    /* PostgreSQL as well: it is tried again */
    (void)ask(server_dsn, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                          " WHERE usename = 'gate_writer'");
    append_many(&t.a, 9, 1);
    UNTIL(&t.a.w.loop, signed_to(&t, 10), 5000);
    close_all(&t);
}

static void never_over_a_broken_chain(void **state)
{
    struct anchored t;
    uint64_t last;

    (void)state;
    NEEDS_SERVER();
    (void)unlink(path);
    fixture_flush(redis_server);
    fresh();
    open_all(&t, 50);
    append_many(&t.a, 0, 20);
    UNTIL(&t.a.w.loop, signed_to(&t, 20), 3000);
    /* the end is rewritten so that it holds together: the head and all behind seq 15 are others */
    must_do("ALTER TABLE audit_entries DISABLE TRIGGER USER;"
            "ALTER TABLE gate_head DISABLE TRIGGER USER;"
            "DELETE FROM audit_entries WHERE seq > 15;"
            "UPDATE gate_head SET (seq, hash) ="
            " (SELECT seq, hash FROM audit_entries WHERE seq = 15)");
    UNTIL(&t.a.w.loop, signed_to(&t, 20) && t.status.broken == AUDIT_TRUNCATED, 3000);
    append_many(&t.a, 100, 20);
    UNTIL(&t.a.w.loop, signed_to(&t, 20) && t.status.broken == AUDIT_UNLINKED, 3000);
    assert_int_equal(t.status.bad_seq, 21);
    assert_int_equal(metrics_get(t.a.metrics, AUDIT_M_BROKEN, 0), 1);
    stop_anchor(&t);
    assert_int_equal(in_file(&last), 1);
    /* also after a restart */
    start_anchor(&t, 50);
    UNTIL(&t.a.w.loop, signed_to(&t, 20) && t.status.broken == AUDIT_UNLINKED, 3000);
    close_all(&t);
    assert_int_equal(in_file(&last), 1);
}

static int start_all(void **state)
{
    uint8_t seed[32] = {9};
    void *fixture = NULL;

    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/anchors.txt", dir);
    signer = note_signer_create("exchange.example/audit", seed);
    (void)fixture_setup(&fixture);
    redis_server = fixture;
    if (server_start(state) != 0) {
        return -1;
    }
    if (server_dsn[0] != '\0' && redis_server->pid == 0) {
        (void)server_end(state);
        server_dsn[0] = '\0';
    }
    return 0;
}

static int end_all(void **state)
{
    void *fixture = redis_server;

    (void)fixture_teardown(&fixture);
    note_signer_destroy(&signer);
    (void)unlink(path);
    (void)rmdir(dir);
    return server_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_both_places),
        cmocka_unit_test(with_either_away),
        cmocka_unit_test(never_over_a_broken_chain),
    };

    return cmocka_run_group_tests(tests, start_all, end_all);
}
