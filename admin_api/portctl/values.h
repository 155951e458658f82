/* admin_api/portctl/values.h - values of the control state and what becomes of them, in words.
 * Why: a dry run, a request to loosen and the status show the same things the same way.
 * Owner: none. */
#ifndef ADMIN_API_PORTCTL_VALUES_H
#define ADMIN_API_PORTCTL_VALUES_H
#include <jansson.h>
#include "admin_api/portctl/table.h"

/* {"mode":"SOFT_HALT"}: SOFT_HALT; {"engaged":true,"released_percent":10}: engaged, released_percent
 * 10. */
void value_put(struct buf *out, const json_t *value);
/* A line for each change of DIFF, as the server tells it. */
void diff_put(struct buf *out, const json_t *diff);
/* A line: whom a change reaches, as the server counted it. */
void radius_put(struct buf *out, const char *label, const json_t *radius);
#endif
