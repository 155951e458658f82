/* gateway/base/utf8.h - is a text UTF-8, and how many characters has it.
 * Why: what people write (reasons, labels) goes into JSON and into a hash: it must be valid, and its
 * limits are in characters, not bytes.
 * Owner: none. */
#ifndef GATEWAY_BASE_UTF8_H
#define GATEWAY_BASE_UTF8_H
#include <stdbool.h>
#include <stddef.h>

/* False when S is not UTF-8 (RFC 3629: no overlong forms, no surrogates) or has control characters
 * (below U+0020, U+007F..U+009F). CHARS may be NULL. */
bool utf8_plain(const char *s, size_t len, size_t *chars);
#endif
