#include "gateway/http/sse_ring.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct event {
    uint64_t n;
    char *id; /* NULL: none */
    char *text;
    size_t len;
    UT_hash_handle hh;
};

struct sse_ring {
    uint32_t most;
    size_t most_bytes;
    struct event **slots; /* of n % most */
    struct event *by_id;
    uint64_t oldest;
    uint64_t next;
    size_t bytes;
};

struct sse_ring *sse_ring_create(uint32_t most, size_t most_bytes)
{
    struct sse_ring *r = gw_calloc(1, sizeof *r);

    GW_ASSERT(most > 0);
    r->most = most;
    r->most_bytes = most_bytes;
    r->slots = gw_calloc(most, sizeof(struct event *));
    return r;
}

static void drop_oldest(struct sse_ring *r)
{
    struct event **slot = &r->slots[r->oldest % r->most];
    struct event *e = *slot;

    *slot = NULL;
    r->oldest++;
    r->bytes -= e->len;
    if (e->id != NULL) {
        HASH_DEL(r->by_id, e);
    }
    free(e->id);
    free(e->text);
    free(e);
}

void sse_ring_destroy(struct sse_ring **rp)
{
    struct sse_ring *r = *rp;

    *rp = NULL;
    while (r->oldest != r->next) {
        drop_oldest(r);
    }
    free(r->slots);
    free(r);
}

enum gw_err sse_ring_add(struct sse_ring *r, const char *id, char *text, size_t len)
{
    struct event *e;
    uint64_t n;

    if (id != NULL && sse_ring_find(r, id, &n)) {
        return GW_EDUP;
    }
    while (r->oldest != r->next &&
           (r->next - r->oldest >= r->most || r->bytes + len > r->most_bytes)) {
        drop_oldest(r);
    }
    e = gw_calloc(1, sizeof *e);
    e->n = r->next++;
    e->text = text;
    e->len = len;
    r->bytes += len;
    r->slots[e->n % r->most] = e;
    if (id != NULL) {
        e->id = gw_strdup(id);
        HASH_ADD_KEYPTR(hh, r->by_id, e->id, strlen(e->id), e);
    }
    return GW_OK;
}

uint64_t sse_ring_oldest(const struct sse_ring *r)
{
    return r->oldest;
}

uint64_t sse_ring_next(const struct sse_ring *r)
{
    return r->next;
}

const char *sse_ring_text(const struct sse_ring *r, uint64_t n, size_t *len)
{
    GW_ASSERT(n >= r->oldest && n < r->next);
    *len = r->slots[n % r->most]->len;
    return r->slots[n % r->most]->text;
}

bool sse_ring_find(const struct sse_ring *r, const char *id, uint64_t *n)
{
    const struct event *e;

    HASH_FIND_STR(r->by_id, id, e);
    if (e != NULL) {
        *n = e->n;
    }
    return e != NULL;
}

size_t sse_ring_bytes(const struct sse_ring *r)
{
    return r->bytes;
}
