#include "ratelimit/preauth.h"

#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include "gateway/base/err.h"
#include "ratelimit/buckets.h"

struct preauth {
    struct gcra_rate rate;
    struct buckets *buckets;
    struct siphash_key seed;
};

struct preauth *preauth_create(const struct gcra_rate *rate, uint32_t entries,
                               const struct siphash_key *seed)
{
    struct preauth *p = gw_calloc(1, sizeof *p);

    p->rate = *rate;
    p->seed = *seed;
    p->buckets = buckets_create(entries);
    return p;
}

void preauth_destroy(struct preauth **pp)
{
    struct preauth *p = *pp;

    *pp = NULL;
    buckets_destroy(&p->buckets);
    free(p);
}

void preauth_set_rate(struct preauth *p, const struct gcra_rate *rate)
{
    p->rate = *rate;
}

void preauth_network(const char *ip, unsigned char out[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    char bare[INET6_ADDRSTRLEN];
    size_t len = strcspn(ip, "%"); /* a zone is not part of the address */

    memset(out, 0, 16);
    if (len >= sizeof bare) {
        len = 0;
    }
    memcpy(bare, ip, len);
    bare[len] = '\0';
    if (inet_pton(AF_INET, bare, out + 12) == 1) {
        memcpy(out, mapped, sizeof mapped);
    } else if (inet_pton(AF_INET6, bare, out) != 1) {
        memset(out, 0, 16);
    } else if (memcmp(out, mapped, sizeof mapped) != 0) {
        memset(out + 8, 0, 8);
    }
}

static int64_t *tat_of(struct preauth *p, const char *ip, const char *name)
{
    unsigned char text[16 + PREAUTH_NAME_MAX];
    size_t len = strnlen(name, PREAUTH_NAME_MAX);

    preauth_network(ip, text);
    memcpy(text + 16, name, len);
    return buckets_tat_ns(p->buckets, siphash(&p->seed, text, 16 + len));
}

bool preauth_admit(struct preauth *p, const char *ip, int64_t now_ns, int64_t *retry_after_ns)
{
    return gcra_take(tat_of(p, ip, ""), &p->rate, now_ns, 1, retry_after_ns);
}

bool preauth_admit_named(struct preauth *p, const char *ip, const char *name, int64_t now_ns,
                         int64_t *retry_after_ns)
{
    return gcra_take(tat_of(p, ip, name), &p->rate, now_ns, 1, retry_after_ns);
}

void preauth_failed(struct preauth *p, const char *ip, int64_t now_ns)
{
    int64_t *tat_ns = tat_of(p, ip, "");
    int64_t most_ns = p->rate.tolerance_ns + PREAUTH_FAILURE_COST * p->rate.emission_ns;
    int64_t ahead_ns = *tat_ns > now_ns ? *tat_ns - now_ns : 0;

    ahead_ns += (PREAUTH_FAILURE_COST - 1) * p->rate.emission_ns;
    *tat_ns = now_ns + (ahead_ns < most_ns ? ahead_ns : most_ns);
}

uint32_t preauth_count(const struct preauth *p)
{
    return buckets_count(p->buckets);
}
