#include "gateway/core/repeat.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "gateway/base/err.h"

struct row {
    char key[CORE_HASH_SIZE];
    struct core_repeat v;
    char *answer;
    UT_hash_handle hh; /* in the order of their arrival */
};

struct repeats {
    uint32_t most;
    struct row *rows;
};

struct repeats *repeats_create(uint32_t most)
{
    struct repeats *t = gw_calloc(1, sizeof *t);

    t->most = most;
    return t;
}

static void forget(struct repeats *t, struct row *r)
{
    HASH_DEL(t->rows, r);
    free(r->answer);
    free(r);
}

void repeats_destroy(struct repeats **tp)
{
    struct repeats *t = *tp;

    *tp = NULL;
    while (t->rows != NULL) {
        forget(t, t->rows);
    }
    free(t);
}

static struct row *find(const struct repeats *t, const char *key)
{
    struct row *r;

    HASH_FIND_STR(t->rows, key, r);
    return r;
}

void repeats_add(struct repeats *t, const struct core_once *once, const char *id,
                 const char *answer)
{
    struct row *r = find(t, once->key);

    if (r != NULL) {
        forget(t, r);
    }
    if (HASH_COUNT(t->rows) >= t->most) {
        forget(t, t->rows);
    }
    r = gw_calloc(1, sizeof *r);
    memcpy(r->key, once->key, sizeof r->key);
    memcpy(r->v.request, once->request, sizeof r->v.request);
    memcpy(r->v.id, id, sizeof r->v.id);
    r->answer = gw_strdup(answer);
    r->v.answer = r->answer;
    HASH_ADD_STR(t->rows, key, r);
}

const struct core_repeat *repeats_find(const struct repeats *t, const char *key)
{
    const struct row *r = find(t, key);

    return r != NULL ? &r->v : NULL;
}
