#include "gateway/control/merge.h"

#include "gateway/control/state_priv.h"

/* Below 0: A is taken, above: B, 0: neither holds the other. */
static int tighter(const struct control_cell *a, const struct control_cell *b)
{
    enum control_direction there = control_value_direction(a->kind, &a->value, &b->value);
    enum control_direction back = control_value_direction(a->kind, &b->value, &a->value);

    if (there == CONTROL_NONE || there == CONTROL_NEUTRAL) {
        return control_cell_order(a, b) >= 0 ? -1 : 1;
    }
    return there == back ? 0 : there == CONTROL_LOOSEN ? -1 : 1;
}

static void push_both(struct control *out, const struct control *a, uint32_t i,
                      const struct control *b, uint32_t k)
{
    const struct control_cell *x = control_at(a, i);
    const struct control_cell *y = control_at(b, k);
    int which = tighter(x, y);

    if (which == 0) {
        struct control_cell cell = control_cell_order(x, y) >= 0 ? *x : *y;

        control_value_tightest(x->kind, &x->value, &y->value, &cell.value);
        control_push_copy(out, &cell);
        control_value_fini(&cell.value);
    } else {
        control_push_shared(out, which < 0 ? a : b, which < 0 ? i : k);
    }
}

const struct control *control_tightest(const struct control *a, const struct control *b)
{
    uint64_t version =
        control_version(a) > control_version(b) ? control_version(a) : control_version(b);
    struct control *out = control_begin(version, control_count(a) + control_count(b));
    uint32_t i = 0;
    uint32_t k = 0;

    while (i < control_count(a) || k < control_count(b)) {
        const struct control_cell *x = i < control_count(a) ? control_at(a, i) : NULL;
        const struct control_cell *y = k < control_count(b) ? control_at(b, k) : NULL;
        int side = x == NULL   ? 1
                   : y == NULL ? -1
                               : control_key_order(x->kind, x->target, y->kind, y->target);

        if (side == 0) {
            push_both(out, a, i, b, k);
        } else {
            control_push_shared(out, side < 0 ? a : b, side < 0 ? i : k);
        }
        i += side <= 0;
        k += side >= 0;
    }
    return out;
}

const struct control *control_renumber(const struct control *c, uint64_t version)
{
    struct control *out = control_begin(version, control_count(c));

    GW_ASSERT(version >= control_version(c));
    for (uint32_t i = 0; i < control_count(c); i++) {
        control_push_shared(out, c, i);
    }
    return out;
}
