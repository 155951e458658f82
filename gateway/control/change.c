#include "gateway/control/change.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/control/state_priv.h"

bool control_change_add(struct control_change *c, enum control_kind kind, const char *target,
                        struct control_value *value)
{
    size_t len = strnlen(target, CONTROL_TARGET_MAX);
    struct control_assignment *a;

    if (len == CONTROL_TARGET_MAX || c->count == CONTROL_ASSIGNMENTS_MOST) {
        control_value_fini(value);
        return false;
    }
    if ((c->count & (c->count - 1)) == 0) { /* doubles at powers of two */
        c->items = gw_realloc(c->items, (c->count == 0 ? 1 : 2 * c->count) * sizeof *c->items);
    }
    a = &c->items[c->count++];
    *a = (struct control_assignment){.kind = kind, .value = *value};
    memcpy(a->target, target, len);
    *value = control_default;
    return true;
}

void control_change_fini(struct control_change *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        control_value_fini(&c->items[i].value);
    }
    free(c->items);
    free(c->reason);
    free(c->ticket);
    free(c->incident);
    free(c->confirm);
    *c = (struct control_change){0};
}

/* Only `until` is new: the value stays in force, its decision is due at another time. */
static bool renews(const struct control_cell *old, int64_t until_ns)
{
    return old != NULL && until_ns != 0 && old->until_ns != until_ns;
}

static enum control_direction direction_of(const struct control_cell *old,
                                           const struct control_assignment *a, int64_t until_ns)
{
    const struct control_value *before = old != NULL ? &old->value : &control_default;
    enum control_direction d = control_value_direction(a->kind, before, &a->value);

    return d == CONTROL_NONE && renews(old, until_ns) ? CONTROL_NEUTRAL : d;
}

enum control_direction control_change_direction(const struct control *before,
                                                const struct control_change *change)
{
    enum control_direction worst = CONTROL_NONE;

    for (uint32_t i = 0; i < change->count; i++) {
        const struct control_assignment *a = &change->items[i];
        enum control_direction d =
            direction_of(control_find(before, a->kind, a->target), a, change->until_ns);

        worst = d > worst ? d : worst;
    }
    return worst;
}

bool control_change_needs_note(const struct control *before, const struct control_change *change)
{
    for (uint32_t i = 0; i < change->count; i++) {
        const struct control_assignment *a = &change->items[i];
        uint32_t from = control_value_of(before, a->kind, a->target)->mode;

        if (a->kind == CONTROL_KIND_MODE &&
            control_mode_steps[from][a->value.mode] == CONTROL_STEP_LOOSEN_NOTE) {
            return true;
        }
    }
    return false;
}

/* The modes that may follow FROM, as words. */
static void list_steps(enum control_mode from, char *text, size_t cap)
{
    text[0] = '\0';
    for (unsigned to = 0; to < CONTROL_MODE_COUNT; to++) {
        enum control_step step = control_mode_steps[from][to];

        if (step != CONTROL_STEP_STAY && step != CONTROL_STEP_FORBIDDEN) {
            if (text[0] != '\0') {
                strncat(text, ", ", cap - strlen(text) - 1);
            }
            strncat(text, control_mode_words[to], cap - strlen(text) - 1);
        }
    }
}

static enum control_fault check_step(const struct control_value *before,
                                     const struct control_assignment *a, struct control_error *e)
{
    if (a->kind == CONTROL_KIND_MODE &&
        control_mode_steps[before->mode][a->value.mode] == CONTROL_STEP_FORBIDDEN) {
        char allowed[64];

        list_steps((enum control_mode)before->mode, allowed, sizeof allowed);
        return control_fail(e, CONTROL_ILLEGAL, "/mode",
                            "the mode of %s is %s, and %s must not follow; allowed: %s", a->target,
                            control_mode_words[before->mode], control_mode_words[a->value.mode],
                            allowed);
    }
    if (a->kind == CONTROL_KIND_KILL && !before->engaged && a->value.released_percent != 0) {
        return control_fail(e, CONTROL_ILLEGAL, "/engaged",
                            "the kill switch %s is not engaged, so nothing can be released",
                            a->target);
    }
    return CONTROL_FINE;
}

static enum control_fault check_target(const struct control_cell *old,
                                       const struct control_assignment *a,
                                       const struct control_names *names, struct control_error *e)
{
    enum control_form form;
    const char *name;
    char allowed[160];

    if (!control_target_parse(a->kind, a->target, &form, &name)) {
        return control_fail(e, CONTROL_INVALID, "", "`%s` is no target of %s; it may be %s",
                            a->target, control_kind_rows[a->kind].word,
                            control_target_allowed(a->kind, allowed, sizeof allowed));
    }
    if (old == NULL && names != NULL && !names->known(names->arg, form, name)) {
        return control_fail(e, CONTROL_UNKNOWN, "", "`%s` does not exist here", a->target);
    }
    for (uint32_t i = 0; names != NULL && i < a->value.released.count; i++) {
        const char *symbol = a->value.released.names[i];

        if ((old == NULL || !control_symbols_has(&old->value.released, symbol)) &&
            !names->known(names->arg, CONTROL_FORM_SYMBOL, symbol)) {
            return control_fail(e, CONTROL_UNKNOWN, "/released_symbols", "`%s` does not exist here",
                                symbol);
        }
    }
    return CONTROL_FINE;
}

static enum control_fault check_assignment(const struct control *before,
                                           const struct control_assignment *a,
                                           const struct control_change *change, int64_t now_ns,
                                           const struct control_names *names,
                                           struct control_error *e)
{
    const struct control_cell *old = control_find(before, a->kind, a->target);

    if (check_target(old, a, names, e) != CONTROL_FINE ||
        control_value_check(a->kind, &a->value, e) != CONTROL_FINE ||
        control_check_until(a->kind, &a->value, change->until_ns, e) != CONTROL_FINE ||
        check_step(old != NULL ? &old->value : &control_default, a, e) != CONTROL_FINE) {
        return e->fault;
    }
    if (a->value.expires_ns != 0 && a->value.expires_ns <= now_ns) {
        return control_fail(e, CONTROL_INVALID, "/expires_at", "must be in the future");
    }
    return CONTROL_FINE;
}

static enum control_fault check_change(const struct control *before,
                                       const struct control_change *change,
                                       const struct control_stamp *stamp, struct control_error *e)
{
    const char *approved_by = stamp->approved_by != NULL ? stamp->approved_by : "";

    if (change->count == 0) {
        return control_fail(e, CONTROL_INVALID, "", "the change has no assignments");
    }
    if (change->reason == NULL) {
        return control_fail(e, CONTROL_INVALID, "/reason", "is missing");
    }
    if (control_check_text(change->reason, CONTROL_REASON_LEAST, CONTROL_REASON_MOST, "/reason",
                           e) != CONTROL_FINE ||
        control_check_text(change->ticket != NULL ? change->ticket : "", 0, CONTROL_TICKET_MOST,
                           "/ticket", e) != CONTROL_FINE ||
        control_check_text(stamp->by, 1, CONTROL_PERSON_MOST, "/by", e) != CONTROL_FINE ||
        control_check_text(approved_by, 0, CONTROL_PERSON_MOST, "/approved_by", e) !=
            CONTROL_FINE) {
        return e->fault;
    }
    if (stamp->now_ns <= 0 || stamp->now_ns > CONTROL_TIME_MOST) {
        return control_fail(e, CONTROL_INVALID, "", "the clock of this machine is wrong");
    }
    if (change->until_ns != 0 && change->until_ns <= stamp->now_ns) {
        return control_fail(e, CONTROL_INVALID, "/until", "must be in the future");
    }
    if (stamp->audit > CONTROL_NUMBER_MOST || stamp->version > CONTROL_NUMBER_MOST ||
        (stamp->version != 0 && stamp->version <= control_version(before))) {
        return control_fail(e, CONTROL_INVALID, "",
                            "version %" PRIu64 " cannot follow version %" PRIu64, stamp->version,
                            control_version(before));
    }
    return CONTROL_FINE;
}

static int by_key(const void *a, const void *b)
{
    const struct control_assignment *x = *(const struct control_assignment *const *)a;
    const struct control_assignment *y = *(const struct control_assignment *const *)b;

    return control_key_order(x->kind, x->target, y->kind, y->target);
}

/* Pointers to the assignments in order of their keys, or NULL: one key twice, said in E. */
static const struct control_assignment **sorted(const struct control_change *change,
                                                struct control_error *e)
{
    const struct control_assignment **order = gw_malloc(change->count * sizeof(*order));

    for (uint32_t i = 0; i < change->count; i++) {
        order[i] = &change->items[i];
    }
    qsort(order, change->count, sizeof(*order), by_key);
    for (uint32_t i = 1; i < change->count; i++) {
        if (by_key(&order[i - 1], &order[i]) == 0) {
            (void)control_fail(e, CONTROL_INVALID, "", "`%s` is set twice in one change",
                               order[i]->target);
            e->index =
                (uint32_t)((order[i] > order[i - 1] ? order[i] : order[i - 1]) - change->items);
            free(order);
            return NULL;
        }
    }
    return order;
}

static void push_assigned(struct control *next, const struct control_cell *old,
                          const struct control_assignment *a, const struct control_change *change,
                          const struct control_stamp *stamp)
{
    struct control_cell cell = {
        .kind = a->kind,
        .value = a->value,
        .reason = change->reason,
        .ticket = change->ticket != NULL ? change->ticket : "",
        .by = stamp->by,
        .approved_by = stamp->approved_by != NULL ? stamp->approved_by : "",
        .since_ns = stamp->now_ns,
        .until_ns = change->until_ns,
        .version = control_version(next),
        .audit = stamp->audit,
        .trigger = change->trigger,
    };

    memcpy(cell.target, a->target, sizeof cell.target);
    if (old != NULL && control_value_equal(a->kind, &old->value, &a->value)) {
        cell.since_ns = old->since_ns;
    }
    control_push_copy(next, &cell);
}

/* The cells of BEFORE with those of ORDER put in; says in CHANGED how many differ. */
static struct control *merge(const struct control *before, const struct control_change *change,
                             const struct control_assignment **order,
                             const struct control_stamp *stamp, uint32_t *changed)
{
    uint32_t olds = control_count(before);
    struct control *next = control_begin(
        stamp->version != 0 ? stamp->version : control_version(before) + 1, olds + change->count);
    uint32_t i = 0;
    uint32_t k = 0;

    *changed = 0;
    while (i < olds || k < change->count) {
        const struct control_cell *old = i < olds ? control_at(before, i) : NULL;
        const struct control_assignment *a = k < change->count ? order[k] : NULL;
        int side = old == NULL ? 1
                   : a == NULL ? -1
                               : control_key_order(old->kind, old->target, a->kind, a->target);

        old = side > 0 ? NULL : old;
        if (side >= 0 && direction_of(old, a, change->until_ns) != CONTROL_NONE) {
            push_assigned(next, old, a, change, stamp);
            (*changed)++;
        } else if (side <= 0) {
            control_push_shared(next, before, i);
        }
        i += side <= 0;
        k += side >= 0;
    }
    return next;
}

enum control_fault control_apply(const struct control *before, const struct control_change *change,
                                 const struct control_stamp *stamp,
                                 const struct control_names *names, const struct control **out,
                                 struct control_error *e)
{
    const struct control_assignment **order;
    const struct control *next;
    uint32_t changed;

    if (check_change(before, change, stamp, e) != CONTROL_FINE) {
        return e->fault;
    }
    for (uint32_t i = 0; i < change->count; i++) {
        if (check_assignment(before, &change->items[i], change, stamp->now_ns, names, e) !=
            CONTROL_FINE) {
            e->index = i;
            return e->fault;
        }
    }
    order = sorted(change, e);
    if (order == NULL) {
        return e->fault;
    }
    next = merge(before, change, order, stamp, &changed);
    free(order);
    if (changed == 0 || control_count(next) > CONTROL_CELLS_MOST) {
        control_unref(&next);
        return changed == 0
                   ? control_fail(e, CONTROL_NOTHING, "",
                                  "everything is as asked already; nothing was changed")
                   : control_fail(e, CONTROL_INVALID, "", "more than %d cells", CONTROL_CELLS_MOST);
    }
    *out = next;
    return CONTROL_FINE;
}

static void diff_add(struct control_diff *d, const struct control_cell *old,
                     const struct control_cell *new)
{
    const struct control_cell *any = new != NULL ? new : old;
    enum control_direction dir =
        control_value_direction(any->kind, old != NULL ? &old->value : &control_default,
                                new != NULL ? &new->value : &control_default);

    if (dir == CONTROL_NONE && old != NULL && new != NULL && old->until_ns != new->until_ns) {
        dir = CONTROL_NEUTRAL;
    }
    d->items[d->count++] = (struct control_diff_item){any->kind, any->target, old, new, dir};
    d->direction = dir > d->direction ? dir : d->direction;
}

void control_diff_init(struct control_diff *d, const struct control *before,
                       const struct control *after)
{
    uint32_t olds = control_count(before);
    uint32_t news = control_count(after);
    uint32_t i = 0;
    uint32_t k = 0;

    *d = (struct control_diff){.before = control_ref(before), .after = control_ref(after)};
    d->items = gw_malloc((olds + news + 1) * sizeof *d->items);
    while (i < olds || k < news) {
        const struct control_cell *old = i < olds ? control_at(before, i) : NULL;
        const struct control_cell *new = k < news ? control_at(after, k) : NULL;
        int side = old == NULL ? 1
                   : new == NULL
                       ? -1
                       : control_key_order(old->kind, old->target, new->kind, new->target);

        i += side <= 0;
        k += side >= 0;
        old = side <= 0 ? old : NULL;
        new = side >= 0 ? new : NULL;
        if (old != new && (old == NULL || new == NULL || control_cell_order(old, new) != 0)) {
            diff_add(d, old, new);
        }
    }
}

void control_diff_fini(struct control_diff *d)
{
    free(d->items);
    control_unref(&d->before);
    control_unref(&d->after);
    *d = (struct control_diff){0};
}
