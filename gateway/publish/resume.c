#include "gateway/publish/resume.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/runtime/clock.h"

#define MESSAGES_MAX 256u /* of one answer: 128,000 trades */

static enum resume_step miss(struct link_resume *r, enum resume_result why)
{
    r->result = why;
    return RESUME_DONE;
}

/* The view the client holds becomes the one the stream has published. What the client holds and the
 * view does not have is deleted: it holds it, so the delete is good, and it ends with exactly the
 * view. */
static enum resume_step answer_book(struct pub_stream *s, struct link_resume *r,
                                    struct view_diff *diff, struct buf *text)
{
    struct gw_mark gw = {.seq = s->last_seq, .prev = r->from};
    struct book published = {
        .side = {{.v = s->view.v[SIDE_BID], .count = s->view.count[SIDE_BID], .side = SIDE_BID},
                 {.v = s->view.v[SIDE_ASK], .count = s->view.count[SIDE_ASK], .side = SIDE_ASK}}};
    struct book then;
    struct view held;

    if (r->from > s->in->seq.last) {
        return RESUME_WAIT;
    }
    if (r->from > s->last_seq) {
        return RESUME_PUBLISH;
    }
    if (r->from == s->last_seq) {
        return RESUME_DONE;
    }
    book_init(&then);
    if (!history_book_at(&s->in->history, &s->in->book, r->from, &then)) {
        book_fini(&then);
        return miss(r, RESUME_RING_MISS);
    }
    view_init(&held, s->key.param);
    view_take(&held, &then);
    view_diff_reset(diff);
    (void)view_diff(&held, &published, diff);
    encode_book_update(text, s->in->symbol, diff, s->view_crc, s->view_ts_ns, &gw);
    r->frame = frame_create(text->data, text->len, s->last_seq, clock_mono_ns());
    r->messages = 1;
    view_fini(&held);
    book_fini(&then);
    return RESUME_DONE;
}

/* LIST in messages of PUB_TRADES_A_FRAME; PREV is gw.s of the trade before the first. */
static void put_trades(struct pub_stream *s, struct link_resume *r, const struct trade *const *list,
                       uint32_t count, uint64_t prev, struct buf *text)
{
    size_t ends[MESSAGES_MAX];

    while (count != 0 && r->messages < MESSAGES_MAX) {
        uint32_t take = count < PUB_TRADES_A_FRAME ? count : PUB_TRADES_A_FRAME;
        struct gw_mark gw = {.seq = list[take - 1]->seq, .prev = prev};

        encode_trades(text, s->in->symbol, list, take, &gw);
        ends[r->messages++] = text->len;
        prev = gw.seq;
        list += take;
        count -= take;
    }
    if (count != 0) {
        r->messages = 0;
        r->result = RESUME_RING_MISS;
    } else if (r->messages != 0) {
        r->frame = frame_create_many(text->data, ends, r->messages, prev, clock_mono_ns());
    }
}

/* First position in [begin, end) whose id is above ID. */
static uint64_t seek(const struct trades *t, uint64_t begin, uint64_t end, uint64_t id)
{
    while (begin < end) {
        uint64_t mid = begin + (end - begin) / 2;

        if (trades_at(t, mid)->id <= id) {
            begin = mid + 1;
        } else {
            end = mid;
        }
    }
    return begin;
}

/* Of this epoch, still in the ring. */
static uint64_t first_position(const struct pub_stream *s)
{
    uint64_t begin = trades_begin(&s->in->trades);

    return begin > s->in->epoch_trades ? begin : s->in->epoch_trades;
}

static enum resume_step answer_trades(struct pub_stream *s, struct link_resume *r, struct buf *text)
{
    const struct trades *t = &s->in->trades;
    uint64_t begin = first_position(s);
    uint64_t end = s->trade_pos;
    uint64_t at;
    const struct trade **list;

    if (begin >= t->end || r->from > trades_last(t)->id) {
        return RESUME_WAIT;
    }
    if (begin >= end || r->from > trades_at(t, end - 1)->id) {
        return RESUME_PUBLISH;
    }
    r->to = trades_at(t, end - 1)->id;
    at = seek(t, begin, end, r->from);
    if (at == begin) { /* the client's trade itself is not there: before it may be anything */
        return RESUME_READ_BACK;
    }
    list = gw_malloc((end - at + 1) * sizeof *list);
    for (uint64_t p = at; p < end; p++) {
        list[p - at] = trades_at(t, p);
    }
    put_trades(s, r, list, (uint32_t)(end - at), trades_at(t, at - 1)->seq, text);
    free(list);
    return RESUME_DONE;
}

void resume_trades(struct pub_stream *s, struct link_resume *r, const struct trade *older,
                   uint32_t count, struct buf *text)
{
    const struct trades *t = &s->in->trades;
    uint64_t begin = first_position(s);
    uint64_t end = s->trade_pos;
    uint64_t ring_first;
    const struct trade **list;
    uint32_t n = 0;
    uint32_t from = 0;

    r->result = RESUME_RING_MISS;
    if (older == NULL || count == 0 || older[0].id > r->from || begin >= end) {
        return;
    }
    r->to = trades_at(t, end - 1)->id;
    ring_first = trades_at(t, begin)->id;
    while (from < count && older[from].id <= r->from) {
        from++;
    }
    list = gw_malloc((count + (end - begin)) * sizeof *list);
    for (uint32_t i = from; i < count && older[i].id < ring_first; i++) {
        list[n++] = &older[i];
    }
    if (older[count - 1].id + 1 >= ring_first) { /* they meet */
        for (uint64_t p = seek(t, begin, end, r->from); p < end; p++) {
            list[n++] = trades_at(t, p);
        }
        r->result = RESUME_HIT;
        put_trades(s, r, list, n, older[from - 1].seq, text);
    }
    free(list);
}

static enum resume_step answer_ohlc(struct pub_stream *s, struct link_resume *r, struct buf *text)
{
    struct gw_mark gw = {.epoch = s->in->seq.epoch, .seq = s->last_seq, .update = true};
    int interval = candle_interval_index(s->key.param);
    const struct candles *c = &s->in->candles;
    const struct candle *now = &c->series[interval].running;
    uint32_t closed = candles_closed_count(c, interval);
    const struct candle **list;
    uint32_t back = 0;
    uint32_t count = 0;

    if (now->begin_s == 0 || (int64_t)r->from > now->begin_s) {
        return RESUME_WAIT;
    }
    if (s->candle_begin_s != now->begin_s || s->candle_trades != now->trades) {
        return RESUME_PUBLISH;
    }
    while (back < closed && candles_closed(c, interval, back)->begin_s >= (int64_t)r->from) {
        back++;
    }
    if (back == closed && (int64_t)r->from != now->begin_s &&
        (back == 0 || candles_closed(c, interval, back - 1)->begin_s != (int64_t)r->from)) {
        return miss(r, RESUME_RING_MISS); /* older ones may be missing */
    }
    list = gw_malloc((back + 1) * sizeof *list);
    while (back != 0) {
        list[count++] = candles_closed(c, interval, --back);
    }
    list[count++] = now;
    encode_ohlc(text, s->in->symbol, s->key.param, list, count, &gw);
    free(list);
    r->to = (uint64_t)now->begin_s;
    r->frame = frame_create(text->data, text->len, s->last_seq, clock_mono_ns());
    r->messages = 1;
    return RESUME_DONE;
}

enum resume_step resume_answer(struct pub_stream *s, struct link_resume *r, struct view_diff *diff,
                               struct buf *text)
{
    if (!s->primed) {
        return RESUME_WAIT;
    }
    if (strcmp(r->epoch, s->in->seq.epoch) != 0) {
        return miss(r, RESUME_EPOCH_CHANGED);
    }
    r->result = RESUME_HIT;
    r->to = r->seq = s->last_seq;
    buf_reset(text);
    switch (s->key.channel) {
    case CHANNEL_BOOK:
        return answer_book(s, r, diff, text);
    case CHANNEL_TRADE:
        return answer_trades(s, r, text);
    case CHANNEL_OHLC:
        return answer_ohlc(s, r, text);
    case CHANNEL_TICKER:
    case CHANNEL_INSTRUMENT:
        break;
    }
    GW_UNREACHABLE("no resume on this channel");
}
