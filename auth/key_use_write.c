/* auth/key_use_write.c - uses and refusals of keys into PostgreSQL: one transaction a batch, merged with
 * what other gateways write; and who has to hear of a new network.
 *
 *   statements, in this order everywhere: last use (locks the key's row), networks, routes, refusals
 *
 * The locks of last use put two gateways in order, so that only one of them finds a network new, and only
 * the first network of a key is no news. */
#include <stdio.h>
#include "auth/keys_priv.h"
#include "gateway/runtime/log.h"

#define USE_TIMEOUT_MS 2000u
#define KEEP_DAYS      "90"
#define NETWORKS_MAX   "64"

/* clang-format off */
#define AT(us) "'epoch'::timestamptz + " us " * interval '1 microsecond'"
#define OF_KEYS(n) " WHERE EXISTS (SELECT FROM api_keys k WHERE k.id = " n ".id)"

/* In the order of ids, so that two gateways' upserts do not lock each other out; a key that is gone
 * must not keep the others from being written. */
static const char last_sql[] =
    "INSERT INTO api_key_use AS u (key_id, last_used_at, last_ip, last_route, use_count)"
    " SELECT n.id, " AT("n.us") ", n.ip, n.route, n.uses"
    " FROM unnest($1::text[], $2::bigint[], $3::inet[], $4::text[], $5::bigint[])"
    " AS n (id, us, ip, route, uses)" OF_KEYS("n") " ORDER BY n.id"
    " ON CONFLICT (key_id) DO UPDATE SET"
    " last_used_at = greatest(u.last_used_at, excluded.last_used_at),"
    " last_ip = CASE WHEN excluded.last_used_at >= u.last_used_at THEN excluded.last_ip"
    " ELSE u.last_ip END,"
    " last_route = CASE WHEN excluded.last_used_at >= u.last_used_at THEN excluded.last_route"
    " ELSE u.last_route END,"
    " use_count = u.use_count + excluded.use_count";
/* Those of watched keys that are new, but not the first of all, wait to be told. */
static const char networks_sql[] =
    "WITH n AS (SELECT id, net, min(first) AS first, max(last) AS last, sum(uses) AS uses,"
    " bool_or(watched) AS watched FROM unnest($1::text[], $2::cidr[], $3::bigint[], $4::bigint[],"
    " $5::bigint[], $6::boolean[]) AS n (id, net, first, last, uses, watched)" OF_KEYS("n")
    " GROUP BY id, net)"
    " INSERT INTO api_key_networks AS u"
    " (key_id, network, first_seen_at, last_seen_at, use_count, told_at)"
    " SELECT id, net, " AT("first") ", " AT("last") ", uses, CASE WHEN watched AND ("
    " EXISTS (SELECT FROM api_key_networks o WHERE o.key_id = id)"
    " OR row_number() OVER (PARTITION BY id ORDER BY first, net) > 1) THEN NULL ELSE now() END"
    " FROM n ORDER BY id, net"
    " ON CONFLICT (key_id, network) DO UPDATE SET"
    " first_seen_at = least(u.first_seen_at, excluded.first_seen_at),"
    " last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at),"
    " use_count = u.use_count + excluded.use_count"
    " RETURNING key_id, (SELECT account FROM api_keys k WHERE k.id = key_id), text(network),"
    " xmax = 0 AND told_at IS NULL";
static const char seen_sql[] =
    "INSERT INTO api_key_seen AS u (key_id, network, method, route, first_seen_at, last_seen_at,"
    " use_count) SELECT n.id, n.net, n.method, n.route, " AT("n.first") ", " AT("n.last") ", n.uses"
    " FROM unnest($1::text[], $2::cidr[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],"
    " $7::text[]) AS n (id, net, first, last, uses, method, route)" OF_KEYS("n")
    " ORDER BY n.id, n.net, n.route, n.method"
    " ON CONFLICT (key_id, network, route, method) DO UPDATE SET"
    " first_seen_at = least(u.first_seen_at, excluded.first_seen_at),"
    " last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at),"
    " use_count = u.use_count + excluded.use_count";
static const char refused_sql[] =
    "INSERT INTO api_key_refusals AS u (key_id, last_network, first_at, last_at, count, cause)"
    " SELECT n.id, n.net, " AT("n.first") ", " AT("n.last") ", n.count, n.cause"
    " FROM unnest($1::text[], $2::cidr[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])"
    " AS n (id, net, first, last, count, cause)" OF_KEYS("n") " ORDER BY n.id, n.cause"
    " ON CONFLICT (key_id, cause) DO UPDATE SET"
    " last_network = CASE WHEN excluded.last_at >= u.last_at THEN excluded.last_network"
    " ELSE u.last_network END,"
    " first_at = least(u.first_at, excluded.first_at),"
    " last_at = greatest(u.last_at, excluded.last_at), count = u.count + excluded.count";

/* Who wrote them has gone, or could not tell. */
static const struct pg_statement untold = {
    .sql = "SELECT n.key_id, k.account, text(n.network), true FROM api_key_networks n"
           " JOIN api_keys k ON k.id = n.key_id"
           " WHERE n.told_at IS NULL AND n.last_seen_at < now() - interval '10 s' LIMIT 100"};
/* A key's last network stays, so that the next one is news. */
static const struct pg_statement sweeps[] = {
    {.sql = "DELETE FROM api_key_networks WHERE (key_id, network) IN (SELECT key_id, network FROM"
            " (SELECT key_id, network, last_seen_at, told_at, row_number() OVER"
            " (PARTITION BY key_id ORDER BY last_seen_at DESC, network) AS place"
            " FROM api_key_networks) n WHERE told_at IS NOT NULL AND (place > " NETWORKS_MAX
            " OR (place > 1 AND last_seen_at < now() - interval '" KEEP_DAYS " d')) LIMIT 1000)"},
    {.sql = "DELETE FROM api_key_seen WHERE last_seen_at < now() - interval '" KEEP_DAYS " d'"},
    {.sql = "DELETE FROM api_key_refusals WHERE last_at < now() - interval '" KEEP_DAYS " d'"},
};
/* clang-format on */

/* --- who has to hear of it --------------------------------------------------------------------- */

static void tell_networks(struct keys *k, const struct pg_reply *r, size_t i, bool first)
{
    for (size_t row = 0; row < pg_rows(r, i); row++) {
        const char *id = pg_value(r, i, row, 0, NULL);
        const char *account = pg_value(r, i, row, 1, NULL);
        const char *network = pg_value(r, i, row, 2, NULL);
        bool news = false;

        if (!pg_value_bool(r, i, row, 3, &news) || !news || id == NULL || account == NULL ||
            network == NULL) {
            continue;
        }
        if (first) {
            metrics_inc(k->metrics, KEYS_M_NETWORKS);
            log_warn("auth", "new_network", "\"key\":%s,\"network\":\"%s\"", log_json(id), network);
        }
        if (k->on_network != NULL && !k->closing) {
            k->on_network(k->on_network_arg, id, account, network);
        }
    }
}

void keys_on_new_network(struct keys *k, keys_network_fn *fn, void *arg)
{
    k->on_network = fn;
    k->on_network_arg = arg;
}

void keys_told(struct keys *k, const char *key_id, const char *network)
{
    const struct pg_param params[] = {pg_text(key_id), pg_text(network)};
    const struct pg_statement s = {
        .sql = "UPDATE api_key_networks SET told_at = now() WHERE key_id = $1"
               " AND network = $2::cidr AND told_at IS NULL",
        .params = params,
        .param_count = GW_LEN(params)};

    if (k->closing || !pg_query(k->pg, &s, USE_TIMEOUT_MS, NULL, NULL)) {
        log_debug("auth", "told_later", "\"key\":%s", log_json(key_id));
    }
}

static void on_untold(void *arg, const struct pg_reply *r)
{
    struct keys *k = arg;

    tell_networks(k, r, 0, false);
    keys_answered(k);
}

void key_use_look(struct keys *k)
{
    if (!pg_up(k->pg)) {
        return;
    }
    if (k->on_network != NULL && pg_query(k->pg, &untold, USE_TIMEOUT_MS, on_untold, k)) {
        k->waiting++;
    }
    for (unsigned i = 0; i < GW_LEN(sweeps); i++) {
        if (!pg_query(k->pg, &sweeps[i], USE_TIMEOUT_MS, NULL, NULL)) {
            log_debug("auth", "use_sweep_put_off", "\"pending\":%u", pg_pending(k->pg));
        }
    }
}

/* --- writing ----------------------------------------------------------------------------------- */

enum table { LAST, NETWORKS, SEEN, REFUSED, TABLES };
#define LISTS_MAX 7u

struct lists {
    struct buf arrays[TABLES][LISTS_MAX];
    struct pg_param params[TABLES][LISTS_MAX];
};
static const struct {
    const char *sql;
    unsigned lists;
} tables[TABLES] = {{last_sql, 5}, {networks_sql, 6}, {seen_sql, 7}, {refused_sql, 6}};

static void put_number(struct buf *list, uint64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    pg_array_put(list, text);
}

static void put_micros(struct buf *list, int64_t ns)
{
    put_number(list, (uint64_t)(ns / 1000));
}

/* Id, network, first, last, count: the first five of each table but the first. */
static void put_spot(struct buf *list, const char *id, const struct key_net *net, int64_t first_ns,
                     int64_t last_ns, uint64_t count)
{
    char text[KEY_NET_TEXT_SIZE];

    key_net_text(net, text);
    pg_array_put(&list[0], id);
    pg_array_put(&list[1], text);
    put_micros(&list[2], first_ns);
    put_micros(&list[3], last_ns);
    put_number(&list[4], count);
}

static void put_use(struct lists *l, const struct key_used *used)
{
    const struct key_use *use = used->use;
    struct buf *last = l->arrays[LAST];

    if (use->count > 0) {
        pg_array_put(&last[0], used->id);
        put_micros(&last[1], use->last_ns);
        pg_array_put(&last[2], use->ip);
        pg_array_put(&last[3], use->route);
        put_number(&last[4], use->count);
    }
    for (uint32_t i = 0; i < use->seen_count; i++) {
        const struct key_seen *s = &use->seen[i];

        put_spot(l->arrays[NETWORKS], used->id, &s->net, s->first_ns, s->last_ns, s->count);
        pg_array_put(&l->arrays[NETWORKS][5], used->watched ? "t" : "f");
        put_spot(l->arrays[SEEN], used->id, &s->net, s->first_ns, s->last_ns, s->count);
        pg_array_put(&l->arrays[SEEN][5], s->method);
        pg_array_put(&l->arrays[SEEN][6], s->route);
    }
    for (unsigned i = 0; i < KEY_REFUSAL_COUNT; i++) {
        const struct key_refused *r = &use->refused[i];

        if (r->count > 0) {
            put_spot(l->arrays[REFUSED], used->id, &r->net, r->first_ns, r->last_ns, r->count);
            pg_array_put(&l->arrays[REFUSED][5], key_refusal_words[i]);
        }
    }
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
        tell_networks(k, reply, NETWORKS, true);
        break;
    case PG_NOT_DONE:
        key_use_give_back(k, b);
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
    key_use_batch_destroy(&b);
    keys_answered(k);
}

void key_use_flush(struct keys *k)
{
    struct lists l = {0};
    struct pg_statement statements[TABLES];
    struct key_use_batch *b;

    if (!pg_up(k->pg) || (b = key_use_take(k)) == NULL) {
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        put_use(&l, &b->used[i]);
    }
    for (unsigned t = 0; t < TABLES; t++) {
        for (unsigned i = 0; i < tables[t].lists; i++) {
            pg_array_end(&l.arrays[t][i]);
            l.params[t][i] = pg_text(buf_cstr(&l.arrays[t][i]));
        }
        statements[t] = (struct pg_statement){tables[t].sql, l.params[t], tables[t].lists};
    }
    if (pg_transaction(k->pg, statements, TABLES, USE_TIMEOUT_MS, on_written, b)) {
        k->batch = b;
        k->waiting++;
    } else {
        key_use_give_back(k, b);
        key_use_batch_destroy(&b);
    }
    for (unsigned t = 0; t < TABLES; t++) {
        for (unsigned i = 0; i < tables[t].lists; i++) {
            buf_fini(&l.arrays[t][i]);
        }
    }
}
