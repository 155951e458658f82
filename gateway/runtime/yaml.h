/* gateway/runtime/yaml.h - glue to libyaml: a YAML file as a tree whose nodes know their line.
 * Why: configuration errors are all reported at once, each with its line. (libcyaml stops at the
 * first error, so its schema loader cannot do that; it sits on the same libyaml.)
 * Owner: any thread; a document belongs to one.
 * Invariant: no aliases, one document a file, file at most YAML_MAX_BYTES. */
#ifndef GATEWAY_RUNTIME_YAML_H
#define GATEWAY_RUNTIME_YAML_H
#include <stdbool.h>
#include <stddef.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

#define YAML_MAX_BYTES (16u << 20)

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };
struct yaml_doc;
struct yaml_node; /* borrowed from its document */

/* GW_ECONFIG with a line in ERRORS ("path:line: what") when it cannot be read or parsed.
 * An empty file gives *ROOT == NULL. */
GW_MUSTCHECK
enum gw_err yaml_open(const char *path, struct yaml_doc **out, const struct yaml_node **root,
                      struct buf *errors);
void yaml_close(struct yaml_doc **docp);

enum yaml_kind yaml_kind(const struct yaml_node *n);
unsigned yaml_line(const struct yaml_node *n);    /* from 1 */
const char *yaml_text(const struct yaml_node *n); /* scalar, NUL-terminated */
size_t yaml_count(const struct yaml_node *n);     /* children of a list, pairs of a map */
const struct yaml_node *yaml_item(const struct yaml_node *list, size_t i);
const struct yaml_node *yaml_key(const struct yaml_node *map, size_t i);
const struct yaml_node *yaml_value(const struct yaml_node *map, size_t i);
/* NULL when absent. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
#endif
