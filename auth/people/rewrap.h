/* auth/people/rewrap.h - all envelopes of the database moved to the newest master key, from the command
 * line.
 * Why: a master key that may be known to others has to go, and what it wraps is kept: secrets of keys and
 * second factors. Only their data keys are wrapped anew, no secret is opened.
 * Owner: the caller's thread. Blocks: for the command line, never on a loop.
 * Invariant: an envelope is replaced only if it is still the one that was read, with its event in
 * key_events, in one transaction; stopped half-way, it can be run again. */
#ifndef AUTH_PEOPLE_REWRAP_H
#define AUTH_PEOPLE_REWRAP_H
#include <stdio.h>

struct master_keys;

/* Tells OUT how far it is. 0: no envelope needs an older master key any more; 1: some do, or an error,
 * which OUT was told with what to do next. */
int rewrap_keys(const char *dsn, const struct master_keys *masters, FILE *out);
#endif
