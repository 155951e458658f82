/* gateway/audit/append.c - records that come alone: a queue, and one transaction after the other.
 *
 *   audit_append() -> [queue] -> BEGIN; lock the head (and look for what may be in already)
 *                        ^         -> INSERTs, head, NOTIFY -> COMMIT -> callbacks
 *                        +-- tried again until a record's time is over --+ */
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/store_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define BATCH_BYTES  (4u << 20)
#define TX_MS        3000u
#define RETRY_MIN_MS 20u
#define RETRY_MAX_MS 500u

static void pump(struct audit_store *s);

/* --- lists ------------------------------------------------------------------------------------ */

static void list_init(struct pending_list *l)
{
    l->first = NULL;
    l->tail = &l->first;
}

static void list_add(struct pending_list *l, struct pending *p)
{
    p->next = NULL;
    *l->tail = p;
    l->tail = &p->next;
}

static struct pending *list_take(struct pending_list *l)
{
    struct pending *p = l->first;

    if (p != NULL) {
        l->first = p->next;
        if (l->first == NULL) {
            l->tail = &l->first;
        }
    }
    return p;
}

/* The records of FRONT stand before those of L, as they came. */
static void list_put_back(struct pending_list *l, struct pending_list *front)
{
    if (front->first != NULL) {
        *front->tail = l->first;
        if (l->first == NULL) {
            l->tail = front->tail;
        }
        l->first = front->first;
        list_init(front);
    }
}

static void answer(struct audit_store *s, struct pending *p, enum gw_err err)
{
    s->count--;
    s->bytes -= p->bytes;
    metrics_set(s->opt.metrics, AUDIT_M_WAITING, 0, (int64_t)s->count);
    if (err == GW_OK) {
        audit_count(s->opt.metrics, p->e);
        metrics_observe_ns(s->opt.metrics, AUDIT_M_COMMIT, 0, clock_mono_ns() - p->offered_ns);
    } else {
        metrics_inc(s->opt.metrics, AUDIT_M_FAILED);
        log_error("audit", "record_not_entered",
                  "\"id\":\"%s\",\"action\":%s,\"actor\":%s,\"error\":\"%s\",\"next\":\"look after "
                  "PostgreSQL; the act is known from this line only\"",
                  p->e->id, log_json(p->e->action), log_json(p->e->actor), gw_err_text(err));
    }
    if (p->cb != NULL) {
        p->cb(p->arg, err, err == GW_OK ? p->done : 0);
    }
    free(p->e);
    free(p);
}

/* --- a transaction ---------------------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer)
{
    pump(timer->data);
}

static void retry_later(struct audit_store *s)
{
    uint64_t ms = RETRY_MIN_MS << (s->tries < 5 ? s->tries : 5);

    s->tries++;
    (void)uv_timer_start(&s->timer, on_retry, ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS, 0);
}

static void end_tx(struct audit_store *s)
{
    audit_batch_destroy(&s->batch);
    if (s->tx != NULL) {
        pg_tx_rollback(&s->tx);
    }
}

/* The transaction came to nothing, or MAYBE to something: all of it again, but what BAD (may be
 * NULL) is, which PostgreSQL refuses. */
static void give_back(struct audit_store *s, struct pending *bad, bool maybe)
{
    struct pending_list rest;
    struct pending *p;

    end_tx(s);
    list_init(&rest);
    while ((p = list_take(&s->sent)) != NULL) {
        p->maybe = p->maybe || maybe;
        if (p != bad) {
            list_add(&rest, p);
        }
    }
    list_put_back(&s->queue, &rest);
    if (!s->closing) {
        metrics_inc(s->opt.metrics, AUDIT_M_RETRIED);
        retry_later(s);
    }
    if (bad != NULL) { /* last: its callback may append */
        answer(s, bad, GW_EINVAL);
    }
}

static void succeed(struct audit_store *s)
{
    struct pending_list done = s->sent;
    struct pending *p;

    if (done.first == NULL) {
        list_init(&done);
    }
    end_tx(s);
    list_init(&s->sent);
    s->tries = 0;
    while ((p = list_take(&done)) != NULL) {
        answer(s, p, GW_OK);
    }
    pump(s);
}

static void on_committed(void *arg, const struct pg_reply *r)
{
    struct audit_store *s = arg;
    size_t at = 0;

    if (pg_outcome(r) != PG_OK) {
        give_back(s, NULL, pg_outcome(r) == PG_UNKNOWN);
        return;
    }
    for (struct pending *p = s->sent.first; p != NULL; p = p->next) {
        if (p->done == 0) {
            p->done = audit_batch_entry(s->batch, at++)->seq;
        }
        metrics_set(s->opt.metrics, AUDIT_M_HEAD, 0, (int64_t)p->done);
    }
    succeed(s);
}

/* Which record it was that PostgreSQL refused for what it is; NULL: none in particular. */
static struct pending *refused(struct audit_store *s, const struct pg_reply *r)
{
    const char *state = pg_sqlstate(r);
    size_t at = pg_failed_at(r);

    if (pg_outcome(r) != PG_FAILED ||
        (strncmp(state, "22", 2) != 0 && strncmp(state, "23", 2) != 0)) {
        return NULL;
    }
    for (struct pending *p = s->sent.first; p != NULL; p = p->next) {
        if (p->done == 0 && at-- == 0) {
            log_error("audit", "record_refused", "\"id\":\"%s\",\"sqlstate\":\"%s\",\"error\":%s",
                      p->e->id, state, log_json(pg_message(r)));
            return p;
        }
    }
    return NULL;
}

static void on_inserted(void *arg, const struct pg_reply *r)
{
    struct audit_store *s = arg;

    if (!audit_batch_done(s->batch, r, 0)) {
        give_back(s, refused(s, r), false);
    } else if (!pg_tx_commit(&s->tx, on_committed, s)) {
        give_back(s, NULL, false);
    }
}

/* Those that an unanswered commit has entered after all. */
static void note_found(struct audit_store *s, const struct pg_reply *r)
{
    for (size_t row = 0; row < pg_rows(r, 1); row++) {
        const char *id = pg_value(r, 1, row, 0, NULL);
        int64_t seq = 0;

        for (struct pending *p = s->sent.first; p != NULL && id != NULL; p = p->next) {
            if (strcmp(p->e->id, id) == 0 && pg_value_i64(r, 1, row, 1, &seq)) {
                p->done = (uint64_t)seq;
            }
        }
    }
}

static void on_locked(void *arg, const struct pg_reply *r)
{
    struct audit_store *s = arg;
    struct audit_entry *list = gw_calloc(AUDIT_BATCH_MAX, sizeof *list);
    struct audit_head head;
    const struct pg_statement *statements;
    const char *field;
    size_t count = 0;
    size_t bad;

    if (pg_outcome(r) != PG_OK || !audit_head_read(r, 0, &head)) {
        give_back(s, NULL, false);
        free(list);
        return;
    }
    note_found(s, r);
    for (struct pending *p = s->sent.first; p != NULL; p = p->next) {
        if (p->done == 0) {
            list[count++] = *p->e;
        }
    }
    if (count == 0) {
        succeed(s);
    } else {
        s->batch = audit_batch_create(&head, list, count, NULL, 0, &bad, &field);
        GW_ASSERT(s->batch != NULL); /* checked when they were offered */
        statements = audit_batch_statements(s->batch, &count);
        if (!pg_tx_next(s->tx, statements, count, on_inserted, s)) {
            give_back(s, NULL, false);
        }
    }
    free(list);
}

static void on_begun(void *arg, const struct pg_reply *r)
{
    struct audit_store *s = arg;
    struct buf ids = {0};
    struct pg_param param;
    struct pg_statement both[2] = {audit_head_lock,
                                   {.sql = "SELECT id, seq FROM audit_entries"
                                           " WHERE id = ANY ($1::text[])",
                                    .params = &param,
                                    .param_count = 1}};
    bool ok = pg_outcome(r) == PG_OK;

    for (struct pending *p = s->sent.first; p != NULL; p = p->next) {
        if (p->maybe) {
            pg_array_put(&ids, p->e->id);
        }
    }
    pg_array_end(&ids);
    param = pg_text(buf_cstr(&ids));
    ok = ok && pg_tx_next(s->tx, both, 2, on_locked, s);
    buf_fini(&ids);
    if (!ok) {
        give_back(s, NULL, false);
    }
}

/* Records whose time is over. */
static void expire(struct audit_store *s)
{
    int64_t now_ns = clock_mono_ns();
    struct pending_list rest;
    struct pending_list late;
    struct pending *p;

    list_init(&rest);
    list_init(&late);
    while ((p = list_take(&s->queue)) != NULL) {
        list_add(p->deadline_ns <= now_ns || s->closing ? &late : &rest, p);
    }
    list_put_back(&s->queue, &rest);
    while ((p = list_take(&late)) != NULL) {
        answer(s, p, p->maybe ? GW_ETIMEOUT : s->closing ? GW_EDRAIN : GW_ESTORE);
    }
}

static void pump(struct audit_store *s)
{
    struct pending *p;
    size_t bytes = 0;
    unsigned count = 0;

    if (s->sent.first != NULL || s->closing || uv_is_active((uv_handle_t *)&s->timer)) {
        return;
    }
    if (s->tries > 0) {
        expire(s);
    }
    if (s->queue.first == NULL || s->sent.first != NULL) { /* a callback may have come first */
        return;
    }
    while (s->queue.first != NULL && count < AUDIT_BATCH_MAX && bytes < BATCH_BYTES) {
        p = list_take(&s->queue);
        bytes += p->bytes;
        count++;
        list_add(&s->sent, p);
    }
    s->tx = pg_tx_begin(s->opt.pg, TX_MS, on_begun, s);
    if (s->tx == NULL) {
        list_put_back(&s->queue, &s->sent);
        retry_later(s);
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

static size_t size_of(const struct audit_entry *e)
{
    size_t bytes = sizeof *e;

    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        if (audit_fields[i].kind > AUDIT_TIME && audit_fields[i].kind != AUDIT_SHA256) {
            bytes += strlen(audit_member_text(e, &audit_fields[i]));
        }
    }
    return bytes;
}

enum gw_err audit_append(struct audit_store *s, const struct audit_entry *e, const char **field,
                         audit_append_fn *cb, void *arg)
{
    enum gw_err err = audit_entry_check(e, field);
    size_t bytes = size_of(e);
    struct pending *p;

    if (err == GW_OK &&
        (s->closing || s->count >= s->opt.queue_max || s->bytes + bytes > s->opt.queue_bytes)) {
        err = s->closing ? GW_EDRAIN : GW_EFULL;
    }
    if (err != GW_OK) {
        metrics_inc(s->opt.metrics, AUDIT_M_FAILED);
        return err;
    }
    p = gw_calloc(1, sizeof *p);
    p->e = audit_entry_copy(e);
    p->bytes = bytes;
    p->cb = cb;
    p->arg = arg;
    p->offered_ns = clock_mono_ns();
    p->deadline_ns = p->offered_ns + (int64_t)s->opt.timeout_ms * 1000000;
    list_add(&s->queue, p);
    s->count++;
    s->bytes += bytes;
    metrics_set(s->opt.metrics, AUDIT_M_WAITING, 0, (int64_t)s->count);
    pump(s);
    return GW_OK;
}

struct audit_store *audit_store_create(const struct audit_store_options *opt)
{
    struct audit_store *s = gw_calloc(1, sizeof *s);

    s->opt = *opt;
    list_init(&s->queue);
    list_init(&s->sent);
    s->timer.data = s;
    GW_ASSERT(uv_timer_init(opt->loop, &s->timer) == 0);
    return s;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct audit_store *s = handle->data;

    s->done(s->done_arg);
}

void audit_store_close(struct audit_store *s, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!s->closing && s->sent.first == NULL); /* the pool has answered all */
    s->closing = true;
    s->done = done;
    s->done_arg = arg;
    expire(s);
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

void audit_store_destroy(struct audit_store **sp)
{
    GW_ASSERT((*sp)->count == 0);
    free(*sp);
    *sp = NULL;
}
