/* gateway/app/openapi.h - the API described, in OpenAPI 3.1, and the problems it answers: printed from the
 * tables of the routes, served at /openapi.json and /problems/{code}.
 * Owner: the main thread. Invariant: what is described is what is served. */
#ifndef GATEWAY_APP_OPENAPI_H
#define GATEWAY_APP_OPENAPI_H
#include "gateway/base/buf.h"
#include "gateway/http/server.h"

void openapi_print(struct buf *out);

/* /problems/{code}, on both listeners. */
extern const struct http_route openapi_public_routes[];
extern const size_t openapi_public_route_count;
/* And /openapi.json. */
extern const struct http_route openapi_admin_routes[];
extern const size_t openapi_admin_route_count;
#endif
