/* gateway/store/pg_tx.c - transactions in steps: who holds which connection, and until when. */
#include <stdlib.h>
#include "gateway/runtime/clock.h"
#include "gateway/store/pg_priv.h"

void pg_tx_lose(struct pg_tx *tx)
{
    tx->conn = NULL;
    tx->failed = true;
}

struct pg_tx *pg_tx_begin(struct pg *p, uint32_t timeout_ms, pg_reply_fn *cb, void *arg)
{
    struct pg_job *job = pg_job_create(PG_JOB_BEGIN, NULL, 0, cb, arg);
    struct pg_tx *tx = gw_calloc(1, sizeof *tx);

    tx->waiting = true;
    job->tx = tx;
    if (!pg_submit(p, &job, timeout_ms, &tx->deadline_ns)) {
        free(tx);
        return NULL;
    }
    return tx;
}

static void run(struct pg_tx *tx, struct pg_job *job)
{
    job->tx = tx;
    job->deadline_ns = tx->deadline_ns;
    tx->waiting = true;
    pg_conn_run(tx->conn, &job);
}

bool pg_tx_next(struct pg_tx *tx, const struct pg_statement *statements, size_t count,
                pg_reply_fn *cb, void *arg)
{
    GW_ASSERT(!tx->waiting);
    if (tx->failed) {
        return false;
    }
    run(tx, pg_job_create(PG_JOB_STEP, statements, count, cb, arg));
    return true;
}

bool pg_tx_commit(struct pg_tx **txp, pg_reply_fn *cb, void *arg)
{
    struct pg_tx *tx = *txp;

    *txp = NULL;
    GW_ASSERT(!tx->waiting);
    if (tx->failed) {
        free(tx);
        return false;
    }
    run(tx, pg_job_create(PG_JOB_COMMIT, NULL, 0, cb, arg)); /* frees TX */
    return true;
}

void pg_tx_rollback(struct pg_tx **txp)
{
    struct pg_tx *tx = *txp;

    *txp = NULL;
    GW_ASSERT(!tx->waiting);
    if (!tx->failed) {
        pg_conn_release(tx->conn);
    }
    free(tx);
}
