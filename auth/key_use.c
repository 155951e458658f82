/* auth/key_use.c - which keys were used, when, from where: written in one upsert now and then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/keys_priv.h"
#include "gateway/runtime/log.h"

#define USE_TIMEOUT_MS 2000u

struct key_used {
    char id[KEY_ID_MAX + 1];
    struct key_use *use;
};
struct key_use_batch {
    struct keys *keys;
    size_t count;
    struct key_used used[];
};

/* In the order of ids, so that two gateways' upserts do not lock each other out; a key that is gone
 * must not keep the others from being written. */
static const char upsert[] =
    "INSERT INTO api_key_use AS u (key_id, last_used_at, last_ip, last_route, use_count)"
    " SELECT n.id, 'epoch'::timestamptz + n.us * interval '1 microsecond', n.ip, n.route, n.uses"
    " FROM unnest($1::text[], $2::bigint[], $3::inet[], $4::text[], $5::bigint[])"
    " AS n (id, us, ip, route, uses)"
    " WHERE EXISTS (SELECT FROM api_keys k WHERE k.id = n.id) ORDER BY n.id"
    " ON CONFLICT (key_id) DO UPDATE SET"
    " last_used_at = greatest(u.last_used_at, excluded.last_used_at),"
    " last_ip = CASE WHEN excluded.last_used_at >= u.last_used_at THEN excluded.last_ip"
    " ELSE u.last_ip END,"
    " last_route = CASE WHEN excluded.last_used_at >= u.last_used_at THEN excluded.last_route"
    " ELSE u.last_route END,"
    " use_count = u.use_count + excluded.use_count";

static void add(struct key_slot *slot, const struct key_use *more)
{
    if (slot->use == NULL) {
        slot->use = gw_calloc(1, sizeof *slot->use);
    }
    if (slot->use->count == 0 || more->last_ns >= slot->use->last_ns) {
        uint64_t count = slot->use->count;

        *slot->use = *more;
        slot->use->count = count;
    }
    slot->use->count += more->count;
}

/* At most LEN bytes of S, no character cut in two. */
static size_t cut(const char *s, size_t len)
{
    size_t n = strlen(s);

    if (n <= len) {
        return n;
    }
    while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

void keys_used(struct keys *k, const struct key *key, const char *ip, const char *route,
               int64_t now_ns)
{
    struct key_slot *slot = key_table_find(k->table, key->id, strlen(key->id));
    struct key_use use = {.last_ns = now_ns, .count = 1};
    struct key_net address;
    size_t len = strcspn(ip, "%");

    if (slot == NULL) {
        return;
    }
    if (!key_net_address(ip, &address) || len >= sizeof use.ip) {
        ip = "::"; /* a socket without addresses */
        len = 2;
    }
    memcpy(use.ip, ip, len);
    if (route[0] == '\0') {
        route = "-";
    }
    memcpy(use.route, route, cut(route, KEY_USE_ROUTE_MAX));
    add(slot, &use);
}

static struct key_use_batch *take(struct keys *k)
{
    struct key_use_batch *b;
    size_t count = 0;

    for (size_t i = 0; k->table != NULL && i < k->table->count; i++) {
        count += k->table->slots[i].use != NULL;
    }
    if (count == 0) {
        return NULL;
    }
    b = gw_calloc(1, sizeof *b + count * sizeof *b->used);
    b->keys = k;
    for (size_t i = 0; i < k->table->count; i++) {
        struct key_slot *slot = &k->table->slots[i];

        if (slot->use != NULL) {
            memcpy(b->used[b->count].id, slot->key.id, sizeof slot->key.id);
            b->used[b->count++].use = slot->use;
            slot->use = NULL;
        }
    }
    return b;
}

/* Not written: each use goes back to its key, for the next batch. */
static void give_back(struct keys *k, const struct key_use_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct key_slot *slot = key_table_find(k->table, b->used[i].id, strlen(b->used[i].id));

        if (slot != NULL) {
            add(slot, b->used[i].use);
        }
    }
}

static void destroy(struct key_use_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->used[i].use);
    }
    free(b);
}

static void on_written(void *arg, const struct pg_reply *reply)
{
    struct key_use_batch *b = arg;
    struct keys *k = b->keys;
    uint64_t uses = 0;

    for (size_t i = 0; i < b->count; i++) {
        uses += b->used[i].use->count;
    }
    k->batch = NULL;
    switch (pg_outcome(reply)) {
    case PG_OK:
        break;
    case PG_NOT_DONE:
        give_back(k, b);
        break;
    case PG_FAILED: /* and would fail again */
        log_error("auth", "key_use_refused",
                  "\"sqlstate\":\"%s\",\"error\":%s,\"uses\":%llu,\"next\":\"is the schema this "
                  "program's?\"",
                  pg_sqlstate(reply), log_json(pg_message(reply)), (unsigned long long)uses);
        metrics_add(k->metrics, KEYS_M_USE_LOST, 0, uses);
        break;
    case PG_UNKNOWN: /* again might count twice */
        metrics_add(k->metrics, KEYS_M_USE_LOST, 0, uses);
        break;
    }
    destroy(b);
    keys_answered(k);
}

void key_use_flush(struct keys *k)
{
    struct buf lists[5] = {{0}};
    struct pg_param params[5];
    struct pg_statement s = {.sql = upsert, .params = params, .param_count = 5};
    struct key_use_batch *b;
    char number[24];

    if (!pg_up(k->pg) || (b = take(k)) == NULL) {
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct key_use *use = b->used[i].use;

        pg_array_put(&lists[0], b->used[i].id);
        (void)snprintf(number, sizeof number, "%lld", (long long)(use->last_ns / 1000));
        pg_array_put(&lists[1], number);
        pg_array_put(&lists[2], use->ip);
        pg_array_put(&lists[3], use->route);
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)use->count);
        pg_array_put(&lists[4], number);
    }
    for (unsigned i = 0; i < 5; i++) {
        pg_array_end(&lists[i]);
        params[i] = pg_text(buf_cstr(&lists[i]));
    }
    if (pg_query(k->pg, &s, USE_TIMEOUT_MS, on_written, b)) {
        k->batch = b;
        k->waiting++;
    } else {
        give_back(k, b);
        destroy(b);
    }
    for (unsigned i = 0; i < 5; i++) {
        buf_fini(&lists[i]);
    }
}
