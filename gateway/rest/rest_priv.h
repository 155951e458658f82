/* gateway/rest/rest_priv.h - what the handlers of gateway/rest share. */
#ifndef GATEWAY_REST_REST_PRIV_H
#define GATEWAY_REST_REST_PRIV_H
#include "gateway/publish/query.h"
#include "gateway/rest/rest.h"
#include "ratelimit/public_limit.h"

#define REST_IN_FLIGHT_MAX 256u
#define REST_DEADLINE_NS   (2 * (int64_t)1000000000)

/* One question under way. */
struct rest_call {
    struct rest *rest;
    struct rest_call *prev;
    struct rest_call *next;
    uint64_t id;
    struct http_req *req; /* NULL: the client has gone */
    int64_t deadline_ns;
    void (*done)(struct rest_call *c, struct query *q); /* Q NULL: no answer in time */
    rest_pulse_fn *pulse;                               /* not a request: who hears of it */
    void *pulse_arg;
};

struct rest {
    struct rest_options opt;
    uv_timer_t timer;
    struct rest_call *calls;
    uint32_t call_count;
    uint64_t next_id;
    struct public_limit *public_limit;
    struct gate_view *gate;
    char *control;        /* `"a":1,"b":2` */
    bool control_awaited; /* what is halted is not known yet: not ready */
    bool closed;          /* nobody is left to ask: the market thread is going */
};

/* Takes Q; DONE answers the request. */
void rest_ask(struct rest *r, struct http_req *req, struct query **q,
              void (*done)(struct rest_call *c, struct query *q));
struct query *rest_query(enum query_kind kind);

/* How errors are told: problem+json, or Kraken's 200 with a list of errors. */
enum rest_form { REST_PLAIN, REST_KRAKEN };
/* May the address of REQ have COST units of limits.public_*? False: it has been answered. */
bool rest_admit(struct rest *r, struct http_req *req, enum rest_form form, uint32_t cost);

/* rest_kraken.c */
void kraken_limited(struct http_req *req);
http_handler_fn kraken_time, kraken_system_status, kraken_assets, kraken_asset_pairs, kraken_ticker,
    kraken_depth, kraken_ohlc, kraken_trades;
/* rest_md.c */
http_handler_fn md_book, md_trades, md_candles, md_status, md_limits, rest_root;
/* rest_ops.c */
http_handler_fn ops_live, ops_ready, ops_metrics;

/* A whole number in [min, max] from query parameter NAME; absent: FALLBACK. False: not
 * acceptable. */
bool rest_number(struct http_req *req, const char *name, uint64_t min, uint64_t max,
                 uint64_t fallback, uint64_t *out);
#endif
