/* gateway/rest/rest.h - the public REST (Kraken's shape and /v1/md) and the endpoints machines ask
 * (/livez, /readyz, /metrics).
 * Why: handlers check arguments and send a question to the market thread; the answer comes back by
 * mailbox.
 * An address asks as often as limits.public_* allows; what machines ask is not counted.
 * Owner: the control loop.
 * Invariant: each accepted request is answered once: by the market, by its 2 s deadline, or not at
 * all when the client has gone. */
#ifndef GATEWAY_REST_REST_H
#define GATEWAY_REST_REST_H
#include <uv.h>
#include "gateway/http/server.h"
#include "gateway/market/symbols.h"
#include "gateway/publish/gate_view.h"
#include "gateway/publish/query.h"
#include "gateway/runtime/mailbox.h"
#include "ratelimit/limits.h"

struct rest;

struct rest_options {
    const struct symbols *symbols;
    struct mailbox *market; /* questions go there */
    struct mailbox *inbox;  /* answers come back */
    const char *limits;     /* JSON object: what /v1/limits and /v1/status publish; borrowed */
    const struct limits_config *rates; /* borrowed */
    const bool *draining;              /* the daemon is stopping: not ready */
};

struct rest *rest_create(uv_loop_t *loop, const struct rest_options *opt);
/* Live keys have changed. */
void rest_configure(struct rest *r);
/* The loop must run once more before rest_destroy(). */
void rest_close(struct rest *r);
void rest_destroy(struct rest **rp);

/* What operators decided. Takes VIEW; CONTROL: members of the object /v1/status answers with, copied;
 * "" for none. Not KNOWN: what is halted has not been read yet, so /readyz says no. */
void rest_gate(struct rest *r, struct gate_view **view, const char *control, bool known);

/* Asks the market thread how its symbols do. CB comes once, unless false: PULSES of COUNT symbols by
 * number, borrowed; NULL: no answer in time. */
typedef void rest_pulse_fn(void *arg, const struct query_pulse *pulses, uint32_t count);
bool rest_pulse(struct rest *r, rest_pulse_fn *cb, void *arg);

/* Route tables of the two listeners; struct http_options.arg is the struct rest. */
extern const struct http_route rest_public_routes[];
extern const size_t rest_public_route_count;
extern const struct http_route rest_ops_routes[];
extern const size_t rest_ops_route_count;
#endif
