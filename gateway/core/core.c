#include "gateway/core/core.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/core/core_priv.h"
#include "gateway/runtime/clock.h"

#define TICK_MS 50u

/* --- commands ----------------------------------------------------------------------------------
 */

static struct watch *watch_of(const struct core *c, const char *id)
{
    struct watch *w;

    HASH_FIND_STR(c->watches, id, w);
    return w;
}

void core_unwatch(struct core *c, const char *id)
{
    struct watch *w = watch_of(c, id);

    if (w != NULL) {
        HASH_DEL(c->watches, w);
        free(w);
    }
}

static void on_changed(void *arg, const struct core_command_view *view)
{
    struct core *c = arg;
    const struct watch *w = watch_of(c, view->id);

    if (view->was != view->state) {
        metrics_add(c->opt.metrics, CORE_M_COMMANDS, core_command_label_of(view->kind, view->state),
                    1);
    }
    if (w != NULL) {
        core_changed_fn *changed = w->changed;
        void *watch_arg = w->arg;

        if (core_states[view->state].settled) {
            core_unwatch(c, view->id);
        }
        changed(watch_arg, view);
    }
    if (c->opt.on_command != NULL) {
        c->opt.on_command(c->opt.arg, view);
    }
}

static void queue_text(struct core *c, enum outbox_type type, const char *id,
                       const struct core_once *once, struct buf *text)
{
    size_t len;
    char *json = buf_steal(text, &len);
    uint32_t dropped = outbox_add(&c->outbox, type, id, json, len);

    if (once != NULL) {
        outbox_name_last(&c->outbox, once->key);
    }
    if (dropped != 0) {
        metrics_add(c->opt.metrics, CORE_M_DROPPED, CORE_DROPPED_ANNOUNCEMENT, dropped);
        core_queue_snapshot(c); /* also if the connection was not lost but only slow */
    }
    core_pump(c);
}

static void print_once(struct buf *b, const struct core_once *once)
{
    if (once != NULL) {
        buf_printf(b, ",\"once\":\"%s\",\"request\":\"%s\"", once->key, once->request);
    }
}

void core_note_once(struct core *c, const struct core_once *once, const char *id,
                    const char *answer)
{
    struct core_command_view view;
    struct buf text = {0};

    if (answer == NULL && core_commands_get(c->commands, id, &view)) {
        view.sent = false; /* as it was before Redis had it */
        core_command_print(&text, &view);
        answer = buf_cstr(&text);
    }
    if (answer != NULL) {
        repeats_add(c->repeats, once, id, answer);
    }
    buf_fini(&text);
}

const struct core_repeat *core_repeated(const struct core *c, const char *key)
{
    return repeats_find(c->repeats, key);
}

bool core_remembers(const struct core *c)
{
    return c->streams[CORE_STREAM_COMMANDS].read_back;
}

static void print_command(struct buf *b, const struct core_request *r, const struct core_once *once)
{
    buf_printf(b, "{\"id\":\"%s\",\"kind\":\"%s\",\"target\":", r->id, core_kind_words[r->kind]);
    buf_json_str(b, r->target, strlen(r->target));
    buf_printf(b, ",\"args\":%s,\"by\":", r->args);
    buf_json_str(b, r->by, strlen(r->by));
    buf_printf(b, ",\"gateway\":\"%s\",\"ts_ns\":\"%lld\",\"deadline_ms\":%llu", r->gateway,
               (long long)r->asked_ns, (unsigned long long)r->deadline_ms);
    print_once(b, once);
    buf_putc(b, '}');
}

enum gw_err core_command(struct core *c, const struct core_ask *ask, core_changed_fn *changed,
                         void *arg, char id[CORE_ID_SIZE], const struct entry_verdict_row **wrong)
{
    const char *args = ask->args != NULL ? ask->args : "{}";
    struct core_request r = {.kind = ask->kind, .deadline_ms = ask->deadline_ms};
    enum entry_verdict verdict =
        core_request_check(ask->kind, ask->target, args, ask->by, ask->deadline_ms, &r.args);
    struct buf text = {0};

    if (verdict != ENTRY_OK) {
        *wrong = &entry_verdicts[verdict];
        return GW_EFIELD;
    }
    r.asked_ns = clock_real_ns();
    core_id_make(r.id, r.asked_ns);
    memcpy(r.target, ask->target, strlen(ask->target) + 1);
    memcpy(r.by, ask->by, strlen(ask->by) + 1);
    memcpy(r.gateway, c->opt.gateway, strlen(c->opt.gateway) + 1);
    print_command(&text, &r, ask->once);
    if (!outbox_has_room(&c->outbox, text.len)) {
        buf_fini(&text);
        core_request_fini(&r);
        return GW_EFULL;
    }
    memcpy(id, r.id, sizeof r.id);
    GW_ASSERT(core_commands_add(c->commands, &r, clock_mono_ns(), 0));
    if (changed != NULL) {
        struct watch *w = gw_calloc(1, sizeof *w);

        memcpy(w->id, id, sizeof w->id);
        w->changed = changed;
        w->arg = arg;
        HASH_ADD_STR(c->watches, id, w);
    }
    if (ask->once != NULL) {
        core_note_once(c, ask->once, id, NULL);
    }
    queue_text(c, OUTBOX_COMMAND, id, ask->once, &text);
    return GW_OK;
}

/* The command as it was given up, for whoever asks the same again; and into the entry TEXT. */
static void print_cancelled(struct core *c, const char *id, const struct core_once *once,
                            struct buf *text)
{
    struct core_command_view view;
    struct buf answer = {0};

    if (once == NULL || !core_commands_get(c->commands, id, &view)) {
        return;
    }
    core_command_print(&answer, &view);
    core_note_once(c, once, id, buf_cstr(&answer));
    print_once(text, once);
    buf_lit(text, ",\"answer\":");
    buf_json_str(text, answer.data, answer.len);
    buf_fini(&answer);
}

enum gw_err core_cancel(struct core *c, const char *id, const struct core_once *once)
{
    struct buf text = {0};
    enum gw_err err;
    char copy[CORE_ID_SIZE];
    bool never_sent;

    if (!core_id_valid(id, strlen(id))) {
        return GW_ENOTFOUND;
    }
    memcpy(copy, id, sizeof copy); /* ID may be the view's */
    if (!outbox_has_room(&c->outbox, 256)) {
        return GW_EFULL;
    }
    never_sent = outbox_drop_command(&c->outbox, copy);
    err = core_commands_cancel(c->commands, copy, never_sent ? "never sent to the core" : NULL,
                               clock_real_ns());
    if (err != GW_OK || (never_sent && once == NULL)) {
        return err;
    }
    buf_printf(&text, "{\"id\":\"%s\",\"kind\":\"cancel\",\"gateway\":\"%s\",\"ts_ns\":\"%lld\"",
               copy, c->opt.gateway, (long long)clock_real_ns());
    print_cancelled(c, copy, once, &text);
    buf_putc(&text, '}');
    queue_text(c, OUTBOX_CANCEL, copy, NULL, &text);
    return GW_OK;
}

/* --- announcements -----------------------------------------------------------------------------
 */

enum gw_err core_announce(struct core *c, uint64_t version, uint64_t audit, const char *id,
                          const char *cells)
{
    struct buf text = {0};

    buf_printf(&text, "{\"type\":\"change\",\"version\":%llu,\"audit\":%llu,\"id\":",
               (unsigned long long)version, (unsigned long long)audit);
    buf_json_str(&text, id, strlen(id));
    buf_printf(&text, ",\"gateway\":\"%s\",\"ts_ns\":\"%lld\",\"cells\":", c->opt.gateway,
               (long long)clock_real_ns());
    buf_puts(&text, cells);
    buf_putc(&text, '}');
    if (text.len > CORE_ANNOUNCEMENT_MAX) {
        buf_fini(&text);
        core_announce_snapshot(c);
        return GW_ETOOBIG;
    }
    queue_text(c, OUTBOX_CHANGE, NULL, NULL, &text);
    return GW_OK;
}

void core_announce_snapshot(struct core *c)
{
    core_queue_snapshot(c);
    core_pump(c);
}

/* --- reading it --------------------------------------------------------------------------------
 */

bool core_linked(const struct core *c)
{
    return redis_up(c->sender) && redis_up(c->reader);
}

uint32_t core_queued(const struct core *c)
{
    return c->outbox.count;
}

const struct core_commands *core_commands_of(const struct core *c)
{
    return c->commands;
}

const struct core_observation *core_observed(const struct core *c, const char *symbol)
{
    return observed_symbol(c->observed, symbol);
}

uint64_t core_version(const struct core *c)
{
    return observed_version(c->observed, clock_mono_ns());
}

int64_t core_silence_ns(const struct core *c)
{
    int64_t heard = observed_heard_mono_ns(c->observed);

    return clock_mono_ns() - (heard != INT64_MIN ? heard : c->start_mono_ns);
}

uint32_t core_peers(const struct core *c, const struct core_peer **out)
{
    return observed_cores(c->observed, out);
}

uint32_t core_circuits(const struct core *c, const struct core_circuit **out)
{
    return observed_circuits(c->observed, out);
}

/* --- life --------------------------------------------------------------------------------------
 */

/* A command that Redis did not take in time is not sent any more: "cancel all" ten minutes late is
 * another command. */
static const char *on_expired(void *arg, const struct core_command_view *view)
{
    struct core *c = arg;

    if (view->state != CORE_REQUESTED || !outbox_drop_command(&c->outbox, view->id)) {
        return NULL;
    }
    metrics_add(c->opt.metrics, CORE_M_DROPPED, CORE_DROPPED_COMMAND, 1);
    return "not sent: Redis was away until the deadline; ask again";
}

static void on_tick(uv_timer_t *timer)
{
    struct core *c = timer->data;
    struct metric_set *m = c->opt.metrics;

    core_commands_expire(c->commands, clock_mono_ns(), clock_real_ns(), on_expired, c);
    core_pump(c);
    core_read_again(c);
    metrics_set(m, CORE_M_QUEUE, 0, c->outbox.count);
    metrics_set(m, CORE_M_OPEN, 0, core_commands_open(c->commands));
    metrics_set(m, CORE_M_LATE, 0, core_commands_late(c->commands));
    metrics_set(m, CORE_M_AGE, 0, core_silence_ns(c) / 1000000000);
    metrics_set(m, CORE_M_VERSION, 0, (int64_t)core_version(c));
}

static void on_sender_state(void *arg, bool up)
{
    struct core *c = arg;

    if (up) {
        c->retry_mono_ns = 0;
        core_announce_snapshot(c); /* behind what waits: it holds all of that */
    }
}

static void on_reader_state(void *arg, bool up)
{
    struct core *c = arg;

    if (up) {
        core_read_start(c);
    }
}

struct core *core_create(uv_loop_t *loop, const struct core_options *opt)
{
    struct core *c = gw_calloc(1, sizeof *c);
    struct redis_options redis = {
        .endpoint = opt->endpoint,
        .name = "core-commands",
        .circuit = CIRCUIT_CORE,
        .timeout_ms = opt->timeout_ms,
        .backoff_min_ms = opt->backoff_min_ms,
        .backoff_max_ms = opt->backoff_max_ms,
        .metrics = opt->redis_metrics,
    };

    GW_ASSERT(core_name_valid(opt->gateway));
    c->opt = *opt;
    c->loop = loop;
    c->start_mono_ns = clock_mono_ns();
    c->commands = core_commands_create(opt->commands_most, on_changed, c);
    c->observed = observed_create();
    c->repeats = repeats_create(opt->commands_most);
    c->outbox = (struct outbox){.most = opt->queue_most, .most_bytes = opt->queue_bytes};
    c->streams[CORE_STREAM_COMMANDS] =
        (struct core_stream){.key = "control:commands", .last_id = "0-0"};
    c->streams[CORE_STREAM_ACKS] = (struct core_stream){.key = "control:acks", .last_id = "0-0"};
    c->sender = redis_create(loop, &redis, on_sender_state, c);
    redis.name = "core-reader";
    c->reader = redis_create(loop, &redis, on_reader_state, c);
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    uv_timer_start(&c->timer, on_tick, TICK_MS, TICK_MS);
    return c;
}

static void part_closed(void *arg)
{
    struct core *c = arg;

    if (--c->to_close == 0) {
        c->on_closed(c->on_closed_arg);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void core_close(struct core *c, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!c->closing);
    c->closing = true;
    c->on_closed = done;
    c->on_closed_arg = arg;
    c->to_close = 3;
    redis_close(c->sender, part_closed, c);
    redis_close(c->reader, part_closed, c);
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

void core_destroy(struct core **cp)
{
    struct core *c = *cp;
    struct watch *w;
    struct watch *next;

    *cp = NULL;
    HASH_ITER(hh, c->watches, w, next)
    {
        HASH_DEL(c->watches, w);
        free(w);
    }
    redis_destroy(&c->sender);
    redis_destroy(&c->reader);
    core_commands_destroy(&c->commands);
    observed_destroy(&c->observed);
    repeats_destroy(&c->repeats);
    outbox_fini(&c->outbox);
    buf_fini(&c->text);
    free(c);
}
