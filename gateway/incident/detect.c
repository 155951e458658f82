#include "gateway/incident/detect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/buf.h"
#include "gateway/incident/rate.h"

#define MS_NS        INT64_C(1000000)
#define S_NS         INT64_C(1000000000)
#define AGAIN_NS     (60 * S_NS) /* a signal that goes on is told again */
#define PROMPT_NS    (5 * S_NS)  /* what people switch is over as soon as they have */
#define USUAL_FACTOR 20
#define USUAL_EVENTS 20u /* before that nobody knows what is usual */
#define NAMES_MAX    10u

#define DETECT_ROW(...) CFG_ROW_OF(struct detect_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {DETECT_CONFIG(DETECT_ROW)};
const struct cfg_table detect_config_table = {"detect", config_rows, GW_LEN(config_rows)};

#define DETECT_RULE_AS_ROW(sym, key, severity, class_, playbook, title)                            \
    {key, severity, class_, playbook, title},
const struct detect_rule_row detect_rules[DETECT_RULE_COUNT] = {DETECT_RULES(DETECT_RULE_AS_ROW)};

enum rule_state { RULE_QUIET, RULE_FIRING };

struct rule {
    enum rule_state state;
    int64_t bad_ns;   /* mono: since when it says so without a break, 0: it does not */
    int64_t good_ns;  /* mono: since when it does not, 0: it does */
    int64_t since_ns; /* wall: FIRING */
    int64_t told_ns;  /* mono: last */
    bool quiet_told;
    struct rate rate;
};

/* What is known of a symbol. */
struct watched {
    uint64_t events; /* at the last sample */
    uint64_t first_events;
    int64_t first_ns;
    int64_t last_ns; /* mono: last event, 0: none so far */
    uint64_t gaps, duplicates;
    int64_t gap_ns, duplicate_ns; /* mono: last */
};

struct detect {
    const struct detect_config *config;
    char *gateway;
    struct rule rules[DETECT_RULE_COUNT];
    struct watched *watched;
    uint32_t watched_count;
    int64_t began_wall_ns;
};

/* What a rule says of a sample. */
struct verdict {
    bool known;
    bool bad;
    bool prompt;
    int64_t hold_ns;
    uint64_t value;
    uint64_t limit;
    uint64_t window_s; /* VALUE is a growth within it, 0: it is none */
    const char *noun;  /* what is counted, NULL: seconds */
    const char *symbols[NAMES_MAX];
    uint32_t symbol_count; /* of all, NAMES_MAX are named */
};

struct detect *detect_create(const struct detect_config *config, const char *gateway)
{
    struct detect *d = gw_calloc(1, sizeof *d);

    d->config = config;
    d->gateway = gw_strdup(gateway);
    return d;
}

void detect_destroy(struct detect **dp)
{
    struct detect *d = *dp;

    *dp = NULL;
    free(d->watched);
    free(d->gateway);
    free(d);
}

/* --- symbols ---------------------------------------------------------------------------------- */

static void watch(struct detect *d, const struct detect_sample *s)
{
    if (d->watched == NULL) {
        d->watched = gw_calloc(s->pulse_count + 1, sizeof *d->watched);
        d->watched_count = s->pulse_count;
        for (uint32_t i = 0; i < s->pulse_count; i++) {
            d->watched[i] = (struct watched){.events = s->pulses[i].events,
                                             .first_events = s->pulses[i].events,
                                             .first_ns = s->mono_ns,
                                             .gaps = s->pulses[i].gaps,
                                             .duplicates = s->pulses[i].duplicates};
        }
    }
    GW_ASSERT(d->watched_count == s->pulse_count);
    for (uint32_t i = 0; i < s->pulse_count; i++) {
        const struct detect_pulse *p = &s->pulses[i];
        struct watched *w = &d->watched[i];

        w->last_ns = p->events != w->events ? s->mono_ns : w->last_ns;
        w->gap_ns = p->gaps > w->gaps ? s->mono_ns : w->gap_ns;
        w->duplicate_ns = p->duplicates > w->duplicates ? s->mono_ns : w->duplicate_ns;
        w->events = p->events;
        w->gaps = p->gaps;
        w->duplicates = p->duplicates;
    }
}

static void name_symbol(struct verdict *v, const char *name)
{
    if (v->symbol_count < NAMES_MAX) {
        v->symbols[v->symbol_count] = name;
    }
    v->symbol_count++;
}

/* Is I silent for longer than is usual for it? A symbol that trades once an hour is not. */
static bool silent(const struct detect *d, const struct detect_sample *s, uint32_t i)
{
    const struct detect_pulse *p = &s->pulses[i];
    const struct watched *w = &d->watched[i];
    uint64_t seen = w->events - w->first_events;
    int64_t limit = (int64_t)d->config->silent * MS_NS;
    int64_t usual;

    if (!p->live || p->halted || w->last_ns == 0 || seen < USUAL_EVENTS) {
        return false;
    }
    usual = (w->last_ns - w->first_ns) / (int64_t)seen * USUAL_FACTOR;
    return s->mono_ns - w->last_ns > (usual > limit ? usual : limit);
}

static void judge_silent(const struct detect *d, const struct detect_sample *s, struct verdict *v)
{
    bool others = false;

    v->known = s->feed_up && d->watched != NULL;
    v->limit = d->config->silent / 1000;
    for (uint32_t i = 0; v->known && i < s->pulse_count; i++) {
        int64_t age = s->mono_ns - d->watched[i].last_ns;

        if (d->config->silent != 0 && silent(d, s, i)) {
            uint64_t age_s = (uint64_t)(age / S_NS);

            name_symbol(v, s->pulses[i].name);
            v->value = age_s > v->value ? age_s : v->value;
        }
        others =
            others || (d->watched[i].last_ns != 0 && age <= (int64_t)d->config->silent * MS_NS);
    }
    v->bad = others && v->symbol_count > 0;
}

/* --- counters --------------------------------------------------------------------------------- */

static void judge_rate(struct rule *r, const struct detect_sample *s, uint64_t counter,
                       uint64_t limit, uint64_t window_ms, struct verdict *v)
{
    v->known = true;
    v->value = rate_step(&r->rate, s->mono_ns, (int64_t)window_ms * MS_NS, counter);
    v->limit = limit;
    v->window_s = window_ms / 1000;
    v->bad = limit != 0 && v->value >= limit;
}

static void judge_sequence(const struct detect *d, struct rule *r, const struct detect_sample *s,
                           bool duplicates, struct verdict *v)
{
    const struct detect_config *c = d->config;
    int64_t window = (int64_t)c->window * MS_NS;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < s->pulse_count; i++) {
        const struct watched *w = &d->watched[i];
        int64_t last = duplicates ? w->duplicate_ns : w->gap_ns;

        sum += duplicates ? w->duplicates : w->gaps;
        if (last != 0 && s->mono_ns - last <= window) {
            name_symbol(v, s->pulses[i].name);
        }
    }
    judge_rate(r, s, sum, duplicates ? c->duplicates : c->gaps, c->window, v);
}

/* --- levels ----------------------------------------------------------------------------------- */

static void judge_level(struct verdict *v, bool bad, uint64_t hold_ms)
{
    v->known = true;
    v->bad = bad;
    v->hold_ns = (int64_t)hold_ms * MS_NS;
    v->limit = hold_ms / 1000;
}

/* None is well; what people settle is over as soon as they have. */
static void judge_some(struct verdict *v, uint64_t count, const char *noun)
{
    judge_level(v, count > 0, 0);
    v->value = count;
    v->noun = noun;
    v->prompt = true;
}

static void judge_anchor(const struct detect *d, const struct detect_sample *s, struct verdict *v)
{
    int64_t from = s->anchored_ns != 0 ? s->anchored_ns : d->began_wall_ns;
    int64_t age = s->wall_ns - from;

    judge_level(v, d->config->anchor != 0 && age > (int64_t)d->config->anchor * MS_NS, 0);
    v->known = s->postgres_up && s->anchoring;
    v->value = age > 0 ? (uint64_t)(age / S_NS) : 0;
    v->limit = d->config->anchor / 1000;
}

static void judge_waiting(const struct detect *d, const struct detect_sample *s, struct verdict *v)
{
    uint64_t limit_s = d->config->approvals / 1000;

    judge_level(v, d->config->approvals != 0 && s->approval_wait_s >= limit_s, 0);
    v->known = s->postgres_up;
    v->value = s->approval_wait_s;
    v->limit = limit_s;
    v->prompt = true;
}

static void judge_counters(struct detect *d, enum detect_rule rule, const struct detect_sample *s,
                           struct verdict *v)
{
    const struct detect_config *c = d->config;
    struct rule *r = &d->rules[rule];

    switch (rule) {
    case DETECT_SLOW:
        judge_rate(r, s, s->slow_closes, c->slow_closes, c->window, v);
        break;
    case DETECT_REPLAY:
        judge_rate(r, s, s->replays, c->replays, c->window, v);
        break;
    case DETECT_AUTH:
        judge_rate(r, s, s->auth_failures, c->auth_failures, c->window, v);
        break;
    case DETECT_CLOCK:
        judge_rate(r, s, s->clock_steps, c->clock_steps, c->window, v);
        break;
    case DETECT_RECONNECT:
        judge_rate(r, s, s->reconnects, c->reconnects, c->reconnect_window, v);
        break;
    case DETECT_ALONE:
        judge_rate(r, s, s->break_glass, 1, c->window, v);
        break;
    default:
        if (s->pulses != NULL) {
            judge_sequence(d, r, s, rule == DETECT_DUPLICATE, v);
        }
        break;
    }
}

static void judge(struct detect *d, enum detect_rule rule, const struct detect_sample *s,
                  struct verdict *v)
{
    const struct detect_config *c = d->config;

    switch (rule) {
    default:
        judge_counters(d, rule, s, v);
        break;
    case DETECT_SILENT:
        if (s->pulses != NULL) {
            judge_silent(d, s, v);
        }
        break;
    case DETECT_REDIS:
        judge_level(v, c->redis_away != 0 && !s->redis_up, c->redis_away);
        break;
    case DETECT_POSTGRES:
        judge_level(v, c->postgres_away != 0 && !s->postgres_up, c->postgres_away);
        break;
    case DETECT_JOURNAL: /* while PostgreSQL is away that is what is said */
        judge_level(v, c->journal != 0 && s->journaled > 0, c->journal);
        v->known = s->postgres_up;
        v->value = s->journaled;
        v->noun = "records";
        break;
    case DETECT_UNAUDITED:
        judge_some(v, s->unaudited, "records");
        break;
    case DETECT_ANCHOR:
        judge_anchor(d, s, v);
        break;
    case DETECT_BROKEN:
        judge_level(v, s->chain_broken, 0);
        break;
    case DETECT_KILL:
        judge_level(v, s->kill_engaged, 0);
        v->prompt = true;
        break;
    case DETECT_DUE:
        judge_some(v, s->decisions_due, "halts");
        break;
    case DETECT_LATE:
        judge_some(v, s->late_commands, "commands");
        break;
    case DETECT_WAITING:
        judge_waiting(d, s, v);
        break;
    }
}

/* --- telling ---------------------------------------------------------------------------------- */

static void put_symbols(const struct verdict *v, const char *quote, struct buf *out)
{
    for (uint32_t i = 0; i < v->symbol_count && i < NAMES_MAX; i++) {
        buf_printf(out, "%s%s%s%s", i != 0 ? (quote[0] != '\0' ? "," : ", ") : "", quote,
                   v->symbols[i], quote);
    }
}

static void put_summary(const struct verdict *v, struct buf *out)
{
    if (v->window_s > 0) {
        buf_printf(out, "%" PRIu64 " in %" PRIu64 " s (limit %" PRIu64 ")", v->value, v->window_s,
                   v->limit);
    } else if (v->noun != NULL) {
        buf_printf(out, "%" PRIu64 " %s", v->value, v->noun);
    } else if (v->value > 0) {
        buf_printf(out, "%" PRIu64 " s (limit %" PRIu64 " s)", v->value, v->limit);
    }
    if (v->hold_ns > 0) {
        buf_printf(out, "%sfor at least %" PRIu64 " s", out->len != 0 ? " " : "", v->limit);
    }
    if (v->symbol_count > 0) {
        buf_puts(out, out->len != 0 ? ": " : "");
        put_symbols(v, "", out);
        if (v->symbol_count > NAMES_MAX) {
            buf_printf(out, " and %u more", v->symbol_count - NAMES_MAX);
        }
    }
}

static void tell(struct detect *d, enum detect_rule rule, const struct verdict *v, bool cleared,
                 detect_fn *sink, void *arg)
{
    const struct detect_rule_row *row = &detect_rules[rule];
    struct buf summary = {0};
    struct buf details = {0};
    struct incident_signal s = {
        .key = row->key,
        .source = "gateway",
        .cleared = cleared,
        .severity = row->severity,
        .title = row->title,
        .class_ = row->class_,
        .playbook = row->playbook,
        .symbol = !cleared && v->symbol_count == 1 ? v->symbols[0] : "",
        .component = "",
        .at_ns = cleared ? 0 : d->rules[rule].since_ns,
    };

    if (!cleared) {
        put_summary(v, &summary);
    }
    buf_lit(&details, "{\"gateway\":");
    buf_json_str(&details, d->gateway, strlen(d->gateway));
    buf_printf(&details, ",\"value\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"symbols\":[", v->value,
               v->limit);
    put_symbols(v, "\"", &details);
    buf_lit(&details, "]}");
    s.summary = buf_cstr(&summary);
    s.details = buf_cstr(&details);
    sink(arg, &s);
    buf_fini(&summary);
    buf_fini(&details);
}

/* The one place where a rule changes its state. */
static void move(struct detect *d, enum detect_rule rule, const struct detect_sample *s,
                 const struct verdict *v, detect_fn *sink, void *arg)
{
    struct rule *r = &d->rules[rule];
    int64_t now = s->mono_ns;
    int64_t clear = v->prompt ? PROMPT_NS : (int64_t)d->config->clear * MS_NS;

    r->bad_ns = !v->bad ? 0 : r->bad_ns != 0 ? r->bad_ns : now;
    r->good_ns = v->bad ? 0 : r->good_ns != 0 ? r->good_ns : now;
    if (v->bad && r->state == RULE_QUIET && now - r->bad_ns >= v->hold_ns) {
        r->state = RULE_FIRING;
        r->since_ns = s->wall_ns - (now - r->bad_ns);
        r->told_ns = now;
        r->quiet_told = false;
        tell(d, rule, v, false, sink, arg);
    } else if (v->bad && r->state == RULE_FIRING && now - r->told_ns >= AGAIN_NS) {
        r->told_ns = now;
        tell(d, rule, v, false, sink, arg);
    } else if (!v->bad && now - r->good_ns >= clear && !r->quiet_told) {
        r->state = RULE_QUIET;
        r->quiet_told = true;
        tell(d, rule, v, true, sink, arg);
    }
}

void detect_step(struct detect *d, const struct detect_sample *s, detect_fn *sink, void *arg)
{
    if (!d->config->enabled) {
        return;
    }
    if (d->began_wall_ns == 0) {
        d->began_wall_ns = s->wall_ns;
    }
    if (s->pulses != NULL) {
        watch(d, s);
    }
    for (unsigned i = 0; i < DETECT_RULE_COUNT; i++) {
        struct verdict v = {0};

        judge(d, (enum detect_rule)i, s, &v);
        if (v.known) {
            move(d, (enum detect_rule)i, s, &v, sink, arg);
        }
    }
}
