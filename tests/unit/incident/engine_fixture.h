/* tests/unit/incident/engine_fixture.h - engines of incidents over a real PostgreSQL whose clock the
 * tests turn. Include after cmocka.h. */
#ifndef TESTS_UNIT_INCIDENT_ENGINE_FIXTURE_H
#define TESTS_UNIT_INCIDENT_ENGINE_FIXTURE_H
#include "tests/unit/store/pg_fixture.h"

#include "gateway/incident/incidents_priv.h"
#include "gateway/runtime/json.h"
#include "gateway/store/migrate.h"

static inline const char *sql(const char *format, ...) GW_PRINTF(1, 2);
static inline const char *sql(const char *format, ...)
{
    char text[4096];
    const char *said;
    va_list args;

    va_start(args, format);
    assert_true(vsnprintf(text, sizeof text, format, args) < (int)sizeof text);
    va_end(args);
    said = ask(server_dsn, text);
    if (said[0] == '!') {
        fail_msg("%s: SQLSTATE %s", text, said + 1);
    }
    return said;
}

static inline int engines_start(void **state)
{
    int code = server_start(state);
    FILE *out;

    json_setup();
    (void)setenv("PGOPTIONS", "-c client_min_messages=warning", 1);
    if (code == 0 && server_dsn[0] != '\0') {
        out = fopen("/dev/null", "w");
        code = migrate_run(server_dsn, out);
        (void)fclose(out);
        (void)ask(server_dsn, "CREATE TABLE test_clock (at timestamptz NOT NULL);"
                              "INSERT INTO test_clock VALUES ('2026-11-21 03:00:00Z');"
                              "CREATE TABLE test_pages (incident text, kind bigint, level bigint,"
                              " id bigint GENERATED ALWAYS AS IDENTITY)");
    }
    return code;
}

static inline void clean(void)
{
    sql("ALTER TABLE incident_timeline DISABLE TRIGGER ALL;"
        "TRUNCATE incidents, incident_timeline, incident_tasks, incident_steps, test_pages,"
        " request_answers;"
        "ALTER TABLE incident_timeline ENABLE TRIGGER ALL;"
        "UPDATE test_clock SET at = '2026-11-21 03:00:00Z'");
}

static inline void turn(unsigned seconds)
{
    sql("UPDATE test_clock SET at = at + interval '%u s'", seconds);
}

/* --- an engine --------------------------------------------------------------------------------- */

struct engine {
    struct world w;
    struct incidents *all;
    struct incidents_config config;
    char *state_dir;
    unsigned changes;
    unsigned entries;
    unsigned halts;
    unsigned spooled;
    uint64_t halted_number;
    bool closed;
};

static inline void engine_on_change(void *arg, const struct incident *i)
{
    (void)i;
    ((struct engine *)arg)->changes++;
}

static inline void engine_on_entry(void *arg, const struct audit_entry *e)
{
    (void)e;
    ((struct engine *)arg)->entries++;
}

static inline void engine_halt(void *arg, const struct incident *i)
{
    struct engine *e = arg;

    e->halts++;
    e->halted_number = i->number;
}

static inline struct pg_statement engine_page(const struct page *p,
                                              struct pg_param params[PAGE_PARAMS])
{
    params[0] = pg_text(p->incident);
    params[1] = pg_int8(p->kind);
    params[2] = pg_int8(p->level);
    return (struct pg_statement){
        "INSERT INTO test_pages (incident, kind, level) VALUES ($1, $2, $3)", params, 3};
}

static inline bool engine_spool(void *arg, const struct page *p)
{
    assert_true(p->kind == PAGE_TRIGGER && p->title[0] != '\0');
    ((struct engine *)arg)->spooled++;
    return true;
}

static inline void engine_open(struct engine *e, const char *state_dir, bool halt)
{
    struct incidents_options opt = {
        .state_dir = state_dir,
        .now_sql = "(SELECT at FROM test_clock)",
        .sink = {.on_change = engine_on_change,
                 .on_entry = engine_on_entry,
                 .halt = engine_halt,
                 .page = engine_page,
                 .spool = engine_spool},
        .arg = e,
    };
    struct buf why = {0};

    *e = (struct engine){.config = {.l3_action = halt ? (char *)"halt" : (char *)"propose"}};
    world_open(&e->w, 2, 64);
    opt.config = &e->config;
    opt.pg = e->w.pg;
    opt.metrics = metrics_create(&incident_metrics);
    e->all = incidents_create(&e->w.loop, &opt, &why);
    if (e->all == NULL) {
        fail_msg("%s", buf_cstr(&why));
    }
    UNTIL(&e->w.loop, e->all->known, 5000);
}

static inline void engine_on_closed(void *arg)
{
    ((struct engine *)arg)->closed = true;
}

static inline void engine_close(struct engine *e)
{
    incidents_close(e->all, engine_on_closed, e);
    UNTIL(&e->w.loop, e->closed, 8000);
    world_shut(&e->w);
    UNTIL(&e->w.loop, e->w.closed, 5000);
    incidents_destroy(&e->all);
    world_close(&e->w);
}

/* Both loops turn for MS. */
static inline void engines_run(struct engine *const *list, unsigned count, int64_t ms)
{
    int64_t until_ns = clock_mono_ns() + ms * 1000000;

    do {
        for (unsigned i = 0; i < count; i++) {
            (void)uv_run(&list[i]->w.loop, UV_RUN_NOWAIT);
        }
        usleep(500);
    } while (clock_mono_ns() < until_ns);
}

/* --- acts -------------------------------------------------------------------------------------- */

struct told {
    unsigned calls;
    enum incident_fault fault;
    uint64_t number;
    uint64_t version;
    uint64_t audit;
    char body[4096];
    char detail[400];
};

static inline void on_told(void *arg, const struct incident_answer *a)
{
    struct told *t = arg;

    t->calls++;
    t->fault = a->problem.fault;
    t->number = a->incident != NULL ? a->incident->number : 0;
    t->version = a->incident != NULL ? a->incident->version : 0;
    t->audit = a->audit;
    (void)snprintf(t->detail, sizeof t->detail, "%s", a->problem.detail);
    (void)snprintf(t->body, sizeof t->body, "%s", a->body != NULL ? a->body : "");
}

static inline struct incident_ask asked(enum incident_act act, uint64_t number)
{
    return (struct incident_ask){
        .act = act,
        .number = number,
        .severity = SEV2,
        .class_ = INCIDENT_CLASS_COUNT,
        .mitigation = MITIGATION_MITIGATED,
        .person = "user:ana",
        .actor = "user:ana",
        .words = "as the tests need it",
        .title = "books are crossed",
    };
}

static inline enum incident_fault engine_act(struct engine *e, const struct incident_ask *a,
                                             struct told *t)
{
    static const uint8_t sha256[32] = {1};

    *t = (struct told){0};
    incidents_act(e->all, a, sha256, on_told, t);
    assert_int_equal(t->calls, 0);
    UNTIL(&e->w.loop, t->calls == 1, 8000);
    return t->fault;
}

static inline uint64_t engine_open_one(struct engine *e, enum incident_severity severity)
{
    struct incident_ask a = asked(ACT_OPEN, 0);
    struct told t;

    a.severity = severity;
    assert_int_equal(engine_act(e, &a, &t), INCIDENT_FINE);
    return t.number;
}
#endif
