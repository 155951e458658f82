/* auth/people/people_bootstrap.h - the first user, made from the command line by whoever may write
 * the database.
 * Why: users are created by users, and the first one has nobody.
 * Owner: the caller's thread. Blocks: for the command line, never on a loop.
 * Invariant: password, secret and recovery codes are told to OUT once and kept nowhere but as hashes
 * and sealed. */
#ifndef AUTH_PEOPLE_PEOPLE_BOOTSTRAP_H
#define AUTH_PEOPLE_PEOPLE_BOOTSTRAP_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct master_keys;

struct people_bootstrap_options {
    const char *name;
    const char *label;  /* NULL: the name */
    uint64_t roles;     /* bits of enum role */
    bool lasting;       /* the password need not be changed at the first log-in */
    const char *issuer; /* NULL: "Portcullis" */
    const char *actor;  /* NULL: the user of the system who runs this, with uid */
};

/* Creates the user with a second factor and recovery codes, and tells OUT all of it, once. 0, or 1
 * after an error, which OUT was told with what to do next; then there is no user, unless OUT says
 * that nobody knows. */
int people_bootstrap(const char *dsn, const struct master_keys *masters,
                     const struct people_bootstrap_options *opt, FILE *out);
#endif
