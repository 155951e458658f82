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

struct frame *frame_create(const char *payload, size_t len, uint64_t seq, int64_t created_ns)
{
    size_t size = frame_size(len);
    struct frame *f = gw_malloc(sizeof *f + size);

    GW_ASSERT(size <= UINT32_MAX);
    atomic_init(&f->refs, 1);
    f->len = (uint32_t)size;
    f->created_ns = created_ns;
    f->seq = seq;
    frame_write(f->bytes, payload, len);
    return f;
}

void frame_unref(struct frame **fp)
{
    struct frame *f = *fp;

    *fp = NULL;
    GW_ASSERT(atomic_load_explicit(&f->refs, memory_order_relaxed) > 0);
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
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
