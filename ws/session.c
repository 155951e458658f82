#include "ws/session.h"

#include <stdlib.h>
#include <utlist.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "ws/shard_priv.h"

#define WS_STATE_AS_TEXT(s) #s,
const char *const ws_state_names[WS_STATE_COUNT] = {WS_STATES(WS_STATE_AS_TEXT)};

static const unsigned next_states[WS_STATE_COUNT] = {
    [WS_GREETING] = 1u << WS_LIVE | 1u << WS_CLOSING,
    [WS_LIVE] = 1u << WS_CLOSING,
};

static void set_state(struct session *s, enum ws_state next)
{
    GW_ASSERT((next_states[s->state] & 1u << next) != 0);
    s->shard->in_state[s->state]--;
    s->shard->in_state[next]++;
    s->state = next;
}

struct session *session_create(struct shard *shard, struct transport_conn *conn, const char *ip,
                               bool private_path)
{
    struct session *s = gw_calloc(1, sizeof *s);

    s->shard = shard;
    s->conn = conn;
    s->id = shard_next_id(shard);
    s->private_path = private_path;
    s->opened_ns = clock_mono_ns();
    s->sent_ns = s->opened_ns;
    (void)snprintf(s->ip, sizeof s->ip, "%s", ip);
    shard->in_state[WS_GREETING]++;
    DL_APPEND(shard->sessions, s);
    return s;
}

static void drop_subs(struct session *s)
{
    while (s->subs != NULL) {
        struct sub *sub = s->subs;

        session_remove_sub(&sub);
    }
}

static void set_choked(struct session *s, bool choked)
{
    if (choked == s->choked) {
        return;
    }
    s->choked = choked;
    if (choked) {
        s->stuck_ns = clock_mono_ns();
        DL_APPEND2(s->shard->choked, s, choked_prev, choked_next);
    } else {
        s->warned = false;
        DL_DELETE2(s->shard->choked, s, choked_prev, choked_next);
    }
}

void session_destroy(struct session **sp)
{
    struct session *s = *sp;

    *sp = NULL;
    drop_subs(s);
    set_choked(s, false);
    if (s->state == WS_CLOSING) {
        DL_DELETE2(s->shard->closing, s, choked_prev, choked_next);
    }
    if (s->dirty) {
        LL_DELETE2(s->shard->dirty, s, dirty_next);
    }
    if (s->doomed) {
        LL_DELETE2(s->shard->doomed, s, reap_next);
    }
    if (s->partial != NULL) {
        frame_unref(&s->partial);
    }
    s->shard->in_state[s->state]--;
    DL_DELETE(s->shard->sessions, s);
    buf_fini(&s->control);
    buf_fini(&s->inbound);
    free(s);
}

void session_mark_dirty(struct session *s)
{
    if (!s->dirty) {
        s->dirty = true;
        LL_PREPEND2(s->shard->dirty, s, dirty_next);
    }
}

void session_say(struct session *s, const char *text, size_t len)
{
    if (s->state == WS_CLOSING) {
        return;
    }
    if (s->control.len + len > s->shard->config->control_bytes) {
        session_close(s, GW_ESLOW, NULL); /* asks without reading the answers */
        return;
    }
    frame_write((uint8_t *)buf_room(&s->control, frame_size(len)), text, len);
    s->control.len += frame_size(len);
    session_mark_dirty(s);
}

void session_say_frame(struct session *s, const struct frame *f)
{
    if (s->state != WS_CLOSING && s->control.len + f->len <= s->shard->config->control_bytes) {
        buf_append(&s->control, f->bytes, f->len);
        session_mark_dirty(s);
    }
}

void session_mark_due(struct sub *sub)
{
    if (!sub->due) {
        sub->due = true;
        DL_APPEND2(sub->session->due, sub, due_prev, due_next);
        session_mark_dirty(sub->session);
    }
}

static void unmark_due(struct sub *sub)
{
    if (sub->due) {
        sub->due = false;
        DL_DELETE2(sub->session->due, sub, due_prev, due_next);
    }
}

struct sub *session_find_sub(struct session *s, enum channel channel, uint32_t symbol)
{
    struct sub *sub;

    DL_FOREACH(s->subs, sub)
    {
        if (sub->stream->key.channel == channel && sub->stream->key.symbol == symbol) {
            return sub;
        }
    }
    return NULL;
}

struct sub *session_add_sub(struct session *s, struct stream *stream)
{
    struct sub *sub = gw_calloc(1, sizeof *sub);

    sub->session = s;
    sub->stream = stream;
    sub->state = SUB_WAITING;
    stream_add_sub(stream, sub);
    DL_APPEND(s->subs, sub);
    s->sub_count[stream->key.channel]++;
    s->heartbeat = true;
    if (s->state == WS_GREETING) {
        set_state(s, WS_LIVE);
    }
    metrics_add(s->shard->metrics, WS_M_SUBS, stream->key.channel, 1);
    return sub;
}

void session_remove_sub(struct sub **subp)
{
    struct sub *sub = *subp;
    struct session *s = sub->session;

    *subp = NULL;
    unmark_due(sub);
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    }
    s->sub_count[sub->stream->key.channel]--;
    metrics_add(s->shard->metrics, WS_M_SUBS, sub->stream->key.channel, UINT64_MAX);
    DL_DELETE(s->subs, sub);
    stream_remove_sub(sub->stream, sub);
    shard_stream_left(s->shard, sub->stream);
    free(sub);
}

void sub_start(struct sub *sub, struct frame *snapshot)
{
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    }
    if (snapshot != NULL) {
        frame_ref(snapshot, 1);
        sub->first = snapshot;
        session_mark_due(sub);
    }
    sub->cursor = sub->stream->head;
    sub->state = SUB_LIVE;
}

void sub_restart(struct sub *sub)
{
    unmark_due(sub);
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    }
    sub->state = SUB_WAITING;
}

uint64_t sub_backlog(const struct sub *sub)
{
    uint64_t bytes = sub->first != NULL ? sub->first->len : 0;

    return sub->state == SUB_LIVE ? bytes + stream_backlog(sub->stream, sub->cursor) : bytes;
}

/* Answers already made go out before the close, as far as the socket takes them. */
static bool write_control(struct session *s)
{
    const uint8_t *bytes = (const uint8_t *)s->control.data;
    uint32_t len = (uint32_t)s->control.len;
    uint32_t at = 0;
    bool ok = true;

    while (ok && s->partial == NULL && at < len && !transport_choked(s->conn)) {
        uint32_t take = frame_pieces(bytes, len, at, TRANSPORT_WRITE_MAX);

        ok = transport_write(s->conn, bytes + at, take);
        at += take;
    }
    buf_fini(&s->control);
    return ok;
}

void session_close(struct session *s, enum gw_err err, struct buf *notice)
{
    const struct gw_err_row *row = gw_err_row(err);

    if (s->state == WS_CLOSING) {
        return;
    }
    if (!write_control(s)) {
        shard_doom(s->shard, s);
    }
    drop_subs(s);
    set_choked(s, false);
    set_state(s, WS_CLOSING);
    s->close_ns = s->shard->now_ns;
    DL_APPEND2(s->shard->closing, s, choked_prev, choked_next);
    shard_count_close(s->shard, err);
    log_info("ws", "close", "\"session\":%llu,\"ip\":\"%s\",\"code\":%u,\"reason\":\"%s\"",
             (unsigned long long)s->id, s->ip, row->ws_close, row->text);
    if (notice != NULL && s->partial == NULL && frame_size(notice->len) <= TRANSPORT_WRITE_MAX) {
        struct buf *batch = &s->shard->batch;

        /* Ahead of the close; a socket that is full takes it from the library's remainder. */
        buf_reset(batch);
        frame_write((uint8_t *)buf_room(batch, frame_size(notice->len)), notice->data, notice->len);
        batch->len = frame_size(notice->len);
        if (!transport_write(s->conn, batch->data, batch->len)) {
            shard_doom(s->shard, s);
            return;
        }
    }
    if (!transport_close(s->conn, row->ws_close, row->text)) {
        shard_doom(s->shard, s);
    }
}

void session_lag(const struct session *s, uint64_t *bytes, int64_t *lag_ns)
{
    int64_t oldest = s->shard->now_ns;
    const struct sub *sub;

    *bytes = s->partial != NULL ? s->partial->len - s->partial_at : 0;
    if (s->partial != NULL) {
        oldest = s->partial->created_ns;
    }
    DL_FOREACH2(s->due, sub, due_next)
    {
        const struct stream *stream = sub->stream;

        *bytes += sub_backlog(sub);
        if (sub->cursor < stream->head && sub->cursor >= stream->oldest &&
            stream_at(stream, sub->cursor)->created_ns < oldest) {
            oldest = stream_at(stream, sub->cursor)->created_ns;
        }
    }
    *lag_ns = s->shard->now_ns - oldest;
}

void session_evict(struct session *s)
{
    struct buf notice = {0};
    uint64_t bytes;
    int64_t lag_ns;

    session_lag(s, &bytes, &lag_ns);
    buf_printf(&notice,
               "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":\"evict\","
               "\"reason\":\"SLOW_CONSUMER\",\"lag_ms\":%lld,\"queued_bytes\":%llu,"
               "\"resume\":true,\"retry_after_ms\":1000}]}",
               (long long)(lag_ns / 1000000), (unsigned long long)bytes);
    session_close(s, GW_ESLOW, &notice);
    buf_fini(&notice);
}

/* --- flush ------------------------------------------------------------------------------------ */

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
        memcpy(s->partial->bytes, s->control.data, s->control.len);
        s->partial_at = 0;
        buf_fini(&s->control);
    }
    return false;
}

/* The next message of SUB; false when it has lost its place in the ring. Requires that it is due.
 */
static bool next_message(struct sub *sub, struct frame **out)
{
    struct stream *stream = sub->stream;

    if (sub->first != NULL) {
        *out = sub->first;
        return true;
    }
    if (sub->cursor < stream->oldest) {
        return false;
    }
    *out = stream_at(stream, sub->cursor);
    return true;
}

static void took_message(struct sub *sub)
{
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    } else {
        sub->cursor++;
    }
    if (sub->cursor == sub->stream->head) {
        unmark_due(sub);
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
        struct frame *f;

        if (!next_message(sub, &f)) {
            session_evict(s);
            return false;
        }
        if (batch->len + frame_pieces(f->bytes, f->len, 0, 0) > TRANSPORT_WRITE_MAX) {
            break;
        }
        metrics_add(s->shard->metrics, WS_M_SENT, sub->stream->key.channel, 1);
        begin_message(s, f);
        took_message(sub);
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
            set_choked(s, true);
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
        metrics_inc(shard->metrics, WS_M_WRITES);
        metrics_add(shard->metrics, WS_M_BYTES, 0, shard->batch.len);
        if (!transport_write(s->conn, shard->batch.data, shard->batch.len)) {
            shard_doom(shard, s);
            return;
        }
    }
    set_choked(s, transport_choked(s->conn));
    if (writes == 0) {
        return;
    }
    /* Least recently written first: heartbeats look at the front only. */
    DL_DELETE(shard->sessions, s);
    DL_APPEND(shard->sessions, s);
}
