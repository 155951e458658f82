/* Two gateways that are killed and started again at random moments, on one database. */
#ifndef TESTS_UNIT_INCIDENT_GATES_FIXTURE_H
#define TESTS_UNIT_INCIDENT_GATES_FIXTURE_H
#include <stdlib.h>
#include "tests/unit/incident/engine_fixture.h"

struct gates {
    uint32_t seed;
    struct engine gates[2];
    bool up[2];
    unsigned restarts;
};

static inline uint32_t gates_dice(struct gates *g, uint32_t sides)
{
    g->seed = g->seed * 1664525u + 1013904223u;
    return (g->seed >> 8) % sides;
}

static inline unsigned gates_running(struct gates *g, struct engine **out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 2; i++) {
        if (g->up[i]) {
            out[n++] = &g->gates[i];
        }
    }
    return n;
}

static inline void gates_flip(struct gates *g, unsigned which)
{
    if (g->up[which]) {
        engine_close(&g->gates[which]);
    } else {
        engine_open(&g->gates[which], "", false);
        g->restarts++;
    }
    g->up[which] = !g->up[which];
}

/* Both run. The seed may be given: PORTCULLIS_TEST_SEED. */
static inline void gates_open(struct gates *g)
{
    const char *seed = getenv("PORTCULLIS_TEST_SEED");

    g->seed = seed != NULL ? (uint32_t)strtoul(seed, NULL, 10) : 20261121;
    gates_flip(g, 0);
    gates_flip(g, 1);
}

static inline void gates_raise(struct gates *g)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!g->up[i]) {
            gates_flip(g, i);
        }
    }
}

static inline void gates_close(struct gates *g)
{
    engine_close(&g->gates[0]);
    engine_close(&g->gates[1]);
}
#endif
