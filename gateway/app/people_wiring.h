/* gateway/app/people_wiring.h - people put to work: auth/people, and its changes in the audit chain.
 * Wiring only.
 *
 *   change -> transaction: statements of auth/people, head of the chain, entry -> commit
 *
 *   close: before the pool of PostgreSQL
 *
 * Owner: the main thread.
 * Invariant: a change of people is in the chain, or did not happen. */
#ifndef GATEWAY_APP_PEOPLE_WIRING_H
#define GATEWAY_APP_PEOPLE_WIRING_H
#include "admin_api/api.h"
#include "auth/people/people.h"
#include "gateway/audit/store.h"

struct people_wiring;

struct people_wiring_options {
    const struct people_config *config;
    bool break_glass;
    struct pg *pg;
    const char *dsn;
    const struct envelope_master *masters;
    size_t master_count;
    struct audit_store *audit; /* for what was refused; closed after this */
    struct metric_set *store_metrics;
    /* A session is over: its streams are to be closed. May be NULL. */
    void (*on_ended)(void *arg, const char *session_id);
    /* A session is known here. May be NULL. */
    void (*on_begun)(void *arg, const char *session_id);
    void *arg;
};

struct people_wiring *people_wiring_create(uv_loop_t *loop,
                                           const struct people_wiring_options *opt);
struct people *people_wiring_people(struct people_wiring *w);
void people_wiring_close(struct people_wiring *w, void (*done)(void *arg), void *arg);
/* After pg_close(): what was being written has been told. */
void people_wiring_destroy(struct people_wiring **wp);
#endif
