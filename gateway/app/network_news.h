/* gateway/app/network_news.h - an admin key was used from a network it was never seen from: an incident.
 * Wiring only.
 *
 *   auth/keys (PostgreSQL decides who is told) -> network_news -> incidents -> stored -> keys_told()
 *
 * Owner: the control loop. */
#ifndef GATEWAY_APP_NETWORK_NEWS_H
#define GATEWAY_APP_NETWORK_NEWS_H
#include "auth/keys.h"
#include "gateway/incident/detect.h"

/* All are borrowed; GATEWAY: its name. What incidents_close() answers late touches KEYS no more. */
struct network_news {
    struct keys *keys;
    struct incidents *incidents;
    const struct detect_config *config;
    const char *gateway;
};
void network_news_start(struct network_news *n);
#endif
