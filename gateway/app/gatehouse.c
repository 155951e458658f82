#include "gateway/app/gatehouse.h"

#include <stdlib.h>
#include <string.h>
#include "admin_api/api.h"
#include "gateway/audit/anchor.h"
#include "gateway/control/effective.h"
#include "gateway/incident/incidents.h"
#include "gateway/publish/gate_view.h"
#include "gateway/publish/link.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define LOOP_MARKET 0u
#define LOOP_REST   1u
#define LOOP_SHARDS 2u
#define MS_NS       ((int64_t)1000000)
#define RESEND_MS   20u

#define AUDIT_QUEUE       4096u
#define AUDIT_QUEUE_BYTES (8u << 20)
#define AUDIT_MS          5000u
#define ANCHOR_MS         60000u
#define ORIGIN            "portcullis/audit"

struct gatehouse {
    uv_loop_t *loop;
    struct gatehouse_options opt;
    struct gate *gate;
    struct audit_store *audit;
    struct redis *redis; /* of the anchors */
    struct note_signer *signer;
    struct audit_anchor *anchor; /* NULL: no state_dir */
    struct herald *herald;
    uint64_t generation;
    struct gate_view *view;   /* as last told */
    struct gate_view *unsent; /* what the market thread's mailbox had no room for; NULL: nothing */
    uv_timer_t resend;
    struct metric_set *audit_metrics;
    struct control_value fanout;         /* as last set */
    uv_timer_t timer;                    /* what ends by itself */
    const struct gatehouse_watch *watch; /* NULL: not set yet */
    void *watch_arg;
};

/* --- names --------------------------------------------------------------------------------------
 */

static bool known(void *arg, enum control_form form, const char *name)
{
    const struct gatehouse *h = arg;

    switch (form) {
    case CONTROL_FORM_SYMBOL:
        return symbols_find(h->opt.symbols, name) != SYMBOL_NONE;
    case CONTROL_FORM_ASSET:
        for (uint32_t i = 0; i < symbols_asset_count(h->opt.symbols); i++) {
            if (strcmp(symbols_asset_at(h->opt.symbols, i)->id, name) == 0) {
                return true;
            }
        }
        return false;
    case CONTROL_FORM_GROUP:
        return symbols_has_group(h->opt.symbols, name);
    default:
        return true;
    }
}

/* --- what the loops are told --------------------------------------------------------------------
 */

static enum pair_status status_of(enum control_mode mode)
{
    enum pair_status status = PAIR_ONLINE;
    const char *wire = control_mode_rows[mode].wire;

    GW_ASSERT(pair_status_parse(wire, strlen(wire), &status));
    return status;
}

static enum link_system system_of(enum control_mode mode)
{
    for (unsigned i = 0; i < SYSTEM_COUNT; i++) {
        if (strcmp(link_system_names[i], control_mode_rows[mode].wire) == 0) {
            return (enum link_system)i;
        }
    }
    GW_UNREACHABLE("each mode has a word of the status channel");
}

static void view_symbol(const struct control *now, const struct symbols *symbols, uint32_t number,
                        struct gate_symbol *out)
{
    static const enum book_show shows[CONTROL_DATA_COUNT] = {
        [CONTROL_DATA_LIVE] = BOOK_LIVE,
        [CONTROL_DATA_FROZEN] = BOOK_FROZEN,
        [CONTROL_DATA_WITHDRAWN] = BOOK_WITHDRAWN,
    };
    const char *name = symbols_at(symbols, number)->name;
    uint32_t group_count;
    const char *const *groups = symbols_groups(symbols, number, &group_count);
    struct control_mode_now m = control_symbol_mode(now, name, groups, group_count);
    const struct control_cell *own = control_find(now, CONTROL_KIND_MODE, name);
    const struct control_cell *cause = m.cell != NULL ? m.cell : own; /* who resumed it */

    *out = (struct gate_symbol){
        .show = shows[control_mode_rows[m.mode].data],
        .status = status_of(m.mode),
        .mode = control_mode_words[m.mode],
        .since_ns = cause != NULL ? cause->since_ns : 0,
    };
}

/* What has changed since the view before carries the name of the act; the rest keeps its own. */
static void name_causes(struct gate_view *v, const struct gate_view *before,
                        const struct audit_id *cause)
{
    v->system_audit = before->system_audit;
    if (v->system != before->system) {
        v->system_audit = *cause;
    }
    v->assets_audit = memcmp(v->no_withdrawals, before->no_withdrawals, v->asset_count) != 0
                          ? *cause
                          : before->assets_audit;
    for (uint32_t i = 0; i < v->symbol_count; i++) {
        bool same = v->symbols[i].show == before->symbols[i].show &&
                    v->symbols[i].status == before->symbols[i].status &&
                    strcmp(v->symbols[i].mode, before->symbols[i].mode) == 0;

        v->symbols[i].audit = same ? before->symbols[i].audit : *cause;
    }
}

static struct gate_view *make_view(struct gatehouse *h, const struct control *now,
                                   uint64_t generation, const char *cause)
{
    struct gate_view *v = gate_view_create(h->opt.symbols);
    struct audit_id audit = {""};

    (void)snprintf(audit.v, sizeof audit.v, "%s", cause);
    v->version = generation;
    v->system = system_of(control_system_mode(now).mode);
    for (uint32_t i = 0; i < v->symbol_count; i++) {
        view_symbol(now, h->opt.symbols, i, &v->symbols[i]);
    }
    for (uint32_t i = 0; i < v->asset_count; i++) {
        v->no_withdrawals[i] =
            control_withdrawals_halted(now, symbols_asset_at(h->opt.symbols, i)->id) != NULL;
    }
    name_causes(v, h->view, &audit);
    gate_view_destroy(&h->view);
    h->view = gate_view_copy(v);
    return v;
}

static void tell_rest(struct gatehouse *h, const struct control *now, const struct gate_view *view,
                      bool known)
{
    struct gate_view *copy = gate_view_copy(view);
    struct buf text = {0};

    control_summary(now, false, &text);
    rest_gate(h->opt.rest, &copy, buf_cstr(&text), known);
    buf_fini(&text);
}

/* The profile of the control state; what is not said follows from the configuration. */
static void tell_fanout(struct gatehouse *h, const struct control *now)
{
    const struct control_value *v = control_fanout(now, clock_real_ns());
    struct fanout_profile p;

    if (control_value_equal(CONTROL_KIND_FANOUT, v, &h->fanout)) {
        return;
    }
    control_value_fini(&h->fanout);
    control_value_copy(&h->fanout, v);
    p = fanout_profile_of(h->opt.fanout_config, (enum fanout_name)v->profile, clock_mono_ns());
    p.interval_ms = v->conflation_ms != 0 ? v->conflation_ms : p.interval_ms;
    p.default_depth = v->default_depth != 0 ? v->default_depth : p.default_depth;
    p.sub_ops_per_s = v->sub_ops_per_s != 0 ? v->sub_ops_per_s : p.sub_ops_per_s;
    p.until_ns = v->expires_ns != 0 ? clock_mono_ns() + (v->expires_ns - clock_real_ns()) : 0;
    fanout_set(h->opt.fanout, &p);
}

static void on_resend(uv_timer_t *timer);

static void on_timer(uv_timer_t *timer)
{
    struct gatehouse *h = timer->data;

    tell_fanout(h, gate_now(h->gate));
}

/* Looks again when something ends by itself. */
static void arm(struct gatehouse *h, const struct control *now)
{
    int64_t next = control_next_time(now, clock_real_ns());

    if (next == INT64_MAX) {
        uv_timer_stop(&h->timer);
        return;
    }
    uv_timer_start(&h->timer, on_timer, (uint64_t)((next - clock_real_ns()) / MS_NS + 1), 1000);
}

/* The newest view to the market thread: what it was not told yet is out of date. */
static void tell_market(struct gatehouse *h, struct gate_view *view)
{
    if (h->unsent != NULL) {
        gate_view_destroy(&h->unsent);
    }
    if (mailbox_post(h->opt.market, &(struct mail){.kind = LINK_GATE, .payload = view})) {
        mailbox_wake(h->opt.market);
        return;
    }
    log_error(
        "gate", "market_busy", "%s",
        "\"next\":\"it is told again; if this stays, its thread hangs: restart the gateway\"");
    h->unsent = view;
    uv_timer_start(&h->resend, on_resend, RESEND_MS, 0);
}

static void on_resend(uv_timer_t *timer)
{
    struct gatehouse *h = timer->data;
    struct gate_view *view = h->unsent;

    h->unsent = NULL;
    if (view != NULL) {
        tell_market(h, view);
    }
}

static void on_state(void *arg, const struct control *now, uint64_t generation, const char *cause,
                     bool known)
{
    struct gatehouse *h = arg;
    struct gate_view *view = make_view(h, now, generation, cause);

    h->generation = generation;
    tell_rest(h, now, view, known);
    tell_market(h, view);
    tell_fanout(h, now);
    arm(h, now);
    herald_state(h->herald, now);
    if (h->gate != NULL) { /* not at its creation */
        gate_confirm(h->gate, LOOP_REST, generation);
    }
}

static void on_mail(void *arg, struct mail *m)
{
    struct gatehouse *h = arg;

    GW_ASSERT(m->kind == LINK_GATED);
    gate_confirm(h->gate, m->number == GATE_MARKET ? LOOP_MARKET : LOOP_SHARDS + m->number, m->key);
}

static void on_change(void *arg, const struct control_diff *diff, uint64_t audit, const char *id)
{
    struct gatehouse *h = arg;

    herald_change(h->herald, diff, audit, id);
    for (uint32_t i = 0; i < diff->count; i++) {
        const struct control_diff_item *it = &diff->items[i];

        log_info("gate", "change",
                 "\"kind\":\"%s\",\"target\":%s,\"direction\":\"%s\",\"audit\":%llu,\"id\":\"%s\"",
                 control_kind_rows[it->kind].word, log_json(it->target),
                 control_direction_words[it->direction], (unsigned long long)audit, id);
    }
}

static void on_head(void *arg, uint64_t seq)
{
    struct gatehouse *h = arg;

    herald_head(h->herald, seq);
    if (h->watch != NULL) {
        h->watch->on_head(h->watch_arg);
    }
}

static bool may_loosen(void *arg, const struct control_diff *diff, struct gate_problem *problem)
{
    struct gatehouse *h = arg;

    return h->watch != NULL ? h->watch->may_loosen(h->watch_arg, diff, problem)
                            : gate_fail(problem, PROBLEM_UNAVAILABLE, "the gateway is starting");
}

static void on_entry(void *arg, const struct audit_entry *e)
{
    gatehouse_entered(arg, e);
}

void gatehouse_watch(struct gatehouse *h, const struct gatehouse_watch *watch, void *arg)
{
    h->watch = watch;
    h->watch_arg = arg;
}

void gatehouse_entered(struct gatehouse *h, const struct audit_entry *e)
{
    audit_count(h->audit_metrics, e);
    if (h->anchor != NULL) {
        audit_anchor_now(h->anchor);
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void on_redis(void *arg, bool up)
{
    (void)arg;
    (void)up;
}

static bool open_anchor(struct gatehouse *h, struct buf *why)
{
    const char *folder = h->opt.config->state_dir;
    struct buf key = {0};
    struct buf path = {0};
    struct redis_options redis = {
        .endpoint = h->opt.redis,
        .name = "anchors",
        .circuit = CIRCUIT_ANCHORS,
        .timeout_ms = 500,
        .backoff_min_ms = 100,
        .backoff_max_ms = 2000,
        .metrics = h->opt.redis_metrics,
    };
    struct audit_anchor_options opt = {
        .loop = h->loop,
        .store = h->audit,
        .interval_ms = ANCHOR_MS,
        .metrics = metrics_create(&audit_metrics),
    };

    if (folder[0] == '\0') {
        return true;
    }
    buf_printf(&key, "%s/audit.key", folder);
    buf_printf(&path, "%s/audit.anchors", folder);
    h->signer = note_signer_open(buf_cstr(&key), ORIGIN, why);
    if (h->signer != NULL) {
        h->redis = redis_create(h->loop, &redis, on_redis, h);
        opt.signer = h->signer;
        opt.path = buf_cstr(&path);
        opt.redis = h->redis;
        h->anchor = audit_anchor_open(&opt, why);
    }
    buf_fini(&key);
    buf_fini(&path);
    return h->anchor != NULL;
}

static bool open_gate(struct gatehouse *h, struct buf *why)
{
    static struct control_names names;
    struct gate_options opt = {
        .config = h->opt.config,
        .pg = h->opt.pg,
        .dsn = h->opt.dsn,
        .redis_endpoint = h->opt.redis,
        .store_metrics = h->opt.store_metrics,
        .redis_metrics = h->opt.redis_metrics,
        .loops = LOOP_SHARDS + h->opt.shards,
        .names = &names,
        .guard = &incidents_loosen_guard,
        .sink = {.on_state = on_state,
                 .on_change = on_change,
                 .on_head = on_head,
                 .on_entry = on_entry,
                 .may_loosen = may_loosen},
        .arg = h,
    };

    names = (struct control_names){known, h};
    h->gate = gate_create(h->loop, &opt, why);
    if (h->gate == NULL) {
        return false;
    }
    gate_confirm(h->gate, LOOP_REST, h->generation);
    mailbox_open(h->opt.inbox, h->loop, on_mail, NULL, h);
    return true;
}

static void open_herald(struct gatehouse *h)
{
    const struct herald_options opt = {
        .redis = h->opt.redis,
        .name = h->opt.name,
        .audit = h->audit,
        .redis_metrics = h->opt.redis_metrics,
    };

    h->herald = herald_create(h->loop, &opt);
}

struct gatehouse *gatehouse_create(uv_loop_t *loop, const struct gatehouse_options *opt,
                                   struct buf *why)
{
    struct gatehouse *h = gw_calloc(1, sizeof *h);
    struct audit_store_options audit = {
        .loop = loop,
        .pg = opt->pg,
        .queue_max = AUDIT_QUEUE,
        .queue_bytes = AUDIT_QUEUE_BYTES,
        .timeout_ms = AUDIT_MS,
        .metrics = metrics_create(&audit_metrics),
    };

    h->audit_metrics = audit.metrics;
    h->loop = loop;
    h->opt = *opt;
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    uv_timer_init(loop, &h->resend);
    h->resend.data = h;
    h->view = gate_view_create(opt->symbols);
    h->audit = audit_store_create(&audit);
    open_herald(h);
    if (!open_anchor(h, why) || !open_gate(h, why)) {
        return NULL; /* the process ends; what was opened is the kernel's */
    }
    herald_start(h->herald, h->gate);
    return h;
}

struct gate *gatehouse_gate(struct gatehouse *h)
{
    return h->gate;
}

struct audit_store *gatehouse_audit(struct gatehouse *h)
{
    return h->audit;
}

struct audit_anchor *gatehouse_anchor(struct gatehouse *h)
{
    return h->anchor;
}

void gatehouse_close_gate(struct gatehouse *h, void (*done)(void *arg), void *arg)
{
    uv_close((uv_handle_t *)&h->timer, NULL);
    uv_close((uv_handle_t *)&h->resend, NULL);
    mailbox_close(h->opt.inbox);
    gate_close(h->gate, done, arg);
}

struct herald *gatehouse_herald(struct gatehouse *h)
{
    return h->herald;
}

struct closing {
    struct gatehouse *h;
    void (*done)(void *arg);
    void *arg;
    unsigned open;
};

static void on_closed(void *arg)
{
    struct closing *c = arg;

    if (--c->open == 0) {
        c->done(c->arg);
        free(c);
    }
}

void gatehouse_close_audit(struct gatehouse *h, void (*done)(void *arg), void *arg)
{
    struct closing *c = gw_malloc(sizeof *c);

    *c = (struct closing){h, done, arg, h->anchor != NULL ? 4 : 2};
    herald_close(h->herald, on_closed, c);
    audit_store_close(h->audit, on_closed, c);
    if (h->anchor != NULL) {
        audit_anchor_forget_redis(h->anchor);
        redis_close(h->redis, on_closed, c);
        audit_anchor_close(h->anchor, on_closed, c);
    }
}

void gatehouse_destroy(struct gatehouse **hp)
{
    struct gatehouse *h = *hp;

    *hp = NULL;
    gate_destroy(&h->gate);
    herald_destroy(&h->herald);
    if (h->anchor != NULL) {
        audit_anchor_destroy(&h->anchor);
        redis_destroy(&h->redis);
        note_signer_destroy(&h->signer);
    }
    audit_store_destroy(&h->audit);
    control_value_fini(&h->fanout);
    gate_view_destroy(&h->view);
    if (h->unsent != NULL) {
        gate_view_destroy(&h->unsent);
    }
    free(h);
}
