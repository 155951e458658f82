/* admin_api/circuits.c - connections and senders that wait before they try again, and circuit breakers
 * of the exchange core: seeing them, having them tried or closed.
 *
 *   own:  asked -> its loop tries at its next tick -> the verdict is the answer (RESULT_MS at most)
 *   core: one person asks, another does -> command circuit_reset -> the core says what became of it
 *
 * Bringing our own next try forward lets nothing through that was held back, and is needed most while
 * PostgreSQL is away: it takes the right to tighten. Closing a breaker of the core opens what the core
 * had closed: it is a loosening, of one person and another. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "admin_api/api_priv.h"
#include "gateway/base/json_put.h"
#include "gateway/core/core.h"
#include "gateway/runtime/clock.h"
#include "gateway/store/circuit.h"

#define CORE_PREFIX "core:"
#define LOOK_MS     20u
#define RESULT_MS   3000
#define COMMAND_MS  30000u
#define KEPT_MOST   1024u
#define ASKED_MAX   64u
#define ASKED_NS    (900 * (int64_t)1000000000)
#define STALE_NS    (90 * (int64_t)1000000000)
#define NAME_SIZE   (sizeof CORE_PREFIX + CORE_CIRCUIT_MAX)

/* What became of a reset. */
#define RESULTS(X)                                                                                 \
    X(CLOSED, "closed")          /* tried now: it answers */                                       \
    X(FAILED, "failed")          /* tried now: see last_error */                                   \
    X(TRYING, "trying")          /* being tried; no verdict yet */                                 \
    X(WAS_CLOSED, "was_closed")  /* nothing was waiting */                                         \
    X(NOTHING, "nothing_to_try") /* there is nothing to send */
#define RESULT_AS_ENUM(sym, word) RESULT_##sym,
#define RESULT_AS_WORD(sym, word) word,
enum result { RESULTS(RESULT_AS_ENUM) RESULT_COUNT };
static const char *const result_words[RESULT_COUNT] = {RESULTS(RESULT_AS_WORD)};

/* A reset of our own whose verdict is awaited. */
struct reset {
    struct api_call *call;
    char name[NAME_SIZE];
    struct core_once once;
    int64_t until_ns; /* monotonic */
    struct reset *prev;
    struct reset *next;
};

/* The core's: one person has asked for it. In this gateway's memory: after a restart, or at another
 * gateway, it is asked for anew. */
struct asked {
    char name[NAME_SIZE];
    char person[GATE_ACTOR_MAX];
    char actor[GATE_ACTOR_MAX];
    int64_t ends_ns; /* monotonic; 0: free */
};

struct circuit_desk {
    struct repeats *kept; /* answers, by Idempotency-Key */
    struct reset *resets;
    uv_timer_t *timer;
    struct asked asked[ASKED_MAX];
};

/* --- as JSON ----------------------------------------------------------------------------------- */

static void put_own(struct buf *out, const struct circuit_view *v)
{
    buf_printf(out, "{\"name\":\"%s\",\"of\":\"gateway\",\"what\":\"%s\",\"state\":\"%s\"", v->name,
               v->what, circuit_state_words[v->state]);
    json_put_time(out, "since", v->since_ns);
    buf_printf(out, ",\"failures\":%" PRIu32, v->failures);
    json_put_time(out, "retry_at", v->retry_ns);
    json_put_given(out, "last_error", v->why);
    buf_printf(out, ",\"members\":%u,\"waiting\":%u,\"core\":null,\"asked_by\":null}", v->members,
               v->waiting);
}

static struct asked *asked_of(struct circuit_desk *d, const char *name)
{
    int64_t now = clock_mono_ns();

    for (unsigned i = 0; i < ASKED_MAX; i++) {
        if (d->asked[i].ends_ns > now && strcmp(d->asked[i].name, name) == 0) {
            return &d->asked[i];
        }
    }
    return NULL;
}

/* What a core said long ago is no news: it says so every half minute. */
static void put_core(struct buf *out, struct circuit_desk *d, const struct core_circuit *c)
{
    bool stale = clock_mono_ns() - c->heard_mono_ns > STALE_NS;
    char name[NAME_SIZE];
    const struct asked *a;

    (void)snprintf(name, sizeof name, CORE_PREFIX "%s", c->name);
    a = asked_of(d, name);
    buf_printf(out,
               "{\"name\":\"%s\",\"of\":\"core\",\"what\":\"circuit breaker of the exchange core\","
               "\"state\":\"%s\"",
               name, stale ? "unknown" : circuit_state_words[c->state]);
    json_put_time(out, "since", c->since_ns);
    buf_lit(out, ",\"failures\":null,\"retry_at\":null");
    json_put_given(out, "last_error", c->detail);
    buf_printf(out, ",\"members\":null,\"waiting\":null,\"core\":\"%s\"", c->core);
    json_put_given(out, "asked_by", a != NULL ? a->person : NULL);
    buf_putc(out, '}');
}

void circuits_get(struct api_call *c)
{
    struct circuit_view views[CIRCUIT_COUNT];
    size_t count = circuits_list(views);
    const struct core_circuit *cores = NULL;
    uint32_t core_count = c->api->opt.core != NULL ? core_circuits(c->api->opt.core, &cores) : 0;
    struct buf body = {0};

    buf_lit(&body, "{\"circuits\":[");
    for (size_t i = 0; i < count; i++) {
        buf_puts(&body, i != 0 ? "," : "");
        put_own(&body, &views[i]);
    }
    for (uint32_t i = 0; i < core_count; i++) {
        buf_puts(&body, count + i != 0 ? "," : "");
        put_core(&body, c->api->circuits, &cores[i]);
    }
    buf_lit(&body, "]}");
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* --- answers, kept under their Idempotency-Key --------------------------------------------------
 */

/* STATUS in the place of a command's id. */
static void keep(struct circuit_desk *d, const struct core_once *once, unsigned status,
                 struct buf *body)
{
    char id[CORE_ID_SIZE] = "";

    (void)snprintf(id, sizeof id, "%u", status);
    repeats_add(d->kept, once, id, buf_cstr(body));
}

/* Was it answered here before? Then it is again. */
static bool kept(struct api_call *c, const struct core_once *once)
{
    const struct core_repeat *r = repeats_find(c->api->circuits->kept, once->key);
    struct gate_problem p;
    struct buf body = {0};

    if (r == NULL) {
        return false;
    }
    if (strcmp(r->request, once->request) != 0) {
        (void)gate_fail(&p, PROBLEM_ONCE_MISMATCH,
                        "take a fresh Idempotency-Key for a different request");
        call_gate_problem(c, &p);
        return true;
    }
    http_set_header(c->req, "idempotency-replayed", "true");
    buf_puts(&body, r->answer);
    call_reply(c, (unsigned)strtoul(r->id, NULL, 10), &body);
    buf_fini(&body);
    return true;
}

/* --- our own ----------------------------------------------------------------------------------- */

static enum result result_of(const struct circuit_view *v)
{
    return v->state == CIRCUIT_CLOSED ? RESULT_CLOSED
           : v->asked                 ? RESULT_TRYING
           : v->untried               ? RESULT_NOTHING
           : v->state == CIRCUIT_OPEN ? RESULT_FAILED
                                      : RESULT_TRYING;
}

/* Enters and answers; the client may have gone. */
static void finish(struct api_call *c, const char *name, const struct core_once *once,
                   const struct circuit_view *v, enum result result)
{
    struct buf body = {0};

    buf_printf(&body, "{\"result\":\"%s\",\"circuit\":", result_words[result]);
    put_own(&body, v);
    buf_putc(&body, '}');
    call_audit_owed(c, &(struct call_act){
                           .action = "circuit.reset",
                           .target = name,
                           .outcome = v->state == CIRCUIT_CLOSED ? "done" : "failed",
                           .reason = c->why,
                           .ticket = c->ticket,
                           .after = buf_cstr(&body),
                       });
    keep(c->api->circuits, once, 200, &body);
    if (call_back(c)) {
        call_reply(c, 200, &body);
    }
    buf_fini(&body);
}

static void on_timer(uv_timer_t *timer)
{
    struct circuit_desk *d = timer->data;
    int64_t now = clock_mono_ns();
    struct reset *r;
    struct reset *next;

    DL_FOREACH_SAFE(d->resets, r, next)
    {
        struct circuit_view v;
        bool found = circuits_find(r->name, &v);

        if (!found || !v.asked || now >= r->until_ns) {
            DL_DELETE(d->resets, r);
            finish(r->call, r->name, &r->once, &v, result_of(&v));
            free(r);
        }
    }
    if (d->resets == NULL) {
        (void)uv_timer_stop(timer);
    }
}

static void reset_own(struct api_call *c, const char *name, const struct core_once *once)
{
    struct circuit_desk *d = c->api->circuits;
    struct circuit_view v;
    struct reset *r;

    if (!circuits_find(name, &v)) {
        struct gate_problem p;

        (void)gate_fail(&p, PROBLEM_UNKNOWN, "no such circuit here: see GET /v1/circuits");
        call_gate_problem(c, &p);
        return;
    }
    if (!call_allowed(c, PERM_CONTROL_TIGHTEN)) {
        return;
    }
    if (circuits_ask(name) == 0) {
        finish(c, name, once, &v, RESULT_WAS_CLOSED);
        return;
    }
    r = gw_calloc(1, sizeof *r);
    r->call = c;
    r->once = *once;
    r->until_ns = clock_mono_ns() + RESULT_MS * (int64_t)1000000;
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    c->owed = true;
    DL_APPEND(d->resets, r);
    (void)uv_timer_start(d->timer, on_timer, LOOK_MS, LOOK_MS);
}

/* --- the core's -------------------------------------------------------------------------------- */

/* It is a loosening: the ticket it was decided in is named. */
static bool ticket_ok(struct api_call *c)
{
    char wanted[200];

    if (c->ticket[0] == '\0') {
        call_invalid(c, "ticket", "name the ticket it was decided in");
        return false;
    }
    if (!call_ticket_fits(c, c->ticket)) {
        (void)snprintf(wanted, sizeof wanted, "a ticket looks like %s (gate.ticket_pattern)",
                       c->api->opt.gate_config->ticket_pattern);
        call_invalid(c, "ticket", wanted);
        return false;
    }
    return true;
}

static bool enter_core(struct api_call *c, const char *name, const char *outcome, const char *after,
                       audit_append_fn *cb, void *arg)
{
    return call_audit(c,
                      &(struct call_act){.action = "circuit.reset",
                                         .target = name,
                                         .outcome = outcome,
                                         .reason = c->why,
                                         .ticket = c->ticket,
                                         .after = after},
                      cb, arg);
}

/* What is entered into the chain first, and then counts: an ask, or what goes to the core. */
struct entering {
    struct api_call *call;
    char name[NAME_SIZE];
    struct core_once once;
    struct buf after; /* of an ask: the answer */
    int64_t ends_real_ns;
    bool asks;
};

static void refuse_entering(struct api_call *c, const char *detail)
{
    struct gate_problem p;

    if (call_back(c)) {
        (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "%s", detail);
        call_gate_problem(c, &p);
    }
}

/* Of NAME, else free, else the oldest. */
static struct asked *place_of(struct circuit_desk *d, const char *name)
{
    struct asked *place = asked_of(d, name);

    if (place == NULL) {
        place = d->asked;
        for (unsigned i = 1; i < ASKED_MAX; i++) {
            place = d->asked[i].ends_ns < place->ends_ns ? &d->asked[i] : place;
        }
    }
    return place;
}

/* She is the first: it waits for another person. */
static void wait_for_second(struct api_call *c, struct entering *e)
{
    struct circuit_desk *d = c->api->circuits;
    struct asked *a = place_of(d, e->name);

    *a = (struct asked){.ends_ns = clock_mono_ns() + (e->ends_real_ns - clock_real_ns())};
    (void)snprintf(a->name, sizeof a->name, "%s", e->name);
    (void)snprintf(a->person, sizeof a->person, "%s", c->person);
    (void)snprintf(a->actor, sizeof a->actor, "%s", c->actor);
    keep(d, &e->once, 202, &e->after);
    if (call_back(c)) {
        call_reply(c, 202, &e->after);
    }
}

static void send_core(struct api_call *c, const struct entering *e)
{
    const struct core_ask ask = {.kind = CORE_KIND_CIRCUIT_RESET,
                                 .target = e->name + sizeof CORE_PREFIX - 1,
                                 .by = c->actor,
                                 .deadline_ms = COMMAND_MS,
                                 .once = &e->once};
    const struct entry_verdict_row *wrong = NULL;
    char id[CORE_ID_SIZE];

    if (core_command(c->api->opt.core, &ask, NULL, NULL, id, &wrong) != GW_OK) {
        (void)enter_core(c, e->name, "failed", NULL, NULL, NULL);
        refuse_entering(c, "too many commands wait for Redis: see /readyz");
    } else if (call_back(c)) {
        command_answer(c, &e->once);
    }
}

/* It counts, whether or not somebody still listens. */
static void on_entered(void *arg, enum gw_err err, uint64_t seq)
{
    struct entering *e = arg;

    (void)seq;
    if (err != GW_OK) {
        refuse_entering(e->call, "nothing was asked of the core: try again when PostgreSQL answers "
                                 "(see /readyz)");
    } else if (e->asks) {
        wait_for_second(e->call, e);
    } else {
        send_core(e->call, e);
    }
    buf_fini(&e->after);
    free(e);
}

static void enter(struct entering *e, const char *outcome)
{
    struct api_call *c = e->call;

    c->owed = true;
    if (!enter_core(c, e->name, outcome, buf_cstr(&e->after), on_entered, e)) {
        on_entered(e, GW_ESTORE, 0);
    }
}

static struct entering *entering_create(struct api_call *c, const char *name,
                                        const struct core_once *once)
{
    struct entering *e = gw_calloc(1, sizeof *e);

    e->call = c;
    e->once = *once;
    (void)snprintf(e->name, sizeof e->name, "%s", name);
    return e;
}

/* FIRST: who asked before; "": she may do it alone. */
static void begin_send(struct api_call *c, const char *name, const struct core_once *once,
                       const char *first)
{
    struct entering *e = entering_create(c, name, once);

    buf_lit(&e->after, "{\"command\":\"circuit_reset\"");
    json_put_given(&e->after, "asked_by", first);
    buf_putc(&e->after, '}');
    enter(e, first[0] != '\0' ? "approved" : "requested");
}

static void begin_ask(struct api_call *c, const char *name, const struct core_once *once)
{
    struct entering *e = entering_create(c, name, once);

    e->asks = true;
    e->ends_real_ns = clock_real_ns() + ASKED_NS;
    buf_printf(&e->after, "{\"outcome\":\"requested\",\"name\":\"%s\"", name);
    json_put_given(&e->after, "asked_by", c->person);
    json_put_time(&e->after, "expires_at", e->ends_real_ns);
    buf_putc(&e->after, '}');
    enter(e, "requested");
}

static void reset_core(struct api_call *c, const char *name, const struct core_once *once)
{
    struct asked *a = asked_of(c->api->circuits, name);
    struct gate_problem p;

    if (!core_circuit_valid(name + sizeof CORE_PREFIX - 1) || c->api->opt.core == NULL) {
        (void)gate_fail(&p, PROBLEM_UNKNOWN,
                        "no such circuit: core: and 1 to 58 of A-Z a-z 0-9 _ . : -");
        call_gate_problem(c, &p);
    } else if (!ticket_ok(c) || command_repeated(c, once)) {
        return;
    } else if (a != NULL && strcmp(a->person, c->person) != 0) {
        if (call_allowed(c, PERM_CONTROL_APPROVE)) {
            char first[GATE_ACTOR_MAX];

            memcpy(first, a->actor, sizeof first);
            a->ends_ns = 0; /* it is used once */
            begin_send(c, name, once, first);
        }
    } else if (roles_allow(c->may, PERM_CONTROL_OVERRIDE)) {
        if (call_allowed(c, PERM_CONTROL_OVERRIDE)) {
            begin_send(c, name, once, "");
        }
    } else if (call_allowed(c, PERM_CONTROL_LOOSEN)) {
        begin_ask(c, name, once);
    }
}

/* --- the handler ------------------------------------------------------------------------------- */

void circuit_reset(struct api_call *c)
{
    const char *param = http_param(c->req, "name"); /* NULL: the body names it */
    char name[NAME_SIZE];
    struct core_once once;
    struct gate_problem p;

    if (!call_once(c, true, &p)) {
        call_gate_problem(c, &p);
        return;
    }
    c->word = param;
    if (param == NULL ? !body_why_of(c, "name", name, sizeof name) : !body_why(c)) {
        return;
    }
    if (param != NULL) {
        (void)snprintf(name, sizeof name, "%s", param); /* too long: no such circuit */
    }
    command_hash(c, name, &once);
    if (kept(c, &once)) {
        return;
    }
    if (strncmp(name, CORE_PREFIX, sizeof CORE_PREFIX - 1) == 0) {
        reset_core(c, name, &once);
    } else {
        reset_own(c, name, &once);
    }
}

/* --- life -------------------------------------------------------------------------------------- */

void circuits_init(struct api *a, uv_loop_t *loop)
{
    struct circuit_desk *d = gw_calloc(1, sizeof *d);

    d->kept = repeats_create(KEPT_MOST);
    d->timer = api_timer(loop, d);
    a->circuits = d;
}

void circuits_fini(struct api *a)
{
    struct circuit_desk *d = a->circuits;
    struct reset *r;
    struct reset *next;

    a->circuits = NULL;
    DL_FOREACH_SAFE(d->resets, r, next)
    {
        DL_DELETE(d->resets, r);
        r->call->owed = false;
        call_end(r->call); /* its client went with the listener */
        free(r);
    }
    repeats_destroy(&d->kept);
    api_timer_end(&d->timer);
    free(d);
}
