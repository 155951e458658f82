#include "gateway/incident/clock.h"
#include "gateway/incident/postmortem.h"

struct rung {
    uint64_t level;
    int64_t after_ns;
};

#define RUNGS 2u
static const struct rung ladders[SEVERITY_COUNT][RUNGS] = {
    [SEV1] = {{2, 15 * MINUTES_NS}, {3, 30 * MINUTES_NS}},
    [SEV2] = {{2, 15 * MINUTES_NS}, {3, 30 * MINUTES_NS}},
    [SEV3] = {{2, 240 * MINUTES_NS}},
};

/* Does the clock of LEVEL run? */
static bool runs(const struct incident *i, uint64_t level)
{
    switch (i->state) {
    case INCIDENT_OPEN:
        return true;
    case INCIDENT_ACKNOWLEDGED: /* elapsed time counts for the worst, not silence */
        return i->severity == SEV1 && level == 3;
    default:
        return false;
    }
}

int64_t incident_next(const struct incident *i, uint64_t *level)
{
    for (unsigned r = 0; r < RUNGS; r++) {
        const struct rung *rung = &ladders[i->severity][r];

        if (rung->level > i->level && runs(i, rung->level)) {
            *level = rung->level;
            return i->clock_ns + rung->after_ns;
        }
    }
    *level = 0;
    return 0;
}

int64_t incident_ack_due(const struct incident *i)
{
    int64_t within_ns = severity_rows[i->severity].ack_ns;

    return within_ns != 0 ? i->clock_ns + within_ns : 0;
}

void incident_wind(struct incident *i)
{
    uint64_t which;

    i->ack_due_ns = incident_ack_due(i);
    i->level_next_ns = incident_next(i, &which);
    i->remind_next_ns = postmortem_next(i, &which);
}

void incident_restart(struct incident *i, int64_t now_ns)
{
    i->clock_ns = now_ns;
    i->level = 1;
    i->l3 = L3_NONE;
}
