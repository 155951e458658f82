/* gateway/rest/shapes.h - the public and the operators' routes as OpenAPI (gateway/http/shape.h).
 * Owner: none, immutable. */
#ifndef GATEWAY_REST_SHAPES_H
#define GATEWAY_REST_SHAPES_H
#include "gateway/http/shape.h"

/* At most MAX are written; how many there are. */
size_t rest_operations(struct shape_op *out, size_t max);
void rest_schemas(struct buf *out, const char **comma);
#endif
