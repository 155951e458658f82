#include "gateway/publish/roster.h"

#include <stdlib.h>

const uint64_t roster_bounds[] = {ROSTER_BUCKETS(ROSTER_BUCKET_AS_NUMBER)};

void roster_destroy(struct roster **rp)
{
    struct roster *r = *rp;

    *rp = NULL;
    free(r->open);
    free(r->closed);
    free(r);
}

unsigned roster_bucket(uint64_t bytes)
{
    unsigned i = 0;

    while (i < GW_LEN(roster_bounds) && bytes > roster_bounds[i]) {
        i++;
    }
    return i;
}
