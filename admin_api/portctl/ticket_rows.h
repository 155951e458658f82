/* admin_api/portctl/ticket_rows.h - the rows of commands.c about tickets that are owed.
 * Owner: none, immutable. */
#ifndef ADMIN_API_PORTCTL_TICKET_ROWS_H
#define ADMIN_API_PORTCTL_TICKET_ROWS_H
#include "admin_api/portctl/client.h"

command_fn tickets_owed, ticket_pay; /* tickets.c */
extern const struct opt tickets_options[];

/* clang-format off */
#define TICKET_ROWS                                                                                          \
    {"tickets owed", "", "what was halted without a ticket, and owes one",                                   \
     "A halt does not wait for a ticket; its ticket is named afterwards, with portctl tickets pay.",         \
     "portctl tickets owed\n"                                                                                \
     "portctl tickets owed --actor user:ana\n"                                                               \
     "portctl --json tickets owed | jq -r '.tickets_owed[] | [.audit, .person, .target] | @tsv'",            \
     tickets_options, 0, 0, tickets_owed, false, NULL},                                                      \
    {"tickets pay", "AUDIT TICKET", "name the ticket of an act that had none",                               \
     "AUDIT is the number of the act in the audit log, as portctl tickets owed shows it. Who acted may, and\n" \
     "an operator. The entry of the act stays as it is; an entry of its own says which ticket it has.",      \
     "portctl tickets pay 1042 OPS-7",                                                                       \
     NULL, 2, 2, ticket_pay, false, NULL},
/* clang-format on */
#endif
