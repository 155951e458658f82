#include "gateway/store/pg_once.h"

#include <stdio.h>
#include <unistd.h>

#define CONNECT_MS 10000u

static void on_state(void *arg, bool up)
{
    struct pg_once *o = arg;

    if (up && !o->asked) {
        o->asked = true;
        o->ask(o->arg, o->pg);
    }
}

static void on_late(uv_timer_t *timer)
{
    struct pg_once *o = timer->data;

    if (!o->asked) {
        o->late(o->arg);
        pg_once_end(o);
    }
}

static void on_closed(void *arg)
{
    (void)arg;
}

void pg_once_run(struct pg_once *o, const char *dsn, const char *name)
{
    const struct pg_options opt = {
        .dsn = dsn,
        .name = name,
        .connections = 1,
        .queue_max = 4,
        .timeout_ms = 5000,
        .backoff_min_ms = 100,
        .backoff_max_ms = 1000,
        .metrics = metrics_create(&store_metrics),
    };

    o->asked = false;
    GW_ASSERT(uv_loop_init(&o->loop) == 0 && uv_timer_init(&o->loop, &o->timer) == 0);
    o->timer.data = o;
    GW_ASSERT(uv_timer_start(&o->timer, on_late, CONNECT_MS, 0) == 0);
    o->pg = pg_create(&o->loop, &opt, on_state, o);
    (void)uv_run(&o->loop, UV_RUN_DEFAULT); /* until pg_once_end() */
    uv_close((uv_handle_t *)&o->timer, NULL);
    pg_close(o->pg, on_closed, o);
    (void)uv_run(&o->loop, UV_RUN_DEFAULT); /* until all is closed */
    pg_destroy(&o->pg);
    GW_ASSERT(uv_loop_close(&o->loop) == 0);
}

void pg_once_end(struct pg_once *o)
{
    uv_stop(&o->loop);
}

void pg_once_actor(const char *given, char out[PG_ONCE_ACTOR_SIZE])
{
    uv_passwd_t user;

    if (given != NULL) {
        (void)snprintf(out, PG_ONCE_ACTOR_SIZE, "%s", given);
    } else if (uv_os_get_passwd(&user) == 0) {
        (void)snprintf(out, PG_ONCE_ACTOR_SIZE, "os:%.80s uid=%u", user.username,
                       (unsigned)getuid());
        uv_os_free_passwd(&user);
    } else {
        (void)snprintf(out, PG_ONCE_ACTOR_SIZE, "os: uid=%u", (unsigned)getuid());
    }
}
