#include "gateway/app/daemon.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "gateway/app/authority.h"
#include "gateway/app/connections.h"
#include "gateway/app/market_thread.h"
#include "gateway/app/openapi.h"
#include "gateway/http/server.h"
#include "gateway/publish/link.h"
#include "gateway/rest/dashboard.h"
#include "gateway/rest/rest.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define HTTP_DRAIN_MS 2000u

#define TLS_ROW(...)    CFG_ROW_OF(struct tls_config, __VA_ARGS__)
#define LOG_ROW(...)    CFG_ROW_OF(struct log_config, __VA_ARGS__)
#define PUBLIC_ROW(...) CFG_ROW_OF(struct public_config, __VA_ARGS__)
#define ADMIN_ROW(...)  CFG_ROW_OF(struct admin_config, __VA_ARGS__)
static const struct cfg_row tls_rows[] = {TLS_CONFIG(TLS_ROW)};
static const struct cfg_row log_rows[] = {LOG_CONFIG(LOG_ROW)};
static const struct cfg_row public_rows[] = {PUBLIC_CONFIG(PUBLIC_ROW)};
static const struct cfg_row admin_rows[] = {ADMIN_CONFIG(ADMIN_ROW)};
static const struct cfg_table tls_table = {"tls", tls_rows, GW_LEN(tls_rows)};
static const struct cfg_table log_table = {"log", log_rows, GW_LEN(log_rows)};
static const struct cfg_table public_table = {"public", public_rows, GW_LEN(public_rows)};
static const struct cfg_table admin_table = {"admin", admin_rows, GW_LEN(admin_rows)};

void daemon_bindings(struct daemon_config *c, struct cfg_binding bindings[DAEMON_BINDINGS])
{
    const struct cfg_binding all[] = {
        {&tls_table, &c->tls},
        {&log_table, &c->log},
        {&ws_config_table, &c->ws},
        {&public_table, &c->public},
        {&admin_table, &c->admin},
        {&feed_config_table, &c->feed},
        {&fanout_config_table, &c->fanout},
        {&auth_config_table, &c->auth},
        {&limits_config_table, &c->limits},
        {&gate_config_table, &c->gate},
        {&people_config_table, &c->people},
        {&incidents_config_table, &c->incidents},
        {&paging_config_table, &c->paging},
        {&detect_config_table, &c->detect},
        {&reported_config_table, &c->reported},
        {&playbooks_config_table, &c->playbooks},
        {&smoke_config_table, &c->smoke},
    };

    static_assert(GW_LEN(all) == DAEMON_BINDINGS, "one for each");
    memcpy(bindings, all, sizeof all);
}

struct gateway {
    struct daemon_config *config;
    daemon_reread_fn *reread;
    const struct symbols *symbols;
    uv_loop_t loop;
    uv_signal_t signals[3];
    struct fanout *fanout;
    struct mailbox *shard_inboxes[LINK_SHARDS_MAX];
    struct mailbox *market_inbox;
    struct mailbox *rest_inbox;
    struct mailbox *gate_inbox; /* NULL: no control state */
    struct shard *shards[LINK_SHARDS_MAX];
    uint32_t shard_count;
    struct ip_limit *ips;
    struct ip_limit *key_sessions;
    struct key_gate *gate;
    struct follow *follow;
    struct mailbox *roster_inbox;
    struct connections *connections;
    struct authority *authority; /* NULL: no keys */
    struct market_thread *market;
    struct rest *rest;
    struct dashboard *dashboard;
    struct http_server *public_http;
    struct http_server *admin_http;
    struct buf limits;
    unsigned draining_http;
    bool draining;
};

/* What clients may do, as /v1/limits tells them (docs/PROTOCOL.md). */
static void print_limits(const struct ws_config *ws, struct buf *out)
{
    buf_printf(out,
               "{\"connections_per_10min_per_ip\":%llu,\"connections_per_ip\":%llu,"
               "\"control_messages_per_s\":%llu,\"control_burst\":%llu,\"ping_per_s\":1,"
               "\"symbols_per_channel\":%llu,\"message_bytes\":%llu,\"subscribe_within_ms\":%llu,"
               "\"depths\":[10,25,100,500,1000],\"intervals_ms\":[0,20,50,100,250,1000],"
               "\"default_interval_ms\":50,\"lag_ms\":%llu,\"lag_bytes\":%llu}",
               (unsigned long long)ws->connects_per_10min, (unsigned long long)ws->max_per_ip,
               (unsigned long long)ws->control_rate, (unsigned long long)ws->control_burst,
               (unsigned long long)ws->symbols_per_channel, (unsigned long long)ws->message_bytes,
               (unsigned long long)ws->idle_subscribe, (unsigned long long)ws->lag,
               (unsigned long long)ws->lag_bytes);
    (void)buf_cstr(out);
}

/* Sockets are the edge's currency: take all that the system allows. */
static void raise_nofile(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum gw_err start_shards(struct gateway *g)
{
    const struct ws_config *ws = &g->config->ws;

    shard_count_set((uint32_t)ws->shards);
    g->key_sessions = ip_limit_create((uint32_t)ws->max_per_key, 0);
    g->gate = key_gate_create();
    g->follow = follow_create(symbols_count(g->symbols), (uint32_t)ws->shards,
                              (uint32_t)ws->max_clients + WS_SEATS_MORE);
    g->ips = ip_limit_create((uint32_t)ws->max_per_ip, (uint32_t)ws->connects_per_10min);
    for (uint32_t i = 0; i < ws->shards; i++) {
        struct shard_options opt = {
            .number = i,
            .config = ws,
            .cert_file = g->config->tls.cert_file,
            .key_file = g->config->tls.key_file,
            .symbols = g->symbols,
            .inbox = g->shard_inboxes[i],
            .market = g->market_inbox,
            .gate_inbox = g->gate_inbox,
            .ips = g->ips,
            .keys = g->key_sessions,
            .gate = g->gate,
            .follow = g->follow,
            .fanout = g->fanout,
            .fanout_config = &g->config->fanout,
            .redis = g->config->feed.redis,
            .limits = g->config->auth.database[0] != '\0' ? &g->config->limits : NULL,
            .shards = (uint32_t)ws->shards,
        };
        enum gw_err err = shard_start(&opt, &g->shards[i]);

        if (err != GW_OK) {
            log_error("app", "cannot_listen",
                      "\"ws.listen\":%s,\"next\":\"check that the address is of this machine, the "
                      "port is free and tls.cert_file, tls.key_file are readable\"",
                      log_json(ws->listen));
            return err;
        }
        g->shard_count++;
    }
    return GW_OK;
}

static void on_key_active(void *arg, const struct key *key)
{
    struct gateway *g = arg;

    key_gate_open(g->gate, key->id, key->any_ip, key->nets, key->net_count);
}

static void on_key_ended(void *arg, const char *key_id, const char *reason)
{
    struct gateway *g = arg;

    if (g->authority != NULL) {
        authority_end_streams(g->authority, key_id);
    }

    log_info("auth", "key_ended", "\"key\":%s,\"reason\":\"%s\"", log_json(key_id), reason);
    key_gate_close(g->gate, key_id); /* first: a token taken from now on opens nothing */
    for (uint32_t i = 0; i < g->shard_count; i++) {
        shard_revoke(g->shards[i], key_id);
    }
}

static void on_session_begun(void *arg, const char *session_id)
{
    struct gateway *g = arg;

    key_gate_open(g->gate, session_id, true, NULL, 0);
}

/* The place from which streams and connections of a person's session are ended. */
static void on_session_ended(void *arg, const char *session_id)
{
    struct gateway *g = arg;

    key_gate_close(g->gate, session_id);
    for (uint32_t i = 0; i < g->shard_count; i++) {
        shard_revoke(g->shards[i], session_id);
    }
    if (g->authority != NULL) {
        authority_end_streams(g->authority, session_id);
    }
}

static enum gw_err start_authority(struct gateway *g)
{
    struct authority_options opt = {
        .auth = &g->config->auth,
        .limits = &g->config->limits,
        .redis = g->config->feed.redis,
        .gate = {.config = &g->config->gate,
                 .fanout_config = &g->config->fanout,
                 .symbols = g->symbols,
                 .market = g->market_inbox,
                 .inbox = g->gate_inbox,
                 .rest = g->rest,
                 .fanout = g->fanout,
                 .name = g->config->admin.listen,
                 .shards = g->shard_count},
        .people = &g->config->people,
        .incidents = &g->config->incidents,
        .paging = &g->config->paging,
        .reported = &g->config->reported,
        .draining = &g->draining,
        .playbooks = &g->config->playbooks,
        .smoke = &g->config->smoke,
        .detect = &g->config->detect,
        .connections = connections_view(g->connections),
        .sink = {on_key_active, on_key_ended},
        .on_session_ended = on_session_ended,
        .on_session_begun = on_session_begun,
        .arg = g,
    };
    struct buf why = {0};
    bool ok =
        opt.auth->database[0] == '\0' || authority_create(&g->loop, &opt, &why, &g->authority);

    if (!ok) {
        log_error("app", "cannot_start", "\"auth\":%s", log_json(buf_cstr(&why)));
    }
    buf_fini(&why);
    return ok ? GW_OK : GW_ECONFIG;
}

static enum gw_err start_dashboard(struct gateway *g)
{
    const struct admin_config *a = &g->config->admin;
    struct dashboard_options opt = {
        .folder = a->web_dir, .socket = a->web_socket, .rest = a->web_rest};
    struct buf why = {0};
    char host[64];
    enum gw_err err;

    GW_ASSERT(config_endpoint(g->config->ws.listen, host, &opt.ws_port));
    GW_ASSERT(config_endpoint(g->config->public.listen, host, &opt.rest_port));
    err = dashboard_create(&opt, &why, &g->dashboard);
    if (err != GW_OK) {
        log_error("app", "cannot_start", "\"dashboard\":%s", log_json(buf_cstr(&why)));
    }
    buf_fini(&why);
    return err;
}

static enum gw_err start_http(struct gateway *g)
{
    const struct public_config *p = &g->config->public;
    struct http_options opt = {
        .name = "public",
        .cert_file = g->config->tls.cert_file,
        .key_file = g->config->tls.key_file,
        .routes = {{rest_public_routes, rest_public_route_count, g->rest},
                   {openapi_public_routes, openapi_public_route_count, g}},
        .route_sets = g->authority != NULL ? 3 : 2,
        .max_connections = (uint32_t)p->max_connections,
        .max_connections_per_ip = (uint32_t)p->max_per_ip,
        .max_body_bytes = 65536,
        .io_timeout_ms = (uint32_t)p->io_timeout,
        .max_age_ms = (uint32_t)p->max_age,
        .max_requests_per_s = (uint32_t)p->requests_per_s,
        .cors_origin = "*",
    };
    char host[64];
    enum gw_err err;

    if (g->authority != NULL) {
        opt.routes[2] = (struct http_routes){api_public_routes, api_public_route_count,
                                             authority_api(g->authority)};
    }
    GW_ASSERT(config_endpoint(p->listen, host, &opt.port));
    opt.host = host;
    err = http_server_create(&g->loop, &opt, &g->public_http);
    if (err != GW_OK) {
        return err;
    }
    GW_ASSERT(config_endpoint(g->config->admin.listen, host, &opt.port));
    opt.name = "admin";
    opt.routes[0] = (struct http_routes){rest_ops_routes, rest_ops_route_count, g->rest};
    opt.routes[1] = (struct http_routes){dashboard_routes, dashboard_route_count, g->dashboard};
    opt.routes[2] = (struct http_routes){openapi_admin_routes, openapi_admin_route_count, g};
    opt.route_sets = 3;
    if (g->authority != NULL) {
        opt.large = api_large_bodies;
        opt.large_count = api_large_body_count;
        opt.routes[opt.route_sets++] = (struct http_routes){api_admin_routes, api_admin_route_count,
                                                            authority_api(g->authority)};
    }
    opt.cors_origin = NULL;
    return http_server_create(&g->loop, &opt, &g->admin_http);
}

static void on_http_drained(void *arg)
{
    struct gateway *g = arg;

    if (--g->draining_http == 0) {
        uv_stop(&g->loop);
    }
}

/* The profile the configuration names, when it is not the one it named before. */
static void set_profile(struct gateway *g, const char *before)
{
    const struct fanout_config *c = &g->config->fanout;

    for (unsigned i = 0; i < FANOUT_NAMES; i++) {
        if (strcmp(c->profile, fanout_names[i]) == 0 && strcmp(c->profile, before) != 0) {
            struct fanout_profile p = fanout_profile_of(c, (enum fanout_name)i, clock_mono_ns());

            fanout_set(g->fanout, &p);
        }
    }
}

static void take_config(struct gateway *g)
{
    static struct daemon_config fresh; /* large */
    struct cfg_binding now[DAEMON_BINDINGS];
    struct cfg_binding then[DAEMON_BINDINGS];
    struct buf changed = {0};
    char *profile = gw_strdup(g->config->fanout.profile);

    daemon_bindings(g->config, now);
    daemon_bindings(&fresh, then);
    if (g->reread(&fresh)) {
        config_take_live(now, then, DAEMON_BINDINGS, &changed);
        log_info("app", "config", "\"changed\":%s", log_json(buf_cstr(&changed)));
        set_profile(g, profile);
        rest_configure(g->rest);
        if (g->authority != NULL) {
            authority_configure(g->authority);
        }
        for (uint32_t i = 0; i < g->shard_count; i++) {
            shard_take_live(g->shards[i], &g->config->ws, &g->config->fanout, &g->config->limits);
        }
    }
    config_fini(then, DAEMON_BINDINGS);
    buf_fini(&changed);
    free(profile);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct gateway *g = signal->data;

    log_info("app", "signal", "\"signal\":%d", number);
    if (g->draining) {
        return;
    }
    if (number == SIGHUP) {
        take_config(g);
        return;
    }
    g->draining = true;
    for (uint32_t i = 0; i < g->shard_count; i++) {
        shard_stop(g->shards[i]);
    }
    g->draining_http = 2;
    http_server_drain(g->public_http, HTTP_DRAIN_MS, on_http_drained, g);
    http_server_drain(g->admin_http, HTTP_DRAIN_MS, on_http_drained, g);
}

static void create_mailboxes(struct gateway *g)
{
    for (uint32_t i = 0; i < g->config->ws.shards; i++) {
        g->shard_inboxes[i] = mailbox_create((uint32_t)g->config->ws.mailbox);
    }
    g->market_inbox = mailbox_create(65536);
    g->rest_inbox = mailbox_create(1024);
    g->roster_inbox = mailbox_create(1024);
    g->gate_inbox = g->config->auth.database[0] != '\0' ? mailbox_create(1024) : NULL;
}

static void destroy_mailboxes(struct gateway *g)
{
    for (uint32_t i = 0; i < g->config->ws.shards; i++) {
        link_drain(g->shard_inboxes[i]);
        mailbox_destroy(&g->shard_inboxes[i]);
    }
    mailbox_destroy(&g->market_inbox);
    mailbox_destroy(&g->rest_inbox);
    link_drain(g->roster_inbox);
    mailbox_destroy(&g->roster_inbox);
    if (g->gate_inbox != NULL) {
        mailbox_destroy(&g->gate_inbox);
    }
}

static enum gw_err start(struct gateway *g)
{
    struct market_thread_options market = {
        .feed = &g->config->feed,
        .symbols = g->symbols,
        .shards = g->shard_inboxes,
    };
    struct rest_options rest = {.symbols = g->symbols, .draining = &g->draining};
    static const int signals[3] = {SIGTERM, SIGINT, SIGHUP};
    enum gw_err err = start_shards(g);

    if (err != GW_OK) {
        return err;
    }
    market.inbox = g->market_inbox;
    market.rest = g->rest_inbox;
    market.gate = g->gate_inbox;
    market.shard_count = g->shard_count;
    market.fanout = g->fanout;
    g->market = market_thread_start(&market);
    rest.market = g->market_inbox;
    rest.inbox = g->rest_inbox;
    rest.limits = g->limits.data;
    rest.rates = &g->config->limits;
    g->rest = rest_create(&g->loop, &rest);
    g->connections = connections_create(&g->loop, g->shards, g->shard_count, g->roster_inbox,
                                        g->follow, g->key_sessions);
    err = start_authority(g);
    if (err == GW_OK) {
        err = start_dashboard(g);
    }
    if (err == GW_OK) {
        err = start_http(g);
    }
    if (err != GW_OK) {
        return err;
    }
    for (unsigned i = 0; i < GW_LEN(signals); i++) {
        uv_signal_init(&g->loop, &g->signals[i]);
        g->signals[i].data = g;
        uv_signal_start(&g->signals[i], on_signal, signals[i]);
    }
    return GW_OK;
}

static void stop(struct gateway *g)
{
    for (uint32_t i = 0; i < g->shard_count; i++) {
        if (!g->draining) {
            shard_stop(g->shards[i]);
        }
        shard_join(&g->shards[i]);
    }
    g->shard_count = 0; /* keys and sessions that end from now on have no connections */
    if (g->rest != NULL) {
        rest_close(g->rest);
        connections_close(g->connections);
    }
    if (g->market != NULL) {
        market_thread_stop(g->market);
        market_thread_join(&g->market);
    }
    if (g->draining) { /* an ordered end; a failed start leaves its handles to the kernel */
        for (unsigned i = 0; i < GW_LEN(g->signals); i++) {
            uv_close((uv_handle_t *)&g->signals[i], NULL);
        }
        http_server_destroy(&g->public_http);
        http_server_destroy(&g->admin_http);
        dashboard_destroy(&g->dashboard);
        if (g->authority != NULL) {
            authority_destroy(&g->authority);
        }
        (void)uv_run(&g->loop, UV_RUN_NOWAIT);
        rest_destroy(&g->rest);
        connections_destroy(&g->connections);
        follow_destroy(&g->follow);
        (void)uv_loop_close(&g->loop);
        destroy_mailboxes(g);
        ip_limit_destroy(&g->ips);
        ip_limit_destroy(&g->key_sessions);
        key_gate_destroy(&g->gate);
        fanout_destroy(&g->fanout);
    }
    buf_fini(&g->limits);
}

int daemon_run(struct daemon_config *config, const struct symbols *symbols,
               daemon_reread_fn *reread)
{
    /* Static: libh2o keeps handles on the loop that it cannot give back (http_server_destroy()). */
    static struct gateway g;
    enum gw_err err;

    g.config = config;
    g.reread = reread;
    circuits_expose(metrics_create(&circuit_metrics));
    g.fanout = fanout_create((uint32_t)config->ws.shards);
    set_profile(&g, fanout_names[FANOUT_NORMAL]);
    g.symbols = symbols;

    (void)signal(SIGPIPE, SIG_IGN);
    raise_nofile();
    GW_ASSERT(uv_loop_init(&g.loop) == 0);
    print_limits(&config->ws, &g.limits);
    create_mailboxes(&g);
    err = start(&g);
    if (err == GW_OK) {
        log_info("app", "started",
                 "\"version\":\"%s\",\"symbols\":%u,\"ws\":%s,\"public\":%s,\"admin\":%s",
                 GW_VERSION, symbols_count(symbols), log_json(config->ws.listen),
                 log_json(config->public.listen), log_json(config->admin.listen));
        (void)uv_run(&g.loop, UV_RUN_DEFAULT);
    }
    stop(&g);
    log_info("app", "stopped", "\"error\":\"%s\"", gw_err_text(err));
    return err == GW_OK ? 0 : 1;
}
