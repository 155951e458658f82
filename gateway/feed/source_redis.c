/* gateway/feed/source_redis.c - the Redis Streams source: reading live, writing what is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/feed/source_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define READ_BLOCK_MS  "500"
#define READ_MARGIN_MS 1500u
#define READ_ENTRIES   4096u /* of one XREAD, over all its streams, about */

/* --- state -------------------------------------------------------------------------------------
 */

static void check_connected(struct source *s)
{
    bool up = redis_up(s->commands);

    for (uint32_t i = 0; i < s->reader_count; i++) {
        up = up && redis_up(s->readers[i].redis);
    }
    if (up != s->connected) {
        s->connected = up;
        s->sink->on_connected(s->arg, up, clock_mono_ns());
    }
}

static void on_commands_state(void *arg, bool up)
{
    struct source *s = arg;

    check_connected(s);
    if (up) {
        source_restore_some(s);
    }
}

static void on_reader_state(void *arg, bool up)
{
    struct reader *r = arg;

    check_connected(r->source);
    if (up) {
        source_read_more(r);
    }
}

void source_symbol_restored(struct source *s, uint32_t symbol)
{
    s->symbols[symbol].restored = true;
    s->restored++;
    source_read_more(&s->readers[symbol / SOURCE_GROUP]);
}

/* --- reading -----------------------------------------------------------------------------------
 */

bool source_entry(const struct redis_reply *entry, const char **id, const char **json, size_t *len)
{
    const struct redis_reply *fields;
    size_t id_len;
    size_t name_len;

    *json = NULL;
    *len = 0;
    if (redis_count(entry) != 2 || redis_kind(redis_item(entry, 0)) != REDIS_STRING) {
        return false;
    }
    *id = redis_text(redis_item(entry, 0), &id_len);
    if (id_len >= FEED_ID_MAX) {
        return false;
    }
    fields = redis_item(entry, 1);
    if (redis_count(fields) == 2 && redis_kind(redis_item(fields, 0)) == REDIS_STRING &&
        redis_kind(redis_item(fields, 1)) == REDIS_STRING &&
        strcmp(redis_text(redis_item(fields, 0), &name_len), "e") == 0) {
        *json = redis_text(redis_item(fields, 1), len);
    }
    return true;
}

void source_deliver(struct source *s, uint32_t symbol, const char *id, const char *json, size_t len)
{
    memcpy(s->symbols[symbol].last_id, id, strlen(id) + 1);
    s->sink->on_entry(s->arg, symbol, id, json, len);
}

/* One stream of an XREAD reply: [key, entries]. HINT is where its symbol is looked for first. */
static void deliver_stream(struct reader *r, const struct redis_reply *stream, uint32_t *hint)
{
    struct source *s = r->source;
    const struct redis_reply *entries;
    const char *key;
    size_t len;

    if (redis_count(stream) != 2 || redis_kind(redis_item(stream, 0)) != REDIS_STRING) {
        return;
    }
    key = redis_text(redis_item(stream, 0), &len);
    while (*hint < r->count && strcmp(s->symbols[r->first + *hint].key, key) != 0) {
        (*hint)++; /* streams come in the order they were asked for */
    }
    if (*hint == r->count) {
        return;
    }
    entries = redis_item(stream, 1);
    source_note_read(s, r->first + *hint, redis_count(entries) >= r->asked);
    for (size_t i = 0; i < redis_count(entries); i++) {
        const char *id;
        const char *json;

        if (source_entry(redis_item(entries, i), &id, &json, &len)) {
            source_deliver(s, r->first + *hint, id, json, len);
        }
    }
}

static void tell_refused(struct reader *r, const struct redis_reply *reply)
{
    size_t len;

    if (!r->told) {
        log_warn(
            "feed", "read_refused",
            "\"error\":%s,\"next\":\"a key that is no stream is named by stream_refused; if none "
            "is, look after Redis: it is tried again every second\"",
            log_json(redis_text(reply, &len)));
    }
    r->told = true;
}

static void on_read(void *arg, const struct redis_reply *reply)
{
    struct reader *r = arg;
    uint32_t hint = 0;

    r->reading = false;
    if (reply == NULL || r->source->closing) {
        return;
    }
    if (redis_kind(reply) == REDIS_FAULT) {
        tell_refused(r, reply);
        source_read_refused(r);
        return;
    }
    r->told = false;
    for (size_t i = 0; i < redis_count(reply); i++) {
        deliver_stream(r, redis_item(reply, i), &hint);
    }
    r->source->sink->on_turn(r->source->arg);
    source_read_more(r);
}

static bool all_restored(const struct reader *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (!r->source->symbols[r->first + i].restored) {
            return false;
        }
    }
    return true;
}

void source_read_more(struct reader *r)
{
    const struct source_symbol *const symbols = &r->source->symbols[r->first];
    const char *argv[6 + 2 * SOURCE_GROUP];
    char count[16];
    int argc = 0;
    int before;

    if (r->reading || !redis_up(r->redis) || !all_restored(r)) {
        return;
    }
    r->asked = READ_ENTRIES / r->count < 8 ? 8 : READ_ENTRIES / r->count;
    (void)snprintf(count, sizeof count, "%u", r->asked);
    argv[argc++] = "XREAD";
    argv[argc++] = "COUNT";
    argv[argc++] = count;
    argv[argc++] = "BLOCK";
    argv[argc++] = READ_BLOCK_MS;
    argv[argc++] = "STREAMS";
    before = argc;
    for (uint32_t i = 0; i < r->count; i++) {
        if (!symbols[i].refused) {
            argv[argc++] = symbols[i].key;
        }
    }
    if (argc == before) {
        return; /* none is a stream */
    }
    for (uint32_t i = 0; i < r->count; i++) {
        if (!symbols[i].refused) {
            argv[argc++] = symbols[i].last_id;
        }
    }
    r->reading = redis_command(r->redis, argc, argv, NULL, READ_MARGIN_MS, on_read, r);
}

/* --- writing -----------------------------------------------------------------------------------
 */

void source_request_snapshot(struct source *s, uint32_t symbol, const char *why)
{
    const char *argv[] = {"XADD", "md:control", "MAXLEN",     "~",      "1000",
                          "*",    "cmd",        "resnapshot", "symbol", s->opt.symbols[symbol],
                          "why",  why};

    (void)redis_command(s->commands, (int)GW_LEN(argv), argv, NULL, 0, NULL, NULL);
}

void source_save_checkpoint(struct source *s, uint32_t symbol, const char *json, size_t len)
{
    char key[SOURCE_KEY_MAX + 16];
    const char *argv[] = {"SET", key, json};
    size_t lens[] = {3, 0, len};

    lens[1] = (size_t)snprintf(key, sizeof key, "md:checkpoint:{%s}", s->opt.symbols[symbol]);
    (void)redis_command(s->commands, (int)GW_LEN(argv), argv, lens, 0, NULL, NULL);
}

void source_save_candle(struct source *s, uint32_t symbol, uint32_t interval, int64_t begin_s,
                        const char *json, size_t len, int64_t expire_s)
{
    char key[SOURCE_KEY_MAX + 16];
    char begin[24];
    char expired[24];
    const char *set[] = {"HSET", key, begin, json};
    const char *del[] = {"HDEL", key, expired};
    size_t lens[] = {4, 0, 0, len};

    lens[1] =
        (size_t)snprintf(key, sizeof key, "md:candles:{%s}:%u", s->opt.symbols[symbol], interval);
    lens[2] = (size_t)snprintf(begin, sizeof begin, "%lld", (long long)begin_s);
    (void)snprintf(expired, sizeof expired, "%lld", (long long)expire_s);
    (void)redis_command(s->commands, (int)GW_LEN(set), set, lens, 0, NULL, NULL);
    if (expire_s > 0) {
        (void)redis_command(s->commands, (int)GW_LEN(del), del, NULL, 0, NULL, NULL);
    }
}

uint32_t source_pending(const struct source *s)
{
    return redis_pending(s->commands);
}

/* --- life --------------------------------------------------------------------------------------
 */

struct source *source_create(uv_loop_t *loop, const struct source_options *opt,
                             const struct feed_sink *sink, void *arg)
{
    struct source *s = gw_calloc(1, sizeof *s);
    struct redis_options redis = {
        .endpoint = opt->endpoint,
        .name = "feed-commands",
        .circuit = CIRCUIT_FEED,
        .timeout_ms = opt->command_timeout_ms,
        .backoff_min_ms = opt->backoff_min_ms,
        .backoff_max_ms = opt->backoff_max_ms,
    };

    s->loop = loop;
    s->opt = *opt;
    s->sink = sink;
    s->arg = arg;
    s->metrics = metrics_create(&redis_metrics);
    redis.metrics = s->metrics;
    s->symbols = gw_calloc(opt->symbol_count, sizeof *s->symbols);
    s->restore_busy = gw_calloc(opt->symbol_count, sizeof *s->restore_busy);
    for (uint32_t i = 0; i < opt->symbol_count; i++) {
        (void)snprintf(s->symbols[i].key, sizeof s->symbols[i].key, "md:{%s}", opt->symbols[i]);
        memcpy(s->symbols[i].last_id, "0-0", 4);
    }
    s->commands = redis_create(loop, &redis, on_commands_state, s);
    s->reader_count = (opt->symbol_count + SOURCE_GROUP - 1) / SOURCE_GROUP;
    s->readers = gw_calloc(s->reader_count, sizeof *s->readers);
    redis.name = "feed-reader";
    for (uint32_t i = 0; i < s->reader_count; i++) {
        struct reader *r = &s->readers[i];

        r->source = s;
        r->first = i * SOURCE_GROUP;
        r->count = opt->symbol_count - r->first < SOURCE_GROUP ? opt->symbol_count - r->first
                                                               : SOURCE_GROUP;
        r->redis = redis_create(loop, &redis, on_reader_state, r);
    }
    source_look_start(s);
    return s;
}

static void on_part_closed(void *arg)
{
    struct source *s = arg;

    if (--s->to_close == 0) {
        s->on_closed(s->on_closed_arg);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void source_close(struct source *s, void (*done)(void *arg), void *arg)
{
    s->closing = true;
    s->on_closed = done;
    s->on_closed_arg = arg;
    s->to_close = s->reader_count + 2;
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
    redis_close(s->commands, on_part_closed, s);
    for (uint32_t i = 0; i < s->reader_count; i++) {
        redis_close(s->readers[i].redis, on_part_closed, s);
    }
}

void source_destroy(struct source **sp)
{
    struct source *s = *sp;

    *sp = NULL;
    redis_destroy(&s->commands);
    for (uint32_t i = 0; i < s->reader_count; i++) {
        redis_destroy(&s->readers[i].redis);
    }
    free(s->readers);
    free(s->restore_busy);
    free(s->symbols);
    free(s);
}
