#include "gateway/store/migrate.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/err.h"
#include "gateway/store/pg.h"

#define CONNECT_TIMEOUT_S "10"
#define LOCK_TIMEOUT      "60s"
/* "portmigr" as a number: nobody else's advisory lock is likely to be the same. */
#define LOCK_KEY "8101820099040208754"

struct run {
    PGconn *pg;
    const struct migration *list;
    size_t count;
    FILE *out;
    size_t applied; /* before and by this run */
};

/* One line of TEXT, then what to do. False, for the caller to return. */
static bool failed(const struct run *r, const char *what, const char *text, const char *next)
{
    (void)fprintf(r->out, "migrate: %s: %.*s\n  next: %s\n", what, (int)strcspn(text, "\n"), text,
                  next);
    return false;
}

/* Runs SQL, which may be several statements. NULL after an error. */
static PGresult *ask(const struct run *r, const char *sql, int n, const char *const *values)
{
    PGresult *res =
        n == 0 ? PQexec(r->pg, sql) : PQexecParams(r->pg, sql, n, NULL, values, NULL, NULL, 0);

    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK) {
        PQclear(res);
        return NULL;
    }
    return res;
}

static bool do_sql(const struct run *r, const char *sql, int n, const char *const *values)
{
    PGresult *res = ask(r, sql, n, values);

    PQclear(res);
    return res != NULL;
}

static bool take_lock(const struct run *r)
{
    if (do_sql(r, "SET client_min_messages = warning; SET lock_timeout = '" LOCK_TIMEOUT "'", 0,
               NULL) &&
        do_sql(r, "SELECT pg_advisory_lock(" LOCK_KEY ")", 0, NULL)) {
        return true;
    }
    return failed(r, "the lock of migrations", PQerrorMessage(r->pg),
                  "another migration runs (or hangs: see pg_stat_activity); wait, then run this "
                  "again");
}

static bool make_table(const struct run *r)
{
    if (do_sql(r,
               "CREATE TABLE IF NOT EXISTS schema_migrations ("
               " version integer PRIMARY KEY CHECK (version > 0), name text NOT NULL,"
               " sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),"
               " applied_at timestamptz NOT NULL DEFAULT now());"
               "COMMENT ON TABLE schema_migrations IS 'The migrations this database has had.';"
               "COMMENT ON COLUMN schema_migrations.version IS 'Number of the file.';"
               "COMMENT ON COLUMN schema_migrations.name IS 'Its name, without .sql.';"
               "COMMENT ON COLUMN schema_migrations.sha256 IS"
               " 'Of the file as it was applied: it must not change afterwards.';"
               "COMMENT ON COLUMN schema_migrations.applied_at IS 'When it was applied.'",
               0, NULL)) {
        return true;
    }
    return failed(r, "schema_migrations", PQerrorMessage(r->pg),
                  "migrate as the role that owns the database's schema");
}

/* What the database has must be the beginning of the list. */
static bool compare(struct run *r)
{
    PGresult *res = ask(r,
                        "SELECT version, name, sha256, to_char(applied_at AT TIME ZONE 'UTC',"
                        " 'YYYY-MM-DD HH24:MI') FROM schema_migrations ORDER BY version",
                        0, NULL);
    bool same = res != NULL;

    if (res == NULL) {
        return failed(r, "schema_migrations", PQerrorMessage(r->pg),
                      "look at that table; it is not as this program made it");
    }
    r->applied = (size_t)PQntuples(res);
    for (size_t i = 0; same && i < r->applied; i++) {
        const char *version = PQgetvalue(res, (int)i, 0);
        const char *name = PQgetvalue(res, (int)i, 1);

        if (i >= r->count || atoi(version) != r->list[i].version) {
            (void)fprintf(r->out,
                          "migrate: the database has migration %s_%s, which this program does not "
                          "know\n  next: use the newer program that migrated this database\n",
                          version, name);
            same = false;
        } else if (strcmp(PQgetvalue(res, (int)i, 2), r->list[i].sha256) != 0) {
            (void)fprintf(r->out,
                          "migrate: %s was applied on %s UTC and has been changed since\n"
                          "  applied: sha256 %s\n  here:    sha256 %s\n"
                          "  next: restore gateway/store/migrations/%s.sql as it was and put the "
                          "change into a new migration\n",
                          name, PQgetvalue(res, (int)i, 3), PQgetvalue(res, (int)i, 2),
                          r->list[i].sha256, r->list[i].name);
            same = false;
        }
    }
    PQclear(res);
    return same;
}

/* The error of a file, with its line. */
static bool file_failed(const struct run *r, const char *name, const char *sql, const PGresult *res)
{
    const char *at = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    unsigned line = 1;

    for (int i = at != NULL ? atoi(at) - 1 : 0; i > 0 && *sql != '\0'; sql++) {
        line += *sql == '\n';
        i -= ((unsigned char)*sql & 0xc0) != 0x80; /* positions count characters */
    }
    (void)fprintf(r->out, "migrate: %s.sql", name);
    if (at != NULL) {
        (void)fprintf(r->out, ":%u", line);
    }
    (void)fprintf(r->out,
                  ": %s%s%s\n  next: nothing of this file was applied; correct the cause, then run "
                  "this again\n",
                  text != NULL ? text : PQerrorMessage(r->pg), state != NULL ? ", SQLSTATE " : "",
                  state != NULL ? state : "");
    return false;
}

/* SQL in a transaction, and the row ROW (of version, name, hash) when it is not NULL. */
static bool apply_file(const struct run *r, const char *name, const char *sql,
                       const char *const row[3])
{
    PGresult *res = NULL;
    bool fine = do_sql(r, "BEGIN", 0, NULL);

    if (fine) {
        res = PQexec(r->pg, sql);
        fine = PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;
        if (!fine) {
            file_failed(r, name, sql, res);
            PQclear(res);
            (void)do_sql(r, "ROLLBACK", 0, NULL);
            return false;
        }
        PQclear(res);
    }
    if (fine && PQtransactionStatus(r->pg) != PQTRANS_INTRANS) {
        return failed(r, name, "it ends its transaction itself",
                      "take BEGIN and COMMIT out of the file; look at what it has left behind");
    }
    if (fine && row != NULL) {
        fine = do_sql(
            r, "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)", 3, row);
    }
    if (fine) {
        res = ask(r, "COMMIT", 0, NULL);
        fine = res != NULL && strcmp(PQcmdStatus(res), "COMMIT") == 0;
        PQclear(res);
    }
    return fine || failed(r, name, PQerrorMessage(r->pg), "correct the cause, then run this again");
}

static bool apply_rest(struct run *r)
{
    for (; r->applied < r->count; r->applied++) {
        const struct migration *m = &r->list[r->applied];
        char version[12];
        const char *row[3] = {version, m->name, m->sha256};

        (void)snprintf(version, sizeof version, "%d", m->version);
        if (!apply_file(r, m->name, m->sql, row)) {
            return false;
        }
        (void)fprintf(r->out, "migrate: applied %s\n", m->name);
    }
    return true;
}

static bool grant(const struct run *r, const char *grants)
{
    PGresult *res = ask(r, "SELECT current_setting('portcullis.writer_role', true)", 0, NULL);
    char *role = res != NULL ? gw_strdup(PQgetvalue(res, 0, 0)) : NULL;
    bool fine = true;

    PQclear(res);
    if (role != NULL && role[0] != '\0') {
        fine = apply_file(r, "grants", grants, NULL);
        if (fine) {
            (void)fprintf(r->out, "migrate: granted the gateway's rights to %s\n", role);
        }
    }
    free(role);
    return fine;
}

int migrate_apply(const char *dsn, const struct migration *list, size_t count, const char *grants,
                  FILE *out)
{
    static const char *const keywords[] = {"connect_timeout", "fallback_application_name", "dbname",
                                           "client_encoding", NULL};
    const char *values[] = {CONNECT_TIMEOUT_S, "portcullis-migrate", dsn, "UTF8", NULL};
    struct run r = {.list = list, .count = count, .out = out};
    bool fine;

    if (!pg_dsn_valid(dsn)) { /* libpq's text might quote a password */
        (void)failed(&r, "the DSN", "it cannot be read",
                     "give one like postgresql://user@host/database");
        return 1;
    }
    r.pg = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(r.pg) != CONNECTION_OK) {
        fine = failed(&r, "no connection", PQerrorMessage(r.pg),
                      "check the DSN, and that PostgreSQL runs there");
    } else {
        fine = take_lock(&r) && make_table(&r) && compare(&r) && apply_rest(&r) &&
               (grants == NULL || grant(&r, grants));
    }
    if (fine) {
        (void)fprintf(out, "migrate: the schema is at version %zu\n", r.applied);
    }
    PQfinish(r.pg); /* which gives the lock back */
    return fine ? 0 : 1;
}

int migrate_run(const char *dsn, FILE *out)
{
    return migrate_apply(dsn, migrations, migration_count, migration_grants, out);
}
