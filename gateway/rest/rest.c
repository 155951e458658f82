#include "gateway/rest/rest.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/base/fixed.h"
#include "gateway/rest/rest_priv.h"
#include "gateway/runtime/clock.h"

#define COST_FULL 5u /* a whole book, compared with any other call */

/* clang-format off */
/*    method, path, handler, how it tells an error */
#define REST_ROUTES(X) \
    X(HTTP_GET, "/",                       rest_root,            REST_PLAIN) \
    X(HTTP_GET, "/0/public/Time",          kraken_time,          REST_KRAKEN) \
    X(HTTP_GET, "/0/public/SystemStatus",  kraken_system_status, REST_KRAKEN) \
    X(HTTP_GET, "/0/public/Assets",        kraken_assets,        REST_KRAKEN) \
    X(HTTP_GET, "/0/public/AssetPairs",    kraken_asset_pairs,   REST_KRAKEN) \
    X(HTTP_GET, "/0/public/Ticker",        kraken_ticker,        REST_KRAKEN) \
    X(HTTP_GET, "/0/public/Depth",         kraken_depth,         REST_KRAKEN) \
    X(HTTP_GET, "/0/public/OHLC",          kraken_ohlc,          REST_KRAKEN) \
    X(HTTP_GET, "/0/public/Trades",        kraken_trades,        REST_KRAKEN) \
    X(HTTP_GET, "/v1/md/{symbol}/book",    md_book,              REST_PLAIN) \
    X(HTTP_GET, "/v1/md/{symbol}/trades",  md_trades,            REST_PLAIN) \
    X(HTTP_GET, "/v1/md/{symbol}/candles", md_candles,           REST_PLAIN) \
    X(HTTP_GET, "/v1/status",              md_status,            REST_PLAIN) \
    X(HTTP_GET, "/v1/limits",              md_limits,            REST_PLAIN)
/* clang-format on */

static uint32_t cost_of(const struct http_req *req)
{
    const char *depth = http_query(req, "depth");

    return depth != NULL && strcmp(depth, "full") == 0 ? COST_FULL : 1;
}

#define AS_LIMITED(method, path, handler, form)                                                    \
    static void limited_##handler(struct http_req *req, void *arg)                                 \
    {                                                                                              \
        if (rest_admit(arg, req, form, cost_of(req))) {                                            \
            handler(req, arg);                                                                     \
        }                                                                                          \
    }
REST_ROUTES(AS_LIMITED)
#define AS_ROUTE(method, path, handler, form) {method, path, limited_##handler},
const struct http_route rest_public_routes[] = {REST_ROUTES(AS_ROUTE)};
/* clang-format off */
const struct http_route rest_ops_routes[] = {
    {HTTP_GET, "/livez",   ops_live},
    {HTTP_GET, "/readyz",  ops_ready},
    {HTTP_GET, "/metrics", ops_metrics},
};
/* clang-format on */
const size_t rest_public_route_count = GW_LEN(rest_public_routes);
const size_t rest_ops_route_count = GW_LEN(rest_ops_routes);

static void finish(struct rest_call *c, struct query *q)
{
    struct rest *r = c->rest;

    DL_DELETE(r->calls, c);
    r->call_count--;
    if (c->pulse != NULL) {
        c->pulse(c->pulse_arg, q != NULL ? (const struct query_pulse *)(void *)q->body.data : NULL,
                 q != NULL ? (uint32_t)(q->body.len / sizeof(struct query_pulse)) : 0);
    } else if (c->req != NULL) {
        http_req_on_gone(c->req, NULL, NULL);
        c->done(c, q);
    }
    free(c);
}

static void on_gone(void *arg)
{
    struct rest_call *c = arg;

    c->req = NULL; /* the answer, when it comes, is dropped */
}

static void on_mail(void *arg, struct mail *mail)
{
    struct rest *r = arg;
    struct query *q = mail->payload;
    struct rest_call *c;

    GW_ASSERT(mail->kind == LINK_ANSWER);
    DL_FOREACH(r->calls, c)
    {
        if (c->id == q->id) {
            finish(c, q);
            break;
        }
    }
    query_destroy(&q);
}

static void on_timer(uv_timer_t *timer)
{
    struct rest *r = timer->data;
    int64_t now = clock_mono_ns();

    while (r->calls != NULL && now >= r->calls->deadline_ns) {
        finish(r->calls, NULL);
    }
}

struct query *rest_query(enum query_kind kind)
{
    struct query *q = gw_calloc(1, sizeof *q);

    q->kind = kind;
    return q;
}

void rest_ask(struct rest *r, struct http_req *req, struct query **qp,
              void (*done)(struct rest_call *c, struct query *q))
{
    struct mail mail = {.kind = LINK_QUERY, .payload = *qp};
    struct rest_call *c;

    if (r->closed) {
        query_destroy(qp);
        http_reply_problem(req, GW_EDRAIN, "the gateway is stopping; connect again");
        return;
    }
    (*qp)->id = ++r->next_id;
    if (r->call_count >= REST_IN_FLIGHT_MAX || !mailbox_post(r->opt.market, &mail)) {
        query_destroy(qp);
        http_reply_problem(req, GW_EFULL, "too many requests are under way; try again");
        return;
    }
    *qp = NULL;
    c = gw_calloc(1, sizeof *c);
    *c = (struct rest_call){.rest = r, .id = r->next_id, .req = req, .done = done};
    c->deadline_ns = clock_mono_ns() + REST_DEADLINE_NS;
    DL_APPEND(r->calls, c);
    r->call_count++;
    http_req_on_gone(req, on_gone, c);
    mailbox_wake(r->opt.market);
}

bool rest_pulse(struct rest *r, rest_pulse_fn *cb, void *arg)
{
    struct query *q = rest_query(QUERY_PULSE);
    struct mail mail = {.kind = LINK_QUERY, .payload = q};
    struct rest_call *c;

    q->id = ++r->next_id;
    if (r->closed || r->call_count >= REST_IN_FLIGHT_MAX || !mailbox_post(r->opt.market, &mail)) {
        query_destroy(&q);
        return false;
    }
    c = gw_calloc(1, sizeof *c);
    *c = (struct rest_call){.rest = r, .id = r->next_id, .pulse = cb, .pulse_arg = arg};
    c->deadline_ns = clock_mono_ns() + REST_DEADLINE_NS;
    DL_APPEND(r->calls, c);
    r->call_count++;
    mailbox_wake(r->opt.market);
    return true;
}

bool rest_number(struct http_req *req, const char *name, uint64_t min, uint64_t max,
                 uint64_t fallback, uint64_t *out)
{
    const char *text = http_query(req, name);

    if (text == NULL) {
        *out = fallback;
        return true;
    }
    return u64_parse(text, strlen(text), out) == GW_OK && *out >= min && *out <= max;
}

struct rest *rest_create(uv_loop_t *loop, const struct rest_options *opt)
{
    struct rest *r = gw_calloc(1, sizeof *r);

    r->gate = gate_view_create(opt->symbols);
    r->control = gw_strdup("");
    r->opt = *opt;
    r->public_limit = public_limit_create(opt->rates);
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, on_timer, 100, 100);
    mailbox_open(opt->inbox, loop, on_mail, NULL, r);
    return r;
}

void rest_configure(struct rest *r)
{
    public_limit_configure(r->public_limit, r->opt.rates);
}

void rest_close(struct rest *r)
{
    r->closed = true;
    while (r->calls != NULL) {
        finish(r->calls, NULL);
    }
    mailbox_close(r->opt.inbox);
    uv_close((uv_handle_t *)&r->timer, NULL);
}

void rest_gate(struct rest *r, struct gate_view **view, const char *control, bool known)
{
    r->control_awaited = !known;
    gate_view_destroy(&r->gate);
    free(r->control);
    r->gate = *view;
    *view = NULL;
    r->control = gw_strdup(control);
}

void rest_destroy(struct rest **rp)
{
    struct rest *r = *rp;
    struct mail mail;

    *rp = NULL;
    while (mailbox_take(r->opt.inbox, &mail)) {
        struct query *q = mail.payload;

        query_destroy(&q);
    }
    public_limit_destroy(&r->public_limit);
    gate_view_destroy(&r->gate);
    free(r->control);
    free(r);
}
