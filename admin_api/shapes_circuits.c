/* admin_api/shapes_circuits.c - circuits in the description of the API. */
#include "admin_api/shapes.h"

/* clang-format off */
static const struct shape_member members[] = {
    {"Circuit", "name", "string", "reset says it"},
    {"Circuit", "of", "'gateway'|'core'", "core: a circuit breaker of the exchange core, as it tells"},
    {"Circuit", "what", "string", "what it is for"},
    {"Circuit", "state", "'closed'|'half_open'|'open'|'unknown'", "half_open: being tried; unknown: the core has not spoken of it for 90 s"},
    {"Circuit", "since", "time", "in this state"},
    {"Circuit", "failures", "integer|null", "in a row; null: of the core"},
    {"Circuit", "retry_at", "time|null", "of the next try; null: nobody knows, or there is none"},
    {"Circuit", "last_error", "string|null", "what the last try ran into; of the core: its words"},
    {"Circuit", "members", "integer|null", "connections of that name; the state is that of the worst"},
    {"Circuit", "waiting", "integer|null", "of them, not closed"},
    {"Circuit", "core", "string|null", "which core spoke of it"},
    {"Circuit", "asked_by", "string|null", "who asked the core to close it: another person has to do so, too"},
    {"CircuitList", "circuits", "Circuit[]", ""},
    {"+NamedWhy", "name", "string(1..63)", "of the circuit"},
    {"+NamedWhy", "reason", "string(10..500)", "for the audit log"},
    {"+NamedWhy", "ticket?", "string(0..100)|null", ""},
    {"+NamedWhy", "incident?", "string(0..100)|null", ""},
    {"CircuitTried", "result", "'closed'|'failed'|'trying'|'was_closed'|'nothing_to_try'", "of the try that was made now"},
    {"CircuitTried", "circuit", "Circuit", "as it is now"},
    {"CircuitAsked", "outcome", "'requested'", "another person has to ask for the same"},
    {"CircuitAsked", "name", "string", ""},
    {"CircuitAsked", "asked_by", "string", ""},
    {"CircuitAsked", "expires_at", "time", "until then"},
};

/*   method       path                            query  headers  body  answers */
static const struct shape_route shapes[] = {
    {HTTP_GET,    "/v1/circuits",                 "", "", "", "200 CircuitList"},
    {HTTP_POST,   "/v1/circuits/{name}/reset",    "", "idempotency-key=string(1..255)!", "Why", "200 CircuitTried; 202 CommandAnswer|CircuitAsked"},
    {HTTP_POST,   "/admin/reset-circuit",         "", "idempotency-key=string(1..255)!", "NamedWhy", "200 CircuitTried; 202 CommandAnswer|CircuitAsked"},
};
/* clang-format on */

void shape_circuit_schemas(struct buf *out, const char **comma)
{
    shape_schemas(out, members, GW_LEN(members), comma);
}

const struct shape_route *shape_circuits(enum http_method method, const char *path)
{
    return shape_find(shapes, GW_LEN(shapes), method, path);
}
