#include "gateway/control/state_priv.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/utf8.h"

#define AS_WORD(sym, word) word,
const char *const control_trigger_words[CONTROL_TRIGGER_COUNT] = {CONTROL_TRIGGERS(AS_WORD)};

/* A cell as several snapshots share it; its texts follow it in the same memory. */
struct cell_box {
    struct control_cell cell;
    atomic_uint refs;
    char texts[];
};

struct control {
    atomic_uint refs;
    uint64_t version;
    uint32_t count;
    uint32_t capacity;
    struct cell_box *cells[];
};

static const char *put_text(char **at, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *mine = *at;

    memcpy(mine, text, bytes);
    *at += bytes;
    return mine;
}

static struct cell_box *box_create(const struct control_cell *cell)
{
    size_t bytes = strlen(cell->reason) + strlen(cell->ticket) + strlen(cell->by) +
                   strlen(cell->approved_by) + 4;
    struct cell_box *box = gw_malloc(sizeof *box + bytes);
    char *at = box->texts;

    box->cell = *cell;
    control_value_copy(&box->cell.value, &cell->value);
    box->cell.reason = put_text(&at, cell->reason);
    box->cell.ticket = put_text(&at, cell->ticket);
    box->cell.by = put_text(&at, cell->by);
    box->cell.approved_by = put_text(&at, cell->approved_by);
    atomic_init(&box->refs, 1);
    return box;
}

static void box_unref(struct cell_box *box)
{
    unsigned refs = atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel);

    GW_ASSERT(refs > 0);
    if (refs == 1) {
        control_value_fini(&box->cell.value);
        free(box);
    }
}

struct control *control_begin(uint64_t version, uint32_t capacity)
{
    struct control *c = gw_malloc(sizeof *c + capacity * sizeof(struct cell_box *));

    c->version = version;
    c->count = 0;
    c->capacity = capacity;
    atomic_init(&c->refs, 1);
    return c;
}

static void push(struct control *c, struct cell_box *box)
{
    GW_ASSERT(c->count < c->capacity && box->cell.version <= c->version);
    if (c->count != 0) {
        const struct control_cell *last = &c->cells[c->count - 1]->cell;

        GW_ASSERT(control_key_order(last->kind, last->target, box->cell.kind, box->cell.target) <
                  0);
    }
    c->cells[c->count++] = box;
}

void control_push_copy(struct control *c, const struct control_cell *cell)
{
    push(c, box_create(cell));
}

void control_push_shared(struct control *c, const struct control *from, uint32_t i)
{
    struct cell_box *box = from->cells[i];

    atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
    push(c, box);
}

const struct control *control_create(void)
{
    return control_begin(0, 0);
}

const struct control *control_ref(const struct control *c)
{
    /* the count is the one thing in a snapshot that changes */
    atomic_fetch_add_explicit(&((struct control *)(uintptr_t)c)->refs, 1, memory_order_relaxed);
    return c;
}

void control_unref(const struct control **cp)
{
    struct control *c = (struct control *)(uintptr_t)*cp;
    unsigned refs;

    *cp = NULL;
    refs = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    GW_ASSERT(refs > 0);
    if (refs == 1) {
        for (uint32_t i = 0; i < c->count; i++) {
            box_unref(c->cells[i]);
        }
        free(c);
    }
}

uint64_t control_version(const struct control *c)
{
    return c->version;
}

uint32_t control_count(const struct control *c)
{
    return c->count;
}

const struct control_cell *control_at(const struct control *c, uint32_t i)
{
    GW_ASSERT(i < c->count);
    return &c->cells[i]->cell;
}

int control_key_order(enum control_kind kind_a, const char *target_a, enum control_kind kind_b,
                      const char *target_b)
{
    return kind_a != kind_b ? (kind_a > kind_b) - (kind_a < kind_b) : strcmp(target_a, target_b);
}

/* Index of the first cell that does not come before the key. */
static uint32_t lower_bound(const struct control *c, enum control_kind kind, const char *target)
{
    uint32_t low = 0;
    uint32_t high = c->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct control_cell *cell = &c->cells[mid]->cell;

        if (control_key_order(cell->kind, cell->target, kind, target) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const struct control_cell *control_find(const struct control *c, enum control_kind kind,
                                        const char *target)
{
    uint32_t at = lower_bound(c, kind, target);

    if (at < c->count && c->cells[at]->cell.kind == kind &&
        strcmp(c->cells[at]->cell.target, target) == 0) {
        return &c->cells[at]->cell;
    }
    return NULL;
}

const struct control_value *control_value_of(const struct control *c, enum control_kind kind,
                                             const char *target)
{
    const struct control_cell *cell = control_find(c, kind, target);

    return cell != NULL ? &cell->value : &control_default;
}

uint32_t control_range(const struct control *c, enum control_kind kind, uint32_t *count)
{
    uint32_t first = lower_bound(c, kind, "");
    uint32_t next = first;

    while (next < c->count && c->cells[next]->cell.kind == kind) {
        next++;
    }
    *count = next - first;
    return first;
}

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int control_cell_order(const struct control_cell *a, const struct control_cell *b)
{
    const int orders[] = {
        order_u64(a->version, b->version),
        (a->since_ns > b->since_ns) - (a->since_ns < b->since_ns),
        order_u64(a->audit, b->audit),
        (a->until_ns > b->until_ns) - (a->until_ns < b->until_ns),
        control_value_order(a->kind, &a->value, &b->value),
        strcmp(a->reason, b->reason),
        strcmp(a->ticket, b->ticket),
        strcmp(a->by, b->by),
        strcmp(a->approved_by, b->approved_by),
        order_u64(a->trigger, b->trigger),
    };

    for (unsigned i = 0; i < GW_LEN(orders); i++) {
        if (orders[i] != 0) {
            return orders[i];
        }
    }
    return 0;
}

bool control_equal(const struct control *a, const struct control *b)
{
    if (a->version != b->version || a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const struct control_cell *x = &a->cells[i]->cell;
        const struct control_cell *y = &b->cells[i]->cell;

        if (x != y && (control_key_order(x->kind, x->target, y->kind, y->target) != 0 ||
                       control_cell_order(x, y) != 0)) {
            return false;
        }
    }
    return true;
}

enum control_fault control_check_text(const char *text, size_t least, size_t most,
                                      const char *pointer, struct control_error *e)
{
    size_t len = strnlen(text, most * 4 + 1);
    size_t chars;

    if (!utf8_plain(text, len, &chars)) {
        return control_fail(e, CONTROL_INVALID, pointer,
                            "must be UTF-8 without control characters or line breaks");
    }
    if (chars < least || chars > most) {
        return control_fail(e, CONTROL_INVALID, pointer, "must have %zu to %zu characters, has %zu",
                            least, most, chars);
    }
    if (len != 0 && (text[0] == ' ' || text[len - 1] == ' ')) {
        return control_fail(e, CONTROL_INVALID, pointer, "must not begin or end with a space");
    }
    return CONTROL_FINE;
}

enum control_fault control_check_until(enum control_kind kind, const struct control_value *v,
                                       int64_t until_ns, struct control_error *e)
{
    if (until_ns == 0) {
        return CONTROL_FINE;
    }
    if (until_ns < 0 || until_ns > CONTROL_TIME_MOST) {
        return control_fail(e, CONTROL_INVALID, "/until", "must be a time from 1970 to 2199");
    }
    if (kind == CONTROL_KIND_FANOUT) {
        return control_fail(e, CONTROL_INVALID, "/until",
                            "a fan-out profile ends at its `expires_at`; leave `until` out");
    }
    if (control_value_is_default(kind, v)) {
        return control_fail(e, CONTROL_INVALID, "/until",
                            "nothing is held back, so no decision can be due; leave `until` out");
    }
    return CONTROL_FINE;
}
