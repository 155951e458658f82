#include "ratelimit/breaker.h"

#include "gateway/base/err.h"

#define BREAKER_AS_NAME(s) #s,
static const char *const names[] = {BREAKER_STATES(BREAKER_AS_NAME)};
static const unsigned next_of[BREAKER_STATE_COUNT] = {
    [BREAKER_OPEN] = 1u << BREAKER_OPEN | 1u << BREAKER_PROBING,
    [BREAKER_PROBING] = 1u << BREAKER_OPEN | 1u << BREAKER_HALF_OPEN,
    [BREAKER_HALF_OPEN] = 1u << BREAKER_OPEN | 1u << BREAKER_TRYING,
    [BREAKER_TRYING] = 1u << BREAKER_OPEN | 1u << BREAKER_CLOSED,
    [BREAKER_CLOSED] = 1u << BREAKER_OPEN,
};

static void set_state(struct breaker *b, enum breaker_state next, int64_t now_ns)
{
    GW_ASSERT(next_of[b->state] & 1u << next);
    b->state = next;
    b->failures = 0;
    b->since_ns = now_ns;
    b->due_ns = now_ns + b->probe_ns;
}

bool breaker_admit(struct breaker *b, int64_t now_ns, bool *trial)
{
    *trial = b->state == BREAKER_HALF_OPEN;
    if (*trial) {
        set_state(b, BREAKER_TRYING, now_ns);
        return true;
    }
    return b->state == BREAKER_CLOSED;
}

void breaker_open(struct breaker *b, int64_t now_ns)
{
    if (b->state != BREAKER_OPEN) {
        set_state(b, BREAKER_OPEN, now_ns);
    }
}

void breaker_answered(struct breaker *b, bool trial, int64_t now_ns)
{
    if (b->state == BREAKER_CLOSED) {
        b->failures = 0;
    } else if (b->state == BREAKER_TRYING && trial) {
        set_state(b, BREAKER_CLOSED, now_ns);
    } /* else it was sent before the breaker opened: no news */
}

void breaker_failed(struct breaker *b, bool trial, int64_t now_ns)
{
    if (b->state == BREAKER_TRYING && trial) {
        breaker_open(b, now_ns);
    } else if (b->state == BREAKER_CLOSED && ++b->failures >= b->failure_max) {
        breaker_open(b, now_ns);
    }
}

bool breaker_probe_due(const struct breaker *b, int64_t now_ns)
{
    return b->state == BREAKER_OPEN && now_ns >= b->due_ns;
}

void breaker_probe(struct breaker *b, int64_t now_ns)
{
    set_state(b, BREAKER_PROBING, now_ns);
}

void breaker_probed(struct breaker *b, bool ok, int64_t now_ns)
{
    if (b->state == BREAKER_PROBING) {
        set_state(b, ok ? BREAKER_HALF_OPEN : BREAKER_OPEN, now_ns);
    }
}

const char *breaker_name(enum breaker_state state)
{
    return names[state];
}
