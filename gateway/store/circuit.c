#include "gateway/store/circuit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/base/err.h"
#include "gateway/runtime/clock.h"

#define CIRCUIT_AS_NAME(sym, name, what) name,
static const char *const names[] = {CIRCUITS(CIRCUIT_AS_NAME)};
#define CIRCUIT_AS_WHAT(sym, name, what) what,
static const char *const whats[] = {CIRCUITS(CIRCUIT_AS_WHAT)};
#define CIRCUIT_STATE_AS_WORD(sym, word) word,
const char *const circuit_state_words[] = {CIRCUIT_STATES(CIRCUIT_STATE_AS_WORD)};

static const struct metric_label name_label = {"name", names, CIRCUIT_COUNT};
enum circuit_metric { CIRCUIT_M_STATE, CIRCUIT_M_COUNT };
static const struct metric_row metric_rows[CIRCUIT_M_COUNT] = {
    {"circuit_state", METRIC_GAUGE, &name_label,
     "0 closed (or not in use here), 1 half open: being tried, 2 open: waits before the next try; "
     "the "
     "worst of the name"},
};
const struct metric_table circuit_metrics = {"circuits", metric_rows, CIRCUIT_M_COUNT};

struct circuit {
    enum circuit_name name;
    atomic_bool asked;
    /* the rest under the lock; the owner alone writes */
    enum circuit_state state;
    bool awaited; /* somebody asked, and no try has ended since */
    bool untried;
    int64_t since_ns;
    uint32_t failures;
    int64_t retry_ns;
    char why[CIRCUIT_WHY_MAX];
    struct circuit *prev;
    struct circuit *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct circuit *all;
static struct metric_set *shown;

/* --- under the lock ---------------------------------------------------------------------------- */

static void add_member(struct circuit_view *v, const struct circuit *c)
{
    bool first = v->members == 0;

    v->members++;
    v->waiting += c->state != CIRCUIT_CLOSED;
    v->asked = v->asked || c->awaited;
    v->untried = v->untried || c->untried;
    v->failures = c->failures > v->failures ? c->failures : v->failures;
    if (c->retry_ns != 0 && (v->retry_ns == 0 || c->retry_ns < v->retry_ns)) {
        v->retry_ns = c->retry_ns;
    }
    if (first || c->state > v->state || (c->state == v->state && c->since_ns < v->since_ns)) {
        v->state = c->state;
        v->since_ns = c->since_ns;
        memcpy(v->why, c->why, sizeof v->why);
    }
}

static struct circuit_view view_of(enum circuit_name name)
{
    struct circuit_view v = {.name = names[name - 1], .what = whats[name - 1]};
    const struct circuit *c;

    DL_FOREACH(all, c)
    {
        if (c->name == name) {
            add_member(&v, c);
        }
    }
    return v;
}

/* The set is not of one thread: it is written under the lock. */
static void show(enum circuit_name name)
{
    if (shown != NULL) {
        metrics_set(shown, CIRCUIT_M_STATE, name - 1u, (int64_t)view_of(name).state);
    }
}

static void set_state(struct circuit *c, enum circuit_state next)
{
    if (c->state != next) {
        c->state = next;
        c->since_ns = clock_real_ns();
        show(c->name);
    }
}

/* A try has ended. One that was asked for while it was under way has still to come. */
static void settle(struct circuit *c)
{
    if (!atomic_load(&c->asked)) {
        c->awaited = false;
    }
}

/* --- the owner's side -------------------------------------------------------------------------- */

struct circuit *circuit_create(enum circuit_name name)
{
    struct circuit *c;

    if (name == CIRCUIT_NONE) {
        return NULL;
    }
    GW_ASSERT(name < CIRCUIT_NAMES);
    c = gw_calloc(1, sizeof *c);
    c->name = name;
    c->state = CIRCUIT_HALF_OPEN;
    c->since_ns = clock_real_ns();
    (void)pthread_mutex_lock(&lock);
    DL_APPEND(all, c);
    show(name);
    (void)pthread_mutex_unlock(&lock);
    return c;
}

void circuit_destroy(struct circuit **cp)
{
    struct circuit *c = *cp;

    *cp = NULL;
    if (c != NULL) {
        (void)pthread_mutex_lock(&lock);
        DL_DELETE(all, c);
        show(c->name);
        (void)pthread_mutex_unlock(&lock);
        free(c);
    }
}

void circuit_trying(struct circuit *c)
{
    if (c != NULL) {
        (void)pthread_mutex_lock(&lock);
        c->retry_ns = 0;
        set_state(c, CIRCUIT_HALF_OPEN);
        (void)pthread_mutex_unlock(&lock);
    }
}

void circuit_retried(struct circuit *c)
{
    if (c != NULL && c->state == CIRCUIT_OPEN) { /* ours: nobody else writes it */
        circuit_trying(c);
    }
}

void circuit_closed(struct circuit *c)
{
    if (c != NULL) {
        (void)pthread_mutex_lock(&lock);
        atomic_store(&c->asked, false);
        settle(c);
        c->untried = false;
        c->failures = 0;
        c->retry_ns = 0;
        c->why[0] = '\0';
        set_state(c, CIRCUIT_CLOSED);
        (void)pthread_mutex_unlock(&lock);
    }
}

void circuit_failed(struct circuit *c, const char *why, int64_t wait_ns)
{
    if (c != NULL) {
        (void)pthread_mutex_lock(&lock);
        settle(c);
        c->failures++;
        c->retry_ns = wait_ns >= 0 ? clock_real_ns() + wait_ns : 0;
        (void)snprintf(c->why, sizeof c->why, "%.*s", (int)strcspn(why, "\r\n"), why);
        set_state(c, CIRCUIT_OPEN);
        (void)pthread_mutex_unlock(&lock);
    }
}

bool circuit_asked(struct circuit *c)
{
    return c != NULL && atomic_load_explicit(&c->asked, memory_order_relaxed) &&
           atomic_exchange(&c->asked, false);
}

void circuit_untried(struct circuit *c)
{
    if (c != NULL) {
        (void)pthread_mutex_lock(&lock);
        c->untried = true;
        settle(c);
        (void)pthread_mutex_unlock(&lock);
    }
}

/* --- the side of people ------------------------------------------------------------------------ */

size_t circuits_list(struct circuit_view *out)
{
    size_t count = 0;

    (void)pthread_mutex_lock(&lock);
    for (unsigned name = 1; name < CIRCUIT_NAMES; name++) {
        out[count] = view_of((enum circuit_name)name);
        count += out[count].members != 0;
    }
    (void)pthread_mutex_unlock(&lock);
    return count;
}

static enum circuit_name name_of(const char *name)
{
    for (unsigned i = 0; i < CIRCUIT_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum circuit_name)(i + 1);
        }
    }
    return CIRCUIT_NONE;
}

bool circuits_find(const char *name, struct circuit_view *out)
{
    enum circuit_name n = name_of(name);

    if (n == CIRCUIT_NONE) {
        return false;
    }
    (void)pthread_mutex_lock(&lock);
    *out = view_of(n);
    (void)pthread_mutex_unlock(&lock);
    return out->members != 0;
}

unsigned circuits_ask(const char *name)
{
    enum circuit_name n = name_of(name);
    unsigned asked = 0;
    struct circuit *c;

    (void)pthread_mutex_lock(&lock);
    DL_FOREACH(all, c)
    {
        if (c->name == n && n != CIRCUIT_NONE && c->state != CIRCUIT_CLOSED) {
            c->awaited = true;
            c->untried = false;
            atomic_store(&c->asked, true);
            asked++;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return asked;
}

void circuits_expose(struct metric_set *set)
{
    (void)pthread_mutex_lock(&lock);
    shown = set;
    (void)pthread_mutex_unlock(&lock);
}
