/* load/wsflood_fds.h - room for many descriptors; shared by wsflood and ceiling.
 * Owner: main(), once, before the first connection. */
#ifndef LOAD_WSFLOOD_FDS_H
#define LOAD_WSFLOOD_FDS_H
#include <stdbool.h>
#include <stdint.h>

/* Raises RLIMIT_NOFILE so that CONNECTIONS and a few more fit. false: it could not, and stderr says what to do. */
bool fds_raise(uint32_t connections, const char *program);
#endif
