/* gateway/core/send.c - the writing half of the link: one entry under way, the next when Redis has
 * it. */
#include <stdio.h>
#include <string.h>
#include "gateway/core/core_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define RETRY_NS       INT64_C(1000000000)
#define CONTROL_MAXLEN "20000" /* of `control` and `control:commands`, about */
/* So that the trimmed stream always holds a snapshot. */
#define SNAPSHOT_EVERY 5000u

/* A key that two gateways were given in the same instant names one command: the first to arrive. */
static const char once_script[] =
    "if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', 86400) or"
    " redis.call('GET', KEYS[2]) == ARGV[1] then"
    " return redis.call('XADD', KEYS[1], 'MAXLEN', '~', " CONTROL_MAXLEN ", '*', 'e', ARGV[2])"
    " end return false";

static const char *key_of(enum outbox_type type)
{
    return type == OUTBOX_CHANGE || type == OUTBOX_SNAPSHOT ? "control" : "control:commands";
}

static void on_sent(void *arg, const struct redis_reply *reply)
{
    struct core *c = arg;
    struct outbox_entry *e = c->outbox.first;
    size_t len;

    GW_ASSERT(c->outbox.busy);
    c->outbox.busy = false;
    if (reply == NULL || c->closing) {
        return; /* lost: it may have arrived; it is sent again, which docs/CORE.md allows for */
    }
    if (redis_kind(reply) == REDIS_NIL && e->once[0] != '\0') {
        (void)core_commands_cancel(c->commands, e->id,
                                   "another gateway was asked under the same Idempotency-Key",
                                   clock_real_ns());
        outbox_pop(&c->outbox);
        core_pump(c);
        return;
    }
    if (redis_kind(reply) != REDIS_STRING) {
        metrics_inc(c->opt.metrics, CORE_M_FAULTS);
        c->retry_mono_ns = clock_mono_ns() + RETRY_NS;
        if (!c->send_error_logged) {
            c->send_error_logged = true;
            log_error(
                "core", "not_taken",
                "\"key\":\"%s\",\"error\":%s,\"next\":\"make room in Redis, make it writable, or "
                "delete the key if it is no stream; it is sent again every second\"",
                key_of(e->type),
                log_json(redis_kind(reply) == REDIS_FAULT ? redis_text(reply, &len) : "no id"));
        }
        return;
    }
    c->send_error_logged = false;
    metrics_inc(c->opt.metrics, CORE_M_SENT);
    if (e->type == OUTBOX_COMMAND) {
        core_commands_sent(c->commands, e->id);
    } else if (e->type == OUTBOX_CHANGE) {
        c->since_snapshot++;
    } else if (e->type == OUTBOX_SNAPSHOT) {
        c->since_snapshot = 0;
        metrics_inc(c->opt.metrics, CORE_M_SNAPSHOTS);
    }
    outbox_pop(&c->outbox);
    if (c->since_snapshot >= SNAPSHOT_EVERY) {
        core_queue_snapshot(c);
    }
    core_pump(c);
}

/* The snapshot's text is of the moment when it is sent: it holds all that was queued before it. */
static bool print_snapshot(struct core *c)
{
    struct buf state = {0};
    uint64_t version = 0;
    uint64_t audit = 0;
    bool ok = c->opt.snapshot(c->opt.arg, &state, &version, &audit);

    buf_reset(&c->text);
    if (ok) {
        buf_printf(&c->text,
                   "{\"type\":\"snapshot\",\"version\":%llu,\"audit\":%llu,\"gateway\":\"%s\","
                   "\"ts_ns\":\"%lld\",\"state\":",
                   (unsigned long long)version, (unsigned long long)audit, c->opt.gateway,
                   (long long)clock_real_ns());
        buf_append(&c->text, state.data, state.len);
        buf_putc(&c->text, '}');
    }
    if (ok && c->text.len > CORE_ANNOUNCEMENT_MAX) {
        ok = false;
        log_error("core", "snapshot_too_big",
                  "\"bytes\":%zu,\"most\":%u,\"next\":\"clear cells that are not needed: the core "
                  "cannot be told the whole state\"",
                  c->text.len, CORE_ANNOUNCEMENT_MAX);
    }
    buf_fini(&state);
    return ok;
}

/* A command that arrived after all, timed out or was given up while its connection was lost is not
 * sent again. A snapshot is printed now; when there is no state yet the owner asks again. */
static bool is_wanted(struct core *c, const struct outbox_entry *e)
{
    struct core_command_view view;

    if (e->type == OUTBOX_COMMAND) {
        return core_commands_get(c->commands, e->id, &view) && view.state == CORE_REQUESTED;
    }
    return e->type != OUTBOX_SNAPSHOT || print_snapshot(c);
}

static bool send_once(struct core *c, const struct outbox_entry *e)
{
    char once[CORE_HASH_SIZE + 16];
    const char *argv[] = {"EVAL", once_script, "2", key_of(e->type), once, e->id, e->json};
    size_t lens[GW_LEN(argv)];

    (void)snprintf(once, sizeof once, "control:once:%s", e->once);
    for (size_t i = 0; i < GW_LEN(argv) - 1; i++) {
        lens[i] = strlen(argv[i]);
    }
    lens[GW_LEN(argv) - 1] = e->len; /* it has no NUL */
    return redis_command(c->sender, (int)GW_LEN(argv), argv, lens, 0, on_sent, c);
}

void core_pump(struct core *c)
{
    const char *argv[] = {"XADD", NULL, "MAXLEN", "~", CONTROL_MAXLEN, "*", "e", NULL};
    size_t lens[] = {4, 0, 6, 1, sizeof CONTROL_MAXLEN - 1, 1, 1, 0};
    const struct outbox_entry *e = c->outbox.first;

    if (e == NULL || c->outbox.busy || c->closing || !redis_up(c->sender) ||
        clock_mono_ns() < c->retry_mono_ns) {
        return;
    }
    while (e != NULL && !is_wanted(c, e)) {
        outbox_pop(&c->outbox);
        e = c->outbox.first;
    }
    if (e == NULL) {
        return;
    }
    if (e->once[0] != '\0') {
        c->outbox.busy = send_once(c, e);
        return;
    }
    argv[1] = key_of(e->type);
    lens[1] = strlen(argv[1]);
    argv[7] = e->type == OUTBOX_SNAPSHOT ? c->text.data : e->json;
    lens[7] = e->type == OUTBOX_SNAPSHOT ? c->text.len : e->len;
    c->outbox.busy = redis_command(c->sender, (int)GW_LEN(argv), argv, lens, 0, on_sent, c);
}

void core_queue_snapshot(struct core *c)
{
    if (!outbox_has_snapshot(&c->outbox)) {
        c->snapshot_mono_ns = clock_mono_ns();
        metrics_add(c->opt.metrics, CORE_M_DROPPED, CORE_DROPPED_ANNOUNCEMENT,
                    outbox_add(&c->outbox, OUTBOX_SNAPSHOT, NULL, NULL, 0));
    }
}
