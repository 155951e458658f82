/* ws/shard_streams.c - the streams a shard follows: opened and closed at the market, their frames
 * and snapshots handed to subscribers. */
#include <utlist.h>
#include "gateway/runtime/log.h"
#include "ws/shard_priv.h"

#define STREAM_IDLE_NS (30 * (int64_t)1000000000) /* kept for clients that come back */

static struct stream **list_of(struct shard *s, const struct stream *stream)
{
    uint32_t symbol = stream->key.symbol;

    return &s->by_symbol[symbol == SYMBOL_NONE ? symbols_count(s->opt.symbols) : symbol];
}

static void post(struct shard *s, enum link_kind kind, struct stream *stream)
{
    struct mail mail = {.kind = kind, .number = s->opt.number, .key = stream->id, .ref = stream};

    shard_post_market(s, &mail);
}

void shard_post_market(struct shard *s, const struct mail *mail)
{
    /* The market's inbox holds requests only; it is full when the market thread hangs. */
    if (!mailbox_post(s->opt.market, mail)) {
        log_error("ws", "market_inbox_full", "\"next\":\"the market thread does not answer\"");
    }
    mailbox_wake(s->opt.market);
}

struct stream *shard_stream(struct shard *s, const struct stream_key *key)
{
    uint64_t id = stream_key_pack(key);
    struct stream *stream;

    HASH_FIND(hh, s->streams, &id, sizeof id, stream);
    if (stream == NULL) {
        stream = stream_create(id);
        HASH_ADD(hh, s->streams, id, sizeof stream->id, stream);
        LL_PREPEND2(*list_of(s, stream), stream, next_of_symbol);
        post(s, LINK_OPEN, stream);
        metrics_set(s->metrics, WS_M_STREAMS, 0, HASH_COUNT(s->streams));
    }
    return stream;
}

void shard_want_snapshot(struct shard *s, struct sub *sub)
{
    struct stream *stream = sub->stream;
    struct frame *snapshot = stream_snapshot(stream);

    if (snapshot != NULL && !stream->snapshot_asked) {
        sub_start(sub, snapshot);
    } else if (!stream->snapshot_asked && !stream->closing) {
        stream->snapshot_asked = true;
        post(s, LINK_SNAPSHOT, stream);
    }
}

void shard_stream_left(struct shard *s, struct stream *stream)
{
    if (stream->sub_count == 0) {
        stream->idle_since_ns = s->now_ns;
    }
}

/* After its linger a stream nobody follows is given back to the market. */
void shard_close_idle_streams(struct shard *s)
{
    struct stream *stream;
    struct stream *next;
    uint64_t bytes = 0;

    HASH_ITER(hh, s->streams, stream, next)
    {
        bytes += stream_backlog(stream, stream->oldest);
        if (stream->sub_count == 0 && !stream->closing &&
            s->now_ns - stream->idle_since_ns > STREAM_IDLE_NS) {
            stream->closing = true;
            post(s, LINK_CLOSE, stream);
        }
    }
    metrics_set(s->metrics, WS_M_RING, 0, (int64_t)bytes);
}

void shard_on_closed(struct shard *s, struct stream *stream)
{
    stream->closing = false;
    stream->snapshot_asked = false;
    if (stream->sub_count != 0) { /* somebody came meanwhile: open it again, from a snapshot */
        stream_clear(stream);     /* frames were missed */
        post(s, LINK_OPEN, stream);
        stream->snapshot_asked = true;
        post(s, LINK_SNAPSHOT, stream);
        return;
    }
    HASH_DEL(s->streams, stream);
    LL_DELETE2(*list_of(s, stream), stream, next_of_symbol);
    stream_destroy(&stream);
    metrics_set(s->metrics, WS_M_STREAMS, 0, HASH_COUNT(s->streams));
}

void shard_on_frame(struct shard *s, struct stream *stream, struct frame *f)
{
    stream_append(stream, &f, &s->ring);
    for (uint32_t i = 0; i < stream->sub_count; i++) {
        if (stream->subs[i]->state == SUB_LIVE) {
            session_mark_due(stream->subs[i]);
        }
    }
}

void shard_on_snapshot(struct stream *stream, struct frame *f)
{
    stream->snapshot_asked = false;
    stream_set_snapshot(stream, &f);
    for (uint32_t i = 0; i < stream->sub_count; i++) {
        if (stream->subs[i]->state == SUB_WAITING) {
            sub_start(stream->subs[i], stream->snapshot);
        }
    }
}

void shard_on_symbol(struct shard *s, uint32_t number, const struct link_symbol *state)
{
    struct stream *stream;

    s->epochs[number] = *state;
    LL_FOREACH2(s->by_symbol[number], stream, next_of_symbol)
    {
        stream->epoch_from = stream->head;
    }
}

const struct symbol *shard_symbol(const struct shard *s, const struct stream *stream)
{
    uint32_t symbol = stream->key.symbol;

    return symbol == SYMBOL_NONE ? NULL : symbols_at(s->opt.symbols, symbol);
}
