/* tests/unit/audit/journal_fixture.h - an emergency journal on a loop, in a folder of its own. Include
 * after cmocka.h. */
#ifndef TESTS_UNIT_AUDIT_JOURNAL_FIXTURE_H
#define TESTS_UNIT_AUDIT_JOURNAL_FIXTURE_H
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gateway/audit/journal_priv.h"
#include "tests/unit/audit/entries.h"

static char dir[] = "/tmp/gwjournal.XXXXXX";
static char file[64];
static struct metric_set *metrics;

struct world {
    uv_loop_t loop;
    struct journal *j;
    unsigned acked;
    unsigned failed;
    bool closed;
};

static inline struct journal *open_in(struct world *w, struct buf *why)
{
    *w = (struct world){0};
    if (metrics == NULL) {
        metrics = metrics_create(&journal_metrics);
    }
    (void)uv_loop_init(&w->loop);
    w->j = journal_open(&w->loop, dir, metrics, why);
    return w->j;
}

static inline void on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static inline void shut(struct world *w)
{
    if (w->j != NULL) {
        journal_close(w->j, on_closed, w);
        (void)uv_run(&w->loop, UV_RUN_DEFAULT);
        assert_true(w->closed);
        journal_destroy(&w->j);
    }
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static inline void on_done(void *arg, enum gw_err err, const char *id)
{
    struct world *w = arg;

    assert_true(ulid_valid(id, strlen(id)));
    w->acked += err == GW_OK;
    w->failed += err != GW_OK;
}

static inline void add(struct world *w, const char *text, char id[ULID_SIZE])
{
    assert_int_equal(journal_append(w->j, text, strlen(text), on_done, w, id), GW_OK);
}

static inline void settle(struct world *w)
{
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
}

static inline void must_open(struct world *w)
{
    struct buf why = {0};

    if (open_in(w, &why) == NULL) {
        fail_msg("%s", buf_cstr(&why));
    }
    buf_fini(&why);
}

static inline void wipe(void)
{
    static const char *const names[] = {"audit.journal", "audit.journal.lock", "audit.journal.cut",
                                        "audit.journal.new"};

    for (size_t i = 0; i < GW_LEN(names); i++) {
        char path[96];

        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
}

static inline int make_dir(void **state)
{
    (void)state;
    (void)snprintf(file, sizeof file, "%s", mkdtemp(dir));
    (void)snprintf(file, sizeof file, "%s/audit.journal", dir);
    return 0;
}

static inline int drop_dir(void **state)
{
    (void)state;
    wipe();
    metrics_fini();
    return rmdir(dir);
}
#endif
