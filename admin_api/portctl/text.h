/* admin_api/portctl/text.h - small words: complaints, durations, times, parts of a path.
 * Owner: none; what goes into a buffer belongs to the caller. */
#ifndef ADMIN_API_PORTCTL_TEXT_H
#define ADMIN_API_PORTCTL_TEXT_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/buf.h"

/* "portctl: ..." and a line end on stderr. */
void say(const char *fmt, ...) GW_PRINTF(1, 2);
/* "  next: ...": what to do now. */
void say_next(const char *fmt, ...) GW_PRINTF(1, 2);
void say_not_utf8(void);

/* "90", "90s", "15m", "24h", "7d"; at most ten years. */
GW_MUSTCHECK
bool duration_parse(const char *text, uint64_t *seconds);
/* A whole number from LOW to HIGH. */
GW_MUSTCHECK
bool number_parse(const char *text, uint64_t low, uint64_t high, uint64_t *out);
/* RFC 3339 as people read it: "2026-11-20 23:51:47Z"; anything else as it is. */
void put_time(struct buf *out, const char *rfc3339);
/* A segment of a path or a value of a query: all but the unreserved characters percent-encoded. */
void put_segment(struct buf *out, const char *text);
#endif
