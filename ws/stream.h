/* ws/stream.h - ring of encoded frames of one stream on one shard.
 * Why: all subscribers of a stream get the same bytes, so a session keeps a cursor, not a queue.
 * Backlog, eviction and resume are one subtraction. 10,000 stalled clients cost the memory of
 * 10,000 quick ones.
 *
 *   oldest          cursor of a slow client        head
 *     |------------------|------------------------|
 *     frame frame frame frame frame frame frame frame        (position = count since the start)
 *
 * Owner: one shard loop; no call is safe from another thread.
 * Invariant: positions only grow; a cursor older than stream_oldest() has lost its place. */
#ifndef WS_STREAM_H
#define WS_STREAM_H
#include <stdint.h>
#include <uthash.h>
#include "gateway/publish/link.h"

struct sub;

#define STREAM_MERGES 4u

/* The frames FROM .. TO (positions) folded into one. */
struct stream_merge {
    uint64_t from;
    uint64_t to;
    struct frame *frame; /* NULL: empty */
};

struct stream {
    uint64_t id; /* stream_key_pack() */
    struct stream_key key;
    /* ring */
    struct stream_slot *slots; /* capacity is a power of two */
    uint32_t capacity;
    uint64_t oldest; /* position of the first frame held */
    uint64_t head;   /* position after the newest frame */
    uint64_t bytes_end;
    uint64_t epoch_from; /* position of the first frame of the present epoch */
    struct stream_merge merges[STREAM_MERGES]; /* clients that lag tend to lag together */
    unsigned merge_next;
    /* what the next subscriber starts with: the snapshot valid at snapshot_at */
    struct frame *snapshot;
    uint64_t snapshot_at;
    bool snapshot_asked;
    bool closing; /* LINK_CLOSE sent; dies with LINK_CLOSED */
    struct sub **subs;
    uint32_t sub_count;
    uint32_t sub_capacity;
    int64_t idle_since_ns; /* nobody follows since, 0: somebody does */
    uint32_t wanted_again; /* subscribers that came while closing */
    struct stream *next_of_symbol;
    UT_hash_handle hh;
};

struct stream_slot {
    struct frame *frame;
    uint64_t bytes_end; /* of all frames up to and with this one */
};

struct stream_limits {
    uint64_t max_bytes;
    int64_t max_age_ns;
};

struct stream *stream_create(uint64_t id);
void stream_destroy(struct stream **sp);
/* Releases all frames: what follows does not continue them. */
void stream_clear(struct stream *s);
/* Takes FRAME; releases frames beyond the limits (the newest always stays). */
void stream_append(struct stream *s, struct frame **frame, const struct stream_limits *limits);
/* Takes FRAME as the snapshot valid at the present head. */
void stream_set_snapshot(struct stream *s, struct frame **frame);
/* The snapshot, if it is valid at the present head; NULL otherwise. Borrowed. */
struct frame *stream_snapshot(const struct stream *s);
/* Borrows the frame at POSITION in [oldest, head). */
struct frame *stream_at(const struct stream *s, uint64_t position);
/* One frame that says what those from CURSOR to the head say (two at least), for SYMBOL's stream;
 * made once for all who are at CURSOR. Borrowed until the next call. */
struct frame *stream_merged(struct stream *s, const struct symbol *symbol, uint64_t cursor);
/* Position of the frame that follows the one with gw.s SEQ in this epoch, SEQ the newest included.
 * False: the ring does not hold it. */
GW_MUSTCHECK
bool stream_after(const struct stream *s, uint64_t seq, uint64_t *position);
/* The same by trade id. */
GW_MUSTCHECK
bool stream_after_trade(const struct stream *s, uint64_t trade_id, uint64_t *position);
/* Bytes between CURSOR and the head. */
uint64_t stream_backlog(const struct stream *s, uint64_t cursor);

/* The subscriber list; SUB remembers its place (sub->place). */
void stream_add_sub(struct stream *s, struct sub *sub);
void stream_remove_sub(struct stream *s, struct sub *sub);
#endif
