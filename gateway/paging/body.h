/* gateway/paging/body.h - a page as receivers read it: Alertmanager's webhook, PagerDuty's events, or
 * plain JSON; and the signature over it. Pure.
 * Owner: the caller.
 * Invariant: pages of one incident have one key in every format, so that a receiver folds repetitions. */
#ifndef GATEWAY_PAGING_BODY_H
#define GATEWAY_PAGING_BODY_H
#include "gateway/base/buf.h"
#include "gateway/paging/paging.h"

#define BODY_FORMATS(X)                                                                            \
    X(ALERTMANAGER, "alertmanager") X(PAGERDUTY, "pagerduty") X(GENERIC, "generic")
#define BODY_FORMAT_AS_ENUM(sym, word) BODY_##sym,
enum body_format { BODY_FORMATS(BODY_FORMAT_AS_ENUM) BODY_FORMAT_COUNT };
extern const char *const body_format_words[BODY_FORMAT_COUNT];

struct body_options {
    enum body_format format;
    const char *source;      /* this gateway */
    const char *routing_key; /* PAGERDUTY */
};
struct body_page {
    const struct page *page;
    const char *uid;
    int64_t since_ns; /* wall: first page of the incident */
};
bool body_format_parse(const char *word, enum body_format *out);
void body_print(const struct body_options *opt, const struct body_page *b, struct buf *out);
/* "portcullis-signature: t=SECONDS,v1=HEX": HMAC-SHA256 of "SECONDS.BODY". */
void body_sign(const char *secret, size_t secret_len, int64_t at_s, const struct buf *body,
               struct buf *out);
#endif
