/* tests/unit/audit/store_fixture.h - an audit store over a private PostgreSQL, each test with a
 * database of its own, as the role that may only append. Include after cmocka.h. */
#ifndef TESTS_UNIT_AUDIT_STORE_FIXTURE_H
#define TESTS_UNIT_AUDIT_STORE_FIXTURE_H
#include "tests/unit/store/pg_fixture.h"

#include "gateway/audit/reader.h"
#include "gateway/audit/store_priv.h"
#include "gateway/store/migrate.h"
#include "tests/unit/audit/entries.h"

#define QUEUE_MAX 2000u

static char cluster_dsn[256]; /* of the database that is always there */
static char writer_dsn[300];

/* The first time: server_dsn and writer_dsn name a new database with the schema. Then: that database as
 * it was then. */
static inline void fresh(void)
{
    static const char empty[] =
        "ALTER TABLE audit_entries DISABLE TRIGGER USER; ALTER TABLE gate_head DISABLE TRIGGER "
        "USER;"
        "TRUNCATE audit_entries;"
        "UPDATE gate_head SET seq = 0, hash = decode(repeat('00', 32), 'hex'), version = 0, state "
        "= '';"
        "ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_append_only;"
        "ALTER TABLE gate_head ENABLE ALWAYS TRIGGER gate_head_forward;"
        "ALTER TABLE gate_head ENABLE ALWAYS TRIGGER gate_head_stays";
    FILE *out;

    if (cluster_dsn[0] != '\0') {
        assert_string_equal(ask(server_dsn, empty), "");
        return;
    }
    memcpy(cluster_dsn, server_dsn, sizeof cluster_dsn);
    assert_string_equal(ask(cluster_dsn, "CREATE ROLE gate_writer LOGIN"), "");
    assert_string_equal(ask(cluster_dsn, "CREATE DATABASE audit"), "");
    assert_string_equal(ask(cluster_dsn, "ALTER DATABASE audit"
                                         " SET portcullis.writer_role = 'gate_writer'"),
                        "");
    (void)snprintf(server_dsn, sizeof server_dsn, "postgresql:///audit?%s",
                   strchr(cluster_dsn, '?') + 1);
    (void)snprintf(writer_dsn, sizeof writer_dsn, "%.*s&user=gate_writer",
                   (int)(strstr(server_dsn, "&user=") - server_dsn), server_dsn);
    out = fopen("/dev/null", "w");
    assert_int_equal(migrate_run(server_dsn, out), 0);
    (void)fclose(out);
}

static inline const char *ask_long(const char *sql)
{
    static char value[4000];
    PGconn *pg;
    PGresult *res;

    if (cluster_dsn[0] == '\0') {
        fresh();
    }
    pg = PQconnectdb(server_dsn);
    res = PQexec(pg, sql);
    (void)snprintf(value, sizeof value, "%s",
                   PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : PQerrorMessage(pg));
    PQclear(res);
    PQfinish(pg);
    return value;
}

static inline void must_do(const char *sql)
{
    const char *said = ask(server_dsn, sql);

    if (said[0] == '!') {
        fail_msg("%s: %s", sql, said);
    }
}

struct audit {
    struct world w;
    struct audit_store *store;
    struct metric_set *metrics;
    unsigned offered;
    unsigned done;
    unsigned failed;
    enum gw_err last_err;
    uint64_t seqs[6000];
    bool walked;
    enum gw_err walk_err;
    struct audit_result result;
    bool paged;
    unsigned page_count;
    uint64_t page_seqs[AUDIT_PAGE_MAX];
    char next[AUDIT_CURSOR_MAX];
    struct buf ndjson;
    bool closed;
};

static inline void audit_open(struct audit *a, const char *dsn, uint32_t connections)
{
    struct audit_store_options opt = {
        .queue_max = QUEUE_MAX, .queue_bytes = 64u << 20, .timeout_ms = 6000};

    memset(a, 0, sizeof *a);
    world_dial(&a->w, dsn, connections, 64);
    UNTIL(&a->w.loop, metrics_get(a->w.metrics, STORE_M_UP, 0) == connections, 5000);
    opt.loop = &a->w.loop;
    opt.pg = a->w.pg;
    opt.metrics = a->metrics = metrics_create(&audit_metrics);
    a->store = audit_store_create(&opt);
}

static inline void on_store_closed(void *arg)
{
    ((struct audit *)arg)->closed = true;
}

static inline void audit_close(struct audit *a)
{
    world_shut(&a->w);
    UNTIL(&a->w.loop, a->w.closed, 5000);
    audit_store_close(a->store, on_store_closed, a);
    UNTIL(&a->w.loop, a->closed, 5000);
    audit_store_destroy(&a->store);
    world_close(&a->w);
    buf_fini(&a->ndjson);
}

static inline void on_append(void *arg, enum gw_err err, uint64_t seq)
{
    struct audit *a = arg;

    if (err == GW_OK) {
        a->seqs[a->done++] = seq;
    } else {
        a->failed++;
        a->last_err = err;
    }
}

static inline void append_one(struct audit *a, unsigned n)
{
    struct sample s;
    const char *field = "";

    sample_make(&s, n);
    a->offered++;
    if (audit_append(a->store, &s.e, &field, on_append, a) != GW_OK) {
        fail_msg("record %u: %s", n, field);
    }
}

static inline void append_many(struct audit *a, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        append_one(a, first + i);
    }
    UNTIL(&a->w.loop, a->done + a->failed == a->offered, 15000);
    assert_int_equal(a->failed, 0);
}

static inline void on_walk_done(void *arg, enum gw_err err, const struct audit_result *result)
{
    struct audit *a = arg;

    a->walked = true;
    a->walk_err = err;
    a->result = *result;
}

/* Is the table whole? */
static inline bool walk(struct audit *a, const struct audit_mark *marks, size_t count)
{
    struct audit_verify_options opt = {.marks = marks, .mark_count = count};

    for (unsigned tries = 0; tries < 5; tries++) { /* a connection may have been cut before */
        a->walked = false;
        UNTIL(&a->w.loop, pg_up(a->w.pg), 5000);
        assert_int_equal(audit_verify(a->store, &opt, on_walk_done, a), GW_OK);
        UNTIL(&a->w.loop, a->walked, 15000);
        if (a->walk_err == GW_OK) {
            break;
        }
    }
    assert_int_equal(a->walk_err, GW_OK);
    return a->result.fault == AUDIT_WHOLE;
}

static inline void on_page_seen(void *arg, const struct audit_page *page)
{
    struct audit *a = arg;

    assert_int_equal(page->err, GW_OK);
    a->paged = true;
    a->page_count = (unsigned)page->count;
    for (size_t i = 0; i < page->count; i++) {
        a->page_seqs[i] = page->entries[i].seq;
    }
    (void)snprintf(a->next, sizeof a->next, "%s", page->next);
    buf_reset(&a->ndjson);
    audit_page_ndjson(page, &a->ndjson);
}

static inline void search(struct audit *a, const struct audit_filter *f)
{
    const char *field = "";

    a->paged = false;
    if (audit_search(a->store, f, &field, on_page_seen, a) != GW_OK) {
        fail_msg("search: %s", field);
    }
    UNTIL(&a->w.loop, a->paged, 5000);
}

/* --- LISTEN gate ------------------------------------------------------------------------------- */

struct listener {
    struct pg_listen *l;
    struct metric_set *metrics;
    unsigned count;
    uint64_t seq;
    uint64_t version;
    bool heard;
    bool closed;
};

static inline void on_notify(void *arg, const char *channel, const char *payload)
{
    struct listener *l = arg;
    unsigned long long seq;
    unsigned long long version;

    assert_string_equal(channel, AUDIT_CHANNEL);
    assert_int_equal(sscanf(payload, "%llu %llu", &seq, &version), 2);
    l->count++;
    l->seq = seq;
    l->version = version;
}

static inline void on_missed(void *arg)
{
    ((struct listener *)arg)->heard = true;
}

static inline void on_lost(void *arg)
{
    (void)arg;
}

static inline void listen_open(struct listener *l, uv_loop_t *loop)
{
    static const char *const channels[] = {AUDIT_CHANNEL};
    static const struct pg_listen_sink sink = {on_notify, on_missed, on_lost};
    struct pg_listen_options opt = {.dsn = server_dsn,
                                    .name = "test",
                                    .channels = channels,
                                    .channel_count = 1,
                                    .timeout_ms = 2000,
                                    .probe_ms = 1000,
                                    .backoff_min_ms = 10,
                                    .backoff_max_ms = 100};

    *l = (struct listener){.metrics = metrics_create(&store_metrics)};
    opt.metrics = l->metrics;
    l->l = pg_listen_create(loop, &opt, &sink, l);
    UNTIL(loop, l->heard, 3000);
}

static inline void on_listen_closed(void *arg)
{
    ((struct listener *)arg)->closed = true;
}

static inline void listen_close(struct listener *l, uv_loop_t *loop)
{
    pg_listen_close(l->l, on_listen_closed, l);
    UNTIL(loop, l->closed, 5000);
    pg_listen_destroy(&l->l);
}
#endif
