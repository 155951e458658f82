#include "gateway/incident/incidents.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/incident/clock.h"
#include "gateway/incident/incidents_priv.h"
#include "gateway/incident/postmortem.h"
#include "gateway/incident/row.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define TICK_MS   50u
#define LOOK_NS   ((int64_t)1000000000)
#define RETRY_NS  ((int64_t)500000000)
#define HALT_NS   ((int64_t)5000000000) /* a halt that was not confirmed is asked for again */
#define FRESH_NS  ((int64_t)5000000000) /* what is older is not known */
#define READ_MS   2000u
#define SECOND_NS ((int64_t)1000000000)

#define CONFIG_ROW(...) CFG_ROW_OF(struct incidents_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {INCIDENTS_CONFIG(CONFIG_ROW)};
const struct cfg_table incidents_config_table = {"incidents", config_rows, GW_LEN(config_rows)};

static const char *const severity_words[] = {"SEV1", "SEV2", "SEV3", "SEV4"};
static const char *const level_words[] = {"1", "2", "3"};
#define ACT_AS_WORD(sym, action, kind, in, words, least, most) #sym,
static const char *const act_words[] = {INCIDENT_ACTS(ACT_AS_WORD)};
static const struct metric_label severity_label = {"severity", severity_words, SEVERITY_COUNT};
static const struct metric_label level_label = {"level", level_words, GW_LEN(level_words)};
static const struct metric_label act_label = {"act", act_words, INCIDENT_ACT_COUNT};
static const struct metric_row metric_rows[] = {INCIDENT_METRICS(METRIC_AS_ROW)};
const struct metric_table incident_metrics = {"incidents", metric_rows, INCIDENT_M_COUNT};

bool incidents_action_parse(const char *word, bool *halt)
{
    *halt = strcmp(word, "halt") == 0;
    return *halt || strcmp(word, "propose") == 0;
}

void incidents_hold(struct incidents *all)
{
    all->busy++;
}

static void end_closing(struct incidents *all)
{
    if (all->closing && all->busy == 0 && all->timer_closed && arrivals_idle(all->signals)) {
        void (*done)(void *arg) = all->done;

        all->done = NULL;
        if (done != NULL) {
            done(all->done_arg);
        }
    }
}

void incidents_release(struct incidents *all)
{
    GW_ASSERT(all->busy != 0);
    all->busy--;
    end_closing(all);
}

/* --- what is open -------------------------------------------------------------------------------
 */

static struct slot *find(struct incidents *all, uint64_t number)
{
    struct slot *s;

    HASH_FIND(hh, all->slots, &number, sizeof number, s);
    return s;
}

static void drop(struct incidents *all, struct slot *s)
{
    HASH_DEL(all->slots, s);
    incident_destroy(&s->incident);
    free(s);
}

const struct incident *incidents_adopt(struct incidents *all, struct incident **ip)
{
    struct incident *i = *ip;
    struct slot *s = find(all, i->number);

    *ip = NULL;
    if (s == NULL) {
        s = gw_calloc(1, sizeof *s);
        s->number = i->number;
        HASH_ADD(hh, all->slots, number, sizeof s->number, s);
    } else if (s->incident->version >= i->version) {
        incident_destroy(&i);
        return s->incident;
    } else {
        incident_destroy(&s->incident);
    }
    s->incident = i;
    s->retry_ns = 0;
    if (all->opt.sink.on_change != NULL) {
        all->opt.sink.on_change(all->opt.arg, i);
    }
    return i;
}

/* What was closed is remembered until it has been read from PostgreSQL, so that it is told once. */
static void adopt_read(struct incidents *all, struct incident **ip)
{
    uint64_t number = (*ip)->number;
    bool over = (*ip)->state == INCIDENT_CLOSED;
    struct slot *s;

    (void)incidents_adopt(all, ip);
    s = find(all, number);
    if (over && s->incident->state == INCIDENT_CLOSED && !s->claiming) {
        drop(all, s);
    }
}

const struct incident *incidents_find(struct incidents *all, uint64_t number)
{
    struct slot *s = find(all, number);

    return s != NULL && s->incident->state != INCIDENT_CLOSED ? s->incident : NULL;
}

static int newest_first(const void *a, const void *b)
{
    const struct slot *x = *(struct slot *const *)a;
    const struct slot *y = *(struct slot *const *)b;

    return (x->number < y->number) - (x->number > y->number);
}

bool incidents_each(struct incidents *all, void (*fn)(void *arg, const struct incident *i),
                    void *arg)
{
    size_t count = HASH_COUNT(all->slots);
    struct slot **sorted = gw_calloc(count + 1, sizeof *sorted);
    size_t n = 0;

    for (struct slot *s = all->slots; s != NULL; s = s->hh.next) {
        sorted[n++] = s;
    }
    qsort(sorted, n, sizeof *sorted, newest_first);
    for (size_t at = 0; at < n; at++) {
        if (sorted[at]->incident->state != INCIDENT_CLOSED) {
            fn(arg, sorted[at]->incident);
        }
    }
    free(sorted);
    return all->known;
}

int64_t incidents_age_ns(const struct incidents *all)
{
    return all->known ? clock_mono_ns() - all->read_ns : -1;
}

void incidents_waiting(const struct incidents *all,
                       void (*fn)(void *arg, const struct incident_ask *signal), void *arg)
{
    arrivals_each(all->signals, fn, arg);
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void ask(struct incidents *all);

/* Drops what a database that was set back does not have. */
static void forget_all(struct incidents *all)
{
    struct slot *s;
    struct slot *next;

    HASH_ITER(hh, all->slots, s, next)
    {
        if (!s->claiming) {
            drop(all, s);
        }
    }
}

/* Columns: number of the last entry, PostgreSQL's clock, and the row, if any. */
static bool take_rows(struct incidents *all, const struct pg_reply *r)
{
    int64_t top = 0;
    int64_t now_us = 0;

    if (pg_outcome(r) != PG_OK || pg_rows(r, 0) == 0 || !pg_value_i64(r, 0, 0, 0, &top) ||
        !pg_value_i64(r, 0, 0, 1, &now_us)) {
        return false;
    }
    if ((uint64_t)top < all->top) {
        log_warn("incident", "database_set_back", "\"known\":%" PRIu64 ",\"has\":%" PRId64,
                 all->top, top);
        all->known = false; /* and all are read */
        all->top = 0;
        forget_all(all);
        all->again = true;
        return true;
    }
    for (size_t row = 0; row < pg_rows(r, 0); row++) {
        struct incident *i = pg_value(r, 0, row, 2, NULL) != NULL ? row_read(r, 0, row, 2) : NULL;

        if (i != NULL) {
            adopt_read(all, &i);
        } else if (pg_value(r, 0, row, 2, NULL) != NULL) {
            return false;
        }
    }
    all->top = (uint64_t)top;
    all->known = true;
    all->read_ns = all->asked_ns;
    all->pg_offset_ns = now_us * 1000 - all->asked_ns;
    return true;
}

static void on_rows(void *arg, const struct pg_reply *r)
{
    struct incidents *all = arg;

    all->asking = false;
    if (!take_rows(all, r)) {
        log_info("incident", "not_read", "\"sqlstate\":\"%s\",\"next\":\"tried again\"",
                 pg_sqlstate(r));
    }
    if (all->again && !all->closing) {
        all->again = false;
        ask(all);
    }
    incidents_release(all);
}

static void ask(struct incidents *all)
{
    const struct pg_param top = pg_int8((int64_t)all->top);
    const struct pg_statement load = {buf_cstr(&all->sql_load), NULL, 0};
    const struct pg_statement news = {buf_cstr(&all->sql_news), &top, 1};

    if (all->asking || all->closing) {
        all->again = true;
        return;
    }
    all->look_ns = clock_mono_ns() + LOOK_NS;
    all->asked_ns = clock_mono_ns();
    if (pg_query(all->opt.pg, all->known ? &news : &load, READ_MS, on_rows, all)) {
        all->asking = true;
        incidents_hold(all);
    } else {
        all->look_ns = all->asked_ns + LOOK_NS / 10;
    }
}

void incidents_look(struct incidents *all)
{
    ask(all);
}

/* --- clocks -------------------------------------------------------------------------------------
 */

struct claim {
    struct incidents *all;
    uint64_t number;
};

static void on_claimed(void *arg, const struct incident_answer *answer)
{
    struct claim c = *(struct claim *)arg;
    struct slot *s = find(c.all, c.number);

    free(arg);
    if (s == NULL) {
        return;
    }
    s->claiming = false;
    if (answer->problem.fault != INCIDENT_FINE) {
        s->retry_ns = clock_mono_ns() + RETRY_NS;
    }
    if (answer->problem.fault == INCIDENT_NOTHING) { /* another gateway, or another state: see */
        ask(c.all);
    }
}

static void claim(struct incidents *all, struct slot *s, const struct incident_ask *a)
{
    struct claim *c = gw_malloc(sizeof *c);

    *c = (struct claim){all, s->number};
    s->claiming = true;
    change_start(all, a, NULL, on_claimed, c);
}

static void ask_for_halt(struct incidents *all, struct slot *s, int64_t mono_ns)
{
    if (mono_ns >= s->halt_at_ns && all->opt.sink.halt != NULL) {
        s->halt_at_ns = mono_ns + HALT_NS;
        metrics_inc(all->opt.metrics, INCIDENT_M_HALTS);
        all->opt.sink.halt(all->opt.arg, s->incident);
    }
}

static bool halts(const struct incidents *all)
{
    bool halt = false;

    (void)incidents_action_parse(all->opt.config->l3_action, &halt);
    return halt;
}

/* A level of S is due. */
static void on_due(struct incidents *all, struct slot *s, uint64_t level, int64_t mono_ns)
{
    const struct incident_ask a = {
        .act = ACT_LEVEL, .number = s->number, .level = level, .halt = level == 3 && halts(all)};

    if (a.halt && !pg_up(all->opt.pg) && !s->halted) { /* what tightens does not wait for it */
        s->halted = true;
        ask_for_halt(all, s, mono_ns);
    }
    if (pg_up(all->opt.pg)) {
        claim(all, s, &a);
    }
}

void incidents_halted(struct incidents *all, uint64_t number)
{
    struct slot *s = find(all, number);

    if (s != NULL && s->incident->l3 == L3_DUE && !s->claiming) {
        claim(all, s, &(struct incident_ask){.act = ACT_HALTED, .number = number});
    }
}

static void look_at_clocks(struct incidents *all, int64_t mono_ns)
{
    int64_t now_ns = mono_ns + all->pg_offset_ns;
    struct slot *s;
    struct slot *next;

    HASH_ITER(hh, all->slots, s, next)
    {
        uint64_t level;
        uint64_t reminder;
        int64_t due_ns = incident_next(s->incident, &level);
        int64_t remind_ns = postmortem_next(s->incident, &reminder);

        if (s->claiming || mono_ns < s->retry_ns) {
            continue;
        }
        if (level != 0 && due_ns <= now_ns) {
            on_due(all, s, level, mono_ns);
        } else if (reminder != 0 && remind_ns <= now_ns && pg_up(all->opt.pg)) {
            claim(all, s,
                  &(struct incident_ask){
                      .act = ACT_REMIND, .number = s->number, .reminder = reminder});
        } else if (s->incident->l3 == L3_DUE && s->incident->state != INCIDENT_CLOSED) {
            ask_for_halt(all, s, mono_ns);
        }
    }
}

static void set_gauges(struct incidents *all, int64_t mono_ns)
{
    struct metric_set *m = all->opt.metrics;
    int64_t open[SEVERITY_COUNT] = {0};
    int64_t waiting = 0;
    int64_t least_ns = INT64_MAX;
    int64_t overdue = 0;

    for (struct slot *s = all->slots; s != NULL; s = s->hh.next) {
        const struct incident *i = s->incident;

        open[i->severity] += i->state != INCIDENT_CLOSED;
        overdue += postmortem_overdue(i, mono_ns + all->pg_offset_ns);
        if (i->state == INCIDENT_OPEN && i->ack_due_ns != 0) {
            waiting++;
            least_ns = i->ack_due_ns < least_ns ? i->ack_due_ns : least_ns;
        }
    }
    for (unsigned v = 0; v < SEVERITY_COUNT; v++) {
        metrics_set(m, INCIDENT_M_OPEN, v, open[v]);
    }
    metrics_set(m, INCIDENT_M_WAITING, 0, waiting);
    metrics_set(m, INCIDENT_M_POSTMORTEM, 0, overdue);
    metrics_set(m, INCIDENT_M_REMAINING, 0,
                waiting != 0 ? (least_ns - mono_ns - all->pg_offset_ns) / SECOND_NS : 0);
    metrics_set(m, INCIDENT_M_AGE, 0, (mono_ns - all->read_ns) / SECOND_NS);
}

static void on_tick(uv_timer_t *timer)
{
    struct incidents *all = timer->data;
    int64_t mono_ns = clock_mono_ns();

    if (mono_ns >= all->gauges_ns) {
        all->gauges_ns = mono_ns + SECOND_NS;
        set_gauges(all, mono_ns);
    }
    if (mono_ns >= all->look_ns) {
        ask(all);
    }
    if (all->known) {
        look_at_clocks(all, mono_ns);
    }
    arrivals_tick(all->signals);
}

/* --- loosening ----------------------------------------------------------------------------------
 */

/* clang-format off */
const struct pg_statement incidents_loosen_guard = {
    .sql = "SELECT format('INC-%s (%s, %s) has no root cause yet: note it"
           " (POST /v1/incidents/INC-%s/note, kind root_cause), then ask again',"
           " number, severity, state, number) FROM incidents"
           " WHERE state <> 'closed' AND severity IN ('SEV1', 'SEV2') AND root_cause IS NULL"
           " ORDER BY severity, number LIMIT 1"};
/* clang-format on */

bool incidents_may_loosen(struct incidents *all, char *why, size_t size)
{
    const struct incident *worst = NULL;

    if (!all->known || clock_mono_ns() - all->read_ns > FRESH_NS) {
        (void)snprintf(why, size,
                       "which incidents are open is not known now: try again when "
                       "PostgreSQL answers (see /readyz)");
        return false;
    }
    for (struct slot *s = all->slots; s != NULL; s = s->hh.next) {
        if (incident_blocks(s->incident) &&
            (worst == NULL || s->incident->severity < worst->severity)) {
            worst = s->incident;
        }
    }
    if (worst != NULL) {
        (void)snprintf(why, size,
                       "INC-%" PRIu64 " (%s, %s) has no root cause yet: note it (POST "
                       "/v1/incidents/INC-%" PRIu64 "/note, kind root_cause), then ask again",
                       worst->number, severity_rows[worst->severity].word,
                       incident_state_words[worst->state], worst->number);
    }
    return worst == NULL;
}

/* --- answers ------------------------------------------------------------------------------------
 */

void incidents_missing(struct incidents *all, const struct incident *i, const char *url,
                       struct buf *out)
{
    struct buf more = {0};

    incident_missing(i, url, out);
    if (i->playbook != NULL && all->playbooks.may_close != NULL) {
        all->playbooks.may_close(all->playbooks_arg, i, &more);
    }
    if (more.len != 0) {
        buf_puts(out, out->len != 0 ? "," : "");
        buf_append(out, more.data, more.len);
    }
    buf_fini(&more);
}

/* Steps as they are kept, where no playbook tells more. */
static void put_steps(const struct incident *i, struct buf *out)
{
    buf_lit(out, ",\"steps\":[");
    for (size_t n = 0; n < i->step_count; n++) {
        const struct incident_step *s = &i->steps[n];

        buf_printf(out, "%s{\"id\":\"%s\",\"state\":\"%s\",\"by\":", n != 0 ? "," : "", s->id,
                   s->skipped ? "skipped" : "done");
        buf_json_str(out, s->by, strlen(s->by));
        buf_lit(out, ",\"at\":\"");
        buf_rfc3339(out, s->at_ns, 6);
        buf_lit(out, "\",\"notes\":");
        if (s->notes != NULL) {
            buf_json_str(out, s->notes, strlen(s->notes));
        } else {
            buf_lit(out, "null");
        }
        buf_lit(out, ",\"answer\":");
        if (s->answer != NULL) {
            buf_json_str(out, s->answer, strlen(s->answer));
        } else {
            buf_lit(out, "null");
        }
        buf_lit(out, ",\"why\":null}");
    }
    buf_lit(out, "],\"exit\":[]");
}

void incidents_print(struct incidents *all, const struct incident *i, uint64_t audit,
                     struct buf *out)
{
    struct buf missing = {0};

    buf_putc(out, '{');
    incident_print(i, out);
    if (i->playbook != NULL && all->playbooks.describe != NULL) {
        all->playbooks.describe(all->playbooks_arg, i, out);
    } else if (i->playbook != NULL) {
        put_steps(i, out);
    }
    incidents_missing(all, i, NULL, &missing);
    buf_printf(out, ",\"may_close\":{\"ok\":%s,\"missing\":[%s]}",
               missing.len == 0 && i->state == INCIDENT_RESOLVED ? "true" : "false",
               buf_cstr(&missing));
    if (audit != 0) {
        buf_printf(out, ",\"audit\":%" PRIu64, audit);
    }
    buf_putc(out, '}');
    buf_fini(&missing);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void make_sql(struct incidents *all)
{
    const char *now = all->opt.now_sql != NULL ? all->opt.now_sql : "clock_timestamp()";
    struct buf columns = {0};
    const char *list;

    row_columns(&columns);
    list = buf_cstr(&columns);
#define HEAD                                                                                       \
    "SELECT h.top, h.now, %s FROM (SELECT (SELECT coalesce(max(audit), 0) FROM incidents) AS top," \
    " (extract(epoch FROM %s) * 1000000)::bigint AS now) h LEFT JOIN incidents i ON "
    buf_printf(&all->sql_load, HEAD "i.state <> 'closed'", list, now);
    buf_printf(&all->sql_news, HEAD "i.audit > $1", list, now);
    buf_printf(&all->sql_read,
               "SELECT n.next, n.now, %s FROM (SELECT (SELECT coalesce(max(number), 0) + 1"
               " FROM incidents) AS next, (extract(epoch FROM %s) * 1000000)::bigint AS now) n"
               " LEFT JOIN LATERAL (SELECT * FROM incidents WHERE number = $1 OR signal_key = $2"
               " ORDER BY number DESC LIMIT 1) i ON true",
               list, now);
    row_write_sql(&all->sql_insert, true);
    row_write_sql(&all->sql_update, false);
    buf_fini(&columns);
}

struct incidents *incidents_create(uv_loop_t *loop, const struct incidents_options *opt,
                                   struct buf *why)
{
    struct incidents *all = gw_calloc(1, sizeof *all);
    bool halt;

    all->loop = loop;
    all->opt = *opt;
    make_sql(all);
    all->signals = arrivals_open(all, why);
    if (!incidents_action_parse(opt->config->l3_action, &halt)) {
        buf_lit(why, "incidents.l3_action (ESCALATION_L3_ACTION): propose or halt\n");
    }
    if (why->len != 0) {
        incidents_destroy(&all);
        return NULL;
    }
    GW_ASSERT(uv_timer_init(loop, &all->timer) == 0);
    all->timer.data = all;
    GW_ASSERT(uv_timer_start(&all->timer, on_tick, 0, TICK_MS) == 0);
    return all;
}

void incidents_playbooks(struct incidents *all, const struct incident_playbooks *playbooks,
                         void *arg)
{
    all->playbooks = *playbooks;
    all->playbooks_arg = arg;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct incidents *all = handle->data;

    all->timer_closed = true;
    end_closing(all);
}

void incidents_close(struct incidents *all, void (*done)(void *arg), void *arg)
{
    all->closing = true;
    all->done = done;
    all->done_arg = arg;
    uv_close((uv_handle_t *)&all->timer, on_timer_closed);
}

void incidents_destroy(struct incidents **allp)
{
    struct incidents *all = *allp;

    *allp = NULL;
    while (all->slots != NULL) {
        drop(all, all->slots);
    }
    arrivals_destroy(&all->signals);
    buf_fini(&all->sql_load);
    buf_fini(&all->sql_news);
    buf_fini(&all->sql_read);
    buf_fini(&all->sql_insert);
    buf_fini(&all->sql_update);
    free(all);
}
