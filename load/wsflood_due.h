/* load/wsflood_due.h - a heap of session numbers by the time they are due; the earliest first.
 * Why: after a close of everybody ten thousand sessions wait, each for its own time.
 * Owner: the loop of wsflood.
 * Invariant: rows[i] is not due later than rows[2i + 1] and rows[2i + 2]; whoever fills it gives as
 * many rows as numbers, and no number is in it twice. */
#ifndef LOAD_WSFLOOD_DUE_H
#define LOAD_WSFLOOD_DUE_H
#include <stdint.h>

struct wf_due_row {
    int64_t at_ns;
    uint32_t index;
};

struct wf_due {
    struct wf_due_row *rows;
    uint32_t count;
};

/* INT64_MAX when nobody waits. */
static inline int64_t wf_due_next(const struct wf_due *d)
{
    return d->count != 0 ? d->rows[0].at_ns : INT64_MAX;
}

static inline void wf_due_offer(struct wf_due *d, int64_t at_ns, uint32_t index)
{
    uint32_t i = d->count++;

    while (i != 0 && d->rows[(i - 1) / 2].at_ns > at_ns) {
        d->rows[i] = d->rows[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    d->rows[i] = (struct wf_due_row){at_ns, index};
}

/* The number that is due first; there must be one. */
static inline uint32_t wf_due_take(struct wf_due *d)
{
    uint32_t index = d->rows[0].index;
    struct wf_due_row last = d->rows[--d->count];
    uint32_t i = 0;
    uint32_t child;

    while ((child = 2 * i + 1) < d->count) {
        if (child + 1 < d->count && d->rows[child + 1].at_ns < d->rows[child].at_ns) {
            child++;
        }
        if (last.at_ns <= d->rows[child].at_ns) {
            break;
        }
        d->rows[i] = d->rows[child];
        i = child;
    }
    d->rows[i] = last;
    return index;
}
#endif
