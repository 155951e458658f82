/* auth/people/people_table.c - all living sessions of one epoch: rows of PostgreSQL to structs, found
 * by the hash of their token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "gateway/runtime/log.h"

enum column {
    C_EPOCH,
    C_ID,
    C_HASH,
    C_USER,
    C_LABEL,
    C_CREATED,
    C_SEEN,
    C_FACTOR,
    C_ENDS,
    C_IP,
    C_ENROLLED,
    C_MUST_CHOOSE,
    C_ROLES
};

#define OR_0(time) " CASE WHEN " time " IS NULL THEN 0 ELSE " KEY_MICROS(time) " END"
/* One statement, so that sessions, roles and epoch are of one moment. */
/* clang-format off */
const char people_table_sql[] =
    "SELECT e.epoch, s.id, s.token_hash, u.name, u.label, " KEY_MICROS("s.created_at") ", "
    KEY_MICROS("s.last_seen_at") ", " OR_0("s.factor_at") ", "
    KEY_MICROS("s.ends_at") ", host(s.ip), u.totp_at IS NOT NULL, u.password_until IS NOT NULL,"
    " (SELECT coalesce(string_agg(r.role || ':' || left(r.kind, 1) || ':' ||"
    OR_0("r.until") ", ' '), '') FROM user_roles r"
    " WHERE r.user_name = u.name AND r.ended_at IS NULL AND r.kind <> 'eligible')"
    " FROM people_epoch e LEFT JOIN (user_sessions s JOIN users u"
    " ON u.name = s.user_name AND u.disabled_at IS NULL) ON s.ended_at IS NULL";
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

static bool read_time(const struct pg_reply *r, size_t row, enum column c, int64_t *ns)
{
    int64_t us = 0;

    if (!pg_value_i64(r, 0, row, c, &us)) {
        return false;
    }
    *ns = us * 1000;
    return true;
}

/* "operator:s:0 admin:t:1795247612000000"; a role that this program does not know gives nothing. */
static void read_roles(const char *list, struct people_session *s)
{
    while (*list != '\0' && s->grant_count < PEOPLE_GRANTS_MAX) {
        struct people_grant *g = &s->grants[s->grant_count];
        size_t len = strcspn(list, ":");

        if (list[len] == ':' && role_parse(list, len, &g->role)) {
            g->temporary = list[len + 1] == 't';
            g->until_ns = strtoll(list + len + 3, NULL, 10) * 1000;
            s->grant_count++;
        }
        list += strcspn(list, " ");
        list += *list == ' ';
    }
}

static bool read_slot(const struct pg_reply *r, size_t row, struct people_slot *slot)
{
    struct people_session *s = &slot->s;
    const char *roles = pg_value(r, 0, row, C_ROLES, NULL);
    struct buf hash = {0};
    bool fine;

    fine = copy_text(r, row, C_ID, s->id, sizeof s->id) &&
           pg_value_bytes(r, 0, row, C_HASH, &hash) && hash.len == sizeof slot->hash &&
           copy_text(r, row, C_USER, s->user, sizeof s->user) &&
           copy_text(r, row, C_LABEL, s->label, sizeof s->label) &&
           read_time(r, row, C_CREATED, &s->created_ns) && read_time(r, row, C_SEEN, &s->seen_ns) &&
           read_time(r, row, C_FACTOR, &s->factor_ns) && read_time(r, row, C_ENDS, &s->ends_ns) &&
           copy_text(r, row, C_IP, s->ip, sizeof s->ip) &&
           pg_value_bool(r, 0, row, C_ENROLLED, &s->enrolled) &&
           pg_value_bool(r, 0, row, C_MUST_CHOOSE, &s->must_choose) && roles != NULL;
    if (fine) {
        memcpy(slot->hash, hash.data, sizeof slot->hash);
        (void)snprintf(s->person, sizeof s->person, "user:%s", s->user);
        read_roles(roles, s);
    }
    buf_fini(&hash);
    return fine;
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const struct people_slot *)a)->hash, ((const struct people_slot *)b)->hash,
                  SESSION_HASH_SIZE);
}

struct people_table *people_table_create(const struct pg_reply *reply)
{
    struct people_table *t;
    size_t rows = pg_rows(reply, 0);
    int64_t epoch = 0;

    if (rows == 0 || !pg_value_i64(reply, 0, 0, C_EPOCH, &epoch)) {
        return NULL;
    }
    t = gw_calloc(1, sizeof *t);
    t->epoch = (uint64_t)epoch;
    t->slots = gw_calloc(rows, sizeof *t->slots);
    for (size_t row = 0; row < rows; row++) {
        struct people_slot *slot = &t->slots[t->count];

        if (pg_value(reply, 0, row, C_ID, NULL) == NULL) {
            continue; /* there is no session at all */
        }
        if (read_slot(reply, row, slot)) {
            t->count++;
            continue;
        }
        log_error("people", "session_skipped",
                  "\"session\":%s,\"next\":\"its row is not as this program knows it: upgrade the "
                  "gateway\"",
                  log_json(pg_value(reply, 0, row, C_ID, NULL)));
        *slot = (struct people_slot){0};
    }
    qsort(t->slots, t->count, sizeof *t->slots, by_hash);
    return t;
}

void people_table_destroy(struct people_table **tp)
{
    struct people_table *t = *tp;

    *tp = NULL;
    if (t != NULL) {
        free(t->slots);
        free(t);
    }
}

struct people_slot *people_table_find(const struct people_table *t,
                                      const uint8_t hash[SESSION_HASH_SIZE])
{
    struct people_slot key;

    if (t == NULL || t->count == 0) {
        return NULL;
    }
    memcpy(key.hash, hash, sizeof key.hash);
    return bsearch(&key, t->slots, t->count, sizeof *t->slots, by_hash);
}

struct people_slot *people_table_by_id(const struct people_table *t, const char *id)
{
    for (size_t i = 0; t != NULL && i < t->count; i++) {
        if (strcmp(t->slots[i].s.id, id) == 0) {
            return &t->slots[i];
        }
    }
    return NULL;
}
