#include "gateway/core/observed.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "gateway/base/err.h"

struct seen {
    struct core_observation o; /* its symbol is the key */
    UT_hash_handle hh;
};

struct observed {
    struct seen *symbols;
    struct core_peer cores[OBSERVED_CORES_MOST];
    uint32_t core_count;
    struct core_circuit circuits[OBSERVED_CIRCUITS_MOST];
    uint32_t circuit_count;
};

struct observed *observed_create(void)
{
    return gw_calloc(1, sizeof(struct observed));
}

void observed_destroy(struct observed **op)
{
    struct observed *o = *op;
    struct seen *s;
    struct seen *next;

    *op = NULL;
    HASH_ITER(hh, o->symbols, s, next)
    {
        HASH_DEL(o->symbols, s);
        free(s);
    }
    free(o);
}

static bool note_core(struct observed *o, const struct core_ack *a, int64_t heard_mono_ns)
{
    struct core_peer *p = o->cores;

    while (p < o->cores + o->core_count && strcmp(p->core, a->core) != 0) {
        p++;
    }
    if (p == o->cores + o->core_count) {
        if (o->core_count == OBSERVED_CORES_MOST) {
            return false;
        }
        o->core_count++;
        *p = (struct core_peer){.heard_mono_ns = heard_mono_ns};
        memcpy(p->core, a->core, sizeof p->core);
    }
    if (a->has_version) {
        p->version = a->version;
    }
    if (heard_mono_ns > p->heard_mono_ns) {
        p->heard_mono_ns = heard_mono_ns;
    }
    return true;
}

static bool note_symbol(struct observed *o, const struct core_ack *a, int64_t now_ns)
{
    struct seen *s;

    HASH_FIND_STR(o->symbols, a->symbol, s);
    if (s == NULL) {
        if (HASH_COUNT(o->symbols) >= OBSERVED_SYMBOLS_MOST) {
            return false;
        }
        s = gw_calloc(1, sizeof *s);
        memcpy(s->o.symbol, a->symbol, sizeof s->o.symbol);
        HASH_ADD_STR(o->symbols, o.symbol, s);
    }
    s->o.mode = a->mode;
    s->o.version = a->version;
    s->o.at_ns = now_ns;
    memcpy(s->o.core, a->core, sizeof s->o.core);
    return true;
}

static bool note_circuit(struct observed *o, const struct core_ack *a, int64_t heard_mono_ns,
                         int64_t now_ns)
{
    struct core_circuit *c = o->circuits;
    const struct core_circuit *end = c + o->circuit_count;

    while (c < end && (strcmp(c->name, a->circuit) != 0 || strcmp(c->core, a->core) != 0)) {
        c++;
    }
    if (c == end) {
        if (o->circuit_count == OBSERVED_CIRCUITS_MOST) {
            return false;
        }
        o->circuit_count++;
        *c = (struct core_circuit){.state = CIRCUIT_STATE_COUNT};
        memcpy(c->name, a->circuit, sizeof c->name);
        memcpy(c->core, a->core, sizeof c->core);
    }
    if (c->state != a->circuit_state) {
        c->state = a->circuit_state;
        c->since_ns = now_ns;
    }
    memcpy(c->detail, a->detail, sizeof c->detail);
    c->heard_mono_ns = heard_mono_ns;
    return true;
}

bool observed_take(struct observed *o, const struct core_ack *a, int64_t heard_mono_ns,
                   int64_t now_ns)
{
    return note_core(o, a, heard_mono_ns) &&
           (a->type != CORE_ACK_APPLIED || note_symbol(o, a, now_ns)) &&
           (a->type != CORE_ACK_CIRCUIT || note_circuit(o, a, heard_mono_ns, now_ns));
}

const struct core_observation *observed_symbol(const struct observed *o, const char *symbol)
{
    const struct seen *s;

    HASH_FIND_STR(o->symbols, symbol, s);
    return s != NULL ? &s->o : NULL;
}

uint64_t observed_version(const struct observed *o, int64_t now_mono_ns)
{
    const struct core_peer *last = NULL;
    uint64_t least = UINT64_MAX;

    for (const struct core_peer *p = o->cores; p < o->cores + o->core_count; p++) {
        if (last == NULL || p->heard_mono_ns > last->heard_mono_ns) {
            last = p;
        }
        if (now_mono_ns - p->heard_mono_ns <= OBSERVED_STALE_NS && p->version < least) {
            least = p->version;
        }
    }
    if (least != UINT64_MAX) {
        return least;
    }
    return last != NULL ? last->version : 0;
}

int64_t observed_heard_mono_ns(const struct observed *o)
{
    int64_t last = INT64_MIN;

    for (uint32_t i = 0; i < o->core_count; i++) {
        last = o->cores[i].heard_mono_ns > last ? o->cores[i].heard_mono_ns : last;
    }
    return last;
}

uint32_t observed_circuits(const struct observed *o, const struct core_circuit **out)
{
    *out = o->circuits;
    return o->circuit_count;
}

uint32_t observed_cores(const struct observed *o, const struct core_peer **out)
{
    *out = o->cores;
    return o->core_count;
}
