/* gateway/reported/reported_alerts.c - alerts of Alertmanager: into PostgreSQL first, then told. What
 * fires is told again after a start: a process may have ended between the two. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/reported/reported_priv.h"
#include "gateway/runtime/log.h"

#define STORE_MS   2000u
#define TIME_OF(n) "'epoch'::timestamptz + " n " * interval '1 microsecond'"

enum { FIRING, RESOLVED, NOT_STORED, REFUSED };

/* clang-format off */
static const char store_sql[] =
    "INSERT INTO reported_alerts AS t (key, fingerprint, starts_at, ends_at, firing, severity, content,"
    " source) SELECT k, f, " TIME_OF("b") ", CASE WHEN e <> 0 THEN " TIME_OF("e") " END, i, s, c::jsonb, w"
    " FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bool[], $6::text[], $7::text[],"
    " $8::text[]) AS u (k, f, b, e, i, s, c, w)"
    " ON CONFLICT (key) DO UPDATE SET ends_at = excluded.ends_at, firing = excluded.firing,"
    " severity = excluded.severity, content = excluded.content, source = excluded.source,"
    " last_at = now(), received = t.received + 1";
/* As Alertmanager would send them. */
static const char firing_sql[] =
    "SELECT json_build_object('alerts', coalesce(json_agg(json_build_object('status', 'firing',"
    " 'fingerprint', fingerprint, 'labels', content->'labels', 'annotations', content->'annotations',"
    " 'generatorURL', content->>'generator_url', 'startsAt',"
    " to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))), '[]'))::text"
    " FROM (SELECT * FROM reported_alerts WHERE firing AND last_at > now() - interval '1 day'"
    " ORDER BY last_at DESC LIMIT 1000) AS a";
/* clang-format on */

struct storing {
    struct reported *r;
    struct alerts alerts;
    reported_fn *cb;
    void *arg;
};

static void tell_all(struct reported *r, const struct alerts *a)
{
    for (size_t i = 0; i < a->count && r->opt.on_signal != NULL && !r->closing; i++) {
        struct incident_signal s = alert_signal(&a->v[i]);

        r->opt.on_signal(r->opt.arg, &s);
    }
}

static void on_stored(void *arg, const struct pg_reply *reply)
{
    struct storing *s = arg;
    struct reported *r = s->r;
    bool ok = pg_outcome(reply) == PG_OK;

    for (size_t i = 0; i < s->alerts.count; i++) {
        metrics_add(r->metrics, REPORTED_M_ALERTS,
                    !ok                     ? NOT_STORED
                    : s->alerts.v[i].firing ? FIRING
                                            : RESOLVED,
                    1);
    }
    if (ok) {
        tell_all(r, &s->alerts);
    } else {
        log_error("reported", "alerts_not_stored",
                  "\"alerts\":%zu,\"error\":%s,\"next\":\"the sender tries again; look after "
                  "PostgreSQL\"",
                  s->alerts.count, log_json(pg_message(reply)));
    }
    s->cb(s->arg, ok);
    alerts_fini(&s->alerts);
    free(s);
    reported_answered(r);
}

static void put_i64(struct buf *column, int64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, v);
    pg_array_put(column, text);
}

static void put_alert(struct buf columns[ALERT_COLUMNS], const struct alert *a, const char *source)
{
    pg_array_put(&columns[0], a->key);
    pg_array_put(&columns[1], a->fingerprint);
    put_i64(&columns[2], a->starts_ns / 1000);
    put_i64(&columns[3], a->ends_ns / 1000);
    pg_array_put(&columns[4], a->firing ? "true" : "false");
    pg_array_put(&columns[5], severity_rows[a->severity].word);
    pg_array_put(&columns[6], a->content);
    pg_array_put(&columns[7], source);
}

void reported_alerts_refused(struct reported *r)
{
    metrics_add(r->metrics, REPORTED_M_ALERTS, REFUSED, 1);
}

bool reported_alerts(struct reported *r, struct alerts *a, const char *source, reported_fn *cb,
                     void *arg)
{
    struct buf columns[ALERT_COLUMNS] = {{0}};
    struct pg_param params[ALERT_COLUMNS];
    const struct pg_statement statement = {store_sql, params, ALERT_COLUMNS};
    struct storing *s = gw_malloc(sizeof *s);
    bool sent;

    *s = (struct storing){.r = r, .alerts = *a, .cb = cb, .arg = arg};
    *a = (struct alerts){0};
    for (size_t i = 0; i < s->alerts.count; i++) {
        put_alert(columns, &s->alerts.v[i], source);
    }
    for (unsigned i = 0; i < ALERT_COLUMNS; i++) {
        pg_array_end(&columns[i]);
        params[i] = pg_text(buf_cstr(&columns[i]));
    }
    sent = !r->closing && pg_query(r->opt.pg, &statement, STORE_MS, on_stored, s);
    for (unsigned i = 0; i < ALERT_COLUMNS; i++) {
        buf_fini(&columns[i]);
    }
    if (sent) {
        reported_owes(r);
        return true;
    }
    metrics_add(r->metrics, REPORTED_M_ALERTS, NOT_STORED, s->alerts.count);
    alerts_fini(&s->alerts);
    free(s);
    return false;
}

/* --- after a start -----------------------------------------------------------------------------
 */

static void on_firing(void *arg, const struct pg_reply *reply)
{
    struct reported *r = arg;
    size_t len = 0;
    const char *text = pg_outcome(reply) == PG_OK ? pg_value(reply, 0, 0, 0, &len) : NULL;
    struct alerts alerts = {0};

    if (text != NULL) {
        (void)alerts_decode(text, len, reported_now(r).real_ns, &alerts);
        tell_all(r, &alerts);
        alerts_fini(&alerts);
    }
    reported_answered(r);
}

void reported_resume_alerts(struct reported *r)
{
    const struct pg_statement statement = {firing_sql, NULL, 0};

    if (r->opt.on_signal != NULL && pg_query(r->opt.pg, &statement, 5000, on_firing, r)) {
        reported_owes(r);
    }
}
