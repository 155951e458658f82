/* ws/shard.h - one WebSocket shard: a thread with its own loop, sessions and streams.
 * Why: sessions are spread over threads by the kernel (one port, SO_REUSEPORT) and never cross. A
 * turn: I/O, mailbox, timers, flush, reap.
 * Owner: created and joined by the main thread; everything in between runs on its own thread.
 * Invariant: what the market posts is applied in order; nothing is freed inside a callback. */
#ifndef WS_SHARD_H
#define WS_SHARD_H
#include "auth/key_gate.h"
#include "gateway/market/symbols.h"
#include "gateway/publish/fanout.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/mailbox.h"
#include "gateway/runtime/metrics.h"
#include "ratelimit/limits.h"
#include "ws/follow.h"
#include "ws/ip_limit.h"

/* clang-format off */
#define WS_CONFIG(X) /* key, type, default, min, max, help */                                                                  \
    X(listen,           ENDPOINT, "127.0.0.1:8443", 1, 300,     "address of the public WebSocket listener")                    \
    X(shards,           UINT, "1",      1, 32,                  "threads that serve WebSocket sessions")                       \
    X(max_clients,      UINT, "20000",  1, 1000000,             "sessions one shard accepts")                                  \
    X(max_per_ip,       UINT, "200",    0, 1000000,             "sessions of one address at once, 0: no limit")                \
    X(connects_per_10min, UINT, "150",  0, 10000000,            "connection attempts of one address in ten minutes, 0: no limit") \
    X(idle_subscribe,   MSEC_LIVE, "30s",    1000, 3600000,          "a session without a subscription for so long is closed (4010)") \
    X(ping_after,       MSEC_LIVE, "15s", 1000, 3600000,        "protocol ping after so long without a byte from the client") \
    X(hangup_after,     MSEC_LIVE, "24s", 2000, 3600000,        "and without an answer the peer counts as dead; each is looked at once a second") \
    X(heartbeat,        MSEC_LIVE, "1s",     100, 60000,             "heartbeat after so long without anything sent")               \
    X(ring_bytes,       SIZE_LIVE, "4MiB",   65536, 1073741824,      "bytes of past frames a stream keeps")                         \
    X(ring_age,         MSEC_LIVE, "30s",    1000, 3600000,          "age of past frames a stream keeps")                           \
    X(lag_bytes,        SIZE_LIVE, "1MiB", 65536, 1073741824,   "backlog above which a client is slow: warned at half of it, evicted (4008) lag_grace after it") \
    X(lag,              MSEC_LIVE, "5s", 100, 600000,           "lag above which a client is slow, as lag_bytes")              \
    X(lag_grace,        MSEC_LIVE, "1s", 0, 600000,             "time a slow client has for one merged update, before it is evicted") \
    X(skip_bytes,       SIZE_LIVE, "64KiB", 4096, 1073741824,   "backlog of one stream above which frames are merged (on_lag diff)") \
    X(skip_after,       MSEC_LIVE, "1s", 10, 600000,            "age of the oldest unsent frame of a stream above which frames are merged") \
    X(inbound_rate,     SIZE_LIVE, "64KiB", 1024, 1073741824,   "bytes a second from one client, pings and empty fragments included (1008)") \
    X(inbound_burst,    SIZE_LIVE, "256KiB", 65536, 1073741824, "and so many at once")                                         \
    X(drain,            MSEC_LIVE, "5s", 100, 600000,           "SIGTERM: sessions are closed (1012) one by one over this time") \
    X(cause_kept,       MSEC, "10m",    1000, 86400000,         "why a session was closed is kept for its client so long (whole seconds)") \
    X(max_per_key,      UINT, "100",    0, 1000000,             "sessions of one key at once, 0: no limit")                    \
    X(require_token,    BOOL_LIVE, "false", 0, 0,               "subscriptions need a token (params.token), market data too")  \
    X(control_bytes,    SIZE_LIVE, "256KiB", 16384, 16777216,        "unread replies of one client, above which it is evicted")     \
    X(message_bytes,    SIZE_LIVE, "64KiB",  1024, 1048576,          "longest message from a client (1009)")                        \
    X(control_rate,     UINT_LIVE, "20",     1, 100000,              "control messages a second of one client")                     \
    X(control_burst,    UINT_LIVE, "50",     1, 100000,              "control messages at once of one client")                      \
    X(symbols_per_channel, UINT_LIVE, "200", 1, 100000,              "symbols per channel of one client")                           \
    X(interval_0_for_all, BOOL_LIVE, "false", 0, 0,                  "gw.interval_ms 0 (every engine batch) also without a key")    \
    X(unsent_bytes,     SIZE, "64KiB",  4096, 16777216,         "bytes a socket takes beyond what the network takes (TCP_NOTSENT_LOWAT): above it a client counts as slow") \
    X(release_buffers,  BOOL, "true",   0, 0,                   "give TLS buffers back between writes (less memory, more time)") \
    X(mailbox,          UINT, "65536",  1024, 1048576,          "messages from the market that may wait for a shard")
/* clang-format on */
struct ws_config {
    WS_CONFIG(CFG_FIELD)
};
extern const struct cfg_table ws_config_table;
extern const struct metric_table ws_metrics;

/* Connections a shard takes above ws.max_clients, to tell them why they are refused. */
#define WS_SEATS_MORE 64u

struct shard;

struct shard_options {
    uint32_t number;
    const struct ws_config *config;
    const char *cert_file;
    const char *key_file;
    const struct symbols *symbols;
    struct mailbox *inbox;      /* from the market */
    struct mailbox *market;     /* to the market */
    struct mailbox *gate_inbox; /* LINK_GATED goes there; NULL: nobody asks */
    struct ip_limit *ips;
    struct ip_limit *keys; /* sessions by key */
    struct key_gate *gate;
    struct follow *follow; /* subscriptions of all shards */
    struct fanout *fanout;
    const struct fanout_config *fanout_config;
    const char *redis;                  /* where causes of closes are kept */
    const struct limits_config *limits; /* NULL: no keys, no messages to count by key */
    uint32_t shards;                    /* of this process */
};

/* How many shards there will be: before the first starts. */
void shard_count_set(uint32_t shards);

/* Starts the thread; returns when it listens, or with its error. */
GW_MUSTCHECK
enum gw_err shard_start(const struct shard_options *opt, struct shard **out);
/* The live keys of a configuration that was read again. Any thread. */
void shard_take_live(struct shard *s, const struct ws_config *ws,
                     const struct fanout_config *fanout, const struct limits_config *limits);
/* The key is revoked or has ended: its sessions are closed (4003). Any thread. */
void shard_revoke(struct shard *s, const char *keyid);
struct roster;
/* Which shard a connection of that id is on. */
uint32_t shard_of(uint64_t connection_id);
/* A question about its connections (gateway/publish/roster.h). False: it cannot be asked, R stays the
 * caller's. Any thread. */
GW_MUSTCHECK
bool shard_ask(struct shard *s, struct roster **rp);
/* Tells it to drain: no new sessions, existing ones closed with 1012 over ws.drain, then it ends. Any
 * thread. */
void shard_stop(struct shard *s);
/* Waits for its end; frees. */
void shard_join(struct shard **sp);
#endif
