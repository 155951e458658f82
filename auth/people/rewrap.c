/* auth/people/rewrap.c - list, then batches: each envelope wrapped anew in memory, then one transaction. */
#include "auth/people/rewrap.h"

#include <stdlib.h>
#include <string.h>
#include "auth/key_make.h"
#include "auth/master_key.h"
#include "gateway/store/pg_once.h"

#define STEP_MS 30000u
#define BATCH   100u
#define ID_SIZE (ENVELOPE_KEYID_MAX + 1)

/* clang-format off */
#define EVENT(id)                                                                                     \
    " INSERT INTO key_events (actor, action, key_id, reason, detail) SELECT $5::text, 'rewrap', " id ","  \
    " 'master keys rotated, from the command line',"                                                    \
    " jsonb_build_object('from', $6::bigint, 'to', $4::bigint) FROM changed"
/*    place        the envelope's key id is PREFIX and the row's; how it is replaced: $1 row, $2 the old, $3 the new */
#define PLACES(X)                                                                                     \
    X(PLACE_KEY,    "",      "WITH changed AS (UPDATE api_keys SET secret_sealed = $3,"                \
                             " master_version = $4::bigint WHERE id = $1 AND secret_sealed = $2"       \
                             " RETURNING id)" EVENT("id"))                                             \
    X(PLACE_FACTOR, "totp:", "WITH changed AS (UPDATE users SET totp_sealed = $3 WHERE name = $1"      \
                             " AND totp_sealed = $2 AND $4::bigint > 0 RETURNING name)"                \
                             EVENT("'totp:' || name"))                                                 \
    X(PLACE_NEXT,   "totp:", "WITH changed AS (UPDATE users SET totp_next = $3 WHERE name = $1"        \
                             " AND totp_next = $2 AND $4::bigint > 0 RETURNING name)"                  \
                             EVENT("'totp:' || name"))
static const struct pg_statement list = {
    .sql = "SELECT 0, id, secret_sealed FROM api_keys WHERE secret_sealed IS NOT NULL"
           " UNION ALL SELECT 1, name, totp_sealed FROM users WHERE totp_sealed IS NOT NULL"
           " UNION ALL SELECT 2, name, totp_next FROM users WHERE totp_next IS NOT NULL ORDER BY 1, 2"};
/* clang-format on */
#define PLACE_AS_ENUM(sym, prefix, sql) sym,
#define PLACE_AS_ROW(sym, prefix, sql)  {prefix, sql},
enum place { PLACES(PLACE_AS_ENUM) PLACE_COUNT };
static const struct {
    const char *prefix;
    const char *sql;
} places[PLACE_COUNT] = {PLACES(PLACE_AS_ROW)};

struct item {
    enum place place;
    char row[ID_SIZE];
    uint8_t sealed[ENVELOPE_MAX];
    uint8_t next[ENVELOPE_MAX];
    size_t len;
    uint32_t from; /* version */
};

struct run {
    FILE *out;
    const struct envelope_master *masters;
    size_t master_count;
    const struct envelope_master *newest;
    char actor[PG_ONCE_ACTOR_SIZE];
    struct item *items; /* those to be moved */
    size_t count;
    size_t sent; /* of them, so many were sent */
    size_t batch;
    size_t moved;
    size_t fine;   /* on the newest already */
    size_t broken; /* cannot be moved */
    size_t changed;
    bool done;
    struct pg_once once;
};

static void failed(struct run *r, const char *what, const char *next)
{
    (void)fprintf(r->out, "rewrap: %s\n  next: %s\n", what, next);
    pg_once_end(&r->once);
}

/* --- wrapping ---------------------------------------------------------------------------------- */

static const struct envelope_master *master_of(const struct run *r, uint32_t version)
{
    for (size_t i = 0; i < r->master_count; i++) {
        if (r->masters[i].version == version) {
            return &r->masters[i];
        }
    }
    return NULL;
}

static bool wrap(struct run *r, struct item *it)
{
    static const struct envelope_random kernel = {.fn = key_random};
    const struct envelope_master *master = master_of(r, it->from);
    char id[2 * ID_SIZE];
    int len = snprintf(id, sizeof id, "%s%s", places[it->place].prefix, it->row);

    memcpy(it->next, it->sealed, it->len);
    if (master != NULL && len > 0 &&
        envelope_rewrap(master, r->newest, (struct auth_text){id, (size_t)len}, &kernel, it->next,
                        it->len) == GW_OK) {
        return true;
    }
    (void)fprintf(r->out, "rewrap: %s stays under version %u: %s\n", id, it->from,
                  master == NULL ? "the file has no master key of that version"
                                 : "that master key does not open it");
    return false;
}

static void take(struct run *r, const struct pg_reply *reply, size_t row)
{
    struct item *it = &r->items[r->count];
    struct buf bytes = {0};
    const char *name = pg_value(reply, 0, row, 1, NULL);
    int64_t place = 0;

    *it = (struct item){0};
    if (pg_value_i64(reply, 0, row, 0, &place) && name != NULL && strlen(name) < sizeof it->row &&
        pg_value_bytes(reply, 0, row, 2, &bytes) && bytes.len <= sizeof it->sealed &&
        envelope_version((const uint8_t *)bytes.data, bytes.len, &it->from) == GW_OK) {
        it->place = (enum place)place;
        (void)snprintf(it->row, sizeof it->row, "%s", name);
        memcpy(it->sealed, bytes.data, bytes.len);
        it->len = bytes.len;
        if (it->from == r->newest->version) {
            r->fine++;
        } else if (wrap(r, it)) {
            r->count++;
        } else {
            r->broken++;
        }
    } else {
        (void)fprintf(r->out, "rewrap: %s is no envelope\n", name != NULL ? name : "a row");
        r->broken++;
    }
    buf_fini(&bytes);
}

/* --- the database ------------------------------------------------------------------------------ */

static void send_batch(struct run *r);

static void finish(struct run *r)
{
    (void)fprintf(r->out,
                  "rewrap: %zu moved to version %u, %zu were there already, %zu changed meanwhile, "
                  "%zu cannot be moved\n",
                  r->moved, r->newest->version, r->fine, r->changed, r->broken);
    r->done = r->broken == 0 && r->changed == 0;
    if (r->done) {
        (void)fputs("  next: take the older master keys out of the file on each gateway, then "
                    "restart it\n",
                    r->out);
    } else {
        (void)fputs("  next: keep the older master keys; run this again, and see the lines above: "
                    "what cannot be moved opens with another file, or has to be issued anew\n",
                    r->out);
    }
    pg_once_end(&r->once);
}

static void on_moved(void *arg, const struct pg_reply *reply)
{
    struct run *r = arg;

    if (pg_outcome(reply) != PG_OK) {
        (void)fprintf(r->out, "rewrap: %s\n", pg_message(reply));
        failed(r, "PostgreSQL did not take a batch; those before it are done",
               "look after PostgreSQL, then run this again");
        return;
    }
    for (size_t i = 0; i < r->batch; i++) {
        bool moved = pg_affected(reply, i) == 1;

        r->moved += moved;
        r->changed += !moved;
    }
    (void)fprintf(r->out, "rewrap: %zu of %zu\n", r->sent, r->count);
    send_batch(r);
}

static void send_batch(struct run *r)
{
    struct pg_statement statements[BATCH];
    struct pg_param params[BATCH][6];

    r->batch = r->count - r->sent < BATCH ? r->count - r->sent : BATCH;
    if (r->batch == 0) {
        finish(r);
        return;
    }
    for (size_t i = 0; i < r->batch; i++) {
        const struct item *it = &r->items[r->sent + i];
        struct pg_param *p = params[i];

        p[0] = pg_text(it->row);
        p[1] = pg_bytea(it->sealed, it->len);
        p[2] = pg_bytea(it->next, it->len);
        p[3] = pg_int8(r->newest->version);
        p[4] = pg_text(r->actor);
        p[5] = pg_int8(it->from);
        statements[i] = (struct pg_statement){places[it->place].sql, p, 6};
    }
    r->sent += r->batch;
    if (!pg_transaction(r->once.pg, statements, r->batch, STEP_MS, on_moved, r)) {
        failed(r, "PostgreSQL went away", "run this again");
    }
}

static void on_list(void *arg, const struct pg_reply *reply)
{
    struct run *r = arg;
    size_t rows = pg_rows(reply, 0);

    if (pg_outcome(reply) != PG_OK) {
        (void)fprintf(r->out, "rewrap: %s\n", pg_message(reply));
        failed(r, "the envelopes could not be read", "is the schema there? run --migrate");
        return;
    }
    r->items = gw_calloc(rows + 1, sizeof *r->items);
    for (size_t row = 0; row < rows; row++) {
        take(r, reply, row);
    }
    send_batch(r);
}

static void ask(void *arg, struct pg *pg)
{
    struct run *r = arg;

    if (!pg_query(pg, &list, STEP_MS, on_list, r)) {
        failed(r, "PostgreSQL went away", "run this again");
    }
}

static void on_late(void *arg)
{
    failed(arg, "PostgreSQL does not answer", "check the DSN, and that PostgreSQL runs there");
}

int rewrap_keys(const char *dsn, const struct master_keys *masters, FILE *out)
{
    struct run r = {.out = out, .once = {.ask = ask, .late = on_late}};

    r.once.arg = &r;
    r.masters = master_keys_all(masters, &r.master_count);
    r.newest = key_newest_master(r.masters, r.master_count);
    pg_once_actor(NULL, r.actor);
    pg_once_run(&r.once, dsn, "rewrap");
    free(r.items);
    return r.done ? 0 : 1;
}
