/* gateway/http/metrics.h - what the HTTPS listeners count. */
#ifndef GATEWAY_HTTP_METRICS_H
#define GATEWAY_HTTP_METRICS_H
#include "gateway/http/stream.h"
#include "gateway/runtime/metrics.h"

extern const struct metric_label http_class_label;
extern const struct metric_label http_refused_label;
extern const struct metric_label http_stream_label;

/* clang-format off */
#define HTTP_METRICS(X)                                                                                       \
    X(HTTP_M_REQUESTS,    "http_requests_total",           COUNTER,   &http_class_label,   "requests answered, by status class") \
    X(HTTP_M_SECONDS,     "http_request_duration_seconds", HISTOGRAM, NULL,                "from the parsed request to its answer") \
    X(HTTP_M_CONNECTIONS, "http_connections",              GAUGE,     NULL,                "open connections") \
    X(HTTP_M_REFUSED,     "http_refused_total",            COUNTER,   &http_refused_label, "requests and connections refused by a guard") \
    X(HTTP_M_STREAMS,     "http_streams",                  GAUGE,     NULL,                "open streamed answers") \
    X(HTTP_M_STREAM_ENDS, "http_stream_ends_total",        COUNTER,   &http_stream_label,  "streamed answers over, by why")
/* clang-format on */
enum http_metric { HTTP_METRICS(METRIC_AS_ENUM) HTTP_M_COUNT };

enum http_refused { HTTP_REFUSED_HEAD, HTTP_REFUSED_RATE, HTTP_REFUSED_CONNECTIONS };

extern const struct metric_table http_metrics;
#endif
