/* gateway/store/pg_once.h - PostgreSQL for a command that asks, writes and ends.
 * Why: the first key, the first user and new wrappings are made by commands of their own, which have
 * no loop and no pool yet.
 *
 *   pg_once_run -> connected in 10 s -> ASK -> (queries, callbacks) -> pg_once_end -> returns
 *                          \-> not   -> LATE -------------------------------------/
 *
 * Owner: the thread that runs it.
 * Invariant: when pg_once_run() returns the connection is closed and nothing calls back any more. */
#ifndef GATEWAY_STORE_PG_ONCE_H
#define GATEWAY_STORE_PG_ONCE_H
#include "gateway/store/pg.h"

#define PG_ONCE_ACTOR_SIZE 128u

struct pg_once {
    void (*ask)(void *arg, struct pg *pg); /* once; PG is good until pg_once_run() returns */
    void (*late)(void *arg);               /* instead of ASK; it ends by itself then */
    void *arg;
    /* its own */
    uv_loop_t loop;
    uv_timer_t timer;
    struct pg *pg;
    bool asked;
};

/* DSN is valid; NAME (a literal) is what PostgreSQL and the log are told. */
void pg_once_run(struct pg_once *o, const char *dsn, const char *name);
/* All is done, or cannot be: pg_once_run() returns soon. */
void pg_once_end(struct pg_once *o);

/* Who runs this command, for logs of acts: GIVEN, or the user of the operating system if that is NULL. */
void pg_once_actor(const char *given, char out[PG_ONCE_ACTOR_SIZE]);
#endif
