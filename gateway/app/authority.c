#include "gateway/app/authority.h"

#include <stdlib.h>
#include "admin_api/smoke.h"
#include "auth/master_key.h"
#include "gateway/app/fleet_wiring.h"
#include "gateway/app/incident_wiring.h"
#include "gateway/app/network_news.h"
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
    struct incident_wiring *incidents;
    struct pager *pager;
    struct reporting *reporting;
    struct playbook_wiring *playbooks;
    struct fleet_wiring *fleet;
    struct smoke *smoke; /* NULL: not allowed here */
    struct watch *watch;
    struct network_news network_news;
    struct api *api;
    bool was_up; /* PostgreSQL, once */
};

static void on_pg_state(void *arg, bool up)
{
    struct authority *a = arg;

    if (up && a->was_up) {
        api_nonces_lost(a->api);
    }
    a->was_up = a->was_up || up;
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

static bool create_pager(struct authority *a, struct buf *why)
{
    const struct pager_options opt = {
        .config = a->opt.paging,
        .pg = a->pg,
        .state_dir = a->opt.gate.config->state_dir,
        .name = a->opt.gate.name,
        .events = herald_events(gatehouse_herald(a->gatehouse)),
    };

    a->pager = pager_create(a->loop, &opt, why);
    return a->pager != NULL;
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
    if (a->gatehouse == NULL || !create_pager(a, why)) {
        return false;
    }
    a->incidents = incident_wiring_create(a->loop, a->gatehouse, a->opt.incidents, &opt,
                                          pager_paging(a->pager), why);
    return a->incidents != NULL;
}

/* What an alert, a threshold, a silent component or a detector says goes where incidents are made. */
static void on_signal(void *arg, const struct incident_signal *s)
{
    struct authority *a = arg;

    incidents_signal(incident_wiring_incidents(a->incidents), s, NULL, NULL);
}

/* In force at once, also while PostgreSQL, which has it as well, is away. */
static bool on_refuses(void *arg, const char *account)
{
    const struct authority *a = arg;

    return control_value_of(gate_now(gatehouse_gate(a->gatehouse)), CONTROL_KIND_ACCESS, account)
        ->disabled;
}

static void create_watch(struct authority *a)
{
    const struct watch_options opt = {
        .config = a->opt.detect,
        .symbols = a->opt.gate.symbols,
        .pg = a->pg,
        .gate = gatehouse_gate(a->gatehouse),
        .rest = a->opt.gate.rest,
        .name = a->opt.gate.name,
        .anchoring = gatehouse_anchor(a->gatehouse) != NULL,
        .on_signal = on_signal,
        .arg = a,
    };

    a->watch = watch_create(a->loop, &opt);
    a->network_news = (struct network_news){.keys = a->keys,
                                            .incidents = incident_wiring_incidents(a->incidents),
                                            .config = a->opt.detect,
                                            .gateway = a->opt.gate.name};
    network_news_start(&a->network_news);
    keys_refuse_accounts(a->keys, on_refuses, a);
}

/* It did not see to it that all it knew reached PostgreSQL. */
static void on_died(void *arg)
{
    const struct authority *a = arg;

    api_nonces_lost(a->api);
}

static bool create_playbooks(struct authority *a, struct buf *why)
{
    struct fleet_wiring_options fleet = {
        .pg = a->pg,
        .listen = a->opt.gate.name,
        .config = a->opt.playbooks,
        .paging = pager_paging(a->pager),
        .limits = a->opt.limits,
        .on_died = on_died,
        .arg = a,
    };

    a->playbooks = playbook_wiring_create(a->opt.playbooks, gatehouse_gate(a->gatehouse), why);
    if (a->playbooks == NULL) {
        return false;
    }
    incident_wiring_playbooks(a->incidents, a->playbooks);
    fleet.playbooks = a->playbooks;
    a->fleet = fleet_wiring_create(a->loop, &fleet);
    return true;
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

static bool create_reporting(struct authority *a, struct buf *why)
{
    const struct reporting_options opt = {
        .config = a->opt.reported,
        .pg = a->pg,
        .gate = gatehouse_gate(a->gatehouse),
        .limits = a->limits,
        .events = herald_events(gatehouse_herald(a->gatehouse)),
        .draining = a->opt.draining,
        .on_signal = on_signal,
        .arg = a,
    };

    a->reporting = reporting_create(a->loop, &opt, why);
    return a->reporting != NULL;
}

static bool on_only_gateway(void *arg)
{
    const struct authority *a = arg;

    return fleet_wiring_alone(a->fleet);
}

static bool create_api(struct authority *a, struct metric_set *redis, struct buf *why)
{
    struct limits_options limits = {
        .endpoint = a->opt.redis,
        .instances = 1,
        .ahead_ns = (int64_t)a->opt.auth->window_ahead * 1000000,
        .watches_clock = true,
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
        .incidents = incident_wiring_incidents(a->incidents),
        .paging = pager_paging(a->pager),
        .playbooks = playbook_wiring_all(a->playbooks),
        .smoke_config = a->opt.smoke,
        .only_gateway = on_only_gateway,
        .arg = a,
    };
    const struct smoke_options smoke = {a->pg, a->opt.redis, redis};

    a->limits = limits_create(a->loop, &limits, a->opt.limits);
    if (!create_reporting(a, why)) {
        return false;
    }
    a->tokens =
        tokens_create(a->loop, a->opt.redis, (uint32_t)(a->opt.auth->token_ttl / 1000), redis);
    if (smoke_allowed(a->opt.smoke)) {
        a->smoke = smoke_create(a->loop, &smoke);
    }
    api.smoke = a->smoke;
    api.limits = a->limits;
    api.tokens = a->tokens;
    api.reported = reporting_reported(a->reporting);
    a->api = api_create(a->loop, &api);
    return true;
}

bool authority_create(uv_loop_t *loop, const struct authority_options *opt, struct buf *why,
                      struct authority **out)
{
    struct authority *a = gw_calloc(1, sizeof *a);
    struct metric_set *redis;
    struct pg_options pg = {
        .dsn = opt->auth->database,
        .name = "auth",
        .circuit = CIRCUIT_STORE,
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
        if (!create_gate(a, pg.metrics, redis, why) || !create_playbooks(a, why)) {
            return false; /* the process ends */
        }
        create_watch(a);
        create_people(a, pg.metrics);
        *out = a;
        return create_api(a, redis, why);
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

/* What is closed before the rest may be freed. */
enum part {
    PART_WATCH,
    PART_INCIDENTS,
    PART_GATE,
    PART_KEYS,
    PART_PEOPLE,
    PART_REPORTING,
    PART_FLEET,
    PART_PAGER,
    PART_POOL,
    PART_AUDIT,
    PART_LIMITS,
    PART_TOKENS,
    PART_SMOKE,
    PART_COUNT
};

static bool all_closed(const bool done[PART_COUNT])
{
    for (unsigned i = 0; i < PART_COUNT; i++) {
        if (!done[i]) {
            return false;
        }
    }
    return true;
}

static void close_all(struct authority *a, bool done[PART_COUNT])
{
    watch_close(a->watch, on_closed, &done[PART_WATCH]);
    run_until(a, &done[PART_WATCH]);
    incident_wiring_close(a->incidents, on_closed, &done[PART_INCIDENTS]);
    fleet_wiring_close(a->fleet, on_closed, &done[PART_FLEET]);
    gatehouse_close_gate(a->gatehouse, on_closed, &done[PART_GATE]);
    run_until(a, &done[PART_GATE]);
    keys_close(a->keys, on_closed, &done[PART_KEYS]);
    run_until(a, &done[PART_KEYS]);
    people_wiring_close(a->people, on_closed, &done[PART_PEOPLE]);
    reporting_close(a->reporting, on_closed, &done[PART_REPORTING]);
    if (pg_up(a->pg)) {
        run_until(a, &done[PART_PEOPLE]);
        run_until(a, &done[PART_REPORTING]);
    }
    pager_close(a->pager, on_closed, &done[PART_PAGER]);
    run_until(a, &done[PART_PAGER]);
    run_until(a, &done[PART_FLEET]);
    pg_close(a->pg, on_closed, &done[PART_POOL]);
    run_until(a, &done[PART_POOL]);
    run_until(a, &done[PART_PEOPLE]); /* what they waited for has ended with the pool */
    run_until(a, &done[PART_REPORTING]);
    run_until(a, &done[PART_INCIDENTS]);
    gatehouse_close_audit(a->gatehouse, on_closed, &done[PART_AUDIT]);
    run_until(a, &done[PART_AUDIT]);
    done[PART_SMOKE] = a->smoke == NULL;
    if (a->smoke != NULL) {
        smoke_close(a->smoke, on_closed, &done[PART_SMOKE]);
    }
    run_until(a, &done[PART_SMOKE]);
    limits_close(a->limits, on_closed, &done[PART_LIMITS]);
    tokens_close(a->tokens, on_closed, &done[PART_TOKENS]);
    run_until(a, &done[PART_LIMITS]);
    run_until(a, &done[PART_TOKENS]);
}

void authority_destroy(struct authority **ap)
{
    struct authority *a = *ap;
    bool done[PART_COUNT] = {false};

    *ap = NULL;
    close_all(a, done);
    if (all_closed(done)) {
        incident_wiring_destroy(&a->incidents);
        watch_destroy(&a->watch);
        pager_destroy(&a->pager);
        if (a->smoke != NULL) {
            smoke_destroy(&a->smoke);
        }
        fleet_wiring_destroy(&a->fleet);
        playbook_wiring_destroy(&a->playbooks);
        people_wiring_destroy(&a->people);
        reporting_destroy(&a->reporting);
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
