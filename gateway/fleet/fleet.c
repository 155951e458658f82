#include "gateway/fleet/fleet.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>
#include "gateway/audit/ulid.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define TICK_MS  1000u
#define FIRST_MS 50u
#define ASK_MS   2000u
#define WHY_MAX  400u
#define FRESH_NS ((int64_t)FLEET_FRESH_MS * 1000000)
#define LEAVE_MS 1000u

static const struct metric_row metric_rows[] = {FLEET_METRICS(METRIC_AS_ROW)};
const struct metric_table fleet_metrics = {"fleet", metric_rows, FLEET_M_COUNT};

/* As it was last read. */
struct member {
    char name[FLEET_NAME_MAX + 1];
    char boot[ULID_SIZE];
    struct fleet_counts counts;
    bool seen; /* in the reading that is being taken */
    UT_hash_handle hh;
};

struct fleet {
    uv_loop_t *loop;
    struct fleet_options opt;
    struct metric_set *metrics;
    char name[FLEET_NAME_MAX];
    char boot[ULID_SIZE];
    struct member *members;
    uint64_t slow_closes; /* gains of all, since this process began */
    uint64_t trades_dropped;
    bool pages;      /* another gateway sends them */
    unsigned others; /* gateways */
    int64_t read_ns; /* mono; 0: never */
    bool asking;
    uv_timer_t tick;
    bool closing;
    bool left; /* the own row is gone, as far as could be done */
    bool timer_closed;
    void (*done)(void *arg);
    void *done_arg;
};

/* --- reading ------------------------------------------------------------------------------------
 */

struct reading {
    struct fleet_counts sum;
    unsigned gateways;
    unsigned silent;
    char why[WHY_MAX];
};

static void unknown(struct reading *out, const char *format, ...) GW_PRINTF(2, 3);
static void unknown(struct reading *out, const char *format, ...)
{
    va_list args;

    if (out->sum.known) { /* the first is told */
        va_start(args, format);
        (void)vsnprintf(out->why, sizeof out->why, format, args);
        va_end(args);
    }
    out->sum.known = false;
}

static int64_t number(const struct pg_reply *r, size_t row, size_t column)
{
    int64_t n = 0;

    (void)pg_value_i64(r, 2, row, column, &n);
    return n;
}

/* What a counter has gained; one that went back was lost with its process. */
static uint64_t gain(uint64_t was, uint64_t is)
{
    return is >= was ? is - was : is;
}

static struct member *member_of(struct fleet *f, const char *name, bool *new_one)
{
    struct member *m;

    HASH_FIND_STR(f->members, name, m);
    *new_one = m == NULL;
    if (m == NULL) {
        m = gw_calloc(1, sizeof *m);
        (void)snprintf(m->name, sizeof m->name, "%s", name);
        HASH_ADD_STR(f->members, name, m);
    }
    return m;
}

/* Columns: name, boot, milliseconds of silence, paging, counts_known, the three counts. */
static void take_row(struct fleet *f, const struct pg_reply *r, size_t row, struct reading *out)
{
    const char *name = pg_value(r, 2, row, 0, NULL);
    const char *boot = pg_value(r, 2, row, 1, NULL);
    int64_t silent_ms = number(r, row, 2);
    struct fleet_counts now = {.slow_closes = (uint64_t)number(r, row, 5),
                               .backlog_bytes = (uint64_t)number(r, row, 6),
                               .trades_dropped = (uint64_t)number(r, row, 7)};
    bool new_one;
    struct member *m = member_of(f, name, &new_one);
    bool paging = false;

    (void)pg_value_bool(r, 2, row, 3, &paging);
    (void)pg_value_bool(r, 2, row, 4, &now.known);
    m->seen = true;
    out->gateways++;
    if (silent_ms > FLEET_FRESH_MS) {
        out->silent++;
        unknown(out,
                "gateway %s was last heard %" PRId64 " s ago: start it again, or wait until it is "
                "forgotten (playbooks.forget_after)",
                name, silent_ms / 1000);
    } else if (!now.known) {
        unknown(out, "gateway %s has not counted yet", name);
    } else if (!new_one && strcmp(m->boot, boot) != 0) {
        unknown(out, "gateway %s was restarted: counting begins anew", name);
    }
    f->slow_closes += gain(m->counts.slow_closes, now.slow_closes);
    f->trades_dropped += gain(m->counts.trades_dropped, now.trades_dropped);
    out->sum.backlog_bytes += now.backlog_bytes;
    f->pages = f->pages || (paging && silent_ms <= FLEET_FRESH_MS && strcmp(name, f->name) != 0);
    f->others += strcmp(name, f->name) != 0;
    m->counts = now;
    (void)snprintf(m->boot, sizeof m->boot, "%s", boot);
}

/* Those that ended, or were forgotten. */
static void drop_gone(struct fleet *f)
{
    struct member *m;
    struct member *next;

    HASH_ITER(hh, f->members, m, next)
    {
        if (!m->seen) {
            HASH_DEL(f->members, m);
            free(m);
        } else {
            m->seen = false;
        }
    }
}

static void take(struct fleet *f, const struct pg_reply *r)
{
    struct reading out = {.sum = {.known = true}};
    const char *before = pg_value(r, 0, 0, 0, NULL);

    if (f->read_ns == 0 && before != NULL && strcmp(before, f->boot) != 0 &&
        f->opt.on_died != NULL) {
        f->opt.on_died(f->opt.arg);
    }
    f->pages = false;
    f->others = 0;
    for (size_t row = 0; row < pg_rows(r, 2); row++) {
        take_row(f, r, row, &out);
    }
    drop_gone(f);
    out.sum.slow_closes = f->slow_closes;
    out.sum.trades_dropped = f->trades_dropped;
    f->read_ns = clock_mono_ns();
    metrics_set(f->metrics, FLEET_M_GATEWAYS, 0, out.gateways);
    metrics_set(f->metrics, FLEET_M_SILENT, 0, out.silent);
    f->opt.on_read(f->opt.arg, &out.sum, out.why);
}

/* --- the tick -----------------------------------------------------------------------------------
 */

static void end_closing(struct fleet *f)
{
    void (*done)(void *arg) = f->done;

    if (f->closing && f->timer_closed && f->left && done != NULL) {
        f->done = NULL;
        done(f->done_arg);
    }
}

static void leave(struct fleet *f);

static void on_answer(void *arg, const struct pg_reply *r)
{
    struct fleet *f = arg;

    f->asking = false;
    if (f->closing) {
        leave(f); /* after it, or the row would come back */
    } else if (pg_outcome(r) == PG_OK) {
        take(f, r);
    } else if (pg_outcome(r) == PG_FAILED) {
        log_warn("fleet", "refused",
                 "\"sqlstate\":\"%s\",\"next\":\"is the database migrated? portcullis --migrate\"",
                 pg_sqlstate(r));
    }
}

static void ask(struct fleet *f)
{
    struct fleet_counts c = {0};

    f->opt.count(f->opt.arg, &c);
    {
        const struct pg_param own[] = {
            pg_text(f->name),
            pg_text(f->boot),
            pg_bool(f->opt.pages(f->opt.arg)),
            pg_bool(c.known),
            pg_int8((int64_t)c.slow_closes),
            pg_int8((int64_t)c.backlog_bytes),
            pg_int8((int64_t)c.trades_dropped),
        };
        const struct pg_param forget = pg_int8((int64_t)f->opt.forget_ms);
        const struct pg_statement statements[] = {
            {"WITH before AS (SELECT boot FROM gateways WHERE name = $1)"
             " INSERT INTO gateways AS g (name, boot, seen_at, paging, counts_known, slow_closes,"
             " backlog_bytes, trades_dropped) VALUES ($1, $2, clock_timestamp(), $3, $4, $5, $6, "
             "$7)"
             " ON CONFLICT (name) DO UPDATE SET boot = excluded.boot, seen_at = excluded.seen_at,"
             " paging = excluded.paging, counts_known = excluded.counts_known,"
             " slow_closes = excluded.slow_closes, backlog_bytes = excluded.backlog_bytes,"
             " trades_dropped = excluded.trades_dropped RETURNING (SELECT boot FROM before)",
             own, GW_LEN(own)},
            {"DELETE FROM gateways WHERE seen_at < clock_timestamp() - $1::bigint * interval '1 "
             "ms'",
             &forget, 1},
            {"SELECT name, boot, (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::bigint,"
             " paging, counts_known, slow_closes, backlog_bytes, trades_dropped FROM gateways",
             NULL, 0},
        };

        f->asking = pg_transaction(f->opt.pg, statements, GW_LEN(statements), ASK_MS, on_answer, f);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct fleet *f = timer->data;
    static const struct fleet_counts nothing;
    uint64_t ms = f->opt.tick_ms != 0 ? f->opt.tick_ms : TICK_MS;

    /* the first time as soon as PostgreSQL answers: until then nothing is known of the others */
    uv_timer_set_repeat(timer, f->read_ns == 0 && ms > FIRST_MS ? FIRST_MS : ms);
    if (!f->asking && !f->closing) {
        ask(f);
    }
    if (clock_mono_ns() - f->read_ns > FRESH_NS) {
        f->pages = false;
        f->opt.on_read(f->opt.arg, &nothing,
                       "PostgreSQL does not answer, so what the other gateways count is not known");
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

void fleet_name(const char *listen, char out[FLEET_NAME_MAX])
{
    char host[65] = "";

    if (gethostname(host, sizeof host - 1) != 0) {
        (void)snprintf(host, sizeof host, "localhost");
    }
    (void)snprintf(out, FLEET_NAME_MAX, "%s %s", host, listen);
}

struct fleet *fleet_create(uv_loop_t *loop, const struct fleet_options *opt)
{
    struct fleet *f = gw_calloc(1, sizeof *f);

    f->loop = loop;
    f->opt = *opt;
    (void)snprintf(f->name, sizeof f->name, "%s", opt->name);
    f->opt.name = f->name;
    ulid_make(f->boot, clock_real_ns());
    f->metrics = metrics_create(&fleet_metrics);
    GW_ASSERT(uv_timer_init(loop, &f->tick) == 0);
    f->tick.data = f;
    GW_ASSERT(uv_timer_start(&f->tick, on_tick, 0, FIRST_MS) == 0);
    return f;
}

static bool fresh(const struct fleet *f)
{
    return f->read_ns != 0 && clock_mono_ns() - f->read_ns <= FRESH_NS;
}

bool fleet_pages(const struct fleet *f, bool *known)
{
    *known = fresh(f);
    return *known && f->pages;
}

unsigned fleet_others(const struct fleet *f, bool *known)
{
    *known = fresh(f);
    return f->others;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct fleet *f = handle->data;

    f->timer_closed = true;
    end_closing(f);
}

static void on_left(void *arg, const struct pg_reply *r)
{
    struct fleet *f = arg;

    (void)r; /* if it did not work, it is forgotten like one that died */
    f->left = true;
    end_closing(f);
}

static void leave(struct fleet *f)
{
    const struct pg_param own[] = {pg_text(f->name), pg_text(f->boot)};
    const struct pg_statement sql = {"DELETE FROM gateways WHERE name = $1 AND boot = $2", own, 2};

    if (!pg_up(f->opt.pg) || !pg_query(f->opt.pg, &sql, LEAVE_MS, on_left, f)) {
        f->left = true;
        end_closing(f);
    }
}

void fleet_close(struct fleet *f, void (*done)(void *arg), void *arg)
{
    f->closing = true;
    f->done = done;
    f->done_arg = arg;
    if (!f->asking) {
        leave(f);
    }
    uv_close((uv_handle_t *)&f->tick, on_timer_closed);
}

void fleet_destroy(struct fleet **fp)
{
    struct fleet *f = *fp;

    *fp = NULL;
    while (f->members != NULL) {
        struct member *m = f->members;

        HASH_DEL(f->members, m);
        free(m);
    }
    free(f);
}
