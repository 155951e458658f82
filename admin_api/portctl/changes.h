/* admin_api/portctl/changes.h - requests to loosen, as the status shows them too.
 * Why: they are the half of the status that asks for something to be done.
 * Owner: none. */
#ifndef ADMIN_API_PORTCTL_CHANGES_H
#define ADMIN_API_PORTCTL_CHANGES_H
#include <jansson.h>
#include "gateway/base/buf.h"

/* A table of LIST, nothing when it is empty. */
void changes_put(struct buf *out, const json_t *list);
#endif
