/* Long random walks against a second, tiny model of the same rules: a cell there is the plain list
 * of everything it lets through, and "looser" means that something is let through that was not. */
#include <stdio.h>
#include "gateway/runtime/json.h"
#include "tests/unit/control/control_fixture.h"

#define STEPS  100000u
#define SLOTS  GW_LEN(slots)
#define PROBES 256u /* what a cell may let through, as bits */

static uint64_t random_state = 20261120;

static uint32_t dice(uint32_t sides)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((random_state >> 33) % sides);
}

static const char *const symbols[] = {"A/USD", "B/USD", "C/USD", "D/USD"};
static const char *const in_group[] = {"x", "x", "y", NULL};

static const struct {
    enum control_kind kind;
    const char *target;
} slots[] = {
    {CONTROL_KIND_MODE, "*"},           {CONTROL_KIND_MODE, "group:x"},
    {CONTROL_KIND_MODE, "group:y"},     {CONTROL_KIND_MODE, "A/USD"},
    {CONTROL_KIND_MODE, "B/USD"},       {CONTROL_KIND_MODE, "C/USD"},
    {CONTROL_KIND_MODE, "D/USD"},       {CONTROL_KIND_KILL, "global"},
    {CONTROL_KIND_KILL, "order_entry"}, {CONTROL_KIND_KILL, "adapter:z"},
    {CONTROL_KIND_WITHDRAWALS, "*"},    {CONTROL_KIND_WITHDRAWALS, "USD"},
    {CONTROL_KIND_THROTTLE, "A/USD"},   {CONTROL_KIND_THROTTLE, "B/USD"},
    {CONTROL_KIND_ACCOUNT, "desk"},     {CONTROL_KIND_FANOUT, "*"},
    {CONTROL_KIND_UPSTREAM, "*"},
};
enum { AT_ALL = 0, AT_GROUPS = 1, AT_SYMBOLS = 3, AT_KILL = 7 };

/* A value of the model. `level`: rank, rate, profile, flag; of a kill switch the rest is its stage,
 * `mask` of the four symbols and bit 4 for those without a name here. */
struct small {
    uint32_t level;
    uint32_t mask;
    uint32_t percent;
    int64_t until;
};
struct model {
    struct small at[SLOTS];
};

static bool same(const struct small *a, const struct small *b)
{
    return a->level == b->level && a->mask == b->mask && a->percent == b->percent;
}

/* Everything that V lets through in slot I, as a set of PROBES. */
static void lets_through(unsigned i, const struct small *v, bool set[PROBES])
{
    static const uint32_t percents[] = {1, 10, 50, 100};

    memset(set, 0, PROBES * sizeof set[0]);
    switch (slots[i].kind) {
    case CONTROL_KIND_MODE: /* ranks above it are what it does not hold back */
        for (uint32_t r = 0; r < 4; r++) {
            set[r] = v->level <= r;
        }
        break;
    case CONTROL_KIND_KILL:
        for (uint32_t s = 0; s < 5; s++) {
            for (uint32_t p = 0; p < 4; p++) {
                set[s * 4 + p] =
                    v->level == 0 || ((v->mask >> s & 1) != 0 && percents[p] <= v->percent);
            }
        }
        set[20] = v->level == 0;
        break;
    case CONTROL_KIND_THROTTLE:
        for (uint32_t r = 0; r < 200; r++) {
            set[r] = v->level == 0 || r <= v->level;
        }
        break;
    case CONTROL_KIND_WITHDRAWALS:
    case CONTROL_KIND_ACCOUNT:
        set[0] = v->level == 0;
        break;
    default:
        break;
    }
}

static enum control_direction model_direction(unsigned i, const struct small *old,
                                              const struct small *new)
{
    bool before[PROBES];
    bool after[PROBES];

    if (same(old, new)) {
        return new->until != 0 && new->until != old->until ? CONTROL_NEUTRAL : CONTROL_NONE;
    }
    if (slots[i].kind == CONTROL_KIND_FANOUT || slots[i].kind == CONTROL_KIND_UPSTREAM) {
        return CONTROL_NEUTRAL;
    }
    lets_through(i, old, before);
    lets_through(i, new, after);
    for (unsigned p = 0; p < PROBES; p++) {
        if (after[p] && !before[p]) {
            return CONTROL_LOOSEN;
        }
    }
    return CONTROL_TIGHTEN;
}

static bool model_legal(unsigned i, const struct small *old, const struct small *new)
{
    if (slots[i].kind == CONTROL_KIND_MODE) {
        return old->level != 3 || (new->level != 0 && new->level != 2);
    }
    return slots[i].kind != CONTROL_KIND_KILL || old->level == 1 || new->percent == 0;
}

static uint32_t model_mode(const struct model *m, uint32_t s)
{
    uint32_t mode = m->at[AT_ALL].level;
    const uint32_t more[] = {
        m->at[AT_SYMBOLS + s].level,
        in_group[s] == NULL ? 0 : m->at[AT_GROUPS + (in_group[s][0] == 'y')].level,
        m->at[AT_KILL].level == 1 && (m->at[AT_KILL].mask >> s & 1) == 0,
        m->at[AT_KILL + 1].level == 1 && (m->at[AT_KILL + 1].mask >> s & 1) == 0,
    };

    for (unsigned i = 0; i < GW_LEN(more); i++) {
        mode = more[i] > mode ? more[i] : mode;
    }
    return mode;
}

static struct small random_value(unsigned i)
{
    static const uint32_t percents[] = {1, 10, 50, 100};
    static const uint32_t levels[CONTROL_KIND_COUNT] = {
        [CONTROL_KIND_MODE] = 4,       [CONTROL_KIND_KILL] = 2,    [CONTROL_KIND_WITHDRAWALS] = 2,
        [CONTROL_KIND_THROTTLE] = 150, [CONTROL_KIND_ACCOUNT] = 2, [CONTROL_KIND_FANOUT] = 3,
        [CONTROL_KIND_UPSTREAM] = 2,   [CONTROL_KIND_ACCESS] = 2,
    };
    struct small v = {.level = dice(levels[slots[i].kind])};

    if (slots[i].kind == CONTROL_KIND_KILL && v.level == 1 && dice(3) != 0) {
        v.mask = dice(5) == 0 ? 31 : 1 + dice(15);
        v.percent = percents[dice(v.mask == 31 ? 3 : 4)];
    }
    return v;
}

static struct control_value real_value(unsigned i, const struct small *v)
{
    struct control_value out = {0};

    switch (slots[i].kind) {
    case CONTROL_KIND_MODE:
        out.mode = v->level;
        break;
    case CONTROL_KIND_KILL:
        out.engaged = v->level == 1;
        out.released_percent = v->percent;
        out.released.all = v->mask == 31;
        for (uint32_t s = 0; s < 4 && !out.released.all; s++) {
            if ((v->mask >> s & 1) != 0) {
                assert_true(control_symbols_add(&out.released, symbols[s]));
            }
        }
        break;
    case CONTROL_KIND_WITHDRAWALS:
        out.halted = v->level == 1;
        break;
    case CONTROL_KIND_THROTTLE:
        out.orders_per_s = v->level;
        break;
    case CONTROL_KIND_ACCOUNT:
        out.paused = v->level == 1;
        break;
    case CONTROL_KIND_FANOUT:
        out.profile = v->level;
        out.expires_ns = v->level == 0 ? 0 : NOW + 1000 * SECOND;
        break;
    default:
        out.upstream = v->level;
        break;
    }
    return out;
}

struct walk {
    const struct control *state;
    struct model model;
};

/* What the model says of a change of COUNT slots; NEXT is the model after it. */
static enum control_fault model_apply(const struct model *m, const unsigned *which,
                                      const struct small *values, unsigned count,
                                      struct model *next, enum control_direction *worst)
{
    enum control_fault fault = CONTROL_FINE;

    *next = *m;
    *worst = CONTROL_NONE;
    for (unsigned k = 0; k < count; k++) {
        struct small *old = &next->at[which[k]];
        enum control_direction d = model_direction(which[k], old, &values[k]);

        if (fault == CONTROL_FINE && !model_legal(which[k], old, &values[k])) {
            fault = CONTROL_ILLEGAL;
        }
        *worst = d > *worst ? d : *worst;
        if (d != CONTROL_NONE) {
            *old = values[k];
        }
    }
    return fault == CONTROL_FINE && *worst == CONTROL_NONE ? CONTROL_NOTHING : fault;
}

/* The state means for each symbol what the model says, and the step is what it was called. */
static void compare(const struct walk *before, const struct walk *after,
                    enum control_direction direction)
{
    for (uint32_t s = 0; s < GW_LEN(symbols); s++) {
        uint32_t groups = in_group[s] != NULL;
        uint32_t was = control_symbol_mode(before->state, symbols[s], &in_group[s], groups).mode;
        uint32_t is = control_symbol_mode(after->state, symbols[s], &in_group[s], groups).mode;

        assert_int_equal(is, model_mode(&after->model, s));
        if (direction != CONTROL_LOOSEN) {
            assert_true(is >= was);
        }
        if (direction != CONTROL_LOOSEN && direction != CONTROL_TIGHTEN) {
            assert_int_equal(is, was);
        }
    }
}

static unsigned pick(unsigned *which, struct small *values)
{
    unsigned count = 1 + dice(4);
    int64_t until = dice(4) == 0 ? NOW + (int64_t)(1 + dice(3)) * SECOND : 0;

    for (unsigned k = 0; k < count; k++) {
        bool again;

        do { /* no key twice, and no `until` where it has no meaning */
            again = false;
            which[k] = dice((uint32_t)SLOTS);
            values[k] = random_value(which[k]);
            values[k].until = until;
            for (unsigned n = 0; n < k; n++) {
                again = again || which[n] == which[k];
            }
            again = again || (until != 0 && (slots[which[k]].kind == CONTROL_KIND_FANOUT ||
                                             values[k].level == 0));
        } while (again);
    }
    return count;
}

static void step(struct walk *w, unsigned number)
{
    unsigned which[4];
    struct small values[4];
    unsigned count = pick(which, values);
    struct walk before = {control_ref(w->state), w->model};
    struct control_change change = because("a step of a random walk");
    char *text = number % 16 == 0 ? text_of(w->state) : NULL;
    enum control_direction direction;
    enum control_fault fault;
    struct control_error e;

    change.until_ns = values[0].until;
    for (unsigned k = 0; k < count; k++) {
        add(&change, slots[which[k]].kind, slots[which[k]].target,
            real_value(which[k], &values[k]));
    }
    fault = model_apply(&before.model, which, values, count, &w->model, &direction);
    assert_int_equal(control_change_direction(w->state, &change), direction);
    if (fault != CONTROL_FINE) {
        w->model = before.model;
    }
    assert_int_equal(apply(&w->state, &change, &e), fault);
    assert_int_equal(control_version(w->state),
                     control_version(before.state) + (fault == CONTROL_FINE));
    if (fault == CONTROL_FINE) {
        struct control_diff d;

        control_diff_init(&d, before.state, w->state);
        assert_int_equal(d.direction, direction);
        assert_true(d.count >= 1 && d.count <= count);
        control_diff_fini(&d);
        compare(&before, w, direction);
    }
    if (text != NULL) {
        char *still = text_of(before.state);

        assert_string_equal(still, text);
        free(still);
        free(text);
    }
    control_unref(&before.state);
}

static void round_trip(const struct control *c)
{
    char *text = text_of(c);
    const struct control *read;
    struct control_error e;
    char *again;

    assert_int_equal(control_parse(text, strlen(text), &read, &e), CONTROL_FINE);
    assert_true(control_equal(c, read));
    again = text_of(read);
    assert_string_equal(again, text);
    free(again);
    free(text);
    control_unref(&read);
}

static void a_hundred_thousand_steps(void **state)
{
    struct walk w = {.state = control_create()};

    (void)state;
    for (unsigned i = 0; i < STEPS; i++) {
        step(&w, i);
        if (i % 32 == 0) {
            round_trip(w.state);
        }
    }
    assert_true(control_version(w.state) > STEPS / 2);
    control_unref(&w.state);
}

static bool is_neutral(enum control_kind kind)
{
    return kind == CONTROL_KIND_FANOUT || kind == CONTROL_KIND_UPSTREAM;
}

/* M is nowhere looser than A, and each of its cells is one of A's and B's or, of release stages,
 * what both release. */
static void not_looser(const struct control *m, const struct control *a, const struct control *b)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct control_value *mine = control_value_of(m, slots[i].kind, slots[i].target);
        const struct control_value *of_a = control_value_of(a, slots[i].kind, slots[i].target);
        const struct control_value *of_b = control_value_of(b, slots[i].kind, slots[i].target);

        if (!is_neutral(slots[i].kind)) {
            assert_int_not_equal(control_value_direction(slots[i].kind, of_a, mine),
                                 CONTROL_LOOSEN);
            assert_int_not_equal(control_value_direction(slots[i].kind, of_b, mine),
                                 CONTROL_LOOSEN);
        }
        if (slots[i].kind != CONTROL_KIND_KILL) {
            assert_true(control_value_equal(slots[i].kind, mine, of_a) ||
                        control_value_equal(slots[i].kind, mine, of_b));
        }
    }
    for (uint32_t s = 0; s < GW_LEN(symbols); s++) {
        uint32_t groups = in_group[s] != NULL;

        assert_true(control_symbol_mode(m, symbols[s], &in_group[s], groups).mode >=
                    control_symbol_mode(a, symbols[s], &in_group[s], groups).mode);
    }
}

/* Equal in everything; of kill switches in the value only. */
static void equal_but_names(const struct control *a, const struct control *b)
{
    assert_int_equal(control_version(a), control_version(b));
    assert_int_equal(control_count(a), control_count(b));
    for (uint32_t i = 0; i < control_count(a); i++) {
        const struct control_cell *x = control_at(a, i);
        const struct control_cell *y = control_at(b, i);

        assert_int_equal(x->kind, y->kind);
        assert_string_equal(x->target, y->target);
        assert_true(control_value_equal(x->kind, &x->value, &y->value));
        if (x->kind != CONTROL_KIND_KILL) {
            assert_int_equal(control_cell_order(x, y), 0);
        }
    }
}

static void merge_three(const struct control *a, const struct control *b, const struct control *c)
{
    const struct control *ab = control_tightest(a, b);
    const struct control *ba = control_tightest(b, a);
    const struct control *bc = control_tightest(b, c);
    const struct control *left = control_tightest(ab, c);
    const struct control *right = control_tightest(a, bc);
    const struct control *twice = control_tightest(ab, ab);
    const struct control *self = control_tightest(a, a);

    assert_true(control_equal(ab, ba));
    assert_true(control_equal(ab, twice));
    assert_true(control_equal(a, self));
    equal_but_names(left, right);
    not_looser(ab, a, b);
    not_looser(left, ab, c);
    round_trip(left);
    control_unref(&ab);
    control_unref(&ba);
    control_unref(&bc);
    control_unref(&left);
    control_unref(&right);
    control_unref(&twice);
    control_unref(&self);
}

/* Three walks that know nothing of each other, merged now and then. */
static void merges_are_the_tightest(void **state)
{
    struct walk w[3] = {
        {.state = control_create()}, {.state = control_create()}, {.state = control_create()}};

    (void)state;
    for (unsigned i = 0; i < STEPS / 5; i++) {
        step(&w[dice(3)], i);
        if (i % 4 == 0) {
            merge_three(w[0].state, w[1].state, w[2].state);
        }
    }
    for (unsigned k = 0; k < 3; k++) {
        control_unref(&w[k].state);
    }
}

/* Of who is named: the tighter cell as it stands; of equals the newer one. */
static void the_tighter_cell_keeps_its_names(void **state)
{
    const struct control *a = control_create();
    const struct control *b = control_create();
    const struct control *m;

    (void)state;
    set(&a, CONTROL_KIND_MODE, "A/USD", mode_of(CONTROL_HARD_HALT)); /* version 1 */
    set(&a, CONTROL_KIND_KILL, "global", stage_of("", 0));           /* 2 */
    set(&b, CONTROL_KIND_ACCOUNT, "desk", (struct control_value){.paused = true});
    set(&b, CONTROL_KIND_THROTTLE, "A/USD", (struct control_value){.orders_per_s = 1});
    set(&b, CONTROL_KIND_MODE, "A/USD", mode_of(CONTROL_SOFT_HALT)); /* 3 */
    set(&b, CONTROL_KIND_KILL, "global", stage_of("", 0));           /* 4 */
    m = control_tightest(a, b);
    assert_int_equal(control_version(m), 4);
    assert_int_equal(control_find(m, CONTROL_KIND_MODE, "A/USD")->version, 1);
    assert_int_equal(control_find(m, CONTROL_KIND_MODE, "A/USD")->value.mode, CONTROL_HARD_HALT);
    assert_int_equal(control_find(m, CONTROL_KIND_KILL, "global")->version, 4);
    control_unref(&m);
    set(&a, CONTROL_KIND_KILL, "global", stage_of("A/USD B/USD", 10));
    set(&b, CONTROL_KIND_KILL, "global", stage_of("B/USD C/USD", 50));
    m = control_tightest(a, b);
    assert_int_equal(control_value_of(m, CONTROL_KIND_KILL, "global")->released.count, 1);
    assert_string_equal(control_value_of(m, CONTROL_KIND_KILL, "global")->released.names[0],
                        "B/USD");
    assert_int_equal(control_value_of(m, CONTROL_KIND_KILL, "global")->released_percent, 10);
    assert_int_equal(control_find(m, CONTROL_KIND_KILL, "global")->version, 5);
    control_unref(&m);
    set(&b, CONTROL_KIND_KILL, "global", stage_of("C/USD", 50));
    m = control_tightest(a, b);
    assert_int_equal(control_value_of(m, CONTROL_KIND_KILL, "global")->released_percent, 0);
    round_trip(m);
    control_unref(&m);
    control_unref(&a);
    control_unref(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_steps),
        cmocka_unit_test(merges_are_the_tightest),
        cmocka_unit_test(the_tighter_cell_keeps_its_names),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
