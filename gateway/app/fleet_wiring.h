/* gateway/app/fleet_wiring.h - what this gateway tells the others, and what it does with what they tell:
 * exit conditions of playbooks, and whether anybody sends pages. Wiring only.
 *
 *   close: before the pool of PostgreSQL; destroy: after it
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_FLEET_WIRING_H
#define GATEWAY_APP_FLEET_WIRING_H
#include "gateway/app/playbook_wiring.h"
#include "gateway/paging/paging.h"
#include "ratelimit/limits.h"

struct fleet_wiring;

struct fleet_wiring_options {
    struct pg *pg;
    const char *listen; /* of the admin listener: with the host the name of this gateway */
    const struct playbooks_config *config;
    struct playbook_wiring *playbooks;
    struct paging *paging;
    const struct limits_config *limits; /* live */
    void (*on_died)(void *arg);         /* as of struct fleet_options */
    void *arg;
};

struct fleet_wiring *fleet_wiring_create(uv_loop_t *loop, const struct fleet_wiring_options *opt);
/* No other gateway is known, and that is known. */
bool fleet_wiring_alone(const struct fleet_wiring *w);
void fleet_wiring_close(struct fleet_wiring *w, void (*done)(void *arg), void *arg);
void fleet_wiring_destroy(struct fleet_wiring **wp);
#endif
