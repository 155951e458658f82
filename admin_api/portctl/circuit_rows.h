/* admin_api/portctl/circuit_rows.h - the rows of commands.c about circuits.
 * Owner: none, immutable. */
#ifndef ADMIN_API_PORTCTL_CIRCUIT_ROWS_H
#define ADMIN_API_PORTCTL_CIRCUIT_ROWS_H
#include "admin_api/portctl/client.h"

command_fn circuits_show, circuit_reset; /* circuits.c */
extern const struct opt circuits_options[], circuit_options[];

/* clang-format off */
#define CIRCUIT_ROWS                                                                                         \
    {"circuits", "", "what waits before it tries again: Redis, PostgreSQL, pages; breakers of the core",     \
     NULL, "portctl circuits\n"                                                                              \
     "portctl circuits --open\n"                                                                             \
     "portctl --json circuits | jq -r '.circuits[] | select(.state != \"closed\") | .name'",                 \
     circuits_options, 0, 0, circuits_show, false, NULL},                                                    \
    {"circuit reset", "NAME", "have it tried now; core:NAME asks the core to close its breaker",             \
     "One of the gateway's own is tried at once, and what came of it is said: exit code 1 when the try\n"    \
     "failed. A breaker of the core is closed by two persons: the first is told that it waits (exit code 5),\n" \
     "the second, within 15 minutes and at the same gateway, gives the same command.",                       \
     "portctl circuit reset paging --reason 'the receiver has its certificate back' --ticket OPS-7\n"        \
     "portctl circuit reset core:risk --reason 'limits were checked by hand' --ticket OPS-7",                \
     circuit_options, 1, 1, circuit_reset, false, NULL},
/* clang-format on */
#endif
