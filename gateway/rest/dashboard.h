/* gateway/rest/dashboard.h - the browser dashboard on the admin listener: its pages, its files, and
 * where it finds the market data.
 * Why: the page is built apart (web/, needs Node) and may be absent: then a plain page says so and
 * how to build it, and everything else of the gateway works.
 * Owner: the control loop; immutable once created.
 * Invariant: a page may talk to its own origin and to the two public listeners, to nobody else. */
#ifndef GATEWAY_REST_DASHBOARD_H
#define GATEWAY_REST_DASHBOARD_H
#include "gateway/base/buf.h"
#include "gateway/http/server.h"

struct dashboard;

struct dashboard_options {
    const char *folder; /* with manifest.json; "": none */
    const char *socket; /* wss://host[:port]/v2 as browsers reach it; "": see ws_port */
    const char *rest;   /* https://host[:port] of the public REST; "": see rest_port */
    uint16_t ws_port;   /* without `socket`: on the host that the browser asked for */
    uint16_t rest_port;
};

/* GW_ECONFIG with WHY when an address is not acceptable. A folder that cannot be served is logged,
 * not an error. OPT's texts are borrowed. */
GW_MUSTCHECK
enum gw_err dashboard_create(const struct dashboard_options *opt, struct buf *why,
                             struct dashboard **out);
void dashboard_destroy(struct dashboard **dp);

/* struct http_routes.arg is the struct dashboard. */
extern const struct http_route dashboard_routes[];
extern const size_t dashboard_route_count;
#endif
