/* gateway/audit/batch.c - records as statements: behind the head, in its transaction. */
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/store_priv.h"

#define COLUMNS (AUDIT_FIELD_COUNT + 2u)
#define HEAD    "SELECT seq, hash, version, state FROM gate_head"

const struct pg_statement audit_head_lock = {.sql = HEAD " FOR UPDATE"};
const struct pg_statement audit_head_peek = {.sql = HEAD};

struct audit_batch {
    struct audit_entry *entries;
    size_t count;
    struct pg_param *params;
    struct pg_statement *statements;
    struct buf sql;
    struct pg_param head[5];
    struct pg_param notify;
    char payload[48];
};

void audit_columns(struct buf *out)
{
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        buf_puts(out, audit_fields[i].name);
        buf_lit(out, ", ");
    }
    buf_lit(out, "prev_hash, hash");
}

static bool hash_read(const struct pg_reply *r, size_t i, size_t row, size_t column,
                      uint8_t out[AUDIT_HASH_BYTES])
{
    size_t len = 0;
    const char *text = pg_value(r, i, row, column, &len);

    return text != NULL && len > 2 && memcmp(text, "\\x", 2) == 0 &&
           audit_unhex(text + 2, len - 2, out, AUDIT_HASH_BYTES);
}

bool audit_head_read(const struct pg_reply *r, size_t i, struct audit_head *out)
{
    int64_t seq = 0;
    int64_t version = 0;

    if (pg_rows(r, i) != 1 || !pg_value_i64(r, i, 0, 0, &seq) || seq < 0 ||
        !hash_read(r, i, 0, 1, out->hash) || !pg_value_i64(r, i, 0, 2, &version) || version < 0) {
        return false;
    }
    out->seq = (uint64_t)seq;
    out->version = (uint64_t)version;
    out->state = pg_value(r, i, 0, 3, NULL);
    return out->state != NULL;
}

bool audit_row_read(const struct pg_reply *r, size_t row, struct audit_entry *out,
                    uint8_t request[AUDIT_HASH_BYTES])
{
    *out = (struct audit_entry){0};
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];
        void *m = (char *)out + f->offset;
        int64_t number = 0;

        if (f->kind == AUDIT_NUMBER || f->kind == AUDIT_TIME) {
            if (!pg_value_i64(r, 0, row, i, &number)) {
                return false;
            }
            memcpy(m, &number, sizeof number); /* both kinds are as wide */
        } else if (f->kind == AUDIT_SHA256) {
            if (pg_value(r, 0, row, i, NULL) != NULL) {
                if (!hash_read(r, 0, row, i, request)) {
                    return false;
                }
                *(const uint8_t **)m = request;
            }
        } else {
            *(const char **)m = pg_value(r, 0, row, i, NULL);
            if (*(const char **)m == NULL) {
                return false;
            }
        }
    }
    return hash_read(r, 0, row, AUDIT_FIELD_COUNT, out->prev_hash) &&
           hash_read(r, 0, row, AUDIT_FIELD_COUNT + 1, out->hash);
}

static void entry_params(const struct audit_entry *e, struct pg_param *p)
{
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];
        const void *m = audit_member(e, f);
        const uint8_t *hash;

        if (f->kind == AUDIT_NUMBER || f->kind == AUDIT_TIME) {
            int64_t number;

            memcpy(&number, m, sizeof number);
            p[i] = pg_int8(number);
        } else if (f->kind == AUDIT_SHA256) {
            hash = *(const uint8_t *const *)m;
            p[i] = hash != NULL ? pg_bytea(hash, AUDIT_HASH_BYTES) : pg_null();
        } else {
            p[i] = pg_text(audit_member_text(e, f));
        }
    }
    p[AUDIT_FIELD_COUNT] = pg_bytea(e->prev_hash, AUDIT_HASH_BYTES);
    p[AUDIT_FIELD_COUNT + 1] = pg_bytea(e->hash, AUDIT_HASH_BYTES);
}

static void insert_sql(struct buf *out)
{
    buf_lit(out, "INSERT INTO audit_entries (");
    audit_columns(out);
    buf_lit(out, ") VALUES (");
    for (unsigned i = 1; i <= COLUMNS; i++) {
        buf_printf(out, "%s$%u", i == 1 ? "" : ", ", i);
    }
    buf_putc(out, ')');
    (void)buf_cstr(out);
}

static void head_statements(struct audit_batch *b, const struct audit_head *head, const char *state,
                            uint64_t version)
{
    const struct audit_entry *last = &b->entries[b->count - 1];
    struct buf payload = {0};

    b->head[0] = pg_int8((int64_t)last->seq);
    b->head[1] = pg_bytea(last->hash, AUDIT_HASH_BYTES);
    b->head[2] = pg_int8((int64_t)(state != NULL ? version : head->version));
    b->head[3] = pg_text(state); /* NULL: as it is */
    b->head[4] = pg_int8((int64_t)head->seq);
    b->statements[b->count] = (struct pg_statement){
        .sql = "UPDATE gate_head SET seq = $1, hash = $2, version = $3, state = coalesce($4, state)"
               " WHERE seq = $5",
        .params = b->head,
        .param_count = GW_LEN(b->head)};
    buf_u64(&payload, last->seq);
    buf_putc(&payload, ' ');
    buf_u64(&payload, state != NULL ? version : head->version);
    memcpy(b->payload, buf_cstr(&payload), payload.len + 1);
    buf_fini(&payload);
    b->notify = pg_text(b->payload);
    b->statements[b->count + 1] = (struct pg_statement){
        .sql = "SELECT pg_notify('" AUDIT_CHANNEL "', $1)", .params = &b->notify, .param_count = 1};
}

struct audit_batch *audit_batch_create(const struct audit_head *head,
                                       const struct audit_entry *entries, size_t count,
                                       const char *state, uint64_t version, size_t *bad,
                                       const char **field)
{
    struct audit_batch *b;
    struct buf scratch = {0};
    uint64_t seq = head->seq;
    const uint8_t *hash = head->hash;

    GW_ASSERT(count > 0 && count <= AUDIT_BATCH_MAX);
    for (*bad = 0; *bad < count; (*bad)++) {
        if (audit_entry_check(&entries[*bad], field) != GW_OK) {
            return NULL;
        }
    }
    b = gw_calloc(1, sizeof *b);
    b->count = count;
    b->entries = gw_calloc(count, sizeof *b->entries);
    b->params = gw_calloc(count * COLUMNS, sizeof *b->params);
    b->statements = gw_calloc(count + 2, sizeof *b->statements);
    insert_sql(&b->sql);
    for (size_t i = 0; i < count; i++) {
        struct audit_entry *e = &b->entries[i];

        *e = entries[i];
        audit_entry_seal(e, seq, hash, &scratch);
        seq = e->seq;
        hash = e->hash;
        entry_params(e, &b->params[i * COLUMNS]);
        b->statements[i] = (struct pg_statement){
            .sql = b->sql.data, .params = &b->params[i * COLUMNS], .param_count = COLUMNS};
    }
    head_statements(b, head, state, version);
    buf_fini(&scratch);
    return b;
}

void audit_batch_destroy(struct audit_batch **bp)
{
    struct audit_batch *b = *bp;

    *bp = NULL;
    if (b != NULL) {
        buf_fini(&b->sql);
        free(b->entries);
        free(b->params);
        free(b->statements);
        free(b);
    }
}

const struct pg_statement *audit_batch_statements(const struct audit_batch *b, size_t *count)
{
    *count = b->count + 2;
    return b->statements;
}

const struct audit_entry *audit_batch_entry(const struct audit_batch *b, size_t i)
{
    GW_ASSERT(i < b->count);
    return &b->entries[i];
}

bool audit_batch_done(const struct audit_batch *b, const struct pg_reply *r, size_t first)
{
    bool ok = pg_outcome(r) == PG_OK;

    for (size_t i = 0; i <= b->count && ok; i++) {
        ok = pg_affected(r, first + i) == 1;
    }
    return ok;
}
