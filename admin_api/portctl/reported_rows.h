/* admin_api/portctl/reported_rows.h - the rows of commands.c about what is reported in.
 * Why: the table has one list of rows; these and their options lie with their subject.
 * Owner: none, immutable. */
#ifndef ADMIN_API_PORTCTL_REPORTED_ROWS_H
#define ADMIN_API_PORTCTL_REPORTED_ROWS_H
#include "admin_api/portctl/client.h"

command_fn components_show, signals_show, triage_show, slo_show; /* reported.c */

extern const struct opt components_options[], signals_options[];

/* clang-format off */
#define REPORTED_ROWS                                                                                        \
    {"triage", "", "the first five minutes: halts, worst incidents, missed objectives, snapshots", NULL,     \
     "portctl triage\nportctl --json triage | jq .open_incidents", NULL, 0, 0, triage_show, false, NULL},    \
    {"components", "", "systems that report in, and how long ago they were heard", NULL,                     \
     "portctl components --bad\nportctl components --group engine:BTC",                                      \
     components_options, 0, 0, components_show, false, NULL},                                                \
    {"signals", "", "numbers that others report; too old ones count as unknown", NULL,                       \
     "portctl signals --name bus_lag\nportctl signals --stale",                                              \
     signals_options, 0, 0, signals_show, false, NULL},                                                      \
    {"slo", "", "objectives: kept, missed or unknown", NULL,                                                 \
     "portctl slo\nportctl --json slo | jq -r '.slos[] | [.id, .state] | @tsv'", NULL, 0, 0, slo_show, false, NULL},
/* clang-format on */
#endif
