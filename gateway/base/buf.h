/* gateway/base/buf.h - growable byte buffer with the few printers that hot frames need.
 * Why: frames are printed by our own integer printer (jansson reals lose digits), and every cold
 * text shares the same buffer type.
 * Owner: whoever embeds it; no call is thread-safe on one buffer.
 * Invariant: len <= cap; data[0..len) is what was appended; never NUL-terminated unless
 * buf_cstr(). */
#ifndef GATEWAY_BASE_BUF_H
#define GATEWAY_BASE_BUF_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "gateway/base/err.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_fini(struct buf *b);
/* Keeps the memory for reuse. */
static inline void buf_reset(struct buf *b)
{
    b->len = 0;
}
/* Makes room for EXTRA bytes and returns where they go; add what was used to len. */
char *buf_room(struct buf *b, size_t extra);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) GW_PRINTF(2, 3);
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
/* VALUE with exactly DECIMALS (0..18) digits after the point: 5, 3 -> "0.005". */
void buf_fixed(struct buf *b, int64_t value, unsigned decimals);
/* A JSON string with quotes; control bytes and quotes escaped. S need not be NUL-terminated. */
void buf_json_str(struct buf *b, const char *s, size_t len);
/* RFC 3339, UTC, "2026-11-20T23:51:47.101000Z". DIGITS of the fraction: 0, 3, 6 or 9. */
void buf_rfc3339(struct buf *b, int64_t unix_ns, unsigned digits);
/* Ends with NUL (not counted in len) and borrows the text. */
const char *buf_cstr(struct buf *b);
/* Gives the bytes away; the caller frees. */
char *buf_steal(struct buf *b, size_t *len);

#define buf_lit(b, literal) buf_append((b), "" literal, sizeof(literal) - 1)
#endif
