/* admin_api/portctl/incident_rows.h - the rows of commands.c about incidents.
 * Why: the table has one list of rows; these and their options lie with their subject.
 * Owner: none, immutable. */
#ifndef ADMIN_API_PORTCTL_INCIDENT_ROWS_H
#define ADMIN_API_PORTCTL_INCIDENT_ROWS_H
#include "admin_api/portctl/client.h"

command_fn incident_list, incident_show, incident_report, incident_act;

extern const struct opt incident_list_options[], incident_open_options[], incident_ack_options[],
    incident_assign_options[], incident_note_options[], incident_notes_options[],
    incident_reason_options[], incident_close_options[], incident_step_options[],
    incident_task_options[];

/* clang-format off */
#define INCIDENT_ROWS                                                                                        \
    {"incident list", "", "incidents that are open, newest first", NULL,                                     \
     "portctl incident list\n"                                                                               \
     "portctl incident list --state all --severity SEV1\n"                                                   \
     "portctl --json incident list | jq -r '.incidents[] | select(.acked_at == null) | .id'",                \
     incident_list_options, 0, 0, incident_list, false, NULL},                                               \
    {"incident show", "ID", "one incident: clocks, people, steps, tasks, timeline", NULL,                    \
     "portctl incident show INC-7", NULL, 1, 1, incident_show, false, NULL},                                 \
    {"incident open", "", "open an incident; who is on call is paged",                                       \
     "SEV1 and SEV2 have to be acknowledged within 15 minutes, SEV3 within 4 hours. While a SEV1 or SEV2\n"  \
     "has no root cause, nothing is loosened.",                                                              \
     "portctl incident open --severity SEV2 --title 'books are crossed' --reason 'BTC/USD since 03:12' \\\n" \
     "    --symbol BTC/USD --class data_quality",                                                            \
     incident_open_options, 0, 0, incident_act, false, NULL},                                                \
    {"incident ack", "[ID]", "somebody has it: stops the ladder",                                            \
     "For SEV1 level 3 stays due until it is mitigated. The options of older runbooks are understood:\n"     \
     "--run-id goes into the notes, --incident-id is the ID, --ack-by who has it.",                          \
     "portctl incident ack INC-7 --notes 'looking at feed B'\n"                                              \
     "portctl incident ack --run-id R --incident-id INC-7 --ack-by ana --notes 'looking at feed B'",         \
     incident_ack_options, 0, 1, incident_act, false, NULL},                                                 \
    {"incident assign", "ID", "say who is commander, scribe or assignee", NULL,                              \
     "portctl incident assign INC-7 --role commander --name ana",                                            \
     incident_assign_options, 1, 1, incident_act, false, NULL},                                              \
    {"incident note", "ID", "a note; --root-cause: why it happened; --postmortem: where that is", NULL,      \
     "portctl incident note INC-7 --text 'feeds differ by one tick'\n"                                       \
     "portctl incident note INC-7 --text 'a rounding error of release 7' --root-cause\n"                     \
     "portctl incident note INC-7 --text https://wiki.example/pm/7 --postmortem",                            \
     incident_note_options, 1, 1, incident_act, false, NULL},                                                \
    {"incident severity", "ID SEVERITY", "raise or lower it",                                                \
     "Raising begins the clocks anew, unless those of a SEV1 or SEV2 are running.",                          \
     "portctl incident severity INC-7 SEV1 --reason 'customers lose money'",                                 \
     incident_reason_options, 2, 2, incident_act, false, "SEV1 SEV2 SEV3 SEV4"},                             \
    {"incident classify", "ID CLASS", "say what kind it is", NULL,                                           \
     "portctl incident classify INC-7 data_quality", NULL, 2, 2, incident_act, false,                        \
     "data_quality reconciliation broker_connectivity"},                                                     \
    {"incident mitigate", "ID STATE", "none, partial, or mitigated: it does no harm any more", NULL,         \
     "portctl incident mitigate INC-7 mitigated --notes 'feed A alone is used'",                             \
     incident_notes_options, 2, 2, incident_act, false, "none partial mitigated"},                           \
    {"incident resolve", "ID", "it is over", NULL,                                                           \
     "portctl incident resolve INC-7 --notes 'feed B was rolled back'",                                      \
     incident_notes_options, 1, 1, incident_act, false, NULL},                                               \
    {"incident close", "ID", "close it, when nothing is missing any more",                                   \
     "It needs a root cause, the mandatory steps and exit conditions of its playbook, and for a SEV1 the\n"  \
     "postmortem. portctl incident show says what is missing.",                                              \
     "portctl incident close INC-7 --notes 'all is well' --postmortem https://wiki.example/pm/7",            \
     incident_close_options, 1, 1, incident_act, false, NULL},                                               \
    {"incident reopen", "ID", "it is not over: its clocks begin anew", NULL,                                 \
     "portctl incident reopen INC-7 --reason 'books are crossed again'",                                     \
     incident_reason_options, 1, 1, incident_act, false, NULL},                                              \
    {"incident step", "ID STEP", "a step of its playbook was done, or --skip", NULL,                         \
     "portctl incident step INC-7 lower_depth --notes 'default depth is 25'\n"                               \
     "portctl incident step INC-7 ask_core --answer yes",                                                    \
     incident_step_options, 2, 2, incident_act, false, NULL},                                                \
    {"incident task", "ID", "a task for later; --done N: that one is done", NULL,                            \
     "portctl incident task INC-7 --text 'alert on crossed books' --owner ana --due 7d\n"                    \
     "portctl incident task INC-7 --done 1",                                                                 \
     incident_task_options, 1, 1, incident_act, false, NULL},                                                \
    {"incident report", "ID", "what happened, as Markdown for a ticket (--json: as JSON)", NULL,             \
     "portctl incident report INC-7 > INC-7.md\nportctl --json incident report INC-7 | jq .durations",       \
     NULL, 1, 1, incident_report, false, NULL},
/* clang-format on */
#endif
