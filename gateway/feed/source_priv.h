/* gateway/feed/source_priv.h - what the parts of the Redis source share: reading, restoring, the
 * past. */
#ifndef GATEWAY_FEED_SOURCE_PRIV_H
#define GATEWAY_FEED_SOURCE_PRIV_H
#include "gateway/feed/source.h"
#include "gateway/store/redis.h"

#define SOURCE_GROUP    128u /* symbols one blocking XREAD follows */
#define SOURCE_RESTORES 64u  /* symbols restored at once */
#define SOURCE_KEY_MAX  96u

struct source_symbol {
    char key[SOURCE_KEY_MAX];  /* "md:{BTC/USD}" */
    char last_id[FEED_ID_MAX]; /* of the last entry delivered, "0-0" before the first */
    bool restored;
    bool refused;       /* its key is no stream: left out of the reads */
    bool behind;        /* the last read brought as many entries as it may: there are more */
    bool measuring;     /* their number is being asked for */
    uint64_t remaining; /* as last counted */
};

struct reader {
    struct source *source;
    struct redis *redis;
    uint32_t first; /* symbols first..first+count-1 */
    uint32_t count;
    uint32_t asked;       /* entries of one stream at most, in the XREAD */
    bool reading;         /* an XREAD is out */
    bool doubtful;        /* the last one was refused: which of its keys is it? */
    bool found;           /* one, by the types asked for now */
    bool told;            /* that it was refused, since it last was not */
    uint32_t types_asked; /* TYPEs that are out */
};

struct source {
    uv_loop_t *loop;
    struct source_options opt;
    const struct feed_sink *sink;
    void *arg;
    struct metric_set *metrics;
    uv_timer_t timer; /* looks after what was refused */
    struct redis *commands;
    struct reader *readers;
    uint32_t reader_count;
    struct source_symbol *symbols;
    uint32_t restore_next; /* next symbol to look at */
    bool *restore_busy;    /* by symbol */
    uint32_t restoring;    /* under way */
    uint32_t restored;
    bool connected;
    bool closing;
    uint32_t to_close;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* Starts as many restores as may run (source_restore.c). Called when commands are up and when one
 * ends. */
void source_restore_some(struct source *s);
/* A symbol has been restored: its reader may start. */
void source_symbol_restored(struct source *s, uint32_t symbol);
/* A read of SYMBOL was FULL, or brought everything there was (source_past.c). */
void source_note_read(struct source *s, uint32_t symbol, bool full);
/* Reads on, unless it does already or may not yet. */
void source_read_more(struct reader *r);
/* Redis has refused a read of R: finds the key because of which (source_refused.c). */
void source_read_refused(struct reader *r);
/* From now on what was refused is looked at every second. */
void source_look_start(struct source *s);
/* Delivers one entry as XREAD and XREVRANGE give it: [id, [field, value, ...]]. */
void source_deliver(struct source *s, uint32_t symbol, const char *id, const char *json,
                    size_t len);
/* Takes apart [id, [field, value]]: false when it has no readable id. *JSON is NULL unless there is
 * exactly one field `e`. */
bool source_entry(const struct redis_reply *entry, const char **id, const char **json, size_t *len);
#endif
