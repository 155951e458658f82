/* gateway/gate/replicas.c - what other gateways did. The database is the truth: its head is read when
 * NOTIFY says so and once a second. What only a journal holds yet stands in a Redis hash that every
 * gateway reads ten times a second: a replica is tightened within that, PostgreSQL or not. Whoever
 * enters an order into the chain takes it out of the hash; one that was left there is found in the
 * chain before it takes effect, if PostgreSQL answers at all. */
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
#define STAYS_NS  ((int64_t)3000000000)

/* --- the head in PostgreSQL ---------------------------------------------------------------------
 */

/* Announced orders: ENTERED are the ids of those the chain has; the others that were asked about take
 * effect. One statement has read both them and the head, so that none is dropped before the state
 * that holds its effect is known. */
static void sort_announced(struct gate *g, const char *entered)
{
    struct pending *p;
    struct pending *next;

    DL_FOREACH_SAFE(g->pending, p, next)
    {
        if (p->own || !p->asked) {
            continue;
        }
        p->asked = false;
        if (transact_enters(g, p)) {
            continue; /* by us, maybe committed a moment ago: its transaction ends it */
        }
        if (strstr(entered, p->record->id) != NULL) {
            replicas_withdraw(g, p->record->id); /* whoever entered it could not */
            pending_remove(p);
        } else if (!p->effective) {
            tighten_now(p);
        }
    }
}

/* The state of VERSION as TEXT; NULL: it was logged why not. */
static const struct control *read_state(int64_t version, const char *text, size_t len)
{
    const struct control *state = NULL;
    struct control_error e = {0};

    if (len == 0) {
        return control_create();
    }
    if (control_parse(text, len, &state, &e) != CONTROL_FINE) {
        log_error("gate", "bad_state",
                  "\"version\":%" PRId64
                  ",\"error\":%s,\"next\":\"what was in force stays; is this "
                  "gateway older than the one that wrote it?\"",
                  version, log_json(e.text));
        return NULL;
    }
    return state;
}

/* False: the state is not known, what is in force stays. */
static bool take_state(struct gate *g, uint64_t version, uint64_t seq, const char *text, size_t len)
{
    uint64_t known = g->base_known ? g->asked_version : control_version(g->base);
    const struct control *next;

    if (text == NULL ||
        (g->base_known && version >= known && version <= control_version(g->base))) {
        g->base_seq = seq > g->base_seq ? seq : g->base_seq; /* the same, or we are ahead of it */
        g->base_known = true;
        return true;
    }
    next = read_state((int64_t)version, text, len);
    if (next == NULL) {
        return false;
    }
    if (version < known) {
        gate_set_back(g, next, seq);
    } else {
        gate_set_base(g, next, seq);
    }
    return true;
}

static void take_head(struct gate *g, const struct pg_reply *r)
{
    int64_t version;
    int64_t seq;
    int64_t waits;
    size_t len;
    const char *text = pg_value(r, 0, 0, 2, &len);
    const char *id = pg_value(r, 0, 0, 3, NULL);
    const char *entered = pg_value(r, 0, 0, 4, NULL);

    if (pg_value_i64(r, 0, 0, 1, &seq) && g->opt.sink.on_head != NULL) {
        g->opt.sink.on_head(g->opt.arg, (uint64_t)seq);
    }
    if (pg_value_i64(r, 0, 0, 5, &waits)) {
        metrics_set(g->metrics, GATE_M_WAITS, 0, waits);
    }
    if (!pg_value_i64(r, 0, 0, 0, &version) || !pg_value_i64(r, 0, 0, 1, &seq) ||
        !take_state(g, (uint64_t)version, (uint64_t)seq, text, len)) {
        return;
    }
    (void)snprintf(g->base_id, sizeof g->base_id, "%s", id != NULL ? id : "");
    sort_announced(g, entered != NULL ? entered : "");
    gate_adopt(g, g->base_id);
}

static void on_head(void *arg, const struct pg_reply *r)
{
    struct gate *g = arg;

    g->asking_head = false;
    g->head_fails = pg_outcome(r) != PG_OK;
    if (pg_outcome(r) == PG_OK && pg_rows(r, 0) == 1) {
        take_head(g, r);
    }
    if (g->ask_head_again) {
        replicas_read_head(g);
    }
}

void replicas_read_head(struct gate *g)
{
    struct buf ids = {0};
    struct pg_param params[2];
    const struct pg_statement ask = {
        "SELECT version, seq, CASE WHEN version <> $1 THEN state END,"
        " (SELECT id FROM audit_entries e WHERE e.seq = h.seq),"
        " array_to_string(ARRAY(SELECT id FROM audit_entries WHERE id = ANY ($2::text[])), ' '),"
        " (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::bigint"
        " FROM change_requests WHERE state = 'pending' AND expires_at > now())"
        " FROM gate_head h",
        params, GW_LEN(params)};
    struct pending *p;

    if (g->asking_head || g->closing) {
        g->ask_head_again = true; /* what is asked for now is not in that answer */
        return;
    }
    g->ask_head_again = false;
    DL_FOREACH(g->pending, p)
    {
        p->asked = !p->own;
        if (p->asked) {
            pg_array_put(&ids, p->record->id);
        }
    }
    pg_array_end(&ids);
    g->asked_version = control_version(g->base);
    params[0] = pg_int8(g->base_known ? (int64_t)g->asked_version : (int64_t)-1);
    params[1] = pg_text(buf_cstr(&ids));
    g->asking_head = pg_query(g->opt.pg, &ask, 0, on_head, g);
    buf_fini(&ids);
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

static void take_out(struct gate *g, struct entered *e)
{
    const char *argv[] = {"HDEL", HASH, e->id};

    e->out_ns = 0;
    (void)redis_command(g->redis, 3, argv, NULL, REDIS_MS, NULL, NULL); /* else found entered */
}

/* Not at once: a gateway that has not read the new head when PostgreSQL goes away hears of it here. */
void replicas_withdraw(struct gate *g, const char *id)
{
    struct entered *e = &g->recent[g->recent_at++ % GATE_RECENT];

    if (e->out_ns != 0) {
        take_out(g, e);
    }
    (void)snprintf(e->id, sizeof e->id, "%s", id);
    e->out_ns = clock_mono_ns() + STAYS_NS;
}

static void take_out_due(struct gate *g, int64_t now)
{
    for (uint32_t i = 0; i < GATE_RECENT; i++) {
        if (g->recent[i].out_ns != 0 && now >= g->recent[i].out_ns) {
            take_out(g, &g->recent[i]);
        }
    }
}

/* A reading of the hash may be older than its withdrawal. */
static bool is_recent(const struct gate *g, const char *id)
{
    for (uint32_t i = 0; i < GATE_RECENT; i++) {
        if (strcmp(g->recent[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static void take_announced(struct gate *g, const char *text, size_t len)
{
    struct record *r = record_parse(text, len);
    struct pending *p;

    if (r == NULL) {
        log_warn("gate", "bad_announcement", "%s", "\"next\":\"who else writes to " HASH "?\"");
        return;
    }
    if (pending_find(g, r->id) != NULL || is_recent(g, r->id)) {
        record_destroy(&r);
        return;
    }
    log_info("gate", "announced", "\"id\":\"%s\",\"by\":%s", r->id, log_json(r->person));
    p = pending_add(g, &r, false);
    p->disk = DISK_HOLDS; /* of another gateway */
    if (g->base_known && pg_up(g->opt.pg)) {
        g->head_due_ns =
            0; /* it may be in the chain, and lifted: PostgreSQL has a moment to say so */
    } else {
        tighten_now(p);
    }
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
    if (g->head_due_ns == 0 && pg_up(g->opt.pg)) {
        g->head_due_ns = clock_mono_ns() + HEAD_NS;
        replicas_read_head(g);
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
        .circuit = CIRCUIT_GATE,
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
        take_out_due(g, now);
        read_hash(g);
    }
}

void replicas_close(struct gate *g, void (*closed)(void *arg))
{
    redis_close(g->redis, closed, g);
    pg_listen_close(g->listen, closed, g);
}
