/* gateway/paging/courier.h - one HTTPS POST at a time and many at once, on the loop. The glue to
 * libcurl.
 * Why: libcurl's multi interface tells which sockets it waits for; libuv waits for them. Redirects are
 * not followed, proxies of the environment not asked, answers read up to a bound.
 * Owner: the loop it was created on.
 * Invariant: each accepted request's callback runs exactly once, never inside the call. */
#ifndef GATEWAY_PAGING_COURIER_H
#define GATEWAY_PAGING_COURIER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/buf.h"

#define COURIER_HEADERS_MAX 8u
#define COURIER_SAID_MAX    160u

/* Borrowed for the call. */
struct courier_request {
    const char *url;
    const char *body;
    size_t len;
    const char *headers[COURIER_HEADERS_MAX]; /* "name: value", then NULL */
};
struct courier_answer {
    unsigned status;             /* 0: none came, SAID says why */
    int64_t retry_after_s;       /* 0: not told */
    char said[COURIER_SAID_MAX]; /* first bytes of the answer, printable, or why there was none */
};
typedef void courier_fn(void *arg, const struct courier_answer *a);

struct courier;

struct courier_options {
    const char *ca_file; /* "": the system's; borrowed */
    uint32_t deadline_ms;
};

struct courier *courier_create(uv_loop_t *loop, const struct courier_options *opt);
void courier_post(struct courier *c, const struct courier_request *r, courier_fn *cb, void *arg);
/* No callback after this. DONE when the handles are closed. */
void courier_close(struct courier *c, void (*done)(void *arg), void *arg);
void courier_destroy(struct courier **cp);

/* An absolute URL without user and password: https, or http to this machine. */
bool courier_url(const char *url, char host[256], struct buf *why);
#endif
