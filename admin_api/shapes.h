/* admin_api/shapes.h - the API's part of its description in OpenAPI (gateway/http/shape.h).
 * Owner: none, immutable. */
#ifndef ADMIN_API_SHAPES_H
#define ADMIN_API_SHAPES_H
#include "gateway/gate/gate.h"
#include "gateway/http/shape.h"
#include "auth/people/people.h"
#include "auth/scopes.h"

/* Operations of both listeners, in the order of the routes; how many. At most MAX are written. */
size_t api_operations(struct shape_op *out, size_t max);
void api_schemas(struct buf *out, const char **comma);
extern const struct shape_problem api_problems[];
extern const size_t api_problem_count;

/* Problems of people: I below API_PEOPLE_PROBLEMS; codes may come twice. */
struct shape_problem api_people_problem(unsigned i);
#define API_PEOPLE_PROBLEMS (PEOPLE_ERR_COUNT - 1u)

/* shapes_people.c */
void shape_people_schemas(struct buf *out, const char **comma);
const struct shape_route *shape_people(enum http_method method, const char *path);
/* shapes_incidents.c */
void shape_incident_schemas(struct buf *out, const char **comma);
const struct shape_route *shape_incident(enum http_method method, const char *path);
/* shapes_paging.c */
void shape_paging_schemas(struct buf *out, const char **comma);
const struct shape_route *shape_paging(enum http_method method, const char *path);
/* shapes_circuits.c */
void shape_circuit_schemas(struct buf *out, const char **comma);
const struct shape_route *shape_circuits(enum http_method method, const char *path);
/* shapes_tickets.c */
void shape_ticket_schemas(struct buf *out, const char **comma);
const struct shape_route *shape_tickets(enum http_method method, const char *path);
/* shapes_reported.c */
void shape_reported_schemas(struct buf *out, const char **comma);
const struct shape_route *shape_reported(enum http_method method, const char *path);
/* NULL: no row. */
const struct shape_route *api_shape(enum http_method method, const char *path);
/* shapes_playbooks.c */
void shape_playbook_schemas(struct buf *out, const char **comma);
const struct shape_route *shape_playbooks(enum http_method method, const char *path);
/* shapes_control.c: bodies and resources of the control state, entries of the audit log. */
void shape_control_schemas(struct buf *out, const char **comma);
#endif
