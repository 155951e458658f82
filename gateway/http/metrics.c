#include "gateway/http/metrics.h"

static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
const struct metric_label http_class_label = {"class", classes, GW_LEN(classes)};
static const char *const reasons[] = {"head", "rate", "connections"};
const struct metric_label http_refused_label = {"reason", reasons, GW_LEN(reasons)};
#define END_AS_WORD(sym, word) word,
static const char *const ends[] = {HTTP_STREAM_ENDS(END_AS_WORD)};
const struct metric_label http_stream_label = {"why", ends, GW_LEN(ends)};
static const struct metric_row rows[] = {HTTP_METRICS(METRIC_AS_ROW)};
const struct metric_table http_metrics = {"http", rows, HTTP_M_COUNT};
