/* auth/key_table.c - all keys of one epoch: rows of PostgreSQL to structs, found by id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include "auth/bearer.h"
#include "auth/key_make.h"
#include "auth/key_row_sql.h"
#include "auth/keys_priv.h"
#include "auth/secret_mem.h"
#include "gateway/runtime/log.h"

enum column {
    C_EPOCH,
    C_ID,
    C_ACCOUNT,
    C_LABEL,
    C_ALGORITHM,
    C_MATERIAL,
    C_SCOPES,
    C_NETS,
    C_RATE_CLASS,
    C_FLAGS,
    C_NOT_BEFORE,
    C_NOT_AFTER,
    C_REVOKED,
    C_DISABLED,
    C_OWNER
};

/* One statement, so that keys and epoch are of one moment. */
/* clang-format off */
const struct pg_statement key_table_query = {
    .sql = "SELECT e.epoch, k.id, k.account, k.label, k.algorithm,"
           " coalesce(k.public_key, k.token_hash, k.secret_sealed), k.scopes, array_to_string(k.ip_allow, ' '),"
           " k.rate_class, k.flags, " KEY_MICROS("k.not_before") ","
           " CASE WHEN k.not_after IS NULL THEN 0 ELSE " KEY_MICROS("k.not_after") " END,"
           " k.revoked_at IS NOT NULL, a.disabled_at IS NOT NULL OR u.disabled_at IS NOT NULL, k.owner"
           " FROM revocation_epoch e LEFT JOIN api_keys k ON true"
           " LEFT JOIN accounts a ON a.id = k.account LEFT JOIN users u ON u.name = k.owner"};
/* clang-format on */

static bool copy_text(const struct pg_reply *r, size_t row, enum column c, char *out, size_t size)
{
    size_t len = 0;
    const char *s = pg_value(r, 0, row, c, &len);

    if (s == NULL || len == 0 || len >= size) {
        return false;
    }
    memcpy(out, s, len + 1);
    return true;
}

/* False: there is one, but it does not fit. */
static bool read_owner(const struct pg_reply *r, size_t row, struct key *k)
{
    return pg_value(r, 0, row, C_OWNER, NULL) == NULL ||
           copy_text(r, row, C_OWNER, k->owner, sizeof k->owner);
}

static void read_nets(const char *list, struct key_slot *slot)
{
    size_t room = 1;

    slot->key.any_ip = list[0] == '\0';
    for (const char *s = list; *s != '\0'; s++) {
        room += *s == ' ';
    }
    slot->nets = gw_calloc(room, sizeof *slot->nets);
    slot->key.nets = slot->nets;
    while (*list != '\0') {
        size_t len = strcspn(list, " ");

        /* what cannot be read allows nobody */
        slot->key.net_count += key_net_parse(list, len, &slot->nets[slot->key.net_count]);
        list += len + (list[len] == ' ');
    }
}

static bool read_plain(const struct pg_reply *r, size_t row, struct key_slot *slot)
{
    struct key *k = &slot->key;
    const char *alg = pg_value(r, 0, row, C_ALGORITHM, NULL);
    const char *label = pg_value(r, 0, row, C_LABEL, NULL);
    const char *nets = pg_value(r, 0, row, C_NETS, NULL);
    int64_t scopes = 0;
    int64_t flags = 0;

    if (!copy_text(r, row, C_ID, k->id, sizeof k->id) ||
        !copy_text(r, row, C_ACCOUNT, k->account, sizeof k->account) ||
        !copy_text(r, row, C_RATE_CLASS, k->rate_class, sizeof k->rate_class) || label == NULL ||
        alg == NULL || !key_alg_parse(alg, &k->alg) || nets == NULL ||
        !pg_value_i64(r, 0, row, C_SCOPES, &scopes) || !pg_value_i64(r, 0, row, C_FLAGS, &flags) ||
        !pg_value_i64(r, 0, row, C_NOT_BEFORE, &k->not_before_ns) ||
        !pg_value_i64(r, 0, row, C_NOT_AFTER, &k->not_after_ns) ||
        !pg_value_bool(r, 0, row, C_REVOKED, &k->revoked) || !read_owner(r, row, k) ||
        !pg_value_bool(r, 0, row, C_DISABLED, &k->account_disabled)) {
        return false;
    }
    slot->disabled = k->account_disabled;
    k->scopes = (uint64_t)scopes;
    k->flags = (uint64_t)flags;
    k->not_before_ns *= 1000;
    k->not_after_ns *= 1000;
    slot->label = gw_strdup(label);
    k->label = slot->label;
    read_nets(nets, slot);
    return true;
}

/* Opens SEALED to AT, which has ENVELOPE_SECRET_MAX bytes of room. */
static bool open_secret(const struct envelope_master *masters, size_t count, const struct buf *b,
                        struct key *k, uint8_t *at)
{
    const uint8_t *sealed = (const uint8_t *)b->data;
    struct auth_text id = {k->id, strlen(k->id)};
    uint32_t version = 0;

    if (envelope_version(sealed, b->len, &version) != GW_OK) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = 0;

        if (masters[i].version == version &&
            envelope_open(&masters[i], id, sealed, b->len, at, &len) == GW_OK) {
            k->material = at;
            k->material_len = len;
            return true;
        }
    }
    return false;
}

static void tell_broken(const struct key_slot *slot, const struct key_table *old,
                        struct metric_set *metrics)
{
    const struct key_slot *before = key_table_find(old, slot->key.id, strlen(slot->key.id));

    if (before == NULL || before->key.material != NULL) {
        metrics_inc(metrics, KEYS_M_BROKEN);
        log_error("auth", "key_unusable",
                  "\"key\":%s,\"next\":\"its secret does not open: is the master key file the one "
                  "it was sealed with?\"",
                  log_json(slot->key.id));
    }
}

static size_t token_place(const struct key_table *t, const uint8_t *hash)
{
    return siphash(&t->seed, hash, BEARER_HASH_BYTES) & t->mask;
}

static void put_index(struct key_table *t, size_t n)
{
    const char *id = t->slots[n].key.id;
    size_t at = siphash(&t->seed, id, strlen(id)) & t->mask;

    while (t->index[at] != 0) {
        at = (at + 1) & t->mask;
    }
    t->index[at] = (uint32_t)n + 1;
    if (t->slots[n].key.alg == KEY_BEARER && t->slots[n].key.material != NULL) {
        for (at = token_place(t, t->slots[n].key.material); t->by_token[at] != 0;
             at = (at + 1) & t->mask) {
        }
        t->by_token[at] = (uint32_t)n + 1;
    }
}

/* At most what all envelopes could hold, and room for the last one to be opened in. */
static void get_secrets(struct key_table *t, const struct pg_reply *r)
{
    t->secrets_len = ENVELOPE_SECRET_MAX;
    for (size_t row = 0; row < pg_rows(r, 0); row++) {
        size_t len = 0;

        (void)pg_value(r, 0, row, C_MATERIAL, &len); /* in hex */
        if (len > 2 * (size_t)ENVELOPE_OVERHEAD) {
            t->secrets_len += len / 2 - ENVELOPE_OVERHEAD;
        }
    }
    t->secrets = secret_mem_get(t->secrets_len);
}

/* Material of SLOT; *USED bytes of the secrets are taken. */
static bool read_material(struct key_table *t, const struct pg_reply *r, size_t row,
                          const struct envelope_master *masters, size_t master_count,
                          struct key_slot *slot, size_t *used)
{
    struct key *k = &slot->key;
    struct buf b = {0};
    bool fine = pg_value_bytes(r, 0, row, C_MATERIAL, &b);

    if (fine && (k->alg == KEY_ED25519 || k->alg == KEY_BEARER)) {
        fine = b.len == sizeof slot->public_key;
        if (fine) {
            memcpy(slot->public_key, b.data, sizeof slot->public_key);
            k->material = slot->public_key;
            k->material_len = sizeof slot->public_key;
        }
    } else if (fine) {
        GW_ASSERT(*used + ENVELOPE_SECRET_MAX <= t->secrets_len);
        fine = open_secret(masters, master_count, &b, k, t->secrets + *used);
        *used += k->material_len;
    }
    buf_fini(&b);
    return fine;
}

struct key_table *key_table_create(const struct pg_reply *reply,
                                   const struct envelope_master *masters, size_t master_count,
                                   const struct key_table *old, struct metric_set *metrics)
{
    struct key_table *t = gw_calloc(1, sizeof *t);
    size_t rows = pg_rows(reply, 0);
    size_t used = 0;
    int64_t epoch = 0;

    if (rows == 0 || !pg_value_i64(reply, 0, 0, C_EPOCH, &epoch)) {
        free(t);
        return NULL;
    }
    t->epoch = (uint64_t)epoch;
    GW_ASSERT(key_random(NULL, (uint8_t *)&t->seed, sizeof t->seed));
    for (t->mask = 16; t->mask < 2 * rows; t->mask *= 2) {
    }
    t->index = gw_calloc(t->mask, sizeof *t->index);
    t->by_token = gw_calloc(t->mask, sizeof *t->by_token);
    t->mask--;
    t->slots = gw_calloc(rows, sizeof *t->slots);
    get_secrets(t, reply);
    for (size_t row = 0; row < rows; row++) {
        struct key_slot *slot = &t->slots[t->count];

        if (pg_value(reply, 0, row, C_ID, NULL) == NULL) {
            continue; /* there is no key at all */
        }
        if (!read_plain(reply, row, slot)) {
            log_error("auth", "key_skipped",
                      "\"key\":%s,\"next\":\"its row is not as this program knows it: upgrade the "
                      "gateway\"",
                      log_json(pg_value(reply, 0, row, C_ID, NULL)));
            *slot = (struct key_slot){0};
            continue;
        }
        if (!read_material(t, reply, row, masters, master_count, slot, &used)) {
            tell_broken(slot, old, metrics);
        }
        put_index(t, t->count++);
    }
    return t;
}

void key_table_destroy(struct key_table **tp)
{
    struct key_table *t = *tp;
    void *secrets;

    *tp = NULL;
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        free(t->slots[i].label);
        free(t->slots[i].nets);
        key_use_destroy(&t->slots[i].use);
    }
    secrets = t->secrets;
    secret_mem_put(&secrets, t->secrets_len);
    free(t->slots);
    free(t->index);
    free(t->by_token);
    free(t);
}

struct key_slot *key_table_find(const struct key_table *t, const char *id, size_t len)
{
    if (t == NULL || len == 0 || len > KEY_ID_MAX) {
        return NULL;
    }
    for (size_t at = siphash(&t->seed, id, len) & t->mask; t->index[at] != 0;
         at = (at + 1) & t->mask) {
        struct key_slot *slot = &t->slots[t->index[at] - 1];

        if (memcmp(slot->key.id, id, len) == 0 && slot->key.id[len] == '\0') {
            return slot;
        }
    }
    return NULL;
}

struct key_slot *key_table_find_token(const struct key_table *t, const uint8_t *hash)
{
    if (t == NULL) {
        return NULL;
    }
    for (size_t at = token_place(t, hash); t->by_token[at] != 0; at = (at + 1) & t->mask) {
        struct key_slot *slot = &t->slots[t->by_token[at] - 1];

        if (CRYPTO_memcmp(slot->key.material, hash, BEARER_HASH_BYTES) == 0) {
            return slot;
        }
    }
    return NULL;
}
