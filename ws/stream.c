#include "ws/stream.h"

#include <stdlib.h>
#include "gateway/publish/fold.h"
#include "ws/session.h"

struct stream *stream_create(uint64_t id)
{
    struct stream *s = gw_calloc(1, sizeof *s);

    s->id = id;
    s->key = stream_key_unpack(id);
    return s;
}

static struct stream_slot *slot_at(const struct stream *s, uint64_t position)
{
    return &s->slots[position & (s->capacity - 1)];
}

static void drop_oldest(struct stream *s)
{
    struct stream_slot *slot = slot_at(s, s->oldest++);

    frame_unref(&slot->frame);
}

void stream_clear(struct stream *s)
{
    while (s->oldest != s->head) {
        drop_oldest(s);
    }
    s->epoch_from = s->head;
    s->snapshot_at = UINT64_MAX;
    for (unsigned i = 0; i < STREAM_MERGES; i++) {
        if (s->merges[i].frame != NULL) {
            frame_unref(&s->merges[i].frame);
        }
    }
}

void stream_destroy(struct stream **sp)
{
    struct stream *s = *sp;

    *sp = NULL;
    GW_ASSERT(s->sub_count == 0);
    stream_clear(s);
    if (s->snapshot != NULL) {
        frame_unref(&s->snapshot);
    }
    free(s->slots);
    free(s->subs);
    free(s);
}

static void grow(struct stream *s)
{
    uint32_t capacity = s->capacity != 0 ? s->capacity * 2 : 16;
    struct stream_slot *slots = gw_calloc(capacity, sizeof *slots);

    for (uint64_t p = s->oldest; p != s->head; p++) {
        slots[p & (capacity - 1)] = *slot_at(s, p);
    }
    free(s->slots);
    s->slots = slots;
    s->capacity = capacity;
}

void stream_append(struct stream *s, struct frame **frame, const struct stream_limits *limits)
{
    struct frame *f = *frame;

    *frame = NULL;
    if (s->head - s->oldest == s->capacity) {
        grow(s);
    }
    s->bytes_end += f->len;
    *slot_at(s, s->head++) = (struct stream_slot){f, s->bytes_end};
    while (s->head - s->oldest > 1 &&
           (stream_backlog(s, s->oldest) > limits->max_bytes ||
            f->created_ns - slot_at(s, s->oldest)->frame->created_ns > limits->max_age_ns)) {
        drop_oldest(s);
    }
}

void stream_set_snapshot(struct stream *s, struct frame **frame)
{
    if (s->snapshot != NULL) {
        frame_unref(&s->snapshot);
    }
    s->snapshot = *frame;
    *frame = NULL;
    s->snapshot_at = s->head;
}

struct frame *stream_snapshot(const struct stream *s)
{
    return s->snapshot_at == s->head ? s->snapshot : NULL;
}

struct frame *stream_at(const struct stream *s, uint64_t position)
{
    GW_ASSERT(position >= s->oldest && position < s->head);
    return slot_at(s, position)->frame;
}

struct frame *stream_merged(struct stream *s, const struct symbol *symbol, uint64_t cursor)
{
    struct stream_merge *m;
    struct frame **frames;
    uint32_t count = (uint32_t)(s->head - cursor);

    GW_ASSERT(cursor >= s->oldest && count > 1);
    for (unsigned i = 0; i < STREAM_MERGES; i++) {
        m = &s->merges[i];
        if (m->frame != NULL && m->from == cursor && m->to == s->head) {
            return m->frame;
        }
    }
    m = &s->merges[s->merge_next++ % STREAM_MERGES];
    if (m->frame != NULL) {
        frame_unref(&m->frame);
    }
    frames = gw_malloc(count * sizeof(struct frame *));
    for (uint32_t i = 0; i < count; i++) {
        frames[i] = stream_at(s, cursor + i);
    }
    *m = (struct stream_merge){cursor, s->head, fold_frames(&s->key, symbol, frames, count)};
    free(frames);
    return m->frame;
}

bool stream_after(const struct stream *s, uint64_t seq, uint64_t *position)
{
    uint64_t low = s->epoch_from > s->oldest ? s->epoch_from : s->oldest;
    uint64_t high = s->head;
    const struct frame *snapshot = stream_snapshot(s);

    while (low < high) { /* the first with a higher gw.s: they grow along an epoch */
        uint64_t mid = low + (high - low) / 2;

        if (stream_at(s, mid)->seq <= seq) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *position = low;
    if (low < s->head) { /* gw.p of an epoch's first frame is of the epoch before */
        return stream_at(s, low)->fold->gw.prev == seq && (low > s->epoch_from || low == 0);
    }
    return (low > s->oldest && low > s->epoch_from && stream_at(s, low - 1)->seq == seq) ||
           (snapshot != NULL && snapshot->seq == seq);
}

bool stream_after_trade(const struct stream *s, uint64_t trade_id, uint64_t *position)
{
    uint64_t low = s->epoch_from > s->oldest ? s->epoch_from : s->oldest;

    for (uint64_t p = s->head; p != low; p--) { /* nearly always among the last */
        const struct fold *f = stream_at(s, p - 1)->fold;

        if (f->trade_last <= trade_id) {
            *position = p;
            return f->trade_last == trade_id;
        }
    }
    return false;
}

uint64_t stream_backlog(const struct stream *s, uint64_t cursor)
{
    if (cursor == s->head) {
        return 0;
    }
    cursor = cursor < s->oldest ? s->oldest : cursor;
    return s->bytes_end - slot_at(s, cursor)->bytes_end + slot_at(s, cursor)->frame->len;
}

void stream_add_sub(struct stream *s, struct sub *sub)
{
    if (s->sub_count == s->sub_capacity) {
        s->sub_capacity = s->sub_capacity != 0 ? s->sub_capacity * 2 : 4;
        s->subs = gw_realloc(s->subs, s->sub_capacity * sizeof(struct sub *));
    }
    sub->place = s->sub_count;
    s->subs[s->sub_count++] = sub;
    s->idle_since_ns = 0;
}

void stream_remove_sub(struct stream *s, struct sub *sub)
{
    struct sub *last = s->subs[--s->sub_count];

    GW_ASSERT(s->subs[sub->place] == sub);
    s->subs[sub->place] = last;
    last->place = sub->place;
}
