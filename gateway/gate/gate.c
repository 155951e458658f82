#include "gateway/gate/gate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/control/effective.h"
#include "gateway/control/merge.h"
#include "gateway/gate/gate_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define TICK_MS  2u
#define WATCH_MS 100u
#define MS_NS    ((int64_t)1000000)

#define GATE_ROW(...) CFG_ROW_OF(struct gate_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {GATE_CONFIG(GATE_ROW)};
const struct cfg_table gate_config_table = {"gate", config_rows, GW_LEN(config_rows)};

#define GATE_OUTCOME_AS_WORD(sym, word) word,
const char *const gate_outcome_words[GATE_OUTCOME_COUNT] = {GATE_OUTCOMES(GATE_OUTCOME_AS_WORD)};
static const struct metric_label outcome_label = {"outcome", gate_outcome_words,
                                                  GATE_OUTCOME_COUNT};
static const struct metric_row metric_rows[] = {GATE_METRICS(METRIC_AS_ROW)};
const struct metric_table gate_metrics = {"gate", metric_rows, GATE_M_COUNT};

/* --- what is in force ---------------------------------------------------------------------------
 */

/* STATE (a reference, taken) with P on top of it. */
static const struct control *overlay(const struct gate *g, const struct control *state,
                                     const struct pending *p)
{
    struct control_change change;
    struct control_stamp stamp = {.by = p->record->person, .now_ns = p->record->time_ns};
    struct control_error e;
    const struct control *next;

    record_tightening(p->record, state, &change);
    if (change.count != 0 &&
        control_apply(state, &change, &stamp, g->opt.names, &next, &e) == CONTROL_FINE) {
        control_unref(&state);
        state = next;
    }
    control_change_fini(&change);
    return state;
}

static void count_pending(struct gate *g)
{
    const struct pending *p;
    int64_t all = 0;
    int64_t unaudited = 0;

    DL_FOREACH(g->pending, p)
    {
        all++;
        unaudited += p->own && p->disk == DISK_REFUSED;
    }
    metrics_set(g->metrics, GATE_M_PENDING, 0, all);
    metrics_set(g->metrics, GATE_M_UNAUDITED, 0, unaudited);
}

/* STATE (a reference, taken) and what is remembered on top of it. */
static const struct control *with_memory(const struct gate *g, const struct control *state)
{
    const struct control *both;

    if (g->older == NULL) {
        return state;
    }
    both = control_tightest(state, g->older);
    control_unref(&state);
    return both;
}

void gate_adopt(struct gate *g, const char *cause)
{
    const struct control *next = with_memory(g, control_ref(g->base));
    const struct control *before = g->now;
    bool known = g->base_known || g->remembered;
    const struct pending *p;

    DL_FOREACH(g->pending, p)
    {
        if (p->effective) {
            next = overlay(g, next, p);
        }
    }
    count_pending(g);
    if (before != NULL && control_equal(before, next) && known == g->told_known) {
        control_unref(&next);
        return;
    }
    g->now = next;
    g->generation++;
    metrics_set(g->metrics, GATE_M_VERSION, 0, (int64_t)control_version(next));
    g->told_known = known;
    g->opt.sink.on_state(g->opt.arg, next, g->generation, cause, known);
    if (before != NULL) {
        control_unref(&before);
    }
}

void gate_set_base(struct gate *g, const struct control *next, uint64_t seq)
{
    const struct control *kept;

    control_unref(&g->base);
    g->base = next;
    g->base_seq = seq > g->base_seq ? seq : g->base_seq;
    g->base_known = true;
    kept = with_memory(g, control_ref(next));
    state_file_keep(g->file, kept);
    control_unref(&kept);
}

void gate_set_back(struct gate *g, const struct control *next, uint64_t seq)
{
    log_error("gate", "database_set_back",
              "\"database\":%" PRIu64 ",\"remembered\":%" PRIu64
              ",\"next\":\"the tighter of both is in force and is entered; look at the audit log\"",
              control_version(next), control_version(g->base));
    g->older = with_memory(g, control_ref(g->base));
    g->base_seq = 0;
    gate_set_base(g, next, seq);
}

void gate_restored(struct gate *g)
{
    if (g->older != NULL) {
        control_unref(&g->older);
    }
}

const struct control *gate_now(const struct gate *g)
{
    return g->now;
}

struct gate_health gate_health(const struct gate *g)
{
    struct gate_health h = {
        .database = g->base_known && pg_up(g->opt.pg),
        .audit = g->base_seq,
        .version = control_version(g->base),
    };
    const struct pending *p;

    DL_FOREACH(g->pending, p)
    {
        h.journaled++;
        h.unaudited += p->own && p->disk == DISK_REFUSED;
    }
    return h;
}

/* --- who waits ----------------------------------------------------------------------------------
 */

struct gate_wait *wait_create(struct gate *g, gate_result_fn *cb, void *arg)
{
    struct gate_wait *w = gw_calloc(1, sizeof *w);

    w->gate = g;
    w->cb = cb;
    w->arg = arg;
    w->ordered_ns = clock_mono_ns();
    w->chain_by_ns = INT64_MAX;
    w->confirm_by_ns = w->ordered_ns + (int64_t)g->opt.config->confirm * MS_NS;
    DL_APPEND(g->waits, w);
    if (!uv_is_active((uv_handle_t *)&g->tick)) {
        uv_timer_again(&g->tick);
    }
    return w;
}

void wait_ready(struct gate_wait *w, enum gate_outcome outcome, uint64_t generation)
{
    w->result.outcome = outcome;
    w->generation = generation;
    w->ready = true;
}

void wait_fail(struct gate_wait *w, const struct gate_problem *problem)
{
    w->result.problem = *problem;
    wait_ready(w, GATE_FAILED, 0);
}

void gate_cancel(struct gate_wait *w)
{
    w->cb = NULL;
}

/* Loops that have not confirmed what W waits for. */
static uint64_t missing(const struct gate *g, const struct gate_wait *w)
{
    uint64_t mask = 0;

    for (uint32_t i = 0; w->generation != 0 && i < g->opt.loops; i++) {
        mask |= (uint64_t)(g->confirmed[i] < w->generation) << i;
    }
    return mask;
}

static void answer(struct gate *g, struct gate_wait *w, int64_t now)
{
    struct gate_result *r = &w->result;

    DL_DELETE(g->waits, w);
    r->missing = missing(g, w);
    if (w->generation != 0 && r->missing == 0) {
        r->effect_ns = r->effect_ns != 0 ? r->effect_ns : now - w->ordered_ns;
        metrics_observe_ns(g->metrics, GATE_M_EFFECT, 0, r->effect_ns);
    } else if (r->missing != 0) {
        metrics_inc(g->metrics, GATE_M_LATE);
    }
    if (!w->question) {
        metrics_add(g->metrics, GATE_M_ORDERS, r->outcome, 1);
    }
    r->version = r->version != 0 ? r->version : control_version(g->now);
    r->state = g->now;
    r->stored = w->stored.data;
    if (w->pending != NULL) {
        w->pending->wait = NULL;
    }
    if (w->cb != NULL) {
        w->cb(w->arg, r);
    }
    buf_fini(&w->stored);
    free(w);
}

/* Answers those for whom nothing is left to wait for. */
static void resolve(struct gate *g)
{
    int64_t now = clock_mono_ns();
    struct gate_wait *w;
    struct gate_wait *next;

    DL_FOREACH_SAFE(g->waits, w, next)
    {
        if (w->generation != 0 && w->result.effect_ns == 0 && missing(g, w) == 0) {
            w->result.effect_ns = now - w->ordered_ns;
        }
        if (!w->ready && w->pending != NULL && now >= w->chain_by_ns && w->generation != 0) {
            wait_ready(w, w->pending->disk == DISK_REFUSED ? GATE_UNAUDITED : GATE_JOURNALED,
                       w->generation);
        }
        if (w->ready && (missing(g, w) == 0 || now >= w->confirm_by_ns)) {
            answer(g, w, now);
        }
    }
    if (g->waits == NULL) {
        uv_timer_stop(&g->tick);
    }
}

void gate_confirm(struct gate *g, uint32_t loop, uint64_t generation)
{
    GW_ASSERT(loop < g->opt.loops);
    if (generation > g->confirmed[loop]) {
        g->confirmed[loop] = generation;
        resolve(g);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct gate *g = timer->data;

    tighten_tick(g);
    resolve(g);
}

static void count_due(struct gate *g)
{
    int64_t now = clock_real_ns();
    int64_t due = 0;

    for (uint32_t i = control_next_due(g->now, now, 0); i < control_count(g->now);
         i = control_next_due(g->now, now, i + 1)) {
        due++;
    }
    metrics_set(g->metrics, GATE_M_DUE, 0, due);
}

static void on_watch(uv_timer_t *timer)
{
    struct gate *g = timer->data;

    tighten_tick(g);
    replicas_tick(g);
    answers_tick(g);
    debts_tick(g);
    count_due(g);
}

/* --- orders -------------------------------------------------------------------------------------
 */

bool gate_match_ok(const struct control *state, const struct record *r, enum gate_match match,
                   uint64_t version, struct gate_problem *problem)
{
    const struct control_change *c = &r->change;

    for (uint32_t i = 0; match == GATE_MATCH_VERSION && i < c->count; i++) {
        const struct control_cell *cell = control_find(state, c->items[i].kind, c->items[i].target);
        uint64_t now = cell != NULL ? cell->version : 0;

        if (now != version) {
            return gate_fail(problem, PROBLEM_VERSION,
                             "it is at version %" PRIu64 ", not %" PRIu64
                             ": look at it again, then repeat with its ETag",
                             now, version);
        }
    }
    return true;
}

/* Is the order fit to be carried out on the state in force? */
static bool check(struct gate *g, const struct gate_order *order, const struct record *r,
                  enum control_direction direction, struct gate_problem *problem)
{
    if (order->match == GATE_MATCH_FREE) {
        return true;
    }
    if (order->match == GATE_MATCH_NONE) {
        return gate_fail(problem, PROBLEM_PRECONDITION,
                         "send If-Match with the ETag of what you looked at%s",
                         direction == CONTROL_LOOSEN ? "" : ", or If-Match: * to tighten");
    }
    if (direction == CONTROL_LOOSEN && order->match == GATE_MATCH_ANY) {
        return gate_fail(problem, PROBLEM_PRECONDITION,
                         "If-Match: * is for tightening alone: name the version that is loosened");
    }
    return gate_match_ok(g->now, r, order->match, order->version, problem);
}

static bool apply(struct gate *g, const struct record *r, const struct control **out,
                  struct gate_problem *problem)
{
    struct control_stamp stamp = {.by = r->person, .now_ns = r->time_ns};
    struct control_error e;
    enum control_fault fault = control_apply(g->now, &r->change, &stamp, g->opt.names, out, &e);

    if (fault == CONTROL_FINE) {
        return true;
    }
    (void)gate_fail(problem,
                    fault == CONTROL_UNKNOWN   ? PROBLEM_UNKNOWN
                    : fault == CONTROL_ILLEGAL ? PROBLEM_ILLEGAL
                    : fault == CONTROL_NOTHING ? PROBLEM_NONE
                                               : PROBLEM_VALIDATION,
                    "%s", e.text);
    (void)snprintf(problem->pointer, sizeof problem->pointer, "%s", e.pointer);
    return false;
}

bool gate_preview(struct gate *g, const struct gate_order *order, struct control_diff *diff,
                  struct gate_problem *problem)
{
    struct record *r = record_create(order, clock_real_ns(), problem);
    const struct control *next = NULL;
    bool ok = r != NULL &&
              check(g, order, r, control_change_direction(g->now, &r->change), problem) &&
              apply(g, r, &next, problem);

    if (r != NULL && next == NULL && problem->kind == PROBLEM_NONE) {
        next = control_ref(g->now); /* nothing would change */
        ok = true;
    }
    if (ok) {
        control_diff_init(diff, g->now, next);
        control_unref(&next);
    }
    record_destroy(&r);
    return ok;
}

/* Would it hold back anything at all? Then it is carried out even when all stands as it says: here it
 * may stand so because a loosening of another gateway has not been heard of yet. */
static bool holds_back(const struct control_change *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (control_value_direction(c->items[i].kind, &control_default, &c->items[i].value) ==
            CONTROL_TIGHTEN) {
            return true;
        }
    }
    return false;
}

struct gate_wait *gate_order(struct gate *g, const struct gate_order *order, gate_result_fn *cb,
                             void *arg)
{
    struct gate_wait *w = wait_create(g, cb, arg);
    struct gate_problem problem = {0};
    struct record *r = record_create(order, clock_real_ns(), &problem);
    enum control_direction direction =
        r != NULL ? control_change_direction(g->now, &r->change) : CONTROL_NONE;
    const struct control *next = NULL;

    struct asked asked = {0};

    if (r != NULL) {
        asked = (struct asked){r->actor, r->once, r->sha256};
    }
    if (r != NULL && answers_known(g, &asked, w)) {
        /* told */
    } else if (r == NULL || !check(g, order, r, direction, &problem)) {
        wait_fail(w, &problem);
    } else if (!apply(g, r, &next, &problem) &&
               (problem.kind != PROBLEM_NONE || !holds_back(&r->change))) {
        if (problem.kind == PROBLEM_NONE) {
            wait_ready(w, GATE_NOTHING, g->generation);
        } else {
            wait_fail(w, &problem);
        }
    } else {
        answers_begin(g, &asked, false);
        if (direction == CONTROL_LOOSEN) {
            transact_loosen(g, &r, order, w);
        } else {
            tighten(g, &r, order->nonce, w);
        }
    }
    if (next != NULL) {
        control_unref(&next);
    }
    record_destroy(&r);
    return w;
}

#define HALT_ASKS_MS 50u /* PostgreSQL, whether what changes nothing is a repetition */

struct gate_wait *gate_repeated(struct gate *g, const struct gate_order *order, bool loosens,
                                gate_result_fn *cb, void *arg)
{
    struct gate_wait *w = wait_create(g, cb, arg);
    uint8_t sha256[32];

    record_order_hash(order, sha256);
    answers_look_up(g, &(struct asked){order->actor.actor, order->once, sha256},
                    loosens ? 0 : HALT_ASKS_MS, w);
    return w;
}

struct gate_wait *gate_decide(struct gate *g, const struct gate_decide *d, gate_result_fn *cb,
                              void *arg)
{
    struct gate_wait *w = wait_create(g, cb, arg);

    transact_decide(g, d, w);
    return w;
}

/* --- life ---------------------------------------------------------------------------------------
 */

/* What was journaled and never entered is in force again. */
static bool take_journal(struct gate *g, struct buf *why)
{
    for (size_t i = 0; g->journal != NULL && i < journal_count(g->journal); i++) {
        const struct journal_record *j = journal_at(g->journal, i);
        struct record *r = record_parse(j->payload, j->len);
        struct pending *p;

        if (r == NULL) {
            buf_printf(why,
                       "gate.state_dir: record %s of the journal is not an order of this "
                       "version: start the version that wrote it once more\n",
                       j->id);
            return false;
        }
        answers_begin(g, &(struct asked){r->actor, r->once, r->sha256}, true);
        p = pending_add(g, &r, true);
        memcpy(p->journal_id, j->id, sizeof p->journal_id);
        p->disk = DISK_HOLDS;
        p->effective = true;
    }
    return true;
}

/* The last state this gateway saw, until PostgreSQL tells the present one. */
static bool take_last_state(struct gate *g, struct buf *why)
{
    const struct control *last = NULL;

    if (!state_file_read(g->opt.config->state_dir, &last, why)) {
        return false;
    }
    if (last != NULL) {
        control_unref(&g->base);
        g->base = last;
        g->remembered = true;
    }
    return true;
}

static void start_timers(struct gate *g)
{
    uv_timer_init(g->loop, &g->tick);
    g->tick.data = g;
    uv_timer_start(&g->tick, on_tick, TICK_MS, TICK_MS);
    uv_timer_init(g->loop, &g->watch);
    g->watch.data = g;
    uv_timer_start(&g->watch, on_watch, 0, WATCH_MS);
}

struct gate *gate_create(uv_loop_t *loop, const struct gate_options *opt, struct buf *why)
{
    struct gate *g = gw_calloc(1, sizeof *g);
    const char *folder = opt->config->state_dir;

    GW_ASSERT(opt->loops <= GATE_LOOPS_MAX);
    g->loop = loop;
    g->opt = *opt;
    g->metrics = metrics_create(&gate_metrics);
    g->base = control_create();
    if (folder[0] != '\0') {
        g->journal = journal_open(loop, folder, metrics_create(&journal_metrics), why);
    }
    if ((folder[0] != '\0' && g->journal == NULL) || !take_last_state(g, why) ||
        !take_journal(g, why)) {
        return NULL; /* the process ends; what was opened is the kernel's */
    }
    g->file = state_file_create(loop, folder);
    replicas_open(g);
    start_timers(g);
    gate_adopt(g, "");
    return g;
}

static void on_closed(void *arg)
{
    struct gate *g = arg;

    if (--g->open_handles == 0) {
        g->done(g->done_arg);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_closed(handle->data);
}

void gate_close(struct gate *g, void (*done)(void *arg), void *arg)
{
    g->closing = true;
    g->done = done;
    g->done_arg = arg;
    g->open_handles = g->journal != NULL ? 5 : 4;
    uv_close((uv_handle_t *)&g->tick, on_timer_closed);
    uv_close((uv_handle_t *)&g->watch, on_timer_closed);
    replicas_close(g, on_closed);
    if (g->journal != NULL) {
        journal_close(g->journal, on_closed, g);
    }
}

void gate_destroy(struct gate **gp)
{
    struct gate *g = *gp;
    struct gate_wait *w;
    struct gate_wait *next;

    *gp = NULL;
    DL_FOREACH_SAFE(g->waits, w, next)
    {
        buf_fini(&w->stored);
        free(w);
    }
    g->waits = NULL;
    while (g->pending != NULL) {
        g->pending->wait = NULL;
        pending_remove(g->pending);
    }
    answers_forget_all(g);
    if (g->journal != NULL) {
        journal_destroy(&g->journal);
    }
    state_file_destroy(&g->file);
    redis_destroy(&g->redis);
    pg_listen_destroy(&g->listen);
    control_unref(&g->base);
    control_unref(&g->now);
    if (g->older != NULL) {
        control_unref(&g->older);
    }
    free(g);
}
