/* ratelimit/headers.h - the fields RateLimit-Policy, RateLimit and Retry-After. Pure.
 *   RateLimit-Policy: "admin-write";q=30;w=60
 *   RateLimit: "admin-write";r=0;t=2
 * Why: names are quoted strings, which is right under every revision of the draft.
 * Owner: none.
 * Source: draft-ietf-httpapi-ratelimit-headers-10; RFC 9651 (syntax); RFC 9110 10.2.3. */
#ifndef RATELIMIT_HEADERS_H
#define RATELIMIT_HEADERS_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/buf.h"

struct http_req;

struct headers_row {
    const char *name;  /* [A-Za-z0-9_-] */
    uint64_t quota;    /* units at once */
    int64_t window_ns; /* in which as many come back */
    uint64_t remaining;
    int64_t reset_ns; /* until the quota is whole again; of a refused one, until the request fits */
};

/* Lists, appended to OUT without the name of the field. Seconds are rounded up. */
void headers_policy(struct buf *out, const struct headers_row *rows, unsigned count);
void headers_state(struct buf *out, const struct headers_row *rows, unsigned count);
/* False, and nothing printed, when it never fits (INT64_MAX). */
bool headers_retry_after(struct buf *out, int64_t retry_after_ns);

/* Sets a field of the answer to REQ: http_set_header(), which this folder must not know. */
typedef void headers_set_fn(struct http_req *req, const char *name, const char *value);
/* Policy and state of ROW. */
void headers_tell(headers_set_fn *set, struct http_req *req, const struct headers_row *row);
/* When to try again, if ever. */
void headers_tell_retry(headers_set_fn *set, struct http_req *req, int64_t retry_after_ns);
#endif
