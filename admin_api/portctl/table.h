/* admin_api/portctl/table.h - aligned columns for people.
 * Why: whatever a server says may hold escape sequences; a terminal must not obey them.
 * Owner: the caller, who ends it with table_fini().
 * Invariant: no cell holds a control byte; a row has as many cells as there are columns. */
#ifndef ADMIN_API_PORTCTL_TABLE_H
#define ADMIN_API_PORTCTL_TABLE_H
#include <stddef.h>
#include "gateway/base/buf.h"

struct table {
    unsigned columns;
    char **cells; /* row by row; the first row are the titles, if there are any */
    size_t count;
    size_t cap;
    bool titled;
};

/* TITLES NULL: a table without them. */
void table_init(struct table *t, unsigned columns, const char *const *titles);
void table_fini(struct table *t);
/* The next cell; "" is shown as "-". TEXT is copied and made harmless. */
void table_cell(struct table *t, const char *text);
/* Nothing when there are no rows below the titles. */
void table_print(const struct table *t, struct buf *out);

/* TEXT without what a terminal would obey or hide: controls, direction marks, broken UTF-8. */
void table_clean(struct buf *out, const char *text, size_t len);
#endif
