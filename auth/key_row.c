#include "auth/key_row.h"

#include <stdlib.h>
#include <string.h>
#include "auth/key_make.h"
#include "auth/key_row_sql.h"
#include "auth/scopes.h"
#include "gateway/base/json_put.h"

#define PUBLIC_BYTES 32u

enum column {
    C_ID,
    C_ACCOUNT,
    C_LABEL,
    C_ALGORITHM,
    C_STATE,
    C_SCOPES,
    C_FLAGS,
    C_NETS,
    C_RATE_CLASS,
    C_NOT_BEFORE,
    C_NOT_AFTER,
    C_REVOKED_AT,
    C_REVOKED_BY,
    C_REVOKE_REASON,
    C_CREATED_AT,
    C_CREATED_BY,
    C_ROTATED_FROM,
    C_PUBLIC_KEY,
    C_OWNER
};

/* --- from PostgreSQL --------------------------------------------------------------------------- */

/* 0 for NULL. */
static int64_t read_time(const struct pg_reply *r, size_t i, size_t row, size_t column)
{
    int64_t us = 0;

    return pg_value_i64(r, i, row, column, &us) ? us * 1000 : 0;
}

static bool read_row(const struct pg_reply *r, size_t i, size_t row, struct key_row *out)
{
    const char *alg = pg_value(r, i, row, C_ALGORITHM, NULL);
    const char *state = pg_value(r, i, row, C_STATE, NULL);
    int64_t scopes = 0;
    int64_t flags = 0;

    *out = (struct key_row){
        .id = pg_value(r, i, row, C_ID, NULL),
        .account = pg_value(r, i, row, C_ACCOUNT, NULL),
        .label = pg_value(r, i, row, C_LABEL, NULL),
        .ip_allow = pg_value(r, i, row, C_NETS, NULL),
        .rate_class = pg_value(r, i, row, C_RATE_CLASS, NULL),
        .not_before_ns = read_time(r, i, row, C_NOT_BEFORE),
        .not_after_ns = read_time(r, i, row, C_NOT_AFTER),
        .revoked_at_ns = read_time(r, i, row, C_REVOKED_AT),
        .revoked_by = pg_value(r, i, row, C_REVOKED_BY, NULL),
        .revoke_reason = pg_value(r, i, row, C_REVOKE_REASON, NULL),
        .created_at_ns = read_time(r, i, row, C_CREATED_AT),
        .created_by = pg_value(r, i, row, C_CREATED_BY, NULL),
        .rotated_from = pg_value(r, i, row, C_ROTATED_FROM, NULL),
        .owner = pg_value(r, i, row, C_OWNER, NULL),
    };
    if (out->id == NULL || out->account == NULL || out->label == NULL || out->ip_allow == NULL ||
        out->rate_class == NULL || out->created_by == NULL || alg == NULL || state == NULL ||
        !pg_value_i64(r, i, row, C_SCOPES, &scopes) || !pg_value_i64(r, i, row, C_FLAGS, &flags) ||
        !key_alg_parse(alg, &out->alg) || !key_state_parse(state, &out->state)) {
        return false;
    }
    out->scopes = (uint64_t)scopes;
    out->flags = (uint64_t)flags;
    return true;
}

struct key_row *key_rows_read(const struct pg_reply *reply, size_t i, size_t *count,
                              struct buf *public_keys)
{
    size_t rows = pg_rows(reply, i);
    struct key_row *out = rows > 0 ? gw_calloc(rows, sizeof *out) : NULL;

    *count = 0;
    (void)buf_room(public_keys, rows * PUBLIC_BYTES); /* so that it does not move below */
    for (size_t row = 0; row < rows; row++) {
        struct key_row *k = &out[*count];
        size_t at = public_keys->len;
        size_t len = 0;

        if (!read_row(reply, i, row, k)) {
            continue; /* of a newer program's making */
        }
        if (pg_value(reply, i, row, C_PUBLIC_KEY, &len) != NULL && len == 2 + 2 * PUBLIC_BYTES &&
            pg_value_bytes(reply, i, row, C_PUBLIC_KEY, public_keys)) {
            k->public_key = (const uint8_t *)public_keys->data + at;
        }
        ++*count;
    }
    return out;
}

static const size_t texts[] = {
    offsetof(struct key_row, id),
    offsetof(struct key_row, account),
    offsetof(struct key_row, label),
    offsetof(struct key_row, ip_allow),
    offsetof(struct key_row, rate_class),
    offsetof(struct key_row, revoked_by),
    offsetof(struct key_row, revoke_reason),
    offsetof(struct key_row, created_by),
    offsetof(struct key_row, rotated_from),
    offsetof(struct key_row, owner),
};

static const char **text_at(struct key_row *row, size_t i)
{
    return (const char **)((char *)row + texts[i]);
}

struct key_row *key_rows_copy(const struct key_row *rows, size_t count)
{
    struct key_row *out;
    struct key_row row;
    size_t bytes = count * (sizeof *out + PUBLIC_BYTES);
    char *at;

    for (size_t k = 0; k < count; k++) {
        row = rows[k];
        for (size_t i = 0; i < GW_LEN(texts); i++) {
            bytes += *text_at(&row, i) != NULL ? strlen(*text_at(&row, i)) + 1 : 0;
        }
    }
    out = gw_calloc(1, bytes + 1);
    at = (char *)(out + count);
    for (size_t k = 0; k < count; k++) {
        out[k] = rows[k];
        for (size_t i = 0; i < GW_LEN(texts); i++) {
            const char **text = text_at(&out[k], i);

            if (*text != NULL) {
                size_t size = strlen(*text) + 1;

                memcpy(at, *text, size);
                *text = at;
                at += size;
            }
        }
        if (rows[k].public_key != NULL) {
            memcpy(at, rows[k].public_key, PUBLIC_BYTES);
            out[k].public_key = (const uint8_t *)at;
            at += PUBLIC_BYTES;
        }
    }
    return out;
}

struct key_use_row *key_uses_read(const struct pg_reply *reply, size_t i, size_t *count)
{
    size_t rows = pg_rows(reply, i);
    struct key_use_row *out = rows > 0 ? gw_calloc(rows, sizeof *out) : NULL;

    for (size_t row = 0; row < rows; row++) {
        int64_t uses = 0;

        (void)pg_value_i64(reply, i, row, 4, &uses);
        out[row] = (struct key_use_row){
            .key_id = pg_value(reply, i, row, 0, NULL),
            .last_used_ns = read_time(reply, i, row, 1),
            .last_ip = pg_value(reply, i, row, 2, NULL),
            .last_route = pg_value(reply, i, row, 3, NULL),
            .count = (uint64_t)uses,
        };
    }
    *count = rows;
    return out;
}

struct key_seen_row *key_seen_read(const struct pg_reply *reply, size_t i, size_t *count)
{
    size_t rows = pg_rows(reply, i);
    struct key_seen_row *out = rows > 0 ? gw_calloc(rows, sizeof *out) : NULL;

    for (size_t row = 0; row < rows; row++) {
        int64_t uses = 0;

        (void)pg_value_i64(reply, i, row, 5, &uses);
        out[row] = (struct key_seen_row){
            .network = pg_value(reply, i, row, 0, NULL),
            .method = pg_value(reply, i, row, 1, NULL),
            .route = pg_value(reply, i, row, 2, NULL),
            .first_ns = read_time(reply, i, row, 3),
            .last_ns = read_time(reply, i, row, 4),
            .count = (uint64_t)uses,
        };
    }
    *count = rows;
    return out;
}

struct key_refusal_row *key_refusals_read(const struct pg_reply *reply, size_t i, size_t *count)
{
    size_t rows = pg_rows(reply, i);
    struct key_refusal_row *out = rows > 0 ? gw_calloc(rows, sizeof *out) : NULL;

    for (size_t row = 0; row < rows; row++) {
        int64_t refusals = 0;

        (void)pg_value_i64(reply, i, row, 4, &refusals);
        out[row] = (struct key_refusal_row){
            .cause = pg_value(reply, i, row, 0, NULL),
            .last_network = pg_value(reply, i, row, 1, NULL),
            .first_ns = read_time(reply, i, row, 2),
            .last_ns = read_time(reply, i, row, 3),
            .count = (uint64_t)refusals,
        };
    }
    *count = rows;
    return out;
}

/* --- to JSON ----------------------------------------------------------------------------------- */

static void put_scopes(struct buf *out, uint64_t scopes)
{
    const char *comma = "";

    json_put_name(out, "scopes");
    buf_putc(out, '[');
    for (unsigned bit = 0; bit < SCOPE_COUNT; bit++) {
        if (scope_has(scopes, (enum auth_scope)bit)) {
            buf_printf(out, "%s\"%s\"", comma, scope_rows[bit].word);
            comma = ",";
        }
    }
    buf_putc(out, ']');
}

/* Is there a network in NETS that is all addresses of its kind? They come as PostgreSQL prints them. */
static bool has_everywhere(const char *nets)
{
    while (*nets != '\0') {
        size_t len = strcspn(nets, " ");

        if (len > 2 && memcmp(nets + len - 2, "/0", 2) == 0) {
            return true;
        }
        nets += len + (nets[len] == ' ');
    }
    return false;
}

static bool from_anywhere(const struct key_row *row)
{
    return (row->scopes & scopes_admin()) != 0 &&
           (row->ip_allow[0] == '\0' || has_everywhere(row->ip_allow));
}

static void put_list(struct buf *out, const char *name, const char *words)
{
    const char *comma = "";

    json_put_name(out, name);
    buf_putc(out, '[');
    while (*words != '\0') {
        size_t len = strcspn(words, " ");

        buf_puts(out, comma);
        buf_json_str(out, words, len);
        comma = ",";
        words += len + (words[len] == ' ');
    }
    buf_putc(out, ']');
}

void key_row_json(struct buf *out, const struct key_row *row)
{
    char base64[4 * ((PUBLIC_BYTES + 2) / 3) + 1];

    buf_putc(out, '{');
    json_put_text(out, "id", row->id);
    json_put_text(out, "account", row->account);
    json_put_text(out, "owner", row->owner);
    json_put_text(out, "label", row->label);
    json_put_text(out, "algorithm", key_alg_word(row->alg));
    json_put_text(out, "state", key_state_word(row->state));
    json_put_name(out, "flagged");
    buf_puts(out, (row->flags & KEY_FLAGGED) != 0 ? "true" : "false");
    put_scopes(out, row->scopes);
    put_list(out, "ip_allow", row->ip_allow);
    json_put_name(out, "admin_from_anywhere");
    buf_puts(out, from_anywhere(row) ? "true" : "false");
    json_put_text(out, "rate_class", row->rate_class);
    json_put_time(out, "not_before", row->not_before_ns);
    json_put_time(out, "not_after", row->not_after_ns);
    json_put_time(out, "revoked_at", row->revoked_at_ns);
    json_put_text(out, "revoke_reason", row->revoke_reason);
    json_put_time(out, "created_at", row->created_at_ns);
    json_put_text(out, "created_by", row->created_by);
    json_put_text(out, "rotated_from", row->rotated_from);
    if (row->public_key != NULL) {
        key_base64(row->public_key, PUBLIC_BYTES, base64);
        json_put_text(out, "public_key", base64);
    }
    buf_putc(out, '}');
}

static void put_count(struct buf *out, const char *name, uint64_t count)
{
    json_put_name(out, name);
    buf_u64(out, count);
}

static void put_seen(struct buf *out, const struct key_seen_row *row)
{
    buf_putc(out, '{');
    json_put_text(out, "network", row->network);
    json_put_text(out, "method", row->method);
    json_put_text(out, "route", row->route);
    json_put_time(out, "first_seen_at", row->first_ns);
    json_put_time(out, "last_seen_at", row->last_ns);
    put_count(out, "count", row->count);
    buf_putc(out, '}');
}

static void put_refusal(struct buf *out, const struct key_refusal_row *row)
{
    buf_putc(out, '{');
    json_put_text(out, "cause", row->cause);
    json_put_text(out, "last_network", row->last_network);
    json_put_time(out, "first_at", row->first_ns);
    json_put_time(out, "last_at", row->last_ns);
    put_count(out, "count", row->count);
    buf_putc(out, '}');
}

void key_usage_json(struct buf *out, const char *id, const struct key_usage *u)
{
    static const struct key_use_row never;
    const struct key_use_row *use = u->use != NULL ? u->use : &never;

    buf_putc(out, '{');
    json_put_text(out, "key", id);
    json_put_time(out, "last_used_at", use->last_used_ns);
    json_put_text(out, "last_ip", use->last_ip);
    json_put_text(out, "last_route", use->last_route);
    put_count(out, "use_count", use->count);
    json_put_name(out, "seen");
    buf_putc(out, '[');
    for (size_t i = 0; i < u->seen_count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        put_seen(out, &u->seen[i]);
    }
    buf_putc(out, ']');
    json_put_name(out, "refusals");
    buf_putc(out, '[');
    for (size_t i = 0; i < u->refusal_count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        put_refusal(out, &u->refusals[i]);
    }
    buf_lit(out, "]}");
}
