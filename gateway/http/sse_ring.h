/* gateway/http/sse_ring.h - the last events of a hub, by number and by id. Pure.
 * Owner: the hub's loop.
 * Invariant: holds events [oldest, next); at most `most` events and `most_bytes` bytes, but always
 * the newest; ids are unique in it. */
#ifndef GATEWAY_HTTP_SSE_RING_H
#define GATEWAY_HTTP_SSE_RING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/err.h"

struct sse_ring;
struct sse_ring *sse_ring_create(uint32_t most, size_t most_bytes);
void sse_ring_destroy(struct sse_ring **rp);
/* Takes TEXT over (as it goes to readers). ID may be NULL. GW_EDUP: the ring has that id; TEXT is
 * still the caller's. */
GW_MUSTCHECK
enum gw_err sse_ring_add(struct sse_ring *r, const char *id, char *text, size_t len);
uint64_t sse_ring_oldest(const struct sse_ring *r);
uint64_t sse_ring_next(const struct sse_ring *r);
/* Text of event N, which is in the ring. */
const char *sse_ring_text(const struct sse_ring *r, uint64_t n, size_t *len);
/* False when no event of that id is in it. */
bool sse_ring_find(const struct sse_ring *r, const char *id, uint64_t *n);
size_t sse_ring_bytes(const struct sse_ring *r);
#endif
