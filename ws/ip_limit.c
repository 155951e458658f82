#include "ws/ip_limit.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <uv.h>
#include "gateway/base/err.h"
#include "ratelimit/gcra.h"

#define TEN_MINUTES_NS (600 * (int64_t)1000000000)

struct ip_entry {
    char ip[65];
    uint32_t open;
    int64_t tat_ns;
    UT_hash_handle hh;
};

struct ip_limit {
    uv_mutex_t lock;
    struct ip_entry *entries;
    uint32_t max_open;
    uint32_t max_per_10min;
    struct gcra_rate rate;
};

struct ip_limit *ip_limit_create(uint32_t max_open, uint32_t max_per_10min)
{
    struct ip_limit *l = gw_calloc(1, sizeof *l);

    GW_ASSERT(uv_mutex_init(&l->lock) == 0);
    l->max_open = max_open;
    l->max_per_10min = max_per_10min;
    if (max_per_10min != 0) {
        l->rate.emission_ns = TEN_MINUTES_NS / max_per_10min;
        l->rate.tolerance_ns = TEN_MINUTES_NS - l->rate.emission_ns;
    }
    return l;
}

void ip_limit_destroy(struct ip_limit **lp)
{
    struct ip_limit *l = *lp;
    struct ip_entry *e;
    struct ip_entry *next;

    *lp = NULL;
    if (l != NULL) {
        HASH_ITER(hh, l->entries, e, next)
        {
            HASH_DEL(l->entries, e);
            free(e);
        }
        uv_mutex_destroy(&l->lock);
        free(l);
    }
}

static struct ip_entry *entry_of(struct ip_limit *l, const char *ip)
{
    struct ip_entry *e;

    HASH_FIND_STR(l->entries, ip, e);
    if (e == NULL) {
        e = gw_calloc(1, sizeof *e);
        (void)strncpy(e->ip, ip, sizeof e->ip - 1);
        HASH_ADD_STR(l->entries, ip, e);
    }
    return e;
}

bool ip_limit_attempt(struct ip_limit *l, const char *ip, int64_t now_ns)
{
    int64_t retry_ns;
    bool ok;

    if (l->max_per_10min == 0) {
        return true;
    }
    uv_mutex_lock(&l->lock);
    ok = gcra_take(&entry_of(l, ip)->tat_ns, &l->rate, now_ns, 1, &retry_ns);
    uv_mutex_unlock(&l->lock);
    return ok;
}

bool ip_limit_open(struct ip_limit *l, const char *ip)
{
    struct ip_entry *e;
    bool ok;

    uv_mutex_lock(&l->lock);
    e = entry_of(l, ip);
    ok = l->max_open == 0 || e->open < l->max_open;
    e->open += ok;
    uv_mutex_unlock(&l->lock);
    return ok;
}

void ip_limit_release(struct ip_limit *l, const char *ip)
{
    struct ip_entry *e;

    uv_mutex_lock(&l->lock);
    HASH_FIND_STR(l->entries, ip, e);
    GW_ASSERT(e != NULL && e->open != 0);
    e->open--;
    uv_mutex_unlock(&l->lock);
}

uint32_t ip_limit_count(struct ip_limit *l, const char *ip)
{
    struct ip_entry *e;
    uint32_t open;

    uv_mutex_lock(&l->lock);
    HASH_FIND_STR(l->entries, ip, e);
    open = e != NULL ? e->open : 0;
    uv_mutex_unlock(&l->lock);
    return open;
}

void ip_limit_sweep(struct ip_limit *l, int64_t now_ns)
{
    struct ip_entry *e;
    struct ip_entry *next;

    uv_mutex_lock(&l->lock);
    HASH_ITER(hh, l->entries, e, next)
    {
        if (e->open == 0 && e->tat_ns <= now_ns) {
            HASH_DEL(l->entries, e);
            free(e);
        }
    }
    uv_mutex_unlock(&l->lock);
}
