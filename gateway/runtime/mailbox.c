#include "gateway/runtime/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>

struct cell {
    _Atomic uint64_t turn; /* == position: free; == position + 1: full */
    struct mail mail;
};

struct mailbox {
    struct cell *cells;
    uint64_t mask;
    _Alignas(64) _Atomic uint64_t tail; /* next position to write, shared by producers */
    _Alignas(64) uint64_t head;         /* next position to read */
    _Atomic bool open;
    _Atomic bool overrun;
    _Atomic uint64_t refused;
    uv_async_t async;
    void (*on_mail)(void *arg, struct mail *mail);
    void (*on_batch)(void *arg);
    void *arg;
};

struct mailbox *mailbox_create(uint32_t capacity)
{
    struct mailbox *m = aligned_alloc(64, (sizeof *m + 63) / 64 * 64);
    uint64_t cells = 64;

    GW_ASSERT(m != NULL);
    *m = (struct mailbox){0};
    while (cells < capacity) {
        cells *= 2;
    }
    m->mask = cells - 1;
    m->cells = gw_calloc(cells, sizeof *m->cells);
    for (uint64_t i = 0; i < cells; i++) {
        atomic_init(&m->cells[i].turn, i);
    }
    return m;
}

bool mailbox_take(struct mailbox *m, struct mail *out)
{
    struct cell *c = &m->cells[m->head & m->mask];

    if (atomic_load_explicit(&c->turn, memory_order_acquire) != m->head + 1) {
        return false;
    }
    *out = c->mail;
    atomic_store_explicit(&c->turn, m->head + m->mask + 1, memory_order_release);
    m->head++;
    return true;
}

static void on_async(uv_async_t *async)
{
    struct mailbox *m = async->data;
    struct mail mail;
    uint64_t budget = m->mask + 1; /* a turn is bounded even if producers never pause */

    while (budget-- != 0 && mailbox_take(m, &mail)) {
        m->on_mail(m->arg, &mail);
    }
    if (m->on_batch != NULL) {
        m->on_batch(m->arg);
    }
    if (budget == UINT64_MAX) {
        mailbox_wake(m);
    }
}

void mailbox_open(struct mailbox *m, uv_loop_t *loop, void (*on_mail)(void *arg, struct mail *mail),
                  void (*on_batch)(void *arg), void *arg)
{
    m->on_mail = on_mail;
    m->on_batch = on_batch;
    m->arg = arg;
    GW_ASSERT(uv_async_init(loop, &m->async, on_async) == 0);
    m->async.data = m;
    atomic_store(&m->open, true);
    mailbox_wake(m); /* what was posted before */
}

void mailbox_close(struct mailbox *m)
{
    if (atomic_exchange(&m->open, false)) {
        uv_close((uv_handle_t *)&m->async, NULL);
    }
}

void mailbox_destroy(struct mailbox **mp)
{
    struct mailbox *m = *mp;

    *mp = NULL;
    if (m != NULL) {
        GW_ASSERT(!atomic_load(&m->open));
        free(m->cells);
        free(m);
    }
}

bool mailbox_post(struct mailbox *m, const struct mail *mail)
{
    uint64_t at = atomic_load_explicit(&m->tail, memory_order_relaxed);

    for (;;) {
        struct cell *c = &m->cells[at & m->mask];
        uint64_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);

        if (turn == at) {
            if (atomic_compare_exchange_weak_explicit(&m->tail, &at, at + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                c->mail = *mail;
                atomic_store_explicit(&c->turn, at + 1, memory_order_release);
                return true;
            }
        } else if (turn < at) {
            atomic_fetch_add_explicit(&m->refused, 1, memory_order_relaxed);
            atomic_store_explicit(&m->overrun, true, memory_order_release);
            return false;
        } else {
            at = atomic_load_explicit(&m->tail, memory_order_relaxed);
        }
    }
}

void mailbox_wake(struct mailbox *m)
{
    if (atomic_load_explicit(&m->open, memory_order_acquire)) {
        (void)uv_async_send(&m->async);
    }
}

bool mailbox_overrun(struct mailbox *m)
{
    return atomic_exchange(&m->overrun, false);
}

uint64_t mailbox_refused(const struct mailbox *m)
{
    return atomic_load_explicit(&m->refused, memory_order_relaxed);
}
