/* gateway/reported/reported_store.c - memory and PostgreSQL: batches out, newer rows in. One batch is
 * under way at a time; what is heard meanwhile goes with the next, so that a thousand heartbeats cost a
 * few transactions. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/reported/reported_priv.h"
#include "gateway/runtime/log.h"

#define WRITE_MS  1000u
#define MARGIN_US 10000000 /* longer than any transaction of ours lives */

/* Microseconds since 1970. */
#define TIME_OF(n) "'epoch'::timestamptz + " n " * interval '1 microsecond'"
#define MICROS(t)  "(extract(epoch FROM " t ") * 1000000)::bigint"

/* clang-format off */
static const char components_sql[] =
    "INSERT INTO reported_components AS t (id, group_name, role, state, since, heard_at, ttl_s, details,"
    " source, written_at) SELECT i, g, o, s, " TIME_OF("a") ", " TIME_OF("h") ", l, d::jsonb, w,"
    " clock_timestamp() FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[],"
    " $6::bigint[], $7::int[], $8::text[], $9::text[]) AS u (i, g, o, s, a, h, l, d, w)"
    " ON CONFLICT (id) DO UPDATE SET group_name = excluded.group_name, role = excluded.role,"
    " state = excluded.state, since = excluded.since, heard_at = excluded.heard_at,"
    " ttl_s = excluded.ttl_s, details = excluded.details, source = excluded.source,"
    " written_at = excluded.written_at WHERE excluded.heard_at > t.heard_at";
static const char signals_sql[] =
    "INSERT INTO reported_signals AS t (name, labels, value, unit, at, ttl_s, source, written_at)"
    " SELECT n, b::jsonb, v, x, " TIME_OF("a") ", l, w, clock_timestamp() FROM unnest($1::text[],"
    " $2::text[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::text[])"
    " AS u (n, b, v, x, a, l, w)"
    " ON CONFLICT (name, labels) DO UPDATE SET value = excluded.value, unit = excluded.unit,"
    " at = excluded.at, ttl_s = excluded.ttl_s, source = excluded.source,"
    " written_at = excluded.written_at WHERE excluded.at >= t.at";
static const char read_components_sql[] =
    "SELECT id, group_name, role, state, " MICROS("since") ", " MICROS("heard_at") ", ttl_s,"
    " details::text, source FROM reported_components WHERE written_at >= " TIME_OF("$1::bigint")
    " ORDER BY heard_at DESC LIMIT 4096";
static const char read_signals_sql[] =
    "SELECT name, labels::text, value, unit, " MICROS("at") ", ttl_s, source FROM reported_signals"
    " WHERE written_at >= " TIME_OF("$1::bigint") " ORDER BY at DESC LIMIT 10000";
/* clang-format on */

/* --- those who wait ----------------------------------------------------------------------------
 */

void reported_wait(struct reported *r, reported_fn *cb, void *arg)
{
    struct wait *w = gw_malloc(sizeof *w);

    *w = (struct wait){cb, arg, r->next};
    r->next = w;
}

static void tell(struct wait **list, bool durable)
{
    struct wait *w = *list;

    *list = NULL;
    while (w != NULL) {
        struct wait *next = w->next;

        w->cb(w->arg, durable);
        free(w);
        w = next;
    }
}

/* --- a batch -----------------------------------------------------------------------------------
 */

struct batch {
    struct buf columns[COMPONENT_COLUMNS + SIGNAL_COLUMNS];
    struct pg_param params[COMPONENT_COLUMNS + SIGNAL_COLUMNS];
};

static void put_i64(struct buf *column, int64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, v);
    pg_array_put(column, text);
}

static void put_component(struct buf *columns, const struct component *c)
{
    struct buf details = {0};

    component_details_print(&details, &c->said);
    pg_array_put(&columns[0], c->said.id);
    pg_array_put(&columns[1], c->said.group);
    pg_array_put(&columns[2], c->said.role);
    pg_array_put(&columns[3], component_state_words[c->said.state]);
    put_i64(&columns[4], c->said_since_ns / 1000);
    put_i64(&columns[5], c->heard_ns / 1000);
    put_i64(&columns[6], c->said.ttl_s);
    pg_array_put(&columns[7], buf_cstr(&details));
    pg_array_put(&columns[8], c->said.source);
    buf_fini(&details);
}

static void put_signal(struct buf *columns, const struct signal *s)
{
    struct buf labels = {0};

    signal_labels_print(&labels, &s->last);
    pg_array_put(&columns[0], s->last.name);
    pg_array_put(&columns[1], buf_cstr(&labels));
    pg_array_put(&columns[2], s->last.value);
    pg_array_put(&columns[3], s->last.unit);
    put_i64(&columns[4], s->last.at_ns / 1000);
    put_i64(&columns[5], s->last.ttl_s);
    pg_array_put(&columns[6], s->last.source);
    buf_fini(&labels);
}

/* Rows go in the order of their keys, so that two gateways never wait for each other. */
static void fill(struct reported *r, struct batch *b)
{
    for (uint32_t i = 0; i < components_count(r->components); i++) {
        struct component *c = components_at(r->components, i);

        c->sent = c->dirty;
        if (c->dirty) {
            put_component(b->columns, c);
            c->dirty = false;
        }
    }
    for (uint32_t i = 0; i < signals_count(r->signals); i++) {
        struct signal *s = signals_at(r->signals, i);

        s->sent = s->dirty;
        if (s->dirty) {
            put_signal(b->columns + COMPONENT_COLUMNS, s);
            s->dirty = false;
        }
    }
    for (unsigned i = 0; i < GW_LEN(b->columns); i++) {
        pg_array_end(&b->columns[i]);
        b->params[i] = pg_text(buf_cstr(&b->columns[i]));
    }
}

/* The batch is over; what it did not bring goes with a later one. */
static void settle(struct reported *r, bool written)
{
    for (uint32_t i = 0; i < components_count(r->components); i++) {
        struct component *c = components_at(r->components, i);

        c->dirty = c->dirty || (c->sent && !written);
        c->sent = false;
    }
    for (uint32_t i = 0; i < signals_count(r->signals); i++) {
        struct signal *s = signals_at(r->signals, i);

        s->dirty = s->dirty || (s->sent && !written);
        s->sent = false;
    }
}

uint32_t reported_unwritten(const struct reported *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < components_count(r->components); i++) {
        const struct component *c = components_at(r->components, i);

        n += c->dirty || c->sent;
    }
    for (uint32_t i = 0; i < signals_count(r->signals); i++) {
        const struct signal *s = signals_at(r->signals, i);

        n += s->dirty || s->sent;
    }
    return n;
}

static void on_written(void *arg, const struct pg_reply *reply)
{
    struct reported *r = arg;
    bool ok = pg_outcome(reply) == PG_OK;

    r->flushing = false;
    settle(r, ok);
    if (!ok) {
        metrics_inc(r->metrics, REPORTED_M_FAILED);
        log_warn("reported", "not_written",
                 "\"error\":%s,\"next\":\"it is written again; if this stays, look after "
                 "PostgreSQL\"",
                 log_json(pg_message(reply)));
    }
    tell(&r->sent, ok);
    if (r->next != NULL && ok) {
        reported_flush(r, r->closing);
    } else if (r->closing) {
        tell(&r->next, false);
    }
    reported_answered(r);
}

void reported_flush(struct reported *r, bool tell_them)
{
    struct batch b = {0};
    struct pg_statement statements[2] = {
        {components_sql, b.params, COMPONENT_COLUMNS},
        {signals_sql, b.params + COMPONENT_COLUMNS, SIGNAL_COLUMNS},
    };

    if (r->flushing || (r->next == NULL && reported_unwritten(r) == 0)) {
        return;
    }
    if (pg_up(r->opt.pg)) {
        fill(r, &b);
        r->flushing =
            pg_transaction(r->opt.pg, statements, GW_LEN(statements), WRITE_MS, on_written, r);
        for (unsigned i = 0; i < GW_LEN(b.columns); i++) {
            buf_fini(&b.columns[i]);
        }
    }
    if (r->flushing) {
        reported_owes(r);
        r->sent = r->next;
        r->next = NULL;
        return;
    }
    settle(r, false);
    if (tell_them) {
        tell(&r->next, false);
    }
}

/* --- what others have heard --------------------------------------------------------------------
 */

static bool state_of(const char *word, enum component_state *out)
{
    for (unsigned i = 0; i < COMPONENT_STATE_COUNT; i++) {
        if (word != NULL && strcmp(component_state_words[i], word) == 0) {
            *out = (enum component_state)i;
            return true;
        }
    }
    return false;
}

/* False: NULL, or longer than a program of ours writes. */
static bool copy(const struct pg_reply *reply, size_t i, size_t row, size_t column, char *out,
                 size_t size)
{
    size_t len = 0;
    const char *s = pg_value(reply, i, row, column, &len);

    if (s == NULL || len >= size) {
        return false;
    }
    memcpy(out, s, len + 1);
    return true;
}

static void load_component(struct reported *r, const struct pg_reply *reply, size_t row,
                           const struct reported_now *now)
{
    struct component_report rep = {0};
    int64_t since_us = 0;
    int64_t heard_us = 0;
    int64_t ttl = 0;
    size_t len = 0;
    const char *details = pg_value(reply, 1, row, 7, &len);

    if (copy(reply, 1, row, 0, rep.id, sizeof rep.id) && component_id_valid(rep.id) &&
        copy(reply, 1, row, 1, rep.group, sizeof rep.group) &&
        copy(reply, 1, row, 2, rep.role, sizeof rep.role) &&
        state_of(pg_value(reply, 1, row, 3, NULL), &rep.state) &&
        pg_value_i64(reply, 1, row, 4, &since_us) && pg_value_i64(reply, 1, row, 5, &heard_us) &&
        pg_value_i64(reply, 1, row, 6, &ttl) && details != NULL &&
        copy(reply, 1, row, 8, rep.source, sizeof rep.source)) {
        rep.ttl_s = (uint32_t)ttl;
        component_details_parse(details, len, &rep);
        components_load(r->components, &rep, heard_us * 1000, since_us * 1000, now);
    }
}

static void load_signal(struct reported *r, const struct pg_reply *reply, size_t row,
                        const struct reported_now *now)
{
    struct signal_sample s = {0};
    int64_t at_us = 0;
    int64_t ttl = 0;
    size_t len = 0;
    const char *labels = pg_value(reply, 2, row, 1, &len);

    if (copy(reply, 2, row, 0, s.name, sizeof s.name) && labels != NULL &&
        signal_labels_parse(labels, len, &s) && copy(reply, 2, row, 2, s.value, sizeof s.value) &&
        copy(reply, 2, row, 3, s.unit, sizeof s.unit) && pg_value_i64(reply, 2, row, 4, &at_us) &&
        pg_value_i64(reply, 2, row, 5, &ttl) && copy(reply, 2, row, 6, s.source, sizeof s.source)) {
        s.at_ns = at_us * 1000;
        s.ttl_s = (uint32_t)ttl;
        (void)signals_put(r->signals, &s, false, now); /* no room: GET says so by its absence */
    }
}

static void on_polled(void *arg, const struct pg_reply *reply)
{
    struct reported *r = arg;
    struct reported_now now = reported_now(r);
    int64_t us = 0;

    r->polling = false;
    if (pg_outcome(reply) == PG_OK && !r->closing && pg_value_i64(reply, 0, 0, 0, &us)) {
        for (size_t row = 0; row < pg_rows(reply, 1); row++) {
            load_component(r, reply, row, &now);
        }
        for (size_t row = 0; row < pg_rows(reply, 2); row++) {
            load_signal(r, reply, row, &now);
        }
        r->polled_db_us = us;
        r->polled_mono_ns = now.mono_ns;
        if (!r->loaded) {
            r->loaded = true;
            reported_resume_alerts(r);
        }
    }
    reported_answered(r);
}

void reported_poll(struct reported *r)
{
    const struct pg_param from =
        pg_int8(r->polled_db_us > MARGIN_US ? r->polled_db_us - MARGIN_US : 0);
    const struct pg_statement statements[] = {
        {"SELECT " MICROS("now()"), NULL, 0},
        {read_components_sql, &from, 1},
        {read_signals_sql, &from, 1},
    };

    if (!r->polling && pg_up(r->opt.pg)) {
        r->polling =
            pg_transaction(r->opt.pg, statements, GW_LEN(statements), WRITE_MS, on_polled, r);
        if (r->polling) {
            reported_owes(r);
        }
    }
}

/* --- what nobody speaks of any more ------------------------------------------------------------
 */

static void on_swept(void *arg, const struct pg_reply *reply)
{
    struct reported *r = arg;

    if (pg_outcome(reply) != PG_OK) {
        log_debug("reported", "sweep_put_off", "\"error\":%s", log_json(pg_message(reply)));
    }
    reported_answered(r);
}

void reported_sweep(struct reported *r)
{
    struct reported_now now = reported_now(r);
    const struct pg_param silent = pg_int8((int64_t)r->opt.config->forget_after);
    const struct pg_statement statements[] = {
        {"DELETE FROM reported_components"
         " WHERE heard_at < now() - $1::bigint * interval '1 millisecond'",
         &silent, 1},
        {"DELETE FROM reported_signals"
         " WHERE written_at < now() - $1::bigint * interval '1 millisecond'",
         &silent, 1},
    };

    components_forget(r->components, (int64_t)r->opt.config->forget_after * 1000000, &now);
    signals_forget(r->signals, (int64_t)r->opt.config->forget_after * 1000000, &now);
    if (pg_up(r->opt.pg) &&
        pg_transaction(r->opt.pg, statements, GW_LEN(statements), 5000, on_swept, r)) {
        reported_owes(r);
    }
}
