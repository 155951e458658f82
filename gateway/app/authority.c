#include "gateway/app/authority.h"

#include <stdlib.h>
#include "auth/master_key.h"
#include "gateway/app/people_wiring.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define CLOSE_NS (3 * (int64_t)1000000000)

struct authority {
    uv_loop_t *loop;
    struct authority_options opt;
    struct master_keys *masters;
    struct pg *pg;
    struct keys *keys;
    struct key_store *store;
    struct limits *limits;
    struct tokens *tokens;
    struct gatehouse *gatehouse;
    struct people_wiring *people;
    struct api *api;
};

static void on_pg_state(void *arg, bool up)
{
    (void)arg;
    log_info("auth", "database", "\"up\":%s", up ? "true" : "false");
}

static bool read_masters(struct authority *a, struct buf *why)
{
    const char *path = a->opt.auth->master_key_file;

    return path[0] == '\0' || master_keys_read(path, &a->masters, why) == GW_OK;
}

static void create_keys(struct authority *a, struct metric_set *store, struct metric_set *redis)
{
    size_t count = 0;
    const struct envelope_master *masters =
        a->masters != NULL ? master_keys_all(a->masters, &count) : NULL;
    struct keys_options opt = {
        .pg = a->pg,
        .dsn = a->opt.auth->database,
        .redis_endpoint = a->opt.redis,
        .masters = masters,
        .master_count = count,
        .metrics = metrics_create(&keys_metrics),
        .store_metrics = store,
        .redis_metrics = redis,
    };

    a->keys = keys_create(a->loop, &opt, &a->opt.sink, a->opt.arg);
    a->store = key_store_create(a->pg, a->keys, masters, count);
}

static bool create_gate(struct authority *a, struct metric_set *store, struct metric_set *redis,
                        struct buf *why)
{
    struct gatehouse_options opt = a->opt.gate;

    opt.pg = a->pg;
    opt.dsn = a->opt.auth->database;
    opt.redis = a->opt.redis;
    opt.store_metrics = store;
    opt.redis_metrics = redis;
    a->gatehouse = gatehouse_create(a->loop, &opt, why);
    return a->gatehouse != NULL;
}

static void create_people(struct authority *a, struct metric_set *store)
{
    struct people_wiring_options opt = {
        .config = a->opt.people,
        .break_glass = a->opt.gate.config->break_glass,
        .pg = a->pg,
        .dsn = a->opt.auth->database,
        .audit = gatehouse_audit(a->gatehouse),
        .store_metrics = store,
        .on_ended = a->opt.on_session_ended,
        .on_begun = a->opt.on_session_begun,
        .arg = a->opt.arg,
    };

    if (a->masters != NULL) {
        opt.masters = master_keys_all(a->masters, &opt.master_count);
    }
    a->people = people_wiring_create(a->loop, &opt);
}

static void create_api(struct authority *a, struct metric_set *redis)
{
    struct limits_options limits = {
        .endpoint = a->opt.redis,
        .instances = 1,
        .ahead_ns = (int64_t)a->opt.auth->window_ahead * 1000000,
        .metrics = metrics_create(&limits_metrics),
        .redis_metrics = redis,
    };
    struct api_options api = {
        .config = a->opt.auth,
        .limits_config = a->opt.limits,
        .keys = a->keys,
        .store = a->store,
        .gate = gatehouse_gate(a->gatehouse),
        .gate_config = a->opt.gate.config,
        .symbols = a->opt.gate.symbols,
        .people = people_wiring_people(a->people),
        .people_config = a->opt.people,
        .audit = gatehouse_audit(a->gatehouse),
        .anchor = gatehouse_anchor(a->gatehouse),
        .core = herald_core(gatehouse_herald(a->gatehouse)),
        .events = herald_events(gatehouse_herald(a->gatehouse)),
        .connections = a->opt.connections,
    };

    a->limits = limits_create(a->loop, &limits, a->opt.limits);
    a->tokens =
        tokens_create(a->loop, a->opt.redis, (uint32_t)(a->opt.auth->token_ttl / 1000), redis);
    api.limits = a->limits;
    api.tokens = a->tokens;
    a->api = api_create(a->loop, &api);
}

bool authority_create(uv_loop_t *loop, const struct authority_options *opt, struct buf *why,
                      struct authority **out)
{
    struct authority *a = gw_calloc(1, sizeof *a);
    struct metric_set *redis;
    struct pg_options pg = {
        .dsn = opt->auth->database,
        .name = "auth",
        .connections = 4,
        .queue_max = 256,
        .timeout_ms = 2000,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
    };

    a->loop = loop;
    a->opt = *opt;
    if (!pg_dsn_valid(opt->auth->database)) {
        buf_lit(why, "auth.database: not a DSN, see docs/reference/CONFIG.md\n");
    } else if (read_masters(a, why)) {
        redis = metrics_create(&redis_metrics);
        pg.metrics = metrics_create(&store_metrics);
        a->pg = pg_create(loop, &pg, on_pg_state, a);
        create_keys(a, pg.metrics, redis);
        if (!create_gate(a, pg.metrics, redis, why)) {
            return false; /* the process ends */
        }
        create_people(a, pg.metrics);
        create_api(a, redis);
        *out = a;
        return true;
    }
    free(a);
    return false;
}

void authority_end_streams(struct authority *a, const char *session_id)
{
    (void)sse_end_owner(herald_events(gatehouse_herald(a->gatehouse)), session_id);
}

struct api *authority_api(struct authority *a)
{
    return a->api;
}

void authority_configure(struct authority *a)
{
    api_configure(a->api);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

/* Something that must be gone before the next may go. */
static void run_until(struct authority *a, const bool *done)
{
    int64_t until = clock_mono_ns() + CLOSE_NS;

    while (!*done && clock_mono_ns() < until) {
        (void)uv_run(a->loop, UV_RUN_NOWAIT);
    }
    if (!*done) {
        log_warn("auth", "slow_close", "%s", "\"next\":\"the process ends all the same\"");
    }
}

void authority_destroy(struct authority **ap)
{
    struct authority *a = *ap;
    bool done[7] = {false};

    *ap = NULL;
    gatehouse_close_gate(a->gatehouse, on_closed, &done[4]);
    run_until(a, &done[4]);
    keys_close(a->keys, on_closed, &done[0]);
    run_until(a, &done[0]);
    people_wiring_close(a->people, on_closed, &done[6]);
    if (pg_up(a->pg)) {
        run_until(a, &done[6]);
    }
    pg_close(a->pg, on_closed, &done[1]);
    run_until(a, &done[1]);
    run_until(a, &done[6]); /* what it waited for has ended with the pool */
    gatehouse_close_audit(a->gatehouse, on_closed, &done[5]);
    run_until(a, &done[5]);
    limits_close(a->limits, on_closed, &done[2]);
    tokens_close(a->tokens, on_closed, &done[3]);
    run_until(a, &done[2]);
    run_until(a, &done[3]);
    if (done[0] && done[1] && done[2] && done[3] && done[4] && done[5] && done[6]) {
        people_wiring_destroy(&a->people);
        gatehouse_destroy(&a->gatehouse);
        key_store_destroy(&a->store);
        keys_destroy(&a->keys);
        pg_destroy(&a->pg);
        limits_destroy(&a->limits);
        tokens_destroy(&a->tokens);
        api_destroy(&a->api);
        if (a->masters != NULL) {
            master_keys_destroy(&a->masters);
        }
        free(a);
    }
}
