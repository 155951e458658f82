/* gateway/app/describe.h - `portcullis --describe WHAT`: the tables the program is made of, as
 * Markdown. The pages in docs/reference/ are this output; a test checks them for drift. */
#ifndef GATEWAY_APP_DESCRIBE_H
#define GATEWAY_APP_DESCRIBE_H

#define DESCRIBE_NAMES "config metrics errors limits routes scopes roles"

/* Exit code. */
int describe(const char *what);
#endif
