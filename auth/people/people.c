#include "auth/people/people.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "gateway/base/json_put.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define POLL_MS         1000u
#define ASK_TIMEOUT_MS  1000u
#define READ_TIMEOUT_MS 5000u
#define SWEEP_NS        10000000000LL

/* clang-format off */
static const char epoch_sql[] =
    "SELECT e.epoch, s.id, " KEY_MICROS("s.last_seen_at") ", EXISTS (SELECT FROM user_roles r"
    " WHERE r.ended_at IS NULL AND r.until <= " AT("$2") "), EXISTS (SELECT FROM role_requests"
    " WHERE state = 'pending' AND expires_at <= now()) FROM people_epoch e"
    " LEFT JOIN user_sessions s ON s.ended_at IS NULL AND s.last_seen_at > " AT("$1");
static const char seen_sql[] =
    "UPDATE user_sessions s SET last_seen_at = greatest(s.last_seen_at,"
    " 'epoch'::timestamptz + v.us * interval '1 microsecond')"
    " FROM unnest($1::text[], $2::bigint[]) v (id, us) WHERE s.id = v.id AND s.ended_at IS NULL";
static const char sweep_sql[] =
    "UPDATE user_sessions SET ended_at = " AT("$1") ", end_reason ="
    " CASE WHEN ends_at <= " AT("$1") " THEN 'absolute' ELSE 'idle' END"
    " WHERE ended_at IS NULL AND (ends_at <= " AT("$1")
    " OR last_seen_at <= " AT("$1") " - interval '930 s')";
/* clang-format on */

static const struct metric_row metric_rows[] = {PEOPLE_METRICS(METRIC_AS_ROW)};
const struct metric_table people_metrics = {"people", metric_rows, PEOPLE_M_COUNT};

int64_t people_now(const struct people *p)
{
    return p->opt.now_ns != NULL ? p->opt.now_ns(p->opt.now_arg) : clock_real_ns();
}

/* --- closing ----------------------------------------------------------------------------------- */

static void on_part_closed(void *arg)
{
    struct people *p = arg;

    if (--p->to_close == 0) {
        p->on_closed(p->on_closed_arg);
    }
}

void people_hold(struct people *p)
{
    p->busy++;
}

void people_release(struct people *p)
{
    p->busy--;
    if (p->closing) {
        on_part_closed(p);
    }
}

/* --- who has ended ----------------------------------------------------------------------------- */

static bool is_over(const struct people_session *s, int64_t now_ns)
{
    return now_ns >= s->ends_ns || now_ns - s->seen_ns >= PEOPLE_IDLE_NS;
}

/* A session of ID is over: after the table has changed, so that a callback may look. */
static void tell_ended(struct people *p, const char *id)
{
    metrics_inc(p->opt.metrics, PEOPLE_M_ENDED);
    log_info("people", "session_ended", "\"session\":\"%s\"", id);
    if (p->opt.on_ended != NULL && !p->closing) {
        p->opt.on_ended(p->opt.on_ended_arg, id);
    }
}

/* Sessions that the clock has ended leave the table. */
static void drop_over(struct people *p)
{
    int64_t now_ns = people_now(p);
    struct people_table *t = p->table;
    struct buf gone = {0};
    size_t kept = 0;

    for (size_t i = 0; i < t->count; i++) {
        if (is_over(&t->slots[i].s, now_ns)) {
            buf_append(&gone, t->slots[i].s.id, PEOPLE_SESSION_ID);
        } else {
            if (kept != i) {
                t->slots[kept] = t->slots[i];
            }
            kept++;
        }
    }
    t->count = kept;
    for (size_t at = 0; at < gone.len; at += PEOPLE_SESSION_ID) {
        tell_ended(p, gone.data + at);
    }
    buf_fini(&gone);
}

/* What the old table knew goes over to NEXT, which replaces it. */
static void swap_table(struct people *p, struct people_table *next)
{
    struct people_table *old = p->table;

    for (size_t i = 0; old != NULL && i < old->count; i++) {
        const struct people_slot *was = &old->slots[i];
        struct people_slot *is = people_table_by_id(next, was->s.id);

        if (is != NULL && was->s.seen_ns > is->s.seen_ns) {
            is->s.seen_ns = was->s.seen_ns;
            is->touched = was->touched;
        }
    }
    p->table = next;
    for (size_t i = 0; p->opt.on_begun != NULL && i < next->count; i++) {
        if (old == NULL || people_table_by_id(old, next->slots[i].s.id) == NULL) {
            p->opt.on_begun(p->opt.on_ended_arg, next->slots[i].s.id);
        }
    }
    for (size_t i = 0; old != NULL && i < old->count; i++) {
        if (people_table_by_id(next, old->slots[i].s.id) == NULL) {
            tell_ended(p, old->slots[i].s.id);
        }
    }
    people_table_destroy(&old);
    drop_over(p);
}

/* --- PostgreSQL -------------------------------------------------------------------------------- */

/* Says once that reading fails, and once that it works again. */
static void set_failing(struct people *p, bool failing, const struct pg_reply *reply)
{
    if (failing) {
        metrics_inc(p->opt.metrics, PEOPLE_M_ERRORS);
    }
    if (failing && !p->failing) {
        log_warn("people", "sessions_stale",
                 "\"sqlstate\":\"%s\",\"error\":%s,\"next\":\"known sessions go on looking and "
                 "tightening; look after PostgreSQL\"",
                 pg_sqlstate(reply), log_json(pg_message(reply)));
    } else if (!failing && p->failing) {
        log_info("people", "sessions_current", "\"epoch\":%" PRIu64, p->table->epoch);
    }
    p->failing = failing;
}

/* Those of LIST hear that their change is in the table, or (FINE is false) that nobody knows. */
static void answer_all(struct people_op *list, bool fine)
{
    while (list != NULL) {
        struct people_op *op = list;

        list = op->next;
        op->state = fine ? PEOPLE_OK : PEOPLE_UNKNOWN;
        people_op_answer(op);
    }
}

struct reading {
    struct people *p;
    struct people_op *waiting; /* committed before it was asked */
};

static void on_sessions(void *arg, const struct pg_reply *reply)
{
    struct reading *r = arg;
    struct people *p = r->p;
    struct people_op *waiting = r->waiting;
    struct people_table *next = NULL;

    free(r);
    p->reloading = false;
    if (pg_outcome(reply) == PG_OK) {
        next = people_table_create(reply);
    }
    if (next != NULL) {
        metrics_inc(p->opt.metrics, PEOPLE_M_RELOADS);
        p->confirmed_ns = p->reload_ns;
        swap_table(p, next);
    }
    set_failing(p, next == NULL, reply);
    answer_all(waiting, next != NULL);
    if (p->again && !p->closing) {
        p->again = false;
        people_reload(p);
    }
    people_release(p);
}

void people_reload(struct people *p)
{
    const struct pg_statement s = {.sql = people_table_sql};
    struct reading *r;

    if (p->closing || p->reloading) {
        p->again = true;
        return;
    }
    r = gw_calloc(1, sizeof *r);
    r->p = p;
    r->waiting = p->waiting;
    if (pg_query(p->opt.pg, &s, READ_TIMEOUT_MS, on_sessions, r)) {
        p->waiting = NULL;
        p->reloading = true;
        p->reload_ns = clock_mono_ns();
        people_hold(p);
    } else { /* the timer comes back to it */
        p->waiting = NULL;
        answer_all(r->waiting, false);
        free(r);
    }
}

/* The epoch, who was seen elsewhere meanwhile, and whether roles or requests have had their time. */
static void on_epoch_read(void *arg, const struct pg_reply *reply)
{
    struct people *p = arg;
    int64_t epoch = 0;
    bool late = false;
    bool due = false;
    bool known =
        pg_outcome(reply) == PG_OK && pg_rows(reply, 0) > 0 && pg_value_i64(reply, 0, 0, 0, &epoch);

    p->asking = false;
    if (p->table != NULL) {
        set_failing(p, !known, reply);
    }
    for (size_t row = 0; known && row < pg_rows(reply, 0); row++) {
        const char *id = pg_value(reply, 0, row, 1, NULL);
        struct people_slot *slot = id != NULL ? people_table_by_id(p->table, id) : NULL;
        int64_t us = 0;

        if (slot != NULL && pg_value_i64(reply, 0, row, 2, &us) && us * 1000 > slot->s.seen_ns) {
            slot->s.seen_ns = us * 1000;
        }
    }
    if (known && p->table != NULL && (uint64_t)epoch == p->table->epoch) {
        p->confirmed_ns = p->asked_ns;
    } else if (known) {
        people_reload(p); /* also when it went back: the database was restored */
    }
    if (known && pg_value_bool(reply, 0, 0, 3, &due) && due) {
        people_end_roles(p);
    }
    if (known && pg_value_bool(reply, 0, 0, 4, &late) && late) {
        people_end_requests(p);
    }
    people_release(p);
}

static void ask_epoch(struct people *p)
{
    int64_t now_us = people_now(p) / 1000;
    const struct pg_param params[] = {pg_int8(now_us - 60000000), pg_int8(now_us)};
    const struct pg_statement s = {
        .sql = epoch_sql,
        .params = params,
        .param_count = GW_LEN(params),
    };

    if (p->reloading || p->closing) {
        return;
    }
    if (p->table == NULL || p->waiting != NULL) {
        people_reload(p);
    } else if (!p->asking && pg_query(p->opt.pg, &s, ASK_TIMEOUT_MS, on_epoch_read, p)) {
        p->asking = true;
        p->asked_ns = clock_mono_ns();
        people_hold(p);
    }
}

static void on_swept(void *arg, const struct pg_reply *reply)
{
    (void)reply; /* comes again in ten seconds */
    people_release(arg);
}

/* Writes who was seen. */
static void flush_seen(struct people *p)
{
    struct buf ids = {0};
    struct buf times = {0};
    struct pg_param params[2];
    const struct pg_statement s = {
        .sql = seen_sql,
        .params = params,
        .param_count = 2,
    };
    bool any = false;

    for (size_t i = 0; p->table != NULL && i < p->table->count; i++) {
        struct people_slot *slot = &p->table->slots[i];
        char us[24];

        if (slot->touched) {
            slot->touched = false;
            any = true;
            (void)snprintf(us, sizeof us, "%" PRId64, slot->s.seen_ns / 1000);
            pg_array_put(&ids, slot->s.id);
            pg_array_put(&times, us);
        }
    }
    if (any) {
        pg_array_end(&ids);
        pg_array_end(&times);
        params[0] = pg_text(buf_cstr(&ids));
        params[1] = pg_text(buf_cstr(&times));
        if (pg_query(p->opt.pg, &s, 0, on_swept, p)) {
            people_hold(p);
        }
    }
    buf_fini(&ids);
    buf_fini(&times);
}

/* Ends in the database what the clock has ended; half a minute late, since other gateways write
 * seconds late who was seen. */
static void sweep(struct people *p)
{
    struct pg_param now = pg_int8(people_now(p) / 1000);
    const struct pg_statement s = {
        .sql = sweep_sql,
        .params = &now,
        .param_count = 1,
    };

    if (pg_query(p->opt.pg, &s, 0, on_swept, p)) {
        people_hold(p);
    }
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct people *p = arg;
    char now[24];

    (void)channel;
    (void)snprintf(now, sizeof now, "%" PRIu64, p->table != NULL ? p->table->epoch : 0);
    if (strcmp(payload, now) != 0) {
        people_reload(p);
    }
}

static void on_missed(void *arg)
{
    ask_epoch(arg);
}

static void on_lost(void *arg)
{
    (void)arg;
}

/* --- life -------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct people *p = timer->data;
    int64_t mono_ns = clock_mono_ns();

    if (p->table != NULL) {
        drop_over(p);
        metrics_set(p->opt.metrics, PEOPLE_M_SESSIONS, 0, (int64_t)p->table->count);
    }
    metrics_set(p->opt.metrics, PEOPLE_M_FRESH, 0, people_fresh(p, mono_ns));
    ask_epoch(p);
    if (mono_ns - p->swept_ns >= SWEEP_NS && p->table != NULL && !p->closing) {
        p->swept_ns = mono_ns;
        flush_seen(p);
        sweep(p);
    }
}

struct people *people_create(uv_loop_t *loop, const struct people_options *opt)
{
    static const struct pg_listen_sink sink = {on_notify, on_missed, on_lost};
    static const char *const channels[] = {"portcullis_people"};
    struct people *p = gw_calloc(1, sizeof *p);
    struct pg_listen_options listen = {
        .dsn = opt->dsn,
        .name = "people",
        .channels = channels,
        .channel_count = 1,
        .timeout_ms = 1000,
        .probe_ms = 1000,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
        .metrics = opt->store_metrics,
    };

    p->loop = loop;
    p->opt = *opt;
    p->worker = password_worker_create(loop);
    if (opt->dsn != NULL) {
        p->listen = pg_listen_create(loop, &listen, &sink, p);
    }
    GW_ASSERT(uv_timer_init(loop, &p->timer) == 0);
    p->timer.data = p;
    GW_ASSERT(uv_timer_start(&p->timer, on_timer, 0, opt->poll_ms != 0 ? opt->poll_ms : POLL_MS) ==
              0);
    return p;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct people *p = handle->data;
    struct people_op *waiting = p->waiting;

    p->waiting = NULL;
    answer_all(waiting, false); /* each is one of to_close */
    on_part_closed(p);
}

void people_close(struct people *p, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!p->closing);
    flush_seen(p);
    p->closing = true;
    p->on_closed = done;
    p->on_closed_arg = arg;
    p->to_close = 2u + (p->listen != NULL) + p->busy;
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
    password_worker_close(p->worker, on_part_closed, p);
    if (p->listen != NULL) {
        pg_listen_close(p->listen, on_part_closed, p);
    }
}

void people_destroy(struct people **pp)
{
    struct people *p = *pp;

    *pp = NULL;
    if (p->listen != NULL) {
        pg_listen_destroy(&p->listen);
    }
    password_worker_destroy(&p->worker);
    people_table_destroy(&p->table);
    free(p);
}

bool people_ready(const struct people *p)
{
    return p->table != NULL;
}

bool people_fresh(const struct people *p, int64_t mono_ns)
{
    return p->confirmed_ns != 0 && mono_ns - p->confirmed_ns <= PEOPLE_FRESH_NS;
}

size_t people_session_count(const struct people *p)
{
    return p->table != NULL ? p->table->count : 0;
}

/* --- judging a request ------------------------------------------------------------------------- */

enum people_err people_find(struct people *p, const char *token, size_t len, bool active,
                            const struct people_session **out)
{
    uint8_t hash[SESSION_HASH_SIZE];
    int64_t now_ns = people_now(p);
    struct people_slot *slot;

    *out = NULL;
    if (p->table == NULL) {
        return PEOPLE_UNAVAILABLE;
    }
    slot = session_token_hash(token, len, hash) ? people_table_find(p->table, hash) : NULL;
    if (slot == NULL || is_over(&slot->s, now_ns)) {
        return PEOPLE_NO_SESSION;
    }
    if (active && now_ns > slot->s.seen_ns) {
        slot->s.seen_ns = now_ns;
        slot->touched = true;
    }
    *out = &slot->s;
    return PEOPLE_OK;
}

bool people_find_id(struct people *p, const char *id, const struct people_session **out)
{
    const struct people_slot *slot = people_table_by_id(p->table, id);

    if (slot == NULL || is_over(&slot->s, people_now(p))) {
        return false;
    }
    *out = &slot->s;
    return true;
}

uint64_t people_roles(const struct people *p, const struct people_session *s)
{
    int64_t now_ns = people_now(p);
    uint64_t roles = 0;

    for (unsigned i = 0; i < s->grant_count; i++) {
        const struct people_grant *g = &s->grants[i];

        if (g->until_ns == 0 || now_ns < g->until_ns) {
            roles |= 1ull << g->role;
        }
    }
    return p->opt.break_glass ? roles : roles & ~(1ull << ROLE_BREAK_GLASS);
}

enum people_err people_may(const struct people *p, const struct people_session *s,
                           enum permission permission)
{
    const struct permission_row *row = &permission_rows[permission];
    int64_t age_ns = people_now(p) - s->factor_ns;

    if (s->must_choose || !s->enrolled) {
        return PEOPLE_DUTY;
    }
    if (!roles_allow(roles_permissions(people_roles(p, s)), permission)) {
        return PEOPLE_FORBIDDEN;
    }
    if (row->factor == FACTOR_FRESH && (s->factor_ns == 0 || age_ns > PERMISSION_FRESH_NS)) {
        return PEOPLE_FACTOR;
    }
    if (!row->offline && !people_fresh(p, clock_mono_ns())) {
        return PEOPLE_STALE;
    }
    return PEOPLE_OK;
}

static void put_words(struct buf *out, const char *name, uint64_t set, bool roles)
{
    const char *comma = "";

    buf_printf(out, ",\"%s\":[", name);
    for (unsigned i = 0; i < (roles ? ROLE_COUNT : PERMISSION_COUNT); i++) {
        if ((set >> i & 1) != 0) {
            buf_printf(out, "%s\"%s\"", comma, roles ? role_rows[i].word : permission_rows[i].word);
            comma = ",";
        }
    }
    buf_putc(out, ']');
}

void people_session_json(const struct people *p, const struct people_session *s, struct buf *out)
{
    uint64_t roles = people_roles(p, s);
    int64_t idle_ns = s->seen_ns + PEOPLE_IDLE_NS;
    int64_t until_ns = 0;

    for (unsigned i = 0; i < s->grant_count; i++) { /* the next that ends */
        const struct people_grant *g = &s->grants[i];

        if (g->temporary && (roles >> g->role & 1) != 0 && g->until_ns > people_now(p) &&
            (until_ns == 0 || g->until_ns < until_ns)) {
            until_ns = g->until_ns;
        }
    }
    buf_printf(out, "{\"session\":\"%s\",\"user\":\"%s\",\"label\":", s->id, s->user);
    buf_json_str(out, s->label, strlen(s->label));
    put_words(out, "roles", roles, true);
    put_words(out, "permissions", s->must_choose || !s->enrolled ? 0 : roles_permissions(roles),
              false);
    buf_printf(out, ",\"must_choose_password\":%s,\"must_enrol\":%s",
               s->must_choose ? "true" : "false", s->enrolled ? "false" : "true");
    json_put_time(out, "created_at", s->created_ns);
    json_put_time(out, "factor_at", s->factor_ns);
    json_put_time(out, "factor_fresh_until",
                  s->factor_ns != 0 ? s->factor_ns + PERMISSION_FRESH_NS : 0);
    json_put_time(out, "elevated_until", until_ns);
    json_put_time(out, "idle_at", idle_ns < s->ends_ns ? idle_ns : s->ends_ns);
    json_put_time(out, "ends_at", s->ends_ns);
    buf_putc(out, '}');
}
