/* Values of cells: comparing, merging, checking (kind.h). */
#include "gateway/control/kind.h"

#include <stdlib.h>
#include <string.h>

void control_value_copy(struct control_value *out, const struct control_value *v)
{
    size_t bytes = v->released.count * sizeof *v->released.names;

    *out = *v;
    out->released.names = NULL;
    if (bytes != 0) {
        out->released.names = gw_malloc(bytes);
        memcpy(out->released.names, v->released.names, bytes);
    }
}

void control_value_fini(struct control_value *v)
{
    free(v->released.names);
    *v = control_default;
}

/* Index of NAME, or where it belongs; says which in FOUND. */
static uint32_t symbol_place(const struct control_symbols *s, const char *name, bool *found)
{
    uint32_t low = 0;
    uint32_t high = s->count;

    *found = false;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = strcmp(s->names[mid], name);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool control_symbols_add(struct control_symbols *s, const char *name)
{
    bool found;
    uint32_t at = symbol_place(s, name, &found);

    GW_ASSERT(strlen(name) < CONTROL_SYMBOL_MAX);
    if (found || s->count == CONTROL_SYMBOLS_MOST) {
        return false;
    }
    s->names = gw_realloc(s->names, (s->count + 1) * sizeof *s->names);
    memmove(&s->names[at + 1], &s->names[at], (s->count - at) * sizeof *s->names);
    memset(s->names[at], 0, sizeof s->names[at]);
    memcpy(s->names[at], name, strlen(name));
    s->count++;
    return true;
}

bool control_symbols_has(const struct control_symbols *s, const char *name)
{
    bool found;

    (void)symbol_place(s, name, &found);
    return s->all || found;
}

static bool symbols_within(const struct control_symbols *inner, const struct control_symbols *outer)
{
    if (outer->all || inner->all) {
        return outer->all;
    }
    for (uint32_t i = 0; i < inner->count; i++) {
        if (!control_symbols_has(outer, inner->names[i])) {
            return false;
        }
    }
    return true;
}

static int symbols_order(const struct control_symbols *a, const struct control_symbols *b)
{
    if (a->all != b->all) {
        return a->all ? 1 : -1;
    }
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        int order = strcmp(a->names[i], b->names[i]);

        if (order != 0) {
            return order;
        }
    }
    return (a->count > b->count) - (a->count < b->count);
}

static int field_order(const struct control_field *f, const void *a, const void *b)
{
    switch (f->type) {
    case CONTROL_FIELD_BOOL:
        return *(const bool *)a - *(const bool *)b;
    case CONTROL_FIELD_SYMBOLS:
        return symbols_order(a, b);
    case CONTROL_FIELD_TIME:
        return (*(const int64_t *)a > *(const int64_t *)b) -
               (*(const int64_t *)a < *(const int64_t *)b);
    default:
        return (*(const uint32_t *)a > *(const uint32_t *)b) -
               (*(const uint32_t *)a < *(const uint32_t *)b);
    }
}

int control_value_order(enum control_kind kind, const struct control_value *a,
                        const struct control_value *b)
{
    for (unsigned i = 0; i < CONTROL_FIELD_COUNT; i++) {
        const struct control_field *f = &control_fields[i];
        int order = f->kind != kind
                        ? 0
                        : field_order(f, (const char *)a + f->offset, (const char *)b + f->offset);

        if (order != 0) {
            return order;
        }
    }
    return 0;
}

bool control_value_is_default(enum control_kind kind, const struct control_value *v)
{
    return control_value_equal(kind, v, &control_default);
}

/* Does OUTER let through all that INNER does? Per kind; equal values do. */
typedef bool holds_fn(const struct control_value *inner, const struct control_value *outer);

static bool mode_holds(const struct control_value *inner, const struct control_value *outer)
{
    return outer->mode <= inner->mode;
}

static bool kill_holds(const struct control_value *inner, const struct control_value *outer)
{
    if (!inner->engaged || !outer->engaged) {
        return !outer->engaged;
    }
    return symbols_within(&inner->released, &outer->released) &&
           inner->released_percent <= outer->released_percent;
}

static bool halted_holds(const struct control_value *inner, const struct control_value *outer)
{
    return inner->halted || !outer->halted;
}

/* Orders a second; no throttle is more than any. */
static uint64_t rate(const struct control_value *v)
{
    return v->orders_per_s == 0 ? UINT64_MAX : v->orders_per_s;
}

static bool throttle_holds(const struct control_value *inner, const struct control_value *outer)
{
    return rate(inner) <= rate(outer);
}

static bool paused_holds(const struct control_value *inner, const struct control_value *outer)
{
    return inner->paused || !outer->paused;
}

static bool disabled_holds(const struct control_value *inner, const struct control_value *outer)
{
    return inner->disabled || !outer->disabled;
}

static holds_fn *const holds[CONTROL_KIND_COUNT] = {
    [CONTROL_KIND_MODE] = mode_holds,          [CONTROL_KIND_KILL] = kill_holds,
    [CONTROL_KIND_WITHDRAWALS] = halted_holds, [CONTROL_KIND_THROTTLE] = throttle_holds,
    [CONTROL_KIND_ACCOUNT] = paused_holds,     [CONTROL_KIND_ACCESS] = disabled_holds,
};

enum control_direction control_value_direction(enum control_kind kind,
                                               const struct control_value *before,
                                               const struct control_value *after)
{
    if (control_value_equal(kind, before, after)) {
        return CONTROL_NONE;
    }
    if (control_kind_rows[kind].neutral) {
        return CONTROL_NEUTRAL;
    }
    return holds[kind](after, before) ? CONTROL_TIGHTEN : CONTROL_LOOSEN;
}

/* What both stages let through; nothing when the symbols or the percent say nothing. */
static void stages_meet(const struct control_value *a, const struct control_value *b,
                        struct control_value *out)
{
    const struct control_value *fewer = a->released.all ? b : a;
    const struct control_value *other = fewer == a ? b : a;

    *out = (struct control_value){.engaged = true};
    out->released_percent =
        a->released_percent < b->released_percent ? a->released_percent : b->released_percent;
    out->released.all = a->released.all && b->released.all;
    for (uint32_t i = 0; i < fewer->released.count; i++) {
        if (control_symbols_has(&other->released, fewer->released.names[i])) {
            (void)control_symbols_add(&out->released, fewer->released.names[i]);
        }
    }
    if (out->released.count == 0 && !out->released.all) {
        out->released_percent = 0;
    }
}

void control_value_tightest(enum control_kind kind, const struct control_value *a,
                            const struct control_value *b, struct control_value *out)
{
    GW_ASSERT(!control_kind_rows[kind].neutral);
    if (holds[kind](a, b)) {
        control_value_copy(out, a);
    } else if (holds[kind](b, a)) {
        control_value_copy(out, b);
    } else { /* only stages are not always one within the other */
        stages_meet(a, b, out);
    }
}

static enum control_fault kill_check(const struct control_value *v, struct control_error *e)
{
    enum control_form form;
    const char *name;
    bool some = v->released.all || v->released.count != 0;

    for (uint32_t i = 0; i < v->released.count; i++) {
        if (!control_target_parse(CONTROL_KIND_THROTTLE, v->released.names[i], &form, &name) ||
            (i != 0 && strcmp(v->released.names[i - 1], v->released.names[i]) >= 0)) {
            return control_fail(e, CONTROL_INVALID, "/released_symbols",
                                "must be a sorted list of different symbols");
        }
    }
    if (v->released.all && v->released.count != 0) {
        return control_fail(e, CONTROL_INVALID, "/released_symbols",
                            "`*` stands for all symbols and must be the only one");
    }
    if (!v->engaged && (some || v->released_percent != 0)) {
        return control_fail(e, CONTROL_INVALID, "/released_symbols",
                            "a switch that is not engaged has no release stage");
    }
    if (some != (v->released_percent != 0)) {
        return control_fail(e, CONTROL_INVALID, "/released_percent",
                            "a stage has symbols and a percent above 0, or neither");
    }
    if (v->released.all && v->released_percent == 100) {
        return control_fail(e, CONTROL_INVALID, "/engaged",
                            "everything released is `\"engaged\":false`");
    }
    return CONTROL_FINE;
}

static enum control_fault fanout_check(const struct control_value *v, struct control_error *e)
{
    if (v->profile == CONTROL_PROFILE_NORMAL) {
        return control_value_is_default(CONTROL_KIND_FANOUT, v)
                   ? CONTROL_FINE
                   : control_fail(e, CONTROL_INVALID, "/profile",
                                  "the profile normal has no other members; leave them out");
    }
    if (v->expires_ns == 0) {
        return control_fail(e, CONTROL_INVALID, "/expires_at",
                            "must be given: a profile other than normal ends by itself");
    }
    return CONTROL_FINE;
}

static enum control_fault field_check(const struct control_field *f, const struct control_value *v,
                                      struct control_error *e)
{
    const void *at = (const char *)v + f->offset;
    uint32_t words;
    bool good;

    if (f->type == CONTROL_FIELD_BOOL || f->type == CONTROL_FIELD_SYMBOLS) {
        return CONTROL_FINE;
    }
    if (f->type == CONTROL_FIELD_TIME) {
        good = *(const int64_t *)at >= 0 && *(const int64_t *)at <= CONTROL_TIME_MOST;
    } else if (control_field_words(f->type, &words) != NULL) {
        good = *(const uint32_t *)at < words;
    } else {
        good = (f->nullable && *(const uint32_t *)at == 0) ||
               control_field_number(f->type, *(const uint32_t *)at);
    }
    if (!good) {
        (void)control_fail(e, CONTROL_INVALID, "/", "must be %s", f->allowed);
        strncat(e->pointer, f->member, sizeof e->pointer - 2);
        return CONTROL_INVALID;
    }
    return CONTROL_FINE;
}

enum control_fault control_value_check(enum control_kind kind, const struct control_value *v,
                                       struct control_error *e)
{
    for (unsigned i = 0; i < CONTROL_FIELD_COUNT; i++) {
        if (control_fields[i].kind == kind && field_check(&control_fields[i], v, e) != 0) {
            return e->fault;
        }
    }
    return kind == CONTROL_KIND_KILL     ? kill_check(v, e)
           : kind == CONTROL_KIND_FANOUT ? fanout_check(v, e)
                                         : CONTROL_FINE;
}
