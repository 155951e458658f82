/* gateway/audit/store_priv.h - what the files of the store share. */
#ifndef GATEWAY_AUDIT_STORE_PRIV_H
#define GATEWAY_AUDIT_STORE_PRIV_H
#include "gateway/audit/store.h"

struct pending {
    struct audit_entry *e; /* owned */
    size_t bytes;
    audit_append_fn *cb;
    void *arg;
    int64_t offered_ns;
    int64_t deadline_ns;
    bool maybe;    /* a commit with it was not answered */
    uint64_t done; /* seq, once it is known to be in the chain */
    struct pending *next;
};

struct pending_list {
    struct pending *first;
    struct pending **tail;
};

struct audit_store {
    struct audit_store_options opt;
    uv_timer_t timer;
    struct pending_list queue;
    struct pending_list sent;
    size_t count; /* of both */
    size_t bytes;
    uint32_t tries; /* failed in a row */
    struct pg_tx *tx;
    struct audit_batch *batch;
    bool closing;
    void (*done)(void *arg);
    void *done_arg;
};

/* "seq, id, ..., prev_hash, hash" */
void audit_columns(struct buf *out);
/* Row ROW of statement 0, whose columns are those. REQUEST is room for its request_sha256. */
GW_MUSTCHECK
bool audit_row_read(const struct pg_reply *r, size_t row, struct audit_entry *out,
                    uint8_t request[AUDIT_HASH_BYTES]);
#endif
