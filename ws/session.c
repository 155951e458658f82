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
    shard_name(shard, s->name);
    s->private_path = private_path;
    s->opened_ns = clock_mono_ns();
    s->sent_ns = s->opened_ns;
    s->alive_ns = s->opened_ns;
    (void)snprintf(s->ip, sizeof s->ip, "%s", ip);
    shard->in_state[WS_GREETING]++;
    s->seat = follow_join(shard->opt.follow, shard->opt.number);
    shard_list(shard, s);
    return s;
}

/* It follows SYMBOL, or does not any more. */
static void mark_symbol(struct session *s, uint32_t symbol, bool follows)
{
    if (symbol != SYMBOL_NONE) {
        follow_mark(s->shard->opt.follow, s->shard->opt.number, s->seat, symbol, follows);
    }
}

static void drop_subs(struct session *s)
{
    struct sub *each;

    DL_FOREACH(s->subs, each)
    {
        mark_symbol(s, each->stream->key.symbol, false);
    }
    follow_leave(s->shard->opt.follow, s->shard->opt.number, &s->seat);
    while (s->subs != NULL) {
        struct sub *sub = s->subs;

        session_remove_sub(&sub);
    }
}

void session_set_choked(struct session *s, bool choked)
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
        s->over_ns = 0;
        DL_DELETE2(s->shard->choked, s, choked_prev, choked_next);
    }
}

void session_destroy(struct session **sp)
{
    struct session *s = *sp;

    *sp = NULL;
    if (s->state != WS_CLOSING) {
        shard_count_left(s);
    }
    drop_subs(s);
    session_set_choked(s, false);
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
    shard_unlist(s->shard, s);
    if (s->asking != NULL) {
        cause_ask_cancel(s->asking);
    }
    if (s->taking != NULL) {
        token_wait_cancel(s->taking);
    }
    if (s->auth != NULL) {
        if (s->auth->grant.keyid[0] != '\0') {
            ip_limit_release(s->shard->opt.keys, s->auth->grant.keyid);
        }
        if (s->auth->member.rate != NULL) {
            key_rate_leave(&s->auth->member);
        }
        free(s->auth);
    }
    free(s->last_close);
    session_wipe(&s->parked);
    buf_fini(&s->control);
    session_wipe(&s->inbound);
    free(s);
}

void session_wipe(struct buf *b)
{
    if (b->cap != 0) {
        explicit_bzero(b->data, b->len);
    }
    buf_fini(b);
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

void session_unmark_due(struct sub *sub)
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
    follow_count(s->shard->opt.follow, stream->key.symbol, 1);
    mark_symbol(s, stream->key.symbol, true);
    return sub;
}

/* SUB has gone: does another of its symbol remain? A session that ends has no seat any more. */
static void unmark_symbol(struct session *s, uint32_t symbol)
{
    struct sub *other;

    DL_FOREACH(s->subs, other)
    {
        if (s->seat == FOLLOW_GONE || other->stream->key.symbol == symbol) {
            return;
        }
    }
    mark_symbol(s, symbol, false);
}

void session_remove_sub(struct sub **subp)
{
    struct sub *sub = *subp;
    struct session *s = sub->session;

    *subp = NULL;
    session_unmark_due(sub);
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    }
    resume_forget(sub);
    s->sub_count[sub->stream->key.channel]--;
    metrics_add(s->shard->metrics, WS_M_SUBS, sub->stream->key.channel, UINT64_MAX);
    follow_count(s->shard->opt.follow, sub->stream->key.symbol, -1);
    DL_DELETE(s->subs, sub);
    unmark_symbol(s, sub->stream->key.symbol);
    stream_remove_sub(sub->stream, sub);
    shard_stream_left(s->shard, sub->stream);
    free(sub);
}

void sub_start(struct sub *sub, struct frame *first)
{
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    }
    sub_start_at(sub, sub->stream->head);
    if (first != NULL) {
        frame_ref(first, 1);
        sub->first = first;
        session_mark_due(sub);
    }
}

void sub_start_at(struct sub *sub, uint64_t cursor)
{
    sub->cursor = cursor;
    sub->exact_to = sub->stream->head;
    sub->since_ns = sub->session->shard->now_ns;
    sub->state = SUB_LIVE;
    if (cursor != sub->stream->head) {
        session_mark_due(sub);
    }
}

void sub_restart(struct sub *sub)
{
    session_unmark_due(sub);
    if (sub->first != NULL) {
        frame_unref(&sub->first);
    }
    resume_forget(sub);
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

/* For the next connection of the same client. */
static void keep_cause(struct session *s, enum gw_err err)
{
    struct cause cause = {
        .code = gw_err_row(err)->ws_close,
        .reason = shard_close_name(err),
        .at_ns = clock_real_ns(),
    };
    int64_t lag_ns;

    session_lag(s, &cause.queued_bytes, &lag_ns);
    cause.lag_ms = lag_ns / 1000000;
    causes_keep(s->shard->causes, s->name, &cause);
}

void session_close(struct session *s, enum gw_err err, struct buf *notice)
{
    const struct gw_err_row *row = gw_err_row(err);

    if (s->state == WS_CLOSING) {
        return;
    }
    keep_cause(s, err);
    shard_note_closed(s, shard_close_name(err), row->ws_close);
    if (!write_control(s)) {
        shard_doom(s->shard, s);
    }
    drop_subs(s);
    session_set_choked(s, false);
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
        if (sub->cursor < stream->head && sub->cursor >= stream->oldest) {
            int64_t made = stream_at(stream, sub->cursor)->created_ns;

            made = made > sub->since_ns ? made : sub->since_ns;
            oldest = made < oldest ? made : oldest;
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
               "\"skipped_frames\":%llu,\"resume\":true,\"retry_after_ms\":1000}]}",
               (long long)(lag_ns / 1000000), (unsigned long long)bytes,
               (unsigned long long)s->skipped);
    session_close(s, GW_ESLOW, &notice);
    buf_fini(&notice);
}
