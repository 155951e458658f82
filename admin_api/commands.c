/* admin_api/commands.c - what is asked of the exchange core, and what it says; the stream of events. The
 * gateway never says "done" by itself. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/core/core.h"
#include "gateway/http/sse.h"

#define COMMAND_MS 30000u
#define LIST_MAX   200u

void events_open(struct api_call *c)
{
    struct http_req *req = c->req;
    struct api *a = c->api;
    char owner[SSE_OWNER_MAX];

    (void)snprintf(owner, sizeof owner, "%.128s", c->session);
    http_req_on_gone(req, NULL, NULL);
    call_end(c);
    sse_open(a->opt.events, req, owner);
}

static void put_command(struct buf *body, const struct core *core, const char *id)
{
    struct core_command_view v;

    if (core_commands_get(core_commands_of(core), id, &v)) {
        core_command_print(body, &v);
    } else {
        buf_lit(body, "null");
    }
}

static void answer_command(struct api_call *c, const char *id)
{
    struct buf body = {0};
    char location[64];

    (void)snprintf(location, sizeof location, "/v1/commands/%s", id);
    http_set_header(c->req, "location", location);
    buf_lit(&body, "{\"command\":");
    put_command(&body, c->api->opt.core, id);
    buf_putc(&body, '}');
    call_reply(c, 202, &body);
    buf_fini(&body);
}

void cancel_all(struct api_call *c)
{
    const char *symbol = http_param(c->req, "symbol");
    const struct core_ask ask = {
        .kind = CORE_KIND_CANCEL_ALL, .target = symbol, .by = c->actor, .deadline_ms = COMMAND_MS};
    const struct entry_verdict_row *wrong = NULL;
    char id[CORE_ID_SIZE];
    struct gate_problem p;
    enum gw_err err;

    if (strcmp(symbol, "*") != 0 && symbols_find(c->api->opt.symbols, symbol) == SYMBOL_NONE) {
        (void)gate_fail(&p, PROBLEM_UNKNOWN, "no such symbol; * is all of them");
        call_gate_problem(c, &p);
        return;
    }
    if (!body_why(c)) {
        return;
    }
    err = core_command(c->api->opt.core, &ask, NULL, NULL, id, &wrong);
    if (err != GW_OK) {
        (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "too many commands wait for Redis: see /readyz");
        call_gate_problem(c, &p);
        return;
    }
    (void)call_audit(c,
                     &(struct call_act){.action = "symbol.cancel_all",
                                        .target = symbol,
                                        .outcome = "requested",
                                        .reason = c->why,
                                        .ticket = c->ticket},
                     NULL, NULL);
    answer_command(c, id);
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
    struct gate_problem p;
    enum gw_err err;

    (void)snprintf(id, sizeof id, "%s", http_param(c->req, "id"));
    if (!body_why(c)) {
        return;
    }
    err = core_cancel(c->api->opt.core, id);
    if (err == GW_ENOTFOUND) {
        unknown(c);
    } else if (err != GW_OK) {
        (void)gate_fail(&p, PROBLEM_DECIDED_ALREADY, "the core has settled it");
        call_gate_problem(c, &p);
    } else {
        (void)call_audit(c,
                         &(struct call_act){.action = "command.cancel",
                                            .target = id,
                                            .outcome = "done",
                                            .reason = c->why,
                                            .ticket = c->ticket},
                         NULL, NULL);
        answer_command(c, id);
    }
}
