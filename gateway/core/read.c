/* gateway/core/read.c - the reading half of the link: `control:commands` (what other gateways ask)
 * and `control:acks` (what cores say), each gateway all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/core/core_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define READ_BLOCK_MS  "500"
#define READ_MARGIN_MS 2000u
#define READ_COUNT     "500"
#define RETRY_NS       INT64_C(1000000000)

static void read_on(struct core *c);
static void read_back(struct core *c);

/* --- entries -----------------------------------------------------------------------------------
 */

struct stream_id {
    uint64_t ms;
    uint64_t n;
};

static bool stream_id_parse(const char *text, struct stream_id *out)
{
    const char *dash = strchr(text, '-');

    return dash != NULL && u64_parse(text, (size_t)(dash - text), &out->ms) == GW_OK &&
           u64_parse(dash + 1, strlen(dash + 1), &out->n) == GW_OK;
}

/* Is A after B? */
static bool is_after(const char *a, const char *b)
{
    struct stream_id x;
    struct stream_id y;

    if (!stream_id_parse(a, &x) || !stream_id_parse(b, &y)) {
        return true;
    }
    return x.ms != y.ms ? x.ms > y.ms : x.n > y.n;
}

/* How long ago Redis took the entry ID; by wall clocks, so never below 0. */
static int64_t age_of(const char *id)
{
    struct stream_id at;
    int64_t ago;

    if (!stream_id_parse(id, &at) || at.ms > INT64_MAX / 1000000) {
        return 0;
    }
    ago = clock_real_ns() - (int64_t)at.ms * 1000000;
    return ago > 0 ? ago : 0;
}

static void note_malformed(struct core *c, const char *key, const char *id,
                           enum entry_verdict verdict)
{
    const struct entry_verdict_row *row = &entry_verdicts[verdict];

    metrics_add(c->opt.metrics, CORE_M_MALFORMED, (unsigned)verdict, 1);
    if ((c->malformed_logged & 1u << verdict) == 0) {
        c->malformed_logged |= 1u << verdict;
        log_warn("core", "malformed",
                 "\"key\":\"%s\",\"id\":%s,\"field\":\"%s\",\"must_be\":%s,\"next\":\"correct the "
                 "writer, "
                 "see docs/CORE.md; further ones are only counted\"",
                 key, log_json(id), row->field, log_json(row->must));
    }
}

static void take_command(struct core *c, const char *id, const char *json, size_t len)
{
    struct core_request r;
    enum entry_verdict verdict = core_request_parse(json, len, &r);

    if (verdict != ENTRY_OK) {
        note_malformed(c, c->streams[CORE_STREAM_COMMANDS].key, id, verdict);
    } else if (r.cancel) {
        (void)core_commands_cancel(c->commands, r.id, NULL, clock_real_ns());
        if (r.once.key[0] != '\0') {
            core_note_once(c, &r.once, r.id, r.answer);
        }
    } else if (core_commands_add(c->commands, &r, clock_mono_ns(), age_of(id))) {
        if (r.once.key[0] != '\0') {
            core_note_once(c, &r.once, r.id, NULL);
        }
        core_commands_sent(c->commands, r.id);
    }
    core_request_fini(&r);
}

static void take_ack(struct core *c, const char *id, const char *json, size_t len)
{
    struct core_ack a;
    enum entry_verdict verdict = core_ack_parse(json, len, &a);
    int64_t ago = age_of(id);
    int64_t now = clock_mono_ns();
    enum core_ack_result result;

    if (verdict != ENTRY_OK) {
        note_malformed(c, c->streams[CORE_STREAM_ACKS].key, id, verdict);
        return;
    }
    (void)observed_take(c->observed, &a, now - ago, clock_real_ns() - ago);
    if (a.type == CORE_ACK_COMMAND) {
        result = core_commands_ack(c->commands, &a, now, clock_real_ns() - ago);
        metrics_add(c->opt.metrics, CORE_M_ACKS, (unsigned)result, 1);
        if (result == CORE_ACK_REFUSED) {
            log_warn("core", "contradiction",
                     "\"id\":\"%s\",\"state\":\"%s\",\"core\":\"%s\",\"next\":\"ask who runs the "
                     "core: it "
                     "had settled this command otherwise\"",
                     a.id, core_states[a.state].word, a.core);
        }
    } else if (a.need_snapshot && ago < OBSERVED_STALE_NS && now - c->snapshot_mono_ns > RETRY_NS) {
        core_queue_snapshot(c);
        core_pump(c);
    }
    if ((a.type == CORE_ACK_APPLIED || a.has_version) && c->opt.on_observed != NULL) {
        c->opt.on_observed(c->opt.arg, a.type == CORE_ACK_APPLIED ? a.symbol : NULL);
    }
}

/* ENTRY: [id, [field, value, ...]]. */
static void take_entry(struct core *c, struct core_stream *s, const struct redis_reply *entry)
{
    const struct redis_reply *fields;
    const char *id;
    const char *name;
    const char *json;
    size_t len;

    if (redis_count(entry) != 2 || redis_kind(redis_item(entry, 0)) != REDIS_STRING) {
        return;
    }
    id = redis_text(redis_item(entry, 0), &len);
    if (len >= sizeof s->last_id || !is_after(id, s->last_id)) {
        return;
    }
    memcpy(s->last_id, id, len + 1);
    fields = redis_item(entry, 1);
    if (redis_count(fields) == 2) {
        name = redis_text(redis_item(fields, 0), &len);
        if (len == 1 && name[0] == 'e') {
            json = redis_text(redis_item(fields, 1), &len);
            s->take(c, id, json, len);
            return;
        }
    }
    note_malformed(c, s->key, id, ENTRY_FORM);
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* False: nothing to take from REPLY; whether and when it goes on is arranged. */
static bool usable(struct core *c, const struct redis_reply *reply)
{
    size_t len;

    c->reading = READING_NOTHING;
    if (reply == NULL || c->closing) {
        return false; /* the reconnect starts again */
    }
    if (redis_kind(reply) == REDIS_FAULT) {
        c->read_mono_ns = clock_mono_ns() + RETRY_NS;
        if (!c->read_error_logged) {
            c->read_error_logged = true;
            log_error(
                "core", "read_refused",
                "\"error\":%s,\"next\":\"control:acks and control:commands must be streams; it is "
                "tried again every second\"",
                log_json(redis_text(reply, &len)));
        }
        return false;
    }
    c->read_error_logged = false;
    return true;
}

static void on_back(void *arg, const struct redis_reply *reply)
{
    struct core *c = arg;
    struct core_stream *s = &c->streams[c->back_step];
    size_t count;
    size_t len;

    if (!usable(c, reply)) {
        return;
    }
    count = redis_count(reply);
    if (count == 0 ||
        (redis_count(redis_item(reply, 0)) == 2 &&
         is_after(s->last_id, redis_text(redis_item(redis_item(reply, 0), 0), &len)))) {
        memcpy(s->last_id, "0-0", 4); /* Redis was emptied: its ids begin anew */
    }
    for (size_t i = count; i > 0 && !s->read_back; i--) { /* newest first */
        take_entry(c, s, redis_item(reply, i - 1));
    }
    s->read_back = true;
    c->back_step++;
    if (c->back_step < CORE_STREAM_COUNT) {
        read_back(c);
    } else {
        read_on(c);
    }
}

static void read_back(struct core *c)
{
    const struct core_stream *s = &c->streams[c->back_step];
    char count[16];
    const char *argv[] = {"XREVRANGE", s->key, "+", "-", "COUNT", count};

    (void)snprintf(count, sizeof count, "%u", s->read_back ? 1 : c->opt.read_back);
    if (redis_command(c->reader, (int)GW_LEN(argv), argv, NULL, READ_MARGIN_MS, on_back, c)) {
        c->reading = READING_BACK;
    }
}

static struct core_stream *stream_of(struct core *c, const struct redis_reply *key)
{
    size_t len;

    for (unsigned i = 0; i < CORE_STREAM_COUNT; i++) {
        if (redis_kind(key) == REDIS_STRING &&
            strcmp(redis_text(key, &len), c->streams[i].key) == 0) {
            return &c->streams[i];
        }
    }
    return NULL;
}

/* Streams come in the order they were asked for: commands before their acks. */
static void on_read(void *arg, const struct redis_reply *reply)
{
    struct core *c = arg;

    if (!usable(c, reply)) {
        return;
    }
    for (size_t i = 0; i < redis_count(reply); i++) {
        const struct redis_reply *stream = redis_item(reply, i);
        struct core_stream *s =
            redis_count(stream) == 2 ? stream_of(c, redis_item(stream, 0)) : NULL;

        for (size_t k = 0; s != NULL && k < redis_count(redis_item(stream, 1)); k++) {
            take_entry(c, s, redis_item(redis_item(stream, 1), k));
        }
    }
    read_on(c);
}

static void read_on(struct core *c)
{
    const struct core_stream *s = c->streams;
    const char *argv[] = {"XREAD",   "COUNT",  READ_COUNT, "BLOCK",      READ_BLOCK_MS,
                          "STREAMS", s[0].key, s[1].key,   s[0].last_id, s[1].last_id};

    if (redis_command(c->reader, (int)GW_LEN(argv), argv, NULL, READ_MARGIN_MS, on_read, c)) {
        c->reading = READING_ON;
    }
}

void core_read_start(struct core *c)
{
    static void (*const take[])(struct core *, const char *, const char *, size_t) = {
        [CORE_STREAM_COMMANDS] = take_command,
        [CORE_STREAM_ACKS] = take_ack,
    };

    for (unsigned i = 0; i < CORE_STREAM_COUNT; i++) {
        c->streams[i].take = take[i];
    }
    c->back_step = 0;
    read_back(c);
}

void core_read_again(struct core *c)
{
    if (c->reading == READING_NOTHING && redis_up(c->reader) &&
        clock_mono_ns() >= c->read_mono_ns) {
        core_read_start(c);
    }
}
