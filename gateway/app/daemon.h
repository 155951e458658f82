/* gateway/app/daemon.h - the running gateway: start order, signals, drain. Wiring only.
 *
 *   start: mailboxes, shards (listening), market thread, REST, HTTPS listeners, signals
 *   stop (SIGTERM, SIGINT): not ready -> shards close sessions with 1012, HTTPS drains -> market
 *          stores its checkpoints -> exit 0
 *
  *   SIGHUP: the configuration is read again; live keys take effect, others are named in the log
 *
 * Owner: the main thread, which is the control loop. */
#ifndef GATEWAY_APP_DAEMON_H
#define GATEWAY_APP_DAEMON_H
#include "admin_api/api.h"
#include "admin_api/smoke.h"
#include "gateway/app/playbook_wiring.h"
#include "gateway/feed/feed.h"
#include "gateway/incident/incidents.h"
#include "gateway/paging/paging.h"
#include "gateway/reported/reported.h"
#include "ws/shard.h"

/* clang-format off */
#define TLS_CONFIG(X) /* key, type, default, min, max, help */                                          \
    X(cert_file, TEXT, "server.pem", 1, 4096, "PEM certificate chain of all listeners")                  \
    X(key_file,  TEXT, "server.key", 1, 4096, "PEM private key")
#define LOG_CONFIG(X)                                                                                    \
    X(level, TEXT, "info", 4, 5, "least level that is written: debug, info, warn, error")
#define PUBLIC_CONFIG(X)                                                                                 \
    X(listen,             ENDPOINT, "127.0.0.1:8444", 1, 300,    "address of the public HTTPS listener") \
    X(max_connections,    UINT, "4096",  1, 1000000,             "open connections")                     \
    X(max_per_ip,         UINT, "256",   1, 1000000,             "open connections of one address")      \
    X(io_timeout,         MSEC, "5s",    100, 600000,            "a request head and body must arrive, and an answer be taken, within this") \
    X(max_age,            MSEC, "1h",    1000, 86400000,         "longest life of a connection")         \
    X(requests_per_s,     UINT, "200",   1, 1000000,             "requests a second of one connection, above which it is cut")
#define ADMIN_CONFIG(X)                                                                                  \
    X(listen,             ENDPOINT, "127.0.0.1:8445", 1, 300,    "address of the admin HTTPS listener (/livez, /readyz, /metrics)") \
    X(web_dir,            TEXT, "", 0, 4096, "folder of the built dashboard (web/dist), read at start; \"\": a page says that there is none") \
    X(web_socket,         TEXT, "", 0, 300, "public WebSocket as browsers reach it, wss://host:port/v2; \"\": the page's host at the port of ws.listen") \
    X(web_rest,           TEXT, "", 0, 300, "public REST as browsers reach it, https://host:port; \"\": the page's host at the port of public.listen")
/* clang-format on */
struct tls_config {
    TLS_CONFIG(CFG_FIELD)
};
struct log_config {
    LOG_CONFIG(CFG_FIELD)
};
struct public_config {
    PUBLIC_CONFIG(CFG_FIELD)
};
struct admin_config {
    ADMIN_CONFIG(CFG_FIELD)
};

struct daemon_config {
    struct tls_config tls;
    struct log_config log;
    struct ws_config ws;
    struct public_config public;
    struct admin_config admin;
    struct feed_config feed;
    struct fanout_config fanout;
    struct auth_config auth;
    struct limits_config limits;
    struct gate_config gate;
    struct people_config people;
    struct incidents_config incidents;
    struct paging_config paging;
    struct reported_config reported;
    struct playbooks_config playbooks;
    struct smoke_config smoke;
};

/* Fills BINDINGS (room for DAEMON_BINDINGS). */
#define DAEMON_BINDINGS 16
struct cfg_binding;
void daemon_bindings(struct daemon_config *c, struct cfg_binding bindings[DAEMON_BINDINGS]);

/* Reads the configuration again into a fresh struct; false: reported, nothing to take. */
typedef bool daemon_reread_fn(struct daemon_config *fresh);
/* Runs until a signal; the process's exit code. SIGHUP: the live keys of what REREAD brings are taken
 * over into CONFIG. */
int daemon_run(struct daemon_config *config, const struct symbols *symbols,
               daemon_reread_fn *reread);
#endif
