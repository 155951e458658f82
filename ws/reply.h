/* ws/reply.h - the answers to client messages, as Kraken v2 shapes them.
 * Why: clients re-subscribe with what an ack echoes; one place prints it.
 * Owner: any thread (pure).
 * Invariant: one complete JSON object per call; all text from clients is escaped. */
#ifndef WS_REPLY_H
#define WS_REPLY_H
#include "gateway/base/buf.h"
#include "ws/request.h"

struct reply_times {
    int64_t in_ns; /* wall clock */
    int64_t out_ns;
};

/* Outcome of gw.resume. */
struct reply_resume {
    const char *why; /* "" when resumed */
    uint64_t from;
    uint64_t to;
    uint32_t frames;
    bool missing; /* trades FROM + 1 .. TO are not to be had here */
};

struct reply_ack {
    const char *symbol;     /* NULL: the channel has none */
    const char *warning;    /* NULL: none */
    const char *epoch;      /* "" or NULL: not known yet */
    const char *session;    /* name of this connection, for a later resume */
    const char *last_close; /* JSON object: why the connection named in gw.resume ended; NULL */
    uint32_t effective_ms;  /* conflation interval in force */
    const struct reply_resume *resume; /* NULL: not asked for */
};

/* Subscribed or unsubscribed (R's method). */
void reply_ack(struct buf *out, const struct ws_request *r, const struct reply_ack *ack,
               const struct reply_times *t);
/* SYMBOL: the one that was refused, NULL when the whole request was. */
void reply_error(struct buf *out, const struct ws_request *r, const char *error, const char *symbol,
                 const struct reply_times *t);
void reply_pong(struct buf *out, const struct ws_request *r, const struct reply_times *t);
#endif
