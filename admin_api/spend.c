/* admin_api/spend.c - nonces of signed requests on their way to PostgreSQL, where another gateway that
 * cannot ask Redis, or whose Redis has forgotten, must find them.
 *
 *   spend -> queue -> insert -> answered -> new: go on; known: a replay
 *                          \--> 50 ms without any answer of PostgreSQL -> go on without: Redis has vouched.
 *                               Until it has answered again nobody waits for it; inserts are sent all the same.
 *
 * A PostgreSQL that is busy is waited for: another gateway that has no Redis believes what is there, so
 * going on before the insert would let a replay in. A halt waits for 50 ms, whatever PostgreSQL does. What
 * only PostgreSQL can vouch for has a deadline there, and does not go on without.
 * Owner: the control loop.
 * Invariant: a call waits in at most one spend; an insert that failed, or was not sent, is counted, and
 * its gap is remembered for as long as a signature can be good. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "admin_api/api_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define MS_NS        ((int64_t)1000000)
#define WAIT_NS      (48 * MS_NS) /* 50 ms, less what a timer is late by */
#define LOOP_LATE_NS (2 * MS_NS)
#define KEEP_MS      2000u           /* an insert that somebody or nobody waits for */
#define ALONE_MS     250u            /* one that nobody else can vouch for */
#define SENT_MOST    128u            /* under way: what else waits for PostgreSQL has its turn */
#define MOST         8192u           /* with those that have not been sent */
#define GAP_NS       (62000 * MS_NS) /* as long as a signature can be good, and more */

struct spend {
    struct spends *all;    /* NULL: the API has gone */
    struct api_call *call; /* NULL: nobody waits */
    spend_fn *done;
    enum spend_patience patience;
    int64_t due_ns; /* monotonic */
    bool late;
    char key_id[KEY_ID_MAX + 1];
    char nonce[SIGNATURE_NONCE_MAX + 1];
    int64_t expires_ns;
    struct spend *prev; /* of those sent, or of the queue */
    struct spend *next;
    struct spend *wait_prev; /* of those that wait with the same patience, the oldest first */
    struct spend *wait_next;
};

struct spends {
    struct api *api;
    uv_timer_t *timer;
    struct spend *sent;
    struct spend *queue;                /* oldest first */
    struct spend *waiting[SPEND_ALONE]; /* not those that have a deadline at PostgreSQL */
    unsigned sent_count;
    unsigned count;
    unsigned late;    /* of them, that are overdue */
    bool missed;      /* the last that was answered was not */
    bool grace;       /* the loop was late: what has come is read before anybody goes on without */
    int64_t heard_ns; /* monotonic, when PostgreSQL last answered; 0: never */
    int64_t gap_until_ns; /* monotonic */
};

static void lost(struct spends *s)
{
    metrics_inc(s->api->metrics, API_M_NONCE_LOST);
    s->gap_until_ns = clock_mono_ns() + GAP_NS;
}

static void wait_end(struct spends *s, struct spend *p)
{
    if (p->patience != SPEND_ALONE) {
        DL_DELETE2(s->waiting[p->patience], p, wait_prev, wait_next);
    }
}

/* The call waits no more; P may be on its way still. */
static void tell(struct spends *s, struct spend *p, enum spend_end end)
{
    struct api_call *c = p->call;

    wait_end(s, p);
    p->call = NULL;
    if (call_back(c)) {
        p->done(c, end);
    }
}

/* --- who waits --------------------------------------------------------------------------------- */

static int64_t due_of(const struct spends *s, const struct spend *p)
{
    int64_t heard = s->heard_ns != 0 ? s->heard_ns + WAIT_NS : 0;

    return p->patience == SPEND_BUSY && heard > p->due_ns ? heard : p->due_ns;
}

/* Who is to go on first; NULL: nobody waits. */
static struct spend *first(const struct spends *s)
{
    struct spend *a = s->waiting[SPEND_HALT];
    struct spend *b = s->waiting[SPEND_BUSY];

    return a == NULL || (b != NULL && due_of(s, b) < due_of(s, a)) ? b : a;
}

static void on_timer(uv_timer_t *timer);

static void arm(struct spends *s)
{
    const struct spend *p = first(s);
    int64_t now = clock_mono_ns();
    int64_t due = p != NULL ? due_of(s, p) : 0;

    if (p == NULL) {
        (void)uv_timer_stop(s->timer);
    } else {
        (void)uv_timer_start(s->timer, on_timer,
                             due > now ? (uint64_t)((due - now + MS_NS - 1) / MS_NS) : 0, 0);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct spends *s = timer->data;
    int64_t now = clock_mono_ns();
    struct spend *p = first(s);

    if (p != NULL && now - due_of(s, p) > LOOP_LATE_NS && !s->grace) {
        s->grace = true;
        arm(s);
        return;
    }
    s->grace = false;
    while ((p = first(s)) != NULL && now >= due_of(s, p)) {
        p->late = true;
        s->late++;
        metrics_inc(s->api->metrics, API_M_NONCE_LATE);
        tell(s, p, SPEND_UNSURE);
    }
    arm(s);
}

/* --- inserts ----------------------------------------------------------------------------------- */

static enum spend_end end_of(enum key_store_err err)
{
    return err == KEY_STORE_OK        ? SPEND_NEW
           : err == KEY_STORE_REPLAY  ? SPEND_KNOWN
           : err == KEY_STORE_INVALID ? SPEND_NO_KEY
                                      : SPEND_UNSURE;
}

/* P is out of its list. */
static void settle(struct spends *s, struct spend *p, enum spend_end end)
{
    s->count--;
    s->late -= p->late;
    if (end == SPEND_UNSURE) {
        s->missed = true;
        if (p->patience != SPEND_ALONE) {
            lost(s);
        }
    } else {
        s->missed = false;
        s->heard_ns = clock_mono_ns();
        if (end == SPEND_KNOWN && p->call == NULL) {
            log_warn("auth", "replay_seen_late",
                     "\"next\":\"a request whose nonce another gateway knows was let in while "
                     "PostgreSQL was slow: see docs/AUTH.md\"");
        }
    }
    if (p->call != NULL) {
        tell(s, p, end);
    }
    free(p);
}

static void pump(struct spends *s);

static void on_answer(void *arg, const struct key_answer *answer)
{
    struct spend *p = arg;
    struct spends *s = p->all;

    if (s == NULL) {
        free(p);
        return;
    }
    DL_DELETE(s->sent, p);
    s->sent_count--;
    settle(s, p, end_of(answer->err));
    pump(s);
}

static bool send_one(struct spends *s, struct spend *p)
{
    const struct key_nonce nonce = {p->key_id, p->nonce, p->expires_ns};

    if (key_store_spend(s->api->opt.store, &nonce, p->patience == SPEND_ALONE ? ALONE_MS : KEEP_MS,
                        on_answer, p) != KEY_STORE_OK) {
        return false;
    }
    DL_APPEND(s->sent, p);
    s->sent_count++;
    return true;
}

static void pump(struct spends *s)
{
    struct spend *p;

    while (s->sent_count < SENT_MOST && (p = s->queue) != NULL) {
        DL_DELETE(s->queue, p);
        if (!send_one(s, p)) {
            settle(s, p, SPEND_UNSURE);
        }
    }
}

/* The nonce of C is on its way; NULL: nobody takes it. */
static struct spend *begin(struct spends *s, const struct api_call *c, enum spend_patience patience)
{
    struct spend *p;

    if (s->count >= MOST) {
        return NULL;
    }
    p = gw_calloc(1, sizeof *p);
    *p = (struct spend){.all = s,
                        .due_ns = clock_mono_ns() + WAIT_NS,
                        .patience = patience,
                        .expires_ns = c->expires_ns};
    memcpy(p->key_id, c->keyid, sizeof p->key_id);
    memcpy(p->nonce, c->nonce, sizeof p->nonce);
    /* one that has a deadline, or whose halt waits, goes before those that can wait */
    if (patience == SPEND_BUSY && s->sent_count >= SENT_MOST) {
        DL_APPEND(s->queue, p);
    } else if (!send_one(s, p)) {
        free(p);
        return NULL;
    }
    s->count++;
    return p;
}

bool spend_nonce(struct api_call *c, enum spend_patience patience, spend_fn *done)
{
    struct spends *s = c->api->spends;
    bool answers = s->heard_ns != 0 && clock_mono_ns() - s->heard_ns < WAIT_NS;
    bool wait = patience == SPEND_ALONE || (patience == SPEND_BUSY && answers) ||
                (s->late == 0 && !s->missed);
    struct spend *p = begin(s, c, patience);

    if (p == NULL) {
        s->missed = true;
        if (patience != SPEND_ALONE) {
            lost(s);
        }
        return false;
    }
    if (wait) {
        p->call = c;
        p->done = done;
        c->owed = true;
        if (patience != SPEND_ALONE) {
            DL_APPEND2(s->waiting[patience], p, wait_prev, wait_next);
            arm(s);
        }
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
    DL_FOREACH_SAFE(s->sent, p, next)
    {
        p->all = NULL; /* the store still calls back */
        p->call = NULL;
    }
    DL_FOREACH_SAFE(s->queue, p, next)
    {
        free(p);
    }
    api_timer_end(&s->timer);
    free(s);
}
