/* load/wsflood_process.h - what wsflood and ceiling ask of the system about themselves.
 * Owner: none, stateless. */
#ifndef LOAD_WSFLOOD_PROCESS_H
#define LOAD_WSFLOOD_PROCESS_H
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Raises RLIMIT_NOFILE so that CONNECTIONS and a few more fit. false: it could not, and stderr says
 * what to do. */
bool process_raise_fds(uint32_t connections, const char *program);
/* User and system time of this process so far. */
uint64_t process_cpu_us(void);
int64_t process_clock_ns(clockid_t id);
#endif
