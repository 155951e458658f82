/* admin_api/smoke_routes.c - the smoke test over REST. */
#include <string.h>
#include "admin_api/api_priv.h"
#include "admin_api/smoke.h"
#include "gateway/base/fixed.h"
#include "gateway/control/effective.h"

#define LIST_DEFAULT 20u
#define LIST_MOST    1000u
#define DIGITS_MOST  12u /* before the point: price times quantity stays small */

/* --- may it be? --------------------------------------------------------------------------------
 */

/* False: answered. */
static bool smoke_is_on(struct api_call *c)
{
    const struct smoke_config *config = c->api->opt.smoke_config;

    if (c->api->opt.smoke != NULL) {
        return true;
    }
    call_problem(c, &(struct api_problem){
                        403, "not-in-this-mode", "this installation does not do that",
                        config->enabled
                            ? "smoke trades are refused in the mode live: run the test where no "
                              "real clients are (smoke.mode, TR_MODE)"
                            : "start the gateway with SMOKE_ENABLED=true (or smoke.enabled), where "
                              "no real clients are",
                        NULL});
    return false;
}

static void away(struct api_call *c)
{
    struct gate_problem p;

    (void)gate_fail(&p, PROBLEM_UNAVAILABLE,
                    "nothing was settled, or nobody knows: try again with the same Idempotency-Key "
                    "when PostgreSQL answers (see /readyz)");
    call_gate_problem(c, &p);
}

/* As any order: modes, kill switches, pauses. */
static bool order_accepted(struct api_call *c)
{
    const struct control_verdict v = control_order_verdict(gate_now(c->api->opt.gate), SMOKE_SYMBOL,
                                                           NULL, 0, c->account, c->keyid);

    if (v.refusal == CONTROL_REFUSAL_NONE) {
        return true;
    }
    call_problem(c, &(struct api_problem){409, "order-refused", "the order is not accepted",
                                          control_refusal_texts[v.refusal], NULL});
    return false;
}

/* --- the trade ---------------------------------------------------------------------------------
 */

/* Decimal text member NAME, above 0; absent: FALLBACK. False: answered. */
static bool read_amount(struct api_call *c, const json_t *root, const char *name,
                        const char *fallback, unsigned decimals, char out[32])
{
    const json_t *v = json_object_get(root, name);
    const char *text = v != NULL ? json_string_value(v) : fallback;
    int64_t value;
    char wanted[80];

    if (text != NULL && strlen(text) < 32 && strcspn(text, ".") <= DIGITS_MOST &&
        fixed_parse(text, strlen(text), decimals, &value) == GW_OK && value > 0) {
        (void)snprintf(out, 32, "%s", text);
        return true;
    }
    (void)snprintf(wanted, sizeof wanted, "a decimal above 0 as text, at most %u decimals",
                   decimals);
    call_invalid(c, name, wanted);
    return false;
}

static bool read_trade(struct api_call *c, struct smoke_trade *t)
{
    static const char *const names[] = {"price", "qty", "side", NULL};
    json_t *root;
    const json_t *side;
    bool ok;

    c->word = "SMOKE";
    root = body_read(c, names);
    if (root == NULL) {
        return false;
    }
    side = json_object_get(root, "side");
    t->side = json_is_string(side) && strcmp(json_string_value(side), "sell") == 0 ? "sell" : "buy";
    ok = read_amount(c, root, "price", "100.00", 2, t->price) &&
         read_amount(c, root, "qty", "1", 8, t->qty);
    if (ok && side != NULL &&
        (!json_is_string(side) || strcmp(json_string_value(side), t->side) != 0)) {
        call_invalid(c, "side", "buy or sell");
        ok = false;
    }
    json_decref(root);
    return ok;
}

static void answer_settled(struct api_call *c, const struct smoke_result *r)
{
    struct buf body = {0};

    buf_printf(&body,
               "{\"status\":\"settled\",\"id\":%lld,\"symbol\":\"" SMOKE_SYMBOL
               "\",\"trade_id\":%lld,\"settled_at\":\"%s\",\"published\":%s}",
               (long long)r->id, (long long)r->trade_id, r->settled_at,
               r->outcome == SMOKE_REPEATED ? "null"
               : r->published               ? "true"
                                            : "false");
    if (r->outcome == SMOKE_REPEATED) {
        http_set_header(c->req, "idempotency-replayed", "true");
    }
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* What was settled is entered, whoever still listens. */
static void enter(struct api_call *c, const struct smoke_result *r)
{
    struct buf after = {0};

    buf_printf(&after, "{\"id\":%lld,\"trade_id\":%lld}", (long long)r->id, (long long)r->trade_id);
    (void)call_audit(c,
                     &(struct call_act){.action = "smoke.trade",
                                        .target = SMOKE_SYMBOL,
                                        .outcome = "done",
                                        .after = buf_cstr(&after)},
                     NULL, NULL);
    buf_fini(&after);
}

static void on_result(void *arg, const struct smoke_result *r)
{
    struct api_call *c = arg;
    struct gate_problem p;

    if (r->outcome == SMOKE_SETTLED) {
        enter(c, r);
    }
    if (!call_back(c)) {
        return;
    }
    switch (r->outcome) {
    case SMOKE_SETTLED:
    case SMOKE_REPEATED:
        answer_settled(c, r);
        break;
    case SMOKE_DIFFERENT:
        (void)gate_fail(&p, PROBLEM_ONCE_MISMATCH,
                        "take a fresh Idempotency-Key for another trade");
        call_gate_problem(c, &p);
        break;
    case SMOKE_BUSY:
        (void)gate_fail(&p, PROBLEM_IN_PROGRESS, "ask again with the same key");
        call_gate_problem(c, &p);
        break;
    case SMOKE_AWAY:
        away(c);
        break;
    }
}

void smoke_trade(struct api_call *c)
{
    struct smoke_trade t = {0};
    struct gate_problem p;

    if (!smoke_is_on(c)) {
        return;
    }
    if (!call_once(c, true, &p)) {
        call_gate_problem(c, &p);
        return;
    }
    if (!read_trade(c, &t) || !order_accepted(c)) {
        return;
    }
    t.actor = c->actor;
    t.once = c->once;
    t.trace = c->trace;
    c->owed = smoke_settle(c->api->opt.smoke, &t, on_result, c);
    if (!c->owed) {
        away(c);
    }
}

/* --- the ledger --------------------------------------------------------------------------------
 */

static void on_list(void *arg, const char *text)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (text == NULL) {
        away(c);
        return;
    }
    buf_printf(&body, "{\"trades\":%s}", text);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

void smoke_trades(struct api_call *c)
{
    const char *text = http_query(c->req, "limit");
    uint64_t limit = LIST_DEFAULT;

    if (!smoke_is_on(c)) {
        return;
    }
    if (text != NULL &&
        (u64_parse(text, strlen(text), &limit) != GW_OK || limit < 1 || limit > LIST_MOST)) {
        call_invalid(c, "limit", "a whole number from 1 to 1000");
        return;
    }
    c->owed = smoke_list(c->api->opt.smoke, (uint32_t)limit, on_list, c);
    if (!c->owed) {
        away(c);
    }
}
