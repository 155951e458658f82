/* admin_api/shapes_paging.c - pages in the description of the API. */
#include "admin_api/shapes.h"

/* clang-format off */
static const struct shape_member members[] = {
    {"DeadPage", "id", "integer", "retry says it"},
    {"DeadPage", "incident", "string", "\"\": a test"},
    {"DeadPage", "kind", "'trigger'|'escalate'|'acknowledge'|'resolve'|'test'", ""},
    {"DeadPage", "tries", "integer", ""},
    {"DeadPage", "last_error", "string", "what the receiver, or the way there, said"},
    {"DeadPage", "at", "time", "when it was given up"},
    {"Paging", "enabled", "boolean", "pages go out"},
    {"Paging", "format", "'alertmanager'|'pagerduty'|'generic'", ""},
    {"Paging", "min_severity", "'critical'|'warning'", ""},
    {"Paging", "receiver", "string|null", "its host; null: none is configured"},
    {"Paging", "queue", "integer", "pages that wait, of all gateways"},
    {"Paging", "oldest_age_s", "integer|null", "of the oldest of them"},
    {"Paging", "suppressed", "integer", "pages this gateway did not send since it was started, because paging is off"},
    {"Paging", "spooled", "integer", "pages on this machine that PostgreSQL has not been told of"},
    {"Paging", "database", "boolean", "false: PostgreSQL is away, dead letters cannot be shown"},
    {"Paging", "dead", "DeadPage[]", "given up, newest first, at most 100"},
    {"+PagingNote", "note?", "string(0..500)|null", "for the audit log"},
    {"PagingAnswer", "result", "'delivered'|'queued'|'refused'", ""},
    {"PagingAnswer", "page", "integer", ""},
    {"PagingAnswer", "detail", "string|null", "refused: what the receiver, or the way there, said"},
};

/*   method       path                            query  headers  body  answers */
static const struct shape_route shapes[] = {
    {HTTP_GET,    "/v1/paging",                   "", "", "", "200 Paging"},
    {HTTP_POST,   "/v1/paging/test",              "", "", "PagingNote", "200 PagingAnswer"},
    {HTTP_POST,   "/v1/paging/dead/{id}/retry",   "", "", "PagingNote", "200 PagingAnswer"},
};
/* clang-format on */

void shape_paging_schemas(struct buf *out, const char **comma)
{
    shape_schemas(out, members, GW_LEN(members), comma);
}

const struct shape_route *shape_paging(enum http_method method, const char *path)
{
    return shape_find(shapes, GW_LEN(shapes), method, path);
}
