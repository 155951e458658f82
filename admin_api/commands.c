/* admin_api/commands.c - what is asked of the exchange core, and what it says; the stream of events. The
 * gateway never says "done" by itself. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/core/core.h"
#include "gateway/gate/record.h"
#include "gateway/http/sse.h"

#define COMMAND_MS 30000u
#define LIST_MAX   200u

/* What each event is about, and so who may see it. */
static const struct {
    const char *name;
    enum permission permission;
} events[] = {
    {"state", PERM_STATUS_READ},        {"audit", PERM_AUDIT_READ},
    {"change", PERM_CONTROL_READ},      {"command", PERM_CONTROL_READ},
    {"observed", PERM_CONTROL_READ},    {"incident", PERM_INCIDENTS_READ},
    {"component", PERM_STATUS_READ},    {"page", PERM_INCIDENTS_READ},
    {"role_request", PERM_PEOPLE_READ},
};

void events_names(uint64_t may, char *names)
{
    size_t len = 0;

    names[0] = '\0';
    for (size_t i = 0; i < GW_LEN(events); i++) {
        if (roles_allow(may, events[i].permission)) {
            len += (size_t)snprintf(names + len, SSE_NAMES_MAX - len, "%s%s", len != 0 ? " " : "",
                                    events[i].name);
        }
    }
}

void events_open(struct api_call *c)
{
    struct http_req *req = c->req;
    struct api *a = c->api;
    char owner[SSE_OWNER_MAX];
    char names[SSE_NAMES_MAX];

    events_names(c->may, names);
    (void)snprintf(owner, sizeof owner, "%.128s", c->session);
    http_req_on_gone(req, NULL, NULL);
    call_end(c);
    sse_open(a->opt.events, req, owner, names);
}

/* --- asked once --------------------------------------------------------------------------------
 */

static void put_hash(char out[CORE_HASH_SIZE], const uint8_t sha256[32])
{
    for (unsigned i = 0; i < 32; i++) {
        (void)snprintf(out + (size_t)2 * i, 3, "%02x", sha256[i]);
    }
}

void command_hash(const struct api_call *c, const char *target, struct core_once *once)
{
    uint8_t sha256[32];
    size_t len;
    const char *body = http_body(c->req, &len);

    record_hash(c->route->path, target, body, len, sha256);
    put_hash(once->request, sha256);
    record_hash("once", c->actor, c->once, strlen(c->once), sha256);
    put_hash(once->key, sha256);
}

/* ANSWER: the command as this request left it, or left it when it came first. */
static void answer_command(struct api_call *c, const struct core_repeat *r)
{
    struct buf body = {0};
    char location[64];

    (void)snprintf(location, sizeof location, "/v1/commands/%s", r->id);
    http_set_header(c->req, "location", location);
    buf_lit(&body, "{\"command\":");
    buf_puts(&body, r->answer);
    buf_putc(&body, '}');
    call_reply(c, 202, &body);
    buf_fini(&body);
}

void command_answer(struct api_call *c, const struct core_once *once)
{
    answer_command(c, core_repeated(c->api->opt.core, once->key));
}

bool command_repeated(struct api_call *c, const struct core_once *once)
{
    const struct core *core = c->api->opt.core;
    const struct core_repeat *before = core_repeated(core, once->key);
    struct gate_problem p;

    if (before != NULL && strcmp(before->request, once->request) == 0) {
        http_set_header(c->req, "idempotency-replayed", "true");
        answer_command(c, before);
    } else if (before != NULL) {
        (void)gate_fail(&p, PROBLEM_ONCE_MISMATCH,
                        "take a fresh Idempotency-Key for a different request");
        call_gate_problem(c, &p);
    } else if (!core_remembers(core)) {
        call_problem(c, &(struct api_problem){
                            503, "unavailable", "what was asked before is not known yet",
                            "Redis, which leads to the core, has not answered since the start; "
                            "try again when it does. A halt does not need it",
                            NULL});
    } else {
        return false;
    }
    return true;
}

/* Key, reason and ticket of the request. False: it has been answered, from memory if it is a
 * repetition. */
static bool is_new(struct api_call *c, const char *target, struct core_once *once)
{
    struct gate_problem p;

    if (!call_once(c, true, &p)) {
        call_gate_problem(c, &p);
        return false;
    }
    command_hash(c, target, once);
    return !command_repeated(c, once) && body_why(c);
}

/* Tells the audit log, and whoever asked, what was asked under ONCE. */
static void finish(struct api_call *c, const struct core_once *once, const char *action,
                   const char *target, const char *outcome)
{
    (void)call_audit(c,
                     &(struct call_act){.action = action,
                                        .target = target,
                                        .outcome = outcome,
                                        .reason = c->why,
                                        .ticket = c->ticket},
                     NULL, NULL);
    command_answer(c, once);
}

static void refuse(struct api_call *c, enum gate_problem_kind kind, const char *detail)
{
    struct gate_problem p;

    (void)gate_fail(&p, kind, "%s", detail);
    call_gate_problem(c, &p);
}

/* What is typed to confirm a command of TARGET. */
static const char *word_of(const char *target)
{
    return strcmp(target, "*") == 0 ? "ALL" : target;
}

/* Redis and the core are what a command needs: it waits for no database, but for the nonce, where
 * Redis cannot vouch for it. */
void cancel_all(struct api_call *c)
{
    const char *symbol = http_param(c->req, "symbol");
    struct core_once once;
    const struct core_ask ask = {.kind = CORE_KIND_CANCEL_ALL,
                                 .target = symbol,
                                 .by = c->actor,
                                 .deadline_ms = COMMAND_MS,
                                 .once = &once};
    const struct entry_verdict_row *wrong = NULL;
    char id[CORE_ID_SIZE];

    if (strcmp(symbol, "*") != 0 && symbols_find(c->api->opt.symbols, symbol) == SYMBOL_NONE) {
        refuse(c, PROBLEM_UNKNOWN, "no such symbol; * is all of them");
        return;
    }
    c->word = word_of(symbol);
    if (is_new(c, symbol, &once)) {
        if (core_command(c->api->opt.core, &ask, NULL, NULL, id, &wrong) == GW_OK) {
            finish(c, &once, "symbol.cancel_all", symbol, "requested");
        } else {
            refuse(c, PROBLEM_UNAVAILABLE, "too many commands wait for Redis: see /readyz");
        }
    }
}

void commands_list(struct api_call *c)
{
    const struct core *core = c->api->opt.core;
    struct core_filter f = {.symbol = http_query(c->req, "symbol"),
                            .state = CORE_STATE_COUNT,
                            .after_id = http_query(c->req, "after")};
    struct core_command_view *rows = gw_calloc(LIST_MAX, sizeof *rows);
    struct buf body = {0};
    size_t count = 0;

    if (core_commands_list(core_commands_of(core), &f, rows, LIST_MAX, &count) != GW_OK) {
        free(rows);
        call_invalid(c, "after", "this command is not known any more: begin again without it");
        return;
    }
    buf_printf(&body,
               "{\"core\":{\"linked\":%s,\"version\":%" PRIu64 ",\"silent_s\":%" PRId64
               ",\"queued\":%" PRIu32 "},\"commands\":[",
               core_linked(core) ? "true" : "false", core_version(core),
               core_silence_ns(core) / 1000000000, core_queued(core));
    for (size_t i = 0; i < count; i++) {
        buf_puts(&body, i != 0 ? "," : "");
        core_command_print(&body, &rows[i]);
    }
    buf_lit(&body, "]}");
    free(rows);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static void unknown(struct api_call *c)
{
    struct gate_problem p;

    (void)gate_fail(&p, PROBLEM_UNKNOWN, "no such command: see GET /v1/commands");
    call_gate_problem(c, &p);
}

void command_get(struct api_call *c)
{
    const char *id = http_param(c->req, "id");
    struct core_command_view v;
    struct buf body = {0};

    if (!core_commands_get(core_commands_of(c->api->opt.core), id, &v)) {
        unknown(c);
        return;
    }
    buf_lit(&body, "{\"command\":");
    core_command_print(&body, &v);
    buf_putc(&body, '}');
    call_reply(c, 200, &body);
    buf_fini(&body);
}

void command_cancel(struct api_call *c)
{
    char id[CORE_ID_SIZE];
    struct core_command_view v;
    struct core_once once;
    enum gw_err err;

    (void)snprintf(id, sizeof id, "%s", http_param(c->req, "id"));
    c->word = core_commands_get(core_commands_of(c->api->opt.core), id, &v) && v.target != NULL
                  ? word_of(v.target)
                  : "CANCEL";
    if (!is_new(c, id, &once)) {
        return;
    }
    err = core_cancel(c->api->opt.core, id, &once);
    if (err == GW_ENOTFOUND) {
        unknown(c);
    } else if (err == GW_EFULL) {
        refuse(c, PROBLEM_UNAVAILABLE, "too many commands wait for Redis: see /readyz");
    } else if (err != GW_OK) {
        refuse(c, PROBLEM_DECIDED_ALREADY, "the core has settled it");
    } else {
        finish(c, &once, "command.cancel", id, "done");
    }
}
