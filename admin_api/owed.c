/* admin_api/owed.c - audit entries of acts that could not wait for PostgreSQL.
 * Why: whoever has the connection to PostgreSQL tried again acts while there is no audit log. The act
 * goes ahead, is in the log of the process at once, and in the audit log when PostgreSQL is back.
 * Owner: the control loop.
 * Invariant: an entry is kept until it is in the chain, under one id, so that it is there once; at
 * most OWED_MAX are kept, and a restart forgets them: what is forgotten is in the log of the process. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "admin_api/api_priv.h"
#include "gateway/audit/ulid.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define OWED_MAX 256u
#define AGAIN_MS 1000u

struct owed_entry {
    struct owed *owed; /* NULL: the API has gone */
    struct audit_entry *e;
    bool offered; /* the store has it */
    struct owed_entry *prev;
    struct owed_entry *next;
};

struct owed {
    struct audit_store *store;
    const struct keys *keys; /* they know whether PostgreSQL answers */
    uv_timer_t *timer;
    struct owed_entry *entries;
    unsigned count;
};

static void drop(struct owed_entry *o)
{
    if (o->owed != NULL) {
        DL_DELETE(o->owed->entries, o);
        o->owed->count--;
    }
    free(o->e);
    free(o);
}

/* GW_EINVAL: an answer was lost, and the chain has the id already. */
static void on_entered(void *arg, enum gw_err err, uint64_t seq)
{
    struct owed_entry *o = arg;

    (void)seq;
    o->offered = false;
    if (o->owed == NULL || err == GW_OK || err == GW_EINVAL) {
        drop(o);
    }
}

/* While PostgreSQL is away it is not offered: the store would say that it is lost. */
static void offer(struct owed_entry *o)
{
    const char *field = NULL;
    enum gw_err err;

    if (!keys_fresh(o->owed->keys, clock_mono_ns())) {
        return;
    }
    err = audit_append(o->owed->store, o->e, &field, on_entered, o);
    o->offered = err == GW_OK;
    if (err == GW_EINVAL) {
        log_warn("api", "not_audited", "\"action\":\"%s\",\"field\":\"%s\"", o->e->action,
                 field != NULL ? field : "");
        drop(o);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct owed *w = timer->data;
    struct owed_entry *o;
    struct owed_entry *next;

    DL_FOREACH_SAFE(w->entries, o, next)
    {
        if (!o->offered) {
            offer(o);
        }
    }
    if (w->entries == NULL) {
        (void)uv_timer_stop(timer);
    }
}

void call_audit_owed(struct api_call *c, const struct call_act *act)
{
    struct owed *w = c->api->owed;
    struct owed_entry *o;
    char id[ULID_SIZE];
    struct audit_entry e;

    log_info("api", "act",
             "\"action\":\"%s\",\"target\":%s,\"actor\":%s,\"outcome\":\"%s\",\"reason\":%s,"
             "\"ticket\":%s",
             act->action, log_json(act->target), log_json(c->actor), act->outcome,
             log_json(act->reason != NULL ? act->reason : ""),
             log_json(act->ticket != NULL ? act->ticket : ""));
    if (w->store == NULL || c->actor[0] == '\0' || w->count >= OWED_MAX) {
        return;
    }
    ulid_make(id, clock_real_ns());
    e = call_entry(c, act, id);
    o = gw_calloc(1, sizeof *o);
    o->owed = w;
    o->e = audit_entry_copy(&e);
    DL_APPEND(w->entries, o);
    w->count++;
    offer(o);
    (void)uv_timer_start(w->timer, on_timer, AGAIN_MS, AGAIN_MS);
}

void owed_init(struct api *a, uv_loop_t *loop)
{
    a->owed = gw_calloc(1, sizeof *a->owed);
    a->owed->store = a->opt.audit;
    a->owed->keys = a->opt.keys;
    a->owed->timer = api_timer(loop, a->owed);
}

void owed_fini(struct api *a)
{
    struct owed *w = a->owed;
    struct owed_entry *o;
    struct owed_entry *next;

    a->owed = NULL;
    DL_FOREACH_SAFE(w->entries, o, next)
    {
        if (!o->offered) {
            drop(o);
        } else { /* the store still calls back */
            DL_DELETE(w->entries, o);
            o->owed = NULL;
        }
    }
    api_timer_end(&w->timer);
    free(w);
}
