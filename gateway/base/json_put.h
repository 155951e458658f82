/* gateway/base/json_put.h - members of a JSON object that is being printed: "name":value.
 * Why: admin answers print dozens of texts and times that may be null; each member puts the comma
 * before itself, so that none needs to know who came first.
 * Owner: as the buffer. Not for hot frames, which print their constants themselves.
 * Invariant: OUT ends inside an object; names are ours and need no escapes. */
#ifndef GATEWAY_BASE_JSON_PUT_H
#define GATEWAY_BASE_JSON_PUT_H
#include "gateway/base/buf.h"

void json_put_name(struct buf *out, const char *name);
/* NULL is null. */
void json_put_text(struct buf *out, const char *name, const char *text);
/* Where an empty text means that there is none: it is null too. */
void json_put_given(struct buf *out, const char *name, const char *text);
/* RFC 3339 in UTC with microseconds; 0 is null. */
void json_put_time(struct buf *out, const char *name, int64_t unix_ns);
#endif
