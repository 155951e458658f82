/* auth/key_spend.c - nonces of signed requests that change nothing, many in one statement.
 *   nonces -> three arrays -> spend_nonces() (migration 0014) -> of each: new, known, no key */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/key_store_priv.h"
#include "gateway/runtime/log.h"

#define SWEEP_EVERY 64u

struct spending {
    struct key_store *s;
    key_spent_fn *cb;
    void *arg;
    size_t count;
};

/* Those that no signature can come with any more; more go than came, which keeps the table small. */
void key_store_swept(struct key_store *s, size_t count)
{
    static const struct pg_statement sweep = {
        .sql = "DELETE FROM admin_nonces WHERE (key_id, nonce) IN"
               " (SELECT key_id, nonce FROM admin_nonces WHERE expires_at < now() - interval '1 h'"
               " ORDER BY expires_at LIMIT 200 FOR UPDATE SKIP LOCKED)"};

    s->unswept += count;
    if (s->unswept < SWEEP_EVERY) {
        return;
    }
    s->unswept = 0;
    if (!pg_query(s->pg, &sweep, 0, NULL, NULL)) {
        log_debug("auth", "nonce_sweep_put_off", "\"pending\":%u", pg_pending(s->pg));
    }
}

static enum key_store_err verdict_of(const char *word)
{
    GW_ASSERT(word != NULL);
    return strcmp(word, "new") == 0     ? KEY_STORE_OK
           : strcmp(word, "known") == 0 ? KEY_STORE_REPLAY
                                        : KEY_STORE_INVALID;
}

static void on_spent(void *arg, const struct pg_reply *r)
{
    struct spending *p = arg;
    enum key_store_err each[KEY_SPENT_MAX];
    bool done = pg_outcome(r) == PG_OK;

    if (pg_outcome(r) == PG_FAILED) {
        log_error(
            "auth", "nonces_refused",
            "\"sqlstate\":\"%s\",\"error\":%s,\"next\":\"is the database migrated? portcullis "
            "--migrate\"",
            pg_sqlstate(r), log_json(pg_message(r)));
    }
    if (done) {
        GW_ASSERT(pg_rows(r, 0) == p->count);
        for (size_t i = 0; i < p->count; i++) {
            each[i] = verdict_of(pg_value(r, 0, i, 0, NULL));
        }
        key_store_swept(p->s, p->count);
    }
    p->cb(p->arg, done ? KEY_STORE_OK : KEY_STORE_UNAVAILABLE, done ? each : NULL);
    free(p);
}

bool key_store_up(const struct key_store *s)
{
    return pg_up(s->pg);
}

enum key_store_err key_store_spend(struct key_store *s, const struct key_nonce *nonces,
                                   size_t count, uint32_t timeout_ms, key_spent_fn *cb, void *arg)
{
    struct buf arrays[3] = {{0}, {0}, {0}};
    struct pg_param params[GW_LEN(arrays)];
    const struct pg_statement spend = {
        .sql = "SELECT verdict FROM spend_nonces($1::text[], $2::text[], $3::bigint[])",
        .params = params,
        .param_count = GW_LEN(params)};
    struct spending *p;
    bool sent;

    GW_ASSERT(count > 0 && count <= KEY_SPENT_MAX);
    if (!pg_up(s->pg)) {
        return KEY_STORE_UNAVAILABLE;
    }
    for (size_t i = 0; i < count; i++) {
        char us[24];

        (void)snprintf(us, sizeof us, "%" PRId64, nonces[i].expires_ns / 1000);
        pg_array_put(&arrays[0], nonces[i].key_id);
        pg_array_put(&arrays[1], nonces[i].nonce);
        pg_array_put(&arrays[2], us);
    }
    for (size_t i = 0; i < GW_LEN(arrays); i++) {
        pg_array_end(&arrays[i]);
        params[i] = pg_text(buf_cstr(&arrays[i]));
    }
    p = gw_malloc(sizeof *p);
    *p = (struct spending){s, cb, arg, count};
    sent = pg_query(s->pg, &spend, timeout_ms, on_spent, p);
    for (size_t i = 0; i < GW_LEN(arrays); i++) {
        buf_fini(&arrays[i]);
    }
    if (!sent) {
        free(p);
    }
    return sent ? KEY_STORE_OK : KEY_STORE_UNAVAILABLE;
}
