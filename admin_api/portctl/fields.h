/* admin_api/portctl/fields.h - members of answers as lines and columns for people.
 * Why: every command shows some of an object's members, times and lists alike.
 * Owner: none. */
#ifndef ADMIN_API_PORTCTL_FIELDS_H
#define ADMIN_API_PORTCTL_FIELDS_H
#include <jansson.h>
#include "admin_api/portctl/table.h"

enum field_kind { FIELD_PLAIN, FIELD_TIME, FIELD_WORDS };
struct field {
    const char *title;
    const char *member; /* of a member's member with a dot between: "diff.direction" */
    enum field_kind kind;
};

/* The member as text; nothing when it is null or not there. */
void field_put(struct buf *out, const json_t *object, const struct field *f);
/* The next cell of T. */
void field_cell(struct table *t, const json_t *object, const struct field *f);
/* A titled table of as many columns. */
void fields_table(struct table *t, const struct field *fields, size_t count);
void fields_row(struct table *t, const json_t *object, const struct field *fields, size_t count);
/* A titled table, a row an object of LIST, behind OUT. */
void fields_list(struct buf *out, const json_t *list, const struct field *fields, size_t count);
/* One object, a line a field that has a value, behind OUT. */
void fields_given(struct buf *out, const json_t *object, const struct field *fields, size_t count);
/* One object, a line a field, on stdout; and the secret, if any. */
void fields_print(const json_t *object, const struct field *fields, size_t count,
                  const char *secret);
/* The text member NAME, "" when there is none. */
const char *text_member(const json_t *object, const char *name);
#endif
