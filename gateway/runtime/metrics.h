/* gateway/runtime/metrics.h - metrics declared in tables, kept per thread, summed by the reader.
 * Why: a row of a table is the metric, its docs line and its /metrics text (Prometheus format
 * 0.0.4). Each thread counts in a set of its own (relaxed atomics, no sharing of cache lines); a
 * scrape sums.
 * Owner: a set is written by the one thread that created it; metrics_render() may run on any
 * thread.
 * Invariant: names follow Prometheus rules: counters end in _total, units are in the name.
 *
 *   #define WS_METRICS(X) / * id, name, type, label, help * / \
 *       X(WS_M_CLIENTS, "ws_clients", GAUGE, NULL, "open WebSocket sessions") \ X(WS_M_SENT,
 * "ws_sent_messages_total", COUNTER, "channel", "messages written to clients") enum ws_metric {
 * WS_METRICS(METRIC_AS_ENUM) WS_M_COUNT }; const struct metric_row rows[] = {
 * WS_METRICS(METRIC_AS_ROW) }; A labelled metric has one value per entry of its label's value list
 * (struct metric_label). */
#ifndef GATEWAY_RUNTIME_METRICS_H
#define GATEWAY_RUNTIME_METRICS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_HISTOGRAM_LONG };

struct metric_label {
    const char *name;          /* "channel" */
    const char *const *values; /* "book", "trade", ... */
    size_t count;
};
struct metric_row {
    const char *name;
    enum metric_type type;
    const struct metric_label *label; /* NULL: one value */
    const char *help;
};
struct metric_table {
    const char *module; /* heading in docs */
    const struct metric_row *rows;
    size_t count;
};
#define METRIC_AS_ENUM(id, name, type, label, help) id,
#define METRIC_AS_ROW(id, name, type, label, help)  {name, METRIC_##type, label, help},

/* A histogram is of seconds; buckets of 1, 2.5, 5 per decade from 10 us to 10 s; observed in ns.
 * A long one is of what people do: 30 s to a day. */

struct metric_set;

/* Creates this thread's set of TABLE and registers it for the reader. Never destroyed before exit:
 * a scrape may hold it; metrics_fini() frees all. */
struct metric_set *metrics_create(const struct metric_table *table);
void metrics_fini(void);

/* LABEL_INDEX is 0 for unlabelled metrics. */
void metrics_add(struct metric_set *s, unsigned id, unsigned label_index, uint64_t delta);
static inline void metrics_inc(struct metric_set *s, unsigned id)
{
    metrics_add(s, id, 0, 1);
}
/* Gauges; summed over threads like everything else. */
void metrics_set(struct metric_set *s, unsigned id, unsigned label_index, int64_t value);
void metrics_observe_ns(struct metric_set *s, unsigned id, unsigned label_index, int64_t ns);
uint64_t metrics_get(const struct metric_set *s, unsigned id, unsigned label_index);

/* The sum over all threads of the counter or gauge NAME, of LABEL ("": it has none; NULL: of all).
 * False: there is no such value (yet), and OUT is as it was. Any thread. */
bool metrics_sum(const char *name, const char *label, uint64_t *out);

/* Prometheus text of all registered sets plus process_* (cpu seconds, resident bytes, open fds,
 * start time) and log_dropped_total. */
void metrics_render(struct buf *out);
/* Text of series that are known only at run time, put behind the tables. FN runs on the thread that
 * renders; NULL ends it. One at a time. */
void metrics_set_source(void (*fn)(void *arg, struct buf *out), void *arg);
/* Markdown, one section a table. */
void metrics_describe(const struct metric_table *const *tables, size_t count, struct buf *out);
#endif
