/* gateway/gate/replicas.c - what other gateways did. The database is the truth: its head is read when
 * NOTIFY says so and once a second. What only a journal holds yet stands in a Redis hash that every
 * gateway reads ten times a second: a replica is tightened within that, PostgreSQL or not. Whoever
 * enters an order into the chain takes it out of the hash. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/gate/gate_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define HASH      "gate:journal" /* id -> order */
#define REDIS_MS  500u
#define HEAD_NS   ((int64_t)1000000000)
#define LISTEN_MS 2000u

/* --- the head in PostgreSQL ---------------------------------------------------------------------
 */

/* Announced orders that the chain has meanwhile. */
static void on_entered(void *arg, const struct pg_reply *r)
{
    struct gate *g = arg;

    for (size_t i = 0; pg_outcome(r) == PG_OK && i < pg_rows(r, 0); i++) {
        const char *id = pg_value(r, 0, i, 0, NULL);
        struct pending *p = id != NULL ? pending_find(g, id) : NULL;

        if (p != NULL && !p->own) {
            pending_remove(p);
        }
    }
    gate_adopt(g, g->base_id);
}

static void forget_entered(struct gate *g)
{
    struct buf ids = {0};
    struct pending *p;
    bool any = false;

    DL_FOREACH(g->pending, p)
    {
        if (!p->own) {
            pg_array_put(&ids, p->record->id);
            any = true;
        }
    }
    pg_array_end(&ids);
    if (any) {
        const struct pg_param param = pg_text(buf_cstr(&ids));
        const struct pg_statement ask = {"SELECT id FROM audit_entries WHERE id = ANY ($1::text[])",
                                         &param, 1};

        if (!pg_query(g->opt.pg, &ask, 0, on_entered, g)) {
            any = false; /* asked again with the next head */
        }
    }
    buf_fini(&ids);
    if (!any) {
        gate_adopt(g, g->base_id);
    }
}

static void take_head(struct gate *g, const struct pg_reply *r)
{
    const struct control *next;
    struct control_error e = {0};
    int64_t version;
    int64_t seq;
    size_t len;
    const char *text = pg_value(r, 0, 0, 2, &len);
    const char *id = pg_value(r, 0, 0, 3, NULL);

    if (!pg_value_i64(r, 0, 0, 0, &version) || !pg_value_i64(r, 0, 0, 1, &seq)) {
        return;
    }
    (void)snprintf(g->base_id, sizeof g->base_id, "%s", id != NULL ? id : "");
    if (((uint64_t)seq > g->base_seq || !g->base_known) && g->opt.sink.on_head != NULL) {
        g->opt.sink.on_head(g->opt.arg, (uint64_t)seq, NULL);
    }
    if (text == NULL) { /* no newer state */
        g->base_seq = (uint64_t)seq > g->base_seq ? (uint64_t)seq : g->base_seq;
        g->base_known = true;
        forget_entered(g);
        return;
    }
    if (len == 0) {
        next = control_create();
    } else if (control_parse(text, len, &next, &e) != CONTROL_FINE) {
        log_error("gate", "bad_state",
                  "\"version\":%" PRId64
                  ",\"error\":%s,\"next\":\"what was in force stays; is this "
                  "gateway older than the one that wrote it?\"",
                  version, log_json(e.text));
        return;
    }
    gate_set_base(g, next, (uint64_t)seq);
    forget_entered(g);
}

static void on_head(void *arg, const struct pg_reply *r)
{
    struct gate *g = arg;

    g->asking_head = false;
    if (pg_outcome(r) == PG_OK && pg_rows(r, 0) == 1) {
        take_head(g, r);
    }
}

void replicas_read_head(struct gate *g)
{
    const struct pg_param param =
        pg_int8(g->base_known ? (int64_t)control_version(g->base) : (int64_t)-1);
    const struct pg_statement ask = {
        "SELECT version, seq, CASE WHEN version > $1 THEN state END,"
        " (SELECT id FROM audit_entries e WHERE e.seq = h.seq) FROM gate_head h",
        &param, 1};

    if (!g->asking_head && !g->closing) {
        g->asking_head = pg_query(g->opt.pg, &ask, 0, on_head, g);
    }
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    (void)channel;
    (void)payload;
    replicas_read_head(arg);
}

static void on_missed(void *arg)
{
    replicas_read_head(arg);
}

static void on_lost(void *arg)
{
    (void)arg; /* the poll goes on */
}

/* --- orders in Redis ----------------------------------------------------------------------------
 */

void replicas_announce(struct gate *g, const struct record *r)
{
    struct buf text = {0};
    const char *argv[] = {"HSET", HASH, r->id, NULL};

    record_print(r, &text);
    argv[3] = buf_cstr(&text);
    if (!redis_command(g->redis, 4, argv, NULL, REDIS_MS, NULL, NULL)) {
        log_warn("gate", "not_announced",
                 "\"id\":\"%s\",\"next\":\"other gateways learn of it from PostgreSQL\"", r->id);
    }
    buf_fini(&text);
}

void replicas_withdraw(struct gate *g, const char *id)
{
    const char *argv[] = {"HDEL", HASH, id};

    (void)redis_command(g->redis, 3, argv, NULL, REDIS_MS, NULL, NULL); /* else found entered */
}

static void take_announced(struct gate *g, const char *text, size_t len)
{
    struct record *r = record_parse(text, len);
    struct pending *p;

    if (r == NULL) {
        log_warn("gate", "bad_announcement", "%s", "\"next\":\"who else writes to " HASH "?\"");
        return;
    }
    if (pending_find(g, r->id) != NULL) {
        record_destroy(&r);
        return;
    }
    log_info("gate", "announced", "\"id\":\"%s\",\"by\":%s", r->id, log_json(r->person));
    p = pending_add(g, &r, false);
    p->disk = DISK_HOLDS; /* of another gateway */
    p->effective = true;
    gate_adopt(g, p->record->id);
    g->head_due_ns = 0; /* it may be in the chain already */
}

static void on_hash(void *arg, const struct redis_reply *reply)
{
    struct gate *g = arg;

    g->asking_redis = false;
    if (reply == NULL || redis_kind(reply) != REDIS_LIST || g->closing) {
        return;
    }
    for (size_t i = 0; i + 1 < redis_count(reply); i += 2) {
        size_t len;
        const char *text = redis_text(redis_item(reply, i + 1), &len);

        take_announced(g, text, len);
    }
}

static void read_hash(struct gate *g)
{
    const char *argv[] = {"HGETALL", HASH};

    if (!g->asking_redis) {
        g->asking_redis = redis_command(g->redis, 2, argv, NULL, REDIS_MS, on_hash, g);
    }
}

static void on_redis(void *arg, bool up)
{
    struct gate *g = arg;

    if (up) {
        struct pending *p;

        DL_FOREACH(g->pending, p) /* what could not be announced */
        {
            if (p->own && p->effective) {
                replicas_announce(g, p->record);
            }
        }
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

void replicas_open(struct gate *g)
{
    static const char *const channels[] = {"gate"};
    static const struct pg_listen_sink sink = {on_notify, on_missed, on_lost};
    struct redis_options redis = {
        .endpoint = g->opt.redis_endpoint,
        .name = "gate",
        .timeout_ms = REDIS_MS,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
        .metrics = g->opt.redis_metrics,
    };
    struct pg_listen_options listen = {
        .dsn = g->opt.dsn,
        .name = "gate",
        .channels = channels,
        .channel_count = 1,
        .timeout_ms = LISTEN_MS,
        .probe_ms = LISTEN_MS,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
        .metrics = g->opt.store_metrics,
    };

    g->redis = redis_create(g->loop, &redis, on_redis, g);
    g->listen = pg_listen_create(g->loop, &listen, &sink, g);
}

void replicas_tick(struct gate *g)
{
    int64_t now = clock_mono_ns();

    if (now >= g->head_due_ns && pg_up(g->opt.pg)) {
        g->head_due_ns = now + HEAD_NS;
        replicas_read_head(g);
    }
    if (redis_up(g->redis)) {
        read_hash(g);
    }
}

void replicas_close(struct gate *g, void (*closed)(void *arg))
{
    redis_close(g->redis, closed, g);
    pg_listen_close(g->listen, closed, g);
}
