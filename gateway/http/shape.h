/* gateway/http/shape.h - what requests and answers look like, as rows beside the handlers; printed as
 * OpenAPI 3.1. Pure.
 * Why: the description of the API is made of the same tables the program serves from, so that it cannot
 * tell of a route that is not there, and a route without rows is seen.
 *
 * Types are one small language, close to TypeScript's:
 *
 *   string string(1..500) integer integer(0..100) number boolean null any object time decimal uri
 *   'word'  A|B  |A|B   Name (a schema)   T[]   [T,T] (a tuple)   {T} (an object of such members)
 *
 * A member whose name ends in `?` may be absent. A row with the name `=` says what the schema itself is.
 * A schema whose name begins with `+` takes no other members (bodies of requests).
 * Owner: none, immutable tables. */
#ifndef GATEWAY_HTTP_SHAPE_H
#define GATEWAY_HTTP_SHAPE_H
#include "gateway/base/buf.h"
#include "gateway/http/server.h"

/* One member; the rows of a schema stand together. */
struct shape_member {
    const char *schema;
    const char *name;
    const char *type;
    const char *help; /* "": none */
};

/* What one route takes and gives. */
struct shape_route {
    enum http_method method;
    const char *path;
    const char
        *query; /* "limit=integer(1..100) open=boolean", ended by `!` when required; "": none */
    const char *headers; /* of the request, likewise */
    const char *body;    /* a schema, or "TYPE/SUBTYPE schema"; "": none */
    const char *answers; /* "200 Keys; 202 Answer", "200 text/plain" or
                            "200 Report&text/markdown"; problems are added */
};

/* A problem: the last part of the type's URI, and what a client does about it. */
struct shape_problem {
    const char *code;
    unsigned status;
    const char *title;
    const char *next;
};

/* One operation as it is printed. */
struct shape_op {
    const char *listener; /* "public", "admin" */
    enum http_method method;
    const char *path;
    const char *summary;
    const char *permission;          /* NULL: none is asked for */
    const char *rate_class;          /* NULL: none */
    const struct shape_route *route; /* NULL: nobody wrote its row */
    bool own;                        /* of one's own session, without a permission */
    bool bearer;                     /* a bearer token will do, too */
};

extern const char *const http_method_names[];

/* The JSON Schema of TYPE. A type that cannot be read is a mistake of ours. */
void shape_type(struct buf *out, const char *type);
/* `"Name":{...}` for each schema of the rows, separated by commas; what FIRST says is put before the
 * first, and cleared. */
void shape_schemas(struct buf *out, const struct shape_member *rows, size_t count,
                   const char **comma);
/* The Operation Object. */
void shape_operation(struct buf *out, const struct shape_op *op);
const struct shape_route *shape_find(const struct shape_route *rows, size_t count,
                                     enum http_method method, const char *path);
#endif
