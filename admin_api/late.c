/* admin_api/late.c - answers that come late on purpose.
 * Why: refusing an address costs as much as serving it (TLS, head, answer), and a client that sends
 * again at once would have the loop to itself. Held back for about a second, it gets one refusal a
 * second and connection; connections of an address are bounded elsewhere. The times are spread, else
 * all connections of a flood would come back together.
 * Owner: the control loop.
 * Invariant: a held call is in exactly one slot; the timer runs while there are any. */
#include <stdlib.h>
#include <utlist.h>
#include "admin_api/api_priv.h"

#define TICK_MS     8u
#define LEAST_TICKS (500 / TICK_MS)
#define SPAN_TICKS  (1000 / TICK_MS)
_Static_assert(LEAST_TICKS + SPAN_TICKS < API_LATE_SLOTS, "a slot is not emptied too early");

static void on_tick(uv_timer_t *timer)
{
    struct api *a = timer->data;
    struct api_call **slot = &a->late[a->late_at % API_LATE_SLOTS];

    while (*slot != NULL) {
        struct api_call *c = *slot;

        late_forget(c);
        c->late(c);
    }
    a->late_at++;
    if (a->late_count == 0) {
        (void)uv_timer_stop(timer);
    }
}

void late_answer(struct api_call *c, void (*answer)(struct api_call *c))
{
    struct api *a = c->api;

    c->late = answer;
    c->late_slot = (a->late_at + LEAST_TICKS + (unsigned)random() % SPAN_TICKS) % API_LATE_SLOTS;
    DL_APPEND2(a->late[c->late_slot], c, late_prev, late_next);
    if (a->late_count++ == 0) {
        (void)uv_timer_start(a->late_timer, on_tick, TICK_MS, TICK_MS);
    }
}

void late_forget(struct api_call *c)
{
    if (c->late_prev != NULL) {
        DL_DELETE2(c->api->late[c->late_slot], c, late_prev, late_next);
        c->late_prev = NULL;
        c->api->late_count--;
    }
}

void late_init(struct api *a, uv_loop_t *loop)
{
    a->late_timer = api_timer(loop, a);
}

void late_fini(struct api *a)
{
    api_timer_end(&a->late_timer);
}
