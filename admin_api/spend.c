/* admin_api/spend.c - nonces of signed requests on their way to PostgreSQL, where another gateway that
 * cannot ask Redis, or whose Redis has forgotten, must find them.
 *
 *   spend -> line -> batch -> answered -> new: go on; known: a replay
 *                       \--> 50 ms without any answer of PostgreSQL -> go on without: Redis has vouched.
 *                            Until it has answered again nobody waits for it; batches are sent all the same.
 *
 * A PostgreSQL that is busy is waited for: another gateway that has no Redis believes what is there, so
 * going on before the nonce is there would let a replay in. The only gateway of its database waits for
 * none: what it has let in it remembers itself. A halt waits for 50 ms, whatever PostgreSQL does. What only
 * PostgreSQL can vouch for has a deadline there, and does not go on without.
 * Owner: the control loop.
 * Invariant: a call waits in at most one spend; a nonce that was not entered is counted, and its gap is
 * remembered for as long as a signature can be good. So is the end of a PostgreSQL, which may forget the
 * last it was told (spend_nonces() does not wait for the disk), and of a process before this that died.
 * Overflow rule: with MOST that are not answered yet one more is not taken: it is such a gap. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "admin_api/api_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define MS_NS        ((int64_t)1000000)
#define WAIT_NS      (48 * MS_NS) /* 50 ms, less what a timer is late by */
#define LOOP_LATE_NS (2 * MS_NS)
#define KEEP_MS      2000u         /* a batch that somebody or nobody waits for */
#define ALONE_NS     (250 * MS_NS) /* one that nobody else can vouch for */
#define AT_ONCE      2u   /* batches of a line under way: what else needs PostgreSQL has its turn */
#define LINGER_MS    10u  /* for more, when nobody waits */
#define BEHIND       512u /* then the only gateway waits, too */
#define MOST         8192u
#define GAP_NS       (62000 * MS_NS) /* as long as a signature can be good, and more */

/* What has a deadline, or whose halt waits, goes before those that can wait. */
enum line { LINE_URGENT, LINE_USUAL, LINE_COUNT };

struct spend {
    struct api_call *call; /* NULL: nobody waits */
    spend_fn *done;
    enum spend_patience patience;
    int64_t due_ns; /* monotonic */
    bool late;
    char key_id[KEY_ID_MAX + 1];
    char nonce[SIGNATURE_NONCE_MAX + 1];
    int64_t expires_ns;
    struct spend *prev; /* in its line */
    struct spend *next;
    struct spend *wait_prev; /* of those that wait with the same patience, the oldest first */
    struct spend *wait_next;
};

struct batch {
    struct spends *all; /* NULL: the API has gone */
    enum line line;
    size_t count;
    struct spend *of[KEY_SPENT_MAX];
    struct batch *prev;
    struct batch *next;
};

struct spends {
    struct api *api;
    uv_timer_t *timer;
    uv_timer_t *linger;
    struct spend *lines[LINE_COUNT]; /* oldest first */
    unsigned in_line[LINE_COUNT];
    struct batch *sent;
    unsigned batches[LINE_COUNT];       /* of them */
    struct spend *waiting[SPEND_ALONE]; /* not those that have a deadline at PostgreSQL */
    unsigned count;                     /* not answered yet */
    unsigned late;                      /* of them, that are overdue */
    bool missed;                        /* the last that was answered was not */
    bool grace;       /* the loop was late: what has come is read before anybody goes on without */
    int64_t heard_ns; /* monotonic, when PostgreSQL last answered; 0: never */
    int64_t gap_until_ns; /* monotonic */
    int64_t fence_ns;     /* wall clock: PostgreSQL may have forgotten what was signed before */
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

/* --- batches ----------------------------------------------------------------------------------- */

static enum spend_end end_of(enum key_store_err err)
{
    return err == KEY_STORE_OK        ? SPEND_NEW
           : err == KEY_STORE_REPLAY  ? SPEND_KNOWN
           : err == KEY_STORE_INVALID ? SPEND_NO_KEY
                                      : SPEND_UNSURE;
}

/* P is in no line. */
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

static void on_answer(void *arg, enum key_store_err err, const enum key_store_err *each)
{
    struct batch *b = arg;
    struct spends *s = b->all;

    (void)err; /* EACH says as much */
    if (s == NULL) {
        for (size_t i = 0; i < b->count; i++) {
            free(b->of[i]);
        }
        free(b);
        return;
    }
    DL_DELETE(s->sent, b);
    s->batches[b->line]--;
    for (size_t i = 0; i < b->count; i++) { /* EACH is NULL: nothing is known of any */
        settle(s, b->of[i], each != NULL ? end_of(each[i]) : SPEND_UNSURE);
    }
    free(b);
    pump(s);
}

/* How long PostgreSQL may take: what has a deadline ends the batch. */
static uint32_t patience_ms(const struct batch *b)
{
    int64_t most = KEEP_MS * MS_NS;
    int64_t now = clock_mono_ns();

    for (size_t i = 0; i < b->count; i++) {
        if (b->of[i]->patience == SPEND_ALONE && b->of[i]->due_ns - now < most) {
            most = b->of[i]->due_ns - now;
        }
    }
    return most > MS_NS ? (uint32_t)(most / MS_NS) : 1;
}

static void leave_line(struct spends *s, enum line line, struct spend *p)
{
    DL_DELETE(s->lines[line], p);
    s->in_line[line]--;
}

/* What has a deadline is told when that passes in the line. */
static void drop_overdue(struct spends *s)
{
    int64_t now = clock_mono_ns();
    struct spend *p;
    struct spend *next;

    DL_FOREACH_SAFE(s->lines[LINE_URGENT], p, next)
    {
        if (p->patience == SPEND_ALONE && now >= p->due_ns) {
            leave_line(s, LINE_URGENT, p);
            settle(s, p, SPEND_UNSURE);
        }
    }
}

/* The oldest of LINE, as many as go at once. False: the pool takes none, and they stay. */
static bool send_batch(struct spends *s, enum line line)
{
    struct batch *b = gw_calloc(1, sizeof *b);
    struct key_nonce nonces[KEY_SPENT_MAX];
    struct spend *p;

    b->all = s;
    b->line = line;
    for (p = s->lines[line]; p != NULL && b->count < KEY_SPENT_MAX; p = p->next) {
        nonces[b->count] = (struct key_nonce){p->key_id, p->nonce, p->expires_ns};
        b->of[b->count++] = p;
    }
    if (key_store_spend(s->api->opt.store, nonces, b->count, patience_ms(b), on_answer, b) !=
        KEY_STORE_OK) {
        free(b);
        return false;
    }
    for (size_t i = 0; i < b->count; i++) {
        leave_line(s, line, b->of[i]);
    }
    DL_APPEND(s->sent, b);
    s->batches[line]++;
    return true;
}

static void on_linger(uv_timer_t *timer);

static void linger(struct spends *s)
{
    if (!uv_is_active((const uv_handle_t *)s->linger)) {
        (void)uv_timer_start(s->linger, on_linger, LINGER_MS, 0);
    }
}

/* Sends what goes; for what the pool does not take now it is called again. */
static void pump(struct spends *s)
{
    for (enum line line = 0; line < LINE_COUNT; line++) {
        while (s->lines[line] != NULL && s->batches[line] < AT_ONCE) {
            if (!send_batch(s, line)) {
                linger(s);
                return;
            }
        }
    }
}

static void on_linger(uv_timer_t *timer)
{
    drop_overdue(timer->data);
    pump(timer->data);
}

/* The nonce of C is in its line; NULL: nobody takes it. */
static struct spend *begin(struct spends *s, const struct api_call *c, enum spend_patience patience)
{
    enum line line = patience == SPEND_BUSY ? LINE_USUAL : LINE_URGENT;
    struct spend *p;

    if (s->count >= MOST || !key_store_up(s->api->opt.store)) {
        return NULL;
    }
    p = gw_calloc(1, sizeof *p);
    *p = (struct spend){.due_ns = clock_mono_ns() + (patience == SPEND_ALONE ? ALONE_NS : WAIT_NS),
                        .patience = patience,
                        .expires_ns = c->expires_ns};
    memcpy(p->key_id, c->keyid, sizeof p->key_id);
    memcpy(p->nonce, c->nonce, sizeof p->nonce);
    DL_APPEND(s->lines[line], p);
    s->in_line[line]++;
    s->count++;
    return p;
}

/* --- asking ------------------------------------------------------------------------------------ */

bool spend_only_gateway(const struct api *a)
{
    return a->opt.limits_config->gateways == 1 && a->opt.only_gateway != NULL &&
           a->opt.only_gateway(a->opt.arg);
}

/* Nobody waits for it. */
static bool spend_behind(struct spends *s, const struct api_call *c)
{
    if (begin(s, c, SPEND_BUSY) == NULL) {
        return false;
    }
    if (s->in_line[LINE_USUAL] >= KEY_SPENT_MAX) {
        pump(s);
    } else {
        linger(s);
    }
    return true;
}

static void wait_for(struct spends *s, struct spend *p, struct api_call *c, spend_fn *done)
{
    p->call = c;
    p->done = done;
    c->owed = true;
    if (p->patience != SPEND_ALONE) {
        DL_APPEND2(s->waiting[p->patience], p, wait_prev, wait_next);
        arm(s);
    }
}

bool spend_nonce(struct api_call *c, enum spend_patience patience, spend_fn *done)
{
    struct spends *s = c->api->spends;
    bool answers = s->heard_ns != 0 && clock_mono_ns() - s->heard_ns < WAIT_NS;
    bool wait = patience == SPEND_ALONE || (patience == SPEND_BUSY && answers) ||
                (s->late == 0 && !s->missed);
    struct spend *p;

    if (patience == SPEND_BUSY && s->count < BEHIND && spend_only_gateway(c->api) &&
        spend_behind(s, c)) {
        return false;
    }
    p = begin(s, c, patience);
    if (p == NULL) {
        s->missed = true;
        if (patience != SPEND_ALONE) {
            lost(s);
        }
        return false;
    }
    if (wait) {
        wait_for(s, p, c, done);
    } else { /* as one that is overdue */
        p->late = true;
        s->late++;
    }
    pump(s);
    return wait;
}

bool spend_kept(const struct api *a)
{
    return a->spends->late == 0 && clock_mono_ns() >= a->spends->gap_until_ns;
}

int64_t spend_fence_ns(const struct api *a)
{
    return a->spends->fence_ns;
}

/* --- life -------------------------------------------------------------------------------------- */

void api_nonces_lost(struct api *a)
{
    struct spends *s = a->spends;

    s->gap_until_ns = clock_mono_ns() + GAP_NS;
    s->fence_ns = clock_real_ns() + (int64_t)a->opt.config->window_ahead * MS_NS;
}

void spend_init(struct api *a, uv_loop_t *loop)
{
    a->spends = gw_calloc(1, sizeof *a->spends);
    a->spends->api = a;
    a->spends->timer = api_timer(loop, a->spends);
    a->spends->linger = api_timer(loop, a->spends);
}

void spend_fini(struct api *a)
{
    struct spends *s = a->spends;
    struct batch *b;
    struct spend *p;
    struct spend *next;

    a->spends = NULL;
    for (b = s->sent; b != NULL; b = b->next) { /* the store still calls back */
        b->all = NULL;
        for (size_t i = 0; i < b->count; i++) {
            b->of[i]->call = NULL;
        }
    }
    for (unsigned line = 0; line < LINE_COUNT; line++) {
        DL_FOREACH_SAFE(s->lines[line], p, next)
        {
            free(p);
        }
    }
    api_timer_end(&s->timer);
    api_timer_end(&s->linger);
    free(s);
}
