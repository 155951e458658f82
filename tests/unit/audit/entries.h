/* tests/unit/audit/entries.h - records for tests, and a random number that a failed run repeats. */
#ifndef TESTS_UNIT_AUDIT_ENTRIES_H
#define TESTS_UNIT_AUDIT_ENTRIES_H
#include <stdio.h>
#include <stdlib.h>
#include "gateway/audit/chain.h"
#include "gateway/audit/ulid.h"

static uint64_t random_state = 0x9e3779b97f4a7c15u;

/* splitmix64, public domain (Sebastiano Vigna) */
static inline uint64_t rnd(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

struct sample {
    struct audit_entry e;
    char id[ULID_SIZE];
    char trace[33];
    uint8_t request[AUDIT_HASH_BYTES];
    char after[160];
};

/* The Nth record, all fields of it filled; not sealed. */
static inline void sample_make(struct sample *s, unsigned n)
{
    static const char *const actions[] = {"symbol.mode", "key.revoke", "user.login", "kill.engage"};
    uint8_t random[10] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    ulid_write(s->id, 1790000000000u + n, random);
    (void)snprintf(s->trace, sizeof s->trace, "%032x", n + 1);
    memset(s->request, (int)(n & 255), sizeof s->request);
    (void)snprintf(s->after, sizeof s->after, "{\"mode\":\"SOFT_HALT\",\"n\":%u}", n);
    s->e = (struct audit_entry){
        .id = s->id,
        .time_ns = 1790000000000000000 + (int64_t)n * 1000000,
        .mono_ns = 5000000 + n,
        .actor = n % 3 == 0   ? "user:ana"
                 : n % 3 == 1 ? "key:pk_abc"
                              : "system",
        .session = "s-1",
        .ip = "10.1.2.3",
        .action = actions[n % 4],
        .target = n % 2 == 0 ? "BTC/USD" : "ETH/USD",
        .outcome = n % 5 == 0 ? "denied" : "done",
        .reason = "feed \"stale\", \xe2\x82\xac 5\n\\",
        .ticket = n % 7 == 0 ? "OPS-7" : "",
        .incident = n % 11 == 0 ? "inc-3" : NULL,
        .request_sha256 = n % 2 == 0 ? s->request : NULL,
        .before = "{\"mode\": \"NORMAL\"}",
        .after = s->after,
        .approvals = "[]",
        .trace = s->trace,
        .journal_id = "",
    };
}
#endif
