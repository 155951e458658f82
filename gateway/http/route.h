/* gateway/http/route.h - request target to route: path segments, parameters, query. Pure.
 * Why: percent-decoding and matching happen once, bounded, the same way for every handler.
 * Invariant: decoded values are valid for the life of the struct and NUL-terminated; no value holds
 * a NUL. */
#ifndef GATEWAY_HTTP_ROUTE_H
#define GATEWAY_HTTP_ROUTE_H
#include "gateway/http/server.h"

#define ROUTE_TARGET_MAX 2048u
#define ROUTE_PAIRS_MAX  16u

struct route_pair {
    const char *name;
    const char *value;
};
struct route_match {
    const struct http_route *route;
    char text[ROUTE_TARGET_MAX + 1]; /* decoded pieces, each ended by NUL */
    struct route_pair params[ROUTE_PAIRS_MAX];
    unsigned param_count;
    struct route_pair query[ROUTE_PAIRS_MAX];
    unsigned query_count;
    bool path_known; /* some other method is served here */
};

/* GW_OK with M->route set; GW_ENOTFOUND; GW_EMETHOD (path_known); GW_EINVAL: bad escape, NUL, too
 * long or a repeated query parameter. HEAD matches GET. TARGET is origin-form with the query. */
GW_MUSTCHECK
enum gw_err route_find(const struct http_route *routes, size_t count, enum http_method method,
                       const char *target, size_t len, struct route_match *m);
#endif
