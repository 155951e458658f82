/* gateway/app/authority.h - who is calling: PostgreSQL, the keys, the limits, the tokens and the
 * signed API, put together. Wiring only.
 *
 *   close: API (with its listeners) -> incidents, gate -> keys, people, report-in -> pager -> pool
 *          -> audit, store -> limits, tokens
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_AUTHORITY_H
#define GATEWAY_APP_AUTHORITY_H
#include <uv.h>
#include "admin_api/api.h"
#include "gateway/app/gatehouse.h"
#include "gateway/app/pager.h"
#include "gateway/app/reporting.h"
#include "gateway/app/playbook_wiring.h"

struct authority;

struct authority_options {
    const struct auth_config *auth; /* auth->database is not "" */
    const struct limits_config *limits;
    const char *redis;
    struct gatehouse_options gate; /* but for pool and DSN */
    const struct people_config *people;
    const struct incidents_config *incidents;
    const struct paging_config *paging;
    const struct reported_config *reported;
    const bool *draining;
    const struct playbooks_config *playbooks;
    const struct smoke_config *smoke;
    const struct connections_view *connections;
    struct keys_sink sink; /* a key is good, or is not any more */
    /* A person's session is over: its streams are to be closed. */
    void (*on_session_ended)(void *arg, const char *session_id);
    void *arg;
};

/* False: WHY says what is wrong and what to do. */
GW_MUSTCHECK
bool authority_create(uv_loop_t *loop, const struct authority_options *opt, struct buf *why,
                      struct authority **out);
struct api *authority_api(struct authority *a);
/* Ends the event streams of a session that is over. */
void authority_end_streams(struct authority *a, const char *session_id);
/* Live keys have changed. */
void authority_configure(struct authority *a);
/* Runs the loop until all is closed; frees. */
void authority_destroy(struct authority **ap);
#endif
