/* auth/keys.c - when to read the keys again, and who has ended by it. */
#include "auth/keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/keys_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define POLL_MS         250u
#define ASK_TIMEOUT_MS  1000u
#define READ_TIMEOUT_MS 5000u

#define STATE_AS_WORD(sym, word) word,
static const char *const state_words[] = {KEY_STATES(STATE_AS_WORD)};
static const struct metric_label keys_state_label = {"state", state_words, GW_LEN(state_words)};
static const struct metric_row metric_rows[] = {KEYS_METRICS(METRIC_AS_ROW)};
const struct metric_table keys_metrics = {"auth", metric_rows, KEYS_M_TOTAL};

/* --- who has begun, who has ended -------------------------------------------------------------- */

struct turn {
    char id[KEY_ID_MAX + 1];
    const char *ended; /* NULL: it has begun */
};

static void put_turn(struct buf *turns, const struct key_slot *slot, const char *ended)
{
    struct turn t = {.ended = ended};

    memcpy(t.id, slot->key.id, sizeof t.id);
    buf_append(turns, &t, sizeof t);
}

/* May have been active after SINCE, though nobody looked at it then. */
static bool was_between(const struct key *k, int64_t since_ns, int64_t now_ns)
{
    return k->material != NULL && !k->revoked && !k->account_disabled &&
           k->not_before_ns <= now_ns && (k->not_after_ns == 0 || k->not_after_ns > since_ns);
}

static bool same_nets(const struct key *a, const struct key *b)
{
    return a->any_ip == b->any_ip && a->net_count == b->net_count &&
           (a->net_count == 0 || memcmp(a->nets, b->nets, a->net_count * sizeof *a->nets) == 0);
}

static void look_at(const struct keys *k, struct key_slot *slot, int64_t now_ns, struct buf *turns)
{
    enum key_state state;
    bool usable = slot->key.material != NULL;
    bool active;

    slot->key.account_disabled =
        slot->disabled || (k->refuses != NULL && k->refuses(k->refuses_arg, slot->key.account));
    state = key_state(&slot->key, now_ns);
    active = usable && state == KEY_ACTIVE;
    if ((slot->active || slot->between) && !active) {
        put_turn(turns, slot, state == KEY_ACTIVE ? "unusable" : key_state_word(state));
    } else if (active && (!slot->active || slot->moved)) {
        put_turn(turns, slot, NULL);
    }
    slot->active = active;
    slot->moved = false;
    slot->between = false;
}

static void tell(struct keys *k, const struct buf *turns)
{
    for (size_t at = 0; at < turns->len && !k->closing; at += sizeof(struct turn)) {
        struct turn t;
        const struct key *key;

        memcpy(&t, turns->data + at, sizeof t);
        if (t.ended != NULL) {
            metrics_inc(k->metrics, KEYS_M_ENDED);
            log_info("auth", "key_ended", "\"key\":%s,\"reason\":\"%s\"", log_json(t.id), t.ended);
            k->sink->on_ended(k->arg, t.id, t.ended);
        } else if (k->sink->on_active != NULL && (key = keys_find(k, t.id, strlen(t.id))) != NULL) {
            k->sink->on_active(k->arg, key);
        }
    }
}

static void count_states(struct keys *k, int64_t now_ns)
{
    int64_t in[KEY_STATE_COUNT] = {0};
    int64_t unusable = 0;

    for (size_t i = 0; i < k->table->count; i++) {
        in[key_state(&k->table->slots[i].key, now_ns)]++;
        unusable += k->table->slots[i].key.material == NULL;
    }
    for (unsigned i = 0; i < KEY_STATE_COUNT; i++) {
        metrics_set(k->metrics, KEYS_M_COUNT, i, in[i]);
    }
    metrics_set(k->metrics, KEYS_M_UNUSABLE, 0, unusable);
    metrics_set(k->metrics, KEYS_M_EPOCH, 0, (int64_t)k->table->epoch);
}

/* What the old table knew of its keys goes over to NEXT. */
static void hand_over(struct keys *k, struct key_table *next, int64_t now_ns, struct buf *turns)
{
    for (size_t i = 0; k->table != NULL && i < k->table->count; i++) {
        struct key_slot *old = &k->table->slots[i];
        struct key_slot *slot = key_table_find(next, old->key.id, strlen(old->key.id));
        bool between = was_between(&old->key, k->looked_ns, now_ns);

        if (slot == NULL) {
            if (old->active || between) {
                put_turn(turns, old, "deleted");
            }
            continue;
        }
        slot->active = old->active;
        slot->moved = !same_nets(&slot->key, &old->key);
        slot->between = between;
        slot->use = old->use;
        old->use = NULL;
    }
}

/* Judges all keys by the clock, and NEXT (if not NULL) against the table it replaces. */
static void look(struct keys *k, struct key_table *next)
{
    int64_t now_ns = clock_real_ns();
    struct buf turns = {0};

    if (next != NULL) {
        hand_over(k, next, now_ns, &turns);
        key_table_destroy(&k->table);
        k->table = next;
    } else {
        for (size_t i = 0; i < k->table->count; i++) {
            struct key_slot *slot = &k->table->slots[i];

            slot->between = was_between(&slot->key, k->looked_ns, now_ns);
        }
    }
    for (size_t i = 0; i < k->table->count; i++) {
        look_at(k, &k->table->slots[i], now_ns, &turns);
    }
    k->looked_ns = now_ns;
    count_states(k, now_ns);
    tell(k, &turns);
    buf_fini(&turns);
}

/* --- PostgreSQL -------------------------------------------------------------------------------- */

static void on_part_closed(void *arg)
{
    struct keys *k = arg;

    if (--k->to_close == 0) {
        k->on_closed(k->on_closed_arg);
    }
}

void keys_answered(struct keys *k)
{
    k->waiting--;
    if (k->closing) {
        on_part_closed(k);
    }
}

/* Says once that reading fails, and once that it works again. */
static void set_failing(struct keys *k, bool failing, const struct pg_reply *reply)
{
    if (failing) {
        metrics_inc(k->metrics, KEYS_M_ERRORS);
    }
    if (failing && !k->failing) {
        log_warn("auth", "keys_stale",
                 "\"sqlstate\":\"%s\",\"error\":%s,\"next\":\"the keys known so far go on serving; "
                 "look after PostgreSQL\"",
                 pg_sqlstate(reply), log_json(pg_message(reply)));
    } else if (!failing && k->failing) {
        log_info("auth", "keys_current", "\"epoch\":%" PRIu64, keys_epoch(k));
    }
    k->failing = failing;
}

static void on_keys(void *arg, const struct pg_reply *reply)
{
    struct keys *k = arg;
    struct key_table *next = NULL;

    k->reloading = false;
    if (!k->closing) {
        if (pg_outcome(reply) == PG_OK) {
            next = key_table_create(reply, k->masters, k->master_count, k->table, k->metrics);
        }
        set_failing(k, next == NULL, reply);
        if (next != NULL) {
            metrics_inc(k->metrics, KEYS_M_RELOADS);
            look(k, next);
            key_hint_confirmed(k, k->reload_ns);
        }
    }
    if (k->again && !k->closing) {
        k->again = false;
        keys_ask_epoch(k);
    }
    keys_answered(k);
}

void keys_reload(struct keys *k)
{
    if (k->closing || k->reloading) {
        k->again = true;
        return;
    }
    if (pg_query(k->pg, &key_table_query, READ_TIMEOUT_MS, on_keys, k)) {
        k->reloading = true;
        k->reload_ns = clock_mono_ns();
        k->waiting++;
    }
}

static void on_epoch_read(void *arg, const struct pg_reply *reply)
{
    struct keys *k = arg;
    int64_t epoch = 0;

    k->asking = false;
    if (!k->closing) {
        bool known = pg_outcome(reply) == PG_OK && pg_value_i64(reply, 0, 0, 0, &epoch);

        set_failing(k, !known, reply);
        if (known && k->table != NULL && (uint64_t)epoch == k->table->epoch) {
            key_hint_confirmed(k, k->asked_ns);
        } else if (known) {
            keys_reload(k); /* also when it went back: the database was restored */
        }
    }
    keys_answered(k);
}

void keys_ask_epoch(struct keys *k)
{
    static const struct pg_statement s = {.sql = "SELECT epoch FROM revocation_epoch"};

    if (k->closing || k->reloading) {
        return;
    }
    if (k->table == NULL) {
        keys_reload(k);
    } else if (!k->asking && pg_query(k->pg, &s, ASK_TIMEOUT_MS, on_epoch_read, k)) {
        k->asking = true;
        k->asked_ns = clock_mono_ns();
        k->waiting++;
    }
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct keys *k = arg;
    char now[24];

    (void)channel;
    metrics_inc(k->metrics, KEYS_M_NOTIFIED);
    (void)snprintf(now, sizeof now, "%" PRIu64, keys_epoch(k));
    if (strcmp(payload, now) != 0) {
        keys_reload(k);
    }
}

static void on_missed(void *arg)
{
    keys_ask_epoch(arg);
}

static void on_lost(void *arg)
{
    (void)arg;
}

/* --- life -------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct keys *k = timer->data;
    int64_t mono_ns = clock_mono_ns();

    if (k->table != NULL) {
        look(k, NULL);
    }
    if (k->closing) {
        return; /* the sink did it */
    }
    metrics_set(k->metrics, KEYS_M_FRESH, 0, keys_fresh(k, mono_ns));
    key_hint_look(k, mono_ns);
    keys_ask_epoch(k);
    key_hint_ask(k);
    if (mono_ns >= k->batch_ns && k->batch == NULL) {
        k->batch_ns = mono_ns + KEY_USE_EVERY_NS;
        key_use_flush(k);
    }
    if (mono_ns >= k->news_ns) {
        k->news_ns = mono_ns + KEY_NEWS_EVERY_NS;
        key_use_look(k);
    }
}

static void on_redis_state(void *arg, bool up)
{
    (void)arg;
    (void)up;
}

static void open_feeds(struct keys *k, uv_loop_t *loop, const struct keys_options *opt)
{
    static const struct pg_listen_sink sink = {on_notify, on_missed, on_lost};
    static const char *const channels[] = {"portcullis_keys"};
    struct pg_listen_options listen = {
        .dsn = opt->dsn,
        .name = "keys",
        .channels = channels,
        .channel_count = 1,
        .timeout_ms = 1000,
        .probe_ms = 1000,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
        .metrics = opt->store_metrics,
    };
    struct redis_options redis = {
        .endpoint = opt->redis_endpoint,
        .name = "keys",
        .circuit = CIRCUIT_KEYS,
        .timeout_ms = 1000,
        .backoff_min_ms = 100,
        .backoff_max_ms = 2000,
        .metrics = opt->redis_metrics,
    };

    if (opt->dsn != NULL) {
        k->listen = pg_listen_create(loop, &listen, &sink, k);
    }
    if (opt->redis_endpoint != NULL && opt->redis_endpoint[0] != '\0') {
        k->redis = redis_create(loop, &redis, on_redis_state, k);
    }
}

struct keys *keys_create(uv_loop_t *loop, const struct keys_options *opt,
                         const struct keys_sink *sink, void *arg)
{
    struct keys *k = gw_calloc(1, sizeof *k);
    uint32_t poll_ms = opt->poll_ms != 0 ? opt->poll_ms : POLL_MS;

    k->pg = opt->pg;
    k->masters = opt->masters;
    k->master_count = opt->master_count;
    k->metrics = opt->metrics;
    k->sink = sink;
    k->arg = arg;
    open_feeds(k, loop, opt);
    GW_ASSERT(uv_timer_init(loop, &k->timer) == 0);
    k->timer.data = k;
    GW_ASSERT(uv_timer_start(&k->timer, on_timer, 0, poll_ms) == 0);
    return k;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void keys_close(struct keys *k, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!k->closing);
    key_use_flush(k);
    k->closing = true;
    k->on_closed = done;
    k->on_closed_arg = arg;
    k->to_close = 1u + (k->listen != NULL) + (k->redis != NULL) + k->waiting;
    uv_close((uv_handle_t *)&k->timer, on_timer_closed);
    if (k->listen != NULL) {
        pg_listen_close(k->listen, on_part_closed, k);
    }
    if (k->redis != NULL) {
        redis_close(k->redis, on_part_closed, k);
    }
}

void keys_destroy(struct keys **kp)
{
    struct keys *k = *kp;

    *kp = NULL;
    if (k->listen != NULL) {
        pg_listen_destroy(&k->listen);
    }
    if (k->redis != NULL) {
        redis_destroy(&k->redis);
    }
    key_table_destroy(&k->table);
    free(k);
}

void keys_refuse_accounts(struct keys *k, bool (*refuses)(void *arg, const char *account),
                          void *arg)
{
    k->refuses = refuses;
    k->refuses_arg = arg;
}

const struct key *keys_find(const struct keys *k, const char *id, size_t len)
{
    const struct key_slot *slot = key_table_find(k->table, id, len);

    return slot != NULL ? &slot->key : NULL;
}

const struct key *keys_find_token(const struct keys *k, const uint8_t *hash)
{
    const struct key_slot *slot = key_table_find_token(k->table, hash);

    return slot != NULL ? &slot->key : NULL;
}

bool keys_ready(const struct keys *k)
{
    return k->table != NULL;
}

bool keys_fresh(const struct keys *k, int64_t mono_ns)
{
    return k->confirmed_ns != 0 && mono_ns - k->confirmed_ns <= KEYS_FRESH_NS;
}

uint64_t keys_epoch(const struct keys *k)
{
    return k->table != NULL ? k->table->epoch : 0;
}

size_t keys_count(const struct keys *k)
{
    return k->table != NULL ? k->table->count : 0;
}

size_t keys_active(const struct keys *k, const char *account, uint64_t scopes, int64_t now_ns,
                   void (*each)(void *arg, const struct key *key), void *arg)
{
    size_t count = 0;

    for (size_t i = 0; i < keys_count(k); i++) {
        const struct key *key = &k->table->slots[i].key;

        if ((account == NULL || strcmp(key->account, account) == 0) &&
            (scopes == 0 || (key->scopes & scopes) != 0) && key_state(key, now_ns) == KEY_ACTIVE) {
            count++;
            if (each != NULL) {
                each(arg, key);
            }
        }
    }
    return count;
}
