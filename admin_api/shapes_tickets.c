/* admin_api/shapes_tickets.c - tickets that are owed in the description of the API. */
#include "admin_api/shapes.h"

/* clang-format off */
static const struct shape_member members[] = {
    {"OwedTicket", "audit", "integer", "number of the act in the audit log"},
    {"OwedTicket", "at", "time", "when it was ordered"},
    {"OwedTicket", "actor", "string", "who did it: user:ana, key:pk_..."},
    {"OwedTicket", "person", "string", "whom that counts as: a key is its owner's, or its account's"},
    {"OwedTicket", "action", "string", "as in the audit log"},
    {"OwedTicket", "target", "string", ""},
    {"OwedTicket", "reason", "string", "in the words of who did it"},
    {"OwedTicket", "incident", "string|null", ""},
    {"OwedTicket", "ticket", "string|null", "null: it is owed"},
    {"OwedTicket", "paid_at", "time|null", "when it was named; so are the next"},
    {"OwedTicket", "paid_by", "string|null", ""},
    {"OwedTicket", "paid_audit", "integer|null", "number of the entry that names it"},
    {"OwedTickets", "tickets_owed", "OwedTicket[]", "newest first"},
    {"OwedTickets", "next", "string|null", "cursor of the next page"},
    {"OwedTicketAnswer", "outcome", "'done'|'nothing'", "nothing: this very ticket was named before"},
    {"OwedTicketAnswer", "ticket_owed", "OwedTicket", "as it is now"},
    {"+TicketNamed", "ticket", "string(1..100)", "as gate.ticket_pattern says"},
    {"TicketsCount", "count", "integer", "acts whose ticket is owed"},
    {"TicketsCount", "oldest_at", "time|null", "when the oldest of them was done"},
    {"TicketsCount", "as_of", "time", "when they were counted"},
};

/*   method      path                         query                                                             headers  body  answers */
static const struct shape_route shapes[] = {
    {HTTP_GET,   "/v1/tickets-owed",          "actor=string(1..256) paid=boolean cursor=string limit=integer(1..1000)", "", "", "200 OwedTickets"},
    {HTTP_PUT,   "/v1/tickets-owed/{audit}",  "", "", "TicketNamed", "200 OwedTicketAnswer"},
};
/* clang-format on */

void shape_ticket_schemas(struct buf *out, const char **comma)
{
    shape_schemas(out, members, GW_LEN(members), comma);
}

const struct shape_route *shape_tickets(enum http_method method, const char *path)
{
    return shape_find(shapes, GW_LEN(shapes), method, path);
}
