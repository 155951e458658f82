/* admin_api/shapes_playbooks.c - playbooks and the smoke test (gateway/http/shape.h). */
#include "admin_api/shapes.h"
#include "gateway/playbook/playbook.h"

#define OR(sym, word, ...) "|'" word "'"

/* clang-format off */
static const struct shape_member members[] = {
    {"PlaybookPhase", "=", PLAYBOOK_PHASES(OR), ""},
    {"PlaybookCounter", "=", PLAYBOOK_COUNTERS(OR), "what is counted; docs/PLAYBOOKS.md says how"},
    {"PlaybookAnswer", "answer", "string", ""},
    {"PlaybookAnswer", "text", "string", "what it means"},
    {"PlaybookAnswer", "locks", "string[]", "steps that may not be done while this is the answer"},
    {"PlaybookGuard", "question", "string", ""},
    {"PlaybookGuard", "options", "string[]", "its answers"},
    {"PlaybookGuard", "answers", "PlaybookAnswer[]", "the same, with what they mean"},
    {"PlaybookAction", "method", "'GET'|'POST'|'PUT'|'DELETE'", ""},
    {"PlaybookAction", "path", "string", "{symbol} is that of the incident"},
    {"PlaybookAction", "body", "object|null", "{symbol} as above, {+15m}: the time so far from now; reason and ticket are added"},
    {"PlaybookAction", "permission", "string", ""},
    {"PlaybookAction", "portctl", "string", "the same as a command line"},
    {"PlaybookAction", "typed", "'ALL'|'KILL'|'RELEASE'|'symbol'|null", "what is typed to confirm it"},
    {"PlaybookLink", "title", "string", ""},
    {"PlaybookLink", "href", "string", "https://..., /path, or #/screen of the dashboard"},
    {"PlaybookStep", "id", "string", ""},
    {"PlaybookStep", "phase", "PlaybookPhase", ""},
    {"PlaybookStep", "title", "string", ""},
    {"PlaybookStep", "text", "string", ""},
    {"PlaybookStep", "mandatory", "boolean", "the incident stays open until it is done, or skipped with notes"},
    {"PlaybookStep", "after", "string[]", "steps that are done before"},
    {"PlaybookStep", "guard", "PlaybookGuard|null", ""},
    {"PlaybookStep", "action", "PlaybookAction|null", ""},
    {"PlaybookStep", "commands", "string[]", "to copy"},
    {"PlaybookStep", "links", "PlaybookLink[]", ""},
    {"PlaybookExit", "id", "string", ""},
    {"PlaybookExit", "text", "string", ""},
    {"PlaybookExit", "counter", "PlaybookCounter", ""},
    {"PlaybookExit", "unit", "'s'|'yes'", "seconds without a break, or 1 when it is so"},
    {"PlaybookExit", "need", "integer", ""},
    {"PlaybookContact", "role", "string", ""},
    {"PlaybookContact", "name", "string", ""},
    {"PlaybookContact", "how", "string", ""},
    {"Playbook", "id", "string", ""},
    {"Playbook", "title", "string", ""},
    {"Playbook", "version", "integer", ""},
    {"Playbook", "owner", "string", ""},
    {"Playbook", "reviewed_at", "string", "a day"},
    {"Playbook", "next_review_at", "string", "a day"},
    {"Playbook", "review_overdue", "boolean", ""},
    {"Playbook", "severity", "'SEV1'|'SEV2'|'SEV3'|'SEV4'", ""},
    {"Playbook", "signals", "string[]", ""},
    {"Playbook", "symptoms", "string[]", ""},
    {"Playbook", "steps", "PlaybookStep[]", ""},
    {"Playbook", "exit", "PlaybookExit[]", "all must be met before the incident can be closed"},
    {"Playbook", "contacts", "PlaybookContact[]", ""},
    {"Playbook", "notice", "string|null", "for clients"},
    {"PlaybookList", "playbooks", "Playbook[]", ""},

    {"+SmokeOrder", "price?", "decimal", "100.00; at most 2 decimals"},
    {"+SmokeOrder", "qty?", "decimal", "1; at most 8 decimals"},
    {"+SmokeOrder", "side?", "'buy'|'sell'", "buy"},
    {"+SmokeOrder", "confirm?", "string|null", "what was typed: SMOKE, exactly; none: nobody typed"},
    {"SmokeSettled", "status", "'settled'", "the row is durable"},
    {"SmokeSettled", "id", "integer", "of the row in smoke_ledger_entries"},
    {"SmokeSettled", "symbol", "string", ""},
    {"SmokeSettled", "trade_id", "integer", "as on the trade channel"},
    {"SmokeSettled", "settled_at", "time", ""},
    {"SmokeSettled", "published", "boolean|null", "the feed has taken it; null: this is a repetition, see the first answer"},
    {"SmokeTrade", "id", "integer", ""},
    {"SmokeTrade", "status", "'settled'", ""},
    {"SmokeTrade", "symbol", "string", ""},
    {"SmokeTrade", "trade_id", "integer", ""},
    {"SmokeTrade", "side", "'buy'|'sell'", ""},
    {"SmokeTrade", "price", "decimal", ""},
    {"SmokeTrade", "qty", "decimal", ""},
    {"SmokeTrade", "settled_at", "time", ""},
    {"SmokeTrades", "trades", "SmokeTrade[]", ""},
};

/*   method       path                               query  headers  body  answers */
static const struct shape_route shapes[] = {
    {HTTP_GET,    "/v1/playbooks",                   "", "", "", "200 PlaybookList"},
    {HTTP_GET,    "/v1/playbooks/{id}",              "", "", "", "200 Playbook"},
    {HTTP_POST,   "/v1/smoke/trades",                "", "idempotency-key=string(1..255)!", "SmokeOrder", "200 SmokeSettled"},
    {HTTP_GET,    "/v1/smoke/trades",                "limit=integer(1..1000)", "", "", "200 SmokeTrades"},
};
/* clang-format on */

void shape_playbook_schemas(struct buf *out, const char **comma)
{
    shape_schemas(out, members, GW_LEN(members), comma);
}

const struct shape_route *shape_playbooks(enum http_method method, const char *path)
{
    return shape_find(shapes, GW_LEN(shapes), method, path);
}
