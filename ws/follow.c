#include "ws/follow.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "gateway/base/err.h"
#include "gateway/market/symbols.h"

#define PAGE_WORDS 64u
#define PAGE_SEATS (64u * PAGE_WORDS)
#define PAGES_MOST 65536u /* looked at in one call: 32 MiB, some milliseconds */

struct page {
    _Atomic uint64_t words[PAGE_WORDS];
};

/* Of one shard. */
struct hall {
    uint64_t *taken; /* a bit a seat; its thread's alone */
    uint32_t lowest; /* no word before it has a free seat */
    _Atomic(struct page *)
        *pages; /* by symbol, then by seat; NULL: nobody there ever followed it */
};

struct follow {
    uint32_t symbols;
    uint32_t shards;
    uint32_t pages; /* of a symbol on a shard */
    struct hall *halls;
    _Atomic int64_t clients;
    _Atomic int64_t standing; /* of them */
    _Atomic int64_t total;
    _Atomic int64_t by_symbol[];
};

struct follow *follow_create(uint32_t symbols, uint32_t shards, uint32_t seats)
{
    struct follow *f = gw_calloc(1, sizeof *f + symbols * sizeof f->by_symbol[0]);

    f->symbols = symbols;
    f->shards = shards;
    f->pages = (seats + PAGE_SEATS - 1) / PAGE_SEATS;
    f->halls = gw_calloc(shards + 1, sizeof *f->halls);
    for (uint32_t i = 0; i < shards; i++) {
        f->halls[i].taken = gw_calloc(f->pages + 1, PAGE_WORDS * sizeof(uint64_t));
        f->halls[i].pages = gw_calloc((size_t)symbols * f->pages + 1, sizeof(_Atomic(void *)));
    }
    return f;
}

void follow_destroy(struct follow **fp)
{
    struct follow *f = *fp;

    *fp = NULL;
    if (f == NULL) {
        return;
    }
    for (uint32_t i = 0; i < f->shards; i++) {
        for (size_t k = 0; k < (size_t)f->symbols * f->pages; k++) {
            free(atomic_load(&f->halls[i].pages[k]));
        }
        free((void *)f->halls[i].pages);
        free(f->halls[i].taken);
    }
    free(f->halls);
    free(f);
}

void follow_count(struct follow *f, uint32_t symbol, int step)
{
    atomic_fetch_add_explicit(&f->total, step, memory_order_relaxed);
    if (symbol != SYMBOL_NONE) {
        GW_ASSERT(symbol < f->symbols);
        atomic_fetch_add_explicit(&f->by_symbol[symbol], step, memory_order_relaxed);
    }
}

uint64_t follow_of(const struct follow *f, uint32_t symbol)
{
    const _Atomic int64_t *at = symbol == SYMBOL_NONE ? &f->total : &f->by_symbol[symbol];

    GW_ASSERT(symbol == SYMBOL_NONE || symbol < f->symbols);
    return (uint64_t)atomic_load_explicit(at, memory_order_relaxed);
}

/* --- connections ------------------------------------------------------------------------------- */

uint32_t follow_join(struct follow *f, uint32_t shard)
{
    struct hall *h = &f->halls[shard];
    uint32_t words = f->pages * PAGE_WORDS;

    atomic_fetch_add_explicit(&f->clients, 1, memory_order_relaxed);
    while (h->lowest < words && h->taken[h->lowest] == UINT64_MAX) {
        h->lowest++;
    }
    if (h->lowest == words) {
        atomic_fetch_add_explicit(&f->standing, 1, memory_order_relaxed);
        return FOLLOW_STANDING;
    }
    for (uint32_t bit = 0;; bit++) {
        if ((h->taken[h->lowest] >> bit & 1) == 0) {
            h->taken[h->lowest] |= (uint64_t)1 << bit;
            return h->lowest * 64 + bit;
        }
    }
}

void follow_leave(struct follow *f, uint32_t shard, uint32_t *seat)
{
    struct hall *h = &f->halls[shard];
    uint32_t word = *seat / 64;

    if (*seat == FOLLOW_GONE) {
        return;
    }
    atomic_fetch_sub_explicit(&f->clients, 1, memory_order_relaxed);
    if (*seat == FOLLOW_STANDING) {
        atomic_fetch_sub_explicit(&f->standing, 1, memory_order_relaxed);
    } else {
        h->taken[word] &= ~((uint64_t)1 << *seat % 64);
        h->lowest = word < h->lowest ? word : h->lowest;
    }
    *seat = FOLLOW_GONE;
}

void follow_mark(struct follow *f, uint32_t shard, uint32_t seat, uint32_t symbol, bool follows)
{
    uint64_t bit = (uint64_t)1 << seat % 64;
    _Atomic(struct page *) *at;
    struct page *page;

    if (seat == FOLLOW_GONE || seat == FOLLOW_STANDING) {
        return;
    }
    GW_ASSERT(symbol < f->symbols && shard < f->shards);
    at = &f->halls[shard].pages[(size_t)symbol * f->pages + seat / PAGE_SEATS];
    page = atomic_load_explicit(at, memory_order_relaxed);
    if (page == NULL && follows) {
        page = gw_calloc(1, sizeof *page);
        atomic_store_explicit(at, page, memory_order_release);
    }
    if (follows) {
        atomic_fetch_or_explicit(&page->words[seat % PAGE_SEATS / 64], bit, memory_order_relaxed);
    } else if (page != NULL) {
        atomic_fetch_and_explicit(&page->words[seat % PAGE_SEATS / 64], ~bit, memory_order_relaxed);
    }
}

/* Seats of page NUMBER of H that follow any of FELT; takes what it looked at from *LEFT. */
static uint64_t count_page(const struct follow *f, const struct hall *h, uint32_t number,
                           const bool *felt, uint32_t *left)
{
    uint64_t any[PAGE_WORDS] = {0};
    uint64_t count = 0;

    for (uint32_t symbol = 0; symbol < f->symbols && *left != 0; symbol++) {
        const struct page *page =
            felt[symbol] ? atomic_load_explicit(&h->pages[(size_t)symbol * f->pages + number],
                                                memory_order_acquire)
                         : NULL;

        *left -= page != NULL;
        for (uint32_t i = 0; page != NULL && i < PAGE_WORDS; i++) {
            any[i] |= atomic_load_explicit(&page->words[i], memory_order_relaxed);
        }
    }
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        count += (uint64_t)__builtin_popcountll(any[i]);
    }
    return count;
}

bool follow_clients(const struct follow *f, const bool *felt, uint64_t *out)
{
    uint32_t left = PAGES_MOST;

    *out = 0;
    if (felt == NULL) {
        *out = (uint64_t)atomic_load_explicit(&f->clients, memory_order_relaxed);
        return true;
    }
    if (atomic_load_explicit(&f->standing, memory_order_relaxed) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < f->shards; i++) {
        for (uint32_t k = 0; k < f->pages; k++) {
            *out += count_page(f, &f->halls[i], k, felt, &left);
        }
    }
    return left != 0;
}
