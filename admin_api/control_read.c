/* admin_api/control_read.c - looking at the control state: from memory, PostgreSQL or not. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/json_put.h"
#include "gateway/control/effective.h"
#include "gateway/core/core.h"
#include "gateway/runtime/clock.h"

static const struct control *now_of(struct api_call *c)
{
    return gate_now(c->api->opt.gate);
}

/* One cell with its ETag. */
static void reply_cell(struct api_call *c, enum control_kind kind, const char *target)
{
    const struct control *now = now_of(c);
    const struct control_cell *cell = control_find(now, kind, target);
    struct buf body = {0};
    char etag[24];

    (void)snprintf(etag, sizeof etag, "\"%" PRIu64 "\"", cell != NULL ? cell->version : 0);
    http_set_header(c->req, "etag", etag);
    control_cell_print(&body, now, kind, target, clock_real_ns());
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static bool known_target(struct api_call *c, enum control_kind kind, const char *target)
{
    enum control_form form;
    const char *name;
    struct gate_problem p;
    char allowed[128];

    if (!control_target_parse(kind, target, &form, &name)) {
        (void)gate_fail(&p, PROBLEM_UNKNOWN, "it may be %s",
                        control_target_allowed(kind, allowed, sizeof allowed));
    } else if ((form == CONTROL_FORM_SYMBOL &&
                symbols_find(c->api->opt.symbols, name) == SYMBOL_NONE) ||
               (form == CONTROL_FORM_GROUP && !symbols_has_group(c->api->opt.symbols, name) &&
                control_find(now_of(c), kind, target) == NULL)) {
        (void)gate_fail(&p, PROBLEM_UNKNOWN, "`%s` does not exist here: see GET /v1/symbols",
                        target);
    } else {
        return true;
    }
    call_gate_problem(c, &p);
    return false;
}

static void reply_target(struct api_call *c, enum control_kind kind, const char *target)
{
    if (known_target(c, kind, target)) {
        reply_cell(c, kind, target);
    }
}

void symbol_mode_get(struct api_call *c)
{
    reply_target(c, CONTROL_KIND_MODE, http_param(c->req, "symbol"));
}

void symbol_throttle_get(struct api_call *c)
{
    reply_target(c, CONTROL_KIND_THROTTLE, http_param(c->req, "symbol"));
}

void kill_get(struct api_call *c)
{
    const char *scope = http_query(c->req, "scope");

    reply_target(c, CONTROL_KIND_KILL, scope != NULL ? scope : "global");
}

void withdrawals_get(struct api_call *c)
{
    const char *asset = http_query(c->req, "asset");

    reply_target(c, CONTROL_KIND_WITHDRAWALS, asset != NULL ? asset : "*");
}

void fanout_get(struct api_call *c)
{
    reply_cell(c, CONTROL_KIND_FANOUT, "*");
}

void upstream_get(struct api_call *c)
{
    reply_cell(c, CONTROL_KIND_UPSTREAM, "*");
}

void account_get(struct api_call *c)
{
    reply_target(c, CONTROL_KIND_ACCOUNT, http_param(c->req, "id"));
}

void account_access_get(struct api_call *c)
{
    reply_target(c, CONTROL_KIND_ACCESS, http_param(c->req, "id"));
}

void control_state(struct api_call *c)
{
    struct buf body = {0};

    control_print(&body, now_of(c));
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* --- symbols -----------------------------------------------------------------------------------
 */

/* What the core says it does, beside what it was told. */
static void put_observed(struct api_call *c, struct buf *out, const char *name)
{
    const struct core_observation *o =
        c->api->opt.core != NULL ? core_observed(c->api->opt.core, name) : NULL;

    json_put_given(out, "observed_mode", o != NULL ? core_mode_words[o->mode] : NULL);
    json_put_time(out, "observed_at", o != NULL ? o->at_ns : 0);
}

static struct control_mode_now mode_of(struct api_call *c, uint32_t number)
{
    uint32_t count;
    const char *const *groups = symbols_groups(c->api->opt.symbols, number, &count);

    return control_symbol_mode(now_of(c), symbols_at(c->api->opt.symbols, number)->name, groups,
                               count);
}

static void put_groups(struct api_call *c, struct buf *out, uint32_t number)
{
    uint32_t count;
    const char *const *groups = symbols_groups(c->api->opt.symbols, number, &count);

    buf_lit(out, ",\"groups\":[");
    for (uint32_t i = 0; i < count; i++) {
        buf_printf(out, "%s\"%s\"", i != 0 ? "," : "", groups[i]);
    }
    buf_putc(out, ']');
}

static void put_symbol(struct api_call *c, struct buf *out, uint32_t number)
{
    const struct control *now = now_of(c);
    const char *name = symbols_at(c->api->opt.symbols, number)->name;
    struct control_mode_now m = mode_of(c, number);
    const struct control_mode_row *row = &control_mode_rows[m.mode];
    const struct control_cell *own = control_find(now, CONTROL_KIND_MODE, name);
    uint32_t throttle = control_throttle(now, name);

    buf_printf(out, "{\"symbol\":\"%s\",\"mode\":\"%s\",\"effective_mode\":\"%s\"", name,
               control_mode_words[own != NULL ? own->value.mode : CONTROL_NORMAL],
               control_mode_words[m.mode]);
    buf_printf(out, ",\"orders\":%s,\"cancels\":\"%s\",\"market_data\":\"%s\",\"status\":\"%s\"",
               row->orders ? "true" : "false", control_cancels_words[row->cancels],
               control_data_words[row->data], row->wire);
    buf_printf(out, ",\"version\":%" PRIu64, own != NULL ? own->version : 0);
    if (throttle != 0) {
        buf_printf(out, ",\"orders_per_s\":%" PRIu32, throttle);
    } else {
        buf_lit(out, ",\"orders_per_s\":null");
    }
    put_groups(c, out, number);
    put_observed(c, out, name);
    buf_printf(out, ",\"subscriptions\":%" PRIu64, control_followers(c->api, number));
    json_put_given(out, "decided_by_kind",
                   m.cell != NULL ? control_kind_rows[m.cell->kind].word : NULL);
    json_put_given(out, "decided_by_target", m.cell != NULL ? m.cell->target : NULL);
    json_put_given(out, "reason", m.cell != NULL ? m.cell->reason : NULL);
    json_put_given(out, "ticket", m.cell != NULL ? m.cell->ticket : NULL);
    json_put_given(out, "by", m.cell != NULL ? m.cell->by : NULL);
    json_put_time(out, "since", m.cell != NULL ? m.cell->since_ns : 0);
    json_put_time(out, "until", m.cell != NULL ? m.cell->until_ns : 0);
    buf_printf(out, ",\"decision_due\":%s}",
               m.cell != NULL && control_decision_due(m.cell, clock_real_ns()) ? "true" : "false");
}

void symbol_get(struct api_call *c)
{
    uint32_t number = symbols_find(c->api->opt.symbols, http_param(c->req, "symbol"));
    struct buf body = {0};

    if (number == SYMBOL_NONE) {
        struct gate_problem p;

        (void)gate_fail(&p, PROBLEM_UNKNOWN, "no such symbol: see GET /v1/symbols");
        call_gate_problem(c, &p);
        return;
    }
    put_symbol(c, &body, number);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

void symbols_list(struct api_call *c)
{
    const struct symbols *symbols = c->api->opt.symbols;
    const char *halted = http_query(c->req, "halted");
    bool only = halted != NULL && strcmp(halted, "true") == 0;
    const char *comma = "";
    struct buf body = {0};

    buf_printf(&body, "{\"version\":%" PRIu64 ",\"symbols\":[", control_version(now_of(c)));
    for (uint32_t i = 0; i < symbols_count(symbols); i++) {
        if (!only || mode_of(c, i).mode != CONTROL_NORMAL) {
            buf_puts(&body, comma);
            put_symbol(c, &body, i);
            comma = ",";
        }
    }
    buf_lit(&body, "]}");
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* --- the first thing to look at (OPERATIONS: kill-switch state) ----------------------------------
 */

void control_summary(const struct control *now, bool inside, struct buf *out)
{
    struct control_mode_now m = control_system_mode(now);
    const struct control_cell *kill = control_find(now, CONTROL_KIND_KILL, "global");
    const struct control_cell *withdrawals = control_find(now, CONTROL_KIND_WITHDRAWALS, "*");
    bool killed = kill != NULL && kill->value.engaged;
    uint32_t count;
    uint32_t first = control_range(now, CONTROL_KIND_MODE, &count);
    unsigned modes[CONTROL_MODE_COUNT] = {0};

    for (uint32_t i = first; i < first + count; i++) {
        modes[control_at(now, i)->value.mode]++;
    }
    buf_printf(out, "\"accepting_orders\":%s",
               control_accepting_orders(now) && control_mode_rows[m.mode].orders ? "true"
                                                                                 : "false");
    buf_printf(out, ",\"system_mode\":\"%s\"", control_mode_words[m.mode]);
    buf_printf(out, ",\"kill_switch\":%s", killed ? "true" : "false");
    buf_printf(out, ",\"withdrawals_halted\":%s",
               withdrawals != NULL && withdrawals->value.halted ? "true" : "false");
    if (inside) { /* words of operators are not for the public */
        json_put_given(out, "halt_reason", m.cell != NULL ? m.cell->reason : NULL);
    }
    json_put_time(out, "trading_halted_since", m.cell != NULL ? m.cell->since_ns : 0);
    json_put_time(out, "trading_halted_until", m.cell != NULL ? m.cell->until_ns : 0);
    buf_lit(out, ",\"modes_set\":{");
    for (unsigned i = 0; i < CONTROL_MODE_COUNT; i++) {
        buf_printf(out, "%s\"%s\":%u", i != 0 ? "," : "", control_mode_words[i], modes[i]);
    }
    buf_printf(out, "},\"control_version\":%" PRIu64, control_version(now));
}

void stats_get(struct api_call *c)
{
    struct gate_health h = gate_health(c->api->opt.gate);
    struct buf body = {0};

    buf_putc(&body, '{');
    control_summary(now_of(c), true, &body);
    buf_printf(&body,
               ",\"audit\":{\"database\":%s,\"head\":%" PRIu64 ",\"journaled\":%" PRIu32
               ",\"unaudited\":%" PRIu32 "}",
               h.database ? "true" : "false", h.audit, h.journaled, h.unaudited);
    json_put_time(&body, "time", clock_real_ns());
    buf_putc(&body, '}');
    call_reply(c, 200, &body);
    buf_fini(&body);
}
