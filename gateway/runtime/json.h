/* gateway/runtime/json.h - the one way JSON from outside is parsed.
 * Why: duplicates refused, nesting bounded before jansson recurses, no trailing bytes; amounts are
 * strings and never pass through a double.
 * Owner: any thread; json_setup() once, before threads start.
 * Invariant: a parsed root is an object or an array. */
#ifndef GATEWAY_RUNTIME_JSON_H
#define GATEWAY_RUNTIME_JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

/* Seeds jansson's hash from the kernel. */
void json_setup(void);
/* NULL when TEXT is not strict JSON or nests deeper than MAX_DEPTH. The caller owns the root. */
json_t *json_parse_strict(const char *text, size_t len, unsigned max_depth);
/* A non-negative integer, or a decimal string of one. */
bool json_read_u64(const json_t *v, uint64_t *out);
#endif
