/* The audit chain over a real PostgreSQL: what the writer may, order, tries, views, verification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/audit/store_priv.h"
#include "gateway/store/migrate.h"
#include "tests/unit/audit/store_fixture.h"

/* The table is the X-macro, column by column, in its order; what may be NULL is the hash. */
static void columns_are_the_fields(void **state)
{
    struct buf want = {0};

    (void)state;
    NEEDS_SERVER();
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];

        buf_printf(&want, "%s %s %s,", f->name,
                   f->kind <= AUDIT_TIME     ? "bigint"
                   : f->kind == AUDIT_SHA256 ? "bytea"
                                             : "text",
                   f->kind == AUDIT_SHA256 ? "YES" : "NO");
    }
    buf_lit(&want, "prev_hash bytea NO,hash bytea NO");
    assert_string_equal(
        ask_long("SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable, ','"
                 " ORDER BY ordinal_position) FROM information_schema.columns"
                 " WHERE table_name = 'audit_entries'"),
        buf_cstr(&want));
    buf_fini(&want);
}

static void the_writer_may_only_append(void **state)
{
    static const struct {
        const char *sql;
        const char *want;
    } cases[] = {
        {"UPDATE audit_entries SET actor = 'x'", "!42501"}, /* not allowed */
        {"DELETE FROM audit_entries", "!42501"},
        {"TRUNCATE audit_entries", "!42501"},
        {"DELETE FROM gate_head", "!42501"},
        {"TRUNCATE gate_head", "!42501"},
        {"INSERT INTO gate_head VALUES (true, 0, '', 0, '')", "!42501"},
        {"ALTER TABLE audit_entries DISABLE TRIGGER ALL", "!42501"},
        {"DROP TABLE audit_entries", "!42501"},
        {"UPDATE gate_head SET seq = seq - 1", "!23001"},
        {"UPDATE gate_head SET hash = sha256('x')", "!23001"},
        {"UPDATE gate_head SET state = '{}'", "!23001"},
        {"SELECT count(*) FROM audit_entries", "3"},
    };
    static const char *const owner[] = {"UPDATE audit_entries SET actor = 'x'",
                                        "DELETE FROM audit_entries", "TRUNCATE audit_entries",
                                        "DELETE FROM gate_head", "TRUNCATE gate_head"};
    struct audit a;

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 2);
    append_many(&a, 0, 3); /* as the writer */
    audit_close(&a);
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        assert_string_equal(ask(writer_dsn, cases[i].sql), cases[i].want);
    }
    for (size_t i = 0; i < GW_LEN(owner); i++) { /* its triggers refuse even the owner */
        assert_string_equal(ask(server_dsn, owner[i]), "!23001");
    }
    assert_string_equal(ask(server_dsn, "SET session_replication_role = replica;"
                                        "DELETE FROM audit_entries"),
                        "!23001");
}

static void appended_and_whole(void **state)
{
    struct audit a;
    struct listener l;

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 3);
    listen_open(&l, &a.w.loop);
    append_many(&a, 0, 1000);
    assert_int_equal(a.done, 1000);
    assert_int_equal(a.failed, 0);
    for (unsigned i = 0; i < 1000; i++) { /* in the order in which they were offered */
        assert_int_equal(a.seqs[i], i + 1);
    }
    UNTIL(&a.w.loop, l.seq == 1000, 3000);
    assert_true(l.count >= 5 && l.count < 200); /* in groups, each told once */
    listen_close(&l, &a.w.loop);
    assert_int_equal(metrics_get(a.metrics, AUDIT_M_WAITING, 0), 0);
    assert_true(walk(&a, NULL, 0));
    assert_int_equal(a.result.count, 1000);
    assert_string_equal(ask(server_dsn, "SELECT seq || ' ' || version FROM gate_head"), "1000 0");
    audit_close(&a);
}

static void count_pair(struct buf *out)
{
    metrics_render(out);
    assert_non_null(
        strstr(buf_cstr(out), "audit_records_total{action=\"key.revoke\",result=\"done\"}"));
    assert_non_null(
        strstr(buf_cstr(out), "audit_records_total{action=\"other\",result=\"other\"}"));
}

static void refused_and_bounded(void **state)
{
    struct audit a;
    struct sample s;
    const char *field = NULL;
    unsigned taken = 0;
    struct buf text = {0};

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 2);
    count_pair(&text);
    buf_fini(&text);
    sample_make(&s, 1);
    s.e.actor = "";
    assert_int_equal(audit_append(a.store, &s.e, &field, NULL, NULL), GW_ERANGE);
    assert_string_equal(field, "actor");
    for (unsigned i = 0; i < 5000; i++) {
        sample_make(&s, i);
        taken += audit_append(a.store, &s.e, &field, on_append, &a) == GW_OK;
    }
    assert_int_equal(taken, QUEUE_MAX);
    UNTIL(&a.w.loop, a.done == taken, 10000);
    assert_int_equal(metrics_get(a.metrics, AUDIT_M_FAILED, 0), 1 + 5000 - QUEUE_MAX);
    /* the same id a second time is refused by itself; those beside it are entered */
    sample_make(&s, 7);
    assert_int_equal(audit_append(a.store, &s.e, &field, on_append, &a), GW_OK);
    sample_make(&s, 6000);
    assert_int_equal(audit_append(a.store, &s.e, &field, on_append, &a), GW_OK);
    UNTIL(&a.w.loop, a.done + a.failed == taken + 2, 5000);
    assert_int_equal(a.failed, 1);
    assert_int_equal(a.last_err, GW_EINVAL);
    assert_true(walk(&a, NULL, 0));
    assert_int_equal(a.result.count, QUEUE_MAX + 1);
    audit_close(&a);
}

/* PostgreSQL stops answering, loses its connections, comes back: nothing is lost, nothing is twice. */
static void through_outages(void **state)
{
    struct audit a;
    unsigned offered = 0;

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 2);
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < 100; i++) {
            append_one(&a, offered++);
        }
        for (unsigned turns = 0; turns < round; turns++) {
            (void)uv_run(&a.w.loop, UV_RUN_ONCE);
        }
        /* at another point of a transaction each time */
        (void)ask(server_dsn, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                              " WHERE usename = 'gate_writer'");
        UNTIL(&a.w.loop, a.done + a.failed == offered, 15000);
    }
    assert_int_equal(a.failed, 0);
    assert_true(metrics_get(a.metrics, AUDIT_M_RETRIED, 0) > 0);
    assert_true(walk(&a, NULL, 0));
    assert_int_equal(a.result.count, offered);
    assert_string_equal(ask(server_dsn, "SELECT count(DISTINCT id) FROM audit_entries"), "1200");
    audit_close(&a);
}

static void too_late(void **state)
{
    struct audit a;

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 1);
    server_sh("pkill -STOP -P \"$pid\"; kill -STOP \"$pid\"");
    append_one(&a, 0);
    UNTIL(&a.w.loop, a.failed == 1, 15000);
    assert_true(a.last_err == GW_ESTORE || a.last_err == GW_ETIMEOUT);
    append_one(&a, 1); /* waits when the store is closed */
    server_sh("kill -CONT \"$pid\"; pkill -CONT -P \"$pid\"");
    audit_close(&a);
    assert_int_equal(a.done + a.failed, 2);
}

/* --- a change and its record, as the gate does it ---------------------------------------------- */

struct change {
    struct pg_tx *tx;
    struct audit_batch *batch;
    struct audit_entry entry;
    bool done;
    bool ok;
    uint64_t was_version;
};

static void change_committed(void *arg, const struct pg_reply *r)
{
    struct change *c = arg;

    c->done = true;
    c->ok = pg_outcome(r) == PG_OK;
}

static void change_inserted(void *arg, const struct pg_reply *r)
{
    struct change *c = arg;

    assert_true(audit_batch_done(c->batch, r, 0));
    assert_true(pg_tx_commit(&c->tx, change_committed, c));
}

static void change_locked(void *arg, const struct pg_reply *r)
{
    struct change *c = arg;
    struct audit_head head;
    const char *field = NULL;
    const struct pg_statement *s;
    size_t count;
    size_t bad;

    assert_true(audit_head_read(r, 0, &head));
    c->was_version = head.version;
    c->batch =
        audit_batch_create(&head, &c->entry, 1, "{\"cells\":[]}", head.version + 1, &bad, &field);
    assert_non_null(c->batch);
    s = audit_batch_statements(c->batch, &count);
    assert_int_equal(count, 3);
    assert_true(pg_tx_next(c->tx, s, count, change_inserted, c));
}

static void change_begun(void *arg, const struct pg_reply *r)
{
    struct change *c = arg;

    assert_int_equal(pg_outcome(r), PG_OK);
    assert_true(pg_tx_next(c->tx, &audit_head_lock, 1, change_locked, c));
}

static void a_change_and_its_record(void **state)
{
    struct audit a;
    struct sample s;
    struct change c = {0};
    struct listener l;

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 2);
    listen_open(&l, &a.w.loop);
    append_many(&a, 0, 5);
    sample_make(&s, 10);
    s.e.journal_id = s.id;
    c.entry = s.e;
    c.tx = pg_tx_begin(a.w.pg, 3000, change_begun, &c);
    assert_non_null(c.tx);
    append_one(&a, 11); /* waits for the lock of the head, or comes first */
    UNTIL(&a.w.loop, c.done && a.done == 6, 5000);
    assert_true(c.ok);
    audit_batch_destroy(&c.batch);
    UNTIL(&a.w.loop, l.version == 1, 3000);
    assert_string_equal(ask(server_dsn, "SELECT version || state FROM gate_head"),
                        "1{\"cells\":[]}");
    assert_true(walk(&a, NULL, 0));
    assert_int_equal(a.result.count, 7);
    listen_close(&l, &a.w.loop);
    /* the same journal record again: refused, and nothing else happened */
    assert_string_equal(
        ask(server_dsn, "INSERT INTO audit_entries SELECT 8, '0' || substr(id, 2, 24) || '9',"
                        " time_ns, mono_ns, actor, session, ip, action, target, outcome, reason,"
                        " ticket, incident, request_sha256, before, after, approvals, trace,"
                        " journal_id, prev_hash, hash FROM audit_entries WHERE journal_id <> ''"),
        "!23505");
    audit_close(&a);
}

/* --- views ------------------------------------------------------------------------------------ */

static void searched(void **state)
{
    struct audit a;
    struct audit_filter f = {.actor = "user:ana", .limit = 7};
    const char *field = NULL;
    unsigned seen = 0;
    uint64_t last = UINT64_MAX;

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 2);
    append_many(&a, 0, 100);
    do { /* newest first, page by page, while records come in */
        search(&a, &f);
        for (unsigned i = 0; i < a.page_count; i++) {
            assert_true(a.page_seqs[i] < last);
            assert_int_equal((a.page_seqs[i] - 1) % 3, 0);
            last = a.page_seqs[i];
            seen++;
        }
        append_one(&a, 1000 + seen * 3);
        f.cursor = a.next;
    } while (a.next[0] != '\0');
    assert_int_equal(seen, 34);
    UNTIL(&a.w.loop, a.done == a.offered, 3000);
    f = (struct audit_filter){.q = "STALE", .asc = true, .limit = 3, .target = "ETH/USD"};
    search(&a, &f);
    assert_int_equal(a.page_count, 3);
    assert_int_equal(a.page_seqs[0], 2);
    assert_int_equal(a.page_seqs[2], 6);
    f = (struct audit_filter){.q = "100%", .limit = 3};
    search(&a, &f);
    assert_int_equal(a.page_count, 0);
    f = (struct audit_filter){.from_ns = 1790000000010000000, .to_ns = 1790000000013000000};
    search(&a, &f);
    assert_int_equal(a.page_count, 3);
    f = (struct audit_filter){.outcome = "denied", .action = "symbol.mode", .ticket = "OPS-7"};
    search(&a, &f);
    assert_int_equal(a.page_count, 1); /* 0, 20, 40 ...; of them every seventh: 0 */
    f = (struct audit_filter){.from_seq = 99, .incident = "inc-3", .asc = true};
    search(&a, &f);
    assert_int_equal(a.page_seqs[0], 100);
    f = (struct audit_filter){.cursor = "a12"};
    assert_int_equal(audit_search(a.store, &f, &field, on_page_seen, &a), GW_EINVAL);
    assert_string_equal(field, "cursor");
    f = (struct audit_filter){.actor = "\xff"};
    assert_int_equal(audit_search(a.store, &f, &field, on_page_seen, &a), GW_EINVAL);
    assert_string_equal(field, "actor");
    audit_close(&a);
}

/* What is exported verifies by itself. */
static void exported(void **state)
{
    struct audit a;
    struct audit_filter f = {.asc = true, .limit = 30};
    struct audit_chain c;
    struct audit_reader reader;

    (void)state;
    NEEDS_SERVER();
    fresh();
    audit_open(&a, writer_dsn, 2);
    append_many(&a, 0, 100);
    audit_chain_init(&c, 1, NULL, NULL, 0);
    audit_reader_init(&reader, &c);
    do {
        search(&a, &f);
        assert_true(audit_reader_feed(&reader, a.ndjson.data, a.ndjson.len));
        f.cursor = a.next;
    } while (a.next[0] != '\0');
    audit_reader_end(&reader, true);
    assert_int_equal(c.result.fault, AUDIT_WHOLE);
    assert_int_equal(c.result.count, 100);
    audit_reader_fini(&reader);
    audit_chain_fini(&c);
    audit_close(&a);
}

/* --- tampering with the table ------------------------------------------------------------------ */

static void tampering_is_found(void **state)
{
    static const struct {
        const char *sql;
        enum audit_fault want;
        uint64_t seq;
    } cases[] = {
        {"UPDATE audit_entries SET actor = 'user:eve' WHERE seq = 40", AUDIT_EDITED, 40},
        {"UPDATE audit_entries SET request_sha256 = NULL WHERE seq = 41", AUDIT_EDITED, 41},
        {"UPDATE audit_entries SET time_ns = time_ns + 1 WHERE seq = 1", AUDIT_EDITED, 1},
        {"DELETE FROM audit_entries WHERE seq = 50", AUDIT_MISSING, 51},
        {"DELETE FROM audit_entries WHERE seq > 95", AUDIT_TRUNCATED, 96},
        {"UPDATE audit_entries SET seq = 1000 - seq WHERE seq > 0", AUDIT_EDITED, 0},
        {"UPDATE audit_entries SET hash = sha256('x') WHERE seq = 100", AUDIT_EDITED, 100},
        {"ALTER TABLE gate_head DISABLE TRIGGER USER; UPDATE gate_head SET hash = sha256('x')",
         AUDIT_HEAD_DIFFERS, 100},
        {"ALTER TABLE gate_head DISABLE TRIGGER USER; DELETE FROM audit_entries WHERE seq > 90;"
         " UPDATE gate_head SET (seq, hash) = (SELECT seq, hash FROM audit_entries WHERE seq = 90)",
         AUDIT_TRUNCATED, 91}, /* only the anchor at 100 knows */
    };

    (void)state;
    NEEDS_SERVER();
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        struct audit a;
        struct audit_mark mark;

        fresh();
        audit_open(&a, writer_dsn, 2);
        append_many(&a, 0, 100);
        assert_true(walk(&a, NULL, 0));
        mark.seq = a.result.to_seq;
        memcpy(mark.hash, a.result.hash, sizeof mark.hash);
        must_do("ALTER TABLE audit_entries DISABLE TRIGGER USER");
        must_do(cases[i].sql);
        must_do("ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_append_only");
        assert_false(walk(&a, &mark, 1));
        if (cases[i].seq != 0) {
            assert_string_equal(audit_fault_word(a.result.fault), audit_fault_word(cases[i].want));
            assert_int_equal(a.result.bad_seq, cases[i].seq);
        }
        audit_close(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_the_fields),
        cmocka_unit_test(the_writer_may_only_append),
        cmocka_unit_test(appended_and_whole),
        cmocka_unit_test(refused_and_bounded),
        cmocka_unit_test(through_outages),
        cmocka_unit_test(a_change_and_its_record),
        cmocka_unit_test(searched),
        cmocka_unit_test(exported),
        cmocka_unit_test(tampering_is_found),
        cmocka_unit_test(too_late),
    };

    return cmocka_run_group_tests(tests, server_start, server_end);
}
