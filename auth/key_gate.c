#include "auth/key_gate.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <uv.h>
#include "gateway/base/err.h"

struct open_key {
    char id[65];
    bool any;
    struct key_net *nets;
    size_t net_count;
    UT_hash_handle hh;
};

struct key_gate {
    uv_mutex_t lock;
    struct open_key *keys;
};

static void drop(struct key_gate *g, struct open_key *k)
{
    HASH_DEL(g->keys, k);
    free(k->nets);
    free(k);
}

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
        drop(g, k);
    }
    uv_mutex_destroy(&g->lock);
    free(g);
}

void key_gate_open(struct key_gate *g, const char *keyid, bool any, const struct key_net *nets,
                   size_t count)
{
    struct open_key *k;

    uv_mutex_lock(&g->lock);
    HASH_FIND_STR(g->keys, keyid, k);
    if (k == NULL && strlen(keyid) < sizeof k->id) {
        k = gw_calloc(1, sizeof *k);
        memcpy(k->id, keyid, strlen(keyid) + 1);
        HASH_ADD_STR(g->keys, id, k);
    }
    if (k != NULL) {
        free(k->nets);
        k->any = any;
        k->nets = count > 0 ? gw_calloc(count, sizeof *nets) : NULL;
        k->net_count = count;
        for (size_t i = 0; i < count; i++) {
            k->nets[i] = nets[i];
        }
    }
    uv_mutex_unlock(&g->lock);
}

void key_gate_close(struct key_gate *g, const char *keyid)
{
    struct open_key *k;

    uv_mutex_lock(&g->lock);
    HASH_FIND_STR(g->keys, keyid, k);
    if (k != NULL) {
        drop(g, k);
    }
    uv_mutex_unlock(&g->lock);
}

enum key_gate_verdict key_gate_ask(struct key_gate *g, const char *keyid, const char *ip)
{
    struct key_net in;
    bool address = key_net_address(ip, &in);
    enum key_gate_verdict verdict;
    struct open_key *k;

    uv_mutex_lock(&g->lock);
    HASH_FIND_STR(g->keys, keyid, k);
    verdict = k == NULL                                                          ? KEY_GATE_CLOSED
              : k->any || (address && key_net_among(k->nets, k->net_count, &in)) ? KEY_GATE_OPEN
                                                                                 : KEY_GATE_NETWORK;
    uv_mutex_unlock(&g->lock);
    return verdict;
}
