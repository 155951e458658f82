#include "gateway/app/herald.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api.h"
#include "gateway/runtime/log.h"

#define PAGE 200u

struct herald {
    uv_loop_t *loop;
    struct herald_options opt;
    struct gate *gate; /* NULL: not yet */
    struct core *core;
    struct sse *sse;
    uint64_t told;  /* number of the last entry told */
    uint64_t known; /* the chain reaches to it */
    bool begun;     /* `told` is where this gateway came in */
    bool asking;
    bool closing;
    unsigned open;
    void (*done)(void *arg);
    void *arg;
};

static void publish(struct herald *h, const char *id, const char *name, const struct buf *data)
{
    enum gw_err err = sse_publish(h->sse, id, name, data->data, data->len);

    if (err != GW_OK && err != GW_EDUP) {
        log_warn("events", "not_told", "\"event\":\"%s\",\"error\":\"%s\"", name,
                 gw_err_row(err)->name);
    }
}

/* --- entries of the chain -----------------------------------------------------------------------
 */

/* Something waits for a second person, or does not any more: for those, too, who may not read the log. */
static void tell_change(struct herald *h, const struct audit_entry *e)
{
    const char *name = strcmp(e->action, "role.grant") == 0 ? "role_request" : "change";
    struct buf data = {0};

    if (strncmp(e->action, "change.", 7) != 0 && strcmp(e->outcome, "requested") != 0 &&
        (e->approvals == NULL || e->approvals[0] == '\0')) {
        return;
    }
    buf_printf(&data, "{\"audit\":%" PRIu64 ",\"outcome\":\"%s\"}", e->seq, e->outcome);
    publish(h, NULL, name, &data);
    buf_fini(&data);
}

static void tell_entry(struct herald *h, const struct audit_entry *e)
{
    struct buf data = {0};
    char id[24];

    tell_change(h, e);
    (void)snprintf(id, sizeof id, "%" PRIu64, e->seq);
    audit_entry_view(e, &data);
    if (data.len > SSE_DATA_MAX) { /* a change of thousands: GET /v1/audit has it */
        buf_reset(&data);
        buf_printf(&data,
                   "{\"seq\":%" PRIu64 ",\"id\":\"%s\",\"action\":\"%s\",\"outcome\":\"%s\","
                   "\"truncated\":true}",
                   e->seq, e->id, e->action, e->outcome);
    }
    publish(h, id, "audit", &data);
    buf_fini(&data);
}

static void read_on(struct herald *h);

static void on_page(void *arg, const struct audit_page *page)
{
    struct herald *h = arg;

    h->asking = false;
    for (size_t i = 0; page->err == GW_OK && i < page->count; i++) {
        if (page->entries[i].seq > h->told) {
            tell_entry(h, &page->entries[i]);
            h->told = page->entries[i].seq;
        }
    }
    if (page->err == GW_OK) {
        read_on(h);
    }
}

static void read_on(struct herald *h)
{
    struct audit_filter f = {.from_seq = h->told + 1, .asc = true, .limit = PAGE};
    const char *field;

    if (!h->asking && !h->closing && h->told < h->known) {
        h->asking = audit_search(h->opt.audit, &f, &field, on_page, h) == GW_OK;
    }
}

void herald_head(struct herald *h, uint64_t seq)
{
    if (!h->begun) { /* what was before has been seen, or is fetched */
        char id[24];

        h->begun = true;
        h->told = seq;
        (void)snprintf(id, sizeof id, "%" PRIu64, seq);
        if (sse_set_head(h->sse, id) != GW_OK) {
            log_warn("events", "no_head", "\"seq\":%" PRIu64, seq);
        }
    }
    h->known = seq > h->known ? seq : h->known;
    read_on(h);
}

/* --- the state, and the core --------------------------------------------------------------------
 */

void herald_state(struct herald *h, const struct control *now)
{
    struct buf data = {0};

    buf_putc(&data, '{');
    control_summary(now, true, &data);
    buf_putc(&data, '}');
    publish(h, NULL, "state", &data);
    buf_fini(&data);
}

void herald_change(struct herald *h, const struct control_diff *diff, uint64_t audit,
                   const char *id)
{
    struct buf cells = {0};

    buf_putc(&cells, '[');
    for (uint32_t i = 0; i < diff->count; i++) {
        const struct control_diff_item *it = &diff->items[i];

        buf_puts(&cells, i != 0 ? "," : "");
        buf_printf(&cells, "{\"kind\":\"%s\",\"target\":\"%s\",\"value\":{",
                   control_kind_rows[it->kind].word, it->target);
        control_value_print(&cells, it->kind,
                            it->after != NULL ? &it->after->value : &control_default, 9);
        buf_printf(&cells, "},\"version\":%" PRIu64 "}",
                   it->after != NULL ? it->after->version : 0);
    }
    buf_putc(&cells, ']');
    if (core_announce(h->core, control_version(diff->after), audit, id, buf_cstr(&cells)) !=
        GW_OK) {
        log_warn("core", "not_announced", "\"id\":\"%s\",\"next\":\"a snapshot follows\"", id);
    }
    buf_fini(&cells);
}

static bool on_snapshot(void *arg, struct buf *state, uint64_t *version, uint64_t *audit)
{
    const struct herald *h = arg;

    if (h->gate == NULL) {
        return false;
    }
    control_print(state, gate_now(h->gate));
    *version = control_version(gate_now(h->gate));
    *audit = gate_health(h->gate).audit;
    return true;
}

static void on_command(void *arg, const struct core_command_view *c)
{
    struct herald *h = arg;
    struct buf data = {0};

    core_command_print(&data, c);
    publish(h, NULL, "command", &data);
    buf_fini(&data);
}

static void on_observed(void *arg, const char *symbol)
{
    struct herald *h = arg;
    const struct core_observation *o = symbol != NULL ? core_observed(h->core, symbol) : NULL;
    struct buf data = {0};

    if (o != NULL) {
        buf_printf(&data,
                   "{\"symbol\":\"%s\",\"mode\":\"%s\",\"version\":%" PRIu64 ",\"core\":\"%s\"}",
                   o->symbol, core_mode_words[o->mode], o->version, o->core);
        publish(h, NULL, "observed", &data);
    }
    buf_fini(&data);
}

/* --- life ---------------------------------------------------------------------------------------
 */

struct herald *herald_create(uv_loop_t *loop, const struct herald_options *opt)
{
    struct herald *h = gw_calloc(1, sizeof *h);
    struct sse_options sse = {
        .max_streams = 1000,
        .ring_events = 10000,
        .ring_bytes = 16u << 20,
        .heartbeat_ms = 15000,
        .retry_ms = 1000,
        .metrics = metrics_create(&sse_metrics),
    };
    struct core_options core = {
        .endpoint = opt->redis,
        .gateway = opt->name,
        .timeout_ms = 1000,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
        .commands_most = 10000,
        .read_back = 10000,
        .queue_most = 1000,
        .queue_bytes = 16u << 20,
        .metrics = metrics_create(&core_metrics),
        .redis_metrics = opt->redis_metrics,
        .snapshot = on_snapshot,
        .on_command = on_command,
        .on_observed = on_observed,
        .arg = h,
    };

    h->loop = loop;
    h->opt = *opt;
    h->sse = sse_create(loop, &sse);
    h->core = core_create(loop, &core);
    return h;
}

void herald_start(struct herald *h, struct gate *gate)
{
    h->gate = gate;
    core_announce_snapshot(h->core);
}

struct core *herald_core(struct herald *h)
{
    return h->core;
}

struct sse *herald_events(struct herald *h)
{
    return h->sse;
}

static void on_closed(void *arg)
{
    struct herald *h = arg;

    if (--h->open == 0) {
        h->done(h->arg);
    }
}

void herald_close(struct herald *h, void (*done)(void *arg), void *arg)
{
    h->closing = true;
    h->done = done;
    h->arg = arg;
    h->open = 2;
    sse_close(h->sse, on_closed, h);
    core_close(h->core, on_closed, h);
}

void herald_destroy(struct herald **hp)
{
    struct herald *h = *hp;

    *hp = NULL;
    sse_destroy(&h->sse);
    core_destroy(&h->core);
    free(h);
}
