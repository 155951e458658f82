/* gateway/gate/tighten.c - orders that tighten. Nothing here waits for PostgreSQL, Redis or another
 * person; a disk that does not answer is waited for DISK_WAIT and then gone without, loudly. */
#include <stdlib.h>
#include <utlist.h>
#include "gateway/gate/gate_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define MS_NS        ((int64_t)1000000)
#define DISK_WAIT_NS (30 * MS_NS)
#define CHAIN_ASK_NS (300 * MS_NS) /* PostgreSQL has so long to say that it knows another's order */
#define FOREIGN_NS   (5000 * MS_NS) /* then the gateway that gave the order is taken for dead */

struct pending *pending_find(const struct gate *g, const char *id)
{
    struct pending *p;

    DL_FOREACH(g->pending, p)
    {
        if (strcmp(p->record->id, id) == 0) {
            return p;
        }
    }
    return NULL;
}

struct pending *pending_add(struct gate *g, struct record **record, bool own)
{
    struct pending *p = gw_calloc(1, sizeof *p);

    p->gate = g;
    p->record = *record;
    *record = NULL;
    p->own = own;
    p->since_ns = clock_mono_ns();
    DL_APPEND(g->pending, p);
    return p;
}

static void free_nonce(struct gate_nonce *n)
{
    free((char *)n->key_id);
    free((char *)n->text);
    *n = (struct gate_nonce){0};
}

void pending_remove(struct pending *p)
{
    DL_DELETE(p->gate->pending, p);
    if (p->wait != NULL) {
        p->wait->pending = NULL;
    }
    free_nonce(&p->nonce);
    record_destroy(&p->record);
    free(p);
}

void tighten_now(struct pending *p)
{
    struct gate *g = p->gate;
    struct gate_wait *w = p->wait;
    struct control_diff diff;
    const struct control *before = control_ref(g->now);

    p->effective = true;
    gate_adopt(g, p->record->id);
    if (w != NULL) {
        w->generation = g->generation;
        w->chain_by_ns =
            clock_mono_ns(); /* there is nothing to wait for while PostgreSQL is away */
        if (pg_up(g->opt.pg) && !g->head_fails && !g->entering_fails) {
            w->chain_by_ns += (int64_t)g->opt.config->chain_wait * MS_NS;
        }
        memcpy(w->result.journal_id, p->record->id, sizeof w->result.journal_id);
    }
    control_diff_init(&diff, before, g->now);
    control_unref(&before);
    if (p->own) {
        g->opt.sink.on_change(g->opt.arg, &diff, 0, p->record->id);
        replicas_announce(g, p->record);
    }
    control_diff_fini(&diff);
}

static void on_journaled(void *arg, enum gw_err err, const char *id)
{
    struct pending *p = arg;

    (void)id;
    p->disk = err == GW_OK ? DISK_HOLDS : DISK_REFUSED;
    if (err != GW_OK) {
        log_error("gate", "not_journaled",
                  "\"id\":\"%s\",\"next\":\"the halt is in force, but in memory alone: free or "
                  "replace the disk of gate.state_dir\"",
                  p->record->id);
    }
    if (!p->effective) {
        tighten_now(p);
    }
}

void tighten(struct gate *g, struct record **record, const struct gate_nonce *nonce,
             struct gate_wait *w)
{
    struct pending *p = pending_add(g, record, true);
    struct buf text = {0};

    if (nonce != NULL) {
        p->nonce = (struct gate_nonce){gw_strdup(nonce->key_id), gw_strdup(nonce->text),
                                       nonce->expires_ns};
    }
    p->wait = w;
    w->pending = p;
    record_print(p->record, &text);
    if (g->journal == NULL ||
        journal_append(g->journal, text.data, text.len, on_journaled, p, p->journal_id) != GW_OK) {
        on_journaled(p, GW_ESYS, "");
    }
    buf_fini(&text);
}

/* The oldest order that nobody enters yet. */
static struct pending *next_to_enter(struct gate *g, int64_t now)
{
    struct pending *p;

    DL_FOREACH(g->pending, p)
    {
        if (p->effective && p->disk != DISK_WRITING &&
            (p->own || now - p->since_ns >= FOREIGN_NS)) {
            return p;
        }
    }
    return NULL;
}

void tighten_tick(struct gate *g)
{
    int64_t now = clock_mono_ns();
    struct pending *p;

    DL_FOREACH(g->pending, p)
    {
        if (!p->effective && now - p->since_ns >= (p->own ? DISK_WAIT_NS : CHAIN_ASK_NS)) {
            if (p->own) {
                log_warn("gate", "slow_disk",
                         "\"id\":\"%s\",\"next\":\"the halt does not wait for it\"", p->record->id);
            }
            tighten_now(p);
        }
    }
    if (g->entering == NULL && now >= g->enter_after_ns && pg_up(g->opt.pg) && !g->closing) {
        p = next_to_enter(g, now);
        if (g->older != NULL) { /* first: the halts of before are older */
            transact_restore(g);
        } else if (p != NULL) {
            transact_enter(g, p);
        }
    }
}

static void on_retired(void *arg, enum gw_err err, const char *id)
{
    (void)arg;
    (void)id;
    if (err != GW_OK) { /* entered again at the next start, where its id is known */
        log_warn("gate", "not_retired", "%s", "\"next\":\"look at the disk of gate.state_dir\"");
    }
}

void tighten_entered(struct pending *p, uint64_t seq)
{
    struct gate *g = p->gate;
    struct gate_wait *w = p->wait;

    if (p->own && p->disk == DISK_HOLDS &&
        journal_retire(g->journal, p->journal_id, on_retired, NULL) != GW_OK) {
        on_retired(NULL, GW_ESYS, "");
    }
    replicas_withdraw(g, p->record->id);
    if (w != NULL) {
        w->result.audit = seq;
        wait_ready(w, GATE_DONE, w->generation);
    }
    pending_remove(p);
}
