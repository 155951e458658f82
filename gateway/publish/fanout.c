#include "gateway/publish/fanout.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "gateway/publish/link.h"
#include "gateway/runtime/log.h"

#define FANOUT_ROW(...) CFG_ROW_OF(struct fanout_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {FANOUT_CONFIG(FANOUT_ROW)};
const struct cfg_table fanout_config_table = {"fanout", config_rows, GW_LEN(config_rows)};

#define FANOUT_AS_TEXT(sym, text) text,
const char *const fanout_names[FANOUT_NAMES] = {FANOUT_PROFILES(FANOUT_AS_TEXT)};

#define DEFAULT_DEPTH 10u

struct fanout {
    uv_mutex_t lock;
    struct fanout_state state; /* under the lock */
    struct fanout_profile normal;
    uint32_t load_ms[LINK_SHARDS_MAX];
    uint32_t shards;
    _Atomic uint64_t version;
    _Atomic int64_t until_ns; /* of the profile in force, 0: none */
};

struct fanout *fanout_create(uint32_t shards)
{
    struct fanout *f = gw_calloc(1, sizeof *f);

    GW_ASSERT(uv_mutex_init(&f->lock) == 0);
    f->shards = shards;
    f->normal = (struct fanout_profile){.default_depth = DEFAULT_DEPTH};
    f->state.profile = f->normal;
    return f;
}

void fanout_destroy(struct fanout **fp)
{
    struct fanout *f = *fp;

    *fp = NULL;
    uv_mutex_destroy(&f->lock);
    free(f);
}

static bool depth_ok(uint64_t depth)
{
    return depth == 10 || depth == 25 || depth == 100 || depth == 500 || depth == 1000;
}

void fanout_check(const struct fanout_config *c, struct buf *errors)
{
    const struct {
        const char *key;
        bool ok;
        const char *expected;
    } checks[] = {
        {"profile", false, "normal, degraded or emergency"},
        {"default_depth", depth_ok(c->default_depth), "10, 25, 100, 500 or 1000"},
        {"degraded_depth", depth_ok(c->degraded_depth), "10, 25, 100, 500 or 1000"},
        {"emergency_depth", depth_ok(c->emergency_depth), "10, 25, 100, 500 or 1000"},
        {"degraded_interval", interval_class(c->degraded_interval) >= 0,
         "0, 20, 50, 100, 250 or 1000 ms"},
        {"emergency_interval", interval_class(c->emergency_interval) >= 0,
         "0, 20, 50, 100, 250 or 1000 ms"},
        {"widen_below", c->widen_below < c->widen_above, "less than widen_above"},
    };

    for (unsigned i = 0; i < GW_LEN(checks); i++) {
        bool ok = checks[i].ok;

        for (unsigned n = 0; i == 0 && n < FANOUT_NAMES; n++) {
            ok = ok || strcmp(c->profile, fanout_names[n]) == 0;
        }
        if (!ok) {
            buf_printf(errors, "fanout.%s: expected %s\n", checks[i].key, checks[i].expected);
        }
    }
}

struct fanout_profile fanout_profile_of(const struct fanout_config *c, enum fanout_name name,
                                        int64_t now_ns)
{
    struct fanout_profile p = {.name = name, .default_depth = (uint32_t)c->default_depth};

    if (name == FANOUT_NORMAL) {
        return p;
    }
    p.until_ns = now_ns + (int64_t)c->hold * 1000000;
    p.interval_ms =
        (uint32_t)(name == FANOUT_DEGRADED ? c->degraded_interval : c->emergency_interval);
    p.default_depth = (uint32_t)(name == FANOUT_DEGRADED ? c->degraded_depth : c->emergency_depth);
    p.sub_ops_per_s =
        (uint32_t)(name == FANOUT_DEGRADED ? c->degraded_sub_ops : c->emergency_sub_ops);
    return p;
}

/* Under the lock. */
static void changed(struct fanout *f)
{
    uint32_t load = 0;

    for (uint32_t i = 0; i < f->shards; i++) {
        load = f->load_ms[i] > load ? f->load_ms[i] : load;
    }
    f->state.load_ms = load;
    f->state.floor_ms = load > f->state.profile.interval_ms ? load : f->state.profile.interval_ms;
    f->state.version++;
    atomic_store(&f->until_ns, f->state.profile.until_ns);
    atomic_store(&f->version, f->state.version);
}

static void set_profile(struct fanout *f, const struct fanout_profile *p, const char *why)
{
    log_warn("fanout", "profile",
             "\"from\":\"%s\",\"to\":\"%s\",\"interval_ms\":%u,\"default_depth\":%u,\"why\":\"%s\"",
             fanout_names[f->state.profile.name], fanout_names[p->name], p->interval_ms,
             p->default_depth, why);
    f->state.profile = *p;
    changed(f);
}

void fanout_set(struct fanout *f, const struct fanout_profile *p)
{
    uv_mutex_lock(&f->lock);
    if (p->name == FANOUT_NORMAL) {
        f->normal = *p;
    }
    set_profile(f, p, "set");
    uv_mutex_unlock(&f->lock);
}

void fanout_load(struct fanout *f, uint32_t shard, uint32_t ms)
{
    uv_mutex_lock(&f->lock);
    if (f->load_ms[shard] != ms) {
        log_warn("fanout", "load", "\"shard\":%u,\"from_ms\":%u,\"to_ms\":%u", shard,
                 f->load_ms[shard], ms);
        f->load_ms[shard] = ms;
        changed(f);
    }
    uv_mutex_unlock(&f->lock);
}

bool fanout_news(struct fanout *f, uint64_t seen, int64_t now_ns, struct fanout_state *out)
{
    int64_t until = atomic_load_explicit(&f->until_ns, memory_order_relaxed);

    if (atomic_load_explicit(&f->version, memory_order_relaxed) == seen &&
        (until == 0 || now_ns < until)) {
        return false;
    }
    uv_mutex_lock(&f->lock);
    if (f->state.profile.until_ns != 0 && now_ns >= f->state.profile.until_ns) {
        set_profile(f, &f->normal, "its time is over");
    }
    *out = f->state;
    uv_mutex_unlock(&f->lock);
    return true;
}

uint32_t fanout_wider(uint32_t ms)
{
    for (unsigned i = 0; i < INTERVAL_CLASSES; i++) {
        if (interval_class_ms[i] > ms && interval_class_ms[i] >= 100) {
            return interval_class_ms[i];
        }
    }
    return interval_class_ms[INTERVAL_CLASSES - 1];
}

uint32_t fanout_narrower(uint32_t ms)
{
    for (unsigned i = INTERVAL_CLASSES; i != 0; i--) {
        if (interval_class_ms[i - 1] < ms && interval_class_ms[i - 1] >= 100) {
            return interval_class_ms[i - 1];
        }
    }
    return 0;
}
