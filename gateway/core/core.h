/* gateway/core/core.h - the link to the exchange core over Redis Streams (docs/CORE.md).
 * Why: what is decided here must be done there, and only the core knows whether it was: every change
 * of control state is announced in order, commands are followed until the core answers, and what the
 * core says it does is kept beside what was asked for.
 *
 *   core_announce() --queue--> XADD control            core: applies, answers
 *   core_command()  --queue--> XADD control:commands   other gateways: read along
 *   core_observed() <--------- XREAD control:acks      every gateway reads all
 *
 * Owner: the loop given to core_create(); every call on that thread.
 * Invariant: what is queued reaches Redis in the order of the calls, at least once. Announcements
 * that the bound of the queue dropped are made good by the snapshot after each reconnect; a command
 * is never dropped silently: it is refused (GW_EFULL) or times out and says why. */
#ifndef GATEWAY_CORE_CORE_H
#define GATEWAY_CORE_CORE_H
#include <uv.h>
#include "gateway/core/command.h"
#include "gateway/core/metrics.h"
#include "gateway/core/observed.h"
#include "gateway/core/repeat.h"
#include "gateway/store/redis.h"

#define CORE_ANNOUNCEMENT_MAX (8u << 20) /* bytes of JSON */

struct core;

struct core_options {
    const char *endpoint; /* of Redis */
    const char *gateway;  /* this gateway's name: 1 to 32 of A-Z a-z 0-9 _ . : - */
    uint32_t timeout_ms;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    uint32_t commands_most;     /* recent ones kept: 10000 */
    uint32_t read_back;         /* entries read at the start of the streams: 10000 */
    uint32_t queue_most;        /* entries waiting for Redis: 1000 */
    size_t queue_bytes;         /* likewise: 16 MiB */
    struct metric_set *metrics; /* of core_metrics */
    struct metric_set *redis_metrics;
    /* Prints the whole control state as canonical JSON and gives its version and audit number. False:
     * not loaded yet; call core_announce_snapshot() when it is. */
    bool (*snapshot)(void *arg, struct buf *state, uint64_t *version, uint64_t *audit);
    core_changed_fn *on_command; /* any command of any gateway changed; NULL: none */
    /* The core spoke of SYMBOL (see core_observed()), or, SYMBOL NULL, of its version only. NULL:
     * none. */
    void (*on_observed)(void *arg, const char *symbol);
    void *arg; /* of the three */
};

struct core *core_create(uv_loop_t *loop, const struct core_options *opt);
/* Stops; DONE when its handles are closed. What is still queued is lost: wait for core_queued(). */
void core_close(struct core *c, void (*done)(void *arg), void *arg);
void core_destroy(struct core **cp);

/* Redis answers on both connections. */
bool core_linked(const struct core *c);
/* Entries that Redis has not taken yet. */
uint32_t core_queued(const struct core *c);

/* A committed change (AUDIT: its number in the chain) or a journaled one (0). CELLS: a JSON array of
 * the cells it set, as in the canonical state. ID: of the journal entry or change, at most 64 bytes.
 * GW_ETOOBIG above CORE_ANNOUNCEMENT_MAX: a snapshot is announced instead. */
enum gw_err core_announce(struct core *c, uint64_t version, uint64_t audit, const char *id,
                          const char *cells);
void core_announce_snapshot(struct core *c);

struct core_ask {
    enum core_kind kind;
    const char *target;           /* symbol, `*`, or a name */
    const char *args;             /* JSON object; NULL: {} */
    const char *by;               /* "user:ana" */
    uint32_t deadline_ms;         /* until it is shown as timed out: 1 to 86400000 */
    const struct core_once *once; /* NULL: asked under no key */
};
/* CHANGED (may be NULL) runs at each change until the command is settled; never before this returns.
 * GW_EFULL: too many commands wait for Redis. GW_EFIELD: *WRONG names the
 * field and says what it must be. */
enum gw_err core_command(struct core *c, const struct core_ask *ask, core_changed_fn *changed,
                         void *arg, char id[CORE_ID_SIZE], const struct entry_verdict_row **wrong);
/* CHANGED of this command is not called any more. */
void core_unwatch(struct core *c, const char *id);
/* Gives the command up and tells the core; asked under ONCE (may be NULL). GW_ENOTFOUND; GW_EINVAL:
 * settled already; GW_EFULL. */
enum gw_err core_cancel(struct core *c, const char *id, const struct core_once *once);

/* What was asked under KEY (SHA-256, hexadecimal), at any gateway, here or before a restart; NULL:
 * nothing. Borrowed until the loop turns. */
const struct core_repeat *core_repeated(const struct core *c, const char *key);
/* False: what was asked before the start has not been read from Redis yet. */
bool core_remembers(const struct core *c);
/* To read and list commands. */
const struct core_commands *core_commands_of(const struct core *c);

/* NULL when no core has spoken of SYMBOL. */
const struct core_observation *core_observed(const struct core *c, const char *symbol);
/* The version of control state that every core has applied; 0: none has ever spoken. */
uint64_t core_version(const struct core *c);
/* Nanoseconds since a core last said anything, or since the start when none ever did. */
int64_t core_silence_ns(const struct core *c);
uint32_t core_peers(const struct core *c, const struct core_peer **out);
/* Circuit breakers of the core, as it told of them last. */
uint32_t core_circuits(const struct core *c, const struct core_circuit **out);
#endif
