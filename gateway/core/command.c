#include "gateway/core/command.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include "gateway/base/json_put.h"

struct core_command {
    char id[CORE_ID_SIZE];
    enum core_state state;
    enum core_state was;
    struct core_request asked; /* its args are ours */
    bool sent;
    bool late;
    bool confirmed;
    bool has_count;
    uint64_t count;
    char detail[CORE_DETAIL_MAX];
    char core[CORE_NAME_MAX];
    int64_t changed_ns;
    int64_t due_mono_ns;
    struct core_command *prev; /* all, newest first */
    struct core_command *next;
    struct core_command *due_prev; /* those that may time out */
    struct core_command *due_next;
    UT_hash_handle hh;
};

struct core_commands {
    uint32_t most;
    uint32_t open;
    uint32_t late;
    struct core_command *by_id;
    struct core_command *newest;
    struct core_command *due;
    core_changed_fn *on_change;
    void *arg;
};

static const unsigned next_states[CORE_STATE_COUNT] = {
    [CORE_REQUESTED] = 1u << CORE_ACCEPTED | 1u << CORE_DONE | 1u << CORE_FAILED |
                       1u << CORE_TIMED_OUT | 1u << CORE_CANCELLED,
    [CORE_ACCEPTED] =
        1u << CORE_DONE | 1u << CORE_FAILED | 1u << CORE_TIMED_OUT | 1u << CORE_CANCELLED,
    [CORE_TIMED_OUT] =
        1u << CORE_ACCEPTED | 1u << CORE_DONE | 1u << CORE_FAILED | 1u << CORE_CANCELLED,
    /* It was given up too late: what the core did counts. */
    [CORE_CANCELLED] = 1u << CORE_DONE | 1u << CORE_FAILED,
};

static bool may_become(const struct core_command *c, enum core_state next)
{
    return (next_states[c->state] & 1u << next) != 0;
}

static bool can_time_out(enum core_state state)
{
    return (next_states[state] & 1u << CORE_TIMED_OUT) != 0;
}

static void set_state(struct core_commands *t, struct core_command *c, enum core_state next)
{
    GW_ASSERT(may_become(c, next));
    if (can_time_out(c->state) && !can_time_out(next)) {
        DL_DELETE2(t->due, c, due_prev, due_next);
    } else if (!can_time_out(c->state) && can_time_out(next)) {
        DL_APPEND2(t->due, c, due_prev, due_next);
    }
    t->open -= !core_states[c->state].settled;
    t->open += !core_states[next].settled;
    t->late -= c->state == CORE_TIMED_OUT;
    t->late += next == CORE_TIMED_OUT;
    c->was = c->state;
    c->state = next;
}

static struct core_command_view view_of(const struct core_command *c)
{
    return (struct core_command_view){
        .id = c->id,
        .kind = c->asked.kind,
        .state = c->state,
        .was = c->was,
        .target = c->asked.target,
        .args = c->asked.args,
        .by = c->asked.by,
        .gateway = c->asked.gateway,
        .sent = c->sent,
        .late = c->late,
        .confirmed = c->confirmed,
        .has_count = c->has_count,
        .count = c->count,
        .detail = c->detail,
        .core = c->core,
        .asked_ns = c->asked.asked_ns,
        .changed_ns = c->changed_ns,
        .deadline_ms = c->asked.deadline_ms,
    };
}

static void changed(struct core_commands *t, const struct core_command *c)
{
    struct core_command_view view = view_of(c);

    t->on_change(t->arg, &view);
}

static struct core_command *find(const struct core_commands *t, const char *id)
{
    struct core_command *c;

    HASH_FIND_STR(t->by_id, id, c);
    return c;
}

/* --- life --------------------------------------------------------------------------------------
 */

struct core_commands *core_commands_create(uint32_t most, core_changed_fn *on_change, void *arg)
{
    struct core_commands *t = gw_calloc(1, sizeof *t);

    GW_ASSERT(most > 0);
    t->most = most;
    t->on_change = on_change;
    t->arg = arg;
    return t;
}

static void forget(struct core_commands *t, struct core_command *c)
{
    if (can_time_out(c->state)) {
        DL_DELETE2(t->due, c, due_prev, due_next);
    }
    t->open -= !core_states[c->state].settled;
    t->late -= c->state == CORE_TIMED_OUT;
    HASH_DEL(t->by_id, c);
    DL_DELETE(t->newest, c);
    core_request_fini(&c->asked);
    free(c);
}

void core_commands_destroy(struct core_commands **tp)
{
    struct core_commands *t = *tp;

    *tp = NULL;
    while (t->newest != NULL) {
        forget(t, t->newest);
    }
    free(t);
}

static void make_room(struct core_commands *t)
{
    struct core_command *oldest = t->newest->prev; /* utlist: the head's prev is the tail */
    struct core_command *c = oldest;

    while (!core_states[c->state].settled && c != t->newest) {
        c = c->prev;
    }
    forget(t, core_states[c->state].settled ? c : oldest);
}

bool core_commands_add(struct core_commands *t, struct core_request *r, int64_t now_mono_ns,
                       int64_t ago_ns)
{
    struct core_command *c;

    if (find(t, r->id) != NULL) {
        return false;
    }
    if (core_commands_count(t) >= t->most) {
        make_room(t);
    }
    c = gw_calloc(1, sizeof *c);
    memcpy(c->id, r->id, sizeof c->id);
    c->asked = *r;
    r->args = NULL;
    c->changed_ns = r->asked_ns;
    c->due_mono_ns = now_mono_ns - ago_ns + (int64_t)r->deadline_ms * 1000000;
    c->state = CORE_REQUESTED;
    c->was = CORE_STATE_COUNT;
    t->open++;
    HASH_ADD_STR(t->by_id, id, c);
    DL_PREPEND(t->newest, c);
    DL_APPEND2(t->due, c, due_prev, due_next);
    changed(t, c);
    return true;
}

/* --- changes -----------------------------------------------------------------------------------
 */

void core_commands_sent(struct core_commands *t, const char *id)
{
    struct core_command *c = find(t, id);

    if (c != NULL) {
        c->sent = true;
    }
}

static bool is_said(const struct core_command *c, const struct core_ack *a)
{
    if (a->state == c->state) {
        return c->confirmed;
    }
    /* "accepted" that was overtaken, or after a person gave up */
    return a->state == CORE_ACCEPTED && core_states[c->state].settled;
}

enum core_ack_result core_commands_ack(struct core_commands *t, const struct core_ack *a,
                                       int64_t now_mono_ns, int64_t now_ns)
{
    struct core_command *c = find(t, a->id);
    bool late;

    if (c == NULL) {
        return CORE_ACK_UNKNOWN;
    }
    if (is_said(c, a)) {
        return CORE_ACK_DUPLICATE;
    }
    if (a->state != c->state && !may_become(c, a->state)) {
        return CORE_ACK_REFUSED;
    }
    late = c->state == CORE_TIMED_OUT;
    if (a->state != c->state) {
        set_state(t, c, a->state);
    } else {
        c->was = c->state; /* only confirmed */
    }
    if (late && a->state == CORE_ACCEPTED) {
        c->due_mono_ns = now_mono_ns + (int64_t)c->asked.deadline_ms * 1000000;
    }
    c->sent = true;
    c->late = c->late || late;
    c->confirmed = true;
    c->has_count = a->has_count;
    c->count = a->count;
    memcpy(c->detail, a->detail, sizeof c->detail);
    memcpy(c->core, a->core, sizeof c->core);
    c->changed_ns = now_ns;
    changed(t, c);
    return late ? CORE_ACK_LATE : CORE_ACK_TAKEN;
}

static void explain(struct core_command *c, const char *why)
{
    if (why != NULL) {
        GW_ASSERT(strlen(why) < sizeof c->detail);
        memcpy(c->detail, why, strlen(why) + 1);
    }
}

enum gw_err core_commands_cancel(struct core_commands *t, const char *id, const char *why,
                                 int64_t now_ns)
{
    struct core_command *c = find(t, id);

    if (c == NULL) {
        return GW_ENOTFOUND;
    }
    if (!may_become(c, CORE_CANCELLED)) {
        return GW_EINVAL;
    }
    set_state(t, c, CORE_CANCELLED);
    explain(c, why);
    c->confirmed = false;
    c->changed_ns = now_ns;
    changed(t, c);
    return GW_OK;
}

void core_commands_expire(struct core_commands *t, int64_t now_mono_ns, int64_t now_ns,
                          const char *(*expired)(void *arg, const struct core_command_view *c),
                          void *arg)
{
    struct core_command *c;
    struct core_command *next;

    DL_FOREACH_SAFE2(t->due, c, next, due_next)
    {
        struct core_command_view view = view_of(c);
        const char *why;

        if (now_mono_ns < c->due_mono_ns) {
            continue;
        }
        why = expired(arg, &view);
        set_state(t, c, CORE_TIMED_OUT);
        c->confirmed = false;
        c->changed_ns = now_ns;
        explain(c, why);
        changed(t, c);
    }
}

/* --- reading -----------------------------------------------------------------------------------
 */

bool core_commands_get(const struct core_commands *t, const char *id, struct core_command_view *out)
{
    const struct core_command *c = find(t, id);

    if (c != NULL) {
        *out = view_of(c);
    }
    return c != NULL;
}

enum gw_err core_commands_list(const struct core_commands *t, const struct core_filter *f,
                               struct core_command_view *out, size_t max, size_t *count)
{
    const struct core_command *c = t->newest;

    *count = 0;
    if (f->after_id != NULL) {
        c = find(t, f->after_id);
        if (c == NULL) {
            return GW_ENOTFOUND;
        }
        c = c->next;
    }
    for (; c != NULL && *count < max; c = c->next) {
        if ((f->symbol == NULL || strcmp(f->symbol, c->asked.target) == 0) &&
            (f->state == CORE_STATE_COUNT || f->state == c->state)) {
            out[(*count)++] = view_of(c);
        }
    }
    return GW_OK;
}

uint32_t core_commands_count(const struct core_commands *t)
{
    return HASH_COUNT(t->by_id);
}

uint32_t core_commands_open(const struct core_commands *t)
{
    return t->open;
}

uint32_t core_commands_late(const struct core_commands *t)
{
    return t->late;
}

static void put_flag(struct buf *b, const char *name, bool value)
{
    buf_printf(b, ",\"%s\":%s", name, value ? "true" : "false");
}

void core_command_print(struct buf *b, const struct core_command_view *c)
{
    buf_printf(b, "{\"id\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\"", c->id,
               core_kind_words[c->kind], core_states[c->state].word);
    json_put_given(b, "target", c->target);
    buf_printf(b, ",\"args\":%s", c->args);
    json_put_given(b, "by", c->by);
    json_put_given(b, "gateway", c->gateway);
    put_flag(b, "sent", c->sent);
    put_flag(b, "confirmed", c->confirmed);
    put_flag(b, "late", c->late);
    buf_lit(b, ",\"count\":");
    if (c->has_count) {
        buf_u64(b, c->count);
    } else {
        buf_lit(b, "null");
    }
    json_put_given(b, "detail", c->detail);
    json_put_given(b, "core", c->core);
    buf_lit(b, ",\"asked_at\":\"");
    buf_rfc3339(b, c->asked_ns, 6);
    buf_lit(b, "\",\"changed_at\":\"");
    buf_rfc3339(b, c->changed_ns, 6);
    buf_printf(b, "\",\"deadline_ms\":%llu}", (unsigned long long)c->deadline_ms);
}
