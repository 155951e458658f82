/* admin_api/events.c - open streams of events are judged again and again.
 * Why: a stream lives for hours; what it may show was judged when it was opened, and the rights of who
 * opened it end in between: by the clock, or by somebody.
 * A stream whose owner may see something else by now is ended; it comes back at once with its place
 * (Last-Event-ID), and is judged like any request.
 * Owner: the control loop. From memory only: while PostgreSQL is away what is known goes on. */
#include <inttypes.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/http/sse.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define JUDGE_MS 500u

/* What OWNER, a session or a key, may do now; 0: nothing. */
static uint64_t may_now(struct api *a, const char *owner)
{
    const struct key *key = keys_find(a->opt.keys, owner, strlen(owner));
    const struct people_session *s;

    if (key != NULL) {
        return key_state(key, clock_real_ns()) == KEY_ACTIVE ? scopes_permissions(key->scopes) : 0;
    }
    if (a->opt.people == NULL || !people_find_id(a->opt.people, owner, &s) || s->must_choose ||
        !s->enrolled) {
        return 0;
    }
    return roles_permissions(people_roles(a->opt.people, s));
}

static bool still_right(void *arg, const char *owner, const char *events)
{
    uint64_t may = may_now(arg, owner);
    char names[SSE_NAMES_MAX];

    events_names(may, names);
    return roles_allow(may, PERM_STATUS_READ) && strcmp(names, events) == 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct api *a = timer->data;
    uint32_t ended = sse_judge(a->opt.events, still_right, a);

    if (ended != 0) {
        log_info("events", "judged_anew", "\"ended\":%" PRIu32, ended);
    }
}

void events_init(struct api *a, uv_loop_t *loop)
{
    if (a->opt.events != NULL) {
        a->events_timer = api_timer(loop, a);
        GW_ASSERT(uv_timer_start(a->events_timer, on_timer, JUDGE_MS, JUDGE_MS) == 0);
    }
}

void events_fini(struct api *a)
{
    if (a->events_timer != NULL) {
        api_timer_end(&a->events_timer);
    }
}
