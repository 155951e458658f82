#include "ws/key_rate.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include "gateway/base/err.h"

struct key_rate {
    struct key_rates *all;
    struct limits_lease *lease;
    struct key_member *waiting;
    struct key_member *waking; /* of on_answer() under way */
    uint32_t uses;             /* sessions, and a call of on_answer() under way */
    char id[LIMITS_ID_MAX + 1];
    UT_hash_handle hh;
};

struct key_rates {
    struct limits *limits;
    void (*woken)(struct key_member *m);
    struct key_rate *keys;
};

struct key_rates *key_rates_create(struct limits *limits, void (*woken)(struct key_member *m))
{
    struct key_rates *r = gw_calloc(1, sizeof *r);

    r->limits = limits;
    r->woken = woken;
    return r;
}

void key_rates_destroy(struct key_rates **rp)
{
    struct key_rates *r = *rp;

    *rp = NULL;
    GW_ASSERT(r->keys == NULL);
    free(r);
}

static void unuse(struct key_rate *k)
{
    GW_ASSERT(k->uses > 0);
    if (--k->uses == 0) {
        HASH_DEL(k->all->keys, k);
        limits_lease_destroy(&k->lease);
        free(k);
    }
}

static void put_in(struct key_member **list, struct key_member *m)
{
    DL_APPEND(*list, m);
    m->list = list;
}

static void take_out(struct key_member *m)
{
    DL_DELETE(*m->list, m);
    m->prev = m->next = NULL;
    m->list = NULL;
}

/* Those who find too few units and wait anew come behind the others. */
static void on_answer(void *arg)
{
    struct key_rate *k = arg;
    struct key_member *m;

    k->uses++;
    while ((m = k->waiting) != NULL) {
        take_out(m);
        put_in(&k->waking, m);
    }
    while ((m = k->waking) != NULL) {
        take_out(m);
        k->all->woken(m);
    }
    unuse(k);
}

void key_rate_join(struct key_rates *r, const char *keyid, struct key_member *m)
{
    struct key_rate *k;

    HASH_FIND_STR(r->keys, keyid, k);
    if (k == NULL) {
        GW_ASSERT(strlen(keyid) <= LIMITS_ID_MAX);
        k = gw_calloc(1, sizeof *k);
        k->all = r;
        memcpy(k->id, keyid, strlen(keyid) + 1);
        k->lease = limits_lease_create(r->limits, LIMITS_MESSAGE, keyid, KEY_RATE_LEASE);
        limits_lease_on_answer(k->lease, on_answer, k);
        HASH_ADD_STR(r->keys, id, k);
    }
    k->uses++;
    *m = (struct key_member){.rate = k};
}

void key_rate_leave(struct key_member *m)
{
    struct key_rate *k = m->rate;

    if (m->list != NULL) {
        take_out(m);
    }
    *m = (struct key_member){0};
    unuse(k);
}

enum key_rate_verdict key_rate_take(struct key_member *m)
{
    struct key_rate *k = m->rate;
    int64_t retry_ns;

    GW_ASSERT(m->list == NULL);
    if (limits_lease_spend(k->lease, 1, &retry_ns)) {
        return KEY_RATE_TAKEN;
    }
    if (!limits_lease_asked(k->lease)) {
        return KEY_RATE_REFUSED;
    }
    put_in(&k->waiting, m);
    return KEY_RATE_WAIT;
}
