/* gateway/rest/rest_ops.c - what supervisors and scrapers ask: /livez, /readyz, /metrics. */
#include "gateway/rest/rest_priv.h"
#include "gateway/runtime/metrics.h"

#define JSON "application/json"

void ops_live(struct http_req *req, void *arg)
{
    static const char text[] = "{\"status\":\"live\"}";

    (void)arg;
    http_reply(req, 200, JSON, text, sizeof text - 1);
}

static void on_ready(struct rest_call *c, struct query *q)
{
    bool draining = *c->rest->opt.draining;
    bool known = !c->rest->control_awaited;
    bool ready = q != NULL && q->err == GW_OK && !draining && known;
    struct buf body = {0};

    buf_printf(&body, "{\"status\":\"%s\",\"draining\":%s,\"control_known\":%s,",
               ready ? "ready" : "not ready", draining ? "true" : "false",
               known ? "true" : "false");
    if (q != NULL) {
        buf_append(&body, q->body.data, q->body.len);
    } else {
        buf_lit(&body, "\"causes\":[{\"code\":\"MARKET_STUCK\",\"detail\":\"the market thread does "
                       "not answer\"}]");
    }
    buf_putc(&body, '}');
    http_reply(c->req, ready ? 200 : 503, JSON, body.data, body.len);
    buf_fini(&body);
}

void ops_ready(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_READY);

    q->depth = http_query(req, "verbose") != NULL;
    rest_ask(arg, req, &q, on_ready);
}

static void on_metrics(struct rest_call *c, struct query *q)
{
    struct buf body = {0};

    metrics_render(&body);
    if (q != NULL) {
        buf_append(&body, q->body.data, q->body.len);
    }
    http_reply(c->req, 200, "text/plain; version=0.0.4; charset=utf-8", body.data, body.len);
    buf_fini(&body);
}

void ops_metrics(struct http_req *req, void *arg)
{
    struct query *q = rest_query(QUERY_METRICS);

    rest_ask(arg, req, &q, on_metrics);
}
