#include "ws/reply.h"

static const char *const method_names[] = {
    [WS_SUBSCRIBE] = "subscribe", [WS_UNSUBSCRIBE] = "unsubscribe", [WS_PING] = "ping"};

static void put_tail(struct buf *out, const struct reply_times *t)
{
    buf_lit(out, ",\"time_in\":\"");
    buf_rfc3339(out, t->in_ns, 6);
    buf_lit(out, "\",\"time_out\":\"");
    buf_rfc3339(out, t->out_ns, 6);
    buf_lit(out, "\"}");
}

static void put_req_id(struct buf *out, const struct ws_request *r)
{
    if (r->has_req_id) {
        buf_lit(out, ",\"req_id\":");
        buf_i64(out, r->req_id);
    }
}

static void put_str(struct buf *out, const char *name, const char *text)
{
    buf_puts(out, name);
    buf_json_str(out, text, strlen(text));
}

static void put_options(struct buf *out, const struct ws_request *r)
{
    switch (r->channel) {
    case WS_CH_BOOK:
        buf_printf(out, ",\"depth\":%u", r->depth);
        break;
    case WS_CH_OHLC:
        buf_printf(out, ",\"interval\":%u", r->interval);
        break;
    case WS_CH_TICKER:
        buf_printf(out, ",\"event_trigger\":\"%s\"", r->bbo ? "bbo" : "trades");
        break;
    default:
        break;
    }
}

static void put_resume(struct buf *out, const struct ws_request *r, const struct reply_ack *ack)
{
    const struct reply_resume *resume = ack->resume;

    if (resume->why[0] != '\0') {
        buf_printf(out, ",\"resumed\":false,\"why\":\"%s\"", resume->why);
    } else {
        buf_lit(out, ",\"resumed\":true");
    }
    if (resume->why[0] == '\0' && r->channel != WS_CH_OHLC) {
        buf_printf(out, ",\"from\":%llu,\"to\":%llu", (unsigned long long)resume->from,
                   (unsigned long long)resume->to);
    }
    if (resume->why[0] == '\0') {
        buf_printf(out, ",\"frames\":%u", resume->frames);
    }
    if (resume->missing) {
        buf_printf(out, ",\"missing\":{\"from\":%llu,\"to\":%llu},\"backfill\":\"/v1/md/",
                   (unsigned long long)resume->from + 1, (unsigned long long)resume->to);
        for (const char *c = ack->symbol; *c != '\0'; c++) { /* [A-Za-z0-9.-/] */
            if (*c == '/') {
                buf_lit(out, "%2F");
            } else {
                buf_putc(out, *c);
            }
        }
        buf_printf(out, "/trades?after_id=%llu\"", (unsigned long long)resume->from);
    }
}

static void put_gw(struct buf *out, const struct ws_request *r, const struct reply_ack *ack)
{
    buf_printf(out, ",\"gw\":{\"interval_ms\":%u,\"on_lag\":\"%s\"", r->interval_ms,
               ws_on_lag_names[r->on_lag]);
    if (ack->effective_ms > r->interval_ms) {
        buf_printf(out, ",\"effective_ms\":%u", ack->effective_ms);
    }
    if (ack->epoch != NULL && ack->epoch[0] != '\0') {
        put_str(out, ",\"e\":", ack->epoch);
    }
    buf_printf(out, ",\"session\":\"%s\"", ack->session);
    if (ack->resume != NULL) {
        put_resume(out, r, ack);
    }
    if (ack->last_close != NULL) {
        buf_lit(out, ",\"last_close\":");
        buf_puts(out, ack->last_close);
    }
    buf_putc(out, '}');
}

void reply_ack(struct buf *out, const struct ws_request *r, const struct reply_ack *ack,
               const struct reply_times *t)
{
    bool subscribed = r->method == WS_SUBSCRIBE;
    bool resumed = ack->resume != NULL && ack->resume->why[0] == '\0';

    buf_printf(out, "{\"method\":\"%s\"", method_names[r->method]);
    put_req_id(out, r);
    buf_printf(out, ",\"success\":true,\"result\":{\"channel\":\"%s\"",
               ws_channel_names[r->channel]);
    if (ack->symbol != NULL) {
        put_str(out, ",\"symbol\":", ack->symbol);
    }
    put_options(out, r);
    if (subscribed && r->channel <= WS_CH_INSTRUMENT) {
        buf_puts(out, r->snapshot && !resumed ? ",\"snapshot\":true" : ",\"snapshot\":false");
    }
    if (ack->warning != NULL) {
        put_str(out, ",\"warnings\":[", ack->warning);
        buf_putc(out, ']');
    }
    if (subscribed) {
        put_gw(out, r, ack);
    }
    buf_putc(out, '}');
    put_tail(out, t);
}

void reply_error(struct buf *out, const struct ws_request *r, const char *error, const char *symbol,
                 const struct reply_times *t)
{
    buf_putc(out, '{');
    if (r->method != WS_UNKNOWN) {
        buf_printf(out, "\"method\":\"%s\",", method_names[r->method]);
    }
    if (r->has_req_id) {
        buf_lit(out, "\"req_id\":");
        buf_i64(out, r->req_id);
        buf_putc(out, ',');
    }
    put_str(out, "\"error\":", error);
    buf_lit(out, ",\"success\":false");
    if (symbol != NULL) {
        put_str(out, ",\"symbol\":", symbol);
    }
    put_tail(out, t);
}

void reply_pong(struct buf *out, const struct ws_request *r, const struct reply_times *t)
{
    buf_lit(out, "{\"method\":\"pong\"");
    put_req_id(out, r);
    put_tail(out, t);
}
