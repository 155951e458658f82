/* admin_api/spend.c - nonces of signed requests on their way to PostgreSQL, where another gateway that
 * cannot ask Redis, or whose Redis has forgotten, must find them.
 *
 *   spend -> insert -> answered in 50 ms -> new: go on; known: a replay
 *                  \-> it takes longer   -> go on without (Redis has vouched); until PostgreSQL has
 *                                           answered again nobody waits for it, inserts are sent all the same
 *
 * What only PostgreSQL can vouch for waits for it a little longer, and does not go on without.
 * Owner: the control loop.
 * Invariant: a call waits in at most one spend; an insert that failed, or was not sent, is counted, and
 * its gap is remembered for as long as a signature can be good. */
#include <stdlib.h>
#include <utlist.h>
#include "admin_api/api_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define MS_NS        ((int64_t)1000000)
#define WAIT_NS      (48 * MS_NS) /* 50 ms, less what a timer is late by */
#define LOOP_LATE_NS (2 * MS_NS)
#define KEEP_MS      2000u           /* an insert that nobody waits for */
#define ALONE_MS     250u            /* one that nobody else can vouch for */
#define MOST         128u            /* under way: what else waits for PostgreSQL has its turn */
#define GAP_NS       (62000 * MS_NS) /* as long as a signature can be good, and more */

struct spend {
    struct spends *all;    /* NULL: the API has gone */
    struct api_call *call; /* NULL: nobody waits */
    spend_fn *done;
    int64_t due_ns; /* monotonic */
    bool alone;
    bool late;
    struct spend *prev;
    struct spend *next;
};

struct spends {
    struct api *api;
    uv_timer_t *timer;
    struct spend *list; /* oldest first */
    unsigned count;
    unsigned late; /* of them, that are overdue */
    bool missed;   /* the last that was answered was not */
    bool grace;    /* the loop was late: what has come is read before anybody goes on without */
    int64_t gap_until_ns; /* monotonic */
};

static void lost(struct spends *s)
{
    metrics_inc(s->api->metrics, API_M_NONCE_LOST);
    s->gap_until_ns = clock_mono_ns() + GAP_NS;
}

/* C waits no more. */
static void tell(struct spend *p, enum spend_end end)
{
    struct api_call *c = p->call;

    p->call = NULL;
    if (call_back(c)) {
        p->done(c, end);
    }
}

static void on_timer(uv_timer_t *timer);

static void arm(struct spends *s)
{
    int64_t now = clock_mono_ns();
    int64_t due = INT64_MAX;
    struct spend *p;

    DL_FOREACH(s->list, p)
    {
        if (p->call != NULL && !p->alone && p->due_ns < due) {
            due = p->due_ns;
        }
    }
    if (due == INT64_MAX) {
        (void)uv_timer_stop(s->timer);
    } else {
        (void)uv_timer_start(s->timer, on_timer,
                             due > now ? (uint64_t)((due - now + MS_NS - 1) / MS_NS) : 0, 0);
    }
}

static struct spend *overdue(const struct spends *s, int64_t now_ns)
{
    struct spend *p;

    DL_FOREACH(s->list, p)
    {
        if (p->call != NULL && !p->alone && now_ns >= p->due_ns) {
            return p;
        }
    }
    return NULL;
}

static void on_timer(uv_timer_t *timer)
{
    struct spends *s = timer->data;
    int64_t now = clock_mono_ns();
    struct spend *p = overdue(s, now);

    if (p != NULL && now - p->due_ns > LOOP_LATE_NS && !s->grace) {
        s->grace = true;
        arm(s);
        return;
    }
    s->grace = false;
    while ((p = overdue(s, now)) != NULL) {
        p->late = true;
        s->late++;
        metrics_inc(s->api->metrics, API_M_NONCE_LATE);
        tell(p, SPEND_UNSURE);
    }
    arm(s);
}

static enum spend_end end_of(enum key_store_err err)
{
    return err == KEY_STORE_OK        ? SPEND_NEW
           : err == KEY_STORE_REPLAY  ? SPEND_KNOWN
           : err == KEY_STORE_INVALID ? SPEND_NO_KEY
                                      : SPEND_UNSURE;
}

static void on_answer(void *arg, const struct key_answer *answer)
{
    struct spend *p = arg;
    struct spends *s = p->all;
    enum spend_end end = end_of(answer->err);

    if (s == NULL) {
        free(p);
        return;
    }
    DL_DELETE(s->list, p);
    s->count--;
    s->late -= p->late;
    s->missed = end == SPEND_UNSURE;
    if (end == SPEND_UNSURE && !p->alone) {
        lost(s);
    } else if (end == SPEND_KNOWN && p->call == NULL) {
        log_warn(
            "auth", "replay_seen_late",
            "\"next\":\"a request whose nonce another gateway knows was let in while PostgreSQL "
            "was slow: see docs/AUTH.md\"");
    }
    if (p->call != NULL) {
        tell(p, end);
    }
    free(p);
}

/* The insert is on its way; NULL: nobody takes it. */
static struct spend *begin(struct spends *s, const struct api_call *c, bool alone)
{
    const struct key_nonce nonce = {c->keyid, c->nonce, c->expires_ns};
    struct spend *p = gw_calloc(1, sizeof *p);

    *p = (struct spend){.all = s, .due_ns = clock_mono_ns() + WAIT_NS, .alone = alone};
    if (s->count >= MOST || key_store_spend(s->api->opt.store, &nonce, alone ? ALONE_MS : KEEP_MS,
                                            on_answer, p) != KEY_STORE_OK) {
        free(p);
        return NULL;
    }
    DL_APPEND(s->list, p);
    s->count++;
    return p;
}

bool spend_nonce(struct api_call *c, bool alone, spend_fn *done)
{
    struct spends *s = c->api->spends;
    bool wait = alone || (s->late == 0 && !s->missed);
    struct spend *p = begin(s, c, alone);

    if (p == NULL) {
        s->missed = true;
        if (!alone) {
            lost(s);
        }
        return false;
    }
    if (wait) {
        p->call = c;
        p->done = done;
        c->owed = true;
        arm(s);
    } else { /* as one that is overdue */
        p->late = true;
        s->late++;
    }
    return wait;
}

bool spend_kept(const struct api *a)
{
    return a->spends->late == 0 && clock_mono_ns() >= a->spends->gap_until_ns;
}

void spend_init(struct api *a, uv_loop_t *loop)
{
    a->spends = gw_calloc(1, sizeof *a->spends);
    a->spends->api = a;
    a->spends->timer = api_timer(loop, a->spends);
}

void spend_fini(struct api *a)
{
    struct spends *s = a->spends;
    struct spend *p;
    struct spend *next;

    a->spends = NULL;
    DL_FOREACH_SAFE(s->list, p, next)
    {
        p->all = NULL; /* the store still calls back */
        p->call = NULL;
    }
    api_timer_end(&s->timer);
    free(s);
}
