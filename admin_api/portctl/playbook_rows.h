/* admin_api/portctl/playbook_rows.h - the rows of commands.c about playbooks and the smoke test.
 * Owner: none, immutable. */
#ifndef ADMIN_API_PORTCTL_PLAYBOOK_ROWS_H
#define ADMIN_API_PORTCTL_PLAYBOOK_ROWS_H
#include "admin_api/portctl/client.h"

command_fn playbooks_list, playbook_show; /* playbooks.c */
command_fn smoke_g0;                      /* smoke.c */
extern const struct opt smoke_options[];

/* clang-format off */
#define PLAYBOOK_ROWS                                                                                        \
    {"playbooks", "", "what to do when: the playbooks there are, and when they have to be reviewed",         \
     NULL, "portctl playbooks\n"                                                                             \
     "portctl --json playbooks | jq -r '.playbooks[] | select(.review_overdue) | .id'",                      \
     NULL, 0, 0, playbooks_list, false, NULL},                                                               \
    {"playbook show", "ID", "a playbook: steps with their commands, guards, exit conditions, contacts",      \
     "Steps with * are mandatory: an incident stays open until they are done, or skipped with a note.",      \
     "portctl playbook show kill_switch\n"                                                                   \
     "portctl --json playbook show ws_overload | jq -r '.steps[].action.portctl // empty'",                  \
     NULL, 1, 1, playbook_show, false, NULL},                                                                \
    {"smoke g0", "", "one trade through everything: ready, settled, in the ledger, on the WebSocket",        \
     "For a gateway that runs with SMOKE_ENABLED=true. Four checks, in this order: /readyz; POST\n"          \
     "/v1/smoke/trades answers settled; the row is in smoke_ledger_entries; TradeExecuted and\n"             \
     "CandleUpdated come over the WebSocket, and are written to ws-events-smoke.log. The last line is\n"     \
     "smoke_g0_success=true, or =false with exit code 1.",                                                   \
     "portctl --env var/up.env smoke g0\n"                                                                   \
     "portctl smoke g0 --ws wss://localhost:8443/v2 --log-dir /var/log/portcullis --wait 20",                \
     smoke_options, 0, 0, smoke_g0, false, NULL},
/* clang-format on */
#endif
