#include "ratelimit/buckets.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>
#include "gateway/base/err.h"

struct bucket {
    uint64_t name;
    int64_t tat_ns;
    struct bucket *prev;
    struct bucket *next;
    UT_hash_handle hh;
};

struct buckets {
    struct bucket *by_name;
    struct bucket *by_use; /* least recent first */
    struct bucket *slots;
    uint32_t entries;
    uint32_t used;
};

struct buckets *buckets_create(uint32_t entries)
{
    struct buckets *b = gw_calloc(1, sizeof *b);

    GW_ASSERT(entries >= 16);
    b->entries = entries;
    b->slots = gw_calloc(entries, sizeof *b->slots);
    return b;
}

void buckets_destroy(struct buckets **bp)
{
    struct buckets *b = *bp;

    *bp = NULL;
    HASH_CLEAR(hh, b->by_name);
    free(b->slots);
    free(b);
}

int64_t *buckets_tat_ns(struct buckets *b, uint64_t name)
{
    struct bucket *bucket;

    HASH_FIND(hh, b->by_name, &name, sizeof name, bucket);
    if (bucket != NULL) {
        DL_DELETE(b->by_use, bucket);
        DL_APPEND(b->by_use, bucket);
        return &bucket->tat_ns;
    }
    if (b->used < b->entries) {
        bucket = &b->slots[b->used++];
    } else {
        bucket = b->by_use;
        DL_DELETE(b->by_use, bucket);
        HASH_DEL(b->by_name, bucket);
    }
    bucket->name = name;
    bucket->tat_ns = 0;
    DL_APPEND(b->by_use, bucket);
    HASH_ADD(hh, b->by_name, name, sizeof bucket->name, bucket);
    return &bucket->tat_ns;
}

uint32_t buckets_count(const struct buckets *b)
{
    return b->used;
}
