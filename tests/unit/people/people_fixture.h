/* tests/unit/people/people_fixture.h - people over a real PostgreSQL, with a clock that tests turn,
 * and an audit log that writes into a table of its own. Include after cmocka.h. */
#ifndef TESTS_UNIT_PEOPLE_PEOPLE_FIXTURE_H
#define TESTS_UNIT_PEOPLE_PEOPLE_FIXTURE_H
#include "tests/unit/store/pg_fixture.h"

#include "auth/key_make.h"
#include "auth/people/people_priv.h"
#include "gateway/store/migrate.h"

#define S        1000000000LL
#define PASSWORD "a quiet harbour"
#define SECRET   "12345678901234567890"

static const struct envelope_master masters[] = {
    {.version = 1, .key = "the first master key, 32 bytes.."},
};
static char password_phc[PASSWORD_HASH_SIZE];
static int64_t fake_now_ns;

static inline int64_t fake_clock(void *arg)
{
    (void)arg;
    return fake_now_ns;
}

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

/* The schema, once. */
static inline int people_start(void **state)
{
    FILE *out;
    int code = server_start(state);

    (void)setenv("PGOPTIONS", "-c client_min_messages=warning", 1);
    if (code == 0 && server_dsn[0] != '\0') {
        out = fopen("/dev/null", "w");
        code = migrate_run(server_dsn, out);
        (void)fclose(out);
        (void)ask(server_dsn, "CREATE TABLE test_audit (id bigint GENERATED ALWAYS AS IDENTITY,"
                              " action text NOT NULL, outcome text, actor text, target text,"
                              " session text, ip text, reason text, before text, after text,"
                              " approvals text)");
    }
    return code == 0 && password_hash(PASSWORD, strlen(PASSWORD), password_phc) == GW_OK ? 0 : -1;
}

/* --- what was answered ------------------------------------------------------------------------- */

struct said {
    unsigned calls;
    enum people_err err;
    char field[32];
    char why[256];
    char token[SESSION_TOKEN_SIZE];
    char csrf[SESSION_TOKEN_SIZE];
    char session[PEOPLE_SESSION_ID];
    unsigned failures;
    char password[PASSWORD_MADE_SIZE];
    char secret[TOTP_SECRET_TEXT];
    char uri[256];
    char codes[RECOVERY_CODES][RECOVERY_CODE_SIZE];
    size_t code_count;
    char request_id[32];
    bool waits;
    char json[8192];
    int64_t at_ns;
};

static inline void copy(char *out, size_t size, const char *s)
{
    (void)snprintf(out, size, "%s", s != NULL ? s : "");
}

static inline void on_said(void *arg, const struct people_answer *a)
{
    struct said *s = arg;

    s->calls++;
    s->err = a->err;
    s->at_ns = clock_mono_ns();
    copy(s->field, sizeof s->field, a->field);
    copy(s->why, sizeof s->why, a->why);
    copy(s->token, sizeof s->token, a->token);
    copy(s->csrf, sizeof s->csrf, a->csrf);
    copy(s->session, sizeof s->session, a->session != NULL ? a->session->id : NULL);
    s->failures = a->failures;
    copy(s->password, sizeof s->password, a->password);
    copy(s->secret, sizeof s->secret, a->secret);
    copy(s->uri, sizeof s->uri, a->uri);
    for (size_t i = 0; i < a->code_count; i++) {
        copy(s->codes[i], sizeof s->codes[i], a->codes[i]);
    }
    s->code_count = a->code_count;
    copy(s->request_id, sizeof s->request_id, a->request_id);
    s->waits = a->waits;
    if (a->json != NULL) {
        assert_int_equal(strlen(a->json), a->json_len);
        assert_true(a->json_len < sizeof s->json);
        copy(s->json, sizeof s->json, a->json);
    }
}

/* --- a gateway --------------------------------------------------------------------------------- */

struct gate {
    struct world w;
    struct people *p;
    struct metric_set *metrics;
    struct said said;
    char ended[16][PEOPLE_SESSION_ID];
    unsigned ended_count;
    unsigned refused;
    char refused_actor[64];
    bool break_audit; /* the entry cannot be written */
    bool closed;
};

static inline void on_ended(void *arg, const char *id)
{
    struct gate *g = arg;

    assert_true(g->ended_count < GW_LEN(g->ended));
    copy(g->ended[g->ended_count++], PEOPLE_SESSION_ID, id);
}

/* The change, and its entry, in one transaction. */
struct entry {
    struct gate *g;
    struct people_change *change;
    struct pg_tx *tx;
};

static inline void entry_end(struct entry *e, const struct pg_reply *r)
{
    if (e->tx != NULL) {
        pg_tx_rollback(&e->tx);
    }
    people_change_end(e->change, r);
    free(e);
}

static inline void entry_on_committed(void *arg, const struct pg_reply *r)
{
    entry_end(arg, r);
}

static inline void entry_on_entered(void *arg, const struct pg_reply *r)
{
    struct entry *e = arg;

    if (pg_outcome(r) != PG_OK || !pg_tx_commit(&e->tx, entry_on_committed, e)) {
        entry_end(e, r);
    }
}

static inline void entry_on_rows(void *arg, const struct pg_reply *r)
{
    struct entry *e = arg;
    const struct people_act *a = &e->change->act;
    struct pg_param params[10];
    struct pg_statement s = {.sql = "INSERT INTO test_audit (action, outcome, actor, target,"
                                    " session, ip, reason, before, after, approvals)"
                                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                             .params = params,
                             .param_count = 10};

    if (pg_outcome(r) != PG_OK || !people_change_rows(e->change, r)) {
        entry_end(e, r);
        return;
    }
    params[0] = pg_text(e->g->break_audit ? NULL : people_act_rows[a->kind].word);
    params[1] = pg_text(a->outcome);
    params[2] = pg_text(a->actor);
    params[3] = pg_text(a->target);
    params[4] = pg_text(a->session);
    params[5] = pg_text(a->ip);
    params[6] = pg_text(a->reason);
    params[7] = pg_text(a->before);
    params[8] = pg_text(a->after);
    params[9] = pg_text(a->approvals);
    assert_true(pg_tx_next(e->tx, &s, 1, entry_on_entered, e));
}

static inline void entry_on_begun(void *arg, const struct pg_reply *r)
{
    struct entry *e = arg;

    if (pg_outcome(r) != PG_OK ||
        !pg_tx_next(e->tx, e->change->statements, e->change->count, entry_on_rows, e)) {
        entry_end(e, r);
    }
}

static inline bool entry_write(void *arg, struct people_change *change)
{
    struct gate *g = arg;
    struct entry *e = gw_calloc(1, sizeof *e);

    e->g = g;
    e->change = change;
    e->tx = pg_tx_begin(g->w.pg, 0, entry_on_begun, e);
    if (e->tx == NULL) {
        free(e);
        return false;
    }
    return true;
}

static inline void entry_refused(void *arg, const struct people_act *act)
{
    struct gate *g = arg;

    assert_string_equal(act->outcome, "denied");
    copy(g->refused_actor, sizeof g->refused_actor, act->actor);
    g->refused++;
}

/* CHANGE may set options. */
static inline void gate_open_with(struct gate *g, void (*change)(struct people_options *opt))
{
    static const struct people_writer writer = {entry_write, entry_refused};
    struct people_options opt = {
        .dsn = server_dsn,
        .masters = masters,
        .master_count = GW_LEN(masters),
        .issuer = "Test",
        .now_ns = fake_clock,
        .writer = &writer,
        .writer_arg = g,
        .on_ended = on_ended,
        .on_ended_arg = g,
    };

    memset(g, 0, sizeof *g);
    world_open(&g->w, 3, 64);
    opt.pg = g->w.pg;
    opt.metrics = g->metrics = metrics_create(&people_metrics);
    opt.store_metrics = metrics_create(&store_metrics);
    if (change != NULL) {
        change(&opt);
    }
    g->p = people_create(&g->w.loop, &opt);
    assert_false(people_ready(g->p));
    UNTIL(&g->w.loop, people_ready(g->p), 3000);
    UNTIL(&g->w.loop, opt.dsn == NULL || pg_listen_up(g->p->listen), 3000);
}

static inline void gate_open(struct gate *g)
{
    gate_open_with(g, NULL);
}

static inline void gate_on_closed(void *arg)
{
    ((struct gate *)arg)->closed = true;
}

static inline void gate_close(struct gate *g)
{
    people_close(g->p, gate_on_closed, g);
    UNTIL(&g->w.loop, g->closed, 8000);
    people_destroy(&g->p);
    world_close(&g->w);
}

static inline void gate_run(struct gate *g, int64_t ms)
{
    int64_t until_ns = clock_mono_ns() + ms * 1000000;

    while (clock_mono_ns() < until_ns) {
        (void)uv_run(&g->w.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

/* A call, and its answer is WANT. */
#define CALL(g, want, call)                                                                        \
    do {                                                                                           \
        memset(&(g)->said, 0, sizeof(g)->said);                                                    \
        assert_int_equal((call), PEOPLE_OK);                                                       \
        assert_int_equal((g)->said.calls, 0);                                                      \
        UNTIL(&(g)->w.loop, (g)->said.calls == 1, 8000);                                           \
        if ((g)->said.err != (want)) {                                                             \
            fail_msg("%s (field %s)", people_err_row((g)->said.err)->name, (g)->said.field);       \
        }                                                                                          \
    } while (0)
#define TO_SAID(g) on_said, &(g)->said

/* --- people in the database -------------------------------------------------------------------- */

static inline void clean(void)
{
    sql("ALTER TABLE access_reviews DISABLE TRIGGER ALL");
    sql("TRUNCATE users, user_roles, user_sessions, user_recovery_codes, access_reviews, api_keys,"
        " accounts, test_audit CASCADE");
    sql("ALTER TABLE access_reviews ENABLE ALWAYS TRIGGER access_reviews_append_only");
    sql("UPDATE people_epoch SET epoch = epoch + 1");
    /* ten seconds into a step of the codes */
    fake_now_ns = clock_real_ns() / (30 * S) * (30 * S) + 10 * S;
}

/* A user with PASSWORD, the SECRET when FACTOR, and ROLES between spaces. */
static inline void put_user(const char *name, bool factor, const char *roles)
{
    static const struct envelope_random kernel = {.fn = key_random};
    char id[64];
    uint8_t sealed[ENVELOPE_MAX];
    size_t len = 0;
    char hex[2 * ENVELOPE_MAX + 1];
    char list[256];

    (void)snprintf(id, sizeof id, "totp:%s", name);
    assert_int_equal(envelope_seal(&masters[0], (struct auth_text){id, strlen(id)},
                                   (const uint8_t *)SECRET, strlen(SECRET), &kernel, sealed, &len),
                     GW_OK);
    for (size_t i = 0; i < len; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", sealed[i]);
    }
    sql("INSERT INTO users (name, label, created_by, password_hash, password_at) VALUES"
        " ('%s', 'Label of %s', 'test', '%s', now())",
        name, name, password_phc);
    if (factor) {
        sql("UPDATE users SET totp_sealed = '\\x%s', totp_at = now() WHERE name = '%s'", hex, name);
    }
    copy(list, sizeof list, roles);
    for (char *role = strtok(list, " "); role != NULL; role = strtok(NULL, " ")) {
        sql("INSERT INTO user_roles (user_name, role, kind, granted_by) VALUES"
            " ('%s', '%s', 'standing', 'test')",
            name, role);
    }
}

/* The code of SECRET, STEPS from now. */
static inline const char *code_at(int64_t steps)
{
    static char code[16];

    (void)snprintf(
        code, sizeof code, "%06u",
        totp_code((const uint8_t *)SECRET, 20, (uint64_t)(fake_now_ns / (30 * S) + steps), 6));
    return code;
}

static inline struct people_login as(const char *name, const char *password, const char *code)
{
    return (struct people_login){.name = name,
                                 .password = password,
                                 .code = code,
                                 .ip = "192.0.2.7",
                                 .user_agent = "A browser/1.0 \x01\xff"};
}

/* Logged in; the code of now is used up afterwards. TOKEN has SESSION_TOKEN_SIZE. */
static inline void log_in(struct gate *g, const char *name, char *token)
{
    struct people_login l = as(name, PASSWORD, code_at(0));

    CALL(g, PEOPLE_OK, people_login(g->p, &l, TO_SAID(g)));
    memcpy(token, g->said.token, SESSION_TOKEN_SIZE);
}

static inline enum people_err find(struct gate *g, const char *token)
{
    const struct people_session *s;

    return people_find(g->p, token, strlen(token), false, &s);
}

static inline enum people_err may(struct gate *g, const char *token, enum permission permission)
{
    const struct people_session *s;
    enum people_err err = people_find(g->p, token, strlen(token), false, &s);

    return err == PEOPLE_OK ? people_may(g->p, s, permission) : err;
}

static const struct people_by by_root = {.actor = "os:root", .reason = "as the tests need it"};
#endif
