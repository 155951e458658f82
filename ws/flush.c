/* ws/flush.c - what a session is written, and when: everything due in one buffer, one write. A
 * client that is behind is brought up by one merged update of each stream (docs/PROTOCOL.md). */
#include <stdlib.h>
#include <utlist.h>
#include "gateway/publish/fold.h"
#include "gateway/runtime/clock.h"
#include "ws/shard_priv.h"

/* Puts as many pieces of the message being written as fit. */
static void put_partial(struct session *s, struct buf *batch)
{
    uint32_t room = (uint32_t)(TRANSPORT_WRITE_MAX - batch->len);
    uint32_t take = frame_pieces(s->partial->bytes, s->partial->len, s->partial_at, room);

    if (take > room) {
        return;
    }
    buf_append(batch, s->partial->bytes + s->partial_at, take);
    s->partial_at += take;
    if (s->partial_at == s->partial->len) {
        frame_unref(&s->partial);
        s->partial_at = 0;
        s->shard->turn_messages++;
    }
}

/* Makes F the message being written. */
static void begin_message(struct session *s, struct frame *f)
{
    frame_ref(f, 1);
    s->partial = f;
    s->partial_at = 0;
}

/* Control messages are whole frames, at most one piece each in practice: they go out by message. */
static bool put_control(struct session *s, struct buf *batch)
{
    size_t room = TRANSPORT_WRITE_MAX - batch->len;

    if (s->control.len <= room) {
        buf_append(batch, s->control.data, s->control.len);
        buf_fini(&s->control); /* idle sessions keep no buffer */
        return true;
    }
    if (batch->len == 0) { /* more than a batch: hand it to the piece writer */
        s->partial = gw_malloc(sizeof *s->partial + s->control.len);
        atomic_init(&s->partial->refs, 1);
        s->partial->len = (uint32_t)s->control.len;
        s->partial->created_ns = clock_mono_ns();
        s->partial->seq = 0;
        s->partial->fold = NULL;
        memcpy(s->partial->bytes, s->control.data, s->control.len);
        s->partial_at = 0;
        buf_fini(&s->control);
    }
    return false;
}

/* Behind so far that steps in between are of no use to the client. After a resume it gets the
 * missed frames as they were, unless they are many. */
static bool is_far(const struct sub *sub)
{
    const struct stream *stream = sub->stream;
    const struct shard *shard = sub->session->shard;

    if (sub->on_lag == WS_LAG_EVICT || stream->head - sub->cursor < 2 ||
        !fold_allowed(stream->key.channel)) {
        return false;
    }
    return stream_backlog(stream, sub->cursor) > shard->config->skip_bytes ||
           (sub->cursor >= sub->exact_to &&
            shard->now_ns - stream_at(stream, sub->cursor)->created_ns >
                (int64_t)shard->config->skip_after * 1000000);
}

/* What SUB is to be sent next, and where that brings it. */
struct next {
    struct frame *frame; /* borrowed; NULL: SUB now waits for something and is not due any more */
    uint64_t to;
};

static struct next skip_ahead(struct sub *sub)
{
    struct shard *shard = sub->session->shard;
    struct stream *stream = sub->stream;
    uint64_t frames = stream->head - sub->cursor;

    sub->session->skipped += frames - 1;
    metrics_add(shard->metrics, WS_M_CONFLATED, stream->key.channel, frames - 1);
    if (sub->on_lag == WS_LAG_SNAPSHOT && stream->key.channel == CHANNEL_BOOK) {
        sub_restart(sub);
        shard_want_snapshot(shard, sub);
        return (struct next){NULL, 0};
    }
    return (struct next){stream_merged(stream, shard_symbol(shard, stream), sub->cursor),
                         stream->head};
}

/* The next message of SUB, which is due. */
static struct next next_message(struct sub *sub)
{
    struct stream *stream = sub->stream;

    if (sub->first != NULL) {
        return (struct next){sub->first, sub->cursor};
    }
    if (sub->cursor < stream->oldest) { /* its place has left the ring */
        if (!fold_allowed(stream->key.channel) || sub->on_lag == WS_LAG_EVICT) {
            metrics_inc(sub->session->shard->metrics, WS_M_LOST_PLACE);
            session_evict(sub->session);
        } else {
            resume_bridge(sub);
        }
        return (struct next){NULL, 0};
    }
    if (is_far(sub)) {
        return skip_ahead(sub);
    }
    return (struct next){stream_at(stream, sub->cursor), sub->cursor + 1};
}

static void took_message(struct sub *sub, const struct next *n)
{
    sub->seq = n->frame->seq;
    sub->cursor = n->to;
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    }
    if (sub->cursor == sub->stream->head) {
        session_unmark_due(sub);
    }
}

/* Fills BATCH with whole pieces of what is due. False: the session has lost its place and is
 * closing. */
static bool fill(struct session *s, struct buf *batch)
{
    if (s->partial != NULL) {
        put_partial(s, batch);
    }
    if (s->partial == NULL && s->control.len != 0 && !put_control(s, batch)) {
        if (s->partial != NULL) {
            put_partial(s, batch);
        }
        return true;
    }
    while (s->partial == NULL && s->due != NULL) {
        struct sub *sub = s->due;
        struct next n = next_message(sub);

        if (s->state == WS_CLOSING) {
            return false;
        }
        if (n.frame == NULL) {
            continue;
        }
        if (batch->len + frame_pieces(n.frame->bytes, n.frame->len, 0, 0) > TRANSPORT_WRITE_MAX) {
            break;
        }
        metrics_add(s->shard->metrics, WS_M_SENT, sub->stream->key.channel, 1);
        s->sent_messages++;
        begin_message(s, n.frame);
        took_message(sub, &n);
        put_partial(s, batch);
    }
    return true;
}

static bool has_more(const struct session *s)
{
    return s->partial != NULL || s->control.len != 0 || s->due != NULL;
}

void session_flush(struct session *s)
{
    struct shard *shard = s->shard;
    unsigned writes = 0;

    if (s->state == WS_CLOSING) {
        return;
    }
    while (has_more(s)) {
        if (transport_choked(s->conn)) {
            session_set_choked(s, true);
            return; /* on_writable comes when the library's remainder has gone */
        }
        if (writes++ == WS_WRITES_A_TURN) {
            transport_want_write(s->conn);
            return;
        }
        buf_reset(&shard->batch);
        if (!fill(s, &shard->batch)) {
            return;
        }
        s->sent_ns = shard->now_ns;
        s->sent_bytes += shard->batch.len;
        metrics_inc(shard->metrics, WS_M_WRITES);
        metrics_add(shard->metrics, WS_M_BYTES, 0, shard->batch.len);
        if (!transport_write(s->conn, shard->batch.data, shard->batch.len)) {
            shard_doom(shard, s);
            return;
        }
    }
    session_set_choked(s, transport_choked(s->conn));
}
