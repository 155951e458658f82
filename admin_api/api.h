/* admin_api/api.h - REST of the admin listener, for keys and for people, and Kraken's signed calls of the
 * public one.
 * Why: flow B begins here: one row of a table per route says what a request needs; admit.c judges
 * every request the same way before a handler sees it.
 *
 *   key:    address, signature, nonce and rate in one trip \
 *                                                           permission of the row -> handler -> reply
 *   person: cookie -> session in memory, own page, rate    /
 *
 * Owner: the control loop.
 * Invariant: each accepted request is answered once, or not at all when its client has gone; no
 * handler runs for a request that was not admitted. */
#ifndef ADMIN_API_API_H
#define ADMIN_API_API_H
#include <uv.h>
#include "auth/key_store.h"
#include "auth/keys.h"
#include "auth/token.h"
#include "gateway/gate/gate.h"
#include "gateway/http/server.h"
#include "gateway/market/symbols.h"
#include "gateway/runtime/config.h"
#include "ratelimit/limits.h"

/* clang-format off */
#define AUTH_CONFIG(X) /* key, type, default, min, max, help */                                                          \
    X(database,        TEXT, "",      0, 500,        "PostgreSQL with keys (a DSN, `postgresql:///portcullis?host=/run/postgresql`); \"\": no keys, nobody can sign in") \
    X(master_key_file, TEXT, "",      0, 4096,       "file with the master keys that open HMAC secrets (`version:base64`, mode 0600); \"\": Ed25519 keys only") \
    X(window_back,     MSEC_LIVE, "30s", 1000, 30000, "`created` of a signature may be so far in the past")              \
    X(window_ahead,    MSEC_LIVE, "2s",  0,    30000, "and so far in the future; after Redis has begun anew that long nothing is accepted") \
    X(token_ttl,       MSEC, "15m",   1000, 86400000, "a WebSocket token opens a connection within (whole seconds)")    \
    X(kraken_window,   UINT_LIVE, "0", 0, 1000000000000000, "nonces of Kraken's scheme may be so far below the highest, if never seen")
#define PEOPLE_CONFIG(X)                                                                                               \
    X(issuer,          TEXT, "Portcullis", 1, 64, "name of this service in an authenticator")                           \
    X(origin,          TEXT, "",      0, 200, "origin that browsers name when a page of the admin listener changes something, `https://host:port`; \"\": `https://` and the Host of the request") \
    X(two_persons,     BOOL, "true",  0, 0, "roles marked so take two persons: one asks, another approves")                            \
    X(grant_ttl,       MSEC_LIVE, "15m", 1000, 86400000, "a grant that takes two persons waits so long for the second")
/* clang-format on */
struct auth_config {
    AUTH_CONFIG(CFG_FIELD)
};
struct people_config {
    PEOPLE_CONFIG(CFG_FIELD)
};
extern const struct cfg_table auth_config_table;
extern const struct cfg_table people_config_table;
extern const struct metric_table api_metrics;

struct api;
struct audit_store;
struct core;
struct sse;
struct audit_anchor;
struct people;
struct reported;

struct connections_view;
struct incidents;
struct paging;
struct playbooks;
struct smoke;
struct smoke_config;

struct api_options {
    const struct auth_config *config;
    const struct limits_config *limits_config;
    struct keys *keys;
    struct key_store *store;
    struct limits *limits;
    struct tokens *tokens;
    struct gate *gate; /* NULL: none */
    const struct gate_config *gate_config;
    struct people *people; /* NULL: none, nobody can log in */
    const struct people_config *people_config;
    struct audit_store *audit;                  /* NULL: none */
    struct core *core;                          /* the exchange core; NULL: none */
    struct sse *events;                         /* NULL: none */
    struct audit_anchor *anchor;                /* NULL: none */
    struct reported *reported;                  /* NULL: none */
    const struct connections_view *connections; /* NULL: none */
    struct paging *paging;                      /* NULL: none */
    const struct playbooks *playbooks;
    struct smoke *smoke; /* NULL: not allowed here */
    const struct smoke_config *smoke_config;
    const struct symbols *symbols;
    struct incidents *incidents; /* NULL: none */
    /* No other gateway is known to use this database; NULL: nobody knows. */
    bool (*only_gateway)(void *arg);
    void *arg;
};

struct api *api_create(uv_loop_t *loop, const struct api_options *opt);
/* Live keys have changed. */
void api_configure(struct api *a);
/* PostgreSQL answers again, or the process before this one died: the last nonces may be missing there. */
void api_nonces_lost(struct api *a);
void api_destroy(struct api **ap);

/* Of the admin listener, and of the public one; the argument is the struct api. */
extern const struct http_route api_admin_routes[];
extern const size_t api_admin_route_count;
/* Of the admin listener: routes that take longer bodies. */
extern const struct http_large api_large_bodies[];
extern const size_t api_large_body_count;
extern const struct http_route api_public_routes[];
extern const size_t api_public_route_count;
/* Members of an object: `accepting_orders` and what else is halted. INSIDE: for operators, with the
 * reason; else for everybody (/v1/status). */
void control_summary(const struct control *now, bool inside, struct buf *out);
/* Markdown: one line a route. */
void api_describe(struct buf *out);
#endif
