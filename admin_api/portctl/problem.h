/* admin_api/portctl/problem.h - what a refusal says to people: problem+json (RFC 9457) in words,
 * the clocks when they are the cause, and what to do next. Pure.
 * Owner: the caller. */
#ifndef ADMIN_API_PORTCTL_PROBLEM_H
#define ADMIN_API_PORTCTL_PROBLEM_H
#include <jansson.h>
#include "admin_api/portctl/cli.h"

struct problem {
    long status;
    const json_t *root;    /* NULL: the answer was no JSON */
    const char *command;   /* "key new" */
    const char *key_id;    /* who asked; NULL: nobody */
    bool person;           /* a session asked, or somebody who logs in */
    int64_t now_s;         /* this machine's time of the answer */
    int64_t date_s;        /* the server's, -1: not known */
    int64_t retry_after_s; /* of its Retry-After, 0: none */
};

/* Lines for stderr; the exit code. */
enum portctl_exit problem_put(const struct problem *p, struct buf *out);
/* A sentence on two clocks, and what to do when they differ too much for signatures. SKEW_S is
 * this machine's time minus the server's. */
void put_skew(struct buf *out, int64_t skew_s);
#define SKEW_NEXT "set this machine's clock (timedatectl set-ntp true, or chronyc makestep)"
#endif
