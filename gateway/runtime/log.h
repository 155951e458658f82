/* gateway/runtime/log.h - structured logs, one JSON object a line, to standard error.
 * {"ts":"2026-11-20T23:51:47.101000Z","level":"info","mod":"feed","event":"gap","symbol":"BTC/USD","lost":3}
 * Why: logs are read by machines first. A loop never waits for a slow pipe: lines go through a
 * bounded buffer to one writer thread; a line that does not fit is dropped and counted
 * (log_dropped()).
 * Owner: any thread may log.
 * Invariant: a line is written whole or not at all. */
#ifndef GATEWAY_RUNTIME_LOG_H
#define GATEWAY_RUNTIME_LOG_H
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_COUNT };

/* Starts the writer. Before it, and after log_stop(), lines are written at once. */
void log_start(enum log_level least);
/* Writes what is left, joins the writer. */
void log_stop(void);
uint64_t log_dropped(void);
/* "debug" | "info" | "warn" | "error"; false for anything else. */
bool log_level_parse(const char *text, enum log_level *out);

/* FIELDS is a printf format of JSON members without braces, e.g. "\"port\":%u", or "" for none.
 * Text from outside goes through LOG_STR: "\"symbol\":" LOG_STR_FMT with log_json(name). */
void log_write(enum log_level level, const char *mod, const char *event, const char *fields, ...)
    GW_PRINTF(4, 5);
#define log_debug(mod, event, ...) log_write(LOG_DEBUG, mod, event, __VA_ARGS__)
#define log_info(mod, event, ...)  log_write(LOG_INFO, mod, event, __VA_ARGS__)
#define log_warn(mod, event, ...)  log_write(LOG_WARN, mod, event, __VA_ARGS__)
#define log_error(mod, event, ...) log_write(LOG_ERROR, mod, event, __VA_ARGS__)

/* S as a JSON string with quotes, cut at 200 bytes, in a ring of eight thread-local buffers:
 * log_warn("feed", "malformed", "\"symbol\":%s", log_json(symbol)). */
const char *log_json(const char *s);
#endif
