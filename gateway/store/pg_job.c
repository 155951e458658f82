/* gateway/store/pg_job.c - copies of statements, and what PostgreSQL answered to them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "gateway/store/pg_priv.h"

/* From PostgreSQL's catalog, fixed for ever. */
#define OID_BOOL  16u
#define OID_BYTEA 17u
#define OID_INT8  20u

static const struct pg_statement begin_statement = {.sql = "BEGIN"};
static const struct pg_statement commit_statement = {.sql = "COMMIT"};

/* --- making ------------------------------------------------------------------------------------
 */

static size_t bytes_of(const struct pg_statement *s)
{
    size_t bytes = strlen(s->sql) + 1;

    GW_ASSERT(s->param_count <= PG_PARAMS_MAX);
    for (size_t i = 0; i < s->param_count; i++) {
        bytes += s->params[i].len + 1;
    }
    return bytes;
}

/* Text needs a NUL behind it; bytea may be empty: a byte more for each. */
static const char *keep(char **at, const void *data, size_t len)
{
    char *copy = *at;

    if (len > 0) {
        memcpy(copy, data, len);
    }
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

struct pg_job *pg_job_create(enum pg_job_kind kind, const struct pg_statement *statements,
                             size_t count, pg_reply_fn *cb, void *arg)
{
    size_t params = 0;
    size_t bytes = 0;
    struct pg_job *job;
    struct pg_param *param;
    char *at;

    GW_ASSERT(count <= PG_STATEMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        params += statements[i].param_count;
        bytes += bytes_of(&statements[i]);
    }
    job = gw_calloc(1, sizeof *job + count * sizeof *statements + count * sizeof(PGresult *) +
                           params * sizeof *param + bytes);
    job->kind = kind;
    job->made_ns = clock_mono_ns();
    job->cb = cb;
    job->arg = arg;
    job->reply.count = count;
    job->reply.failed_at = count;
    job->statements = (struct pg_statement *)(job + 1);
    job->reply.results = (PGresult **)(job->statements + count);
    param = (struct pg_param *)(job->reply.results + count);
    at = (char *)(param + params);
    for (size_t i = 0; i < count; i++) {
        struct pg_statement *copy = &job->statements[i];

        copy->sql = keep(&at, statements[i].sql, strlen(statements[i].sql));
        copy->params = param;
        copy->param_count = statements[i].param_count;
        for (size_t j = 0; j < copy->param_count; j++) {
            *param = statements[i].params[j];
            param->data = keep(&at, param->data, param->len);
            param++;
        }
    }
    return job;
}

/* --- sending -----------------------------------------------------------------------------------
 */

size_t pg_job_wire_count(const struct pg_job *job)
{
    switch (job->kind) {
    case PG_JOB_TRANSACTION:
        return job->reply.count + 2;
    case PG_JOB_BEGIN:
    case PG_JOB_COMMIT:
        return 1;
    default:
        return job->reply.count;
    }
}

static const struct pg_statement *on_wire(const struct pg_job *job, size_t at)
{
    switch (job->kind) {
    case PG_JOB_BEGIN:
        return &begin_statement;
    case PG_JOB_COMMIT:
        return &commit_statement;
    case PG_JOB_TRANSACTION:
        if (at == 0) {
            return &begin_statement;
        }
        return at <= job->reply.count ? &job->statements[at - 1] : &commit_statement;
    default:
        return &job->statements[at];
    }
}

static void put_int8(unsigned char out[8], int64_t number)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (unsigned char)((uint64_t)number >> (56 - 8 * i));
    }
}

bool pg_job_send(const struct pg_job *job, size_t at, PGconn *pg)
{
    const struct pg_statement *s = on_wire(job, at);
    Oid types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    unsigned char numbers[PG_PARAMS_MAX][8];

    for (size_t i = 0; i < s->param_count; i++) {
        const struct pg_param *p = &s->params[i];

        values[i] = p->type == PG_NULL ? NULL : p->data;
        lengths[i] = (int)p->len;
        formats[i] = p->type == PG_TEXT || p->type == PG_NULL ? 0 : 1;
        types[i] = p->type == PG_BYTEA ? OID_BYTEA : 0;
        if (p->type == PG_INT8) {
            types[i] = OID_INT8;
            put_int8(numbers[i], p->number);
            values[i] = (const char *)numbers[i];
            lengths[i] = 8;
        } else if (p->type == PG_BOOL) {
            types[i] = OID_BOOL;
            values[i] = p->number != 0 ? "\1" : "\0";
            lengths[i] = 1;
        }
    }
    return PQsendQueryParams(pg, s->sql, (int)s->param_count, types, values, lengths, formats, 0) ==
           1;
}

/* --- the answer --------------------------------------------------------------------------------
 */

/* A statement and the schema that do not fit each other are a fault of installation, not of a
 * request; other refusals are for the caller. */
static void log_misfit(const struct pg_reply *r)
{
    if (strncmp(r->sqlstate, "42", 2) == 0) {
        log_error("pg", "statement_refused",
                  "\"sqlstate\":\"%s\",\"error\":%s,\"next\":\"is the schema this program's? run "
                  "portcullis --migrate\"",
                  r->sqlstate, log_json(r->message));
    }
}

static void take_failure(struct pg_job *job, size_t at, const PGresult *res)
{
    struct pg_reply *r = &job->reply;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (r->faulted) {
        return; /* the first one counts */
    }
    r->faulted = true;
    (void)snprintf(r->sqlstate, sizeof r->sqlstate, "%s", state != NULL ? state : "");
    (void)snprintf(r->message, sizeof r->message, "%s",
                   message != NULL ? message : "the connection was lost");
    /* An error that ends the connection says nothing about what was done before it. */
    if (severity != NULL && strcmp(severity, "ERROR") == 0) {
        r->outcome = PG_FAILED;
        if (job->kind == PG_JOB_TRANSACTION) {
            at = at > 0 ? at - 1 : 0;
        }
        r->failed_at = at < r->count ? at : r->count;
        log_misfit(r);
    }
}

void pg_job_result(struct pg_job *job, size_t at, PGresult *res)
{
    const struct pg_statement *s = at < pg_job_wire_count(job) ? on_wire(job, at) : NULL;
    ExecStatusType status = PQresultStatus(res);
    bool fine = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;

    if (status == PGRES_FATAL_ERROR) {
        take_failure(job, at, res);
    } else if (s == &commit_statement && fine) {
        /* COMMIT of a failed transaction is answered, without an error, by ROLLBACK */
        job->reply.committed = strcmp(PQcmdStatus(res), "COMMIT") == 0;
    } else if (s != NULL && s != &begin_statement && fine) {
        size_t i = (size_t)(s - job->statements);

        PQclear(job->reply.results[i]);
        job->reply.results[i] = res;
        return;
    }
    PQclear(res);
}

static void decide(struct pg_job *job, bool sent, bool synced, const char *why)
{
    struct pg_reply *r = &job->reply;
    bool commits = job->kind == PG_JOB_TRANSACTION || job->kind == PG_JOB_COMMIT;

    if (r->message[0] == '\0' && why != NULL) {
        (void)snprintf(r->message, sizeof r->message, "%s", why);
    }
    if (r->outcome == PG_FAILED) {
        return;
    }
    if (r->committed || (synced && !commits && !r->faulted)) {
        r->outcome = PG_OK;
    } else if (synced && !r->faulted) {
        r->outcome = PG_FAILED; /* COMMIT rolled back */
    } else if (!sent || job->kind == PG_JOB_BEGIN || job->kind == PG_JOB_STEP) {
        r->outcome = PG_NOT_DONE;
    } else {
        r->outcome = PG_UNKNOWN;
    }
}

void pg_job_finish(struct pg_job **jobp, bool sent, bool synced, const char *why)
{
    struct pg_job *job = *jobp;

    *jobp = NULL;
    decide(job, sent, synced, why);
    if (job->tx != NULL) {
        job->tx->waiting = false;
        if (job->kind == PG_JOB_COMMIT) {
            free(job->tx);
        } else if (job->reply.outcome != PG_OK) {
            pg_tx_lose(job->tx);
        }
    }
    if (job->cb != NULL) {
        job->cb(job->arg, &job->reply);
    }
    for (size_t i = 0; i < job->reply.count; i++) {
        PQclear(job->reply.results[i]);
    }
    free(job);
}

/* --- reading it --------------------------------------------------------------------------------
 */

enum pg_outcome pg_outcome(const struct pg_reply *r)
{
    return r->outcome;
}

enum gw_err pg_err(const struct pg_reply *r)
{
    if (r->outcome == PG_OK) {
        return GW_OK;
    }
    return r->timed_out ? GW_ETIMEOUT : GW_ESTORE;
}

const char *pg_sqlstate(const struct pg_reply *r)
{
    return r->sqlstate;
}

const char *pg_message(const struct pg_reply *r)
{
    return r->message;
}

size_t pg_failed_at(const struct pg_reply *r)
{
    return r->failed_at;
}

size_t pg_rows(const struct pg_reply *r, size_t i)
{
    GW_ASSERT(i < r->count);
    return r->outcome == PG_OK ? (size_t)PQntuples(r->results[i]) : 0;
}

uint64_t pg_affected(const struct pg_reply *r, size_t i)
{
    GW_ASSERT(i < r->count);
    return r->outcome == PG_OK ? strtoull(PQcmdTuples(r->results[i]), NULL, 10) : 0;
}

const char *pg_value(const struct pg_reply *r, size_t i, size_t row, size_t column, size_t *len)
{
    const PGresult *res;

    GW_ASSERT(i < r->count && row < pg_rows(r, i));
    res = r->results[i];
    GW_ASSERT(column < (size_t)PQnfields(res));
    if (PQgetisnull(res, (int)row, (int)column)) {
        return NULL;
    }
    if (len != NULL) {
        *len = (size_t)PQgetlength(res, (int)row, (int)column);
    }
    return PQgetvalue(res, (int)row, (int)column);
}

bool pg_value_i64(const struct pg_reply *r, size_t i, size_t row, size_t column, int64_t *out)
{
    const char *text = pg_value(r, i, row, column, NULL);
    char *end;
    long long number;

    if (text == NULL) {
        return false;
    }
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        return false;
    }
    *out = number;
    return true;
}

bool pg_value_bool(const struct pg_reply *r, size_t i, size_t row, size_t column, bool *out)
{
    const char *text = pg_value(r, i, row, column, NULL);

    if (text == NULL || (strcmp(text, "t") != 0 && strcmp(text, "f") != 0)) {
        return false;
    }
    *out = text[0] == 't';
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pg_value_bytes(const struct pg_reply *r, size_t i, size_t row, size_t column, struct buf *out)
{
    size_t len = 0;
    const char *text = pg_value(r, i, row, column, &len);
    size_t start = out->len;

    if (text == NULL || len < 2 || len % 2 != 0 || text[0] != '\\' || text[1] != 'x') {
        return false;
    }
    for (size_t k = 2; k < len; k += 2) {
        int high = hex_digit(text[k]);
        int low = hex_digit(text[k + 1]);

        if (high < 0 || low < 0) {
            out->len = start;
            return false;
        }
        buf_putc(out, (char)(high << 4 | low));
    }
    return true;
}

void pg_array_put(struct buf *b, const char *item)
{
    buf_putc(b, b->len == 0 ? '{' : ',');
    if (item == NULL) {
        buf_lit(b, "NULL");
        return;
    }
    buf_putc(b, '"');
    for (; *item != '\0'; item++) {
        if (*item == '"' || *item == '\\') {
            buf_putc(b, '\\');
        }
        buf_putc(b, *item);
    }
    buf_putc(b, '"');
}

void pg_array_end(struct buf *b)
{
    if (b->len == 0) {
        buf_putc(b, '{');
    }
    buf_putc(b, '}');
}
