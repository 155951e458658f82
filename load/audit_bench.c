/* load/audit_bench.c - how fast records are sealed, exported, verified and entered. See --help. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "gateway/audit/note.h"
#include "gateway/audit/reader.h"
#include "gateway/audit/store.h"
#include "gateway/audit/ulid.h"
#include "gateway/base/fixed.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"
#include "gateway/store/migrate.h"

#define QUEUE 4000u

static const char usage[] =
    "audit_bench - measures the audit log\n\n"
    "  audit_bench [--records N] [--out FILE]   seals N records (1000000), writes them as an "
    "export\n"
    "                                           (FILE, else a temporary one), then verifies it\n"
    "  audit_bench --dsn DSN [--records N]      enters N records through the queue, then verifies "
    "the\n"
    "                                           table; DSN: a database with the schema, for this "
    "only\n"
    "  audit_bench --dsn DSN --verify           verifies only\n"
    "  --anchors FILE --key FILE                also writes an anchor over each 1000th record and "
    "the\n"
    "                                           last, signed with FILE (made when missing)\n\n"
    "examples\n"
    "  audit_bench --records 1000000\n"
    "  audit_bench --dsn 'postgresql:///bench?host=/tmp/pg' --records 1000000\n"
    "  audit_bench --records 10000 --out x.ndjson --anchors x.txt --key x.key\n";

struct options {
    uint64_t records;
    const char *out;
    const char *dsn;
    const char *anchors;
    const char *key;
    bool verify;
};

struct texts {
    char id[ULID_SIZE];
    char target[32];
    char trace[33];
    char before[200];
    char after[200];
    uint8_t request[AUDIT_HASH_BYTES];
};

/* Like a change of a mode: about 900 bytes as a line. */
static void make(struct audit_entry *e, struct texts *t, uint64_t n)
{
    ulid_make(t->id, clock_real_ns());
    (void)snprintf(t->target, sizeof t->target, "SYM%03u/USD", (unsigned)(n % 500));
    (void)snprintf(t->trace, sizeof t->trace, "%032" PRIx64, n * 0x9e3779b97f4a7c15u);
    (void)snprintf(t->before, sizeof t->before,
                   "{\"mode\":\"NORMAL\",\"version\":%" PRIu64 ",\"reason\":\"\",\"until\":0}", n);
    (void)snprintf(t->after, sizeof t->after,
                   "{\"mode\":\"SOFT_HALT\",\"version\":%" PRIu64
                   ",\"reason\":\"feed is stale\",\"until\":0}",
                   n + 1);
    memset(t->request, (int)(n & 255), sizeof t->request);
    *e = (struct audit_entry){.id = t->id,
                              .time_ns = clock_real_ns(),
                              .mono_ns = clock_mono_ns(),
                              .actor = n % 2 == 0 ? "user:ana" : "key:pk_abcdefghijklmnopqrst",
                              .session = "01J0000000000000000000000A",
                              .ip = "10.20.30.40",
                              .action = "symbol.mode",
                              .target = t->target,
                              .outcome = "done",
                              .reason = "feed of the symbol is stale, see the incident",
                              .ticket = "OPS-1234",
                              .incident = "INC-77",
                              .request_sha256 = t->request,
                              .before = t->before,
                              .after = t->after,
                              .approvals = "[]",
                              .trace = t->trace};
}

static void told(const char *what, uint64_t records, int64_t ns)
{
    printf("%-28s %9" PRIu64 " records in %7.3f s = %8.0f a second\n", what, records,
           (double)ns / 1e9, (double)records * 1e9 / (double)(ns > 0 ? ns : 1));
}

static int failed(const char *what)
{
    (void)fprintf(stderr, "audit_bench: %s\n", what);
    return 1;
}

/* --- a file ----------------------------------------------------------------------------------- */

struct maker {
    FILE *out;
    FILE *anchors;
    struct note_signer *signer;
    struct buf line;
    struct buf scratch;
    uint8_t hash[AUDIT_HASH_BYTES];
};

static void put_anchor(struct maker *m, uint64_t seq)
{
    struct checkpoint_note c = {.time_ns = clock_real_ns()};

    c.mark.seq = seq;
    memcpy(c.mark.hash, m->hash, sizeof c.mark.hash);
    buf_reset(&m->line);
    checkpoint_sign(m->signer, &c, &m->line);
    buf_putc(&m->line, '\n');
    (void)fwrite(m->line.data, 1, m->line.len, m->anchors);
}

static int64_t make_file(struct maker *m, uint64_t records)
{
    int64_t from_ns = clock_mono_ns();

    for (uint64_t n = 0; n < records; n++) {
        struct audit_entry e;
        struct texts t;

        make(&e, &t, n);
        audit_entry_seal(&e, n, m->hash, &m->scratch);
        memcpy(m->hash, e.hash, sizeof m->hash);
        buf_reset(&m->line);
        audit_entry_json(&e, &m->line);
        buf_putc(&m->line, '\n');
        (void)fwrite(m->line.data, 1, m->line.len, m->out);
        if (m->anchors != NULL && ((n + 1) % 1000 == 0 || n + 1 == records)) {
            put_anchor(m, n + 1);
        }
    }
    (void)fflush(m->out);
    return clock_mono_ns() - from_ns;
}

static int verify_file(FILE *in, uint64_t records)
{
    static char piece[1u << 20];
    struct audit_chain c;
    struct audit_reader r;
    struct buf text = {0};
    int64_t from_ns = clock_mono_ns();
    size_t n;
    bool ok;

    audit_chain_init(&c, 1, NULL, NULL, 0);
    audit_reader_init(&r, &c);
    rewind(in);
    while ((n = fread(piece, 1, sizeof piece, in)) > 0 && audit_reader_feed(&r, piece, n)) {
    }
    audit_reader_end(&r, true);
    told("verified, file", c.result.count, clock_mono_ns() - from_ns);
    audit_result_text(&c.result, &text);
    puts(buf_cstr(&text));
    ok = c.result.fault == AUDIT_WHOLE && c.result.count == records;
    buf_fini(&text);
    audit_reader_fini(&r);
    audit_chain_fini(&c);
    return ok ? 0 : 1;
}

static int run_file(const struct options *o)
{
    struct maker m = {.out = o->out != NULL ? fopen(o->out, "w+") : tmpfile()};
    struct buf why = {0};
    int code;

    if (m.out == NULL) {
        return failed("cannot write the export; check --out and the space on the disk");
    }
    if (o->anchors != NULL) {
        m.signer = note_signer_open(o->key, "bench.example/audit", &why);
        m.anchors = m.signer != NULL ? fopen(o->anchors, "w") : NULL;
        if (m.anchors == NULL) {
            return failed(why.len > 0 ? buf_cstr(&why) : "cannot write --anchors");
        }
    }
    told("sealed and written", o->records, make_file(&m, o->records));
    code = verify_file(m.out, o->records);
    (void)fclose(m.out);
    if (m.anchors != NULL) {
        (void)fclose(m.anchors);
        note_signer_destroy(&m.signer);
    }
    buf_fini(&m.line);
    buf_fini(&m.scratch);
    return code;
}

/* --- a database ------------------------------------------------------------------------------- */

struct bench {
    uv_loop_t loop;
    struct pg *pg;
    struct audit_store *store;
    uint64_t offered;
    uint64_t records;
    uint64_t done;
    uint64_t failures;
    bool walked;
    enum gw_err err;
    struct audit_result result;
};

static void offer(struct bench *b);

static void on_append(void *arg, enum gw_err err, uint64_t seq)
{
    struct bench *b = arg;

    (void)seq;
    b->done++;
    b->failures += err != GW_OK;
    if (b->done % 50000 == 0) {
        (void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " entered", b->done, b->records);
    }
    offer(b);
}

static void offer(struct bench *b)
{
    while (b->offered < b->records && b->offered - b->done < QUEUE) {
        struct audit_entry e;
        struct texts t;
        const char *field;

        make(&e, &t, b->offered++);
        if (audit_append(b->store, &e, &field, on_append, b) != GW_OK) {
            b->failures++;
            b->done++;
        }
    }
}

static void on_walked(void *arg, enum gw_err err, const struct audit_result *r)
{
    struct bench *b = arg;

    b->walked = true;
    b->err = err;
    b->result = *r;
}

static void on_state(void *arg, bool up)
{
    (void)arg;
    (void)up;
}

static int verify_table(struct bench *b)
{
    const struct audit_verify_options opt = {0};
    struct buf text = {0};
    int64_t from_ns = clock_mono_ns();

    if (audit_verify(b->store, &opt, on_walked, b) != GW_OK) {
        return failed("PostgreSQL is away");
    }
    while (!b->walked) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    told("verified, table", b->result.count, clock_mono_ns() - from_ns);
    audit_result_text(&b->result, &text);
    puts(buf_cstr(&text));
    buf_fini(&text);
    return b->err == GW_OK && b->result.fault == AUDIT_WHOLE ? 0 : 1;
}

static int run_table(const struct options *o)
{
    struct bench b = {.records = o->verify ? 0 : o->records};
    struct pg_options pg = {.dsn = o->dsn,
                            .name = "bench",
                            .connections = 2,
                            .queue_max = 64,
                            .timeout_ms = 10000,
                            .backoff_min_ms = 50,
                            .backoff_max_ms = 500,
                            .metrics = metrics_create(&store_metrics)};
    struct audit_store_options opt = {.loop = &b.loop,
                                      .queue_max = 2 * QUEUE,
                                      .queue_bytes = 256u << 20,
                                      .timeout_ms = 30000,
                                      .metrics = metrics_create(&audit_metrics)};
    int64_t from_ns = clock_mono_ns();

    if (migrate_run(o->dsn, stderr) != 0) {
        return 1;
    }
    (void)uv_loop_init(&b.loop);
    b.pg = opt.pg = pg_create(&b.loop, &pg, on_state, &b);
    while (!pg_up(b.pg) && clock_mono_ns() - from_ns < 5000000000) {
        (void)uv_run(&b.loop, UV_RUN_ONCE);
    }
    if (!pg_up(b.pg)) {
        return failed("PostgreSQL does not answer; check --dsn");
    }
    b.store = audit_store_create(&opt);
    from_ns = clock_mono_ns();
    offer(&b);
    while (b.done < b.records) {
        (void)uv_run(&b.loop, UV_RUN_ONCE);
    }
    if (b.records > 0) {
        (void)fputc('\n', stderr);
        told("entered, table", b.done - b.failures, clock_mono_ns() - from_ns);
    }
    return b.failures > 0 ? failed("records were not entered") : verify_table(&b);
}

static bool read_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *v = i + 1 < argc ? argv[i + 1] : NULL;
        const char **text = strcmp(argv[i], "--out") == 0       ? &o->out
                            : strcmp(argv[i], "--dsn") == 0     ? &o->dsn
                            : strcmp(argv[i], "--anchors") == 0 ? &o->anchors
                            : strcmp(argv[i], "--key") == 0     ? &o->key
                                                                : NULL;

        if (strcmp(argv[i], "--verify") == 0) {
            o->verify = true;
        } else if (text != NULL && v != NULL) {
            *text = v;
            i++;
        } else if (strcmp(argv[i], "--records") == 0 && v != NULL &&
                   u64_parse(v, strlen(v), &o->records) == GW_OK && o->records > 0) {
            i++;
        } else {
            return false;
        }
    }
    return (o->anchors != NULL) == (o->key != NULL);
}

int main(int argc, char **argv)
{
    struct options o = {.records = 1000000};

    json_setup();
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (!read_options(argc, argv, &o)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    return o.dsn != NULL ? run_table(&o) : run_file(&o);
}
