#include "gateway/publish/frame.h"

#include <stdlib.h>
#include <string.h>

enum { FIN = 0x80, OP_CONTINUATION = 0x0, OP_TEXT = 0x1 };

static size_t header_size(size_t piece)
{
    return piece < 126 ? 2 : 4; /* pieces stay below 64 KiB */
}

size_t frame_size(size_t len)
{
    size_t full = len / FRAME_PIECE;
    size_t rest = len % FRAME_PIECE;
    size_t size = full * (FRAME_PIECE + header_size(FRAME_PIECE));

    return rest != 0 || full == 0 ? size + rest + header_size(rest) : size;
}

void frame_write(uint8_t *out, const char *payload, size_t len)
{
    uint8_t opcode = OP_TEXT;

    do {
        size_t piece = len < FRAME_PIECE ? len : FRAME_PIECE;

        len -= piece;
        *out++ = (uint8_t)(opcode | (len == 0 ? FIN : 0));
        if (piece < 126) {
            *out++ = (uint8_t)piece;
        } else {
            *out++ = 126;
            *out++ = (uint8_t)(piece >> 8);
            *out++ = (uint8_t)(piece & 0xff);
        }
        if (piece != 0) {
            memcpy(out, payload, piece);
            out += piece;
            payload += piece;
        }
        opcode = OP_CONTINUATION;
    } while (len != 0);
}

static struct frame *create(size_t size, uint64_t seq, int64_t created_ns)
{
    struct frame *f = gw_malloc(sizeof *f + size);

    GW_ASSERT(size <= UINT32_MAX);
    atomic_init(&f->refs, 1);
    f->len = (uint32_t)size;
    f->created_ns = created_ns;
    f->seq = seq;
    f->fold = NULL;
    return f;
}

struct frame *frame_create(const char *payload, size_t len, uint64_t seq, int64_t created_ns)
{
    struct frame *f = create(frame_size(len), seq, created_ns);

    frame_write(f->bytes, payload, len);
    return f;
}

struct frame *frame_create_fold(const char *payload, size_t len, uint64_t seq, int64_t created_ns,
                                struct fold **fold)
{
    struct frame *f = frame_create(payload, len, seq, created_ns);

    f->fold = *fold;
    *fold = NULL;
    return f;
}

struct frame *frame_create_many(const char *text, const size_t *ends, size_t count, uint64_t seq,
                                int64_t created_ns)
{
    struct frame *f;
    size_t size = 0;
    size_t from = 0;
    uint8_t *out;

    for (size_t i = 0; i < count; from = ends[i++]) {
        size += frame_size(ends[i] - from);
    }
    f = create(size, seq, created_ns);
    out = f->bytes;
    from = 0;
    for (size_t i = 0; i < count; from = ends[i++]) {
        frame_write(out, text + from, ends[i] - from);
        out += frame_size(ends[i] - from);
    }
    return f;
}

void frame_unref(struct frame **fp)
{
    struct frame *f = *fp;

    *fp = NULL;
    GW_ASSERT(atomic_load_explicit(&f->refs, memory_order_relaxed) > 0);
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        free(f->fold); /* one block */
        free(f);
    }
}

static uint32_t piece_at(const uint8_t *bytes, uint32_t offset)
{
    uint32_t len = bytes[offset + 1];

    if (len < 126) {
        return 2 + len;
    }
    return 4 + ((uint32_t)bytes[offset + 2] << 8 | bytes[offset + 3]);
}

uint32_t frame_pieces(const uint8_t *bytes, uint32_t len, uint32_t offset, uint32_t limit)
{
    uint32_t taken = piece_at(bytes, offset);

    while (offset + taken < len) {
        uint32_t next = piece_at(bytes, offset + taken);

        if (taken + next > limit) {
            break;
        }
        taken += next;
    }
    return taken;
}
