/* admin_api/connections.c - WebSocket connections: who is there, how far behind, who was closed and why;
 * and closing one. */
#include "admin_api/connections.h"

#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"

#define LIMIT_DEFAULT 100u

/* --- looking -----------------------------------------------------------------------------------
 */

static void not_asked(struct api_call *c, const char *detail)
{
    http_set_header(c->req, "retry-after", "1");
    call_problem(c, &(struct api_problem){503, "unavailable", "the connections cannot be asked now",
                                          detail, NULL});
}

static void on_answer(void *arg, enum gw_err err, const char *json)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (err != GW_OK) {
        not_asked(c, err == GW_ETIMEOUT ? json : "too many questions are under way; try again");
        return;
    }
    buf_puts(&body, json);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static void ask(struct api_call *c, const struct connections_ask *a, connections_fn *cb)
{
    const struct connections_view *v = c->api->opt.connections;

    if (v == NULL) {
        not_asked(c, "this gateway has no WebSocket listener");
        return;
    }
    c->owed = true;
    v->ask(v->arg, a, cb, c);
}

void connections_list(struct api_call *c)
{
    struct connections_ask a = {
        .question = CONNECTIONS_LIST,
        .key = http_query(c->req, "key"),
        .ip = http_query(c->req, "ip"),
    };
    uint64_t limit = LIMIT_DEFAULT;

    if (a.key != NULL && (a.key[0] == '\0' || strlen(a.key) > KEY_ID_MAX)) {
        call_invalid(c, "key", "the id of a key");
    } else if (a.ip != NULL && (a.ip[0] == '\0' || strlen(a.ip) > 45)) {
        call_invalid(c, "ip", "an address as the list shows it");
    } else if (call_query_number(c, "min_backlog", 0, INT64_MAX, NULL, &a.min_backlog) &&
               call_query_number(c, "limit", 1, CONNECTIONS_LIMIT_MAX, NULL, &limit)) {
        a.limit = (uint32_t)limit;
        ask(c, &a, on_answer);
    }
}

void connections_summary(struct api_call *c)
{
    ask(c, &(struct connections_ask){.question = CONNECTIONS_SUMMARY}, on_answer);
}

/* --- closing -----------------------------------------------------------------------------------
 */

static void enter(struct api_call *c, const char *outcome, const char *after)
{
    (void)call_audit(c,
                     &(struct call_act){.action = "connection.close",
                                        .target = c->target,
                                        .outcome = outcome,
                                        .reason = c->why,
                                        .ticket = c->ticket,
                                        .after = after},
                     NULL, NULL);
}

static void on_closed(void *arg, enum gw_err err, const char *json)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (err == GW_OK || err == GW_ETIMEOUT) { /* what was done is entered, whoever still listens */
        enter(c, err == GW_OK ? "done" : "failed", err == GW_OK ? json : NULL);
    }
    if (!call_back(c)) {
        return;
    }
    if (err == GW_ENOTFOUND) {
        call_problem(c, &(struct api_problem){404, "not-found", "there is no such thing",
                                              "no connection of this gateway has that id now: see "
                                              "GET /v1/connections",
                                              NULL});
    } else if (err != GW_OK) {
        not_asked(c, err == GW_ETIMEOUT ? json : "too many questions are under way; try again");
    } else {
        buf_printf(&body, "{\"closed\":%s}", json);
        call_reply(c, 200, &body);
        buf_fini(&body);
    }
}

void connection_close(struct api_call *c)
{
    const char *id = http_param(c->req, "id");
    struct connections_ask a = {.question = CONNECTIONS_CLOSE};

    if (u64_parse(id, strlen(id), &a.id) != GW_OK) {
        call_invalid(c, "id", "the id of a connection, a whole number");
        return;
    }
    (void)snprintf(c->target, sizeof c->target, "%llu", (unsigned long long)a.id);
    c->word = c->target;
    if (!body_why(c)) {
        return;
    }
    ask(c, &a, on_closed);
}
