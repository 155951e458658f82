/* gateway/feed/source.h - where feed entries come from, and where what must survive a restart is
 * kept.
 * Why: the market does not know Redis. A source restores each symbol, then delivers its entries in
 * order, exactly as they were written, across reconnects. Later sources (Kafka, a Kraken v2 client)
 * stand behind the same sink.
 * Owner: the market loop; every call and every callback on that thread.
 * Invariant: per symbol: on_checkpoint?, on_candle*, on_entry* (the restored window), on_live,
 * on_entry*; entry ids only grow; after a reconnect reading goes on right after the last delivered
 * id. */
#ifndef GATEWAY_FEED_SOURCE_H
#define GATEWAY_FEED_SOURCE_H
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/err.h"

#define FEED_ID_MAX 44 /* "18446744073709551615-18446744073709551615" and NUL */

struct feed_sink {
    /* A stored checkpoint. The sink copies into ID the entry id it covers ("" if it refuses the
     * text). */
    void (*on_checkpoint)(void *arg, uint32_t symbol, const char *json, size_t len,
                          char id[FEED_ID_MAX]);
    /* A stored closed candle; INTERVAL as given to source_save_candle(). */
    void (*on_candle)(void *arg, uint32_t symbol, uint32_t interval, int64_t begin_s,
                      const char *json, size_t len);
    /* One entry, borrowed for the call. */
    void (*on_entry)(void *arg, uint32_t symbol, const char *id, const char *json, size_t len);
    /* The restored window has been delivered; what follows is live. HAS_SNAPSHOT: the window held
     * one. */
    void (*on_live)(void *arg, uint32_t symbol, bool has_snapshot);
    /* Connected: every reader answers. SINCE_NS: monotonic time of the change. */
    void (*on_connected)(void *arg, bool connected, int64_t since_ns);
    /* SYMBOL cannot be read, WHY; the others are. WHY NULL: it can again. Told when it changes. */
    void (*on_refused)(void *arg, uint32_t symbol, const char *why);
    /* A read turn is over: everything that had arrived has been delivered. */
    void (*on_turn)(void *arg);
};

struct source_options {
    const char *endpoint;       /* "unix:/path" or "host:port" */
    const char *const *symbols; /* names, index = the symbol numbers of the sink; borrowed */
    uint32_t symbol_count;
    const uint32_t *intervals; /* minutes of the candle intervals; index is not used on the wire */
    uint32_t interval_count;
    uint32_t window_entries; /* restore at least so many entries where the stream has them */
    uint32_t command_timeout_ms;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
};

struct source;
struct source *source_create(uv_loop_t *loop, const struct source_options *opt,
                             const struct feed_sink *sink, void *arg);
/* Closes connections without callbacks to the sink, calls DONE when the last handle is closed. */
void source_close(struct source *s, void (*done)(void *arg), void *arg);
void source_destroy(struct source **sp);

/* Asks the core for a snapshot (md:control). Best effort; the caller repeats while it needs one. */
void source_request_snapshot(struct source *s, uint32_t symbol, const char *why);
/* Writes are best effort and idempotent; lost ones are written again by the next checkpoint. */
void source_save_checkpoint(struct source *s, uint32_t symbol, const char *json, size_t len);
/* Also removes the candle that began at EXPIRE_S (0: none). INTERVAL in minutes. */
void source_save_candle(struct source *s, uint32_t symbol, uint32_t interval, int64_t begin_s,
                        const char *json, size_t len, int64_t expire_s);
/* One entry of a page; borrowed for the callback. JSON is NULL when it has no readable field. */
struct source_entry {
    const char *id;
    const char *json;
    size_t len;
};
/* ENTRIES newest first; COUNT 0: there is nothing before. OK false: Redis did not answer. */
typedef void source_page_fn(void *arg, bool ok, const struct source_entry *entries, size_t count);
/* A page of past entries of SYMBOL before entry id BEFORE ("" : from the newest on). CB comes once,
 * also when the source closes. False, and no callback: not connected. */
bool source_read_page(struct source *s, uint32_t symbol, const char *before, source_page_fn *cb,
                      void *arg);
/* Entries not yet read, as last counted; counts anew where reads come back full. Once a second or
 * so. */
uint64_t source_remaining(struct source *s);
/* Commands not yet answered: the owner holds back checkpoints while it is large. */
uint32_t source_pending(const struct source *s);
#endif
