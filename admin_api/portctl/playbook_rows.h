/* admin_api/portctl/playbook_rows.h - the rows of commands.c about playbooks and the smoke test.
 * Owner: none, immutable. */
#ifndef ADMIN_API_PORTCTL_PLAYBOOK_ROWS_H
#define ADMIN_API_PORTCTL_PLAYBOOK_ROWS_H
#include "admin_api/portctl/client.h"

command_fn playbooks_list, playbook_show; /* playbooks.c */

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
     NULL, 1, 1, playbook_show, false, NULL},
/* clang-format on */
#endif
