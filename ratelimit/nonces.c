#include "ratelimit/nonces.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>
#include "gateway/base/err.h"

struct nonce {
    uint64_t name;
    uint64_t value;
    int64_t until_ns;
    struct nonce *prev;
    struct nonce *next;
    UT_hash_handle hh;
};

struct nonces {
    struct nonce *by_name;
    struct nonce *by_age; /* oldest first */
    struct nonce *slots;
    uint32_t entries;
    uint32_t used;
    int64_t unsure_until_ns;
};

struct nonces *nonces_create(uint32_t entries)
{
    struct nonces *n = gw_calloc(1, sizeof *n);

    GW_ASSERT(entries != 0);
    n->entries = entries;
    n->slots = gw_calloc(entries, sizeof *n->slots);
    n->unsure_until_ns = INT64_MIN;
    return n;
}

void nonces_destroy(struct nonces **np)
{
    struct nonces *n = *np;

    *np = NULL;
    HASH_CLEAR(hh, n->by_name);
    free(n->slots);
    free(n);
}

static struct nonce *find(const struct nonces *n, uint64_t name)
{
    struct nonce *nonce;

    HASH_FIND(hh, n->by_name, &name, sizeof name, nonce);
    return nonce;
}

enum nonces_answer nonces_find(const struct nonces *n, uint64_t name, int64_t now_ns)
{
    const struct nonce *nonce = find(n, name);

    if (nonce != NULL && nonce->until_ns >= now_ns) {
        return NONCES_KNOWN;
    }
    return now_ns <= n->unsure_until_ns ? NONCES_UNSURE : NONCES_NEW;
}

bool nonces_value(const struct nonces *n, uint64_t name, int64_t now_ns, uint64_t *value)
{
    const struct nonce *nonce = find(n, name);

    if (nonce == NULL || nonce->until_ns < now_ns) {
        return false;
    }
    *value = nonce->value;
    return true;
}

static struct nonce *slot(struct nonces *n, int64_t now_ns)
{
    struct nonce *nonce = n->by_age;

    if (n->used < n->entries) {
        return &n->slots[n->used++];
    }
    if (nonce->until_ns >= now_ns && nonce->until_ns > n->unsure_until_ns) {
        n->unsure_until_ns = nonce->until_ns;
    }
    DL_DELETE(n->by_age, nonce);
    HASH_DEL(n->by_name, nonce);
    return nonce;
}

void nonces_put(struct nonces *n, uint64_t name, uint64_t value, int64_t now_ns, int64_t until_ns)
{
    struct nonce *nonce = find(n, name);

    if (nonce == NULL) {
        nonce = slot(n, now_ns);
        nonce->name = name;
        HASH_ADD(hh, n->by_name, name, sizeof nonce->name, nonce);
    } else {
        DL_DELETE(n->by_age, nonce);
    }
    nonce->value = value;
    nonce->until_ns = until_ns;
    DL_APPEND(n->by_age, nonce);
}
