/* gateway/audit/verify.c - the table through the verifier, a page a turn of the loop. */
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/store_priv.h"

#define PAGE_ROWS 500u
#define PAGE_MS   10000u

struct walk {
    struct audit_store *s;
    struct audit_verify_options opt;
    audit_verify_fn *cb;
    void *arg;
    struct audit_chain chain;
    uint64_t first_seq;
    struct audit_mark head;
    struct buf sql;
};

static void finish(struct walk *w, enum gw_err err)
{
    struct audit_result *r = &w->chain.result;

    if (err == GW_OK) {
        audit_chain_end(&w->chain, true);
        if (r->fault == AUDIT_WHOLE && w->chain.next_seq <= w->head.seq) {
            r->fault = AUDIT_TRUNCATED;
        } else if (r->fault == AUDIT_WHOLE && r->count > 0 &&
                   memcmp(r->hash, w->head.hash, AUDIT_HASH_BYTES) != 0) {
            r->fault = AUDIT_HEAD_DIFFERS;
        }
        if (r->fault == AUDIT_TRUNCATED || r->fault == AUDIT_HEAD_DIFFERS) {
            r->bad_seq = r->fault == AUDIT_TRUNCATED ? w->chain.next_seq : r->to_seq;
            r->expected_seq = r->bad_seq;
        }
    }
    w->cb(w->arg, err, r);
    audit_chain_fini(&w->chain);
    buf_fini(&w->sql);
    free(w);
}

static bool ask_page(struct walk *w);

static void on_page(void *arg, const struct pg_reply *r)
{
    struct walk *w = arg;
    size_t rows = pg_rows(r, 0);

    if (pg_outcome(r) != PG_OK) {
        finish(w, pg_err(r));
        return;
    }
    for (size_t i = 0; i < rows && w->chain.result.fault == AUDIT_WHOLE; i++) {
        struct audit_entry e;
        uint8_t request[AUDIT_HASH_BYTES];

        if (audit_row_read(r, i, &e, request)) {
            (void)audit_chain_feed(&w->chain, &e);
        } else {
            audit_chain_unreadable(&w->chain);
        }
    }
    if (w->opt.progress != NULL) {
        w->opt.progress(w->arg, w->chain.result.count, w->head.seq - (w->first_seq - 1));
    }
    if (w->chain.result.fault != AUDIT_WHOLE || rows == 0 || w->chain.next_seq > w->head.seq) {
        finish(w, GW_OK);
    } else if (!ask_page(w)) {
        finish(w, GW_ESTORE);
    }
}

static bool ask_page(struct walk *w)
{
    const struct pg_param params[] = {pg_int8((int64_t)w->chain.next_seq),
                                      pg_int8((int64_t)w->head.seq), pg_int8(PAGE_ROWS)};
    const struct pg_statement statement = {w->sql.data, params, GW_LEN(params)};

    return pg_query(w->s->opt.pg, &statement, PAGE_MS, on_page, w);
}

static void on_head(void *arg, const struct pg_reply *r)
{
    struct walk *w = arg;
    struct audit_head head;

    if (pg_outcome(r) != PG_OK || !audit_head_read(r, 0, &head)) {
        finish(w, pg_outcome(r) != PG_OK ? pg_err(r) : GW_ESTORE);
        return;
    }
    w->head.seq = head.seq;
    memcpy(w->head.hash, head.hash, AUDIT_HASH_BYTES);
    if (head.seq + 1 < w->first_seq) { /* even the record before is gone */
        w->chain.result.fault = AUDIT_TRUNCATED;
        w->chain.result.bad_seq = w->chain.result.expected_seq = head.seq + 1;
        finish(w, GW_OK);
    } else if (head.seq < w->first_seq) {
        if (w->chain.prev_known && memcmp(w->chain.prev_hash, head.hash, AUDIT_HASH_BYTES) != 0) {
            w->chain.result.fault = AUDIT_REWRITTEN;
            w->chain.result.bad_seq = w->chain.result.expected_seq = head.seq;
        }
        finish(w, GW_OK);
    } else if (!ask_page(w)) {
        finish(w, GW_ESTORE);
    }
}

enum gw_err audit_verify(struct audit_store *s, const struct audit_verify_options *opt,
                         audit_verify_fn *cb, void *arg)
{
    struct walk *w = gw_calloc(1, sizeof *w);

    w->s = s;
    w->opt = *opt;
    w->cb = cb;
    w->arg = arg;
    w->first_seq = opt->first_seq != 0 ? opt->first_seq : 1;
    audit_chain_init(&w->chain, w->first_seq, opt->before, opt->marks, opt->mark_count);
    buf_lit(&w->sql, "SELECT ");
    audit_columns(&w->sql);
    buf_lit(&w->sql, " FROM audit_entries WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3");
    (void)buf_cstr(&w->sql);
    if (pg_query(s->opt.pg, &audit_head_peek, PAGE_MS, on_head, w)) {
        return GW_OK;
    }
    audit_chain_fini(&w->chain);
    buf_fini(&w->sql);
    free(w);
    return GW_ESTORE;
}
