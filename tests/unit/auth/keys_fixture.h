/* tests/unit/auth/keys_fixture.h - a cache of keys over a real PostgreSQL, and what it told. */
#ifndef TESTS_UNIT_AUTH_KEYS_FIXTURE_H
#define TESTS_UNIT_AUTH_KEYS_FIXTURE_H
#include "tests/unit/store/pg_fixture.h"

#include "auth/key_make.h"
#include "auth/keys_priv.h"
#include "gateway/store/migrate.h"

static const struct envelope_master masters[] = {
    {.version = 1, .key = "the first master key, 32 bytes.."},
    {.version = 2, .key = "the other master key, 32 bytes.."},
};

/* The schema, once. */
static inline int keys_start(void **state)
{
    FILE *out;
    int code = server_start(state);

    (void)setenv("PGOPTIONS", "-c client_min_messages=warning", 1); /* TRUNCATE would talk */
    if (code == 0 && server_dsn[0] != '\0') {
        out = fopen("/dev/null", "w");
        code = migrate_run(server_dsn, out);
        (void)fclose(out);
    }
    return code;
}

static inline void sql(const char *statement)
{
    const char *said = ask(server_dsn, statement);

    if (said[0] == '!') {
        fail_msg("%s: SQLSTATE %s", statement, said + 1);
    }
}

struct told {
    char id[65];
    char what[16]; /* "active" or the reason */
};
struct cache {
    struct world w;
    struct keys *keys;
    struct metric_set *metrics;
    struct metric_set *listen_metrics;
    struct metric_set *redis_metrics;
    struct told told[256];
    unsigned count;
    bool closed;
};

static inline void cache_put(struct cache *c, const char *id, const char *what)
{
    assert_true(c->count < GW_LEN(c->told));
    (void)snprintf(c->told[c->count].id, sizeof c->told->id, "%s", id);
    (void)snprintf(c->told[c->count].what, sizeof c->told->what, "%s", what);
    c->count++;
}

static inline void cache_on_active(void *arg, const struct key *key)
{
    cache_put(arg, key->id, "active");
}

static inline void cache_on_ended(void *arg, const char *id, const char *reason)
{
    cache_put(arg, id, reason);
}

static inline void cache_on_closed(void *arg)
{
    ((struct cache *)arg)->closed = true;
}

/* How often ID was told to be WHAT. */
static inline unsigned told(const struct cache *c, const char *id, const char *what)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->count; i++) {
        n += strcmp(c->told[i].id, id) == 0 && strcmp(c->told[i].what, what) == 0;
    }
    return n;
}

static inline void cache_open_with(struct cache *c, const char *dsn, const char *redis)
{
    static const struct keys_sink sink = {cache_on_active, cache_on_ended};
    struct keys_options opt = {
        .dsn = dsn,
        .redis_endpoint = redis,
        .masters = masters,
        .master_count = GW_LEN(masters),
    };

    memset(c, 0, sizeof *c);
    world_open(&c->w, 3, 16);
    opt.pg = c->w.pg;
    opt.metrics = c->metrics = metrics_create(&keys_metrics);
    opt.store_metrics = c->listen_metrics = metrics_create(&store_metrics);
    opt.redis_metrics = c->redis_metrics = metrics_create(&redis_metrics);
    c->keys = keys_create(&c->w.loop, &opt, &sink, c);
    assert_false(keys_ready(c->keys));
    UNTIL(&c->w.loop, keys_ready(c->keys), 3000);
    if (dsn != NULL) {
        UNTIL(&c->w.loop, metrics_get(c->listen_metrics, STORE_M_MISSED, 0) == 1, 3000);
    }
}

static inline void cache_open(struct cache *c)
{
    cache_open_with(c, server_dsn, "");
}

static inline void cache_close(struct cache *c)
{
    keys_close(c->keys, cache_on_closed, c);
    UNTIL(&c->w.loop, c->closed, 8000);
    keys_destroy(&c->keys);
    world_close(&c->w);
}

/* Turns the loop for MS. */
static inline void cache_run(struct cache *c, int64_t ms)
{
    int64_t until_ns = clock_mono_ns() + ms * 1000000;

    while (clock_mono_ns() < until_ns) {
        (void)uv_run(&c->w.loop, UV_RUN_ONCE);
    }
}

static inline const struct key *cache_find(const struct cache *c, const char *id)
{
    return keys_find(c->keys, id, strlen(id));
}

static inline enum key_state cache_state(const struct cache *c, const char *id)
{
    const struct key *key = cache_find(c, id);

    assert_non_null(key);
    return key_state(key, clock_real_ns());
}

/* A key of account "acme" with the columns MORE (", flags") and their VALUES (", 1"). */
static inline void put_key(const char *id, const char *more, const char *values)
{
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "INSERT INTO api_keys (id, account, label, algorithm, public_key, created_by%s)"
                   " VALUES ('%s', 'acme', 'a label', 'ed25519', sha256('%s'), 'me'%s)",
                   more, id, id, values);
    sql(text);
}

/* The same with SECRET, sealed by MASTER for the id SEALED_FOR. */
static inline void put_secret(const char *id, const char *sealed_for,
                              const struct envelope_master *master, const char *secret)
{
    static const struct envelope_random kernel = {.fn = key_random};
    uint8_t sealed[ENVELOPE_MAX];
    size_t len = 0;
    char hex[2 * ENVELOPE_MAX + 1];
    char text[2048];

    assert_int_equal(envelope_seal(master, (struct auth_text){sealed_for, strlen(sealed_for)},
                                   (const uint8_t *)secret, strlen(secret), &kernel, sealed, &len),
                     GW_OK);
    for (size_t i = 0; i < len; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", sealed[i]);
    }
    (void)snprintf(text, sizeof text,
                   "INSERT INTO api_keys (id, account, label, algorithm, secret_sealed,"
                   " master_version, created_by) VALUES"
                   " ('%s', 'acme', 'a label', 'hmac-sha256', '\\x%s', %u, 'me')",
                   id, hex, master->version);
    sql(text);
}

/* No key but account "acme". */
static inline void clean(void)
{
    sql("TRUNCATE api_keys, accounts CASCADE");
    sql("INSERT INTO accounts (id, label, created_by) VALUES ('acme', 'Acme', 'me')");
}

static inline void revoke_key(const char *id)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "UPDATE api_keys SET revoked_at = now(), revoked_by = 'me',"
                   " revoke_reason = 'lost' WHERE id = '%s'",
                   id);
    sql(text);
}
#endif
