#include "auth/key_gate.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <uv.h>
#include "gateway/base/err.h"

struct open_key {
    char id[65];
    UT_hash_handle hh;
};

struct key_gate {
    uv_mutex_t lock;
    struct open_key *keys;
};

struct key_gate *key_gate_create(void)
{
    struct key_gate *g = gw_calloc(1, sizeof *g);

    GW_ASSERT(uv_mutex_init(&g->lock) == 0);
    return g;
}

void key_gate_destroy(struct key_gate **gp)
{
    struct key_gate *g = *gp;
    struct open_key *k;
    struct open_key *next;

    *gp = NULL;
    HASH_ITER(hh, g->keys, k, next)
    {
        HASH_DEL(g->keys, k);
        free(k);
    }
    uv_mutex_destroy(&g->lock);
    free(g);
}

void key_gate_open(struct key_gate *g, const char *keyid)
{
    struct open_key *k;

    uv_mutex_lock(&g->lock);
    HASH_FIND_STR(g->keys, keyid, k);
    if (k == NULL && strlen(keyid) < sizeof k->id) {
        k = gw_calloc(1, sizeof *k);
        memcpy(k->id, keyid, strlen(keyid) + 1);
        HASH_ADD_STR(g->keys, id, k);
    }
    uv_mutex_unlock(&g->lock);
}

void key_gate_close(struct key_gate *g, const char *keyid)
{
    struct open_key *k;

    uv_mutex_lock(&g->lock);
    HASH_FIND_STR(g->keys, keyid, k);
    if (k != NULL) {
        HASH_DEL(g->keys, k);
        free(k);
    }
    uv_mutex_unlock(&g->lock);
}

bool key_gate_is_open(struct key_gate *g, const char *keyid)
{
    struct open_key *k;

    uv_mutex_lock(&g->lock);
    HASH_FIND_STR(g->keys, keyid, k);
    uv_mutex_unlock(&g->lock);
    return k != NULL;
}
