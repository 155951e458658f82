/* gateway/publish/frame.h - one WebSocket text message, framed once for everybody.
 * Why: all subscribers of a stream get the same bytes, so header and payload are made once (RFC
 * 6455 5.2, server to client: unmasked). A message above FRAME_PIECE is sent as fragments, so that
 * a write always ends at a frame boundary and a control frame (ping, close) may follow any write.
 * Owner: shared by threads by reference count; the last frame_unref() frees, on any thread.
 * Invariant: immutable after frame_create(). */
#ifndef GATEWAY_PUBLISH_FRAME_H
#define GATEWAY_PUBLISH_FRAME_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/err.h"

#define FRAME_PIECE 16000u /* payload of one fragment: with its header it fits one TLS record */

struct fold; /* gateway/publish/fold.h */

struct frame {
    _Atomic uint32_t refs;
    uint32_t len;       /* of bytes */
    int64_t created_ns; /* monotonic; lag is measured from it */
    uint64_t seq;       /* gw.s: last engine sequence number included, 0 for notices */
    struct fold *fold;  /* what folding it with its neighbours needs; NULL: snapshots, notices */
    uint8_t bytes[];
};

/* One reference, the caller's. */
struct frame *frame_create(const char *payload, size_t len, uint64_t seq, int64_t created_ns);
/* The same with FOLD, taken. */
struct frame *frame_create_fold(const char *payload, size_t len, uint64_t seq, int64_t created_ns,
                                struct fold **fold);
/* COUNT messages one after the other: TEXT holds them, ENDS[i] is where message i ends. Sent like
 * one message that nothing comes between. */
struct frame *frame_create_many(const char *text, const size_t *ends, size_t count, uint64_t seq,
                                int64_t created_ns);
/* Adds COUNT references. */
static inline void frame_ref(struct frame *f, uint32_t count)
{
    atomic_fetch_add_explicit(&f->refs, count, memory_order_relaxed);
}
void frame_unref(struct frame **fp);
/* Of BYTES, whole pieces one after the other: how many bytes, from OFFSET (a piece boundary) on,
 * are whole pieces that fit LIMIT; at least one piece. */
uint32_t frame_pieces(const uint8_t *bytes, uint32_t len, uint32_t offset, uint32_t limit);
/* Bytes that LEN payload bytes take when framed. */
size_t frame_size(size_t len);
/* Frames PAYLOAD into OUT, which has room for frame_size(len). */
void frame_write(uint8_t *out, const char *payload, size_t len);
#endif
